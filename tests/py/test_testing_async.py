"""rupy.testing.AsyncTestClient: the same inside of a running loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import rupy
from rupy import HTTPError, Request, Response, Rupy, WebSocket, redirect
from rupy import WebSocketDisconnect as Disconnect
from rupy.testing import AsyncTestClient, ProtocolError, WebSocketDenied

Test = Callable[[AsyncTestClient], Awaitable[None]]
RUNNERS: dict[str, Callable[..., Any]] = {
    "asyncio": asyncio.run,
    "rupy": rupy.run,
}


def new_app() -> Rupy:
    app = Rupy()
    meet = threading.Barrier(2, timeout=10)

    @app.route("/echo", methods=["*"])
    def echo(request: Request) -> Response:
        response = Response(request.body, content_type=request.content_type)
        response.set_cookie("seen", request.query.get("set", "yes"))
        response.headers["x-cookies"] = repr(request.cookies)
        return response

    @app.get("/to")
    def to() -> Response:
        return redirect("/echo")

    @app.get("/boom")
    async def boom() -> str:
        raise ZeroDivisionError("by design")

    @app.get("/pieces")
    async def pieces() -> AsyncIterator[str]:
        for i in range(3):
            yield f"piece {i}\n"
            await asyncio.sleep(0.01)

    @app.get("/cut-characters")
    async def cut_characters() -> AsyncIterator[bytes]:
        for byte in "é\r\nü€".encode():
            yield bytes([byte])
            await asyncio.sleep(0.01)

    @app.get("/cut")
    async def cut() -> AsyncIterator[str]:
        yield "begun"
        raise LookupError("in the middle")

    @app.get("/never")
    async def never() -> str:
        await asyncio.sleep(3600)
        return ""

    @app.get("/meet", threaded=True)
    def both() -> str:
        meet.wait()
        return "met"

    @app.websocket("/ws")
    async def ws(ws: WebSocket) -> None:
        if "deny" in ws.query:
            raise HTTPError(403, "not you")
        await ws.accept()
        async for message in ws:
            if message == "boom":
                raise ZeroDivisionError("in a socket")
            if message == "end":
                await ws.close(4000, "done")
                return
            await ws.send(message)

    return app


def play(test: Test, runner: str = "asyncio", **options: Any) -> None:
    async def main() -> None:
        async with AsyncTestClient(new_app(), **options) as client:
            await test(client)

    RUNNERS[runner](main())


@pytest.mark.parametrize("runner", RUNNERS)
def test_requests(runner: str) -> None:
    async def test(client: AsyncTestClient) -> None:
        for method in ("get", "post", "put", "patch", "delete", "options"):
            answer = await getattr(client, method)("/echo", content="ä")
            assert (answer.status, answer.text) == (200, "ä")
        assert (await client.head("/echo")).body == b""
        assert (await client.post("/echo", json=[1])).json() == [1]
        big = b"x" * (3 << 20)
        answer = await client.post("/echo", content=big)
        assert answer.body == big

        async def parts() -> AsyncIterator[bytes]:
            for part in (b"a", b"", b"bc"):
                yield part

        answer = await client.post("/echo", content=parts())
        assert answer.body == b"abc"
        assert answer.headers["x-cookies"] == "{'seen': 'yes'}"
        answer = await client.get("/to", follow_redirects=True)
        assert [r.status for r in answer.history] == [303]

    play(test, runner, limit_request_body="10m")


def test_an_early_refusal_of_a_body_is_seen() -> None:
    async def test(client: AsyncTestClient) -> None:
        answer = await client.post("/echo", content=b"x" * (3 << 20))
        assert answer.status == 413

    play(test, limit_request_body="1m")


def test_a_body_that_fails_is_the_tests_own_error() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"a"
        raise KeyError("mine")

    async def test(client: AsyncTestClient) -> None:
        with pytest.raises(KeyError, match="mine"):
            await client.post("/echo", content=parts())

    play(test)


def test_requests_are_made_at_the_same_time() -> None:
    async def test(client: AsyncTestClient) -> None:
        answers = await asyncio.gather(client.get("/meet"), client.get("/meet"))
        assert [a.text for a in answers] == ["met", "met"]

    play(test, threads=2)


def test_exceptions_are_raised_in_the_test() -> None:
    async def test(client: AsyncTestClient) -> None:
        with pytest.raises(ZeroDivisionError, match="by design"):
            await client.get("/boom")
        with pytest.raises(LookupError, match="in the middle"):
            await client.get("/cut")
        assert (await client.get("/echo")).status == 200

    play(test)


def test_the_answer_is_seen_when_nothing_is_raised() -> None:
    async def test(client: AsyncTestClient) -> None:
        assert (await client.get("/boom")).status == 500
        with pytest.raises(ProtocolError):
            await client.get("/cut")

    play(test, raise_server_exceptions=False)


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_stream_is_seen_piece_by_piece(runner: str) -> None:
    async def test(client: AsyncTestClient) -> None:
        async with client.stream("GET", "/pieces") as answer:
            assert answer.status == 200
            lines = [line async for line in answer.lines()]
            assert lines == ["piece 0", "piece 1", "piece 2"]
        async with client.stream("GET", "/cut-characters") as answer:
            assert [line async for line in answer.lines()] == ["é", "ü€"]
        async with client.stream("GET", "/pieces") as answer:
            assert await anext(aiter(answer)) == b"piece 0\n"
        async with client.stream("GET", "/pieces") as answer:
            assert (await answer.read()) == answer.body
            assert answer.text.count("piece") == 3

    play(test, runner)


def test_what_does_not_come_is_not_waited_for() -> None:
    async def test(client: AsyncTestClient) -> None:
        with pytest.raises(TimeoutError, match=r"/never: not within 0\.2 s"):
            await client.get("/never", timeout=0.2)
        async with client.websocket("/ws", timeout=0.5) as ws:
            with pytest.raises(TimeoutError, match=r"/ws: not within 0\.5 s"):
                await ws.receive()

    play(test)


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_websocket(runner: str) -> None:
    async def test(client: AsyncTestClient) -> None:
        async with client.websocket("/ws") as ws:
            await ws.send_text("ä")
            assert await ws.receive_text() == "ä"
            await ws.send_bytes(b"x" * 100_000)
            assert len(await ws.receive_bytes()) == 100_000
            await ws.send_json({"a": None})
            assert await ws.receive_json() == {"a": None}
            assert ws.close_code is None
        assert ws.close_code == 1000
        async with client.websocket("/ws") as ws:
            await ws.send("one")
            await ws.send("end")
            assert [message async for message in ws] == ["one"]
            assert (ws.close_code, ws.close_reason) == (4000, "done")
            with pytest.raises(Disconnect):
                await ws.send("late")

    play(test, runner)


def test_a_websocket_that_is_denied_or_breaks() -> None:
    async def test(client: AsyncTestClient) -> None:
        with pytest.raises(WebSocketDenied) as denied:
            async with client.websocket("/ws?deny=1"):
                pass
        assert denied.value.response.status == 403
        assert denied.value.response.text == "not you"
        async with client.websocket("/ws") as ws:
            await ws.send("boom")
            with pytest.raises(ZeroDivisionError, match="in a socket"):
                await ws.receive()

    play(test)


def test_start_up_fails_in_the_test() -> None:
    app = Rupy()

    @app.on_startup
    async def fail() -> None:
        raise ConnectionRefusedError("no database")

    async def main() -> None:
        client = AsyncTestClient(app)
        with pytest.raises(ConnectionRefusedError):
            await client.__aenter__()
        with pytest.raises(ConnectionRefusedError):
            await client.get("/")
        await client.aclose()

    asyncio.run(main())


def test_the_loop_goes_on_while_an_application_starts() -> None:
    app = Rupy()
    may_start = threading.Event()

    @app.on_startup
    def slow() -> None:
        assert may_start.wait(10)

    async def main() -> None:
        starting = asyncio.create_task(AsyncTestClient(app).__aenter__())
        await asyncio.sleep(0)
        may_start.set()
        await (await starting).aclose()

    asyncio.run(main())
