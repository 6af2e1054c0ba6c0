"""How driven handlers end with their loop, and what they may use."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from driven import LIMIT, new_loop, run, run_until, start

from rupy import EventLoop, _core


@pytest.fixture(params=["driven", "debug", "factory"])
def loop(request: pytest.FixtureRequest) -> Iterator[EventLoop]:
    loop = new_loop(request.param)
    yield loop
    loop.close()


@pytest.fixture
def driven() -> Iterator[EventLoop]:
    loop = EventLoop()
    loop.set_debug(False)
    yield loop
    loop.close()


# ---- ends ----


def test_waiting_handlers_are_cancelled_and_waited_for(
    loop: EventLoop,
) -> None:
    ended: list[int] = []

    async def handler(i: int) -> None:
        try:
            await asyncio.sleep(LIMIT)
        finally:
            await asyncio.sleep(0.0005)
            ended.append(i)

    outcomes = [start(loop, handler(i)) for i in range(20)]
    run_until(loop, lambda: loop._count_driven() == 20)
    assert len(asyncio.all_tasks(loop)) == 20
    assert loop._cancel_driven() == 20
    run_until(loop, lambda: loop._count_driven() == 0)
    assert ended == list(range(20))
    assert all(
        isinstance(o.result()[1], asyncio.CancelledError) for o in outcomes
    )


def test_runner_style_cancelling_by_all_tasks_reaches_them(
    loop: EventLoop,
) -> None:
    async def handler() -> None:
        await asyncio.sleep(LIMIT)

    outcomes = [start(loop, handler()) for _ in range(3)]
    run_until(loop, lambda: loop._count_driven() == 3)
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()

    async def main() -> None:
        await asyncio.gather(*tasks, return_exceptions=True)

    loop.run_until_complete(main())
    run_until(loop, lambda: all(o.done() for o in outcomes))


def test_closing_a_loop_closes_what_still_waits(driven: EventLoop) -> None:
    ended: list[str] = []

    async def handler() -> None:
        try:
            await driven.create_future()
        finally:
            ended.append("closed")

    start(driven, handler())
    run_until(driven, lambda: driven._count_driven() == 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        driven.close()
        gc.collect()
    assert ended == ["closed"]


def test_a_dropped_loop_is_freed_with_handlers_that_wait() -> None:
    loop = EventLoop()
    loop.set_debug(False)
    ended: list[str] = []
    gone = weakref.ref(loop)

    async def handler() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("closed")

    loop.call_soon(
        lambda loop: _core._drive_for_tests(loop, handler(), print), loop
    )
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert loop._count_driven() == 1
    with pytest.warns(ResourceWarning):
        del loop
        gc.collect()
    assert gone() is None and ended == ["closed"]


def test_async_generators_are_closed(loop: EventLoop) -> None:
    ended: list[str] = []

    kept: list[Any] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            ended.append("closed")

    async def leaves_it() -> int:
        async for n in numbers():
            return n
        return 0

    async def keeps_it() -> None:
        kept.append(numbers())
        await kept[0].__anext__()

    assert run(loop, leaves_it()) == 1
    gc.collect()
    run_until(loop, lambda: ended)
    run(loop, keeps_it())
    loop.run_until_complete(loop.shutdown_asyncgens())
    kept.clear()
    assert ended == ["closed", "closed"]


def test_stop_called_by_a_handler_ends_the_turn_only(loop: EventLoop) -> None:
    async def handler() -> int:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.001)
        return 5

    outcome = start(loop, handler())
    loop.run_forever()
    assert not outcome.done()
    run_until(loop, outcome.done)
    assert outcome.result() == (5, None)


def test_all_tasks_of_one_loop_are_not_those_of_another(
    driven: EventLoop,
) -> None:
    other = EventLoop()

    async def handler() -> None:
        await asyncio.sleep(LIMIT)

    for one in (driven, other):
        start(one, handler())
        run_until(one, lambda one=one: one._count_driven() == 1)
    for one in (driven, other):
        (task,) = asyncio.all_tasks(one)
        assert task.get_loop() is one
        one._cancel_driven()
        run_until(one, lambda one=one: one._count_driven() == 0)
    other.close()


def test_a_task_factory_sees_every_handler() -> None:
    loop = EventLoop()
    made: list[Any] = []

    def factory(loop: Any, coro: Any, **kw: Any) -> asyncio.Task[Any]:
        made.append(coro)
        return asyncio.Task(coro, loop=loop, **kw)

    async def handler() -> int:
        await asyncio.sleep(0)
        return 5

    loop.set_task_factory(factory)
    assert run(loop, handler()) == 5
    assert any(c.__name__ == "handler" for c in made)
    loop.close()


def test_handlers_can_be_ordinary_tasks_by_the_environment() -> None:
    code = """
import asyncio
from rupy import EventLoop, _core

async def handler():
    await asyncio.sleep(0)
    return type(asyncio.current_task())

def done(result, error):
    assert result is asyncio.Task, (result, error)
    loop.stop()

