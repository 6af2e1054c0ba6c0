"""The Python half of one worker: its loop, and its life from first to last."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, cast

from . import _core
from ._lifespan import Lifespan, StartupError
from ._loop import EventLoop

if TYPE_CHECKING:
    from .app import Rupy

_EXIT_OK = 0
_EXIT_BOOT = 3

# Seconds that cancelled tasks have to come to their end, and the threads of
# the default executor to finish what they do.
_CANCEL_LIMIT = 5.0
_CANCEL_POLL = 0.01
_EXECUTOR_LIMIT = 5.0

# Of the time that is left until the graceful deadline: what an application
# does after its answers, and its shutdown.  The rest is for the loop.
_AFTER_SHARE = 0.5
_SHUTDOWN_SHARE = 0.8


class Watcher(Protocol):
    """Who started the worker in its own process and wants to know."""

    def ready(self, loop: EventLoop) -> None:
        """The application is up and is served."""

    def failed(self, error: BaseException) -> None:
        """Its start-up, or its shutdown, has failed."""


def run(worker: _core.Worker, watcher: Watcher | None = None) -> int:
    """Serve until the worker is told to stop; return its exit status.

    Works in any thread: no signal handler is installed.
    """
    loop = EventLoop()
    asyncio.set_event_loop(loop)
    _install_child_watcher(loop)
    try:
        worker.attach(loop)
        return loop.run_until_complete(main(worker, watcher))
    finally:
        try:
            _finish(loop, worker)
        finally:
            worker.detach()
            asyncio.set_event_loop(None)
            loop.close()


async def main(worker: _core.Worker, watcher: Watcher | None = None) -> int:
    """From start-up to shutdown; return the exit status.

    Both run in this one task: what a lifespan enters it must leave in the
    same task (anyio's cancel scopes).
    """
    app = _native_of(worker)
    if app:
        try:
            await app._startup(worker.lifespan, worker.log)
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            if watcher:
                watcher.failed(error)
            if worker.may_report():
                worker.log("start-up failed\n" + traceback.format_exc())
            return _EXIT_BOOT
    lifespan = _lifespan_of(worker)
    if lifespan:
        try:
            await lifespan.startup()
        except StartupError as failure:
            if watcher:
                watcher.failed(lifespan.error or failure)
            if worker.may_report():
                worker.log(f"start-up failed\n{failure}")
            return _EXIT_BOOT
    loop = asyncio.get_running_loop()
    stopped = loop.create_future()
    worker.start(lambda: None if stopped.done() else stopped.set_result(None))
    if watcher:
        assert isinstance(loop, EventLoop)
        watcher.ready(loop)
    await stopped
    if lifespan or (app and app._mounts and _has_asgi(app)):
        await _finish_requests(worker)
    await _end_requests(worker)
    if app:
        try:
            async with asyncio.timeout(worker.graceful_timeout or None):
                await app._shutdown()
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            if watcher:
                watcher.failed(error)
            worker.log("shutdown failed\n" + traceback.format_exc())
    if lifespan:
        left = worker.time_left()
        limit = None if left is None else left * _SHUTDOWN_SHARE
        try:
            async with asyncio.timeout(limit):
                await lifespan.shutdown()
        except TimeoutError:
            worker.log(
                "shutdown failed: no lifespan.shutdown.complete within"
                f" {limit:.1f} s"
            )
        if watcher and lifespan.error:
            watcher.failed(lifespan.error)
    return _EXIT_OK


def _native_of(worker: _core.Worker) -> Rupy | None:
    if worker.interface != "rupy":
        return None
    return cast("Rupy", worker.app)


def _has_asgi(app: Rupy) -> bool:
    from . import _mount

    return _mount.has_asgi(app)


def _lifespan_of(worker: _core.Worker) -> Lifespan | None:
    if worker.interface != "asgi":
        return None
    app: Any = worker.app
    return Lifespan(app, worker.state, worker.lifespan, worker.log)


async def _finish_requests(worker: _core.Worker) -> None:
    """Wait for what an ASGI application does after its answers."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, EventLoop)
    left = worker.time_left()
    end = None if left is None else loop.time() + left * _AFTER_SHARE
    while loop._count_driven() and (end is None or loop.time() < end):
        await asyncio.sleep(_CANCEL_POLL)


async def _end_requests(worker: _core.Worker) -> None:
    """Cancel the handlers that still wait, and wait for them, but not for
    ever.  A background task of the application is left to its own shutdown.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, EventLoop)
    end = loop.time() + _CANCEL_LIMIT
    loop._cancel_driven()
    while loop._count_driven() and loop.time() < end:
        await asyncio.sleep(_CANCEL_POLL)
    if loop._count_driven():
        worker.log(
            f"{loop._count_driven()} handlers did not end within"
            f" {_CANCEL_LIMIT:g} s"
        )


async def _end_tasks(
    tasks: Iterable[asyncio.Task[object]], worker: _core.Worker
) -> None:
    """Wait for tasks that were cancelled, but not for ever."""
    tasks = list(tasks)
    if not tasks:
        return
    _, pending = await asyncio.wait(tasks, timeout=_CANCEL_LIMIT)
    if pending:
        worker.log(
            f"{len(pending)} tasks did not end within {_CANCEL_LIMIT:g} s\n"
            + "".join(f"{task!r}\n" for task in pending)
        )


def _finish(loop: asyncio.AbstractEventLoop, worker: _core.Worker) -> None:
    """What asyncio.Runner.close() does, with a limit to each step."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(_end_tasks(tasks, worker))
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception():
            loop.call_exception_handler(
                {
                    "message": "unhandled exception while a task was ended",
                    "exception": task.exception(),
                    "task": task,
                }
            )
    loop.run_until_complete(_end_generators(loop))
    _end_executor(loop, worker)


async def _end_generators(loop: asyncio.AbstractEventLoop) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CANCEL_LIMIT):
            await loop.shutdown_asyncgens()


def _end_executor(
    loop: asyncio.AbstractEventLoop, worker: _core.Worker
) -> None:
    # loop.shutdown_default_executor() has a limit only from 3.12 on, and
    # until then joins its threads even after it was cancelled.
    executor = getattr(loop, "_default_executor", None)
    if executor is None:
        return
    executor.shutdown(wait=False, cancel_futures=True)
    ender = threading.Thread(target=executor.shutdown, daemon=True)
    ender.start()
    ender.join(_EXECUTOR_LIMIT)
    if ender.is_alive():
        worker.log(f"threads did not end within {_EXECUTOR_LIMIT:g} s")


def _install_child_watcher(loop: asyncio.AbstractEventLoop) -> None:
    """Let subprocesses be waited for without a thread for each.

    From 3.12 on this is what asyncio does by itself.  There is one watcher
    for a process: it belongs to the loop of the main thread.
    """
    if sys.version_info >= (3, 12):
        return
    if threading.current_thread() is not threading.main_thread():
        return
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # an old kernel, or a sandbox
        return
    watcher = asyncio.PidfdChildWatcher()
    watcher.attach_loop(loop)
    asyncio.set_child_watcher(watcher)
