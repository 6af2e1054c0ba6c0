"""rupy.middleware: RequestID, TrustedHosts, RateLimit, SecurityHeaders."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from serving import Client, Server, Servers, head_of

from rupy.middleware import (
    RateLimit,
    RequestID,
    SecurityHeaders,
    TrustedHosts,
)
from rupy.middleware.rate_limit import client_of

APP = """
import asyncio
from rupy import Response, Rupy
from rupy.middleware import (
    CORS, Compression, RateLimit, RequestID, SecurityHeaders, TrustedHosts,
    request_id
)

def handlers(app):
    @app.get("/")
    async def index(request):
        await asyncio.sleep(0)
        return [getattr(request.state, "request_id", None), request_id.get()]

    @app.get("/own")
    def own():
        return Response("own", headers={
            "x-frame-options": "SAMEORIGIN",
            "content-security-policy": "default-src 'self'"})

    @app.get("/raise")
    def fails():
        raise RuntimeError("on purpose")
    return app

app = Rupy()
def mount(name, *layers):
    other = Rupy()
    for layer in layers:
        other.middleware(layer)
    app.mount(name, handlers(other))

mount("/id", RequestID())
mount("/id-trust", RequestID(trust=True, header="X-Correlation-ID"))
mount("/id-make", RequestID(make=lambda: "made"))
mount("/hosts", TrustedHosts(
    ["example.org", "*.example.net", "[::1]", "127.0.0.1"]))
mount("/slow", RateLimit(3, 3600, name="mine"))
mount("/keyed", RateLimit(1, 3600, key=lambda r: r.query.get("key")))
mount("/secure", SecurityHeaders(
    csp="default-src 'none'", hsts=31536000, hsts_subdomains=True,
    hsts_preload=True, headers={
        "Referrer-Policy": None, "Permissions-Policy": "camera=()"}))
mount("/defaults", SecurityHeaders())

sockets = Rupy()
for layer in (
    RequestID(), SecurityHeaders(), TrustedHosts(["localhost"]),
    Compression(), CORS(allow_origins=["*"]),
    RateLimit(2, 3600),
):
    sockets.middleware(layer)

@sockets.websocket("/")
async def socket(ws):
    await ws.accept()
    await ws.close()
