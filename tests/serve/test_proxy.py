"""Requests that app.proxy() passes on, to backends that behave and others."""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rawbackend import Conn, RawBackend, Seen
from serving import Client, Server, Servers, head_of, wait_for

APP = """
import os
from rupy import Rupy

app = Rupy()
B = os.environ["BACKEND"]
DEAD = "http://127.0.0.1:1"
app.proxy("/raw", B)
app.proxy("/v2", B + "/base/")
app.proxy("/root", B + "/")
app.proxy("/dead", DEAD)
app.proxy("/quick", B, timeout=0.3, read_timeout=0.3)
app.proxy("/name", B.replace("127.0.0.1", "localhost"))
app.proxy("/noname", "http://nosuch.invalid")
app.proxy("/full", os.environ["FULL"], connect_timeout=0.3)
app.proxy("/one", B, connections=1, queue=1, queue_timeout=0.5)
app.proxy("/both", [DEAD, B])
app.proxy("/each", [DEAD, B], fail_timeout=0)
app.proxy("/host", B, host="inner.example")
app.proxy("/brief", B, keep_alive=0.2)
app.proxy("/unix", "unix:" + os.environ["SOCKET"])
app.proxy("/nounix", "unix:/nowhere/at.all:/x")

@app.get("/raw/mine")
def mine():
    return "a route wins"
"""


