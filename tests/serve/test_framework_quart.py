"""Quart: sessions, streams both ways, uploads, background tasks, WebSockets."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from asgi_said import check_linter, wait_happened
from framework_story import close_of, denial, serve_linted
from serving import Server, Servers
from websockets.sync.client import connect

pytest.importorskip("quart")

APP = """
import asyncio
import threading

from asgi_linter import Linter
from quart import (
    Blueprint, Quart, abort, copy_current_websocket_context, g, jsonify,
    make_response, redirect, render_template_string,
    request, send_file, session, stream_with_context, url_for, websocket)

quart = Quart(__name__)
quart.secret_key = "secret"
quart.config["MAX_CONTENT_LENGTH"] = 8_000_000
quart.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 10
happened = []
members = set()
bp = Blueprint("api", __name__, url_prefix="/api")

@quart.before_serving
async def begin():
    print("up", flush=True)

@quart.while_serving
async def around():
    happened.append("serving")
    yield
    print("no longer", flush=True)

@quart.after_serving
async def end():
    print("down", flush=True)

@quart.before_request
async def before():
    g.user = request.headers.get("x-user", "nobody")

@quart.after_request
async def after(response):
    response.headers["x-user"] = g.user
    return response

@quart.get("/")
async def index():
    return await render_template_string(
        "{{ name }} {{ url_for('api.item', number=7) }}", name="<é>")

@bp.route("/items/<int:number>", methods=["GET", "PUT"])
async def item(number):
    data = await request.get_json() if request.method == "PUT" else None
    return jsonify(number=number, data=data, q=request.args.getlist("q"))

@bp.get("/broken")
async def broken():
    raise LookupError("a fault of the application")

@bp.errorhandler(404)
async def not_here(error):
    return {"error": error.description}, 404

@bp.get("/missing")
async def missing():
    abort(404, "not here")

quart.register_blueprint(bp)

@quart.get("/count")
async def count():
    session["n"] = session.get("n", 0) + 1
    return str(session["n"])

@quart.post("/form")
async def form():
    fields, files = await request.form, await request.files
    file = files["file"]
    return {"note": fields["note"], "name": file.filename,
            "size": len(file.read())}

@quart.post("/echo")
async def echo():
    # Out while it comes in; the generator has no request of its own.
    body = request.body

    async def parts():
        async for piece in body:
            yield piece
    response = await make_response(parts())
    response.timeout = None
    return response, 200, {"content-type": "application/octet-stream"}

@quart.get("/endless")
async def endless():
    @stream_with_context
    async def parts():
        try:
            while True:
                yield f"{request.path} "
                await asyncio.sleep(0.001)
        finally:
            happened.append("endless over")
    return parts()

@quart.get("/sync")
def sync():
    return str(threading.current_thread() is threading.main_thread())

@quart.get("/file")
async def file():
    return await send_file(__file__, conditional=True)

@quart.get("/old")
async def old():
    return redirect(url_for("index"))

@quart.get("/tasks")
async def tasks():
    async def work():
        await asyncio.sleep(0.02)
        happened.append("worked")
    quart.add_background_task(work)
    quart.add_background_task(lambda: happened.append("worked in a thread"))
    return "queued"

@quart.get("/happened")
async def what():
    return happened

@quart.websocket("/rooms/<room>")
async def rooms(room):
    await websocket.accept(headers={"x-room": room})
    me = asyncio.Queue()
    members.add(me)

    @copy_current_websocket_context
    async def sending():
        while True:
            await websocket.send_json([room, await me.get()])

    task = asyncio.create_task(sending())
    try:
        while True:
            data = await websocket.receive()
            for member in members:
                await member.put(data)
    except asyncio.CancelledError:
        happened.append("left")
        raise
    finally:
        members.discard(me)
        task.cancel()

@quart.websocket("/bytes")
async def octets():
    data = await websocket.receive()
    await websocket.send(data)
    await websocket.close(4000, "enough")

@quart.websocket("/refuse")
async def refuse():
    abort(401)

