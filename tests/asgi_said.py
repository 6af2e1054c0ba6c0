"""What the stories about ASGI share: asking the application that is in
tests/serve/asgi_story, and reading what it says."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from serving import Answer, Server, Servers, wait_for

FOLDER = Path(__file__).parent / "serve"
# For applications that bring the linter along.
LINTED = ("--app-dir", ".", "--app-dir", str(FOLDER))


def serve_story(serve: Servers, *options: str, **more: Any) -> Server:
    """Its application, with the linter before it."""
    return serve("asgi_story:app", "--app-dir", str(FOLDER), *options, **more)


def check_linter(server: Server) -> None:
    """Neither side broke a rule."""
    lines = server.stdout.splitlines()
    breaches = [line for line in lines if line.startswith("VIOLATION")]
    assert not breaches, "\n".join(breaches)


def said(server: Server, path: str, **headers: str) -> Any:
    answer = server.get(path, **headers)
    assert answer.status == 200, (answer, server.stderr[-3000:])
    return ast.literal_eval(answer.text)


def scope_of(answer: Answer) -> dict[str, Any]:
    scope: dict[str, Any] = ast.literal_eval(answer.text)
    return scope


def events(server: Server) -> list[Any]:
    happened: list[Any] = said(server, "/events")
    return happened


def wait_event(server: Server, event: Any) -> None:
    wait_for(lambda: event in events(server), f"event {event!r}")


def wait_happened(client: Any, what: str) -> None:
    """Until an application, asked by a client of httpx, has noted it."""
    wait_for(lambda: what in client.get("/happened").json(), what)
