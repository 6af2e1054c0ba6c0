"""FastAPI, and Starlette below it: what their tutorials show, over a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest
from asgi_said import check_linter
from framework_story import denial, serve_linted
from serving import Server, Servers, wait_for
from websockets.sync.client import connect

pytest.importorskip("fastapi")

APP = """
import asyncio
import contextlib
from enum import Enum
from typing import Annotated

from asgi_linter import Linter
from fastapi import (
    BackgroundTasks, Body, Cookie, Depends, FastAPI, File, Form, Header,
    HTTPException, Path, Query, Request, Response, UploadFile, WebSocket,
    WebSocketDisconnect, WebSocketException, status)
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import (
    FileResponse, HTMLResponse, JSONResponse, RedirectResponse,
    StreamingResponse)
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.middleware.sessions import SessionMiddleware

happened = []

@contextlib.asynccontextmanager
async def lifespan(app):
    print("up", flush=True)
    yield {"database": "connected"}
    print("down", flush=True)

fast = FastAPI(lifespan=lifespan)
fast.add_middleware(GZipMiddleware, minimum_size=2000)
fast.add_middleware(CORSMiddleware, allow_origins=["https://a.example"])

class Model(str, Enum):
    alexnet = "alexnet"
    resnet = "resnet"

class Item(BaseModel):
    name: str
    price: float
    tags: list[str] = []

class Shown(BaseModel):
    name: str

@fast.middleware("http")
async def add_header(request: Request, call_next):
    response = await call_next(request)
    response.headers["x-middleware"] = request.method
    return response

@fast.get("/models/{name}")
async def get_model(name: Model):
    return {"name": name, "is_resnet": name is Model.resnet}

@fast.get("/files/{path:path}")
async def read_path(path: str):
    return {"path": path}

@fast.get("/items/")
def read_items(q: Annotated[str | None, Query(max_length=5)] = None,
               tags: Annotated[list[str], Query()] = []):
    return {"q": q, "tags": tags}

@fast.put("/items/{number}", response_model=Shown,
          status_code=status.HTTP_201_CREATED)
async def put_item(number: Annotated[int, Path(ge=1)], item: Item,
                   importance: Annotated[int, Body()]):
    return item

@fast.get("/seen")
async def seen(request: Request, user_agent: Annotated[str, Header()],
               color: Annotated[str, Cookie()] = ""):
    return {"agent": user_agent, "color": color,
            "state": request.state.database}

@fast.get("/cookie")
async def set_cookie(response: Response):
    response.set_cookie("color", "blue")
    response.set_cookie("size", "9")
    return {}

@fast.post("/login")
async def login(form: Annotated[OAuth2PasswordRequestForm, Depends()]):
    return {"access_token": form.username, "token_type": "bearer"}

@fast.get("/me")
async def me(token: Annotated[
        str, Depends(OAuth2PasswordBearer(tokenUrl="login"))]):
    return token

@fast.post("/form")
async def form(note: Annotated[str, Form()], one: UploadFile,
               many: Annotated[list[UploadFile], File()]):
    return {"note": note, "name": one.filename,
            "sizes": [len(await f.read()) for f in [one, *many]]}

async def session():
    happened.append("opened")
    try:
        yield "session"
    except LookupError:
        happened.append("rolled back")
        raise
    finally:
        happened.append("closed")

@fast.get("/depends")
async def depends(db: Annotated[str, Depends(session)], fail: bool = False):
    if fail:
        raise LookupError("no such thing")
    return db

@fast.get("/happened")
async def get_happened():
    return happened

@fast.exception_handler(LookupError)
async def on_lookup(request, exc):
    return JSONResponse({"missing": str(exc)}, status_code=418)

@fast.get("/teapot")
async def teapot():
    raise HTTPException(404, "no tea", headers={"x-error": "yes"})

@fast.get("/broken")
async def broken():
    return 1 / 0

@fast.post("/notify")
async def notify(tasks: BackgroundTasks):
    async def write(text):
        await asyncio.sleep(0.05)
        happened.append(text)
    tasks.add_task(write, "notified")
    tasks.add_task(happened.append, "twice")
    return "sent"

@fast.get("/stream")
async def stream():
    async def parts():
        try:
            for i in range(5):
                yield f"{i} "
                await asyncio.sleep(0)
        finally:
            happened.append("stream over")
    return StreamingResponse(parts(), media_type="text/event-stream")

