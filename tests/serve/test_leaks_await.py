"""Requests that wait in every way, and are left in every way, leave nothing.

RUPY_LEAK_REQUESTS says how many there are in each test.
"""

from __future__ import annotations

import os
import random
import sys

import pytest
from serving import CHECKOUT, KIB, Server, Servers, head_of, wait_for

REQUESTS = int(os.environ.get("RUPY_LEAK_REQUESTS", "10000"))
# Objects and memory that a heap in use may differ by at two moments.
OBJECTS = 150
MEMORY = 3072  # KiB

APP = (
    f"import sys\nsys.path.append({str(CHECKOUT / 'tests')!r})"
    + KIB
    + """
import asyncio
import collections
import gc
import os
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import stories
from rupy import HTTPError, Rupy

app = Rupy()
background = set()
waiting = collections.deque()

@app.on_startup
async def start():
    # All of its threads exist after the first requests.
    executor = ThreadPoolExecutor(2)
    asyncio.get_running_loop().set_default_executor(executor)

@app.get("/count")
async def count():
    for _ in range(3):
        await asyncio.sleep(0)
        gc.collect()
    objects = gc.get_objects()
    types = collections.Counter(type(o).__name__ for o in objects)
    return {
        "objects": len(objects),
        "types": dict(types.most_common(60)),
        "kib": kib(),
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),
    }

@app.get("/at-once")
async def at_once():
    return "at once"

@app.get("/sleep-0")
async def sleep_0():
    for _ in range(3):
        await asyncio.sleep(0)
    return ""

@app.get("/sleep")
async def sleep():
    await asyncio.sleep(0.0005)
    return ""

@app.get("/future")
async def future():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.set_result, "set")
    return await future

@app.get("/future-fails")
async def future_fails():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.set_exception, HTTPError(409, "failed"))
    await future

@app.get("/timeout")
async def timeout():
    try:
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()
    except TimeoutError:
        await asyncio.sleep(0)
        return ""

@app.get("/timeout-unused")
async def timeout_unused():
    async with asyncio.timeout(3600):
        await asyncio.sleep(0)
    return ""

@app.get("/timers")
async def timers():
    loop = asyncio.get_running_loop()
    for handle in [loop.call_later(3600, print) for _ in range(5)]:
        handle.cancel()
    return ""

@app.get("/pair")
async def pair():
    # Every second request wakes the one before it.
    if waiting:
        waiting.popleft().set()
        return "woke"
    event = asyncio.Event()
    waiting.append(event)
    try:
        async with asyncio.timeout(0.05):
            await event.wait()
    except TimeoutError:
        if event in waiting:
            waiting.remove(event)
    return "woken"

@app.get("/background")
async def start_background():
    task = asyncio.create_task(asyncio.sleep(0.001))
    background.add(task)
    task.add_done_callback(background.discard)
    return ""

@app.get("/cancels-itself")
async def cancels_itself():
    me = asyncio.current_task()
    me.cancel("myself")
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        me.uncancel()
        return ""

@app.get("/is-cancelled/<when>")
async def is_cancelled(when):
    me = asyncio.current_task()
    loop = asyncio.get_running_loop()
    if when == "soon":
        loop.call_soon(me.cancel)
    else:
        loop.call_later(0.0005, me.cancel)
    await asyncio.sleep(3600)

@app.get("/kept")
async def kept():
    me = asyncio.current_task()
    me.note = me
    me.add_done_callback(lambda task: None)
    await asyncio.sleep(0)
    return str(weakref.ref(me)() is me)

@app.get("/fails")
async def fails():
    try:
        await asyncio.sleep(0)
        raise ValueError("inner")
    except ValueError as error:
        raise RuntimeError("outer") from error

@app.get("/cycle")
async def cycle(request):
    request.state.me = request, asyncio.current_task()
    await asyncio.sleep(0)
    return ""

@app.get("/stream")
async def stream():
    for _ in range(3):
        yield "part"
        await asyncio.sleep(0)

@app.get("/long-stream")
async def long_stream():
    for _ in range(1000):
        yield "part"
        await asyncio.sleep(0.002)

@app.get("/thread")
async def thread():
    return str(await asyncio.to_thread(divmod, 7, 3))

@app.get("/threaded", threaded=True)
def threaded():
    time.sleep(0.0002)
    return ""

@app.post("/body")
async def body(request):
    await asyncio.sleep(0)
    return request.body

@app.get("/slow")
async def slow(request):
    for _ in range(10):
        if request.is_disconnected():
            return "gone"
        await asyncio.sleep(0.001)
    return "still there"

@app.get("/story/<name>")
async def story(name):
    return {"result": await getattr(stories, name)()}
"""
)

