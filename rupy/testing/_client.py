"""TestClient: requests, streams and WebSockets that wait for the answer."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Unpack

from ._connection import Connection
from ._request import (
    Base,
    How,
    HowWebSocket,
    Prepared,
    Response,
    is_async,
    next_piece,
    pieces_of,
)
from ._server import Worker
from ._websocket import WebSocket, accepted
from ._wire import AnswerParser, ProtocolError


class StreamResponse(Response):
    """An answer whose content comes piece by piece.

    Iterating gives what the server sent, chunk by chunk.
    """

    _pull: Callable[[], bytes | None]

    def __iter__(self) -> Iterator[bytes]:
        while (piece := self._pull()) is not None:
            yield piece

    def lines(self) -> Iterator[str]:
        """Lines as they come, without their ends."""
        rest = b""
        for piece in self:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield line.removesuffix(b"\r").decode()
        if rest:
            yield rest.decode()

    def read(self) -> bytes:
        """All that is left; then it is ``body``."""
        self._body = b"".join(self)
        return self._body


class TestClient(Base):
    """Ask an application in this process, through the whole server but
    without a port.

    The application, a Rupy, an ASGI or a WSGI one, runs in a thread with an
    event loop of its own.  In a ``with`` block it starts at the beginning and
    ends at the end, its lifespan included; without one it starts at the first
    request and ends with ``close()``.

    ``headers`` and ``cookies`` go with every request.  An exception that the
    application does not handle is raised in the test, unless
    ``raise_server_exceptions`` is False: then the answer is seen, 500.
    ``timeout`` is in seconds, for each call; None is no limit.  ``client`` is
    what ``request.client`` says.  ``options`` are those of rupy-serve(1), as
    in ``Rupy.run()``.

    Not for several threads at once.
    """

    __test__ = False  # pytest: it is no test

    _finalizer: Callable[[], Any] | None = None

    def __enter__(self) -> TestClient:
        self._start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start(self) -> Worker:
        if self._worker is None:
            worker = self._new_worker()
            worker.start(self._startup_timeout)
            self._worker = worker
            self._finalizer = weakref.finalize(self, _stop, worker)
        return self._worker

    def close(self) -> None:
        """End the application; raises what its shutdown raised, or what it
        raised before and nobody has seen."""
        worker = self._worker
        if worker is None:
            return
        if self._finalizer is not None:
            self._finalizer.detach()  # type: ignore[attr-defined]
        try:
            worker.stop(self.timeout)
            self._look(False)
        finally:
            self._worker = None

    # ---- requests ----

    def request(self, method: str, url: str, **how: Unpack[How]) -> Response:
        """Send a request and wait for the whole answer.

        TimeoutError when it does not come; ProtocolError when it breaks off
        and the application raised nothing.
        """
        follow = how.pop("follow_redirects", self.follow_redirects)
        timeout = how.pop("timeout", self.timeout)
        request: Prepared | None = self._prepared(method, url, how)
        history: list[Response] = []
        while request is not None:
            with self._exchange(request, timeout) as answer:
                answer.read()
            answer.history = list(history)
            self._look(answer.status >= 500)
            request = self._redirected(request, answer) if follow else None
            history.append(answer)
        return answer

    @contextlib.contextmanager
    def _exchange(
        self, request: Prepared, timeout: float | None
    ) -> Iterator[StreamResponse]:
        if is_async(request.body):
            raise TypeError("content is asynchronous: use AsyncTestClient")
        what = f"{request.method} {request.url}"
        conn = Connection(self._start().connect(), what)
        parser = AnswerParser(request.method)
        try:
            conn.send(self._head(request), pieces_of(request))
            self._wait(conn, parser, parser.has_head, timeout)
            stream = self._response(StreamResponse, request, parser)

            def pull() -> bytes | None:
                self._wait(conn, parser, parser.has_piece, timeout)
                return next_piece(stream, parser)

            stream._pull = pull
            yield stream
        finally:
            conn.close()

    def _wait(
        self,
        conn: Connection,
        parser: AnswerParser,
        until: Callable[[], bool],
        timeout: float | None,
    ) -> None:
        try:
            conn.run(until, parser.feed, timeout)
        except (ProtocolError, TimeoutError):
            self._look(True)
            raise

    def get(self, url: str, **how: Unpack[How]) -> Response:
        return self.request("GET", url, **how)

    def head(self, url: str, **how: Unpack[How]) -> Response:
        return self.request("HEAD", url, **how)

    def options(self, url: str, **how: Unpack[How]) -> Response:
        return self.request("OPTIONS", url, **how)

    def post(self, url: str, **how: Unpack[How]) -> Response:
        return self.request("POST", url, **how)

    def put(self, url: str, **how: Unpack[How]) -> Response:
        return self.request("PUT", url, **how)

    def patch(self, url: str, **how: Unpack[How]) -> Response:
        return self.request("PATCH", url, **how)

    def delete(self, url: str, **how: Unpack[How]) -> Response:
        return self.request("DELETE", url, **how)

    @contextlib.contextmanager
    def stream(
        self, method: str, url: str, **how: Unpack[How]
    ) -> Iterator[StreamResponse]:
        """The answer as soon as it begins.  Leaving the block early is a
        client that goes away.  Redirections are not followed."""
        how.pop("follow_redirects", None)
        timeout = how.pop("timeout", self.timeout)
        request = self._prepared(method, url, how)
        with self._exchange(request, timeout) as answer:
            yield answer
        self._look(False)

    # ---- WebSockets ----

    @contextlib.contextmanager
    def websocket(
        self, url: str, **how: Unpack[HowWebSocket]
    ) -> Iterator[WebSocket]:
        """Open a WebSocket; it is closed at the end of the block.

        WebSocketDenied, with the answer, when it is not accepted.
        """
        timeout = how.get("timeout", self.timeout)
        request, key = self._handshake(url, how)
        conn = Connection(self._start().connect(), f"WebSocket {request.url}")
        parser = AnswerParser("GET")
        try:
            conn.send(self._head(request))
            self._wait(conn, parser, parser.has_head, timeout)
            if not parser.is_upgrade():
                self._wait(conn, parser, lambda: parser.done, timeout)
                self._look(True)
            answer = self._response(Response, request, parser)
            frames = accepted(answer, parser, key)
            ws = WebSocket(conn, answer, frames, self._look, timeout)
            yield ws
            self._look(False)
            ws.close()
            self._look(True)
        finally:
            conn.close()


def _stop(worker: Worker) -> None:
    with contextlib.suppress(BaseException):
        worker.stop(1.0)
