"""Configuration files in Python: their options, and their hooks."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import (
    BINARY,
    Load,
    Server,
    Servers,
    free_port,
    is_alive,
    print_config,
    run_program,
    wait_for,
)

# The package that belongs to this build, as in test_doors.py.
ENV = {"PYTHONPATH": str(BINARY.parent / "lib" / "rupy-serve")}
if "RUPY_PRELOAD" in os.environ:
    ENV["LD_PRELOAD"] = os.environ["RUPY_PRELOAD"]

APP = """
import gc, os, sys, time
from rupy import Rupy

app = Rupy()


@app.get("/pid")
def pid():
    return {"pid": os.getpid()}


@app.get("/blocks")
def blocks():
    gc.collect()
    return {"blocks": sys.getallocatedblocks()}


@app.get("/hang")
def hang():
    time.sleep(60)
    return ""


@app.get("/fails")
def fails():
    raise RuntimeError("so be it")


@app.get("/exit")
def leave(request):
    sys.exit(int(request.query_string))
"""

# Each hook writes a line: its name, its process, and what it was given.
HOOKS = """
import json, os
from dataclasses import asdict
from rupy.hooks import Master, Record, Worker

{options}

_FILE = os.path.join({folder!r}, "heard")


def _say(hook, *args):
    line = json.dumps([hook, os.getpid(), *args]) + "\\n"
    with open(_FILE, "a") as file:
        file.write(line)


def _worker(worker):
    app = type(worker.app).__name__ if worker.app else None
    return [worker.number, worker.generation, worker.pid, app]


def on_starting(master: Master):
    _say("on_starting", asdict(master))


def on_ready(master: Master):
    _say("on_ready", asdict(master))


def on_reload(master: Master):
    _say("on_reload", asdict(master))


def pre_fork(worker: Worker):
    _say("pre_fork", _worker(worker))


def post_fork(worker: Worker):
    _say("post_fork", _worker(worker))


def worker_ready(worker: Worker):
    _say("worker_ready", _worker(worker))


def worker_exit(worker: Worker, status: int):
    _say("worker_exit", _worker(worker), status)


def worker_timeout(worker: Worker, stacks: str):
    _say("worker_timeout", _worker(worker), stacks)


def child_exit(pid: int, status: int):
    _say("child_exit", pid, status)


def on_exit(master: Master):
    _say("on_exit", asdict(master))


def log_request(record: Record):
    _say("log_request", record._asdict())
