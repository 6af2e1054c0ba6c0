"""Answers made smaller on the way: gzip, br, zstd."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from .. import _core
from .._answer import Pieces, Streamed
from .._streaming import StreamingResponse
from ._codings import Encoder, choose, maker
from ._common import CallNext, add_vary, texts, whole
from ._pieces import encoded, first_piece

_HIGHEST = {"gzip": 9, "br": 11, "zstd": 19}

# Beyond text/* and what ends in one of the suffixes below.  Pictures, films
# and archives are compressed already.
_TYPES = frozenset(
    {
        "application/graphql",
        "application/javascript",
        "application/json",
        "application/manifest+json",
        "application/rtf",
        "application/toml",
        "application/vnd.ms-fontobject",
        "application/wasm",
        "application/x-ndjson",
        "application/x-sh",
        "application/xml",
        "application/yaml",
        "font/otf",
        "font/ttf",
        "image/bmp",
        "image/svg+xml",
        "image/x-icon",
        "image/vnd.microsoft.icon",
    }
)
_SUFFIXES = ("+json", "+xml", "+text", "+yaml", "+json-seq")

# These fields are about the bytes as they would be without.
_DIGESTS = ("content-digest", "repr-digest", "digest", "content-md5")

# What takes longer than a millisecond or two is done in a thread.
_BIG = 128 * 1024


class Compression:
    """Compress answers by what the client takes (RFC 9110 8.4, 12.5.3).

    ``codings`` are those to offer, the best first, when the client likes two
    equally; of the default the ones whose library is installed: gzip always,
    br by ``brotli`` or ``brotlicffi``, zstd by ``zstandard`` or Python 3.14.
    ``minimum_size`` is in bytes.  ``gzip_level`` is 1 to 9, ``br_quality`` 0
    to 11, ``zstd_level`` 1 to 19 (a window of 8 MiB, RFC 9659).  ``types``
    are media types beside text and the like that are worth it.

    Streams are compressed piece by piece, and every piece can be decoded as
    soon as it is there.  A strong entity tag becomes weak (RFC 9110 8.8.1).
    Left as they are: media types that are compressed already, event streams,
    answers with a Content-Encoding, a digest or ``no-transform`` (RFC 9111
    5.2.2.6), status 204, 206 and 304, files, which ``app.static`` has
    precompressed, classes made of StreamingResponse, and what would not
    become smaller.  Bodies above 128 KiB
    are compressed in a thread.

    The length of an answer with a secret and the client's own words in it
    tells of the secret (BREACH): give such answers ``Content-Encoding:
    identity``.

    Raises ValueError for a level or coding that does not exist, and
    ImportError for one that was asked for and has no library.
    """

    def __init__(
        self,
        *,
        codings: Iterable[str] | None = None,
        minimum_size: int = 500,
        gzip_level: int = 6,
        br_quality: int = 4,
        zstd_level: int = 3,
        types: Iterable[str] = (),
    ) -> None:
        what = "Compression"
        levels = {
            "zstd": whole(f"{what}: zstd_level", zstd_level, 1, 19),
            "br": whole(f"{what}: br_quality", br_quality, 0, 11),
            "gzip": whole(f"{what}: gzip_level", gzip_level, 1, 9),
        }
        self._minimum = whole(f"{what}: minimum_size", minimum_size, 0, 2**40)
        self._makers: dict[str, Callable[[], Encoder]] = {}
        wanted = levels if codings is None else texts(what, codings)
        for coding in wanted:
            if coding not in levels:
                raise ValueError(f"{what}: {coding!r} is not gzip, br or zstd")
            make = maker(coding, levels[coding])
            if make is not None:
                self._makers[coding] = make
            elif codings is not None:
                package = {"br": "brotli", "zstd": "zstandard"}[coding]
                raise ImportError(
                    f"{what}: {coding} wants a package: pip install {package}"
                )
        if not self._makers:
            raise ValueError(f"{what}: no coding at all")
        self._codings = tuple(self._makers)
        self._types = _TYPES | {
            _media_type(t) for t in texts(f"{what}: types", types)
        }

    @property
    def codings(self) -> tuple[str, ...]:
        """Those it offers, the best first."""
        return self._codings

    async def __call__(
        self, request: _core.Request, call_next: CallNext
    ) -> _core.Response:
        response = await call_next(request)
        if response.status == 304:
            # RFC 9110 15.4.5: as the 200 would have had it.
            add_vary(response.headers, "Accept-Encoding")
            return response
        if not self._is_worth_it(request, response):
            return response
        add_vary(response.headers, "Accept-Encoding")
        accept = ",".join(request.headers.getlist("accept-encoding"))
        coding = choose(accept, self._codings)
        if coding is None:
            return response
        stream = _stream_of(response)
        if stream is None:
            return await self._whole(response, coding)
        if isinstance(response, StreamingResponse):
            # A new one: the application may give the same object every time.
            response = StreamingResponse(
                (),
                response.status,
                response.headers.items(),
                response.content_type,
                trailers=response.trailers,
            )
        await self._pieces(request, response, stream, coding)
        return response

    def _is_worth_it(
        self, request: _core.Request, response: _core.Response
    ) -> bool:
        headers = response.headers
        if response.status in (204, 206):
            return False
        if isinstance(response, (_core.FileResponse, StreamingResponse)) and (
            type(response) is not StreamingResponse
        ):
            return False
        if "content-encoding" in headers or "content-range" in headers:
            return False
        if any(name in headers for name in _DIGESTS):
            return False
        if any(
            "no-transform" in line.lower()
            for line in headers.getlist("cache-control")
        ):
            return False
        given = headers.get("content-type", response.content_type)
        if given is not None and not self._is_type(given):
            return False
        size = _size(response)
        return size is None or size >= max(self._minimum, 1)

    def _is_type(self, given: str) -> bool:
        media_type = given.partition(";")[0].strip().lower()
        if media_type == "text/event-stream":
            return False
        return (
            media_type.startswith("text/")
            or media_type in self._types
            or media_type.endswith(_SUFFIXES)
        )

    async def _pieces(
        self,
        request: _core.Request,
        response: _core.Response,
        pieces: Pieces,
        coding: str,
    ) -> None:
        first: str | bytes | None = None
        length = response.headers.get("content-length")
        if "content-type" not in response.headers and (
            response.content_type is None
        ):
            first, pieces = await first_piece(request, pieces)
            if not isinstance(first, str):
                # Bytes of no type, or nothing: as it was.
                _set_stream(response, encoded(first, pieces, None))
                if length is not None:
                    response.headers["content-length"] = length
                return
            response.content_type = "text/plain; charset=utf-8"
        encoder = self._makers[coding]()
        _set_stream(response, encoded(first, pieces, encoder))
        _mark(response.headers, coding)

    async def _whole(
        self, response: _core.Response, coding: str
    ) -> _core.Response:
        body = response.body
        encoder = self._makers[coding]()
        if len(body) > _BIG:
            made = await asyncio.to_thread(encoder.finish, body)
        else:
            made = encoder.finish(body)
        if len(made) >= len(body):
            return response
        # A new one: the application may give the same object every time.
        small = _core.Response(
            made,
            response.status,
            response.headers.items(),
            response.content_type,
        )
        _mark(small.headers, coding)
        return small


def _media_type(given: str) -> str:
    kind, slash, rest = given.partition("/")
    if not (kind and slash and rest) or ";" in given or "*" in given:
        raise ValueError(f"Compression: {given!r} is no media type")
    return given.lower()


def _size(response: _core.Response) -> int | None:
    """Bytes of content; None when nobody knows."""
    if _stream_of(response) is None:
        return len(response.body)
    promised = response.headers.get("content-length", "")
    return int(promised) if promised.isdigit() else None


def _stream_of(response: _core.Response) -> Pieces | None:
    if isinstance(response, (Streamed, StreamingResponse)):
        return response.content
    return None


def _set_stream(response: _core.Response, pieces: Pieces) -> None:
    if isinstance(response, (Streamed, StreamingResponse)):
        response.content = pieces


def _mark(headers: _core.MutableHeaders, coding: str) -> None:
    headers["content-encoding"] = coding
    headers.pop("content-length", None)
    headers.pop("accept-ranges", None)
    tag = headers.get("etag", "")
    if tag.startswith('"'):
        # Two codings with one strong tag would be the same bytes.
        headers["etag"] = f"W/{tag}"
