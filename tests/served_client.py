"""A pytest plugin: the TestClient of Starlette and FastAPI asks a server.

Their own tests call applications in the same process, without a server.  With
this plugin the same tests, unchanged, go through rupy-serve and a socket: the
client that they import starts one in a thread, for the application that it is
given, and speaks HTTP and WebSocket to it.

What only a client in the same process can know is kept by a thin layer around
the application: what it raised, whether it has returned, and the code of a
close before the handshake was answered, which no protocol carries.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
import starlette.testclient as theirs
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from rupy.testing import Server

DEADLINE = 20.0


# Which calls: those of HTTP, or the WebSocket of a client's port.
Whose = int | None


class Watched:
    """The application, and what became of its calls."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.errors: list[tuple[Whose, BaseException]] = []
        self.refusal: dict[str, Any] | None = None
        self.debug: dict[str, Any] | None = None
        self._running: list[Whose] = []
        self._changed = threading.Condition()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            if message["type"] == "http.response.debug":
                self.debug = message["info"]
                return
            if message["type"] == "websocket.close":
                self.refusal = message
            await send(message)

        whose = None
        if scope["type"] == "http":
            scope["extensions"]["http.response.debug"] = {}
        elif scope["type"] == "websocket":
            whose = scope["client"][1]
        else:
            note = send
        with self._changed:
            if note is not send:
                self._running.append(whose)
        try:
            await self.app(scope, receive, note)
        except BaseException as error:
            self.errors.append((whose, error))
            raise
        finally:
            with self._changed:
                if note is not send:
                    self._running.remove(whose)
                self._changed.notify_all()

    def settle(self, whose: Whose) -> None:
        """Until none runs: the application may go on behind an answer."""
        with self._changed:
            done = self._changed.wait_for(
                lambda: whose not in self._running, DEADLINE
            )
        assert done, "the application does not end"

    def complain(self, whose: Whose = None) -> None:
        """Raise the first exception, and forget the others."""
        errors = [error for who, error in self.errors if who == whose]
        self.errors = [item for item in self.errors if item[0] != whose]
        if errors:
            raise errors[0]


class Body(httpx.SyncByteStream):
    def __init__(self, client: TestClient, stream: Any) -> None:
        self._client, self._stream = client, stream

    def __iter__(self) -> Iterator[bytes]:
        # An answer that breaks off: what is wrong is said when it is closed.
        with contextlib.suppress(httpx.RemoteProtocolError):
            yield from self._stream

    def close(self) -> None:
        self._stream.close()
        self._client.look()


class Transport(httpx.BaseTransport):
    """To the client's server, whatever host the URL names."""

    def __init__(self, client: TestClient) -> None:
        self._client = weakref.ref(client)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        client = self._client()
        assert client
        server, transport = client.running()
        headers, url = request.headers.multi_items(), request.url
        # As a proxy does it that --root-path is for.
        path = url.raw_path.removeprefix(client.root_path.encode())
        if url.scheme == "https":
            headers.append(("x-forwarded-proto", "https"))
        try:
            answer = transport.handle_request(
                httpx.Request(
                    request.method,
                    url.copy_with(
                        scheme="http",
                        host=server.host,
                        port=server.port,
                        raw_path=path if path[:1] == b"/" else b"/" + path,
                    ),
                    headers=headers,
                    stream=request.stream,
                    extensions=request.extensions,
                )
            )
        except httpx.RemoteProtocolError:
            client.look()
            raise
        body = Body(client, answer.stream)
        found = httpx.Response(
            answer.status_code,
            headers=answer.headers,
            stream=body,
            extensions=answer.extensions,
            request=request,
        )
        debug, client.watched.debug = client.watched.debug, None
        if debug is not None:
            found.extensions["http.response.debug"] = debug
            for name in ("template", "context"):
                if name in debug:
                    setattr(found, name, debug[name])
        return found


# Whatever decoders are installed.
AS_THEIRS = {"user-agent": "testclient", "accept-encoding": "gzip, deflate"}


class TestClient(httpx.Client):
    """What Starlette's takes, and what it does, over a socket."""

    __test__ = False
    # Until the end of a test, even if it has forgotten them.
    alive: list[TestClient] = []  # noqa: RUF012

    def __init__(
        self,
        app: Any,
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        root_path: str = "",
        backend: str = "asyncio",
        backend_options: dict[str, Any] | None = None,
        cookies: Any = None,
        headers: dict[str, str] | None = None,
        follow_redirects: bool = True,
        client: tuple[str, int] = ("testclient", 50000),
    ) -> None:
        assert backend == "asyncio"
        self.app = app
        self.app_state: dict[str, Any] = {}
        self.watched = Watched(
            app if theirs._is_asgi3(app) else theirs._WrapASGI2(app)
        )
        self._raises = raise_server_exceptions
        self.root_path = root_path.rstrip("/")
        self._server: Server | None = None
        self._lower: httpx.HTTPTransport | None = None

        super().__init__(
            base_url=base_url,
            headers=AS_THEIRS | (headers or {}),
            cookies=cookies,
            follow_redirects=follow_redirects,
            transport=Transport(self),
            trust_env=False,
            timeout=DEADLINE,
        )

    # ---- the server ----

    def serve(self, lifespan: str) -> None:
        self.end()
        options: dict[str, Any] = (
            {"root_path": self.root_path} if self.root_path else {}
        )
        try:
            self._server = Server(
                self.watched,
                interface="asgi",
                lifespan=lifespan,
                log_level="critical",
                graceful_timeout="2s",
                **options,
            )
        except BaseException:
            self.watched.complain()
            raise
        # No TLS: its certificates would take longer than all else.
        self._lower = httpx.HTTPTransport(verify=False)
        self.alive.append(self)

    def running(self) -> tuple[Server, httpx.HTTPTransport]:
        if not self._server:
            self.serve("off")
        assert self._server and self._lower
        return self._server, self._lower

    def end(self) -> None:
        server, self._server = self._server, None
        lower, self._lower = self._lower, None
        if lower:
            lower.close()
        if server:
            server.stop()

    def look(self) -> None:
        """Raise what the application did, once it has returned."""
        self.watched.settle(None)
        with contextlib.ExitStack() as stack:
            if not self._raises:
                stack.enter_context(contextlib.suppress(BaseException))
            self.watched.complain()

    def __enter__(self) -> TestClient:
        self.serve("on")
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self.end()
        finally:
            self.watched.complain()

    def close(self) -> None:
        self.end()
        super().close()

    # ---- WebSockets ----

    def websocket_connect(
        self, url: str, subprotocols: Sequence[str] | None = None, **how: Any
    ) -> Session:
        auth = how.pop("auth", None)
        request = self.build_request(
            "GET", urljoin("ws://testserver", url), **how
        )
        if auth:
            request = next(httpx.BasicAuth(*auth).auth_flow(request))
        return Session(self, request, subprotocols)


