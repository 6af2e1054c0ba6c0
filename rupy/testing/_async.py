"""AsyncTestClient: the same inside of a running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json as _json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar, Unpack

from rupy._errors import WebSocketDisconnect

from ._frames import Frames
from ._request import (
    LAST_CHUNK,
    Base,
    How,
    HowWebSocket,
    Prepared,
    Response,
    chunk_of,
    is_async,
    next_piece,
    pieces_of,
)
from ._server import Worker
from ._websocket import End, accepted
from ._wire import AnswerParser, ProtocolError

_READ = 1 << 16
_T = TypeVar("_T")


class _Connection:
    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        what: str,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._what = what
        self._sender: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, sock: socket.socket, what: str) -> _Connection:
        return cls(*await asyncio.open_connection(sock=sock), what)

    def send(self, request: Prepared) -> None:
        """Send a body while the answer is waited for."""
        self._sender = asyncio.create_task(self._send(request))

    async def _send(self, request: Prepared) -> None:
        try:
            async for data in _pieces(request):
                await self.write(data)
        except ConnectionError:
            pass  # who takes no more has answered, and that says why
        except BaseException:
            self._writer.transport.abort()
            raise

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def limit(self, work: Awaitable[_T], timeout: float | None) -> _T:
        try:
            return await asyncio.wait_for(work, timeout)
        except TimeoutError:
            raise TimeoutError(
                f"{self._what}: not within {timeout:g} s"
            ) from None

    async def read(self) -> bytes:
        """``b""`` at the end."""
        try:
            data = await self._reader.read(_READ)
        except ConnectionError:
            data = b""
        # The body's own exception comes first: no answer would come.
        if self._sender and self._sender.done():
            self._sender.result()
        return data

    async def close(self) -> None:
        if self._sender:
            self._sender.cancel()
            with contextlib.suppress(BaseException):
                await asyncio.wait([self._sender])
        self._writer.transport.abort()


class AsyncStreamResponse(Response):
    """An answer whose content comes piece by piece.

    ``async for`` gives what the server sent, chunk by chunk.
    """

    _pull: Callable[[], Awaitable[bytes | None]]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._pull()) is not None:
            yield piece

    async def lines(self) -> AsyncIterator[str]:
        """Lines as they come, without their ends."""
        rest = b""
        async for piece in self:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield line.removesuffix(b"\r").decode()
        if rest:
            yield rest.decode()

    async def read(self) -> bytes:
        """All that is left; then it is ``body``."""
        self._body = b"".join([piece async for piece in self])
        return self._body


class AsyncWebSocket(End):
    """As WebSocket, to be awaited."""

    def __init__(
        self,
        conn: _Connection,
        response: Response,
        frames: Frames,
        look: Callable[[bool], Awaitable[None]],
        timeout: float | None,
    ) -> None:
        super().__init__(response, frames, timeout)
        self._conn = conn
        self._look = look

    async def send(self, message: str | bytes) -> None:
        """Raises WebSocketDisconnect when it is closed."""
        self._queue(message)
        await self._conn.limit(self._flush(), self._timeout)

    async def send_text(self, text: str) -> None:
        await self.send(text)

    async def send_bytes(self, data: bytes) -> None:
        await self.send(data)

    async def send_json(self, content: Any) -> None:
        await self.send(_json.dumps(content))

    async def receive(self) -> str | bytes:
        """The next message; raises as WebSocket.receive() does."""
        await self._run(self._has_news)
        if self._frames.messages:
            return self._frames.messages.popleft()
        await self._look(True)
        raise self._disconnect()

    async def receive_text(self) -> str:
        message = await self.receive()
        assert isinstance(message, str), message
        return message

    async def receive_bytes(self) -> bytes:
        message = await self.receive()
        assert isinstance(message, bytes), message
        return message

    async def receive_json(self) -> Any:
        return _json.loads(await self.receive())

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Messages until the server closes."""
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                yield await self.receive()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, and wait for the server to close as well."""
        if not self._is_closed():
            self._frames.close(code, reason)
            await self._run(self._is_closed)

    async def _flush(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self._conn.write(self._frames.take_output())

    async def _pump(self, until: Callable[[], bool]) -> None:
        await self._flush()
        while not until():
            self._frames.feed(await self._conn.read())
            await self._flush()

    async def _run(self, until: Callable[[], bool]) -> None:
        await self._conn.limit(self._pump(until), self._timeout)


class AsyncTestClient(Base):
    """TestClient for asynchronous tests; its arguments are the same.

    The application runs in a thread with an event loop of its own, so that
    the test's may be any.  Requests may be made at the same time; of several
    that fail together, each may raise the exception of another.
    """

    __test__ = False  # pytest: it is no test

    async def __aenter__(self) -> AsyncTestClient:
        await self._start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def _start(self) -> Worker:
        if self._worker is None:
            self._worker = worker = self._new_worker()
            try:
                await asyncio.to_thread(worker.start, self._startup_timeout)
            except BaseException:
                self._worker = None
                raise
        return self._worker

    async def aclose(self) -> None:
        """As TestClient.close()."""
        worker = self._worker
        if worker is None:
            return
        try:
            await asyncio.to_thread(worker.stop, self.timeout)
            self._look(False)
        finally:
            self._worker = None

    async def _look_async(self, failed: bool) -> None:
        worker = self._worker
        if failed and worker is not None and self.raise_server_exceptions:
            await asyncio.to_thread(worker.settle, self.timeout)
        self._look(False)

    # ---- requests ----

    async def request(
        self, method: str, url: str, **how: Unpack[How]
    ) -> Response:
        """Send a request and wait for the whole answer."""
        follow = how.pop("follow_redirects", self.follow_redirects)
        timeout = how.pop("timeout", self.timeout)
        request: Prepared | None = self._prepared(method, url, how)
        history: list[Response] = []
        while request is not None:
            async with self._exchange(request, timeout) as answer:
                await answer.read()
            answer.history = list(history)
            await self._look_async(answer.status >= 500)
            request = self._redirected(request, answer) if follow else None
            history.append(answer)
        return answer

    async def _connect(self, what: str) -> _Connection:
        worker = await self._start()
        return await _Connection.open(worker.connect(), what)

    @contextlib.asynccontextmanager
    async def _exchange(
        self, request: Prepared, timeout: float | None
    ) -> AsyncIterator[AsyncStreamResponse]:
        conn = await self._connect(f"{request.method} {request.url}")
        parser = AnswerParser(request.method)
        try:
            await conn.write(self._head(request))
            conn.send(request)
            await self._wait(conn, parser, parser.has_head, timeout)
            stream = self._response(AsyncStreamResponse, request, parser)

            async def pull() -> bytes | None:
                await self._wait(conn, parser, parser.has_piece, timeout)
                return next_piece(stream, parser)

            stream._pull = pull
            yield stream
        finally:
            await conn.close()

    async def _wait(
        self,
        conn: _Connection,
        parser: AnswerParser,
        until: Callable[[], bool],
        timeout: float | None,
    ) -> None:
        async def pump() -> None:
            while not until():
                parser.feed(await conn.read())

        try:
            await conn.limit(pump(), timeout)
        except (ProtocolError, TimeoutError):
            await self._look_async(True)
            raise

    async def get(self, url: str, **how: Unpack[How]) -> Response:
        return await self.request("GET", url, **how)

    async def head(self, url: str, **how: Unpack[How]) -> Response:
        return await self.request("HEAD", url, **how)

    async def options(self, url: str, **how: Unpack[How]) -> Response:
        return await self.request("OPTIONS", url, **how)

    async def post(self, url: str, **how: Unpack[How]) -> Response:
        return await self.request("POST", url, **how)

    async def put(self, url: str, **how: Unpack[How]) -> Response:
        return await self.request("PUT", url, **how)

    async def patch(self, url: str, **how: Unpack[How]) -> Response:
        return await self.request("PATCH", url, **how)

    async def delete(self, url: str, **how: Unpack[How]) -> Response:
        return await self.request("DELETE", url, **how)

    @contextlib.asynccontextmanager
    async def stream(
        self, method: str, url: str, **how: Unpack[How]
    ) -> AsyncIterator[AsyncStreamResponse]:
        """The answer as soon as it begins; see TestClient.stream()."""
        how.pop("follow_redirects", None)
        timeout = how.pop("timeout", self.timeout)
        request = self._prepared(method, url, how)
        async with self._exchange(request, timeout) as answer:
            yield answer
        self._look(False)

    # ---- WebSockets ----

    @contextlib.asynccontextmanager
    async def websocket(
        self, url: str, **how: Unpack[HowWebSocket]
    ) -> AsyncIterator[AsyncWebSocket]:
        """Open a WebSocket; see TestClient.websocket()."""
        timeout = how.get("timeout", self.timeout)
        request, key = self._handshake(url, how)
        conn = await self._connect(f"WebSocket {request.url}")
        parser = AnswerParser("GET")
        try:
            await conn.write(self._head(request))
            await self._wait(conn, parser, parser.has_head, timeout)
            if not parser.is_upgrade():
                await self._wait(conn, parser, lambda: parser.done, timeout)
                await self._look_async(True)
            answer = self._response(Response, request, parser)
            frames = accepted(answer, parser, key)
            ws = AsyncWebSocket(conn, answer, frames, self._look_async, timeout)
            yield ws
            self._look(False)
            await ws.close()
            await self._look_async(True)
        finally:
            await conn.close()


async def _pieces(request: Prepared) -> AsyncIterator[bytes]:
    body: Any = request.body
    if not is_async(body):
        for data in pieces_of(request):
            yield data
        return
    async for data in body:
        if data:
            yield chunk_of(data)
    yield LAST_CHUNK
