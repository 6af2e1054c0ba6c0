"""Ten thousand requests leave nothing behind."""

from __future__ import annotations

import pytest
from serving import Server, Servers, head_of, wait_for

APP = """
import asyncio
import gc
from pathlib import Path
from rupy import HTTPError, Response, Rupy

app = Rupy()

@app.get("/count")
def count():
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {"objects": len(gc.get_objects()), "kib": pages * 4}

@app.get("/str")
def text():
    return "text"

@app.get("/json/<id:int>/<name>")
def json(request, id, name):
    return {"id": id, "name": name, "q": request.query.get("q"),
            "agent": request.headers.get("user-agent")}

@app.get("/async")
async def at_once():
    return "text"

@app.get("/waits")
async def waits():
    await asyncio.sleep(0)
    await asyncio.sleep(0.0001)
    return Response({"a": 1}, 201, {"x-a": "b"})

@app.post("/body")
async def body(request):
    await asyncio.sleep(0)
    return request.body

@app.get("/stream")
def stream():
    yield "a"
    yield "b"

@app.get("/astream")
async def astream():
    for _ in range(3):
        yield b"x" * 100
        await asyncio.sleep(0)

@app.get("/error")
def error():
    raise HTTPError(404, "none")

@app.get("/fault")
async def fault():
    raise RuntimeError("fault")

@app.get("/cycle")
async def cycle(request):
    request.state.me = request
    return request.method
"""

PATHS = [
    "/str",
    "/json/7/Ada?q=1",
    "/async",
    "/waits",
    "/stream",
    "/astream",
    "/error",
    "/cycle",
    "/nowhere",
]


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP, "--log-level", "critical")


def count(server: Server) -> dict[str, int]:
    return server.get("/count").json()


def use(server: Server, paths: list[str], times: int) -> None:
    """So many rounds, on connections that are new every 200 rounds."""
    body = b"x" * 3000
    packet = b"".join(head_of("GET", path) for path in paths)
    packet += head_of("POST", "/body", body=body) + body
    for start in range(0, times, 200):
        with server.connect() as client:
            for _ in range(min(200, times - start)):
                client.send(packet)
                for _ in range(len(paths) + 1):
                    client.answer()
    server.clients.clear()


def test_ten_thousand_requests_leave_nothing(server: Server) -> None:
    use(server, PATHS, 300)
    before = count(server)
    use(server, PATHS, 1000)
    after = count(server)
    assert after["objects"] - before["objects"] < 100, (before, after)
    assert after["kib"] - before["kib"] < 2048, (before, after)


def test_faults_leave_nothing(server: Server) -> None:
    use(server, ["/fault"], 300)
    before = count(server)
    use(server, ["/fault"], 1000)
    after = count(server)
    assert after["objects"] - before["objects"] < 100, (before, after)
    assert after["kib"] - before["kib"] < 2048, (before, after)


def test_clients_that_go_in_the_middle_leave_nothing(server: Server) -> None:
    def leave(times: int) -> None:
        for i in range(times):
            client = server.connect()
            path = PATHS[i % len(PATHS)]
            data = head_of("GET", path) * 3
            client.send(data if i % 2 else data[: len(data) // 2])
            client.reset()
        server.clients.clear()

    leave(200)
    before = count(server)
    leave(1000)
    wait_for(
        lambda: count(server)["objects"] - before["objects"] < 100,
        "the objects of before",
    )
    assert count(server)["kib"] - before["kib"] < 2048
