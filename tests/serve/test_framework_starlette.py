"""Starlette, an application in the manner of its own example: pages with
static files, mounts, sessions, error pages, WebSockets, work behind answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from asgi_said import wait_happened
from framework_story import check_ended, close_of, denial, serve_linted
from serving import Server, Servers
from websockets.sync.client import connect

pytest.importorskip("starlette")

APP = """
import asyncio
import contextlib
from pathlib import Path

from asgi_linter import Linter
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials, AuthenticationBackend, SimpleUser, requires)
from starlette.background import BackgroundTask, BackgroundTasks
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import (
    FileResponse, HTMLResponse, JSONResponse, PlainTextResponse,
    RedirectResponse, StreamingResponse)
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocketDisconnect

Path("static").mkdir(exist_ok=True)
Path("static/style.css").write_text("body { color: teal }")
Path("static/index.html").write_text("<p>index</p>")
happened = []
rooms = {}

class Basic(AuthenticationBackend):
    async def authenticate(self, conn):
        name = conn.headers.get("x-user")
        return name and (AuthCredentials(["in"]), SimpleUser(name))

class Timing(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-timing"] = request.url.path
        return response

async def homepage(request):
    css = request.url_for("static", path="/style.css")
    user = request.url_for("user", name="ann", number=7)
    return HTMLResponse(f"{css} {user}")

async def user(request):
    params, query = request.path_params, request.query_params
    return JSONResponse({k: str(v) for k, v in params.items()} | {
        "kinds": [type(v).__name__ for v in params.values()],
        "state": request.state.database, "q": query.multi_items()})

class Things(HTTPEndpoint):
    async def get(self, request):
        return PlainTextResponse("got")

    async def post(self, request):
        return JSONResponse(await request.json(), 201)

async def count(request):
    request.session["n"] = request.session.get("n", 0) + 1
    return JSONResponse(request.session)

async def form(request):
    async with request.form() as form:
        files = form.getlist("file")
        return JSONResponse({"text": form["text"], "names": [
            [f.filename, f.size, f.content_type] for f in files]})

async def raw(request):
    n = 0
    try:
        async for piece in request.stream():
            n += len(piece)
    except ClientDisconnect:
        happened.append("client disconnect")
        raise
    return PlainTextResponse(str(n))

async def slow(request):
    async def parts():
        try:
            yield "first "
            await gate.wait()
            yield "second"
        finally:
            happened.append("parts over")
    return StreamingResponse(parts(), media_type="text/plain")

async def go(request):
    gate.set()
    return PlainTextResponse("")

async def watch(request):
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    happened.append("watched it go")
    return PlainTextResponse("")

async def tasks(request):
    async def work(n):
        await asyncio.sleep(0.02)
        happened.append(f"task {n}")
    tasks = BackgroundTasks([BackgroundTask(work, 1)])
    tasks.add_task(work, n=2)
    return PlainTextResponse("queued", background=tasks)

@requires("in", status_code=404)
async def private(request):
    return PlainTextResponse(request.user.display_name)

async def download(request):
    return FileResponse("static/style.css", filename="stil é.css")

async def broken(request):
    raise RuntimeError("broken")

async def missing(request):
    raise HTTPException(410, "gone", headers={"x-why": "old"})

async def not_found(request, exc):
    return HTMLResponse("<h1>no such page</h1>", 404)

async def server_error(request, exc):
    return HTMLResponse("<h1>our fault</h1>", 500)

class Room(WebSocketEndpoint):
    encoding = "json"

    async def on_connect(self, ws):
        self.room = rooms.setdefault(ws.path_params["room"], set())
        self.room.add(ws)
        await ws.accept(subprotocol="chat" if "chat" in ws.scope["subprotocols"]
                        else None, headers=[(b"x-room", b"yes")])

    async def on_receive(self, ws, data):
        for member in self.room:
            await member.send_json({"said": data, "by": ws.query_params["me"]})

    async def on_disconnect(self, ws, code):
        self.room.discard(ws)
        happened.append(f"left with {code}")

async def clock(ws):
    await ws.accept()
    try:
        async for text in ws.iter_text():
            if text == "close":
                await ws.close(4321, "as you wish")
                return
            await ws.send_bytes(text.encode())
    except WebSocketDisconnect:
        pass

async def refuse(ws):
    await ws.send_denial_response(JSONResponse({"no": 1}, 402))

async def what(request):
    return JSONResponse(happened)

@contextlib.asynccontextmanager
async def lifespan(app):
    global gate
    gate = asyncio.Event()
    print("up", flush=True)
    yield {"database": "connected"}
    print("down", flush=True)

async def hosted(request):
    return PlainTextResponse("api at " + request.url.path)

star = Starlette(
    lifespan=lifespan,
    exception_handlers={404: not_found, 500: server_error},
    middleware=[
        Middleware(SessionMiddleware, secret_key="x", max_age=100),
        Middleware(AuthenticationMiddleware, backend=Basic()),
        Middleware(GZipMiddleware, minimum_size=5000)],
    routes=[
        Host("api.example.org", Starlette(routes=[Route("/v1", hosted)])),
        Route("/", homepage),
        Route("/users/{name}/{number:int}", user, name="user"),
        Route("/path/{rest:path}/{x:float}/{u:uuid}", user),
        Route("/things", Things), Route("/count", count),
        Mount("/in", routes=[
            Route("/form", form, methods=["POST"]),
            Route("/raw", raw, methods=["PUT"]),
            Mount("/deep", routes=[Route("/slow", slow)])],
            # Behind this one request.is_disconnected() is never true.
            middleware=[Middleware(Timing)]),
        Route("/go", go), Route("/watch", watch), Route("/tasks", tasks),
        Route("/private", private), Route("/download", download),
        Route("/old", lambda r: RedirectResponse("/things", 303)),
        Route("/broken", broken), Route("/missing", missing),
        Route("/happened", what),
        WebSocketRoute("/rooms/{room}", Room), WebSocketRoute("/clock", clock),
        WebSocketRoute("/refuse", refuse),
        Mount("/static", StaticFiles(directory="static", html=True),
              name="static")])
app = Linter(star)
"""


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Iterator[Server]:
    server = serve_linted(serve_module, APP)
    yield server
    check_ended(server)


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


def test_routes_and_urls(server: Server, client: httpx.Client) -> None:
    css, user = client.get("/").text.split()
    assert (css, user) == (
        f"{server.url}/static/style.css",
        f"{server.url}/users/ann/7",
    )
    said = client.get("/users/a%20%C3%A9/7?q=1&q=2").json()
    assert said == {
        "name": "a é",
        "number": "7",
        "kinds": ["str", "int"],
        "state": "connected",
        "q": [["q", "1"], ["q", "2"]],
    }
    path = "/path/a/b/1.5/12345678-1234-5678-1234-567812345678"
    said = client.get(path).json()
    assert (said["rest"], said["kinds"]) == ("a/b", ["str", "float", "UUID"])
    assert client.get("/users/ann/x").text == "<h1>no such page</h1>"
    answer = client.get("/things/")
    assert (answer.status_code, answer.headers["location"]) == (
        *(307, f"{server.url}/things"),
    )
    answer = client.delete("/things")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"
    answer = client.post("/things", json=["é", 1])
    assert (answer.status_code, answer.json()) == (201, ["é", 1])
    assert client.head("/things").status_code == 200
    head = client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(f"{css} {user}")
    host = {"host": "api.example.org"}
    assert client.get("/v1", headers=host).text == "api at /v1"
    assert client.get("/old", follow_redirects=True).text == "got"


def test_sessions_and_users(client: httpx.Client) -> None:
    assert [client.get("/count").json()["n"] for _ in range(3)] == [1, 2, 3]
    assert client.get("/private").status_code == 404
    assert client.get("/private", headers={"x-user": "ann"}).text == "ann"


def test_forms_and_content(client: httpx.Client) -> None:
    files = [
        ("file", ("größe.txt", b"x" * 3_000_000, "text/plain")),
        ("file", ("b", b"", "image/png")),
    ]
    answer = client.post("/in/form", data={"text": "né"}, files=files)
    assert answer.headers["x-timing"] == "/in/form"
    assert answer.json() == {
        "text": "né",
        "names": [
            ["größe.txt", 3_000_000, "text/plain"],
            ["b", 0, "image/png"],
        ],
    }
    pieces = (b"x" * 10_000 for _ in range(50))
    assert client.put("/in/raw", content=pieces).text == "500000"


def test_clients_that_go(server: Server, client: httpx.Client) -> None:
    gone = server.connect()
    gone.send("PUT /in/raw HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
    gone.close()
    wait_happened(client, "client disconnect")
    gone = server.connect()
    gone.send("GET /watch HTTP/1.1\r\nHost: a\r\n\r\n")
    gone.close()
    wait_happened(client, "watched it go")


def test_a_stream_comes_as_it_is_made(client: httpx.Client) -> None:
    with client.stream("GET", "/in/deep/slow") as answer:
        parts = answer.iter_text()
        assert next(parts) == "first "
        client.get("/go")
        assert "".join(parts) == "second"
    assert answer.headers["transfer-encoding"] == "chunked"
    wait_happened(client, "parts over")


def test_background_tasks(client: httpx.Client) -> None:
    assert client.get("/tasks").text == "queued"
    wait_happened(client, "task 1")
    wait_happened(client, "task 2")


def test_files(client: httpx.Client) -> None:
    answer = client.get("/static/style.css")
    assert answer.text == "body { color: teal }"
    assert answer.headers["content-type"].startswith("text/css")
    tag = {"if-none-match": answer.headers["etag"]}
    assert client.get("/static/style.css", headers=tag).status_code == 304
    assert client.get("/static/").text == "<p>index</p>"
    assert client.get("/static/../app.py").status_code == 404
    assert client.get("/static/%2e%2e/app.py").status_code == 404
    # Its path is relative, and goes to the server as it is.
    answer = client.get("/download")
    assert (answer.status_code, answer.text) == (200, "body { color: teal }")
    answer = client.get("/download", headers={"range": "bytes=-5"})
    assert (answer.status_code, answer.text) == (206, "eal }")
    name = answer.headers["content-disposition"]
    assert "filename*=utf-8''stil%20%C3%A9.css" in name
    several = {"range": "bytes=0-3, 7-11"}
    answer = client.get("/download", headers=several)
    assert answer.status_code == 206
    assert "multipart/byteranges" in answer.headers["content-type"]


def test_errors(server: Server, client: httpx.Client) -> None:
    answer = client.get("/broken")
    assert (answer.status_code, answer.text) == (500, "<h1>our fault</h1>")
    server.wait_log("RuntimeError: broken")
    answer = client.get("/missing")
    assert (answer.status_code, answer.text) == (410, "gone")
    assert answer.headers["x-why"] == "old"


def test_rooms(server: Server, client: httpx.Client) -> None:
    url = f"ws://127.0.0.1:{server.port}/rooms/a%20b?me="
    with (
        connect(url + "one", subprotocols=["x", "chat"], proxy=None) as one,
        connect(url + "two", proxy=None) as two,
    ):
        assert (one.subprotocol, two.subprotocol) == ("chat", None)
        assert one.response and one.response.headers["x-room"] == "yes"
        for n in range(20):
            one.send(json.dumps([n, "é" * 1000]))
            for who in (one, two):
                said = json.loads(who.recv(10))
                assert said == {"said": [n, "é" * 1000], "by": "one"}
        two.close(3001, "bye")
        wait_happened(client, "left with 3001")
        one.send("1")
        assert json.loads(one.recv(10)) == {"said": 1, "by": "one"}
    wait_happened(client, "left with 1000")


def test_a_websocket_that_the_application_ends(server: Server) -> None:
    where = f"ws://127.0.0.1:{server.port}"
    with connect(f"{where}/clock", proxy=None) as ws:
        ws.send("é")
        assert ws.recv(10) == "é".encode()
        ws.send("close")
        assert close_of(ws) == (4321, "as you wish")
    for path, status, body in (
        ("/refuse", 402, b'{"no":1}'),
        ("/nowhere", 403, None),
    ):
        answer = denial(where + path)
        assert answer.status_code == status
        assert body in (None, answer.body)
