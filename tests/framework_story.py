"""What the stories of frameworks on ASGI share: an application behind the
linter, and WebSockets that it denies or closes."""

from __future__ import annotations

import sys

import pytest
from asgi_said import LINTED, check_linter
from serving import Server, Servers
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Response
from websockets.sync.client import ClientConnection, connect


def serve_linted(serve: Servers, app: str, *options: str) -> Server:
    """With the packages that the tests themselves have."""
    return serve(app, *LINTED, "--venv", sys.prefix, *options)


def check_ended(server: Server) -> None:
    """Nobody broke a rule, and the lifespan was a whole one."""
    check_linter(server)
    assert server.stop() == 0
    assert server.stdout == "up\ndown\n"


def denial(url: str) -> Response:
    """What a handshake is answered that must not be accepted."""
    with pytest.raises(InvalidStatus) as denied, connect(url, proxy=None):
        pass
    return denied.value.response


def close_of(ws: ClientConnection) -> tuple[int, str]:
    """The code and reason with which the server closes now."""
    with pytest.raises(ConnectionClosed) as closed:
        ws.recv(10)
    assert closed.value.rcvd
    return closed.value.rcvd.code, closed.value.rcvd.reason
