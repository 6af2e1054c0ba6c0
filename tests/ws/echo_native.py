"""What comes goes back: a rupy application."""

from rupy import Rupy, WebSocket

app = Rupy()


@app.websocket("/")
async def echo(ws: WebSocket) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send(message)
