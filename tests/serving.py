"""Real servers and raw clients for the stories of tests/serve."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent
BINARY = Path(
    os.environ.get("RUPY_SERVE_BIN", CHECKOUT / "build" / "rupy-serve")
).resolve()
# What a Python needs to load an extension with the address sanitizer, which is
# not in os.environ: tests/conftest.py.
PRELOAD = {}
if "RUPY_PRELOAD" in os.environ:
    PRELOAD["LD_PRELOAD"] = os.environ["RUPY_PRELOAD"]
# Sanitizers are slow, and so are interpreters that start for the first time.
SLOWNESS = 3 if os.environ.get("RUPY_SANITIZE") else 1
DEADLINE = 10.0 * SLOWNESS
START_DEADLINE = 20.0 * SLOWNESS

SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|Assertion `")
DEATH = re.compile(
    r"(?<!\[debug\] master: )"  # as it was told to
    r"worker \d+ \(pid \d+\) (?:killed by|exited with status|silent for).*"
)


def wait_for(
    condition: Callable[[], Any], what: str, deadline: float = DEADLINE
) -> Any:
    """What condition() gives as soon as that is true."""
    end = time.monotonic() + deadline
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:g} s: {what}")
        time.sleep(0.01)


# Ports that are ours until this process ends.
_taken: list[socket.socket] = []


def _is_free(port: int) -> bool:
    for family, host in (
        (socket.AF_INET, "0.0.0.0"),
        (socket.AF_INET6, "::1"),
    ):
        with contextlib.suppress(OSError), socket.socket(family) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((host, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
    return True


def free_port() -> int:
    """A port that nobody listens on, and no other test is given meanwhile.

    Not one that the kernel gives to clients: those come and go."""
    while True:
        port = random.randrange(10000, 32000)
        mark = socket.socket(socket.AF_UNIX)
        try:
            # Abstract names are for the whole machine, and go with us.
            mark.bind(f"\0rupy-test-port-{port}")
        except OSError:
            mark.close()
            continue
        _taken.append(mark)
        if _is_free(port):
            return port


# ---- clients ----


class Answer(NamedTuple):
    status: int
    reason: str
    version: str
    headers: list[tuple[str, str]]
    """Names in lower case."""
    body: bytes
    interim: list[int]
    framing: str
    """length, chunked, close or none."""

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    def get(self, name: str) -> str | None:
        for n, value in self.headers:
            if n == name:
                return value
        return None

    def get_all(self, name: str) -> list[str]:
        return [value for n, value in self.headers if n == name]


class Client:
    """One connection, and strict about what comes back on it."""

    def __init__(
        self, address: tuple[str, int] | str, timeout: float = DEADLINE
    ) -> None:
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            if address.startswith("@"):
                address = "\0" + address[1:]
            self.sock.connect(address)
        else:
            self.sock = socket.create_connection(address, timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got = b""

    def send(self, data: bytes | str) -> None:
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def send_in_bytes(self, data: bytes) -> None:
        """Each byte in a packet of its own, as far as the kernel plays."""
        for i in range(len(data)):
            self.sock.sendall(data[i : i + 1])

    def shutdown(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        hard = struct.pack("ii", 1, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)
        self.sock.close()

    def _more(self) -> bool:
        data = self.sock.recv(1 << 18)
        self.got += data
        return bool(data)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.got:
            if not self._more():
                raise EOFError(f"closed after {self.got[:200]!r}")
        head, _, self.got = self.got.partition(mark)
        return head

    def _exactly(self, n: int) -> bytes:
        pieces, lacks = [self.got], n - len(self.got)
        try:
            while lacks > 0:
                data = self.sock.recv(1 << 18)
                if not data:
                    raise EOFError(f"closed {lacks} bytes too early")
                pieces.append(data)
                lacks -= len(data)
        finally:
            self.got = b"".join(pieces)
        data, self.got = self.got[:n], self.got[n:]
        return data

    def answer(self, method: str = "GET") -> Answer:
        """The next answer, by its framing (RFC 9112 6.3).

        EOFError when the connection ends before it does.
        """
        interim: list[int] = []
        while True:
            version, status, reason, headers = self._head()
            if not 100 <= status < 200:
                break
            interim.append(status)
        lengths = [v for n, v in headers if n == "content-length"]
        codings = [v for n, v in headers if n == "transfer-encoding"]
        assert not (lengths and codings), headers
        assert len(lengths) < 2, headers
        if method == "HEAD" or status in (204, 304):
            body, framing = b"", "none"
        elif codings:
            assert codings == ["chunked"], headers
            body, framing = b"".join(self.chunks()), "chunked"
        elif lengths:
            body, framing = self._exactly(int(lengths[0])), "length"
        else:
            while self._more():
                pass
            body, self.got, framing = self.got, b"", "close"
        return Answer(status, reason, version, headers, body, interim, framing)

    def _head(self) -> tuple[str, int, str, list[tuple[str, str]]]:
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        match = re.fullmatch(r"(HTTP/1\.[01]) (\d{3}) (.*)", lines[0])
        assert match, lines[0]
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            assert colon and re.fullmatch(r"[!-9;-~]+", name), line
            headers.append((name.lower(), value.strip(" \t")))
        return match[1], int(match[2]), match[3], headers

    def head(self) -> tuple[int, list[tuple[str, str]]]:
        """Only the head of the next answer."""
        _, status, _, headers = self._head()
        return status, headers

    def chunks(self) -> Iterator[bytes]:
        """Content that is chunked (RFC 9112 7.1), as it comes."""
        while True:
            size = int(self._until(b"\r\n"), 16)
            data = self._exactly(size + 2)
            assert data.endswith(b"\r\n"), data[-20:]
            if size == 0:
                return
            yield data[:-2]

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        version: str = "1.1",
    ) -> Answer:
        self.send(head_of(method, path, headers, body, version))
        if body:
            self.send(body)
        return self.answer(method)

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers)

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        return self.request("POST", path, headers, body)

    def ends(self) -> bytes:
        """What comes until the server closes; fails when it does not."""
        try:
            while self._more():
                pass
        except ConnectionResetError:
            self.got += b"<reset>"
        except TimeoutError:
            raise AssertionError(
                f"still open, after {self.got[-200:]!r}"
            ) from None
        got, self.got = self.got, b""
        return got

    def is_quiet(self, seconds: float) -> bool:
        """Nothing comes, not even the end, for so long."""
        return (
            not self.got and not select.select([self.sock], [], [], seconds)[0]
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def head_of(
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    version: str = "1.1",
) -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost"]
    lines += [
        f"{name.replace('_', '-')}: {value}"
        for name, value in (headers or {}).items()
    ]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


# ---- servers ----


class Server:
    """A started server, and what it said."""

    def __init__(
        self,
        command: list[str],
        port: int,
        folder: Path,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        limits: Callable[[], None] | None = None,
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        self.port = port
        self.address = ("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{port}"
        self.may_die = False
        self.clients: list[Client] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._stderr = folder / "stderr"
        self._stdout = folder / "stdout"
        with self._stderr.open("wb") as err, self._stdout.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=cwd or folder,
                env=clean_env() | (env or {}),
                start_new_session=True,
                preexec_fn=limits,
                pass_fds=pass_fds,
            )
        self.pid = self.process.pid

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(errors="backslashreplace")

    @property
    def stdout(self) -> str:
        return self._stdout.read_text(errors="backslashreplace")

    @property
    def workers(self) -> list[int]:
        """The pids of the master's children."""
        path = f"/proc/{self.pid}/task/{self.pid}/children"
        try:
            return [int(pid) for pid in Path(path).read_text().split()]
        except OSError:
            return []

    def connect(
        self,
        address: tuple[str, int] | str | None = None,
        timeout: float = DEADLINE,
    ) -> Client:
        client = Client(address or self.address, timeout)
        self.clients.append(client)
        return client

    def get(self, path: str, **headers: str) -> Answer:
        with self.connect() as client:
            return client.get(path, **headers)

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        with self.connect() as client:
            return client.post(path, body, **headers)

    def wait_ready(self) -> None:
        """Until a worker answers; fails with the log when the server ends."""

        def answers() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(
                    f"the server ended with {self.process.returncode}:\n"
                    + self.stderr
                )
            try:
                with Client(self.address, 1.0) as client:
                    client.request("OPTIONS", "/-ready")
            except (OSError, EOFError):
                return False
            return True

        wait_for(answers, "the server answers", START_DEADLINE)

    def wait_log(self, text: str, deadline: float = DEADLINE) -> None:
        wait_for(lambda: text in self.stderr, f"{text!r} in the log", deadline)

    def tell(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def exit_status(self, deadline: float = DEADLINE) -> int:
        """Wait until it ends by itself, or by what was done to it."""
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"still there after {deadline:g} s:\n{self.stderr}"
            ) from None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.tell(number)
        return self.exit_status()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def check(self) -> None:
        """Nobody died, and no sanitizer complained."""
        text = self.stderr
        found = SANITIZER.search(text)
        assert not found, text[found.start() :][:4000]
        if not self.may_die:
            deaths = DEATH.findall(text)
            assert not deaths, "\n".join(deaths) + "\n" + text[-4000:]


