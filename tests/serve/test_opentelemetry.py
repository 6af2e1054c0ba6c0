"""--opentelemetry: what becomes of requests in spans."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from serving import (
    DEADLINE,
    START_DEADLINE,
    Server,
    Servers,
    head_of,
    print_config,
    wait_for,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"

NATIVE = """
import asyncio
from opentelemetry import trace
from rupy import EventStream, HTTPError, Response, Rupy, StreamingResponse

app = Rupy()
tracer = trace.get_tracer("mine")
stored = StreamingResponse(["a", "b"])


def child(name):
    with tracer.start_as_current_span(name):
        pass


@app.get("/user/<name>")
def user(name):
    child("user")
    return name


@app.get("/async")
async def waits():
    await asyncio.sleep(0.001)
    child("async")
    return "x"


@app.get("/threaded", threaded=True)
def threaded():
    child("threaded")
    return "x"


@app.get("/fails")
def fails():
    raise LookupError("not there")


@app.get("/busy")
def busy():
    raise HTTPError(503, "busy")


@app.get("/stream")
def stream():
    def pieces():
        child("first")
        yield "a"
        child("second")
        yield "b"

    return pieces()


@app.get("/async-stream")
async def async_stream():
    async def pieces():
        for i in range(3):
            await asyncio.sleep(0.001)
            child(f"piece {i}")
            yield f"{i}"

    return StreamingResponse(pieces())


@app.get("/broken-stream")
def broken_stream():
    def pieces():
        yield "a"
        raise ValueError("in the middle")

    return pieces()


@app.get("/stored")
def same():
    return stored


@app.get("/events")
async def events():
    async def pieces():
        yield {"n": 1}
        await asyncio.sleep(60)

    return EventStream(pieces())


@app.middleware
async def around(request, call_next):
    child("middleware")
    return await call_next(request)


@app.after_request
def after(request, response):
    if request.query.get("status"):
        response.status = int(request.query["status"])
    return response


@app.websocket("/ws")
async def ws(ws):
    await ws.accept()
    child("ws")
    await ws.send("x")


other = Rupy()


@other.get("/<n:int>")
def number(n):
    return str(n)


app.mount("/other", other)


async def asgi(scope, receive, send):
    child("asgi")
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"x"})


def wsgi(environ, start_response):
    child("wsgi")
    start_response("200 OK", [])
    return [b"x"]


app.mount("/asgi", asgi)
app.mount("/wsgi", wsgi)
"""

ASGI = """
from opentelemetry import trace

tracer = trace.get_tracer("mine")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close"})
        return
    with tracer.start_as_current_span("inside"):
        pass
    if scope["path"] == "/fails":
        raise LookupError("not there")
    status = int(scope["query_string"] or b"200")
    await send({"type": "http.response.start", "status": status})
    for piece in (b"a", b"b"):
        await send(
            {"type": "http.response.body", "body": piece, "more_body": True}
        )
    await send({"type": "http.response.body"})
    with tracer.start_as_current_span("afterwards"):
        pass
"""

WSGI = """
from opentelemetry import trace

tracer = trace.get_tracer("mine")


def child(name):
    with tracer.start_as_current_span(name):
        pass


def app(environ, start_response):
    path = environ["PATH_INFO"]
    child("inside")
    if path == "/fails":
        raise LookupError("not there")
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/list":
        return [b"ab"]
    return pieces(path)


def pieces(path):
    child("first")
    yield b"a"
    if path == "/broken":
        raise ValueError("in the middle")
    child("second")
    yield b"b"