@fast.get("/endless")
async def endless():
    async def parts():
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.001)
        finally:
            happened.append("endless over")
    return StreamingResponse(parts())

class Rooms:
    def __init__(self):
        self.members = []

    async def tell(self, what):
        for member in self.members:
            await member.send_json(what)

rooms = Rooms()

async def known(ws: WebSocket, token: Annotated[str | None, Query()] = None):
    if token is None:
        raise WebSocketException(status.WS_1008_POLICY_VIOLATION)
    happened.append("ws opened")
    yield token
    happened.append("ws closed")

@fast.websocket("/rooms/{number}")
async def room(ws: WebSocket, number: int,
               token: Annotated[str, Depends(known)]):
    await ws.accept()
    rooms.members.append(ws)
    try:
        while True:
            await rooms.tell([number, token, await ws.receive_text()])
    except WebSocketDisconnect as gone:
        rooms.members.remove(ws)
        await rooms.tell(["left", gone.code])

PAGE = '''<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<p id="state"></p><pre id="log"></pre><script>
const log = document.getElementById("log")
const ws = new WebSocket(`ws://${location.host}/rooms/1?token=browser`)
ws.onopen = () => { document.getElementById("state").textContent = "open" }
ws.onmessage = event => { log.textContent += event.data + "\\n" }
</script>'''

@fast.get("/page", response_class=HTMLResponse)
def page():
    return PAGE

@fast.get("/large")
async def large():
    return "x" * 100_000

@fast.get("/html", response_class=HTMLResponse)
def html():
    return "<p>h\\u00e9</p>"

@fast.get("/old")
async def old():
    return RedirectResponse("/items/")

@fast.get("/download")
async def download():
    return FileResponse(__file__, filename="app.py")

sub = FastAPI()

@sub.get("/where")
async def where(request: Request):
    return {"root": request.scope["root_path"], "url": str(request.url)}