loop = EventLoop()
loop.call_soon(lambda: _core._drive_for_tests(loop, handler(), done))
loop.run_forever()
loop.close()
"""
    subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code],
        env={**os.environ, "RUPY_TASKS": "native"},
        check=True,
        timeout=LIMIT,
    )


def test_an_unknown_asyncio_means_ordinary_tasks_and_a_warning() -> None:
    code = """
import asyncio, asyncio.tasks, warnings
from rupy import EventLoop, _core

asyncio.tasks.current_task = lambda loop=None: None

async def handler():
    await asyncio.sleep(0)
    return 5

def done(result, error):
    assert result == 5, (result, error)
    loop.stop()

loop = EventLoop()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        loop.call_soon(lambda: _core._drive_for_tests(loop, handler(), done))
        loop.run_forever()
assert [w.category for w in caught] == [RuntimeWarning], caught
loop.close()
"""
    subprocess.run(
        [sys.executable, "-P", "-c", code], check=True, timeout=LIMIT
    )


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="eager tasks are new in 3.12"
)
def test_an_eager_task_factory_answers_at_once() -> None:
    loop = EventLoop()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]

    async def handler() -> int:
        return 5

    async def waits() -> int:
        await asyncio.sleep(0)
        return 6

    assert run(loop, handler()) == 5
    assert run(loop, waits()) == 6
    loop.close()


# ---- what handlers use ----


def test_executors_threads_dns_and_subprocesses(loop: EventLoop) -> None:
    async def handler() -> tuple[int, int, bool, bytes]:
        running = asyncio.get_running_loop()
        a = await running.run_in_executor(None, sum, [1, 2])
        b = await asyncio.to_thread(sum, [3, 4])
        addresses = await running.getaddrinfo(
            "127.0.0.1", 80, type=socket.SOCK_STREAM
        )
        process = await asyncio.create_subprocess_exec(
            "cat",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate(b"through")
        await running.shutdown_default_executor()
        return a, b, bool(addresses), out

    assert run(loop, handler()) == (3, 7, True, b"through")


def test_signals_reach_a_handler(loop: EventLoop) -> None:
    async def handler() -> str:
        running = asyncio.get_running_loop()
        future = running.create_future()
        running.add_signal_handler(
            signal.SIGUSR1, lambda: future.set_result("signal")
        )
        signal.raise_signal(signal.SIGUSR1)
        try:
            return str(await future)
        finally:
            running.remove_signal_handler(signal.SIGUSR1)

    assert run(loop, handler()) == "signal"


def test_anyio(loop: EventLoop) -> None:
    anyio = pytest.importorskip("anyio")
    from_thread = pytest.importorskip("anyio.from_thread")
    to_thread = pytest.importorskip("anyio.to_thread")

    async def answer() -> int:
        await anyio.sleep(0.0005)
        return 42

    async def handler() -> list[Any]:
        seen: list[Any] = []
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0)
            seen.append(await to_thread.run_sync(lambda: 5))
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep(LIMIT)
        seen.append(scope.cancelled_caught)
        with pytest.raises(TimeoutError), anyio.fail_after(0.001):
            await anyio.sleep(LIMIT)
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, LIMIT)
            group.cancel_scope.cancel()
        seen.append(await to_thread.run_sync(lambda: from_thread.run(answer)))
        me = asyncio.current_task()
        assert me is not None and me.cancelling() == 0
        return seen

    async def main() -> list[Any]:
        # a root task, as the worker has one
        return list((await start(loop, handler()))[0])

    assert loop.run_until_complete(asyncio.wait_for(main(), LIMIT)) == [
        5,
        True,
        42,
    ]


def test_greenlets_may_switch_inside_a_step(loop: EventLoop) -> None:
    greenlet = pytest.importorskip("greenlet")

    async def spawn(fn: Callable[..., Any], *args: Any) -> Any:
        """What SQLAlchemy's greenlet_spawn() does."""
        glet = greenlet.greenlet(fn)
        result = glet.switch(*args)
        while not glet.dead:
            try:
                value = await result
            except BaseException:
                result = glet.throw(*sys.exc_info())
            else:
                result = glet.switch(value)
        return result

    def await_only(awaitable: Awaitable[Any]) -> Any:
        return greenlet.getcurrent().parent.switch(awaitable)

    def sync_code(n: int) -> int:
        total = 0
        for i in range(3):
            total += await_only(asyncio.sleep(0.0002 * n, i))
            total += await_only(asyncio.sleep(0, i))
        try:
            await_only(failing())
        except ValueError:
            total += 100
        return total + n

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError

    async def handler(n: int) -> tuple[int, bool]:
        me = asyncio.current_task()
        result = await spawn(sync_code, n)
        return result, asyncio.current_task() is me

    outcomes = [start(loop, handler(n)) for n in range(10)]
    run_until(loop, lambda: all(o.done() for o in outcomes))
    assert [o.result() for o in outcomes] == [
        ((106 + n, True), None) for n in range(10)
    ]
