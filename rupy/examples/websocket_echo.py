"""What comes goes back.

    rupy-serve rupy.examples.websocket_echo:app
    (or python -m rupy.examples.websocket_echo)

    python -m websockets ws://127.0.0.1:8000/

Without that client, the handshake and the first frame are these (curl stays
until its time is over):

    curl -i -N --max-time 2 -H 'Connection: Upgrade' \\
        -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \\
        -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' \\
        http://127.0.0.1:8000/greet/Ada
"""

from __future__ import annotations

from rupy import Rupy, WebSocket

app = Rupy(__name__)


@app.websocket("/")
async def echo(ws: WebSocket) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send(message)


@app.websocket("/greet/<name>")
async def greet(ws: WebSocket, name: str) -> None:
    await ws.accept()
    await ws.send_json({"hello": name})


if __name__ == "__main__":
    app.run()
