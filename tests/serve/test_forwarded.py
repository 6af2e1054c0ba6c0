"""Who the client is behind proxies, and who may say so."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Answer, Client, Server, Servers, free_port, wait_for

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

APP = """
from rupy import Rupy

app = Rupy(__name__)
kept = []

def told(request):
    return {
        "client": request.client,
        "scheme": request.scheme,
        "host": request.host,
        "url": request.url,
        "fields": [list(pair) for pair in request.headers.items()],
    }

@app.get("/seen")
def seen(request):
    return told(request)

@app.get("/keep")
async def keep(request):
    kept.append(request)
    return "kept"

@app.get("/kept")
def read_kept():
    return told(kept.pop())
"""

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def ask(
    client: Client, *fields: str, host: str = "a", path: str = "/seen"
) -> Answer:
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *fields, "", ""]
    client.send("\r\n".join(lines))
    return client.answer()


def seen(server: Server, *fields: str, host: str = "a") -> dict[str, Any]:
    with server.connect() as client:
        answer = ask(client, *fields, host=host)
    assert answer.status == 200, answer
    return answer.json()


def names(told: dict[str, Any]) -> list[str]:
    return [name.lower() for name, _ in told["fields"]]


@pytest.fixture(scope="module")
def trusting(serve_module: Servers) -> Server:
    """As it is by default: 127.0.0.1 is trusted."""
    return serve_module(APP)


@pytest.fixture(scope="module")
def untrusting(serve_module: Servers) -> Server:
    return serve_module(APP, "--forwarded-allow-ips", "192.0.2.0/24")


def test_a_trusted_proxy_says_who_the_client_is(trusting: Server) -> None:
    told = seen(
        trusting,
        "X-Forwarded-For: 6.6.6.6, 192.0.2.1:4711, 127.0.0.1",
        "X-Forwarded-Proto: https",
    )
    assert told["client"] == ["192.0.2.1", 4711]
    assert told["scheme"] == "https"
    assert told["url"] == "https://a/seen"
    assert "x-forwarded-for" in names(told)


def test_without_such_fields_the_peer_is_the_client(trusting: Server) -> None:
    told = seen(trusting)
    assert told["client"][0] == "127.0.0.1"
    assert told["client"][1] > 0
    assert told["scheme"] == "http"


def test_each_request_of_a_connection_has_a_client_of_its_own(
    trusting: Server,
) -> None:
    with trusting.connect() as client:
        for i in (1, 1, 1, 2, 1):
            told = ask(client, f"X-Forwarded-For: 192.0.2.{i}").json()
            assert told["client"] == [f"192.0.2.{i}", 0]
        assert ask(client).json()["client"][0] == "127.0.0.1"


def test_what_an_untrusted_peer_says_is_taken_out(untrusting: Server) -> None:
    with untrusting.connect() as client:
        for _ in range(4):  # the last ones are known byte for byte
            told = ask(
                client,
                "A: 1",
                "X-Forwarded-For: 192.0.2.1",
                "x-forwarded-proto: https",
                "B: 2",
                "X_Forwarded_Host: evil",
                "Forwarded: for=192.0.2.1",
                "X-Real-IP: 192.0.2.1",
            ).json()
            assert told["client"][0] == "127.0.0.1"
            assert told["scheme"] == "http"
            assert names(told) == ["host", "a", "b"]


def test_a_kept_request_lost_them_too(untrusting: Server) -> None:
    with untrusting.connect() as client:
        ask(client, "X-Forwarded-For: 192.0.2.1", "A: 1", path="/keep")
        told = ask(client, path="/kept").json()
    assert told["client"][0] == "127.0.0.1"
    assert names(told) == ["host", "a"]


def test_a_kept_request_remembers_its_client(trusting: Server) -> None:
    with trusting.connect() as client:
        ask(
            client,
            "X-Forwarded-For: 192.0.2.1",
            "X-Forwarded-Proto: https",
            path="/keep",
        )
        told = ask(client, path="/kept").json()
    assert told["client"] == ["192.0.2.1", 0]
    assert told["url"] == "https://a/keep"


def test_a_name_in_disguise_is_taken_out_even_of_trusted_requests(
    trusting: Server,
) -> None:
    told = seen(
        trusting, "X_Forwarded_For: 6.6.6.6", "X-Forwarded-For: 192.0.2.1"
    )
    assert told["client"] == ["192.0.2.1", 0]
    assert names(told) == ["host", "x-forwarded-for"]


def test_fields_can_be_left_to_the_application(serve: Servers) -> None:
    field = "X-Forwarded-For: 192.0.2.1"
    kept = serve(APP, "--forwarded-allow-ips", "none", "--no-strip-untrusted")
    off = serve(APP, "--forwarded", "off")
    for server in (kept, off):
        told = seen(server, field)
        assert told["client"][0] == "127.0.0.1"
        assert "x-forwarded-for" in names(told)


def test_host_port_and_prefix_are_believed_when_asked_for(
    serve: Servers,
) -> None:
    server = serve(APP, "--forwarded", "for,proto,host,port,prefix")
    told = seen(
        server,
        "X-Forwarded-Host: shop.example",
        "X-Forwarded-Port: 8443",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Prefix: /shop/",
    )
    assert told["host"] == "shop.example:8443"
    assert told["url"] == "https://shop.example:8443/shop/seen"
    assert ["Host", "shop.example:8443"] in told["fields"]
    told = seen(server, "X-Forwarded-Port: 443", "X-Forwarded-Proto: https")
    assert told["url"] == "https://a/seen"


def test_the_forwarded_field_is_read_when_asked_for(serve: Servers) -> None:
    server = serve(APP, "--forwarded", "rfc7239")
    told = seen(
        server,
        'Forwarded: for="[2001:db8::1]:80";proto=https, for=127.0.0.1',
        "X-Forwarded-For: 6.6.6.6",
    )
    assert told["client"] == ["2001:db8::1", 80]
    assert told["scheme"] == "https"


def test_a_fixed_number_of_proxies(serve: Servers) -> None:
    server = serve(APP, "--forwarded-hops", "2")
    told = seen(server, "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 198.51.100.1")
    assert told["client"] == ["192.0.2.1", 0]
    told = seen(server, "X-Forwarded-For: 192.0.2.1")
    assert told["client"][0] == "127.0.0.1"


def test_trust_by_the_variable_that_others_read(serve: Servers) -> None:
    server = serve(APP, env={"FORWARDED_ALLOW_IPS": "192.0.2.9,10.0.0.0/8"})
    told = seen(server, "X-Forwarded-For: 192.0.2.1")
    assert told["client"][0] == "127.0.0.1"


def test_a_unix_socket_is_trusted_by_default(
    serve: Servers, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    server = serve(APP, binds=(f"unix:{path}",))
    with server.connect(str(path)) as client:
        told = ask(client, "X-Forwarded-For: 192.0.2.1, unix:").json()
        assert told["client"] == ["192.0.2.1", 0]
        assert ask(client).json()["client"] is None


def test_the_access_log_has_the_client(serve: Servers) -> None:
    server = serve(APP, "--access-log")
    seen(server, "X-Forwarded-For: 192.0.2.77")
    wait_for(lambda: "192.0.2.77 - - [" in server.stdout, "the line")


# ---- --allowed-host ----


def test_requests_for_other_hosts_are_refused(serve: Servers) -> None:
    server = serve(
        APP, "--allowed-host", ".shop.example,localhost", "--forwarded", "host"
    )
    with server.connect() as client:
        for host, status in (
            ("shop.example", 200),
            ("www.shop.example:80", 200),
            ("LOCALHOST", 200),
            ("evil.example", 400),
            ("shop.example.evil", 400),
            ("shop.example", 200),
        ):
            assert ask(client, host=host).status == status, host
        forged = "X-Forwarded-Host: evil.example"
        assert ask(client, forged, host="shop.example").status == 400
        client.send("GET /seen HTTP/1.0\r\n\r\n")
        assert client.answer().status == 400


# ---- the PROXY protocol ----


def v2(client: str, server: str, ports: tuple[int, int]) -> bytes:
    addresses = socket.inet_aton(client) + socket.inet_aton(server)
    addresses += struct.pack(">HH", *ports)
    return SIGNATURE + b"\x21\x11" + struct.pack(">H", 12) + addresses


@pytest.fixture(scope="module")
def proxied(serve_module: Servers) -> Server:
    """Such a server answers nobody who is trusted and sends no header, not
    even whoever waits for it."""
    server = serve_module(APP, *PROXIED, "--access-log", ready=False)
    server.wait_log("ready after")
    return server


PROXIED = ("--proxy-protocol", "auto")
V1 = b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 8080\r\n"
HEADERS = {
    "v1": V1,
    "v2": v2("192.0.2.1", "198.51.100.2", (4711, 8080)),
}


@pytest.mark.parametrize("version", HEADERS)
@pytest.mark.parametrize("way", ["apart", "in bytes", "at once"])
def test_a_proxy_header_names_the_client(
    proxied: Server, version: str, way: str
) -> None:
    header = HEADERS[version]
    request = b"GET /seen HTTP/1.0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
    with proxied.connect() as client:
        if way == "at once":
            client.send(header + request)
        elif way == "apart":
            client.send(header)
            client.send(request)
        else:
            client.send_in_bytes(header + request)
        told = client.answer().json()
    assert told["client"] == ["192.0.2.1", 4711]
    assert told["url"] == "http://198.51.100.2:8080/seen"
    assert told["fields"] == []


def test_every_request_of_the_connection_has_that_client(
    proxied: Server,
) -> None:
    with proxied.connect() as client:
        client.send(V1)
        for _ in range(3):
            assert ask(client).json()["client"] == ["192.0.2.1", 4711]
    wait_for(lambda: "192.0.2.1 - - [" in proxied.stdout, "the line")


@pytest.mark.parametrize(
    "header",
    [b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\x00\x00\x00"],
    ids=["unknown", "local"],
)
def test_a_proxy_that_speaks_for_itself_is_the_client(
    proxied: Server, header: bytes
) -> None:
    with proxied.connect() as client:
        client.send(header)
        assert ask(client).json()["client"][0] == "127.0.0.1"


def test_without_the_header_the_connection_is_closed(serve: Servers) -> None:
    proxied = serve(APP, *PROXIED, "--log-level", "debug", ready=False)
    proxied.may_die = True  # the worker's end is told at this level
    proxied.wait_log("ready after")
    for begin in (b"GET / HTTP/1.1\r\n", b"\r\n\r\nGET", V1[:-2] + b" x\r\n"):
        with proxied.connect() as client:
            client.send(begin)
            assert client.ends() in (b"", b"<reset>")
    with proxied.connect() as client:
        client.send(V1[:9])
        client.shutdown()
        assert client.ends() == b""
    proxied.wait_log("127.0.0.1: connection closed: ")


def test_only_a_listed_peer_must_send_the_header(serve: Servers) -> None:
    server = serve(APP, *PROXIED, "--proxy-protocol-from", "192.0.2.0/24")
    assert seen(server)["client"][0] == "127.0.0.1"
    with server.connect() as client:
        client.send(V1)
        assert client.answer().status == 400


def test_a_header_of_the_other_version_is_refused(serve: Servers) -> None:
    server = serve(APP, "--proxy-protocol", "v2", ready=False)
    server.wait_log("ready after")
    with server.connect() as client:
        client.send(HEADERS["v2"])
        assert ask(client).json()["client"] == ["192.0.2.1", 4711]
    with server.connect() as client:
        client.send(V1)
        assert client.ends() in (b"", b"<reset>")


def test_a_unix_socket_always_begins_with_the_header(
    serve: Servers, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    server = serve(
        *(APP, *PROXIED, "--proxy-protocol-from", "none"),
        binds=(f"unix:{path}",),
    )
    with server.connect(str(path)) as client:
        client.send(V1)
        assert ask(client).json()["client"] == ["192.0.2.1", 4711]
    with server.connect(str(path)) as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.ends() in (b"", b"<reset>")


def test_a_header_that_does_not_come_is_not_waited_for(serve: Servers) -> None:
    server = serve(
        *(APP, *PROXIED, "--first-byte-timeout", "200ms"), ready=False
    )
    server.wait_log("ready after")
    with server.connect() as quiet, server.connect() as half:
        half.send(V1[:20])
        assert quiet.ends() == b""
        assert half.ends() == b""


# ---- behind nginx ----

CONFIG = """
{user}
daemon off;
worker_processes 1;
error_log {folder}/error.log warn;
pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
stream {{
    server {{
        listen 127.0.0.1:{stream};
        proxy_pass 127.0.0.1:{proxied};
        proxy_protocol on;
    }}
}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        listen unix:{folder}/front;
        location / {{
            proxy_pass http://{upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}
}}
"""
STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"


@pytest.fixture(scope="module", params=["tcp", "unix"])
def nginx(
    request: pytest.FixtureRequest,
    serve_module: Servers,
    proxied: Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, int, int]]:
    """Its folder, its port, and the port of its stream, 0 without one."""
    if not NGINX:
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    back = folder / "back"
    binds = (f"unix:{back}",) if request.param == "unix" else ()
    server = serve_module(APP, binds=binds)
    upstream = f"unix:{back}:" if binds else f"127.0.0.1:{server.port}"
    port, stream = free_port(), free_port()
    text = CONFIG.format(
        user="user root;" if os.geteuid() == 0 else "",
        folder=folder,
        port=port,
        stream=stream,
        proxied=proxied.port,
        upstream=upstream,
    )
    if Path(STREAM).exists():
        text = f"load_module {STREAM};\n" + text
    else:
        begin, end = text.index("stream {"), text.index("http {")
        text, stream = text[:begin] + text[end:], 0
    config = folder / "nginx.conf"
    config.write_text(text)
    process = subprocess.Popen(
        [NGINX, "-c", str(config), "-e", str(folder / "error.log")],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def answers() -> bool:
        assert process.poll() is None, (folder / "error.log").read_text()
        try:
            Client(("127.0.0.1", port), 1.0).close()
        except OSError:
            return False
        return True

    try:
        wait_for(answers, "nginx answers")
        yield folder, port, stream
    finally:
        process.terminate()
        try:
            process.wait(10)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def test_behind_nginx_the_client_is_nginx_s(
    nginx: tuple[Path, int, int],
) -> None:
    _, port, _ = nginx
    # From another address than nginx itself is at.
    with socket.create_connection(
        ("127.0.0.1", port), 10, ("127.0.0.2", 0)
    ) as sock:
        client = Client.__new__(Client)
        client.sock, client.got = sock, b""
        told = ask(client, "X-Forwarded-For: 6.6.6.6").json()
    assert told["client"] == ["127.0.0.2", 0]
    assert told["scheme"] == "https"
    assert told["url"] == "https://a/seen"


def test_a_client_of_nginx_s_unix_socket(nginx: tuple[Path, int, int]) -> None:
    folder, _, _ = nginx
    with Client(str(folder / "front")) as client:
        assert ask(client).json()["client"] is None
        told = ask(client, "X-Forwarded-For: 192.0.2.1").json()
    assert told["client"] == ["192.0.2.1", 0]


def test_behind_a_stream_of_nginx_the_header_counts(
    nginx: tuple[Path, int, int],
) -> None:
    _, _, stream = nginx
    if not stream:
        pytest.skip("nginx has no stream module")
    with Client(("127.0.0.1", stream)) as client:
        mine = list(client.sock.getsockname())
        for _ in range(2):
            assert ask(client).json()["client"] == mine
