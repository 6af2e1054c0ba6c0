"""The event loop among threads, signals and children, and its life."""

from __future__ import annotations

import asyncio
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


def test_the_gil_is_given_away_for_waits_and_for_nothing_else(
    loop: EventLoop,
) -> None:
    async def busy() -> int:
        before = loop._gil_given
        mine, peer = socket.socketpair()
        _, writer = await asyncio.open_connection(sock=mine)
        for _ in range(500):
            # Each turn polls, and hears of the socket: nobody waits for it.
            writer.write(b"x")
            peer.recv(1)
            peer.send(b"y")
            await asyncio.sleep(0)
        writer.close()
        peer.close()
        return loop._gil_given - before

    async def waits() -> int:
        before = loop._gil_given
        await asyncio.sleep(0.1)
        return loop._gil_given - before

    assert loop.run_until_complete(busy()) == 0
    assert loop.run_until_complete(waits()) >= 1


def test_create_task_takes_the_arguments_of_its_version(
    loop: EventLoop,
) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    context = contextvars.copy_context()
    context.run(variable.set, "theirs")

    async def answer() -> str:
        return variable.get("ours")

    async def main() -> list[str]:
        task = loop.create_task(answer(), name="n", context=context)
        assert task.get_name() == "n"
        return [await task, await loop.create_task(answer())]

    assert loop.run_until_complete(main()) == ["theirs", "ours"]
    made = asyncio.SelectorEventLoop.create_task
    assert EventLoop.create_task is made, "newer ones come with their version"


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
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
        assert time.monotonic() - began < LIMIT / 2
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
    loop.call_later(1000, print, loop)
    gone = weakref.ref(loop)
    with pytest.warns(ResourceWarning):
        del loop
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
        [sys.executable, "-P", "-c", code],
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
