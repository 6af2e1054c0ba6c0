"""Content in pieces, both ways.

    rupy-serve rupy.examples.streaming:app
    (or python -m rupy.examples.streaming)

    curl -N http://127.0.0.1:8000/count/5
    curl -N 'http://127.0.0.1:8000/rows?n=1000'
    curl -T /usr/bin/python3 http://127.0.0.1:8000/digest
    curl -T /usr/bin/python3 http://127.0.0.1:8000/digest/threaded
    curl -N -T - http://127.0.0.1:8000/upper
    curl -N --raw -H 'TE: trailers' http://127.0.0.1:8000/sum

With -N curl shows the pieces as they come.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator

from rupy import Request, Rupy, StreamingResponse

app = Rupy(__name__)


@app.get("/count/<n:int>")
async def count(n: int) -> AsyncIterator[str]:
    for i in range(n):
        yield f"{i}\n"
        await asyncio.sleep(0.2)


@app.get("/rows")
def rows(request: Request) -> StreamingResponse:
    n = int(request.query.get("n", "10"))

    def lines() -> Iterator[str]:
        for i in range(n):
            yield f"{i},{i * i}\n"

    return StreamingResponse(lines(), content_type="text/csv")


@app.put("/digest", stream=True)
async def digest(request: Request) -> str:
    """Of any size, in constant memory."""
    sha = hashlib.sha256()
    async for piece in request.stream():
        sha.update(piece)
    return sha.hexdigest() + "\n"


@app.put("/digest/threaded", stream=True)
def digest_threaded(request: Request) -> str:
    """The same in a thread, which leaves the event loop to others."""
    sha = hashlib.sha256()
    for piece in request.stream():
        sha.update(piece)
    return sha.hexdigest() + "\n"


@app.put("/upper", stream=True)
async def upper(request: Request) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        yield piece.upper()


@app.get("/sum")
async def with_trailers() -> StreamingResponse:
    sha = hashlib.sha256()

    async def pieces() -> AsyncIterator[bytes]:
        for i in range(3):
            piece = f"piece {i}\n".encode()
            sha.update(piece)
            yield piece

    return StreamingResponse(
        pieces(), trailers=lambda: {"x-sha256": sha.hexdigest()}
    )


if __name__ == "__main__":
    app.run()
