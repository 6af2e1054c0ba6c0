"""What the C core gives: types of requests and answers, the loop, the server.

Compiled into the program, and into the extension module of the same name.
"""

import asyncio
import datetime
import os
from collections.abc import (
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Any, Generic, TypeVar, overload

from ._content import RequestStream
from ._forms import Form

_T = TypeVar("_T")
_V = TypeVar("_V")
_D = TypeVar("_D")

_HeaderItems = Mapping[str, str] | Iterable[tuple[str, str]]
_FormPart = tuple[bytes, bytes | None, str | None, list[tuple[str, str]]]
_FormEvent = _FormPart | bytes | None

class LoopBase:
    """The part of an asyncio loop that is C; rupy.EventLoop is made of it."""

    @property
    def _gil_given(self) -> int:
        """How often the loop gave the GIL away, to wait."""

    def _watched(self) -> dict[int, int]:
        """Descriptors of readers and writers, with selectors' event bits."""

    _stopping: bool
    _closed: bool

    def _run_plain(self) -> None:
        """Run until _stopping is set, and be nobody's running loop."""

    def _purge(self) -> None:
        """After close(): drop what the loop still refers to."""

    def _capture_context(self) -> None:
        """Handlers start in copies of the context that is current now."""

    def _cancel_driven(self) -> int:
        """Cancel every handler that waits; how many there were."""

    def _count_driven(self) -> int:
        """How many handlers wait."""

class Task(asyncio.Task[_T]):
    """What asyncio.current_task() gives in a handler."""

class MultiDict(Generic[_V]):
    """Pairs in order; a name may come more than once.  Read-only.

    ``d[name]`` and ``get`` give the first value of a name; iteration,
    ``len``, ``keys``, ``values`` and ``items`` go over all pairs.
    """

    def __init__(
        self, items: Mapping[str, _V] | Iterable[tuple[str, _V]] | None = None
    ) -> None: ...
    def __getitem__(self, name: str, /) -> _V: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def __contains__(self, name: object, /) -> bool: ...
    @overload
    def get(self, name: str, /) -> _V | None: ...
    @overload
    def get(self, name: str, default: _V | _D, /) -> _V | _D: ...
    def getlist(self, name: str, /) -> list[_V]:
        """All values of that name, in order; empty when there is none."""

    def get_all(self, name: str, /) -> list[_V]:
        """The same as getlist()."""

    def keys(self) -> list[str]: ...
    def values(self) -> list[_V]: ...
    def items(self) -> list[tuple[str, _V]]: ...
    def to_dict(self) -> dict[str, _V]:
        """Each name with its first value."""

class Headers:
    """Field lines (RFC 9110 5) in order; names in any case.  Read-only.

    ``h[name]`` and ``get`` give the first value of a name; iteration,
    ``len``, ``keys``, ``values`` and ``items`` go over all lines.  Values are
    text by latin-1, so that every byte is seen.
    """

    def __init__(self, items: _HeaderItems | None = None) -> None: ...
    def __getitem__(self, name: str, /) -> str: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def __contains__(self, name: object, /) -> bool: ...
    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, default: str | _D, /) -> str | _D: ...
    def getlist(self, name: str, /) -> list[str]:
        """All values of that name, in order; empty when there is none."""

    def get_all(self, name: str, /) -> list[str]:
        """The same as getlist()."""

    def keys(self) -> list[str]: ...
    def values(self) -> list[str]: ...
    def items(self) -> list[tuple[str, str]]: ...
    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """All lines as bytes."""

