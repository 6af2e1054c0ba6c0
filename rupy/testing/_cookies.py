"""The cookies of a client, kept as a browser keeps them (RFC 6265)."""

from __future__ import annotations

import email.message
import http.cookiejar
import urllib.request
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from ._wire import Fields


class _Answer:
    """What http.cookiejar wants of an answer."""

    def __init__(self, fields: Fields) -> None:
        self._message = email.message.Message()
        for name, value in fields:
            self._message[name] = value

    def info(self) -> email.message.Message:
        return self._message


class Cookies(MutableMapping[str, str]):
    """Name to value; ``jar`` has all the rest of each cookie.

    What is set here is sent with every request.  Of a name that several
    hosts or paths have, the last one counts.
    """

    def __init__(self, items: Mapping[str, str] | None = None) -> None:
        self.jar = http.cookiejar.CookieJar()
        self._given: dict[str, str] = dict(items or {})

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._forget(name)
        self._given[name] = value

    def __delitem__(self, name: str) -> None:
        if name not in self._all():
            raise KeyError(name)
        self._forget(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return f"Cookies({self._all()!r})"

    def clear(self) -> None:
        self._given.clear()
        self.jar.clear()

    def _all(self) -> dict[str, str]:
        return {**self._given, **{c.name: c.value or "" for c in self.jar}}

    def _forget(self, name: str) -> None:
        self._given.pop(name, None)
        for cookie in list(self.jar):
            if cookie.name == name:
                self.jar.clear(cookie.domain, cookie.path, cookie.name)

    def header_for(self, url: str, more: Mapping[str, str]) -> str | None:
        """What Cookie says in a request to url."""
        pairs = []
        kept = None
        if len(self.jar):
            request = urllib.request.Request(_with_http(url))
            self.jar.add_cookie_header(request)
            kept = request.get_header("Cookie")
        names = {p.partition("=")[0] for p in (kept or "").split("; ")}
        for name, value in {**self._given, **more}.items():
            if name not in names or name in more:
                pairs.append(f"{name}={value}")
        if kept:
            pairs += [
                p for p in kept.split("; ") if p.partition("=")[0] not in more
            ]
        return "; ".join(pairs) or None

    def take(self, url: str, fields: Fields) -> None:
        """Keep what an answer from url sets."""
        if not any(name.lower() == "set-cookie" for name, _ in fields):
            return
        answer: Any = _Answer(fields)
        request = urllib.request.Request(_with_http(url))
        self.jar.extract_cookies(answer, request)
        # One that the server sets stands for one that the test has set, and
        # so does one that it deletes.
        for name in [n for n in self._given if _sets(fields, n)]:
            del self._given[name]


def _sets(fields: Fields, name: str) -> bool:
    return any(
        n.lower() == "set-cookie" and v.partition("=")[0].strip() == name
        for n, v in fields
    )


def _with_http(url: str) -> str:
    """http.cookiejar knows http and https."""
    return "http" + url[2:] if urlsplit(url).scheme in ("ws", "wss") else url
