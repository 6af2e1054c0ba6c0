"""The client's end of a WebSocket: what both have, and TestClient's."""

from __future__ import annotations

import contextlib
import json as _json
from collections.abc import Callable, Iterator
from typing import Any

from rupy import Headers
from rupy._errors import WebSocketDisconnect

from ._connection import Connection
from ._frames import Frames, accept_of
from ._request import Response
from ._wire import AnswerParser, ProtocolError


class WebSocketDenied(Exception):  # noqa: N818
    """The handshake was answered with something else than 101."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"the WebSocket was denied: {response!r}")
        self.response = response


class End:
    """What is known of a WebSocket without waiting."""

    def __init__(
        self, response: Response, frames: Frames, timeout: float | None
    ) -> None:
        self.response = response
        """The answer to the handshake."""
        self._frames = frames
        self._timeout = timeout

    @property
    def subprotocol(self) -> str | None:
        return self.response.headers.get("sec-websocket-protocol")

    @property
    def headers(self) -> Headers:
        return self.response.headers

    @property
    def close_code(self) -> int | None:
        """Of the server's close frame (RFC 6455 7.4): 1005 without a code,
        1006 when the connection was lost; None while it is open."""
        return self._frames.close_code

    @property
    def close_reason(self) -> str:
        return self._frames.close_reason

    def _queue(self, message: str | bytes) -> None:
        if self._is_closed() or self._frames.close_sent:
            raise WebSocketDisconnect(self.close_code or 1006)
        self._frames.send(message)

    def _has_news(self) -> bool:
        return bool(self._frames.messages) or self._is_closed()

    def _is_closed(self) -> bool:
        return self.close_code is not None

    def _disconnect(self) -> WebSocketDisconnect:
        return WebSocketDisconnect(self.close_code or 1006, self.close_reason)


class WebSocket(End):
    """The client's end of a WebSocket."""

    def __init__(
        self,
        conn: Connection,
        response: Response,
        frames: Frames,
        look: Callable[[bool], None],
        timeout: float | None,
    ) -> None:
        super().__init__(response, frames, timeout)
        self._conn = conn
        self._look = look

    def send(self, message: str | bytes) -> None:
        """Raises WebSocketDisconnect when it is closed."""
        self._queue(message)
        self._flush()

    def send_text(self, text: str) -> None:
        self.send(text)

    def send_bytes(self, data: bytes) -> None:
        self.send(data)

    def send_json(self, content: Any) -> None:
        self.send(_json.dumps(content))

    def receive(self) -> str | bytes:
        """The next message.

        Raises what the handler raised, if that is why there is none, and
        WebSocketDisconnect when the server closed.
        """
        self._run(self._has_news)
        if self._frames.messages:
            return self._frames.messages.popleft()
        self._look(True)
        raise self._disconnect()

    def receive_text(self) -> str:
        message = self.receive()
        assert isinstance(message, str), message
        return message

    def receive_bytes(self) -> bytes:
        message = self.receive()
        assert isinstance(message, bytes), message
        return message

    def receive_json(self) -> Any:
        return _json.loads(self.receive())

    def __iter__(self) -> Iterator[str | bytes]:
        """Messages until the server closes."""
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                yield self.receive()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, and wait for the server to close as well."""
        if not self._is_closed():
            self._frames.close(code, reason)
            self._run(self._is_closed)

    def _flush(self) -> None:
        self._conn.send(self._frames.take_output())
        self._conn.flush(self._timeout)

    def _feed(self, data: bytes) -> None:
        self._frames.feed(data)
        self._conn.send(self._frames.take_output())

    def _run(self, until: Callable[[], bool]) -> None:
        self._conn.send(self._frames.take_output())
        self._conn.run(until, self._feed, self._timeout)
        # A close frame is answered.
        with contextlib.suppress(TimeoutError):
            self._conn.flush(self._timeout)


def accepted(answer: Response, parser: AnswerParser, key: str) -> Frames:
    """What goes on behind the answer to a handshake; WebSocketDenied."""
    if not parser.is_upgrade():
        answer._body = b"".join(parser.chunks)
        raise WebSocketDenied(answer)
    if answer.headers.get("sec-websocket-accept") != accept_of(key):
        raise ProtocolError("Sec-WebSocket-Accept does not answer the key")
    frames = Frames()
    if parser.rest:
        frames.feed(parser.rest)
    return frames
