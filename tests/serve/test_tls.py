"""HTTPS: --ssl-certfile and what goes with it, over real handshakes."""

from __future__ import annotations

import hashlib
import os
import select
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from certs import Authority, Pair, TLSClient
from serving import Server, Servers, wait_for

APP = """
import hashlib, os, ssl
from rupy import Rupy, Response
app = Rupy()

@app.get("/")
def hello(request):
    return "hello over " + request.scheme

@app.get("/url")
def url(request):
    return request.url

@app.get("/pid")
def pid(request):
    return str(os.getpid())

@app.post("/echo")
def echo(request):
    return Response(request.body)

@app.post("/digest", stream=True)
async def digest(request):
    h = hashlib.sha256()
    async for piece in request.stream():
        h.update(piece)
    return h.hexdigest()

@app.get("/zeros/<n:int>")
def zeros(request, n):
    return b"0" * n

@app.get("/fds")
def fds(request):
    return str(len(os.listdir("/proc/self/fd")))

@app.get("/rss")
def rss(request):
    with open("/proc/self/statm") as f:
        return str(int(f.read().split()[1]) * 4096)

@app.get("/python-ssl")
def python_ssl(request):
    a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    o = context.wrap_bio(a, b, server_hostname="localhost")
    try:
        o.do_handshake()
    except ssl.SSLWantReadError:
        pass
    a.write(b"this is no TLS")
    try:
        o.do_handshake()
    except ssl.SSLError as error:
        return "refused: " + error.reason

@app.websocket("/ws")
async def ws(ws):
    await ws.accept()
    async for message in ws:
        await ws.send(ws.scheme + " " + message)
"""
BIG = 100_000_000


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def pair(ca: Authority) -> Pair:
    return ca.sign("server", "localhost")


@pytest.fixture(scope="module")
def context(ca: Authority) -> ssl.SSLContext:
    return ca.context()


