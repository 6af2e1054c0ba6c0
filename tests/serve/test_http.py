"""HTTP/1.1 as clients meet it: framing, limits, deadlines, bad manners."""

from __future__ import annotations

import re
import socket
import threading
import time
from email.utils import parsedate_to_datetime

import pytest
from serving import Client, Server, Servers, head_of, wait_for

APP = """
import asyncio
from rupy import Response, Rupy

app = Rupy()
gates = {}

@app.get("/")
def index():
    return "index"

@app.get("/n/<n:int>")
def number(n):
    return str(n)

@app.post("/echo")
def echo(request):
    return Response(request.body, content_type="text/plain")

@app.put("/thing")
@app.delete("/thing")
def thing():
    return "thing"

@app.get("/big/<megabytes:int>")
def big(megabytes):
    return bytes(range(256)) * 4096 * megabytes

@app.get("/wait/<name>")
async def wait(name):
    gate = gates.setdefault(name, asyncio.Event())
    await gate.wait()
    return f"waited for {name}"

@app.get("/open/<name>")
async def open_gate(name):
    gates.setdefault(name, asyncio.Event()).set()
    return "opened"

@app.get("/own-head")
def own():
    return "a longer answer to GET"

@app.head("/own-head")
def own_head():
    return Response("", headers={"x-own": "yes"})

@app.options("/own-options")
@app.get("/own-options")
def own_options(request):
    return request.method
"""

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
MEGABYTE = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP)


@pytest.fixture
def client(server: Server) -> Client:
    return server.connect()


# ---- connections ----


def test_one_connection_serves_many_requests(client: Client) -> None:
    for n in range(50):
        answer = client.get(f"/n/{n}")
        assert (answer.status, answer.text) == (200, str(n))
        assert answer.get("connection") is None


def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    client.send(b"".join(head_of("GET", f"/n/{n}") for n in range(100)))
    assert [client.answer().text for _ in range(100)] == [
        str(n) for n in range(100)
    ]


def test_pipelined_content_does_not_shift_what_follows(client: Client) -> None:
    packet = b""
    for n in range(20):
        body = b"GET /n/%d HTTP/1.1\r\n\r\n" % n
        packet += head_of("POST", "/echo", body=body) + body
        packet += head_of("GET", f"/n/{n}")
    client.send(packet)
    for n in range(20):
        assert client.answer().body == b"GET /n/%d HTTP/1.1\r\n\r\n" % n
        assert client.answer().text == str(n)


def test_an_answer_that_waits_holds_back_those_behind_it(
    server: Server, client: Client
) -> None:
    client.send(head_of("GET", "/wait/order") + head_of("GET", "/n/2"))
    assert client.is_quiet(0.2)
    assert server.get("/open/order").text == "opened"
    assert client.answer().text == "waited for order"
    assert client.answer().text == "2"


@pytest.mark.parametrize(
    "coded",
    [
        head_of("POST", "/echo", body=b"12345") + b"12345",
        head_of("POST", "/echo", {"Transfer-Encoding": "chunked"})
        + b"2;ext=1\r\n12\r\n3\r\n345\r\n0\r\nX-Trailer: x\r\n\r\n",
    ],
    ids=["length", "chunked"],
)
def test_a_request_in_single_bytes_is_the_same_request(
    client: Client, coded: bytes
) -> None:
    client.send_in_bytes(coded + GET)
    assert client.answer().text == "12345"
    assert client.answer().text == "index"


def test_a_request_may_be_cut_anywhere(server: Server) -> None:
    packet = head_of("POST", "/echo", {"X-A": "b"}, b"1234") + b"1234" + GET
    for cut in range(1, len(packet)):
        with server.connect() as client:
            client.send(packet[:cut])
            client.send(packet[cut:])
            assert client.answer().text == "1234", cut
            assert client.answer().text == "index", cut


