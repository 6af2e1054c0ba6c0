"""One connection of TestClient."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator

from ._wire import ProtocolError

_READ = 1 << 16


class Connection:
    """A socket that is waited for, but not for ever."""

    def __init__(self, sock: socket.socket, what: str) -> None:
        self._sock = sock
        self._what = what
        self._out = bytearray()
        self._more: Iterator[bytes] = iter(())
        self._ended = False

    def send(self, data: bytes, more: Iterator[bytes] | None = None) -> None:
        """Send it, and then what comes, while run() waits."""
        self._out += data
        if more is not None:
            self._more = more

    def run(
        self,
        until: Callable[[], bool],
        feed: Callable[[bytes], None],
        timeout: float | None,
    ) -> None:
        """Send and feed what comes until until(); TimeoutError."""
        end = None if timeout is None else time.monotonic() + timeout
        poll = select.poll()
        while not until():
            if self._ended:
                raise ProtocolError("the connection has ended")
            poll.register(self._sock, self._events())
            left = None if end is None else max(0, end - time.monotonic())
            if not poll.poll(None if left is None else left * 1000):
                raise TimeoutError(f"{self._what}: not within {timeout:g} s")
            self._write()
            self._read(feed)

    def flush(self, timeout: float | None) -> None:
        """Send what is queued, and read nothing; TimeoutError."""
        end = None if timeout is None else time.monotonic() + timeout
        poll = select.poll()
        poll.register(self._sock, select.POLLOUT)
        while self._out:
            left = None if end is None else max(0, end - time.monotonic())
            if not poll.poll(None if left is None else left * 1000):
                raise TimeoutError(f"{self._what}: not within {timeout:g} s")
            self._write()

    def close(self) -> None:
        self._sock.close()

    def _events(self) -> int:
        if not self._out:
            self._out += next(self._more, b"")
        return select.POLLIN | (select.POLLOUT if self._out else 0)

    def _write(self) -> None:
        if not self._out:
            return
        try:
            n = self._sock.send(self._out)
        except BlockingIOError:
            return
        except OSError:
            # It takes no more; the answer says why.
            self._out.clear()
            self._more = iter(())
            return
        del self._out[:n]

    def _read(self, feed: Callable[[bytes], None]) -> None:
        try:
            data = self._sock.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._ended = not data
        feed(data)
