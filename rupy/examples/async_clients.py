"""Handlers that are themselves clients, with nothing but asyncio.

    rupy-serve rupy.examples.async_clients:app
    (or python -m rupy.examples.async_clients)

    curl http://127.0.0.1:8000/gather/100
    curl http://127.0.0.1:8000/fetch/20
    curl http://127.0.0.1:8000/first/5
    curl -i http://127.0.0.1:8000/hurry

The service that they ask, a slow one, is started by the lifespan of the
application, on a port that the kernel chooses.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from rupy import HTTPError, Rupy

app = Rupy(__name__)

DELAY = 0.05  # seconds that the slow service takes

upstream: tuple[str, int] = ("127.0.0.1", 0)


async def answer_slowly(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(DELAY)
    text = head.split()[1].lstrip(b"/")
    writer.write(
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"
        % (len(text), text)
    )
    await writer.drain()
    writer.close()


@app.lifespan
async def slow_service() -> AsyncIterator[None]:
    global upstream
    server = await asyncio.start_server(answer_slowly, "127.0.0.1", 0)
    upstream = server.sockets[0].getsockname()[:2]
    async with server:
        yield


async def fetch(path: str) -> str:
    """The content of one answer of the slow service."""
    reader, writer = await asyncio.open_connection(*upstream)
    try:
        writer.write(f"GET /{path} HTTP/1.1\r\nhost: slow\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise HTTPError(502, "the slow service does not answer")
        return (await reader.read()).decode()
    finally:
        writer.close()


@app.get("/gather/<n:int>")
async def gather(n: int) -> dict[str, float]:
    """n sleeps of 50 ms, which together take 50 ms."""
    start = time.monotonic()
    await asyncio.gather(*(asyncio.sleep(DELAY) for _ in range(min(n, 1000))))
    return {"seconds": round(time.monotonic() - start, 3)}


@app.get("/fetch/<n:int>")
async def fetch_all(n: int) -> dict[str, object]:
    """n answers, asked for at once."""
    start = time.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fetch(str(i))) for i in range(min(n, 100))]
    return {
        "answers": [task.result() for task in tasks],
        "seconds": round(time.monotonic() - start, 3),
    }


@app.get("/first/<n:int>")
async def first(n: int) -> str:
    """The first of n answers; the other requests are cancelled."""
    tasks = [asyncio.create_task(fetch(str(i))) for i in range(min(n, 100))]
    if not tasks:
        raise HTTPError(404, "the first of none")
    try:
        return await next(iter(asyncio.as_completed(tasks)))
    finally:
        for task in tasks:
            task.cancel()


@app.get("/hurry")
async def hurry() -> str:
    """Half of the time that it takes: 504."""
    try:
        async with asyncio.timeout(DELAY / 2):
            return await fetch("late")
    except TimeoutError:
        raise HTTPError(504, "the slow service is slow") from None


if __name__ == "__main__":
    app.run()
