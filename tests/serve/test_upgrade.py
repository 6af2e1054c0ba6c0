"""USR2, WINCH and HUP: another master beside the old one, and back."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import (
    BINARY,
    START_DEADLINE,
    Client,
    Load,
    Server,
    Servers,
    clean_env,
    free_port,
    is_alive,
    wait_for,
)

APP = """
import os
from rupy import Rupy

app = Rupy()

@app.get("/")
def index():
    return "index"

@app.get("/environment")
def environment():
    return {k: v for k, v in os.environ.items() if "UPGRADE" in k}
"""


def children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def start(serve: Servers, folder: Path, *options: str) -> tuple[Server, Path]:
    path = folder / "rupy.pid"
    return serve(APP, "--pid", str(path), "--workers", "2", *options), path


def pid_in(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def upgrade(server: Server, old: int, path: Path, workers: int = 2) -> int:
    """Start another master; give its pid when its workers serve."""
    os.kill(old, signal.SIGUSR2)
    beside = Path(f"{path}.2")
    new = int(wait_for(lambda: pid_in(beside), "the new master's pid file"))
    ready = re.compile(rf"\[{new}\] .* ready after")
    wait_for(
        lambda: len(ready.findall(server.stderr)) >= workers,
        "the new master's workers serve",
        START_DEADLINE,
    )
    return new


def leave(pid: int, number: signal.Signals = signal.SIGQUIT) -> None:
    os.kill(pid, number)
    wait_for(lambda: not is_alive(pid), f"master {pid} has gone")


def test_the_new_master_takes_over_and_no_request_fails(
    serve: Servers, tmp_path: Path
) -> None:
    server, path = start(serve, tmp_path)
    master = server.pid
    with Load(server.address, "/") as load:
        for _ in range(3):
            load.wait_ok(100)
            new = upgrade(server, master, path)
            server.wait_log(f"master {new} started beside this one")
            load.wait_ok(100)
            leave(master)
            wait_for(lambda: pid_in(path) == new, "the pid file is the new")  # noqa: B023
            master = new
        load.wait_ok(100)
    assert load.failed == []
    assert load.stale <= load.ok // 1000
    assert not Path(f"{path}.2").exists()
    assert server.process.wait(10) == 0
    leave(master, signal.SIGTERM)
    assert not path.exists()


def test_the_new_master_is_stopped_and_the_old_one_goes_on(
    serve: Servers, tmp_path: Path
) -> None:
    server, path = start(serve, tmp_path)
    with Load(server.address, "/") as load:
        new = upgrade(server, server.pid, path)
        # The way that nginx's manual tells: only the new one has workers.
        server.tell(signal.SIGWINCH)
        wait_for(lambda: children(server.pid) == [new], "the old workers left")
        load.wait_ok(100)
        # And back.
        server.tell(signal.SIGHUP)
        wait_for(lambda: len(children(server.pid)) == 3, "they are back")
        load.wait_ok(100)
        leave(new)
        server.wait_log(f"master {new} exited with status 0")
        load.wait_ok(100)
    assert load.failed == []
    assert pid_in(path) == server.pid


def test_an_idle_connection_may_ask_once_more(
    serve: Servers, tmp_path: Path
) -> None:
    server, path = start(serve, tmp_path)
    # As in the pool of a proxy, which would not send a POST twice.
    with server.connect() as client:
        assert client.get("/").get("connection") is None
        new = upgrade(server, server.pid, path)
        os.kill(server.pid, signal.SIGQUIT)
        server.wait_log("SIGQUIT: stopping")
        # Long after it would be closed when the whole service stops.
        assert client.is_quiet(2.5)
        assert client.get("/").get("connection") == "close"
        assert client.ends() == b""
    assert server.process.wait(10) == 0
    leave(new, signal.SIGTERM)


def test_a_unix_socket_survives_its_first_owner(
    serve: Servers, tmp_path: Path
) -> None:
    name = str(tmp_path / "app.sock")
    path = tmp_path / "rupy.pid"
    server = serve(
        APP, "--pid", str(path), "--workers", "2", binds=(f"unix:{name}",)
    )
    new = upgrade(server, server.pid, path)
    leave(server.pid)
    with Client(name) as client:
        assert client.get("/").text == "index"
    wait_for(lambda: pid_in(path) == new, "the pid file is the new master's")
    again = upgrade(server, new, path)
    # Back out: the new one's end takes nothing from the old one.
    leave(again)
    with Client(name) as client:
        assert client.get("/").text == "index"
    leave(new, signal.SIGTERM)
    assert not os.path.exists(name)
    assert server.process.wait(10) == 0


def test_a_new_program_that_does_not_start_changes_nothing(
    serve: Servers, tmp_path: Path
) -> None:
    source = tmp_path / "broken_later.py"
    source.write_text(APP)
    path = tmp_path / "rupy.pid"
    server = serve("broken_later:app", "--pid", str(path), cwd=tmp_path)
    server.may_die = True  # the worker of the new master
    source.write_text("raise RuntimeError('broken')\n")
    with Load(server.address, "/") as load:
        server.tell(signal.SIGUSR2)
        server.wait_log("exited with status 4: this one goes on")
        load.wait_ok(50)
    assert load.failed == []
    # And the next attempt is not refused.
    source.write_text(APP)
    new = upgrade(server, server.pid, path, workers=1)
    leave(server.pid)
    wait_for(lambda: pid_in(path) == new, "the pid file is the new master's")
    assert server.get("/").text == "index"
    leave(new, signal.SIGTERM)
    assert server.process.wait(10) == 0


def test_words_environment_and_folder_are_those_of_the_first_start(
    serve: Servers, tmp_path: Path
) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "where.py").write_text(
        APP
        + """
