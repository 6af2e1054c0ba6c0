"""Event loops for a test, and handlers that run on them as the server runs
them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from rupy import EventLoop, _core

LIMIT = 10.0


def new_loop(mode: str) -> EventLoop:
    """``debug`` has debug mode, with ``factory`` handlers are ordinary tasks;
    other modes have neither."""
    loop = EventLoop()
    loop.set_debug(mode == "debug")
    loop.slow_callback_duration = LIMIT
    if mode == "factory":
        loop.set_task_factory(
            lambda loop, coro, **kw: asyncio.Task(coro, loop=loop, **kw)
        )
    return loop


def run_until(loop: EventLoop, condition: Callable[[], object]) -> None:
    """Turn the loop until the condition holds, or the limit is over."""
    deadline = loop.time() + LIMIT

    def look() -> None:
        if condition() or loop.time() > deadline:
            loop.stop()
        else:
            loop.call_later(0.0005, look)

    look()
    loop.run_forever()
    assert condition()


def turn(loop: EventLoop) -> None:
    """One turn, and what is ready at its beginning."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def start(loop: EventLoop, awaitable: Awaitable[Any]) -> asyncio.Future[Any]:
    """Start it from the top of the loop; a future of (result, exception)."""
    outcome = loop.create_future()

    def done(result: Any, error: BaseException | None) -> None:
        if not outcome.cancelled():
            outcome.set_result((result, error))

    def begin() -> None:
        how, what = _core._drive_for_tests(loop, awaitable, done)
        if how == "done":
            done(what, None)
        elif how == "error":
            done(None, what)

    loop.call_soon(begin)
    return outcome


def run(loop: EventLoop, awaitable: Awaitable[Any]) -> Any:
    """Run it to its end; its result, or raise its exception."""
    result, error = loop.run_until_complete(
        asyncio.wait_for(start(loop, awaitable), LIMIT)
    )
    if error is not None:
        raise error
    return result


class Driver:
    """A loop, handlers that are run on it, and what it reported."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.loop = new_loop(mode)
        self.reports: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, c: self.reports.append(c))

    def start(self, awaitable: Awaitable[Any]) -> asyncio.Future[Any]:
        return start(self.loop, awaitable)

    def run(self, awaitable: Awaitable[Any]) -> Any:
        return run(self.loop, awaitable)

    def until(self, condition: Callable[[], object]) -> None:
        run_until(self.loop, condition)

    def close(self) -> None:
        assert self.loop._count_driven() == 0
        self.loop.close()
