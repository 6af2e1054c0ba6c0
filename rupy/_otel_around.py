"""Applications whose requests are spans: what stands around a Rupy, an ASGI
and a WSGI one."""

from __future__ import annotations

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
)
from typing import Any
from urllib.parse import quote

from opentelemetry import context as _context

from . import _core, _middleware
from ._answer import Streamed
from ._around import Around
from ._otel_spans import OneRequest, Requests
from ._stream import aclose
from ._streaming import StreamingResponse

# ---- rupy ----


class _NativeGetter:
    def get(self, carrier: _core.Headers, key: str) -> list[str] | None:
        return carrier.getlist(key) or None

    def keys(self, carrier: _core.Headers) -> list[str]:
        return list(carrier)


def _pattern_of(request: _core.Request, app: Around) -> str | None:
    """With the prefixes of where it is mounted."""
    pattern = request.route
    owner = request.app
    while pattern and owner is not app and isinstance(owner, Around):
        if not owner._mounted_in:
            break
        owner, prefix = owner._mounted_in[0]
        pattern = prefix + pattern
    return pattern


def native(app: Around, requests: Requests) -> Callable[[Any], Any]:
    getter = _NativeGetter()

    def wrap(step: _middleware.Step) -> _middleware.Step:
        async def traced(request: _core.Request) -> _core.Response:
            client = request.client
            one = requests.begin(
                request.headers,
                getter,
                request.method,
                request.raw_path.decode("latin-1"),
                request.query_string,
                request.scheme,
                request.host,
                client[0] if client else None,
                request.http_version,
                request.headers.get("user-agent"),
            )
            # The context is the request's own: what a WebSocket's handler
            # does later is still below this span.
            _context.attach(one.context)
            try:
                response = await step(request)
            except BaseException as error:
                one.failed(error)
                one.end()
                raise
            one.answered(response.status, _pattern_of(request, app))
            # Nobody asks for the content of an answer to HEAD.
            if request.method != "HEAD" and isinstance(
                response, (Streamed, StreamingResponse)
            ):
                _watch(response, one)
            else:
                one.end()
            return response

        return traced

    return wrap


def _watch(response: Streamed | StreamingResponse, one: OneRequest) -> None:
    """The span ends with the stream."""
    content: Any = response.content
    if content is None:
        one.end()
        return
    # The application may give the same object every time.
    if isinstance(content, _Watched):
        content = content.inner
    length = response.headers.get("content-length")
    response.content = (
        _AsyncPieces(content, one)
        if isinstance(content, AsyncIterable)
        else _Pieces(content, one)
    )
    if length is not None:
        response.headers["content-length"] = length


class _Watched:
    def __init__(self, inner: Any, one: OneRequest) -> None:
        self.inner = inner
        self._one = one

    def __del__(self) -> None:
        # The client was gone before the first piece was asked for.
        self._one.end()


class _Pieces(_Watched):
    inner: Iterable[Any]

    def __iter__(self) -> Iterator[Any]:
        one = self._one
        source = iter(self.inner)
        try:
            while True:
                token = _context.attach(one.context)
                try:
                    piece = next(source)
                except StopIteration:
                    return
                except BaseException as error:
                    one.failed(error)
                    raise
                finally:
                    _context.detach(token)
                yield piece
        finally:
            _close(source)
            one.end()


def _close(source: Any) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()


class _AsyncPieces(_Watched):
    inner: AsyncIterable[Any]

    async def __aiter__(self) -> AsyncIterator[Any]:
        one = self._one
        source = aiter(self.inner)
        try:
            while True:
                token = _context.attach(one.context)
                try:
                    piece = await anext(source)
                except StopAsyncIteration:
                    return
                except BaseException as error:
                    one.failed(error)
                    raise
                finally:
                    _context.detach(token)
                yield piece
        finally:
            await aclose(source)
            one.end()


# ---- ASGI ----


class _AsgiGetter:
    def get(self, carrier: Any, key: str) -> list[str] | None:
        name = key.lower().encode("latin-1")
        found = [v.decode("latin-1") for n, v in carrier if n == name]
        return found or None

    def keys(self, carrier: Any) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier]


