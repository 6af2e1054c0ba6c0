"""Behind nginx, as most servers are: no request may fail."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from nginx import NGINX, Nginx
from serving import Client, Server, Servers

pytestmark = pytest.mark.skipif(not NGINX, reason="nginx is not installed")

APP = """
import asyncio
from rupy import Response, Rupy

app = Rupy()

@app.get("/n/<n:int>")
async def number(request, n):
    if n % 50 == 0:
        await asyncio.sleep(0.002)
    return str(n)

@app.post("/echo")
def echo(request):
    return Response(request.body, content_type="text/plain")

@app.get("/stream")
async def stream():
    for i in range(5):
        yield f"{i} "
        await asyncio.sleep(0)
"""


@pytest.fixture(scope="module", params=["tcp", "unix"])
def behind(
    request: pytest.FixtureRequest,
    serve_module: Servers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Nginx, Server]]:
    folder = tmp_path_factory.mktemp("nginx")
    socket = folder / "rupy.sock"
    server = serve_module(
        APP,
        *("--workers", "2"),
        binds=(f"unix:{socket}",) if request.param == "unix" else (),
    )
    upstream = (
        f"unix:{socket}"
        if request.param == "unix"
        else f"127.0.0.1:{server.port}"
    )
    nginx = Nginx(folder, upstream)
    yield nginx, server
    nginx.stop()


def ask(
    nginx: Nginx,
    threads: int,
    per_thread: int,
    failures: list[str],
    posts: bool = True,
) -> list[threading.Thread]:
    def use(start: int) -> None:
        client = Client(nginx.address)
        for n in range(start, start + per_thread):
            try:
                if posts and n % 20 == 0:
                    body = b"x" * (n % 3000)
                    answer = client.post("/echo", body)
                    good = answer.body == body
                else:
                    answer = client.get(f"/n/{n}")
                    good = answer.text == str(n)
            except (OSError, EOFError) as error:
                failures.append(repr(error))
                client.close()
                client = Client(nginx.address)
                continue
            if answer.status != 200 or not good:
                failures.append(f"{n}: {answer.status}")
        client.close()

    made = [
        threading.Thread(target=use, args=(i * per_thread,))
        for i in range(threads)
    ]
    for thread in made:
        thread.start()
    return made


def test_twenty_thousand_requests_and_none_fails(
    behind: tuple[Nginx, Server],
) -> None:
    nginx, _ = behind
    failures: list[str] = []
    for thread in ask(nginx, 10, 2000, failures):
        thread.join(60)
    assert failures == [], nginx.errors[-2000:]


def test_no_request_fails_while_workers_are_replaced(
    serve: Servers, tmp_path: Path
) -> None:
    # An idle connection may be closed just when nginx takes it: as it does
    # by default, it asks again, but for what is not idempotent.
    server = serve(APP, "--workers", "2")
    nginx = Nginx(tmp_path, f"127.0.0.1:{server.port}", "error timeout")
    try:
        failures: list[str] = []
        threads = ask(nginx, 6, 700, failures, posts=False)
        server.tell(signal.SIGHUP)
        server.wait_log("reload finished")
        for thread in threads:
            thread.join(60)
        assert failures == [], nginx.errors[-2000:]
    finally:
        nginx.stop()


def test_large_content_and_streams_come_through(
    behind: tuple[Nginx, Server],
) -> None:
    nginx, _ = behind
    body = bytes(range(256)) * 20_000
    with Client(nginx.address) as client:
        assert client.post("/echo", body).body == body
        assert client.get("/stream").text == "0 1 2 3 4 "


def test_a_413_of_ours_comes_through_as_one(
    serve: Servers, tmp_path: Path
) -> None:
    # 413 and close() at once is a 502 of nginx.
    server = serve(APP, "--limit-body", "10k")
    nginx = Nginx(tmp_path, f"127.0.0.1:{server.port}")
    try:
        for size in (20_000, 5_000_000):
            with Client(nginx.address) as client:
                answer = client.post("/echo", b"x" * size)
                assert answer.status == 413, nginx.errors
    finally:
        nginx.stop()
