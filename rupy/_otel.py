"""--opentelemetry: a span for each request, by the OpenTelemetry SDK.

Spans, their export and what is sampled are the SDK's; this says when a
request begins and ends, and makes its span the current one in the
application.  Imported by workers that are asked for it, after the application
was: a provider that it has set stays.
"""

from __future__ import annotations

import os
import threading
from importlib.metadata import entry_points
from typing import Any

from . import _middleware
from ._around import Around
from ._load import LoadError

try:
    from opentelemetry import trace
    from opentelemetry.sdk.resources import (
        OTELResourceDetector,
        Resource,
    )
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        SpanExporter,
    )
except ImportError as error:
    raise LoadError(
        f"--opentelemetry needs the SDK ({error}): pip install"
        " opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
    ) from None

# Behind what says that there is no SDK.
from . import _otel_around
from ._otel_spans import Requests, record

_EXPORTERS = "opentelemetry_traces_exporter"
# Seconds at the end of a worker, or this share of what it has left.
_FLUSH_LIMIT = 5.0
_FLUSH_SHARE = 0.8
_FLUSH_LEAST = 0.2


def install(app: Any, interface: str, name: str) -> Any:
    """Give what is to be served in place of ``app``; for a Rupy it is itself.

    ``name`` is what the service is called when no variable says it.  Raises
    LoadError when the SDK cannot be set up.
    """
    service = name.partition(":")[0]
    tracer = _provider(service).get_tracer("rupy-serve", _version())
    requests = Requests(tracer)
    if interface == "rupy":
        assert isinstance(app, Around)
        app._outermost = _otel_around.native(app, requests)
        _middleware.on_unhandled = record
        return app
    if interface == "asgi":
        return _otel_around.asgi(app, requests)
    return _otel_around.wsgi(app, requests)


def application(served: Any) -> Any:
    """What ``install`` was given for what it gave."""
    is_ours = getattr(served, "__module__", None) == _otel_around.__name__
    return served.__wrapped__ if is_ours else served


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
