"""Under a service manager: what it is told, and the sockets that it gives."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import BINARY, Server, Servers, free_port, wait_for

APP = """
import os
import time
from rupy import Rupy

app = Rupy()

@app.get("/")
def index():
    return "index"

@app.get("/env")
def env():
    names = "NOTIFY_SOCKET LISTEN_FDS LISTEN_PID LISTEN_FDNAMES WATCHDOG_USEC"
    return " ".join(n for n in names.split() if n in os.environ)

@app.get("/block/<ms:int>")
def block(ms):
    time.sleep(ms / 1000)
    return "done"
"""


class Manager:
    """A socket to which a service tells how it is."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.said: list[dict[str, str]] = []
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind("\0" + path[1:] if path[0] == "@" else path)
        self._sock.setblocking(False)

    def read(self) -> list[dict[str, str]]:
        while True:
            try:
                text = self._sock.recv(4096).decode()
            except BlockingIOError:
                return self.said
            self.said.append(
                dict(line.split("=", 1) for line in text.splitlines())
            )

    def values(self, name: str) -> list[str]:
        return [m[name] for m in self.read() if name in m]

    def wait(self, name: str, value: str, deadline: float = 20) -> None:
        wait_for(
            lambda: value in self.values(name), f"{name}={value}", deadline
        )

    def close(self) -> None:
        self._sock.close()


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Manager]:
    names = {
        "path": str(tmp_path / "notify"),
        "abstract": f"@rupy-notify-{free_port()}",
    }
    it = Manager(names[request.param])
    yield it
    it.close()


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Manager]:
    it = Manager(str(tmp_path / "notify"))
    yield it
    it.close()


def test_the_manager_is_told_of_the_whole_life(
    serve: Servers, manager: Manager
) -> None:
    server = serve(APP, "-w", "2", env={"NOTIFY_SOCKET": manager.path})
    manager.wait("READY", "1")
    ready = next(m for m in manager.said if "READY" in m)
    assert ready["MAINPID"] == str(server.pid)
    manager.wait("STATUS", "2 of 2 workers ready, generation 1")
    assert server.get("/env").text == ""
    server.tell(signal.SIGHUP)
    manager.wait("RELOADING", "1")
    wait_for(lambda: manager.values("READY") == ["1", "1"], "ready again")
    begun = next(m for m in manager.said if "RELOADING" in m)
    age = time.monotonic() - int(begun["MONOTONIC_USEC"]) / 1e6
    assert 0 <= age < 60
    manager.wait("STATUS", "2 of 2 workers ready, generation 2")
    assert server.stop() == 0
    manager.wait("STOPPING", "1")


def test_a_reload_that_is_given_up_ends_for_the_manager_too(
    serve: Servers, one: Manager
) -> None:
    name = serve.app(APP, "broken")
    server = serve(name, env={"NOTIFY_SOCKET": one.path})
    one.wait("READY", "1")
    server.may_die = True
    (serve.folder / f"{name.partition(':')[0]}.py").write_text("1 / 0\n")
    server.tell(signal.SIGHUP)
    one.wait("RELOADING", "1")
    wait_for(lambda: one.values("READY") == ["1", "1"], "ready again")
    wait_for(
        lambda: any("given up" in s for s in one.values("STATUS")),
        "the status says so",
    )


def test_a_long_start_asks_for_more_time(serve: Servers, one: Manager) -> None:
    # Not ready before it was asked for: no time has to pass.
    gate = serve.folder / "gate"
    source = (
        APP
        + f"""
while not os.path.exists({str(gate)!r}):
    time.sleep(0.01)
"""
    )
    serve(source, env={"NOTIFY_SOCKET": one.path}, ready=False)
    wait_for(lambda: one.values("EXTEND_TIMEOUT_USEC"), "more time is asked")
    assert one.values("READY") == []
    gate.touch()
    one.wait("READY", "1")


def test_the_watchdog_hears_of_healthy_workers_only(
    serve: Servers, one: Manager
) -> None:
    server = serve(
        APP,
        "--timeout",
        "1s",
        env={"NOTIFY_SOCKET": one.path, "WATCHDOG_USEC": "1000000"},
    )
    one.wait("WATCHDOG", "1")
    # The only worker is stopped: the master lives, and does not say it.
    worker = server.workers[0]
    server.may_die = True
    before = len(one.values("WATCHDOG"))
    wait_for(lambda: len(one.values("WATCHDOG")) > before, "again")
    os.kill(worker, signal.SIGSTOP)
    server.wait_log("silent for")
    index = next(
        i for i, m in enumerate(one.read()) if m.get("WATCHDOG") == "1"
    )
    assert index >= 0
    server.wait_log(") ready after", 20)
    now = len(one.values("WATCHDOG"))
    wait_for(lambda: len(one.values("WATCHDOG")) > now, "calm again", 20)


def test_a_watchdog_for_another_process_is_none_of_ours(
    serve: Servers, one: Manager
) -> None:
    env = {
        "NOTIFY_SOCKET": one.path,
        "WATCHDOG_USEC": "200000",
        "WATCHDOG_PID": "1",
    }
    server = serve(APP, env=env)
    one.wait("READY", "1")
    server.tell(signal.SIGHUP)
    wait_for(lambda: one.values("READY") == ["1", "1"], "some turns")
    assert one.values("WATCHDOG") == []