def _begin_asgi(requests: Requests, scope: Any) -> OneRequest:
    getter = _AsgiGetter()
    headers = scope["headers"]
    agent = getter.get(headers, "user-agent")
    host = getter.get(headers, "host")
    client = scope.get("client")
    raw = scope.get("raw_path")
    return requests.begin(
        headers,
        getter,
        scope.get("method", "GET"),
        raw.decode("latin-1") if raw else scope["path"],
        scope["query_string"].decode("latin-1"),
        scope["scheme"],
        host[0] if host else "",
        client[0] if client else None,
        scope["http_version"],
        agent[0] if agent else None,
    )


def asgi(app: Any, requests: Requests) -> Any:
    async def traced(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        one = _begin_asgi(requests, scope)
        has_trailers = False
        has_head = False

        async def told(message: Any) -> None:
            nonlocal has_trailers, has_head
            kind = message["type"]
            if kind.endswith("http.response.start"):
                has_head = True
                has_trailers = message.get("trailers", False)
                one.answered(message["status"], _route_of(scope))
            elif kind == "websocket.accept":
                has_head = True
                one.answered(101, _route_of(scope))
            elif kind == "websocket.close" and not has_head:
                has_head = True
                one.answered(403, _route_of(scope))
            await send(message)
            if kind in ("websocket.accept", "websocket.close"):
                one.end()
            elif kind.endswith(("http.response.body", "response.trailers")):
                more = kind.endswith("body") and has_trailers
                if not message.get("more_body") and not (
                    more or message.get("more_trailers")
                ):
                    one.end()

        token = _context.attach(one.context)
        try:
            await app(scope, receive, told)
        except BaseException as error:
            if not has_head and isinstance(error, Exception):
                one.answered(500)
            one.failed(error)
            raise
        finally:
            _context.detach(token)
            one.end()

    traced.__wrapped__ = app  # type: ignore[attr-defined]
    return traced


def _route_of(scope: Any) -> str | None:
    """Where a framework says it."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else None


# ---- WSGI ----


class _WsgiGetter:
    def get(self, carrier: Any, key: str) -> list[str] | None:
        value = carrier.get("HTTP_" + key.upper().replace("-", "_"))
        return None if value is None else [value]

    def keys(self, carrier: Any) -> list[str]:
        return [
            name[5:].lower().replace("_", "-")
            for name in carrier
            if name.startswith("HTTP_")
        ]


def _begin_wsgi(requests: Requests, environ: Any) -> OneRequest:
    getter = _WsgiGetter()
    path = quote(
        environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
        safe="/;=,:@!$&'()*+~",
        encoding="latin-1",
    )
    return requests.begin(
        environ,
        getter,
        environ["REQUEST_METHOD"],
        path,
        environ.get("QUERY_STRING", ""),
        environ["wsgi.url_scheme"],
        environ.get("HTTP_HOST", ""),
        environ.get("REMOTE_ADDR"),
        environ["SERVER_PROTOCOL"].rpartition("/")[2],
        environ.get("HTTP_USER_AGENT"),
    )


def wsgi(app: Any, requests: Requests) -> Any:
    def traced(environ: Any, start_response: Any) -> Any:
        one = _begin_wsgi(requests, environ)

        def told(status: str, headers: Any, exc_info: Any = None) -> Any:
            one.answered(int(status[:3]))
            if exc_info is None:
                return start_response(status, headers)
            return start_response(status, headers, exc_info)

        token = _context.attach(one.context)
        try:
            result = app(environ, told)
        except BaseException as error:
            one.answered(500)
            one.failed(error)
            one.end()
            raise
        finally:
            _context.detach(token)
        # What is there already, and what the server sends by itself.
        if type(result) in (list, tuple, environ.get("wsgi.file_wrapper")):
            one.end()
            return result
        return _WsgiPieces(result, one)

    traced.__wrapped__ = app  # type: ignore[attr-defined]
    return traced


class _WsgiPieces:
    """Its ``close()`` is called in any case (PEP 3333)."""

    def __init__(self, inner: Iterable[bytes], one: OneRequest) -> None:
        self._inner = inner
        self._source: Iterator[bytes] | None = None
        self._one = one

    def __iter__(self) -> _WsgiPieces:
        return self

    def __next__(self) -> bytes:
        token = _context.attach(self._one.context)
        try:
            if self._source is None:
                self._source = iter(self._inner)
            return next(self._source)
        except StopIteration:
            raise
        except BaseException as error:
            self._one.failed(error)
            raise
        finally:
            _context.detach(token)

    def close(self) -> None:
        try:
            _close(self._inner)
        finally:
            self._one.end()