"""

WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
CONSOLE = {"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "20"}


def spans(server: Server) -> list[Any]:
    """What the console exporter has printed."""
    decoder = json.JSONDecoder()
    text = server.stdout
    found, at = [], 0
    while (at := text.find("{", at)) >= 0:
        try:
            span, at = decoder.raw_decode(text, at)
        except ValueError:
            break  # it is being written
        found.append(span)
    return found


class Spans:
    """A server whose spans are read; each request is a trace of its own."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.count = 0

    def get(self, path: str, **headers: str) -> str:
        """Ask; the trace id."""
        self.count += 1
        trace = f"{self.count:032x}"
        headers["traceparent"] = f"00-{trace}-{PARENT}-01"
        with self.server.connect() as client:
            client.send(
                f"GET {path} HTTP/1.1\r\nHost: localhost:81\r\n"
                "Connection: close\r\n"
                + "".join(f"{n}: {v}\r\n" for n, v in headers.items())
                + "\r\n"
            )
            client.ends()
        return trace

    def shake_hands(self, path: str) -> tuple[int, Any]:
        """For a WebSocket: the status and the span."""
        self.count += 1
        trace = f"{self.count:032x}"
        headers = WEBSOCKET | {"traceparent": f"00-{trace}-{PARENT}-01"}
        with self.server.connect() as client:
            client.send(head_of("GET", path, headers))
            return client.head()[0], self.server_span(trace)

    def of(self, trace: str) -> list[Any]:
        return [
            span
            for span in spans(self.server)
            if span["context"]["trace_id"] == f"0x{trace}"
        ]

    def server_span(self, trace: str) -> Any:
        def find() -> Any:
            for span in self.of(trace):
                if span["kind"] == "SpanKind.SERVER":
                    return span
            return None

        return wait_for(find, f"the span of trace {trace}", START_DEADLINE)

    def ask(self, path: str, **headers: str) -> Any:
        return self.server_span(self.get(path, **headers))

    def children(self, span: Any) -> list[str]:
        trace = span["context"]["trace_id"][2:]
        return [
            s["name"]
            for s in self.of(trace)
            if s["parent_id"] == span["context"]["span_id"]
        ]


def start(servers: Servers, app: str, *options: str) -> Spans:
    return Spans(servers(app, "--opentelemetry", *options, env=CONSOLE))


@pytest.fixture(scope="module")
def native(serve_module: Servers) -> Spans:
    return start(serve_module, NATIVE)


@pytest.fixture(scope="module")
def asgi(serve_module: Servers) -> Spans:
    return start(serve_module, ASGI)


@pytest.fixture(scope="module")
def wsgi(serve_module: Servers) -> Spans:
    return start(serve_module, WSGI)


# ---- rupy ----


def test_a_request_is_a_span_with_what_the_conventions_want(
    native: Spans,
) -> None:
    span = native.ask("/user/a%20b?x=1&sig=secret", **{"User-Agent": "me"})
    assert span["name"] == "GET /user/<name>"
    assert span["parent_id"] == f"0x{PARENT}"
    assert span["status"] == {"status_code": "UNSET"}
    assert span["attributes"] == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/user/a%20b",
        "url.query": "x=1&sig=REDACTED",
        "network.protocol.version": "1.1",
        "server.address": "localhost",
        "server.port": 81,
        "client.address": "127.0.0.1",
        "user_agent.original": "me",
        "http.response.status_code": 200,
        "http.route": "/user/<name>",
    }
    names = span["resource"]["attributes"]
    assert names["service.name"].startswith("app_")
    assert names["telemetry.sdk.name"] == "opentelemetry"
    assert native.children(span) == ["middleware", "user"]


def test_spans_of_every_kind_of_handler_are_below_it(native: Spans) -> None:
    for name in ("async", "threaded"):
        span = native.ask(f"/{name}")
        assert native.children(span) == ["middleware", name]


def test_what_has_no_route_is_a_span_too(native: Spans) -> None:
    span = native.ask("/none")
    assert span["name"] == "GET"
    assert span["attributes"]["http.response.status_code"] == 404
    assert "http.route" not in span["attributes"]
    assert span["status"]["status_code"] == "UNSET"


