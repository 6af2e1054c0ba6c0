"""Middleware: every kind, around every kind of handler and answer."""

from __future__ import annotations

import pytest
from serving import Server, Servers, head_of, wait_for

# Four applications with the same handlers, by what is around them; /plain is
# as without.
APP = """
import asyncio
import contextvars
import itertools
import sys
import threading
import time
from rupy import HTTPError, Response, Rupy

variable = contextvars.ContextVar("variable", default="not set")
events = []

def handlers(app):
    @app.get("/def")
    def plain(request):
        return variable.get()

    @app.get("/twice")
    def twice():
        return "once"

    @app.get("/async")
    async def waits(request):
        task = getattr(request.state, "task", None)
        assert task in (None, asyncio.current_task())
        await asyncio.sleep(0.001)
        return variable.get()

    @app.get("/threaded", threaded=True)
    def threaded():
        return threading.current_thread().name

    @app.get("/raise")
    def fails():
        raise RuntimeError("on purpose")

    @app.get("/raise-async")
    async def fails_later():
        await asyncio.sleep(0)
        raise RuntimeError("on purpose")

    @app.get("/404")
    async def missing():
        raise HTTPError(404, "no such thing", {"x-why": "because"})

    @app.get("/stream")
    def stream():
        yield "one "
        yield "two"

    @app.get("/stream-async")
    async def stream_async():
        yield "one "
        await asyncio.sleep(0.001)
        yield "two"

    @app.get("/stream-threaded", threaded=True)
    def stream_threaded():
        yield "one "
        yield "two"

    @app.post("/echo/<n:int>")
    async def echo(request, n):
        return Response(request.body, 200 + n, {"x-own": "1"}, "text/own")

    return app

def before(request):
    variable.set("set")
    if request.path.endswith("/stop"):
        return "stopped", 403, {"x-by": "before"}
    if request.path.endswith("/wrong"):
        return 7
    if request.path.endswith("/fails"):
        raise RuntimeError("on purpose, in middleware")

async def before_async(request):
    await asyncio.sleep(0)
    return before(request)

def around(request, call_next):
    answer = before(request)
    if answer is not None:
        return answer
    if request.path.endswith("/nothing"):
        call_next(request)
        return None
    response = call_next(request)
    response.headers["x-around"] = str(response.status)
    return response

async def around_async(request, call_next):
    answer = before(request)
    if answer is not None:
        return answer
    request.state.task = asyncio.current_task()
    if request.path.endswith("/nothing"):
        await call_next(request)
        return None
    if request.path.endswith("/twice"):
        await call_next(request)
    response = await call_next(request)
    response.headers["x-around"] = str(response.status)
    return response

app = Rupy()
for function in (before, before_async, around, around_async):
    other = Rupy()
    other.middleware(function)
    app.mount(f"/{function.__name__}", handlers(other))
app.mount("/none", handlers(Rupy()))
"""

KINDS = ("before", "before_async", "around", "around_async")
AROUND = ("around", "around_async")

ANSWERS = {
    "def": (200, "set"),
    "async": (200, "set"),
    "raise": (500, "500 Internal Server Error\n"),
    "raise-async": (500, "500 Internal Server Error\n"),
    "404": (404, "no such thing"),
    "stream": (200, "one two"),
    "stream-async": (200, "one two"),
    "stream-threaded": (200, "one two"),
    "no-such-route": (404, "404 Not Found\n"),
}


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("handler", ANSWERS)
def test_every_kind_around_every_handler(
    server: Server, kind: str, handler: str
) -> None:
    answer = server.get(f"/{kind}/{handler}")
    assert (answer.status, answer.text) == ANSWERS[handler]
    assert answer.get("content-type") == "text/plain; charset=utf-8"
    if kind in AROUND:
        assert answer.get("x-around") == str(answer.status)
    if handler == "404":
        assert answer.get("x-why") == "because"
    framing = "chunked" if "stream" in handler else "length"
    assert answer.framing == framing


@pytest.mark.parametrize("kind", KINDS)
def test_a_threaded_handler_stays_in_its_thread(
    server: Server, kind: str
) -> None:
    for where in ("none", kind):
        name = server.get(f"/{where}/threaded").text
        assert name.startswith("rupy-pool"), name


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_of_middleware_is_the_answer(
    server: Server, kind: str
) -> None:
    answer = server.get(f"/{kind}/stop")
    assert (answer.status, answer.text) == (403, "stopped")
    assert answer.get("x-by") == "before"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_answer_is_a_500_that_names_the_middleware(
    server: Server, kind: str
) -> None:
    answer = server.get(f"/{kind}/wrong")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error\n")
    name = "before" if kind == "before" else f".{kind} returned int"
    server.wait_log(name)
    server.wait_log("returned int")


@pytest.mark.parametrize("kind", AROUND)
def test_an_around_that_returns_none_is_a_500(
    server: Server, kind: str
) -> None:
    assert server.get(f"/{kind}/nothing").status == 500
    server.wait_log(f".{kind} returned NoneType, which is no answer")


