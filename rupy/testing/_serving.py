"""Real servers: an application on a free port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import Any

from ._server import Worker

_POLL = 0.02


class Server:
    """An application that is served on a free port, until ``stop()``.

    ``app`` is an application, which runs in a thread of this process, or
    what rupy-serve(1) takes, ``"module:app"``, which runs in processes of its
    own: that is for ``workers=2``, signals, and whatever must not happen in
    the test's.  ``options`` are those of rupy-serve(1).
    """

    def __init__(
        self, app: Any, *, timeout: float = 60.0, **options: Any
    ) -> None:
        self._timeout = timeout
        self._worker: Worker | None = None
        self._process: subprocess.Popen[bytes] | None = None
        # Bound here, so that nobody takes the port meanwhile.
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            self.host, self.port = listener.getsockname()
            options = {"graceful_timeout": "10s", **options}
            if isinstance(app, str):
                self._start_process(app, listener, options)
            else:
                self._start_thread(app, listener, options)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """Of the master, or of this process."""
        return self._process.pid if self._process else os.getpid()

    def _start_thread(
        self, app: Any, listener: socket.socket, options: dict[str, Any]
    ) -> None:
        options["fd"] = os.dup(listener.fileno())
        worker = Worker(app, options, ("127.0.0.1", 0))
        worker.start(self._timeout)
        self._worker = worker

    def _start_process(
        self, app: str, listener: socket.socket, options: dict[str, Any]
    ) -> None:
        fd = listener.fileno()
        command = [sys.executable, "-m", "rupy", app, f"--fd={fd}"]
        for name, value in options.items():
            several = isinstance(value, list | tuple)
            for one in value if several else (value,):
                if one is not None:
                    command.append(f"--{name.replace('_', '-')}={_word(one)}")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stderr=self._log,
            pass_fds=(fd,),
            start_new_session=True,
        )
        try:
            self._wait_until_up()
        except BaseException:
            self.kill()
            raise

    def _wait_until_up(self) -> None:
        assert self._process is not None
        end = time.monotonic() + self._timeout
        while not self._answers():
            if self._process.poll() is not None:
                raise RuntimeError(
                    f"the server ended with {self._process.returncode}:\n"
                    + self.log
                )
            if time.monotonic() > end:
                raise TimeoutError(
                    f"the server is not up within {self._timeout:g} s:\n"
                    + self.log
                )
            time.sleep(_POLL)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), 1.0) as s:
                s.sendall(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return bool(s.recv(1))
        except OSError:
            return False

    @property
    def log(self) -> str:
        """What a server with processes of its own wrote to stderr."""
        if self._process is None:
            return ""
        self._log.seek(0)
        return self._log.read().decode(errors="backslashreplace")

    def stop(self) -> None:
        """End it; raises when it does not, and what its shutdown raised."""
        if self._worker is not None:
            worker, self._worker = self._worker, None
            worker.stop(self._timeout)
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(self._timeout)
            finally:
                self.kill()

    def kill(self) -> None:
        """End its processes at once."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
