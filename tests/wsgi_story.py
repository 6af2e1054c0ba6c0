"""What the tests of WSGI share: the frame of their applications."""

from __future__ import annotations

import ast
from typing import Any

from serving import Server

# An application's handlers are found by the first part of the path: those
# named raw_... are served as they are, because they break the rules or need
# more than the rules give, all others behind wsgiref.validate.
FRAME = """
import json
import os
import sys
import threading
import time
from wsgiref.validate import validator

TEXT = ("Content-Type", "text/plain")
closed = []
log = []

class Closing:
    "An iterable that notes when it is closed, and by which thread."

    def __init__(self, pieces, name="closing"):
        self.pieces, self.name = iter(pieces), name
        self.thread = threading.get_ident()

    def __iter__(self):
        return self

    def __next__(self):
        assert threading.get_ident() == self.thread
        return next(self.pieces)

    def close(self):
        assert threading.get_ident() == self.thread
        closed.append(self.name)

def say(start_response, what, status="200 OK"):
    data = repr(what).encode()
    start_response(status, [TEXT, ("Content-Length", str(len(data)))])
    return [data]

def count_closed(environ, start_response):
    data = repr(closed.count(environ["QUERY_STRING"])).encode()
    start_response("200 OK", [TEXT])
    return [data]

def dispatch(environ, start_response):
    handler = globals().get(environ["PATH_INFO"].split("/")[1])
    if not handler:
        return say(start_response, "no such path", "404 Not Found")
    return handler(environ, start_response)

checked = validator(dispatch)

def app(environ, start_response):
    if environ["PATH_INFO"].startswith("/raw_"):
        return dispatch(environ, start_response)
    if environ["REQUEST_METHOD"] == "HEAD":
        return dispatch(environ, start_response)
    return checked(environ, start_response)
"""

MODES = {"inline": (), "threads": ("--threads", "3")}


def value(text: str) -> Any:
    """What a handler said()."""
    return ast.literal_eval(text)


def closed(server: Server, name: str) -> int:
    """How often the iterable of that name was closed."""
    return int(server.get(f"/count_closed?{name}").text)
