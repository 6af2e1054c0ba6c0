"""--preload: one import for all workers, and a fresh one for each reload."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from serving import (
    BINARY,
    PRELOAD,
    START_DEADLINE,
    Load,
    Server,
    Servers,
    head_of,
    is_alive,
    wait_for,
)

# What each application begins with: the pids that import it, and what only
# shared memory or a fork's child can have.
BEGIN = """
import asyncio
import gc
import os
import random
import sys
import time

with open("imports", "a") as file:
    file.write(f"{os.getpid()}\\n")

imported_by = os.getpid()
VERSION = 1

def say(text):
    os.write(2, f"{text} {os.getpid()}\\n".encode())

def facts():
    return {
        "pid": os.getpid(), "parent": os.getppid(), "by": imported_by,
        "version": VERSION, "frozen": gc.get_freeze_count(),
        "random": random.random(),
    }
"""

NATIVE = (
    BEGIN
    + """
from rupy import Rupy

app = Rupy()

@app.on_startup
def begin():
    say("begin")

@app.on_shutdown
def end():
    say("end")

@app.get("/")
def index():
    return facts()

@app.get("/sleep/<ms:int>")
async def sleep(ms):
    await asyncio.sleep(ms / 1000)
    return facts()

@app.get("/block/<ms:int>")
def block_here(ms):
    time.sleep(ms / 1000)
    return facts()
"""
)

ASGI = (
    BEGIN
    + """
import json

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            say("begin" if message["type"].endswith("startup") else "end")
            await send({"type": message["type"] + ".complete"})
            if message["type"].endswith("shutdown"):
                return
    await asyncio.sleep(0)
    head = {"type": "http.response.start", "status": 200, "headers": []}
    await send(head)
    body = json.dumps(facts()).encode()
    await send({"type": "http.response.body", "body": body})
"""
)

WSGI = (
    BEGIN
    + """
import json

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(facts()).encode()]
"""
)

TEMPLATE = re.compile(r"template \(pid (\d+)\) ready after")
READY = re.compile(r"worker \d+ \(pid (\d+)\) ready after")


def start(
    serve: Servers, app: str, *options: str, workers: int = 2, **more: object
) -> Server:
    """With a module name of its own, which may be changed under it."""
    return serve(
        app,
        "--preload",
        *("--workers", str(workers)),
        *options,
        **more,  # type: ignore[arg-type]
    )


def templates(server: Server) -> list[int]:
    """All that were ever ready, in turn."""
    return [int(pid) for pid in TEMPLATE.findall(server.stderr)]


def imports(serve: Servers) -> list[int]:
    return [int(n) for n in (serve.folder / "imports").read_text().split()]


def wait_workers(server: Server, count: int) -> list[int]:
    """The pids of count workers, when there are so many, all ready; beside
    them the master has one template."""

    def all_ready() -> list[int]:
        known = {int(pid) for pid in READY.findall(server.stderr)}
        children = server.workers
        found = [pid for pid in children if pid in known]
        others = [pid for pid in children if pid not in known]
        good = len(found) == count and others == templates(server)[-1:]
        return found if good else []

    return wait_for(all_ready, f"{count} workers", START_DEADLINE)


def facts_of_each(server: Server, count: int) -> dict[int, dict[str, object]]:
    """What every worker says of itself."""
    found: dict[int, dict[str, object]] = {}

    def all_have_answered() -> bool:
        facts = server.get("/").json()
        found[facts["pid"]] = facts
        return len(found) == count

    wait_for(all_have_answered, f"{count} workers have answered")
    return found


def source_of(serve: Servers, app: str) -> Path:
    return serve.folder / f"{app.partition(':')[0]}.py"


def ctl(serve: Servers, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [BINARY, "ctl", "--socket", serve.folder / "control", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


CONTROL = ("--control-socket=control",)


# ---- one import ----


@pytest.mark.parametrize(
    "source",
    [NATIVE, ASGI, WSGI],
    ids=["rupy", "asgi", "wsgi"],
)
def test_the_application_is_imported_once_for_all_workers(
    serve: Servers, source: str
) -> None:
    server = start(serve, source, workers=3)
    workers = wait_workers(server, 3)
    (template,) = templates(server)
    assert imports(serve) == [template]
    found = facts_of_each(server, 3)
    assert set(found) == set(workers)
    for facts in found.values():
        assert facts["by"] == template
        assert facts["parent"] == server.pid
        assert int(str(facts["frozen"])) > 5000
    # A generator that was seeded before the fork would give all the same.
    assert len({facts["random"] for facts in found.values()}) == 3
    assert server.stop() == 0
    if source is not WSGI:
        lines = server.stderr.splitlines()
        for pid in workers:
            assert lines.count(f"begin {pid}") == 1
            assert lines.count(f"end {pid}") == 1
        assert f"begin {template}" not in lines
    assert not is_alive(template)


def memory(pids: list[int]) -> float:
    """MiB, what is shared counted by its share."""
    kib = 0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        found = re.search(r"^Pss: +(\d+) kB", text, re.M)
        assert found
        kib += int(found[1])
    return kib / 1024


def test_workers_share_the_memory_of_the_import(serve: Servers) -> None:
    # Lists that the garbage collector knows: without gc.freeze() it writes to
    # each of them when it runs.
    source = (
        NATIVE
        + """
