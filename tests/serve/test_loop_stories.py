"""What applications do with the event loop while it serves."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time

import pytest
import stories
from serving import CHECKOUT, Server, Servers, head_of, wait_for

APP = (
    f"import sys\nsys.path.append({str(CHECKOUT / 'tests')!r})"
    + """
import asyncio
import contextvars
import os
import signal
import socket
import threading
import time
import stories
from rupy import Rupy
from stories import forever, variable

app = Rupy()
events = []
background = set()
sockets = []

@app.get("/story/<name>")
async def story(name):
    return {"result": await getattr(stories, name)()}

@app.get("/events")
def what_happened():
    return events

@app.on_startup
async def start():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR2, events.append, "USR2")
    signal.signal(signal.SIGALRM, lambda *_: events.append("ALRM"))
    variable.set("start-up")

# ---- contexts ----

@app.get("/context/sync/<n:int>")
def context_sync(n):
    before = variable.get()
    variable.set(n)
    return [before, variable.get()]

@app.get("/context/async/<n:int>")
async def context_async(n):
    before = variable.get()
    variable.set(n)
    await asyncio.sleep(0.001 * (n % 7))
    return [before, variable.get()]

@app.get("/context/at-once/<n:int>")
async def context_at_once(n):
    before = variable.get()
    variable.set(n)
    return [before, variable.get()]

@app.get("/context/threaded/<n:int>", threaded=True)
def context_threaded(n):
    before = variable.get()
    variable.set(n)
    time.sleep(0.001 * (n % 3))
    return [before, variable.get()]

@app.get("/context/stream/<n:int>")
async def context_stream(n):
    yield f"[{variable.get()!r}, ".replace("'", '"')
    variable.set(n)
    await asyncio.sleep(0.001)
    yield f"{variable.get()}]"

# ---- sync handlers see no loop ----

@app.get("/sync/running")
def sync_running():
    try:
        return repr(asyncio.get_running_loop())
    except RuntimeError as error:
        return str(error)

@app.get("/sync/run")
def sync_run():
    async def main():
        async with asyncio.timeout(30):
            return await asyncio.to_thread(threading.get_ident)
    return {"other": asyncio.run(main()) != threading.get_ident()}

@app.get("/async/running")
async def async_running():
    before = asyncio.get_running_loop()
    await asyncio.sleep(0)
    return type(asyncio.get_running_loop()).__name__ \\
        if before is asyncio.get_running_loop() else "another"

# ---- who takes all the time ----

@app.post("/busy/<what>")
async def busy(what):
    loop = asyncio.get_running_loop()
    async def spin():
        while background:
            await asyncio.sleep(0)
    def again():
        if background:
            loop.call_soon(again)
    background.add(asyncio.create_task(forever()))
    if what == "spin":
        background.add(asyncio.create_task(spin()))
    elif what == "sockets":
        # There is always something to read, since nobody reads it.
        sockets[:] = socket.socketpair()
        sockets[1].send(b"x")
        loop.add_reader(sockets[0], int)
    else:
        for _ in range(10000):
            loop.call_soon(again)
    return what

@app.post("/idle")
async def idle():
    for task in background:
        task.cancel()
    background.clear()
    for one in sockets:
        asyncio.get_running_loop().remove_reader(one)
        one.close()
    sockets.clear()
    return ""

# ---- background tasks, clients that go, interrupts ----

@app.post("/background/<name>")
async def start_background(name):
    async def work():
        await asyncio.sleep(0.01)
        events.append(f"{name} done")
        background.discard(asyncio.current_task())
    background.add(asyncio.create_task(work()))
    return "started"

@app.get("/until-gone/<name>")
async def until_gone(request, name):
    events.append(f"{name} began")
    while not request.is_disconnected():
        await asyncio.sleep(0.005)
    events.append(f"{name} saw it")
    return "nobody reads this"

@app.get("/stream-until-gone/<name>")
async def stream_until_gone(name):
    token = variable.set(name)
    try:
        while True:
            yield "part"
            await asyncio.sleep(0.005)
    finally:
        await asyncio.sleep(0.001)
        variable.reset(token)
        events.append(f"{name} closed")

@app.get("/raise/<kind>/<when>")
async def interrupt(kind, when):
    if when == "later":
        await asyncio.sleep(0.001)
    raise {"exit": SystemExit, "interrupt": KeyboardInterrupt}[kind]