@pytest.mark.parametrize("kind", KINDS)
def test_middleware_that_raises_is_a_500_and_in_the_log(
    server: Server, kind: str
) -> None:
    assert server.get(f"/{kind}/fails").status == 500
    server.wait_log(f"GET /{kind}/fails: unhandled RuntimeError")
    server.wait_log("on purpose, in middleware")


def test_call_next_twice_is_an_error(server: Server) -> None:
    assert server.get("/around_async/twice").status == 500
    server.wait_log("call_next() was called twice for one request")


@pytest.mark.parametrize("kind", (*KINDS, "none"))
def test_methods_are_answered_as_without(server: Server, kind: str) -> None:
    with server.connect() as client:
        head = client.request("HEAD", f"/{kind}/def")
        assert (head.status, head.body) == (200, b"")
        length = "7" if kind == "none" else "3"
        assert head.get("content-length") == length
        wrong = client.request("DELETE", f"/{kind}/def")
        assert wrong.status == 405
        assert wrong.get("allow") == "GET, HEAD, OPTIONS"
        options = client.request("OPTIONS", f"/{kind}/def")
        assert (options.status, options.body) == (204, b"")
        assert options.get("allow") == "GET, HEAD, OPTIONS"
        head = client.request("HEAD", f"/{kind}/stream-async")
        assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("kind", (*KINDS, "none"))
def test_content_and_parameters_arrive(server: Server, kind: str) -> None:
    body = bytes(range(256)) * 400
    with server.connect() as client:
        # The request is copied out of the buffer while middleware waits.
        data = head_of("POST", f"/{kind}/echo/1", {"x-a": "b"}, body) + body
        client.send(data + data)
        for _ in range(2):
            answer = client.answer()
            assert (answer.status, answer.body) == (201, body)
            assert answer.get("content-type") == "text/own"
            assert answer.get("x-own") == "1"
        assert client.post(f"/{kind}/echo/x", body).status == 404


ORDER = """
import asyncio
from rupy import Response, Rupy

app = Rupy()

def note(request, what):
    request.state.__dict__.setdefault("notes", []).append(what)

@app.middleware
def one(request):
    note(request, "one")

@app.middleware
async def two(request, call_next):
    note(request, "two")
    response = await call_next(request)
    note(request, "/two")
    return response

@app.middleware
def three(request, call_next):
    note(request, "three")
    response = call_next(request)
    note(request, "/three")
    return response

@app.middleware
async def four(request):
    note(request, "four")

@app.middleware
def five(request, call_next):
    note(request, "five")
    response = call_next(request)
    note(request, "/five")
    if request.path == "/body":
        response.body = "another body"
        response.status = 203
    if request.path == "/upper":
        stream = response.content
        async def upper():
            async for piece in stream:
                yield piece.upper()
        response.content = upper()
    if request.path == "/ahead":
        response.content = Passing(response.content)
    if request.path == "/instead":
        return {"instead": response.status}
    return response

@app.after_request
def first(request, response):
    note(request, "first")
    response.headers["x-notes"] = " ".join(request.state.notes)
    return response

@app.after_request
async def last(request, response):
    note(request, "last")
    return response

@app.get("/")
@app.get("/body")
@app.get("/instead")
def handler(request):
    note(request, "handler")
    return "text"

@app.get("/upper")
async def stream():
    for piece in ("one ", "two"):
        yield piece
        await asyncio.sleep(0)

closed = []

class Passing:
    def __init__(self, pieces):
        self.pieces = pieces

    async def __aiter__(self):
        task = asyncio.current_task()
        try:
            async for piece in self.pieces:
                yield piece
        finally:
            same = asyncio.current_task() is task
            closed.append("in its task" if same else "in another task")

@app.get("/ahead")
async def ahead():
    while True:
        yield b"x" * 100000

@app.get("/endless/<name>")
async def endless(name):
    try:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0)
    finally:
        closed.append(name)

@app.get("/closed")
def which():
    return closed

@app.get("/waits")
async def waits():
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        closed.append("cancelled")
        raise
"""


@pytest.fixture(scope="module")
def order(serve_module: Servers) -> Server:
    return serve_module(ORDER, "--cancel-on-disconnect")


def test_order_of_registration_and_back(order: Server) -> None:
    notes = "one two three four five handler /five /three /two last first"
    assert order.get("/").get("x-notes") == notes
    notes = notes.replace("handler ", "")
    answer = order.get("/no-such-route")
    assert (answer.status, answer.get("x-notes")) == (404, notes)


def test_an_answer_is_changed_on_its_way(order: Server) -> None:
    answer = order.get("/body")
    assert (answer.status, answer.text) == (203, "another body")
    assert order.get("/instead").json() == {"instead": 200}
    answer = order.get("/upper")
    assert (answer.framing, answer.text) == ("chunked", "ONE TWO")


def test_a_stream_ends_when_its_client_goes(order: Server) -> None:
    client = order.connect()
    client.send(head_of("GET", "/endless/a"))
    assert client.sock.recv(100000)
    client.reset()
    wait_for(lambda: "a" in order.get("/closed").json(), "the stream closes")


