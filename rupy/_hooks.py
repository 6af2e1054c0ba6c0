"""Calling hooks: in the process of the master's hooks, and in a worker.

What a hook raises is text for the log, and nothing else happens.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

from . import _conffile
from .hooks import Master, Record, Worker

_MESSAGE_MAX = 128 * 1024
_TEXT_MAX = 32 * 1024

# ---- the process of the master's hooks ----


def serve(
    fd: int, source: str, name: str, path: str, folders: list[str]
) -> int:
    """Call what the master says on the socket, one hook at a time.

    It says ``name``, then lines ``key=value``, an empty line and a text; it
    hears one message for each, and one when the file was run: ``k``, or ``x``
    and what went wrong.  Ends at the end of file.
    """
    with socket.socket(fileno=fd) as master:
        try:
            module = _conffile.execute(source, name, path, folders)
        except BaseException:
            _answer(master, _failure("the hooks do not run"))
            return 1
        hooks = _conffile.hooks_of(module, _conffile.MASTER_HOOKS)
        _answer(master, "")
        while message := master.recv(_MESSAGE_MAX):
            _answer(master, _dispatch(hooks, message.decode("utf-8")))
            _flush()
    return 0


def _answer(master: socket.socket, failure: str) -> None:
    text = failure.encode("utf-8", "backslashreplace")[:_TEXT_MAX]
    master.send(b"x" + text if text else b"k")


def _dispatch(hooks: dict[str, Callable[..., Any]], message: str) -> str:
    head, _, text = message.partition("\n\n")
    name, *lines = head.split("\n")
    said: dict[str, str] = {}
    addresses: list[str] = []
    for line in lines:
        key, _, value = line.partition("=")
        if key == "address":
            addresses.append(value)
        else:
            said[key] = value
    numbers = {
        key: int(said[key])
        for key in ("number", "generation", "pid", "status", "workers")
        if key in said
    }
    args: tuple[object, ...]
    if name == "child_exit":
        args = (numbers["pid"], numbers["status"])
    elif "workers" in numbers:
        args = (Master(numbers["pid"], numbers["workers"], tuple(addresses)),)
    else:
        worker = Worker(
            numbers["number"], numbers["generation"], numbers.get("pid")
        )
        args = (worker, text) if name == "worker_timeout" else (worker,)
    return _call(name, hooks[name], *args)


# ---- a worker ----


class WorkerHooks:
    """The hooks of one worker; each method gives what is to be logged."""

    def __init__(
        self,
        source: str,
        name: str,
        path: str,
        folders: list[str],
        worker: Worker,
    ) -> None:
        module = _conffile.execute(source, name, path, folders)
        self._hooks = _conffile.hooks_of(module, _conffile.WORKER_HOOKS)
        self._worker = worker
        #: Requests that are over; whoever serves them adds to it.
        self.records: list[tuple[Any, ...]] = []

    def forked(self) -> str:
        return self._call("post_fork", self._worker)

    def ready(self, app: object) -> str:
        otel = sys.modules.get(f"{__package__}._otel")
        self._worker.app = otel.application(app) if otel else app
        return self._call("worker_ready", self._worker)

    def ended(self, status: int) -> str:
        failures = self.log()
        return failures + self._call("worker_exit", self._worker, status)

    def log(self) -> str:
        """Tell of the requests that were added."""
        records = self.records[:]
        self.records.clear()
        return "".join(
            self._call("log_request", Record(*record)) for record in records
        )

    def _call(self, name: str, *args: object) -> str:
        hook = self._hooks.get(name)
        return _call(name, hook, *args) if hook else ""


def open_worker(
    source: str,
    name: str,
    path: str,
    folders: list[str],
    number: int,
    generation: int,
    stacks: int,
) -> WorkerHooks | str:
    """Run the file in a worker; what went wrong is text for the log.

    ``stacks``, if not below 0, is where its Python stacks go when it is taken
    for hung.
    """
    if stacks >= 0:
        import faulthandler

        faulthandler.enable(stacks)
    worker = Worker(number, generation, os.getpid())
    try:
        return WorkerHooks(source, name, path, folders, worker)
    except BaseException:
        return _failure("the hooks do not run")


# ---- calling ----


def _call(name: str, hook: Callable[..., Any], *args: object) -> str:
    try:
        hook(*args)
    except BaseException:
        return _failure(f"hook {name} failed")
    return ""


def _failure(what: str) -> str:
    error = sys.exc_info()[1]
    assert error
    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename in (
        __file__,
        _conffile.__file__,
    ):
        tb = tb.tb_next
    lines = traceback.format_exception(type(error), error, tb)
    return f"{what}\n{''.join(lines)}"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
