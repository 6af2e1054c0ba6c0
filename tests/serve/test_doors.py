"""The same server by its other doors: python -m rupy, and app.run()."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from serving import (
    BINARY,
    PRELOAD,
    Client,
    Servers,
    clean_env,
    free_port,
    head_of,
    wait_for,
)

# The package that belongs to this build, with its extension.
ENV = {"PYTHONPATH": str(BINARY.parent / "lib" / "rupy-serve"), **PRELOAD}


def has_extension() -> bool:
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import rupy._core"],
        env=clean_env() | ENV,
        capture_output=True,
    )
    return done.returncode == 0


pytestmark = pytest.mark.skipif(
    not has_extension(), reason="no extension for this interpreter: make"
)

APP = """
import asyncio
import os
import sys
from rupy import Rupy

app = Rupy(__name__)

@app.get("/")
async def index():
    await asyncio.sleep(0)
    return f"{os.getpid()}"

@app.get("/sleep/<ms:int>")
async def sleep(ms):
    await asyncio.sleep(ms / 1000)
    return "slept"
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_python_m_rupy_is_the_program(serve: Servers, workers: str) -> None:
    module = serve.app(APP)
    port = free_port()
    server = serve.start(
        [
            *(sys.executable, "-m", "rupy", module),
            *("--bind", f"127.0.0.1:{port}"),
            *("--workers", workers),
            *("--graceful-timeout", "5s"),
        ],
        port,
        ENV,
        serve.folder,
    )
    assert server.get("/").text.isdigit()
    client = server.connect()
    client.send(head_of("GET", "/sleep/300"))
    wait_for(lambda: client.is_quiet(0.1), "it is sleeping")
    server.tell(signal.SIGTERM)
    assert client.answer().text == "slept"
    assert server.exit_status() == 0


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_both_doors_say_the_same(argument: str) -> None:
    told = [
        subprocess.run(
            [*door, argument],
            env=clean_env() | ENV,
            capture_output=True,
            text=True,
            timeout=20,
        )
        for door in ([str(BINARY)], [sys.executable, "-P", "-m", "rupy"])
    ]
    assert told[0].returncode == told[1].returncode == 0
    if argument == "--version":
        # Where the interpreter comes from is the one thing that differs.
        assert told[0].stdout.split(",")[0] == told[1].stdout.split(",")[0]
    else:
        assert told[0].stdout == told[1].stdout


def test_exit_statuses_are_those_of_the_program(serve: Servers) -> None:
    server = serve.start(
        [sys.executable, "-m", "rupy", "no_such_module:app"],
        free_port(),
        ENV,
        serve.folder,
        ready=False,
    )
    server.may_die = True
    assert server.exit_status(20) == 4


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_app_run_serves_until_it_is_told_to_stop(
    serve: Servers, workers: int, number: signal.Signals
) -> None:
    port = free_port()
    script = serve.folder / "script.py"
    script.write_text(
        APP
        + f"""
if __name__ == "__main__":
    app.run(port={port}, workers={workers}, graceful_timeout="5s")
    print("after run()", flush=True)
"""
    )
    server = serve.start([sys.executable, str(script)], port, ENV, serve.folder)
    pid = int(server.get("/").text)
    assert (pid == server.pid) == (workers == 1)
    assert server.stop(number) == 0
    assert "after run()" in server.stdout


def test_app_run_says_what_is_wrong_with_an_option(serve: Servers) -> None:
    script = serve.folder / "script.py"
    script.write_text(APP + "\napp.run(no_such_option=1)\n")
    server = serve.start(
        [sys.executable, str(script)],
        free_port(),
        ENV,
        serve.folder,
        ready=False,
    )
    assert server.exit_status() == 1
    assert "ValueError" in server.stderr
    assert "no_such_option" in server.stderr.replace("-", "_")


def test_app_run_ends_with_the_status_of_a_failure(serve: Servers) -> None:
    port = free_port()
    script = serve.folder / "script.py"
    script.write_text(
        APP
        + f"""
@app.on_startup
def nope():
    1 / 0

app.run(port={port})
"""
    )
    server = serve.start(
        [sys.executable, str(script)], port, ENV, serve.folder, ready=False
    )
    assert server.exit_status() == 3
    assert server.stderr.count("ZeroDivisionError") == 1


THREADS = """
import sys
import threading
from rupy import Rupy

def make(name, port):
    app = Rupy()

    @app.get("/")
    async def index():
        return name

    thread = threading.Thread(target=app.run, args=("127.0.0.1", port),
                              daemon=True)
    thread.start()
    return thread

ports = [int(port) for port in sys.argv[1:]]
threads = [make(f"app {i}", port) for i, port in enumerate(ports)]
print("started", flush=True)
sys.stdin.readline()
assert all(thread.is_alive() for thread in threads)
"""


def test_two_apps_live_in_threads_of_one_process(tmp_path: Path) -> None:
    ports = [free_port(), free_port()]
    script = tmp_path / "threads.py"
    script.write_text(THREADS)
    process = subprocess.Popen(
        [sys.executable, str(script), *map(str, ports)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_env() | ENV,
        start_new_session=True,
    )
    try:

        def both_answer() -> bool:
            assert process.poll() is None, process.communicate()
            try:
                for i, port in enumerate(ports):
                    with Client(("127.0.0.1", port), 1.0) as client:
                        assert client.get("/").text == f"app {i}"
            except OSError:
                return False
            return True

        wait_for(both_answer, "both apps answer", 20)
        for _ in range(100):
            assert both_answer()
        _, said = process.communicate(b"\n", timeout=10)
        assert process.returncode == 0, said
        assert b"Traceback" not in said
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


LOOP = """
import asyncio
import rupy

async def main():
    loop = asyncio.get_running_loop()
    assert isinstance(loop, rupy.EventLoop), loop
    await asyncio.sleep(0.01)
    return "done"

print(rupy.run(main()))
"""


def test_the_loop_runs_any_asyncio_program() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-X", "dev", "-c", LOOP],
        env=clean_env() | ENV,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