app.mount("/ws", sockets)
"""


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP, "--forwarded-allow-ips", "127.0.0.1")


# ---- RequestID ----


def test_every_request_has_an_id_of_its_own(server: Server) -> None:
    seen = set()
    with server.connect() as client:
        for _ in range(3):
            answer = client.get("/id/")
            name = answer.get("x-request-id")
            assert name and re.fullmatch("[0-9a-f]{32}", name)
            assert answer.json() == [name, name]
            seen.add(name)
    assert len(seen) == 3


def test_the_id_is_on_error_answers_and_in_the_log(server: Server) -> None:
    answer = server.get("/id/raise")
    assert answer.status == 500
    name = answer.get("x-request-id")
    server.wait_log(f"GET /id/raise (request id {name}): unhandled")


def test_a_clients_id_is_taken_only_when_trusted(server: Server) -> None:
    answer = server.get("/id/", X_Request_ID="mine")
    assert answer.get_all("x-request-id") != ["mine"]
    answer = server.get("/id-trust/", X_Correlation_ID="mine/1:2")
    assert answer.get_all("x-correlation-id") == ["mine/1:2"]
    for bad in ("with space", "x" * 129, "ä", '"', "{}"):
        answer = server.get("/id-trust/", X_Correlation_ID=bad)
        name = answer.get("x-correlation-id")
        assert name and re.fullmatch("[0-9a-f]{32}", name), bad


def test_ids_can_be_made_by_the_application(server: Server) -> None:
    assert server.get("/id-make/").get("x-request-id") == "made"


def test_the_servers_id_is_taken_when_there_is_one() -> None:
    import asyncio
    from types import SimpleNamespace

    from rupy import Response

    request: Any = SimpleNamespace(id="theirs", state=SimpleNamespace())

    async def call_next(_: Any) -> Response:
        return Response("x")

    answer = asyncio.run(RequestID()(request, call_next))
    assert answer.headers.get_all("x-request-id") == ["theirs"]
    assert request.state.request_id == "theirs"


# ---- TrustedHosts ----


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("example.org", 200),
        ("EXAMPLE.org", 200),
        ("example.org.", 200),
        ("example.org:8080", 200),
        ("example.org:", 200),
        ("a.example.net", 200),
        ("a.b.example.net", 200),
        ("[::1]", 200),
        ("[::1]:80", 200),
        ("127.0.0.1", 200),
        ("example.net", 421),
        ("aexample.net", 421),
        ("example.org.evil.example", 421),
        ("evil.example", 421),
        ("a.example.org", 421),
        ("[::2]", 421),
        ("127.0.0.2", 421),
    ],
)
def test_trusted_hosts(server: Server, host: str, status: int) -> None:
    with server.connect() as client:
        client.send(f"GET /hosts/ HTTP/1.1\r\nHost: {host}\r\n\r\n")
        assert client.answer().status == status


def test_a_forwarded_host_is_the_host(server: Server) -> None:
    answer = server.get("/hosts/", X_Forwarded_Host="evil.example")
    assert (answer.status, answer.text) == (421, "421 Misdirected Request\n")


def test_without_a_host_it_is_refused(server: Server) -> None:
    with server.connect() as client:
        client.send("GET /hosts/ HTTP/1.0\r\n\r\n")
        assert client.answer().status == 421


# ---- RateLimit ----


def get_from(client: Client, path: str, address: str) -> Any:
    return client.get(path, X_Forwarded_For=address)


def test_beyond_the_limit_it_is_429_for_that_client_only(
    server: Server,
) -> None:
    with server.connect() as client:
        for left in (2, 1, 0):
            answer = get_from(client, "/slow/", "192.0.2.1")
            assert answer.status == 200
            assert answer.get("ratelimit-policy") == '"mine";q=3;w=3600'
            state = answer.get("ratelimit")
            assert re.fullmatch(rf'"mine";r={left};t=\d+', state), state
            assert answer.get("retry-after") is None
        for _ in range(2):
            answer = get_from(client, "/slow/no-such-route", "192.0.2.1")
            assert answer.status == 429
            assert answer.text == "429 Too Many Requests\n"
            # One comes back every 1200 s.
            assert 1100 < int(answer.get("retry-after")) <= 1200
            assert answer.get("ratelimit").startswith('"mine";r=0;t=')
        assert get_from(client, "/slow/", "192.0.2.2").status == 200


def test_addresses_of_one_ipv6_network_are_one_client(server: Server) -> None:
    with server.connect() as client:
        got = [
            get_from(client, "/slow/", f"2001:db8:0:1::{i}").status
            for i in range(4)
        ]
        assert got == [200, 200, 200, 429]
        assert get_from(client, "/slow/", "2001:db8:0:2::1").status == 200


def test_a_key_of_the_applications_own(server: Server) -> None:
    with server.connect() as client:
        got = [client.get(f"/keyed/?key={k}").status for k in "aba"]
        assert got == [200, 200, 429]
        # No key: no limit, and nothing is said of one.
        for _ in range(3):
            answer = client.get("/keyed/")
            assert (answer.status, answer.get("ratelimit")) == (200, None)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_requests_come_back_evenly() -> None:
    clock = Clock()
    limit = RateLimit(10, 10, clock=clock)
    assert [limit._count("a")[0] > 0 for _ in range(11)] == [False] * 10 + [
        True
    ]
    wait, state = limit._count("a")
    assert (round(wait, 3), state) == (1.0, '"default";r=0;t=10')
    for seconds in (1, 3):
        clock.now += seconds
        refused = [limit._count("a")[0] > 0 for _ in range(seconds + 1)]
        assert refused == [False] * seconds + [True]
    clock.now += 1000
    assert limit._count("a")[1] == '"default";r=9;t=1'


def test_memory_is_bounded_and_who_is_done_is_forgotten() -> None:
    clock = Clock()
    limit = RateLimit(2, 10, max_clients=100, clock=clock)
    for i in range(1000):
        limit._count(f"client {i}")
    assert len(limit) == 100
    # The last ones are those who are remembered.
    assert limit._count("client 999")[0] <= 0
    assert limit._count("client 999")[0] > 0
    clock.now += 11
    for _ in range(60):
        limit._count("another")
    assert len(limit) == 1


@pytest.mark.parametrize(
    ("host", "want"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::"),
        ("_hidden:1", "_hidden:1"),
    ],
)
def test_what_a_client_is(host: str, want: str) -> None:
    class Request:
        client = (host, 1)

    request: Any = Request()
    assert client_of(request) == want
    request.client = None
    assert client_of(request) == ""


# ---- SecurityHeaders ----

DEFAULTS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.mark.parametrize("path", ["/", "/raise", "/no-such-route"])
def test_security_fields_are_on_every_answer(server: Server, path: str) -> None:
    answer = server.get("/defaults" + path)
    assert {n: answer.get(n) for n in DEFAULTS} == DEFAULTS
    assert answer.get("content-security-policy") is None
    assert answer.get("strict-transport-security") is None


def test_what_the_handler_says_stays(server: Server) -> None:
    answer = server.get("/secure/own")
    assert answer.get_all("x-frame-options") == ["SAMEORIGIN"]
    assert answer.get_all("content-security-policy") == ["default-src 'self'"]


def test_fields_are_added_replaced_and_left_out(server: Server) -> None:
    answer = server.get("/secure/")
    assert answer.get("content-security-policy") == "default-src 'none'"
    assert answer.get("permissions-policy") == "camera=()"
    assert answer.get("referrer-policy") is None
    assert answer.get("x-content-type-options") == "nosniff"


def test_hsts_is_for_https_only(server: Server) -> None:
    name = "strict-transport-security"
    assert server.get("/secure/").get(name) is None
    answer = server.get("/secure/", X_Forwarded_Proto="https")
    assert answer.get(name) == "max-age=31536000; includeSubDomains; preload"


# ---- WebSockets ----


def test_a_handshake_goes_through_all_of_them_and_may_be_refused(
    server: Server,
) -> None:
    fields = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Accept-Encoding": "gzip",
        "Origin": "https://a.example",
    }
    got = []
    for _ in range(3):
        with server.connect() as client:
            client.send(head_of("GET", "/ws/", fields))
            got.append(client.head()[0])
    assert got == [101, 101, 429]


# ---- Construction ----


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: RequestID(header="a b"), ValueError, "no token"),
        (lambda: RequestID(make="x"), TypeError, "no function"),  # type: ignore
        (lambda: TrustedHosts([]), ValueError, "no host at all"),
        (lambda: TrustedHosts("a.example"), TypeError, "not a list"),
        (lambda: TrustedHosts(["*"]), ValueError, "is no host"),
        (lambda: TrustedHosts(["a.*"]), ValueError, "is no host"),
        (lambda: TrustedHosts(["a:80"]), ValueError, "without scheme"),
        (lambda: TrustedHosts(["https://a"]), ValueError, "without scheme"),
        (lambda: RateLimit(0), ValueError, "limit 0"),
        (lambda: RateLimit(1.5), TypeError, "not an int"),  # type: ignore
        (lambda: RateLimit(1, 0), ValueError, "window 0"),
        (lambda: RateLimit(1, float("nan")), ValueError, "window nan"),
        (lambda: RateLimit(1, name='"'), ValueError, "no token"),
        (lambda: RateLimit(1, max_clients=0), ValueError, "max_clients"),
        (lambda: RateLimit(1, key=3), TypeError, "no function"),  # type: ignore
        (lambda: SecurityHeaders(csp="a\nb"), ValueError, "no value"),
        (lambda: SecurityHeaders(headers={"a b": "c"}), ValueError, "token"),
        (lambda: SecurityHeaders(hsts=-1), ValueError, "hsts -1"),
        (lambda: SecurityHeaders(hsts_preload=True), ValueError, "seconds"),
        (
            lambda: SecurityHeaders(hsts=31_536_000, hsts_preload=True),
            ValueError,
            "preload wants",
        ),
        (
            lambda: SecurityHeaders(
                hsts=60, hsts_subdomains=True, hsts_preload=True
            ),
            ValueError,
            "a year",
        ),
    ],
)
def test_what_cannot_be_meant_is_an_error_at_once(
    make: Callable[[], Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        make()


def test_import_rupy_imports_none_of_it() -> None:
    code = (
        "import sys, rupy; print([m for m in sys.modules if m.startswith("
        "('rupy.middleware', 'rupy.templates', 'rupy.openapi', 'rupy._schema',"
        " 'jinja2', 'brotli', 'zstandard', 'pydantic'))])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
