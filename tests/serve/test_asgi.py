"""ASGI 3 as its text has it: connection scope, messages, lifespan.

A test is named by the line of the list of requirements that it is about: A
calling, B scope, C receive, D send, E lifespan, F extensions.
"""

from __future__ import annotations

import ast
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from serving import Answer, Server, Servers, head_of, wait_for

STORY = (Path(__file__).parent / "asgi_story.py").read_text()
VALIDATOR = (
    Path(__file__).resolve().parents[3]
    / "shared/conformance/apps/validate_asgi.py"
)


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(STORY)


def said(server: Server, path: str, **headers: str) -> Any:
    answer = server.get(path, **headers)
    assert answer.status == 200, (answer, server.stderr[-3000:])
    return ast.literal_eval(answer.text)


def events(server: Server) -> list[Any]:
    return said(server, "/events")


def wait_event(server: Server, event: Any) -> None:
    wait_for(lambda: event in events(server), f"event {event!r}")


def tracebacks(server: Server, text: str) -> int:
    return server.stderr.count(text)


# ---- A: calling ----


def test_a2_scopes_are_fresh(server: Server) -> None:
    with server.connect() as client:
        for times in range(5):
            client.send(head_of("GET", "/leak", {"a": "b"}))
            seen = ast.literal_eval(client.answer().text)
            # A shallow copy: what is in the state is shared.
            assert seen == [False, False, False, False, 2, times]


def test_a3_one_loop_for_lifespan_and_requests(server: Server) -> None:
    same, lifespan = said(server, "/same_loop")
    assert same
    assert lifespan == {"version": "3.0", "spec_version": "2.0"}


def test_a3_receive_and_send_from_other_tasks(server: Server) -> None:
    assert said(server, "/timeouts") == [
        "http.request",
        "wait_for",
        "timeout",
        "cancelled",
    ]


def test_a3_two_tasks_receive(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("POST", "/two_receive", body=b"ab"))
        client.send(b"ab")
        assert client.answer().text == "['http.request']"
    wait_event(server, ["http.request", "http.disconnect"])


def test_a3_coroutine_protocol(server: Server) -> None:
    assert said(server, "/by_hand") == [None, True, "thrown", "over", True]


def test_a4_faults_raise_out_of_send(server: Server) -> None:
    kinds = said(server, "/faults")
    assert kinds == [
        *("RuntimeError", "RuntimeError"),
        *("TypeError", "TypeError", "TypeError"),
        *("ValueError", "ValueError", "ValueError"),
        *("TypeError", "TypeError"),
        *("ValueError", "ValueError", "ValueError"),
        *("TypeError",) * 6,
        *("ValueError",) * 7,
        *("TypeError", "RuntimeError", "TypeError", "TypeError"),
    ]


@pytest.mark.parametrize("path", ["/raise_before", "/raise_late"])
def test_a5_raise_before_the_start_is_500(server: Server, path: str) -> None:
    with server.connect() as client:
        assert client.get(path).status == 500
        assert client.get("/task").status == 200
    server.wait_log(f"GET {path}: unhandled exception in the ASGI application")
    server.wait_log("LookupError: ")


def test_a5_raise_between_start_and_body_is_500(server: Server) -> None:
    answer = server.get("/raise_started")
    assert answer.status == 500
    assert answer.get("x") is None


def test_a5_raise_after_the_start_closes(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("GET", "/raise_after"))
        got = client.ends()
    assert b"4\r\nsome\r\n" in got and not got.endswith(b"0\r\n\r\n")
    server.wait_log("LookupError: after")


def test_a5_raise_after_the_answer_is_logged(server: Server) -> None:
    with server.connect() as client:
        assert client.get("/raise_done").text == "done"
        assert client.get("/task").status == 200
    server.wait_log("LookupError: done")


def test_a5_exit_ends_the_worker(serve: Servers) -> None:
    server = serve(STORY)
    server.may_die = True
    first = server.workers
    assert server.get("/exits").status == 500
    wait_for(
        lambda: server.workers and server.workers != first, "another worker"
    )


@pytest.mark.parametrize("path", ["/nothing", "/only_start"])
def test_a6_no_answer_is_500(server: Server, path: str) -> None:
    with server.connect() as client:
        assert client.get(path).status == 500
        assert client.get("/task").status == 200
    server.wait_log(f"GET {path}: the ASGI application returned")