def test_errors_are_told(native: Spans) -> None:
    span = native.ask("/fails")
    status = {"status_code": "ERROR", "description": "not there"}
    assert span["status"] == status
    assert span["attributes"]["error.type"] == "LookupError"
    assert span["attributes"]["http.response.status_code"] == 500
    assert span["attributes"]["http.route"] == "/fails"
    (event,) = span["events"]
    assert event["attributes"]["exception.type"] == "LookupError"
    assert "in fails" in event["attributes"]["exception.stacktrace"]
    span = native.ask("/busy")
    assert span["status"]["status_code"] == "ERROR"
    assert span["attributes"]["error.type"] == "503"
    assert span["events"] == []
    # Whatever changes the answer is further in.
    span = native.ask("/async?status=502")
    assert span["attributes"]["http.response.status_code"] == 502


def test_the_span_of_a_stream_ends_with_it(native: Spans) -> None:
    for path, names in (
        ("/stream", ["first", "second"]),
        ("/async-stream", ["piece 0", "piece 1", "piece 2"]),
    ):
        span = native.ask(path)
        assert native.children(span) == ["middleware", *names]
        last = native.of(span["context"]["trace_id"][2:])
        ends = {s["name"]: s["end_time"] for s in last}
        assert span["end_time"] == max(ends.values())
    for _ in range(2):
        span = native.ask("/stored")
        assert span["attributes"]["http.response.status_code"] == 200
    span = native.ask("/broken-stream")
    assert span["status"]["status_code"] == "ERROR"
    assert span["events"][0]["attributes"]["exception.type"] == "ValueError"
    native.server.wait_log("in the middle")


def test_a_stream_whose_client_goes_is_over(native: Spans) -> None:
    native.count += 1
    trace = f"{native.count:032x}"
    client = native.server.connect()
    client.send(
        "GET /events HTTP/1.1\r\nHost: a\r\n"
        f"traceparent: 00-{trace}-{PARENT}-01\r\n\r\n"
    )
    client._until(b"data")
    assert native.of(trace) == [] or all(
        s["kind"] != "SpanKind.SERVER" for s in native.of(trace)
    )
    client.close()
    assert native.server_span(trace)["name"] == "GET /events"


def test_an_answer_to_head_is_over_at_once(native: Spans) -> None:
    native.count += 1
    trace = f"{native.count:032x}"
    with native.server.connect() as client:
        client.request(
            "HEAD", "/stream", {"traceparent": f"00-{trace}-{PARENT}-01"}
        )
    assert native.server_span(trace)["name"] == "HEAD /stream"


def test_a_websocket_is_a_span_for_its_handshake(native: Spans) -> None:
    status, span = native.shake_hands("/ws")
    assert status == 101
    assert span["attributes"]["http.response.status_code"] == 101
    wait_for(lambda: "ws" in native.children(span), "a span of the handler")


def test_a_mounted_application_has_its_route(native: Spans) -> None:
    span = native.ask("/other/12")
    assert span["attributes"]["http.route"] == "/other/<n:int>"
    for name in ("asgi", "wsgi"):
        span = native.ask(f"/{name}/x")
        assert native.children(span) == ["middleware", name]
        assert span["attributes"]["http.response.status_code"] == 200


# ---- ASGI, WSGI ----


def test_an_asgi_application_has_spans(asgi: Spans) -> None:
    span = asgi.ask("/a%20b?404", **{"User-Agent": "me"})
    assert span["name"] == "GET"
    assert span["parent_id"] == f"0x{PARENT}"
    assert span["attributes"] == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/a%20b",
        "url.query": "404",
        "network.protocol.version": "1.1",
        "server.address": "localhost",
        "server.port": 81,
        "client.address": "127.0.0.1",
        "user_agent.original": "me",
        "http.response.status_code": 404,
    }
    wait_for(
        lambda: asgi.children(span) == ["inside", "afterwards"],
        "the span after the answer is a child too",
    )
    trace = span["context"]["trace_id"][2:]
    ends = {s["name"]: s["end_time"] for s in asgi.of(trace)}
    assert ends["inside"] <= ends["GET"] <= ends["afterwards"]
    span = asgi.ask("/fails")
    assert span["attributes"]["http.response.status_code"] == 500
    assert span["attributes"]["error.type"] == "LookupError"
    assert span["events"][0]["name"] == "exception"
    status, span = asgi.shake_hands("/ws")
    assert status == 403
    assert span["attributes"]["http.response.status_code"] == 403