@app.get("/where")
def where():
    return [os.getcwd(), os.environ.get("GIVEN"), os.environ.get("SET")]
"""
    )
    path = tmp_path / "rupy.pid"
    server = serve(
        "where:app",
        *("--chdir", "inner", "--env", "SET=by option", "--pid", str(path)),
        env={"GIVEN": "by the shell"},
        cwd=tmp_path,
    )
    want = [str(tmp_path / "inner"), "by the shell", "by option"]
    assert server.get("/where").json() == want
    new = upgrade(server, server.pid, path, workers=1)
    leave(server.pid)
    assert server.get("/where").json() == want
    assert server.get("/environment").json() == {}
    leave(new, signal.SIGTERM)
    assert server.process.wait(10) == 0


def test_the_folder_is_what_the_link_leads_to_now(
    serve: Servers, tmp_path: Path
) -> None:
    link = tmp_path / "current"
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "versioned.py").write_text(
            APP + f'\n@app.get("/version")\ndef version():\n'
            f'    return "{version}"\n'
        )
    link.symlink_to("one")
    path = tmp_path / "rupy.pid"
    server = serve(
        *("versioned:app", "--pid", str(path)),
        env={"PWD": str(link)},
        cwd=link,
    )
    assert server.get("/version").text == "one"
    link.unlink()
    link.symlink_to("two")
    shutil.rmtree(tmp_path / "one")
    new = upgrade(server, server.pid, path, workers=1)
    leave(server.pid)
    assert server.get("/version").text == "two"
    link.unlink()
    wait_for(lambda: pid_in(path) == new, "the pid file is the new master's")
    os.kill(new, signal.SIGUSR2)
    server.wait_log(f"SIGUSR2: cannot enter {link} again: No such file")
    assert server.get("/version").text == "two"
    leave(new, signal.SIGTERM)
    assert server.process.wait(10) == 0


def test_a_new_master_that_cannot_listen_takes_nothing_away(
    serve: Servers, tmp_path: Path
) -> None:
    app = serve.app(APP)
    files = [tmp_path / "app.sock", tmp_path / "control.sock"]
    taken = free_port()
    text = f'bind = ["unix:{files[0]}"]\ncontrol-socket = "{files[1]}"\n'
    config = tmp_path / "rupy-serve.toml"
    config.write_text(text)
    server = serve.start([str(BINARY), app], 0, cwd=tmp_path, ready=False)
    wait_for(lambda: all(f.exists() for f in files), "it listens")
    server.wait_log(") ready after")
    with socket.create_server(("127.0.0.1", taken)):
        for more, status in (
            (f'metrics = "127.0.0.1:{taken}"\n', 5),
            (f"statsd-host = '/x'\nstatsd-tags = '{'x' * 600}'\n", 1),
        ):
            config.write_text(text + more)
            server.tell(signal.SIGUSR2)
            server.wait_log(f"exited with status {status}: this one goes on")
            assert all(f.exists() for f in files)
    with Client(str(files[0])) as client:
        assert client.get("/").text == "index"


def test_the_old_master_may_go_before_the_new_one_knows_it(
    serve: Servers, tmp_path: Path
) -> None:
    """Both at once, or a new program that is slow to begin."""
    app = serve.app(APP)
    path = tmp_path / "rupy.pid"
    name = str(tmp_path / "app.sock")
    config = tmp_path / "slow.py"
    options = f"app = {app!r}\npid = {str(path)!r}\n"
    config.write_text(options)
    go = tmp_path / "go"
    port = free_port()
    command = [str(BINARY), "-c", str(config), "-b", f"127.0.0.1:{port}"]
    command += ["-b", f"unix:{name}"]
    server = serve.start(command, port, cwd=tmp_path)
    config.write_text(
        options + "from pathlib import Path as _Path\nimport time as _t\n"
        f"while not _Path({str(go)!r}).exists():\n    _t.sleep(0.01)\n"
    )
    server.tell(signal.SIGUSR2)
    server.wait_log("started beside this one")
    new = int(wait_for(lambda: begun(server), "the new program"))
    server.tell(signal.SIGQUIT)
    assert server.process.wait(10) == 0
    go.touch()
    wait_for(lambda: pid_in(path) == new, "the new master", START_DEADLINE)
    for address in (server.address, name):
        with Client(address) as client:
            assert client.get("/").text == "index"
    leave(new, signal.SIGTERM)
    assert not os.path.exists(name)


def words_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def begun(server: Server) -> int:
    """The child that is a program with options of its own, or 0."""
    return next((p for p in server.workers if "-c" in words_of(p)), 0)


class Muted:
    """A server that waits at the next line of its log until it may speak."""

    def __init__(self, serve: Servers, *options: str) -> None:
        self.port = free_port()
        self.path = serve.folder / "pid"
        self._rd, self._wr = os.pipe()
        self._heard = b""
        self._command = [str(BINARY), serve.app(APP), *options]
        self._command += ["--bind", f"127.0.0.1:{self.port}"]
        self._command += ["--pid", str(self.path)]
        self._folder = serve.folder

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stderr=self._wr,
            cwd=self._folder,
            env=clean_env(),
            start_new_session=True,
        )

    def mute(self) -> None:
        """From now on the pipe is full."""
        os.set_blocking(self._wr, False)
        for size in (4096, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(self._wr, b"x" * size)
        os.set_blocking(self._wr, True)

    def hear(self, text: bytes) -> None:
        """Read on, until it has said this."""

        def is_heard() -> bool:
            if select.select([self._rd], [], [], 0)[0]:
                self._heard += os.read(self._rd, 65536)
            return text in self._heard

        wait_for(is_heard, f"{text!r} in the log", START_DEADLINE)

    def get(self) -> str:
        with Client(("127.0.0.1", self.port)) as client:
            return client.get("/").text

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._rd)
        os.close(self._wr)


@pytest.fixture
def muted(serve: Servers) -> Iterator[Muted]:
    server = Muted(serve)
    yield server
    server.close()


def test_signals_wait_for_a_master_that_is_not_up_yet(muted: Muted) -> None:
    muted.mute()
    muted.start()
    # Its pid is there to be read, long before it can do anything.
    wait_for(lambda: pid_in(muted.path) == muted.process.pid, "the pid file")
    for number in (signal.SIGUSR1, signal.SIGTTIN, signal.SIGHUP):
        muted.process.send_signal(number)
    muted.hear(b"workers wanted: 2")
    muted.hear(b"generation 2 serves")
    assert muted.get() == "index"
    muted.process.terminate()
    muted.hear(b"exit status 0")
    assert muted.process.wait(10) == 0


def test_the_old_master_dies_while_the_new_one_starts(muted: Muted) -> None:
    muted.start()
    muted.hear(b") ready after")
    muted.mute()
    muted.process.send_signal(signal.SIGUSR2)
    beside = Path(f"{muted.path}.2")
    new = int(wait_for(lambda: pid_in(beside), "the new master's pid file"))
    muted.process.kill()
    muted.process.wait()
    muted.hear(b"the old master is gone")
    wait_for(lambda: pid_in(muted.path) == new, "the pid file has its name")
    assert muted.get() == "index"
    os.kill(new, signal.SIGTERM)
    muted.hear(b"exit status 0")
    wait_for(lambda: not is_alive(new), "it has ended")
    assert not muted.path.exists()
