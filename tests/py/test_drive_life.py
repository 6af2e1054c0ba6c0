"""The life of driven handlers: contexts, tasks used again, ends of loops."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import socket
import sys
import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from rupy import EventLoop, _core

LIMIT = 10.0

var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="no")


@pytest.fixture(params=["driven", "debug", "factory"])
def loop(request: pytest.FixtureRequest) -> Iterator[EventLoop]:
    loop = EventLoop()
    loop.slow_callback_duration = LIMIT
    loop.set_debug(request.param == "debug")
    if request.param == "factory":
        loop.set_task_factory(
            lambda loop, coro, **kw: asyncio.Task(coro, loop=loop, **kw)
        )
    yield loop
    loop.close()


@pytest.fixture
def driven() -> Iterator[EventLoop]:
    loop = EventLoop()
    loop.set_debug(False)
    yield loop
    loop.close()


def start(loop: EventLoop, awaitable: Awaitable[Any]) -> asyncio.Future[Any]:
    """Start it as the server does; a future of (result, exception)."""
    outcome = loop.create_future()

    def done(result: Any, error: BaseException | None) -> None:
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
    result, error = loop.run_until_complete(
        asyncio.wait_for(start(loop, awaitable), LIMIT)
    )
    if error is not None:
        raise error
    return result


def until(loop: EventLoop, condition: Callable[[], object]) -> None:
    deadline = loop.time() + LIMIT

    def look() -> None:
        if condition() or loop.time() > deadline:
            loop.stop()
        else:
            loop.call_later(0.0005, look)

    look()
    loop.run_forever()
    assert condition()


# ---- contexts ----


def test_variables_of_one_request_are_not_seen_by_the_next(
    loop: EventLoop,
) -> None:
    async def handler(value: str, wait: bool) -> tuple[str, str]:
        before = var.get()
        var.set(value)
        if wait:
            await asyncio.sleep(0.0005)
        return before, var.get()

    for wait in (False, True):
        assert run(loop, handler("a", wait)) == ("no", "a")
        assert run(loop, handler("b", wait)) == ("no", "b")
    outcomes = [start(loop, handler(str(i), True)) for i in range(5)]
    until(loop, lambda: all(o.done() for o in outcomes))
    assert [o.result()[0] for o in outcomes] == [("no", str(i)) for i in range(5)]
    assert var.get() == "no"


def test_handlers_see_what_start_up_has_set_and_not_who_starts_them(
    loop: EventLoop,
) -> None:
    async def handler() -> str:
        await asyncio.sleep(0)
        return var.get()

    def with_value(value: str, call: Callable[[], Any]) -> Any:
        ctx = contextvars.copy_context()
        ctx.run(var.set, value)
        return ctx.run(call)

    with_value("start-up", loop._capture_context)
    assert with_value("reader", lambda: run(loop, handler())) == "start-up"


def test_tasks_and_middleware_share_and_inherit_the_context(
    loop: EventLoop,
) -> None:
    async def child() -> str:
        return var.get()

    async def inner() -> str:
        var.set("inner")
        await asyncio.sleep(0)
        return await asyncio.create_task(child())

    async def middleware() -> tuple[str, str]:
        got = await inner()
        return got, var.get()

    assert run(loop, middleware()) == ("inner", "inner")


def test_a_step_started_inside_a_task_gives_the_task_back(
    driven: EventLoop,
) -> None:
    async def handler() -> str:
        me = asyncio.current_task()
        assert me is not None
        return me.get_name()

    async def main() -> tuple[str, bool, str]:
        me = asyncio.current_task()
        var.set("mine")
        how, name = _core._drive_for_tests(driven, handler(), print)
        await asyncio.sleep(0)
        return name, asyncio.current_task() is me, var.get()

    name, same, value = driven.run_until_complete(main())
    assert name.startswith("Request-") and same and value == "mine"


# ---- tasks used again ----


async def mark_attribute() -> Any:
    me: Any = asyncio.current_task()
    me.mark = "secret"
    return me


async def mark_dict() -> Any:
    me: Any = asyncio.current_task()
    vars(me)["mark"] = "secret"
    return id(me)


async def mark_callback() -> Any:
    me: Any = asyncio.current_task()
    me.add_done_callback(calls.append)


async def mark_message() -> Any:
    me: Any = asyncio.current_task()
    me.cancel("secret")
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        pass


async def mark_name() -> Any:
    me: Any = asyncio.current_task()
    me.set_name("secret")


async def mark_cancel() -> Any:
    me: Any = asyncio.current_task()
    me.cancel()


async def mark_weak() -> Any:
    weak.append(weakref.ref(asyncio.current_task()))


async def mark_kept() -> Any:
    kept.append(asyncio.current_task())


async def mark_error() -> Any:
    me: Any = asyncio.current_task()
    await asyncio.sleep(0)
    raise ValueError(me)


calls: list[Any] = []
weak: list[Any] = []
kept: list[Any] = []


async def inspect() -> None:
    me: Any = asyncio.current_task()
    assert not hasattr(me, "mark") and not me.__dict__
    assert me.get_name().startswith("Request-")
    assert me.cancelling() == 0 and not me._must_cancel
    assert me._fut_waiter is None and not me._callbacks
    assert me._cancel_message is None and not me.done()
    assert not any(r() is me for r in weak) and me not in kept
    await asyncio.sleep(0)
    assert me.cancelling() == 0 and asyncio.current_task() is me


@pytest.mark.parametrize(
    "mark",
    [
        mark_attribute,
        mark_dict,
        mark_callback,
        mark_message,
        mark_name,
        mark_cancel,
        mark_weak,
        mark_kept,
        mark_error,
    ],
)
def test_nothing_of_a_task_is_left_for_the_next_request(
    driven: EventLoop, mark: Callable[[], Awaitable[Any]]
) -> None:
    try:
        for _ in range(5):
            try:
                run(driven, mark())
            except ValueError as e:
                kept.append(e.args[0])
            run(driven, inspect())
    finally:
        for marks in (calls, weak, kept):
            marks.clear()


def test_a_kept_task_is_finished_like_any(driven: EventLoop) -> None:
    async def handler(how: str) -> int:
        tasks.append(asyncio.current_task())
        if how == "wait":
            await asyncio.sleep(0)
        if how == "error":
            raise ValueError(how)
        if how == "cancel":
            tasks[-1].cancel()
            await asyncio.sleep(0)
        return 5

    tasks: list[Any] = []
    for how in ("at once", "wait"):
        run(driven, handler(how))
        assert tasks[-1].done() and tasks[-1].result() == 5
    with pytest.raises(ValueError):
        run(driven, handler("error"))
    assert isinstance(tasks[-1].exception(), ValueError)
    with pytest.raises(asyncio.CancelledError):
        run(driven, handler("cancel"))
    assert tasks[-1].cancelled()
    assert len({id(t) for t in tasks}) == 4
    assert driven.run_until_complete(tasks[0]) == 5
    assert "finished" in repr(tasks[0])


def test_a_weak_reference_dies_with_the_request(driven: EventLoop) -> None:
    async def handler() -> None:
        refs.append(weakref.ref(asyncio.current_task()))  # type: ignore[arg-type]
        await asyncio.sleep(0)

    refs: list[weakref.ref[asyncio.Task[Any]]] = []
    run(driven, handler())
    gc.collect()
    assert refs[0]() is None


@pytest.mark.parametrize("waits", [False, True])
def test_many_handlers_leave_no_objects_behind(
    driven: EventLoop, waits: bool
) -> None:
    async def handler(i: int) -> int:
        if waits:
            await asyncio.sleep(0)
        if i % 7 == 0:
            raise ValueError(i)
        if i % 11 == 0:
            asyncio.current_task().cancel()  # type: ignore[union-attr]
            await asyncio.sleep(0)
        return i

    def done(*_: Any) -> None:
        nonlocal ended
        ended += 1

    def batch() -> None:
        nonlocal ended
        for i in range(500):
            how, _ = _core._drive_for_tests(driven, handler(i), done)
            ended += how != "waits"

    def run_batches(n: int) -> int:
        nonlocal ended
        for _ in range(n):
            ended = 0
            driven.call_soon(batch)
            until(driven, lambda: ended == 500)
        gc.collect()
        return len(gc.get_objects())

    ended = 0
    before = run_batches(4)
    after = run_batches(10)
    assert after - before < 100
    assert driven._count_driven() == 0


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
    until(loop, lambda: loop._count_driven() == 20)
    assert len(asyncio.all_tasks(loop)) == 20
    assert loop._cancel_driven() == 20
    until(loop, lambda: loop._count_driven() == 0)
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
    until(loop, lambda: loop._count_driven() == 3)
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()

    async def main() -> None:
        await asyncio.gather(*tasks, return_exceptions=True)

    loop.run_until_complete(main())
    until(loop, lambda: all(o.done() for o in outcomes))


def test_closing_a_loop_closes_what_still_waits(driven: EventLoop) -> None:
    ended: list[str] = []

    async def handler() -> None:
        try:
            await driven.create_future()
        finally:
            ended.append("closed")

    start(driven, handler())
    until(driven, lambda: driven._count_driven() == 1)
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
        generator = numbers()
        kept.append(generator)
        await generator.__anext__()

    assert run(loop, leaves_it()) == 1
    gc.collect()
    until(loop, lambda: ended)
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
    until(loop, outcome.done)
    assert outcome.result() == (5, None)


def test_all_tasks_of_one_loop_are_not_those_of_another(
    driven: EventLoop,
) -> None:
    other = EventLoop()

    async def handler() -> None:
        await asyncio.sleep(LIMIT)

    for one in (driven, other):
        start(one, handler())
        until(one, lambda one=one: one._count_driven() == 1)
    for one in (driven, other):
        (task,) = asyncio.all_tasks(one)
        assert task.get_loop() is one
        one._cancel_driven()
        until(one, lambda one=one: one._count_driven() == 0)
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
    import anyio.from_thread
    import anyio.to_thread

    async def answer() -> int:
        await anyio.sleep(0.0005)
        return 42

    async def handler() -> list[Any]:
        seen: list[Any] = []
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0)
            seen.append(await anyio.to_thread.run_sync(lambda: 5))
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep(LIMIT)
        seen.append(scope.cancelled_caught)
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.001):
                await anyio.sleep(LIMIT)
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, LIMIT)
            group.cancel_scope.cancel()
        seen.append(
            await anyio.to_thread.run_sync(
                lambda: anyio.from_thread.run(answer)
            )
        )
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
    until(loop, lambda: all(o.done() for o in outcomes))
    assert [o.result() for o in outcomes] == [
        ((106 + n, True), None) for n in range(10)
    ]
