"""Deadlines and limits of WebSockets that are options."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from serving import Server, Servers, wait_for
from wsclient import BINARY, FIN, RSV1, TEXT, Deflate, frame, ws_connect

HERE = Path(__file__).parent
ECHO = ("echo_native:app", "--app-dir", str(HERE.parent / "ws"))
SLOW = """
import asyncio
from rupy import Rupy
app = Rupy()
kept = {}
taken = []

@app.websocket("/")
async def slow(ws):
    await ws.accept()
    kept["go"] = asyncio.Event()
    await kept["go"].wait()
    async for message in ws:
        taken.append(len(message))
    kept["code"] = ws.close_code

@app.get("/go")
async def go():
    kept["go"].set()
    return "gone"

@app.get("/taken")
def get():
    return {"n": len(taken), "bytes": sum(taken), "code": kept.get("code")}
"""


def test_a_websocket_without_messages(serve: Servers) -> None:
    server = serve(*ECHO, "--ws-idle-timeout", "400ms")
    ws = ws_connect(server)
    assert ws.echo("a") == "a"
    assert ws.close_code() == 1001
    assert ws.close_reason == "idle"


def test_a_websocket_at_the_end_of_its_lifetime(serve: Servers) -> None:
    server = serve(*ECHO, "--ws-max-lifetime", "400ms")
    ws = ws_connect(server)
    assert ws.close_code() == 1001
    assert ws.close_reason == "end of its lifetime"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--ws-max-queue", "4"), b"x" * 1000),
        (("--ws-max-size", "10k", "--ws-max-queue", "0"), b"x" * 1000),
    ],
)
def test_an_unread_flood_stops_reading_from_that_client(
    serve: Servers, options: tuple[str, ...], message: bytes
) -> None:
    server = serve(SLOW, *options)
    ws = ws_connect(server)
    ws.client.sock.settimeout(1.0)
    data = frame(BINARY, message)
    sent = 0
    rest = b""
    batch = data * 100
    with pytest.raises(TimeoutError):
        while sent < 64 << 20:
            rest = batch
            while rest:
                n = ws.client.sock.send(rest)
                sent += n
                rest = rest[n:]
    # The kernel's buffers and ours are full; another client is served.
    assert sent < 32 << 20
    assert server.get("/taken").json()["n"] == 0
    # Nothing of what was sent is lost when it is received after all.
    server.get("/go")
    ws.client.sock.settimeout(10.0)
    ws.client.send(rest)
    total = (sent + len(rest)) // len(data)
    wait_for(
        lambda: server.get("/taken").json()["n"] == total,
        "all messages are taken",
    )
    assert server.get("/taken").json()["bytes"] == total * len(message)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--ws-max-size", "2g"),
        ("--ws-max-queue", "-1"),
        ("--ws-compression-window", "8"),
        ("--ws-compression-window", "16"),
        ("--ws-ping-interval", "soon"),
    ],
)
def test_values_that_make_no_sense(
    serve: Servers, option: str, value: str
) -> None:
    server = serve(*ECHO, option, value, ready=False)
    server.may_die = True
    assert server.exit_status() != 0
    assert option in server.stderr


def worker_memory(server: Server) -> int:
    pid = server.workers[0]
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no Private_Dirty")


def test_what_a_compressed_websocket_costs_is_bounded(serve: Servers) -> None:
    """A window of 12 bits each way, made when it is needed first."""
    server = serve(*ECHO, "--ws-per-message-deflate")
    offer = "permessage-deflate; client_max_window_bits"
    many = [
        ws_connect(server, "/", Sec_WebSocket_Extensions=offer)
        for _ in range(100)
    ]
    before = worker_memory(server)
    text = "".join(chr(33 + i * i % 90) for i in range(2000))
    for ws in many:
        ws.send(TEXT, Deflate(12).pack(text.encode()), FIN | RSV1)
        f = ws.recv()
        assert Deflate().unpack(f.data).decode() == text
    each = (worker_memory(server) - before) / len(many)
    # What a sanitizer keeps of freed memory is not what it costs.
    limit = (640 if os.environ.get("RUPY_SANITIZE") else 64) * 1024
    assert each < limit, f"{each:.0f} bytes"
