"""Twenty thousand ASGI requests of all kinds leave nothing behind."""

from __future__ import annotations

import pytest
from leaks import ask, count, leaves_nothing
from serving import KIB, Server, Servers, head_of, wait_for

APP = (
    KIB
    + """
import asyncio
import gc
import sys
from pathlib import Path

busy = 0
loop = None

def start(status=200, **more):
    return {"type": "http.response.start", "status": status,
            "headers": [(b"content-type", b"text/plain")], **more}

def body(data=b"", more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}

async def text(send, data):
    await send(start())
    await send(body(data))

async def read(receive):
    data, more = b"", True
    while more:
        message = await receive()
        data += message.get("body", b"")
        more = message.get("more_body", False)
    return data

async def count(scope, receive, send):
    gc.collect()
    await text(send, repr({
        "objects": len(gc.get_objects()), "kib": kib(),
        "blocks": sys.getallocatedblocks(), "busy": busy,
        "tasks": len(asyncio.all_tasks())}).encode())

async def hello(scope, receive, send):
    scope["state"]["request"] = scope["me"] = scope
    await text(send, b"hello")

async def echo(scope, receive, send):
    await text(send, await read(receive))

async def stream(scope, receive, send):
    await send(start())
    for _ in range(5):
        await asyncio.sleep(0)
        await send(body(b"x" * 100, True))
    await send(body())

async def cycle(scope, receive, send):
    "The application keeps its ports in a cycle."
    kept = [receive, send, receive(), send(body())]
    kept.append(kept)
    await text(send, b"cycle")

async def wait(scope, receive, send):
    await read(receive)
    try:
        await asyncio.wait_for(receive(), 0.0001)
    except TimeoutError:
        pass
    waits = asyncio.create_task(receive())
    await asyncio.sleep(0)
    await text(send, b"waited")
    await waits

async def wrong(scope, receive, send):
    for message in ({}, body(), start("x"), start(headers=[(1, 2)])):
        try:
            await send(message)
        except (TypeError, RuntimeError, ValueError):
            pass
    await text(send, b"wrong")

async def fault(scope, receive, send):
    raise LookupError

async def late_fault(scope, receive, send):
    await asyncio.sleep(0)
    raise LookupError

async def nothing(scope, receive, send):
    await receive()

async def broken(scope, receive, send):
    await send(start())
    await send(body(b"x", True))

async def path(scope, receive, send):
    await send(start())
    await send({"type": "http.response.pathsend", "path": __file__})

async def zerocopy(scope, receive, send):
    await send(start())
    with open(__file__, "rb") as file:
        await send({"type": "http.response.zerocopysend", "file": file})

async def trailers(scope, receive, send):
    await send(start(trailers=True))
    await send(body(b"x"))
    await send({"type": "http.response.trailers", "headers": [(b"a", b"b")]})

async def endless(scope, receive, send):
    global busy
    busy += 1
    try:
        await send(start())
        while True:
            await send(body(b"x" * 100000, True))
    finally:
        busy -= 1

async def silent(scope, receive, send):
    global busy
    busy += 1
    await read(receive)
    await receive()
    busy -= 1

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise LookupError
    await globals()[scope["path"][1:]](scope, receive, send)
"""
)

CHUNKED = (
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\n!!!\r\n1\r\n!\r\n0\r\n\r\n"
)
REQUESTS = [
    ("GET", head_of("GET", "/hello"), 200),
    ("GET", head_of("GET", "/hello?x=y", {"a": "b" * 99}), 200),
    ("HEAD", head_of("HEAD", "/hello"), 200),
    ("POST", head_of("POST", "/echo", body=b"x" * 3000) + b"x" * 3000, 200),
    ("POST", CHUNKED, 200),
    ("GET", head_of("GET", "/stream"), 200),
    ("GET", head_of("GET", "/cycle"), 200),
    ("GET", head_of("GET", "/wait"), 200),
    ("GET", head_of("GET", "/wrong"), 200),
    ("GET", head_of("GET", "/path"), 200),
    ("GET", head_of("GET", "/zerocopy"), 200),
    ("GET", head_of("GET", "/trailers"), 200),
    ("GET", head_of("GET", "/%ff"), 400),
]
FAULTS = [
    ("GET", head_of("GET", path), 500)
    for path in ("/fault", "/late_fault", "/nothing", "/nowhere")
]


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP, "--log-level", "critical")


def test_requests_leave_nothing(server: Server) -> None:
    leaves_nothing(server, lambda: ask(server, REQUESTS, 800))


def test_faults_leave_nothing(server: Server) -> None:
    leaves_nothing(server, lambda: ask(server, FAULTS, 250))


def test_answers_that_break_off_leave_nothing(server: Server) -> None:
    def use() -> None:
        for _ in range(300):
            with server.connect() as client:
                client.send(head_of("GET", "/broken"))
                assert not client.ends().endswith(b"0\r\n\r\n")
        server.clients.clear()

    leaves_nothing(server, use)


@pytest.mark.parametrize("path", ["/endless", "/silent"])
def test_clients_that_go_leave_nothing(server: Server, path: str) -> None:
    def use() -> None:
        for i in range(300):
            client = server.connect()
            client.send(head_of("GET", path))
            if path == "/endless" and i % 3:
                assert client.head()[0] == 200
            if i % 2:
                client.reset()
            else:
                client.close()
        server.clients.clear()
        wait_for(lambda: not count(server)["busy"], "all of them are over")

    leaves_nothing(server, use)
