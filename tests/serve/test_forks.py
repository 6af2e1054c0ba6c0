"""Handlers that fork: what a child has of its parent, and what it must not."""

from __future__ import annotations

import os
import signal

from serving import Server, Servers, is_alive, wait_for

APP = """
import asyncio
import multiprocessing
import time
from rupy import Rupy

app = Rupy()
fork = multiprocessing.get_context("fork")
children = []

@app.get("/echo/<n:int>")
async def echo(n):
    await asyncio.sleep(0)
    return {"echo": n}

@app.get("/fork")
async def start_child():
    child = fork.Process(target=time.sleep, args=(600,), daemon=True)
    child.start()
    children.append(child)
    await asyncio.sleep(0)
    return {"pid": child.pid}

@app.get("/fork-and-wait/<n:int>")
def ask_child(n):
    queue = fork.SimpleQueue()
    child = fork.Process(target=queue.put, args=(n * 2,))
    child.start()
    result = queue.get()
    child.join()
    return {"result": result, "status": child.exitcode}
"""


def start(serve: Servers) -> Server:
    return serve(APP, "--workers", "1", "--log-level", "warning")


def test_a_forked_child_keeps_no_connection_open(serve: Servers) -> None:
    server = start(serve)
    others = [server.connect() for _ in range(3)]
    for client in others:
        assert client.get("/echo/1").status == 200
    client = server.connect()
    answer = client.get("/fork", connection="close")
    child = answer.json()["pid"]
    assert is_alive(child)
    # Both that of the request and those that were open beside it.
    assert client.ends() == b""
    for client in others:
        assert client.get("/echo/2", connection="close").status == 200
        assert client.ends() == b""
    # The parent has lost nothing, and hears of new ones.
    assert server.get("/echo/3").json()["echo"] == 3
    assert is_alive(child)


def test_a_forked_child_does_not_hold_the_port(serve: Servers) -> None:
    server = start(serve)
    child = server.get("/fork").json()["pid"]
    server.may_die = True
    workers = server.workers
    os.kill(server.pid, signal.SIGKILL)  # first, lest it starts another
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    server.exit_status()
    assert is_alive(child)

    def refuses() -> bool:
        try:
            server.connect().close()
        except ConnectionRefusedError:
            return True
        return False

    try:
        # The workers end a moment after the signal.
        wait_for(refuses, "nobody listens")
    finally:
        os.kill(child, signal.SIGKILL)


def test_children_are_waited_for_and_end_with_the_server(
    serve: Servers,
) -> None:
    server = start(serve)
    for n in range(3):
        got = server.get(f"/fork-and-wait/{n}").json()
        assert got == {"result": n * 2, "status": 0}
    child = server.get("/fork").json()["pid"]
    assert server.stop() == 0
    assert server.stderr == ""
    wait_for(lambda: not is_alive(child), "the child ends")