def test_a6_half_an_answer_closes(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("GET", "/unfinished"))
        got = client.ends()
    assert b"some" in got and not got.endswith(b"0\r\n\r\n")
    server.wait_log("GET /unfinished: the ASGI application returned before")


def test_a7_send_to_nobody_is_an_oserror_and_no_error(server: Server) -> None:
    client = server.connect()
    client.send(head_of("GET", "/disconnect_before"))
    wait_event(server, "waits")
    client.close()
    gone = {"type": "http.disconnect"}
    wait_event(server, ["before", gone, gone])
    wait_event(server, "ConnectionResetError")
    assert "/disconnect_before: unhandled" not in server.stderr


def test_a7_what_is_made_of_the_oserror_is_no_error(server: Server) -> None:
    client = server.connect()
    client.send(head_of("GET", "/wrapped_disconnect"))
    assert client.head()[0] == 200
    client.reset()
    wait_event(server, "gone")
    # Whatever is logged comes before the answer to another request.
    server.get("/task")
    assert "/wrapped_disconnect" not in server.stderr


def test_a8_messages_after_the_end_are_ignored(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("GET", "/late") * 2 + head_of("GET", "/task"))
        assert client.answer().text == "done"
        assert client.answer().text == "done"
        assert client.answer().text == "[True]"
    wait_event(server, "late")


def test_a9_requests_are_cancelled_at_the_deadline(serve: Servers) -> None:
    server = serve(STORY, "--graceful-timeout", "1s")
    client = server.connect()
    client.send(head_of("GET", "/hang"))
    wait_event(server, "hangs")
    assert server.stop() == 0
    assert "cancelled" in server.stdout


def test_a9_what_follows_the_answer_may_finish(serve: Servers) -> None:
    server = serve(STORY)
    assert server.get("/background").text == "answered"
    assert server.stop() == 0
    assert "background done" in server.stdout


def test_a10_contexts_are_apart(server: Server) -> None:
    with server.connect() as client:
        for _ in range(3):
            assert client.get("/context").text == "['unset', 'set']"
    assert said(server, "/task") == [True]


def test_an_application_that_is_no_coroutine_function(serve: Servers) -> None:
    server = serve(
        "class App:\n    def __call__(self, scope, receive, send):\n"
        "        return 1\napp = App()\n",
        "--interface",
        "asgi",
    )
    assert server.get("/").status == 500
    server.wait_log("the ASGI application returned int")


# ---- B: scope ----


def scope_of(answer: Answer) -> dict[str, Any]:
    return ast.literal_eval(answer.text)


def test_b1_scope(server: Server) -> None:
    with server.connect() as client:
        port = client.sock.getsockname()[1]
        client.send(
            b"PATCH /a%2Fb%20%C3%A9?x=%20&y HTTP/1.1\r\nHost: h\r\n"
            b"X-Two:  1 \r\nx-two:\t2\t\r\nX-Empty:\r\n\r\n"
        )
        scope = scope_of(client.answer())
    state = scope.pop("state")
    assert state["number"] == 1
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "PATCH",
        "scheme": "http",
        "path": "/a/b é",
        "raw_path": b"/a%2Fb%20%C3%A9",
        "query_string": b"x=%20&y",
        "root_path": "",
        "headers": [
            (b"host", b"h"),
            (b"x-two", b"1"),
            (b"x-two", b"2"),
            (b"x-empty", b""),
        ],
        "client": ("127.0.0.1", port),
        "server": server.address,
        "extensions": {
            "http.response.pathsend": {},
            "http.response.zerocopysend": {},
        },
    }


def test_b2_http_version(server: Server) -> None:
    with server.connect() as client:
        answer = client.request("GET", "/x", version="1.0")
    assert scope_of(answer)["http_version"] == "1.0"


def test_b3_headers_repeat_and_change(server: Server) -> None:
    """The same header section over and over, and then another."""
    with server.connect() as client:
        for i in [1, 1, 1, 1, 2, 1, 2, 2, 2, 1]:
            answer = client.get("/x", a=str(i), B="c" * i)
            assert scope_of(answer)["headers"] == [
                (b"host", b"localhost"),
                (b"a", b"%d" % i),
                (b"b", b"c" * i),
            ]


