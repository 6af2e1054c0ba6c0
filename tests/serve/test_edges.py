"""Clients that half-close, do not read, pile requests up or go away, and
handlers that fail, block or never end meanwhile."""

from __future__ import annotations

import contextlib
import re
import threading
from pathlib import Path

import pytest
from serving import SLOWNESS, Client, Server, Servers, head_of, wait_for

APP = """
import asyncio
import threading
import time
from rupy import HTTPError, Rupy

app = Rupy(__name__)
kept = []
events = []
BIG = b"0123456789abcdef" * (2 << 20)  # more than sockets buffer

@app.get("/")
def index():
    return "hello"

@app.get("/soon")
async def soon():
    await asyncio.sleep(0.1)
    return "soon"

@app.get("/fresh")
def fresh():
    return bytes(100_000)

@app.get("/big")
def big():
    return BIG

@app.get("/block/<ms:int>")
def block(ms):
    events.append("blocks")
    time.sleep(ms / 1000)
    return "done"

@app.get("/reset-content")
def reset_content():
    return "this must not go out", 205

@app.post("/raise/<kind>")
def raise_it(request, kind):
    kept.append(request)
    if kind == "http":
        raise HTTPError(403)
    raise ValueError(kind)

@app.post("/raise-later")
async def raise_later(request):
    await asyncio.sleep(0)
    kept.append(request)
    raise HTTPError(403)

@app.get("/kept")
def read_kept():
    r = kept.pop()
    return [len(r.body), r.body.count(b"k"), r.headers["x-mark"],
            r.path, r.query_string]

@app.get("/forever")
def forever():
    while True:
        yield "x"

@app.get("/forever-async")
async def forever_async():
    while True:
        yield "x"
        await asyncio.sleep(0.01)

@app.get("/watch")
async def watch(request):
    try:
        yield "first"
        while not request.is_disconnected():
            await asyncio.sleep(0.01)
    finally:
        events.append("watch ended")

@app.get("/events")
def get_events():
    return events
"""

BIG_N = 16 * (2 << 20)


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP)


def is_answered(client: Client) -> bool:
    client.send(head_of("GET", "/"))
    try:
        return client.answer().text == "hello"
    except (EOFError, ConnectionError):
        return False


# ---- requests that outlive their exchange ----


@pytest.mark.parametrize(
    "path", ["/raise/http", "/raise/value", "/raise-later"]
)
@pytest.mark.parametrize("size", [10, 50_000, 300_000])
def test_a_request_kept_by_a_failed_handler_stays_whole(
    server: Server, path: str, size: int
) -> None:
    # The head is larger than what an exchange keeps for its next request.
    mark = "m" * 5000
    body = b"k" * size
    answer = server.post(path + "?a=b", body, x_mark=mark)
    assert answer.status in (403, 500)
    # Others use the same memory meanwhile.
    assert server.post("/raise/value", b"z" * size).status == 500
    server.get("/kept", x_mark="-")
    assert server.get("/kept").json() == [size, size, mark, path, "a=b"]