@pytest.fixture(scope="module")
def backend() -> Iterator[RawBackend]:
    backend = RawBackend()
    add_behaviours(backend)
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def full() -> Iterator[str]:
    """Somebody who never answers a SYN: its queue is full."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    address = listener.getsockname()
    others = []
    for _ in range(8):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(address)
        others.append(s)
    yield f"http://127.0.0.1:{address[1]}"
    for s in [*others, listener]:
        s.close()


@pytest.fixture(scope="module")
def server(
    serve_module: Servers,
    backend: RawBackend,
    full: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    path = str(tmp_path_factory.mktemp("s") / "b")
    other = RawBackend(path)
    add_behaviours(other)
    yield serve_module(
        APP,
        "--graceful-timeout",
        "10s",
        env={"BACKEND": backend.url, "FULL": full, "SOCKET": path},
    )
    other.close()


release = threading.Event()
closed = threading.Event()


def add_behaviours(backend: RawBackend) -> None:
    @backend("ok")
    def ok(conn: Conn, seen: Seen) -> None:
        body = conn.body(seen)
        conn.answer(
            body or b"ok", f"X-Conn: {conn.number}", f"X-Target: {seen.target}"
        )

    @backend("")
    def root(conn: Conn, seen: Seen) -> None:
        ok(conn, seen)

    for name in ("base", "root", "v2"):
        backend.behaviours[name] = ok

    @backend("chunks")
    def chunks(conn: Conn, seen: Seen) -> None:
        conn.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
            b"Trailer: X-T\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n"
            b"0\r\nX-T: 1\r\n\r\n"
        )

    @backend("until-close")
    def until_close(conn: Conn, seen: Seen) -> None:
        conn.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        raise EOFError

    @backend("old")
    def old(conn: Conn, seen: Seen) -> None:
        conn.send(b"HTTP/1.0 200 OK\r\n\r\nold")
        raise EOFError

    @backend("no-content")
    def no_content(conn: Conn, seen: Seen) -> None:
        conn.send(b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n")

    @backend("not-modified")
    def not_modified(conn: Conn, seen: Seen) -> None:
        conn.send(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')

    @backend("head")
    def head(conn: Conn, seen: Seen) -> None:
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")

    @backend("fields")
    def fields(conn: Conn, seen: Seen) -> None:
        conn.answer(
            b"x",
            "Connection: X-Own, keep-alive",
            "X-Own: 1",
            "Keep-Alive: timeout=5",
            "Proxy-Authenticate: x",
            "Set-Cookie: a=b",
            "Set-Cookie: c=d",
            "Server: theirs",
            "Date: never",
            status="418 Short And Stout",
        )

    @backend("interim")
    def interim(conn: Conn, seen: Seen) -> None:
        conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        conn.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        conn.answer(b"after")

    @backend("interims")
    def interims(conn: Conn, seen: Seen) -> None:
        for _ in range(40):
            conn.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        conn.wait_end()
        raise EOFError

    @backend("hang")
    def hang(conn: Conn, seen: Seen) -> None:
        conn.wait_end()
        raise EOFError

    @backend("trickle")
    def trickle(conn: Conn, seen: Seen) -> None:
        # A byte now and then does not make a head.
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200:
            conn.send(bytes((byte,)))
            time.sleep(0.05)

    @backend("stall")
    def stall(conn: Conn, seen: Seen) -> None:
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        conn.wait_end()
        raise EOFError

    @backend("cut")
    def cut(conn: Conn, seen: Seen) -> None:
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        conn.send(b"4\r\nhalf\r\n")
        raise EOFError

    @backend("reset")
    def reset(conn: Conn, seen: Seen) -> None:
        conn.reset()

    @backend("eof")
    def eof(conn: Conn, seen: Seen) -> None:
        raise EOFError

    @backend("half-head")
    def half_head(conn: Conn, seen: Seen) -> None:
        conn.send(b"HTTP/1.1 200 OK\r\nContent-")
        raise EOFError

    @backend("once")
    def once(conn: Conn, seen: Seen) -> None:
        if conn.asked > 1:
            conn.got = b""
            raise EOFError
        conn.body(seen)
        conn.answer(b"once")

    @backend("extra")
    def extra(conn: Conn, seen: Seen) -> None:
        conn.answer(b"a")
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        conn.wait_end()
        closed.set()
        raise EOFError

    @backend("late-content")
    def late_content(conn: Conn, seen: Seen) -> None:
        poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
        head = f"HTTP/1.1 204 No Content\r\nContent-Length: {len(poison)}"
        conn.send(head.encode() + b"\r\n\r\n")
        conn.more()
        conn.send(poison)
        raise EOFError

    @backend("early")
    def early(conn: Conn, seen: Seen) -> None:
        conn.answer(b"too much", status="413 Content Too Large")
        conn.wait_end()
        raise EOFError

    @backend("wait")
    def wait(conn: Conn, seen: Seen) -> None:
        release.wait(30)
        conn.answer(b"at last")

    @backend("flood")
    def flood(conn: Conn, seen: Seen) -> None:
        conn.send(b"HTTP/1.1 200 OK\r\n\r\n")
        sent = 0
        try:
            while sent < 64 << 20:
                conn.send(b"x" * 65536)
                sent += 65536
        finally:
            backend.flooded = sent  # type: ignore[attr-defined]
        raise EOFError

    @backend("sink")
    def sink(conn: Conn, seen: Seen) -> None:
        release.wait(30)
        conn.answer(str(conn.count(seen)).encode())

    @backend("ws")
    def ws(conn: Conn, seen: Seen) -> None:
        if seen.get("upgrade") != ["websocket"]:
            conn.answer(b"no upgrade came", status="426 Upgrade Required")
            return
        conn.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
            b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nwelcome"
        )
        while True:
            if not conn.got and not conn.more():
                break
            data, conn.got = conn.got, b""
            conn.send(data.upper())
        conn.send(b"bye")
        raise EOFError

    @backend("ws-unasked")
    def ws_unasked(conn: Conn, seen: Seen) -> None:
        conn.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\n\r\n"
        )

    for i, (raw, _) in enumerate(BAD):

        def bad(conn: Conn, seen: Seen, raw: bytes = raw) -> None:
            conn.send(raw)
            conn.wait_end()
            raise EOFError

        backend.behaviours[f"bad{i}"] = bad


OK = b"HTTP/1.1 200 OK\r\n"
BAD = [
    (b"SSH-2.0-OpenSSH\r\n", "another protocol"),
    (b"HTTP/1.1 200 OK\nA: b\n\n", "bare LF"),
    (OK + b"A: b\r\n c\r\n\r\n", "a folded line"),
    (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "two lengths"),
    (OK + b"Content-Length: -1\r\n\r\n", "no number"),
    (
        OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "two framings",
    ),
    (OK + b"Transfer-Encoding: gzip\r\n\r\n", "an unknown coding"),
    (b"HTTP/1.1 999 What\r\n\r\n", "no status"),
    (OK + b"A: " + b"b" * 70000, "a head without an end"),
    (OK + b"A: b\r\n" * 200 + b"\r\n", "too many fields"),
]


# ---- what a backend is asked ----


@pytest.mark.parametrize(
    ("path", "target", "why"),
    [
        ("/raw/ok", "/raw/ok", "a backend without a path: as it came"),
        ("/raw/a//b/%41%2f/ok?x=%20&", "/raw/a//b/%41%2f/ok?x=%20&", "bytes"),
        ("/raw/a..;b=../c;d/ok", "/raw/a..;b=../c;d/ok", "parameters"),
        ("/v2/ok?q", "/base/ok?q", "the path stands for the prefix"),
        ("/v2/a%2Fb/c%20d/ok", "/base/a%2Fb/c%20d/ok", "encoded as it came"),
        ("/%76%32/%61/ok", "/base/%61/ok", "also where the prefix was"),
        ("/v2", "/base", "without a slash there is none"),
        ("/v2/", "/base/", "and with one there is"),
        ("/root/ok", "/ok", "the root"),
        ("/root", "/", "a target is never empty"),
        ("/root//ok", "//ok", "nothing is merged"),
    ],
)
def test_targets(
    server: Server, backend: RawBackend, path: str, target: str, why: str
) -> None:
    answer = server.get(path)
    assert answer.status == 200, why
    assert answer.get("x-target") == target, why


def test_a_route_comes_before_the_proxy(server: Server) -> None:
    assert server.get("/raw/mine").text == "a route wins"


@pytest.mark.parametrize(
    "path",
    [
        "/raw/../ok",
        "/raw/%2e%2e/ok",
        "/raw/x/..%2fok",
        "/raw/..%5cok",
        "/raw/..;/ok",
        "/raw/%2e.%3bx=1/ok",
    ],
)
def test_nobody_climbs_out_of_the_prefix(
    server: Server, backend: RawBackend, path: str
) -> None:
    before = len(backend.seen)
    assert server.get(path).status in (400, 404)
    assert len(backend.seen) == before


def test_what_a_backend_is_told(server: Server, backend: RawBackend) -> None:
    with server.connect() as client:
        client.send(
            b"POST /raw/ok?told HTTP/1.1\r\nHost: shop.example:81\r\n"
            b"Connection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 3\r\n"
            b"TE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
            b"X-Forwarded-For: 1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n"
            b"Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"
        )
        assert client.answer().body == b"abc"
    seen = [s for s in backend.seen if "told" in s.target][-1]
    assert seen.lines == [
        "Host: shop.example:81",
        "HTTP2-Settings: x",
        "Cookie: a=b",
        "Transfer-Encoding: chunked",
        # 127.0.0.1 is a trusted proxy by default, so it is believed.
        "X-Forwarded-For: 1.2.3.4, 127.0.0.1",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: shop.example:81",
    ]


def test_host_can_be_set(server: Server, backend: RawBackend) -> None:
    assert server.get("/host/ok").status == 200
    seen = backend.seen[-1]
    assert seen.get("host") == ["inner.example"]
    assert seen.get("x-forwarded-host") == ["localhost"]


@pytest.mark.parametrize(
    "method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]
)
def test_any_method_goes_through(
    server: Server, backend: RawBackend, method: str
) -> None:
    with server.connect() as client:
        assert client.request(method, "/raw/ok", body=b"b").body == b"b"
    assert backend.seen[-1].method == method


def test_by_unix_socket_and_by_name(server: Server) -> None:
    assert server.get("/unix/ok").body == b"ok"
    assert server.get("/name/ok").body == b"ok"


def test_a_client_of_1_0(server: Server, backend: RawBackend) -> None:
    with server.connect() as client:
        client.send("GET /raw/chunks HTTP/1.0\r\n\r\n")
        answer = client.answer()
        assert (answer.body, answer.framing) == (b"abcde", "close")
    assert backend.seen[-1].get("host") == ["localhost"]


# ---- what comes back ----


def test_answers_are_framed_anew(server: Server) -> None:
    with server.connect() as client:
        for path, body, framing in (
            ("ok", b"ok", "length"),
            ("chunks", b"abcde", "chunked"),
            ("until-close", b"all of it", "chunked"),
            ("old", b"old", "chunked"),
            ("no-content", b"", "none"),
            ("not-modified", b"", "none"),
            ("interim", b"after", "length"),
        ):
            answer = client.get(f"/raw/{path}")
            assert (answer.body, answer.framing) == (body, framing), path
            assert answer.interim == [], path
        answer = client.request("HEAD", "/raw/head")
        assert answer.get("content-length") == "12345"
        assert client.get("/raw/ok").body == b"ok"


def test_fields_of_an_answer(server: Server) -> None:
    answer = server.get("/raw/fields")
    assert (answer.status, answer.reason) == (418, "Short And Stout")
    names = [name for name, _ in answer.headers]
    assert "x-own" not in names
    assert "keep-alive" not in names
    assert "proxy-authenticate" not in names
    assert answer.get_all("set-cookie") == ["a=b", "c=d"]
    assert answer.get_all("server") == ["theirs"]
    assert answer.get_all("content-length") == ["1"]
    assert len(answer.get_all("date")) == 1
    assert answer.get("date") != "never"


@pytest.mark.parametrize("number", range(len(BAD)))
def test_a_bad_answer_is_502(server: Server, number: int) -> None:
    why = BAD[number][1]
    answer = server.get(f"/raw/bad{number}")
    assert answer.status == 502, why
    lines = re.findall(rf"GET /raw/bad{number}: 502: .*", server.stderr)
    assert len(lines) == 1, why


@pytest.mark.parametrize(
    ("path", "status", "log"),
    [
        ("/dead/x", 502, "no connection: Connection refused"),
        ("/noname/x", 502, "its name is not known"),
        ("/nounix/x", 502, "no connection: No such file or directory"),
        ("/full/x", 504, "no connection in time"),
        ("/raw/reset", 502, "the connection was lost"),
        ("/raw/eof", 502, "it closed before its answer was complete"),
        ("/raw/half-head", 502, "it closed before its answer was complete"),
        ("/raw/interims", 502, "interim answers without an end"),
        ("/raw/ws-unasked", 502, "a protocol that was not asked for"),
        ("/quick/hang", 504, "it took too long"),
        ("/quick/trickle", 504, "it took too long"),
    ],
)
def test_failures(server: Server, path: str, status: int, log: str) -> None:
    with server.connect() as client:
        assert client.get(path).status == status
        lines = re.findall(rf"GET {path}: {status}: .*", server.stderr)
        assert len(lines) == 1
        assert log in lines[0]
        assert client.get("/raw/ok").status == 200  # the same connection


@pytest.mark.parametrize("path", ["/quick/stall", "/raw/cut"])
def test_an_answer_that_breaks_off_breaks_off(
    server: Server, path: str
) -> None:
    with server.connect() as client:
        client.send(head_of("GET", path))
        got = client.ends()
    assert b"half" in got
    assert not got.endswith(b"0\r\n\r\n")
    assert f"GET {path}: answer broken off: " in server.stderr


# ---- connections that are kept ----


def test_connections_are_used_again(server: Server) -> None:
    numbers = {server.get("/raw/ok").get("x-conn") for _ in range(10)}
    assert len(numbers) == 1
    with server.connect() as client:
        for _ in range(3):
            answer = client.post("/raw/ok", b"x" * 200_000)
            assert answer.body == b"x" * 200_000
            assert answer.get("x-conn") in numbers


def test_a_kept_connection_that_was_closed(
    server: Server, backend: RawBackend
) -> None:
    """The first byte never comes: what may be repeated is, once."""
    earlier: set[int] = set()
    for method, status in (("GET", 200), ("PUT", 200), ("POST", 502)):
        before = len(backend.of("once"))
        with server.connect() as client:
            # Connections that others left would be used first.
            for _ in range(2):
                got = client.request(method, "/brief/once").status
                if got != 200:
                    break
            assert got == status, method
        asked = [s.connection for s in backend.of("once")[before:]]
        # On a connection that had been used, and then on another or not.
        if status == 200:
            assert asked[-3] == asked[-2] != asked[-1], method
        else:
            assert len(asked) == 2 - (asked[0] in earlier), method
        earlier |= set(asked)


def test_content_that_was_sent_is_not_sent_twice(
    server: Server, backend: RawBackend
) -> None:
    with server.connect() as client:
        for _ in range(50):
            assert client.request("GET", "/brief/once").status == 200
            # The connection may have become too old in between; then there
            # is another, and the whole request is sent on that.
            status = client.request("PUT", "/brief/once", body=b"x").status
            assert status in (200, 502)
            if status == 502:
                break
        assert status == 502


def test_a_retry_ends_chunked_content_too(
    server: Server, backend: RawBackend
) -> None:
    before = len(backend.of("once"))
    head = head_of("PUT", "/brief/once", {"Transfer-Encoding": "chunked"})
    with server.connect() as client:
        for _ in range(2):
            client.send(head + b"0\r\n\r\n")
            assert client.answer().status == 200
    asked = [s.connection for s in backend.of("once")[before:]]
    assert asked[-3] == asked[-2] != asked[-1]


def test_content_goes_behind_the_head_after_a_retry(
    server: Server, backend: RawBackend
) -> None:
    head = head_of("PUT", "/brief/once", {"Content-Length": "1"})
    with server.connect() as client:
        # The kept connection is closed on the head alone, and the content
        # comes while there is no other one yet: a matter of luck.
        for _ in range(1500):
            assert client.request("GET", "/brief/once").status == 200
            client.send(head)
            client.send(b"x")
            assert client.answer().status in (200, 502)
    assert {s.method for s in backend.of("once")} <= {"GET", "PUT", "POST"}


def test_an_answer_nobody_asked_for_reaches_nobody(server: Server) -> None:
    assert server.get("/raw/extra").body == b"a"
    assert closed.wait(10)
    assert server.get("/raw/ok").body == b"ok"


def test_content_behind_an_answer_without_any_reaches_nobody(
    server: Server,
) -> None:
    """RFC 9110 8.6: 204 has no length; what has one may have content."""
    assert server.get("/raw/late-content").status == 204
    assert server.get("/raw/ok").body == b"ok"


def test_idle_connections_are_closed(
    server: Server, backend: RawBackend
) -> None:
    first = server.get("/brief/ok").get("x-conn")
    before = backend.open
    wait_for(lambda: backend.open < before, "the idle connection is closed")
    assert server.get("/brief/ok").get("x-conn") != first


def test_at_most_so_many_connections(
    server: Server, backend: RawBackend
) -> None:
    release.clear()
    first, second = server.connect(), server.connect()
    first.send(head_of("GET", "/one/wait"))
    wait_for(lambda: backend.of("wait"), "the first is there")
    second.send(head_of("GET", "/one/ok"))
    # One may wait; a third is one too many, whichever of the two that is.
    third = server.connect()
    third.send(head_of("GET", "/one/ok"))
    assert sorted((second.answer().status, third.answer().status)) == [503, 503]
    assert "too many requests wait for it" in server.stderr
    assert "all connections to it are busy" in server.stderr
    second.send(head_of("GET", "/one/ok"))
    time.sleep(0.05)
    release.set()
    assert first.answer().body == b"at last"
    assert second.answer().body == b"ok"
    assert len({s.connection for s in backend.seen if "/one/" in s.target}) == 1


def test_backends_take_turns_and_the_dead_are_passed_over(
    server: Server,
) -> None:
    answers = [server.get("/both/ok").status for _ in range(8)]
    assert answers == [200] * 8
    # Asked once in a while only.
    assert server.stderr.count("asking another") <= 2


def test_who_was_just_refused_asks_another(server: Server) -> None:
    """Also when nobody is passed over, and others have taken its turn."""

    def ask(_: int) -> set[int]:
        with server.connect() as client:
            return {client.get("/each/ok").status for _ in range(50)}

    with ThreadPoolExecutor(4) as pool:
        assert set().union(*pool.map(ask, range(4))) == {200}


# ---- slow and gone ----


@pytest.mark.parametrize("name", ["hang", "stall"])
def test_the_client_goes_and_the_backend_is_told(
    server: Server, backend: RawBackend, name: str
) -> None:
    before = len(backend.of(name))
    client = server.connect()
    client.send(head_of("GET", f"/raw/{name}"))
    wait_for(lambda: len(backend.of(name)) > before, "the backend is asked")
    if name == "stall":
        client.head()
    open_before = backend.open
    client.reset()
    wait_for(lambda: backend.open < open_before, "the connection is closed")


def test_the_client_goes_while_it_sends(
    server: Server, backend: RawBackend
) -> None:
    before = len(backend.of("hang"))
    client = server.connect()
    client.send(head_of("POST", "/raw/hang", {"Content-Length": "1000"}))
    client.send(b"x" * 500)
    wait_for(lambda: len(backend.of("hang")) > before, "the backend is asked")
    open_before = backend.open
    client.close()
    wait_for(lambda: backend.open < open_before, "the connection is closed")


@pytest.mark.parametrize("content", [b"", b"half"])
def test_a_client_that_goes_is_no_failure_of_the_server(
    server: Server, backend: RawBackend, content: bytes
) -> None:
    """In logs and metrics; one that has only half-closed sees it."""
    before = len(backend.of("hang"))
    length = 2 * len(content)
    with server.connect() as client:
        client.send(
            head_of("POST", "/raw/hang", {"Content-Length": str(length)})
        )
        client.send(content)
        wait_for(lambda: len(backend.of("hang")) > before, "it is asked")
        client.shutdown()
        assert client.answer().status == 400


def rss_kib(server: Server) -> int:
    status = Path(f"/proc/{server.workers[0]}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found[1])


def test_a_slow_client_slows_the_backend(
    server: Server, backend: RawBackend
) -> None:
    before = rss_kib(server)
    backend.flooded = None  # type: ignore[attr-defined]
    client = server.connect()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.send(head_of("GET", "/raw/flood"))
    client.head()
    # Nothing tells that nothing happens.
    time.sleep(0.3)
    assert backend.flooded is None  # type: ignore[attr-defined]
    assert rss_kib(server) - before < 8 * 1024
    got = sum(len(chunk) for chunk in client.chunks())
    assert got == 64 << 20


def test_a_slow_backend_slows_the_client(server: Server) -> None:
    before = rss_kib(server)
    release.clear()
    n = 64 << 20
    client = server.connect()
    client.send(head_of("POST", "/raw/sink", {"Content-Length": str(n)}))
    client.sock.setblocking(False)
    sent, quiet = 0, 0
    while quiet < 10:
        try:
            sent += client.sock.send(b"x" * min(65536, n - sent))
            quiet = 0
        except BlockingIOError:
            time.sleep(0.03)
            quiet += 1
    assert sent < n
    assert rss_kib(server) - before < 8 * 1024
    release.set()
    client.sock.settimeout(20)
    while sent < n:
        sent += client.sock.send(b"x" * min(65536, n - sent))
    assert client.answer().body == str(n).encode()


def test_an_answer_before_the_content_is_there(server: Server) -> None:
    with server.connect() as client:
        client.send(
            head_of("POST", "/raw/early", {"Content-Length": str(1 << 30)})
        )
        client.send(b"x" * 1000)
        answer = client.answer()
        assert (answer.status, answer.body) == (413, b"too much")
    assert server.get("/raw/ok").status == 200


def test_expect_is_met_here(server: Server, backend: RawBackend) -> None:
    with server.connect() as client:
        client.send(
            head_of(
                "POST",
                "/raw/ok?expect",
                {"Expect": "100-continue", "Content-Length": "3"},
            )
        )
        client.send(b"")
        assert client.head()[0] == 100
        client.send(b"abc")
        assert client.answer().body == b"abc"
    assert backend.seen[-1].get("expect") == []


def test_no_backend_no_content(server: Server) -> None:
    """Nobody is asked to send what nobody takes."""
    with server.connect() as client:
        client.send(
            head_of(
                "POST",
                "/dead/x",
                {"Expect": "100-continue", "Content-Length": "3"},
            )
        )
        answer = client.answer()
        assert (answer.status, answer.interim) == (502, [])


# ---- upgrades ----

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def upgrade(server: Server, path: str = "/raw/ws") -> Client:
    client = server.connect()
    client.send(head_of("GET", path, UPGRADE))
    status, headers = client.head()
    assert status == 101
    fields = dict(headers)
    assert fields["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert fields["upgrade"] == "websocket"
    return client


def test_bytes_go_both_ways_after_an_upgrade(server: Server) -> None:
    client = upgrade(server)
    assert client._exactly(7) == b"welcome"
    client.send(b"hello")
    assert client._exactly(5) == b"HELLO"
    big = b"abc" * 700_000
    sender = threading.Thread(target=client.send, args=(big,))
    sender.start()
    assert client._exactly(len(big)) == big.upper()
    sender.join()
    client.shutdown()
    assert client.ends() == b"bye"


def test_a_tunnel_ends_with_its_client(
    server: Server, backend: RawBackend
) -> None:
    client = upgrade(server)
    before = backend.open
    client.reset()
    wait_for(lambda: backend.open < before, "the connection is closed")


def test_an_upgrade_that_is_declined(server: Server) -> None:
    """Without a valid offer the backend is asked like any other."""
    answer = server.get("/raw/ws", Connection="Upgrade", Upgrade="h2c")
    assert (answer.status, answer.body) == (426, b"no upgrade came")
    with server.connect() as client:
        client.send(head_of("GET", "/raw/ok", UPGRADE))
        assert client.answer().body == b"ok"
        assert client.get("/raw/ok").body == b"ok"


# ---- around it ----

AROUND = """
import os
from rupy import Rupy