class MutableHeaders(Headers):
    """Header fields of an answer.

    Content-Length, Transfer-Encoding, Connection and Date belong to the
    server, and are left out of what is sent.

    ValueError where a name is no token (RFC 9110 5.6.2) or a value has a
    control character (5.5), CR, LF and NUL among them.
    """

    def __setitem__(self, name: str, value: str, /) -> None:
        """Replace all lines of that name by one."""

    def __delitem__(self, name: str, /) -> None: ...
    def add(self, name: str, value: str, /) -> None:
        """One more line."""

    def setdefault(self, name: str, value: str, /) -> str: ...
    @overload
    def pop(self, name: str, /) -> str: ...
    @overload
    def pop(self, name: str, default: str | _D, /) -> str | _D: ...
    def update(self, items: _HeaderItems, /) -> None:
        """Set these lines; those of the same names that were there go."""

    def clear(self) -> None: ...

class Request:
    """A request, read-only; parsed where it is read first, and then kept."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str:
        """Percent-decoded, without the query."""

    @property
    def raw_path(self) -> bytes:
        """As received, without the query."""

    @property
    def query_string(self) -> str:
        """As received, by latin-1, without the '?'."""

    @property
    def query(self) -> MultiDict[str]: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def cookies(self) -> dict[str, str]:
        """RFC 6265 5.4; of a name that came twice the first."""

    @property
    def content_type(self) -> str | None: ...
    @property
    def content_length(self) -> int | None:
        """Bytes of content; None when the client did not say."""

    @property
    def body(self) -> bytes:
        """The whole content; empty when there is none."""

    @property
    def text(self) -> str:
        """The content decoded by its charset, UTF-8 if it has none.

        Raises an error that is answered by 400 for what cannot be decoded.
        """

    def json(self) -> Any:
        """The content as JSON (RFC 8259).

        Raises an error that is answered by 400 for what is none.
        """

    @property
    def path_params(self) -> dict[str, Any]: ...
    @property
    def route(self) -> str | None:
        """The pattern that matched."""

    @property
    def client(self) -> tuple[str, int] | None:
        """Address and port, 0 when a trusted proxy does not tell it; None on
        a unix socket."""

    @property
    def scheme(self) -> str:
        """``"http"`` or ``"https"``, as the client sees it."""

    @property
    def host(self) -> str: ...
    @property
    def url(self) -> str:
        """``scheme://host/path?query``, as the client sees it."""

    @property
    def http_version(self) -> str:
        """``"1.0"`` or ``"1.1"``."""

    @property
    def auth_token(self) -> str | None:
        """The credentials of ``Authorization: Bearer`` (RFC 6750 2.1)."""

    @property
    def id(self) -> str | None:
        """With ``--request-id``: also in X-Request-ID of request and answer,
        and in the logs."""

    @property
    def trace_id(self) -> str | None:
        """With ``--trace-context``: of a valid ``traceparent`` (W3C)."""

    @property
    def state(self) -> Any:
        """The application's own."""

    @property
    def app(self) -> App: ...
    @property
    def last_event_id(self) -> str | None:
        """What a client of an event stream has seen last, or None."""

    def is_disconnected(self) -> bool: ...
    def stream(self) -> RequestStream:
        """The content as it comes, on a route with ``stream=True``.

        An async iterator, and in a threaded handler an ordinary one.  Raises
        ClientDisconnect when the client goes before the end.
        """

    async def read(self, limit: int | None = None) -> bytes:
        """The whole content, on a route with ``stream=True`` too.

        body, text, json() and form() are there then.  HTTPError(413) when
        it is more than limit bytes.
        """

    def form(
        self,
        *,
        parts: int = 1000,
        files: int = 100,
        field_size: int = ...,
        fields_size: int = ...,
        file_size: int | None = None,
        total_size: int | None = None,
        header_size: int = 8192,
        name_size: int = 1024,
        memory: int = ...,
        directory: str | None = None,
    ) -> Form:
        """The content as a form, parsed once, url-encoded or multipart.

        Limits in bytes, over each of them 413: parts in all, files, the
        value of a field (1 MiB), all of them together (8 MiB), a file, the
        content, the header of a part, the name of a field or file.  A file
        larger than memory (256 KiB) lies in a nameless file in directory,
        by default that of ``tempfile``.

        Raises an error that is answered by 400 for what is no form, and by
        415 for another media type.
        """

    async def read_form(
        self,
        *,
        parts: int = 1000,
        files: int = 100,
        field_size: int = ...,
        fields_size: int = ...,
        file_size: int | None = None,
        total_size: int | None = None,
        header_size: int = 8192,
        name_size: int = 1024,
        memory: int = ...,
        directory: str | None = None,
    ) -> Form:
        """The same while the content comes, on a route with ``stream=True``:
        a file of any size takes constant memory."""

    @property
    def _content(self) -> Content | None: ...
    @property
    def _form(self) -> Form | None: ...
    @property
    def _has_body(self) -> bool: ...
    def _keep_body(self, body: bytes, /) -> None: ...
    def _keep_form(self, form: Form, /) -> None: ...

