"""Content that a handler reads while it comes."""

from __future__ import annotations

import time

import pytest
from serving import Server, Servers, head_of, wait_for

APP = """
import asyncio
import threading
from rupy import ClientDisconnect, HTTPError, Request, Rupy

app = Rupy()
seen = []

@app.get("/seen")
def so_far():
    return seen

@app.post("/sizes", stream=True)
async def sizes(request: Request):
    sizes = [len(piece) async for piece in request.stream()]
    return {"pieces": len(sizes), "total": sum(sizes), "least": min(sizes)}

@app.post("/starts", stream=True)
async def starts(request):
    seen.append("started")
    stream = request.stream()
    seen.append((await anext(stream)).decode())
    async for piece in stream:
        seen.append(piece.decode())
    return "done"

@app.post("/thread", stream=True)
def thread(request):
    assert threading.current_thread() is not threading.main_thread()
    total = 0
    for piece in request.stream():
        total += len(piece)
    return {"total": total}

@app.post("/thread/body", stream=True)
def thread_body(request):
    return {"body": len(request.body), "json": request.json()}

@app.post("/echo", stream=True)
async def echo(request):
    async for piece in request.stream():
        yield piece

@app.post("/read", stream=True)
async def read(request):
    body = await request.read(limit=1000)
    assert body is request.body and await request.read() is body
    assert [piece async for piece in request.stream()] == [body]
    return request.json()

@app.post("/early/<what>", stream=True)
async def early(request, what):
    try:
        getattr(request, what)
        if what == "json":
            request.json()
        if what == "form":
            request.form()
    except RuntimeError as error:
        return str(error)
    return "no error"

@app.post("/partly", stream=True)
async def partly(request):
    await anext(request.stream())
    try:
        await request.read()
    except RuntimeError as error:
        return str(error)

@app.post("/refuses", stream=True)
async def refuses(request):
    raise HTTPError(403, "not you")

@app.post("/slow", stream=True)
async def slow(request):
    total = 0
    await gate.wait()
    async for piece in request.stream():
        total += len(piece)
    return {"total": total}

gate = asyncio.Event()

@app.post("/open")
async def open_gate():
    gate.set()
    return ""

@app.post("/gone", stream=True)
async def gone(request):
    seen.append("begun")
    try:
        async for _ in request.stream():
            pass
    except ClientDisconnect as error:
        seen.append(f"{error}, {request.is_disconnected()}")
        raise

@app.post("/gone/thread", stream=True)
def gone_thread(request):
    try:
        for _ in request.stream():
            pass
    except ClientDisconnect as error:
        seen.append(f"thread: {error}")
        raise

@app.post("/kept", stream=True)
async def keep(request):
    seen.append("kept")
    app.kept = request.stream()
    return "kept"

@app.get("/use-kept")
async def use_kept(request):
    try:
        await anext(app.kept)
    except RuntimeError as error:
        return str(error)

@app.post("/two", stream=True)
async def two(request):
    first = asyncio.ensure_future(anext(request.stream()))
    await asyncio.sleep(0)
    try:
        await anext(request.stream())
    except RuntimeError as error:
        first.cancel()
        return str(error)

@app.post("/timeout", stream=True)
async def timeout(request):
    stream = request.stream()
    try:
        async with asyncio.timeout(0.05):
            await anext(stream)
    except TimeoutError:
        seen.append("timed out")
    return await anext(stream)

@app.post("/whole")
async def whole(request):
    return {"pieces": [p.decode() async for p in request.stream()],
            "sync": [p.decode() for p in request.stream()],
            "read": (await request.read()).decode()}
"""

CHUNKED = {"transfer-encoding": "chunked"}


# The same, with something around every handler.
AROUND = """
@app.middleware
async def around(request, call_next):
    return await call_next(request)
"""


@pytest.fixture(scope="module", params=["alone", "around"])
def server(serve_module: Servers, request: pytest.FixtureRequest) -> Server:
    app = APP + AROUND if request.param == "around" else APP
    return serve_module(app, "--limit-body", "64m", "--body-timeout", "20s")


def seen(server: Server) -> list[str]:
    return server.get("/seen").json()


@pytest.mark.parametrize("path", ["/sizes", "/thread"])
def test_content_comes_in_pieces(server: Server, path: str) -> None:
    body = b"x" * 3_000_000
    answer = server.post(path, body).json()
    assert answer["total"] == len(body)
    if path == "/sizes":
        assert answer["pieces"] > 10
        assert answer["least"] > 0


@pytest.mark.parametrize("path", ["/thread", "/thread/body"])
def test_small_content_in_a_thread(server: Server, path: str) -> None:
    answer = server.post(path, b"[1]").json()
    assert (
        answer
        == {
            "/thread": {"total": 3},
            "/thread/body": {"body": 3, "json": [1]},
        }[path]
    )


def test_a_handler_starts_before_content_and_sees_each_piece(
    server: Server,
) -> None:
    with server.connect() as client:
        client.send(head_of("POST", "/starts", CHUNKED))
        wait_for(lambda: "started" in seen(server), "the handler")
        for piece in ("one", "two"):
            client.send(f"3\r\n{piece}\r\n")
            wait_for(lambda p=piece: p in seen(server), piece)
        client.send("0\r\n\r\n")
        assert client.answer().text == "done"


def test_an_echo_streams_both_ways(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("POST", "/echo", CHUNKED) + b"2\r\nab\r\n")
        assert client.head()[0] == 200
        chunks = client.chunks()
        assert next(chunks) == b"ab"
        client.send("3\r\ncde\r\n0\r\n\r\n")
        assert list(chunks) == [b"cde"]
        assert client.get("/seen").status == 200