"""


class Story:
    """A server with hooks, and what they have heard."""

    def __init__(self, serve: Servers, folder: Path) -> None:
        self.serve = serve
        self.folder = folder
        self.config = folder / "conf.py"

    def write(self, text: str = HOOKS, options: str = "") -> None:
        self.config.write_text(
            text.replace("{options}", options).replace(
                "{folder!r}", repr(str(self.folder))
            )
        )

    def start(self, *options: str, ready: bool = True) -> Server:
        app = self.serve.app(APP)
        return self.serve(app, "-c", str(self.config), *options, ready=ready)

    def heard(self, hook: str = "") -> list[Any]:
        try:
            text = (self.folder / "heard").read_text()
        except FileNotFoundError:
            return []
        # The last line may be half written.
        lines = text[: text.rfind("\n") + 1].splitlines()
        events = [json.loads(line) for line in lines]
        return [e for e in events if not hook or e[0] == hook]

    def wait(self, hook: str, n: int = 1) -> list[Any]:
        wait_for(lambda: len(self.heard(hook)) >= n, f"{n} {hook}")
        return self.heard(hook)

    def wait_request(self, path: str) -> Any:
        def find() -> Any:
            for event in self.heard("log_request"):
                if event[2]["path"] == path:
                    return event
            return None

        return wait_for(find, f"a record of {path}")


@pytest.fixture
def story(serve: Servers, tmp_path: Path) -> Story:
    return Story(serve, tmp_path)


# ---- hooks ----


PRELOAD = pytest.mark.parametrize("preload", ["--no-preload", "--preload"])


@PRELOAD
def test_every_hook_hears_what_it_should(story: Story, preload: str) -> None:
    story.write()
    server = story.start("--workers=2", "--request-id", preload)
    story.wait("worker_ready", 2)
    answer = server.get("/pid?a=%20b", **{"User-Agent": "me"})
    worker = answer.json()["pid"]
    record = story.wait_request("/pid")
    assert record[1] == worker
    said = record[2]
    assert {
        name: said[name]
        for name in (
            "method",
            "query",
            "protocol",
            "host",
            "status",
            "bytes",
            "peer",
            "user_agent",
            "referer",
            "trace_id",
        )
    } == {
        "method": "GET",
        "query": "a=%20b",
        "protocol": "HTTP/1.1",
        "host": "localhost",
        "status": 200,
        "bytes": len(answer.body),
        "peer": "127.0.0.1",
        "user_agent": "me",
        "referer": "",
        "trace_id": "",
    }
    assert said["request_id"] == answer.get("x-request-id")
    assert 0 <= said["first"] <= said["duration"] < 30
    assert said["received"] > 50 and said["time"] > 1.7e9

    server.tell(signal.SIGHUP)
    story.wait("worker_ready", 4)
    server.wait_log("reload finished")
    story.wait("child_exit", 2)
    server.may_die = True
    hanging = server.connect()
    server.tell(signal.SIGTERM)
    assert server.exit_status() == 0
    hanging.close()

    heard = story.heard()
    names = [e[0] for e in heard]
    assert names[0] == "on_starting" and names[-1] == "on_exit"
    masters = [e for e in heard if e[0].startswith("on_")]
    assert [e[0] for e in masters] == [
        "on_starting",
        "on_ready",
        "on_reload",
        "on_exit",
    ]
    for event in masters:
        assert event[1] != server.pid
        assert event[2] == {
            "pid": server.pid,
            "workers": 2,
            "addresses": [f"127.0.0.1:{server.port}"],
        }
    # What belongs to the master is told by another process than it.
    helpers = {
        e[1] for e in heard if e[0] in ("pre_fork", "child_exit", "on_ready")
    }
    assert len(helpers) == 2 and server.pid not in helpers

    generations = [e[2][1] for e in heard if e[0] == "post_fork"]
    assert sorted(generations) == [1, 1, 2, 2]
    for name, app in (
        ("post_fork", None),
        ("worker_ready", "Rupy"),
        ("worker_exit", "Rupy"),
    ):
        events = [e for e in heard if e[0] == name]
        assert len(events) == 4
        assert all(e[1] == e[2][2] and e[2][3] == app for e in events)
        assert {e[2][0] for e in events} == {1, 2}
    assert all(e[3] == 0 for e in heard if e[0] == "worker_exit")
    assert [e[2][2:] for e in heard if e[0] == "pre_fork"] == [[None, None]] * 4
    ended = {e[2]: e[3] for e in heard if e[0] == "child_exit"}
    assert ended == {e[1]: 0 for e in heard if e[0] == "worker_exit"}


@PRELOAD
def test_an_upgrade_is_told_to_the_hooks_of_both_masters(
    story: Story, preload: str
) -> None:
    story.write()
    pid_file = story.folder / "rupy.pid"
    server = story.start("--workers=2", "--pid", str(pid_file), preload)
    story.wait("worker_ready", 2)
    with Load(server.address, "/pid") as load:
        load.wait_ok(20)
        server.tell(signal.SIGUSR2)
        new = story.wait("on_ready", 2)[1][2]["pid"]
        assert new != server.pid
        server.may_die = True
        server.tell(signal.SIGQUIT)
        assert server.exit_status() == 0
        load.wait_ok(20)
    assert load.failed == []
    # Each tells of itself and its own, and the old one's end is not the new's.
    masters = {"on_starting": 2, "on_ready": 2, "on_exit": 1, "on_reload": 0}
    for hook, times in masters.items():
        pids = [e[2]["pid"] for e in story.heard(hook)]
        assert pids == [server.pid, new][:times], hook
    helpers = [{e[1] for e in story.heard("on_starting")}]
    helpers.append({e[1] for e in story.heard("on_ready")})
    assert helpers[0] == helpers[1] and len(helpers[0]) == 2
    assert len(story.heard("worker_exit")) == 2
    assert len(story.heard("child_exit")) == 2
    os.kill(new, signal.SIGTERM)
    assert story.wait("on_exit", 2)[1][2]["pid"] == new
    wait_for(lambda: not is_alive(new), "the new master has gone")
    assert len(story.heard("worker_exit")) == 4


@PRELOAD
def test_a_worker_that_hangs_or_dies_is_told_of(
    story: Story, preload: str
) -> None:
    story.write()
    server = story.start("--timeout=1s", preload)
    server.may_die = True
    client = server.connect()
    client.send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
    (event,) = story.wait("worker_timeout")
    worker, stacks = event[2:]
    assert worker[0] == 1
    assert "in hang" in stacks and "Current thread" in stacks
    server.wait_log("in hang")  # and in the log, as without the hook
    assert story.wait("child_exit")[0][2:] == [worker[2], -signal.SIGABRT]
    assert not story.heard("worker_exit")

    wait_for(lambda: len(story.heard("worker_ready")) == 2, "another worker")
    pid = story.heard("worker_ready")[1][1]
    os.kill(pid, signal.SIGKILL)
    assert story.wait("child_exit", 2)[1][2:] == [pid, -signal.SIGKILL]
    assert len(story.heard("worker_timeout")) == 1


def test_requests_that_fail_are_told_of(story: Story) -> None:
    story.write()
    server = story.start("--access-log-skip=/*")
    server.get("/fails")
    server.get("/none")
    with server.connect() as client:
        client.send("nonsense\r\n\r\n")
        client.answer()
    story.wait_request("")
    found = [
        (e[2]["method"], e[2]["path"], e[2]["status"])
        for e in story.heard("log_request")
    ]
    assert found[-3:] == [
        ("GET", "/fails", 500),
        ("GET", "/none", 404),
        ("", "", 400),
    ]


def test_a_module_with_hooks_is_one_for_the_application_too(
    serve: Servers, tmp_path: Path
) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "conf.py").write_text(
        "_colour = 'red'\ndef post_fork(worker): pass\n"
    )
    (package / "web.py").write_text(
        "import shop.conf\nfrom rupy import Rupy\napp = Rupy()\n"
        "app.get('/')(lambda: shop.conf._colour)\n"
    )
    server = serve(
        "shop.web:app", "-c", "python:shop.conf", "--app-dir", str(tmp_path)
    )
    assert server.get("/").text == "red"


def test_a_handler_that_exits_ends_its_worker_as_any(story: Story) -> None:
    story.write()
    server = story.start()
    server.may_die = True
    assert server.get("/exit?7").status == 500
    (event,) = story.wait("worker_exit")
    assert event[3] == 7
    assert story.wait_request("/exit")[2]["status"] == 500
    assert story.wait("child_exit")[0][3] == 7


def test_a_record_leaves_nothing_behind(story: Story) -> None:
    story.write("_n = 0\ndef log_request(r):\n    global _n\n    _n += 1\n")
    server = story.start("--request-id")

    def blocks() -> int:
        with server.connect() as client:
            for _ in range(500):
                client.get("/none?" + "x" * 300, **{"User-Agent": "y" * 300})
            return int(client.get("/blocks").json()["blocks"])

    for _ in range(2):  # what is made once, and what lists grow to
        blocks()
    before = blocks()
    assert blocks() - before < 100


def test_what_a_hook_raises_is_logged_and_nothing_is_lost(
    story: Story,
) -> None:
    broken = HOOKS.replace(
        "def _say(hook, *args):",
        "def _say(hook, *args):\n"
        "    _write(hook, *args)\n"
        '    if hook != "on_starting":\n'
        '        raise KeyError(f"not in {hook}")\n\n\n'
        "def _write(hook, *args):",
    )
    story.write(broken)
    server = story.start("--timeout=1s")
    server.may_die = True
    server.tell(signal.SIGHUP)
    server.wait_log("reload finished")
    story.wait("worker_exit")
    assert server.get("/pid").status == 200
    client = server.connect()
    client.send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
    story.wait("worker_timeout")
    assert server.stop() == 0
    for hook in (
        "on_ready",
        "on_reload",
        "pre_fork",
        "post_fork",
        "worker_ready",
        "worker_exit",
        "worker_timeout",
        "child_exit",
        "on_exit",
        "log_request",
    ):
        assert story.heard(hook), hook
        assert f"hook {hook} failed\n" in server.stderr, hook
        assert f"KeyError: 'not in {hook}'" in server.stderr, hook


def test_a_service_whose_on_starting_fails_does_not_start(
    story: Story,
) -> None:
    story.write(
        "def on_starting(master):\n    raise LookupError('no database')\n"
        "def on_exit(master):\n    print('on_exit was called')\n"
    )
    server = story.start(ready=False)
    assert server.exit_status() == 1
    assert "hook on_starting failed\n" in server.stderr
    assert "LookupError: no database" in server.stderr
    assert "the service does not start" in server.stderr
    assert "on_exit was called" not in server.stdout


def test_a_hook_that_hangs_does_not_stop_the_master(story: Story) -> None:
    story.write(
        HOOKS + "\n\ndef on_ready(master):\n    _say('hangs')\n"
        "    import time\n    time.sleep(600)\n"
    )
    server = story.start("--graceful-timeout=1s")
    helper = story.wait("hangs")[0][1]
    assert server.get("/pid").status == 200
    server.tell(signal.SIGHUP)
    server.wait_log("reload finished")
    # Its successor has not heard of the start, and works.
    other = story.wait("on_reload")[0][1]
    assert other != helper
    assert server.stop() == 0
    assert story.heard("on_exit")
    for pid in (helper, other):
        wait_for(lambda pid=pid: not is_alive(pid), f"{pid} has gone")

    story.write()
    story.write(
        HOOKS + "\n\ndef on_exit(master):\n    _say('hangs')\n"
        "    import time\n    time.sleep(600)\n"
    )
    server = story.start("--graceful-timeout=1s")
    assert server.stop() == 0
    assert "hook on_exit has not come back after 1 s" in server.stderr
    assert not is_alive(story.heard("hangs")[1][1])


def wait_in(hook: str) -> str:
    return (
        f"\n\ndef {hook}(master):\n    _say('waits')\n    import time\n"
        "    while not os.path.exists(_FILE + '.go'):\n"
        "        time.sleep(0.01)\n"
    )


def test_who_stops_it_twice_does_not_cut_off_its_end(story: Story) -> None:
    story.write(HOOKS + wait_in("on_exit"))
    path = story.folder / "pid"
    server = story.start("--pid", str(path))
    server.tell(signal.SIGTERM)
    story.wait("waits")
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        server.tell(number)
    (story.folder / "heard.go").touch()
    assert server.exit_status() == 0
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make process 1")
def test_process_1_hears_what_comes_before_it_is_up(
    story: Story, serve: Servers
) -> None:
    story.write(HOOKS + wait_in("on_starting"))
    port = free_port()
    words = ["unshare", "--pid", "--fork", "--kill-child", str(BINARY)]
    words += [serve.app(APP), "-c", str(story.config)]
    server = serve.start(
        [*words, "--bind", f"127.0.0.1:{port}"],
        port,
        cwd=serve.folder,
        ready=False,
    )
    story.wait("waits")
    (first,) = server.workers
    os.kill(first, signal.SIGTERM)
    (story.folder / "heard.go").touch()
    assert server.exit_status() == 0
    assert "SIGTERM: stopping" in server.stderr


def test_hooks_go_on_in_another_process_when_theirs_ends(
    story: Story,
) -> None:
    story.write(HOOKS + "\n\ndef on_ready(master):\n    os._exit(3)\n")
    server = story.start()
    server.wait_log("hook on_ready: its process, pid ")
    server.may_die = True
    os.kill(server.get("/pid").json()["pid"], signal.SIGKILL)
    story.wait("child_exit")
    server.wait_ready()
    assert server.stop() == 0
    assert story.heard("on_exit")


def test_a_dead_master_leaves_no_process_of_hooks(story: Story) -> None:
    story.write()
    server = story.start()
    helper = story.wait("on_ready")[0][1]
    server.may_die = True
    os.kill(server.pid, signal.SIGKILL)
    server.exit_status()
    wait_for(lambda: not is_alive(helper), "the process of the hooks ends")


def test_a_signal_for_the_whole_group_leaves_on_exit_its_turn(
    story: Story,
) -> None:
    story.write()
    server = story.start()
    story.wait("on_ready")
    os.killpg(server.pid, signal.SIGINT)
    assert server.exit_status() == 0
    assert story.heard("on_exit")


def test_python_m_rupy_has_hooks_too(story: Story) -> None:
    story.write()
    app, port = story.serve.app(APP), free_port()
    command = [sys.executable, "-m", "rupy", app, "-c", str(story.config)]
    server = story.serve.start(
        [*command, "--bind", f"127.0.0.1:{port}"],
        port,
        ENV,
        cwd=story.folder,
    )
    assert server.get("/pid").status == 200
    assert server.stop() == 0
    names = [e[0] for e in story.heard()]
    assert names[0] == "on_starting" and names[-1] == "on_exit"
    assert {"on_ready", "post_fork", "worker_exit", "log_request"} <= {*names}


# ---- options ----


def options(program: Path, *args: str, cwd: Path, **env: str) -> Any:
    return print_config(program, *args, cwd=cwd, **env)["options"]


def test_options_come_from_a_file(rupy_bin: Path, tmp_path: Path) -> None:
    (tmp_path / "conf.py").write_text(
        """\
