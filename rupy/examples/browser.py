"""What a browser does in one page: a form with a file, an event stream, a
chat over WebSockets, static files that it keeps.

    rupy-serve rupy.examples.browser:app
    (or python -m rupy.examples.browser)

    curl -I http://127.0.0.1:8000/
    HTTP/1.1 200 OK

    curl -F title=notes -F file=@/etc/hostname http://127.0.0.1:8000/upload

    curl -i http://127.0.0.1:8000/assets/page.js
    Cache-Control: no-cache

    curl http://127.0.0.1:8000/ticks
    data: 1
    data: 2
    data: 3

or http://127.0.0.1:8000/ in two tabs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from rupy import (
    Event,
    EventStream,
    HTTPError,
    Request,
    Response,
    Rupy,
    WebSocket,
    WebSocketDisconnect,
)

app = Rupy(__name__)
# The browser asks each time, and is mostly answered 304.
app.static("/assets", Path(__file__).parent / "assets", max_age=0)

members: set[WebSocket] = set()

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>rupy</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/page.css">
<form id="upload">
  <input name="title" value="notes"> <input name="file" type="file">
  <button>send</button> <output id="uploaded"></output>
</form>
<p id="ticks"></p>
<form id="chat"><input name="line"> <button>say</button>
  <output id="state"></output></form>
<pre id="log"></pre>
<script src="/assets/page.js"></script>
</html>
"""


@app.get("/")
def index() -> Response:
    return Response(PAGE, content_type="text/html; charset=utf-8")


@app.post("/upload")
def upload(request: Request) -> str:
    form = request.form()
    file = form.files.get("file")
    if file is None:
        raise HTTPError(422, "there is no file")
    return f"{form['title']}: {file.filename}, {file.size} bytes"


@app.get("/ticks")
async def ticks(request: Request) -> EventStream:
    """Three, and none for a browser that comes back."""

    async def count() -> AsyncIterator[Event]:
        last = int(request.headers.get("last-event-id", "0"))
        for n in range(last + 1, 4):
            yield Event(str(n), id=n)
            await asyncio.sleep(0.02)

    return EventStream(count())


@app.websocket("/chat")
async def chat(ws: WebSocket) -> None:
    await ws.accept()
    members.add(ws)
    try:
        async for message in ws:
            for member in tuple(members):
                # Who is gone is seen to by its own handler.
                with contextlib.suppress(WebSocketDisconnect):
                    await member.send(message)
    finally:
        members.discard(ws)


if __name__ == "__main__":
    app.run()
