"""Answers, and the extensions."""

import asyncio
import os

from asgi_story.common import BIG, body, events, kept, route, start, text

# In the folder that the server was started in.
FILE = os.path.abspath(f"file-{os.getpid()}")
with open(FILE, "wb") as file_:
    file_.write(b"0123456789" * 10)


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
async def wrong_order(scope, receive, send):
    said = {}

    async def fails(what, message):
        try:
            await send(message)
        except Exception as error:
            said[what] = type(error).__name__

    await fails("body before start", body(b"x"))
    await fails("status of str", start("200"))
    await fails("no status", {"type": "http.response.start"})
    await fails("headers of str", start(200, [("a", "b")]))
    await send(start())
    await fails("second start", start())
    await send(body(repr(said).encode()))


@route
async def slow_start(scope, receive, send):
    await send(start())
    events.append("slow_start")
    while "go" not in events:
        await asyncio.sleep(0.005)
    await send(body(b"body"))


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