def test_slow_writers_do_not_hold_up_others(server: Server) -> None:
    packet = head_of("POST", "/echo", body=b"slow") + b"slow"
    slow = [server.connect() for _ in range(50)]
    for i in range(len(packet)):
        for client in slow:
            client.send(packet[i : i + 1])
        if i % 20 == 0:
            assert server.get("/").text == "index"
    assert {client.answer().text for client in slow} == {"slow"}


def test_a_slow_reader_gets_all_of_a_large_answer(server: Server) -> None:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sock.settimeout(10)
    sock.connect(server.address)
    client = Client.__new__(Client)
    client.sock, client.got = sock, b""
    with client:
        client.send(head_of("GET", "/big/8") + GET)
        status, headers = client.head()
        assert status == 200
        assert dict(headers)["content-length"] == str(8 * len(MEGABYTE))
        left, seen = 8 * len(MEGABYTE), 0
        while left:
            if not client.got:
                client.got = sock.recv(min(left, 50_000))
            data, client.got = client.got[:left], client.got[left:]
            start = seen % 256
            assert data == (MEGABYTE + MEGABYTE)[start : start + len(data)]
            seen, left = seen + len(data), left - len(data)
            if seen % 1_000_000 < len(data):
                assert server.get("/").text == "index"
        assert client.answer().text == "index"


def test_a_half_closed_client_gets_its_answer(client: Client) -> None:
    client.send(head_of("GET", "/n/7"))
    client.shutdown()
    assert client.answer().text == "7"
    assert client.ends() == b""


def test_a_half_closed_client_gets_an_answer_that_waits(
    server: Server, client: Client
) -> None:
    client.send(head_of("GET", "/wait/half"))
    client.shutdown()
    assert client.is_quiet(0.1)
    server.get("/open/half")
    assert client.answer().text == "waited for half"
    assert client.ends() == b""


def test_a_request_that_never_becomes_whole_is_not_answered(
    client: Client,
) -> None:
    client.send(head_of("POST", "/echo", body=b"12345") + b"123")
    client.shutdown()
    assert not client.ends().startswith(b"HTTP/1.1 2")


def test_a_client_that_closes_in_the_middle_harms_nobody(
    server: Server,
) -> None:
    for part in (b"", b"G", GET[:-3], GET * 30, head_of("GET", "/big/4")):
        for end in ("close", "reset"):
            client = server.connect()
            client.send(part)
            getattr(client, end)()
    assert server.get("/").text == "index"


def test_connection_close_is_heard_and_said(client: Client) -> None:
    client.send(head_of("GET", "/", {"Connection": "close"}) + GET)
    answer = client.answer()
    assert answer.get("connection") == "close"
    assert client.ends() == b""


def test_an_http_1_0_connection_ends_with_its_answer(client: Client) -> None:
    answer = client.request("GET", "/", version="1.0")
    assert answer.text == "index"
    assert answer.get("transfer-encoding") is None
    assert client.ends() == b""


def test_an_http_1_0_client_may_keep_its_connection(client: Client) -> None:
    for _ in range(2):
        answer = client.request(
            "GET", "/", {"Connection": "keep-alive"}, version="1.0"
        )
        assert answer.text == "index"
        assert (answer.get("connection") or "").lower() == "keep-alive"


# ---- methods ----


def test_head_has_the_fields_of_get_and_no_content(client: Client) -> None:
    got = client.get("/big/1")
    head = client.request("HEAD", "/big/1")
    assert head.status == 200
    assert head.get("content-length") == str(len(got.body)) == "1048576"
    assert head.get("content-type") == got.get("content-type")
    assert client.get("/").text == "index"


def test_a_head_of_ones_own_comes_before_that_of_get(client: Client) -> None:
    assert client.request("HEAD", "/own-head").get("x-own") == "yes"
    assert client.get("/own-head").get("x-own") is None


def test_no_route_is_404(client: Client) -> None:
    for path in ("/nowhere", "/n/", "/n/x", "/n/1/2", "/N/1"):
        answer = client.get(path)
        assert answer.status == 404, path
        assert answer.get("content-type") == "text/plain; charset=utf-8"
    assert client.get("/").status == 200


def allowed(value: str | None) -> set[str]:
    return {method.strip() for method in (value or "").split(",")}


