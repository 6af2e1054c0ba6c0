"""A worker in a thread of this process, with or without a port."""

from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import socket
import threading
from collections.abc import Mapping
from typing import Any

from rupy import _core, _worker
from rupy._loop import EventLoop

# Whose application runs here: set in the worker's thread, and therefore in
# the contexts of all handlers.
_current: contextvars.ContextVar[Worker | None] = contextvars.ContextVar(
    "rupy.testing", default=None
)

# Seconds, beyond what the application has, to end a worker.
_END_GRACE = 10.0

# Exceptions that are kept until somebody looks.
_ERRORS_MAX = 100


class Worker:
    """One application, served by the C core on an event loop of its own.

    Connections are given to it by ``connect``; with options that say where
    to listen it listens as well.  ``errors`` are exceptions that the
    application did not handle and nobody has looked at.
    """

    def __init__(
        self, app: Any, options: Mapping[str, Any], client: tuple[str, int]
    ) -> None:
        self.errors: list[BaseException] = []
        self._app = app
        self._options = {"workers": 1, "log_level": "warning", **options}
        self._client = client
        self._worker: _core.Worker | None = None
        self._loop: EventLoop | None = None
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self._given_up = False
        self._failure: BaseException | None = None
        self._status: int | None = None
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._run,),
            name="rupy.testing",
            daemon=True,
        )

    # ---- in the worker's thread ----

    def _run(self) -> None:
        _current.set(self)
        try:
            self._status = _core.serve(self._app, self._options, self._serve)
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            self._loop = None
            self._ready.set()

    def _serve(self, worker: _core.Worker) -> int:
        self._worker = worker
        try:
            return _worker.run(worker, self)
        except BaseException as error:
            self.failed(error)
            raise
        finally:
            # It points to what ends with this call.
            self._worker = None

    def ready(self, loop: EventLoop) -> None:
        with self._lock:
            self._loop = loop
            given_up = self._given_up
        self._ready.set()
        if given_up:
            self._stop()

    def failed(self, error: BaseException) -> None:
        self._failure = error

    def _adopt(self, fd: int) -> None:
        if self._worker is not None:
            self._worker.adopt(fd, *self._client)

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.stop()

    # ---- in any thread ----

    def start(self, timeout: float | None) -> None:
        """Raises what the application's start-up raised."""
        self._thread.start()
        if not self._ready.wait(timeout):
            with self._lock:
                self._given_up = True
            raise TimeoutError(
                f"the application did not start within {timeout:g} s"
            )
        if self._loop is None:
            self._thread.join(_END_GRACE)
            raise self._failure or RuntimeError(
                f"the application did not start: status {self._status}"
            )

    def connect(self) -> socket.socket:
        """A new connection, non-blocking."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        try:
            with self._lock:
                if self._loop is None:
                    raise RuntimeError("the application has ended")
                self._loop.call_soon_threadsafe(self._adopt, theirs.detach())
        except BaseException:
            ours.close()
            theirs.close()
            raise
        return ours

    def settle(self, timeout: float | None) -> None:
        """Wait until the loop has come round."""
        turned: concurrent.futures.Future[None] = concurrent.futures.Future()
        loop = self._loop
        with contextlib.suppress(RuntimeError, TimeoutError):
            if loop is not None:
                loop.call_soon_threadsafe(turned.set_result, None)
                turned.result(timeout)

    def stop(self, timeout: float | None) -> None:
        """End the application; raises what its shutdown raised."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(self._stop)
        if not self._thread.ident:
            return
        self._thread.join(None if timeout is None else timeout + _END_GRACE)
        if self._thread.is_alive():
            raise TimeoutError("the application does not end")
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


def _on_exception(error: BaseException) -> None:
    worker = _current.get()
    if worker is not None and len(worker.errors) < _ERRORS_MAX:
        worker.errors.append(error)


_core._set_exception_hook(_on_exception)
