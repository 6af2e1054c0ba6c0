"""Rooms in which everybody hears everybody: one worker.

    rupy-serve rupy.examples.websocket_chat:app
    (or python -m rupy.examples.websocket_chat)

A page for the browser is at http://127.0.0.1:8000/rooms/lobby, or, in two
terminals:

    python -m websockets 'ws://127.0.0.1:8000/rooms/lobby?name=Ada'
    python -m websockets 'ws://127.0.0.1:8000/rooms/lobby?name=Bob'

    curl http://127.0.0.1:8000/rooms
    curl http://127.0.0.1:8000/rooms/lobby
"""

from __future__ import annotations

import contextlib

from rupy import Response, Rupy, WebSocket, WebSocketDisconnect

app = Rupy(__name__)
rooms: dict[str, set[WebSocket]] = {}

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Chat</title>
<input id="line" autofocus placeholder="say something">
<pre id="log"></pre>
<script>
const url = location.href.replace(/^http/, "ws").replace(/[?#].*/, "");
const name = "guest" + Math.floor(Math.random() * 1000);
const socket = new WebSocket(url + "?name=" + name);
const log = document.getElementById("log");
const line = document.getElementById("line");
socket.onmessage = (e) => { log.textContent += e.data + "\\n"; };
socket.onclose = (e) => { log.textContent += "closed: " + e.code + "\\n"; };
line.onchange = () => { socket.send(line.value); line.value = ""; };
</script>
"""


@app.get("/rooms")
def list_rooms() -> dict[str, int]:
    return {room: len(members) for room, members in rooms.items()}


@app.get("/rooms/<room>")
def page(room: str) -> Response:
    return Response(PAGE, content_type="text/html; charset=utf-8")


@app.websocket("/rooms/<room>")
async def chat(ws: WebSocket, room: str) -> None:
    name = ws.query.get("name", "guest")
    await ws.accept()
    members = rooms.setdefault(room, set())
    members.add(ws)
    try:
        await say(room, f"{name} is here")
        async for message in ws:
            await say(room, f"{name}: {message!s}")
    finally:
        members.discard(ws)
        if not members:
            rooms.pop(room, None)
        await say(room, f"{name} is gone")


async def say(room: str, text: str) -> None:
    for member in tuple(rooms.get(room, ())):
        # Who is gone is seen to by its own handler.
        with contextlib.suppress(WebSocketDisconnect):
            await member.send(text)


if __name__ == "__main__":
    app.run()