table = [[n] for n in range(500_000)]

@app.get("/collect")
def collect():
    gc.collect()
    return str(os.getpid())
"""
    )
    used = []
    for options in (("--preload",), ()):
        server = serve(source, "--workers", "3", *options)
        workers: set[int] = set()

        def all_have_collected(
            server: Server = server, workers: set[int] = workers
        ) -> bool:
            workers.add(int(server.get("/collect").text))
            return len(workers) == 3

        wait_for(all_have_collected, "three workers", START_DEADLINE)
        pids = list(workers)
        used.append(memory(pids + templates(server)))
        assert server.stop() == 0
    # The table is some 45 MiB: once, and three times.
    assert used[0] < used[1] - 60, used


def test_what_the_import_printed_is_there_once(serve: Servers) -> None:
    server = start(serve, NATIVE + "\nprint('printed at import')\n", workers=3)
    wait_workers(server, 3)
    assert server.stdout.count("printed at import") == 1
    assert server.stop() == 0
    assert server.stdout.count("printed at import") == 1


def test_stdout_may_be_anything(serve: Servers) -> None:
    source = NATIVE + "\nsys.stdout = object()\nsys.stderr = None\n"
    server = start(serve, source)
    wait_workers(server, 2)
    assert server.get("/").status == 200
    assert server.stop() == 0


def test_signal_handlers_of_the_import_are_those_of_workers(
    serve: Servers,
) -> None:
    source = (
        NATIVE
        + """
import faulthandler
import signal

signal.signal(signal.SIGUSR2, lambda *_: say("usr2 heard"))

@app.get("/signals")
def signals():
    return [
        signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN,
        faulthandler.is_enabled(),
    ]
"""
    )
    server = start(serve, source, workers=1)
    (worker,) = wait_workers(server, 1)
    assert server.get("/signals").json() == [True, True]
    os.kill(worker, signal.SIGUSR2)
    server.get("/")
    server.wait_log(f"usr2 heard {worker}")


def test_limits_are_set_once_and_cpus_for_each(serve: Servers) -> None:
    source = (
        NATIVE
        + """
@app.get("/who")
def who():
    return [os.getpriority(os.PRIO_PROCESS, 0), len(os.sched_getaffinity(0))]
