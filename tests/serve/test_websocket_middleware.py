"""Handshakes of WebSockets go through the middleware around handlers."""

from __future__ import annotations

import pytest
from serving import Server, Servers, wait_for
from wsclient import handshake, ws_connect, ws_refused

APP = """
import asyncio
import contextvars
from rupy import Response, Rupy

app = Rupy()
inner = Rupy()
who = contextvars.ContextVar("who", default="nobody")
calls, kept = [], []
gate = asyncio.Event()

@app.middleware
async def authenticate(request, call_next):
    key = request.headers.get("x-key")
    calls.append(request.path)
    if key == "raise":
        raise ValueError("no key")
    if key == "wait":
        await gate.wait()
    if key == "kept":
        return kept[0]
    if key is None:
        return Response("who are you?", 401)
    request.state.key = key
    who.set(key)
    response = await call_next(request)
    if key == "late":
        return Response("too late", 403)
    if key == "status":
        response.status = 403
    if key == "keep":
        kept.append(response)
    response.headers["x-seen"] = str(response.status)
    return response

@app.middleware
def threaded(request, call_next):
    if request.headers.get("x-key") == "thread":
        return "by a thread", 402
    return call_next(request)

@app.after_request
def after(request, response):
    calls.append([request.path, response.status])
    return response

@app.error_handler(ValueError)
def error(request, e):
    return f"error: {e}", 418

@app.get("/calls")
def get_calls(request):
    return calls

@app.get("/go")
def go(request):
    gate.set()
    return "gone"

@app.get("/page")
def page(request):
    return "page"

@app.websocket("/ws/<name>")
async def talk(ws, name: str):
    calls.append("handler")
    await ws.accept()
    await ws.send(f"{name} {ws.state.key} {who.get()}")
    async for message in ws:
        await ws.send(message)

@app.websocket("/denies")
async def denies(ws):
    await ws.deny(("denied", 405))

@inner.websocket("/<name>")
async def mounted(ws, name: str):
    await ws.accept()
    await ws.send(f"{name} {ws.state.key}")

async def asgi(scope, receive, send):
    calls.append("asgi")
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": scope["type"]})
    await receive()

app.mount("/inner", inner)
app.mount("/asgi", asgi)
"""


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP)


def calls(server: Server) -> list[object]:
    """Since they were looked at the last time."""
    found: list[object] = server.get("/calls", X_Key="a").json()
    return found


PLACES = ["/ws/a", "/denies", "/inner/a", "/asgi/a"]


@pytest.mark.parametrize("path", PLACES)
def test_what_stands_around_refuses(server: Server, path: str) -> None:
    n = len(calls(server))
    answer = ws_refused(server, path)
    assert (answer.status, answer.text) == (401, "who are you?")
    answer = ws_refused(server, path, X_Key="raise")
    assert (answer.status, answer.text) == (418, "error: no key")
    answer = ws_refused(server, path, X_Key="thread")
    assert (answer.status, answer.text) == (402, "by a thread")
    answer = ws_refused(server, path, X_Key="late")
    assert (answer.status, answer.text) == (403, "too late")
    assert "handler" not in calls(server)[n:]
    assert "asgi" not in calls(server)[n:]


def test_a_refused_connection_goes_on(server: Server) -> None:
    with server.connect() as client:
        client.send(handshake("/ws/a")[0])
        assert client.answer().status == 401
        assert client.get("/page", X_Key="a").text == "page"


def test_the_handler_finds_what_was_set_around_it(server: Server) -> None:
    n = len(calls(server))
    ws = ws_connect(server, "/ws/ada", X_Key="open")
    assert ws.message() == "ada open open"
    assert ws.echo("a") == "a"
    assert ws.close() == 1000
    assert "x-seen" not in ws.headers
    assert calls(server)[n + 1 : n + 4] == [
        "/ws/ada",
        ["/ws/ada", 101],
        "handler",
    ]


def test_mounted_applications(server: Server) -> None:
    assert ws_connect(server, "/inner/b", X_Key="k").message() == "b k"
    assert ws_connect(server, "/asgi/b", X_Key="k").message() == "websocket"
    answer = ws_refused(server, "/denies", X_Key="k")
    assert (answer.status, answer.text) == (405, "denied")


def test_the_answer_of_a_handshake_cannot_be_changed(server: Server) -> None:
    assert ws_refused(server, "/ws/a", X_Key="status").status == 500
    server.wait_log("give another answer to refuse it")


def test_the_answer_of_one_handshake_is_not_that_of_another(
    server: Server,
) -> None:
    assert ws_connect(server, "/ws/a", X_Key="keep").message() == "a keep keep"
    for path in PLACES:
        assert ws_refused(server, path, X_Key="kept").status == 500
    assert server.get("/page", X_Key="kept").status == 500


def test_a_handshake_that_is_none_goes_through_too(server: Server) -> None:
    assert server.get("/ws/a").status == 401
    answer = server.get("/ws/a", X_Key="a")
    assert answer.status == 426
    assert answer.get("x-seen") == "426"
    answer = ws_refused(server, "/ws/a", X_Key="a", Sec_WebSocket_Version="12")
    assert answer.status == 426


def test_clients_that_go_while_middleware_waits(serve: Servers) -> None:
    server = serve(APP)
    request = handshake("/ws/a", X_Key="wait")[0]
    closed, reset, half = (server.connect() for _ in range(3))
    for client in (closed, reset, half):
        client.send(request)
    wait_for(lambda: calls(server).count("/ws/a") == 3, "three wait")
    closed.close()
    reset.reset()
    half.shutdown()
    # What was sent before this is seen by then.
    assert server.get("/page", X_Key="a").status == 200
    server.get("/go", X_Key="a")
    assert half.answer().status == 400
    half.close()
    ws = ws_connect(server, "/ws/a", X_Key="wait")
    assert ws.message() == "a wait wait"
    assert calls(server).count("handler") == 1
    # The server cannot tell one that closed from one that half closed.
    assert calls(server).count(["/ws/a", 101]) == 3
    assert "Traceback" not in server.stderr
