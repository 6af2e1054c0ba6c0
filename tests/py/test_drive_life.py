"""Contexts of driven handlers, and tasks that are used again."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from driven import new_loop, run, run_until, start

from rupy import EventLoop, _core

var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="no")


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
    run_until(loop, lambda: all(o.done() for o in outcomes))
    assert [o.result()[0] for o in outcomes] == [
        ("no", str(i)) for i in range(5)
    ]
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
        _, name = _core._drive_for_tests(driven, handler(), print)
        assert asyncio.current_task() is me
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
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0)


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

    ended: list[object] = []

    def batch() -> None:
        ended.clear()
        for i in range(500):
            how, _ = _core._drive_for_tests(
                driven, handler(i), lambda *_: ended.append(None)
            )
            if how != "waits":
                ended.append(None)

    def run_batches(n: int) -> int:
        for _ in range(n):
            driven.call_soon(batch)
            driven.call_soon(driven.stop)
            driven.run_forever()
            run_until(driven, lambda: len(ended) == 500)
        ended.clear()
        gc.collect()
        return len(gc.get_objects())

    before = run_batches(4)
    after = run_batches(10)
    assert after - before < 100
    assert driven._count_driven() == 0
