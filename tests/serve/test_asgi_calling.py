"""How an ASGI application is called (ASGI 3, "Applications").

A test is named by the line of the list of requirements that it is about.
"""

from __future__ import annotations

import ast
import os
import signal

import pytest
from asgi_said import said, serve_story, wait_event
from serving import Server, Servers, head_of, wait_for


def test_a1_each_request_is_one_call(story: Server) -> None:
    before = said(story, "/calls")
    with story.connect() as client:
        client.send(head_of("GET", "/x") * 3)
        for _ in range(3):
            assert client.answer().status == 200
    after = said(story, "/calls")
    assert after == {"lifespan": 1, "http": before["http"] + 4}


@pytest.mark.parametrize(
    "made",
    [
        "app = App()",
        "app = App().method",
        "import functools; app = functools.partial(App.three, None)",
    ],
    ids=["object", "method", "partial"],
)
def test_a1_any_callable_is_an_application(serve: Servers, made: str) -> None:
    server = serve(
        f"""
class App:
    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            await send({{"type": "http.response.start", "status": 200}})
            await send({{"type": "http.response.body", "body": b"called"}})
    async def method(self, scope, receive, send):
        await self(scope, receive, send)
    async def three(self, scope, receive, send):
        await App()(scope, receive, send)
{made}
"""
    )
    assert server.get("/").text == "called"


def test_a2_scopes_are_fresh(story: Server) -> None:
    with story.connect() as client:
        for times in range(5):
            client.send(head_of("GET", "/leak", {"a": "b"}))
            seen = ast.literal_eval(client.answer().text)
            # A shallow copy: what is in the state is shared.
            assert seen == [False, False, False, False, 2, times]


def test_a3_one_loop_for_lifespan_and_requests(story: Server) -> None:
    assert said(story, "/same_loop")


def test_a3_receive_and_send_from_other_tasks(story: Server) -> None:
    assert said(story, "/timeouts") == [
        "http.request",
        "wait_for",
        "timeout",
        "cancelled",
    ]


def test_a3_two_tasks_receive(story: Server) -> None:
    with story.connect() as client:
        client.send(head_of("POST", "/two_receive", body=b"ab"))
        client.send(b"ab")
        assert client.answer().text == "['http.request']"
    wait_event(story, ["http.request", "http.disconnect"])


def test_a3_coroutine_protocol(story: Server) -> None:
    assert said(story, "/by_hand") == [None, True, "thrown", "over", True]


def test_a4_faults_raise_out_of_send(story: Server) -> None:
    kinds = said(story, "/faults")
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
def test_a5_raise_before_the_start_is_500(story: Server, path: str) -> None:
    with story.connect() as client:
        assert client.get(path).status == 500
        assert client.get("/task").status == 200
    story.wait_log(f"GET {path}: unhandled exception in the ASGI application")
    story.wait_log("LookupError: ")


def test_a5_raise_between_start_and_body_is_500(story: Server) -> None:
    answer = story.get("/raise_started")
    assert answer.status == 500
    assert answer.get("x") is None


def test_a5_raise_after_the_start_closes(story: Server) -> None:
    with story.connect() as client:
        client.send(head_of("GET", "/raise_after"))
        got = client.ends()
    assert b"4\r\nsome\r\n" in got and not got.endswith(b"0\r\n\r\n")
    story.wait_log("LookupError: after")


def test_a5_raise_after_the_answer_is_logged(story: Server) -> None:
    with story.connect() as client:
        assert client.get("/raise_done").text == "done"
        assert client.get("/task").status == 200
    story.wait_log("LookupError: done")


def test_a5_exit_ends_the_worker(serve: Servers) -> None:
    server = serve_story(serve)
    server.may_die = True
    first = server.workers
    assert server.get("/exits").status == 500
    wait_for(
        lambda: server.workers and server.workers != first, "another worker"
    )


@pytest.mark.parametrize("path", ["/nothing", "/only_start"])
def test_a6_no_answer_is_500(story: Server, path: str) -> None:
    with story.connect() as client:
        assert client.get(path).status == 500
        assert client.get("/task").status == 200
    story.wait_log(f"GET {path}: the ASGI application returned")


def test_a6_half_an_answer_closes(story: Server) -> None:
    with story.connect() as client:
        client.send(head_of("GET", "/unfinished"))
        got = client.ends()
    assert b"some" in got and not got.endswith(b"0\r\n\r\n")
    story.wait_log("GET /unfinished: the ASGI application returned before")