"""
    )
    server = start(
        serve, source, *("--nice", "3", "--cpu-affinity", "auto"), workers=1
    )
    nice = os.getpriority(os.PRIO_PROCESS, 0) + 3
    assert server.get("/who").json() == [nice, 1]


# ---- HUP ----


def test_hup_imports_the_new_code_and_fails_nobody(serve: Servers) -> None:
    app = serve.app(NATIVE)
    server = start(serve, app)
    before = wait_workers(server, 2)
    (old,) = templates(server)
    path = source_of(serve, app)
    with Load(server.address, "/sleep/2") as load:
        load.wait_ok(50)
        for version in (2, 3):
            path.write_text(
                NATIVE.replace("VERSION = 1", f"VERSION = {version}")
            )
            server.tell(signal.SIGHUP)
            server.wait_log(f"reload finished: generation {version} serves")
            load.wait_ok(50)
    assert load.failed == []
    after = wait_workers(server, 2)
    assert not set(before) & set(after)
    assert {f["version"] for f in facts_of_each(server, 2).values()} == {3}
    assert imports(serve) == templates(server)
    assert len(templates(server)) == 3
    wait_for(lambda: not is_alive(old), "the old template has gone")


def test_a_broken_import_leaves_the_old_code_and_says_why(
    serve: Servers,
) -> None:
    app = serve.app(NATIVE)
    server = start(serve, app, *CONTROL)
    before = wait_workers(server, 2)
    (template,) = templates(server)
    path = source_of(serve, app)
    path.write_text(NATIVE + "\n1 / 0\n")
    with Load(server.address, "/") as load:
        load.wait_ok(50)
        code, said = ctl(serve, "reload", "--wait")
        load.wait_ok(50)
    assert load.failed == []
    assert code == 1
    assert "ZeroDivisionError: division by zero" in said
    assert "the old workers go on" in said
    assert server.stderr.count("Traceback") == 1
    assert wait_workers(server, 2) == before
    # Whoever is missing comes from the old import, not from the broken file.
    server.may_die = True
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: before[0] not in server.workers, "it is dead")
    wait_workers(server, 2)
    assert {f["by"] for f in facts_of_each(server, 2).values()} == {template}
    # And mended it is served.
    path.write_text(NATIVE.replace("VERSION = 1", "VERSION = 2"))
    code, said = ctl(serve, "reload", "--wait")
    assert (code, said) == (0, "reload finished: generation 3 serves\n")
    wait_workers(server, 2)  # the last old one may still accept
    assert server.get("/").json()["version"] == 2


def test_a_start_up_that_fails_leaves_the_old_code(serve: Servers) -> None:
    app = serve.app(NATIVE)
    server = start(serve, app, *CONTROL)
    server.may_die = True
    before = wait_workers(server, 2)
    (template,) = templates(server)
    source_of(serve, app).write_text(
        NATIVE + "\n@app.on_startup\ndef nope():\n    1 / 0\n"
    )
    code, said = ctl(serve, "reload", "--wait")
    assert code == 1
    assert "did not boot" in said
    assert server.stderr.count("ZeroDivisionError") == 1
    assert set(before) <= set(server.workers)
    fresh = templates(server)[-1]
    wait_for(lambda: not is_alive(fresh), "the fresh template has gone")
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: before[0] not in server.workers, "it is dead")
    facts_of = wait_for(
        lambda: (
            len(server.workers) == 3
            and before[0] not in server.workers
            and facts_of_each(server, 2)
        ),
        "another takes its place",
    )
    assert {f["by"] for f in facts_of.values()} == {template}


def test_an_import_that_hangs_is_shown_and_given_up(serve: Servers) -> None:
    app = serve.app(NATIVE)
    server = start(serve, app, *CONTROL, "--startup-timeout", "2s")
    before = wait_workers(server, 2)
    source_of(serve, app).write_text(
        NATIVE + "\ndef hang_here():\n    time.sleep(600)\n\nhang_here()\n"
    )
    code, said = ctl(serve, "reload", "--wait")
    assert code == 1
    assert "killed by SIGABRT" in said
    assert "not ready after 2." in server.stderr
    assert "in hang_here" in server.stderr
    assert wait_workers(server, 2) == before


# ---- death ----


def test_killed_workers_and_templates_cost_what_was_in_flight(
    serve: Servers,
) -> None:
    server = start(serve, NATIVE, "--respawn-backoff", "100ms", workers=3)
    server.may_die = True
    wait_workers(server, 3)
    kills = 0
    with Load(server.address, "/sleep/2", clients=6) as load:
        for _ in range(4):
            load.wait_ok(50)
            template = templates(server)[-1]
            os.kill(template, signal.SIGKILL)
            server.wait_log(f"template (pid {template}) killed by SIGKILL")
            load.wait_ok(50)
            # Its successor may not be there yet.
            os.kill(wait_workers(server, 3)[0], signal.SIGKILL)
            kills += 1
            wait_workers(server, 3)
        load.wait_ok(50)
    # A worker has no more than all clients had under way.
    assert len(load.failed) <= 6 * kills, load.failed
    assert server.stderr.count("another takes its place") == 4
    assert len(imports(serve)) == 5


def test_both_may_die_at_once(serve: Servers) -> None:
    server = start(serve, NATIVE, "--respawn-backoff", "100ms")
    server.may_die = True
    workers = wait_workers(server, 2)
    for pid in [*templates(server), *workers]:
        os.kill(pid, signal.SIGKILL)
    for pid in workers:
        server.wait_log(f"(pid {pid}) killed by SIGKILL")
    after = wait_workers(server, 2)
    assert not set(workers) & set(after)
    assert server.get("/").status == 200
    for pid in workers:
        assert server.stderr.count(f"(pid {pid}) killed by SIGKILL") == 1


def test_a_worker_that_hangs_shows_where_and_is_replaced(
    serve: Servers,
) -> None:
    server = start(serve, NATIVE, "--timeout", "1s", workers=1)
    server.may_die = True
    with server.connect(timeout=20) as client:
        client.send(head_of("GET", "/block/60000"))
        server.wait_log("silent for")
        server.wait_log("in block_here")
        assert client.ends() in (b"", b"<reset>")
    wait_workers(server, 1)
    assert server.get("/").status == 200
    assert len(imports(serve)) == 1


def test_workers_are_recycled_from_the_present_template(
    serve: Servers,
) -> None:
    server = start(serve, NATIVE, "--max-requests", "100")
    first = wait_workers(server, 2)
    with Load(server.address, "/") as load:
        wait_for(
            lambda: server.stderr.count("asks to be replaced: it has had") >= 6,
            "six workers that had enough",
            30,
        )
    assert load.failed == []
    assert not set(first) & set(wait_workers(server, 2))
    assert len(imports(serve)) == 1


# ---- the end ----


def group_of(server: Server) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getsid(int(entry.name)) == server.pid:
                    found.append(int(entry.name))
            except ProcessLookupError:
                pass
    return found


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT],
    ids=lambda number: number.name,
)
def test_the_end_leaves_no_process(
    serve: Servers, number: signal.Signals
) -> None:
    server = start(serve, NATIVE)
    wait_workers(server, 2)
    # The process between template and worker may be on its way out.
    wait_for(lambda: len(group_of(server)) == 4, "four processes")
    with server.connect() as client:
        client.send(head_of("GET", "/sleep/300"))
        server.tell(number)
        assert client.answer().status == 200
        assert server.exit_status() == 0
    wait_for(lambda: group_of(server) == [], "nobody is left")


def test_a_terminal_tells_all_and_only_the_master_listens(
    serve: Servers,
) -> None:
    server = start(serve, NATIVE)
    wait_workers(server, 2)
    with server.connect() as client:
        client.send(head_of("GET", "/sleep/300"))
        os.killpg(server.pid, signal.SIGINT)
        assert client.answer().status == 200
        assert server.exit_status() == 0
    assert "killed by" not in server.stderr


def test_term_does_not_wait_for_an_import(serve: Servers) -> None:
    app = serve.app(NATIVE)
    server = start(serve, app)
    wait_workers(server, 2)
    source_of(serve, app).write_text(
        "open('hangs', 'w').close()\nimport time\ntime.sleep(600)\n"
    )
    server.tell(signal.SIGHUP)
    wait_for((serve.folder / "hangs").exists, "it is imported")
    assert server.stop() == 0
    wait_for(lambda: group_of(server) == [], "nobody is left")


def test_all_end_when_the_master_is_killed(serve: Servers) -> None:
    server = start(serve, NATIVE)
    wait_workers(server, 2)
    os.kill(server.pid, signal.SIGKILL)
    server.exit_status()
    wait_for(lambda: group_of(server) == [], "all have noticed")


def test_usr2_starts_a_master_with_a_template_of_its_own(
    serve: Servers,
) -> None:
    app = serve.app(NATIVE)
    server = start(serve, app, "--pid", "pid")
    wait_workers(server, 2)
    (old,) = templates(server)
    source_of(serve, app).write_text(
        NATIVE.replace("VERSION = 1", "VERSION = 2")
    )
    with Load(server.address, "/") as load:
        load.wait_ok(50)
        server.tell(signal.SIGUSR2)
        wait_for(lambda: len(templates(server)) == 2, "another template")
        wait_for(
            lambda: len(READY.findall(server.stderr)) == 4,
            "its workers",
            START_DEADLINE,
        )
        new = int((serve.folder / "pid.2").read_text())
        server.tell(signal.SIGQUIT)
        assert server.exit_status() == 0
        load.wait_ok(50)
    assert load.failed == []
    wait_for(lambda: not is_alive(old), "the old template has gone")
    facts = server.get("/").json()
    assert facts["version"] == 2
    assert facts["parent"] == new
    os.kill(new, signal.SIGTERM)
    wait_for(lambda: group_of(server) == [], "nobody is left")


def test_winch_and_hup_take_workers_away_and_back(serve: Servers) -> None:
    server = start(serve, NATIVE)
    wait_workers(server, 2)
    server.tell(signal.SIGWINCH)
    wait_for(lambda: server.workers == templates(server), "all workers left")
    server.tell(signal.SIGHUP)
    wait_workers(server, 2)
    assert server.get("/").status == 200


# ---- starting ----


def ended(server: Server) -> tuple[int, str]:
    server.may_die = True
    return server.exit_status(30), server.stderr


BAD_STARTS = {
    "an import that fails": ("import not_there\n\n", (), 4, "'not_there'"),
    "no application": ("import os\napp = os\n", (), 4, "module"),
    "no such name": ("import os\napplication_ = os\n", (), 4, "did you mean"),
    "an import that exits": ("import sys\nsys.exit(7)\n", (), 4, "sys.exit(7)"),
    "a start-up that fails": (
        NATIVE + "\n@app.on_startup\ndef nope():\n    1 / 0\n",
        (),
        3,
        "ZeroDivisionError",
    ),
    "an import that hangs": (
        "import time\ntime.sleep(600)\n",
        ("--startup-timeout", "1s", "--boot-failures", "1"),
        3,
        "not ready after 1.",
    ),
}


@pytest.mark.parametrize("name", BAD_STARTS)
def test_a_start_that_fails_is_told_once(serve: Servers, name: str) -> None:
    source, options, status, said = BAD_STARTS[name]
    app = serve.app(source)
    if "did you mean" in said:
        app = app.replace(":app", ":application")
    code, text = ended(start(serve, app, *options, ready=False))
    assert code == status
    assert text.count(said) == 1, text
    assert text.count("giving up") == 1, text


@pytest.mark.parametrize("option", ["--reload", "--dev"])
def test_it_does_not_go_together_with_reload(
    serve: Servers, option: str
) -> None:
    code, text = ended(start(serve, NATIVE, option, ready=False))
    assert code == 1
    assert text.count("\n") == 1
    assert f"{option} and --preload do not go together" in text


LEFT_OPEN = (
    NATIVE
    + """