from __future__ import annotations
import os
from math import pi
from pathlib import Path
from typing import TYPE_CHECKING

app = "shop:app"
_cores = 2
workers = 2 * _cores + 1
bind = [":81", "unix:/x"]
keep_alive = 1.5
timeout = "1m"
limit_body = 1 << 20
factory = True
access_log = True
venv = None
app_dir = (Path("a"), "b")
env = {"COLOUR": 'r"\\u00e9d\\n', "N": 1}
if True:
    threads = 1
else:
    threads = 2
print("this is not for stdout")

def _helper():
    return 1

class Settings:
    pass

def on_ready(master):
    pass
"""
    )
    found = options(rupy_bin, "-c", "conf.py", cwd=tmp_path)
    values = {
        "app": "shop:app",
        "workers": 5,
        "bind": [":81", "unix:/x"],
        "keep-alive": "1500ms",
        "timeout": "1m",
        "limit-body": 1 << 20,
        "factory": True,
        "access-log": "-",
        "venv": None,
        "app-dir": ["a", "b"],
        "env": ['COLOUR=r"\u00e9d\n', "N=1"],
        "threads": 1,
    }
    assert {name: found[name]["value"] for name in values} == values
    assert found["workers"]["source"] == "conf.py:9"
    assert found["env"]["source"] == "conf.py:18"
    assert found["threads"]["source"] == "conf.py"  # one of two lines
    assert found["venv"]["source"] == "default"
    found = options(
        rupy_bin,
        "--threads=5",
        cwd=tmp_path,
        RUPY_SERVE_CONFIG="conf.py",
        RUPY_SERVE_WORKERS="3",
    )
    assert found["threads"]["source"] == "command line"
    assert found["workers"]["source"] == "env RUPY_SERVE_WORKERS"
    assert found["factory"]["source"] == "conf.py:14"


def test_annotations_of_a_file_are_evaluated(
    rupy_bin: Path, tmp_path: Path
) -> None:
    (tmp_path / "conf.py").write_text(
        "def on_ready(master: int): pass\n"
        "workers = 3 if on_ready.__annotations__['master'] is int else 1\n"
    )
    found = options(rupy_bin, "-c", "conf.py", cwd=tmp_path)
    assert found["workers"]["value"] == 3


def test_a_file_may_be_a_module(rupy_bin: Path, tmp_path: Path) -> None:
    package = tmp_path / "src" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text("backlog = 7\nthreads = 2\n")
    (package / "conf.py").write_text("from .base import *\n\nworkers = 3\n")
    found = options(
        rupy_bin, "-c", "python:shop.conf", "--app-dir=src", cwd=tmp_path
    )
    assert found["workers"]["value"] == 3
    assert found["workers"]["source"] == "python:shop.conf:3"
    assert found["backlog"]["value"] == 7
    assert found["backlog"]["source"] == "python:shop.conf"
    for name, why in (
        ("python:nothing", "module 'nothing' not found in"),
        ("python:shop.none", "module 'shop.none' not found in"),
        ("python:a b", "'a b' is no name of a module"),
        ("python:sys", "it is no file of Python"),
    ):
        done = run_program(
            rupy_bin, "-c", name, "--check-config", "a:b", cwd=tmp_path
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert f"--config: {name}: {why}" in done.stderr, done.stderr


MISTAKES = [
    ("wokers = 1", "conf.py:1: there is no option wokers; did you mean wor"),
    ("\nworkers = 'two'", "conf.py:2: workers: 'two' is no number, nor auto"),
    ("app = 1", "conf.py:1: app: a string is wanted, not an integer"),
    ("env = {'A': [1]}", "conf.py:1: env: a string is wanted, not an array"),
    ("workers = 1\nw = 2", "conf.py:2: there is no option w"),
    ("bind = object()", "conf.py:1: bind: an object is no value of an opt"),
    ("workers = 1 << 80", "conf.py:1: workers: 1208925819614629174706176 is"),
    ("help = True", "conf.py:1: help is for the command line only"),
    ("config = 'x'", "conf.py:1: config cannot name another file"),
    ("for i in 1, 2: pass", "conf.py:1: there is no option i"),
    ("a = 1\nx +", "conf.py:2: SyntaxError: invalid syntax"),
    ("\n\nraise OSError('oh')", "conf.py:3: OSError: oh"),
    ("import nowhere_at_all", "conf.py:1: ModuleNotFoundError: No module nam"),
    ("import sys\nsys.exit(3)", "conf.py:2: it ended the program (sys.exit"),
    ("import os\nos._exit(3)", "conf.py: it ended the process that ran it, w"),
    ("import os\nos.kill(os.getpid(), 9)", "conf.py: the process that ran it"),
    ("def on_redy(m): pass", "conf.py:1: there is no hook on_redy; did you m"),
    ("def other(m): pass", "conf.py:1: there is no hook other; names of your"),
    ("on_ready = 1", "conf.py:1: on_ready is a hook, and must be a function"),
    ("async def on_ready(m): 1", "conf.py:1: hook on_ready must be a plain"),
    ("x = '\xff'", "conf.py: invalid or missing encoding"),
]


@pytest.mark.parametrize(("text", "want"), MISTAKES)
def test_a_mistake_is_one_line_that_says_where(
    rupy_bin: Path, tmp_path: Path, text: str, want: str
) -> None:
    (tmp_path / "conf.py").write_bytes(text.encode("latin-1"))
    done = run_program(
        rupy_bin, "--check-config", "-c", "conf.py", "a:b", cwd=tmp_path
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert want in done.stderr


def test_run_refuses_a_file_in_python(serve: Servers) -> None:
    app = "import rupy\nrupy.Rupy().run(config='conf.py')\n"
    server = serve.start(
        [sys.executable, "-P", "-c", app], free_port(), ENV, ready=False
    )
    assert server.exit_status() == 1
    assert "ValueError: --config: conf.py: a file in Python is" in server.stderr


# ---- reload ----


@pytest.fixture
def words(story: Story) -> Iterator[Any]:
    def reload(server: Server, word: str) -> None:
        before = server.stderr.count(word)
        server.tell(signal.SIGHUP)
        wait_for(lambda: server.stderr.count(word) > before, word, 20)

    yield reload


def test_a_reload_runs_the_file_again(story: Story, words: Any) -> None:
    story.write(options="workers = 1\nmax_workers = 4\n")
    server = story.start()
    story.wait("on_ready")
    story.write(options="workers = 2\nmax_workers = 4\n")
    words(server, "reload finished")
    assert story.wait("on_reload")[0][2]["workers"] == 2
    assert "changed: --workers" in server.stderr
    wait_for(lambda: len(story.heard("worker_ready")) == 3, "two new workers")

    # One that is not right changes nothing, hooks included ...
    n = len(story.heard("on_reload"))
    story.config.write_text("workers = 3\nraise OSError('oh')\n")
    words(server, "reload given up, all stays as it is: ")
    assert f"{story.config}:2: OSError: oh" in server.stderr
    story.config.unlink()
    words(server, "No such file")
    assert len(story.heard("on_reload")) == n
    # ... and who comes anew runs what was read when it was right.
    server.may_die = True
    os.kill(story.heard("worker_ready")[-1][1], signal.SIGKILL)
    assert len(story.wait("child_exit", 2)) == 2
    wait_for(lambda: len(story.heard("post_fork")) == 4, "another worker")

    # Hooks may come and go.
    story.config.write_text("workers = 1\n")
    words(server, "reload finished")
    n = len(story.heard("post_fork"))
    story.write(options="workers = 1\n")
    words(server, "reload finished")
    assert len(story.wait("on_reload", 2)) == 2
    wait_for(lambda: len(story.heard("post_fork")) == n + 1, "a worker")
    assert server.stop() == 0
    assert len(story.heard("on_exit")) == 1


def test_a_stop_does_not_wait_for_a_file_that_hangs(story: Story) -> None:
    story.write()
    server = story.start()
    story.wait("on_ready")
    story.config.write_text(
        f"open({str(story.folder / 'begun')!r}, 'w')\n"
        "import time\ntime.sleep(600)\n"
    )
    server.tell(signal.SIGHUP)
    wait_for((story.folder / "begun").exists, "the file is run")
    server.tell(signal.SIGTERM)
    assert server.exit_status(8) == 0
    assert "it was not read to its end" in server.stderr
    assert story.heard("on_exit")


def test_hooks_have_the_environment_of_env(story: Story) -> None:
    story.write(
        HOOKS.replace(
            '_say("on_ready", asdict(master))',
            '_say("on_ready", os.environ.get("COLOUR"))',
        ),
        options='env = {"COLOUR": "red"}\n',
    )
    server = story.start()
    assert story.wait("on_ready")[0][2] == "red"
    assert server.stop() == 0
