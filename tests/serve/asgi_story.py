"""The application of test_asgi.py: a function for each path."""

import asyncio
import contextlib
import contextvars
import os
import tempfile

events = []
variable = contextvars.ContextVar("variable", default="unset")
kept = {}
routes = {}
BIG = b"0123456789abcdef" * 65536

FILE = os.path.join(tempfile.mkdtemp(), "file")
with open(FILE, "wb") as f:
    f.write(b"0123456789" * 10)


def route(function):
    routes["/" + function.__name__] = function
    return function


def start(status=200, headers=(), **more):
    return {
        "type": "http.response.start",
        "status": status,
        "headers": list(headers),
        **more,
    }


def body(data=b"", more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}


async def text(send, data):
    await send(start())
    await send(body(data if isinstance(data, bytes) else str(data).encode()))


async def read(receive):
    data, sizes = b"", []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return data, sizes, message
        data += message["body"]
        sizes.append(len(message["body"]))
        if not message["more_body"]:
            return data, sizes, message


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        scope["state"]["shared"] = []
        scope["state"]["number"] = 1
        kept["loop"] = asyncio.get_running_loop()
        kept["lifespan"] = scope["asgi"]
        await receive()
        await send({"type": "lifespan.startup.complete"})
        message = await receive()
        os.write(1, f"shut down {message}\n".encode())
        await send({"type": "lifespan.shutdown.complete"})
        return
    await routes.get(scope["path"], scope_)(scope, receive, send)


async def scope_(scope, receive, send):
    await text(send, repr(scope))


@route
async def events_(scope, receive, send):
    await text(send, repr(events))


routes["/events"] = events_


@route
async def same_loop(scope, receive, send):
    same = asyncio.get_running_loop() is kept["loop"]
    await text(send, repr([same, kept["lifespan"]]))


@route
async def leak(scope, receive, send):
    """What the last request left in scopes is not seen by the next."""
    seen = [
        "x" in scope,
        "x" in scope["state"],
        "x" in scope["asgi"],
        "x" in scope["extensions"],
        len(scope["headers"]),
        len(scope["state"]["shared"]),
    ]
    scope["x"] = scope["state"]["x"] = scope["asgi"]["x"] = 1
    scope["extensions"]["x"] = {}
    scope["headers"].append((b"x", b"y"))
    scope["state"]["shared"].append(1)
    await text(send, repr(seen))


@route
async def context(scope, receive, send):
    seen = variable.get()
    variable.set("set")
    await asyncio.sleep(0)
    await text(send, repr([seen, variable.get()]))


@route
async def task(scope, receive, send):
    current = asyncio.current_task()
    await text(send, repr([isinstance(current, asyncio.Task)]))


# ---- receive ----


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


# ---- send ----


@route
async def faults(scope, receive, send):
    """Every fault is an exception of send(), and the next message is as if
    it had not been sent."""
    said = []

    async def fails(message):
        try:
            await send(message)
        except Exception as error:
            said.append(type(error).__name__)
        else:
            said.append(f"no error: {message}")

    await fails(body(b"x"))
    await fails({"type": "http.response.trailers"})
    await fails("text")
    await fails({})
    await fails({"type": 1})
    await fails({"type": "http.response.push"})
    await fails({"type": "http.response.debug", "info": {}})
    await fails({"type": "websocket.accept"})
    await fails({"type": "http.response.start"})
    await fails(start("200"))
    await fails(start(99))
    await fails(start(103))
    await fails(start(600))
    await fails(start(200, [("a", "b")]))
    await fails(start(200, [(b"a", "b")]))
    await fails(start(200, [(b"a",)]))
    await fails(start(200, [b"ab"]))
    await fails({**start(), "headers": "text"})
    await fails({**start(), "headers": 1})
    await fails(start(200, [(b"a b", b"c")]))
    await fails(start(200, [(b":status", b"200")]))
    await fails(start(200, [(b"", b"c")]))
    await fails(start(200, [(b"a", b"b\r\nc: d")]))
    await fails(start(200, [(b"a", b"b\x00")]))
    await fails(start(200, [(b"content-length", b"+1")]))
    await fails(start(200, [(b"content-length", b"1")] * 2))
    await fails(start(trailers=1))
    await send(start(unknown="key"))
    await fails(start())
    await fails({"type": "http.response.body", "body": "text"})
    await fails({"type": "http.response.body", "more_body": 1})
    await send({**body(repr(said).encode()), "unknown": "key"})


@route
async def lenient(scope, receive, send):
    """An iterator of lists, upper-case names, values with blanks."""
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": iter([[b"X-Upper", b" a "], [b"set-cookie", b"a=1"]]),
        }
    )
    await send(body(bytearray(b"byte"), True))
    await send(body(memoryview(b"array"), True))
    await send({"type": "http.response.body"})


