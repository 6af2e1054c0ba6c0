"""What the HTTP conformance cases expect behind the port, as plain WSGI.

    rupy-serve rupy.examples.conformance_wsgi:app

    curl -d text 'http://127.0.0.1:8000/a%20b?x=1'
    curl -i http://127.0.0.1:8000/status/204
    curl -i http://127.0.0.1:8000/stream
    curl -i 'http://127.0.0.1:8000/hdr?v=caf%e9'

WSGI knows neither the order of fields nor those whose names have an
underscore; else the answers are those of rupy.examples.conformance.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

BIG = b"x" * 1_048_576
TEXT = ("Content-Type", "text/plain")


def app(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    match path:
        case "/raise":
            raise RuntimeError("raised, as it was asked for")
        case "/stream":
            start_response("200 OK", [TEXT])
            return stream()
        case "/hdr":
            return header(environ, start_response)
        case "/short":
            start_response("200 OK", [TEXT, ("Content-Length", "10")])
            return [b"short"]
        case "/long":
            start_response("200 OK", [TEXT, ("Content-Length", "4")])
            return [b"long", b"SURPLUS"]
        case "/big":
            start_response("200 OK", [TEXT])
            return [BIG]
    if path.startswith("/status/") and path[8:].isdigit():
        return status(path[8:], start_response)
    return echo(environ, start_response)


def stream() -> Iterator[bytes]:
    for i in range(3):
        yield b"part%d " % i


def status(code: str, start_response: StartResponse) -> list[bytes]:
    if code in ("204", "304"):
        start_response(f"{code} Nothing", [])
        return []
    start_response(f"{code} As asked", [TEXT])
    return [b"status"]


def header(
    environ: WSGIEnvironment, start_response: StartResponse
) -> list[bytes]:
    """A value that is not allowed is a ValueError here, and so a 500."""
    headers = [TEXT]
    for pair in environ["QUERY_STRING"].split("&"):
        name, _, value = pair.partition("=")
        if name == "v":
            text = unquote_to_bytes(value).decode("latin-1")
            headers.append(("x-val", text))
    start_response("200 OK", headers)
    return [b"ok"]


def fields(environ: WSGIEnvironment) -> Iterator[tuple[str, str]]:
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            yield key[5:].replace("_", "-").lower(), value
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            yield key.replace("_", "-").lower(), value


def echo(
    environ: WSGIEnvironment, start_response: StartResponse
) -> list[bytes]:
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    content = json.dumps(
        {
            "echo": 1,
            "method": environ["REQUEST_METHOD"],
            "path": path,
            "query": environ["QUERY_STRING"],
            "headers": list(fields(environ)),
            "body": environ["wsgi.input"].read().decode("latin-1"),
        }
    ).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [content]
