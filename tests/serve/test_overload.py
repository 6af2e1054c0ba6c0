"""Handlers that take too long, and more requests than there should be."""

from __future__ import annotations

import time

import pytest
from serving import Servers, head_of, wait_for

APP = """
import asyncio
import threading
import time
from rupy import Rupy

app = Rupy()
ends = []

@app.get("/")
def index():
    return "index"

@app.get("/async")
async def waits():
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        ends.append("cancelled")
        raise
    return "late"

@app.get("/late-stream")
async def stream():
    yield "one "
    await asyncio.sleep(1.5)
    yield "two"

@app.get("/thread", threaded=True)
def in_a_thread():
    time.sleep(3)
    return "late"

@app.get("/ends")
def what():
    return ends

@app.post("/")
def echo(request):
    return request.body
"""

ASGI = """
import asyncio
ends = []

async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/async":
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
    if scope["path"] == "/pauses":
        piece = {"type": "http.response.body", "more_body": True}
        await send({"type": "http.response.start", "status": 200})
        await send({**piece, "body": b"go"})
        await receive()
        await asyncio.sleep(6)
        await send({**piece, "body": b"now"})
        while (await receive())["more_body"]:
            pass
        return await send({"type": "http.response.body", "body": b"all"})
    if scope["path"] == "/goes-on":
        ends.append("began")
        try:
            await asyncio.sleep(0.3)
            ends.append("went on")
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
    body = repr(ends).replace("'", '"').encode()
    if scope["method"] == "POST":
        body, more = b"", True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            body += message.get("body", b"")
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.mark.parametrize("app", [APP, ASGI], ids=["rupy", "asgi"])
def test_a_handler_that_takes_too_long_is_cancelled(
    serve: Servers, app: str
) -> None:
    server = serve(app, "--request-timeout", "500ms")
    start = time.monotonic()
    answer = server.get("/async")
    assert answer.status == 504
    assert answer.get("connection") == "close"
    assert 0.4 < time.monotonic() - start < 10
    wait_for(
        lambda: server.get("/ends").json() == ["cancelled"], "it was cancelled"
    )
    assert "GET /async: 504: no answer after" in server.stderr


def test_a_client_that_goes_after_one_that_waited_too_long(
    serve: Servers,
) -> None:
    """Its handler was not late, and goes on."""
    server = serve(ASGI, "--request-timeout", "500ms")
    assert server.get("/async").status == 504
    client = server.connect()
    client.send(head_of("GET", "/goes-on"))
    wait_for(lambda: "began" in server.get("/ends").json(), "it is at work")
    client.reset()
    wait_for(lambda: len(server.get("/ends").json()) == 3, "it has ended")
    assert server.get("/ends").json() == ["cancelled", "began", "went on"]


def test_an_answer_that_has_begun_is_not_cut(serve: Servers) -> None:
    server = serve(APP, "--request-timeout", "500ms")
    assert server.get("/late-stream").text == "one two"


def test_what_is_quick_on_an_old_connection_is_not_late(
    serve: Servers,
) -> None:
    server = serve(APP, "--request-timeout", "500ms")
    with server.connect() as client:
        for _ in range(4):
            assert client.get("/").status == 200
            time.sleep(0.2)


def test_a_thread_that_takes_too_long_costs_its_worker(serve: Servers) -> None:
    server = serve(APP, "--request-timeout", "500ms")
    first = server.workers
    assert server.get("/thread").status == 504
    # Its stack says where it is stuck.
    server.wait_log("in in_a_thread")
    server.wait_log("asks to be replaced: a thread is stuck")
    wait_for(
        lambda: server.workers and not set(first) & set(server.workers),
        "another worker",
        20,
    )
    assert server.get("/").status == 200


def test_over_the_limit_of_concurrency_it_is_503(serve: Servers) -> None:
    server = serve(APP, "--limit-concurrency", "2")
    with server.connect() as a, server.connect() as b:
        for client in (a, b):
            client.send("GET /async HTTP/1.1\r\nHost: x\r\n\r\n")
        with server.connect() as c:

            def refused() -> bool:
                answer = c.get("/")
                assert answer.status in (200, 503)
                if answer.status == 503:
                    assert answer.get("retry-after") == "1"
                return answer.status == 503

            # The connection is kept: a proxy has many requests on it.
            wait_for(refused, "503")
            a.reset()
            b.reset()
            # Their handlers go on, but nobody waits for them.
            wait_for(lambda: c.get("/").status == 200, "200 again")


@pytest.mark.parametrize("app", [APP, ASGI], ids=["rupy", "asgi"])
def test_a_body_that_trickles_is_refused(serve: Servers, app: str) -> None:
    """Whether it is collected, or handed on piece by piece."""
    server = serve(app, "--body-min-rate", "1000")
    head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    with server.connect() as slow, server.connect() as fast:
        for client in (slow, fast):
            client.send(head)
        start = time.monotonic()
        # Fast enough on the whole, though it pauses.
        fast.send(b"x" * 50_000)
        while slow.is_quiet(0.01):
            slow.send(b"x")
            time.sleep(0.1)
            assert time.monotonic() - start < 20
        assert time.monotonic() - start > 4
        assert slow.answer().status == 408
        fast.send(b"x" * 50_000)
        assert len(fast.answer().body) == 100_000


def test_the_time_of_a_handler_is_not_that_of_its_client(
    serve: Servers,
) -> None:
    """However often it was looked at whether it takes too long."""
    server = serve(ASGI, "--body-min-rate", "100k", "--request-timeout", "1s")
    with server.connect() as client:
        client.send(head_of("POST", "/pauses", {"Content-Length": "20"}))
        client.head()
        chunks = client.chunks()
        assert next(chunks) == b"go"
        time.sleep(0.1)
        client.send(b"x" * 10)
        assert next(chunks) == b"now"
        time.sleep(0.2)
        client.send(b"x" * 10)
        assert list(chunks) == [b"all"]
