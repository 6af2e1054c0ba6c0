"""Testing applications: clients without a port, and a server with one.

    from rupy.testing import TestClient

    def test_index():
        with TestClient(app) as client:
            assert client.get("/").text == "Hello, World!"

The fixtures ``rupy_client`` and ``rupy_server`` of pytest are in
``rupy.testing.pytest_plugin``, which pytest finds by itself.
"""

from __future__ import annotations

from ._async import AsyncStreamResponse, AsyncTestClient, AsyncWebSocket
from ._client import StreamResponse, TestClient
from ._request import Response, TooManyRedirects
from ._serving import Server
from ._websocket import WebSocket, WebSocketDenied
from ._wire import ProtocolError

__all__ = [
    "AsyncStreamResponse",
    "AsyncTestClient",
    "AsyncWebSocket",
    "ProtocolError",
    "Response",
    "Server",
    "StreamResponse",
    "TestClient",
    "TooManyRedirects",
    "WebSocket",
    "WebSocketDenied",
]
