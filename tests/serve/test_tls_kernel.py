"""Kernel TLS: the same bytes, whoever encrypts them.

Few kernels of test machines have it.  A stand-in for it is loaded before the C
library (kernel_tls.c), so that OpenSSL and the server do all that they do with
the real one; the real one is tested where it is.
"""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from certs import Authority, Pair, TLSClient
from serving import Server, Servers, free_port

APP = """
from rupy import Rupy, Response
app = Rupy()

@app.get("/")
def hello(request):
    return "hello"

@app.get("/zeros/<n:int>")
def zeros(request, n):
    return b"0" * n

@app.post("/echo")
def echo(request):
    return Response(request.body)
"""
PIECE = 1_000_000
PIECES = 4
BOTH = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def kernel_has_tls() -> bool:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as s,
    ):
        try:
            s.setsockopt(socket.IPPROTO_TCP, 31, b"tls")  # TCP_ULP
        except OSError:
            return False
        return True


def stand_in(folder: Path) -> Path:
    library = folder / "kernel_tls.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o",
         str(library), str(Path(__file__).with_name("kernel_tls.c")),
         "-lcrypto", "-ldl"],
        check=True,
    )  # fmt: skip
    return library


def piece(i: int) -> bytes:
    return hashlib.shake_128(bytes([i])).digest(PIECE)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def pair(ca: Authority) -> Pair:
    return ca.sign("server", "localhost")


@pytest.fixture(scope="module", params=["none", "stand-in", "real"])
def server(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    pair: Pair,
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("kernel")
    env = {}
    if request.param == "real" and not kernel_has_tls():
        pytest.skip("this kernel has no TLS (CONFIG_TLS, module tls)")
    if request.param == "none" and kernel_has_tls():
        pytest.skip("this kernel has TLS")
    if request.param == "stand-in":
        env["LD_PRELOAD"] = str(stand_in(folder))
        env["ASAN_OPTIONS"] = ":".join(
            [os.environ.get("ASAN_OPTIONS", ""), "verify_asan_link_order=0"]
        )
    files = folder / "files"
    files.mkdir()
    with (files / "big").open("wb") as f:
        for i in range(PIECES):
            f.write(piece(i))
    (files / "small").write_bytes(b"small")
    servers = Servers(folder)
    metrics = free_port()
    server = servers(
        APP, "--ssl-certfile", str(pair.cert), "--ssl-keyfile", str(pair.key),
        "--static", f"/files={files}", "--log-level", "debug",
        "--workers", "2", "--metrics", f"127.0.0.1:{metrics}", env=env,
    )  # fmt: skip
    server.metrics = metrics  # type: ignore[attr-defined]
    server.env = env  # type: ignore[attr-defined]
    server.by = "openssl" if request.param == "none" else "kernel"  # type: ignore[attr-defined]
    yield server
    servers.finish()


def connect(
    server: Server, ca: Authority, version: ssl.TLSVersion
) -> TLSClient:
    context = ca.context()
    context.minimum_version = context.maximum_version = version
    client = TLSClient(server.address, context)
    server.clients.append(client)
    return client


@pytest.mark.parametrize("version", BOTH)
def test_answers_and_files_arrive_as_they_are(
    server: Server, ca: Authority, version: ssl.TLSVersion
) -> None:
    with connect(server, ca, version) as c:
        for _ in range(3):
            assert c.get("/").text == "hello"
            assert c.get("/files/small").body == b"small"
        for n in (1, 16383, 16385, 300_000):
            body = os.urandom(n)
            assert c.post("/echo", body).body == body, n
        got = c.get("/files/big").body
        assert len(got) == PIECE * PIECES
        for i in range(PIECES):
            assert got[PIECE * i : PIECE * (i + 1)] == piece(i), i
        head = {"Range": "bytes=999999-1000000"}
        assert c.get("/files/big", **head).body == piece(0)[-1:] + piece(1)[:1]
    if "LD_PRELOAD" in server.env:  # type: ignore[attr-defined]
        for call in ("write", "writev", "sendmsg", "sendfile", "control"):
            server.wait_log(f"kernel TLS: {call}\n")


@pytest.mark.parametrize("version", BOTH)
def test_many_at_once_and_one_that_reads_late(
    server: Server, ca: Authority, version: ssl.TLSVersion
) -> None:
    with connect(server, ca, version) as late:
        one = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
        paths = [b"/files/small", b"/zeros/200000", b"/files/big", b"/"] * 3
        late.send(b"".join(one % path for path in paths))
        with connect(server, ca, version) as other:
            for i in range(50):
                assert other.get(f"/zeros/{i * 1000}").body == b"0" * i * 1000
        for path in paths:
            body = late.answer().body
            if path == b"/files/big":
                assert hashlib.sha256(body).digest() == whole()
            elif path == b"/zeros/200000":
                assert body == b"0" * 200_000
            else:
                assert body in (b"small", b"hello")


def whole() -> bytes:
    h = hashlib.sha256()
    for i in range(PIECES):
        h.update(piece(i))
    return h.digest()


def test_the_end_is_said(server: Server, ca: Authority) -> None:
    with connect(server, ca, BOTH[1]) as c:
        c.tls.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        c.send(
            b"GET /files/small HTTP/1.1\r\nHost: localhost\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert c.answer().body == b"small"
        assert c.ends() == b""


def test_who_encrypts_is_counted_and_told_once_a_worker(
    server: Server, ca: Authority
) -> None:
    with connect(server, ca, BOTH[1]) as c:
        assert c.get("/").status == 200
    by: str = server.by  # type: ignore[attr-defined]
    port: int = server.metrics  # type: ignore[attr-defined]
    with server.connect(("127.0.0.1", port)) as m:
        text = m.get("/metrics").text
    name = "rupy_serve_tls_handshakes_total"
    counts = {
        other: int(text.split(f'{name}{{by="{other}"}} ')[1].split()[0])
        for other in ("kernel", "openssl")
    }
    assert counts.pop(by) > 0
    assert list(counts.values()) == [0]
    said = "TLS: the kernel encrypts" if by == "kernel" else "OpenSSL encrypts"
    assert 1 <= server.stderr.count(said) <= 2