def test_b3_more_headers_than_are_remembered(server: Server) -> None:
    for i in range(200):
        with server.connect() as client:
            for _ in range(3):
                scope = scope_of(client.get("/x", **{f"X-{i}": str(i)}))
                field = (b"x-%d" % i, b"%d" % i)
                assert scope["headers"] == [(b"host", b"localhost"), field]
                assert scope["client"] == client.sock.getsockname()


@pytest.mark.parametrize("method", ["GET", "DELETE", "QUERY", "BREW"])
def test_b1_methods(server: Server, method: str) -> None:
    with server.connect() as client:
        assert scope_of(client.request(method, "/x"))["method"] == method


def test_b4_root_path_is_the_beginning_of_path(serve: Servers) -> None:
    server = serve(STORY, "--root-path", "/base/")
    scope = scope_of(server.get("/x%20"))
    assert scope["root_path"] == "/base"
    assert scope["path"] == "/base/x "
    assert scope["raw_path"] == b"/base/x%20"


def test_b5_a_path_that_is_no_utf8_is_400(server: Server) -> None:
    with server.connect() as client:
        assert client.get("/a%ff").status == 400
        assert client.get("/task").status == 200


def test_b6_forwarded_by_a_trusted_proxy(serve: Servers) -> None:
    server = serve(
        STORY,
        *("--forwarded-allow-ips", "127.0.0.1"),
        *("--forwarded", "for,proto,host,prefix"),
    )
    told = {
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/shop",
    }
    for _ in range(3):
        scope = scope_of(server.get("/x", **told))
        assert scope["client"] == ("192.0.2.7", 0)
        assert scope["scheme"] == "https"
        assert scope["root_path"] == "/shop"
        assert (scope["path"], scope["raw_path"]) == ("/shop/x", b"/shop/x")
        scope = scope_of(server.get("/x"))
        assert scope["client"][0] == "127.0.0.1"
        assert (scope["scheme"], scope["path"]) == ("http", "/x")


