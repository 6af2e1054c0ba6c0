"""What the hooks of a configuration file in Python are given.

    # serve_config.py: rupy-serve -c serve_config.py
    from rupy.hooks import Master, Record, Worker

    app = "shop.web:app"
    workers = 4

    def on_ready(master: Master) -> None:
        print("serving on", *master.addresses)

    def log_request(record: Record) -> None:
        print(record.method, record.path, record.status)

Which hooks there are, and in which process each is called, is in
rupy-serve.conf(5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Master:
    """The service, as it was when the hook was told."""

    #: Its process.
    pid: int
    #: How many workers there should be.
    workers: int
    #: Where it listens, as the options say it.
    addresses: tuple[str, ...]


@dataclass(slots=True)
class Worker:
    """One worker process."""

    #: From 1 to the number of workers; who replaces another has its number.
    number: int
    #: 1, and one more for each reload.
    generation: int
    #: None before it was forked.
    pid: int | None = None
    #: The application, in the worker itself, once it is loaded; else None.
    app: object = None


class Record(NamedTuple):
    """A request that is over: what the access log can tell.

    Text that came from the client is as it was received, byte for byte
    (ISO 8859-1), and empty when there was none.
    """

    #: Seconds since the epoch, at the end of the answer.
    time: float
    #: Empty when the request could not be read; so are the next four.
    method: str
    #: Not decoded, without the query.
    path: str
    query: str
    #: ``HTTP/1.1`` or ``HTTP/1.0``.
    protocol: str
    host: str
    #: Of the answer; 101 for a WebSocket that was opened.
    status: int
    #: Of content sent.
    bytes: int
    #: Bytes of the request, head and content.
    received: int
    #: Seconds from the head of the request to the last byte handed over.
    duration: float
    #: Seconds to the head of the answer; None when it had none.
    first: float | None
    #: The client's address, empty on a Unix domain socket.
    peer: str
    user_agent: str
    referer: str
    #: Empty without ``--request-id``.
    request_id: str
    #: Empty without ``--trace-context``.
    trace_id: str
    span_id: str
