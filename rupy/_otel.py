"""--opentelemetry: a span for each request, by the OpenTelemetry SDK.

Spans, their export and what is sampled are the SDK's; this says when a
request begins and ends, and makes its span the current one in the
application.  Imported by workers that are asked for it, after the application
was: a provider that it has set stays.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
)
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import quote

from . import _core, _middleware
from ._answer import StreamedResponse
from ._around import Around
from ._load import LoadError
from ._streaming import StreamingResponse

try:
    from opentelemetry import context as _context
    from opentelemetry import propagate, trace
    from opentelemetry.sdk.resources import (
        OTELResourceDetector,
        Resource,
    )
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        SpanExporter,
    )
    from opentelemetry.trace import Span, SpanKind, StatusCode
except ImportError as error:
    raise LoadError(
        f"--opentelemetry needs the SDK ({error}): pip install"
        " opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
    ) from None

Context = _context.Context

_EXPORTERS = "opentelemetry_traces_exporter"
# Seconds at the end of a worker, or this share of what it has left.
_FLUSH_LIMIT = 5.0
_FLUSH_SHARE = 0.8
_FLUSH_LEAST = 0.2

# Others are too many to be told apart (semantic conventions for HTTP).
_METHODS = frozenset(
    [
        "CONNECT",
        "DELETE",
        "GET",
        "HEAD",
        "OPTIONS",
        "PATCH",
        "POST",
        "PUT",
        "QUERY",
        "TRACE",
    ]
)
# Values that the conventions want hidden.
_SECRET = re.compile(
    r"(?<![^&])(AWSAccessKeyId|Signature|sig|X-Goog-Signature)=[^&]*"
)


def install(app: Any, interface: str, name: str) -> Any:
    """Give what is to be served in place of ``app``; for a Rupy it is itself.

    ``name`` is what the service is called when no variable says it.  Raises
    LoadError when the SDK cannot be set up.
    """
    service = name.partition(":")[0]
    tracer = _provider(service).get_tracer("rupy-serve", _version())
    requests = _Requests(tracer)
    if interface == "rupy":
        assert isinstance(app, Around)
        app._outermost = _native(app, requests)
        _middleware.on_unhandled = _record
        return app
    if interface == "asgi":
        return _asgi(app, requests)
    return _wsgi(app, requests)


def finish(left: float | None) -> str:
    """Export what waits, but not for ever: ``left`` seconds are what the
    worker has.  Text for the log when it did not work out."""
    provider: Any = trace.get_tracer_provider()
    flush = getattr(provider, "force_flush", None)
    limit = _FLUSH_LIMIT
    if left is not None:
        limit = max(min(limit, left * _FLUSH_SHARE), _FLUSH_LEAST)
    if flush is None:
        return ""
    # An exporter that cannot reach anybody tries again in its own time.
    thread = threading.Thread(
        target=flush, args=(int(limit * 1000),), daemon=True
    )
    thread.start()
    thread.join(limit)
    if thread.is_alive():
        return f"opentelemetry: spans were lost, not sent within {limit:.1f} s"
    return ""


def _version() -> str:
    from . import __version__

    return __version__


# ---- the SDK ----


def _provider(name: str) -> trace.TracerProvider:
    found = trace.get_tracer_provider()
    if not isinstance(found, trace.ProxyTracerProvider):
        return found
    # What is given here counts more than what the variables say.
    resource = OTELResourceDetector().detect()
    if not resource.attributes.get("service.name"):
        resource = resource.merge(Resource({"service.name": name}))
    # The sampler, its argument and all limits are read by the SDK; it would
    # also wait for the exporter at exit, for as long as that likes.
    provider = TracerProvider(
        resource=Resource.create(resource.attributes), shutdown_on_exit=False
    )
    for exporter in _exporters():
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


def _exporters() -> list[SpanExporter]:
    said = os.environ.get("OTEL_TRACES_EXPORTER", "") or "otlp"
    names = [name.strip() for name in said.split(",") if name.strip()]
    return [_exporter(name) for name in names if name != "none"]


def _exporter(name: str) -> SpanExporter:
    wanted = [name]
    package = f"that offers the exporter {name}"
    if name == "otlp":
        protocol = (
            os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
            or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
            or ""
        )
        wanted = {
            "": ["otlp_proto_http", "otlp_proto_grpc"],
            "http/protobuf": ["otlp_proto_http"],
            "grpc": ["otlp_proto_grpc"],
        }.get(protocol, [])
        if not wanted:
            raise LoadError(
                f"--opentelemetry: protocol {protocol!r} is neither"
                " http/protobuf nor grpc (OTEL_EXPORTER_OTLP_PROTOCOL)"
            )
        kind = wanted[0].rpartition("_")[2]
        package = f"opentelemetry-exporter-otlp-proto-{kind}"
    for candidate in wanted:
        for point in entry_points(group=_EXPORTERS, name=candidate):
            try:
                exporter = point.load()()
            except Exception as error:
                raise LoadError(
                    f"--opentelemetry: exporter {name}:"
                    f" {type(error).__name__}: {error}"
                ) from error
            assert isinstance(exporter, SpanExporter)
            return exporter
    raise LoadError(
        f"--opentelemetry: exporter {name} needs a package: {package}; or say"
        " OTEL_TRACES_EXPORTER=console, or none"
    )


# ---- one request ----


class _Requests:
    """Begins spans."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def begin(
        self,
        carrier: Any,
        getter: Any,
        method: str,
        path: str,
        query: str,
        scheme: str,
        host: str,
        client: str | None,
        version: str,
        agent: str | None,
    ) -> _Request:
        known = method if method in _METHODS else "_OTHER"
        attributes: dict[str, str | int] = {
            "http.request.method": known,
            "url.scheme": scheme,
            "url.path": path,
            "network.protocol.version": version,
        }
        if known != method:
            attributes["http.request.method_original"] = method
        if query:
            attributes["url.query"] = _SECRET.sub(r"\1=REDACTED", query)
        if host:
            name, _, port = host.rpartition(":")
            if name and port.isdigit() and not name.endswith(":"):
                attributes["server.address"] = name.strip("[]")
                attributes["server.port"] = int(port)
            else:
                attributes["server.address"] = host.strip("[]")
        if client:
            attributes["client.address"] = client
        if agent:
            attributes["user_agent.original"] = agent
        parent = propagate.extract(carrier, getter=getter)
        label = "HTTP" if known == "_OTHER" else known
        span = self._tracer.start_span(
            label, parent, SpanKind.SERVER, attributes
        )
        return _Request(span, trace.set_span_in_context(span, parent), label)


