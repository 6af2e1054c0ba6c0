"""Ten thousand requests leave nothing behind."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from leaks import ask, count, leaves_nothing
from serving import KIB, Answer, Client, Server, Servers, head_of, wait_for

APP = (
    KIB
    + """
import asyncio
import contextvars
import gc
import sys
from pathlib import Path
from rupy import HTTPError, Response, Rupy

app = Rupy()
busy = 0
variable = contextvars.ContextVar("variable")

@app.get("/count")
def count():
    gc.collect()
    return {"objects": len(gc.get_objects()), "kib": kib(),
            "blocks": sys.getallocatedblocks(), "busy": busy,
            "tasks": len(asyncio.all_tasks(loop))}

@app.on_startup
async def started():
    global loop
    loop = asyncio.get_running_loop()

@app.get("/str")
def text():
    return "text"

@app.get("/json/<id:int>/<name>")
def json(request, id, name):
    return {"id": id, "name": name, "q": request.query.get("q"),
            "agent": request.headers.get("user-agent")}

@app.get("/everything/<rest:path>")
def everything(request, rest):
    request.state.seen = [
        request.method, request.path, request.raw_path, request.query_string,
        request.query.items(), request.headers.items(), request.headers.raw,
        request.cookies, request.content_type, request.content_length,
        request.body, request.text, request.path_params, request.route,
        request.client, request.scheme, request.host, request.url,
        request.http_version, request.auth_token, request.app,
        request.is_disconnected()]
    return [len(request.state.seen)], 202, {"x-rest": rest}

@app.get("/cookies")
def cookies():
    response = Response(b"x" * 40000, content_type="text/x")
    response.set_cookie("a", "b", max_age=3)
    response.headers.add("x-a", "b")
    return response

@app.get("/async")
async def at_once():
    return "text"

@app.get("/waits")
async def waits():
    await asyncio.sleep(0)
    await asyncio.sleep(0.0001)
    return Response({"a": 1}, 201, {"x-a": "b"})

@app.get("/late")
async def late():
    await asyncio.sleep(0.001)
    return "late"

@app.get("/tasks")
async def tasks():
    async def one(i):
        variable.set(i)
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        return i
    async with asyncio.TaskGroup() as group:
        group.create_task(one(1))
        group.create_task(one(2))
    return {"sum": sum(await asyncio.gather(one(1), one(2)))}

@app.get("/threaded/<rest:path>", threaded=True)
def threaded(request, rest):
    return {"path": request.path, "rest": rest}

@app.get("/refuses", threaded=True)
def refuses():
    raise HTTPError(409, "no", {"x-a": "b"})

@app.post("/body")
async def body(request):
    await asyncio.sleep(0)
    return request.body

@app.post("/json")
def post_json(request):
    return request.json()

@app.get("/stream")
def stream():
    yield "a"
    yield "b"

@app.get("/astream")
async def astream():
    for _ in range(3):
        yield b"x" * 100
        await asyncio.sleep(0)

@app.get("/endless")
def endless():
    global busy
    busy += 1
    try:
        while True:
            yield b"x" * 10000
    finally:
        busy -= 1

@app.get("/aendless")
async def aendless():
    global busy
    busy += 1
    try:
        while True:
            yield b"x" * 10000
            await asyncio.sleep(0)
    finally:
        busy -= 1

@app.get("/silent")
async def silent():
    global busy
    busy += 1
    try:
        yield b"x"
        await asyncio.Event().wait()
    finally:
        busy -= 1

@app.get("/error")
def error():
    raise HTTPError(404, "none")

@app.get("/fault")
async def fault():
    raise RuntimeError("fault")

@app.get("/fault/threaded", threaded=True)
def fault_threaded():
    raise RuntimeError("fault")

@app.get("/fault/nothing")
def fault_nothing():
    return None

@app.get("/fault/late")
async def fault_late():
    await asyncio.sleep(0)
    raise RuntimeError("fault")

@app.get("/broken")
def broken():
    yield "a"
    raise RuntimeError("fault")

@app.get("/abroken")
async def abroken():
    yield "a"
    await asyncio.sleep(0)
    raise RuntimeError("fault")

@app.get("/cycle")
async def cycle(request):
    request.state.me = request
    return request.method
