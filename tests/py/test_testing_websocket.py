"""rupy.testing.TestClient: WebSockets, native and ASGI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rupy import HTTPError, Rupy, WebSocket
from rupy import WebSocketDisconnect as Disconnect
from rupy.testing import ProtocolError, TestClient, WebSocketDenied
from rupy.testing._frames import Frames, _frame, _mask, accept_of

app = Rupy()


@app.websocket("/echo/<room>")
async def echo(ws: WebSocket, room: str) -> None:
    await ws.accept(
        subprotocol="b" if "b" in ws.subprotocols else None,
        headers={"x-room": room, "set-cookie": "room=1"},
    )
    async for message in ws:
        await ws.send(message)


@app.websocket("/about")
async def about(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_json(
        {
            "cookies": ws.cookies,
            "query": ws.query.items(),
            "url": ws.url,
            "client": ws.client,
            "x": ws.headers.get("x-a"),
        }
    )


@app.websocket("/deny")
async def deny(ws: WebSocket) -> None:
    raise HTTPError(401, "who are you?")


@app.websocket("/boom")
async def boom(ws: WebSocket) -> None:
    await ws.accept()
    await ws.receive()
    raise ZeroDivisionError("by design")


@app.websocket("/boom/first")
async def boom_first(ws: WebSocket) -> None:
    raise ZeroDivisionError("before accept")


@app.websocket("/bye")
async def bye(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send("one")
    await ws.send(b"two")
    await ws.close(4001, "enough")


@app.websocket("/after")
async def after(ws: WebSocket) -> None:
    await ws.accept()
    async for _ in ws:
        pass
    raise LookupError("after the end")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 1_000_000])
def test_messages_of_every_size(client: TestClient, size: int) -> None:
    with client.websocket("/echo/1") as ws:
        ws.send("x" * size)
        assert ws.receive() == "x" * size
        ws.send(b"\xff" * size)
        assert ws.receive() == b"\xff" * size


def test_json_and_kinds(client: TestClient) -> None:
    with client.websocket("/echo/1") as ws:
        ws.send_json({"ä": [None]})
        assert ws.receive_json() == {"ä": [None]}
        ws.send_text("a")
        with pytest.raises(AssertionError):
            ws.receive_bytes()
        ws.send_bytes(b"a")
        assert ws.receive_bytes() == b"a"


def test_the_handshake_is_seen(client: TestClient) -> None:
    with client.websocket("/echo/lobby", subprotocols=["a", "b"]) as ws:
        assert ws.response.status == 101
        assert ws.headers["x-room"] == "lobby"
        assert ws.subprotocol == "b"
    with client.websocket("/echo/lobby") as ws:
        assert ws.subprotocol is None
    assert client.cookies["room"] == "1"
    client.cookies.clear()


def test_what_the_client_says_is_seen(client: TestClient) -> None:
    with client.websocket(
        "/about", params={"q": 1}, headers={"x-a": "b"}, cookies={"c": "d"}
    ) as ws:
        assert ws.receive_json() == {
            "cookies": {"c": "d"},
            "query": [["q", "1"]],
            "url": "ws://testserver/about?q=1",
            "client": ["127.0.0.1", 50000],
            "x": "b",
        }


def test_the_end_by_the_client(client: TestClient) -> None:
    with client.websocket("/echo/1") as ws:
        assert ws.close_code is None
        ws.close(4002, "bye")
        assert ws.close_code == 4002
        with pytest.raises(Disconnect):
            ws.send("late")
        with pytest.raises(Disconnect):
            ws.receive()


def test_the_end_by_the_server(client: TestClient) -> None:
    with client.websocket("/bye") as ws:
        assert list(ws) == ["one", b"two"]
        assert (ws.close_code, ws.close_reason) == (4001, "enough")
    with client.websocket("/bye") as ws:
        assert (ws.receive(), ws.receive()) == ("one", b"two")
        with pytest.raises(Disconnect) as end:
            ws.receive()
        assert (end.value.code, end.value.reason) == (4001, "enough")


def test_a_handshake_that_is_denied(client: TestClient) -> None:
    with (
        pytest.raises(WebSocketDenied, match="401") as denied,
        client.websocket("/deny"),
    ):
        pass
    assert denied.value.response.text == "who are you?"
    with (
        pytest.raises(WebSocketDenied) as denied,
        client.websocket("/no/such"),
    ):
        pass
    assert denied.value.response.status in (403, 404)


def test_exceptions_of_the_handler(client: TestClient) -> None:
    with client.websocket("/boom") as ws:
        ws.send("now")
        with pytest.raises(ZeroDivisionError, match="by design"):
            ws.receive()
        assert ws.close_code == 1011
    with (
        pytest.raises(ZeroDivisionError, match="before accept"),
        client.websocket("/boom/first"),
    ):
        pass
    with (
        pytest.raises(LookupError, match="after the end"),
        client.websocket("/after"),
    ):
        pass


def test_what_does_not_come_is_not_waited_for(client: TestClient) -> None:
    with (
        client.websocket("/echo/1", timeout=0.3) as ws,
        pytest.raises(TimeoutError, match=r"not within 0\.3 s"),
    ):
        ws.receive()


def test_an_asgi_websocket() -> None:
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("not here")
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                return
            await send({"type": "websocket.send", "text": event["text"]})

    with TestClient(asgi) as client, client.websocket("/") as ws:
        ws.send("a")
        assert ws.receive() == "a"


# ---- frames, by the examples of RFC 6455 ----


def test_the_key_is_answered_by_the_book() -> None:
    # RFC 6455 1.3
    assert (
        accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    )


def test_the_mask_by_the_book() -> None:
    # RFC 6455 5.7
    masked = bytes.fromhex("7f 9f 4d 51 58")
    assert _mask(b"Hello", bytes.fromhex("37 fa 21 3d")) == masked


@pytest.mark.parametrize("cut", range(1, 9))
def test_fragments_and_a_ping_between_them(cut: int) -> None:
    data = (
        b"\x01\x03Hel"  # RFC 6455 5.7
        b"\x89\x02hi"
        b"\x80\x02lo"
        b"\x82\x01\xff"
        b"\x88\x04\x03\xe8ok"
    )
    frames = Frames()
    for i in range(0, len(data), cut):
        frames.feed(data[i : i + cut])
    assert list(frames.messages) == ["Hello", b"\xff"]
    assert (frames.close_code, frames.close_reason) == (1000, "ok")
    out = frames.take_output()
    assert (out[0], out[1] & 0x7F) == (0x8A, 2)
    assert (out[8], len(out)) == (0x88, 8 + 8)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x81\x80\0\0\0\0", "masked"),
        (b"\xc1\x00", "reserved"),
        (b"\x80\x00", "out of order"),
        (b"\x01\x01a\x01\x01b", "out of order"),
        (b"\x8b\x00", "unknown"),
    ],
)
def test_frames_that_no_server_may_send(data: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        Frames().feed(data)


def test_a_lost_connection_is_1006() -> None:
    frames = Frames()
    frames.feed(_frame(1, b"")[:1])
    frames.feed(b"")
    assert frames.close_code == 1006
