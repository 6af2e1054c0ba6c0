"""The content of requests: whole, or piece by piece as it comes."""

from __future__ import annotations

import asyncio
from typing import Any

from . import _core, _forms
from ._errors import HTTPError

_TOO_EARLY = (
    "the route has stream=True, and its content was not read: first"
    " `await request.read()`, or iterate over request.stream()"
)
_FORM_TOO_EARLY = (
    "the route has stream=True: `await request.read_form()` reads the form"
)


class RequestStream:
    """The content of a request, as it comes: pieces of bytes, none empty.

    ``async for`` in an async handler, ``for`` in a handler that runs in a
    thread.  Nothing is read ahead of who iterates but what the server's
    buffers hold, so a slow reader slows the client down.
    """

    __slots__ = ("_content",)

    def __init__(self, content: _core.Content) -> None:
        self._content = content

    def __aiter__(self) -> RequestStream:
        return self

    async def __anext__(self) -> bytes:
        piece = await next_piece(self._content)
        if not piece:
            raise StopAsyncIteration
        return piece

    def __iter__(self) -> RequestStream:
        return self

    def __next__(self) -> bytes:
        piece = next_piece_in_thread(self._content)
        if not piece:
            raise StopIteration
        return piece


class _WholeStream(RequestStream):
    """The same for content that is there already."""

    __slots__ = ("_left",)

    def __init__(self, body: bytes) -> None:
        self._left = body

    async def __anext__(self) -> bytes:
        try:
            return next(self)
        except StopIteration:
            raise StopAsyncIteration from None

    def __next__(self) -> bytes:
        piece, self._left = self._left, b""
        if not piece:
            raise StopIteration
        return piece


async def next_piece(content: _core.Content) -> bytes:
    """The next bytes, b"" at the end."""
    if not content.here:
        raise RuntimeError("content is read on the loop that serves it")
    while (piece := content.take()) is None:
        await content.wait()
    return piece


def next_piece_in_thread(content: _core.Content) -> bytes:
    """The same for a thread that may wait."""
    if content.here:
        raise RuntimeError(
            "`async for` reads content on the thread of the event loop;"
            " `for` needs a handler that runs in a thread"
        )
    return asyncio.run_coroutine_threadsafe(
        next_piece(content), content.loop
    ).result()


def stream(request: _core.Request) -> RequestStream:
    content = request._content
    if content is None or request._has_body:
        return _WholeStream(request.body)
    return RequestStream(content)


async def read(request: _core.Request, limit: int | None = None) -> bytes:
    content = request._content
    if content is None or request._has_body:
        body = request.body
        if limit is not None and len(body) > limit:
            raise HTTPError(413)
        return body
    if content.taken:
        raise RuntimeError("a part of the content was read by stream()")
    expected = request.content_length
    if limit is not None and expected is not None and expected > limit:
        raise HTTPError(413)
    pieces: list[bytes] = []
    size = 0
    while piece := await next_piece(content):
        size += len(piece)
        if limit is not None and size > limit:
            raise HTTPError(413)
        pieces.append(piece)
    body = b"".join(pieces)
    request._keep_body(body)
    return body


def body(request: _core.Request) -> bytes:
    """What ``request.body`` is on a route with stream=True."""
    content = request._content
    assert content is not None
    if content.here:
        raise RuntimeError(_TOO_EARLY)
    return asyncio.run_coroutine_threadsafe(
        read(request), content.loop
    ).result()


def form(request: _core.Request, **limits: Any) -> _forms.Form:
    if request._form is not None:
        return request._form
    content = request._content
    if content is None or request._has_body:
        parser = _forms.FormReader(request, **limits)
        with parser:
            body = request.body
            for start in range(0, len(body), _forms.PIECE):
                parser.feed(body[start : start + _forms.PIECE])
            parsed = parser.end()
    elif content.here:
        raise RuntimeError(_FORM_TOO_EARLY)
    else:
        with _forms.FormReader(request, **limits) as parser:
            while piece := next_piece_in_thread(content):
                parser.feed(piece)
            parsed = parser.end()
    request._keep_form(parsed)
    return parsed


async def read_form(request: _core.Request, **limits: Any) -> _forms.Form:
    if request._form is not None:
        return request._form
    content = request._content
    if content is None or request._has_body:
        return form(request, **limits)
    if content.taken:
        raise RuntimeError("a part of the content was read by stream()")
    with _forms.FormReader(request, **limits) as parser:
        while piece := await next_piece(content):
            parser.feed(piece)
        parsed = parser.end()
    request._keep_form(parsed)
    return parsed
