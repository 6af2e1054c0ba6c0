"""The exceptions of the framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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


class ClientDisconnect(HTTPError):  # noqa: N818
    """Raised where content is read: the client is gone before its end.

    There is nobody left to answer, or, when the client closed only its half
    of the connection, 400.
    """

    def __init__(self) -> None:
        super().__init__(400, "the content was cut off")


class WebSocketDisconnect(Exception):  # noqa: N818
    """Raised by ``receive`` and ``send`` of a WebSocket that is closed.

    ``code`` and ``reason`` are those of the client's close frame (RFC 6455
    7.4): 1005 when it had none, 1006 when the connection was lost without
    one.  A handler may let it pass: it is no error.
    """

    def __init__(self, code: int = 1006, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.code} {self.reason}".rstrip()


class WebSocketError(ValueError):
    """A message is not what the handler asked for.

    When nobody catches it the WebSocket is closed with ``code``, and
    nothing is logged: it is the client's fault.
    """

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def _reason(status: int) -> str:
    try:
        from http import HTTPStatus

        return HTTPStatus(status).phrase
    except ValueError:  # not registered with IANA
        return f"Status {status}"