def test_a7_send_to_nobody_is_an_oserror_and_no_error(story: Server) -> None:
    client = story.connect()
    client.send(head_of("GET", "/disconnect_before"))
    wait_event(story, "waits")
    client.close()
    wait_event(story, "ConnectionResetError")
    assert "/disconnect_before: unhandled" not in story.stderr


def test_a7_what_is_made_of_the_oserror_is_no_error(story: Server) -> None:
    client = story.connect()
    client.send(head_of("GET", "/wrapped_disconnect"))
    assert client.head()[0] == 200
    client.reset()
    wait_event(story, "gone")
    # Whatever is logged comes before the answer to another request.
    story.get("/task")
    assert "/wrapped_disconnect" not in story.stderr


def test_a8_messages_after_the_end_are_ignored(story: Server) -> None:
    with story.connect() as client:
        client.send(head_of("GET", "/late") * 2 + head_of("GET", "/task"))
        assert client.answer().text == "done"
        assert client.answer().text == "done"
        assert client.answer().status == 200
    wait_event(story, "late")


def test_a9_requests_are_cancelled_at_the_deadline(serve: Servers) -> None:
    server = serve_story(serve, "--graceful-timeout", "1s")
    client = server.connect()
    client.send(head_of("GET", "/hang"))
    wait_event(server, "hangs")
    assert server.stop() == 0
    assert "cancelled" in server.stdout


def test_a9_what_follows_the_answer_may_finish(serve: Servers) -> None:
    server = serve_story(serve)
    assert server.get("/background").text == "answered"
    assert server.stop() == 0
    assert "background done" in server.stdout


def test_a10_contexts_are_apart(story: Server) -> None:
    with story.connect() as client:
        for _ in range(3):
            assert client.get("/context").text == "['unset', 'set']"


def test_a10_the_current_task_has_a_name(story: Server) -> None:
    is_task, name, others = said(story, "/task")
    assert is_task
    assert name
    assert name not in others


LOGGING = """
import logging, sys

class Handler(logging.Handler):
    def emit(self, record):
        kind = record.exc_info and record.exc_info[0].__name__
        print(record.name, record.levelname, record.getMessage(), kind,
              flush=True)

logging.getLogger(%r).addHandler(Handler())

async def app(scope, receive, send):
    raise LookupError("logged")
"""


@pytest.mark.parametrize("name", ["", "rupy", "rupy.error"])
def test_a11_exceptions_go_to_the_logger(serve: Servers, name: str) -> None:
    server = serve(LOGGING % name)
    assert server.get("/path").status == 500
    line = (
        "rupy.error ERROR GET /path: unhandled exception in the ASGI"
        " application: LookupError LookupError\n"
    )
    wait_for(lambda: line in server.stdout, "it is logged")
    assert "unhandled" not in server.stderr


def test_a11_a_path_does_not_break_the_line(serve: Servers) -> None:
    server = serve(LOGGING % "rupy")
    assert server.get("/a%0Ab%1B").status == 500
    wait_for(lambda: "'/a\\nb\\x1b': unhandled" in server.stdout, "its line")


def test_a11_without_logging_there_is_our_log(serve: Servers) -> None:
    server = serve(LOGGING % "other")
    assert server.get("/path").status == 500
    server.wait_log("GET /path: unhandled exception")
    server.wait_log("Traceback (most recent call last)")
    server.wait_log("LookupError: logged")
    assert server.stdout == ""


def test_a11_a_logger_that_fails_harms_nobody(serve: Servers) -> None:
    server = serve(
        LOGGING % "rupy" + "Handler.emit = lambda self, record: 1 / 0\n"
    )
    assert server.get("/path").status == 500
    server.wait_log("GET /path: unhandled exception")
    server.wait_log("LookupError: logged")


def test_an_application_that_is_no_coroutine_function(serve: Servers) -> None:
    server = serve(
        "class App:\n    def __call__(self, scope, receive, send):\n"
        "        return 1\napp = App()\n",
        "--interface",
        "asgi",
    )
    assert server.get("/").status == 500
    server.wait_log("the ASGI application returned int")


def test_a9_an_answer_under_way_is_completed(serve: Servers) -> None:
    server = serve_story(serve)
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