def clean_env() -> dict[str, str]:
    """The environment without what would be taken for options."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("RUPY_SERVE_")
        and name not in ("PORT", "WEB_CONCURRENCY")
    }


class Servers:
    """Starts servers in a folder, and in the end stops and checks them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Server] = []

    def app(self, source: str, name: str = "app") -> str:
        """Write a module; gives what to serve: ``module:app``."""
        module = f"{name}_{len(list(self.folder.glob('*.py')))}"
        (self.folder / f"{module}.py").write_text(source)
        return f"{module}:app"

    def __call__(
        self,
        app: str,
        *options: str,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        binds: tuple[str, ...] = (),
        ready: bool = True,
        limits: Callable[[], None] | None = None,
        pass_fds: tuple[int, ...] = (),
    ) -> Server:
        """Serve ``module:app``, or the text of a module that has an app."""
        if "\n" in app:
            app = self.app(app)
        port = free_port()
        command = [str(BINARY), app, "--bind", f"127.0.0.1:{port}"]
        for bind in binds:
            command += ["--bind", bind]
        # A test that fails shall not cost half a minute too.
        if "--graceful-timeout" not in options:
            command += ["--graceful-timeout", f"{5 * SLOWNESS}s"]
        command += options
        return self.start(
            command, port, env, cwd or self.folder, ready, limits, pass_fds
        )

    def start(
        self,
        command: list[str],
        port: int,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        ready: bool = True,
        limits: Callable[[], None] | None = None,
        pass_fds: tuple[int, ...] = (),
    ) -> Server:
        server = Server(
            command,
            port,
            self.folder / f"server-{len(self.started)}",
            env,
            cwd,
            limits,
            pass_fds,
        )
        self.started.append(server)
        if ready:
            server.wait_ready()
        return server

    def finish(self) -> None:
        try:
            for server in self.started:
                if server.process.poll() is None:
                    assert server.stop() == 0, server.stderr
                server.check()
        finally:
            for server in self.started:
                server.kill()


