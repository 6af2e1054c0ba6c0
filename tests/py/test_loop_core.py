"""The event loop by itself: callbacks and timers."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from driven import LIMIT, new_loop, run_until, turn

from rupy import EventLoop


@pytest.fixture(params=["plain", "debug"])
def loop(request: pytest.FixtureRequest) -> Iterator[EventLoop]:
    loop = new_loop(request.param)
    yield loop
    loop.close()


# ---- callbacks ----


def test_callbacks_run_in_order_with_arguments_and_context(
    loop: EventLoop,
) -> None:
    var: contextvars.ContextVar[int] = contextvars.ContextVar("var", default=0)
    ctx = contextvars.Context()
    ctx.run(var.set, 7)
    seen: list[Any] = []
    loop.call_soon(lambda *a: seen.append((a, var.get())))
    loop.call_soon(lambda *a: seen.append((a, var.get())), 1)
    loop.call_soon(lambda *a: seen.append((a, var.get())), 1, 2, context=ctx)
    turn(loop)
    assert seen == [((), 0), ((1,), 0), ((1, 2), 7)]


def test_a_callback_from_a_callback_runs_in_the_next_turn(
    loop: EventLoop,
) -> None:
    seen: list[str] = []

    def first() -> None:
        seen.append("first")
        loop.call_soon(seen.append, "inner")

    loop.call_soon(first)
    loop.call_soon(seen.append, "second")
    turn(loop)
    assert seen == ["first", "second"]
    turn(loop)
    assert seen == ["first", "second", "inner"]


def test_a_callback_that_adds_itself_does_not_starve_io_or_timers(
    loop: EventLoop,
) -> None:
    a, b = socket.socketpair()
    seen: set[str] = set()
    spins = 0

    def spin() -> None:
        nonlocal spins
        spins += 1
        if len(seen) < 2 and spins < 1_000_000:
            loop.call_soon(spin)
        else:
            loop.stop()

    with a, b:
        loop.add_reader(a, lambda: (a.recv(1), seen.add("io")))
        loop.call_later(0.001, seen.add, "timer")
        loop.call_soon(spin)
        b.send(b"x")
        loop.run_forever()
        loop.remove_reader(a)
    assert seen == {"io", "timer"}


def test_ready_callbacks_delay_io_by_no_more_than_one_turn(
    loop: EventLoop,
) -> None:
    a, b = socket.socketpair()
    turns_between: list[int] = []
    count = 0

    def work() -> None:
        nonlocal count
        count += 1
        loop.call_soon(work)

    with a, b:
        a.setblocking(False)
        for _ in range(10_000):
            loop.call_soon(work)
        loop.add_reader(a, lambda: (turns_between.append(count), loop.stop()))
        b.send(b"x")
        loop.run_forever()
        loop.remove_reader(a)
    assert turns_between[0] <= 10_000


def test_a_cancelled_handle_does_not_run_and_lets_go(loop: EventLoop) -> None:
    class Callback:
        def __call__(self, arg: Any) -> None:
            raise AssertionError("cancelled")

    callback = Callback()
    gone = weakref.ref(callback)
    soon = loop.call_soon(callback, 1)
    later = loop.call_later(0, callback, 1)
    assert isinstance(soon, asyncio.Handle)
    assert isinstance(later, asyncio.TimerHandle)
    assert "Callback" in repr(soon)
    soon.cancel()
    later.cancel()
    assert soon.cancelled() and later.cancelled()
    assert "cancelled" in repr(soon) and "cancelled" in repr(later)
    turn(loop)
    del callback
    gc.collect()
    assert gone() is None


def test_a_handle_may_cancel_itself_while_it_runs(loop: EventLoop) -> None:
    seen = []

    def callback(*args: int) -> None:
        handle.cancel()
        gc.collect()
        seen.append(args)

    handle = loop.call_soon(callback, 1, 2)
    turn(loop)
    assert seen == [(1, 2)]


def test_errors_of_callbacks_are_reported_once_and_the_loop_goes_on(
    loop: EventLoop,
) -> None:
    reports: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reports.append(context))
    seen: list[int] = []

    def bad(x: int) -> None:
        raise ValueError(x)

    handle = loop.call_soon(bad, 5)
    loop.call_soon(seen.append, 1)
    turn(loop)
    assert seen == [1]
    assert len(reports) == 1
    assert reports[0]["handle"] is handle
    assert "bad(" in reports[0]["message"]
    assert isinstance(reports[0]["exception"], ValueError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupts_leave_run_forever_and_lose_nothing(
    loop: EventLoop, error: type[BaseException]
) -> None:
    seen: list[int] = []

    def interrupt() -> None:
        raise error

    loop.call_soon(interrupt)
    loop.call_soon(seen.append, 1)
    with pytest.raises(error):
        loop.run_forever()
    assert not loop.is_running()
    assert seen == []
    turn(loop)
    assert seen == [1]


def test_wrong_arguments_are_refused(loop: EventLoop) -> None:
    with pytest.raises(TypeError):
        loop.call_soon()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        loop.call_soon(print, contexts=None)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        loop.call_soon(print, context=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="delay"):
        loop.call_later(None, print)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="when"):
        loop.call_at(None, print)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        loop.call_later("1", print)  # type: ignore[arg-type]


def test_coroutine_functions_are_refused_in_debug_mode() -> None:
    loop = EventLoop()
    loop.set_debug(True)

    async def coro() -> None:
        pass

    with contextlib.closing(loop):
        with pytest.raises(TypeError, match="coroutines cannot be used"):
            loop.call_soon(coro)
        with pytest.raises(TypeError, match="callable object was expected"):
            loop.call_later(1, 1)  # type: ignore[arg-type]


def test_debug_mode_knows_the_thread_and_slow_callbacks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = EventLoop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0
    errors: list[BaseException] = []

    def other() -> None:
        try:
            loop.call_soon(print)
        except RuntimeError as e:
            errors.append(e)

    def callback() -> None:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    with contextlib.closing(loop):
        handle = loop.call_soon(callback)
        assert "created at" in repr(handle)
        turn(loop)
    assert len(errors) == 1 and "Non-thread-safe" in str(errors[0])
    assert any("Executing <Handle" in r.getMessage() for r in caplog.records)


# ---- timers ----


def test_timers_run_in_order_of_time_and_equal_ones_as_made(
    loop: EventLoop,
) -> None:
    now = loop.time()
    seen: list[Any] = []
    for i in range(50):
        loop.call_at(now + 0.002, seen.append, i)
    for d in (0.009, 0.003, 0.006, 0.004):
        loop.call_at(now + d, seen.append, d)
    loop.call_at(now - 5, seen.append, "past")
    run_until(loop, lambda: len(seen) == 55)
    assert seen == ["past", *range(50), 0.003, 0.004, 0.006, 0.009]


def test_timers_are_never_early(loop: EventLoop) -> None:
    early: list[float] = []

    async def sleeper(delay: float) -> None:
        for _ in range(5):
            due = loop.time() + delay
            # time passes between libev's idea of now and the timer's start
            while loop.time() < due - delay / 2:
                pass
            await asyncio.sleep(due - loop.time())
            if loop.time() < due - 1e-6:
                early.append(due - loop.time())

    async def main() -> None:
        await asyncio.gather(*(sleeper(d / 1000) for d in range(1, 8)))

    loop.run_until_complete(main())
    assert early == []


def test_the_next_timer_is_waited_for_after_the_first_was_cancelled(
    loop: EventLoop,
) -> None:
    seen: list[str] = []
    first = loop.call_later(0.005, seen.append, "first")
    loop.call_later(0.02, lambda: (seen.append("second"), loop.stop()))
    watchdog = loop.call_later(LIMIT, loop.stop)
    loop.call_soon(first.cancel)
    began = time.monotonic()
    loop.run_forever()
    watchdog.cancel()
    assert seen == ["second"]
    assert time.monotonic() - began < LIMIT / 2


def test_a_nearer_timer_made_later_comes_first(loop: EventLoop) -> None:
    seen: list[str] = []
    far = loop.call_later(LIMIT, loop.stop)
    loop.call_soon(
        lambda: loop.call_later(0.001, lambda: (seen.append("x"), loop.stop()))
    )
    began = time.monotonic()
    loop.run_forever()
    far.cancel()
    assert seen == ["x"] and time.monotonic() - began < LIMIT / 2


def test_thousands_of_timers_cancelled_in_any_order() -> None:
    loop = EventLoop()
    seen: list[int] = []
    now = loop.time()
    order = [(i * 7919) % 4001 for i in range(4001)]
    handles = {i: loop.call_at(now - 4001 + i, seen.append, i) for i in order}
    for i in order:
        if i % 3:
            handles[i].cancel()
    turn(loop)
    turn(loop)
    assert seen == [i for i in range(4001) if i % 3 == 0]
    loop.close()


def test_a_timer_handle_tells_its_time(loop: EventLoop) -> None:
    a, b = loop.call_at(100.0, print), loop.call_at(200.0, print)
    assert a.when() == 100.0
    assert a < b and b > a and a != b and a == a and a <= b
    assert len({a, b}) == 2
    assert "when=100.0" in repr(a)
    a.cancel()
    b.cancel()
