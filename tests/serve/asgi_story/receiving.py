"""What comes from the client, and when it goes."""

import asyncio
import contextlib

from asgi_story.common import body, events, kept, read, route, start, text


@route
async def messages(scope, receive, send):
    await text(send, repr([await receive()]))


@route
async def echo(scope, receive, send):
    data, _, _ = await read(receive)
    await send(start())
    await send(body(data))


@route
async def upload(scope, receive, send):
    data, sizes, last = await read(receive)
    await text(send, repr([len(data), max(sizes), last["type"]]))


@route
async def cut_upload(scope, receive, send):
    """Gives up when the client does."""
    _, _, last = await read(receive)
    if last["type"] == "http.disconnect":
        if scope["query_string"] == b"raise":
            raise OSError("the client gave up")
        return
    await text(send, b"complete")


@route
async def slow_upload(scope, receive, send):
    """Takes nothing until it is told to."""
    events.append("slow_upload")
    while "go" not in events:
        await asyncio.sleep(0.005)
    sizes = []
    more = True
    while more:
        message = await receive()
        sizes.append(len(message["body"]))
        more = message["more_body"]
    await text(send, repr([sum(sizes), max(sizes)]))


@route
async def go(scope, receive, send):
    events.append("go")
    await text(send, b"")


@route
async def ignore_body(scope, receive, send):
    await text(send, b"ignored")


@route
async def disconnect_after_answer(scope, receive, send):
    await read(receive)
    await text(send, b"done")
    events.append([await receive(), await receive()])


@route
async def disconnect_before(scope, receive, send):
    events.append("waits")
    await read(receive)
    last = await receive()
    events.append(["before", last, await receive()])
    try:
        while True:
            await send(start() if "started" not in kept else body(b"x", True))
            kept["started"] = 1
            await asyncio.sleep(0.005)
    except OSError as error:
        kept.pop("started")
        events.append(type(error).__name__)
        raise


@route
async def disconnect_during(scope, receive, send):
    await read(receive)
    await send(start())
    await send(body(b"begun", True))
    how = scope["query_string"].decode()
    events.append(["during", how, await receive(), await receive()])


@route
async def wrapped_disconnect(scope, receive, send):
    """As Starlette does: OSError becomes an exception of its own."""

    class GoneError(Exception):
        pass

    events.append("wrapped")
    await send(start())
    try:
        while True:
            await send(body(b"x" * 1000, True))
            await asyncio.sleep(0.001)
    except OSError:
        events.append("gone")
        raise GoneError from None


@route
async def two_receive(scope, receive, send):
    """Two tasks wait; the content goes to one, the other sees the end."""
    one = asyncio.create_task(receive())
    two = asyncio.create_task(receive())
    await asyncio.sleep(0)
    done, _ = await asyncio.wait({one, two}, return_when="FIRST_COMPLETED")
    await text(send, repr([t.result()["type"] for t in done]))
    events.append([(await t)["type"] for t in (one, two)])


@route
async def timeouts(scope, receive, send):
    said = [(await receive())["type"]]
    try:
        await asyncio.wait_for(receive(), 0.01)
    except TimeoutError:
        said.append("wait_for")
    try:
        async with asyncio.timeout(0.01):
            await receive()
    except TimeoutError:
        said.append("timeout")
    waits = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    waits.cancel()
    try:
        await waits
    except asyncio.CancelledError:
        said.append("cancelled")
    await asyncio.gather(send(start()), send(body(repr(said).encode())))


@route
async def cancelled_receive_loses_nothing(scope, receive, send):
    waits = asyncio.create_task(receive())
    waits.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waits
    data, _, _ = await read(receive)
    await text(send, data)


@route
async def by_hand(scope, receive, send):
    """The protocol of coroutines, by its methods."""
    said = []
    await read(receive)
    try:
        send(start()).send(None)
    except StopIteration as stop:
        said.append(stop.value)
    waits = receive()
    future = waits.send(None)
    said.append(asyncio.isfuture(future))
    try:
        waits.throw(KeyError("x"))
    except KeyError:
        said.append("thrown")
    try:
        waits.send(None)
    except RuntimeError:
        said.append("over")
    waits = receive()
    waits.close()
    said.append(asyncio.iscoroutine(waits))
    never = send(body(b"never"))
    del never
    await send(body(repr(said).encode()))
