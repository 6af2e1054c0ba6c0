"""What the HTTP conformance cases expect behind the port, as plain ASGI.

    rupy-serve rupy.examples.conformance_asgi:app

The answers are those of rupy.examples.conformance.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

BIG = b"x" * 1_048_576


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http":
        await http(scope, receive, send)


async def lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("gone before its body was complete")
        piece: bytes = message["body"]
        body += piece
        if not message["more_body"]:
            return body


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    path = scope["path"]
    body = await read(receive)
    if path.startswith("/status/"):
        await status(int(path.removeprefix("/status/")), send)
    elif path == "/raise":
        raise RuntimeError("raised, as it was asked for")
    elif path == "/stream":
        await pieces(send, [], b"part0 ", b"part1 ", b"part2 ")
    elif path == "/hdr":
        # parse_qs() would decode to text: the value is bytes.
        text = parse_qs(
            scope["query_string"].decode("latin-1"), encoding="latin-1"
        )["v"][0]
        value = text.encode("latin-1")
        await answer(send, 200, b"ok", [(b"x-val", value)])
    elif path == "/short":
        await pieces(send, [(b"content-length", b"10")], b"short")
    elif path == "/long":
        fields = [(b"content-length", b"4")]
        await pieces(send, fields, b"long", b"SURPLUS")
    elif path == "/big":
        await answer(send, 200, BIG)
    else:
        await echo(scope, body, send)


async def answer(
    send: Send, code: int, body: bytes, fields: list[Header] | None = None
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": code,
            "headers": [(b"content-type", b"text/plain"), *(fields or [])],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def status(code: int, send: Send) -> None:
    if code in (204, 304):
        await send({"type": "http.response.start", "status": code})
        await send({"type": "http.response.body"})
    else:
        await answer(send, code, b"status")


async def pieces(send: Send, fields: list[Header], *parts: bytes) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), *fields],
        }
    )
    for part in parts:
        await send(
            {"type": "http.response.body", "body": part, "more_body": True}
        )
    await send({"type": "http.response.body"})


async def echo(scope: Scope, body: bytes, send: Send) -> None:
    seen = {
        "echo": 1,
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode("latin-1"),
        "headers": [
            [name.decode("latin-1"), value.decode("latin-1")]
            for name, value in scope["headers"]
        ],
        "body": body.decode("latin-1"),
    }
    content = json.dumps(seen).encode()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(content)),
            ],
        }
    )
    await send({"type": "http.response.body", "body": content})
