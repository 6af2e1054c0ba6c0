"""A raw WebSocket client for the stories of tests/serve: it sends what it is
told, rules or not, and is strict about what comes back."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import zlib
from typing import NamedTuple

from serving import Answer, Client, Server, head_of

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, RSV1 = 0x80, 0x40
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Frame(NamedTuple):
    opcode: int
    data: bytes
    first: int = FIN
    """FIN and reserved bits."""


def mask(key: bytes, data: bytes) -> bytes:
    n = len(data)
    pad = (key * (n // 4 + 1))[:n]
    return (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(
        n, "big"
    )


def frame(
    opcode: int,
    data: bytes | str = b"",
    bits: int = FIN,
    masked: bool = True,
    length: bytes | None = None,
) -> bytes:
    """The bytes of a frame; length: what stands for it instead."""
    data = data.encode() if isinstance(data, str) else data
    n = len(data)
    if length is None:
        if n < 126:
            length = bytes([n])
        elif n < 65536:
            length = bytes([126]) + struct.pack(">H", n)
        else:
            length = bytes([127]) + struct.pack(">Q", n)
    head = bytes([bits | opcode]) + length
    if not masked:
        return head + data
    key = os.urandom(4)
    return head[:1] + bytes([head[1] | 0x80]) + head[2:] + key + mask(key, data)


def close_data(code: int, reason: str = "") -> bytes:
    return struct.pack(">H", code) + reason.encode()


def handshake(path: str = "/", **headers: str) -> tuple[bytes, str]:
    """The request, and the Sec-WebSocket-Accept that it must be answered."""
    key = base64.b64encode(os.urandom(16)).decode()
    fields = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
    }
    fields.update({n.replace("_", "-"): v for n, v in headers.items()})
    fields = {n: v for n, v in fields.items() if v is not None}
    accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest())
    return head_of("GET", path, fields), accept.decode()


class WsClient:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.headers: dict[str, str] = {}

    def open(self, path: str = "/", **headers: str) -> WsClient:
        request, accept = handshake(path, **headers)
        self.client.send(request)
        status, fields = self.client.head()
        assert status == 101, status
        self.headers = dict(fields)
        assert len(self.headers) == len(fields), fields
        assert self.headers["sec-websocket-accept"] == accept
        assert self.headers["upgrade"].lower() == "websocket"
        assert self.headers["connection"].lower() == "upgrade"
        return self

    def send(
        self, opcode: int, data: bytes | str = b"", bits: int = FIN
    ) -> None:
        self.client.send(frame(opcode, data, bits))

    def text(self, data: str) -> None:
        self.send(TEXT, data)

    def recv(self) -> Frame:
        """The next frame; EOFError when there is none."""
        first, second = self.client._exactly(2)
        assert not second & 0x80, "the server masks (RFC 6455 5.1)"
        n = second & 0x7F
        if n == 126:
            n = struct.unpack(">H", self.client._exactly(2))[0]
            assert n >= 126
        elif n == 127:
            n = struct.unpack(">Q", self.client._exactly(8))[0]
            assert n >= 65536
        return Frame(first & 0x0F, self.client._exactly(n), first & 0xF0)

    def message(self) -> str | bytes:
        f = self.recv()
        assert f.first == FIN, f
        assert f.opcode in (TEXT, BINARY), f
        return f.data.decode() if f.opcode == TEXT else f.data

    def echo(self, data: str | bytes) -> str | bytes:
        self.send(TEXT if isinstance(data, str) else BINARY, data)
        return self.message()

    def close_code(self) -> int:
        """Of the next frame, a close frame, behind which the server ends the
        connection."""
        f = self.recv()
        assert f.opcode == CLOSE, f
        self.close_reason = f.data[2:].decode()
        return struct.unpack(">H", f.data[:2])[0] if f.data else 1005

    def ends_with(self) -> int:
        code = self.close_code()
        assert self.client.ends() == b""
        return code

    def close(self, code: int = 1000, reason: str = "") -> int:
        """The closing handshake; the code of the answer."""
        self.send(CLOSE, close_data(code, reason))
        return self.ends_with()


def ws_connect(server: Server, path: str = "/", **headers: str) -> WsClient:
    return WsClient(server.connect()).open(path, **headers)


def ws_refused(server: Server, path: str = "/", **headers: str) -> Answer:
    """The answer of a handshake that is no 101."""
    with server.connect() as client:
        client.send(handshake(path, **headers)[0])
        answer = client.answer()
        assert answer.status != 101
        return answer


class Deflate:
    """permessage-deflate, the client's side (RFC 7692 7.2)."""

    def __init__(self, bits: int = 15, takeover: bool = True) -> None:
        self.bits, self.takeover = bits, takeover
        self.out = zlib.compressobj(6, zlib.DEFLATED, -bits)
        self.into = zlib.decompressobj(-15)

    def pack(self, data: bytes) -> bytes:
        if not self.takeover:
            self.out = zlib.compressobj(6, zlib.DEFLATED, -self.bits)
        packed = self.out.compress(data) + self.out.flush(zlib.Z_SYNC_FLUSH)
        return packed[:-4]

    def unpack(self, data: bytes) -> bytes:
        return self.into.decompress(data + b"\0\0\xff\xff")
