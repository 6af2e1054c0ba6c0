"""A name for each request, in the answer and in logs."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar

from .. import _core
from ._common import CallNext, tokens

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the request that is at work, for log lines; ``-`` outside."""

_GOOD = re.compile(r"[0-9A-Za-z._~+/=:@-]{1,128}")


class RequestID:
    """Give each request an id: ``request.state.request_id``.

    It is also in the context variable ``request_id`` of this module, for a
    logging filter, and in the field ``header`` of the answer.  The server's
    own, with ``--request-id``, is taken when there is one.  Else the one the
    client sent is taken with ``trust=True``, for an application that only
    proxies can reach, when it has at most 128 letters, digits or any of
    ``-._~+/=:@``.  Else ``make()`` gives one, by default 32 hexadecimal
    digits (a random UUID, RFC 9562 5.4).

    Raises ValueError when ``header`` is no name of a field.
    """

    def __init__(
        self,
        *,
        header: str = "X-Request-ID",
        trust: bool = False,
        make: Callable[[], str] | None = None,
    ) -> None:
        (self._header,) = tokens("RequestID: header", [header])
        if make is not None and not callable(make):
            raise TypeError(f"RequestID: make is {make!r}, no function")
        self._trust = trust
        self._make = make or _random

    async def __call__(
        self, request: _core.Request, call_next: CallNext
    ) -> _core.Response:
        name = getattr(request, "id", None) or self._sent(request)
        if name is None:
            name = self._make()
        request.state.request_id = name
        request_id.set(name)
        response = await call_next(request)
        response.headers[self._header] = name
        return response

    def _sent(self, request: _core.Request) -> str | None:
        if not self._trust:
            return None
        sent = request.headers.get(self._header)
        return sent if sent and _GOOD.fullmatch(sent) else None


def _random() -> str:
    return uuid.uuid4().hex
