"""Frameworks on ASGI, unchanged: hello, an answer in pieces, an upload.

A framework that is not installed is passed over; what there is to install
stands in tests/requirements-frameworks.txt.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys

import pytest
from serving import Server, Servers, head_of, wait_for

STARLETTE = """
import hashlib
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import (
    FileResponse, PlainTextResponse, StreamingResponse)
from starlette.routing import Route

async def hello(request):
    print("state", request.app.state.up, flush=True)
    return PlainTextResponse(
        "hello", background=BackgroundTask(print, "background", flush=True))

async def stream(request):
    async def parts():
        for i in range(3):
            yield f"part{i} "
    return StreamingResponse(parts(), media_type="text/plain")

async def upload(request):
    digest = hashlib.sha256()
    async for piece in request.stream():
        digest.update(piece)
    return PlainTextResponse(digest.hexdigest())

async def file(request):
    return FileResponse(__file__)

import contextlib

@contextlib.asynccontextmanager
async def lifespan(app):
    app.state.up = True
    yield {"up": True}
    print("down", flush=True)

app = Starlette(lifespan=lifespan, routes=[
    Route("/", hello), Route("/stream", stream),
    Route("/upload", upload, methods=["POST"]), Route("/file", file)])
"""

FASTAPI = """
import hashlib
from fastapi import Depends, FastAPI, Request, UploadFile
from fastapi.responses import PlainTextResponse, StreamingResponse

app = FastAPI()

async def database():
    yield "database"

@app.get("/", response_class=PlainTextResponse)
def hello(db: str = Depends(database)):
    return "hello"

@app.get("/stream")
async def stream():
    def parts():
        for i in range(3):
            yield f"part{i} "
    return StreamingResponse(parts(), media_type="text/plain")

@app.post("/upload", response_class=PlainTextResponse)
async def upload(request: Request):
    return hashlib.sha256(await request.body()).hexdigest()

@app.post("/form")
async def form(file: UploadFile):
    return {"name": file.filename, "size": len(await file.read())}

@app.get("/items/{number}")
async def item(number: int, q: str = ""):
    return {"number": number, "q": q}
"""

LITESTAR = """
import hashlib
from litestar import Litestar, MediaType, Request, get, post
from litestar.response import Stream

@get("/", media_type=MediaType.TEXT)
async def hello() -> str:
    return "hello"

@get("/stream", media_type=MediaType.TEXT)
async def stream() -> Stream:
    async def parts():
        for i in range(3):
            yield f"part{i} "
    return Stream(parts())

@post("/upload", media_type=MediaType.TEXT, status_code=200,
      request_max_body_size=None)
async def upload(request: Request) -> str:
    return hashlib.sha256(await request.body()).hexdigest()

app = Litestar([hello, stream, upload])
"""

QUART = """
import hashlib
from quart import Quart, request

app = Quart(__name__)

@app.get("/")
async def hello():
    return "hello"

@app.get("/stream")
async def stream():
    async def parts():
        for i in range(3):
            yield f"part{i} "
    return parts()

@app.post("/upload")
async def upload():
    digest = hashlib.sha256()
    async for piece in request.body:
        digest.update(piece)
    return digest.hexdigest()
"""

DJANGO = """
import hashlib
from django.conf import settings

settings.configure(
    DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x",
    DATA_UPLOAD_MAX_MEMORY_SIZE=None)

from django.core.asgi import get_asgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

def hello(request):
    return HttpResponse("hello")

async def stream(request):
    async def parts():
        for i in range(3):
            yield f"part{i} "
    return StreamingHttpResponse(parts())

async def upload(request):
    return HttpResponse(hashlib.sha256(request.body).hexdigest())

urlpatterns = [path("", hello), path("stream", stream), path("upload", upload)]
app = get_asgi_application()
"""

SANIC = """
import hashlib
from sanic import Sanic, text

app = Sanic("story")
app.config.ACCESS_LOG = False

@app.get("/")
async def hello(request):
    return text("hello")

@app.get("/stream")
async def stream(request):
    answer = await request.respond(content_type="text/plain")
    for i in range(3):
        await answer.send(f"part{i} ")
    await answer.eof()

@app.post("/upload", stream=True)
async def upload(request):
    digest = hashlib.sha256()
    async for piece in request.stream:
        digest.update(piece)
    return text(digest.hexdigest())
"""

FALCON = """
import hashlib
import falcon
import falcon.asgi

class Hello:
    async def on_get(self, req, resp):
        resp.text = "hello"

class Stream:
    async def on_get(self, req, resp):
        async def parts():
            for i in range(3):
                yield b"part%d " % i
        resp.stream = parts()

class Upload:
    async def on_post(self, req, resp):
        digest = hashlib.sha256()
        async for piece in req.stream:
            digest.update(piece)
        resp.text = digest.hexdigest()

app = falcon.asgi.App()
app.add_route("/", Hello())
app.add_route("/stream", Stream())
app.add_route("/upload", Upload())
"""

FRAMEWORKS = {
    "starlette": STARLETTE,
    "fastapi": FASTAPI,
    "litestar": LITESTAR,
    "quart": QUART,
    "django": DJANGO,
    "sanic": SANIC,
    "falcon": FALCON,
}
UPLOAD = bytes(range(256)) * 8192


def serve_framework(serve: Servers, name: str) -> Server:
    if not importlib.util.find_spec(name):
        pytest.skip(f"{name} is not installed")
    return serve(FRAMEWORKS[name], "--interface", "asgi", "--venv", sys.prefix)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_hello_stream_upload(serve: Servers, name: str) -> None:
    server = serve_framework(serve, name)
    with server.connect() as client:
        for _ in range(3):
            answer = client.get("/")
            assert (answer.status, answer.text) == (200, "hello")
            answer = client.get("/stream")
            assert (answer.status, answer.text) == (200, "part0 part1 part2 ")
            assert answer.framing == "chunked"
            answer = client.post(
                "/upload", UPLOAD, Content_Type="application/octet-stream"
            )
            assert answer.status == 200
            assert answer.text == hashlib.sha256(UPLOAD).hexdigest()
        assert client.get("/nowhere").status == 404
        client.send(head_of("GET", "/") * 8)
        assert [client.answer().text for _ in range(8)] == ["hello"] * 8
    assert "Traceback" not in server.stderr


def test_fastapi_forms_and_parameters(serve: Servers) -> None:
    server = serve_framework(serve, "fastapi")
    boundary = b"----x"
    form = (
        b'------x\r\nContent-Disposition: form-data; name="file"; '
        b'filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
        + b"x" * 100_000
        + b"\r\n------x--\r\n"
    )
    kind = f"multipart/form-data; boundary={boundary.decode()}"
    answer = server.post("/form", form, Content_Type=kind)
    assert json.loads(answer.text) == {"name": "a.txt", "size": 100_000}
    answer = server.get("/items/7?q=%C3%A9")
    assert json.loads(answer.text) == {"number": 7, "q": "é"}
    assert server.get("/items/seven").status == 422
    assert server.get("/docs").status == 200


def test_starlette_lifespan_files_background(serve: Servers) -> None:
    server = serve_framework(serve, "starlette")
    assert server.get("/").text == "hello"
    wait_for(lambda: "background" in server.stdout, "the background task")
    assert "state True" in server.stdout
    answer = server.get("/file")
    assert answer.text == STARLETTE
    part = server.get("/file", Range="bytes=1-6")
    assert (part.status, part.text) == (206, "import")
    assert server.stop() == 0
    assert "down" in server.stdout