class Content:
    """The content of a request, on the loop that reads it."""

    @property
    def here(self) -> bool:
        """This is the loop's thread."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...
    @property
    def taken(self) -> int:
        """Bytes so far."""

    def take(self) -> bytes | None:
        """The next bytes, b"" at the end, None: wait first."""

    def wait(self) -> asyncio.Future[None]: ...

class FormParser:
    """A form, parsed as it comes."""

    def __init__(
        self,
        content_type: str,
        parts: int,
        header_size: int,
        name_size: int,
        field_size: int,
    ) -> None: ...
    def feed(self, data: bytes, /) -> list[_FormEvent]:
        """A tuple begins a part, bytes are a piece of it, None ends it."""

    def finish(self) -> list[_FormEvent]: ...

class Response:
    """An answer.  The content is str, bytes, dict, list or None.

    Raises ValueError for a status that is not 200 to 599, or a header that
    may not go out, TypeError for other content.
    """

    def __init__(
        self,
        content: Any = b"",
        status: int = 200,
        headers: _HeaderItems | None = None,
        content_type: str | None = None,
    ) -> None: ...
    status: int
    content_type: str | None
    body: bytes
    @property
    def headers(self) -> MutableHeaders: ...
    def set_cookie(
        self,
        name: str,
        value: str = "",
        *,
        max_age: int | None = None,
        expires: datetime.datetime | int | float | str | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = None,
        partitioned: bool = False,
    ) -> None:
        """Add a Set-Cookie line (RFC 6265bis 4.1); max_age in seconds.

        ``samesite`` is ``lax``, ``strict`` or ``none``.  ValueError for what
        may not stand in a cookie, and for what browsers refuse: more than
        4096 bytes, ``none`` or ``partitioned`` without ``secure``, a name
        with ``__Secure-`` or ``__Host-`` without what it promises.
        """

    def delete_cookie(
        self,
        name: str,
        *,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = None,
        partitioned: bool = False,
    ) -> None: ...

class FileResponse(Response):
    """The answer is a file, which the kernel sends.

    It is opened here: one object for each answer.  A request's Range and
    conditions count when the status is 200: the client may get 206, 304, 412
    or 416.

    ``filename`` is what a browser saves it as (RFC 6266); ``inline``: but
    shows it, if it can.  ``content_type`` is by default what the end of the
    name says.  ``max_age`` is in seconds, for Cache-Control; 0 lets clients
    ask each time.

    Raises OSError when it cannot be opened or is no regular file, ValueError
    for a filename with a slash or control characters.
    """

    def __init__(
        self,
        path: str | bytes | os.PathLike[str] | os.PathLike[bytes],
        filename: str | None = None,
        *,
        status: int = 200,
        headers: _HeaderItems | None = None,
        content_type: str | None = None,
        inline: bool = False,
        max_age: int | None = None,
    ) -> None: ...
    @property
    def size(self) -> int | None:
        """Bytes of the file; None when its content was replaced."""

class StaticFiles:
    """A folder as a handler; made by Rupy.static()."""

    def __new__(
        cls,
        directory: str,
        index: str,
        max_age: int,
        precompressed: bool,
        dot_files: bool,
        types: tuple[tuple[str, str], ...],
        /,
    ) -> StaticFiles: ...
    def __call__(self, request: Request, path: str = ..., /) -> Response:
        """HTTPError for what is not to be had."""

class WebSocket:
    """A WebSocket (RFC 6455), given to handlers of ``@app.websocket``.

    Its attributes are those of the request that opened it.  Iterating over it
    gives every message until the client closes.
    """

    def accept(
        self,
        subprotocol: str | None = None,
        headers: _HeaderItems | None = None,
    ) -> Awaitable[None]:
        """Answer the handshake with 101.

        Raises ValueError when the client does not offer subprotocol or a
        header may not go out, and WebSocketDisconnect when it is gone.
        """

    def deny(self, answer: object, /) -> Awaitable[None]:
        """Answer the handshake with what a handler of requests may return.

        Raises RuntimeError when it was accepted.
        """

    def receive(self) -> Awaitable[str | bytes]:
        """The next message.

        Raises WebSocketDisconnect when there is none any more.
        """

    def receive_text(self) -> Awaitable[str]:
        """The same; raises WebSocketError (1003) for bytes."""

    def receive_bytes(self) -> Awaitable[bytes]:
        """The same; raises WebSocketError (1003) for a str."""

    def receive_json(self) -> Awaitable[Any]:
        """What a message says; raises WebSocketError (1007) if no JSON."""

    def send(
        self, message: str | bytes | bytearray | memoryview, /
    ) -> Awaitable[None]:
        """Send it; wait while the client is slow.

        Raises WebSocketDisconnect when the WebSocket is closed.
        """

    def send_json(self, content: Any, /) -> Awaitable[None]:
        """Send JSON as text."""

    def close(self, code: int = 1000, reason: str = "") -> Awaitable[None]:
        """Begin to close; without effect when it is closed already.

        Messages that were not received are dropped.  Raises ValueError for
        a code that may not be sent or a reason of more than 123 bytes.
        """

    def __aiter__(self) -> WebSocket: ...
    def __anext__(self) -> Awaitable[str | bytes]: ...
    @property
    def app(self) -> App: ...
    @property
    def path(self) -> str: ...
    @property
    def raw_path(self) -> bytes: ...
    @property
    def query_string(self) -> str: ...
    @property
    def query(self) -> MultiDict[str]: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def cookies(self) -> dict[str, str]: ...
    @property
    def path_params(self) -> dict[str, Any]: ...
    @property
    def route(self) -> str | None: ...
    @property
    def client(self) -> tuple[str, int] | None: ...
    @property
    def host(self) -> str: ...
    @property
    def http_version(self) -> str: ...
    @property
    def auth_token(self) -> str | None: ...
    @property
    def state(self) -> Any: ...
    @property
    def scheme(self) -> str:
        """``ws`` or ``wss``."""

    @property
    def url(self) -> str:
        """``ws://host/path?query``."""

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """What the client offers, in its order."""

    @property
    def close_code(self) -> int | None:
        """Why it is closed (RFC 6455 7.4), or None while it is not."""

    @property
    def close_reason(self) -> str | None:
        """The text beside the code, or None while it is not closed."""

