"""Driven handlers are asyncio tasks: identity, timeouts, cancelling.

Every test runs three times: driven by send(), in debug mode and with a task
factory, where handlers are ordinary tasks.
"""

from __future__ import annotations

import asyncio
import asyncio.futures
import io
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from driven import LIMIT, Driver

from rupy import EventLoop, _core

FOREVER = 1000.0


@pytest.fixture(params=["driven", "debug", "factory"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    driver = Driver(request.param)
    yield driver
    driver.close()
    assert driver.reports == []


# ---- who am I ----


def test_a_handler_that_does_not_wait_answers_at_once() -> None:
    loop = EventLoop()

    async def handler() -> int:
        return 5

    async def failing() -> int:
        raise ValueError(5)

    def never(*_: Any) -> None:
        raise AssertionError

    assert _core._drive_for_tests(loop, handler(), never) == ("done", 5)
    how, error = _core._drive_for_tests(loop, failing(), never)
    assert how == "error" and isinstance(error, ValueError)
    loop.close()


def test_the_current_task_is_one_task_from_first_to_last(
    driver: Driver,
) -> None:
    async def handler() -> None:
        me = asyncio.current_task()
        assert isinstance(me, asyncio.Task)
        assert me in asyncio.all_tasks()
        name = me.get_name()
        await asyncio.sleep(0)
        assert asyncio.current_task() is me
        await asyncio.sleep(0.001)
        assert asyncio.current_task() is me
        assert me.get_name() == name and me in asyncio.all_tasks()
        assert me.get_loop() is asyncio.get_running_loop()
        assert not me.done() and not me.cancelled()
        with pytest.raises(asyncio.InvalidStateError):
            me.result()

    driver.run(handler())
    assert asyncio.all_tasks(driver.loop) == set()


def test_handlers_at_once_are_different_tasks(driver: Driver) -> None:
    tasks: list[Any] = []
    names: list[str] = []

    async def handler() -> None:
        me = asyncio.current_task()
        assert me is not None
        tasks.append(me)
        names.append(me.get_name())
        await asyncio.sleep(0.001)
        assert asyncio.current_task() is me

    outcomes = [driver.start(handler()) for _ in range(5)]
    driver.until(lambda: all(o.done() for o in outcomes))
    assert len({id(t) for t in tasks}) == 5
    if driver.mode == "driven":
        assert len(set(names)) == 5


def test_names_repr_stack_and_coro_are_those_of_a_task(driver: Driver) -> None:
    async def handler() -> None:
        me = asyncio.current_task()
        assert me is not None
        me.set_name("mine")
        assert "mine" in repr(me) and "handler" in repr(me)
        assert me.get_coro().__name__ == "handler"  # type: ignore[union-attr]
        driver.loop.call_soon(seen.append, "waits")
        await gate

    seen: list[str] = []
    gate = driver.loop.create_future()
    outcome = driver.start(handler())
    driver.until(lambda: seen)
    (task,) = asyncio.all_tasks(driver.loop)
    assert "wait_for=" in repr(task) and "mine" in repr(task)
    assert task.get_stack()[0].f_code.co_name == "handler"
    out = io.StringIO()
    task.print_stack(file=out)
    assert "handler" in out.getvalue()
    gate.set_result(None)
    driver.until(outcome.done)
    assert task.done() and "finished" in repr(task)
    assert task.get_stack() == []


def test_a_task_takes_no_result_from_outside(driver: Driver) -> None:
    async def handler() -> None:
        me: Any = asyncio.current_task()
        with pytest.raises(RuntimeError, match="does not support set_result"):
            me.set_result(1)
        with pytest.raises(RuntimeError, match="not support set_exception"):
            me.set_exception(ValueError())

    driver.run(handler())


def test_tasks_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError):
        _core.Task()


# ---- timeouts and groups ----


def test_a_timeout_before_the_first_wait_and_after(driver: Driver) -> None:
    async def handler() -> int:
        async with asyncio.timeout(LIMIT):
            pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.sleep(FOREVER)
        me = asyncio.current_task()
        assert me is not None and me.cancelling() == 0
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(FOREVER), 0.001)
        return me.cancelling()

    assert driver.run(handler()) == 0


def test_nested_timeouts_end_the_right_one(driver: Driver) -> None:
    async def handler() -> list[str]:
        seen: list[str] = []
        try:
            async with asyncio.timeout(0.005):
                try:
                    async with asyncio.timeout(LIMIT):
                        await asyncio.sleep(FOREVER)
                except TimeoutError:
                    seen.append("inner")
        except TimeoutError:
            seen.append("outer")
        await asyncio.sleep(0)
        return seen

    assert driver.run(handler()) == ["outer"]


def test_a_handler_that_catches_its_cancellation_may_wait_again(
    driver: Driver,
) -> None:
    async def handler() -> str:
        try:
            async with asyncio.timeout(0.001):
                try:
                    await asyncio.sleep(FOREVER)
                except asyncio.CancelledError:
                    await asyncio.sleep(0.001)
                    await asyncio.sleep(0)
                    raise
        except TimeoutError:
            await asyncio.sleep(0)
            return "cleaned up"
        return "no timeout"

    assert driver.run(handler()) == "cleaned up"


def test_an_exception_of_a_future_may_be_caught_and_waiting_goes_on(
    driver: Driver,
) -> None:
    async def handler() -> list[str]:
        loop = asyncio.get_running_loop()
        seen = []
        for i in range(3):
            future = loop.create_future()
            loop.call_soon(future.set_exception, ValueError(i))
            try:
                await future
            except ValueError as e:
                seen.append(str(e))
            await asyncio.sleep(0)
        return seen

    assert driver.run(handler()) == ["0", "1", "2"]