def test_read_gives_what_other_routes_have(server: Server) -> None:
    assert server.post("/read", b'{"a": 1}').json() == {"a": 1}
    answer = server.post("/read", b"1" * 1001)
    assert (answer.status, answer.get("connection")) == (413, None)
    with server.connect() as client:
        client.send(head_of("POST", "/read", CHUNKED))
        client.send("3e9\r\n" + "1" * 0x3E9)
        assert client.answer().status == 413


@pytest.mark.parametrize("what", ["body", "text", "json", "form"])
def test_content_that_was_not_read_is_an_error_that_says_what_to_do(
    server: Server, what: str
) -> None:
    text = server.post(f"/early/{what}", b"[1]").text
    assert "await request.read" in text, text


def test_read_after_a_part_was_taken_is_an_error(server: Server) -> None:
    assert "by stream()" in server.post("/partly", b"ab").text


def test_routes_that_do_not_stream_have_one_piece(server: Server) -> None:
    assert server.post("/whole", b"abc").json() == {
        "pieces": ["abc"],
        "sync": ["abc"],
        "read": "abc",
    }


def test_100_continue_is_sent_when_content_is_read(server: Server) -> None:
    expect = {"expect": "100-continue", "content-length": "3"}
    with server.connect() as client:
        client.send(head_of("POST", "/sizes", expect))
        wait_for(lambda: client._more() and b"100 C" in client.got, "100")
        client.send("abc")
        answer = client.answer()
        assert (answer.interim, answer.json()["total"]) == ([100], 3)
    with server.connect() as client:
        client.send(head_of("POST", "/refuses", expect))
        answer = client.answer()
        assert (answer.status, answer.interim) == (403, [])
        # It might send its content or not: only a closed connection is clear.
        assert answer.get("connection") == "close"


def test_a_slow_reader_slows_the_client_down(server: Server) -> None:
    body = b"x" * (32 << 20)
    with server.connect() as client:
        client.send(head_of("POST", "/slow", {"content-length": len(body)}))
        client.sock.setblocking(False)
        sent, still = 0, 0
        while still < 20:
            try:
                sent += client.sock.send(body[sent : sent + 65536])
                still = 0
            except BlockingIOError:
                still += 1
                time.sleep(0.01)
        assert sent < 20 << 20
        client.sock.settimeout(20)
        server.post("/open", b"")
        client.send(body[sent:])
        assert client.answer().json() == {"total": len(body)}


def test_the_limit_of_content_holds_while_it_streams(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("POST", "/sizes", {"content-length": "67108865"}))
        assert client.answer().status == 413
    with server.connect() as client:
        client.send(head_of("POST", "/slow", CHUNKED))
        client.send("4000000\r\n" + "x" * 1000)
        client.send("x" * (0x4000000 - 1000) + "\r\n1\r\nx")
        assert client.answer().status == 413


@pytest.mark.parametrize("path", ["/gone", "/gone/thread"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_goes_is_an_error_in_the_handler(
    server: Server, path: str, how: str
) -> None:
    before = len(seen(server))
    log = len(server.stderr)
    client = server.connect()
    client.send(head_of("POST", path, {"content-length": "10"}) + b"abc")
    if path == "/gone":
        wait_for(lambda: "begun" in seen(server)[before:], "the handler")
    getattr(client, how)()
    wait_for(
        lambda: any("cut off" in text for text in seen(server)[before:]),
        "the error",
    )
    if path == "/gone":
        assert "400 the content was cut off, True" in seen(server)[before:]
    assert "Traceback" not in server.stderr[log:]


def test_a_client_that_only_half_closes_is_answered_400(
    server: Server,
) -> None:
    with server.connect() as client:
        client.send(head_of("POST", "/gone", {"content-length": "10"}) + b"a")
        client.shutdown()
        answer = client.answer()
        assert (answer.status, answer.text) == (400, "the content was cut off")


def test_content_that_is_not_read_is_drained_or_ends_the_connection(
    server: Server,
) -> None:
    with server.connect() as client:
        answer = client.post("/refuses", b"x" * 1000)
        assert (answer.status, answer.get("connection")) == (403, None)
        assert client.get("/seen").status == 200
    with server.connect() as client:
        client.send(head_of("POST", "/refuses", {"content-length": "9999999"}))
        answer = client.answer()
        assert (answer.status, answer.get("connection")) == (403, "close")


def test_a_stream_that_is_kept_says_that_it_is_over(server: Server) -> None:
    assert server.post("/kept", b"abc").status == 200
    assert "over" in server.get("/use-kept").text


def test_two_tasks_cannot_wait_for_content(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("POST", "/two", {"content-length": "1"}))
        assert "another task" in client.answer().text


def test_waiting_for_content_may_time_out_and_go_on(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("POST", "/timeout", {"content-length": "3"}))
        wait_for(lambda: "timed out" in seen(server), "the timeout")
        client.send("abc")
        assert client.answer().body == b"abc"


def test_a_stream_of_a_get_is_empty(serve_module: Servers) -> None:
    server = serve_module(
        "from rupy import Rupy\napp = Rupy()\n"
        "@app.route('/', methods=['GET'], stream=True)\n"
        "async def index(request):\n"
        "    return str([p async for p in request.stream()])\n"
    )
    assert server.get("/").text == "[]"


def test_content_that_does_not_come_is_given_up(serve: Servers) -> None:
    server = serve(APP, "--body-timeout", "300ms")
    with server.connect() as client:
        client.send(head_of("POST", "/gone", {"content-length": "10"}) + b"a")
        assert client.answer().status == 408
    wait_for(lambda: len(seen(server)) == 2, "the error in the handler")
