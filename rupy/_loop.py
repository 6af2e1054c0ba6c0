"""The Python half of the event loop.

`EventLoop` is asyncio's selector loop with its inside in C: callbacks,
timers, watched files and the run itself come from `_core.LoopBase` (libev);
transports, servers, TLS, subprocesses, executors and signals are inherited
from asyncio.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import sys
from asyncio import base_events, format_helpers
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from rupy import _core
from rupy._transport import SocketTransport

__all__ = ["EventLoop", "new_event_loop", "run"]

_T = TypeVar("_T")

_log = logging.getLogger("asyncio")

_core._use_asyncio()


class _Selector(selectors.BaseSelector):
    """What asyncio looks up in a selector; the loop itself does the work.

    `given` is what the caller of `EventLoop()` passed; it is only closed.
    """

    def __init__(
        self, loop: EventLoop, given: selectors.BaseSelector | None
    ) -> None:
        self._loop = loop
        self._given = given

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {
            fd: selectors.SelectorKey(fd, fd, events, None)
            for fd, events in self._loop._watched().items()
        }

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        return self.get_map()[fd]

    def register(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        raise NotImplementedError("use loop.add_reader() or add_writer()")

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise NotImplementedError("use loop.remove_reader()")

    def select(self, timeout: float | None = None) -> list[Any]:
        raise NotImplementedError("the loop polls by itself")

    def close(self) -> None:
        if self._given is not None:
            self._given.close()
            self._given = None


class EventLoop(_core.LoopBase, asyncio.SelectorEventLoop):
    """An asyncio event loop on libev.

    It passes CPython's own tests of asyncio.  `selector` is accepted because
    `asyncio.SelectorEventLoop` takes one, and is not used.
    """

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        super().__init__(_Selector(self, selector))

    def close(self) -> None:
        super().close()
        self._purge()

    def _make_socket_transport(
        self,
        sock: Any,
        protocol: Any,
        waiter: Any = None,
        *,
        extra: Any = None,
        server: Any = None,
    ) -> Any:
        # From 3.12 on it is looked for here, before that by the callers.
        if sys.version_info >= (3, 12):
            self._ensure_fd_no_transport(sock)  # type: ignore[attr-defined]
        return SocketTransport(self, sock, protocol, waiter, extra, server)

    def _callback_failed(
        self,
        exc: BaseException,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        handle: Any,
    ) -> None:
        """Report what a callback raised; called from C."""
        if handle is callback:
            what = repr(handle)
        else:
            what = format_helpers._format_callback_source(callback, args)
        context = {"message": f"Exception in callback {what}", "exception": exc}
        if handle is not None:
            context["handle"] = handle
        self.call_exception_handler(context)

    def _run_handle(self, handle: asyncio.Handle) -> None:
        """Run a Handle and tell of slow ones, in debug mode; called from C."""
        self._current_handle: asyncio.Handle | None = handle
        began = self.time()
        try:
            handle._run()
            took = self.time() - began
            if took >= self.slow_callback_duration:
                # Under the name by which others replace it.
                base_events.logger.warning(  # type: ignore[attr-defined]
                    "Executing %s took %.3f seconds",
                    base_events._format_handle(handle),  # type: ignore[attr-defined]
                    took,
                )
        finally:
            self._current_handle = None
            # The traceback of an exception that a task keeps may keep this
            # frame, and by the handle the task.
            del handle


async def _await(awaitable: Awaitable[_T]) -> _T:
    """Make a coroutine of something that can be awaited; called from C."""
    return await awaitable


def new_event_loop() -> EventLoop:
    """Return a new, open event loop."""
    return EventLoop()


def run(main: Coroutine[Any, Any, _T], *, debug: bool | None = None) -> _T:
    """As `asyncio.run()`, on an `EventLoop`."""
    with asyncio.Runner(debug=debug, loop_factory=EventLoop) as runner:
        return runner.run(main)


if sys.version_info < (3, 14):

    class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
        """`asyncio.set_event_loop_policy(EventLoopPolicy())` for programs
        that make their loops by the policy."""

        _loop_factory = EventLoop

    __all__ += ["EventLoopPolicy"]


class _Probe:
    """A loop that catches how tasks call back, and runs nothing."""

    def __init__(self) -> None:
        self.caught: list[Callable[..., Any]] = []

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> None:
        self.caught.append(callback)

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        pass


def _learn() -> None:
    """Show the C half what steps and wakes asyncio's own tasks."""
    probe: Any = _Probe()
    future: asyncio.Future[None] = asyncio.Future(loop=probe)
    coro = _await(future)
    task: Any = asyncio.Task(coro, loop=probe)
    try:
        probe.caught[0]()
        future.set_result(None)
        _core._learn(probe.caught[0], probe.caught[1])
        probe.caught[1](future)
    finally:
        coro.close()
        task._log_destroy_pending = False


try:
    _learn()
except Exception:  # an asyncio that we do not know: its tasks use handles
    _log.debug("the callbacks of asyncio's tasks are unknown", exc_info=True)