app = Rupy()
inner = Rupy()
inner.proxy("/raw", os.environ["BACKEND"])
inner.proxy("/v2", os.environ["BACKEND"] + "/base")
app.mount("/in", inner)

@inner.middleware
def before(request):
    if request.headers.get("x-stop"):
        return "stopped", 403

outer = Rupy()
outer.proxy("/raw", os.environ["BACKEND"])
app.mount("/out", outer)

@outer.middleware
async def around(request, call_next):
    response = await call_next(request)
    response.headers["x-around"] = "1"
    return response
"""


@pytest.fixture(scope="module")
def around(serve_module: Servers, backend: RawBackend) -> Server:
    return serve_module(AROUND, env={"BACKEND": backend.url})


def test_middleware_before_it(around: Server) -> None:
    assert around.get("/in/raw/ok", X_Stop="1").status == 403
    assert around.get("/in/raw/ok").get("x-target") == "/in/raw/ok"
    assert around.get("/in/v2/ok?x").get("x-target") == "/base/ok?x"
    with around.connect() as client:
        assert client.post("/in/raw/ok", b"y" * 300_000).body == b"y" * 300_000
    client = upgrade(around, "/in/raw/ws")
    assert client._exactly(7) == b"welcome"


def test_middleware_around_it(around: Server) -> None:
    answer = around.get("/out/raw/ok")
    assert (answer.body, answer.get("x-around")) == (b"ok", "1")
    answer = around.get("/out/raw/chunks")
    assert (answer.body, answer.get("x-around")) == (b"abcde", "1")
    with around.connect() as client:
        answer = client.post("/out/raw/ok", b"y" * 300_000)
        assert answer.body == b"y" * 300_000
        assert client.get("/out/raw/eof").status == 502
        # Middleware sees answers, not tunnels.
        client.send(head_of("GET", "/out/raw/ws", UPGRADE))
        assert client.answer().status == 426


def test_a_worker_that_retires_finishes(
    serve: Servers, backend: RawBackend
) -> None:
    server = serve(
        APP,
        "--graceful-timeout",
        "10s",
        env={"BACKEND": backend.url, "FULL": backend.url, "SOCKET": "/x"},
    )
    release.clear()
    before = len(backend.of("wait"))
    client, tunnel = server.connect(), upgrade(server)
    assert server.get("/raw/ok").status == 200
    client.send(head_of("GET", "/raw/wait"))
    wait_for(lambda: len(backend.of("wait")) > before, "it is asked")
    server.tell(signal.SIGTERM)
    assert tunnel.ends() == b"welcome"
    tunnel.close()
    release.set()
    answer = client.answer()
    assert (answer.body, answer.get("connection")) == (b"at last", "close")
    assert server.exit_status() == 0


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("'api', 'http://b'", "is no literal path"),
        ("'/<x>', 'http://b'", "is no literal path"),
        ("'/x', []", "no backend"),
        ("'/x', 'b:80'", "is not like http://host:port"),
        ("'/x', 'https://b'", "TLS to a backend is not offered"),
        ("'/x', 'http://b:99999'", "out of range"),
        ("'/x', 'http://b/?x'", "is not like http://host:port"),
        ("'/x', 'http://b/a b'", "no valid path"),
        ("'/x', 'http://u:p@b/'", "no valid host"),
        ("'/x', 'unix:b.sock'", "does not name a socket"),
        ("'/x', 'http://b', connections=0", "connections=0"),
        ("'/x', 'http://b', timeout=0", "timeout=0 would be no time at all"),
        ("'/x', 'http://b', host='a b'", "is no host"),
    ],
)
def test_what_cannot_be_meant_is_told(call: str, error: str) -> None:
    from rupy import Rupy

    app = Rupy()
    with pytest.raises(ValueError, match=re.escape(error)):
        eval(f"app.proxy({call})", {"app": app})
