"""Coroutine functions that stock asyncio and rupy.EventLoop end alike.

Each gives something that JSON can say.  Tests run them under stock asyncio,
and as handlers of an application.
"""

from __future__ import annotations

import asyncio
import contextvars
import subprocess

variable = contextvars.ContextVar("variable", default="unset")


async def forever():
    await asyncio.Event().wait()


async def timeout():
    try:
        async with asyncio.timeout(0.01) as limit:
            await forever()
    except TimeoutError:
        return [limit.expired(), asyncio.current_task().cancelling()]


async def timeout_nested():
    said = []
    try:
        async with asyncio.timeout(10):
            try:
                async with asyncio.timeout(0.01):
                    await forever()
            except TimeoutError:
                said.append("inner")
            async with asyncio.timeout(0.01):
                await forever()
    except TimeoutError:
        said.append("second")
    return [*said, asyncio.current_task().cancelling()]


async def timeout_caught_and_awaited_again():
    said = []
    try:
        async with asyncio.timeout(0.01):
            try:
                await forever()
            except asyncio.CancelledError:
                await asyncio.sleep(0.001)
                said.append("cleaned up")
                raise
    except TimeoutError:
        said.append("timeout")
    return said


async def wait_for():
    try:
        await asyncio.wait_for(forever(), 0.01)
    except TimeoutError:
        return [await asyncio.wait_for(asyncio.sleep(0, "in time"), 30)]


async def task_group():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(0.001, i)) for i in range(9)]
    return [task.result() for task in tasks]


async def task_group_fails():
    said = []

    async def fail():
        await asyncio.sleep(0.001)
        raise ValueError("child")

    async def sibling():
        try:
            await forever()
        finally:
            said.append("sibling ended")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(sibling())
            group.create_task(fail())
            try:
                await forever()
            except asyncio.CancelledError:
                said.append("body cancelled")
                raise
    except* ValueError as errors:
        said += [str(e) for e in errors.exceptions]
    await asyncio.sleep(0)
    return [*sorted(said), asyncio.current_task().cancelling()]


async def gather_and_shield():
    inner = asyncio.ensure_future(asyncio.sleep(0.005, "shielded"))
    outer = asyncio.ensure_future(asyncio.shield(inner))
    await asyncio.sleep(0)
    outer.cancel("why")
    results = await asyncio.gather(
        outer, asyncio.sleep(0, 1), return_exceptions=True
    )
    return [repr(results[0]), results[1], await inner]


async def cancel_a_child():
    child = asyncio.create_task(forever(), name="the child")
    await asyncio.sleep(0)
    child.cancel("enough")
    try:
        await child
    except asyncio.CancelledError as error:
        return [child.get_name(), child.cancelled(), list(error.args)]


async def cancel_itself():
    asyncio.current_task().cancel()
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        return [task.cancelling(), task.uncancel(), await asyncio.sleep(0, 1)]


async def cancelled_by_another_task():
    me = asyncio.current_task()
    asyncio.get_running_loop().call_later(0.002, me.cancel, "from outside")
    try:
        await forever()
    except asyncio.CancelledError as error:
        me.uncancel()
        await asyncio.sleep(0)
        return list(error.args)


async def is_among_all_tasks():
    await asyncio.sleep(0)
    return asyncio.current_task() in asyncio.all_tasks()


async def bad_yields():
    class Bad:
        def __init__(self, what):
            self.what = what

        def __await__(self):
            yield self.what

    loop, other = asyncio.get_running_loop(), asyncio.new_event_loop()
    said = []
    reasons = ("bad yield", "instead of yield from", "different loop")
    for wrong in (7, "text", loop.create_future(), other.create_future()):
        try:
            await Bad(wrong)
        except RuntimeError as error:
            said.append([why for why in reasons if why in str(error)])
    try:
        await other.create_future()
    except RuntimeError as error:
        said.append([why for why in reasons if why in str(error)])
    other.close()
    return said


async def run_inside():
    coro = asyncio.sleep(0)
    try:
        asyncio.run(coro)
    except RuntimeError as error:
        coro.close()
        return str(error)


async def run_until_complete_inside():
    coro = asyncio.sleep(0)
    try:
        asyncio.get_running_loop().run_until_complete(coro)
    except RuntimeError as error:
        coro.close()
        return str(error)


async def context_of_children():
    variable.set("parent")

    async def child():
        seen = variable.get()
        variable.set("child")
        return seen

    seen = await asyncio.create_task(child())
    in_thread = await asyncio.to_thread(variable.get)
    own = contextvars.copy_context()
    own.run(variable.set, "own")
    other = await asyncio.create_task(child(), context=own)
    return [seen, in_thread, other, variable.get(), own[variable]]


async def exit_codes():
    codes = []
    for script in ("exit 0", "exit 7", "kill -9 $$", "exit 255"):
        child = await asyncio.create_subprocess_exec("sh", "-c", script)
        codes.append(await child.wait())
    children = [
        await asyncio.create_subprocess_shell(f"exit {n}") for n in range(5)
    ]
    both = await asyncio.gather(*(child.wait() for child in children))
    blocking = subprocess.run(["sh", "-c", "exit 9"], check=False).returncode
    return [codes, both, blocking]


async def generator_left_in_the_middle():
    said = []

    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            said.append("closed")

    async for _ in numbers():
        break
    while not said:
        await asyncio.sleep(0)
    return said


async def pipes_and_streams():
    async def upper(reader, writer):
        writer.write((await reader.readline()).upper())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(upper, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\n")
        line = await reader.read()
        writer.close()
        await writer.wait_closed()
    return line.decode()


async def datagrams():
    loop = asyncio.get_running_loop()
    got = loop.create_future()

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data, address):
            got.set_result(data.decode())

    mine, _ = await loop.create_datagram_endpoint(
        Receiver, local_addr=("127.0.0.1", 0)
    )
    other, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=mine.get_extra_info("sockname")
    )
    other.sendto(b"a datagram")
    text = await got
    mine.close()
    other.close()
    return text


async def queue_lock_and_barrier():
    queue = asyncio.Queue(2)
    lock, barrier = asyncio.Lock(), asyncio.Barrier(3)

    async def put(n):
        await barrier.wait()
        async with lock:
            await queue.put(n)

    async with asyncio.TaskGroup() as group:
        for n in range(3):
            group.create_task(put(n))
        got = [await queue.get() for _ in range(3)]
    return sorted(got)
