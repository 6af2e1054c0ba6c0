"""Patterns of routes as text: their parameters, and paths made from them.

Matching is done in C; what is here is needed once, when a route is
registered, and by ``url_for``.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple
from urllib.parse import quote

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = ("", "str", "int", "float", "uuid", "path")
_DECIMAL = re.compile(r"[0-9]+\.[0-9]+")
# RFC 3986 3.3: what may stand in a path segment as it is, beside letters,
# digits and "-._~".
_SEGMENT_SAFE = "!$&'()*+,;=:@"


class Param(NamedTuple):
    """One parameter of a pattern: ``<name:converter>``."""

    name: str
    converter: str
    """``str int float uuid path`` or ``re``."""
    regex: str
    """What stands in ``re(...)``, else empty."""


def below(prefix: str, what: str, example: str) -> tuple[str, str | None]:
    """The patterns of what is below prefix, and of prefix without its slash.

    Raises ValueError, for ``what``, for a prefix that is no literal path.
    """
    if not prefix.startswith("/") or "<" in prefix:
        raise ValueError(
            f"{what}: the prefix {prefix!r} is no literal path such as"
            f" {example}"
        )
    prefix = prefix.rstrip("/")
    return prefix + "/<path:re((?s:.*))>", prefix or None


def parse(pattern: str) -> tuple[str | Param, ...]:
    """The literal texts and parameters of a pattern, in order.

    Raises ValueError, quoting the pattern, for what cannot be told apart.
    """
    pieces: list[str | Param] = []
    at = 0
    while at < len(pattern):
        start = pattern.find("<", at)
        if start < 0:
            pieces.append(pattern[at:])
            break
        if start > at:
            pieces.append(pattern[at:start])
        param, at = _parse_param(pattern, start)
        if any(isinstance(p, Param) and p.name == param.name for p in pieces):
            raise _bad(pattern, f"parameter {param.name!r} stands there twice")
        pieces.append(param)
    return tuple(pieces)


def _parse_param(pattern: str, start: int) -> tuple[Param, int]:
    name = _NAME.match(pattern, start + 1)
    if name is None:
        raise _bad(pattern, f"no parameter name after '<' at {start}")
    at = name.end()
    converter, regex = "", ""
    if pattern.startswith(":re(", at):
        end = _end_of_group(pattern, at + 3)
        converter, regex, at = "re", pattern[at + 4 : end], end + 1
    elif pattern.startswith(":", at):
        end = pattern.find(">", at)
        converter = pattern[at + 1 : end if end >= 0 else None]
        if converter not in _PLAIN[1:]:
            raise _bad(pattern, f"no converter is named {converter!r}")
        at += 1 + len(converter)
    if not pattern.startswith(">", at):
        raise _bad(pattern, f"no '>' for the '<' at {start}")
    return Param(name.group(), converter or "str", regex), at + 1


def _end_of_group(pattern: str, start: int) -> int:
    """The index of the ``)`` that closes the ``(`` at start."""
    depth, at, in_class = 0, start, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
            # A "]" that comes first, or first after "^", is a member.
            if pattern.startswith("^", at + 1):
                at += 1
            if pattern.startswith("]", at + 1):
                at += 1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise _bad(pattern, f"no ')' for the '(' at {start}")


def _bad(pattern: str, what: str) -> ValueError:
    return ValueError(f"pattern {pattern!r}: {what}")


def names(pieces: tuple[str | Param, ...]) -> tuple[str, ...]:
    """The names of the parameters, in order."""
    return tuple(p.name for p in pieces if isinstance(p, Param))


def build(pieces: tuple[str | Param, ...], values: dict[str, object]) -> str:
    """The path with these values, percent-encoded (RFC 3986 2.1).

    Raises ValueError for a value that the pattern would not match again.
    """
    out = [
        quote(p, safe=_SEGMENT_SAFE + "/")
        if isinstance(p, str)
        else _encode(p, values[p.name])
        for p in pieces
    ]
    path = "".join(out)
    if any(segment in (".", "..") for segment in path.split("/")):
        raise ValueError(f"{path!r} has a dot segment (RFC 3986 5.2.4)")
    return path


def _encode(param: Param, value: object) -> str:
    text = _text_of(param, value)
    if param.converter == "path":
        return quote(text, safe=_SEGMENT_SAFE + "/")
    if param.converter == "re" and "/" in text:
        return quote(text, safe=_SEGMENT_SAFE + "/")
    return quote(text, safe=_SEGMENT_SAFE)


def _text_of(param: Param, value: object) -> str:
    text = str(value)
    match param.converter:
        case "int":
            # A bool is an int, and "True" is not what anybody meant.
            good = type(value) is not bool and text.isascii() and text.isdigit()
        case "float":
            if isinstance(value, float) and math.isfinite(value):
                from decimal import Decimal

                text = f"{Decimal(text):f}"
            if "." not in text:
                text += ".0"
            good = _DECIMAL.fullmatch(text) is not None
        case "uuid":
            from uuid import UUID

            try:
                text = str(UUID(text))
                good = True
            except ValueError:
                good = False
        case "re":
            good = re.fullmatch(param.regex, text) is not None
        case "path":
            good = True
        case _:
            good = text != ""
    if not good:
        raise ValueError(
            f"parameter {param.name!r}: {value!r} is no {param.converter}"
            " that stands in a path"
        )
    return text
