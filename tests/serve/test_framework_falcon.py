"""Falcon on ASGI: resources, media, hooks, streams, events, uploads,
WebSockets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import httpx
import pytest
from asgi_said import wait_happened
from framework_story import check_ended, close_of, denial, serve_linted
from serving import Server, Servers
from websockets.sync.client import connect

pytest.importorskip("falcon")

APP = """
import asyncio
import hashlib
import os

import falcon
import falcon.asgi
from asgi_linter import Linter
from falcon.asgi import SSEvent

happened = []

class Lifespan:
    async def process_startup(self, scope, event):
        print("up", flush=True)

    async def process_shutdown(self, scope, event):
        print("down", flush=True)

    async def process_request(self, req, resp):
        req.context.user = req.get_header("x-user", default="nobody")

    async def process_response(self, req, resp, resource, req_succeeded):
        resp.set_header("x-user", req.context.user)

    async def process_request_ws(self, req, ws):
        req.context.user = req.get_header("x-user", default="nobody")

async def only_known(req, resp, resource, params):
    if req.context.user == "nobody":
        raise falcon.HTTPUnauthorized(title="who?", challenges=["Basic"])

class Items:
    async def on_get(self, req, resp, number):
        resp.media = {"number": number, "q": req.get_param_as_list("q"),
                      "uri": req.uri, "host": req.host,
                      "cookie": req.cookies.get("color")}
        resp.set_cookie("color", "blue", secure=False)
        resp.etag = "abc"

    @falcon.before(only_known)
    async def on_put(self, req, resp, number):
        resp.media = await req.get_media()
        resp.status = falcon.HTTP_201

    async def on_delete(self, req, resp, number):
        resp.status = 204
        # What is done when the answer is out.
        async def work():
            happened.append(f"deleted {number}")
        resp.schedule(work)

class Form:
    async def on_post(self, req, resp):
        said = {}
        async for part in await req.get_media():
            if part.filename:
                digest, n = hashlib.sha256(), 0
                while data := await part.stream.read(50_000):
                    digest.update(data)
                    n += len(data)
                said[part.name] = [part.secure_filename, n, digest.hexdigest()]
            elif part.content_type == "application/json":
                said[part.name] = await part.get_media()
            else:
                said[part.name] = await part.get_text()
        resp.media = said

    async def on_post_urlencoded(self, req, resp):
        resp.media = await req.get_media()

class Echo:
    async def on_post(self, req, resp):
        async def parts():
            async for piece in req.stream:
                yield piece
        resp.stream = parts()

class File:
    async def on_get(self, req, resp):
        size = os.path.getsize(__file__)
        resp.set_stream(Reader(open(__file__, "rb")), size)

class Reader:
    def __init__(self, file):
        self.file = file

    async def read(self, n=-1):
        return self.file.read(n)

    async def close(self):
        self.file.close()
        happened.append("file closed")

class Events:
    async def on_get(self, req, resp):
        async def parts():
            try:
                for i in range(3):
                    yield SSEvent(json={"n": i}, event="tick", event_id=str(i))
                while True:
                    yield None
                    await asyncio.sleep(0.01)
            finally:
                happened.append("events over")
        resp.sse = parts()

class Happened:
    async def on_get(self, req, resp):
        resp.media = happened

class Broken:
    async def on_get(self, req, resp):
        raise LookupError("a fault of the application")

    async def on_post(self, req, resp):
        raise falcon.HTTPTooManyRequests(title="slowly", retry_after=7)

async def on_lookup(req, resp, ex, params, ws=None):
    raise falcon.HTTPInternalServerError(title="handled", description=str(ex))

class Room:
    async def on_websocket(self, req, ws, room):
        if room == "closed":
            raise falcon.HTTPForbidden()
        if room == "none":
            return
        await ws.accept("chat" if "chat" in ws.subprotocols else None,
                        headers={"x-room": room})
        try:
            while True:
                data = await ws.receive_media()
                if data == "close":
                    await ws.close(4000, "enough")
                    return
                await ws.send_media([room, req.context.user, data])
        except falcon.WebSocketDisconnected as gone:
            happened.append(f"left with {gone.code}")

class Data:
    async def on_websocket(self, req, ws):
        await ws.accept()
        try:
            while True:
                await ws.send_data(await ws.receive_data())
        except falcon.WebSocketDisconnected:
            pass

