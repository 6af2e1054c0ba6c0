"""Master and workers: what operators are promised."""

from __future__ import annotations

import os
import re
import resource
import select
import signal
import socket
import time
from pathlib import Path

import pytest
from serving import (
    SLOWNESS,
    Load,
    Server,
    Servers,
    cpu_share,
    free_port,
    head_of,
    is_alive,
    wait_for,
)

APP = """
import asyncio
import os
import time
from rupy import Rupy

app = Rupy()

def say(text):
    # In one write: all workers share this stream.
    os.write(2, f"{text} {os.getpid()}\\n".encode())

@app.on_startup
def begin():
    say("begin")

@app.on_shutdown
async def end():
    say("end")

@app.get("/")
def index():
    return "index"

@app.get("/pid")
def pid():
    return str(os.getpid())

@app.get("/sleep/<ms:int>")
async def sleep(ms):
    await asyncio.sleep(ms / 1000)
    return str(os.getpid())

@app.get("/thread/<ms:int>")
async def in_a_thread(ms):
    await asyncio.to_thread(time.sleep, ms / 1000)
    return str(os.getpid())

@app.get("/stubborn/<ms:int>")
async def stubborn(ms):
    while True:
        try:
            await asyncio.sleep(ms / 1000)
        except asyncio.CancelledError:
            pass

@app.get("/block/<ms:int>")
def block_here(ms):
    time.sleep(ms / 1000)
    return str(os.getpid())
"""

READY = re.compile(r"worker \d+ \(pid (\d+)\) ready")


def ready_pids(server: Server) -> list[int]:
    return [int(pid) for pid in READY.findall(server.stderr)]


def wait_workers(server: Server, count: int) -> list[int]:
    """The pids of count workers, when there are so many, all ready."""

    def all_ready() -> list[int]:
        workers = server.workers
        known = ready_pids(server)
        if len(workers) == count and all(pid in known for pid in workers):
            return workers
        return []

    return wait_for(all_ready, f"{count} workers are ready")


@pytest.fixture
def two(serve: Servers) -> Server:
    server = serve(APP, "--workers", "2")
    wait_workers(server, 2)
    return server


def test_a_killed_worker_takes_only_its_own_requests_with_it(
    two: Server,
) -> None:
    two.may_die = True
    with Load(two.address, "/sleep/5", clients=6) as load:
        load.wait_ok(50)
        victim = two.workers[0]
        os.kill(victim, signal.SIGKILL)
        start = time.monotonic()
        load.wait_ok(50)
        wait_workers(two, 2)
        back = time.monotonic() - start
        load.wait_ok(50)
    assert victim not in two.workers
    assert back < 2 * SLOWNESS
    assert len(load.failed) <= 6, load.failed
    assert f"(pid {victim}) killed by SIGKILL" in two.stderr


def test_the_log_names_the_request_that_killed_its_worker(
    two: Server,
) -> None:
    two.may_die = True
    with two.connect() as client:
        client.send(head_of("GET", "/block/60000"))
        pid = wait_for(lambda: blocked(two, client), "a worker has it")
        os.kill(pid, signal.SIGKILL)
        assert client.ends() in (b"", b"<reset>")
    two.wait_log("in flight: GET /block/60000")


def blocked(server: Server, client: object) -> int:
    """The pid of the worker that accepted; 0 when none has yet."""
    for pid in server.workers:
        try:
            names = [
                os.readlink(f"/proc/{pid}/fd/{fd}")
                for fd in os.listdir(f"/proc/{pid}/fd")
            ]
        except OSError:
            continue
        inodes = {n[8:-1] for n in names if n.startswith("socket:[")}
        port = client.sock.getsockname()[1]  # type: ignore[attr-defined]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[2].endswith(f":{port:04X}") and fields[9] in inodes:
                return pid
    return 0


