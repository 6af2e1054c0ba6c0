"""WSGI (PEP 3333): what the application is told; W1 to W7 and W30."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from serving import Server, Servers
from wsgi_story import FRAME, MODES, value

APP = (
    FRAME
    + r"""
PLAIN = (str, int, bool, tuple)

def environ(environ, start_response):
    return say(start_response, {
        key: value for key, value in environ.items()
        if isinstance(value, PLAIN)})

def raw_types(environ, start_response):
    before = type(environ) is dict, "mine" in environ
    environ["mine"] = environ["PATH_INFO"] = environ["HTTP_HOST"] = "changed"
    del environ["QUERY_STRING"]
    strange = [k for k, v in environ.items()
               if type(k) is not str or ("." not in k and type(v) is not str)]
    return say(start_response, (*before, strange))

def validate(environ, start_response):
    return say(start_response, "valid")

def raw_sockets(environ, start_response):
    return say(start_response, sorted(
        k for k in environ if "socket" in k or "hijack" in k))
"""
)


@pytest.fixture(scope="module", params=MODES)
def server(serve_module: Servers, request: pytest.FixtureRequest) -> Server:
    return serve_module(
        APP,
        *MODES[request.param],
        *("--bind", f"unix:{serve_module.folder}/{request.param}"),
        env={"SECRET_OF_THE_SERVER": "x"},
    )


def environ(server: Server, path: str = "", **headers: str) -> dict[str, Any]:
    answer = server.get(f"/environ{path}", **headers)
    assert answer.status == 200, server.stderr
    found: dict[str, Any] = value(answer.text)
    return found


def raw_environ(server: Server, packet: bytes) -> dict[str, Any]:
    with server.connect() as client:
        client.send(packet)
        found: dict[str, Any] = value(client.answer().text)
        return found


def test_w1_environ_is_a_fresh_exact_dict(server: Server) -> None:
    with server.connect() as client:
        # The same head again, so that what is kept of it would be seen.
        for _ in range(4):
            answer = client.get("/raw_types?a=b")
            assert value(answer.text) == (True, False, [])
            after = value(client.get("/environ?x").text)
            assert "mine" not in after
            assert after["PATH_INFO"] == "/environ"
            assert after["HTTP_HOST"] == "localhost"
            assert after["QUERY_STRING"] == "x"


def test_w2_required_keys(server: Server) -> None:
    got = environ(server, "/a%20b%2Fc/%C3%A9?q=%20&x=1")
    assert got["REQUEST_METHOD"] == "GET"
    assert got["SCRIPT_NAME"] == ""
    assert got["PATH_INFO"] == "/environ/a b/c/\u00c3\u00a9"
    assert got["QUERY_STRING"] == "q=%20&x=1"
    assert got["SERVER_NAME"] == "127.0.0.1"
    assert got["SERVER_PORT"] == str(server.port)
    assert got["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ(server)["QUERY_STRING"] == ""
    one_zero = raw_environ(server, b"GET /environ HTTP/1.0\r\n\r\n")
    assert one_zero["SERVER_PROTOCOL"] == "HTTP/1.0"


def test_w2_any_method_reaches_the_application(server: Server) -> None:
    with server.connect() as client:
        for method in ("PUT", "PATCH", "PURGE", "DELETE", "OPTIONS", "GET"):
            got = value(client.request(method, "/environ").text)
            assert got["REQUEST_METHOD"] == method


@pytest.mark.parametrize(
    ("option", "want"),
    [("/shop", "/shop"), ("/shop/", "/shop"), ("/", ""), ("/a/b", "/a/b")],
)
def test_w2_root_path_is_script_name(
    serve: Servers, option: str, want: str
) -> None:
    server = serve(APP, "--root-path", option)
    got = environ(server, "/x")
    assert (got["SCRIPT_NAME"], got["PATH_INFO"]) == (want, "/environ/x")


def test_w2_an_absolute_target_names_the_host(server: Server) -> None:
    got = raw_environ(
        server, b"GET http://there/environ?q HTTP/1.1\r\nHost: there\r\n\r\n"
    )
    assert got["PATH_INFO"] == "/environ"
    assert got["HTTP_HOST"] == "there"
    assert got["SERVER_NAME"] == "127.0.0.1"


def test_w3_fields_become_keys(server: Server) -> None:
    with server.connect() as client:
        client.send(
            b"POST /environ HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\n"
            b"Content-Length: 2\r\nX-Some-Thing: 1\r\nx-some-thing: 2\r\n"
            b"Accept: caf\xe9\r\nCookie: a=1\r\ncookie: b=2\r\n\r\nhi"
        )
        got = value(client.answer().text)
    assert got["CONTENT_TYPE"] == "a/b"
    assert got["CONTENT_LENGTH"] == "2"
    assert "HTTP_CONTENT_TYPE" not in got
    assert "HTTP_CONTENT_LENGTH" not in got
    assert got["HTTP_X_SOME_THING"] == "1,2"
    assert got["HTTP_COOKIE"] == "a=1; b=2"
    assert got["HTTP_ACCEPT"] == "caf\u00e9"
    without = environ(server)
    assert "CONTENT_TYPE" not in without
    assert "CONTENT_LENGTH" not in without


def test_w3_names_with_underscores_and_proxy_are_dropped(
    server: Server,
) -> None:
    for _ in range(3):  # also when the head is known
        got = raw_environ(
            server,
            b"GET /environ HTTP/1.1\r\nHost: a\r\nProxy: http://evil\r\n"
            b"X_User: evil\r\nX-User: good\r\nContent_Length: 7\r\n\r\n",
        )
        assert got["HTTP_X_USER"] == "good"
        assert "HTTP_PROXY" not in got
        assert "CONTENT_LENGTH" not in got


def test_w4_who_asks(server: Server) -> None:
    with server.connect() as client:
        got = value(client.get("/environ").text)
        assert got["REMOTE_ADDR"] == "127.0.0.1"
        assert got["REMOTE_PORT"] == str(client.sock.getsockname()[1])
    with server.connect() as other:
        again = value(other.get("/environ").text)
        assert again["REMOTE_PORT"] == str(other.sock.getsockname()[1])
    assert "HTTPS" not in got
    assert "REMOTE_USER" not in got
    assert "AUTH_TYPE" not in got


def test_w4_a_unix_socket_has_no_address(server: Server) -> None:
    path = next(Path(server._stderr).parent.parent.glob("[it]*[es]"))
    with server.connect(str(path)) as client:
        got = value(client.get("/environ").text)
    assert (got["REMOTE_ADDR"], got["REMOTE_PORT"]) == ("", "")
    assert (got["SERVER_NAME"], got["SERVER_PORT"]) == ("localhost", "80")


def test_w4_what_a_trusted_proxy_tells(serve: Servers) -> None:
    server = serve(
        APP, "--forwarded", "for,proto,host,prefix", "--threads", "2"
    )
    told = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "shop.example",
        "X-Forwarded-Prefix": "/shop/",
    }
    for _ in range(2):
        got = value(server.get("/environ", **told).text)
        assert got["REMOTE_ADDR"] == "203.0.113.9"
        assert got["wsgi.url_scheme"] == "https"
        assert got["HTTPS"] == "on"
        assert got["HTTP_HOST"] == "shop.example"
        assert got["SCRIPT_NAME"] == "/shop"
        plain = environ(server)
        assert plain["wsgi.url_scheme"] == "http"
        assert "HTTPS" not in plain
        assert plain["SCRIPT_NAME"] == ""


def test_w5_wsgi_keys(server: Server) -> None:
    got = environ(server)
    threads = "--threads" in server.process.args
    assert got["wsgi.version"] == (1, 0)
    assert got["wsgi.url_scheme"] == "http"
    assert got["wsgi.multithread"] is threads
    assert got["wsgi.multiprocess"] is False
    assert got["wsgi.run_once"] is False


def test_w5_multiprocess(serve: Servers) -> None:
    got = environ(serve(APP, "--workers", "2", "--threads", "1"))
    assert got["wsgi.multiprocess"] is True
    assert got["wsgi.multithread"] is False


def test_w6_keys_that_everybody_has(server: Server) -> None:
    got = environ(server, "/%61?b=%20")
    assert got["REQUEST_URI"] == got["RAW_URI"] == "/environ/%61?b=%20"
    assert got["SERVER_SOFTWARE"].startswith("rupy-serve/")
    assert got["wsgi.input_terminated"] is True
    assert "wsgi.early_hints" not in got
    assert "SECRET_OF_THE_SERVER" not in got
    assert not set(os.environ) & set(got)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS", "X-Y"])
def test_w7_wsgiref_validates_it(server: Server, method: str) -> None:
    with server.connect() as client:
        body = b"x" * 10 if method in ("POST", "PUT") else None
        for path in ("/validate", "/validate/%ff?%ff", "/validate//"):
            answer = client.request(method, path, {"A.b": "c"}, body)
            assert answer.text == "'valid'", server.stderr


def test_w30_there_is_no_socket(server: Server) -> None:
    assert value(server.get("/raw_sockets").text) == []
    upgrade = server.get("/environ", Connection="upgrade", Upgrade="x")
    assert upgrade.status == 200
