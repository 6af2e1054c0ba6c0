"""Handlers that block: in threads of a bounded pool, beside the loop."""

from __future__ import annotations

import contextlib
import signal
import statistics
import time

import pytest
from serving import Server, Servers, head_of, wait_for

APP = """
import asyncio
import contextvars
import threading
import time
from rupy import HTTPError, Rupy

app = Rupy()
variable = contextvars.ContextVar("variable", default="unset")
local = threading.local()
lock = threading.Lock()
gates = {}
running = most = 0
spinning = False

def gate(name):
    return gates.setdefault(name, threading.Event())

@app.on_startup
async def start():
    variable.set("start-up")

@app.get("/block/<name>")
def block(name):
    global running, most
    with lock:
        running += 1
        most = max(most, running)
    assert gate(name).wait(30)
    with lock:
        running -= 1
    return threading.current_thread().name

@app.post("/open/<name>")
async def open_gate(name):
    gate(name).set()
    return ""

@app.get("/most")
async def how_many():
    return {"running": running, "most": most}

@app.get("/where")
def where():
    try:
        asyncio.get_running_loop()
        sees = True
    except RuntimeError:
        sees = False
    before, mine = variable.get(), getattr(local, "kept", None)
    variable.set("changed")
    local.kept = True
    return {"main": threading.current_thread() is threading.main_thread(),
            "name": threading.current_thread().name,
            "sees_a_loop": sees, "variable": before, "kept": mine}

@app.get("/forced", threaded=True)
def forced():
    return {"main": threading.current_thread() is threading.main_thread()}

@app.get("/async")
async def on_the_loop():
    return {"main": threading.current_thread() is threading.main_thread()}

@app.get("/run")
def run():
    return asyncio.run(asyncio.sleep(0.001, "a loop of its own"))

@app.post("/body")
def body(request):
    time.sleep(0.001)
    return request.body

@app.get("/number/<n:int>")
def number(request, n):
    time.sleep(0.0005 * (n % 5))
    return {"n": n, "q": request.query.get("q")}

@app.get("/error/<kind>")
def error(kind):
    if kind == "http":
        raise HTTPError(418, "short")
    if kind == "exit":
        raise SystemExit(3)
    raise RuntimeError("in a thread")

@app.get("/coroutine")
def coroutine():
    async def later():
        await asyncio.sleep(0)
        return threading.current_thread() is threading.main_thread()
    return later_text(later())

async def later_text(coro):
    return str(await coro)

@app.post("/spin/<on:int>")
async def switch(on):
    global spinning
    spinning = bool(on)
    return ""

@app.get("/spin")
def spin():
    turns = 0
    while spinning:
        turns += 1
    return str(turns)
"""
SIZE = 3


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(
        *(APP, "--workers", "1", "--threads", str(SIZE)),
        *("--log-level", "warning"),
    )


def running(server: Server) -> int:
    n = server.get("/most").json()["running"]
    assert isinstance(n, int)
    return n


def test_no_more_run_at_once_than_there_are_threads(server: Server) -> None:
    clients = [server.connect() for _ in range(SIZE * 4)]
    for client in clients:
        client.send(head_of("GET", "/block/bound"))
    wait_for(lambda: running(server) == SIZE, "all threads block")
    # The loop does not: it answers beside them, and nobody else is let in.
    for _ in range(20):
        assert server.get("/async").json() == {"main": True}
    assert server.get("/most").json() == {"running": SIZE, "most": SIZE}
    server.post("/open/bound", b"")
    names = {client.answer().text for client in clients}
    assert names <= {f"rupy-pool-{i}" for i in range(SIZE)}
    assert server.get("/most").json() == {"running": 0, "most": SIZE}


def test_a_handler_in_a_thread_has_a_fresh_context_and_no_loop(
    server: Server,
) -> None:
    client = server.connect()
    kept = []
    for _ in range(SIZE * 5):
        got = client.get("/where").json()
        assert got["name"].startswith("rupy-pool-")
        kept.append(got.pop("kept"))
        del got["name"]
        assert got == {
            "main": False,
            "sees_a_loop": False,
            "variable": "start-up",
        }
    # Variables are a request's, thread-locals the thread's.
    assert kept.count(None) <= SIZE


def test_what_may_be_done_in_a_thread(server: Server) -> None:
    client = server.connect()
    assert client.get("/run").text == "a loop of its own"
    assert client.get("/async").json() == {"main": True}
    assert client.get("/forced").json() == {"main": False}
    # What it returns to be awaited is awaited on the loop.
    assert client.get("/coroutine").text == "True"
    big = b"x" * 200_000
    assert client.post("/body", big).body == big


