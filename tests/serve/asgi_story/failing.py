"""Applications that fail, and applications that end something."""

import asyncio

from asgi_story.common import body, events, route, start, text


@route
async def raise_before(scope, receive, send):
    raise LookupError("before")


@route
async def raise_started(scope, receive, send):
    await send(start(200, [(b"x", b"y")]))
    raise LookupError("started")


@route
async def raise_after(scope, receive, send):
    await send(start())
    await send(body(b"some", True))
    raise LookupError("after")


@route
async def raise_done(scope, receive, send):
    await text(send, b"done")
    await asyncio.sleep(0)
    raise LookupError("done")


@route
async def raise_late(scope, receive, send):
    await asyncio.sleep(0)
    raise LookupError("late")


@route
async def nothing(scope, receive, send):
    return


@route
async def only_start(scope, receive, send):
    await send(start())


@route
async def unfinished(scope, receive, send):
    await send(start())
    await send(body(b"some", True))


@route
async def exits(scope, receive, send):
    raise SystemExit(0)


@route
async def hang(scope, receive, send):
    events.append("hangs")
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise


@route
async def background(scope, receive, send):
    await text(send, b"answered")
    await asyncio.sleep(0.3)
    print("background done", flush=True)