# For a server whose memory is looked at from outside.
NO_QUARANTINE = {
    "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")
    + ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
}
# For an application: how much memory it holds.  The address sanitizer knows,
# where its quarantine of freed memory would be taken for a leak.
KIB = """
import ctypes
from pathlib import Path

_held = getattr(
    ctypes.CDLL(None), "__sanitizer_get_current_allocated_bytes", None)
if _held:
    _held.restype = ctypes.c_size_t

def kib():
    if _held:
        return _held() >> 10
    return 4 * int(Path("/proc/self/statm").read_text().split()[1])

"""


# ---- a program that ends by itself ----


def run_program(
    program: Path,
    *args: str,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in clean_env().items() if k != "VIRTUAL_ENV"}
    return subprocess.run(
        [str(program), *args],
        cwd=cwd,
        env={**clean, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def print_config(
    program: Path, *args: str, cwd: Path | None = None, **env: str
) -> Any:
    """What --print-config json says."""
    done = run_program(
        program, "--print-config", "json", *args, cwd=cwd, env=env
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# ---- load ----


class Load:
    """Clients that ask without a pause, each one question at a time.

    ``failed`` counts requests on a fresh connection, or whose answer had
    begun.  One on a connection that was used before, and that ends before
    the first byte, is ``stale``: the client cannot know whether it was seen,
    and asks again (RFC 9112 9.3.1).
    """

    def __init__(
        self,
        address: tuple[str, int],
        path: str,
        clients: int = 6,
        per_connection: int = 20,
    ) -> None:
        self.address = address
        self.path = path
        self.per_connection = per_connection
        self.ok = self.stale = 0
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._use, daemon=True)
            for _ in range(clients)
        ]

    def _use(self) -> None:
        client: Client | None = None
        used = 0
        while not self._stop.is_set():
            try:
                if client is None:
                    client, used = Client(self.address), 0
                answer = client.get(self.path)
                good = answer.status == 200
                why = f"status {answer.status}"
                keep = good and answer.get("connection") != "close"
                used += 1
            except (OSError, EOFError) as error:
                good, keep, why = False, False, repr(error)
            with self._lock:
                if good:
                    self.ok += 1
                elif used and client is not None and not client.got:
                    self.stale += 1
                else:
                    self.failed.append(why)
            if client and (not keep or used >= self.per_connection):
                client.close()
                client = None
        if client:
            client.close()

    def wait_ok(self, more: int) -> None:
        """Until so many more were answered."""
        goal = self.ok + more
        wait_for(lambda: self.ok >= goal, f"{more} more answers")

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE * 2)


def is_alive(pid: int) -> bool:
    """There is such a process, and it is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def cpu_share(pids: list[int], seconds: float) -> float:
    """How much of a CPU they use; time is what is measured, so it passes."""
    before, start = _cpu_seconds(pids), time.monotonic()
    time.sleep(seconds)
    return (_cpu_seconds(pids) - before) / (time.monotonic() - start)


def _cpu_seconds(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{pid}/stat").read_text()
            fields = stat.rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