class Proxy:
    """Other servers as a handler; made by Rupy.proxy()."""

    def __new__(
        cls,
        prefix: str,
        host: str | None,
        targets: tuple[tuple[str, str, str, str | None], ...],
        max: int,
        queue: int,
        connect: float,
        wait: float,
        idle: float,
        answer: float,
        read: float,
        tunnel: float,
        fail_time: float,
        /,
    ) -> Proxy: ...

class App:
    """What rupy.Rupy is made of: the table of routes."""

    def __init__(self) -> None: ...
    def _add_route(
        self,
        pattern: str,
        methods: tuple[str, ...],
        handler: Callable[..., object] | Proxy,
        order: tuple[str | None, ...],
        kwnames: tuple[str, ...],
        threaded: bool,
        stream: bool = False,
        /,
    ) -> None:
        """ValueError for a bad pattern or a duplicate."""

    def _set_first_state(self, state: dict[str, Any], /) -> None:
        """What request.state begins with."""

    @staticmethod
    def _status(request: Request, /) -> tuple[int, str | None] | None:
        """The status that answers, and Allow; None: there is a handler."""

    @staticmethod
    def _begin(request: Request, /) -> Any:
        """Call the handler: what it returned, a Tapped, or a future of one."""

    @staticmethod
    def _call(
        request: Request, function: Callable[..., object], /, *args: object
    ) -> Any:
        """Call what is not async: it sees no running loop."""

    @staticmethod
    def _log_exception(line: str, error: BaseException, /) -> None:
        """Nobody handled it; line says where."""

    @staticmethod
    def _log(text: str, /) -> None:
        """One event in the server's log, at level error."""

