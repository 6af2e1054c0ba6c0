"""Middleware under load: threads are bounded, nothing is left behind."""

from __future__ import annotations

from serving import Answer, Client, Servers, head_of

THREADS = """
import time
from rupy import Rupy
app = Rupy()

for _ in range(2):
    @app.middleware
    def slow(request, call_next):
        time.sleep(0.002)
        return call_next(request)

@app.get("/")
async def index():
    return "ok"
"""


def test_more_requests_than_threads_wait_for_their_turn(
    serve: Servers,
) -> None:
    server = serve(THREADS, "--workers", "1")
    clients = [server.connect() for _ in range(60)]
    for client in clients:
        client.send(head_of("GET", "/"))
    answers: list[Answer] = [client.answer() for client in clients]
    assert {answer.text for answer in answers} == {"ok"}


LEAKS = """
import asyncio
import gc
import sys
from rupy import Rupy
app = Rupy()

@app.middleware
def before(request):
    request.state.seen = [request]

@app.middleware
async def around(request, call_next):
    response = await call_next(request)
    response.headers["x-status"] = str(response.status)
    return response

@app.after_request
def after(request, response):
    return response

@app.error_handler(404)
def missing(request, error):
    return {"missing": request.path}

@app.get("/def")
def plain():
    return "text"

@app.get("/async")
async def waits():
    await asyncio.sleep(0)
    return {"a": 1}

@app.get("/stream")
async def stream():
    yield "one"
    await asyncio.sleep(0)
    yield "two"

@app.get("/threaded", threaded=True)
def threaded():
    return "text"

@app.get("/count")
def count():
    gc.collect()
    return [len(gc.get_objects()), sys.getallocatedblocks()]
"""


def many(client: Client, path: str, n: int) -> None:
    data = head_of("GET", path) * 10
    for _ in range(n // 10):
        client.send(data)
        for _ in range(10):
            client.answer()


def test_ten_thousand_requests_leave_nothing_behind(serve: Servers) -> None:
    server = serve(LEAKS, "--workers", "1")
    paths = ("/def", "/async", "/stream", "/threaded", "/no-such-route")
    with server.connect() as client:
        for path in paths:
            many(client, path, 200)
        before = client.get("/count").json()
        for path in paths:
            many(client, path, 2000)
        after = client.get("/count").json()
    assert after[0] - before[0] < 300, (before, after)
    assert after[1] - before[1] < 2000, (before, after)
