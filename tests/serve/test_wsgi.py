"""PEP 3333, line by line: each test is named after its line in the list of
requirements, and runs with calls on the loop and in threads."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import pytest
from serving import CHECKOUT, Server, Servers, free_port, head_of, wait_for

VALIDATOR = (
    CHECKOUT.parent / "shared" / "conformance" / "apps" / "validate_wsgi.py"
)

APP = r"""
import asyncio
import contextvars
import io
import json
import os
import sys
import tempfile
import threading
import time
from wsgiref.validate import validator

closed = []
seen = []
variable = contextvars.ContextVar("variable", default="fresh")
release = threading.Event()
TEXT = [("Content-Type", "text/plain")]


class Pieces:
    def __init__(self, pieces, name="pieces"):
        self.pieces = iter(pieces)
        self.name = name
        self.thread = threading.get_ident()

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.pieces)

    def close(self):
        same = threading.get_ident() == self.thread
        closed.append(self.name if same else "other thread")


def environ_(environ, start_response):
    assert type(environ) is dict, type(environ)
    environ["mutated"] = "by a request"
    seen.append(environ)
    plain = {k: v for k, v in environ.items()
             if isinstance(v, (str, bool)) or k == "wsgi.version"}
    start_response("200 OK", list(TEXT))
    return [json.dumps(plain).encode()]


def read(environ, start_response):
    how = environ["QUERY_STRING"]
    stream = environ["wsgi.input"]
    if how == "all":
        got = [stream.read(), stream.read(), stream.read(5)]
    elif how == "pieces":
        got = list(iter(lambda: stream.read(3), b""))
    elif how == "lines":
        got = list(stream)
    elif how == "readline":
        got = [stream.readline(), stream.readline(2), stream.readline(-1),
               stream.readline(), stream.readline()]
    elif how == "readlines":
        got = stream.readlines()
    elif how == "hint":
        got = [*stream.readlines(3), b"|", *stream.readlines()]
    elif how == "size":
        got = [str(len(stream.read())).encode()]
    elif how == "none":
        got = [b"nothing"]
    start_response("200 OK", list(TEXT))
    return [json.dumps([g.decode() for g in got]).encode()]


def cut(environ, start_response):
    try:
        environ["wsgi.input"].read()
    except OSError as e:
        closed.append("cut: " + type(e).__name__)
        raise
    closed.append("read to the end")
    start_response("200 OK", list(TEXT))
    return [b"ok"]


def status(environ, start_response):
    start_response(environ["QUERY_STRING"].replace("+", " "), list(TEXT))
    return []


def header(environ, start_response):
    name, value = json.loads(environ["wsgi.input"].read())
    start_response("200 OK", [("X-Before", "a"), (name, value)])
    return [b"ok"]


def bad(environ, start_response):
    how = environ["QUERY_STRING"]
    if how == "no-start":
        return [b"x"]
    if how == "no-start-empty":
        return []
    if how == "late-start":
        def late():
            yield b""
            start_response("201 Created", list(TEXT))
            yield b"late"
        return late()
    if how == "none":
        start_response("200 OK", list(TEXT))
        return None
    if how == "raise":
        raise RuntimeError("a fault")
    if how == "raise-later":
        start_response("200 OK", list(TEXT))
        def later():
            raise RuntimeError("a fault")
            yield b""
        return Pieces(later(), "raise-later")
    if how == "raise-after":
        start_response("200 OK", list(TEXT))
        def after():
            yield b"some"
            raise RuntimeError("a fault")
        return Pieces(after(), "raise-after")
    if how == "str":
        start_response("200 OK", list(TEXT))
        return ["text"]
    if how == "twice":
        start_response("200 OK", list(TEXT))
        start_response("200 OK", list(TEXT))
        return [b"x"]
    if how == "tuple":
        start_response("200 OK", tuple(TEXT))
        return [b"x"]
    if how == "list-item":
        start_response("200 OK", [["Content-Type", "text/plain"]])
        return [b"x"]
    if how == "bytes-name":
        start_response("200 OK", [(b"X-A", "b")])
        return [b"x"]
    if how == "two-lengths":
        start_response("200 OK", [("Content-Length", "1")] * 2)
        return [b"x"]
    if how == "bad-length":
        start_response("200 OK", [("Content-Length", "+1")])
        return [b"x"]
    if how == "close-raises":
        start_response("200 OK", list(TEXT))
        class Raises(Pieces):
            def close(self):
                closed.append("close-raises")
                raise RuntimeError("from close")
        return Raises([b"fine"])
    if how == "write-first":
        try:
            start_response(b"x")
        except AssertionError:
            closed.append("write-first")
        start_response("200 OK", list(TEXT))
        return [b"x"]


