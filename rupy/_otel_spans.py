"""The span of a request: its attributes, by the semantic conventions for
HTTP, from the head of the request to the end of its answer."""

from __future__ import annotations

import re
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode

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


class Requests:
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
    ) -> OneRequest:
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
        return OneRequest(span, trace.set_span_in_context(span, parent), label)


class OneRequest:
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
        # An exception that was recorded says more.
        said = getattr(span, "attributes", None) or ()
        if status >= 500 and "error.type" not in said:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)

    def failed(self, error: BaseException) -> None:
        if not self._is_over:
            record(error, self.span)

    def end(self) -> None:
        """Once; what comes later is not told."""
        if not self._is_over:
            self._is_over = True
            self.span.end()


def record(error: BaseException, span: Span | None = None) -> None:
    """An exception that nobody has handled."""
    span = span or trace.get_current_span()
    if isinstance(error, Exception):
        span.record_exception(error)
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    span.set_attribute("error.type", name.removeprefix("builtins."))
    span.set_status(StatusCode.ERROR, str(error).partition("\n")[0])
