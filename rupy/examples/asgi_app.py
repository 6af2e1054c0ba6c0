"""An application without a framework: ASGI 3 as it is.

rupy-serve rupy.examples.asgi_app:app

curl http://127.0.0.1:8000/
curl -N http://127.0.0.1:8000/clock
curl -T file http://127.0.0.1:8000/upload
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TICKS = 5


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["type"] == "http":
        route = {"/": hello, "/clock": clock, "/upload": upload}.get(
            scope["path"], nothing
        )
        await route(scope, receive, send)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    # Each request gets a copy of this dict.
    scope["state"]["since"] = time.time()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def start(send: Send, status: int = 200) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send(
        {"type": "http.response.start", "status": status, "headers": headers}
    )


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await send({"type": "http.response.body", "body": b"Hello, World!"})


async def clock(scope: Scope, receive: Receive, send: Send) -> None:
    """A piece every tenth of a second; OSError when the client has gone."""
    await start(send)
    for _ in range(TICKS):
        age = time.time() - scope["state"]["since"]
        piece = f"up for {age:.1f} s\n".encode()
        await send(
            {"type": "http.response.body", "body": piece, "more_body": True}
        )
        await asyncio.sleep(0.1)
    await send({"type": "http.response.body"})


async def upload(scope: Scope, receive: Receive, send: Send) -> None:
    """Of any size: what was not received yet waits at the client."""
    digest = hashlib.sha256()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        digest.update(message["body"])
        more = message["more_body"]
    await start(send)
    content = digest.hexdigest().encode() + b"\n"
    await send({"type": "http.response.body", "body": content})


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, 404)
    await send({"type": "http.response.body", "body": b"404 Not Found\n"})
