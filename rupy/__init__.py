"""The framework: applications that rupy-serve runs without a layer between.

    from rupy import Rupy

    app = Rupy()

    @app.get("/")
    def index(request):
        return "Hello, World!"

Served by ``rupy-serve module:app``, ``python -m rupy module:app`` or
``app.run()``.  The manual is rupy(7).
"""

from __future__ import annotations

import sys

# typing itself is more than a worker needs that serves something else.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._content import RequestStream
    from ._core import FileResponse, Headers, Request, Response, WebSocket
    from ._errors import (
        ClientDisconnect,
        HTTPError,
        WebSocketDisconnect,
        WebSocketError,
    )
    from ._forms import Form, UploadFile
    from ._loop import EventLoop, EventLoopPolicy, run
    from ._shortcuts import json, redirect
    from ._streaming import Event, EventStream, StreamingResponse
    from .app import Route, Rupy

__version__ = "0.1.0"

__all__ = [
    "ClientDisconnect",
    "Event",
    "EventLoop",
    "EventStream",
    "FileResponse",
    "Form",
    "HTTPError",
    "Headers",
    "Request",
    "RequestStream",
    "Response",
    "Route",
    "Rupy",
    "StreamingResponse",
    "UploadFile",
    "WebSocket",
    "WebSocketDisconnect",
    "WebSocketError",
    "__version__",
    "json",
    "redirect",
    "run",
]

# From 3.14 on asyncio has no policies to speak of.
if sys.version_info < (3, 14):
    __all__ += ["EventLoopPolicy"]

# Each is imported when it is first asked for: this package is also imported
# where ASGI and WSGI applications are served, which need none of them.
_HOMES = {
    "_content": ("RequestStream",),
    "_core": ("FileResponse", "Headers", "Request", "Response", "WebSocket"),
    "_errors": (
        "ClientDisconnect",
        "HTTPError",
        "WebSocketDisconnect",
        "WebSocketError",
    ),
    "_forms": ("Form", "UploadFile"),
    "_loop": ("EventLoop", "EventLoopPolicy", "run"),
    "_shortcuts": ("json", "redirect"),
    "_streaming": ("Event", "EventStream", "StreamingResponse"),
    "app": ("Route", "Rupy"),
}


def __getattr__(name: str) -> object:
    if name in __all__:
        for home, names in _HOMES.items():
            if name in names:
                module = __import__(f"{__name__}.{home}", fromlist=(name,))
                value = globals()[name] = getattr(module, name)
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
