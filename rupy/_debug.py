"""The page that --debug shows for an exception that nobody handled."""

from __future__ import annotations

import html
import traceback

from . import _core

# Whoever sees the page, or a picture of it, must not get in with these.
_SECRET = (
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "x-api-key",
)

_STYLE = (
    "body{font:16px/1.4 sans-serif;margin:2em;color:#222}"
    "pre{background:#f4f4f4;padding:1em;overflow:auto}"
    "table{border-collapse:collapse}"
    "td{padding:.2em 1em .2em 0;vertical-align:top;font-family:monospace}"
)


def page(request: _core.Request, error: BaseException) -> _core.Response:
    """HTML for a client that takes it, else plain text; status 500."""
    text = "".join(traceback.format_exception(error))
    text = text.encode("utf-8", "backslashreplace").decode()
    if "text/html" not in request.headers.get("accept", ""):
        return _core.Response(text, 500)
    title = f"{type(error).__name__}: {error}".partition("\n")[0]
    title = title.encode("utf-8", "backslashreplace").decode()
    rows = [
        ("method", request.method),
        ("path", request.path),
        ("query", request.query_string),
        ("route", str(request.route)),
        ("client", str(request.client)),
    ]
    headers = [
        (name, "********" if name.lower() in _SECRET else value)
        for name, value in request.headers.items()
    ]
    return _core.Response(
        f"<!doctype html><html><head><meta charset=utf-8>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{html.escape(title)}</h1>"
        f"<pre>{html.escape(text)}</pre>"
        f"<h2>Request</h2>{_table(rows)}"
        f"<h2>Headers</h2>{_table(headers)}</body></html>",
        500,
        {"cache-control": "no-store"},
        content_type="text/html; charset=utf-8",
    )


def _table(rows: list[tuple[str, str]]) -> str:
    cells = (
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"
        for name, value in rows
    )
    return f"<table>{''.join(cells)}</table>"
