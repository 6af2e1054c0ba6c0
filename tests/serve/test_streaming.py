"""Answers that are made while they are sent."""

from __future__ import annotations

import socket
import time

import pytest
from serving import Server, Servers, head_of, wait_for

APP = """
import asyncio
import contextvars
import threading
from rupy import Rupy, StreamingResponse

app = Rupy()
seen = []
variable = contextvars.ContextVar("variable", default="unset")

def in_one_context(n):
    token = variable.set("mine")
    try:
        for _ in range(n):
            yield variable.get() + " " * (100000 if n > 10 else 1)
    finally:
        variable.reset(token)
        seen.append("left as entered")

@app.get("/context/inline/<n:int>")
def context(n: int):
    return in_one_context(n)

@app.get("/context/threaded/<n:int>", threaded=True)
def threaded_context(n: int):
    return in_one_context(n)

@app.get("/seen")
def so_far():
    return seen

@app.get("/pieces/<kind>")
async def pieces(kind: str):
    async def agen():
        yield "a"
        yield b"b"
    class Iterator:
        left = 2
        def __aiter__(self):
            return self
        async def __anext__(self):
            await asyncio.sleep(0)
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return "ab"[1 - self.left]
    def gen():
        yield "a"
        yield bytearray(b"b")
    content = {"agen": agen, "gen": gen, "aiter": Iterator,
               "list": lambda: ["a", memoryview(b"b")],
               "iter": lambda: iter("ab")}
    return StreamingResponse(content[kind](), 201, {"x-a": "b"}, "text/x")

@app.get("/threaded", threaded=True)
def threaded():
    def pieces():
        for _ in range(3):
            yield threading.current_thread().name.encode() + b"\\n"
    return StreamingResponse(pieces())

@app.get("/trailers/<kind>")
async def trailers(kind: str):
    total = 0
    async def count():
        nonlocal total
        for _ in range(3):
            total += 1
            yield "x"
    def give():
        if kind == "raises":
            raise ValueError("no trailers")
        return {"x-total": str(total)}
    return StreamingResponse(
        count(), trailers={"x-total": "3"} if kind == "fixed" else give)

@app.get("/length")
async def length():
    return StreamingResponse(["ab", "cd"], headers={"content-length": "4"})

@app.get("/fails/<when:int>")
async def fails(when: int):
    async def pieces():
        for i in range(3):
            if i == when:
                raise KeyError("broken")
            yield "x"
    return StreamingResponse(pieces())

@app.get("/closed/<kind>")
async def closed(kind: str):
    async def agen():
        try:
            while True:
                yield b"x" * 10000
                await asyncio.sleep(0)
        finally:
            seen.append("agen closed")
    def gen():
        try:
            while True:
                yield b"x" * 10000
        finally:
            seen.append("gen closed")
    return StreamingResponse(agen() if kind == "agen" else gen())

@app.get("/ahead")
async def ahead():
    async def pieces():
        for i in range(10000):
            app.made = i
            yield b"x" * 100000
    return StreamingResponse(pieces())

@app.get("/made")
def made():
    return str(app.made)

@app.get("/not-bytes")
async def not_bytes():
    return StreamingResponse([1, 2])
"""


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP)


def seen(server: Server) -> list[str]:
    return server.get("/seen").json()


@pytest.mark.parametrize("kind", ["agen", "gen", "aiter", "list", "iter"])
def test_any_iterable_is_streamed(server: Server, kind: str) -> None:
    answer = server.get(f"/pieces/{kind}")
    assert (answer.status, answer.text) == (201, "ab")
    assert (answer.get("x-a"), answer.get("content-type")) == ("b", "text/x")
    assert answer.framing == "chunked"
    with server.connect() as client:
        head = client.request("HEAD", f"/pieces/{kind}")
        assert (head.status, head.body) == (201, b"")
        assert client.get("/seen").status == 200


def test_a_threaded_handlers_iterable_runs_in_threads(server: Server) -> None:
    names = server.get("/threaded").text.split()
    assert len(names) == 3
    assert all(name.startswith("rupy-pool-") for name in names), names


@pytest.mark.parametrize("kind", ["fixed", "callable"])
def test_trailers_go_to_those_who_asked(server: Server, kind: str) -> None:
    with server.connect() as client:
        client.send(head_of("GET", f"/trailers/{kind}", {"te": "trailers"}))
        client.head()
        assert client._until(b"0\r\n").endswith(b"x\r\n")
        assert client._until(b"\r\n\r\n") == b"x-total: 3"
        assert client.get(f"/trailers/{kind}").text == "xxx"


def test_trailers_that_fail_end_the_connection(server: Server) -> None:
    server.may_die = False
    with server.connect() as client:
        client.send(head_of("GET", "/trailers/raises", {"te": "trailers"}))
        assert not client.ends().endswith(b"0\r\n\r\n")
    server.wait_log("no trailers")


def test_a_length_may_be_promised(server: Server) -> None:
    answer = server.get("/length")
    assert (answer.framing, answer.text) == ("length", "abcd")


def test_an_error_before_the_first_piece_is_a_500(server: Server) -> None:
    assert server.get("/fails/0").status == 500
    with server.connect() as client:
        client.send(head_of("GET", "/fails/2"))
        assert not client.ends().endswith(b"0\r\n\r\n")
    assert server.get("/not-bytes").status == 500


@pytest.mark.parametrize("kind", ["agen", "gen"])
def test_a_generator_is_closed_when_its_client_goes(
    server: Server, kind: str
) -> None:
    before = seen(server).count(f"{kind} closed")
    client = server.connect()
    client.send(head_of("GET", f"/closed/{kind}"))
    client.head()
    client.reset()
    wait_for(
        lambda: seen(server).count(f"{kind} closed") == before + 1, "its end"
    )


@pytest.mark.parametrize("kind", ["inline", "threaded"])
def test_a_generator_has_one_context(server: Server, kind: str) -> None:
    assert server.get(f"/context/{kind}/3").text == "mine mine mine "
    before = seen(server).count("left as entered")
    client = server.connect()
    client.send(head_of("GET", f"/context/{kind}/100000"))
    client.head()
    client.reset()
    wait_for(
        lambda: seen(server).count("left as entered") == before + 1, "its end"
    )


def test_a_slow_client_is_waited_for(server: Server) -> None:
    client = server.connect()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.send(head_of("GET", "/ahead"))
    assert client.head()[0] == 200

    def is_still() -> bool:
        first = server.get("/made").text
        time.sleep(0.2)
        return server.get("/made").text == first

    wait_for(is_still, "the generator waits")
    assert int(server.get("/made").text) < 1000
    client.reset()
