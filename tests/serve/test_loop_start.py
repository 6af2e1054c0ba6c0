"""Where handlers start: under a root task, in a context of their own."""

from __future__ import annotations

import sys

import pytest
from serving import Server, Servers, head_of

APP = """
import asyncio
import contextvars
import threading
from rupy import Rupy

app = Rupy()
variable = contextvars.ContextVar("variable", default="default")
said = []

@app.on_startup
def start_sync():
    run_again("sync")

@app.on_startup
async def start():
    run_again("async")
    variable.set("start-up")

def run_again(kind):
    loop = asyncio.get_event_loop()
    coro = asyncio.sleep(0)
    try:
        loop.run_until_complete(coro)
    except RuntimeError as error:
        said.append(f"{kind}: {error}")
    coro.close()

@app.get("/said")
async def what_was_said():
    return said

@app.get("/root")
async def root():
    names = [task.get_name() for task in asyncio.all_tasks()]
    return str(len(names))

@app.get("/variable")
async def read():
    return variable.get()

@app.get("/variable-sync")
def read_sync():
    return variable.get()

@app.post("/upload")
async def upload(request):
    variable.set("the upload's")
    await asyncio.sleep(0)
    return str(len(request.body))

@app.get("/thread")
async def thread():
    import anyio.to_thread
    return str(await anyio.to_thread.run_sync(threading.get_ident))
"""


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(
        *(APP, "--workers", "1", "--log-level", "warning"),
        env={"VIRTUAL_ENV": sys.prefix},
    )


def test_start_up_cannot_run_the_loop_a_second_time(server: Server) -> None:
    words = "This event loop is already running"
    got = server.get("/said").json()
    assert got == [f"sync: {words}", f"async: {words}"]


def test_there_is_a_root_task_beside_the_handlers(server: Server) -> None:
    assert int(server.get("/root").text) == 2


def test_anyio_uses_its_threads_again(server: Server) -> None:
    pytest.importorskip("anyio")
    # It keeps idle threads for as long as the root task lives.
    client = server.connect()
    idents = {client.get("/thread").text for _ in range(20)}
    assert len(idents) == 1


def test_a_request_after_a_paused_upload_has_a_fresh_context(
    server: Server,
) -> None:
    # The upload comes in many reads, and what follows it in the last of them.
    body = b"x" * 900_000
    for follows in ("/variable", "/variable-sync"):
        client = server.connect()
        client.send(head_of("POST", "/upload", body=body))
        half = len(body) // 2
        client.send(body[:half])
        assert server.get("/variable").text == "start-up"
        client.send(body[half:] + head_of("GET", follows))
        assert client.answer().text == str(len(body))
        assert client.answer().text == "start-up"