def test_another_method_is_405_and_says_which(client: Client) -> None:
    answer = client.request("POST", "/n/1", body=b"x")
    assert answer.status == 405
    assert allowed(answer.get("allow")) == {"GET", "HEAD", "OPTIONS"}
    answer = client.get("/thing")
    assert answer.status == 405
    assert allowed(answer.get("allow")) == {"PUT", "DELETE", "OPTIONS"}


def test_options_says_what_there_is(client: Client) -> None:
    answer = client.request("OPTIONS", "/thing")
    assert answer.status in (200, 204)
    assert allowed(answer.get("allow")) == {"PUT", "DELETE", "OPTIONS"}
    assert client.request("OPTIONS", "/nowhere").status == 404
    assert client.request("OPTIONS", "/own-options").text == "OPTIONS"


@pytest.mark.parametrize("method", ["BREW", "get", "CONNECTS"])
def test_a_method_nobody_knows_is_501(client: Client, method: str) -> None:
    assert client.request(method, "/").status == 501


# ---- content ----


def test_expect_100_is_answered_before_the_content(client: Client) -> None:
    headers = {"Expect": "100-continue"}
    client.send(head_of("POST", "/echo", headers, b"12345"))
    client._until(b"HTTP/1.1 100 Continue\r\n\r\n")
    client.send(b"12345")
    answer = client.answer()
    assert (answer.text, answer.interim) == ("12345", [])


def test_no_100_when_the_content_came_with_the_head(client: Client) -> None:
    headers = {"Expect": "100-continue"}
    client.send(head_of("POST", "/echo", headers, b"12345") + b"12345")
    answer = client.answer()
    assert (answer.text, answer.interim) == ("12345", [])


def test_no_100_before_a_refusal(client: Client) -> None:
    headers = {"Expect": "100-continue"}
    client.send(head_of("POST", "/nowhere", headers, b"12345"))
    answer = client.answer()
    assert (answer.status, answer.interim) == (404, [])
    assert answer.get("connection") == "close"
    assert client.ends() == b""


def test_content_of_a_refused_request_is_skipped(client: Client) -> None:
    client.send(head_of("POST", "/nowhere", body=GET) + GET + GET)
    assert client.answer().status == 404
    assert client.answer().text == "index"
    assert client.is_quiet(0.1)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 1_000_000])
def test_content_of_any_size_comes_back(client: Client, size: int) -> None:
    body = (MEGABYTE + MEGABYTE)[:size]
    assert client.post("/echo", body).body == body
    headers = {"Transfer-Encoding": "chunked"}
    client.send(head_of("POST", "/echo", headers))
    for at in range(0, size, 10_000):
        part = body[at : at + 10_000]
        client.send(b"%X\r\n%s\r\n" % (len(part), part))
    client.send(b"0\r\n\r\n")
    assert client.answer().body == body


def test_dates_are_now_and_the_server_keeps_its_name(client: Client) -> None:
    answer = client.get("/")
    date = parsedate_to_datetime(answer.get("date") or "")
    assert abs(date.timestamp() - time.time()) < 5
    assert answer.get("server") is None


def test_options_about_fields_of_every_answer(serve: Servers) -> None:
    server = serve(
        APP, "--server-header", "--no-date-header", "--header", "X-Site: a b"
    )
    for path in ("/", "/nowhere"):
        answer = server.get(path)
        assert "rupy" in (answer.get("server") or "").lower()
        assert answer.get("date") is None
        assert answer.get("x-site") == "a b"


# ---- refusals ----

REFUSED = {
    b"GET / HTTP/1.1\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": 400,
    b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n": 400,
    b"GET / HTTP/1.1\nHost: a\n\n": 400,
    b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n": 400,
    b"GET / HTTP/2.0\r\nHost: a\r\n\r\n": 505,
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\nx": 400,
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx": 400,
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n": 501,
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\nxyz\r\n0\r\n\r\n": 400,
    b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n"
    b"Content-Length: 1\r\n\r\nx": 417,
}


