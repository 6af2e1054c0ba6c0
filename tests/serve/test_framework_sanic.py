"""Sanic in its ASGI mode: blueprints, listeners, middleware, streams both ways,
uploads, WebSockets."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from asgi_said import check_linter, wait_happened
from framework_story import serve_linted
from serving import Server, Servers
from websockets.sync.client import connect

pytest.importorskip("sanic")

APP = """
import asyncio

from asgi_linter import Linter
from sanic import Blueprint, Sanic, file, html, json, redirect, text
from sanic.exceptions import NotFound, SanicException
from sanic.response import ResponseStream
from sanic.views import HTTPMethodView

sanic = Sanic("story")
sanic.config.ACCESS_LOG = False
sanic.config.REQUEST_MAX_SIZE = 8_000_000
happened = []
bp = Blueprint("api", url_prefix="/api", version=1)

@sanic.before_server_start
async def begin(app):
    app.ctx.database = "connected"
    print("up", flush=True)

@sanic.after_server_start
async def began(app):
    happened.append("after start")

@sanic.after_server_stop
async def end(app):
    print("down", flush=True)

@sanic.on_request
async def before(request):
    request.ctx.user = request.headers.get("x-user", "nobody")
    if request.path == "/stopped":
        return text("by middleware", 403)

@sanic.on_response
async def after(request, response):
    response.headers["x-user"] = request.ctx.user

@sanic.get("/")
async def index(request):
    return html(request.app.url_for("story.api.item", number=7, name="ab")
                + " " + request.app.ctx.database)

@bp.get("/items/<number:int>/<name>", unquote=True)
async def item(request, number, name):
    return json({"number": number, "name": name, "q": request.args.getlist("q"),
                 "scheme": request.scheme, "url": request.url})

class Things(HTTPMethodView):
    async def get(self, request):
        return text("got")

    async def put(self, request):
        return json(request.json, 201)

bp.add_route(Things.as_view(), "/things")

@bp.exception(NotFound)
async def not_here(request, exc):
    return json({"error": str(exc)}, 404)

@bp.get("/missing")
async def missing(request):
    raise NotFound("not here")

@bp.get("/broken")
async def broken(request):
    raise LookupError("a fault of the application")

@bp.get("/teapot")
async def teapot(request):
    raise SanicException("short and stout", status_code=418)

sanic.blueprint(bp)

@sanic.get("/count")
async def count(request):
    n = int(request.cookies.get("n", "0")) + 1
    response = text(str(n))
    response.add_cookie("n", str(n), secure=False, httponly=True)
    response.add_cookie("other", "e", secure=False)
    return response

@sanic.post("/form")
async def form(request):
    found = request.files["file"][0]
    return json({"note": request.form["note"][0], "name": found.name,
                 "size": len(found.body)})

@sanic.post("/echo", stream=True)
async def echo(request):
    response = await request.respond(content_type="application/octet-stream")
    async for piece in request.stream:
        await response.send(piece)
    await response.eof()

@sanic.get("/generated")
async def generated(request):
    async def parts(response):
        for i in range(3):
            await response.write(f"part{i} ")
    return ResponseStream(parts, content_type="text/plain")

@sanic.get("/file")
async def download(request):
    return await file(__file__)

@sanic.get("/old")
async def old(request):
    return redirect("/")

@sanic.get("/tasks")
async def tasks(request):
    async def work():
        await asyncio.sleep(0.02)
        happened.append("worked")
    request.app.add_task(work())
    return text("queued")

@sanic.get("/happened")
async def what(request):
    return json(happened)

@sanic.websocket("/rooms/<room>", subprotocols=["chat"])
async def rooms(request, ws, room):
    # In this mode it is no iterator.
    while message := await ws.recv():
        if message == "leave":
            break
        await ws.send(f"{room} {message}" if isinstance(message, str)
                      else message)
    happened.append("left")

sanic.static("/static", ".", name="static")
app = Linter(sanic)
"""


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Iterator[Server]:
    server = serve_linted(serve_module, APP)
    yield server
    check_linter(server)
    assert server.stop() == 0
    # Sanic itself says who it is.
    assert server.stdout.endswith("\nup\ndown\n")


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


def test_routes(server: Server, client: httpx.Client) -> None:
    answer = client.get("/", headers={"x-user": "ann"})
    assert answer.text == "/v1/api/items/7/ab connected"
    assert answer.headers["x-user"] == "ann"
    path = "/v1/api/items/7/a%20b?q=1&q=%C3%A9"
    assert client.get(path).json() == {
        "number": 7,
        "name": "a b",
        "q": ["1", "é"],
        "scheme": "http",
        "url": server.url + path,
    }
    answer = client.put("/v1/api/things", json=["é"])
    assert (answer.status_code, answer.json()) == (201, ["é"])
    assert client.put("/v1/api/things", content=b"{").status_code == 400
    assert client.delete("/v1/api/things").status_code == 405
    assert client.get("/stopped").text == "by middleware"
    assert client.get("/old", follow_redirects=True).status_code == 200


def test_errors(server: Server, client: httpx.Client) -> None:
    answer = client.get("/v1/api/missing")
    assert (answer.status_code, answer.json()) == (404, {"error": "not here"})
    assert client.get("/v1/api/teapot").status_code == 418
    assert client.get("/v1/api/broken").status_code == 500
    assert client.get("/").status_code == 200


def test_cookies(client: httpx.Client) -> None:
    assert [client.get("/count").text for _ in range(4)] == list("1234")


def test_content_both_ways(client: httpx.Client) -> None:
    files = {"file": ("a.bin", b"x" * 3_000_000)}
    said = client.post("/form", data={"note": "né"}, files=files).json()
    assert said == {"note": "né", "name": "a.bin", "size": 3_000_000}
    data = bytes(range(256)) * 4000
    pieces = (data[i : i + 10_000] for i in range(0, len(data), 10_000))
    answer = client.post("/echo", content=pieces)
    assert answer.content == data
    assert answer.headers["transfer-encoding"] == "chunked"
    assert client.get("/generated").text == "part0 part1 part2 "
    assert client.get("/file").text == APP


def test_listeners_and_tasks(client: httpx.Client) -> None:
    wait_happened(client, "after start")
    assert client.get("/tasks").text == "queued"
    wait_happened(client, "worked")


def test_websockets(server: Server, client: httpx.Client) -> None:
    where = f"ws://127.0.0.1:{server.port}/rooms/a"
    with connect(where, subprotocols=["chat"], proxy=None) as ws:
        assert ws.subprotocol == "chat"
        for n in range(10):
            ws.send(f"é {n}")
            assert ws.recv(10) == f"a é {n}"
        ws.send(b"\0\xff" * 100_000)
        assert ws.recv(10) == b"\0\xff" * 100_000
        ws.send("leave")
        wait_happened(client, "left")