def test_a_wsgi_application_has_spans(wsgi: Spans) -> None:
    span = wsgi.ask("/a%20b?q")
    assert span["name"] == "GET"
    assert span["parent_id"] == f"0x{PARENT}"
    assert span["attributes"] == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/a%20b",
        "url.query": "q",
        "network.protocol.version": "1.1",
        "server.address": "localhost",
        "server.port": 81,
        "client.address": "127.0.0.1",
        "http.response.status_code": 200,
    }
    assert wsgi.children(span) == ["inside", "first", "second"]
    assert wsgi.children(wsgi.ask("/list")) == ["inside"]
    span = wsgi.ask("/fails")
    assert span["attributes"]["http.response.status_code"] == 500
    assert span["events"][0]["name"] == "exception"
    span = wsgi.ask("/broken")
    assert span["attributes"]["error.type"] == "ValueError"
    assert wsgi.children(span) == ["inside", "first"]


def test_wsgi_in_threads_has_spans(serve: Servers) -> None:
    found = start(serve, WSGI, "--threads=2")
    for _ in range(3):
        span = found.ask("/x")
        assert found.children(span) == ["inside", "first", "second"]


# ---- the SDK ----


def test_what_is_not_sampled_is_not_told(serve: Servers) -> None:
    found = start(serve, NATIVE)
    # The sampler of old: as the parent says, else all.
    with found.server.connect() as client:
        client.get("/none", traceparent=f"00-{'5' * 32}-{PARENT}-00")
        client.get("/user/x")
    wait_for(
        lambda: any(
            s["name"] == "GET /user/<name>" for s in spans(found.server)
        ),
        "the span of who says nothing",
    )
    assert not found.of("5" * 32)
    env = CONSOLE | {"OTEL_TRACES_SAMPLER": "always_off"}
    server = serve(NATIVE, "--otel", env=env)
    assert server.get("/user/x").status == 200
    assert server.stop() == 0
    assert spans(server) == []


def test_a_provider_of_the_application_stays(serve: Servers) -> None:
    server = serve(
        "from opentelemetry.sdk.resources import Resource\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import (\n"
        "    ConsoleSpanExporter, SimpleSpanProcessor)\n"
        "provider = TracerProvider(resource=Resource({'service.name': 'my'}))\n"
        "provider.add_span_processor("
        "SimpleSpanProcessor(ConsoleSpanExporter()))\n"
        "from opentelemetry.trace import set_tracer_provider\n"
        "set_tracer_provider(provider)\n" + NATIVE,
        "--opentelemetry",
        env={"OTEL_TRACES_EXPORTER": "no such exporter"},
    )
    server.get("/user/x")
    assert server.stop() == 0
    found = [s for s in spans(server) if s["name"] == "GET /user/<name>"]
    assert len(found) == 1
    assert found[0]["resource"]["attributes"]["service.name"] == "my"


@pytest.mark.parametrize(
    "call",
    [
        "async def __call__(self, scope, receive, send): pass",
        "def __call__(self, environ, start_response): return []",
    ],
    ids=["asgi", "wsgi"],
)
def test_hooks_are_given_the_application_itself(
    serve: Servers, tmp_path: Path, call: str
) -> None:
    config = tmp_path / "conf.py"
    config.write_text(
        "def worker_ready(worker): print(worker.app.name, flush=True)\n"
    )
    server = serve(
        f"class Shop:\n    name = 'it is me'\n    {call}\napp = Shop()\n",
        "--opentelemetry",
        *("-c", str(config)),
        env={"OTEL_TRACES_EXPORTER": "none"},
    )
    wait_for(lambda: "it is me" in server.stdout, "its name")