@pytest.mark.parametrize("packet", REFUSED, ids=lambda p: p[:70].decode())
def test_a_refusal_is_the_last_answer(client: Client, packet: bytes) -> None:
    client.send(packet + GET)
    answer = client.answer()
    assert answer.status == REFUSED[packet]
    assert answer.get("connection") == "close"
    assert re.fullmatch(r"\d{3} [\w ]+\n", answer.text), answer.text
    assert client.ends() == b""


@pytest.fixture(scope="module")
def tight(serve_module: Servers) -> Server:
    """A server with limits that are easily reached."""
    return serve_module(
        APP,
        *("--limit-request-line", "200"),
        *("--limit-request-fields", "10"),
        *("--limit-request-field-size", "300"),
        *("--limit-header-size", "1000"),
        *("--limit-body", "2k"),
    )


WITHIN = {
    "line": b"GET /?%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 180),
    "fields": b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % (b"A: b\r\n" * 9),
    "field": b"GET / HTTP/1.1\r\nHost: a\r\nA: %b\r\n\r\n" % (b"x" * 290),
    "head": b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n"
    % ((b"A: " + b"x" * 280 + b"\r\n") * 3),
    "body": head_of("POST", "/echo", body=b"x" * 2048) + b"x" * 2048,
}
BEYOND = {
    "line": (b"GET /?%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 220), 414),
    "fields": (
        b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % (b"A: b\r\n" * 10),
        431,
    ),
    "field": (
        b"GET / HTTP/1.1\r\nHost: a\r\nA: %b\r\n\r\n" % (b"x" * 310),
        431,
    ),
    "head": (
        b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n"
        % ((b"A: " + b"x" * 280 + b"\r\n") * 4),
        431,
    ),
    "body": (head_of("POST", "/echo", body=b"x" * 2049) + b"x" * 2049, 413),
    "chunks": (
        head_of("POST", "/echo", {"Transfer-Encoding": "chunked"})
        + b"400\r\n%b\r\n" % (b"x" * 1024) * 3
        + b"0\r\n\r\n",
        413,
    ),
    "length": (head_of("POST", "/echo", {"Content-Length": "9" * 18}), 413),
}


@pytest.mark.parametrize("what", WITHIN)
def test_what_is_within_its_limit_is_served(tight: Server, what: str) -> None:
    with tight.connect() as client:
        client.send(WITHIN[what])
        assert client.answer().status == 200


@pytest.mark.parametrize("what", BEYOND)
def test_every_limit_has_its_status(tight: Server, what: str) -> None:
    packet, status = BEYOND[what]
    for send in (Client.send, Client.send_in_bytes):
        with tight.connect() as client:
            try:
                send(client, packet)
            except (BrokenPipeError, ConnectionResetError):
                pytest.fail("reset while the client was still sending")
            assert client.answer().status == status


def test_a_line_without_an_end_is_cut_off(tight: Server) -> None:
    with tight.connect() as client:
        client.send(b"GET /" + b"x" * 5000)
        assert client.answer().status == 414


def test_a_client_that_sends_all_of_it_still_reads_the_413(
    tight: Server,
) -> None:
    body = b"x" * 5_000_000
    for headers in ({}, {"Expect": "100-continue"}):
        with tight.connect() as client:
            client.send(head_of("POST", "/echo", headers, body) + body)
            answer = client.answer()
            assert (answer.status, answer.interim) == (413, [])
            assert answer.get("connection") == "close"
            assert client.ends() == b""


# ---- deadlines ----


@pytest.fixture(scope="module")
def hasty(serve_module: Servers) -> Server:
    """A server with short deadlines."""
    return serve_module(
        APP,
        *("--first-byte-timeout", "700ms"),
        *("--header-timeout", "400ms"),
        *("--body-timeout", "400ms"),
        *("--keep-alive", "400ms"),
        *("--send-timeout", "400ms"),
        *("--linger-timeout", "400ms"),
    )


def test_a_head_that_trickles_has_one_deadline(hasty: Server) -> None:
    with hasty.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        start = time.monotonic()
        # A byte now and then must not buy more time.
        while client.is_quiet(0.05) and time.monotonic() < start + 5:
            client.send(b"x")
        assert 0.2 < time.monotonic() - start < 3
        answer = client.answer()
        assert answer.status == 408
        assert answer.get("connection") == "close"


def test_content_that_stops_coming_is_408(hasty: Server) -> None:
    with hasty.connect() as client:
        client.send(head_of("POST", "/echo", body=b"12345") + b"123")
        assert client.answer().status == 408
        assert client.ends() == b""


def test_content_that_keeps_coming_is_waited_for(hasty: Server) -> None:
    body = b"0123456789"
    with hasty.connect() as client:
        client.send(head_of("POST", "/echo", body=body))
        for i in range(len(body)):
            assert client.is_quiet(0.1)
            client.send(body[i : i + 1])
        assert client.answer().body == body


def test_an_idle_connection_is_closed_without_a_word(hasty: Server) -> None:
    with hasty.connect() as client:
        assert client.get("/").text == "index"
        assert client.is_quiet(0.2)
        assert client.get("/").text == "index"
        assert client.ends() == b""


def test_a_client_that_never_speaks_is_let_go(hasty: Server) -> None:
    with hasty.connect() as client:
        assert client.ends() == b""


def test_a_client_that_does_not_read_is_let_go(hasty: Server) -> None:
    with hasty.connect() as client:
        client.send(head_of("GET", "/big/32"))
        wait_for(lambda: connections(hasty, client) == 0, "the server lets go")
        assert len(client.ends()) < 32 * len(MEGABYTE)


def connections(server: Server, client: Client) -> int:
    """Is the server's end of this connection still held by a process?"""
    here = client.sock.getsockname()[1]
    pattern = re.compile(rf": \w+:{server.port:04X} \w+:{here:04X} (\w\w) ")
    with open("/proc/net/tcp") as table:
        states = pattern.findall(table.read())
    # FIN_WAIT and the like belong to the kernel alone.
    return sum(state in ("01", "08") for state in states)


def test_an_answer_may_take_longer_than_all_deadlines(hasty: Server) -> None:
    with hasty.connect() as client:
        client.send(head_of("GET", "/wait/long"))
        assert client.is_quiet(1.2)
        hasty.get("/open/long")
        assert client.answer().text == "waited for long"


def test_a_lingering_connection_has_its_deadline(hasty: Server) -> None:
    with hasty.connect() as client:
        client.send(b"nonsense\r\n\r\n")
        assert client.answer().status == 400
        wait_for(lambda: connections(hasty, client) == 0, "the server lets go")


# ---- counts ----


def test_the_last_of_so_many_requests_says_close(serve: Servers) -> None:
    server = serve(APP, "--keep-alive-requests", "3")
    with server.connect() as client:
        client.send(GET * 5)
        answers = [client.answer() for _ in range(3)]
        assert [a.get("connection") for a in answers] == [None, None, "close"]
        assert client.ends() == b""


def test_keep_alive_may_be_switched_off(serve: Servers) -> None:
    server = serve(APP, "--keep-alive", "0")
    with server.connect() as client:
        assert client.get("/").get("connection") == "close"
        assert client.ends() == b""


def test_more_connections_than_allowed_wait_for_their_turn(
    serve: Servers,
) -> None:
    server = serve(APP, "--limit-connections", "4", "--workers", "1")
    held = [server.connect() for _ in range(4)]
    for client in held:
        assert client.get("/").text == "index"
    late = server.connect()
    late.send(GET)
    assert late.is_quiet(0.3)
    held[0].close()
    assert late.answer().text == "index"


def test_a_hundred_clients_at_once(server: Server) -> None:
    failures: list[str] = []

    def use(n: int) -> None:
        try:
            with Client(server.address) as client:
                for i in range(20):
                    answer = client.get(f"/n/{n * 100 + i}")
                    if answer.text != str(n * 100 + i):
                        failures.append(answer.text)
        except (OSError, EOFError) as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=use, args=(n,)) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