"""
)

CHUNKED = (
    b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;a=b\r\nhello\r\n3\r\n!!!\r\n0\r\nX-T: a\r\n\r\n"
)
# method, request, status
REQUESTS = [
    ("GET", head_of("GET", "/str"), 200),
    ("GET", head_of("GET", "/json/7/Ada?q=1"), 200),
    ("GET", head_of("GET", "/json/x/Ada"), 404),
    (
        "GET",
        head_of(
            "GET",
            "/everything/a/b?c=d&e",
            {"cookie": "a=b; c=d", "authorization": "Bearer x"},
        ),
        202,
    ),
    ("GET", head_of("GET", "/cookies"), 200),
    ("GET", head_of("GET", "/async"), 200),
    ("GET", head_of("GET", "/waits"), 201),
    ("GET", head_of("GET", "/tasks"), 200),
    ("GET", head_of("GET", "/threaded/a"), 200),
    ("GET", head_of("GET", "/refuses"), 409),
    ("GET", head_of("GET", "/stream"), 200),
    ("GET", head_of("GET", "/astream"), 200),
    ("GET", head_of("GET", "/error"), 404),
    ("GET", head_of("GET", "/cycle"), 200),
    ("GET", head_of("GET", "/nowhere"), 404),
    ("POST", head_of("POST", "/str", body=b"ab") + b"ab", 405),
    ("HEAD", head_of("HEAD", "/stream"), 200),
    ("OPTIONS", head_of("OPTIONS", "/str"), 204),
    ("POST", head_of("POST", "/body", body=b"x" * 3000) + b"x" * 3000, 200),
    ("POST", CHUNKED, 200),
    ("POST", head_of("POST", "/json", body=b'{"a":[1]}') + b'{"a":[1]}', 200),
    ("POST", head_of("POST", "/json", body=b"{") + b"{", 400),
]
FAULTS = [
    ("GET", head_of("GET", path), 500)
    for path in ("/fault", "/fault/threaded", "/fault/nothing", "/fault/late")
]


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(
        APP,
        "--log-level",
        "critical",
        "--limit-body",
        "1m",
    )


# What CPython and orjson themselves do not free.
SUPPRESSIONS = """
leak:symtable_enter_block
leak:fill_time
leak:orjson
"""


def test_ten_thousand_requests_leave_nothing(server: Server) -> None:
    leaves_nothing(server, lambda: ask(server, REQUESTS, 460))


def test_faults_leave_nothing(server: Server) -> None:
    leaves_nothing(server, lambda: ask(server, FAULTS, 250))


def test_streams_that_break_leave_nothing(server: Server) -> None:
    def use() -> None:
        for i in range(300):
            with server.connect() as client:
                client.send(head_of("GET", "/abroken" if i % 2 else "/broken"))
                assert client.head()[0] == 200
                assert not client.ends().endswith(b"0\r\n\r\n")

    leaves_nothing(server, use)


def test_requests_that_are_refused_leave_nothing(server: Server) -> None:
    bad = [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/3.1\r\nHost: a\r\n\r\n", 505),
        (CHUNKED.replace(b"3\r\n!!!", b"3\r\n!!!!"), 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (head_of("GET", "/", {"x": "y" * 9000}), 431),
        (head_of("POST", "/body", {"content-length": "99999999999"}), 413),
    ]

    def use() -> None:
        for _ in range(60):
            for data, status in bad:
                with server.connect() as client:
                    client.send(data)
                    answer: Answer = client.answer()
                    assert answer.status == status, (data[:99], answer)

    leaves_nothing(server, use)


def test_clients_that_go_in_the_middle_leave_nothing(server: Server) -> None:
    heads = [request for _, request, _ in REQUESTS]
    heads += [head_of("GET", "/late")] * 3

    def use() -> None:
        for i in range(1000):
            client = server.connect()
            data = heads[i % len(heads)] * 3
            client.send(data if i % 2 else data[: len(data) // 2])
            client.reset()
        server.clients.clear()

    leaves_nothing(server, use)


@pytest.mark.parametrize("path", ["/endless", "/aendless", "/silent"])
def test_streams_that_nobody_reads_to_the_end_leave_nothing(
    server: Server, path: str
) -> None:
    def leave(client: Client, i: int) -> None:
        client.send(head_of("GET", path))
        if i % 3:
            assert client.head()[0] == 200
            next(client.chunks())
        # Half-closing is no reason to stop; a write that fails is.
        if i % 2 or path == "/silent":
            client.reset()
        else:
            client.close()

    def use() -> None:
        for i in range(200):
            leave(server.connect(), i)
        server.clients.clear()
        wait_for(lambda: not count(server)["busy"], "all streams are closed")

    leaves_nothing(server, use)


def test_clients_at_the_same_time_leave_nothing(server: Server) -> None:
    def use() -> None:
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda _: ask(server, REQUESTS, 20), range(10)))

    leaves_nothing(server, use)


@pytest.mark.skipif(
    "address" not in os.environ.get("RUPY_SANITIZE", ""),
    reason="needs the leak detector: SANITIZE=address",
)
def test_a_worker_that_has_stopped_has_lost_nothing(serve: Servers) -> None:
    suppressions = serve.folder / "suppressions"
    suppressions.write_text(SUPPRESSIONS)
    server = serve(
        APP,
        *("--log-level", "critical", "--limit-body", "1m"),
        env={
            "ASAN_OPTIONS": "detect_leaks=1:fast_unwind_on_malloc=0",
            "LSAN_OPTIONS": f"suppressions={suppressions}:print_suppressions=0",
            "PYTHONMALLOC": "malloc",
        },
    )
    ask(server, REQUESTS, 3)
    ask(server, FAULTS, 3)
    for path in ("/endless", "/aendless", "/silent", "/late"):
        client = server.connect()
        client.send(head_of("GET", path))
        if path != "/late":
            assert client.head()[0] == 200
        client.reset()
    # The server's fixture looks for what the detector has said.
    assert server.stop() == 0
