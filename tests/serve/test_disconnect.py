"""A client that goes away while its handler is at work."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from serving import Servers, wait_for

APP = """
import asyncio
from rupy import Rupy

app = Rupy()
seen = []

@app.get("/wait")
async def wait(request):
    try:
        await asyncio.sleep(0.4)
    except asyncio.CancelledError:
        seen.append("cancelled")
        raise
    seen.append(f"ended, disconnected: {request.is_disconnected()}")
    return "late"

@app.get("/seen")
def seen_so_far(request):
    return seen
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gone.py").write_text(textwrap.dedent(APP))
    return tmp_path


def ask(port_of: object, path: str) -> str:
    client = port_of.connect()  # type: ignore[attr-defined]
    with client:
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
        return client.answer().body.decode()


def test_a_handler_runs_on_and_can_see_that_its_client_is_gone(
    serve: Servers, folder: Path
) -> None:
    server = serve("gone:app", "--app-dir", str(folder))
    with server.connect() as client:
        client.send(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
    wait_for(
        lambda: "ended, disconnected: true" in ask(server, "/seen").lower(),
        "the handler saw it",
        5,
    )


def test_a_handler_is_cancelled_when_that_was_asked_for(
    serve: Servers, folder: Path
) -> None:
    server = serve(
        "gone:app", "--app-dir", str(folder), "--cancel-on-disconnect"
    )
    with server.connect() as client:
        client.send(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
    wait_for(lambda: ask(server, "/seen") == '["cancelled"]', "cancelled", 5)
    # The worker and other connections live, and nothing is reported.
    assert ask(server, "/wait") == "late"
    assert "Traceback" not in server.stderr


def test_a_half_closed_client_gets_its_answer_unless_it_is_cancelled(
    serve: Servers, folder: Path
) -> None:
    server = serve("gone:app", "--app-dir", str(folder))
    with server.connect() as client:
        client.send(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        client.shutdown()
        assert client.answer().body == b"late"
