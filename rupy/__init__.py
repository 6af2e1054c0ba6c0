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
from typing import Any
from urllib.parse import quote

from ._content import RequestStream
from ._core import FileResponse, Headers, Request, Response, WebSocket
from ._errors import (
    ClientDisconnect,
    HeaderItems,
    HTTPError,
    WebSocketDisconnect,
    WebSocketError,
)
from ._forms import Form, UploadFile
from ._json import dumps as _dumps
from ._loop import EventLoop, run
from ._streaming import Event, EventStream, StreamingResponse
from .app import Route, Rupy

# From 3.14 on asyncio has no policies to speak of.
if sys.version_info < (3, 14):
    from ._loop import EventLoopPolicy

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

if sys.version_info < (3, 14):
    __all__ += ["EventLoopPolicy"]


def redirect(
    url: str, status: int = 303, headers: HeaderItems | None = None
) -> Response:
    """An answer that sends the client to url (RFC 9110 15.4).

    ``status`` is 301, 302, 303, 307 or 308.  In url, which may be relative,
    whatever a URI cannot have is percent-encoded; what is encoded already
    stays.

    Raises ValueError for another status.
    """
    if status not in (301, 302, 303, 307, 308):
        raise ValueError(f"redirect: status {status} is no redirection")
    response = Response(b"", status, headers)
    # RFC 3986 2.2, 2.3: reserved characters, "%" and what quote() keeps.
    response.headers["location"] = quote(url, safe=":/?#[]@!$&'()*+,;=%")
    return response


def json(
    content: Any, status: int = 200, headers: HeaderItems | None = None
) -> Response:
    """An answer of JSON, whatever the content is: str and None included.

    Raises TypeError or ValueError for what JSON cannot say.
    """
    return Response(_dumps(content), status, headers, "application/json")
