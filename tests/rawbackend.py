"""A backend that does to its connections whatever a test wants."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import NamedTuple

from serving import DEADLINE


class Seen(NamedTuple):
    """A request as it came, and on which connection."""

    connection: int
    method: str
    target: str
    head: bytes
    lines: list[str]
    """Field lines, as they were sent."""

    def get(self, name: str) -> list[str]:
        found = []
        for line in self.lines:
            n, _, value = line.partition(":")
            if n.lower() == name.lower():
                found.append(value.strip())
        return found


class Conn:
    """One connection of the proxy's."""

    def __init__(self, backend: RawBackend, sock: socket.socket, n: int):
        self.backend = backend
        self.sock = sock
        self.number = n
        self.asked = 0
        self.got = b""

    def more(self) -> bool:
        data = self.sock.recv(65536)
        self.got += data
        return bool(data)

    def until(self, end: bytes) -> bytes:
        while end not in self.got:
            if not self.more():
                raise EOFError
        data, self.got = self.got.split(end, 1)
        return data + end

    def exactly(self, n: int) -> bytes:
        while len(self.got) < n:
            if not self.more():
                raise EOFError
        data, self.got = self.got[:n], self.got[n:]
        return data

    def body(self, seen: Seen) -> bytes:
        if seen.get("transfer-encoding"):
            whole = b""
            while True:
                size = int(self.until(b"\r\n"), 16)
                data = self.exactly(size + 2)
                if size == 0:
                    return whole
                whole += data[:-2]
        lengths = seen.get("content-length")
        return self.exactly(int(lengths[0])) if lengths else b""

    def count(self, seen: Seen) -> int:
        """Bytes of content that has a length, read and dropped."""
        n = int(seen.get("content-length")[0])
        read, self.got = len(self.got), b""
        while read < n:
            data = self.sock.recv(1 << 18)
            if not data:
                raise EOFError
            read += len(data)
        return read

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, body: bytes, *lines: str, status: str = "200 OK") -> None:
        head = [f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}"]
        self.send(("\r\n".join(head) + "\r\n\r\n").encode() + body)

    def reset(self) -> None:
        self.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        raise EOFError

    def wait_end(self) -> bytes:
        """What comes until the other side ends or resets."""
        with contextlib.suppress(ConnectionResetError):
            while self.more():
                pass
        return self.got


Behaviour = Callable[[Conn, Seen], None]


class RawBackend:
    """Behaviours by the last segment of the path; EOFError closes."""

    def __init__(self, address: str | None = None) -> None:
        self.sock: socket.socket
        if address is None:
            self.sock = socket.create_server(("127.0.0.1", 0), backlog=512)
            self.url = f"http://127.0.0.1:{self.sock.getsockname()[1]}"
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.bind(address)
            self.sock.listen(128)
            self.url = f"unix:{address}"
        self.behaviours: dict[str, Behaviour] = {}
        self.seen: list[Seen] = []
        self.connections = 0
        self.open = 0
        self.faults: list[BaseException] = []
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __call__(self, name: str) -> Callable[[Behaviour], Behaviour]:
        def keep(behaviour: Behaviour) -> Behaviour:
            self.behaviours[name] = behaviour
            return behaviour

        return keep

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.sock.accept()
                sock.settimeout(DEADLINE * 3)
                with self.lock:
                    self.connections += 1
                    self.open += 1
                    conn = Conn(self, sock, self.connections)
                threading.Thread(
                    target=self._serve, args=(conn,), daemon=True
                ).start()

    def _serve(self, conn: Conn) -> None:
        try:
            while True:
                head = conn.until(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                method, target, version = lines[0].split(" ")
                assert version == "HTTP/1.1"
                seen = Seen(conn.number, method, target, head, lines[1:-2])
                self.seen.append(seen)
                conn.asked += 1
                name = target.partition("?")[0].rpartition("/")[2]
                self.behaviours[name](conn, seen)
        except (EOFError, OSError):
            pass
        except BaseException as error:
            self.faults.append(error)
        finally:
            with self.lock:
                self.open -= 1
            conn.sock.close()

    def of(self, name: str) -> list[Seen]:
        """The requests whose path ends so."""
        return [
            s
            for s in self.seen
            if s.target.partition("?")[0].rpartition("/")[2] == name
        ]

    def close(self) -> None:
        self.sock.close()
        assert not self.faults, self.faults
