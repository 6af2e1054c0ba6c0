"""Answers that come in pieces."""

from __future__ import annotations

import re
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
)
from typing import Any, ClassVar

from ._core import Response
from ._errors import HeaderItems
from ._json import dumps as _dumps

Source = AsyncIterable[Any] | Iterable[Any]
Trailers = HeaderItems | Callable[[], HeaderItems]

_LINE_END = re.compile(r"\r\n|\r|\n")


class StreamingResponse(Response):
    """An answer whose content is made while it is sent.

    ``content`` is an iterable, an async iterable, a generator or an async
    generator of ``str`` or ``bytes``; each piece is sent as soon as it is
    made, and the next is asked for when the client has room for it.  A
    generator is closed when the client goes.  In a threaded handler a plain
    iterable is advanced in a thread.

    The head is sent with the first piece: an exception before that is
    answered with 500.  ``trailers``, pairs or a function that gives them
    when all pieces are sent, go to clients that asked for them
    (``TE: trailers``, RFC 9110 6.5).

    Raises TypeError for content that cannot be iterated over, and whatever
    Response does.
    """

    keep_alive: float | None = None
    """Seconds of silence before something is sent to keep the connection."""
    _live = False
    _encode: Callable[[Any], str | bytes] | None = None

    def __init__(
        self,
        content: Source,
        status: int = 200,
        headers: HeaderItems | None = None,
        content_type: str | None = None,
        *,
        trailers: Trailers | None = None,
    ) -> None:
        if isinstance(content, str | bytes | dict) or not (
            hasattr(content, "__aiter__") or hasattr(content, "__iter__")
        ):
            raise TypeError(
                f"{type(self).__name__}: content is"
                f" {type(content).__name__}, not an iterable of pieces"
            )
        super().__init__(None, status, headers, content_type)
        self.content = content
        self.trailers = trailers

    def _source(self) -> AsyncIterator[Any] | Iterator[Any]:
        if isinstance(self.content, AsyncIterable):
            return self.content.__aiter__()
        return iter(self.content)


class Event:
    """One server-sent event (HTML 9.2).

    ``data`` is text, or a dict or list, which is sent as JSON; None is an
    event without data, which only sets the id or the time to reconnect.
    ``event`` is its name, by default ``message``; ``id`` is what a client
    that comes back says in ``Last-Event-ID``; ``retry`` is in milliseconds.

    Raises ValueError for a line end in event or id.
    """

    __slots__ = ("data", "event", "id", "retry")

    def __init__(
        self,
        data: str | dict[str, Any] | list[Any] | None = None,
        *,
        event: str | None = None,
        id: str | int | None = None,
        retry: int | None = None,
    ) -> None:
        self.data = data
        self.event = _one_line("event", event)
        self.id = _one_line("id", None if id is None else str(id))
        self.retry = retry
        if retry is not None and (
            not isinstance(retry, int) or isinstance(retry, bool) or retry < 0
        ):
            raise ValueError(f"Event: retry {retry!r} is no milliseconds")

    def __repr__(self) -> str:
        return (
            f"Event({self.data!r}, event={self.event!r}, id={self.id!r},"
            f" retry={self.retry!r})"
        )

    def encode(self) -> str:
        """As it is sent."""
        lines = []
        if self.event is not None:
            lines.append(f"event: {self.event}\n")
        if self.id is not None:
            lines.append(f"id: {self.id}\n")
        if self.retry is not None:
            lines.append(f"retry: {self.retry}\n")
        if self.data is not None:
            lines.append(_data(self.data))
        return "".join(lines) + "\n"


class EventStream(StreamingResponse):
    """Server-sent events (HTML 9.2): what ``EventSource`` reads.

    ``content`` is a generator, an async generator or another iterable of
    ``str`` (data), ``dict`` or ``list`` (data, as JSON) or ``Event``.

    The head leaves at once, and a comment after every ``keep_alive`` seconds
    of silence, None for never.  A client that closes its connection, or its
    half, ends the stream, and the generator with it.
    ``request.last_event_id`` is what a client has seen that comes back.
    """

    _live = True
    _fields: ClassVar[dict[str, str]] = {
        "cache-control": "no-store",
        "x-accel-buffering": "no",
    }

    def __init__(
        self,
        content: Source,
        status: int = 200,
        headers: HeaderItems | None = None,
        *,
        keep_alive: float | None = 15.0,
    ) -> None:
        if keep_alive is not None and not keep_alive >= 0.001:
            raise ValueError(f"EventStream: keep_alive {keep_alive!r} s")
        super().__init__(content, status, headers, "text/event-stream")
        for name, value in self._fields.items():
            self.headers.setdefault(name, value)
        self.keep_alive = keep_alive

    @staticmethod
    def _encode(piece: Any) -> str:
        if isinstance(piece, Event):
            return piece.encode()
        if isinstance(piece, str | dict | list):
            return _data(piece) + "\n"
        raise TypeError(
            f"an event is str, dict, list or Event, not {type(piece).__name__}"
        )


def _one_line(what: str, text: str | None) -> str | None:
    if text is not None and any(c in text for c in "\r\n\0"):
        raise ValueError(f"Event: {what} {text!r} has a line end or NUL")
    return text


def _data(data: str | dict[str, Any] | list[Any]) -> str:
    text = data if isinstance(data, str) else _dumps(data).decode()
    return "".join(f"data: {line}\n" for line in _LINE_END.split(text))
