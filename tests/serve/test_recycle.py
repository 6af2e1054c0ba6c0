"""Workers that are replaced because they have done enough."""

from __future__ import annotations

import re

import pytest
from serving import Load, Servers, wait_for

APP = """
import os
from rupy import Rupy

app = Rupy()
kept = []

@app.get("/")
def index():
    return str(os.getpid())

@app.get("/grow")
def grow():
    kept.append(b"x" * 200_000_000)
    return str(os.getpid())
"""


def test_after_so_many_requests_and_none_of_them_fails(serve: Servers) -> None:
    server = serve(APP, "--workers", "2", "--max-requests", "300")
    first = set(server.workers)
    with Load(server.address, "/") as load:
        wait_for(
            lambda: server.stderr.count("asks to be replaced: it has had") >= 8,
            "eight workers that had enough",
            30,
        )
    assert load.failed == []
    assert load.stale <= load.ok // 100
    assert not first & set(server.workers)
    # Each draws its own number, so that not all go at once.
    numbers = re.findall(r"it has had (\d+) requests", server.stderr)
    assert len(set(numbers)) > 1
    assert all(300 <= int(n) <= 300 + 30 + 64 for n in numbers)


def test_after_so_long(serve: Servers) -> None:
    server = serve(
        APP,
        *("--worker-lifetime", "1s", "--worker-lifetime-jitter", "0"),
    )
    first = server.workers
    with Load(server.address, "/") as load:
        wait_for(lambda: server.workers and server.workers != first, "another")
        server.wait_log("asks to be replaced: it has lived for")
    assert load.failed == []


def test_with_too_much_memory(serve: Servers) -> None:
    server = serve(APP, "--worker-max-rss", "150M")
    pid = server.get("/grow").text
    # It looks every ten seconds.
    wait_for(lambda: server.get("/").text != pid, "another worker", 30)
    assert "MiB of memory" in server.stderr
    assert "killed" not in server.stderr


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--max-requests", "-1"), "--max-requests"),
        (("--worker-max-rss", "much"), "--worker-max-rss"),
        (("--recycle-parallel", "0"), "--recycle-parallel"),
        (("--shutdown-delay", "soon"), "--shutdown-delay"),
    ],
)
def test_what_cannot_be_is_said_at_the_start(
    serve: Servers, options: tuple[str, ...], why: str
) -> None:
    server = serve(APP, *options, ready=False)
    assert server.exit_status() == 1
    assert why in server.stderr
    assert server.stderr.count("\n") == 1


def test_a_shutdown_delay_serves_on(serve: Servers) -> None:
    server = serve(APP, "--shutdown-delay", "1s")
    with Load(server.address, "/") as load:
        server.process.terminate()
        server.wait_log("SIGTERM: stopping in 1 s")
        load.wait_ok(20)
        assert server.process.poll() is None
        assert load.failed == []
        # What comes after the delay may be refused: the load goes elsewhere.
    assert server.exit_status() == 0
