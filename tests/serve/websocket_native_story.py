"""The application of test_websocket_native.py."""

import asyncio
import json
from typing import Any

from rupy import (
    HTTPError,
    Request,
    Response,
    Rupy,
    WebSocket,
    WebSocketDisconnect,
    WebSocketError,
)

app = Rupy()
events: list[Any] = []
kept: dict[str, Any] = {}


@app.get("/")
def index() -> str:
    return "a page"


@app.get("/events")
def get_events() -> dict[str, Any]:
    return {"events": events, "sent": kept.get("sent", 0)}


@app.get("/go")
async def go() -> str:
    kept["go"].set()
    return "gone"


@app.websocket("/")
@app.websocket("/echo")
async def echo(ws: WebSocket) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send(message)
    events.append([ws.close_code, ws.close_reason])


@app.websocket("/rooms/<room>/<n:int>", name="room")
async def room(n: int, socket: WebSocket, room: str) -> None:
    await socket.accept()
    await socket.send_json([room, n, type(n).__name__])


@app.get("/both/<name>")
async def both_page(name: str) -> str:
    return f"page {name}"


@app.websocket("/both/<name>")
async def both(ws: WebSocket, name: str) -> None:
    await ws.accept()
    await ws.send(f"socket {name}")


@app.websocket("/request")
async def request(ws: WebSocket) -> None:
    before = ws.headers["x-test"], ws.query["a"], ws.subprotocols
    assert ws.close_code is ws.close_reason is None
    await ws.accept(subprotocol=ws.subprotocols[-1], headers={"x-more": "1"})
    ws.state.mine = 1
    await ws.send_json(
        {
            "before": before,
            "headers": ws.headers["x-test"],
            "query": ws.query["a"],
            "query_string": ws.query_string,
            "cookies": ws.cookies,
            "path": ws.path,
            "raw_path": ws.raw_path.decode(),
            "path_params": ws.path_params,
            "route": ws.route,
            "client": ws.client,
            "scheme": ws.scheme,
            "host": ws.host,
            "url": ws.url,
            "http_version": ws.http_version,
            "auth_token": ws.auth_token,
            "app": ws.app is app,
            "repr": repr(ws),
            "mine": ws.state.mine,
        }
    )


@app.websocket("/json")
async def as_json(ws: WebSocket) -> None:
    await ws.accept()
    while True:
        await ws.send_json({"got": await ws.receive_json()})


@app.websocket("/kinds")
async def kinds(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send(repr(await ws.receive_text()))
    await ws.send(repr(await ws.receive_bytes()))
    try:
        await ws.receive_text()
    except WebSocketError as error:
        await ws.send(f"{error.code} {error}")
    await ws.receive_bytes()


@app.websocket("/denies/<how>")
async def denies(ws: WebSocket, how: str) -> None:
    def pieces() -> Any:
        yield "a"
        yield "b"

    answers: dict[str, Any] = {
        "response": Response("no", 401, {"x-why": "because"}),
        "text": "no",
        "tuple": ({"no": True}, 418),
        "stream": pieces(),
        "none": None,
    }
    await ws.deny(answers[how])
    try:
        await ws.accept()
    except WebSocketDisconnect as error:
        events.append(error.code)


@app.websocket("/raises/<when>")
async def raises(ws: WebSocket, when: str) -> None:
    if when == "http":
        raise HTTPError(402, "pay")
    if when == "before":
        raise ValueError("before accept")
    await ws.accept()
    raise ValueError("after accept")


@app.websocket("/returns/<when>")
async def returns(ws: WebSocket, when: str) -> None:
    if when == "after":
        await ws.accept()


@app.websocket("/wrong")
async def wrong(ws: WebSocket) -> None:
    said = []

    async def attempt(make: Any) -> None:
        try:
            await make()
        except Exception as error:
            said.append(type(error).__name__)
        else:
            said.append("")

    await attempt(lambda: ws.send("early"))
    await attempt(lambda: ws.receive())
    await attempt(lambda: anext(ws))
    await attempt(lambda: ws.close())
    await attempt(lambda: ws.accept("not offered"))
    await attempt(lambda: ws.accept(None, {"a": "b\r\nc"}))
    await attempt(lambda: ws.accept(None, {"sec-websocket-protocol": "b"}))
    await attempt(lambda: ws.accept())
    await attempt(lambda: ws.accept())
    await attempt(lambda: ws.deny("late"))
    await attempt(lambda: ws.send(None))  # type: ignore[arg-type]
    await attempt(lambda: ws.send("\ud800"))
    await attempt(lambda: ws.close(1006))
    await attempt(lambda: ws.close(1000, "r" * 124))
    await ws.send(json.dumps(said))


@app.websocket("/closes")
async def closes(ws: WebSocket) -> None:
    await ws.accept()
    await ws.receive()
    await ws.close(4005, "done")
    await ws.close()
    for action in (ws.send("late"), ws.receive()):
        try:
            await action
        except WebSocketDisconnect as error:
            events.append([error.code, error.reason])
    events.append([ws.close_code, ws.close_reason])


@app.websocket("/waits")
async def waits(ws: WebSocket) -> None:
    """The client goes while it waits for something else."""
    await ws.accept()
    kept["go"] = asyncio.Event()
    await kept["go"].wait()
    try:
        await ws.send("anybody?")
    except WebSocketDisconnect as error:
        events.append(error.code)
        raise


@app.websocket("/never")
async def never(ws: WebSocket) -> None:
    kept["go"] = asyncio.Event()
    await kept["go"].wait()
    try:
        await ws.accept()
    except WebSocketDisconnect as error:
        events.append([error.code, ws.headers["x-test"]])


@app.websocket("/timeout")
async def timeout(ws: WebSocket) -> None:
    """A wait that is cancelled takes no message with it."""
    await ws.accept()
    n = 0
    while n < 3:
        try:
            async with asyncio.timeout(0.02):
                await ws.receive()
        except TimeoutError:
            n += 1
    await ws.send("now")
    await ws.send(await ws.receive())


@app.websocket("/tasks")
async def tasks(ws: WebSocket) -> None:
    """Many tasks send, another receives."""
    await ws.accept()

    async def sender(i: int) -> None:
        for j in range(20):
            await ws.send(f"{i} {j}")
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        reader = group.create_task(ws.receive_text())
        for i in range(10):
            group.create_task(sender(i))
    await ws.send(reader.result())


@app.websocket("/flood")
async def flood(ws: WebSocket) -> None:
    await ws.accept()
    kept["sent"] = 0
    while True:
        await ws.send(b"x" * 65536)
        kept["sent"] += 1


@app.websocket("/cancels")
async def cancels(ws: WebSocket) -> None:
    await ws.accept()
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await ws.receive()


@app.route("/any", methods=("*",))
def anything(request: Request) -> str:
    return request.method
