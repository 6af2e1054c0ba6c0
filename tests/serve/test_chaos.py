"""Clients that come, cut and go at random, over every kind of handler, while
others compare every byte of their answers: no answer is wrong, no worker
dies, and in the end nothing is left.

RUPY_CHAOS_SECONDS is for how long, RUPY_CHAOS_SEED what happens: a failure
names it.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serving import Client, Server, Servers, free_port, head_of, wait_for
from wsclient import CLOSE, TEXT, frame, handshake, ws_connect

SECONDS = float(os.environ.get("RUPY_CHAOS_SECONDS", "1.5"))
SEED = int(os.environ.get("RUPY_CHAOS_SEED", "20261130"))
BAD_CLIENTS, GOOD_CLIENTS = 4, 2
SIZES = (0, 1, 100, 5000, 70_000, 300_000)

APP = """
import asyncio, gc, os, time
from rupy import EventStream, FileResponse, Rupy, StreamingResponse

app = Rupy()
inner = Rupy()
open_now = {}

class Count:
    def __init__(self, name):
        self.name = name
    def __enter__(self):
        open_now[self.name] = open_now.get(self.name, 0) + 1
    def __exit__(self, *_):
        open_now[self.name] -= 1

def body(kind, n, size):
    start = f"{kind} {n} ".encode()
    return (start * (size // len(start) + 1))[:size]

def pieces(kind, n, size):
    data = body(kind, n, size)
    for i in range(0, len(data), 20000):
        yield data[i:i + 20000]

if os.environ.get("AROUND"):
    @app.middleware
    async def around(request, call_next):
        with Count("around"):
            await asyncio.sleep(0)
            return await call_next(request)

    @app.middleware
    def around_in_a_thread(request, call_next):
        with Count("thread around"):
            return call_next(request)

@app.get("/def/<n:int>/<size:int>")
def plain(request, n, size):
    return body("def", n, size)

@app.get("/async/<n:int>/<size:int>")
async def waits(request, n, size):
    with Count("async"):
        await asyncio.sleep(n % 7 / 1000)
        return body("async", n, size)

@app.get("/threaded/<n:int>/<size:int>", threaded=True)
def threaded(request, n, size):
    with Count("threaded"):
        time.sleep(n % 3 / 1000)
        return body("threaded", n, size)

@app.get("/stream/<n:int>/<size:int>")
def stream(request, n, size):
    with Count("stream"):
        yield from pieces("stream", n, size)

@app.get("/astream/<n:int>/<size:int>")
async def astream(request, n, size):
    with Count("astream"):
        for piece in pieces("astream", n, size):
            await asyncio.sleep(0)
            yield piece

@app.get("/file/<n:int>/<size:int>")
def file(request, n, size):
    return FileResponse(os.path.join(os.environ["FILES"], f"{size}"))

@app.get("/inner-miss/<n:int>/<size:int>")
def never(request, n, size):
    return "never", 500

@app.post("/echo")
def echo(request):
    return request.body

@app.post("/upload", stream=True)
async def upload(request):
    with Count("upload"):
        total = b""
        async for piece in request.stream():
            total += piece
        return total

@app.websocket("/ws")
async def ws(ws):
    with Count("ws"):
        await ws.accept()
        async for message in ws:
            await ws.send(message)

@inner.get("/<n:int>/<size:int>")
async def mounted(request, n, size):
    return body("inner", n, size)

async def asgi(scope, receive, send):
    with Count("asgi"):
        if scope["type"] != "http":
            return
        kind, n, size = scope["path"].split("/")[-3:]
        data = body("asgi", int(n), int(size))
        await send({"type": "http.response.start", "status": 200,
                    "headers": []})
        for i in range(0, len(data), 30000):
            await send({"type": "http.response.body", "more_body": True,
                        "body": data[i:i + 30000]})
        await send({"type": "http.response.body"})

class Pieces:
    def __init__(self, n, size):
        self.count = Count("wsgi")
        self.count.__enter__()
        self.pieces = pieces("wsgi", n, size)
    def __iter__(self):
        return self.pieces
    def close(self):
        self.count.__exit__()

def wsgi(environ, start_response):
    n, size = environ["PATH_INFO"].split("/")[-2:]
    start_response("200 OK", [])
    return Pieces(int(n), int(size))

app.mount("/inner", inner)
app.mount("/asgi", asgi)
app.mount("/wsgi", wsgi)
app.static("/static", os.environ["FILES"])

@app.get("/open")
def get_open(request):
    gc.collect()
    return {"open": open_now, "pid": os.getpid(),
            "fds": len(os.listdir("/proc/self/fd"))}
"""

KINDS = (
    "def",
    "async",
    "threaded",
    "stream",
    "astream",
    "file",
    "static",
    "inner",
    "asgi",
    "wsgi",
)


def body_of(kind: str, n: int, size: int) -> bytes:
    if kind in ("static", "file"):
        kind, n = "file", 0
    start = f"{kind} {n} ".encode()
    return (start * (size // len(start) + 1))[:size]


class Ask:
    """A request, and the body that answers it."""

    def __init__(self, chance: random.Random) -> None:
        n, size = chance.randrange(1_000_000), chance.choice(SIZES)
        kind = chance.choice((*KINDS, "echo", "upload"))
        if kind in ("echo", "upload"):
            self.body = body_of(kind, n, size)
            self.bytes = head_of("POST", f"/{kind}", None, self.body)
            if chance.random() < 0.3:
                self.bytes = head_of(
                    "POST", f"/{kind}", {"Transfer-Encoding": "chunked"}
                )
                self.bytes += b"".join(
                    b"%x\r\n%b\r\n" % (len(piece), piece)
                    for i in range(0, size, 9000)
                    if (piece := self.body[i : i + 9000])
                )
                self.bytes += b"0\r\n\r\n"
            else:
                self.bytes += self.body
        else:
            path = f"/static/{size}" if kind == "static" else None
            self.body = body_of(kind, n, size)
            self.bytes = head_of("GET", path or f"/{kind}/{n}/{size}")
        self.name = self.bytes.partition(b"\r\n")[0].decode()


def be_bad(server: Server, chance: random.Random) -> None:
    """Ask for much, take some of it, and go in some way at some point."""
    if chance.random() < 0.2:
        data = handshake("/ws")[0] + b"".join(
            frame(TEXT, b"x" * chance.choice(SIZES[:5]))
            for _ in range(chance.randrange(6))
        )
        data += frame(CLOSE, b"\x03\xe8") if chance.random() < 0.5 else b""
    else:
        data = b"".join(Ask(chance).bytes for _ in range(chance.randint(1, 6)))
    if chance.random() < 0.6:
        data = data[: chance.randrange(len(data) + 1)]
    if chance.random() < 0.1:
        at = chance.randrange(len(data) + 1)
        data = data[:at] + chance.randbytes(5) + data[at:]
    with server.connect() as client:
        server.clients.remove(client)
        client.sock.settimeout(0.2)
        try:
            while data:
                n = chance.choice((1, 50, 3000, 1 << 20))
                client.sock.send(data[:n])
                data = data[n:]
            if chance.random() < 0.3:
                client.shutdown()
            for _ in range(chance.randrange(4)):
                client.sock.recv(chance.choice((1, 1000, 1 << 16)))
        except OSError:
            pass  # it was refused, or waits: both may be
        if chance.random() < 0.5:
            client.reset()


def be_good(server: Server, chance: random.Random) -> None:
    """Many requests on one connection, several at once: every answer is that
    of its request, and is whole."""
    if chance.random() < 0.2:
        ws = ws_connect(server, "/ws")
        server.clients.remove(ws.client)
        messages = [f"{i} {chance.random()}" for i in range(20)]
        for message in messages:
            ws.text(message)
        assert [ws.message() for _ in messages] == messages
        assert ws.close() == 1000
        return
    with server.connect() as client:
        server.clients.remove(client)
        for _ in range(10):
            asks = [Ask(chance) for _ in range(chance.randint(1, 4))]
            sender = threading.Thread(
                target=client.send, args=(b"".join(a.bytes for a in asks),)
            )
            sender.start()
            for ask in asks:
                answer = client.answer()
                assert answer.status == 200, (ask.name, answer.status)
                assert answer.body == ask.body, (
                    ask.name,
                    len(ask.body),
                    len(answer.body),
                    answer.body[:60],
                )
            sender.join()


def play(server: Server, seconds: float, seed: int) -> list[str]:
    """All of them at once; what went wrong."""
    wrong: list[str] = []
    end = time.monotonic() + seconds

    def run(what: Callable[[Server, random.Random], None], seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < end and not wrong:
            try:
                what(server, chance)
            except Exception as e:  # in a thread: told by the test
                if time.monotonic() < end or what is be_good:
                    wrong.append(f"{type(e).__name__}: {e}")

    clients = [be_bad] * BAD_CLIENTS + [be_good] * GOOD_CLIENTS
    threads = [
        threading.Thread(target=run, args=(what, seed * 1000 + i))
        for i, what in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def state(server: Server) -> dict[str, Any]:
    answer: dict[str, Any] = server.get("/open").json()
    return answer


@pytest.mark.parametrize("around", ["", "1"])
@pytest.mark.parametrize("threads", ["0", "3"])
def test_nothing_is_mixed_up_lost_or_left(
    serve: Servers, tmp_path: Path, around: str, threads: str
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for size in SIZES:
        (files / str(size)).write_bytes(body_of("file", 0, size))
    port = free_port()
    server = serve(
        APP,
        *("--threads", threads, "--metrics", f"127.0.0.1:{port}"),
        *("--workers", "1", "--limit-body", "1MB"),
        env={"AROUND": around, "FILES": str(files)},
    )
    be_good(server, random.Random(SEED))
    before = state(server)
    wrong = play(server, SECONDS, SEED)
    assert not wrong, (SEED, wrong[0], server.stderr[-2000:])

    def gauges() -> dict[str, str]:
        with Client(("127.0.0.1", port)) as client:
            text = client.get("/metrics").text
        return dict(
            re.findall(
                r"^rupy_serve_(requests_in_progress|connections) (\S+)$",
                text,
                re.M,
            )
        )

    none = {"requests_in_progress": "0", "connections": "0"}
    wait_for(lambda: gauges() == none, "nothing is open", 30)
    wait_for(
        lambda: (
            not any(
                n
                for name, n in state(server)["open"].items()
                if "around" not in name
            )
        ),
        "handlers have ended",
        30,
    )
    after = state(server)
    assert after["pid"] == before["pid"], server.stderr
    # Files that were served are kept open: not more than there are.
    assert after["fds"] <= before["fds"] + len(SIZES)
    assert "Traceback" not in server.stderr, server.stderr[-3000:]