def test_b1_unix_socket(serve: Servers, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = serve(STORY, binds=(f"unix:{path}",))
    with server.connect(str(path)) as client:
        scope = scope_of(client.get("/x"))
    assert scope["client"] is None
    assert scope["server"] == (str(path), None)


@pytest.mark.skipif(not VALIDATOR.exists(), reason="is not there")
def test_b_the_validator_is_content(serve: Servers) -> None:
    server = serve(VALIDATOR.read_text())
    with server.connect() as client:
        assert client.get("/a%20b?x=1", Accept="x").text == "ok\n"
        assert client.post("/", b"x" * 300000).text == "ok\n"
        assert client.request("GET", "/", version="1.0").text == "ok\n"


# ---- C: receive ----


def test_c1_no_content_is_one_message(server: Server) -> None:
    message = {"type": "http.request", "body": b"", "more_body": False}
    assert said(server, "/messages") == [message]
    assert ast.literal_eval(server.post("/messages", b"").text) == [message]


def test_c1_content(server: Server) -> None:
    with server.connect() as client:
        for _ in range(3):
            assert client.post("/echo", b"content").body == b"content"
            assert client.get("/echo").body == b""


def test_c2_chunks_are_not_seen(server: Server) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    with server.connect() as client:
        client.send(head + b"\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nx: y\r\n\r\n")
        assert client.answer().body == b"abcde"
        client.send_in_bytes(head + b"\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        assert client.answer().body == b"abcde"


def test_c3_after_the_answer_comes_the_disconnect(server: Server) -> None:
    with server.connect() as client:
        assert client.get("/disconnect_after_answer").text == "done"
        gone = {"type": "http.disconnect"}
        wait_event(server, [gone, gone])


def test_c4_content_that_breaks_off_is_a_disconnect(server: Server) -> None:
    client = server.connect()
    client.send(head_of("POST", "/upload", body=b"x" * 1000) + b"x" * 500)
    client.shutdown()
    assert ast.literal_eval(client.answer().text) == [
        *(500, 500, "http.disconnect")
    ]


@pytest.mark.parametrize("path", ["/cut_upload", "/cut_upload?raise"])
def test_c4_giving_up_with_the_client_is_no_error(
    server: Server, path: str
) -> None:
    client = server.connect()
    client.send(head_of("POST", path, body=b"x" * 1000) + b"x" * 500)
    client.shutdown()
    assert client.answer().status == 400
    assert "/cut_upload" not in server.stderr


def test_c5_content_comes_as_it_is_taken(server: Server) -> None:
    size = 64 << 20
    client = server.connect(timeout=60)
    client.send(head_of("POST", "/slow_upload", {"content-length": str(size)}))
    client.sock.setblocking(False)
    taken = 0
    try:
        while taken < size:
            taken += client.sock.send(b"x" * (1 << 20))
    except BlockingIOError:
        pass
    client.sock.settimeout(60)
    assert taken < size // 2
    assert server.get("/go").status == 200
    client.send(b"x" * (size - taken))
    total, largest = ast.literal_eval(client.answer().text)
    assert total == size
    assert largest <= 1 << 20


def test_c6_100_only_when_content_is_asked_for(server: Server) -> None:
    expect = {"expect": "100-continue"}
    with server.connect() as client:
        client.send(head_of("POST", "/echo", expect, b"abc"))
        got = client._until(b"\r\n\r\n")
        assert got == b"HTTP/1.1 100 Continue"
        client.send(b"abc")
        assert client.answer().body == b"abc"
    with server.connect() as client:
        client.send(head_of("POST", "/ignore_body", expect, b"abc"))
        answer = client.answer()
        assert (answer.text, answer.interim) == ("ignored", [])
        assert answer.get("connection") == "close"


def test_content_nobody_reads(server: Server) -> None:
    with server.connect() as client:
        assert client.post("/ignore_body", b"x" * 9000).text == "ignored"
        assert client.get("/task").status == 200


def test_c_cancelled_receive_loses_nothing(server: Server) -> None:
    path = "/cancelled_receive_loses_nothing"
    assert server.post(path, b"x" * 100).body == b"x" * 100


def test_content_over_the_limit_is_413(serve: Servers) -> None:
    server = serve(STORY, "--limit-body", "1k")
    assert server.post("/echo", b"x" * 1024).status == 200
    assert server.post("/echo", b"x" * 1025).status == 413
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    with server.connect() as client:
        client.send(head + b"\r\n401\r\n" + b"x" * 1025 + b"\r\n0\r\n\r\n")
        assert client.answer().status == 413
    assert "unhandled" not in server.stderr


# ---- D: send ----


def test_d2_fields_in_order(server: Server) -> None:
    answer = server.get("/order")
    assert answer.headers[:4] == [
        *(("set-cookie", "0"), ("x-a", "1")),
        *(("set-cookie", "2"), ("x-b", "3")),
    ]


def test_d2_lenient(server: Server) -> None:
    answer = server.get("/lenient")
    assert answer.body == b"bytearray"
    assert answer.get("x-upper") == "a"
    assert answer.get("set-cookie") == "a=1"


def test_d1_defaults(server: Server) -> None:
    assert server.get("/default").status == 204


def test_d4_pieces_are_sent_at_once(serve: Servers) -> None:
    server = serve(STORY)
    with server.connect() as client:
        client.send(head_of("GET", "/step"))
        assert client.head()[0] == 200
        chunks = client.chunks()
        assert next(chunks) == b"one"
        server.get("/go")
        assert list(chunks) == [b"two"]


def test_d5_send_waits_for_a_slow_client(server: Server) -> None:
    client = server.connect()
    client.send(head_of("GET", "/flood"))
    assert client.head()[0] == 200
    counts: list[int] = []

    def stands() -> bool:
        counts.append(int(server.get("/sent").text))
        return len(counts) > 20 and len(set(counts[-20:])) == 1

    wait_for(stands, "it does not send any more")
    assert 0 < counts[-1] < 32 << 20
    assert sum(len(chunk) for chunk in client.chunks()) == 64 << 20


def test_d5_a_send_that_waits_hears_of_the_end(server: Server) -> None:
    client = server.connect()
    client.send(head_of("GET", "/flood"))
    assert client.head()[0] == 200
    client.reset()
    wait_event(server, "flood over")
    assert "/flood: unhandled" not in server.stderr


def test_d6_framing(server: Server) -> None:
    with server.connect() as client:
        answer = client.get("/stream")
        assert (answer.text, answer.framing) == (
            *("part0 part1 part2 ", "chunked"),
        )
        answer = client.get("/declared")
        assert (answer.text, answer.framing) == ("1234567890", "length")
        answer = client.get("/framing")
        assert (answer.text, answer.framing) == ("framed", "length")
        assert answer.get("upgrade") is None
        assert answer.get("keep-alive") is None
        answer = client.request("GET", "/stream", version="1.0")
        assert (answer.text, answer.framing) == (
            *("part0 part1 part2 ", "close"),
        )


def test_d7_head(server: Server) -> None:
    with server.connect() as client:
        for path in ("/stream", "/declared", "/big", "/order", "/pathsend"):
            answer = client.request("HEAD", path)
            assert answer.status == 200
            assert answer.body == b""
        assert client.request("HEAD", "/declared").get("content-length") == (
            "10"
        )
        assert client.request("HEAD", "/order").get("content-length") is None
        assert client.get("/task").status == 200


def test_d8_server_and_date_once(server: Server) -> None:
    answer = server.get("/framing")
    assert len(answer.get_all("date")) == 1
    assert answer.get("date") != "x"
    assert answer.get_all("server") == ["mine"]


def test_d10_too_long_is_an_error_of_send(server: Server) -> None:
    with server.connect() as client:
        answer = client.get("/long")
        assert answer.body == b"long"
        assert client.get("/too_long").status == 500
    wait_event(server, "too long")
    server.wait_log("longer than its content-length")


def test_d10_too_short_closes(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("GET", "/short"))
        assert client.ends().endswith(b"short")


def test_d11_close(server: Server) -> None:
    with server.connect() as client:
        answer = client.get("/close")
        assert answer.get("connection") == "close"
        assert client.ends() == b""


def test_big_answers(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("GET", "/big") * 5)
        for _ in range(5):
            assert len(client.answer().body) == 1 << 20


def test_an_upgrade_that_is_not_wanted_is_ignored(server: Server) -> None:
    with server.connect() as client:
        answer = client.get("/x", Connection="Upgrade", Upgrade="h2c")
        assert scope_of(answer)["type"] == "http"


# ---- E: lifespan ----


def lifespan_app(*lines: str) -> str:
    body = "\n".join("        " + line for line in lines)
    return (
        "async def app(scope, receive, send):\n"
        "    if scope['type'] == 'lifespan':\n"
        f"{body}\n        return\n"
        "    await send({'type': 'http.response.start', 'status': 200})\n"
        "    await send({'type': 'http.response.body'})\n"
    )


def test_e1_to_e5_start_and_stop(serve: Servers) -> None:
    server = serve(STORY, "--workers", "2")
    wait_for(lambda: server.stderr.count(" ready after ") == 2, "two workers")
    assert server.stop() == 0
    # E7: once per worker
    line = "shut down {'type': 'lifespan.shutdown'}\n"
    assert server.stdout.count(line) == 2


def test_e3_an_exception_means_unsupported(serve: Servers) -> None:
    server = serve(lifespan_app("raise KeyError(1)"), "--lifespan", "auto")
    assert server.get("/").status == 200
    assert "KeyError" not in server.stderr


@pytest.mark.parametrize(
    ("lines", "mode", "why"),
    [
        (["raise KeyError('no')"], "on", "KeyError: 'no'"),
        (["pass"], "on", "without lifespan.startup.complete"),
        (
            [
                "await receive()",
                "await send({'type': 'lifespan.startup.failed',"
                " 'message': 'no database'})",
            ],
            "auto",
            "no database",
        ),
    ],
    ids=["raises", "returns", "failed"],
)
def test_e4_a_failure_ends_the_server(
    serve: Servers, lines: list[str], mode: str, why: str
) -> None:
    options = ("--lifespan", mode, "--boot-failures", "1")
    server = serve(lifespan_app(*lines), *options, ready=False)
    server.may_die = True
    assert server.exit_status() == 3
    assert why in server.stderr


def test_e_off_asks_nothing(serve: Servers) -> None:
    server = serve(lifespan_app("raise SystemExit(9)"), "--lifespan", "off")
    assert server.get("/").status == 200


def test_e5_shutdown_failures_are_logged(serve: Servers) -> None:
    server = serve(
        lifespan_app(
            "await receive()",
            "await send({'type': 'lifespan.startup.complete'})",
            "await receive()",
            "await send({'type': 'lifespan.shutdown.failed',"
            " 'message': 'still busy'})",
        )
    )
    assert server.stop() == 0
    assert "still busy" in server.stderr


def test_e5_shutdown_has_a_limit(serve: Servers) -> None:
    server = serve(
        lifespan_app(
            "import asyncio",
            "await receive()",
            "await send({'type': 'lifespan.startup.complete'})",
            "await receive()",
            "await asyncio.sleep(1000)",
        ),
        *("--graceful-timeout", "1s"),
    )
    server.may_die = True
    server.stop()
    assert "no lifespan.shutdown.complete" in server.stderr


def test_e6_leaving_after_start_up_is_fine(serve: Servers) -> None:
    server = serve(
        lifespan_app(
            "await receive()",
            "await send({'type': 'lifespan.startup.complete'})",
        )
    )
    assert server.get("/").status == 200
    assert server.stop() == 0
    assert "lifespan" not in server.stderr


def test_e_messages_out_of_order_raise(serve: Servers) -> None:
    server = serve(
        lifespan_app(
            "await receive()",
            "await send({'type': 'lifespan.startup.complete'})",
            "for kind in ['startup.complete', 'shutdown.complete', 'x']:",
            "    try:",
            "        await send({'type': 'lifespan.' + kind})",
            "    except (RuntimeError, ValueError) as error:",
            "        print(type(error).__name__, flush=True)",
        )
    )
    wait_for(lambda: server.stdout.count("\n") >= 3, "three errors")
    assert server.stdout == "RuntimeError\nRuntimeError\nValueError\n"


# ---- F: extensions ----


FILE = b"0123456789" * 10


def test_f1_pathsend(server: Server) -> None:
    with server.connect() as client:
        for _ in range(3):
            answer = client.get("/pathsend")
            assert (answer.body, answer.framing) == (FILE, "length")
            assert answer.get("content-type") == "text/plain"
        assert client.request("HEAD", "/pathsend").get("content-length") == (
            "100"
        )
        answer = client.get("/pathsend_length?100")
        assert answer.body == FILE
        assert client.get("/pathsend_mixed").text == (
            "somehttp.response.pathsend where more of the body is due"
        )


@pytest.mark.parametrize(
    "path", ["/pathsend_missing", "/pathsend_folder", "/pathsend_length?99"]
)
def test_f1_pathsend_that_fails_is_500(server: Server, path: str) -> None:
    with server.connect() as client:
        assert client.get(path).status == 500
        assert client.get("/task").status == 200


def test_f1_pathsend_that_is_short_closes(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("GET", "/pathsend_length?101"))
        assert client.ends().endswith(FILE)


def test_f2_zerocopysend(server: Server) -> None:
    with server.connect() as client:
        answer = client.get("/zerocopy")
        assert (answer.text, answer.framing) == (
            *("56789-012-12-56789.", "chunked"),
        )
        answer = client.get("/zerocopy_rest")
        assert (answer.body, answer.framing) == (FILE, "length")


def test_f3_trailers(server: Server) -> None:
    with server.connect() as client:
        te = {"TE": "trailers", "Connection": "TE"}
        answer = client.request("GET", "/x", te)
        assert "http.response.trailers" in scope_of(answer)["extensions"]
        client.send(head_of("GET", "/trailers", te))
        client.head()
        got = client._until(b"\r\n\r\n")
        assert got == b"4\r\nsome\r\n5\r\nthing\r\n0\r\nx-sum: 1\r\nx-b: 2"
        # Nobody asked for them: they are dropped.
        answer = client.get("/trailers")
        assert answer.text == "something"
        assert client.get("/task").status == 200
    wait_event(server, "trailers sent")


def test_f4_early_hints(serve: Servers) -> None:
    server = serve(STORY, "--early-hints")
    with server.connect() as client:
        answer = client.get("/hints")
        assert (answer.text, answer.interim) == ("True", [103, 103])
        answer = client.request("GET", "/hints", version="1.0")
        assert (answer.text, answer.interim) == ("False", [])


def test_f4_early_hints_are_off(server: Server) -> None:
    answer = server.get("/hints")
    assert (answer.text, answer.interim) == ("False", [])


# ---- shutdown ----


def test_an_answer_under_way_is_completed(serve: Servers) -> None:
    server = serve(STORY)
    client = server.connect()
    client.send(head_of("GET", "/step"))
    assert client.head()[0] == 200
    chunks = client.chunks()
    assert next(chunks) == b"one"
    other = server.connect()
    assert other.get("/x").status == 200
    os.kill(server.pid, signal.SIGTERM)
    assert other.get("/go").status == 200
    assert list(chunks) == [b"two"]
    assert server.exit_status() == 0
