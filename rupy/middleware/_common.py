"""What several of them need."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable

from .. import _core

CallNext = Callable[[_core.Request], Awaitable[_core.Response]]

# RFC 9110 5.6.2
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 9110 5.5: visible characters, and between them spaces.
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


def texts(what: str, given: Iterable[str]) -> tuple[str, ...]:
    """A list of str; a single str is a mistake that would be a list of its
    letters.

    Raises TypeError for what is none.
    """
    if isinstance(given, (str, bytes)):
        raise TypeError(f"{what} is {given!r}, not a list: [{given!r}]")
    found = tuple(given)
    for text in found:
        if not isinstance(text, str):
            raise TypeError(f"{what}: {text!r} is no str")
    return found


def tokens(what: str, given: Iterable[str]) -> tuple[str, ...]:
    """Names of methods or of fields.  Raises ValueError for others."""
    found = texts(what, given)
    for text in found:
        if not _TOKEN.fullmatch(text):
            raise ValueError(f"{what}: {text!r} is no token (RFC 9110 5.6.2)")
    return found


def field_value(what: str, value: str) -> str:
    """Raises ValueError for what may not stand in a field."""
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise ValueError(f"{what}: {value!r} is no value of a field")
    return value


def whole(what: str, value: int, low: int, high: int) -> int:
    """Raises TypeError for what is no int, ValueError outside the range."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what} is {value!r}, not an int")
    if not low <= value <= high:
        raise ValueError(f"{what} {value} is not {low} to {high}")
    return value


def add_vary(headers: _core.MutableHeaders, *names: str) -> None:
    """The answer depends on these fields of the request (RFC 9110 12.5.5)."""
    lines = headers.getlist("vary")
    have = [name.strip() for line in lines for name in line.split(",")]
    if "*" in have:
        return
    known = {name.lower() for name in have}
    more = [name for name in names if name.lower() not in known]
    if more:
        headers["vary"] = ", ".join([*filter(None, have), *more])