class Tapped:
    """The answer of a handler that is no plain function."""

    def head(
        self,
    ) -> tuple[int, list[tuple[str, str]], str | None, int, bytes | None]:
        """Status, headers, content type, promised length or -1, content or
        None when it comes in pieces."""

    def take(self) -> bytes | asyncio.Future[Any] | None:
        """The next piece; None at the end; or what to wait for."""

    def close(self) -> None:
        """Nobody wants the rest."""

class Worker:
    """The C half of one worker; made by the server only."""

    @property
    def app(self) -> object: ...
    @property
    def interface(self) -> str:
        """What the application speaks: "rupy", "asgi" or "wsgi"."""

    @property
    def state(self) -> dict[str, Any]:
        """What the lifespan leaves for requests."""

    @property
    def lifespan(self) -> str:
        """The option: "auto", "on" or "off"."""

    @property
    def graceful_timeout(self) -> float:
        """Seconds; 0 is no limit."""

    def attach(self, loop: LoopBase, /) -> None:
        """Serve on this loop, but do not accept yet."""

    def detach(self) -> None:
        """Drop what is left; the loop may be closed then."""

    def start(self, stop: Callable[[], object], /) -> None:
        """Accept, and tell the master that the worker is ready.

        ``stop`` is called once, in the loop's thread, when the worker is to
        end and all connections are closed, or its graceful time is over.
        """

    def adopt(self, fd: int, host: str, port: int, /) -> None:
        """Serve a connected, non-blocking socket as one of that client; takes
        fd.  In the loop's thread, as stop().

        RuntimeError before start() and after detach().
        """

    def stop(self) -> None:
        """Stop, as if told by a signal."""

    def may_report(self) -> bool:
        """Is a boot failure not reported by another worker already?"""

    def time_left(self) -> float | None:
        """Seconds until the graceful deadline of a worker that is to end.

        None: there is no limit.
        """

    def log(self, text: str, /) -> None:
        """One event in the server's log, at level error."""

def _adopt_transport(cls: type, /) -> None:
    """Put the methods of transport.c into a class with their slots."""

def _use_asyncio() -> None:
    """Import asyncio, and make Task and what else derives from its types."""

def _learn(step: Any, wakeup: Any, /) -> None:
    """The callbacks by which asyncio's own tasks are stepped and woken."""

def _set_exception_hook(
    hook: Callable[[BaseException], object] | None, /
) -> None:
    """Call hook with every exception that an application does not handle."""

def main(argv: list[str], /) -> int:
    """The command line of rupy-serve; gives the exit status."""

def serve(
    app: Any,
    options: Mapping[str, Any],
    run: Callable[[Worker], int] | None = None,
    /,
) -> int:
    """Serve app until told to stop; gives the exit status.

    ``run`` is called with the Worker, which is good until it returns, instead
    of ``rupy._worker.run``; then only options that say where to listen make
    it listen, and no signal stops it.

    ValueError for options that are none.
    """