import socket
import threading

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
client = socket.create_connection(listener.getsockname())
loop = asyncio.new_event_loop()
for name in ("pump", "tap"):
    threading.Thread(
        target=time.sleep, args=(600,), name=name, daemon=True
    ).start()
say("port %d" % listener.getsockname()[1])
"""
)


def test_what_does_not_survive_a_fork_is_warned_of_by_name(
    serve: Servers,
) -> None:
    server = start(serve, LEFT_OPEN)
    wait_workers(server, 2)
    text = server.stderr
    lines = [
        line for line in text.splitlines() if "when it was imported" in line
    ]
    port = re.findall(r"^port (\d+) ", text, re.M)[0]
    assert len(lines) == 3
    assert "[warning] template: the application started 2 threads" in lines[0]
    assert "pump, tap" in lines[0]
    # The loop has a pair of its own.
    assert "opened 4 sockets" in lines[1]
    assert f" 127.0.0.1:{port} (descriptor " in lines[1]
    assert f" -> 127.0.0.1:{port}" in lines[1]
    assert "opened 1 event loop" in lines[2]
    assert server.get("/sleep/1").status == 200


def test_nothing_is_warned_of_without_reason(serve: Servers) -> None:
    server = start(serve, ASGI)
    wait_workers(server, 2)
    assert "[warning]" not in server.stderr


# ---- logs, other doors ----


def test_log_files_are_opened_anew_for_workers_to_come(serve: Servers) -> None:
    log = serve.folder / "access"
    server = start(serve, NATIVE, "--access-log=access", workers=1)
    server.may_die = True
    (first,) = wait_workers(server, 1)
    assert server.get("/").status == 200
    log.rename(serve.folder / "access.1")
    server.tell(signal.SIGUSR1)
    wait_for(log.exists, "the master has opened another")

    def rotated() -> bool:
        template = templates(server)[-1]
        names = [
            os.readlink(f"/proc/{template}/fd/{fd}")
            for fd in os.listdir(f"/proc/{template}/fd")
        ]
        return str(log) in names

    wait_for(rotated, "and so has the template")
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: first not in server.workers, "it is dead")
    wait_workers(server, 1)
    assert server.get("/sleep/1").status == 200
    wait_for(lambda: "/sleep/1" in log.read_text(), "a line in it")


def test_python_m_rupy_has_a_template_too(serve: Servers) -> None:
    app = serve.app(NATIVE)
    port = 0
    server = serve(app, "--preload")  # to know of a port that is free
    port = server.port
    assert server.stop() == 0
    (serve.folder / "imports").unlink()
    command = [sys.executable, "-m", "rupy", app, "--preload", "--workers", "2"]
    server = serve.start(
        [*command, "--bind", f"127.0.0.1:{port}"],
        port,
        PRELOAD,
        cwd=serve.folder,
    )
    wait_workers(server, 2)
    assert imports(serve) == templates(server)
    assert server.get("/").json()["parent"] == server.pid
    server.tell(signal.SIGHUP)
    server.wait_log("reload finished")
    assert len(imports(serve)) == 2


def test_an_application_that_was_given_is_imported_already(
    serve: Servers,
) -> None:
    path = serve.folder / "main.py"
    path.write_text(
        NATIVE + "\nif __name__ == '__main__':\n    sys.exit(app.run("
        "port=int(sys.argv[1]), workers=2, preload=True))\n"
    )
    server = serve(serve.app(WSGI))
    port = server.port
    assert server.stop() == 0
    (serve.folder / "imports").unlink()
    server = serve.start(
        [sys.executable, str(path), str(port)],
        port,
        PRELOAD,
        cwd=serve.folder,
    )
    wait_for(lambda: len(server.workers) == 2, "two workers")
    assert imports(serve) == [server.pid]
    assert "template" not in server.stderr
