"""What an ASGI application is told about a request (ASGI HTTP, "Scope").

A test is named by the line of the list of requirements that it is about.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from asgi_said import said, scope_of, serve_story
from serving import CHECKOUT, Server, Servers

VALIDATOR = CHECKOUT.parent / "shared/conformance/apps/validate_asgi.py"


def test_b1_scope(story: Server) -> None:
    with story.connect() as client:
        port = client.sock.getsockname()[1]
        client.send(
            b"PATCH /a%2Fb%20%C3%A9?x=%20&y HTTP/1.1\r\nHost: h\r\n"
            b"X-Two:  1 \r\nx-two:\t2\t\r\nX-Empty:\r\n\r\n"
        )
        scope = scope_of(client.answer())
    state = scope.pop("state")
    assert state["number"] == 1
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "PATCH",
        "scheme": "http",
        "path": "/a/b é",
        "raw_path": b"/a%2Fb%20%C3%A9",
        "query_string": b"x=%20&y",
        "root_path": "",
        "headers": [
            (b"host", b"h"),
            (b"x-two", b"1"),
            (b"x-two", b"2"),
            (b"x-empty", b""),
        ],
        "client": ("127.0.0.1", port),
        "server": story.address,
        "extensions": {
            "http.response.pathsend": {},
            "http.response.zerocopysend": {},
        },
    }


def test_b2_http_version(story: Server) -> None:
    with story.connect() as client:
        answer = client.request("GET", "/x", version="1.0")
    assert scope_of(answer)["http_version"] == "1.0"


def test_b3_headers_repeat_and_change(story: Server) -> None:
    """The same header section over and over, and then another."""
    with story.connect() as client:
        for i in [1, 1, 1, 1, 2, 1, 2, 2, 2, 1]:
            answer = client.get("/x", a=str(i), B="c" * i)
            assert scope_of(answer)["headers"] == [
                (b"host", b"localhost"),
                (b"a", b"%d" % i),
                (b"b", b"c" * i),
            ]


def test_b3_more_headers_than_are_remembered(story: Server) -> None:
    for i in range(200):
        with story.connect() as client:
            for _ in range(3):
                scope = scope_of(client.get("/x", **{f"X-{i}": str(i)}))
                field = (b"x-%d" % i, b"%d" % i)
                assert scope["headers"] == [(b"host", b"localhost"), field]
                assert scope["client"] == client.sock.getsockname()


@pytest.mark.parametrize("method", ["GET", "DELETE", "QUERY", "BREW"])
def test_b1_methods(story: Server, method: str) -> None:
    with story.connect() as client:
        assert scope_of(client.request(method, "/x"))["method"] == method


@pytest.mark.parametrize("method", ["get", "Brew"])
def test_b1_methods_in_lower_case_are_501(story: Server, method: str) -> None:
    with story.connect() as client:
        assert client.request(method, "/x").status == 501
        assert client.get("/x").status == 200


def test_b4_root_path_is_the_beginning_of_path(serve: Servers) -> None:
    server = serve_story(serve, "--root-path", "/base/")
    scope = scope_of(server.get("/x%20"))
    assert scope["root_path"] == "/base"
    assert scope["path"] == "/base/x "
    assert scope["raw_path"] == b"/base/x%20"


def test_b4_a_path_that_has_the_prefix_already_gets_another(
    serve: Servers,
) -> None:
    """As others do: the proxy takes the prefix off, or there is none."""
    server = serve_story(serve, "--root-path", "/base")
    assert scope_of(server.get("/base/x"))["path"] == "/base/base/x"


def test_b5_the_path_is_decoded_and_raw_path_is_not(story: Server) -> None:
    for raw, path in (
        ("/a%2Fb", "/a/b"),
        ("/%C3%A9", "/é"),
        ("/a%25b+c", "/a%b+c"),
        ("/a%3Fb", "/a?b"),
    ):
        scope = scope_of(story.get(raw + "?q"))
        assert (scope["path"], scope["raw_path"]) == (path, raw.encode())


def test_b5_a_path_that_is_no_utf8_is_400(story: Server) -> None:
    with story.connect() as client:
        assert client.get("/a%ff").status == 400
        assert client.get("/task").status == 200


def test_b6_forwarded_by_a_trusted_proxy(serve: Servers) -> None:
    server = serve_story(
        serve,
        *("--forwarded-allow-ips", "127.0.0.1"),
        *("--forwarded", "for,proto,host,prefix"),
    )
    told = {
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/shop",
    }
    for _ in range(3):
        scope = scope_of(server.get("/x", **told))
        assert scope["client"] == ("192.0.2.7", 0)
        assert scope["scheme"] == "https"
        assert scope["root_path"] == "/shop"
        assert (scope["path"], scope["raw_path"]) == ("/shop/x", b"/shop/x")
        scope = scope_of(server.get("/x"))
        assert scope["client"][0] == "127.0.0.1"
        assert (scope["scheme"], scope["path"]) == ("http", "/x")


def test_b7_state_is_a_shallow_copy_for_each_request(story: Server) -> None:
    for times in range(3):
        seen = said(story, "/state")
        assert seen == {"number": 1, "shared": [True] * times}


def test_b1_unix_socket(serve: Servers, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = serve_story(serve, binds=(f"unix:{path}",))
    with server.connect(str(path)) as client:
        scope = scope_of(client.get("/x"))
    assert scope["client"] is None
    assert scope["server"] == (str(path), None)


@pytest.mark.skipif(not VALIDATOR.exists(), reason="is not there")
def test_b1_the_validator_is_content(serve: Servers) -> None:
    server = serve(VALIDATOR.read_text())
    with server.connect() as client:
        assert client.get("/a%20b?x=1", Accept="x").text == "ok\n"
        assert client.post("/", b"x" * 300000).text == "ok\n"
        for target in ("/", "/a%2Fb%20%C3%A9//..;x", "/?", "/?a=b?c", "//"):
            for method in ("GET", "DELETE", "OPTIONS", "QUERY", "PUT"):
                assert client.request(method, target).text == "ok\n"
        answer = client.request("HEAD", "/", {"X-A": " \t b \t", "x-a": ""})
        assert (answer.status, answer.get("content-length")) == (200, "3")
        client.send(
            b"GET http://h/x?y HTTP/1.1\r\nHost: h\r\n\r\n"
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert client.answer().text == "ok\n"
        assert client.head()[0] == 100
        client.send(b"3\r\nabc\r\n0\r\nx: y\r\n\r\n")
        assert client.answer().text == "ok\n"
        assert client.request("GET", "/", version="1.0").text == "ok\n"
