"""The event loop by itself: callbacks, timers, files, threads, signals."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import select
import signal
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rupy import EventLoop

LIMIT = 10.0


@pytest.fixture(params=["plain", "debug"])
def loop(request: pytest.FixtureRequest) -> Iterator[EventLoop]:
    loop = EventLoop()
    loop.set_debug(request.param == "debug")
    loop.slow_callback_duration = LIMIT
    yield loop
    loop.close()


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


# ---- files ----


def test_a_closed_fd_harms_nobody(loop: EventLoop) -> None:
    a, b = socket.socketpair()
    fd = a.detach()
    loop.add_reader(fd, print)
    loop.add_writer(fd, print)
    os.close(fd)
    turn(loop)
    assert loop.remove_writer(fd)
    turn(loop)
    assert loop.remove_reader(fd)
    assert not loop.remove_reader(fd)
    with pytest.raises(OSError):
        loop.add_reader(fd, print)
    turn(loop)
    b.close()


def test_a_number_used_again_gets_its_events(loop: EventLoop) -> None:
    a, b = socket.socketpair()
    seen: list[bytes] = []
    fd = a.fileno()
    loop.add_reader(fd, print, "old")
    a.close()
    b.close()
    a, b = socket.socketpair()
    with a, b:
        if a.fileno() != fd:
            pytest.skip("the kernel gave another number")
        loop.add_reader(fd, lambda: seen.append(a.recv(10)))
        b.send(b"new")
        run_until(loop, lambda: seen)
        loop.remove_reader(fd)
    assert seen == [b"new"]


def test_a_duplicate_of_a_closed_fd_does_not_keep_the_loop_awake(
    loop: EventLoop,
) -> None:
    a, b = socket.socketpair()
    fd = a.fileno()
    duplicate = os.dup(fd)  # keeps the file, and epoll's entry, alive
    loop.add_reader(fd, print, "stale")
    a.close()
    loop.remove_reader(fd)
    b.send(b"x")
    began, turns = time.process_time(), 0

    def count() -> None:
        nonlocal turns
        turns += 1

    for d in range(10):
        loop.call_later(d / 100, count)
    run_until(loop, lambda: turns == 10)
    os.close(duplicate)
    b.close()
    assert time.process_time() - began < 0.5


def test_the_new_owner_of_a_number_is_heard_beside_a_stale_duplicate(
    loop: EventLoop,
) -> None:
    a, b = socket.socketpair()
    fd = a.fileno()
    duplicate = os.dup(fd)
    stale: list[int] = []
    loop.add_reader(fd, stale.append, 1)
    a.close()
    c, d = socket.socketpair()
    seen: list[bytes] = []
    with b, c, d:
        assert c.fileno() == fd
        loop.remove_reader(fd)
        loop.add_reader(fd, lambda: seen.append(c.recv(10)))
        b.send(b"old")
        d.send(b"new")
        run_until(loop, lambda: seen)
        turn(loop)
        loop.remove_reader(fd)
    os.close(duplicate)
    assert seen == [b"new"] and stale == []


def test_reader_and_writer_come_and_go(loop: EventLoop) -> None:
    a, b = socket.socketpair()
    seen: list[str] = []
    with a, b:
        loop.add_reader(a, seen.append, "r")
        loop.add_writer(a, lambda: (seen.append("w"), loop.remove_writer(a)))
        run_until(loop, lambda: seen)
        assert seen == ["w"]
        handle = loop._add_reader(a.fileno(), lambda: seen.append(a.recv(1)))
        b.send(b"x")
        run_until(loop, lambda: len(seen) == 2)
        assert loop.remove_reader(a) and handle.cancelled()
        assert not loop.remove_writer(a)
    assert seen == ["w", b"x"]


def test_bad_files_raise_as_asyncio_does(loop: EventLoop) -> None:
    with pytest.raises(ValueError):
        loop.add_reader(object(), print)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        loop.remove_reader(-1)
    with open("/dev/zero", "rb") as regular, contextlib.suppress(OSError):
        loop.add_reader(regular, print)
        loop.remove_reader(regular)
    with open(__file__, "rb") as regular, pytest.raises(PermissionError):
        loop.add_reader(regular, print)


def test_a_writer_hears_of_a_connection_that_was_refused(
    loop: EventLoop,
) -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        address = s.getsockname()

    async def main() -> None:
        with socket.socket() as c:
            c.setblocking(False)
            with pytest.raises(ConnectionRefusedError):
                await loop.sock_connect(c, address)

    loop.run_until_complete(main())


def test_more_ready_files_than_one_call_reports(loop: EventLoop) -> None:
    pairs = [socket.socketpair() for _ in range(300)]
    seen: set[int] = set()
    for a, b in pairs:
        loop.add_reader(a, lambda s: (s.recv(1), seen.add(s.fileno())), a)
        b.send(b"x")
    run_until(loop, lambda: len(seen) == 300)
    for a, b in pairs:
        loop.remove_reader(a)
        a.close()
        b.close()


def test_the_selector_view_tells_what_is_watched(loop: EventLoop) -> None:
    a, b = socket.socketpair()
    with a, b:
        loop.add_reader(a, print)
        key = loop._selector.get_key(a)
        assert key.fd == a.fileno() and key.events == 1
        loop.add_writer(a, print)
        assert loop._selector.get_map()[a.fileno()].events == 3
        loop.remove_reader(a)
        loop.remove_writer(a)
        with pytest.raises(KeyError):
            loop._selector.get_key(a)


# ---- threads and signals ----


def test_calls_from_threads_wake_the_loop() -> None:
    loop = EventLoop()
    counts = [0, 0, 0, 0]
    each = 5000

    def count(i: int) -> None:
        counts[i] += 1
        if sum(counts) == 4 * each:
            loop.stop()

    def work(i: int) -> None:
        for _ in range(each):
            loop.call_soon_threadsafe(count, i)

    watchdog = loop.call_later(3 * LIMIT, loop.stop)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    loop.run_forever()
    watchdog.cancel()
    for thread in threads:
        thread.join()
    loop.close()
    assert counts == [each] * 4


def test_executor_round_trips_miss_no_wake_up(loop: EventLoop) -> None:
    async def main() -> int:
        total = 0
        for i in range(500):
            total += await loop.run_in_executor(None, lambda i=i: i)
        await loop.shutdown_default_executor()
        return total

    assert loop.run_until_complete(asyncio.wait_for(main(), 3 * LIMIT)) == (
        500 * 499 // 2
    )


def test_threadsafe_calls_after_close_raise() -> None:
    loop = EventLoop()
    loop.close()
    for call in (loop.call_soon, loop.call_soon_threadsafe):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            call(print)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.call_later(1, print)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.run_forever()
    loop.close()


def test_the_gil_is_free_while_the_loop_waits(loop: EventLoop) -> None:
    seen: list[int] = []
    thread = threading.Thread(
        target=lambda: loop.call_soon_threadsafe(
            lambda: (seen.append(sum(range(1000))), loop.stop())
        )
    )
    loop.call_soon(thread.start)
    watchdog = loop.call_later(LIMIT, loop.stop)
    loop.run_forever()
    watchdog.cancel()
    thread.join()
    assert seen == [499500]


def test_signal_handlers_run_and_threadsafe_works_in_them(
    loop: EventLoop,
) -> None:
    seen: list[str] = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, "loop")
    old = signal.signal(
        signal.SIGUSR2,
        lambda *_: loop.call_soon_threadsafe(seen.append, "python"),
    )
    try:
        loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
        loop.call_soon(os.kill, os.getpid(), signal.SIGUSR2)
        run_until(loop, lambda: len(seen) == 2)
    finally:
        signal.signal(signal.SIGUSR2, old)
        loop.remove_signal_handler(signal.SIGUSR1)
    assert sorted(seen) == ["loop", "python"]


def test_a_signal_ends_a_wait_with_nothing_else_to_do(loop: EventLoop) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    watchdog = loop.call_later(LIMIT, loop.stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        watchdog.cancel()
    assert not loop.is_running()


def test_loops_in_threads_do_not_meet() -> None:
    results: dict[int, list[int]] = {}

    def work(i: int) -> None:
        async def main() -> list[int]:
            assert isinstance(asyncio.get_running_loop(), EventLoop)
            out = []
            for n in range(50):
                await asyncio.sleep(0.0002)
                out.append(n * i)
            return out

        with asyncio.Runner(loop_factory=EventLoop) as runner:
            results[i] = runner.run(main())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {i: [n * i for n in range(50)] for i in range(4)}


def test_children_belong_to_who_started_them(loop: EventLoop) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(7)

    async def main() -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "raise SystemExit(3)"
        )
        return await process.wait()

    assert loop.run_until_complete(asyncio.wait_for(main(), LIMIT)) == 3
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_a_forked_child_does_not_touch_its_parents_files(
    loop: EventLoop,
) -> None:
    a, b = socket.socketpair()
    seen: list[bytes] = []
    with a, b:
        loop.add_reader(a, lambda: seen.append(a.recv(10)))
        pid = os.fork()
        if pid == 0:
            loop.remove_reader(a)
            loop.close()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        b.send(b"x")
        run_until(loop, lambda: seen)
        loop.remove_reader(a)
    assert seen == [b"x"]


def test_a_forked_child_can_go_on_with_the_loop(loop: EventLoop) -> None:
    a, b = socket.socketpair()
    r, w = os.pipe()
    with a, b:
        seen: list[bytes] = []
        loop.add_reader(a, lambda: seen.append(a.recv(10)))
        turn(loop)
        pid = os.fork()
        if pid == 0:
            try:
                b.send(b"x")
                run_until(loop, lambda: seen)
                os.write(w, seen[0])
            finally:
                os._exit(0)
        os.close(w)
        assert select.select([r], [], [], LIMIT)[0]
        assert os.read(r, 10) == b"x"
        os.close(r)
        os.waitpid(pid, 0)
        loop.remove_reader(a)


# ---- life of a loop ----


def test_a_selector_may_be_passed_and_is_closed() -> None:
    import selectors

    selector = selectors.EpollSelector()
    loop = EventLoop(selector)
    assert loop.run_until_complete(asyncio.sleep(0, 5)) == 5
    loop.close()
    with pytest.raises(ValueError):
        selector.fileno()


def test_a_closed_loop_is_freed_with_all_it_held() -> None:
    class Callback:
        def __call__(self) -> None:
            pass

    loop = EventLoop()
    callback = Callback()
    loop.call_soon(callback)
    loop.call_later(1000, callback)
    a, b = socket.socketpair()
    loop.add_reader(a, callback)
    gone = weakref.ref(loop), weakref.ref(callback)
    loop.close()
    a.close()
    b.close()
    del loop, callback
    gc.collect()
    assert gone[0]() is None and gone[1]() is None


def test_a_loop_that_nobody_closed_is_collected() -> None:
    loop = EventLoop()
    handle = loop.call_later(1000, lambda: loop)
    gone = weakref.ref(loop)
    with pytest.warns(ResourceWarning):
        del loop, handle
        gc.collect()
    assert gone() is None


def test_loops_leave_no_files_behind() -> None:
    EventLoop().close()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        EventLoop().close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_environment_does_not_choose_the_backend() -> None:
    code = (
        "from rupy import EventLoop; import os; loop = EventLoop();"
        "fds = [f'/proc/self/fd/{f}' for f in os.listdir('/proc/self/fd')];"
        "kinds = [os.readlink(f) for f in fds if os.path.islink(f)];"
        "n = sum('eventpoll' in k for k in kinds); loop.close();"
        "raise SystemExit(0 if n == 2 else 1)"
    )
    pid = os.spawnve(
        os.P_NOWAIT,
        sys.executable,
        [sys.executable, "-c", code],
        {**os.environ, "LIBEV_FLAGS": "1"},
    )
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_messages_are_received_into_small_buffers(loop: EventLoop) -> None:
    async def main() -> int:
        a, b = socket.socketpair()
        _, writer = await asyncio.open_connection(sock=a)
        size: int = writer.transport.max_size  # type: ignore[attr-defined]
        writer.close()
        await writer.wait_closed()
        b.close()
        return size

    assert loop.run_until_complete(main()) == 65536


def test_streams_carry_more_than_the_buffers_hold(loop: EventLoop) -> None:
    data = os.urandom(3_000_000)

    async def serve(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(100_000):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def main() -> bytes:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address)

        async def send() -> None:
            writer.write(data)
            await writer.drain()
            writer.write_eof()

        sender = asyncio.ensure_future(send())
        got = await reader.read(-1)
        await sender
        writer.close()
        server.close()
        await server.wait_closed()
        return got

    assert loop.run_until_complete(asyncio.wait_for(main(), LIMIT)) == data


def test_nested_runs_fail_with_asyncios_own_errors(loop: EventLoop) -> None:
    async def main() -> None:
        coro = asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already running"):
            loop.run_until_complete(coro)
        with pytest.raises(RuntimeError, match="running event loop"):
            asyncio.run(coro)
        coro.close()
        with pytest.raises(RuntimeError, match="Cannot close a running"):
            loop.close()

    loop.run_until_complete(main())


def test_debug_mode_may_be_switched_while_the_loop_runs() -> None:
    loop = EventLoop()

    async def main() -> list[int]:
        out = []
        for i in range(6):
            loop.set_debug(i % 2 == 0)
            await asyncio.sleep(0)
            await asyncio.sleep(0.0001)
            future = loop.create_future()
            loop.call_soon(future.set_result, i)
            out.append(await future)
        return out

    assert loop.run_until_complete(main()) == list(range(6))
    loop.close()
