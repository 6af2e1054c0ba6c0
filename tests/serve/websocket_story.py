"""The ASGI application of test_websocket_asgi.py: a function for each path."""

import asyncio
import json

kept = {"events": []}
routes = {}


def route(function):
    routes["/" + function.__name__] = function
    return function


async def accept(receive, send, **more):
    message = await receive()
    assert message == {"type": "websocket.connect"}, message
    await send({"type": "websocket.accept", **more})


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        scope["state"]["number"] = 1
        assert (await receive())["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["type"] == "http":
        if scope["path"] == "/kept":
            data = json.dumps(kept, default=repr).encode()
        else:
            data = b"http"
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": data})
        return
    await routes[scope["path"]](scope, receive, send)


@route
async def echo(scope, receive, send):
    await accept(receive, send)
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            kept["events"].append(message)
            return
        keys = message.keys() - {"type"}
        assert len([k for k in keys if message[k] is not None]) == 1, message
        message["type"] = "websocket.send"
        await send(message)


@route
async def scope(scope, receive, send):
    await accept(receive, send)
    del scope["state"]["number"]
    await send({"type": "websocket.send", "text": repr(scope)})


@route
async def subprotocol(scope, receive, send):
    wanted = scope["query_string"].decode() or None
    headers = [(b"x-more", b"1"), (b"Connection", b"close")]
    await accept(receive, send, subprotocol=wanted, headers=headers)
    await receive()


@route
async def bad_accept(scope, receive, send):
    """What is wrong raises, and the handshake can still be answered."""
    wrong = []
    await receive()
    for message in (
        {"type": "websocket.accept", "subprotocol": "none"},
        {"type": "websocket.accept", "subprotocol": 7},
        {
            "type": "websocket.accept",
            "headers": [(b"Sec-WebSocket-Protocol", b"a")],
        },
        {"type": "websocket.accept", "headers": [(b"x", b"a\r\nb")]},
        {"type": "websocket.send", "text": "too early"},
        {"type": "http.response.start", "status": 200},
        {"type": "websocket.nothing"},
    ):
        try:
            await send(message)
        except Exception as error:
            wrong.append(type(error).__name__)
        else:
            wrong.append("")
    await send({"type": "websocket.accept"})
    try:
        await send({"type": "websocket.accept"})
    except RuntimeError:
        wrong.append("twice")
    await send({"type": "websocket.send", "text": json.dumps(wrong)})


@route
async def early_close(scope, receive, send):
    await receive()
    more = {"reason": [{"type": "missing"}]} if scope["query_string"] else {}
    await send({"type": "websocket.close", "code": 4000, **more})
    kept["events"].append(await receive())


@route
async def bad_send(scope, receive, send):
    await accept(receive, send)
    wrong = []
    for message in (
        {},
        {"text": "a", "bytes": b"b"},
        {"text": None, "bytes": None},
        {"text": b"a"},
        {"bytes": "a"},
        {"text": "\ud800"},
    ):
        try:
            await send({"type": "websocket.send", **message})
        except Exception as error:
            wrong.append(type(error).__name__)
        else:
            wrong.append("")
    await send({"type": "websocket.send", "bytes": None, "text": "a"})
    await send({"type": "websocket.send", "bytes": bytearray(b"b")})
    await send({"type": "websocket.send", "text": json.dumps(wrong)})


@route
async def send_after_close(scope, receive, send):
    await accept(receive, send)
    await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
    for message in (
        {"type": "websocket.send", "text": "late"},
        {"type": "websocket.close"},
    ):
        try:
            await send(message)
        except RuntimeError as error:
            kept["events"].append(str(error))
    kept["events"].append(await receive())


@route
async def send_after_disconnect(scope, receive, send):
    await accept(receive, send)
    kept["events"].append(await receive())
    try:
        await send({"type": "websocket.send", "text": "late"})
    except OSError as error:
        kept["events"].append(type(error).__name__)
    await send({"type": "websocket.close"})
    kept["events"].append(await receive())


@route
async def close(scope, receive, send):
    await accept(receive, send)
    code, _, reason = scope["query_string"].decode().partition(",")
    message = {"type": "websocket.close"}
    if code:
        message["code"] = int(code)
    if reason:
        message["reason"] = reason * 1
    try:
        await send(message)
    except ValueError as error:
        await send({"type": "websocket.send", "text": str(error)})
        return
    kept["events"].append(await receive())


@route
async def deny(scope, receive, send):
    assert "websocket.http.response" in scope["extensions"]
    await receive()
    await send(
        {
            "type": "websocket.http.response.start",
            "status": 401,
            "headers": [(b"www-authenticate", b"Basic")],
        }
    )
    try:
        await send({"type": "websocket.accept"})
    except RuntimeError as error:
        kept["events"].append(str(error))
    body = {"type": "websocket.http.response.body"}
    await send({**body, "body": b"not ", "more_body": True})
    await send({**body, "body": b"you"})
    kept["events"].append(await receive())


@route
async def returns(scope, receive, send):
    await receive()


@route
async def raises(scope, receive, send):
    await receive()
    raise ValueError("before accept")


@route
async def accepts_and_raises(scope, receive, send):
    await accept(receive, send)
    raise ValueError("after accept")


@route
async def accepts_and_returns(scope, receive, send):
    await accept(receive, send)


@route
async def never(scope, receive, send):
    await receive()
    try:
        kept["events"].append(await receive())
        await send({"type": "websocket.accept"})
    except OSError as error:
        kept["events"].append(type(error).__name__)


@route
async def slow(scope, receive, send):
    """Receives when it is told to."""
    await accept(receive, send)
    kept["go"] = asyncio.Event()
    await kept["go"].wait()


@route
async def flood(scope, receive, send):
    """Sends until nothing goes any more, and counts."""
    await accept(receive, send)
    kept["sent"] = 0
    data = b"x" * 65536
    try:
        while True:
            await send({"type": "websocket.send", "bytes": data})
            kept["sent"] += 1
    except OSError as error:
        kept["events"].append(type(error).__name__)