def replaced(environ, start_response):
    start_response("200 OK", [*TEXT, ("X-First", "1")])
    try:
        raise ValueError("early")
    except ValueError:
        start_response("503 Sorry", [*TEXT, ("X-Second", "2")],
                       sys.exc_info())
    return [b"replaced"]


def too_late(environ, start_response):
    def pieces():
        start_response("200 OK", list(TEXT))
        yield b"first"
        try:
            raise KeyError("the original")
        except KeyError:
            try:
                start_response("500 No", [], sys.exc_info())
            except KeyError:
                closed.append("raised again")
                raise
        yield b"never"
    return Pieces(pieces(), "too_late")


def mutated(environ, start_response):
    headers = [("X-Old", "1")]
    start_response("200 OK", headers)
    headers.append(("X-New", "2"))
    return [b"x"]


def many(environ, start_response):
    start_response("200 OK", [(f"X-{i}", str(i)) for i in range(40)])
    return [b"x"]


def pieces(environ, start_response):
    start_response("200 OK", list(TEXT))
    return Pieces([b"a", b"", b"bc", b"d"])


def shape(environ, start_response):
    how = environ["QUERY_STRING"]
    start_response("200 OK", list(TEXT))
    class One(Pieces):
        def __len__(self):
            return 1
    return {"list": [b"abc"], "tuple": (b"abc",), "empty": [],
            "two": [b"ab", b"c"], "generator": (b for b in [b"abc"]),
            "sized": One([b"abc"]), "empties": [b"", b""],
            "bytes": b"", "large": [b"x" * 300000],
            "iterator": iter([b"abc"]), "dict": {b"abc": 1}}[how]


def length(environ, start_response):
    n, _, how = environ["QUERY_STRING"].partition("&")
    start_response("200 OK", [("Content-Length", n)])
    if how == "pieces":
        return Pieces([b"ab", b"cd", b"ef"], "length")
    return [b"abcdef"]


def written(environ, start_response):
    write = start_response("200 OK", list(TEXT))
    assert write(b"one ") is None
    write(b"")
    write(b"two ")
    return Pieces([b"three"])


def stepwise(environ, start_response):
    start_response("200 OK", list(TEXT))
    def steps():
        yield b"first"
        release.wait(10)
        yield b"second"
    return steps()


def endless(environ, start_response):
    start_response("200 OK", list(TEXT))
    def blocks():
        n = 0
        while True:
            n += 1
            seen.append(n)
            yield b"x" * 65536
    return Pieces(blocks(), "endless")


def file_(environ, start_response):
    how = environ["QUERY_STRING"]
    f = tempfile.TemporaryFile()
    f.write(b"0123456789" * 10000)
    f.seek(5)
    headers = list(TEXT)
    if how == "length":
        headers.append(("Content-Length", "7"))
    if how == "memory":
        f = io.BytesIO(b"0123456789" * 10000)
        f.seek(5)
    wrapper = environ["wsgi.file_wrapper"]
    start_response("200 OK", headers)
    if how == "wrapped":
        return Pieces(wrapper(f, 100), "wrapped")
    real = f.close
    class Spy:
        def read(self, n):
            return f.read(n)
        def close(self):
            closed.append("file")
            real()
    return wrapper(Spy() if how == "spy" else f)


def errors(environ, start_response):
    e = environ["wsgi.errors"]
    e.write("to the log: caf\xe9 \u20ac\n")
    e.writelines(["two ", "parts\n"])
    print("printed", "to it", file=e)
    e.write("without an end")
    e.flush()
    start_response("200 OK", list(TEXT))
    return [b"x"]


def context(environ, start_response):
    before = variable.get()
    variable.set(environ["QUERY_STRING"])
    start_response("200 OK", list(TEXT))
    def steps():
        yield json.dumps([before, variable.get(),
                          threading.current_thread().name]).encode()
    return steps()