def test_what_wraps_a_stream_ends_in_its_task(order: Server) -> None:
    client = order.connect()
    client.send(head_of("GET", "/ahead"))
    assert client.sock.recv(100000)
    client.reset()

    def ends() -> list[str]:
        return [e for e in order.get("/closed").json() if "task" in e]

    assert wait_for(ends, "the stream closes") == ["in its task"]


def test_a_handler_is_cancelled_behind_its_middleware(order: Server) -> None:
    client = order.connect()
    client.send(head_of("GET", "/waits"))
    order.get("/")
    client.reset()
    wait_for(
        lambda: "cancelled" in order.get("/closed").json(),
        "the handler is cancelled",
    )
    # Its threads were given back: more requests than there are.
    for _ in range(40):
        assert order.get("/").status == 200


STREAMS = """
import asyncio
import contextvars
from rupy import Rupy, StreamingResponse

variable = contextvars.ContextVar("variable", default="unset")

def handlers(app):
    @app.get("/def")
    def def_():
        yield variable.get()

    @app.get("/threaded", threaded=True)
    def threaded():
        yield variable.get()

    @app.get("/async")
    async def async_():
        await asyncio.sleep(0)
        yield variable.get()

    @app.get("/returned/<wait:int>")
    async def returned(wait):
        if wait:
            await asyncio.sleep(0)
        return async_()

    @app.get("/response")
    async def response():
        return StreamingResponse(async_())

    @app.get("/own/<name>")
    async def own(name):
        variable.set(name)
        return def_()

    @app.get("/own-def/<name>", threaded=True)
    @app.get("/own-def-inline/<name>")
    def own_def(name):
        variable.set(name)
        return def_()

def before(request):
    if "set" in request.query:
        variable.set("set")

async def before_async(request):
    before(request)

async def around(request, call_next):
    before(request)
    return await call_next(request)

def threaded_around(request, call_next):
    before(request)
    return call_next(request)

app = Rupy()
for function in (before, before_async, around, threaded_around):
    other = Rupy()
    other.middleware(function)
    handlers(other)
    app.mount(f"/{function.__name__}", other)
"""


@pytest.mark.parametrize("debug", ["", "1"])
def test_streams_see_the_variables_of_their_request(
    serve: Servers, debug: str
) -> None:
    server = serve(STREAMS, env={"PYTHONASYNCIODEBUG": debug})
    for kind in ("before", "before_async", "around", "threaded_around"):
        for path in (
            "def",
            "threaded",
            "async",
            "returned/0",
            "returned/1",
            "response",
            "own/mine",
            "own-def/mine",
            "own-def-inline/mine",
        ):
            want = "mine" if path.endswith("mine") else "set"
            with server.connect() as client:
                client.send(
                    head_of("GET", f"/{kind}/{path}?set=1")
                    + head_of("GET", f"/{kind}/def")
                )
                assert client.answer().text == want, (kind, path)
                assert client.answer().text == "unset", (kind, path)


BAD = """
import asyncio
from rupy import Rupy
app = Rupy()
said = []
for what, function in [
    ("middleware", lambda: None),
    ("middleware", lambda a, b, c: None),
    ("middleware", 7),
    ("after_request", lambda request: None),
]:
    try:
        getattr(app, what)(function)
    except TypeError as error:
        said.append(str(error))
for what in (200, "404", None, BaseException):
    try:
        app.error_handler(what)
    except (TypeError, ValueError) as error:
        said.append(str(error))
try:
    @app.error_handler(404)
    def none():
        pass
except TypeError as error:
    said.append(str(error))

@app.get("/")
def index():
    return said
"""


def test_what_cannot_be_called_is_refused_at_registration(
    serve: Servers,
) -> None:
    said = serve(BAD).get("/").json()
    assert len(said) == 9, said
    for text, wanted in zip(
        said,
        [
            "() does not take (request) or (request, call_next)",
            "(a, b, c) does not take (request) or (request, call_next)",
            "7 is no function",
            "(request) does not take (request, response)",
            "error_handler: 200 is not 400 to 599",
            "'404' is neither a status nor a class of exceptions",
            "None is neither a status nor a class of exceptions",
            "is neither a status nor a class of exceptions",
            "none() does not take (error) or (request, error)",
        ],
        strict=True,
    ):
        assert wanted in text


def test_who_half_closes_behind_events_ends_them(serve: Servers) -> None:
    server = serve("""
import asyncio
from rupy import Event, EventStream, Rupy
app = Rupy()

@app.middleware
async def around(request, call_next):
    return await call_next(request)

@app.get("/events")
async def events(request):
    async def more():
        while True:
            yield Event("tick")
            await asyncio.sleep(0.01)
    return EventStream(more())

@app.get("/")
def index(request):
    return "here"
""")
    for _ in range(20):
        with server.connect() as client:
            client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.head()[0] == 200
            client.shutdown()
            client.ends()
    assert server.get("/").text == "here"