@app.get("/raise-sync/<kind>")
def interrupt_sync(kind):
    raise {"exit": SystemExit, "interrupt": KeyboardInterrupt}[kind]

@app.get("/stop")
async def stop():
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0)
    return "went on"

@app.get("/pid")
def pid():
    return str(os.getpid())

@app.get("/alarm")
def alarm():
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    return ""

# ---- the end ----

@app.get("/wait/<name>")
async def wait(name):
    events.append(f"{name} began")
    try:
        await forever()
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
        print(f"{name} cancelled", flush=True)
        raise

@app.on_shutdown
async def end():
    await asyncio.sleep(0)
    print("shutdown", flush=True)
"""
)

STORIES = [
    name
    for name, value in vars(stories).items()
    if asyncio.iscoroutinefunction(value) and name != "forever"
]


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP, "--workers", "1", "--log-level", "warning")


def events(server: Server) -> list[str]:
    got = server.get("/events").json()
    assert isinstance(got, list)
    return got


# ---- as under stock asyncio ----


@pytest.mark.parametrize("name", STORIES)
def test_a_story_ends_as_under_stock_asyncio(server: Server, name: str) -> None:
    expected = asyncio.run(getattr(stories, name)())
    assert expected
    before = len(server.stderr)
    clients = [server.connect() for _ in range(5)]
    for _ in range(3):
        for client in clients:
            client.send(head_of("GET", f"/story/{name}"))
        for client in clients:
            answer = client.answer()
            assert answer.status == 200, server.stderr[before:]
            assert answer.json()["result"] == expected
    assert server.stderr[before:] == ""


def test_stories_end_the_same_in_debug_mode(serve: Servers) -> None:
    server = serve(
        *(APP, "--workers", "1", "--log-level", "warning"),
        env={"PYTHONASYNCIODEBUG": "1"},
    )
    for name in STORIES:
        expected = asyncio.run(getattr(stories, name)())
        answer = server.get(f"/story/{name}")
        assert answer.status == 200, (name, server.stderr)
        assert answer.json()["result"] == expected, name


# ---- contexts ----


def test_variables_of_a_request_stay_in_it(server: Server) -> None:
    kinds = ["sync", "async", "at-once", "threaded", "stream"]
    clients = [server.connect() for _ in range(50)]
    for turn in range(4):
        asked = [
            (client, n + 100 * turn, kinds[(n + turn) % len(kinds)])
            for n, client in enumerate(clients)
        ]
        for client, n, kind in asked:
            client.send(head_of("GET", f"/context/{kind}/{n}"))
        for client, n, kind in asked:
            assert client.answer().json() == ["start-up", n], kind


# ---- sync handlers ----


def test_sync_handlers_see_no_running_loop(server: Server) -> None:
    client = server.connect()
    paths = ["/sync/running", "/async/running", "/sync/run", "/async/running"]
    client.send(b"".join(head_of("GET", path) for path in paths * 5))
    for _ in range(5):
        assert client.answer().text == "no running event loop"
        assert client.answer().text == "EventLoop"
        assert client.answer().json() == {"other": True}
        assert client.answer().text == "EventLoop"


# ---- starvation ----


@pytest.mark.parametrize("what", ["spin", "callbacks", "sockets"])
def test_a_busy_loop_still_accepts_reads_and_answers(
    server: Server, what: str
) -> None:
    assert server.post(f"/busy/{what}", b"").text == what
    times = []
    try:
        for _ in range(30):
            start = time.monotonic()
            assert server.get("/async/running").text == "EventLoop"
            times.append(time.monotonic() - start)
    finally:
        server.post("/idle", b"")
    # 10,000 callbacks are a few milliseconds; the rest is for a machine that
    # does other things.
    assert statistics.median(times) < 0.1
    assert max(times) < 2


# ---- background, disconnects ----


def test_a_background_task_outlives_its_request(server: Server) -> None:
    for n in range(5):
        assert server.post(f"/background/b{n}", b"").text == "started"
    wait_for(
        lambda: {f"b{n} done" for n in range(5)} <= set(events(server)),
        "the tasks end",
    )


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_handler_can_see_that_its_client_is_gone(
    server: Server, how: str
) -> None:
    client = server.connect()
    client.send(head_of("GET", f"/until-gone/{how}"))
    wait_for(lambda: f"{how} began" in events(server), "the handler runs")
    assert f"{how} saw it" not in events(server)
    getattr(client, how)()
    wait_for(lambda: f"{how} saw it" in events(server), "it is seen")


def test_a_stream_is_closed_in_its_context_when_the_client_goes(
    server: Server,
) -> None:
    before = len(server.stderr)
    for n in range(10):
        client = server.connect()
        client.send(head_of("GET", f"/stream-until-gone/s{n}"))
        client.head()
        next(client.chunks())
        client.reset()
    wait_for(
        lambda: {f"s{n} closed" for n in range(10)} <= set(events(server)),
        "the generators are closed",
    )
    assert server.stderr[before:] == ""


# ---- signals, stop, interrupts ----


def test_signals_of_the_application_reach_it(server: Server) -> None:
    pid = int(server.get("/pid").text)
    os.kill(pid, signal.SIGUSR2)
    wait_for(lambda: "USR2" in events(server), "the loop's handler")
    server.get("/alarm")
    wait_for(lambda: "ALRM" in events(server), "Python's handler")
    assert int(server.get("/pid").text) == pid


INTERRUPTS = [
    "/raise/exit/now",
    "/raise/exit/later",
    "/raise/interrupt/now",
    "/raise/interrupt/later",
    "/raise-sync/exit",
    "/raise-sync/interrupt",
]


@pytest.mark.parametrize("path", INTERRUPTS)
def test_a_handler_that_asks_the_process_to_end_costs_one_worker(
    serve: Servers, path: str
) -> None:
    server = serve(APP, "--workers", "1", "--respawn-backoff", "10ms")
    server.may_die = True
    first = server.get("/pid").text
    assert server.get(path).status == 500

    def replaced() -> bool:
        try:
            return server.get("/pid").text != first
        except (OSError, EOFError):
            return False

    wait_for(replaced, "another worker answers")
    assert server.stop() == 0


def test_a_handler_that_stops_the_loop_does_not_stop_the_service(
    serve: Servers,
) -> None:
    server = serve(APP, "--workers", "1", "--respawn-backoff", "10ms")
    server.may_die = True
    client = server.connect()
    assert client.get("/stop", connection="close").text == "went on"

    def answers() -> bool:
        try:
            return server.get("/pid").status == 200
        except (OSError, EOFError):
            return False

    wait_for(answers, "the service answers")
    assert server.stop() == 0


# ---- the end ----


def test_handlers_that_wait_are_cancelled_at_the_deadline(
    serve: Servers,
) -> None:
    server = serve(APP, "--workers", "1", "--graceful-timeout", "300ms")
    for n in range(5):
        server.connect().send(head_of("GET", f"/wait/w{n}"))
    wait_for(lambda: len(events(server)) == 5, "all wait")
    start = time.monotonic()
    server.tell(signal.SIGTERM)
    assert server.exit_status() == 0
    assert 0.25 < time.monotonic() - start < 5
    said = server.stdout.splitlines()
    cancelled = {line for line in said if "cancelled" in line}
    assert cancelled == {f"w{n} cancelled" for n in range(5)}
    assert said.index("shutdown") > said.index("w0 cancelled")
    for trouble in ("Task was", "never", "unclosed", "Traceback"):
        assert trouble not in server.stderr


def test_background_tasks_end_with_the_worker(serve: Servers) -> None:
    server = serve(APP, "--workers", "1")
    server.post("/busy/spin", b"")
    server.post("/background/late", b"")
    assert server.stop() == 0
    assert "shutdown" in server.stdout
    for trouble in ("Task was", "never", "unclosed", "Traceback"):
        assert trouble not in server.stderr


def test_generators_do_not_hide_the_loop_from_tasks(serve: Servers) -> None:
    """A def, or a generator, sees no running loop; whoever runs next in the
    same turn does."""
    server = serve("""
import asyncio, time
from rupy import Rupy
app = Rupy()

@app.get("/stream")
def stream(request):
    for i in range(400):
        time.sleep(0.001)
        yield "x"

@app.get("/task")
async def task(request):
    for i in range(100):
        await asyncio.sleep(0)
        asyncio.get_running_loop()
    return "seen"
""")
    with server.connect() as streaming:
        streaming.send(head_of("GET", "/stream"))
        assert streaming.head()[0] == 200
        assert server.get("/task").text == "seen"
        assert b"".join(streaming.chunks()) == b"x" * 400