SHORT = [
    "/at-once",
    "/sleep-0",
    "/sleep",
    "/future",
    "/future-fails",
    "/timeout",
    "/timeout-unused",
    "/timers",
    "/pair",
    "/background",
    "/cancels-itself",
    "/is-cancelled/soon",
    "/is-cancelled/later",
    "/kept",
    "/fails",
    "/cycle",
    "/stream",
    "/threaded",
    "/body",
]
# What costs more is asked for less often.
LONG = [
    "/thread",
    "/slow",
    "/long-stream",
    "/story/task_group",
    "/story/task_group_fails",
    "/story/gather_and_shield",
    "/story/cancel_a_child",
    "/story/context_of_children",
    "/story/generator_left_in_the_middle",
    "/story/queue_lock_and_barrier",
    "/story/bad_yields",
]
BODY = b"x" * 3000


def packet(path: str) -> bytes:
    if path == "/body":
        return head_of("POST", path, body=BODY) + BODY
    return head_of("GET", path)


def answered(server: Server, requests: int) -> None:
    """Each is waited for; ten of them are on their way at a time."""
    dice = random.Random(requests)
    paths = SHORT * 4 + [path for path in LONG if path != "/long-stream"]
    clients = [server.connect() for _ in range(4)]
    for _ in range(requests // 40):
        for client in clients:
            chosen = dice.choices(paths, k=10)
            client.send(b"".join(packet(path) for path in chosen))
        for client in clients:
            for _ in range(10):
                client.answer()
    for client in clients:
        client.close()
    server.clients.clear()


def left(server: Server, requests: int) -> None:
    """Clients go in the middle: of the request, the wait or the answer."""
    dice = random.Random(requests)
    paths = SHORT + LONG * 2
    for i in range(requests // 4):
        client = server.connect()
        data = b"".join(packet(path) for path in dice.choices(paths, k=4))
        client.send(data if i % 3 else data[: dice.randrange(len(data))])
        if i % 3 == 2:
            client.head()
        if i % 2:
            client.reset()
        else:
            client.close()
        if i % 100 == 99:
            # Not more handlers at a time than a server would have.
            server.get("/at-once")
            server.clients.clear()
    server.clients.clear()


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, object]:
    """What there is more of than there may be."""
    bounds = {"tasks": 0, "threads": 1, "files": 1, "kib": MEMORY}
    bounds["objects"] = OBJECTS
    more: dict[str, object] = {
        name: (before[name], after[name])
        for name, bound in bounds.items()
        if after[name] - before[name] > bound
    }
    if more:
        types: dict[str, int] = after["types"]  # type: ignore[assignment]
        was: dict[str, int] = before["types"]  # type: ignore[assignment]
        more["types"] = {
            name: n - was.get(name, 0)
            for name, n in types.items()
            if n - was.get(name, 0) > 5
        }
    return more


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(
        *(APP, "--workers", "1", "--log-level", "critical"),
        env={"VIRTUAL_ENV": sys.prefix},
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("use", [answered, left])
def test_waiting_leaves_nothing_behind(server: Server, use: object) -> None:
    assert callable(use)
    use(server, max(REQUESTS // 5, 1000))
    # Nobody works any more: the root task and the counting one.
    wait_for(
        lambda: server.get("/count").json()["tasks"] == 2, "all have ended", 30
    )
    before = server.get("/count").json()
    use(server, REQUESTS)
    last: dict[str, object] = {}

    def is_flat() -> bool:
        last.clear()
        last.update(grown(before, server.get("/count").json()))
        return not last

    try:
        wait_for(is_flat, "as little as before")
    except AssertionError:
        pytest.fail(f"after {REQUESTS} requests there is more: {last}")
