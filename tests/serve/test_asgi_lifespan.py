"""The lifespan of an ASGI application (ASGI lifespan 2.0).

A test is named by the line of the list of requirements that it is about.
"""

from __future__ import annotations

import pytest
from asgi_said import said, serve_story
from serving import Server, Servers, wait_for


def lifespan_app(*lines: str) -> str:
    body = "\n".join("        " + line for line in lines)
    return (
        "async def app(scope, receive, send):\n"
        "    if scope['type'] == 'lifespan':\n"
        f"{body}\n        return\n"
        "    await send({'type': 'http.response.start', 'status': 200})\n"
        "    await send({'type': 'http.response.body'})\n"
    )


def test_e0_its_spec_version_is_its_own(story: Server) -> None:
    scope, _ = said(story, "/lifespan")
    assert scope["asgi"]["spec_version"] == "2.0"


def test_e1_scope(story: Server) -> None:
    scope, _ = said(story, "/lifespan")
    state = scope.pop("state")
    assert state == {"shared": [], "number": 1}
    assert scope == {
        "type": "lifespan",
        "asgi": {"version": "3.0", "spec_version": "2.0"},
    }


def test_e2_startup_comes_once(story: Server) -> None:
    _, startups = said(story, "/lifespan")
    assert startups == 1


def test_e2_nobody_is_served_before_it_is_complete(serve: Servers) -> None:
    server = serve(
        lifespan_app(
            "import asyncio",
            "await receive()",
            "await asyncio.sleep(0.3)",
            "print('complete', flush=True)",
            "await send({'type': 'lifespan.startup.complete'})",
            "await receive()",
        ),
        ready=False,
    )
    server.wait_ready()
    assert server.stdout == "complete\n"


def test_e5_shutdown_comes_when_all_requests_are_over(serve: Servers) -> None:
    server = serve_story(serve)
    assert server.get("/background").text == "answered"
    assert server.stop() == 0
    assert server.stdout == (
        "background done\nshut down {'type': 'lifespan.shutdown'}\n"
    )


def test_e7_once_in_each_worker(serve: Servers) -> None:
    server = serve_story(serve, "--workers", "2")
    wait_for(lambda: server.stderr.count(" ready after ") == 2, "two workers")
    for _ in range(4):
        assert said(server, "/lifespan")[1] == 1
    assert server.stop() == 0
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


def test_e3_off_asks_nothing(serve: Servers) -> None:
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


def test_e2_messages_out_of_order_raise(serve: Servers) -> None:
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
