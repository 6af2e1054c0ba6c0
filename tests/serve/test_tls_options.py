"""What --ssl-* make of certificates: of clients, by name, new, and broken."""

from __future__ import annotations

import os
import re
import shutil
import signal
import ssl
import subprocess
from pathlib import Path

import pytest
from certs import Authority, Pair, TLSClient
from serving import BINARY, Client, Server, Servers, run_program, wait_for
from wsclient import frame

SAYS = """
import json

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        text = scope["scheme"] + " " + str("tls" in scope["extensions"])
        await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.close"})
        return
    said = {"scheme": scope["scheme"],
            "tls": scope["extensions"].get("tls")}
    body = json.dumps(said).encode()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": body})
"""
WSGI = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [f"{environ['wsgi.url_scheme']} {environ.get('HTTPS')}".encode()]
"""


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def pair(ca: Authority) -> Pair:
    return ca.sign("server", "localhost")


def with_pair(pair: Pair) -> tuple[str, ...]:
    return ("--ssl-certfile", str(pair.cert), "--ssl-keyfile", str(pair.key))


def pem(path: Path) -> str:
    text = path.read_text()
    return text[text.index("-----BEGIN CERT") :]


def test_an_asgi_application_is_told_of_tls(
    serve: Servers, ca: Authority, pair: Pair
) -> None:
    client = ca.sign("client", "alice")
    server = serve(
        SAYS, *with_pair(pair), "--ssl-ca-certs", str(ca.own.cert),
        "--ssl-verify", "optional",
    )  # fmt: skip
    with TLSClient(server.address, ca.context()) as c:
        said = c.get("/").json()
        assert said["scheme"] == "https"
        assert said["tls"] == {
            "server_cert": pem(pair.cert),
            "client_cert_chain": [],
            "client_cert_name": None,
            "client_cert_error": None,
            "tls_version": 0x0304,
            "cipher_suite": 0x1302,
        }
    with TLSClient(server.address, ca.context(client)) as c:
        tls = c.get("/").json()["tls"]
        assert tls["client_cert_name"] == "CN=alice,O=Tests"
        assert tls["client_cert_chain"][0] == pem(client.cert)
        assert tls["client_cert_error"] is None
    stranger = Authority(ca.folder / "other", "other").sign("bob", "bob")
    with (
        pytest.raises((ssl.SSLError, ConnectionError)),
        TLSClient(server.address, ca.context(stranger)) as c,
    ):
        c.get("/")
    with TLSClient(server.address, ca.context()) as c:
        c.send(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n"
        )
        status, _ = c.head()
        assert status == 101
        wait = b"\x81\x08wss True"
        assert c._exactly(len(wait)) == wait
        c.send(frame(8, b"\x03\xe8"))


def test_a_certificate_of_the_client_can_be_required(
    serve: Servers, ca: Authority, pair: Pair
) -> None:
    server = serve(
        SAYS, *with_pair(pair), "--ca-certs", str(ca.own.cert),
        "--cert-reqs", "2",
    )  # fmt: skip
    client = ca.sign("client", "alice")
    with TLSClient(server.address, ca.context(client)) as c:
        assert c.get("/").status == 200
    with (
        pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"),
        TLSClient(server.address, ca.context()) as c,
    ):
        c.get("/")


def is_refused(server: Server, context: ssl.SSLContext, why: str) -> bool:
    """TLS 1.3 says so behind the handshake."""
    try:
        with TLSClient(server.address, context) as c:
            return c.get("/").status != 200
    except ssl.SSLError as error:
        return why in str(error).lower().replace("_", " ")


def test_a_revoked_certificate_is_refused_as_soon_as_the_list_says_so(
    serve: Servers, ca: Authority, pair: Pair, tmp_path: Path
) -> None:
    alice, bob = ca.sign("crl-a", "alice"), ca.sign("crl-b", "bob")
    crl = ca.crl(tmp_path / "revoked.pem")
    server = serve(
        SAYS, *with_pair(pair), "--ssl-ca-certs", str(ca.own.cert),
        "--ssl-verify", "optional", "--ssl-crl", str(crl),
        "--ssl-reload-interval", "100ms",
    )  # fmt: skip
    kept = TLSClient(server.address, ca.context(alice))
    assert kept.get("/").status == 200
    ca.revoke(alice)
    ca.crl(crl)
    server.wait_log("certificates read again")
    assert is_refused(server, ca.context(alice), "certificate revoked")
    for client in (bob, None):
        with TLSClient(server.address, ca.context(client)) as c:
            assert c.get("/").status == 200
    # A list that is not right does not let her in again.
    crl.write_text("this is no list")
    server.wait_log("the old ones stay: --ssl-crl")
    assert is_refused(server, ca.context(alice), "certificate revoked")
    ca.crl(
        crl, "-crl_lastupdate", "20200101000000Z",
        "-crl_nextupdate", "20200102000000Z",
    )  # fmt: skip
    server.wait_log("is out of date: clients of its authority are refused")
    wait_for(lambda: is_refused(server, ca.context(bob), ""), "bob is refused")
    kept.close()


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
)
def test_a_session_from_before_does_not_pass_the_list(
    serve: Servers, ca: Authority, pair: Pair, tmp_path: Path,
    version: ssl.TLSVersion,
) -> None:  # fmt: skip
    client = ca.sign(f"resumes-{version.value}", "resumes")
    crl = ca.crl(tmp_path / "revoked.pem")
    server = serve(
        SAYS, *with_pair(pair), "--ssl-ca-certs", str(ca.own.cert),
        "--ssl-verify", "require", "--ssl-crl", str(crl),
        "--ssl-reload-interval", "100ms",
    )  # fmt: skip
    context = ca.context(client)
    context.minimum_version = context.maximum_version = version
    session = None
    for reused in (False, True):
        with TLSClient(server.address, context, session=session) as c:
            assert c.get("/").status == 200
            assert c.tls.session_reused == reused
            session = c.tls.session
    ca.revoke(client)
    ca.crl(crl)
    server.wait_log("certificates read again")
    with (
        pytest.raises(ssl.SSLError, match=r"(?i)certificate.revoked"),
        TLSClient(server.address, context, session=session) as c,
    ):
        c.get("/")


def rehash(folder: Path) -> None:
    subprocess.run(["openssl", "rehash", str(folder)], check=True)


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
)
def test_a_session_from_before_does_not_outlive_its_authority(
    serve: Servers, ca: Authority, pair: Pair, tmp_path: Path,
    version: ssl.TLSVersion,
) -> None:  # fmt: skip
    """Of a folder nothing is read before somebody shows a certificate."""
    folder = tmp_path / "authorities"
    folder.mkdir()
    shutil.copy(ca.own.cert, folder / "own.pem")
    rehash(folder)
    server = serve(
        SAYS, *with_pair(pair), "--ssl-ca-certs", str(folder),
        "--ssl-verify", "require", "--ssl-reload-interval", "100ms",
    )  # fmt: skip
    context = ca.context(ca.sign(f"left-{version.value}", "left"))
    context.minimum_version = context.maximum_version = version
    session = None
    for reused in (False, True):
        with TLSClient(server.address, context, session=session) as c:
            assert c.get("/").status == 200
            assert c.tls.session_reused == reused
            session = c.tls.session
    (folder / "own.pem").unlink()
    rehash(folder)
    server.wait_log("certificates read again")
    with (
        pytest.raises(ssl.SSLError, match=r"(?i)unknown.ca"),
        TLSClient(server.address, context, session=session) as c,
    ):
        c.get("/")


def test_the_list_must_be_one(
    ca: Authority, pair: Pair, tmp_path: Path
) -> None:
    good = ca.crl(tmp_path / "good.pem")
    cut = tmp_path / "cut.pem"
    cut.write_text(good.read_text() + good.read_text()[:200])
    client = ["--ssl-ca-certs", str(ca.own.cert), "--ssl-verify", "require"]
    for words, want in (
        (["--ssl-crl", str(good)], "--ssl-crl needs --ssl-verify"),
        ([*client, "--ssl-crl", "/no/such"], "cannot read /no/such: No such"),
        ([*client, "--ssl-crl", str(pair.key)], "is no file of lists"),
        ([*client, "--ssl-crl", str(cut)], "is no file of lists"),
    ):
        done = run_program(
            BINARY, "x:app", *with_pair(pair), "--port", "0", *words
        )
        assert done.returncode == 1, words
        assert want in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_wsgi_and_unix_sockets(
    serve: Servers, ca: Authority, pair: Pair, tmp_path: Path
) -> None:
    path = f"unix:{tmp_path}/plain.sock"
    server = serve(WSGI, *with_pair(pair), binds=(path,))
    with TLSClient(server.address, ca.context()) as c:
        assert c.get("/").text == "https on"
    with server.connect(f"{tmp_path}/plain.sock") as c:
        assert c.get("/").text == "http None"


def name_of(server: Server, ca: Authority, asked: str) -> str:
    context = ca.context()
    context.check_hostname = False
    with TLSClient(server.address, context, asked) as c:
        cert = c.tls.getpeercert()
        assert cert and c.get("/").status == 200
        return str(cert["subject"][-1][0][1])


def test_the_certificate_follows_the_name(
    serve: Servers, ca: Authority, pair: Pair, tmp_path: Path
) -> None:
    folder = tmp_path / "names"
    (folder / "c.example").mkdir(parents=True)
    for stem, name in (("a.example", "a"), ("_.b.example", "b")):
        new = ca.sign(stem, f"{name}-own.example")
        shutil.copy(new.cert, folder / f"{stem}.crt")
        shutil.copy(new.key, folder / f"{stem}.key")
    new = ca.sign("c", "c-own.example")
    shutil.copy(new.cert, folder / "c.example" / "fullchain.pem")
    shutil.copy(new.key, folder / "c.example" / "privkey.pem")
    server = serve(SAYS, *with_pair(pair), "--ssl-sni", str(folder))
    for asked, want in (
        ("a.example", "a-own.example"),
        ("A.EXAMPLE", "a-own.example"),
        ("x.b.example", "b-own.example"),
        ("c.example", "c-own.example"),
        ("x.a.example", "localhost"),
        ("unknown.example", "localhost"),
    ):
        assert name_of(server, ca, asked) == want, asked


def test_new_files_are_seen_and_broken_ones_are_not_taken(
    serve: Servers, ca: Authority, pair: Pair, tmp_path: Path
) -> None:
    live = Pair(tmp_path / "live.crt", tmp_path / "live.key")

    def put(new: Pair) -> None:
        for old, fresh in zip(live, new, strict=True):
            shutil.copy(fresh, f"{old}.new")
            os.replace(f"{old}.new", old)

    put(pair)
    server = serve(SAYS, *with_pair(live), "--ssl-reload-interval", "100ms")
    kept = TLSClient(server.address, ca.context())
    assert kept.get("/").status == 200
    put(ca.sign("second", "second.example"))
    server.wait_log("certificates read again")
    assert name_of(server, ca, "x") == "second.example"
    live.cert.write_text("this is no certificate")
    server.wait_log("the old ones stay: --ssl-certfile")
    assert name_of(server, ca, "x") == "second.example"
    put(ca.sign("third", "third.example"))
    wait_for(
        lambda: name_of(server, ca, "x") == "third.example", "the third one"
    )
    assert kept.get("/").status == 200
    kept.close()


@pytest.mark.parametrize("preload", ["--no-preload", "--preload"])
def test_a_new_worker_has_the_certificate_of_now(
    serve: Servers, ca: Authority, pair: Pair, tmp_path: Path, preload: str
) -> None:
    live = Pair(tmp_path / "live.crt", tmp_path / "live.key")
    for old, fresh in zip(live, pair, strict=True):
        shutil.copy(fresh, old)
    server = serve(
        SAYS, *with_pair(live), preload, "--ssl-reload-interval", "1h"
    )
    server.may_die = True
    new = ca.sign(f"now{preload}", "now.example")
    for old, fresh in zip(live, new, strict=True):
        shutil.copy(fresh, f"{old}.new")
        os.replace(f"{old}.new", old)
    assert name_of(server, ca, "x") == "localhost"
    pid = re.findall(r"worker 1 \(pid (\d+)\) ready", server.stderr)[-1]
    os.kill(int(pid), signal.SIGKILL)
    wait_for(
        lambda: len(re.findall(r"worker 1 .* ready", server.stderr)) == 2,
        "another worker",
    )
    assert name_of(server, ca, "x") == "now.example"


def test_hup_reads_them_again_or_gives_up(
    serve: Servers, ca: Authority, pair: Pair, tmp_path: Path
) -> None:
    live = Pair(tmp_path / "live.crt", tmp_path / "live.key")
    for old, fresh in zip(live, pair, strict=True):
        shutil.copy(fresh, old)
    server = serve(SAYS, *with_pair(live), "--ssl-reload-interval", "0")
    shutil.copy(ca.sign("other", "other.example").key, live.key)
    server.tell(signal.SIGHUP)
    server.wait_log("reload given up, the old certificates stay")
    assert "does not fit the certificate" in server.stderr
    assert name_of(server, ca, "x") == "localhost"
    new = ca.sign("hup", "hup.example")
    shutil.copy(new.cert, live.cert)
    shutil.copy(new.key, live.key)
    server.tell(signal.SIGHUP)
    wait_for(
        lambda: name_of(server, ca, "x") == "hup.example",
        "the new certificate",
    )


def test_a_proxy_header_comes_before_the_handshake(
    serve: Servers, ca: Authority, pair: Pair
) -> None:
    server = serve(
        "from rupy import Rupy\napp = Rupy()\n"
        "@app.get('/')\ndef who(request): return request.client[0]\n",
        *with_pair(pair), "--proxy-protocol", "auto", ready=False,
    )  # fmt: skip
    server.wait_log("ready after")
    with Client(server.address) as c:
        c.send_in_bytes(b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n")
        tls = ca.context().wrap_socket(c.sock, server_hostname="localhost")
        c.sock = tls
        assert c.get("/").text == "192.0.2.7"


def test_an_encrypted_key_is_opened(
    serve: Servers, ca: Authority, pair: Pair, tmp_path: Path
) -> None:
    key = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "ec", "-in", str(pair.key), "-aes256", "-passout",
         "pass:open sesame", "-out", str(key)],
        check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "word").write_text("open sesame\n")
    locked = with_pair(Pair(pair.cert, key))
    server = serve(
        SAYS, *locked, "--ssl-keyfile-password", f"file:{tmp_path}/word"
    )
    assert name_of(server, ca, "x") == "localhost"
    server = serve(
        SAYS, *locked, "--ssl-keyfile-password", "env:WORD",
        env={"WORD": "open sesame"},
    )  # fmt: skip
    assert name_of(server, ca, "x") == "localhost"
    done = run_program(BINARY, "x:app", *locked, "--port", "0")
    assert done.returncode == 1
    assert "give --ssl-keyfile-password" in done.stderr
    done = run_program(
        BINARY, "x:app", *locked, "--ssl-keyfile-password", "guess"
    )
    assert "the password is wrong" in done.stderr
    done = run_program(
        BINARY, "x:app", *locked, "--ssl-keyfile-password", "guess",
        "--print-config",
    )  # fmt: skip
    assert done.returncode == 0
    assert "guess" not in done.stdout


PAIR = ["--ssl-certfile", "{cert}", "--ssl-keyfile", "{key}"]
MISTAKES = [
    (["--ssl-keyfile", "{key}"], "--ssl-keyfile needs --ssl-certfile"),
    (
        ["--ssl-certfile", "/no/such", "--ssl-keyfile", "{key}"],
        "--ssl-certfile: cannot read /no/such: No such file",
    ),
    (
        ["--ssl-certfile", "{cert}", "--ssl-keyfile", "/no/such"],
        "--ssl-keyfile: cannot read /no/such: No such file",
    ),
    (
        ["--ssl-certfile", "{cert}", "--ssl-keyfile", "{other}"],
        "{other} does not fit the certificate {cert}",
    ),
    (["--ssl-certfile", "{key}"], "--ssl-certfile: {key} cannot be used"),
    (["--ssl-certfile", "{cert}"], "no key in {cert}"),
    (
        ["--ssl-certfile", "{cert}", "--ssl-verify", "require"],
        "--ssl-verify needs --ssl-ca-certs",
    ),
    (
        [*PAIR, "--ssl-verify", "require", "--ssl-ca-certs", "{key}"],
        "--ssl-ca-certs: no certificates in {key}",
    ),
    (
        [*PAIR, "--ssl-ciphers", "NONSENSE"],
        "--ssl-ciphers: 'NONSENSE': no cipher match",
    ),
    ([*PAIR, "--ssl-sni", "/no/such"], "--ssl-sni: cannot read /no/such"),
    (
        ["--ssl-certfile", "{cert}", "--ssl-min-version", "1.0"],
        "'1.0' is none of: 1.2 1.3",
    ),
]


@pytest.mark.parametrize(("words", "want"), MISTAKES)
def test_a_mistake_is_one_line(
    ca: Authority, pair: Pair, words: list[str], want: str
) -> None:
    other = ca.sign("unrelated", "unrelated")
    names = {"cert": pair.cert, "key": pair.key, "other": other.key}
    done = run_program(
        BINARY, "x:app", "--port", "0", *(w.format(**names) for w in words)
    )
    assert done.returncode == 1
    assert want.format(**names) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_expired_certificate_is_warned_of(
    serve: Servers, ca: Authority
) -> None:
    old = ca.sign("old", "localhost", days=-1)
    server = serve(SAYS, *with_pair(old))
    assert f"the certificate {old.cert} has expired" in server.stderr


def test_ciphers_and_the_least_version(
    serve: Servers, ca: Authority, pair: Pair
) -> None:
    server = serve(
        SAYS, *with_pair(pair), "--ssl-ciphers",
        "ECDHE-ECDSA-AES128-GCM-SHA256:TLS_CHACHA20_POLY1305_SHA256",
    )  # fmt: skip
    context = ca.context()
    with TLSClient(server.address, context) as c:
        assert c.tls.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"  # type: ignore[index]
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with TLSClient(server.address, context) as c:
        assert c.tls.cipher()[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"  # type: ignore[index]
    server = serve(SAYS, *with_pair(pair), "--ssl-min-version", "1.3")
    with pytest.raises(ssl.SSLError, match=r"(?i)version|protocol"):
        TLSClient(server.address, context)