def loop(environ, start_response):
    async def answer():
        await asyncio.sleep(0)
        return b"ran"
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise AssertionError("there is a running loop")
    start_response("200 OK", list(TEXT))
    return [asyncio.run(answer())]


def control(environ, start_response):
    how = environ["QUERY_STRING"]
    start_response("200 OK", list(TEXT))
    if how == "release":
        release.set()
    if how == "hold":
        release.clear()
    got = json.dumps({"closed": closed[:], "seen": len(seen)}).encode()
    if how == "forget":
        closed.clear()
        seen.clear()
    return [got]


class Instance:
    def __init__(self, environ, start_response):
        self.start = start_response

    def __iter__(self):
        self.start("200 OK", list(TEXT))
        yield b"an instance"


APPS = {
    "environ": environ_, "read": read, "cut": cut, "status": status,
    "header": header, "bad": bad, "replaced": replaced, "too-late": too_late,
    "mutated": mutated, "many": many, "pieces": pieces, "shape": shape,
    "length": length, "written": written, "stepwise": stepwise,
    "endless": endless, "file": file_, "errors": errors, "context": context,
    "loop": loop, "control": control, "instance": Instance,
}


def app(environ, start_response):
    _, first, *rest = (environ["PATH_INFO"] or "/").split("/")
    if first == "validated":
        return validator(APPS[rest[0]])(environ, start_response)
    return APPS.get(first, environ_)(environ, start_response)
"""

WITH = [0, 3]


@pytest.fixture(scope="module", params=WITH, ids=["inline", "threads"])
def server(
    request: pytest.FixtureRequest, serve_module: Servers
) -> Server:
    return serve_module(
        APP, "--interface", "wsgi", "--threads", str(request.param)
    )


@pytest.fixture
def is_threaded(request: pytest.FixtureRequest) -> bool:
    return bool(request.node.callspec.params["server"])


def environ(server: Server, path: str = "/environ", **headers: str) -> Any:
    return server.get(path, **headers).json()


def control(server: Server, how: str = "") -> dict[str, Any]:
    return server.get(f"/control?{how}").json()


def forget(server: Server) -> None:
    control(server, "forget")


def closes(server: Server, *names: str) -> None:
    """Exactly these were closed, in any order, and stay so."""
    wait_for(
        lambda: len(control(server)["closed"]) >= len(names), f"closed {names}"
    )
    assert sorted(control(server)["closed"]) == sorted(names)


# ---- environ ----


def test_w1_environ_is_a_dict_of_its_own(server: Server) -> None:
    with server.connect() as client:
        for _ in range(5):
            client.get("/environ")
            assert client.get("/").json()["mutated"] == "by a request"
    forget(server)


def test_w1_what_a_request_changes_another_does_not_see(
    serve: Servers,
) -> None:
    server = serve(
        """
def app(environ, start_response):
    before = "x.mutated" in environ or environ["PATH_INFO"] == "/gone"
    environ["x.mutated"] = 1
    environ["PATH_INFO"] = "/gone"
    environ["HTTP_HOST"] = "other"
    del environ["QUERY_STRING"]
    start_response("200 OK", [])
    return [str(before).encode()]
