"""WebSocket frames as a client sends and takes them (RFC 6455 5)."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from collections import deque

from ._wire import ProtocolError

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _BINARY = 0, 1, 2
_CLOSE, _PING, _PONG = 8, 9, 10

# Bytes of a message; a test that gets more has lost its way.
_MESSAGE_MAX = 256 << 20


def new_key() -> str:
    """Sec-WebSocket-Key."""
    return base64.b64encode(os.urandom(16)).decode()


def accept_of(key: str) -> str:
    """Sec-WebSocket-Accept (RFC 6455 4.2.2)."""
    digest = hashlib.sha1(key.encode() + _GUID).digest()
    return base64.b64encode(digest).decode()


def _mask(data: bytes, key: bytes) -> bytes:
    n = len(data)
    long = key * (n // 4 + 1)
    number = int.from_bytes(data) ^ int.from_bytes(long[:n])
    return number.to_bytes(n)


def _frame(opcode: int, data: bytes) -> bytes:
    """One masked frame."""
    n = len(data)
    if n < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | n)
    elif n < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, n)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, n)
    key = os.urandom(4)
    return head + key + _mask(data, key)


class Frames:
    """The state of one WebSocket: bytes to send, messages that came.

    ``close_code`` and ``close_reason`` are set when the server closed, or
    when the connection was lost (1006).
    """

    def __init__(self) -> None:
        self.messages: deque[str | bytes] = deque()
        self.close_code: int | None = None
        self.close_reason = ""
        self.close_sent = False
        self._out = bytearray()
        self._buf = bytearray()
        self._parts: list[bytes] = []
        self._size = 0
        self._kind = 0

    def take_output(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def send(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._out += _frame(_TEXT, message.encode())
        else:
            self._out += _frame(_BINARY, bytes(message))

    def ping(self, data: bytes = b"") -> None:
        self._out += _frame(_PING, data)

    def close(self, code: int | None, reason: str = "") -> None:
        """code is None: a frame without one."""
        if self.close_sent:
            return
        self.close_sent = True
        data = b"" if code is None else struct.pack("!H", code)
        self._out += _frame(_CLOSE, data + reason.encode())

    def feed(self, data: bytes) -> None:
        """``b""``: the connection has ended."""
        if not data:
            if self.close_code is None:
                self.close_code = 1006
            return
        self._buf += data
        while self.close_code is None and self._step():
            pass

    def _step(self) -> bool:
        buf = self._buf
        if len(buf) < 2:
            return False
        n, at = buf[1] & 0x7F, 2
        if n > 125:
            at = 4 if n == 126 else 10
            if len(buf) < at:
                return False
            n = int.from_bytes(buf[2:at])
        if buf[0] & 0x70 or buf[1] & 0x80:
            raise ProtocolError("a frame that is masked or has reserved bits")
        if len(buf) < at + n:
            return False
        final, opcode = bool(buf[0] & 0x80), buf[0] & 15
        data = bytes(buf[at : at + n])
        del buf[: at + n]
        if opcode >= _CLOSE:
            self._control(opcode, data)
        else:
            self._data(opcode, data, final)
        return True

    def _control(self, opcode: int, data: bytes) -> None:
        if opcode == _PING:
            self._out += _frame(_PONG, data)
        elif opcode == _CLOSE:
            code = 1005
            if len(data) >= 2:
                (code,) = struct.unpack("!H", data[:2])
            self.close_reason = data[2:].decode()
            self.close(code if code != 1005 else None)
            self.close_code = code
        elif opcode != _PONG:
            raise ProtocolError(f"a frame of the unknown kind {opcode}")

    def _data(self, opcode: int, data: bytes, final: bool) -> None:
        if (opcode == _CONTINUATION) != bool(self._kind) or opcode > _BINARY:
            raise ProtocolError(f"a frame of kind {opcode} out of order")
        self._kind = self._kind or opcode
        self._parts.append(data)
        self._size += len(data)
        if self._size > _MESSAGE_MAX:
            raise ProtocolError(f"a message of over {_MESSAGE_MAX} bytes")
        if not final:
            return
        whole = b"".join(self._parts)
        self.messages.append(whole.decode() if self._kind == _TEXT else whole)
        self._parts, self._size, self._kind = [], 0, 0