def test_a_failing_child_interrupts_the_body_of_its_group(
    driver: Driver,
) -> None:
    async def child() -> None:
        await asyncio.sleep(0)
        raise ValueError("child")

    async def handler() -> str:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                await asyncio.sleep(FOREVER)
        except* ValueError as errors:
            assert len(errors.exceptions) == 1
        me = asyncio.current_task()
        assert me is not None and me.cancelling() == 0
        await asyncio.sleep(0)
        return "ok"

    assert driver.run(handler()) == "ok"


def test_gather_wait_and_shield(driver: Driver) -> None:
    async def number(n: int) -> int:
        await asyncio.sleep(0.0001 * n)
        return n

    async def handler() -> tuple[list[int], int, int]:
        numbers = await asyncio.gather(*map(number, range(5)))
        tasks = [asyncio.create_task(number(n)) for n in range(3)]
        finished, pending = await asyncio.wait(tasks)
        shielded = await asyncio.shield(number(7))
        return numbers, len(finished) - len(pending), shielded

    assert driver.run(handler()) == ([0, 1, 2, 3, 4], 3, 7)


def test_cancelling_the_parent_cancels_what_it_waits_for(
    driver: Driver,
) -> None:
    ended: list[str] = []

    async def child(name: str) -> None:
        began.append(name)
        try:
            await asyncio.sleep(FOREVER)
        finally:
            ended.append(name)

    async def handler() -> None:
        shielded = asyncio.ensure_future(child("shielded"))
        kept.append(shielded)
        try:
            await asyncio.gather(
                child("a"), child("b"), asyncio.shield(shielded)
            )
        finally:
            ended.append("handler")

    kept: list[asyncio.Future[None]] = []
    began: list[str] = []
    outcome = driver.start(handler())
    driver.until(lambda: len(began) == 3)
    (task,) = [
        t
        for t in asyncio.all_tasks(driver.loop)
        if "handler" in repr(t.get_coro())
    ]
    assert task.cancel()
    driver.until(outcome.done)
    assert isinstance(outcome.result()[1], asyncio.CancelledError)
    assert ended == ["a", "b", "handler"]
    kept[0].cancel()
    driver.until(kept[0].done)


# ---- cancelling ----


def test_cancelled_by_itself_before_the_first_wait(driver: Driver) -> None:
    async def handler() -> None:
        me = asyncio.current_task()
        assert me is not None
        assert me.cancel("why")
        assert me.cancelling() == 1
        await asyncio.sleep(FOREVER)

    with pytest.raises(asyncio.CancelledError) as info:
        driver.run(handler())
    assert info.value.args == ("why",)


def test_cancelled_by_itself_at_a_bare_yield(driver: Driver) -> None:
    async def handler() -> str:
        me = asyncio.current_task()
        assert me is not None
        me.cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            assert me.uncancel() == 0
            await asyncio.sleep(0.0001)
            return "went on"
        return "not cancelled"

    assert driver.run(handler()) == "went on"


def test_cancelled_from_outside_with_a_message(driver: Driver) -> None:
    async def handler() -> None:
        await asyncio.sleep(FOREVER)

    outcome = driver.start(handler())
    driver.until(lambda: driver.loop._count_driven() == 1)
    (task,) = asyncio.all_tasks(driver.loop)
    assert task.cancel(msg="gone")
    assert task.cancelling() == 1
    assert not task.cancelled()
    driver.until(outcome.done)
    error = outcome.result()[1]
    assert isinstance(error, asyncio.CancelledError)
    assert error.args == ("gone",)
    assert task.cancelled() and not task.cancel()


def test_cancel_that_is_taken_back_is_not_delivered_from_3_13_on(
    driver: Driver,
) -> None:
    async def handler() -> str:
        me = asyncio.current_task()
        assert me is not None
        me.cancel()
        me.cancel()
        assert me.cancelling() == 2
        assert me.uncancel() == 1
        assert me.uncancel() == 0
        assert me.uncancel() == 0
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return "delivered"
        return "taken back"

    want = "taken back" if sys.version_info >= (3, 13) else "delivered"
    assert driver.run(handler()) == want


def test_a_handler_may_answer_although_it_was_cancelled(
    driver: Driver,
) -> None:
    async def handler() -> int:
        began.append(1)
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            return 5
        return 6

    began: list[int] = []
    outcome = driver.start(handler())
    driver.until(lambda: began)
    for task in asyncio.all_tasks(driver.loop):
        task.cancel()
    driver.until(outcome.done)
    assert outcome.result() == (5, None)


def test_cancel_while_the_wake_up_is_already_queued(driver: Driver) -> None:
    async def handler() -> str:
        future = asyncio.get_running_loop().create_future()
        futures.append(future)
        try:
            await future
        except asyncio.CancelledError:
            return "cancelled"
        return "woken"

    futures: list[asyncio.Future[None]] = []
    outcome = driver.start(handler())
    driver.until(lambda: futures)
    (task,) = asyncio.all_tasks(driver.loop)
    futures[0].set_result(None)
    assert task.cancel()
    driver.until(outcome.done)
    assert outcome.result() == ("cancelled", None)


def test_cancel_after_the_end_is_refused(driver: Driver) -> None:
    kept: list[asyncio.Task[Any]] = []

    async def handler(waits: bool) -> str:
        me = asyncio.current_task()
        assert me is not None
        kept.append(me)
        if waits:
            await asyncio.sleep(0)
        return "done"

    for waits in (False, True):
        assert driver.run(handler(waits)) == "done"
    for task in kept:
        assert not task.cancel("too late")
        assert task.done() and not task.cancelled()
        assert task.result() == "done"
