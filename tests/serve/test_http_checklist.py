"""HTTP/1.1 line by line (RFC 9110, RFC 9112): each test is named by the line
of the list of requirements that it is about.

What the same rules mean in detail stands in test_http.py and test_edges.py.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

import pytest
from serving import Client, Server, Servers, head_of

APP = """
from rupy import Response, Rupy

app = Rupy()

@app.get("/")
def index():
    return "index"

@app.post("/echo")
def echo(request):
    return Response(request.body, content_type="text/plain")

@app.get("/status/<n:int>")
def status(n):
    return Response("", status=n)

@app.get("/stream")
def stream():
    yield "part"

@app.get("/where/<rest:path>")
def where(request, rest):
    return {"path": request.path, "host": request.host,
            "value": request.headers.get("x")}
"""
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
EXPECT = {"Expect": "100-continue"}


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(
        APP,
        *("--limit-body", "64k"),
        *("--header-timeout", "300ms"),
        *("--body-timeout", "300ms"),
        *("--keep-alive", "300ms"),
    )


@pytest.fixture
def client(server: Server) -> Client:
    return server.connect()


def test_h1_head_is_get_without_content(client: Client) -> None:
    got, head = client.get("/"), client.request("HEAD", "/")
    assert (got.status, got.text) == (head.status, "index")
    assert head.get("content-length") == "5"
    names = [name for name, _ in got.headers]
    assert [name for name, _ in head.headers] == names
    # The next answer begins where the head ends.
    assert client.get("/").text == "index"


def test_h2_options_of_the_server(client: Client) -> None:
    client.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = client.answer()
    assert answer.status == 204
    assert {"GET", "HEAD", "OPTIONS"} <= set(
        (answer.get("allow") or "").split(", ")
    )
    # Of other methods "*" is no target.
    client.send(b"GET * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.answer().status == 400


@pytest.mark.parametrize("path", ["/", "/status/302", "/status/404", "/no"])
def test_h3_answers_are_dated(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status // 100 in (2, 3, 4)
    assert len(answer.get_all("date")) == 1
    date = answer.get("date") or ""
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", date)
    assert parsedate_to_datetime(date)


@pytest.mark.parametrize("value", ["close", "Close", "x, close", "x,close"])
def test_h4_close_is_heard_and_said(client: Client, value: str) -> None:
    client.send(head_of("GET", "/", {"Connection": value}) + GET)
    answer = client.answer()
    assert (answer.text, answer.get("connection")) == ("index", "close")
    assert client.ends() == b""


def test_h5_http_1_0_keeps_alive_only_when_asked_to(client: Client) -> None:
    asked = {"Connection": "Keep-Alive"}
    for _ in range(2):
        answer = client.request("GET", "/", asked, version="1.0")
        assert (answer.get("connection") or "").lower() == "keep-alive"
    answer = client.request("GET", "/", version="1.0")
    assert answer.get("connection") in (None, "close")
    assert client.ends() == b""


def test_h6_range_is_of_get_only(client: Client) -> None:
    ranged = {"Range": "bytes=0-1"}
    answer = client.request("POST", "/echo", ranged, b"content")
    assert (answer.status, answer.text) == (200, "content")
    assert answer.get("content-range") is None
    assert client.request("HEAD", "/", ranged).status == 200


@pytest.mark.parametrize("size", [4094, 8000, 8190])
def test_h7_long_request_lines(client: Client, size: int) -> None:
    line = b"GET /where/%b HTTP/1.1" % (b"x" * (size - 20))
    assert len(line) == size
    client.send(line + b"\r\nHost: a\r\n\r\n")
    assert len(client.answer().json()["path"]) == size - 13


CHUNKED = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
REFUSED = {
    408: b"GET / HTTP/1.1\r\nHost: a\r\nX: ",
    413: head_of("POST", "/echo", {"Content-Length": "65537"}),
    414: b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    417: head_of("GET", "/", {"Expect": "the-unexpected"}),
    431: b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * 70_000),
    501: CHUNKED.replace(b"chunked", b"gzip, chunked") + b"\r\n",
    505: b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("status", REFUSED)
def test_h8_each_refusal_has_its_status(client: Client, status: int) -> None:
    client.send(REFUSED[status])
    answer = client.answer()
    assert answer.status == status
    assert answer.get("connection") == "close"
    assert client.ends() == b""


def test_h9_408_only_when_a_request_had_begun(client: Client) -> None:
    assert client.get("/").text == "index"
    # Idle: closed, and nothing said that could be taken for an answer.
    assert client.ends() == b""


def test_h9_content_that_does_not_come_is_408(client: Client) -> None:
    client.send(head_of("POST", "/echo", body=b"12345") + b"123")
    assert client.answer().status == 408
    assert client.ends() == b""


def test_h10_unknown_and_refused_methods(client: Client) -> None:
    answer = client.request("DELETE", "/echo")
    assert answer.status == 405
    assert "POST" in (answer.get("allow") or "")
    assert client.request("BREW", "/echo").status == 501


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_h11_absolute_form(client: Client, scheme: str) -> None:
    target = scheme.encode() + b"://b.example/where/x?y"
    client.send(b"GET %b HTTP/1.1\r\nHost: b.example\r\n\r\n" % target)
    said = client.answer().json()
    assert said == {"path": "/where/x", "host": "b.example", "value": None}
    # Stricter than RFC 9112 3.2.2: two names are an attempt at something.
    client.send(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)
    assert client.answer().status == 400


def test_h12_no_framing_where_there_is_no_content(client: Client) -> None:
    client.send(head_of("POST", "/echo", EXPECT, b"12345"))
    assert client._until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
    client.send(b"12345")
    assert client.answer().text == "12345"
    answer = client.get("/status/204")
    assert answer.get("content-length") is None
    assert answer.get("transfer-encoding") is None
    assert client.get("/status/304").get("transfer-encoding") is None


def test_h13_white_space_around_values_only(client: Client) -> None:
    client.send(b"GET /where/x HTTP/1.1\r\nHost: a\r\nX:\t v w \t\r\n\r\n")
    assert client.answer().json()["value"] == "v w"
    for line in (b"X : y", b" X: y", b"X: y\r\n folded", b"X\t: y"):
        with Client(client.sock.getpeername()) as other:
            other.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n\r\n")
            assert other.answer().status == 400, line


def test_h14_an_empty_line_before_a_request(client: Client) -> None:
    for _ in range(2):
        client.send(b"\r\n" + GET)
        assert client.answer().text == "index"


def test_h15_an_answer_even_when_the_content_never_comes(
    client: Client,
) -> None:
    client.send(head_of("POST", "/nowhere", EXPECT, b"12345"))
    answer = client.answer()
    assert (answer.status, answer.interim) == (404, [])
    assert answer.get("connection") == "close"
    assert client.ends() == b""


def test_h15_content_that_was_asked_for_and_never_comes(
    client: Client,
) -> None:
    client.send(head_of("POST", "/echo", EXPECT, b"12345"))
    answer = client.answer()
    assert (answer.status, answer.interim) == (408, [100])
    assert client.ends() == b""


def test_h16_no_interim_answers_for_http_1_0(client: Client) -> None:
    client.send(head_of("POST", "/echo", EXPECT, b"12345", "1.0") + b"12345")
    answer = client.answer()
    assert (answer.text, answer.interim) == ("12345", [])


def test_h17_http_1_1_is_persistent(client: Client) -> None:
    for _ in range(5):
        answer = client.get("/")
        assert (answer.text, answer.get("connection")) == ("index", None)
    client.send(GET * 3)
    assert [client.answer().text for _ in range(3)] == ["index"] * 3


def test_h18_the_last_answer_is_not_lost_to_a_reset(client: Client) -> None:
    """More comes than was read: close() alone would be a reset."""
    client.send(head_of("GET", "/", {"Connection": "close"}))
    client.send(b"x" * 200_000)
    assert client.answer().text == "index"
    assert client.ends() == b""


def test_h19_no_keep_alive_field_is_due(client: Client) -> None:
    answer = client.request("GET", "/", {"Keep-Alive": "timeout=5"})
    assert answer.get("keep-alive") is None
    assert client.get("/").text == "index"


@pytest.mark.parametrize(
    "packet",
    [
        *(head_of("GET", "/nowhere"), head_of("DELETE", "/")),
        *(REFUSED[413], REFUSED[505]),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["404", "405", "413", "505", "400"],
)
def test_h20_error_pages_have_a_type(client: Client, packet: bytes) -> None:
    client.send(packet)
    answer = client.answer()
    assert answer.status >= 400
    assert answer.get("content-type") == "text/plain; charset=utf-8"
    assert answer.text.startswith(str(answer.status))