class _Request:
    """A span, from the head of the request to the end of its answer."""

    __slots__ = ("_is_over", "_label", "context", "span")

    def __init__(self, span: Span, context: Context, label: str) -> None:
        self.span = span
        self.context = context
        self._label = label
        self._is_over = False

    def answered(self, status: int, route: str | None = None) -> None:
        """The head of the answer is known."""
        if self._is_over:
            return
        span = self.span
        span.set_attribute("http.response.status_code", status)
        if route:
            span.set_attribute("http.route", route)
            span.update_name(f"{self._label} {route}")
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)

    def failed(self, error: BaseException) -> None:
        if not self._is_over:
            _record(error, self.span)

    def end(self) -> None:
        """Once; what comes later is not told."""
        if not self._is_over:
            self._is_over = True
            self.span.end()


def _record(error: BaseException, span: Span | None = None) -> None:
    """An exception that nobody has handled."""
    span = span or trace.get_current_span()
    if isinstance(error, Exception):
        span.record_exception(error)
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    span.set_attribute("error.type", name.removeprefix("builtins."))
    span.set_status(StatusCode.ERROR, str(error).partition("\n")[0])


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


def _native(app: Around, requests: _Requests) -> Callable[[Any], Any]:
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
                response, (StreamedResponse, StreamingResponse)
            ):
                _watch(response, one)
            else:
                one.end()
            return response

        return traced

    return wrap


def _watch(
    response: StreamedResponse | StreamingResponse, one: _Request
) -> None:
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
    def __init__(self, inner: Any, one: _Request) -> None:
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
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()
            one.end()


# ---- ASGI ----


class _AsgiGetter:
    def get(self, carrier: Any, key: str) -> list[str] | None:
        name = key.lower().encode("latin-1")
        found = [v.decode("latin-1") for n, v in carrier if n == name]
        return found or None

    def keys(self, carrier: Any) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier]


def _asgi(app: Any, requests: _Requests) -> Any:
    getter = _AsgiGetter()

    def begin(scope: Any) -> _Request:
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

    async def traced(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        one = begin(scope)
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


def _wsgi(app: Any, requests: _Requests) -> Any:
    getter = _WsgiGetter()

    def begin(environ: Any) -> _Request:
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

    def traced(environ: Any, start_response: Any) -> Any:
        one = begin(environ)

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

    def __init__(self, inner: Iterable[bytes], one: _Request) -> None:
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