# What the client of WebSockets says itself.
ITS_OWN = {"host", "connection", "user-agent", "accept", "accept-encoding"}


# What the server says itself.
HANDSHAKE = {
    *("upgrade", "connection", "date", "sec-websocket-accept"),
    *("sec-websocket-extensions", "sec-websocket-protocol"),
}


class Session:
    def __init__(
        self,
        client: TestClient,
        request: httpx.Request,
        subprotocols: Sequence[str] | None,
    ) -> None:
        self._client, self._request = client, request
        self._subprotocols = subprotocols
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Session:
        server, _ = self._client.running()
        watched = self._client.watched
        watched.refusal = None
        headers = self._request.headers
        sock = socket.create_connection((server.host, server.port))
        self._stack.callback(sock.close)
        self._whose = sock.getsockname()[1]
        try:
            self._socket = self._stack.enter_context(
                connect(
                    str(self._request.url),
                    sock=sock,
                    subprotocols=self._subprotocols,  # type: ignore[arg-type]
                    additional_headers=[
                        item
                        for item in headers.multi_items()
                        if item[0].lower() not in ITS_OWN
                    ],
                    user_agent_header=headers["user-agent"],
                    proxy=None,
                    open_timeout=DEADLINE,
                    max_size=None,
                )
            )
        except InvalidStatus as error:
            self._stack.close()
            watched.settle(self._whose)
            watched.complain(self._whose)
            raise self._refused(error) from None
        self.accepted_subprotocol = self._socket.subprotocol
        answer = self._socket.response
        assert answer
        self.extra_headers = [
            (name.encode(), value.encode())
            for name, value in answer.headers.raw_items()
            if name.lower() not in HANDSHAKE
        ]
        return self

    def _look(self) -> None:
        self._client.watched.settle(self._whose)
        self._client.watched.complain(self._whose)

    def _refused(self, error: InvalidStatus) -> Exception:
        refusal, answer = self._client.watched.refusal, error.response
        if refusal:
            return WebSocketDisconnect(
                refusal.get("code", 1000), refusal.get("reason") or ""
            )
        denial: type[Any] = theirs.WebSocketDenialResponse
        found: Exception = denial(
            status_code=answer.status_code,
            headers=list(answer.headers.raw_items()),
            content=bytes(answer.body or b""),
        )
        return found

    def __exit__(self, *exc: object) -> None:
        self._stack.close()
        self._look()

    def send(self, message: dict[str, Any]) -> None:
        text = message.get("text")
        with contextlib.suppress(ConnectionClosed):
            self._socket.send(message["bytes"] if text is None else text)

    def send_text(self, data: str) -> None:
        self.send({"text": data})

    def send_bytes(self, data: bytes) -> None:
        self.send({"bytes": data})

    def send_json(self, data: Any, mode: str = "text") -> None:
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        self.send(
            {"text": text} if mode == "text" else {"bytes": text.encode()}
        )

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        self._socket.close(code, reason or "")

    def receive(self) -> dict[str, Any]:
        """As the application sent it."""
        try:
            data = self._socket.recv(DEADLINE)
        except ConnectionClosed as error:
            close = error.rcvd
            return {
                "type": "websocket.close",
                "code": close.code if close else 1006,
                "reason": close.reason if close else "",
            }
        kind = "text" if isinstance(data, str) else "bytes"
        return {"type": "websocket.send", kind: data}

    def _data(self, kind: str) -> Any:
        message = self.receive()
        if message["type"] == "websocket.close":
            self._look()
            raise WebSocketDisconnect(message["code"], message["reason"])
        return message[kind]

    def receive_text(self) -> Any:
        return self._data("text")

    def receive_bytes(self) -> Any:
        return self._data("bytes")

    def receive_json(self, mode: str = "text") -> Any:
        return json.loads(self._data("text" if mode == "text" else "bytes"))


# Its successor, which their tests import, has the same interface.
sys.modules.setdefault("httpx2", httpx)
theirs.TestClient = TestClient  # type: ignore[assignment,misc]
theirs.WebSocketTestSession = Session  # type: ignore[assignment,misc]


@pytest.fixture(autouse=True)
def _no_server_is_left() -> Iterator[None]:
    yield
    while TestClient.alive:
        TestClient.alive.pop().end()