fast.mount("/sub", sub)
fast.mount("/static", StaticFiles(directory="."))
app = Linter(fast)
"""


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Iterator[Server]:
    server = serve_linted(serve_module, APP)
    yield server
    check_linter(server)


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


def happened(client: httpx.Client) -> list[str]:
    found: list[str] = client.get("/happened").json()
    return found


def test_parameters(client: httpx.Client) -> None:
    said = client.get("/models/resnet").json()
    assert said == {"name": "resnet", "is_resnet": True}
    assert client.get("/models/other").status_code == 422
    assert client.get("/files//etc/a%20b").json() == {"path": "/etc/a b"}
    said = client.get("/items/?q=a%C3%A9&tags=1&tags=2").json()
    assert said == {"q": "aé", "tags": ["1", "2"]}
    assert client.get("/items/?q=123456").status_code == 422
    said = client.get(
        "/seen", headers={"user-agent": "me", "cookie": "a=b; color=red"}
    ).json()
    assert said == {"agent": "me", "color": "red", "state": "connected"}


def test_bodies_and_models(client: httpx.Client) -> None:
    item = {"name": "foo", "price": 1.5, "tags": ["a"]}
    body = {"item": item, "importance": 5}
    answer = client.put("/items/1", json=body)
    assert (answer.status_code, answer.json()) == (201, {"name": "foo"})
    assert client.put("/items/0", json=body).status_code == 422
    assert client.put("/items/1", content=b"{").status_code == 422


def test_cookies_and_security(client: httpx.Client) -> None:
    answer = client.get("/cookie")
    assert len(answer.headers.get_list("set-cookie")) == 2
    assert client.get("/seen").json()["color"] == "blue"
    assert client.get("/me").status_code == 401
    form = {"username": "ann", "password": "x", "grant_type": "password"}
    token = client.post("/login", data=form).json()["access_token"]
    bearer = {"authorization": f"Bearer {token}"}
    assert client.get("/me", headers=bearer).json() == "ann"


def test_forms_and_files(client: httpx.Client) -> None:
    files = [
        ("one", ("a.txt", b"x" * 10)),
        ("many", ("b.txt", b"y" * 2_000_000)),
        ("many", ("c.txt", b"")),
    ]
    answer = client.post("/form", data={"note": "né"}, files=files)
    assert answer.json() == {
        "note": "né",
        "name": "a.txt",
        "sizes": [10, 2_000_000, 0],
    }


def test_dependencies_with_yield(client: httpx.Client) -> None:
    assert client.get("/depends").json() == "session"
    wait_for(lambda: happened(client)[-2:] == ["opened", "closed"], "closed")
    answer = client.get("/depends?fail=1")
    assert (answer.status_code, answer.json()["missing"]) == (
        *(418, "no such thing"),
    )
    wait_for(
        lambda: happened(client)[-3:] == ["opened", "rolled back", "closed"],
        "rolled back",
    )


def test_errors(server: Server, client: httpx.Client) -> None:
    answer = client.get("/teapot")
    assert (answer.status_code, answer.json()) == (404, {"detail": "no tea"})
    assert answer.headers["x-error"] == "yes"
    assert client.get("/broken").status_code == 500
    server.wait_log("ZeroDivisionError")
    assert client.get("/html").status_code == 200


def test_background_tasks(client: httpx.Client) -> None:
    assert client.post("/notify").json() == "sent"
    wait_for(lambda: "notified" in happened(client), "the first task")
    wait_for(lambda: "twice" in happened(client), "the second")


def test_streams(client: httpx.Client) -> None:
    with client.stream("GET", "/stream") as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        assert answer.read() == b"0 1 2 3 4 "
    assert "stream over" in happened(client)
    with client.stream("GET", "/endless") as answer:
        assert next(answer.iter_raw())
    wait_for(lambda: "endless over" in happened(client), "it is told")


def test_responses(server: Server, client: httpx.Client) -> None:
    answer = client.get("/large")
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.json()) == 100_000
    assert client.get("/html").text == "<p>hé</p>"
    assert client.get("/old", follow_redirects=True).json()["q"] is None
    answer = client.get("/download")
    assert answer.text == APP
    name = 'attachment; filename="app.py"'
    assert answer.headers["content-disposition"] == name
    part = client.get("/download", headers={"range": "bytes=1-6"})
    assert (part.status_code, part.text) == (206, "import")
    assert client.get("/html").headers["x-middleware"] == "GET"


def test_cors(client: httpx.Client) -> None:
    origin = {"origin": "https://a.example"}
    answer = client.get("/html", headers=origin)
    assert answer.headers["access-control-allow-origin"] == origin["origin"]
    asked = {**origin, "access-control-request-method": "GET"}
    assert client.options("/html", headers=asked).status_code == 200


def test_mounts_docs_and_static(server: Server, client: httpx.Client) -> None:
    said = client.get("/sub/where").json()
    assert said == {"root": "/sub", "url": f"{server.url}/sub/where"}
    assert client.get("/openapi.json").json()["openapi"].startswith("3.")
    assert client.get("/docs").status_code == 200
    name = next(server_file(server))
    answer = client.get(f"/static/{name}")
    assert answer.text == APP
    head = client.head(f"/static/{name}")
    length = str(len(APP.encode()))
    assert (head.headers["content-length"], head.content) == (length, b"")
    tag = {"if-none-match": answer.headers["etag"]}
    assert client.get(f"/static/{name}", headers=tag).status_code == 304


def server_file(server: Server) -> Iterator[str]:
    """The module of the application, as /static has it."""
    folder = server._stderr.parent.parent
    yield from (path.name for path in folder.glob("app_*.py"))


def test_websockets(server: Server, client: httpx.Client) -> None:
    where = f"ws://127.0.0.1:{server.port}/rooms/"
    with (
        connect(f"{where}1?token=a", proxy=None) as one,
        connect(f"{where}2?token=b", proxy=None) as two,
    ):
        # Both are members as soon as each has heard itself.
        two.send("hello")
        assert json.loads(two.recv(10)) == [2, "b", "hello"]
        one.send("é")
        while json.loads(one.recv(10)) != [1, "a", "é"]:
            pass
        assert json.loads(two.recv(10)) == [1, "a", "é"]
        one.close(3000)
        assert json.loads(two.recv(10)) == ["left", 3000]
    wait_for(lambda: happened(client).count("ws closed") == 2, "both closed")
    # Without a token, and with what is no number: a list as a reason.
    for path in ("1", "x?token=a"):
        assert denial(where + path).status_code == 403


def test_many_at_once(server: Server) -> None:
    async def ask() -> list[int]:
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
            paths = ["/html", "/stream", "/items/", "/depends"] * 10
            answers = await asyncio.gather(*(client.get(p) for p in paths))
            return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [200] * 40


def test_the_lifespan_ends(serve: Servers) -> None:
    server = serve_linted(serve, APP)
    assert server.stop() == 0
    assert server.stdout == "up\ndown\n"