fal = falcon.asgi.App(middleware=[Lifespan()], cors_enable=True)
fal.add_error_handler(LookupError, on_lookup)
fal.add_route("/items/{number:int(min=1)}", Items())
fal.add_route("/form", Form())
fal.add_route("/urlencoded", Form(), suffix="urlencoded")
for name in ("Echo", "File", "Events", "Happened", "Broken", "Data"):
    fal.add_route("/" + name.lower(), globals()[name]())
fal.add_route("/rooms/{room}", Room())
fal.add_static_route("/static", os.path.abspath("."))
app = Linter(fal)
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


def test_resources(server: Server, client: httpx.Client) -> None:
    path = "/items/7?q=1&q=a%20b"
    answer = client.get(path, headers={"x-user": "ann"})
    assert answer.json() == {
        "number": 7,
        "q": ["1", "a b"],
        "uri": server.url + path,
        "host": "127.0.0.1",
        "cookie": None,
    }
    assert (answer.headers["x-user"], answer.headers["etag"]) == (
        *("ann", '"abc"'),
    )
    assert client.get(path).json()["cookie"] == "blue"
    head = client.head("/items/7")
    assert head.status_code == 405
    answer = client.options("/items/7")
    assert "PUT" in answer.headers["allow"]
    assert client.get("/items/0").status_code == 404
    answer = client.put("/items/7", json=["é"])
    assert (answer.status_code, answer.headers["www-authenticate"]) == (
        *(401, "Basic"),
    )
    user = {"x-user": "ann"}
    answer = client.put("/items/7", json=["é"], headers=user)
    assert (answer.status_code, answer.json()) == (201, ["é"])
    kind = user | {"content-type": "application/json"}
    answer = client.put("/items/7", content=b"{", headers=kind)
    assert answer.status_code == 400
    answer = client.delete("/items/7")
    assert (answer.status_code, answer.content) == (204, b"")
    wait_happened(client, "deleted 7")


def test_errors(client: httpx.Client) -> None:
    answer = client.get("/broken")
    assert answer.status_code == 500
    assert answer.json()["description"] == "a fault of the application"
    answer = client.post("/broken")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


def test_forms(client: httpx.Client) -> None:
    data = bytes(range(256)) * 12_000
    answer = client.post(
        "/form",
        data={"note": "né"},
        files={
            "file": ("a b.bin", data),
            "more": (None, '{"a": 1}', "application/json"),
        },
    )
    assert answer.json() == {
        "note": "né",
        "file": ["a_b.bin", len(data), hashlib.sha256(data).hexdigest()],
        "more": {"a": 1},
    }
    answer = client.post("/urlencoded", data={"a": "1 2", "b": ["x", "y"]})
    assert answer.json() == {"a": "1 2", "b": ["x", "y"]}


def test_streams(client: httpx.Client) -> None:
    data = bytes(range(256)) * 4000
    pieces = (data[i : i + 10_000] for i in range(0, len(data), 10_000))
    answer = client.post("/echo", content=pieces)
    assert answer.content == data
    assert answer.headers["transfer-encoding"] == "chunked"
    answer = client.get("/file")
    assert answer.text == APP
    assert answer.headers["content-length"] == str(len(APP.encode()))
    wait_happened(client, "file closed")


def test_events(client: httpx.Client) -> None:
    with client.stream("GET", "/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        found: list[str] = []
        while sum(line.startswith("data") for line in found) < 3:
            found.append(next(lines))
    assert [line for line in found if line.startswith(("data", "id"))] == [
        *("id: 0", 'data: {"n": 0}', "id: 1", 'data: {"n": 1}'),
        *("id: 2", 'data: {"n": 2}'),
    ]
    wait_happened(client, "events over")


def test_websockets(server: Server, client: httpx.Client) -> None:
    where = f"ws://127.0.0.1:{server.port}"
    with connect(
        f"{where}/rooms/a",
        subprotocols=["x", "chat"],
        additional_headers={"x-user": "ann"},
        proxy=None,
    ) as ws:
        assert ws.subprotocol == "chat"
        assert ws.response and ws.response.headers["x-room"] == "a"
        for n in range(10):
            ws.send(json.dumps(["é", n]))
            assert json.loads(ws.recv(10)) == ["a", "ann", ["é", n]]
        ws.close(3456)
    wait_happened(client, "left with 3456")
    with connect(f"{where}/rooms/a", proxy=None) as ws:
        ws.send('"close"')
        assert close_of(ws) == (4000, "enough")
    with connect(f"{where}/data", proxy=None) as ws:
        for data in (b"", b"\0\xff" * 100_000):
            ws.send(data)
            assert ws.recv(10) == data
    for path in ("/rooms/closed", "/rooms/none", "/nowhere"):
        assert denial(where + path).status_code == 403, path