def test_an_upgrade_makes_the_new_master_the_main_process(
    serve: Servers, one: Manager
) -> None:
    server = serve(APP, env={"NOTIFY_SOCKET": one.path})
    one.wait("MAINPID", str(server.pid))
    server.tell(signal.SIGUSR2)
    wait_for(lambda: len(set(one.values("MAINPID"))) == 2, "the new one", 20)
    new = int(one.values("MAINPID")[-1])
    assert new != server.pid
    try:
        assert server.stop() == 0
        # The service goes on: nobody said that it stops.
        assert one.values("STOPPING") == []
        server.wait_log("this one is alone")
        assert server.get("/").text == "index"
    finally:
        os.kill(new, signal.SIGTERM)
    one.wait("STOPPING", "1")


def test_the_old_master_is_the_main_process_again(
    serve: Servers, one: Manager
) -> None:
    server = serve(APP, env={"NOTIFY_SOCKET": one.path})
    server.tell(signal.SIGUSR2)
    wait_for(lambda: len(set(one.values("MAINPID"))) == 2, "the new one", 20)
    os.kill(int(one.values("MAINPID")[-1]), signal.SIGTERM)
    wait_for(
        lambda: one.values("MAINPID")[-1] == str(server.pid), "the old one"
    )


# ---- socket activation ----

# What systemd does: the sockets from 3 on, then exec.
LAUNCHER = """
import os, sys
names, fds, command = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]
for i, fd in enumerate(map(int, fds)):
    os.dup2(fd, 20 + i)
for i in range(len(fds)):
    os.dup2(20 + i, 3 + i, inheritable=True)
    os.close(20 + i)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(fds))
os.environ["LISTEN_FDNAMES"] = names
os.execv(command[0], command)
"""


def listening(count: int) -> list[socket.socket]:
    sockets = []
    for _ in range(count):
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        s.listen(64)
        sockets.append(s)
    return sockets


def activate(
    serve: Servers,
    sockets: list[socket.socket],
    names: str,
    *options: str,
    ready: bool = True,
) -> Server:
    fds = [s.fileno() for s in sockets]
    for s in sockets:
        s.set_inheritable(True)
    command = [
        sys.executable,
        "-c",
        LAUNCHER,
        names,
        ",".join(map(str, fds)),
        str(BINARY),
        serve.app(APP),
        "--graceful-timeout",
        "5s",
        *options,
    ]
    return serve.start(
        command,
        sockets[0].getsockname()[1],
        cwd=serve.folder,
        ready=ready,
        pass_fds=tuple(fds),
    )


def test_all_sockets_of_systemd_are_served(serve: Servers) -> None:
    sockets = listening(3)
    server = activate(serve, sockets, "a:b:b", "--bind", "systemd")
    for s in sockets:
        with server.connect(s.getsockname()) as client:
            assert client.get("/").text == "index"
            assert client.get("/env").text == ""


def test_sockets_are_chosen_by_name(serve: Servers) -> None:
    web, *other = listening(3)
    server = activate(
        serve,
        [other[0], web, other[1]],
        "admin:web:admin",
        "--bind",
        "systemd:web",
        ready=False,
    )
    with server.connect(web.getsockname()) as client:
        assert client.get("/").text == "index"
    assert "2 sockets of systemd are not used" in server.stderr


def test_a_name_goes_before_all_that_are_left(serve: Servers) -> None:
    sockets = listening(2)
    server = activate(
        serve, sockets, "web:x", "--bind", "systemd,systemd:x", "-w", "2"
    )
    for s in sockets:
        with server.connect(s.getsockname()) as client:
            assert client.get("/").text == "index"


def test_without_a_socket_of_that_name_it_exits_5(serve: Servers) -> None:
    server = activate(
        serve,
        listening(1),
        "web",
        "--bind",
        "systemd:nope",
        ready=False,
    )
    assert server.exit_status(20) == 5
    assert "FileDescriptorName=nope" in server.stderr


def test_variables_of_another_process_say_nothing(serve: Servers) -> None:
    env = {"LISTEN_PID": "1", "LISTEN_FDS": "1"}
    server = serve(APP, binds=("systemd",), env=env, ready=False)
    assert server.exit_status(20) == 5
    assert "systemd has passed no such socket" in server.stderr


def test_sockets_of_systemd_outlive_the_service(
    serve: Servers, tmp_path: Path
) -> None:
    path = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))
        unix.listen(64)
        tcp = listening(1)[0]
        server = activate(serve, [tcp, unix], "web:web", "--bind", "systemd")
        with server.connect(str(path)) as client:
            assert client.get("/").text == "index"
        assert server.stop() == 0
        assert path.is_socket()
        # Who comes now waits for the next one; nothing drops the packets.
        waiting = [
            server.connect(tcp.getsockname()),
            server.connect(str(path)),
        ]
        for client in waiting:
            client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        activate(serve, [tcp, unix], "web:web", "--bind", "systemd")
        for client in waiting:
            assert client.answer().text == "index"


def test_an_upgrade_keeps_the_sockets_of_systemd(serve: Servers) -> None:
    sockets = listening(2)
    server = activate(serve, sockets, "web:web", "--bind", "systemd:web")
    server.tell(signal.SIGUSR2)
    server.wait_log("started beside this one")
    found = wait_for(
        lambda: re.search(r"master (\d+) started", server.stderr), "a pid"
    )
    new = int(found[1])
    wait_for(lambda: server.stderr.count(") ready after") >= 2, "it serves", 20)
    try:
        assert server.stop() == 0
        server.wait_log("this one is alone")
        for s in sockets:
            with server.connect(s.getsockname()) as client:
                assert client.get("/").text == "index"
    finally:
        os.kill(new, signal.SIGTERM)
