"""A worker for WSGI keeps no asyncio, and an application may use its own."""

from __future__ import annotations

import subprocess
import sys

import pytest
from serving import Servers
from wsgi_story import MODES, value

APP = """
import atexit
import os
import sys
import threading

def modules():
    return sorted(sys.modules)

def stock():
    import asyncio
    async def main():
        await asyncio.sleep(0)
        return asyncio.get_running_loop().is_running()
    return asyncio.run(main())

def ours():
    import asyncio, rupy
    async def main():
        await asyncio.sleep(0.001)
        loop = asyncio.get_running_loop()
        return [loop.is_running(), type(loop) is rupy.EventLoop]
    return rupy.run(main())

def process():
    import asyncio
    async def main():
        true = await asyncio.create_subprocess_exec("true")
        return await true.wait()
    return asyncio.run(main())

def running():
    import asyncio
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return None
    return "one"

def ends():
    leave = threading.Event()
    def work():
        # What the interpreter joins before it calls atexit's functions.
        threading.main_thread().join()
        print("the thread ended", flush=True)
    threading.Thread(target=work).start()
    atexit.register(lambda: print("atexit", flush=True))

def boom():
    raise ValueError("boom")

def leave():
    sys.exit(5)

def app(environ, start_response):
    what = globals()[environ["PATH_INFO"][1:]]()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(what).encode()]
"""

# Nothing here imports threading before a request does.
BARE = """
def app(environ, start_response):
    import threading
    main, here = threading.main_thread(), threading.current_thread()
    start_response("200 OK", [("Content-Type", "text/plain")])
    said = [main.name, main.native_id, main.is_alive(), here is main]
    return [repr(said).encode()]
"""

#: What a worker has no use for until the application has.
ABSENT = (
    "asyncio",
    "dataclasses",
    "decimal",
    "email",
    "http",
    "inspect",
    "logging",
    "rupy.app",
    "socket",
    "ssl",
    "subprocess",
    "typing",
    "uuid",
)


@pytest.mark.parametrize("mode", MODES)
def test_asyncio_is_there_for_who_asks(serve: Servers, mode: str) -> None:
    server = serve(APP, *MODES[mode])
    with server.connect() as client:
        assert value(client.get("/stock").text) is True
        assert value(client.get("/ours").text) == [True, True]
        assert value(client.get("/running").text) is None
        assert value(client.get("/process").text) == 0
        assert client.get("/boom").status == 500
        assert value(client.get("/stock").text) is True
        assert value(client.get("/running").text) is None
    assert server.stop() == 0


@pytest.mark.parametrize("mode", MODES)
def test_the_end_is_that_of_an_interpreter(serve: Servers, mode: str) -> None:
    server = serve(APP, *MODES[mode])
    assert server.get("/ends").status == 200
    assert server.stop() == 0
    assert server.stdout.splitlines()[-2:] == ["the thread ended", "atexit"]


def test_who_ends_the_worker_is_answered(serve: Servers) -> None:
    server = serve(APP)
    server.may_die = True
    assert server.get("/leave").status == 500
    server.wait_log("exited with status 5")


@pytest.mark.parametrize("mode", MODES)
def test_the_main_thread_is_the_main_thread(serve: Servers, mode: str) -> None:
    server = serve(BARE, *MODES[mode])
    name, pid, is_alive, is_here = value(server.get("/").text)
    assert (name, is_alive, is_here) == ("MainThread", True, mode == "inline")
    assert pid in (server.pid, *server.workers)


def test_nothing_is_imported_that_is_not_needed(serve: Servers) -> None:
    there = value(serve(APP).get("/modules").text)
    # Files of site-packages may import what they like in any interpreter.
    bare = subprocess.run(
        [sys.executable, "-P", "-c", "import sys; print([*sys.modules])"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    ours = set(there) - set(value(bare.stdout))
    assert "rupy._plain" in ours
    assert not ours.intersection(ABSENT)
