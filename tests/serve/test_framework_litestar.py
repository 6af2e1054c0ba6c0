"""Litestar: parameters, injection, WebSockets, streams, events, uploads."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from asgi_said import wait_happened
from framework_story import check_ended, denial, serve_linted
from serving import Server, Servers, wait_for
from websockets.sync.client import connect

pytest.importorskip("litestar")

# No "from __future__ import annotations": it resolves annotations itself, and
# the application's own names are in no module that it could find them in.
APP = """
import asyncio
import contextlib
import enum
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import msgspec
from asgi_linter import Linter
from litestar import (
    Controller, Litestar, MediaType, Request, Response, Router, WebSocket,
    delete, get, post, put, websocket, websocket_listener)
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import State, UploadFile
from litestar.di import Provide
from litestar.enums import RequestEncodingType
from litestar.exceptions import (
    NotAuthorizedException, NotFoundException, WebSocketException)
from litestar.middleware.session.client_side import CookieBackendConfig
from litestar.params import Body, Parameter
from litestar.response import File, Redirect, ServerSentEvent, Stream
from litestar.static_files import create_static_files_router

happened = []

class Kind(enum.Enum):
    SMALL = "small"
    LARGE = "large"

@dataclass
class Item:
    name: str
    price: float
    kind: Kind = Kind.SMALL

class Point(msgspec.Struct):
    x: int
    y: int = 0

async def database():
    happened.append("opened")
    try:
        yield "database"
    finally:
        happened.append("closed")

def user(headers: dict[str, str]) -> str:
    return headers.get("x-user", "nobody")

def greeting(name: str, db: str) -> str:
    return f"hello {name} of {db}"

class Items(Controller):
    path = "/items"
    dependencies = {"name": Provide(user, sync_to_thread=False)}

    @get("/{number:int}")
    async def one(self, number: int, name: str, q: list[str] | None = None,
                  limit: Annotated[int, Parameter(query="n", ge=1)] = 5
                  ) -> dict:
        return {"number": number, "name": name, "q": q, "limit": limit}

    @post()
    async def make(self, data: Item) -> Item:
        return Item(data.name.upper(), data.price * 2, data.kind)

    @put("/{ident:uuid}")
    async def point(self, ident: UUID, data: Point) -> Point:
        return Point(data.y, data.x)

    @delete("/{number:int}")
    async def gone(self, number: int) -> None:
        return None

@get("/greet", dependencies={
    "db": Provide(database),
    "name": Provide(user, sync_to_thread=False),
    "greeting": Provide(greeting, sync_to_thread=True)},
    media_type="text/plain")
async def greet(greeting: str) -> str:
    return greeting

@get("/path/{rest:path}", media_type=MediaType.TEXT)
async def rest(rest: str) -> str:
    return rest

@post("/form", status_code=200)
async def form(data: Annotated[
        dict, Body(media_type=RequestEncodingType.MULTI_PART)]) -> dict:
    file = data["file"]
    return {"note": data["note"], "name": file.filename,
            "size": len(await file.read())}

@get("/stream")
async def stream() -> Stream:
    async def parts():
        for i in range(3):
            yield f"part{i} "
            await asyncio.sleep(0)
    return Stream(parts(), media_type="text/plain")

@get("/events", sync_to_thread=False)
def events() -> ServerSentEvent:
    async def parts():
        try:
            for i in range(3):
                yield {"data": i, "event": "tick", "id": i}
            await asyncio.sleep(60)
        finally:
            happened.append("events over")
    return ServerSentEvent(parts())

@get("/blocking", sync_to_thread=True, media_type="text/plain")
def blocking() -> str:
    import threading
    return str(threading.current_thread() is threading.main_thread())

@get("/tasks", media_type="text/plain")
async def tasks() -> Response[str]:
    async def work():
        await asyncio.sleep(0.02)
        happened.append("worked")
    return Response("queued", background=BackgroundTask(work))

@get("/count")
async def count(request: Request) -> int:
    n = request.session.get("n", 0) + 1
    request.set_session({"n": n})
    return n

@get("/file")
async def file() -> File:
    return File(__file__, filename="app.py")

@get("/old")
async def old() -> Redirect:
    return Redirect("/greet")

@get("/happened")
async def what(state: State) -> list[str]:
    return [*happened, state.began]

@get("/missing")
async def missing() -> None:
    raise NotFoundException("not here", extra={"why": 1})

@get("/broken")
async def broken() -> None:
    raise LookupError("a fault of the application")

@websocket("/echo/{room:str}")
async def echo(socket: WebSocket, room: str) -> None:
    await socket.accept(subprotocols="chat", headers={"x-room": room})
    async for data in socket.iter_data("binary"):
        await socket.send_data(data, "binary")

