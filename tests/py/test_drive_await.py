"""What driven handlers may await, and the errors they end with.

Every test runs three times: driven by send(), in debug mode and with a task
factory, where handlers are ordinary tasks.
"""

from __future__ import annotations

import asyncio
import asyncio.futures
import contextlib
import gc
import warnings
import weakref
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from driven import LIMIT, Driver

from rupy import EventLoop


@pytest.fixture(params=["driven", "debug", "factory"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    driver = Driver(request.param)
    yield driver
    driver.close()
    assert driver.reports == []


# ---- what may be awaited ----


class Yields:
    """Awaitable that yields what it is told to."""

    def __init__(self, what: Any) -> None:
        self.what = what

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self.what)


def test_wrong_yields_raise_in_asyncios_words_and_can_be_caught(
    driver: Driver,
) -> None:
    async def handler() -> list[str]:
        loop = asyncio.get_running_loop()
        other = EventLoop()
        seen: list[str] = []
        cases: list[Any] = [
            5,
            (i for i in ()),
            loop.create_future(),
            asyncio.current_task(),
        ]
        for case in cases:
            with pytest.raises(RuntimeError) as info:
                await Yields(case)
            seen.append(str(info.value))
        with pytest.raises(RuntimeError) as info:
            await other.create_future()
        seen.append(str(info.value))
        me: Any = asyncio.current_task()
        with pytest.raises(RuntimeError) as info:
            await me
        seen.append(str(info.value))
        assert await Yields(None) is None
        other.close()
        return seen

    seen = driver.run(handler())
    assert seen[0].startswith("Task got bad yield: 5")
    assert "yield was used instead of yield from for generator" in seen[1]
    assert "yield was used instead of yield from in task" in seen[2]
    assert "cannot await on itself" in seen[3]
    assert "attached to a different loop" in seen[4]
    assert "cannot await on itself" in seen[5]


def test_a_future_written_in_python_is_waited_for(driver: Driver) -> None:
    async def handler() -> int:
        loop = asyncio.get_running_loop()
        future = asyncio.futures._PyFuture(loop=loop)  # type: ignore[attr-defined]
        loop.call_later(0.0005, future.set_result, 5)
        value: int = await future
        return value

    assert driver.run(handler()) == 5


def test_a_future_that_wakes_twice_wakes_once(driver: Driver) -> None:
    class Twice(asyncio.futures._PyFuture):  # type: ignore[name-defined,misc]
        def add_done_callback(self, fn: Any, *, context: Any = None) -> None:
            super().add_done_callback(fn, context=context)
            if driver.mode == "driven":
                super().add_done_callback(fn, context=context)

    async def handler() -> list[int]:
        loop = asyncio.get_running_loop()
        seen = []
        for i in range(3):
            future = Twice(loop=loop)
            loop.call_soon(future.set_result, i)
            seen.append(await future)
            await asyncio.sleep(0.0001)
        return seen

    assert driver.run(handler()) == [0, 1, 2]


def test_any_awaitable_can_be_driven(driver: Driver) -> None:
    future = driver.loop.create_future()
    driver.loop.call_later(0.0005, future.set_result, 7)
    assert driver.run(future) == 7
    assert driver.run(Yields(None)) is None

    async def inner() -> int:
        await asyncio.sleep(0)
        return 8

    assert driver.run(driver.loop.create_task(inner())) == 8
    with pytest.raises(TypeError, match="await"):
        driver.run(5)  # type: ignore[arg-type]


def test_a_python_3_4_style_coroutine_can_be_driven(driver: Driver) -> None:
    import types

    @types.coroutine
    def old() -> Generator[None, None, int]:
        yield
        return 9

    assert driver.run(old()) == 9


def test_other_tasks_may_await_a_handlers_task(driver: Driver) -> None:
    async def handler(error: bool) -> int:
        me: Any = asyncio.current_task()
        watcher.append(asyncio.ensure_future(watch(me)))
        await asyncio.sleep(0.0005)
        if error:
            raise ValueError("seen by both")
        return 5

    async def watch(task: asyncio.Task[int]) -> Any:
        try:
            return await task
        except ValueError as e:
            return e

    watcher: list[asyncio.Future[Any]] = []
    assert driver.run(handler(False)) == 5
    assert driver.loop.run_until_complete(watcher[0]) == 5
    with pytest.raises(ValueError):
        driver.run(handler(True))
    assert isinstance(driver.loop.run_until_complete(watcher[1]), ValueError)


def test_another_task_that_awaits_a_cancelled_one_is_told(
    driver: Driver,
) -> None:
    async def handler() -> None:
        me: Any = asyncio.current_task()
        watcher.append(asyncio.ensure_future(watch(me)))
        await asyncio.sleep(100 * LIMIT)

    async def watch(task: asyncio.Task[None]) -> Any:
        try:
            await task
        except asyncio.CancelledError:
            return "cancelled"

    watcher: list[asyncio.Future[Any]] = []
    outcome = driver.start(handler())
    driver.until(lambda: watcher)
    for task in asyncio.all_tasks(driver.loop):
        if "handler" in repr(task.get_coro()):
            task.cancel("bye")
    driver.until(outcome.done)
    assert driver.loop.run_until_complete(watcher[0]) == "cancelled"


# ---- errors ----


def test_an_exception_is_handed_over_once_and_never_logged(
    driver: Driver,
) -> None:
    async def handler() -> None:
        kept.append(asyncio.current_task())
        await asyncio.sleep(0)
        raise ValueError("mine")

    kept: list[Any] = []
    for _ in range(2):
        with pytest.raises(ValueError, match="mine"):
            driver.run(handler())
    # one is asked for its exception, the other is just dropped
    assert isinstance(kept[0].exception(), ValueError)
    kept.clear()
    gc.collect()
    assert driver.reports == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupts_leave_the_loop(
    driver: Driver, error: type[BaseException]
) -> None:
    async def handler() -> None:
        await asyncio.sleep(0)
        raise error

    outcome = driver.start(handler())
    with pytest.raises(error):
        driver.loop.run_forever()
    driver.until(outcome.done)
    assert isinstance(outcome.result()[1], error)


def test_stop_iteration_becomes_a_runtime_error(driver: Driver) -> None:
    async def handler() -> None:
        await asyncio.sleep(0)
        raise StopIteration

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        driver.run(handler())


def test_an_error_in_a_done_callback_is_reported(driver: Driver) -> None:
    async def handler() -> None:
        me = asyncio.current_task()
        assert me is not None
        me.add_done_callback(lambda _: 1 / 0)
        await asyncio.sleep(0)

    driver.run(handler())
    driver.until(lambda: driver.reports)
    assert len(driver.reports) == 1
    assert isinstance(driver.reports.pop()["exception"], ZeroDivisionError)


def test_done_callbacks_run_and_can_be_removed(driver: Driver) -> None:
    seen: list[Any] = []

    def unwanted(_: Any) -> None:
        raise AssertionError

    async def handler() -> int:
        me = asyncio.current_task()
        assert me is not None
        me.add_done_callback(lambda t: seen.append(t.result()))
        me.add_done_callback(unwanted)
        assert me.remove_done_callback(unwanted) == 1
        return 5

    assert driver.run(handler()) == 5
    driver.until(lambda: seen)
    assert seen == [5]


def test_a_traceback_does_not_keep_the_task_from_being_freed(
    driver: Driver,
) -> None:
    class Thing:
        pass

    async def handler() -> None:
        thing = Thing()
        gone.append(weakref.ref(thing))
        await asyncio.sleep(0)
        raise ValueError

    gone: list[weakref.ref[Thing]] = []
    with contextlib.suppress(ValueError):
        driver.run(handler())
    gc.collect()
    assert gone[0]() is None


def test_a_nested_run_fails_with_asyncios_own_error(driver: Driver) -> None:
    async def handler() -> str:
        await asyncio.sleep(0)
        coro = asyncio.sleep(0)
        try:
            asyncio.run(coro)
        except RuntimeError as e:
            return str(e)
        finally:
            coro.close()
        return ""

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "cannot be called from a running event loop" in driver.run(
            handler()
        )
    assert driver.run(asyncio.sleep(0, 1)) == 1
