"""rupy.testing.TestClient: errors, streams, deadlines, the life of an app."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tested_app import gone, new_app

from rupy import Request, Rupy
from rupy.testing import ProtocolError, TestClient


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(new_app()) as client:
        yield client


# ---- exceptions of the application ----


def test_an_exception_is_raised_in_the_test(client: TestClient) -> None:
    with pytest.raises(ZeroDivisionError, match="by design") as caught:
        client.get("/boom")
    assert "boom" in [entry.name for entry in caught.traceback]
    assert client.get("/echo").status == 200
    with pytest.raises(KeyError, match="in a thread"):
        client.get("/threaded")
    assert client.get("/teapot").status == 418


def test_an_exception_in_a_stream_is_raised(client: TestClient) -> None:
    with pytest.raises(LookupError, match="in the middle"):
        client.get("/boom/later")
    with (
        pytest.raises(LookupError),
        client.stream("GET", "/boom/later") as answer,
    ):
        assert answer.status == 200
        answer.read()


def test_the_answer_is_seen_when_nothing_is_raised() -> None:
    with TestClient(new_app(), raise_server_exceptions=False) as client:
        answer = client.get("/boom")
        assert answer.status == 500
        assert "by design" not in answer.text
        with pytest.raises(ProtocolError, match="in the middle of"):
            client.get("/boom/later")


def test_two_clients_have_their_own_exceptions() -> None:
    with TestClient(new_app()) as one, TestClient(new_app()) as two:
        with pytest.raises(ZeroDivisionError):
            one.get("/boom")
        assert two.get("/echo").status == one.get("/echo").status == 200


@pytest.mark.parametrize("option", ["dev", "debug"])
def test_the_page_of_an_error_has_the_traceback(option: str) -> None:
    with TestClient(
        new_app(), raise_server_exceptions=False, **{option: True}
    ) as client:
        page = client.get("/boom", headers={"accept": "text/html"})
    assert page.status == 500
    assert page.content_type == "text/html; charset=utf-8"
    assert "ZeroDivisionError" in page.text and "by design" in page.text


# ---- streams and deadlines ----


def test_a_stream_is_seen_piece_by_piece(client: TestClient) -> None:
    gone.clear()
    with client.stream("GET", "/pieces") as answer:
        assert answer.status == 200
        with pytest.raises(RuntimeError, match="read"):
            _ = answer.body
        lines = answer.lines()
        assert [next(lines) for _ in range(3)] == [
            "piece 0",
            "piece 1",
            "piece 2",
        ]
    # Leaving early is a client that goes.
    assert gone.wait(10)


def test_lines_are_whole_however_their_bytes_come(client: TestClient) -> None:
    with client.stream("GET", "/cut-characters") as answer:
        assert [*answer.lines()] == ["é", "ü€"]


def test_what_does_not_come_is_not_waited_for(client: TestClient) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"GET .*/never: not within 0\.2 s"):
        client.get("/never", timeout=0.2)
    with (
        client.stream("GET", "/stuck", timeout=0.5) as answer,
        pytest.raises(TimeoutError, match=r"/stuck: not within 0\.5 s"),
    ):
        answer.read()
    assert time.monotonic() - began < 60


# ---- the life of an application ----


def test_the_lifespan_runs_once_around_the_block() -> None:
    app = Rupy()
    said = []

    @app.lifespan
    async def life() -> AsyncIterator[dict[str, str]]:
        said.append("up")
        yield {"db": "open"}
        said.append("down")

    @app.get("/")
    def index(request: Request) -> str:
        said.append("asked")
        return str(request.state.db)

    with TestClient(app) as client:
        assert said == ["up"]
        assert client.get("/").text == "open"
    assert said == ["up", "asked", "down"]
    # And once more.
    with TestClient(app):
        pass
    assert said[3:] == ["up", "down"]


def test_what_start_up_raises_is_raised() -> None:
    app = Rupy()

    @app.on_startup
    def fail() -> None:
        raise ConnectionRefusedError("no database")

    with pytest.raises(ConnectionRefusedError, match="no database"):
        TestClient(app).__enter__()


def test_what_shutdown_raises_is_raised() -> None:
    app = Rupy()

    @app.on_shutdown
    def fail() -> None:
        raise OSError("not saved")

    with pytest.raises(OSError, match="not saved"), TestClient(app):
        pass


def test_a_start_that_takes_too_long_is_given_up() -> None:
    app = Rupy()
    ended = threading.Event()

    @app.on_startup
    async def slow() -> None:
        await asyncio.sleep(0.5)

    app.on_shutdown(ended.set)
    with pytest.raises(TimeoutError, match=r"did not start within 0\.1 s"):
        TestClient(app, startup_timeout=0.1).__enter__()
    # And does not stay for ever.
    assert ended.wait(20)


def test_an_abandoned_handler_does_not_hold_the_end() -> None:
    app = Rupy()
    said = []

    @app.get("/")
    async def wait() -> str:
        try:
            await asyncio.sleep(3600)
        finally:
            said.append("cancelled")
        return ""

    app.on_shutdown(lambda: said.append("down"))
    client = TestClient(app, timeout=60)
    with pytest.raises(TimeoutError):
        client.get("/", timeout=0.1)
    began = time.monotonic()
    client.close()
    assert said == ["cancelled", "down"]
    assert time.monotonic() - began < 30


def test_without_a_block_it_starts_at_the_first_request() -> None:
    app = Rupy()
    ended = threading.Event()
    app.on_shutdown(ended.set)
    app.get("/")(lambda: "here")
    client = TestClient(app)
    assert client.get("/").text == "here"
    client.close()
    assert ended.is_set()
    client.close()
    ended.clear()
    assert client.get("/").text == "here"
    # Forgotten, it ends as well.
    del client
    gc.collect()
    assert ended.wait(10)


def test_options_are_those_of_the_server() -> None:
    with pytest.raises(ValueError, match="no_such"):
        TestClient(new_app(), no_such=1).__enter__()
    with pytest.raises(ValueError, match="rupy_server listens"):
        TestClient(new_app(), port=80)
    with pytest.raises(ValueError, match="base_url"):
        TestClient(new_app(), base_url="testserver")
    with TestClient(new_app(), header=["X-Test: 1"]) as client:
        assert client.get("/echo").headers["x-test"] == "1"


def test_an_application_is_served_once_at_a_time(client: TestClient) -> None:
    with pytest.raises(RuntimeError, match="is being served already"):
        TestClient(client.app).__enter__()
    assert client.get("/echo").status == 200


def test_no_application_is_said_in_one_line() -> None:
    with pytest.raises((TypeError, RuntimeError)):
        TestClient(42).__enter__()


def test_the_context_of_the_test_is_seen() -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")
    app = Rupy()
    app.get("/")(lambda: tenant.get())
    tenant.set("mine")
    with TestClient(app) as client:
        assert client.get("/").text == "mine"


def test_no_port_is_used() -> None:
    def listening() -> int:
        with open("/proc/net/tcp") as file:
            return sum(line.split()[3] == "0A" for line in file)

    before = listening()
    with TestClient(new_app()) as client:
        assert client.get("/echo").status == 200
        assert listening() <= before


# ---- other applications ----


def test_an_asgi_application_with_its_lifespan() -> None:
    said = []

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                said.append(kind)
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        if scope["path"] == "/boom":
            raise ZeroDivisionError("asgi")
        body = json.dumps([scope["client"], scope["scheme"]]).encode()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": body})

    with TestClient(asgi) as client:
        assert client.get("/").json() == [["127.0.0.1", 50000], "http"]
        with pytest.raises(ZeroDivisionError, match="asgi"):
            client.get("/boom")
    assert said == ["lifespan.startup", "lifespan.shutdown"]


def test_an_asgi_application_that_does_not_start() -> None:
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no disk"})

    with pytest.raises(Exception, match="no disk"), TestClient(asgi):
        pass


@pytest.mark.parametrize("threads", [0, 2])
def test_a_wsgi_application(threads: int) -> None:
    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/boom":
            raise ZeroDivisionError("wsgi")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [
            environ["REQUEST_METHOD"].encode(),
            environ["wsgi.input"].read(),
        ]

    with TestClient(wsgi, threads=threads) as client:
        assert client.post("/", content=b" body").text == "POST body"
        with pytest.raises(ZeroDivisionError, match="wsgi"):
            client.get("/boom")


def test_threads_and_descriptors_are_given_back() -> None:
    def count() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    with TestClient(new_app()) as client:
        client.get("/echo")
    before = count()
    for _ in range(5):
        with TestClient(new_app()) as client:
            client.get("/echo")
            with contextlib.suppress(ZeroDivisionError):
                client.get("/boom")
    assert count() <= before
    there = os.listdir("/proc/self/task")
    shown = {str(t.native_id) for t in threading.enumerate()}
    assert shown <= set(there)
