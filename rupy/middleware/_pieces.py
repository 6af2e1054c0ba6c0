"""Content that comes in pieces: looked at, and encoded."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator

from .. import _core
from .._answer import Pieces
from .._stream import aclose
from ._codings import Encoder

_END = object()


async def first_piece(
    request: _core.Request, pieces: Pieces
) -> tuple[str | bytes | None, Pieces]:
    """The first one, None when there is none; and the rest.

    The server waits for it before it sends the head, too: it tells of what
    type the content is.
    """
    first: object
    if isinstance(pieces, AsyncIterable):
        source = aiter(pieces)
        try:
            first = await anext(source, _END)
        except BaseException:
            await aclose(source)
            raise
        rest: Pieces = source
    else:
        rest = iter(pieces)
        first = _core.App._call(request, next, rest, _END)
    if first is _END or not isinstance(first, (str, bytes)):
        # What is no piece is for the server to complain of.
        return None, rest if first is _END else _again(first, rest)
    return first, rest


def encoded(
    first: str | bytes | None, rest: Pieces, encoder: Encoder | None
) -> Iterator[str | bytes] | AsyncIterator[str | bytes]:
    """All pieces, each as it can be decoded at once; as they are without an
    encoder."""
    if isinstance(rest, AsyncIterable):
        return _encode_async(first, rest, encoder)
    return _encode(first, rest, encoder)


def _again(first: object, rest: Pieces) -> Pieces:
    if isinstance(rest, AsyncIterable):
        return _encode_async(first, rest, None)
    return _encode(first, rest, None)


def _made(piece: object, encoder: Encoder | None) -> object:
    if encoder is None:
        return piece
    if isinstance(piece, str):
        piece = piece.encode()
    if not isinstance(piece, bytes):
        return piece
    return encoder.encode(piece) if piece else b""


def _encode(
    first: object, rest: Iterable[str | bytes], encoder: Encoder | None
) -> Iterator[str | bytes]:
    try:
        if first is not None:
            yield _made(first, encoder)  # type: ignore[misc]
        for piece in rest:
            yield _made(piece, encoder)  # type: ignore[misc]
        if encoder is not None:
            yield encoder.finish()
    finally:
        # The client may be gone: the handler's generator ends now.
        close = getattr(rest, "close", None)
        if close is not None:
            close()


async def _encode_async(
    first: object, rest: AsyncIterable[str | bytes], encoder: Encoder | None
) -> AsyncIterator[str | bytes]:
    try:
        if first is not None:
            yield _made(first, encoder)  # type: ignore[misc]
        async for piece in rest:
            yield _made(piece, encoder)  # type: ignore[misc]
        if encoder is not None:
            yield encoder.finish()
    finally:
        await aclose(rest)
