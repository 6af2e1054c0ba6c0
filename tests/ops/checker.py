"""Clients that count every request, and compare every byte of every answer.

Each request has an id of its own, and each answer must be the one to it: the
id, the method, the digest of the content that was sent, and the content
itself (GET: so many bytes as were asked for).  What was sent once more, after
a connection ended idle, is known too: the applications of echoes.py write down
every attempt that reached them, so an attempt that was begun and then lost is
told from one that never arrived.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import itertools
import math
import os
import random
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

MIB = 1 << 20
BLOB = random.Random(1).randbytes(3 * MIB)
"""Where contents are cut from: cheap, and no two alike."""
LENGTHS = (1, 2, 5, 20, 100, 1000)
"""Requests on one connection."""
GOOD = ("ok", "stale")
BAD = (
    "failed",
    "truncated",
    "mixed_up",
    "reset",
    "refused",
    "lost",
    "silent",
)
Address = tuple[str, int] | str


def answer_to_get(name: str, size: int) -> bytes:
    """What the applications answer: any client can say it beforehand."""
    return (name.encode() * (size // len(name) + 1))[:size]


class GoneError(Exception):
    """The connection ended; `kind` is how, `began` whether an answer had."""

    def __init__(self, kind: str, began: bool) -> None:
        super().__init__(kind)
        self.kind = kind
        self.began = began


class WrongError(Exception):
    """An answer that is not ours, or is no answer."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Connection:
    def __init__(self, address: Address, timeout: float) -> None:
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            try:
                self.sock.connect(address)
            except OSError:
                self.sock.close()
                raise
        else:
            self.sock = socket.create_connection(address, timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got = bytearray()
        self.used = 0

    def close(self) -> None:
        self.sock.close()

    def _receive(self, most: int = 1 << 18) -> None:
        try:
            data = self.sock.recv(most)
        except ConnectionResetError:
            raise GoneError("reset", bool(self.got)) from None
        except TimeoutError:
            raise GoneError("silent", bool(self.got)) from None
        if not data:
            raise GoneError("ended", bool(self.got))
        self.got += data

    def _receive_for(self, head: bytes) -> None:
        try:
            self._receive()
        except GoneError as gone:
            raise GoneError(gone.kind, gone.began or bool(head)) from None

    def send(self, data: bytes) -> None:
        """A server may answer and close while we send: then that counts."""
        try:
            self.sock.sendall(data)
        except TimeoutError:
            raise GoneError("silent", False) from None
        except OSError:
            pass

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        while (end := self.got.find(b"\r\n\r\n")) < 0:
            self._receive()
        head = bytes(self.got[:end])
        del self.got[: end + 4]
        first, *lines = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.[01] (\d{3}) .*", first)
        if not match:
            raise WrongError("mixed_up", f"no status line: {first[:80]!r}")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        return int(match[1]), headers, self._content(head, headers)

    def _exactly(self, head: bytes, n: int) -> bytes:
        while len(self.got) < n:
            self._receive_for(head)
        data = bytes(self.got[:n])
        del self.got[:n]
        return data

    def _content(self, head: bytes, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            return self._exactly(head, int(headers["content-length"]))
        if headers.get("transfer-encoding") != "chunked":
            raise WrongError("mixed_up", f"content without an end: {head!r}")
        parts = []
        while True:
            while (end := self.got.find(b"\r\n")) < 0:
                self._receive_for(head)
            size = int(bytes(self.got[:end]), 16)
            del self.got[: end + 2]
            part = self._exactly(head, size + 2)
            if not part.endswith(b"\r\n"):
                raise WrongError("mixed_up", "a chunk without its end")
            if size == 0:
                return b"".join(parts)
            parts.append(part[:-2])


class Checker:
    """Clients in threads, until it is told to stop.

    counts: ok; stale (a used connection ended before any byte of the answer;
    sent once more on a fresh one); failed (a fresh connection, or the second
    attempt, or a status that is not 200); truncated (an answer that had begun);
    mixed_up (another's answer, or other bytes); reset (on a fresh connection);
    refused; silent (no answer in time); lost (stale, though the application
    had begun it)."""

    _runs = itertools.count()

    def __init__(
        self,
        address: Address,
        *,
        clients: int = 8,
        posts: float = 0.5,
        max_size: int = MIB,
        seen: Path | None = None,
        timeout: float = 20,
        pause: float = 0.02,
    ) -> None:
        self.address = address
        self.posts, self.max_size = posts, max_size
        self.seen, self.timeout, self.pause = seen, timeout, pause
        self.counts: collections.Counter[str] = collections.Counter()
        self.why: list[str] = []
        self.stale_ids: set[str] = set()
        self.latencies: list[float] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        run = next(self._runs)
        self._threads = [
            threading.Thread(
                target=self._use, args=(f"{os.getpid()}-{run}-{n}",)
            )
            for n in range(clients)
        ]

    # ---- one client ----

    def _use(self, name: str) -> None:
        dice = random.Random(name)
        connection: Connection | None = None
        length = 0
        n = 0
        while not self._stop.is_set():
            if connection and connection.used >= length:
                connection.close()
                connection = None
            if connection is None:
                length = dice.choice(LENGTHS)
            n += 1
            connection = self._one(f"{name}-{n}", dice, connection)
            # Some go on at once, others leave their connection idle.
            if self.pause and dice.random() < 0.3:
                self._stop.wait(dice.random() * self.pause)
        if connection:
            connection.close()

    def _one(
        self, name: str, dice: random.Random, connection: Connection | None
    ) -> Connection | None:
        """One request to its answer; gives the connection if it lives."""
        size = int(math.exp(dice.random() * math.log(self.max_size)))
        if dice.random() < self.posts:
            start = dice.randrange(len(BLOB) - size)
            body, method = BLOB[start : start + size], "POST"
            want = body
        else:
            body, method = b"", "GET"
            want = b""
        for attempt in (1, 2):
            tried = f"{name}.{attempt}"
            fresh = connection is None or connection.used == 0
            started = time.monotonic()
            try:
                if connection is None:
                    connection = self._connect()
                self._ask(connection, method, tried, body, size)
                status, headers, content = connection.answer()
                self._compare(
                    method, tried, status, headers, content, want, size
                )
            except GoneError as gone:
                assert connection
                connection.close()
                connection = None
                if gone.began:
                    kind = "truncated"
                elif gone.kind == "silent":
                    kind = "silent"
                elif fresh:
                    kind = "reset" if gone.kind == "reset" else "failed"
                elif attempt == 1:
                    self._count_stale(tried, method, gone.kind)
                    continue
                else:
                    kind = "failed"
                self._count(kind, f"{method} {tried}: {gone.kind}")
            except WrongError as wrong:
                assert connection
                connection.close()
                connection = None
                self._count(wrong.kind, str(wrong))
            except OSError as error:
                connection = None
                self._count("refused", f"{tried}: {error!r}")
                self._stop.wait(0.02)
            else:
                assert connection
                self._count("ok", "")
                connection.used += 1
                with self._lock:
                    self.latencies.append(time.monotonic() - started)
                if headers.get("connection", "").lower() == "close":
                    connection.close()
                    connection = None
            return connection
        raise AssertionError("a second attempt that is stale")

    def _connect(self) -> Connection:
        return Connection(self.address, self.timeout)

    def _ask(
        self, c: Connection, method: str, name: str, body: bytes, size: int
    ) -> None:
        head = (
            f"{method} /{size} HTTP/1.1\r\nHost: localhost\r\nX-Id: {name}\r\n"
        )
        if method == "POST":
            head += f"Content-Length: {len(body)}\r\n"
        c.send((head + "\r\n").encode() + body)

    def _compare(
        self,
        method: str,
        name: str,
        status: int,
        headers: dict[str, str],
        content: bytes,
        want: bytes,
        size: int,
    ) -> None:
        if status != 200:
            with self._lock:
                self.counts[f"status {status}"] += 1
            raise WrongError("failed", f"{method} {name}: status {status}")
        got = (headers.get("x-id"), headers.get("x-digest"))
        if got != (name, hashlib.sha256(want).hexdigest()):
            raise WrongError("mixed_up", f"{method} {name}: answer to {got}")
        if method == "GET":
            want = answer_to_get(name, size)
        if content != want:
            raise WrongError("mixed_up", f"{method} {name}: other content")

    # ---- the counts ----

    def _count(self, kind: str, why: str) -> None:
        with self._lock:
            self.counts[kind] += 1
            if why and len(self.why) < 200:
                self.why.append(f"{time.strftime('%H:%M:%S')} {kind}: {why}")

    def _count_stale(self, name: str, method: str, kind: str) -> None:
        with self._lock:
            self.counts["stale"] += 1
            self.counts[f"stale {method}"] += 1
            self.counts[f"stale {kind}"] += 1
            self.stale_ids.add(name)

    def count_lost(self) -> None:
        """Stale attempts that the application had begun all the same."""
        if not self.seen or not self.stale_ids:
            return
        for line in self.seen.read_text().splitlines():
            if line in self.stale_ids:
                self._count("lost", f"{line} was begun, and not answered")

    @property
    def bad(self) -> dict[str, int]:
        return {k: self.counts[k] for k in BAD if self.counts[k]}

    @property
    def ok(self) -> int:
        return self.counts["ok"]

    def p99(self) -> float:
        """Seconds."""
        values = sorted(self.latencies) or [0.0]
        return values[int(len(values) * 0.99)]

    def wait_ok(self, more: int, deadline: float = 30) -> None:
        goal, end = self.ok + more, time.monotonic() + deadline
        while self.ok < goal:
            if time.monotonic() > end:
                raise AssertionError(
                    f"not {more} more answers within {deadline:g} s: "
                    f"{dict(self.counts)}"
                )
            time.sleep(0.005)

    def __enter__(self) -> Checker:
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(self.timeout * 3)
        assert not any(t.is_alive() for t in self._threads), "a client hangs"

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.count_lost()

    def report(self) -> str:
        counts = " ".join(f"{k}={v}" for k, v in sorted(self.counts.items()))
        return f"{counts} p99={self.p99() * 1000:.0f}ms"


def run_until(
    done: Callable[[], bool], deadline: float, what: str, step: float = 0.01
) -> None:
    end = time.monotonic() + deadline
    while not done():
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:g} s: {what}")
        time.sleep(step)


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] != "Z"
    return False


class Liar:
    """A server that says the same to everybody, and hangs up."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._socket.getsockname()
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                client.settimeout(5)
                client.recv(1 << 16)
                client.sendall(self.said)
                client.shutdown(socket.SHUT_WR)
                while client.recv(1 << 16):
                    pass

    def __enter__(self) -> Liar:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)
