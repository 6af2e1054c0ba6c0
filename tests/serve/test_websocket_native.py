"""WebSockets of rupy applications."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from serving import Server, Servers, wait_for
from wsclient import (
    BINARY,
    CLOSE,
    TEXT,
    frame,
    handshake,
    ws_connect,
    ws_refused,
)

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module("websocket_native_story:app", "--app-dir", str(HERE))


def events(server: Server) -> list[Any]:
    return list(server.get("/events").json()["events"])


def wait_event(server: Server, n: int) -> Any:
    wait_for(lambda: len(events(server)) > n, "an event")
    return events(server)[n:]


@pytest.mark.parametrize(
    "message", ["", "a", "ä€😀", b"", b"\0\xff", "x" * 100_000, b"y" * 900_000]
)
def test_messages_come_back(server: Server, message: str | bytes) -> None:
    ws = ws_connect(server, "/echo")
    assert ws.echo(message) == message
    assert ws.close() == 1000


def test_a_page_and_a_websocket_have_one_path(server: Server) -> None:
    assert server.get("/").text == "a page"
    assert ws_connect(server, "/").echo("a") == "a"
    assert server.get("/both/x").text == "page x"
    assert ws_connect(server, "/both/x").message() == "socket x"


def test_parameters_are_passed_by_name_and_converted(server: Server) -> None:
    ws = ws_connect(server, "/rooms/a%20b/7")
    assert json.loads(ws.message()) == ["a b", 7, "int"]
    assert ws_refused(server, "/rooms/a/b").status == 404


def test_a_request_for_what_is_only_a_websocket_is_426(server: Server) -> None:
    answer = server.get("/echo")
    assert answer.status == 426
    assert answer.get("upgrade") == "websocket"
    answer = server.post("/echo", b"a")
    assert answer.status == 405
    assert "websocket" not in str(answer.get("allow"))
    with server.connect() as client:
        client.send(b"(websocket) /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.answer().status == 400


def test_a_handshake_where_there_is_no_websocket(server: Server) -> None:
    assert ws_refused(server, "/events").status == 200
    assert ws_refused(server, "/any").text == "GET"
    assert ws_refused(server, "/nowhere").status == 404


def test_the_attributes_of_the_request(server: Server) -> None:
    ws = ws_connect(
        server,
        "/request?a=%C3%A4",
        X_Test="t",
        Cookie="c=d",
        Authorization="Bearer tok",
        Sec_WebSocket_Protocol="one, two",
    )
    assert ws.headers["sec-websocket-protocol"] == "two"
    assert ws.headers["x-more"] == "1"
    got = json.loads(ws.message())
    assert got.pop("client")[0] == "127.0.0.1"
    assert got == {
        "before": ["t", "ä", ["one", "two"]],
        "headers": "t",
        "query": "ä",
        "query_string": "a=%C3%A4",
        "cookies": {"c": "d"},
        "path": "/request",
        "raw_path": "/request",
        "path_params": {},
        "route": "/request",
        "scheme": "ws",
        "host": "localhost",
        "url": "ws://localhost/request?a=%C3%A4",
        "http_version": "1.1",
        "auth_token": "tok",
        "app": True,
        "repr": "<WebSocket '/request' open>",
        "mine": 1,
    }


def test_json(server: Server) -> None:
    ws = ws_connect(server, "/json")
    ws.text('{"a": [1, "ä"]}')
    assert json.loads(ws.message()) == {"got": {"a": [1, "ä"]}}
    ws.text("{")
    assert ws.close_code() == 1007


def test_messages_of_another_kind(server: Server) -> None:
    ws = ws_connect(server, "/kinds")
    ws.text("a")
    assert ws.message() == "'a'"
    ws.send(BINARY, b"b")
    assert ws.message() == "b'b'"
    ws.send(BINARY, b"b")
    assert ws.message() == "1003 a binary message where text was wanted"
    ws.text("a")
    assert ws.close_code() == 1003
    assert "Traceback" not in server.stderr.partition("/kinds")[2]


@pytest.mark.parametrize(
    ("how", "status", "body"),
    [
        ("response", 401, b"no"),
        ("text", 200, b"no"),
        ("tuple", 418, b'{"no":true}'),
        ("stream", 200, b"ab"),
    ],
)
def test_denied(server: Server, how: str, status: int, body: bytes) -> None:
    n = len(events(server))
    with server.connect() as client:
        client.send(handshake(f"/denies/{how}")[0])
        answer = client.answer()
        assert (answer.status, answer.body) == (status, body)
        assert client.get("/").text == "a page"
    assert wait_event(server, n) == [1006]


def test_denied_with_nothing_is_500(server: Server) -> None:
    assert ws_refused(server, "/denies/none").status == 500


def test_what_a_handler_raises(server: Server) -> None:
    answer = ws_refused(server, "/raises/http")
    assert (answer.status, answer.text) == (402, "pay")
    assert ws_refused(server, "/raises/before").status == 500
    server.wait_log("ValueError: before accept")
    assert ws_connect(server, "/raises/after").close_code() == 1011
    server.wait_log("WebSocket /raises/after: unhandled ValueError")
    server.wait_log("ValueError: after accept")


def test_what_a_handler_returns(server: Server) -> None:
    assert ws_refused(server, "/returns/before").status == 403
    assert ws_connect(server, "/returns/after").close_code() == 1000


def test_what_may_not_be_done(server: Server) -> None:
    ws = ws_connect(server, "/wrong")
    assert json.loads(ws.message()) == [
        *["RuntimeError"] * 4,
        *["ValueError"] * 3,
        "",
        "RuntimeError",
        "RuntimeError",
        "TypeError",
        "UnicodeEncodeError",
        "ValueError",
        "ValueError",
    ]


def test_the_handler_closes(server: Server) -> None:
    n = len(events(server))
    ws = ws_connect(server, "/closes")
    ws.text("a")
    ws.text("b")
    assert ws.close_code() == 4005
    assert ws.close_reason == "done"
    ws.send(CLOSE, b"\x0f\xa5")
    assert ws.client.ends() == b""
    wait_for(lambda: len(events(server)) == n + 3, "three events")
    assert events(server)[n:] == [[4005, ""], [4005, ""], [4005, ""]]


@pytest.mark.parametrize(
    ("end", "code", "reason"),
    [
        (lambda ws: ws.close(4001, "bye"), 4001, "bye"),
        (lambda ws: ws.send(CLOSE), 1005, ""),
        (lambda ws: ws.client.close(), 1006, ""),
        (lambda ws: ws.client.reset(), 1006, ""),
        (lambda ws: ws.send(TEXT, b"\xff"), 1007, "text is not UTF-8"),
    ],
)
def test_leaving_the_loop_means_that_the_client_closed(
    server: Server, end: Any, code: int, reason: str
) -> None:
    n = len(events(server))
    end(ws_connect(server, "/echo"))
    assert wait_event(server, n) == [[code, reason]]


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_client_that_goes_while_the_handler_waits_for_something_else(
    server: Server, end: str
) -> None:
    n = len(events(server))
    ws = ws_connect(server, "/waits")
    getattr(ws.client, end)()
    server.get("/go")
    assert wait_event(server, n) == [1006]


def test_a_client_that_goes_before_accept(server: Server) -> None:
    n = len(events(server))
    with server.connect() as client:
        client.send(handshake("/never", X_Test="kept")[0])
        # It is at work: an answer on another connection came after it.
        assert server.get("/").status == 200
        client.reset()
    wait_for(lambda: server.get("/go").status == 200, "go")
    assert wait_event(server, n) == [[1006, "kept"]]


def test_a_wait_that_is_cancelled_loses_no_message(server: Server) -> None:
    ws = ws_connect(server, "/timeout")
    assert ws.message() == "now"
    ws.text("after")
    assert ws.message() == "after"


def test_many_tasks_send_while_one_receives(server: Server) -> None:
    ws = ws_connect(server, "/tasks")
    got = [str(ws.message()) for _ in range(200)]
    ws.text("last")
    assert ws.message() == "last"
    for i in range(10):
        own = [m.split()[1] for m in got if m.split()[0] == str(i)]
        assert own == [str(j) for j in range(20)]


def test_a_cancelled_handler_closes_with_1001(server: Server) -> None:
    assert ws_connect(server, "/cancels").close_code() == 1001


def test_a_slow_reader_holds_its_handler(server: Server) -> None:
    ws = ws_connect(server, "/flood")
    n = -1

    def is_still() -> bool:
        nonlocal n
        before, n = n, server.get("/events").json()["sent"]
        return n > 0 and n == before

    wait_for(is_still, "it waits")
    assert n < 200
    for _ in range(n):
        assert len(ws.message()) == 65536
    ws.client.reset()


def test_messages_in_one_packet_come_back_in_order(server: Server) -> None:
    ws = ws_connect(server, "/echo")
    ws.client.send(b"".join(frame(TEXT, str(i)) for i in range(500)))
    assert [ws.message() for _ in range(500)] == [str(i) for i in range(500)]


def test_what_came_before_a_close_frame_is_answered(server: Server) -> None:
    n = len(events(server))
    ws = ws_connect(server, "/echo")
    messages = [str(i) for i in range(50)]
    packet = b"".join(frame(TEXT, m) for m in messages)
    ws.client.send(packet + frame(CLOSE, b"\x0f\xa1bye"))
    assert [ws.message() for _ in messages] == messages
    assert ws.ends_with() == 4001
    assert wait_event(server, n) == [[4001, "bye"]]


def test_1012_when_the_worker_stops(serve: Servers) -> None:
    server = serve("websocket_native_story:app", "--app-dir", str(HERE))
    many = [ws_connect(server, "/echo") for _ in range(3)]
    waiting = server.connect()
    waiting.send(handshake("/never", X_Test="t")[0])
    server.tell(signal.SIGTERM)
    for ws in many:
        assert ws.close_code() == 1012
        ws.send(CLOSE, b"\x03\xf4")
        assert ws.client.ends() == b""
    waiting.close()
    assert server.exit_status() == 0
    assert "Traceback" not in server.stderr


def test_1012_of_one_worker_after_another(serve: Servers) -> None:
    """HUP: every client is told, and finds a new worker."""
    server = serve(
        "websocket_native_story:app", "--app-dir", str(HERE), "-w", "2"
    )
    many = [ws_connect(server, "/echo") for _ in range(4)]
    server.tell(signal.SIGHUP)
    for ws in many:
        assert ws.close_code() == 1012
        ws.send(CLOSE, b"\x03\xf4")
        assert ws.client.ends() == b""
    assert ws_connect(server, "/echo").echo("again") == "again"


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        ("def f(ws): pass", "is not async def"),
        ("async def f(): pass", "does not take the parameter 'a'"),
        ("async def f(ws, a, b): pass", "which the pattern does not give"),
    ],
)
def test_a_handler_that_cannot_be_one(
    serve: Servers, handler: str, message: str
) -> None:
    server = serve(
        f"from rupy import Rupy\napp = Rupy()\n{handler}\n"
        'app.websocket("/<a>")(f)\n',
        ready=False,
    )
    server.may_die = True
    assert server.exit_status(20) != 0
    assert message in server.stderr


def test_two_websockets_of_one_path_are_an_error(serve: Servers) -> None:
    server = serve(
        "from rupy import Rupy\napp = Rupy()\nasync def f(ws): pass\n"
        'app.websocket("/")(f)\napp.websocket("/")(f)\n',
        ready=False,
    )
    server.may_die = True
    assert server.exit_status(20) != 0
    assert "is answered by route" in server.stderr


MIDDLEWARE = """
from rupy import Response, Rupy
app = Rupy()
inner = Rupy()

@app.middleware
def check(request):
    if request.headers.get("x-key") != "open":
        return Response("who are you?", 401)

@app.websocket("/")
async def echo(ws):
    await ws.accept()
    await ws.send("in")

@inner.websocket("/<name>")
async def mounted(ws, name: str):
    await ws.accept()
    await ws.send(name)

async def asgi(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": scope["path"]})

app.mount("/inner", inner)
app.mount("/asgi", asgi)
"""


def test_middleware_before_a_handler_sees_handshakes(serve: Servers) -> None:
    server = serve(MIDDLEWARE)
    assert ws_refused(server, "/").status == 401
    assert ws_connect(server, "/", X_Key="open").message() == "in"


def test_websockets_of_mounted_applications(serve: Servers) -> None:
    server = serve(MIDDLEWARE)
    ws = ws_connect(server, "/inner/ada", X_Key="open")
    assert ws.message() == "ada"
    ws = ws_connect(server, "/asgi/x", X_Key="open")
    assert "/x" in str(ws.message())