def test_numbers_come_back_to_who_sent_them(server: Server) -> None:
    clients = [server.connect() for _ in range(50)]
    for turn in range(4):
        for n, client in enumerate(clients):
            # Two in a packet: answers keep their order.
            client.send(
                head_of("GET", f"/number/{n}?q={turn}")
                + head_of("GET", f"/number/{n + 1000}?q={turn}")
            )
        for n, client in enumerate(clients):
            for m in (n, n + 1000):
                assert client.answer().json() == {"n": m, "q": str(turn)}


def test_what_is_raised_in_a_thread_is_answered(server: Server) -> None:
    client = server.connect()
    before = len(server.stderr)
    assert client.get("/error/http").status == 418
    assert client.get("/error/other").status == 500
    wait_for(
        lambda: "RuntimeError: in a thread" in server.stderr[before:], "the log"
    )
    assert server.stderr[before:].count("Traceback") == 1


def test_a_client_that_goes_leaves_its_thread_in_order(server: Server) -> None:
    before = len(server.stderr)
    clients = [server.connect() for _ in range(SIZE * 2)]
    for client in clients:
        client.send(head_of("GET", "/block/gone"))
    wait_for(lambda: running(server) == SIZE, "all threads block")
    for client in clients:
        client.reset()
    assert server.get("/async").status == 200
    server.post("/open/gone", b"")
    wait_for(lambda: running(server) == 0, "the threads are free")
    assert server.get("/run").text == "a loop of its own"
    assert server.stderr[before:] == ""


def test_a_thread_that_computes_does_not_stop_the_loop(server: Server) -> None:
    server.post("/spin/1", b"")
    spinner = server.connect(timeout=60)
    spinner.send(head_of("GET", "/spin"))
    times = []
    try:
        with server.connect() as client:
            for _ in range(30):
                start = time.monotonic()
                assert client.get("/async").json() == {"main": True}
                times.append(time.monotonic() - start)
    finally:
        server.post("/spin/0", b"")
    assert int(spinner.answer().text) > 0
    # A few switch intervals (5 ms) for each answer.
    assert statistics.median(times) < 0.25


def test_a_request_that_waits_too_long_for_a_thread_is_503(
    serve: Servers,
) -> None:
    server = serve(
        *(APP, "--workers", "1", "--threads", "1"),
        *("--queue-timeout", "100ms"),
    )
    first, second = server.connect(), server.connect()
    first.send(head_of("GET", "/block/a"))
    wait_for(lambda: running(server) == 1, "the thread blocks")
    start = time.monotonic()
    second.send(head_of("GET", "/where"))
    # Answered when it is late, and not only when the thread is free.
    answer = second.answer()
    assert answer.status == 503
    assert 0.09 < time.monotonic() - start < 5
    server.post("/open/a", b"")
    assert first.answer().text == "rupy-pool-0"
    assert second.get("/where").status == 200


def test_threaded_handlers_have_threads_without_the_option(
    serve: Servers,
) -> None:
    server = serve(APP, "--workers", "1")
    assert server.get("/forced").json() == {"main": False}
    assert server.get("/where").json()["main"] is True


def test_a_thread_that_ends_the_process_does_not_hang_its_client(
    serve: Servers,
) -> None:
    server = serve(
        *(APP, "--workers", "1", "--threads", "2"),
        *("--respawn-backoff", "10ms"),
    )
    server.may_die = True
    with contextlib.suppress(EOFError):
        assert server.get("/error/exit").status == 500

    def answers() -> bool:
        try:
            return server.get("/run").status == 200
        except (OSError, EOFError):
            return False

    wait_for(answers, "the service answers")
    assert server.stop() == 0


@pytest.mark.parametrize("path", ["/block/for-ever", "/spin"])
def test_the_server_ends_while_threads_are_busy(
    serve: Servers, path: str
) -> None:
    server = serve(
        *(APP, "--workers", "1", "--threads", "2"),
        *("--graceful-timeout", "300ms"),
    )
    server.post("/spin/1", b"")
    for _ in range(4):
        server.connect().send(head_of("GET", path))
    wait_for(
        lambda: path == "/spin" or running(server) == 2, "the threads are busy"
    )
    server.may_die = True
    start = time.monotonic()
    server.tell(signal.SIGTERM)
    assert server.exit_status(20) == 0
    assert time.monotonic() - start < 15
    assert "Traceback" not in server.stderr
    assert "Fatal" not in server.stderr
