"""Answers as middleware sees them: always a Response."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from . import _core
from ._errors import HeaderItems
from ._stream import aclose

Pieces = Iterable[str | bytes] | AsyncIterable[str | bytes]


class Streamed(_core.Response):
    """What call_next() gives for content that comes in pieces, when the handler
    made no StreamingResponse of it: a generator, a file, another application.

    ``content`` is an iterable or async iterable of str or bytes.  It may be
    replaced by one that wraps it; a Content-Length that was promised is
    dropped then.  Setting ``body`` ends the stream and sends that instead.
    """

    def __init__(
        self,
        content: Pieces,
        status: int = 200,
        headers: HeaderItems | None = None,
        content_type: str | None = None,
    ) -> None:
        super().__init__(b"", status, headers, content_type)
        self._content: Pieces | None = content

    @property
    def content(self) -> Pieces | None:
        """What gives the pieces; None when ``body`` was set instead."""
        return self._content

    @content.setter
    def content(self, content: Pieces) -> None:
        self.headers.pop("content-length", None)
        self._content = content

    @property
    def body(self) -> bytes:
        """Empty, until it is set."""
        return super().body

    @body.setter
    def body(self, content: Any) -> None:
        self.headers.pop("content-length", None)
        self._content = None
        _core.Response.body.__set__(self, content)  # type: ignore[attr-defined]


class Upgrade(_core.Response):
    """What call_next() gives for the handshake of a WebSocket: an empty
    answer of 101, which the client does not get.

    When the chain gives it the handler begins, which may still refuse; any
    other answer is what the handshake is refused with.
    """

    @property
    def status(self) -> int:
        """101."""
        return 101

    @status.setter
    def status(self, status: int) -> None:
        raise AttributeError(
            "the status of a WebSocket's handshake cannot be changed: give"
            " another answer to refuse it"
        )


def as_response(answer: object, who: str, status: int = 200) -> _core.Response:
    """What a function returned, as a Response.

    ``status`` is that of an answer that does not say its own.

    Raises TypeError, naming who returned it, when it is no answer.
    """
    if isinstance(answer, _core.Response):
        return answer
    headers: HeaderItems | None = None
    content = answer
    if isinstance(answer, tuple):
        if not 2 <= len(answer) <= 3 or not isinstance(answer[1], int):
            raise TypeError(
                f"{who}: a tuple answer is (content, status) or"
                " (content, status, headers)"
            )
        content, status, *rest = answer
        headers = rest[0] if rest else None
        if isinstance(content, _core.Response):
            raise TypeError(
                f"{who}: a Response has its status and headers itself"
            )
    if isinstance(content, (str, bytes, dict, list)) or (
        content is None and answer is not None
    ):
        return _core.Response(content, status, headers)
    if isinstance(content, (GeneratorType, AsyncGeneratorType)):
        return Streamed(content, status, headers)
    raise TypeError(
        f"{who} returned {type(answer).__name__}, which is no answer (return"
        " str, bytes, dict, list, Response, a generator or a tuple)"
    )


def of_tapped(tapped: _core.Tapped) -> _core.Response:
    """The answer of a file, a mounted application, a thread."""
    status, headers, content_type, length, body = tapped.head()
    if body is not None:
        return _core.Response(body, status, headers, content_type)
    response = Streamed(_pieces(tapped), status, headers, content_type)
    if length >= 0:
        response.headers["content-length"] = str(length)
    return response


async def _pieces(tapped: _core.Tapped) -> AsyncIterator[bytes]:
    try:
        while True:
            piece = tapped.take()
            if piece is None:
                return
            if isinstance(piece, bytes):
                yield piece
            else:
                await piece
    finally:
        tapped.close()


def for_core(response: _core.Response) -> object:
    """What the core can send: itself, or (generator, status, headers)."""
    if not isinstance(response, Streamed):
        return response
    stream = response.content
    if stream is None:
        return response
    if not isinstance(stream, (GeneratorType, AsyncGeneratorType)):
        stream = (
            _async_generator(stream)
            if isinstance(stream, AsyncIterable)
            else _generator(stream)
        )
    headers = response.headers.items()
    if response.content_type is not None and "content-type" not in (
        response.headers
    ):
        headers.append(("content-type", response.content_type))
    return stream, response.status, headers


def _generator(stream: Iterable[str | bytes]) -> Iterator[str | bytes]:
    yield from stream


async def _async_generator(
    stream: AsyncIterable[str | bytes],
) -> AsyncIterator[str | bytes]:
    source = aiter(stream)
    try:
        async for piece in source:
            yield piece
    finally:
        await aclose(source)
