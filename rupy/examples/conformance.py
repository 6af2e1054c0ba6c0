"""What the HTTP conformance cases expect behind the port.

    rupy-serve rupy.examples.conformance:app
    (or python -m rupy.examples.conformance)

    curl -d text 'http://127.0.0.1:8000/a%20b?x=1'
    curl -i http://127.0.0.1:8000/status/204
    curl -i http://127.0.0.1:8000/raise
    curl -i http://127.0.0.1:8000/stream
    curl -i 'http://127.0.0.1:8000/hdr?v=caf%e9'
    curl -i http://127.0.0.1:8000/short
    curl -i http://127.0.0.1:8000/long
    curl -o /dev/null http://127.0.0.1:8000/big

Every other path and method is answered with what was received, as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

from rupy import Request, Response, Rupy

app = Rupy(__name__)

ANY = ("*",)
BIG = b"x" * 1_048_576

Streamed = tuple[Iterator[str], int, dict[str, str]]


@app.route("/status/<code:int>", ANY)
def status(code: int) -> Response:
    content = b"" if code in (204, 304) else b"status"
    content_type = "text/plain" if content else None
    return Response(content, code, content_type=content_type)


@app.route("/raise", ANY)
def fail() -> str:
    raise RuntimeError("raised, as it was asked for")


@app.route("/stream", ANY)
def stream() -> Iterator[str]:
    for i in range(3):
        yield f"part{i} "


@app.route("/hdr", ANY)
def header(request: Request) -> Response:
    """A value that is not allowed is a ValueError here, and so a 500."""
    response = Response("ok")
    for pair in request.query_string.split("&"):
        name, _, value = pair.partition("=")
        if name == "v":
            text = unquote_to_bytes(value).decode("latin-1")
            response.headers["x-val"] = text
    return response


def pieces(*texts: str) -> Iterator[str]:
    yield from texts


@app.route("/short", ANY)
def short() -> Streamed:
    return pieces("short"), 200, {"content-length": "10"}


@app.route("/long", ANY)
def too_long() -> Streamed:
    return pieces("long", "SURPLUS"), 200, {"content-length": "4"}


@app.route("/big", ANY)
def big() -> bytes:
    return BIG


@app.route("/", ANY)
@app.route("/<rest:path>", ANY)
def echo(request: Request, rest: str = "") -> dict[str, Any]:
    return {
        "echo": 1,
        "method": request.method,
        "path": request.path,
        "query": request.query_string,
        "headers": [[n.lower(), v] for n, v in request.headers.items()],
        "body": request.body.decode("latin-1"),
    }


if __name__ == "__main__":
    app.run()
