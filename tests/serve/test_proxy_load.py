"""Much goes through app.proxy(): requests, bytes, and what must not stay."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from rawbackend import Conn, RawBackend, Seen
from serving import KIB, Client, Load, Server, Servers, head_of, wait_for

BACK = """
from rupy import Rupy

app = Rupy()

@app.get("/api/<n:int>")
def number(n: int):
    return str(n) * (1 + n % 400)

@app.post("/api/echo")
def echo(request):
    return request.body

@app.get("/api/stream/<n:int>")
def stream(n: int):
    for i in range(n):
        yield str(i) * 100
"""
FRONT = (
    KIB
    + """
import os
from rupy import Rupy

app = Rupy()
app.proxy("/api", os.environ["BACKEND"])
app.proxy("/raw", os.environ["RAW"], timeout=20)
app.proxy("/dead", "http://127.0.0.1:1")

@app.get("/fds")
def fds():
    return str(len(os.listdir("/proc/self/fd")))

@app.get("/kib")
def memory():
    return str(kib())
"""
)
REQUESTS = int(os.environ.get("RUPY_PROXY_REQUESTS", "20000"))
MIB = 1 << 20


@pytest.fixture(scope="module")
def raw() -> Iterator[RawBackend]:
    backend = RawBackend()

    @backend("copy")
    def copy(conn: Conn, seen: Seen) -> None:
        n = int(seen.get("content-length")[0])
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n)
        while n > 0:
            data = conn.got or conn.sock.recv(1 << 18)
            if not data:
                raise EOFError
            conn.got = b""
            conn.send(data)
            n -= len(data)

    @backend("hang")
    def hang(conn: Conn, seen: Seen) -> None:
        conn.wait_end()
        raise EOFError

    @backend("eof")
    def eof(conn: Conn, seen: Seen) -> None:
        raise EOFError

    yield backend
    backend.close()


@pytest.fixture(scope="module")
def back(serve_module: Servers) -> Server:
    return serve_module(BACK)


@pytest.fixture(scope="module")
def front(serve_module: Servers, back: Server, raw: RawBackend) -> Server:
    return serve_module(FRONT, env={"BACKEND": back.url, "RAW": raw.url})


def memory(server: Server) -> int:
    return int(server.get("/kib").text)


def ask(server: Server, first: int, last: int) -> int:
    """Pipelined, 20 at once; every body is looked at."""
    right = 0
    with Client(server.address, 60) as client:
        for i in range(first, last, 20):
            numbers = range(i, min(i + 20, last))
            client.send(b"".join(head_of("GET", f"/api/{n}") for n in numbers))
            for n in numbers:
                answer = client.answer()
                assert answer.status == 200, answer
                assert answer.text == str(n) * (1 + n % 400)
                right += 1
    return right


def test_none_of_many_requests_fails(front: Server) -> None:
    share = REQUESTS // 8
    with ThreadPoolExecutor(8) as pool:
        got = pool.map(
            lambda i: ask(front, i * share, (i + 1) * share), range(8)
        )
        assert sum(got) == share * 8


def test_bodies_come_back_as_they_went(front: Server) -> None:
    def use(seed: int) -> None:
        with Client(front.address, 60) as client:
            for i in range(40):
                body = os.urandom(1 + (seed * 7919 + i * 104729) % 150_000)
                if i % 2:
                    assert client.post("/api/echo", body).body == body
                    continue
                client.send(
                    head_of(
                        "POST", "/api/echo", {"Transfer-Encoding": "chunked"}
                    )
                )
                cut = len(body) // 3
                for piece in (body[:cut], body[cut:]):
                    if piece:
                        client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
                client.send(b"0\r\n\r\n")
                assert client.answer().body == body
                n = i % 50
                wanted = "".join(str(k) * 100 for k in range(n))
                assert client.get(f"/api/stream/{n}").text == wanted

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))


def test_much_content_takes_little_memory(front: Server) -> None:
    """100 MB up, and down at the same time."""
    n = 100 * MIB
    front.get("/fds")
    before = memory(front)
    client = front.connect(timeout=60)
    client.send(head_of("POST", "/raw/copy", {"Content-Length": str(n)}))
    piece = os.urandom(MIB)

    def send() -> None:
        for _ in range(n // MIB):
            client.send(piece)

    sender = threading.Thread(target=send)
    sender.start()
    assert client.head()[0] == 200
    most = 0
    for i in range(n // MIB):
        assert client._exactly(MIB) == piece
        if i % 10 == 0:
            most = max(most, memory(front))
    sender.join()
    assert most - before < 4 * 1024
    # Such an answer, before its content was there, ends the connection.
    client.close()
    assert front.get("/fds").status == 200


def test_nothing_fails_while_the_backend_rolls(
    front: Server, back: Server
) -> None:
    """Connections that it closes while they are idle are asked anew."""
    with Load(front.address, "/api/7", clients=4) as load:
        load.wait_ok(200)
        for _ in range(2):
            before = back.workers
            back.tell(signal.SIGHUP)
            wait_for(
                lambda before=before: (  # type: ignore[misc]
                    back.workers and not set(back.workers) & set(before)
                ),
                "the backend's worker is another",
                20,
            )
            load.wait_ok(200)
    assert load.failed == []


def test_nothing_stays(front: Server, raw: RawBackend) -> None:
    def round_of_all() -> None:
        def use(i: int) -> None:
            with Client(front.address, 30) as client:
                assert client.get(f"/api/{i}").status == 200
                assert client.get("/dead/x").status == 502
                assert client.get("/raw/eof").status == 502
                assert client.post("/api/echo", b"x" * 70_000).status == 200
                client.send(head_of("GET", "/raw/hang"))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(use, range(200)))
        wait_for(lambda: raw.open == 0, "the backend's connections are closed")

    def fds() -> int:
        return int(front.get("/fds").text)

    round_of_all()
    # Those that are idle go after four seconds.
    wait_for(lambda: fds() < 40, "few descriptors")
    few, held = fds(), memory(front)
    for _ in range(3):
        round_of_all()
    wait_for(lambda: fds() <= few + 2, "as few as before")
    assert memory(front) - held < 2048
