"""Cookies both ways: what clients send, and what they keep of ours."""

from __future__ import annotations

import datetime
from typing import Any

import httpx
import pytest
from serving import Server, Servers

from rupy import Response

APP = """
from rupy import Response, Rupy

app = Rupy()

@app.get("/")
def cookies(request):
    return request.cookies

@app.get("/set")
def set_cookies():
    response = Response("set")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", path="/set", httponly=True)
    response.set_cookie("gone", "3")
    return response

@app.get("/delete")
def delete():
    response = Response("deleted")
    response.delete_cookie("gone")
    return response
"""


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP)


RECEIVED: list[tuple[str, dict[str, str], str]] = [
    ("a=b", {"a": "b"}, "one"),
    ("a=b; c=d;e=f", {"a": "b", "c": "d", "e": "f"}, "with and without space"),
    ('a="b c"; d="e"', {"a": "b c", "d": "e"}, "quoted values"),
    ('a="b', {"a": '"b'}, "half a quote"),
    ("a=1; a=2", {"a": "1"}, "the first is that of the longer path"),
    ("a=b=c", {"a": "b=c"}, "the first equals sign"),
    ("a; b=c", {"b": "c"}, "no pair"),
    ("=a; b=c", {"b": "c"}, "no name"),
    ("; ;;a=b;", {"a": "b"}, "nothing between"),
    ("a=%20+", {"a": "%20+"}, "nothing is decoded"),
    ("a=\xc3\xa4", {"a": "\u00e4"}, "UTF-8"),
    ("a=\xff", {"a": "\ufffd"}, "no UTF-8"),
    ('a={"b":1,"c":2}', {"a": '{"b":1,"c":2}'}, "JSON, as scripts write it"),
    ("", {}, "nothing"),
]


@pytest.mark.parametrize(("field", "cookies", "why"), RECEIVED)
def test_cookies_are_read(
    server: Server, field: str, cookies: dict[str, str], why: str
) -> None:
    assert server.get("/", cookie=field).json() == cookies, why


def test_two_cookie_fields_are_read_in_order(server: Server) -> None:
    with server.connect() as client:
        client.send(
            "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: a=2; b=3\r\n"
            "\r\n"
        )
        assert client.answer().json() == {"a": "1", "b": "3"}


def test_a_client_keeps_what_was_set(server: Server) -> None:
    with httpx.Client(base_url=server.url) as client:
        client.get("/set")
        assert client.get("/").json() == {"a": "1", "gone": "3"}
        client.get("/delete")
        assert client.get("/").json() == {"a": "1"}


def line(name: str, value: str = "v", /, **attributes: Any) -> str:
    response = Response()
    response.set_cookie(name, value, **attributes)
    return response.headers["set-cookie"]


WHEN = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
SET: list[tuple[dict[str, Any], str]] = [
    ({}, "; Path=/"),
    ({"path": None}, ""),
    ({"max_age": 0}, "; Max-Age=0; Path=/"),
    ({"expires": WHEN}, "; Expires=Wed, 02 Jan 2030 03:04:05 GMT; Path=/"),
    (
        {"expires": WHEN.timestamp()},
        "; Expires=Wed, 02 Jan 2030 03:04:05 GMT; Path=/",
    ),
    (
        {"expires": "Wed, 02 Jan 2030 03:04:05 GMT"},
        "; Expires=Wed, 02 Jan 2030 03:04:05 GMT; Path=/",
    ),
    ({"domain": "a.example"}, "; Path=/; Domain=a.example"),
    ({"samesite": "Lax"}, "; Path=/; SameSite=Lax"),
    (
        {"samesite": "none", "secure": True, "partitioned": True},
        "; Path=/; Secure; SameSite=None; Partitioned",
    ),
    ({"secure": True, "httponly": True}, "; Path=/; Secure; HttpOnly"),
]


@pytest.mark.parametrize(("attributes", "text"), SET)
def test_attributes(attributes: dict[str, Any], text: str) -> None:
    assert line("n", **attributes) == "n=v" + text


def test_values_that_may_be() -> None:
    assert line("n", "") == "n=; Path=/"
    assert line("n", '"quoted"') == 'n="quoted"; Path=/'
    assert line("__Host-n", secure=True) == "__Host-n=v; Path=/; Secure"
    assert line("__Secure-n", secure=True, path="/a").endswith(
        "Path=/a; Secure"
    )
    assert len(line("n", "x" * 4095)) == 4097 + len("; Path=/")


REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("", "v", {}, "no name"),
    ("a b", "v", {}, "a name that is no token"),
    ("a=b", "v", {}, "an equals sign in the name"),
    ("n", "a;b", {}, "a semicolon"),
    ("n", "a b", {}, "a space"),
    ("n", "a,b", {}, "a comma"),
    ("n", 'a"b', {}, "a quote"),
    ("n", '"a"b"', {}, "a quote within quotes"),
    ("n", "a\r\nb", {}, "a line end"),
    ("n", "\u00e4", {}, "what is not ASCII"),
    ("n", "x" * 4096, {}, "more than 4096 bytes"),
    ("n", "v", {"path": "/a;b"}, "a semicolon in the path"),
    ("n", "v", {"path": "/" + "x" * 1024}, "a long path"),
    ("n", "v", {"domain": "a\nb"}, "a line end in the domain"),
    ("n", "v", {"samesite": "maybe"}, "another samesite"),
    ("n", "v", {"samesite": "none"}, "none without secure"),
    ("n", "v", {"partitioned": True}, "partitioned without secure"),
    ("n", "v", {"expires": -1}, "before 1970"),
    ("n", "v", {"expires": "soon"}, "no date"),
    ("__Secure-n", "v", {}, "the prefix without secure"),
    ("__secure-n", "v", {}, "in any case"),
    ("__Host-n", "v", {}, "the prefix without secure"),
    ("__Host-n", "v", {"secure": True, "path": "/a"}, "another path"),
    ("__Host-n", "v", {"secure": True, "path": None}, "no path"),
    ("__HOST-n", "v", {"secure": True, "domain": "a.b"}, "a domain"),
]


@pytest.mark.parametrize(("name", "value", "attributes", "why"), REFUSED)
def test_what_browsers_would_refuse_is_a_value_error(
    name: str, value: str, attributes: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError):
        line(name, value, **attributes)


def test_deleting() -> None:
    response = Response()
    response.delete_cookie("a")
    response.delete_cookie("__Host-b")
    response.delete_cookie(
        "c", path="/x", domain="a.b", secure=True, partitioned=True
    )
    past = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    assert response.headers.getlist("set-cookie") == [
        f"a=; {past}; Path=/",
        f"__Host-b=; {past}; Path=/; Secure",
        f"c=; {past}; Path=/x; Domain=a.b; Secure; Partitioned",
    ]
