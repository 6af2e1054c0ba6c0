"""WebSockets of ASGI applications: HTTP and WebSocket message format 2.5."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from serving import Client, Server, Servers, wait_for
from wsclient import (
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
    return serve_module(
        "websocket_story:app",
        *("--app-dir", str(HERE), "--ws-handshake-timeout", "1s"),
    )


def kept(server: Server) -> Any:
    return server.get("/kept").json()


def events(server: Server, n: int, path: str, act: Any) -> list[Any]:
    """The n events that are noted because of act(ws)."""
    before = len(kept(server)["events"])
    act(path)
    wait_for(lambda: len(kept(server)["events"]) >= before + n, "events")
    got = kept(server)["events"][before:]
    assert len(got) == n, got
    return list(got)


def test_g1_the_scope(server: Server) -> None:
    ws = ws_connect(
        server,
        "/scope?a=%20b",
        X_Custom="Value",
        Sec_WebSocket_Protocol="chat, superchat,other",
        Origin="http://elsewhere",
    )
    scope = ast.literal_eval(ws.message())  # type: ignore[arg-type]
    headers = dict(scope.pop("headers"))
    host, port = scope.pop("client")
    assert host == "127.0.0.1"
    assert port == ws.client.sock.getsockname()[1]
    assert scope.pop("server") == ("127.0.0.1", server.port)
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/scope",
        "raw_path": b"/scope",
        "query_string": b"a=%20b",
        "root_path": "",
        "subprotocols": ["chat", "superchat", "other"],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
    assert headers[b"x-custom"] == b"Value"
    assert headers[b"origin"] == b"http://elsewhere"


def test_g1_wss_behind_a_proxy_that_says_https(server: Server) -> None:
    ws = ws_connect(server, "/scope", X_Forwarded_Proto="https")
    assert ast.literal_eval(ws.message())["scheme"] == "wss"  # type: ignore


def test_g1_subprotocols_over_several_lines(server: Server) -> None:
    request, _ = handshake("/scope")
    lines = b"sec-websocket-protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n"
    with server.connect() as client:
        client.send(request[:-2] + lines + b"\r\n")
        client.head()
        client._until(b"'subprotocols': ['a', 'b', 'c']")


def test_g1_a_path_that_is_no_utf8_is_400(server: Server) -> None:
    assert ws_refused(server, "/%ff").status == 400


def test_g2_accept_with_a_subprotocol_and_headers(server: Server) -> None:
    ws = ws_connect(server, "/subprotocol?b", Sec_WebSocket_Protocol="a, b")
    assert ws.headers["sec-websocket-protocol"] == "b"
    assert ws.headers["x-more"] == "1"


def test_g2_without_a_subprotocol_there_is_none(server: Server) -> None:
    ws = ws_connect(server, "/subprotocol", Sec_WebSocket_Protocol="a, b")
    assert "sec-websocket-protocol" not in ws.headers


def test_g2_g3_g6_what_may_not_be_sent_raises(server: Server) -> None:
    ws = ws_connect(server, "/bad_accept")
    assert json.loads(ws.message()) == [
        "ValueError",  # not offered
        "TypeError",
        "ValueError",  # the server's own field
        "ValueError",
        "RuntimeError",  # before accept
        "ValueError",  # no message of a WebSocket
        "ValueError",
        "twice",
    ]


def test_g3_a_subprotocol_that_was_not_offered(server: Server) -> None:
    assert ws_refused(server, "/subprotocol?b").status == 500
    server.wait_log("does not offer the subprotocol 'b'")


def test_g4_close_before_accept_is_403(server: Server) -> None:
    def act(path: str) -> None:
        assert ws_refused(server, path).status == 403

    assert events(server, 1, "/early_close", act) == [
        {"type": "websocket.disconnect", "code": 1006, "reason": ""}
    ]


def test_g4_a_reason_that_goes_nowhere_may_be_anything(server: Server) -> None:
    # FastAPI gives what is wrong with the parameters, a list.
    assert ws_refused(server, "/early_close?odd").status == 403


@pytest.mark.parametrize(
    "message", ["", "hello", "ä€😀\0", b"", b"\x00\xff", "x" * 70000]
)
def test_g5_messages_come_and_go(server: Server, message: str | bytes) -> None:
    ws = ws_connect(server, "/echo")
    assert ws.echo(message) == message
    assert ws.close() == 1000


def test_g5_text_that_is_no_utf8_is_1007(server: Server) -> None:
    ws = ws_connect(server, "/echo")
    ws.send(TEXT, b"\xff")
    assert ws.ends_with() == 1007


def test_g6_send_takes_exactly_one_of_text_and_bytes(server: Server) -> None:
    ws = ws_connect(server, "/bad_send")
    assert ws.message() == "a"
    assert ws.message() == b"b"
    assert json.loads(ws.message()) == [
        "ValueError",
        "ValueError",
        "ValueError",
        "TypeError",
        "TypeError",
        "UnicodeEncodeError",
    ]


def test_g6_after_close_nothing_may_be_sent(server: Server) -> None:
    def act(path: str) -> None:
        ws = ws_connect(server, path)
        assert ws.close_code() == 4001
        assert ws.close_reason == "enough"
        ws.send(CLOSE, b"\x0f\xa1")

    late, twice, last = events(server, 3, "/send_after_close", act)
    assert late == "websocket.send after websocket.close"
    assert twice == "websocket.close after websocket.close"
    assert last == {"type": "websocket.disconnect", "code": 4001, "reason": ""}


def test_g6_after_a_disconnect_send_raises_an_oserror(server: Server) -> None:
    def act(path: str) -> None:
        assert ws_connect(server, path).close(4002, "bye") == 4002

    end = {"type": "websocket.disconnect", "code": 4002, "reason": "bye"}
    assert events(server, 3, "/send_after_disconnect", act) == [
        end,
        "ConnectionResetError",
        end,
    ]


def test_g7_the_code_and_reason_of_the_client(server: Server) -> None:
    def with_code(path: str) -> None:
        ws_connect(server, path).close(4321, "wörd")

    def without(path: str) -> None:
        ws = ws_connect(server, path)
        ws.send(CLOSE)
        assert ws.ends_with() == 1005

    def lost(path: str) -> None:
        ws_connect(server, path).client.close()

    def reset(path: str) -> None:
        ws_connect(server, path).client.reset()

    for act, code, reason in (
        (with_code, 4321, "wörd"),
        (without, 1005, ""),
        (lost, 1006, ""),
        (reset, 1006, ""),
    ):
        assert events(server, 1, "/echo", act) == [
            {"type": "websocket.disconnect", "code": code, "reason": reason}
        ]


@pytest.mark.parametrize(
    ("query", "code", "reason"),
    [
        ("", 1000, ""),
        ("?4999", 4999, ""),
        ("?1013,later", 1013, "later"),
        ("?3000," + "r" * 123, 3000, "r" * 123),
    ],
)
def test_g8_close(server: Server, query: str, code: int, reason: str) -> None:
    ws = ws_connect(server, "/close" + query)
    assert ws.close_code() == code
    assert ws.close_reason == reason


@pytest.mark.parametrize(
    "query", ["?1005", "?999", "?5000", "?1000," + "r" * 124]
)
def test_g8_what_close_does_not_take(server: Server, query: str) -> None:
    ws = ws_connect(server, "/close" + query)
    assert re.search("is no code|longer than 123", str(ws.message()))
    assert ws.close_code() == 1000


def test_g9_a_handshake_is_denied_with_an_answer(server: Server) -> None:
    def act(path: str) -> None:
        with server.connect() as client:
            client.send(handshake(path)[0])
            answer = client.answer()
            assert (answer.status, answer.body) == (401, b"not you")
            assert answer.get("www-authenticate") == "Basic"
            # The connection goes on.
            assert client.get("/").text == "http"

    late, last = events(server, 2, "/deny", act)
    assert late == "websocket.accept after websocket.http.response.start"
    assert last == {"type": "websocket.disconnect", "code": 1006, "reason": ""}


def test_g10_an_application_that_leaves_without_an_answer_is_500(
    server: Server,
) -> None:
    assert ws_refused(server, "/returns").status == 500
    server.wait_log("/returns: the ASGI application returned without")
    assert ws_refused(server, "/raises").status == 500
    server.wait_log("ValueError: before accept")


def test_g10_1011_for_an_exception_and_1000_for_a_return(
    server: Server,
) -> None:
    ws = ws_connect(server, "/accepts_and_raises")
    assert ws.close_code() == 1011
    server.wait_log("ValueError: after accept")
    ws = ws_connect(server, "/accepts_and_returns")
    assert ws.close_code() == 1000


def test_g11_1012_when_the_worker_stops(serve: Servers) -> None:
    server = serve("websocket_story:app", "--app-dir", str(HERE))
    many = [ws_connect(server, "/echo") for _ in range(3)]
    pending = server.connect()
    pending.send(handshake("/never")[0])
    assert many[0].echo("before") == "before"
    assert server.process.poll() is None
    server.tell(15)  # type: ignore[arg-type]
    for ws in many:
        assert ws.close_code() == 1012
        ws.send(CLOSE, b"\x03\xf4")
        assert ws.client.ends() == b""
    pending.close()
    assert server.exit_status() == 0


def test_g11_1013_for_a_client_that_is_too_slow(serve: Servers) -> None:
    server = serve(
        "websocket_story:app",
        *("--app-dir", str(HERE), "--ws-send-buffer", "100k"),
    )
    ws = ws_connect(server, "/flood")
    wait_for(lambda: kept(server)["events"], "it is given up")
    assert kept(server)["events"] == ["ConnectionResetError"]
    while (f := ws.recv()).opcode != CLOSE:
        pass
    assert f.data[:2] == b"\x03\xf5"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Key": None}, 400),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Version": None}, 426),
        ({"Sec_WebSocket_Protocol": "a b"}, 400),
    ],
)
def test_g12_handshakes_that_are_none(
    server: Server, headers: dict[str, Any], status: int
) -> None:
    answer = ws_refused(server, "/echo", **headers)
    assert answer.status == status
    if status == 426:
        assert answer.get("sec-websocket-version") == "13"
        assert answer.get("upgrade") == "websocket"
        assert "upgrade" in str(answer.get("connection")).lower()


def test_g12_without_an_upgrade_it_is_a_request(server: Server) -> None:
    for headers in ({"Upgrade": "h2c"}, {"Connection": "keep-alive"}):
        assert ws_refused(server, "/echo", **headers).text == "http"


def test_g12_extensions_are_not_agreed_on_by_default(server: Server) -> None:
    ws = ws_connect(
        server,
        "/echo",
        Sec_WebSocket_Extensions="permessage-deflate, x-other; a=1",
    )
    assert "sec-websocket-extensions" not in ws.headers


def test_a_handshake_that_is_not_answered_in_time_is_503(
    server: Server,
) -> None:
    def act(path: str) -> None:
        answer = ws_refused(server, path)
        assert answer.status == 503

    disconnect, error = events(server, 2, "/never", act)
    assert disconnect["code"] == 1006
    assert error == "ConnectionResetError"


def test_a_client_that_goes_before_it_is_answered(server: Server) -> None:
    def closes(path: str) -> None:
        with server.connect() as client:
            client.send(handshake(path)[0])

    def resets(path: str) -> None:
        client = server.connect()
        client.send(handshake(path)[0])
        client.reset()

    for act in (closes, resets):
        disconnect, error = events(server, 2, "/never", act)
        assert disconnect["code"] == 1006
        assert error == "ConnectionResetError"


def test_a_slow_reader_is_waited_for(server: Server) -> None:
    ws = ws_connect(server, "/flood")
    n = 0

    def is_still() -> bool:
        nonlocal n
        before, n = n, kept(server)["sent"]
        return n > 0 and n == before

    wait_for(is_still, "it waits")
    # What the kernel takes, and what RP_SINK_HIGH lets wait.
    assert n < 200
    for _ in range(n):
        assert len(ws.message()) == 65536
    wait_for(lambda: kept(server)["sent"] > n, "it goes on")
    ws.client.reset()
    wait_for(
        lambda: kept(server)["events"][-1:] == ["ConnectionResetError"], "end"
    )


def test_no_ws_makes_it_a_request(serve: Servers) -> None:
    server = serve("websocket_story:app", "--app-dir", str(HERE), "--no-ws")
    assert ws_refused(server, "/echo").text == "http"


def test_what_comes_with_the_handshake_is_not_lost(server: Server) -> None:
    client: Client = server.connect()
    client.send(handshake("/echo")[0] + frame(TEXT, "early"))
    assert client.head()[0] == 101
    assert client._exactly(7) == b"\x81\x05early"
