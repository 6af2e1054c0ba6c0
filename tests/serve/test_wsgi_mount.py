"""A WSGI application below a prefix of a rupy application."""

from __future__ import annotations

import pytest
from serving import Servers
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


@pytest.mark.parametrize("mode", MODES)
def test_w2_a_mounted_application(serve: Servers, mode: str) -> None:
    server = serve(APP, *MODES[mode], "--root-path", "/root")
    assert server.get("/").text == "index"
    for _ in range(2):
        got = value(server.get("/shop/a%20b").text)
        assert got == ("/root/shop", "/a b", b"")
        got = value(server.post("/shop/", b"content").text)
        assert got == ("/root/shop", "/", b"content")
