"""The page of ``app.openapi``, and the routes that it and the document have."""

from __future__ import annotations

import base64
import hashlib
import html
import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import _core, _json
from .openapi import document, operation

if TYPE_CHECKING:
    from .app import Rupy

_TEMPLATE = Path(__file__).with_name("_docs.html")


def add_routes(
    app: Rupy,
    path: str,
    docs: str | None,
    title: str,
    version: str,
    description: str | None,
    servers: Sequence[str],
) -> None:
    """Made when a worker starts: all routes are known then, and what is
    wrong with a type stops the server."""
    for what, text in (("title", title), ("version", version)):
        if not isinstance(text, str) or not text:
            raise ValueError(f"openapi: {what} {text!r} is no text")
    if isinstance(servers, str):
        raise TypeError(f"openapi: servers is {servers!r}, not a list")
    for where in (path, docs):
        if where is not None and ("<" in where or not where.startswith("/")):
            raise ValueError(f"openapi: {where!r} is no literal path")
    ready: dict[str, Any] = {}

    @app.on_startup
    def make_openapi() -> None:
        ready.update(
            document(
                app,
                title=title,
                version=version,
                description=description,
                servers=servers,
            )
        )

    @app.get(path)
    @operation(hidden=True)
    def openapi_json(request: _core.Request) -> _core.Response:
        prefix = request.path[: -len(path)]
        whole = ready
        if prefix and not servers:  # mounted: the paths are below that
            whole = {**ready, "servers": [{"url": prefix}]}
        return _core.Response(
            _json.dumps(whole), content_type="application/json"
        )

    if docs is not None:
        answer = _page(title, path, docs, servers)

        @app.get(docs)
        @operation(hidden=True)
        def openapi_docs() -> _core.Response:
            content, fields = answer
            return _core.Response(
                content, 200, fields, "text/html; charset=utf-8"
            )


def _page(
    title: str, path: str, docs: str, servers: Sequence[str]
) -> tuple[bytes, dict[str, str]]:
    """The page, and fields that let nothing else run in it."""
    # Relative, since the application may be mounted.
    where = posixpath.relpath(path, posixpath.dirname(docs))
    text = _TEMPLATE.read_text("utf-8")
    style = _between(text, "<style>", "</style>")
    script = _between(text, "<script>", "</script>")
    text = text.replace("{{title}}", html.escape(title), 1)
    text = text.replace("{{document}}", html.escape(where), 1)
    connect = ["'self'", *_origins(servers)]
    policy = (
        f"default-src 'none'; script-src {_hash(script)};"
        f" style-src {_hash(style)}; connect-src {' '.join(connect)};"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return text.encode(), {
        "content-security-policy": policy,
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def _hash(text: str) -> str:
    """CSP Level 3, 2.3.1: this text and no other."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _origins(servers: Sequence[str]) -> list[str]:
    found = []
    for url in servers:
        parts = urlsplit(url)
        if parts.scheme and parts.netloc:
            found.append(f"{parts.scheme}://{parts.netloc}")
        if any(c in url for c in " ;,'\"\r\n\t"):
            raise ValueError(f"openapi: the server {url!r} is no URL")
    return found
