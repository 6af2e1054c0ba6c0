"""The echo of echoes.py as a rupy application."""

from __future__ import annotations

import asyncio
import hashlib

from echoes import answer, see, waits

from rupy import Request, Response, Rupy

app = Rupy()


def respond(request: Request) -> Response:
    name = request.headers.get("x-id", "-")
    body = request.body
    return Response(
        answer(request.method, name, request.path, body),
        content_type="application/octet-stream",
        headers={"x-id": name, "x-digest": hashlib.sha256(body).hexdigest()},
    )


@app.get("/<size:int>")
async def get(request: Request, size: int) -> Response:
    name = request.headers.get("x-id", "-")
    see(name)
    if waits(name):
        await asyncio.sleep(0.01)
    return respond(request)


@app.post("/<size:int>")
def post(request: Request, size: int) -> Response:
    see(request.headers.get("x-id", "-"))
    return respond(request)