def test_term_under_load_loses_nothing_that_was_begun(two: Server) -> None:
    clients = [two.connect() for _ in range(60)]
    for client in clients:
        client.send(head_of("GET", "/block/10"))
    assert clients[0].answer().status == 200
    # Most of them still wait in the accept queue.
    two.tell(signal.SIGTERM)
    for client in clients[1:]:
        assert client.answer().status == 200
    for client in clients:
        client.close()
    assert two.exit_status() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_that_waits_is_answered_before_the_end(
    two: Server, number: signal.Signals
) -> None:
    client = two.connect()
    client.send(head_of("GET", f"/sleep/{500 * SLOWNESS}"))
    wait_for(lambda: blocked(two, client), "a worker has it")
    two.tell(number)
    answer = client.answer()
    assert answer.status == 200
    assert answer.get("connection") == "close"
    assert two.exit_status() == 0
    assert not any(map(is_alive, ready_pids(two)))


def test_start_up_and_shutdown_run_once_in_each_worker(two: Server) -> None:
    workers = wait_workers(two, 2)
    assert two.stop() == 0
    lines = two.stderr.splitlines()
    for pid in workers:
        assert lines.count(f"begin {pid}") == 1
        assert lines.count(f"end {pid}") == 1


LEFTOVERS = (
    APP
    + """
background = []

async def tick():
    try:
        while True:
            await asyncio.sleep(0.01)
    finally:
        say("ticking ends")

@app.on_startup
async def begin_to_tick():
    background.append(asyncio.create_task(tick()))

@app.on_shutdown
def fail():
    say(f"still ticks {not background[0].done()}")
    raise RuntimeError("this shutdown fails")
"""
)


def test_what_the_application_left_is_ended_and_told(serve: Servers) -> None:
    server = serve(LEFTOVERS, "--workers", "2")
    workers = wait_workers(server, 2)
    assert server.stop() == 0
    said = server.stderr
    assert said.count("RuntimeError: this shutdown fails") == 2
    for pid in workers:
        assert f"still ticks True {pid}" in said
        assert f"ticking ends {pid}" in said
        # What failed did not keep the others from being called.
        assert f"end {pid}" in said.splitlines()
    assert "was destroyed but it is pending" not in said


def test_an_idle_connection_does_not_hold_up_the_end(serve: Servers) -> None:
    server = serve(APP, "--workers", "2", "--graceful-timeout", "2s")
    idle = server.connect()
    assert idle.get("/").status == 200
    server.tell(signal.SIGTERM)
    start = time.monotonic()
    assert server.exit_status() == 0
    assert time.monotonic() - start < 5


def test_a_stop_does_not_wait_for_who_a_reload_waited_for(
    serve: Servers,
) -> None:
    server = serve(APP, "--graceful-timeout", "20s")
    old = server.connect()
    assert old.get("/").status == 200
    server.tell(signal.SIGHUP)
    server.wait_log("reload finished")
    assert old.is_quiet(0.5)
    server.tell(signal.SIGTERM)
    start = time.monotonic()
    assert server.exit_status() == 0
    assert time.monotonic() - start < 5


def test_what_an_idle_connection_asks_last_has_time_left(
    serve: Servers,
) -> None:
    """Else the deadline would come in the middle of it."""
    server = serve(APP, "--graceful-timeout", "3s")
    server.may_die = True
    busy, idle = server.connect(), server.connect()
    busy.send(head_of("GET", "/sleep/60000"))
    assert idle.get("/").status == 200
    wait_for(lambda: blocked(server, busy), "the worker has it")
    server.tell(signal.SIGHUP)
    ended = {}
    while len(ended) < 2:
        sockets = {c.sock: c for c in (busy, idle) if c not in ended}
        for sock in select.select(list(sockets), [], [], 10)[0]:
            ended[sockets[sock]] = time.monotonic()
    assert idle.sock.recv(100) == b""
    # It is told that there was no time: 503.
    assert busy.sock.recv(9) == b"HTTP/1.1 "
    assert ended[busy] - ended[idle] > 0.2


@pytest.mark.parametrize("how", ["sleep", "block", "thread", "stubborn"])
def test_the_graceful_deadline_is_one(serve: Servers, how: str) -> None:
    server = serve(APP, "--workers", "2", "--graceful-timeout", "1s")
    client = server.connect()
    client.send(head_of("GET", f"/{how}/60000"))
    wait_for(lambda: blocked(server, client), "a worker has it")
    server.tell(signal.SIGTERM)
    start = time.monotonic()
    server.exit_status()
    assert time.monotonic() - start < 6
    assert not any(map(is_alive, ready_pids(server)))
    server.may_die = True


