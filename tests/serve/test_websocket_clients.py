"""WebSockets as other people's clients see them: the package websockets."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
import websockets
from serving import Server, Servers, wait_for
from wsclient import TEXT, frame, handshake, ws_connect

COUNT = """
import gc
from collections import Counter

def count():
    gc.collect()
    return len(gc.get_objects())
"""
NATIVE = (
    COUNT
    + """
from rupy import Rupy
app = Rupy()

@app.websocket("/")
async def echo(ws):
    await ws.accept()
    async for message in ws:
        await ws.send(message)

@app.websocket("/deny")
async def deny(ws):
    await ws.deny(("no", 401))

@app.get("/count")
async def objects():
    return {"n": count()}
"""
)
ASGI = (
    COUNT
    + """
import json

async def app(scope, receive, send):
    if scope["type"] == "http":
        body = json.dumps({"n": count()}).encode()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": body})
        return
    if scope["type"] != "websocket":
        raise NotImplementedError
    await receive()
    if scope["path"] == "/deny":
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        message["type"] = "websocket.send"
        await send(message)
"""
)


@pytest.fixture(scope="module", params=[NATIVE, ASGI], ids=["native", "asgi"])
def server(serve_module: Servers, request: pytest.FixtureRequest) -> Server:
    return serve_module(request.param, "--ws-per-message-deflate")


def url(server: Server, path: str = "/") -> str:
    return f"ws://127.0.0.1:{server.port}{path}"


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_fifty_clients_without_cross_talk(
    server: Server, compression: str | None
) -> None:
    async def client(i: int) -> None:
        rng = random.Random(i)
        async with websockets.connect(
            url(server), compression=compression
        ) as ws:
            if compression:
                extensions = ws.response.headers["Sec-WebSocket-Extensions"]
                assert "permessage-deflate" in extensions
            for j in range(20):
                text = f"{i} {j} " + "x" * rng.randrange(3000)
                data = rng.randbytes(rng.randrange(3000))
                await ws.send(text)
                await ws.send(data)
                assert await ws.recv() == text
                assert await ws.recv() == data
        assert ws.close_code == 1000

    async def main() -> None:
        await asyncio.wait_for(
            asyncio.gather(*(client(i) for i in range(50))), 60
        )

    asyncio.run(main())


def test_a_denied_handshake(server: Server) -> None:
    async def main() -> None:
        with pytest.raises(websockets.InvalidStatus) as error:
            await websockets.connect(url(server, "/deny"))
        assert error.value.response.status_code in (401, 403)

    asyncio.run(main())


def test_pings_of_the_client_are_answered(server: Server) -> None:
    async def main() -> None:
        async with websockets.connect(url(server)) as ws:
            await asyncio.wait_for(await ws.ping(b"data"), 10)

    asyncio.run(main())


def count(server: Server) -> int:
    return int(server.get("/count").json()["n"])


def leaks(server: Server, act: Any) -> None:
    """After act() there are as many objects as before, but for caches."""
    act()
    count(server)
    before = count(server)
    act()
    try:
        wait_for(lambda: count(server) <= before + 50, "it is all gone")
    except AssertionError:
        raise AssertionError(
            f"{before} objects, then {count(server)}"
        ) from None


def test_ten_thousand_messages_leave_nothing(server: Server) -> None:
    def act() -> None:
        ws = ws_connect(server)
        for i in range(50):
            ws.client.send(
                b"".join(frame(TEXT, f"{i} {j}") for j in range(100))
            )
            for j in range(100):
                assert ws.message() == f"{i} {j}"
        ws.close()

    leaks(server, act)


def test_a_thousand_connections_leave_nothing(server: Server) -> None:
    def act() -> None:
        for i in range(500):
            ws = ws_connect(server)
            assert ws.echo("a") == "a"
            match i % 4:
                case 0:
                    assert ws.close() == 1000
                case 1:
                    ws.client.reset()
                case 2:
                    ws.client.close()
                case _:
                    ws.send(3)
                    assert ws.close_code() == 1002
                    ws.client.close()
            if i % 10 == 0:
                with server.connect() as client:
                    client.send(handshake("/deny")[0])
                    assert client.answer().status in (401, 403)

    leaks(server, act)


def test_the_echo_example(serve: Servers) -> None:
    server = serve("rupy.examples.websocket_echo:app")
    assert ws_connect(server).echo("a") == "a"
    assert ws_connect(server, "/greet/Ada").message() == '{"hello":"Ada"}'


def test_the_chat_example(serve: Servers) -> None:
    server = serve("rupy.examples.websocket_chat:app")
    assert "new WebSocket" in server.get("/rooms/a").text
    ada = ws_connect(server, "/rooms/a?name=Ada")
    assert ada.message() == "Ada is here"
    bob = ws_connect(server, "/rooms/a?name=Bob")
    other = ws_connect(server, "/rooms/b?name=Eve")
    assert ada.message() == bob.message() == "Bob is here"
    assert other.message() == "Eve is here"
    assert server.get("/rooms").json() == {"a": 2, "b": 1}
    ada.text("hello")
    assert ada.message() == bob.message() == "Ada: hello"
    bob.client.reset()
    assert ada.message() == "Bob is gone"
    assert other.echo("x") == "Eve: x"
    ada.close()
    other.close()
    wait_for(lambda: server.get("/rooms").json() == {}, "empty rooms")
