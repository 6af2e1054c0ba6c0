"""Signals and options of processes that no other story is about."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
from serving import (
    START_DEADLINE,
    Client,
    Load,
    Server,
    Servers,
    head_of,
    is_alive,
    wait_for,
)

APP = """
import asyncio
import os
from rupy import Rupy

app = Rupy()

@app.get("/")
def index():
    return str(os.getpid())

@app.get("/sleep")
async def sleep():
    os.write(2, b"begun\\n")
    await asyncio.sleep(2)
    return "slept"

@app.get("/stubborn")
async def stubborn():
    os.write(2, b"begun\\n")
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
"""


def ready(server: Server, count: int) -> list[int]:
    """Pids in the order in which they were ready, when there are count."""

    def pids() -> list[int]:
        found = re.findall(r"\(pid (\d+)\) ready", server.stderr)
        return [int(pid) for pid in found] if len(found) >= count else []

    return wait_for(pids, f"{count} workers were ready", START_DEADLINE)


def test_a_second_int_does_not_wait_for_the_graceful_deadline(
    serve: Servers,
) -> None:
    server = serve(APP, "--graceful-timeout", "60s")
    client = server.connect()
    client.send(head_of("GET", "/stubborn"))
    server.wait_log("begun")
    server.tell(signal.SIGINT)
    server.wait_log("SIGINT: stopping")
    # The same signal twice at once is one.
    server.tell(signal.SIGINT)
    server.exit_status(20)
    assert "interrupted again" in server.stderr
    assert not any(map(is_alive, ready(server, 1)))
    server.may_die = True


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGCHLD])
def test_what_says_nothing_changes_nothing(
    serve: Servers, number: signal.Signals
) -> None:
    server = serve(APP)
    (pid,) = ready(server, 1)
    for who in (server.pid, pid):
        os.kill(who, number)
    assert server.get("/").text == str(pid)
    assert server.workers == [pid]


def test_what_a_terminal_sends_to_all_is_the_masters_to_hear(
    serve: Servers,
) -> None:
    server = serve(APP)
    (pid,) = ready(server, 1)
    with Client(server.address) as client:
        for number in (
            signal.SIGINT,
            signal.SIGQUIT,
            signal.SIGHUP,
            signal.SIGUSR1,
            signal.SIGUSR2,
            signal.SIGWINCH,
        ):
            os.kill(pid, number)
            assert client.get("/").get("connection") is None
    assert server.workers == [pid]


def test_abort_shows_where_a_worker_is_and_another_comes(
    serve: Servers,
) -> None:
    server = serve(APP)
    server.may_die = True
    (pid,) = ready(server, 1)
    os.kill(pid, signal.SIGABRT)
    other = ready(server, 2)[-1]
    assert server.get("/").text == str(other)
    assert f"(pid {pid}) killed by SIGABRT" in server.stderr
    assert "most recent call first" in server.stderr


def test_a_worker_that_does_not_start_in_time_is_aborted(
    serve: Servers,
) -> None:
    server = serve(
        APP + "\nimport time\ntime.sleep(60)\n",
        *("--startup-timeout", "1s", "--boot-failures", "1"),
        ready=False,
    )
    server.may_die = True
    assert server.exit_status(20) == 3
    assert re.search(r"not ready after 1\.\d s: aborting it", server.stderr)
    assert "most recent call first" in server.stderr


def test_so_many_failed_starts_and_no_more(
    serve: Servers, tmp_path: Path
) -> None:
    server = serve(
        APP + "\nos.write(2, b'tried\\n')\nos._exit(9)\n",
        *("--boot-failures", "3", "--respawn-backoff", "100ms"),
        ready=False,
    )
    server.may_die = True
    assert server.exit_status(20) == 3
    assert server.stderr.count("tried\n") == 3
    assert "3 failed to boot: giving up" in server.stderr


def test_what_dies_at_once_is_not_started_at_once_again(
    serve: Servers,
) -> None:
    server = serve(APP, "--respawn-backoff", "3s")
    server.may_die = True
    # One that has lived for a second is replaced without a pause, and so is the
    # first to die; a start takes as long as the machine likes.
    for count in range(1, 10):
        pid = ready(server, count)[-1]
        os.kill(pid, signal.SIGKILL)
        died = time.monotonic()
        wait_for(lambda p=pid: set(server.workers) - {p}, "another")
        if time.monotonic() - died > 2.5:
            return
    pytest.fail("nine died, and none was held back")


def test_without_jitter_the_number_is_exact(serve: Servers) -> None:
    server = serve(APP, "--max-requests", "40", "--max-requests-jitter", "0")
    with Load(server.address, "/", clients=1) as load:
        wait_for(
            lambda: server.stderr.count("asks to be replaced: it has had") > 2,
            "three that had enough",
            START_DEADLINE,
        )
    assert load.failed == []
    numbers = re.findall(r"it has had (\d+) requests", server.stderr)
    assert set(numbers) == {"40"}


@pytest.mark.parametrize(("parallel", "least"), [(1, 1), (4, 2)])
def test_so_many_are_replaced_at_the_same_time(
    serve: Servers, parallel: int, least: int
) -> None:
    server = serve(
        # So long that all want to be replaced while the first starts.
        APP + "\nimport time\ntime.sleep(0.7)\n",
        *("--workers", "4", "--recycle-parallel", str(parallel)),
        *("--worker-lifetime", "2s", "--worker-lifetime-jitter", "0"),
        *("--log-level", "debug"),
    )
    server.may_die = True  # debug tells of all that end
    ready(server, 9)
    # Those of the beginning start together.
    starting, most = 0, 0
    for i, event in enumerate(
        re.findall(r"\(pid \d+\) (started|ready)", server.stderr)
    ):
        starting += 1 if event == "started" else -1
        if i >= 8:
            most = max(most, starting)
    assert least <= most <= parallel


def test_the_oldest_is_replaced_first(serve: Servers) -> None:
    # Each is outdated again before all had their turn.
    server = serve(
        APP + "\nimport time\ntime.sleep(0.5)\n",
        *("--workers", "4"),
        *("--worker-lifetime", "1s", "--worker-lifetime-jitter", "0"),
    )
    first = set(ready(server, 4)[:4])
    wait_for(lambda: not first & set(server.workers), "all were replaced", 40)


def test_a_worker_that_is_not_needed_before_it_has_started(
    serve: Servers,
) -> None:
    server = serve(
        APP + "\nimport time\nos.write(2, b'import\\n')\ntime.sleep(1)\n",
        *("--log-level", "debug"),
    )
    first = ready(server, 1)
    server.tell(signal.SIGTTIN)
    wait_for(lambda: server.stderr.count("import\n") == 2, "another starts")
    server.tell(signal.SIGTTOU)
    wait_for(lambda: server.workers == first, "it has gone")
    server.wait_log("killed by SIGTERM")
    # It served nobody: nothing that an operator must look at.
    assert "[debug] master: worker 2" in server.stderr
    assert "[warning] master: worker 2" not in server.stderr
    server.may_die = True


def test_a_socket_of_the_next_service_is_left_alone(
    serve: Servers, tmp_path: Path
) -> None:
    """One that starts while the last one ends its requests."""
    path = tmp_path / "web.sock"
    first = serve(APP, binds=(f"unix:{path}",))
    client = first.connect(str(path))
    client.send(head_of("GET", "/sleep"))
    first.wait_log("begun")
    first.tell(signal.SIGTERM)
    wait_for(lambda: not path.exists(), "the path is free")
    second = serve(APP, binds=(f"unix:{path}",))
    assert path.exists()
    assert client.answer().text == "slept"
    assert first.exit_status() == 0
    with Client(str(path)) as client:
        assert int(client.get("/").text) in second.workers


@pytest.mark.parametrize("way", [signal.SIGHUP, signal.SIGTERM])
def test_without_a_graceful_limit_requests_have_their_time(
    serve: Servers, way: signal.Signals
) -> None:
    server = serve(APP, "--graceful-timeout", "off")
    client = server.connect()
    client.send(head_of("GET", "/sleep"))
    server.wait_log("begun")
    server.tell(way)
    assert client.answer().text == "slept"
    assert server.stop() == 0


def test_more_sockets_than_can_be_listened_on(
    serve: Servers, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{i}.sock" for i in range(32)]
    binds = tuple(f"unix:{path}" for path in paths)
    server = serve(APP, binds=binds, ready=False)
    assert server.exit_status(20) == 5
    assert "cannot listen on more than 32 sockets" in server.stderr
    assert not any(path.exists() for path in paths[:31])
    server = serve(APP, binds=binds[:31])
    with Client(str(paths[30])) as client:
        assert client.get("/").status == 200
