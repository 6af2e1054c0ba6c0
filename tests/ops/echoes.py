"""The echo that checker.py asks, as a rupy, an ASGI and a WSGI application.

Every attempt that gets here is written down in $STORM_SEEN."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

_seen = os.environ.get("STORM_SEEN")
_fd = os.open(_seen, os.O_WRONLY | os.O_APPEND | os.O_CREAT) if _seen else -1


def see(name: str) -> None:
    if _fd >= 0:
        os.write(_fd, f"{name}\n".encode())


def answer(method: str, name: str, path: str, body: bytes) -> bytes:
    if method == "POST":
        return body
    number = path.lstrip("/")
    size = int(number) if number.isdigit() else 0
    return (name.encode() * (size // max(1, len(name)) + 1))[:size]


def waits(name: str) -> bool:
    """Some answers take a while, so that something is always in flight."""
    return name[-3:] in ("0.1", "5.1")


async def asgi(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] != "http":
        return
    name = dict(scope["headers"]).get(b"x-id", b"-").decode()
    see(name)
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if waits(name):
        await asyncio.sleep(0.01)
    content = answer(scope["method"], name, scope["path"], body)
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"x-id", name.encode()),
                (b"x-digest", hashlib.sha256(body).hexdigest().encode()),
                (b"content-length", str(len(content)).encode()),
            ],
        }
    )
    # In two pieces, so that there is a middle in which to be stopped.
    half = len(content) // 2
    await send(
        {
            "type": "http.response.body",
            "body": content[:half],
            "more_body": True,
        }
    )
    await send({"type": "http.response.body", "body": content[half:]})


def wsgi(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    name = environ.get("HTTP_X_ID", "-")
    see(name)
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    content = answer(
        environ["REQUEST_METHOD"], name, environ["PATH_INFO"], body
    )
    start_response(
        "200 OK",
        [
            ("X-Id", name),
            ("X-Digest", hashlib.sha256(body).hexdigest()),
            ("Content-Length", str(len(content))),
        ],
    )
    half = len(content) // 2
    return [content[:half], content[half:]]
