"""Ten thousand WSGI requests of all kinds leave nothing behind."""

from __future__ import annotations

import pytest
from leaks import ask, count, leaves_nothing
from serving import KIB, Server, Servers, head_of, wait_for
from wsgi_story import MODES

APP = (
    KIB
    + """
import gc
import sys
from pathlib import Path

TEXT = ("Content-Type", "text/plain")
busy = 0

def text(start_response, data):
    start_response("200 OK", [TEXT])
    return [data]

def count(environ, start_response):
    gc.collect()
    return text(start_response, repr({
        "objects": len(gc.get_objects()), "kib": kib(),
        "blocks": sys.getallocatedblocks(), "busy": busy,
        "fds": len(list(Path("/proc/self/fd").iterdir()))}).encode())

def hello(environ, start_response):
    environ["me"] = environ
    return text(start_response, b"hello")

def echo(environ, start_response):
    return text(start_response, environ["wsgi.input"].read())

def lines(environ, start_response):
    return text(start_response, b"".join(environ["wsgi.input"]))

def stream(environ, start_response):
    start_response("200 OK", [TEXT])
    return (b"x" * 100 for _ in range(5))

def write(environ, start_response):
    write = start_response("200 OK", [TEXT])
    write(b"x" * 100)
    return iter([b"x"])

def cycle(environ, start_response):
    "The application keeps all it gets in a cycle."
    kept = [environ, start_response, environ["wsgi.input"]]
    kept.append(kept)
    return text(start_response, b"cycle")

def file(environ, start_response):
    start_response("200 OK", [TEXT])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))

def hints(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</a>")])
    return text(start_response, b"hints")

def wrong(environ, start_response):
    for args in ((), (1,), (1, 2), ("200 OK", [1]), ("200 OK", [("a", 1)])):
        try:
            start_response(*args)
        except (TypeError, AssertionError, ValueError):
            pass
    return text(start_response, b"wrong")

def replaced(environ, start_response):
    start_response("200 OK", [TEXT])
    try:
        raise LookupError
    except LookupError:
        start_response("200 OK", [TEXT], sys.exc_info())
    return [b"replaced"]

def fault(environ, start_response):
    raise LookupError

def late_fault(environ, start_response):
    start_response("200 OK", [TEXT])
    raise LookupError
    yield b""

def nothing(environ, start_response):
    return []

def broken(environ, start_response):
    start_response("200 OK", [TEXT])
    yield b"x"
    raise LookupError

def endless(environ, start_response):
    global busy
    start_response("200 OK", [TEXT])
    busy += 1
    try:
        while True:
            yield b"x" * 100_000
    finally:
        busy -= 1

def app(environ, start_response):
    handler = globals().get(environ["PATH_INFO"][1:], text)
    return handler(environ, start_response)
"""
)

CODED = {"Transfer-Encoding": "chunked"}
CHUNKED = b"3\r\n!!!\r\n1\r\n!\r\n0\r\n\r\n"
LARGE = b"x" * 3000 + b"\n"
REQUESTS = [
    ("GET", head_of("GET", "/hello"), 200),
    ("GET", head_of("GET", "/hello?x=y", {"a": "b" * 99}), 200),
    ("HEAD", head_of("HEAD", "/hello"), 200),
    ("POST", head_of("POST", "/echo", body=LARGE) + LARGE, 200),
    ("POST", head_of("POST", "/lines", CODED) + CHUNKED, 200),
    ("GET", head_of("GET", "/stream"), 200),
    ("HEAD", head_of("HEAD", "/stream"), 200),
    ("GET", head_of("GET", "/write"), 200),
    ("POST", head_of("POST", "/cycle", body=LARGE) + LARGE, 200),
    ("GET", head_of("GET", "/file"), 200),
    ("GET", head_of("GET", "/hints"), 200),
    ("GET", head_of("GET", "/wrong"), 200),
    ("GET", head_of("GET", "/replaced"), 200),
]
FAULTS = [
    ("GET", head_of("GET", path), 500)
    for path in ("/fault", "/late_fault", "/nothing", "/nowhere")
]


@pytest.fixture(scope="module", params=MODES)
def server(serve_module: Servers, request: pytest.FixtureRequest) -> Server:
    return serve_module(
        APP,
        *MODES[request.param],
        *("--log-level", "critical", "--early-hints", "--body-buffer", "1k"),
    )


def test_requests_leave_nothing(server: Server) -> None:
    leaves_nothing(server, lambda: ask(server, REQUESTS, 400), warm_up=2)


def test_faults_leave_nothing(server: Server) -> None:
    leaves_nothing(server, lambda: ask(server, FAULTS, 150), warm_up=2)


def test_answers_that_break_off_leave_nothing(server: Server) -> None:
    def use() -> None:
        for _ in range(200):
            with server.connect() as client:
                client.send(head_of("GET", "/broken"))
                assert not client.ends().endswith(b"0\r\n\r\n")
        server.clients.clear()

    leaves_nothing(server, use, warm_up=2)


@pytest.mark.parametrize("path", ["/endless", "/echo"])
def test_clients_that_go_leave_nothing(server: Server, path: str) -> None:
    def use() -> None:
        for i in range(200):
            client = server.connect()
            if path == "/echo":
                client.send(head_of("POST", path, body=LARGE) + LARGE[:2500])
            else:
                client.send(head_of("GET", path))
            if path == "/endless" and i % 3:
                assert client.head()[0] == 200
            if i % 2:
                client.reset()
            else:
                client.close()
        server.clients.clear()
        wait_for(lambda: not count(server)["busy"], "all of them are over")

    leaves_nothing(server, use, warm_up=2)
