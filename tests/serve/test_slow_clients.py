"""Slow and idle clients take nothing from others: ops/slow in short."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import (
    NO_QUARANTINE,
    SLOWNESS,
    Client,
    Server,
    Servers,
    wait_for,
)

sys.path.insert(0, str(Path(__file__).parent.parent / "ops"))

from checker import Checker

OPS = Path(__file__).parent.parent / "ops"
MANY = 150


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(
        "echo_native:app", "--app-dir", str(OPS), "--workers", "2"
    )


HELD = {
    "headers": b"GET /1 HTTP/1.1\r\nHost: a\r\nX-Slow: ",
    "body": b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n",
    "read": b"GET /1000000 HTTP/1.1\r\nHost: localhost\r\nX-Id: slow\r\n\r\n",
    "nothing": b"",
    "answered": b"GET /1 HTTP/1.1\r\nHost: localhost\r\nX-Id: idle\r\n\r\n",
}


@pytest.fixture
def slow(server: Server) -> Iterator[list[Client]]:
    clients = [server.connect() for _ in range(MANY)]
    yield clients
    for client in clients:
        client.close()


@pytest.mark.parametrize("what", HELD)
def test_others_do_not_notice(
    server: Server, slow: list[Client], what: str
) -> None:
    for client in slow:
        client.send(HELD[what])
    with Checker(server.address, clients=2, max_size=2000, pause=0.0) as others:
        for _ in range(4):
            others.wait_ok(40)
            for client in slow:
                if what in ("headers", "body"):
                    client.send(b"a")
    assert others.bad == {}, others.why
    # One that waits for a slow one waits for seconds.
    assert others.p99() < SLOWNESS


def used_memory(server: Server) -> int:
    total = 0
    for pid in server.workers:
        text = Path(f"/proc/{pid}/status").read_text()
        match = re.search(r"RssAnon:\s+(\d+) kB", text)
        assert match
        total += int(match[1]) * 1024
    return total


def test_an_idle_connection_costs_less_than_two_kilobytes(
    serve: Servers,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 1500
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (min(hard, max(soft, most + 500)), hard)
    )
    server = serve(
        "echo_native:app",
        *("--app-dir", str(OPS), "--limit-connections", "4000"),
        env=NO_QUARANTINE,
    )
    clients: list[Client] = []
    try:
        # What is allocated once is there already.
        for _ in range(100):
            clients.append(server.connect())
            clients[-1].send(HELD["answered"])
            clients[-1].answer()
        before = used_memory(server)
        for _ in range(most - 100):
            clients.append(server.connect())
            clients[-1].send(HELD["answered"])
            clients[-1].answer()
        cost = (used_memory(server) - before) / (most - 100)
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # A sanitizer has a zone around whatever is allocated.
    assert cost < (2048 if SLOWNESS == 1 else 4096)


def test_a_flood_is_left_in_the_queue(serve: Servers) -> None:
    server = serve(
        "echo_native:app",
        *("--app-dir", str(OPS), "--limit-connections", "50"),
        *("--first-byte-timeout", "1s"),
    )
    before = used_memory(server)
    with_them = [server.connect() for _ in range(400)]
    # The silent ones are closed after their time, and others have their turn.
    with server.connect(timeout=30) as client:
        assert client.get("/5").status == 200
    assert used_memory(server) - before < 8 << 20
    for c in with_them:
        c.close()
    wait_for(lambda: server.get("/5").status == 200, "it answers at once")
