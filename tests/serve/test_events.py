"""Server-sent events, as EventSource and others read them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving import Client, Server, Servers, head_of, wait_for

from rupy import Event, EventStream, StreamingResponse

APP = """
import asyncio
import threading
from rupy import Event, EventStream, Rupy

app = Rupy()
busy = 0
queues = set()

@app.get("/busy")
def how_many():
    return str(busy)

@app.get("/say/<text>")
def say(text: str):
    for queue in queues:
        queue.put_nowait(text)
    return str(len(queues))

@app.get("/listen")
async def listen(request):
    async def events():
        global busy
        queue = asyncio.Queue()
        queues.add(queue)
        busy += 1
        try:
            if request.last_event_id:
                yield f"after {request.last_event_id}"
            while True:
                yield await queue.get()
        finally:
            queues.remove(queue)
            busy -= 1
    keep = float(request.query.get("keep", "30"))
    return EventStream(events(), keep_alive=keep)

@app.get("/kinds")
def kinds():
    return EventStream([
        "text", "two\\nlines\\r\\nand\\rmore", {"a": 1}, ["b"], "",
        Event("x", event="e", id=7, retry=1000), Event(id="only"),
        Event({"b": "\\u20ac"})], headers={"x-a": "b"}, keep_alive=None)

@app.get("/threaded", threaded=True)
def threaded():
    gate = threading.Event()
    def events():
        yield threading.current_thread().name
        gate.wait(0.5)
        yield "later"
    return EventStream(events(), keep_alive=0.05)

@app.get("/bad")
async def bad():
    async def events():
        yield "good"
        yield 7
    return EventStream(events())

@app.get("/cleanup")
async def cleanup():
    async def events():
        try:
            await asyncio.Event().wait()
            yield ""
        finally:
            raise KeyError("in the cleanup")
    return EventStream(events())
"""


# The same, with something around every handler.
AROUND = """
@app.middleware
async def around(request, call_next):
    return await call_next(request)
"""


@pytest.fixture(scope="module", params=["alone", "around"])
def server(serve_module: Servers, request: pytest.FixtureRequest) -> Server:
    app = APP + AROUND if request.param == "around" else APP
    return serve_module(app)


def listen(server: Server, path: str = "/listen", **headers: str) -> Client:
    client = server.connect()
    client.send(head_of("GET", path, headers))
    status, fields = client.head()
    assert status == 200
    named = dict(fields)
    assert named["content-type"] == "text/event-stream"
    assert named["cache-control"] == "no-store"
    assert named["x-accel-buffering"] == "no"
    return client


def is_busy(server: Server, n: int) -> None:
    wait_for(lambda: int(server.get("/busy").text) == n, f"{n} streams")


def test_the_head_leaves_at_once(server: Server) -> None:
    with listen(server) as client:
        assert not client.got
    is_busy(server, 0)


def test_events_reach_all_who_listen(server: Server) -> None:
    clients = [listen(server) for _ in range(5)]
    is_busy(server, 5)
    assert server.get("/say/hello").text == "5"
    for client in clients:
        assert next(client.chunks()) == b"data: hello\n\n"
        client.close()
    is_busy(server, 0)


@pytest.mark.parametrize("how", ["close", "reset", "shutdown"])
def test_a_client_that_goes_is_noticed_without_an_event(
    server: Server, how: str
) -> None:
    client = listen(server)
    is_busy(server, 1)
    getattr(client, how)()
    is_busy(server, 0)
    if how == "shutdown":
        assert client.ends() == b"0\r\n\r\n"


def test_silence_is_broken_by_comments(server: Server) -> None:
    client = listen(server, "/listen?keep=0.05")
    chunks: Iterator[bytes] = client.chunks()
    assert [next(chunks) for _ in range(3)] == [b":\n\n"] * 3
    server.get("/say/x")
    assert wait_for(lambda: next(chunks) == b"data: x\n\n", "the event")
    assert next(chunks) == b":\n\n"
    client.close()
    is_busy(server, 0)


def test_a_client_that_comes_back_says_what_it_has_seen(
    server: Server,
) -> None:
    client = listen(server, last_event_id="\xe2\x82\xac7")
    assert next(client.chunks()).decode() == "data: after \u20ac7\n\n"
    client.close()


def test_every_kind_of_event(server: Server) -> None:
    answer = server.get("/kinds")
    assert answer.get("x-a") == "b"
    assert answer.text.split("\n\n") == [
        "data: text",
        "data: two\ndata: lines\ndata: and\ndata: more",
        'data: {"a":1}',
        'data: ["b"]',
        "data: ",
        "event: e\nid: 7\nretry: 1000\ndata: x",
        "id: only",
        'data: {"b":"\u20ac"}',
        "",
    ]


def test_a_threaded_generator_has_comments_while_it_blocks(
    server: Server,
) -> None:
    chunks = list(listen(server, "/threaded").chunks())
    assert chunks[0].startswith(b"data: rupy-pool-")
    assert chunks[-1] == b"data: later\n\n"
    assert set(chunks[1:-1]) == {b":\n\n"}


def test_head_of_a_stream_has_no_stream(server: Server) -> None:
    with server.connect() as client:
        answer = client.request("HEAD", "/listen")
        assert answer.get("content-type") == "text/event-stream"
        assert client.get("/busy").text == "0"


def test_what_is_no_event_ends_the_connection(server: Server) -> None:
    client = listen(server, "/bad")
    assert client.ends() == b"c\r\ndata: good\n\n\r\n"
    server.wait_log("an event is str, dict, list or Event, not int")


def test_an_error_in_the_cleanup_is_logged(server: Server) -> None:
    listen(server, "/cleanup").close()
    server.wait_log("in the cleanup")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Event("x", event="a\nb"),
        lambda: Event("x", id="a\rb"),
        lambda: Event("x", id="a\0"),
        lambda: Event("x", retry=-1),
        lambda: EventStream([], keep_alive=0),
    ],
)
def test_wrong_events_are_value_errors(wrong) -> None:
    with pytest.raises(ValueError, match="Event"):
        wrong()


@pytest.mark.parametrize("content", ["text", b"bytes", {"a": 1}, 7, None])
def test_content_that_is_no_iterable_of_pieces_is_a_type_error(
    content: object,
) -> None:
    for cls in (StreamingResponse, EventStream):
        with pytest.raises(TypeError, match="not an iterable of pieces"):
            cls(content)


def test_the_example(serve: Servers) -> None:
    server = serve("rupy.examples.events:app")
    client = listen(server, "/events")
    wait_for(
        lambda: server.post("/say", b"one").text == "1 listen\n", "a listener"
    )
    want = b'event: said\nid: 1\ndata: {"text":"one"}\n\n'
    assert next(client.chunks()) == want
    server.post("/say", b"two")
    again = listen(server, "/events", last_event_id="1")
    assert next(again.chunks()) == want.replace(b"1", b"2").replace(
        b"one", b"two"
    )
