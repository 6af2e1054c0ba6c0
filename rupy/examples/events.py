"""Server-sent events: everybody sees what anybody says.

    rupy-serve rupy.examples.events:app
    (or python -m rupy.examples.events)

    curl -N http://127.0.0.1:8000/events
    curl -d 'hello' http://127.0.0.1:8000/say
    curl -N -H 'Last-Event-ID: 1' http://127.0.0.1:8000/events

or http://127.0.0.1:8000/ in two browsers.  Memory belongs to one process:
with more than one worker, each has listeners of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from rupy import Event, EventStream, Request, Response, Rupy

app = Rupy(__name__)

# A listener that is so far behind is dropped, and comes back by itself.
BEHIND = 100

said: deque[Event] = deque(maxlen=BEHIND)
listeners: set[asyncio.Queue[Event | None]] = set()
number = 0

PAGE = """<!doctype html><title>events</title>
<form><input name=text autofocus></form><pre></pre>
<script>
const pre = document.querySelector("pre")
new EventSource("/events").addEventListener("said", e => {
    pre.append(JSON.parse(e.data).text + "\\n")
})
document.querySelector("form").onsubmit = e => {
    e.preventDefault()
    fetch("/say", {method: "POST", body: e.target.text.value})
    e.target.reset()
}
</script>
"""


@app.get("/")
def index() -> Response:
    return Response(PAGE, content_type="text/html; charset=utf-8")


@app.post("/say")
async def say(request: Request) -> str:
    global number
    number += 1
    event = Event({"text": request.text}, event="said", id=number)
    said.append(event)
    for queue in list(listeners):
        try:
            queue.put_nowait(event)
        except asyncio.QueueFull:
            listeners.discard(queue)
            queue.get_nowait()
            queue.put_nowait(None)
    return f"{len(listeners)} listen\n"


@app.get("/events")
async def events(request: Request) -> EventStream:
    seen = request.last_event_id or "0"
    after = int(seen) if seen.isascii() and seen.isdigit() else 0
    return EventStream(listen(after))


async def listen(after: int) -> AsyncIterator[Event]:
    queue: asyncio.Queue[Event | None] = asyncio.Queue(BEHIND)
    listeners.add(queue)
    try:
        for event in list(said):
            if int(event.id or 0) > after:
                yield event
        while (event_or_end := await queue.get()) is not None:
            yield event_or_end
    finally:
        listeners.discard(queue)


if __name__ == "__main__":
    app.run()