"""
    )
    with server.connect() as client:
        assert {client.get("/a").text for _ in range(6)} == {"False"}


def test_w2_required_keys(server: Server) -> None:
    got = environ(server, "/environ/a%20b%E4%2Fc%25?x=%20&y")
    assert got["REQUEST_METHOD"] == "GET"
    assert got["SCRIPT_NAME"] == ""
    assert got["PATH_INFO"] == "/environ/a b\xe4/c%"
    assert got["QUERY_STRING"] == "x=%20&y"
    assert got["SERVER_NAME"] == "127.0.0.1"
    assert got["SERVER_PORT"] == str(server.port)
    assert got["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ(server)["QUERY_STRING"] == ""
    with server.connect() as client:
        old = client.request("GET", "/environ", version="1.0").json()
    assert old["SERVER_PROTOCOL"] == "HTTP/1.0"


def test_w2_methods_and_targets_follow_each_other(server: Server) -> None:
    """The fields are the same, so only this may tell the requests apart."""
    asked = [
        ("GET", "/environ"),
        ("GET", "/environ?a=1"),
        ("DELETE", "/environ?a=1"),
        ("BREW", "/environ/x"),
        ("BREW2", "/environ/x"),
        ("GET", "/environ/x%79?" + "q" * 300),
        ("GET", "/environ"),
    ]
    with server.connect() as client:
        for method, target in asked * 3:
            got = client.request(method, target).json()
            assert got["REQUEST_METHOD"] == method
            assert got["REQUEST_URI"] == target
            path, _, query = target.partition("?")
            assert got["PATH_INFO"] == path.replace("%79", "y")
            assert got["QUERY_STRING"] == query


def test_w2_an_absolute_target_names_the_host(server: Server) -> None:
    with server.connect() as client:
        client.send(
            "GET http://example.com/environ?x HTTP/1.1\r\n"
            "Host: example.com\r\n\r\n"
        )
        got = client.answer().json()
    assert got["PATH_INFO"] == "/environ"
    assert got["HTTP_HOST"] == "example.com"
    assert got["REQUEST_URI"] == "http://example.com/environ?x"


def test_w2_root_path_is_the_script_name(serve: Servers) -> None:
    server = serve(APP, "--root-path", "/app/")
    got = environ(server, "/app/environ")
    assert (got["SCRIPT_NAME"], got["PATH_INFO"]) == ("/app", "/environ")
    got = environ(server, "/apple")
    assert (got["SCRIPT_NAME"], got["PATH_INFO"]) == ("/app", "/apple")
    got = environ(server, "/app")
    assert (got["SCRIPT_NAME"], got["PATH_INFO"]) == ("/app", "")


def test_w3_fields(server: Server) -> None:
    with server.connect() as client:
        client.send(
            b"POST /environ HTTP/1.1\r\nHost: h:1\r\n"
            b"Content-Type: text/x\r\nContent-Length: 2\r\n"
            b"X-One: caf\xe9\r\nAccept: a\r\nACCEPT: b\r\n"
            b"Cookie: a=1\r\nCookie: b=2\r\nX_Under: no\r\nX-Under: yes\r\n"
            b"Proxy: http://evil\r\nX-Empty:\r\n\r\nab"
        )
        got = client.answer().json()
    assert got["CONTENT_TYPE"] == "text/x"
    assert got["CONTENT_LENGTH"] == "2"
    assert got["HTTP_HOST"] == "h:1"
    assert got["HTTP_X_ONE"] == "caf\xe9"
    assert got["HTTP_ACCEPT"] == "a, b"
    assert got["HTTP_COOKIE"] == "a=1; b=2"
    assert got["HTTP_X_UNDER"] == "yes"
    assert got["HTTP_X_EMPTY"] == ""
    for name in ("PROXY", "CONTENT_TYPE", "CONTENT_LENGTH"):
        assert f"HTTP_{name}" not in got
    assert "CONTENT_TYPE" not in environ(server)


def test_w4_peers(server: Server) -> None:
    with server.connect() as client, server.connect() as other:
        for c in (client, other, client, other, client):
            got = c.get("/environ").json()
            host, port = c.sock.getsockname()
            assert got["REMOTE_ADDR"] == host
            assert got["REMOTE_PORT"] == str(port)
    assert not {"HTTPS", "REMOTE_USER", "AUTH_TYPE"} & got.keys()


def test_w4_a_unix_socket_has_no_address(serve: Servers) -> None:
    path = f"@rupy-wsgi-{free_port()}"
    server = serve(APP, binds=(f"unix:{path}",))
    with server.connect(path) as client:
        for _ in range(3):
            client.send("GET /environ HTTP/1.1\r\nHost: name:81\r\n\r\n")
            got = client.answer().json()
            assert got["REMOTE_ADDR"] == ""
            assert "REMOTE_PORT" not in got
            assert (got["SERVER_NAME"], got["SERVER_PORT"]) == ("name", "81")


def test_w5_w6_wsgi_keys(server: Server, is_threaded: bool) -> None:
    got = environ(server, "/environ/%41?q")
    assert got["wsgi.version"] == [1, 0]
    assert got["wsgi.url_scheme"] == "http"
    assert got["wsgi.multithread"] is is_threaded
    assert got["wsgi.multiprocess"] is False
    assert got["wsgi.run_once"] is False
    assert got["wsgi.input_terminated"] is True
    assert got["SERVER_SOFTWARE"].startswith("rupy-serve/")
    assert got["RAW_URI"] == got["REQUEST_URI"] == "/environ/%41?q"
    assert "HOME" not in got and "PATH" not in got


def test_w5_two_workers_are_two_processes(serve: Servers) -> None:
    server = serve(APP, "--workers", "2")
    assert environ(server)["wsgi.multiprocess"] is True


@pytest.mark.parametrize(
    "path",
    [
        "environ",
        "pieces",
        "written",
        "shape?generator",
        "shape?empty",
        "shape?large",
        "read?all",
        "errors",
        "replaced",
        "file?memory",
        "context",
        "stepwise",
    ],
)
def test_w7_wsgiref_validates(server: Server, path: str) -> None:
    control(server, "release")
    for method in ("GET", "HEAD", "POST"):
        with server.connect() as client:
            body = b"content" if method == "POST" else None
            # The validator wants one argument for read().
            if path == "read?all":
                path = "read?pieces"
            answer = client.request(method, f"/validated/{path}", body=body)
            assert answer.status in (200, 503), (method, answer)
    assert "AssertionError" not in server.stderr


@pytest.mark.skipif(
    not VALIDATOR.exists(), reason="the validator is not beside this checkout"
)
@pytest.mark.parametrize("threads", WITH)
def test_w7_the_validator_says_ok(serve: Servers, threads: int) -> None:
    server = serve(VALIDATOR.read_text(), "--threads", str(threads))
    with server.connect() as client:
        assert client.get("/").text == "ok 0"
        assert client.post("/a?b", b"x" * 5000).text == "ok 5000"
        assert client.request("HEAD", "/").status == 200
        assert client.request("OPTIONS", "/x").text == "ok 0"
        assert client.request("PUT", "/", body=b"1").text == "ok 1"


# ---- input and errors ----

LINES = b"one\ntwo two\n\nlast"


@pytest.mark.parametrize(
    ("how", "want"),
    [
        ("all", [LINES.decode(), "", ""]),
        ("pieces", ["one", "\ntw", "o t", "wo\n", "\nla", "st"]),
        ("lines", ["one\n", "two two\n", "\n", "last"]),
        ("readline", ["one\n", "tw", "o two\n", "\n", "last"]),
        ("readlines", ["one\n", "two two\n", "\n", "last"]),
        ("hint", ["one\n", "|", "two two\n", "\n", "last"]),
        ("none", ["nothing"]),
    ],
)
def test_w8_input(server: Server, how: str, want: list[str]) -> None:
    path = f"/read?{how}"
    chunks = b"".join(b"1\r\n%c\r\n" % c for c in LINES) + b"0\r\n\r\n"
    with server.connect() as client:
        assert client.post(path, LINES).json() == want
        client.send(head_of("POST", path, {"Transfer-Encoding": "chunked"}))
        client.send(chunks)
        assert client.answer().json() == want
        client.send(head_of("POST", path, body=LINES))
        client.send_in_bytes(LINES)
        assert client.answer().json() == want
        # What follows is the next request, whoever read this one.
        assert client.get("/instance").text == "an instance"


def test_w8_no_content_is_empty(server: Server) -> None:
    assert server.get("/read?all").json() == ["", "", ""]
    assert server.get("/read?lines").json() == []
    assert server.get("/read?readlines").json() == []


def test_w8_large_content(server: Server) -> None:
    """More than what is kept in memory, and more than what is read ahead."""
    content = b"0123456789abcde\n" * 200_000
    with server.connect() as client:
        assert client.post("/read?size", content).json() == ["3200000"]
        client.send(
            head_of("POST", "/read?size", {"Transfer-Encoding": "chunked"})
        )
        for i in range(0, len(content), 100_000):
            block = content[i : i + 100_000]
            client.send(b"%x\r\n%s\r\n" % (len(block), block))
        client.send(b"0\r\n\r\n")
        assert client.answer().json() == ["3200000"]
        lines = client.post("/read?lines", content[:1_600_000]).json()
        assert len(lines) == 100_000 and set(lines) == {"0123456789abcde\n"}


def test_w8_content_that_nobody_reads(server: Server) -> None:
    with server.connect() as client:
        for _ in range(3):
            assert client.post("/read?none", b"x" * 50_000).status == 200
    with server.connect() as client:
        assert client.post("/read?none", b"x" * 5_000_000).status == 200


def test_w9_a_client_that_goes_is_an_error(
    server: Server, is_threaded: bool
) -> None:
    for leave in ("reset", "shutdown"):
        forget(server)
        client = server.connect()
        client.send(head_of("POST", "/cut", {"Content-Length": "1000"}))
        client.send(b"x" * 500)
        if leave == "reset":
            client.reset()
        else:
            client.shutdown()
            assert client.answer().status == 400
        if is_threaded:
            closes(server, "cut: ConnectionResetError")
        else:  # it was not even called
            closes(server)
    assert "/cut: unhandled" not in server.stderr


def test_w9_content_that_was_sent_is_read_after_the_end(
    server: Server,
) -> None:
    with server.connect() as client:
        client.send(head_of("POST", "/read?size", {}, b"x" * 150_000))
        client.send(b"x" * 150_000)
        client.shutdown()
        assert client.answer().json() == ["150000"]


def test_w10_errors(server: Server) -> None:
    server.get("/errors")
    server.wait_log("without an end\n")
    for line in ("two parts\n", "printed to it\n", "to the log: caf"):
        assert line in server.stderr


def test_w11_continue_comes_with_the_first_read(
    server: Server, is_threaded: bool
) -> None:
    for path, interim in (("/read?all", [100]), ("/read?none", [])):
        with server.connect() as client:
            client.send(
                head_of("POST", path, {"Expect": "100-continue"}, b"abc")
            )
            if interim or not is_threaded:
                assert client.head()[0] == 100
                client.send("abc")
            assert client.answer().status == 200


# ---- start_response ----


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("200+OK", "200 OK"),
        ("299+My+own", "299 My own"),
        ("404+Nowhere", "404 Nowhere"),
        ("200", None),
        ("20+OK", None),
        ("2000+OK", None),
        ("100+Continue", None),
        ("999+No", None),
        ("abc+d", None),
    ],
)
def test_w13_status(server: Server, given: str, want: str | None) -> None:
    answer = server.get(f"/status?{given}")
    line = f"{answer.status} {answer.reason}"
    assert line == (want or "500 Internal Server Error")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "b\r\nX-Injected: 1"),
        ("X-A", "b\nX-Injected: 1"),
        ("X-A", "b\0"),
        ("X-A", "\u20ac"),
        ("X-A\r\nX-Injected", "1"),
        ("X A", "1"),
        ("X-A:", "1"),
        ("", "1"),
        ("X-\xe9", "1"),
        ("Connection", "close"),
        ("Keep-Alive", "1"),
        ("TE", "x"),
        ("Trailer", "x"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("Proxy-Authenticate", "x"),
    ],
)
def test_w13_headers_that_are_refused(
    server: Server, name: str, value: str
) -> None:
    body = json.dumps([name, value]).encode()
    with server.connect() as client:
        answer = client.post("/header", body)
        assert answer.status == 500
        assert not answer.get("x-injected")
        assert not answer.get("x-before")
        assert client.get("/instance").status == 200


def test_w13_headers_that_go_out(server: Server) -> None:
    for name, value in (("X-A", "caf\xe9"), ("x-b", ""), ("Set-Cookie", "a")):
        answer = server.post("/header", json.dumps([name, value]).encode())
        assert answer.get(name.lower()) == value
    answer = server.get("/many")
    assert [answer.get(f"x-{i}") for i in range(40)] == [
        str(i) for i in range(40)
    ]


@pytest.mark.parametrize(
    "how",
    [
        *("no-start", "no-start-empty", "none", "raise", "raise-later"),
        *("str", "twice", "tuple", "list-item", "bytes-name"),
        *("two-lengths", "bad-length"),
    ],
)
def test_w14_w15_w26_w27_faults_before_the_head(
    server: Server, how: str
) -> None:
    forget(server)
    with server.connect() as client:
        answer = client.get(f"/bad?{how}")
        assert answer.status == 500
        assert client.get("/instance").status == 200
    server.wait_log(" in the application")
    closes(server, *(["raise-later"] if how == "raise-later" else []))


def test_w14_start_response_may_come_late(server: Server) -> None:
    answer = server.get("/bad?late-start")
    assert (answer.status, answer.text) == (201, "late")


def test_w15_exc_info_replaces_the_head(server: Server) -> None:
    answer = server.get("/replaced")
    assert (answer.status, answer.reason) == (503, "Sorry")
    assert answer.get("x-second") == "2"
    assert answer.get("x-first") is None


def test_w15_exc_info_is_raised_when_it_is_too_late(server: Server) -> None:
    forget(server)
    with server.connect() as client:
        client.send(head_of("GET", "/too-late"))
        assert client.head()[0] == 200
        assert b"0\r\n\r\n" not in client.ends()
    closes(server, "raised again", "too_late")
    server.wait_log("the original")


def test_w16_nothing_is_sent_before_the_first_block(server: Server) -> None:
    assert server.get("/bad?raise-later").status == 500


def test_w17_the_list_is_read_when_it_is_sent(server: Server) -> None:
    answer = server.get("/mutated")
    assert (answer.get("x-old"), answer.get("x-new")) == ("1", "2")


# ---- the iterable ----


def test_w18_a_block_is_sent_before_the_next_is_made(
    server: Server, is_threaded: bool
) -> None:
    if not is_threaded:
        control(server, "release")
        assert server.get("/stepwise").text == "firstsecond"
        return
    control(server, "hold")
    with server.connect() as client:
        client.send(head_of("GET", "/stepwise"))
        assert client.head()[0] == 200
        chunks = client.chunks()
        assert next(chunks) == b"first"
        control(server, "release")
        assert list(chunks) == [b"second"]


def test_w18_a_slow_client_stops_the_iterable(server: Server) -> None:
    forget(server)
    client = server.connect()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.send(head_of("GET", "/endless"))
    assert client.head()[0] == 200

    def rests() -> bool:
        before = control(server)["seen"]
        return all(control(server)["seen"] == before for _ in range(20))

    wait_for(rests, "the iterable is not asked any more")
    assert control(server)["seen"] < 500
    client.close()
    closes(server, "endless")


@pytest.mark.parametrize("path", ["/pieces", "/file?spy"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_w19_close_is_called_once(
    server: Server, path: str, method: str
) -> None:
    forget(server)
    with server.connect() as client:
        client.request(method, path)
    closes(server, "pieces" if path == "/pieces" else "file")


def test_w19_close_after_a_fault(server: Server) -> None:
    forget(server)
    with server.connect() as client:
        client.send(head_of("GET", "/bad?raise-after"))
        assert client.head()[0] == 200
        assert not client.ends().endswith(b"0\r\n\r\n")
    closes(server, "raise-after")
    assert server.get("/bad?close-raises").text == "fine"
    closes(server, "raise-after", "close-raises")
    server.wait_log("from close")


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_w19_close_when_the_client_goes(server: Server, leave: str) -> None:
    forget(server)
    for _ in range(3):
        client = server.connect()
        client.send(head_of("GET", "/endless"))
        assert client.head()[0] == 200
        getattr(client, leave)()
    closes(server, *["endless"] * 3)


@pytest.mark.parametrize(
    ("how", "framing", "want"),
    [
        ("list", "length", "abc"),
        ("tuple", "length", "abc"),
        ("sized", "length", "abc"),
        ("empty", "length", ""),
        ("empties", "length", ""),
        ("bytes", "length", ""),
        ("large", "length", "x" * 300000),
        ("two", "chunked", "abc"),
        ("generator", "chunked", "abc"),
        ("iterator", "chunked", "abc"),
        ("dict", "length", "abc"),
    ],
)
def test_w20_w25_w27_framing(
    server: Server, is_threaded: bool, how: str, framing: str, want: str
) -> None:
    with server.connect() as client:
        if is_threaded and framing == "chunked":
            # Whether a block was the last is known when the loop sees it.
            framing = client.get(f"/shape?{how}").framing
            assert framing in ("chunked", "length")
        for _ in range(2):
            answer = client.get(f"/shape?{how}")
            assert answer.text == want
            assert answer.framing == framing or is_threaded
        head = client.request("HEAD", f"/shape?{how}")
        length = head.get("content-length")
        assert length == (str(len(want)) if framing == "length" and want
                          else length)
        client.send(head_of("GET", f"/shape?{how}", version="1.0"))
        old = client.answer()
        assert old.text == want
        assert old.framing in ("length", "close")


@pytest.mark.parametrize("how", ["whole", "pieces"])
def test_w21_never_more_than_content_length(server: Server, how: str) -> None:
    with server.connect() as client:
        answer = client.get(f"/length?3&{how}")
        assert answer.body == b"abc"
        assert client.ends() == b""
    server.wait_log("longer than its Content-Length")


@pytest.mark.parametrize("how", ["whole", "pieces"])
def test_w21_less_than_content_length_closes(server: Server, how: str) -> None:
    with server.connect() as client:
        client.send(head_of("GET", f"/length?10&{how}"))
        assert client.head()[0] == 200
        assert client.ends().removesuffix(b"<reset>") == b"abcdef"
    server.wait_log("shorter than its Content-Length")


def test_w21_w24_the_length_of_the_application_is_kept(
    server: Server,
) -> None:
    with server.connect() as client:
        for how in ("whole", "pieces"):
            assert client.get(f"/length?6&{how}").framing == "length"
            head = client.request("HEAD", f"/length?1000&{how}")
            assert head.get("content-length") == "1000"
        # And nothing behind the head.
        assert client.get("/instance").text == "an instance"


def test_w22_write_comes_first(server: Server) -> None:
    assert server.get("/written").text == "one two three"
    forget(server)
    assert server.get("/bad?write-first").status == 200
    closes(server, "write-first")


@pytest.mark.parametrize("how", ["plain", "memory", "wrapped", "spy"])
def test_w23_file_wrapper(server: Server, how: str) -> None:
    want = (b"0123456789" * 10000)[5:]
    with server.connect() as client:
        assert client.get(f"/file?{how}").body == want
        assert client.request("HEAD", f"/file?{how}").status == 200
        assert client.get(f"/file?{how}").body == want


def test_w23_file_wrapper_keeps_to_the_length(server: Server) -> None:
    answer = server.get("/file?length")
    assert (answer.framing, answer.body) == ("length", b"5678901")


def test_w25_no_content_no_length(server: Server) -> None:
    with server.connect() as client:
        for status in ("204+No+Content", "304+Not+Modified"):
            answer = client.get(f"/status?{status}")
            assert answer.get("content-length") is None
            assert answer.get("transfer-encoding") is None


# ---- threads ----


def test_w28_w29_threads_have_names_and_contexts(
    server: Server, is_threaded: bool
) -> None:
    names = set()
    with server.connect() as client:
        for i in range(20):
            before, now, name = client.get(f"/context?{i}").json()
            assert (before, now) == ("fresh", str(i))
            names.add(name)
    if is_threaded:
        assert all(re.fullmatch(r"rupy-pool-\d", name) for name in names)
    else:
        assert names == {"MainThread"}


def test_no_running_loop_is_seen(server: Server) -> None:
    assert server.get("/loop").text == "ran"


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    with server.connect() as client:
        client.send(
            b"".join(
                head_of("GET", f"/context?{i}")
                + head_of("POST", "/read?all", body=b"%d" % i)
                + (b"%d" % i)
                for i in range(12)
            )
        )
        for i in range(12):
            assert client.answer().json()[1] == str(i)
            assert client.answer().json()[0] == str(i)


def test_debug_shows_the_traceback(serve: Servers) -> None:
    server = serve(APP, "--debug")
    answer = server.get("/bad?raise")
    assert answer.status == 500
    assert "RuntimeError: a fault" in answer.text


def test_threads_wait_together(serve: Servers) -> None:
    """Four calls that need each other."""
    server = serve(
        """
import threading
barrier = threading.Barrier(4, timeout=8)

def app(environ, start_response):
    barrier.wait()
    start_response("200 OK", [])
    return [b"together"]
""",
        *("--threads", "4"),
        ready=False,
    )
    server.wait_log("ready")
    clients = [server.connect() for _ in range(4)]
    for client in clients:
        client.send(head_of("GET", "/"))
    assert {client.answer().text for client in clients} == {"together"}
