"""An application for the clients of rupy.testing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from rupy import FileResponse, HTTPError, Request, Response, Rupy, redirect

gone = threading.Event()
Handler = TypeVar("Handler", bound=Callable[..., object])
handlers: list[tuple[str, tuple[str, ...], bool, Callable[..., object]]] = []


def route(
    path: str, *methods: str, threaded: bool = False
) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        handlers.append((path, methods or ("GET",), threaded, handler))
        return handler

    return register


def new_app() -> Rupy:
    """An application is served once at a time."""
    app = Rupy(__name__)
    for path, methods, threaded, handler in handlers:
        app.route(path, methods, threaded=threaded)(handler)
    return app


@route("/echo", "*")
def echo(request: Request) -> Response:
    return Response(
        {
            "method": request.method,
            "target": request.raw_path.decode(),
            "query": request.query.items(),
            "headers": dict(request.headers.items()),
            "cookies": request.cookies,
            "body": request.body.decode("latin-1"),
            "client": request.client,
            "url": request.url,
        }
    )


@route("/set/<name>/<value>")
def set_cookie(name: str, value: str) -> Response:
    response = Response("set")
    response.set_cookie(name, value)
    return response


@route("/delete/<name>")
def delete_cookie(name: str) -> Response:
    response = Response("deleted")
    response.delete_cookie(name)
    return response


@route("/secure")
def secure() -> Response:
    response = Response("set")
    response.set_cookie("s", "1", secure=True, path="/echo")
    return response


@route("/to/<n:int>")
def to(n: int) -> Response:
    return redirect(f"/to/{n - 1}" if n else "/echo")


@route("/moved/<status:int>", "POST")
def moved(status: int) -> Response:
    return redirect("../echo", status)


@route("/forever")
def forever() -> Response:
    return redirect("/forever")


@route("/away")
def away() -> Response:
    return redirect("http://example.com/")


@route("/boom")
def boom() -> str:
    raise ZeroDivisionError("by design")


@route("/boom/later")
async def boom_later() -> AsyncIterator[str]:
    yield "begun"
    raise LookupError("in the middle")


@route("/teapot")
def teapot() -> str:
    raise HTTPError(418)


@route("/never")
async def never() -> str:
    await asyncio.sleep(3600)
    return ""


@route("/pieces")
async def pieces() -> AsyncIterator[bytes]:
    try:
        for i in range(100_000):
            yield b"piece %d\n" % i
            await asyncio.sleep(0.01)
    finally:
        gone.set()


@route("/cut-characters")
async def cut_characters() -> AsyncIterator[bytes]:
    for byte in "é\r\nü€".encode():
        yield bytes([byte])
        await asyncio.sleep(0.01)


@route("/stuck")
async def stuck() -> AsyncIterator[bytes]:
    yield b"begun"
    await asyncio.sleep(3600)


@route("/file")
def file() -> Response:
    return FileResponse(__file__, content_type="text/x-python")


@route("/latin")
def latin() -> Response:
    return Response(
        "ä".encode("latin-1"), content_type="text/plain; charset=latin-1"
    )


@route("/threaded", threaded=True)
def threaded() -> str:
    raise KeyError("in a thread")