def test_nothing_is_made_without_the_option(serve: Servers) -> None:
    app = (
        "import sys\nfrom rupy import Rupy\napp = Rupy()\n"
        "@app.get('/')\ndef index():\n"
        "    return 'opentelemetry.sdk' in sys.modules\\\n"
        "        and 'yes' or 'no'\n"
    )
    server = serve(app, env=CONSOLE)
    assert server.get("/").text == "no"


def test_the_option_is_off_and_has_a_short_name(
    rupy_bin: Path, tmp_path: Path
) -> None:
    for args, value in (((), False), (("--otel",), True)):
        found = print_config(rupy_bin, *args, cwd=tmp_path)["options"]
        assert found["opentelemetry"]["value"] is value


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"OTEL_TRACES_EXPORTER": "nothing"}, "exporter nothing needs a pack"),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "smoke"},
            "protocol 'smoke' is neither http/protobuf nor grpc",
        ),
        ({}, "--opentelemetry needs the SDK (cannot import name 'trace'"),
    ],
)
def test_what_cannot_be_is_a_line_at_the_start(
    serve: Servers, env: dict[str, str], why: str
) -> None:
    app = "from rupy import Rupy\n\napp = Rupy()\n"
    if not env:
        package = serve.folder / "opentelemetry"
        package.mkdir()
        (package / "__init__.py").write_text("")
    server = serve(app, "--opentelemetry", env=env, ready=False)
    assert server.exit_status(START_DEADLINE) == 4
    lines = server.stderr.splitlines()
    assert any("the application cannot be loaded" in line for line in lines)
    assert any(why in line for line in lines), server.stderr
    assert "Traceback" not in server.stderr
    server.may_die = True


# ---- export ----


class Collector:
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        names: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["content-length"])
                message = trace_service_pb2.ExportTraceServiceRequest()
                message.ParseFromString(self.rfile.read(size))
                for resource in message.resource_spans:
                    for scope in resource.scope_spans:
                        names.extend(span.name for span in scope.spans)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.names = names
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join(DEADLINE)
        self.server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def test_spans_are_sent_before_a_worker_ends(
    serve: Servers, collector: Collector
) -> None:
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "600000",
    }
    server = serve(NATIVE, "--opentelemetry", env=env)
    server.get("/user/x")
    assert "GET /user/<name>" not in collector.names
    assert server.stop() == 0
    assert "GET /user/<name>" in collector.names


def test_a_collector_that_does_not_answer_holds_up_no_end(
    serve: Servers,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": (
                f"http://127.0.0.1:{deaf.getsockname()[1]}"
            ),
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
        }
        server = serve(
            NATIVE, "--opentelemetry", "--graceful-timeout=4s", env=env
        )
        server.get("/user/x")
        assert server.stop() == 0
        assert "opentelemetry: spans were lost, not sent within" in (
            server.stderr
        )


def test_a_thousand_requests_leave_nothing_behind(serve: Servers) -> None:
    app = (
        "import gc\nfrom rupy import Rupy\napp = Rupy()\n"
        "@app.get('/objects')\ndef index():\n"
        "    gc.collect()\n    return str(len(gc.get_objects()))\n"
        "@app.get('/stream')\ndef stream():\n"
        "    return (c for c in 'abc')\n"
    )
    server = serve(app, "--otel", env={"OTEL_TRACES_EXPORTER": "none"})

    def objects() -> int:
        with server.connect() as client:
            for _ in range(250):
                assert client.get("/stream").text == "abc"
                client.get("/none")
            return int(client.get("/objects").text)

    objects()
    before = objects()
    assert objects() - before < 50
