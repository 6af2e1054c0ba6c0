"""--statsd-host: what a statsd daemon hears of the service."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import BINARY, Servers, free_port, run_program, wait_for

APP = """
from rupy import Rupy
app = Rupy()

@app.get("/")
def hello(request):
    return "hello"
"""
LINE = re.compile(
    r"(?P<name>[a-zA-Z0-9_.]+):(?P<value>[0-9.e+-]+)\|(?P<type>c|g|ms)"
    r"(?:\|@(?P<rate>[0-9.e-]+))?(?:\|#(?P<tags>\S+))?"
)


class Daemon:
    """Takes what comes, and adds it up as statsd does."""

    def __init__(self, address: Any) -> None:
        kind = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(kind, socket.SOCK_DGRAM)
        self.sock.bind(address)
        self.counters: dict[str, float] = {}
        self.gauges: dict[str, float] = {}
        self.timers: dict[str, list[tuple[float, float]]] = {}
        self.tags: set[str | None] = set()
        self.longest = 0
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while data := self.sock.recv(65536):
            self.longest = max(self.longest, len(data))
            for line in data.decode().splitlines():
                self._take(line)

    def _take(self, line: str) -> None:
        found = LINE.fullmatch(line)
        assert found, line
        name, value = found["name"], float(found["value"])
        self.tags.add(found["tags"])
        if found["type"] == "g":
            self.gauges[name] = value
        elif found["type"] == "c":
            self.counters[name] = self.counters.get(name, 0) + value
        else:
            times = 1 / float(found["rate"] or 1)
            self.timers.setdefault(name, []).append((value, times))

    def close(self) -> None:
        kind = self.sock.family
        with socket.socket(kind, socket.SOCK_DGRAM) as s:
            s.sendto(b"", self.sock.getsockname())
        self.thread.join(10)
        self.sock.close()


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    daemon = Daemon(("127.0.0.1", 0))
    yield daemon
    daemon.close()


def where(daemon: Daemon) -> str:
    return f"127.0.0.1:{daemon.sock.getsockname()[1]}"


def test_requests_and_workers_are_told_under_the_names_of_gunicorn(
    serve: Servers, daemon: Daemon
) -> None:
    server = serve(
        APP, "--workers", "2", "--statsd-host", where(daemon),
        "--statsd-prefix", "web.gunicorn", "--statsd-interval", "1s",
        "--statsd-tags", "env:test,canary", "--graceful-timeout", "5s",
    )  # fmt: skip
    wait_for(
        lambda: daemon.gauges.get("web.gunicorn.workers") == 2, "the workers"
    )
    with server.connect() as c:
        for _ in range(30):
            assert c.get("/").status == 200
        for _ in range(10):
            assert c.get("/none").status == 404
        wait_for(
            lambda: daemon.gauges["web.gunicorn.connections"] >= 1,
            "the connection",
        )
    asked = 1 + 30 + 10  # the first was to see whether it is there
    counters = daemon.counters
    wait_for(
        lambda: counters.get("web.gunicorn.requests", 0) >= asked,
        "the requests",
    )
    assert counters["web.gunicorn.request.status.4xx"] >= 10
    assert counters["web.gunicorn.bytes.sent"] > 40 * 50
    times = daemon.timers["web.gunicorn.request.duration"]
    assert sum(n for _, n in times) == pytest.approx(
        counters["web.gunicorn.requests"]
    )
    assert all(0 <= ms < 10_000 for ms, _ in times)
    assert daemon.gauges["web.gunicorn.backlog"] == 0
    assert daemon.tags == {"env:test,canary"}
    assert daemon.longest <= 1432
    # What was not told yet when it stops is told then.
    before = counters["web.gunicorn.requests"]
    with server.connect() as c:
        for _ in range(7):
            assert c.get("/").status == 200
    server.stop()
    wait_for(
        lambda: counters["web.gunicorn.requests"] == before + 7, "the last"
    )
    assert daemon.gauges["web.gunicorn.workers"] == 0


def test_one_worker_and_a_socket_of_a_daemon_that_comes_later(
    serve: Servers, tmp_path: Path
) -> None:
    path = str(tmp_path / "dsd.sock")
    server = serve(
        APP, "--statsd-host", f"unix://{path}", "--statsd-interval", "1s"
    )
    server.wait_log("--statsd-host: nobody takes the metrics")
    daemon = Daemon(path)
    wait_for(lambda: daemon.gauges.get("rupy_serve.workers") == 1, "a worker")
    assert server.stderr.count("nobody takes") == 1
    server.stop()
    daemon.close()


def test_who_does_not_listen_disturbs_nobody(serve: Servers) -> None:
    server = serve(
        APP, "--statsd-host", f"localhost:{free_port()}",
        "--statsd-interval", "1s",
    )  # fmt: skip
    server.wait_log("--statsd-host: nobody takes the metrics")
    for _ in range(3):
        assert server.get("/").status == 200
    unknown = serve(APP, "--statsd-host", "no-such-host.invalid:8125")
    assert unknown.get("/").status == 200
    assert "no-such-host.invalid:8125 is not found" in unknown.stderr
    server.stop()
    assert server.stderr.count("nobody takes") == 1


@pytest.mark.parametrize(
    ("words", "want"),
    [
        (["--statsd-host", "nowhere"], "'nowhere' is neither /PATH"),
        (["--statsd-prefix", "a b"], "'a b' is made of other than letters"),
        (["--statsd-tags", "a|b"], "'a|b' is no tag"),
        (["--statsd-tags", "a"], "--statsd-tags needs --statsd-host"),
        (["--statsd-interval", "10ms"], "10ms is not between 1 and 3600"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], want: str) -> None:
    done = run_program(BINARY, "x:app", "--check-config", *words)
    assert done.returncode == 1
    assert want in done.stderr
    assert len(done.stderr.splitlines()) == 1