app = Linter(quart)
"""


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Iterator[Server]:
    server = serve_linted(serve_module, APP)
    yield server
    check_linter(server)
    assert server.stop() == 0
    words = server.stdout.split("\n")
    assert (words[0], sorted(words[1:])) == ("up", ["", "down", "no longer"])


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


def test_routes(client: httpx.Client) -> None:
    answer = client.get("/", headers={"x-user": "ann"})
    assert answer.text == "&lt;é&gt; /api/items/7"
    assert answer.headers["x-user"] == "ann"
    said = client.put("/api/items/7?q=1&q=%C3%A9", json={"a": None}).json()
    assert said == {"number": 7, "data": {"a": None}, "q": ["1", "é"]}
    kind = {"content-type": "application/json"}
    answer = client.put("/api/items/7", content=b"{", headers=kind)
    assert answer.status_code == 400
    answer = client.delete("/api/items/7")
    assert answer.status_code == 405
    assert "PUT" in answer.headers["allow"]
    assert client.options("/api/items/7").status_code == 200
    head = client.head("/api/items/7")
    assert (head.status_code, head.content) == (200, b"")
    assert client.get("/old", follow_redirects=True).status_code == 200
    assert client.get("/sync").text == "False"


def test_errors(server: Server, client: httpx.Client) -> None:
    answer = client.get("/api/missing")
    assert (answer.status_code, answer.json()) == (404, {"error": "not here"})
    assert client.get("/api/broken").status_code == 500
    server.wait_log("a fault of the application")


def test_sessions(client: httpx.Client) -> None:
    assert [client.get("/count").text for _ in range(4)] == list("1234")


def test_uploads(client: httpx.Client) -> None:
    files = {"file": ("größe.bin", b"x" * 3_000_000)}
    said = client.post("/form", data={"note": "né"}, files=files).json()
    assert said == {"note": "né", "name": "größe.bin", "size": 3_000_000}
    files = {"file": ("a.bin", b"x" * 9_000_000)}
    answer = client.post("/form", data={"note": ""}, files=files)
    assert answer.status_code == 413


def test_a_stream_goes_out_while_it_comes_in(client: httpx.Client) -> None:
    data = bytes(range(256)) * 4000
    pieces = (data[i : i + 10_000] for i in range(0, len(data), 10_000))
    answer = client.post("/echo", content=pieces)
    assert answer.content == data
    assert answer.headers["transfer-encoding"] == "chunked"


def test_a_client_that_goes(client: httpx.Client) -> None:
    with client.stream("GET", "/endless") as answer:
        assert next(answer.iter_text()).startswith("/endless ")
    wait_happened(client, "endless over")


def test_files_and_tasks(client: httpx.Client) -> None:
    answer = client.get("/file")
    assert answer.text == APP
    part = client.get("/file", headers={"range": "bytes=1-6"})
    assert (part.status_code, part.text) == (206, "import")
    tag = {"if-none-match": answer.headers["etag"]}
    assert client.get("/file", headers=tag).status_code == 304
    assert client.get("/tasks").text == "queued"
    wait_happened(client, "worked")
    wait_happened(client, "worked in a thread")
    wait_happened(client, "serving")


def test_websockets(server: Server, client: httpx.Client) -> None:
    where = f"ws://127.0.0.1:{server.port}"
    with (
        connect(f"{where}/rooms/a%20b", proxy=None) as one,
        connect(f"{where}/rooms/c", proxy=None) as two,
    ):
        assert one.response and one.response.headers["x-room"] == "a b"
        for n in range(10):
            one.send(f"é {n}")
            assert json.loads(one.recv(10)) == ["a b", f"é {n}"]
            assert json.loads(two.recv(10)) == ["c", f"é {n}"]
    wait_happened(client, "left")
    with connect(f"{where}/bytes", proxy=None) as ws:
        ws.send(b"\0\xff" * 100_000)
        assert ws.recv(10) == b"\0\xff" * 100_000
        assert close_of(ws) == (4000, "enough")
    for path, status in (("/refuse", 401), ("/nowhere", 404)):
        assert denial(where + path).status_code == status
