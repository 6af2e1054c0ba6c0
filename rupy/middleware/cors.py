"""Cross-origin requests, as browsers ask for them (the Fetch standard)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from .. import _core
from ._common import CallNext, add_vary, texts, tokens, whole

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_DAY = 86400


class CORS:
    """Let pages of other origins use this application (Fetch standard 3.2).

    ``allow_origins`` are origins as browsers write them,
    ``https://app.example.org`` or ``http://localhost:3000``, or ``["*"]``:
    every one.  ``allow_origin_regex`` must match a whole origin.
    ``allow_methods`` and ``allow_headers`` are what a page may send beside
    what is always allowed; ``["*"]`` is whatever it asks for.
    ``allow_credentials`` lets browsers send cookies and credentials with it.
    ``expose_headers`` are fields of the answer that the page may read,
    ``max_age`` is how many seconds a browser remembers a preflight answer.

    Preflight requests are answered here, 204, or 403 for an origin that is
    not allowed.  Other requests are always passed on: it is the browser that
    keeps the answer from the page.  What the handler itself says of allowed
    origins is replaced.  Error answers have the fields too.
    Browsers do not ask for WebSockets: their handlers look at Origin.

    Raises ValueError for what is no origin, for credentials together with an
    origin ``*``, ``null`` or a regular expression that takes any, and for
    what cannot stand in a field.
    """

    def __init__(
        self,
        *,
        allow_origins: Iterable[str] = (),
        allow_origin_regex: str | None = None,
        allow_methods: Iterable[str] = (
            "GET",
            "HEAD",
            "POST",
            "PUT",
            "PATCH",
            "DELETE",
        ),
        allow_headers: Iterable[str] = (),
        allow_credentials: bool = False,
        expose_headers: Iterable[str] = (),
        max_age: int = 600,
    ) -> None:
        origins = texts("CORS: allow_origins", allow_origins)
        self._any = "*" in origins
        self._origins = frozenset(
            _checked(origin) for origin in origins if origin != "*"
        )
        self._regex = _compiled(allow_origin_regex)
        if not origins and self._regex is None:
            raise ValueError("CORS: no origin is allowed: say allow_origins")
        self._credentials = bool(allow_credentials)
        if self._credentials:
            self._refuse_any()
        methods = tokens("CORS: allow_methods", allow_methods)
        fields = tokens("CORS: allow_headers", allow_headers)
        self._methods = None if "*" in methods else ", ".join(methods)
        self._fields = None if "*" in fields else ", ".join(fields)
        exposed = tokens("CORS: expose_headers", expose_headers)
        if "*" in exposed and self._credentials:
            # Fetch 3.2.5: with credentials it is the name of a field.
            raise ValueError(
                "CORS: expose_headers ['*'] does nothing with credentials:"
                " name the fields"
            )
        self._exposed = ", ".join(exposed)
        self._max_age = str(whole("CORS: max_age", max_age, 0, _DAY))

    def _refuse_any(self) -> None:
        # Fetch 3.2.5: a browser would refuse the star.  To send back any
        # origin in its place is to let every page act as the user.
        if self._any:
            raise ValueError(
                "CORS: allow_credentials with the origin '*' would let every"
                " page act as the user: name the origins"
            )
        if "null" in self._origins:
            raise ValueError(
                "CORS: allow_credentials with the origin 'null', which any"
                " page can have"
            )
        probe = "https://any.example"
        if self._regex and self._regex.fullmatch(probe):
            raise ValueError(
                "CORS: allow_credentials with an allow_origin_regex that takes"
                f" any origin, as {probe}"
            )

    async def __call__(
        self, request: _core.Request, call_next: CallNext
    ) -> _core.Response:
        origin = request.headers.get("origin")
        if (
            request.method == "OPTIONS"
            and origin is not None
            and "access-control-request-method" in request.headers
        ):
            return self._preflight(request, origin)
        response = await call_next(request)
        self._add_origin(response.headers, origin)
        if origin is not None and self._exposed and self._allows(origin):
            response.headers["access-control-expose-headers"] = self._exposed
        return response

    def _allows(self, origin: str) -> bool:
        if self._any or origin in self._origins:
            return True
        return self._regex is not None and bool(self._regex.fullmatch(origin))

    def _add_origin(
        self, headers: _core.MutableHeaders, origin: str | None
    ) -> None:
        if self._any:
            headers["access-control-allow-origin"] = "*"
            return
        # Fetch 3.2.6: also when there is no Origin, or one that is not
        # allowed, or a cache would give that answer to those that are.
        add_vary(headers, "Origin")
        # The application may give the same Response every time.
        headers.pop("access-control-allow-origin", None)
        headers.pop("access-control-allow-credentials", None)
        if origin is not None and self._allows(origin):
            headers["access-control-allow-origin"] = origin
            if self._credentials:
                headers["access-control-allow-credentials"] = "true"

    def _preflight(self, request: _core.Request, origin: str) -> _core.Response:
        if not self._allows(origin):
            response = _core.Response("this origin is not allowed\n", 403)
            add_vary(response.headers, "Origin")
            return response
        response = _core.Response(b"", 204)
        headers = response.headers
        self._add_origin(headers, origin)
        self._answer_list(
            request, headers, "method", "allow-methods", self._methods
        )
        self._answer_list(
            request, headers, "headers", "allow-headers", self._fields
        )
        headers["access-control-max-age"] = self._max_age
        return response

    def _answer_list(
        self,
        request: _core.Request,
        headers: _core.MutableHeaders,
        asked: str,
        answer: str,
        allowed: str | None,
    ) -> None:
        """The list, or what was asked for when anything is allowed."""
        name = f"access-control-request-{asked}"
        if allowed is None:
            add_vary(headers, name.title())
            allowed = ", ".join(
                word
                for line in request.headers.getlist(name)
                for word in map(str.strip, line.split(","))
                if _is_token(word)
            )
        if allowed:
            headers[f"access-control-{answer}"] = allowed


def _is_token(word: str) -> bool:
    try:
        tokens("", [word])
    except ValueError:
        return False
    return True


def _checked(origin: str) -> str:
    """An origin as RFC 6454 6.2 writes it."""
    if origin == "null":
        return origin
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"CORS: the origin {origin!r}: {error}") from None
    if not parts.scheme or not parts.hostname or "*" in origin:
        raise ValueError(
            f"CORS: {origin!r} is no origin such as https://app.example.org"
            " (for patterns there is allow_origin_regex)"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    right = f"{parts.scheme}://{host}"
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        right += f":{port}"
    if not right.isascii():
        raise ValueError(
            f"CORS: the origin {origin!r} is not ASCII: browsers send xn--..."
        )
    if origin != right:
        raise ValueError(
            f"CORS: browsers write the origin {origin!r} as {right!r}"
        )
    return origin


def _compiled(regex: str | None) -> re.Pattern[str] | None:
    if regex is None:
        return None
    try:
        return re.compile(regex)
    except re.error as error:
        raise ValueError(f"CORS: allow_origin_regex: {error}") from None