def test_hup_replaces_every_worker_and_fails_nobody(two: Server) -> None:
    before = wait_workers(two, 2)
    with Load(two.address, "/sleep/2", clients=6) as load:
        load.wait_ok(50)
        two.tell(signal.SIGHUP)
        two.wait_log("reload finished")
        load.wait_ok(50)
    assert load.failed == []
    after = wait_for(
        lambda: (
            two.workers
            if len(two.workers) == 2 and not set(before) & set(two.workers)
            else None
        ),
        "the old workers are gone",
    )
    assert not set(before) & set(after)


def test_a_reload_that_does_not_boot_leaves_the_old_workers(
    serve: Servers,
) -> None:
    name = serve.app(APP, "reloaded")
    server = serve(name, "--workers", "2")
    before = wait_workers(server, 2)
    path = serve.folder / f"{name.partition(':')[0]}.py"
    path.write_text("raise RuntimeError('not today')\n")
    server.may_die = True
    server.tell(signal.SIGHUP)
    server.wait_log("reload given up")
    assert server.get("/").text == "index"
    assert wait_workers(server, 2) == before


def test_ttin_and_ttou_add_and_take_a_worker(serve: Servers) -> None:
    server = serve(APP, "--workers", "2", "--max-workers", "3")
    first = set(wait_workers(server, 2))
    server.tell(signal.SIGTTIN)
    assert first < set(wait_workers(server, 3))
    server.tell(signal.SIGTTIN)
    with Load(server.address, "/sleep/1", clients=4) as load:
        load.wait_ok(20)
        assert len(server.workers) == 3
        server.tell(signal.SIGTTOU)
        wait_workers(server, 2)
        load.wait_ok(20)
    assert load.failed == []


def test_workers_end_when_their_master_is_gone(two: Server) -> None:
    workers = wait_workers(two, 2)
    os.kill(two.pid, signal.SIGKILL)
    two.exit_status()
    wait_for(
        lambda: not any(map(is_alive, workers)), "the workers have noticed"
    )


def test_a_worker_that_hangs_shows_where_and_is_replaced(
    serve: Servers,
) -> None:
    server = serve(APP, "--workers", "2", "--timeout", "1s")
    server.may_die = True
    with server.connect(timeout=20) as client:
        client.send(head_of("GET", "/block/60000"))
        server.wait_log("silent for")
        server.wait_log("in block_here")
        assert client.ends() in (b"", b"<reset>")
    wait_workers(server, 2)
    assert server.get("/").text == "index"
    assert "in flight: GET /block/60000" in server.stderr


def test_a_worker_that_only_waits_does_not_hang(serve: Servers) -> None:
    server = serve(APP, "--workers", "2", "--timeout", "1s")
    with server.connect() as client:
        client.send(head_of("GET", "/sleep/2500"))
        assert client.answer().status == 200
    assert "silent for" not in server.stderr


def test_without_descriptors_it_neither_spins_nor_dies(
    serve: Servers,
) -> None:
    def few_descriptors() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))

    server = serve(APP, "--workers", "2", limits=few_descriptors)
    wait_workers(server, 2)
    held = [server.connect() for _ in range(150)]
    for client in held[:100]:
        # Not idle, so that it may not be closed to make room.
        client.send("GET / HTTP/1.1\r\nHost: ")
    server.wait_log("accepting paused")
    assert cpu_share([server.pid, *server.workers], 2.0) < 0.5
    for client in held:
        client.close()
    assert server.get("/").text == "index"


# ---- starting ----


def statuses(server: Server) -> tuple[int, str]:
    server.may_die = True
    return server.exit_status(20), server.stderr


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_start_up_that_fails_is_told_once_and_exits_3(
    serve: Servers, workers: str
) -> None:
    source = APP + "\n@app.on_startup\ndef nope():\n    1 / 0\n"
    status, said = statuses(serve(source, "--workers", workers, ready=False))
    assert status == 3
    assert said.count("ZeroDivisionError") == 1
    assert said.count("Traceback") == 1


