"""The stream transports of `EventLoop`: asyncio's, with their inside in C.

What happens once in a connection is inherited from asyncio; what happens for
every message (`write()`, and reading when the socket is ready) comes from
`src/aio/transport.c`, which reads the slots of the class.
"""

from __future__ import annotations

import collections
import logging
from asyncio import protocols, selector_events
from collections.abc import Iterable
from typing import Any

from rupy import _core

__all__ = ["SocketTransport"]

# asyncio's transports ask recv() for 256 KiB, which malloc maps and unmaps
# for every message: 15 to 20 us.
_RECV_SIZE = 64 * 1024

_log = logging.getLogger("asyncio")


class _Chunks(collections.deque[Any]):
    """What a transport could not send yet, and how much that is.

    From 3.12 on asyncio keeps a deque, and adds up all its lengths for every
    write() that finds the socket full.
    """

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def append(self, chunk: Any) -> None:
        self.size += len(chunk)
        super().append(chunk)

    def appendleft(self, chunk: Any) -> None:
        self.size += len(chunk)
        super().appendleft(chunk)

    def extend(self, chunks: Iterable[Any]) -> None:
        for chunk in chunks:
            self.append(chunk)

    def popleft(self) -> Any:
        chunk = super().popleft()
        self.size -= len(chunk)
        return chunk

    def clear(self) -> None:
        super().clear()
        self.size = 0


_Transport: Any = vars(selector_events)["_SelectorSocketTransport"]


class SocketTransport(_Transport):  # type: ignore[misc]
    """A connection by TCP or a unix socket."""

    # C reads them where they lie, see transport.c.
    __slots__ = (
        "_buffer",
        "_buffered",
        "_closing",
        "_conn_lost",
        "_empty_waiter",
        "_eof",
        "_loop",
        "_protocol",
        "_sock",
    )

    max_size = _RECV_SIZE
    _buffer: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # __del__() looks at it, also when what follows has failed.
        self._sock = None
        super().__init__(*args, **kwargs)
        # 3.11 has a bytearray.
        if type(self._buffer) is collections.deque:
            self._buffer = _Chunks()

    def set_protocol(self, protocol: Any) -> None:
        self._buffered = isinstance(protocol, protocols.BufferedProtocol)
        super().set_protocol(protocol)

    def get_write_buffer_size(self) -> int:
        if type(self._buffer) is _Chunks:
            return self._buffer.size
        size: int = super().get_write_buffer_size()
        return size

    def _write(self, data: Any) -> None:
        """write() when there is more to mind than the data."""
        _Transport.write(self, data)

    def _keep(self, data: Any, sent: int) -> None:
        """The socket took `sent` bytes and is full: keep the rest."""
        self._loop._add_writer(self._sock_fd, self._write_ready)
        rest = memoryview(data).cast("B")[sent:]
        if type(self._buffer) is _Chunks:
            self._buffer.append(rest)
        else:
            self._buffer.extend(rest)
        self._maybe_pause_protocol()


try:
    _core._adopt_transport(SocketTransport)
except TypeError:  # a Python that lays out slots in another way
    _log.debug("transports stay in Python", exc_info=True)
