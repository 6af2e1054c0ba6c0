"""A WSGI application below a prefix of a rupy application."""

from __future__ import annotations

import pytest
from serving import Servers, head_of
from wsgi_story import MODES, value

APP = """
from rupy import Rupy

def inner(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr((environ["SCRIPT_NAME"], environ["PATH_INFO"],
                  environ["wsgi.input"].read())).encode()]

app = Rupy()
app.mount("/shop", inner)

@app.get("/")
def index():
    return "index"
"""

CONTEXT = """
import contextvars
from rupy import Rupy

variable = contextvars.ContextVar("variable", default="unset")

def inner(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    def pieces():
        yield environ["wsgi.input"].read()
        yield b" " + variable.get().encode()
    return pieces()

def before(request):
    variable.set("set")

async def around(request, call_next):
    variable.set("set")
    return await call_next(request)

app = Rupy()
for function in (before, around):
    other = Rupy()
    other.middleware(function)
    other.mount("/inner", inner)
    app.mount("/" + function.__name__, other)
"""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["before", "around"])
def test_it_sees_the_variables_of_middleware(
    serve: Servers, mode: str, kind: str
) -> None:
    server = serve(CONTEXT, *MODES[mode])
    path = f"/{kind}/inner"
    assert server.get(path).text == " set"
    with server.connect() as client:
        client.send(head_of("POST", path, body=b"later"))
        assert server.get(path).text == " set"  # it has begun to wait
        client.send(b"later")
        assert client.answer().text == "later set"
        head = head_of("POST", path, {"transfer-encoding": "chunked"})
        client.send(head)
        assert server.get(path).text == " set"
        client.send(b"5\r\nlater\r\n0\r\n\r\n")
        assert client.answer().text == "later set"


@pytest.mark.parametrize("mode", MODES)
def test_w2_a_mounted_application(serve: Servers, mode: str) -> None:
    server = serve(APP, *MODES[mode], "--root-path", "/root")
    assert server.get("/").text == "index"
    for _ in range(2):
        got = value(server.get("/shop/a%20b").text)
        assert got == ("/root/shop", "/a b", b"")
        got = value(server.post("/shop/", b"content").text)
        assert got == ("/root/shop", "/", b"content")