@pytest.mark.parametrize("workers", ["1", "3"])
def test_an_import_that_fails_is_told_once_and_exits_4(
    serve: Servers, workers: str
) -> None:
    status, said = statuses(
        serve(
            "import no_such_module\napp = None\n",
            "--workers",
            workers,
            ready=False,
        )
    )
    assert status == 4
    assert said.count("No module named 'no_such_module'") == 1


def test_no_such_module_exits_4(serve: Servers) -> None:
    status, said = statuses(serve("not_there:app", ready=False))
    assert status == 4
    assert "not_there" in said


def test_what_is_no_application_exits_4(serve: Servers) -> None:
    status, said = statuses(serve("import os\napp = os\n", ready=False))
    assert status == 4
    assert "module" in said


def test_an_address_in_use_exits_5(serve: Servers) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, said = statuses(
            serve(APP, binds=(f"127.0.0.1:{port}",), ready=False)
        )
    assert status == 5
    assert f"127.0.0.1:{port}" in said


@pytest.mark.parametrize(
    "options",
    [
        ("--no-such-option",),
        ("--workers", "many"),
        ("--bind", "nonsense:nonsense"),
        ("--keep-alive", "5 parsecs"),
    ],
)
def test_bad_usage_exits_1(serve: Servers, options: tuple[str, ...]) -> None:
    status, said = statuses(serve(APP, *options, ready=False))
    assert status == 1
    assert options[-1] in said


# ---- addresses ----


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_listens_on_many_addresses(
    serve: Servers, tmp_path: Path, workers: str
) -> None:
    path = tmp_path / "rupy.sock"
    port = free_port()
    binds = [f"unix:{path}", f"unix:@rupy-test-{port}"]
    if has_ipv6():
        binds.append(f"[::1]:{port}")
    server = serve(APP, "--workers", workers, binds=tuple(binds))
    addresses: list[tuple[str, int] | str] = [
        server.address,
        str(path),
        f"@rupy-test-{port}",
    ]
    if has_ipv6():
        addresses.append(("::1", port))
    for address in addresses:
        with server.connect(address) as client:
            assert client.get("/").text == "index"
    assert path.stat().st_mode & 0o777 == 0o660
    assert server.stop() == 0
    assert not path.exists()


def test_a_descriptor_may_be_given(serve: Servers) -> None:
    # As a superserver does it: the socket is there before the program.
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        address = s.getsockname()
        s.set_inheritable(True)
        server = serve(
            APP, binds=(f"fd://{s.fileno()}",), pass_fds=(s.fileno(),)
        )
        with server.connect(address) as client:
            assert client.get("/").text == "index"


def test_it_says_where_it_listens(serve: Servers) -> None:
    server = serve(APP, binds=("127.0.0.1:0",))
    assert f"http://127.0.0.1:{server.port}" in server.stderr
    ports = re.findall(r"http://127\.0\.0\.1:(\d+)", server.stderr)
    other = next(p for p in map(int, ports) if p != server.port)
    with server.connect(("127.0.0.1", other)) as client:
        assert client.get("/").text == "index"


LEAVES_SLOWLY = """
import atexit, os, time
from rupy import Rupy

app = Rupy()

def leave():
    os.write(2, f"leaving {os.getpid()}\\n".encode())
    time.sleep(1)
    os.write(2, f"left {os.getpid()}\\n".encode())

atexit.register(leave)
"""


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_does_not_cut_off_what_is_done_at_exit(
    serve: Servers, tmp_path: Path, number: signal.Signals
) -> None:
    # USR1 goes to all workers that live, TERM to all of a systemd unit.
    server = serve(LEAVES_SLOWLY, "--access-log", str(tmp_path / "access"))
    (old,) = wait_workers(server, 1)
    server.tell(signal.SIGHUP)
    server.wait_log(f"leaving {old}")
    os.kill(old, number)
    server.wait_log(f"left {old}")
