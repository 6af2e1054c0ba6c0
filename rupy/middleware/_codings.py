"""Content codings: which a client takes, and who makes them."""

from __future__ import annotations

import importlib
import re
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

# RFC 9110 12.4.2
_QVALUE = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
# More codings in one request than there are: somebody is playing.
_MAX_MEMBERS = 32


class Encoder(Protocol):
    """One content; what is made may be empty."""

    def encode(self, data: bytes) -> bytes:
        """All of data, so that the client can decode it at once."""

    def finish(self, data: bytes = b"") -> bytes:
        """The last of it."""


class Gzip:
    """RFC 1952, by zlib."""

    def __init__(self, level: int) -> None:
        self._z = zlib.compressobj(level, zlib.DEFLATED, 31)

    def encode(self, data: bytes) -> bytes:
        return self._z.compress(data) + self._z.flush(zlib.Z_SYNC_FLUSH)

    def finish(self, data: bytes = b"") -> bytes:
        return self._z.compress(data) + self._z.flush()


class Brotli:
    """RFC 7932, by the package brotli or brotlicffi."""

    def __init__(self, module: Any, quality: int) -> None:
        # A window of 256 KiB, not 4 MiB: memory is per answer.
        self._b = module.Compressor(quality=quality, lgwin=18)

    def encode(self, data: bytes) -> bytes:
        made: bytes = self._b.process(data) + self._b.flush()
        return made

    def finish(self, data: bytes = b"") -> bytes:
        made: bytes = self._b.process(data) if data else b""
        made += self._b.finish()
        return made


class Zstandard:
    """RFC 8878, by the package zstandard."""

    def __init__(self, module: Any, level: int) -> None:
        self._z = module.ZstdCompressor(level=level).compressobj()
        self._block = module.COMPRESSOBJ_FLUSH_BLOCK

    def encode(self, data: bytes) -> bytes:
        made: bytes = self._z.compress(data) + self._z.flush(self._block)
        return made

    def finish(self, data: bytes = b"") -> bytes:
        made: bytes = self._z.compress(data) + self._z.flush()
        return made


class StandardZstandard:
    """RFC 8878, by compression.zstd of Python 3.14."""

    def __init__(self, module: Any, level: int) -> None:
        self._z = module.ZstdCompressor(level=level)

    def encode(self, data: bytes) -> bytes:
        made: bytes = self._z.compress(data, self._z.FLUSH_BLOCK)
        return made

    def finish(self, data: bytes = b"") -> bytes:
        made: bytes = self._z.compress(data, self._z.FLUSH_FRAME)
        return made


_LIBRARIES: dict[str, list[tuple[str, Callable[[Any, int], Encoder]]]] = {
    "br": [("brotli", Brotli), ("brotlicffi", Brotli)],
    "zstd": [
        ("compression.zstd", StandardZstandard),
        ("zstandard", Zstandard),
    ],
}


def maker(coding: str, level: int) -> Callable[[], Encoder] | None:
    """What makes an encoder, or None when no library is installed."""
    if coding == "gzip":
        return partial(Gzip, level)
    for name, encoder in _LIBRARIES[coding]:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        return partial(encoder, module, level)
    return None


def choose(accept: str, codings: tuple[str, ...]) -> str | None:
    """The coding that the client likes best, of two the first of ours; None:
    none (RFC 9110 12.5.3)."""
    weights = _weights(accept)
    best, best_q = None, 0.0
    for coding in codings:
        q = weights.get(coding, weights.get("*", 0.0))
        if q > best_q:
            best, best_q = coding, q
    # Who names identity with a weight means it; else it comes last.
    return None if weights.get("identity", 0.0) > best_q else best


def _weights(accept: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for member in accept.split(",", _MAX_MEMBERS)[:_MAX_MEMBERS]:
        coding, *parameters = (part.strip() for part in member.split(";"))
        coding = coding.lower()
        if coding == "x-gzip":  # RFC 9110 8.4.1.3
            coding = "gzip"
        q = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "q":
                value = value.strip()
                q = float(value) if _QVALUE.fullmatch(value) else 0.0
        if coding:
            weights[coding] = q
    return weights
