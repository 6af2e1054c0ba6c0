"""The exceptions of the framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus

HeaderItems = Mapping[str, str] | Iterable[tuple[str, str]]


class HTTPError(Exception):
    """Raised by a handler: the request is answered with this status.

    ``status`` is 400 to 599 (RFC 9110 15.5, 15.6); ``detail`` is the text of
    the answer, sent as ``text/plain; charset=utf-8``, by default the reason
    phrase of the status; ``headers`` are added to the answer.

    Raises ValueError for a status outside that range.
    """

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        headers: HeaderItems | None = None,
    ) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"HTTPError: status {status} is not 400 to 599")
        if detail is None:
            detail = _reason(status)
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.headers = headers

    def __str__(self) -> str:
        return f"{self.status} {self.detail}"


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # not registered with IANA
        return f"Status {status}"