def with_pair(pair: Pair) -> tuple[str, ...]:
    return ("--ssl-certfile", str(pair.cert), "--ssl-keyfile", str(pair.key))


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, pair: Pair
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "files"
    files.mkdir()
    with (files / "big").open("wb") as f:
        for i in range(BIG // 1_000_000):
            f.write(hashlib.shake_128(bytes([i])).digest(1_000_000))
    (files / "small").write_bytes(b"small")
    servers = Servers(folder)
    yield servers(
        APP, *with_pair(pair), "--static", f"/files={files}",
        "--ssl-handshake-timeout", "1s",
    )  # fmt: skip
    servers.finish()


def connect(server: Server, context: ssl.SSLContext) -> TLSClient:
    client = TLSClient(server.address, context)
    server.clients.append(client)
    return client


def only(ca: Authority, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ca.context()
    context.minimum_version = context.maximum_version = version
    return context


BOTH = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", BOTH)
def test_both_versions_are_spoken_and_connections_are_kept(
    server: Server, ca: Authority, version: ssl.TLSVersion
) -> None:
    with connect(server, only(ca, version)) as c:
        for _ in range(5):
            assert c.get("/").text == "hello over https"
        assert c.get("/url").text == "https://localhost/url"
        assert c.tls.version() == version.name.replace("_", ".")


def test_an_older_version_is_refused(server: Server, ca: Authority) -> None:
    context = only(ca, ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match=r"(?i)version|protocol"):
        connect(server, context)


def test_http_1_1_is_chosen_by_alpn_and_others_are_refused(
    server: Server, ca: Authority
) -> None:
    context = ca.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connect(server, context) as c:
        assert c.tls.selected_alpn_protocol() == "http/1.1"
        assert c.get("/").status == 200
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError, match=r"(?i)application.protocol"):
        connect(server, context)


def test_the_log_names_the_scheme(server: Server) -> None:
    assert f"listening on https://127.0.0.1:{server.port}" in server.stderr


def test_curl_and_httpx_are_served(server: Server, ca: Authority) -> None:
    url = f"https://localhost:{server.port}"
    done = subprocess.run(
        ["curl", "-sS", "--cacert", str(ca.own.cert), f"{url}/", f"{url}/url"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == f"hello over https{url}/url"
    with httpx.Client(verify=ca.context()) as client:
        for _ in range(3):
            assert client.get(url).text == "hello over https"
        body = os.urandom(300_000)
        assert client.post(f"{url}/echo", content=body).content == body


@pytest.mark.parametrize("method", ["GET", "DELETE", "CONNECT"])
def test_plain_http_is_told_so_and_closed(server: Server, method: str) -> None:
    with server.connect() as c:
        c.send(f"{method} / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = c.answer()
        assert answer.status == 400
        assert "plain HTTP" in answer.text
        assert answer.get("connection") == "close"
        c.shutdown()
        assert c.ends() == b""


def test_what_is_neither_is_closed(server: Server) -> None:
    with server.connect() as c:
        c.send(b"\x00\x01\x02\x03 what is this?")
        c.shutdown()
        c.ends()


def test_tls_on_a_plain_port_is_refused_at_once(
    serve: Servers, context: ssl.SSLContext
) -> None:
    plain = serve(APP)
    began = time.monotonic()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(plain, context)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01"])
def test_a_handshake_has_a_deadline(server: Server, said: bytes) -> None:
    with server.connect() as c:
        c.send(said)
        began = time.monotonic()
        assert c.ends() in (b"", b"<reset>")
        assert 0.5 < time.monotonic() - began < 9


def test_after_the_handshake_its_deadline_is_over(
    server: Server, context: ssl.SSLContext
) -> None:
    with connect(server, context) as c:
        c.tls.settimeout(1.5)
        with pytest.raises(TimeoutError):
            c.tls.recv(1)
        c.tls.settimeout(10)
        assert c.get("/").status == 200


class Relay:
    """Passes bytes on one by one, from a client that speaks TLS."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.thread = threading.Thread(target=self._run, args=(address,))
        self.thread.start()

    def _run(self, address: tuple[str, int]) -> None:
        client, _ = self.listener.accept()
        with client, socket.create_connection(address, 10) as server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                ready, _, _ = select.select([client, server], [], [], 10)
                if client in ready:
                    data = client.recv(65536)
                    if not data:
                        return
                    for i in range(len(data)):
                        server.sendall(data[i : i + 1])
                elif server in ready:
                    client.sendall(server.recv(65536))
                else:
                    return

    def close(self) -> None:
        self.listener.close()
        self.thread.join(20)


def test_a_client_whose_bytes_come_one_by_one(
    server: Server, context: ssl.SSLContext
) -> None:
    relay = Relay(server.address)
    with TLSClient(relay.address, context) as c:
        assert c.get("/").text == "hello over https"
        assert c.post("/echo", b"x" * 100).body == b"x" * 100
    relay.close()


def test_a_half_closed_client_gets_its_answer(
    server: Server, context: ssl.SSLContext
) -> None:
    with connect(server, context) as c:
        c.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        socket.socket.shutdown(c.tls, socket.SHUT_WR)
        assert c.answer().text == "hello over https"
        assert c.ends() == b""


def test_the_end_is_said_before_the_connection_closes(
    server: Server, context: ssl.SSLContext
) -> None:
    with connect(server, context) as c:
        c.tls.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        assert c.get("/", Connection="close").status == 200
        assert c.ends() == b""


def test_pipelined_requests_are_answered_in_order(
    server: Server, context: ssl.SSLContext
) -> None:
    n = 2000
    one = b"GET /zeros/%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(server, context) as c:
        c.send(b"".join(one % i for i in range(n)))
        for i in range(n):
            assert c.answer().body == b"0" * i


@pytest.mark.parametrize("version", BOTH)
def test_a_large_file_arrives_as_it_is(
    server: Server, ca: Authority, version: ssl.TLSVersion
) -> None:
    want, got = hashlib.sha256(), hashlib.sha256()
    for i in range(BIG // 1_000_000):
        want.update(hashlib.shake_128(bytes([i])).digest(1_000_000))
    with connect(server, only(ca, version)) as c:
        c.send(b"GET /files/big HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, headers = c.head()
        assert status == 200
        assert ("content-length", str(BIG)) in headers
        left = BIG - len(c.got)
        got.update(c.got)
        c.got = b""
        while left > 0:
            data = c.tls.recv(1 << 18)
            assert data
            got.update(data)
            left -= len(data)
        assert got.digest() == want.digest()
        assert c.get("/files/small").body == b"small"


def test_bodies_are_the_same_in_both_directions(
    server: Server, context: ssl.SSLContext
) -> None:
    with connect(server, context) as c:
        for n in (1, 16383, 16384, 16385, 65535, 65536, 65537, 3_000_000):
            body = os.urandom(n)
            c.send(
                b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: %d\r\n\r\n" % n
            )
            c.send(body)
            assert c.answer().body == body, n
        body = os.urandom(20_000_000)
        assert c.post("/digest", body).text == hashlib.sha256(body).hexdigest()


def test_a_client_that_reads_late_gets_all(
    server: Server, context: ssl.SSLContext
) -> None:
    with connect(server, context) as c, connect(server, context) as other:
        c.send(b"GET /zeros/3000000 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        for _ in range(20):
            assert other.get("/").status == 200
        for _ in range(3):
            assert c.answer().body == b"0" * 3_000_000


def test_two_hundred_clients_at_once(
    server: Server, context: ssl.SSLContext
) -> None:
    clients = [connect(server, context) for _ in range(200)]
    for _ in range(3):
        for c in clients:
            c.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for c in clients:
            assert c.answer().status == 200
    for c in clients:
        c.close()


def test_a_session_is_resumed_by_another_worker(
    serve: Servers, ca: Authority, pair: Pair
) -> None:
    server = serve(APP, *with_pair(pair), "--workers", "2")
    context = only(ca, ssl.TLSVersion.TLSv1_2)
    with connect(server, context) as c:
        first = c.get("/pid").text
        session = c.tls.session
    others = 0
    for _ in range(200):
        with TLSClient(server.address, context, session=session) as c:
            assert c.tls.session_reused
            others += c.get("/pid").text != first
        if others >= 3:
            break
    assert others >= 3


def test_pythons_own_ssl_works_beside_it(
    server: Server, context: ssl.SSLContext
) -> None:
    with connect(server, context) as c:
        for _ in range(3):
            assert c.get("/python-ssl").text == "refused: WRONG_VERSION_NUMBER"
            assert c.get("/").status == 200


def test_descriptors_and_memory_are_flat_over_handshakes(
    server: Server, context: ssl.SSLContext
) -> None:
    def handshakes(n: int) -> None:
        for i in range(n):
            with TLSClient(server.address, context) as c:
                if i % 4 == 0:
                    assert c.get("/").status == 200
        with socket.create_connection(server.address) as s:
            s.sendall(b"\x16\x03\x01\x00\x05hello")

    def look(path: str) -> int:
        with TLSClient(server.address, context) as c:
            return int(c.get(path).text)

    n = int(os.environ.get("RUPY_TLS_HANDSHAKES", "300"))
    handshakes(100)
    fds, rss = look("/fds"), look("/rss")
    handshakes(n)
    wait_for(lambda: look("/fds") <= fds + 1, "descriptors are closed")
    if not os.environ.get("RUPY_SANITIZE"):
        assert look("/rss") < rss + 2_000_000
