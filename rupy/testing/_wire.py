"""HTTP/1.1 as a client sees it, without I/O: bytes in, an answer out."""

from __future__ import annotations

import re
from collections import deque

_STATUS = re.compile(rb"HTTP/(1\.[01]) ([1-5]\d\d)(?: (.*))?")
# 101: what follows is another protocol.
_NO_CONTENT = (101, 204, 304)

# Bytes of a head, or of a line between two chunks.
_HEAD_MAX = 1 << 20

Fields = list[tuple[str, str]]


class ProtocolError(Exception):
    """The answer breaks HTTP/1.1, or ended before it was complete."""


class Head:
    """A status line and field lines (RFC 9112 4, 5)."""

    def __init__(self, raw: bytes) -> None:
        lines = raw.split(b"\r\n")
        match = _STATUS.fullmatch(lines[0])
        if match is None:
            raise ProtocolError(f"no status line: {lines[0][:80]!r}")
        self.version = match[1].decode()
        self.status = int(match[2])
        self.reason = (match[3] or b"").decode("latin-1")
        self.fields = _fields(lines[1:])

    def get_all(self, name: str) -> list[str]:
        return [v for n, v in self.fields if n.lower() == name]


def _fields(lines: list[bytes]) -> Fields:
    fields = []
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise ProtocolError(f"no field line: {line[:80]!r}")
        fields.append((name, value.strip(" \t")))
    return fields


class AnswerParser:
    """Fed with what the server sends; ``b""`` is the end of the connection.

    ``head`` is that of the final answer, ``interim`` those of status 1xx
    before it (101 is final), ``chunks`` the content as it came, ``rest``
    what follows a 101.
    """

    def __init__(self, method: str) -> None:
        self.head: Head | None = None
        self.interim: list[Head] = []
        self.chunks: deque[bytes] = deque()
        self.trailers: Fields = []
        self.done = False
        self.rest = b""
        self._method = method
        self._buf = bytearray()
        # Of the content: bytes that are missing; None: until the end.
        self._left: int | None = 0
        self._chunked = False
        self._in_trailers = False

    def has_head(self) -> bool:
        return self.head is not None

    def has_piece(self) -> bool:
        """Or none comes any more."""
        return bool(self.chunks) or self.done

    def is_upgrade(self) -> bool:
        return self.head is not None and self.head.status == 101

    def feed(self, data: bytes) -> None:
        if self.done:
            self.rest += data
            return
        if not data:
            self._end()
            return
        self._buf += data
        while not self.done and self._step():
            pass

    def _end(self) -> None:
        if self.head is None or self._chunked or self._left is not None:
            where = "before" if self.head is None else "in the middle of"
            raise ProtocolError(f"the connection ended {where} the answer")
        self.done = True

    def _step(self) -> bool:
        """Use what there is; False: more is wanted."""
        if self.head is None:
            return self._read_head()
        if self._chunked and self._left == 0:
            return self._read_size()
        return self._read_content()

    def _take(self, mark: bytes) -> bytes | None:
        at = self._buf.find(mark)
        if at < 0:
            if len(self._buf) > _HEAD_MAX:
                raise ProtocolError(f"a head of over {_HEAD_MAX} bytes")
            return None
        data = bytes(self._buf[:at])
        del self._buf[: at + len(mark)]
        return data

    def _read_head(self) -> bool:
        raw = self._take(b"\r\n\r\n")
        if raw is None:
            return False
        head = Head(raw)
        if 100 <= head.status < 200 and head.status != 101:
            self.interim.append(head)
            return True
        self.head = head
        lengths = head.get_all("content-length")
        codings = head.get_all("transfer-encoding")
        if self._method == "HEAD" or head.status in _NO_CONTENT:
            self._finish()
        elif codings:
            if lengths or [c.lower() for c in codings] != ["chunked"]:
                raise ProtocolError(f"framing by {head.fields}")
            self._chunked = True
        elif lengths:
            if len(lengths) > 1 or not re.fullmatch(r"\d+", lengths[0]):
                raise ProtocolError(f"Content-Length: {lengths}")
            self._left = int(lengths[0])
            if self._left == 0:
                self._finish()
        else:
            self._left = None
        return True

    def _finish(self) -> None:
        self.done = True
        self.rest = bytes(self._buf)
        self._buf.clear()

    def _read_size(self) -> bool:
        """A line before a chunk, or of the trailer section (RFC 9112 7.1)."""
        line = self._take(b"\r\n")
        if line is None:
            return False
        if self._in_trailers:
            if line:
                self.trailers += _fields([line])
            else:
                self._finish()
            return True
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            raise ProtocolError(f"no chunk size: {line[:80]!r}") from None
        if size == 0:
            self._in_trailers = True
        else:
            self._left = size + 2
        return True

    def _read_content(self) -> bool:
        if not self._buf:
            return False
        if self._left is None:
            self.chunks.append(bytes(self._buf))
            self._buf.clear()
            return False
        if self._chunked:
            # A chunk is shown as the server made it, when it is complete.
            if len(self._buf) < self._left:
                return False
            data = bytes(self._buf[: self._left])
            del self._buf[: self._left]
            self._left = 0
            if not data.endswith(b"\r\n"):
                raise ProtocolError("a chunk without an end")
            self.chunks.append(data[:-2])
            return True
        data = bytes(self._buf[: self._left])
        del self._buf[: self._left]
        self._left -= len(data)
        self.chunks.append(data)
        if self._left == 0:
            self._finish()
        return True