def only_known(connection, handler):
    if "x-user" not in connection.headers:
        raise NotAuthorizedException("who?")

@websocket_listener("/listen", guards=[only_known])
async def listen(data: dict[str, int]) -> dict[str, int]:
    return {"sum": data["x"] + data["y"]}

@contextlib.asynccontextmanager
async def lifespan(app):
    app.state.began = "began"
    print("up", flush=True)
    yield
    print("down", flush=True)

lite = Litestar(
    [Items, greet, rest, form, stream, events, blocking, tasks, count, file,
     old, what, missing, broken, echo, listen,
     create_static_files_router(path="/static", directories=["."])],
    lifespan=[lifespan],
    middleware=[CookieBackendConfig(secret=b"x" * 16).middleware])
app = Linter(lite)
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


def test_parameters(client: httpx.Client) -> None:
    user = {"x-user": "ann"}
    said = client.get("/items/7?q=a%20b&q=%C3%A9&n=9", headers=user).json()
    assert said == {"number": 7, "name": "ann", "q": ["a b", "é"], "limit": 9}
    assert client.get("/items/7?n=0").status_code == 400
    assert client.get("/items/x").status_code == 404
    assert client.get("/path/a/b%20c").text == "/a/b c"


def test_bodies(client: httpx.Client) -> None:
    item = {"name": "a", "price": 1.5, "kind": "large"}
    answer = client.post("/items", json=item)
    assert (answer.status_code, answer.json()) == (
        *(201, {"name": "A", "price": 3.0, "kind": "large"}),
    )
    assert client.post("/items", json={"name": "a"}).status_code == 400
    assert client.post("/items", content=b"{").status_code == 400
    path = "/items/12345678-1234-5678-1234-567812345678"
    assert client.put(path, json={"x": 1, "y": 2}).json() == {"x": 2, "y": 1}
    answer = client.delete("/items/7")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.patch("/items/7").status_code == 405


def test_injection(client: httpx.Client) -> None:
    user = {"x-user": "ann"}
    assert client.get("/greet", headers=user).text == "hello ann of database"
    wait_for(
        lambda: client.get("/happened").json()[:2] == ["opened", "closed"],
        "the dependency is over",
    )
    assert "began" in client.get("/happened").json()
    assert client.get("/blocking").text == "False"


def test_uploads_streams_files(client: httpx.Client) -> None:
    files = {"file": ("a.bin", b"x" * 3_000_000)}
    said = client.post("/form", data={"note": "né"}, files=files).json()
    assert said == {"note": "né", "name": "a.bin", "size": 3_000_000}
    answer = client.get("/stream")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.text == "part0 part1 part2 "
    answer = client.get("/file")
    assert answer.text == APP
    assert 'filename="app.py"' in answer.headers["content-disposition"]
    assert client.get("/old", follow_redirects=True).status_code == 200


def test_events_and_tasks(client: httpx.Client) -> None:
    with client.stream("GET", "/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        found = [next(lines) for _ in range(11)]
    assert [line for line in found if line.startswith("data")] == [
        *("data: 0", "data: 1", "data: 2"),
    ]
    wait_happened(client, "events over")
    assert client.get("/tasks").text == "queued"
    wait_happened(client, "worked")


def test_sessions(client: httpx.Client) -> None:
    assert [client.get("/count").json() for _ in range(3)] == [1, 2, 3]


def test_errors_and_schema(server: Server, client: httpx.Client) -> None:
    answer = client.get("/missing")
    assert (answer.status_code, answer.json()) == (
        404,
        {"status_code": 404, "detail": "not here", "extra": {"why": 1}},
    )
    assert client.get("/broken").status_code == 500
    schema = client.get("/schema/openapi.json").json()
    assert "/items/{number}" in schema["paths"]


def test_websockets(server: Server) -> None:
    where = f"ws://127.0.0.1:{server.port}"
    with connect(f"{where}/echo/a", subprotocols=["chat"], proxy=None) as ws:
        assert ws.subprotocol == "chat"
        assert ws.response and ws.response.headers["x-room"] == "a"
        for data in (b"", b"\0\xff", b"x" * 100_000):
            ws.send(data)
            assert ws.recv(10) == data
    user = {"x-user": "ann"}
    with connect(f"{where}/listen", additional_headers=user, proxy=None) as ws:
        ws.send('{"x": 1, "y": 2}')
        assert json.loads(ws.recv(10)) == {"sum": 3}
    for path in ("/listen", "/nowhere"):
        assert denial(where + path).status_code == 403