def test_many_failing_uploads_at_once(server: Server) -> None:
    def upload() -> None:
        with contextlib.suppress(OSError, EOFError):
            server.post("/raise-later", b"k" * 200_000, x_mark="-")

    threads = [threading.Thread(target=upload) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.get("/").text == "hello"


# ---- framing ----


def test_205_has_no_content(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("GET", "/reset-content") + head_of("GET", "/"))
        assert client.answer().status == 205
        assert client.answer().text == "hello"


@pytest.mark.parametrize("path", ["/forever", "/forever-async"])
def test_head_of_an_endless_answer_ends(server: Server, path: str) -> None:
    with server.connect(timeout=3.0) as client:
        assert client.request("HEAD", path).status == 200
        assert client.get("/").text == "hello"


# ---- half-closed clients ----


def test_all_pipelined_requests_of_a_half_closed_client_are_answered(
    server: Server,
) -> None:
    with server.connect() as client:
        client.send(head_of("GET", "/soon") * 2 + head_of("GET", "/"))
        client.shutdown()
        assert client.answer().text == "soon"
        assert client.answer().text == "soon"
        assert client.answer().text == "hello"
        assert client.ends() == b""


def test_a_stream_learns_that_its_client_has_gone(server: Server) -> None:
    before = server.get("/events").json().count("watch ended")
    client = server.connect()
    client.send(head_of("GET", "/watch"))
    assert client.head()[0] == 200
    assert next(client.chunks()) == b"first"
    client.close()
    wait_for(
        lambda: server.get("/events").json().count("watch ended") > before,
        "the generator ended",
        5.0,
    )


# ---- clients that do not read ----


def memory(server: Server) -> int:
    """Resident bytes of the worker that has most."""
    pids = [server.pid, *server.workers]
    return max(
        1024
        * int(
            re.search(  # type: ignore[union-attr]
                r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()
            )[1]
        )
        for pid in pids
    )


def test_requests_of_a_client_that_does_not_read_wait(serve: Servers) -> None:
    server = serve(APP)
    server.get("/fresh")
    before = memory(server)
    client = server.connect(timeout=2.0)
    client.send(head_of("GET", "/fresh") * 2000)
    # What else is asked is answered in between.
    for _ in range(100):
        assert server.get("/").text == "hello"
    assert memory(server) - before < 40 << 20
    # And none of them is forgotten.
    for _ in range(2000):
        assert len(client.answer().body) == 100_000


def test_a_slow_download_is_no_idle_connection(serve: Servers) -> None:
    server = serve(APP, "--limit-connections", "2")
    client = server.connect()
    client.send(head_of("GET", "/big"))
    with server.connect() as other:
        assert is_answered(other)
        assert other.is_quiet(1.3)
    with server.connect() as other:
        assert is_answered(other)
    assert len(client.answer().body) == BIG_N


def test_the_idle_time_begins_when_the_answer_was_sent(
    serve: Servers,
) -> None:
    server = serve(APP, "--keep-alive", f"{SLOWNESS}s")
    client = server.connect()
    client.send(head_of("GET", "/big"))
    with server.connect() as other:
        other.is_quiet(1.5 * SLOWNESS)
    answer = client.answer()
    assert len(answer.body) == BIG_N
    assert answer.get("connection") is None
    assert is_answered(client)


def test_without_a_send_timeout_a_slow_download_is_not_cut(
    serve: Servers,
) -> None:
    server = serve(APP, "--keep-alive", "1s", "--send-timeout", "0")
    client = server.connect()
    client.send(head_of("GET", "/big"))
    with server.connect() as other:
        other.is_quiet(1.5)
    assert len(client.answer().body) == BIG_N


# ---- deadlines ----


def test_an_idle_connection_is_closed_in_time(serve: Servers) -> None:
    server = serve(APP, "--keep-alive", "1s")
    with server.connect(timeout=5.0) as client:
        assert is_answered(client)
        assert client.ends() == b""


def test_a_slow_handler_does_not_use_up_the_idle_time(serve: Servers) -> None:
    server = serve(APP, "--keep-alive", "1s")
    with server.connect() as client:
        assert client.get("/block/1500").text == "done"
        # A turn of the loop later it is still there.
        assert server.get("/").text == "hello"
        assert is_answered(client)


def test_a_request_that_waits_in_the_socket_is_not_idle(
    serve: Servers,
) -> None:
    server = serve(APP, "--keep-alive", "1s")
    with server.connect() as client, server.connect() as busy:
        assert is_answered(client)
        busy.send(head_of("GET", "/block/2000"))
        assert busy.is_quiet(0.3)
        assert is_answered(client)


def test_idle_connections_make_room_when_all_places_are_taken(
    serve: Servers,
) -> None:
    server = serve(APP, "--limit-connections", "2")
    with server.connect() as one, server.connect() as two:
        assert is_answered(one)
        assert is_answered(two)
        with server.connect(timeout=5.0) as three:
            assert is_answered(three)


def test_the_last_answer_is_not_lost_to_a_reset(serve: Servers) -> None:
    server = serve(APP, "--keep-alive-requests", "1")
    with server.connect() as client:
        client.send(head_of("GET", "/soon") * 5000)
        answer = client.answer()
        assert answer.text == "soon"
        assert answer.get("connection") == "close"
        assert client.ends() == b""


# ---- threads ----


def test_clients_that_go_while_a_thread_reads_their_request(
    serve: Servers,
) -> None:
    server = serve(
        """
import time
from rupy import Rupy

app = Rupy(__name__)
seen = []

@app.post("/slow/<id:uuid>/<other:uuid>")
def slow(request, id, other):
    time.sleep(0.05)
    mark = request.headers["x-mark"]
    params = request.path_params
    seen.append(
        request.body == b"k" * 100_000
        and mark == "m" * 4000
        and params == {"id": id, "other": other}
    )
    return "x"

@app.get("/seen")
def get_seen():
    return seen
""",
        "--threads",
        "4",
    )
    uuid = "12345678-1234-5678-1234-567812345678"
    body = b"k" * 100_000
    for i in range(40):
        client = server.connect()
        client.send(
            head_of(
                "POST",
                f"/slow/{uuid}/{uuid}",
                {"x-mark": "m" * 4000},
                body,
            )
            + body
        )
        if i % 2:
            client.reset()
        else:
            client.shutdown()
            client.close()
    # Requests of clients that were gone before they came in whole, or before
    # a thread was free, need not run.
    wait_for(lambda: len(server.get("/seen").json()) > 5, "handlers ran")
    assert all(server.get("/seen").json())


def test_a_shutdown_with_threads_at_work_and_jobs_waiting(
    serve: Servers,
) -> None:
    server = serve(
        """
import time
from rupy import Rupy

app = Rupy(__name__)

@app.get("/")
def index():
    time.sleep(0.7)
    return "x"
""",
        "--threads",
        "1",
        "--graceful-timeout",
        "3s",
    )
    clients = [server.connect() for _ in range(8)]
    for client in clients:
        client.send(head_of("GET", "/"))
    assert clients[0].is_quiet(0.3)
    assert server.stop() == 0


def test_the_end_of_the_application_runs_when_a_request_did_not_end(
    serve: Servers,
) -> None:
    server = serve(
        """
import asyncio
from rupy import Rupy

app = Rupy(__name__)

@app.get("/")
async def index():
    await asyncio.sleep(30)

@app.on_shutdown
async def end():
    print("the end", flush=True)
""",
        "--graceful-timeout",
        "1s",
    )
    server.may_die = True  # not the point here
    client = server.connect()
    client.send(head_of("GET", "/"))
    assert client.is_quiet(0.3)
    assert server.stop() == 0
    assert "the end" in server.stdout