@route
async def order(scope, receive, send):
    names = [b"set-cookie", b"x-a", b"set-cookie", b"x-b"]
    await send(start(200, [(n, b"%d" % i) for i, n in enumerate(names)]))
    await send(body())


@route
async def default(scope, receive, send):
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


@route
async def late(scope, receive, send):
    """Messages after the end are ignored."""
    await text(send, b"done")
    await send(body(b"late"))
    await send(body(b"late", True))
    await send(start(500))
    events.append("late")


@route
async def stream(scope, receive, send):
    await send(start())
    for i in range(3):
        await send(body(b"part%d " % i, True))
    await send(body())


@route
async def step(scope, receive, send):
    """Each piece is on the wire before the next is made."""
    await send(start())
    await send(body(b"one", True))
    while "go" not in events:
        await asyncio.sleep(0.005)
    await send(body(b"two"))


@route
async def declared(scope, receive, send):
    await send(start(200, [(b"content-length", b"10")]))
    await send(body(b"12345", True))
    await send(body(b"67890"))


@route
async def short(scope, receive, send):
    await send(start(200, [(b"content-length", b"10")]))
    await send(body(b"short"))


@route
async def long(scope, receive, send):
    await send(start(200, [(b"content-length", b"4")]))
    await send(body(b"long", True))
    try:
        await send(body(b"surplus"))
    except RuntimeError:
        events.append("too long")
        await send(body())


@route
async def too_long(scope, receive, send):
    await send(start(200, [(b"content-length", b"4")]))
    await send(body(b"too long"))


@route
async def framing(scope, receive, send):
    fields = [
        (b"transfer-encoding", b"chunked"),
        (b"keep-alive", b"timeout=5"),
        (b"upgrade", b"h2c"),
        (b"date", b"x"),
        (b"server", b"mine"),
    ]
    await send(start(200, fields))
    await send(body(b"framed"))


@route
async def close(scope, receive, send):
    await send(start(200, [(b"connection", b"close")]))
    await send(body(b"closed"))


@route
async def big(scope, receive, send):
    await text(send, BIG)


@route
async def flood(scope, receive, send):
    """As much as the client takes."""
    await send(start())
    kept["sent"] = 0
    try:
        while kept["sent"] < 64 << 20:
            await send(body(BIG, True))
            kept["sent"] += len(BIG)
    except OSError:
        events.append("flood over")
        raise
    await send(body())


@route
async def sent(scope, receive, send):
    await text(send, kept.get("sent", 0))


# ---- errors ----


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


# ---- extensions ----


@route
async def pathsend(scope, receive, send):
    await send(start(200, [(b"content-type", b"text/plain")]))
    await send({"type": "http.response.pathsend", "path": FILE})


@route
async def pathsend_length(scope, receive, send):
    length = scope["query_string"]
    await send(start(200, [(b"content-length", length)]))
    await send({"type": "http.response.pathsend", "path": FILE})


@route
async def pathsend_missing(scope, receive, send):
    await send(start())
    await send({"type": "http.response.pathsend", "path": FILE + "x"})


@route
async def pathsend_folder(scope, receive, send):
    await send(start())
    await send({"type": "http.response.pathsend", "path": "/"})


@route
async def pathsend_mixed(scope, receive, send):
    await send(start())
    await send(body(b"some", True))
    try:
        await send({"type": "http.response.pathsend", "path": FILE})
    except RuntimeError as error:
        await send(body(str(error).encode()))


@route
async def zerocopy(scope, receive, send):
    await send(start())
    with open(FILE, "rb") as file:
        file.seek(5)

        def piece(**more):
            return {
                "type": "http.response.zerocopysend",
                "file": file,
                "more_body": True,
                **more,
            }

        await send(piece(count=5))
        await send(body(b"-", True))
        await send(piece(count=3))
        await send(body(b"-", True))
        await send(piece(offset=1, count=2))
        await send(body(b"-", True))
        await send(piece(offset=95, count=100))
        await send(piece(offset=1000))
    await send(body(b"."))


@route
async def zerocopy_rest(scope, receive, send):
    await send(start())
    with open(FILE, "rb") as file:
        await send({"type": "http.response.zerocopysend", "file": file})


@route
async def trailers(scope, receive, send):
    await send(start(200, [(b"trailer", b"x-sum")], trailers=True))
    await send(body(b"some", True))
    await send(body(b"thing"))
    trailer = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]}
    await send({**trailer, "more_trailers": True})
    await send({"type": "http.response.trailers", "headers": [(b"x-b", b"2")]})
    events.append("trailers sent")


@route
async def hints(scope, receive, send):
    links = [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]
    hint = {"type": "http.response.early_hint", "links": links}
    said = "http.response.early_hint" in scope["extensions"]
    await send(start())
    await send(hint)
    await send({**hint, "links": links[:1]})
    await send(body(repr(said).encode(), True))
    await send(hint)
    await send(body())
