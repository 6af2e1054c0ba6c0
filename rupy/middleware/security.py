"""Fields that tell browsers to be careful."""

from __future__ import annotations

from collections.abc import Mapping

from .. import _core
from ._common import CallNext, field_value, tokens, whole

_YEAR = 31_536_000

_DEFAULTS = {
    # Fetch standard 3.6: a script is what is declared as one.
    "x-content-type-options": "nosniff",
    # RFC 7034 2.1
    "x-frame-options": "DENY",
    # Referrer Policy 3.7: to other sites only the origin.
    "referrer-policy": "strict-origin-when-cross-origin",
    # HTML standard 7.1.3.1
    "cross-origin-opener-policy": "same-origin",
}


class SecurityHeaders:
    """Fields for browsers, on every answer that does not have them already.

    ``X-Content-Type-Options: nosniff``, ``X-Frame-Options: DENY``,
    ``Referrer-Policy: strict-origin-when-cross-origin`` and
    ``Cross-Origin-Opener-Policy: same-origin``.

    ``headers`` adds to these, replaces, or with None leaves one out.
    ``csp`` is a Content-Security-Policy, as ``default-src 'self'``; there is
    none by default, since only the application knows where its parts are.
    ``hsts`` are the seconds for Strict-Transport-Security, which is only sent
    on https (RFC 6797 7.2): browsers will not use http for so long, and there
    is no way back; 31536000 is a year.  ``hsts_subdomains`` adds
    includeSubDomains, ``hsts_preload`` preload, which wants both the
    subdomains and a year (hstspreload.org).

    Raises ValueError for what cannot be sent, or would do nothing.
    """

    def __init__(
        self,
        *,
        csp: str | None = None,
        hsts: int | None = None,
        hsts_subdomains: bool = False,
        hsts_preload: bool = False,
        headers: Mapping[str, str | None] | None = None,
    ) -> None:
        fields: dict[str, str | None] = dict(_DEFAULTS)
        if csp is not None:
            fields["content-security-policy"] = csp
        fields.update(
            {name.lower(): value for name, value in (headers or {}).items()}
        )
        what = "SecurityHeaders"
        tokens(what, fields)
        self._fields = [
            (name, field_value(f"{what}: {name}", value))
            for name, value in fields.items()
            if value is not None
        ]
        self._hsts = _hsts(hsts, hsts_subdomains, hsts_preload)

    async def __call__(
        self, request: _core.Request, call_next: CallNext
    ) -> _core.Response:
        response = await call_next(request)
        headers = response.headers
        for name, value in self._fields:
            headers.setdefault(name, value)
        if self._hsts and request.scheme == "https":
            headers.setdefault("strict-transport-security", self._hsts)
        return response


def _hsts(seconds: int | None, subdomains: bool, preload: bool) -> str | None:
    what = "SecurityHeaders: hsts"
    if seconds is None:
        if subdomains or preload:
            raise ValueError(f"{what} is not given: for how many seconds?")
        return None
    whole(what, seconds, 0, 10 * _YEAR)
    if preload and not (subdomains and seconds >= _YEAR):
        raise ValueError(
            f"{what}: preload wants hsts_subdomains and a year, {_YEAR}"
        )
    value = f"max-age={seconds}"
    if subdomains:
        value += "; includeSubDomains"
    return value + "; preload" if preload else value
