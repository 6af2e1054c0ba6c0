"""Tests of an application: each client has the whole server in its process.

    python -m pytest rupy/examples/testing.py

What is tested is the application below, which can be served too:

    rupy-serve rupy.examples.testing:app

    curl http://127.0.0.1:8000/
    no guests yet

    curl -X POST -d name=Ada http://127.0.0.1:8000/
    welcome, Ada

    curl http://127.0.0.1:8000/
    Ada

    curl http://127.0.0.1:8000/guests/1
    Ada
"""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator

from rupy import HTTPError, Request, Rupy, WebSocket, WebSocketDisconnect
from rupy.testing import AsyncTestClient, Server, TestClient

app = Rupy(__name__)
guests: list[str] = []


@app.get("/")
def index() -> str:
    return "\n".join(guests) or "no guests yet"


@app.post("/")
def add(request: Request) -> str:
    guests.append(request.form()["name"])
    return f"welcome, {guests[-1]}"


@app.get("/guests/<n:int>")
def guest(n: int) -> str:
    return guests[n - 1]


@app.get("/count")
async def count() -> AsyncIterator[str]:
    for n in range(1, 4):
        yield f"{n}\n"
        await asyncio.sleep(0.01)


@app.get("/secret")
def secret(request: Request) -> str:
    if request.auth_token != "sesame":
        raise HTTPError(401)
    return "open"


@app.websocket("/shout")
async def shout(ws: WebSocket) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send(str(message).upper())
        if message == "bye":
            await ws.close()


# ---- the tests ----


def test_guests(rupy_client: Callable[..., TestClient]) -> None:
    """rupy_client is a fixture that rupy brings."""
    guests.clear()
    client = rupy_client(app)
    assert client.get("/").text == "no guests yet"
    assert client.post("/", data={"name": "Ada"}).text == "welcome, Ada"
    assert client.get("/guests/1").text == "Ada"


def test_an_exception_of_a_handler_is_raised_here() -> None:
    with TestClient(app) as client:
        try:
            client.get("/guests/99")
        except IndexError:
            return
    raise AssertionError("no IndexError")


def test_an_exception_is_a_500_for_clients() -> None:
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.get("/guests/99").status == 500


def test_headers_of_all_requests() -> None:
    bearer = {"authorization": "Bearer sesame"}
    with TestClient(app, headers=bearer) as client:
        assert client.get("/secret").text == "open"
        wrong = client.get("/secret", headers={"authorization": "none"})
        assert wrong.status == 401


def test_a_stream() -> None:
    with TestClient(app) as client, client.stream("GET", "/count") as answer:
        assert list(answer.lines()) == ["1", "2", "3"]


def test_a_websocket() -> None:
    with TestClient(app) as client, client.websocket("/shout") as ws:
        ws.send("hello")
        assert ws.receive() == "HELLO"
        ws.send("bye")
        assert ws.receive() == "BYE"
        try:
            ws.receive()
        except WebSocketDisconnect as end:
            assert end.code == 1000


def test_many_at_once() -> None:
    async def main() -> None:
        async with AsyncTestClient(app) as client:
            answers = await asyncio.gather(
                *(client.get("/count") for _ in range(10))
            )
        assert {answer.text for answer in answers} == {"1\n2\n3\n"}

    asyncio.run(main())


def test_with_a_port(rupy_server: Callable[..., Server]) -> None:
    """For clients that are other programs."""
    server = rupy_server(app)
    with urllib.request.urlopen(f"{server.url}/count") as answer:
        lines: Iterator[bytes] = iter(answer)
        assert next(lines) == b"1\n"


if __name__ == "__main__":
    app.run()
