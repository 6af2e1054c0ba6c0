"""Ten thousand uploads, and streams that break, leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from serving import KIB, Server, Servers, head_of, wait_for

APP = (
    KIB
    + """
import asyncio
import gc
import os
import sys
from pathlib import Path
from rupy import EventStream, Rupy, StreamingResponse

app = Rupy()

@app.get("/count")
def count():
    gc.collect()
    return {"objects": len(gc.get_objects()), "kib": kib(),
            "blocks": sys.getallocatedblocks(),
            "fds": len(os.listdir("/proc/self/fd"))}

@app.post("/stream", stream=True)
async def stream(request):
    return str(sum([len(p) async for p in request.stream()]))

@app.post("/thread", stream=True)
def thread(request):
    return str(sum(map(len, request.stream())))

@app.post("/read", stream=True)
async def read(request):
    await request.read()
    return request.json()

@app.post("/form")
def form(request):
    return str(len(request.form().files))

@app.post("/read-form", stream=True)
async def read_form(request):
    form = await request.read_form(memory=100)
    return str(form.files["f"].size)

@app.post("/unread", stream=True)
async def unread(request):
    request.state.kept = request.stream()
    return "unread"

@app.get("/pieces")
async def pieces():
    return StreamingResponse(["a", b"b"], trailers={"x-a": "b"})

@app.get("/three-events")
async def three_events():
    return EventStream([1 and "a", {"b": 2}, "c"])

@app.get("/events")
async def events():
    async def listen():
        yield "first"
        await asyncio.Event().wait()
    return EventStream(listen(), keep_alive=0.01)
"""
)

FORM = (
    b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--xx\r\nContent-Disposition: form-data; name="f"; filename="b"\r\n'
    b"\r\n" + b"x" * 500 + b"\r\n--xx--\r\n"
)
MULTIPART = {"content-type": "multipart/form-data; boundary=xx"}


def post(path: str, body: bytes, **headers: str) -> bytes:
    return head_of("POST", path, headers, body) + body


REQUESTS = [
    (post("/stream", b"x" * 100), 200),
    (post("/thread", b"x" * 100), 200),
    (post("/read", b'{"a": 1}'), 200),
    (post("/read", b"{"), 400),
    (head_of("POST", "/form", MULTIPART, FORM) + FORM, 200),
    (head_of("POST", "/read-form", MULTIPART, FORM) + FORM, 200),
    (head_of("POST", "/read-form", MULTIPART, FORM[:-9]) + FORM[:-9], 400),
    (post("/unread", b"x" * 100), 200),
    (head_of("GET", "/pieces", {"te": "x"}), 200),
    (head_of("GET", "/three-events"), 200),
]


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP, "--log-level", "critical")


def count(server: Server) -> dict[str, int]:
    return server.get("/count").json()


def leaves_nothing(server: Server, use: Callable[[], None]) -> None:
    use()
    before = count(server)
    use()
    server.clients.clear()

    def is_over() -> bool:
        now = count(server)
        return (
            now["objects"] - before["objects"] < 100
            and now["fds"] <= before["fds"]
        )

    wait_for(is_over, f"the objects of before, {before}")
    after = count(server)
    assert after["blocks"] - before["blocks"] < 300, (before, after)
    assert after["kib"] - before["kib"] < 2048, (before, after)


def test_ten_thousand_uploads_leave_nothing(server: Server) -> None:
    packet = b"".join(request for request, _ in REQUESTS)

    def use() -> None:
        for _ in range(10):
            with server.connect() as client:
                for _ in range(50):
                    client.send(packet)
                    for request, status in REQUESTS:
                        answer = client.answer()
                        assert answer.status == status, (request, answer)
        server.clients.clear()

    leaves_nothing(server, use)


def test_uploads_that_break_leave_nothing(server: Server) -> None:
    heads = [
        head_of("POST", path, {**MULTIPART, "content-length": "100000"})
        for path in ("/stream", "/thread", "/read", "/form", "/read-form")
    ]

    def use() -> None:
        for i in range(500):
            client = server.connect()
            client.send(heads[i % len(heads)] + FORM[:400])
            if i % 2:
                client.reset()
            else:
                client.close()
        server.clients.clear()

    leaves_nothing(server, use)


def test_event_streams_that_are_left_leave_nothing(server: Server) -> None:
    def use() -> None:
        for i in range(300):
            client = server.connect()
            client.send(head_of("GET", "/events"))
            if i % 3:
                assert client.head()[0] == 200
            (client.reset, client.close, client.shutdown)[i % 3]()
        server.clients.clear()

    leaves_nothing(server, use)
