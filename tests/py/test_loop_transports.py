"""Stream transports: what protocols hear, and what the peer gets.

A scenario is a function that uses a transport and returns what came of it.
Each runs under asyncio's own loop and under ours, on TCP and on unix sockets,
with and without debug mode; all must tell the same.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import socket
import struct
import tempfile
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rupy import EventLoop, _core
from rupy._transport import SocketTransport

LIMIT = 20.0
BIG = bytes(range(256)) * 2048


class Plain(asyncio.Protocol):
    """Writes down what it hears; data that came in pieces in one."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.ended = asyncio.get_running_loop().create_future()
        self.got = b""
        self.transport: Any = None
        self.keep_open = False
        self.fail: BaseException | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.log.append("made")

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.hear(data)

    def hear(self, data: bytes) -> None:
        self.got += data
        if self.fail:
            raise self.fail

    def eof_received(self) -> bool:
        self.log.append("eof")
        return self.keep_open

    def pause_writing(self) -> None:
        self.log.append("pause")

    def resume_writing(self) -> None:
        self.log.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.log.append(("lost", type(error)))
        self.ended.set_result(None)


class Buffered(Plain, asyncio.BufferedProtocol):
    """The same by get_buffer() and buffer_updated()."""

    size = 1000

    def data_received(self, data: bytes) -> None:
        raise AssertionError("not called with a BufferedProtocol")

    def get_buffer(self, hint: int) -> Any:
        assert hint == -1
        self.memory = bytearray(self.size)
        return memoryview(self.memory)

    def buffer_updated(self, n: int) -> None:
        self.hear(bytes(self.memory[:n]))


class End:
    """A transport with its protocol, and the socket at the other end."""

    def __init__(self, transport: Any, protocol: Plain, peer: Any) -> None:
        self.transport, self.protocol, self.peer = transport, protocol, peer

    async def receive(self, n: int) -> bytes:
        """What arrives at the peer, up to n bytes or its end."""
        loop, data = asyncio.get_running_loop(), bytearray()
        while len(data) < n:
            part = await loop.sock_recv(self.peer, n - len(data))
            if not part:
                break
            data += part
        return bytes(data)

    async def fill(self) -> int:
        """Write until the socket is full and the protocol is paused."""
        n = 0
        while "pause" not in self.protocol.log:
            self.transport.write(BIG)
            n += len(BIG)
        return n


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.0005)


def pair(kind: str) -> tuple[socket.socket, socket.socket]:
    if kind == "unix":
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as server:
        a = socket.create_connection(server.getsockname())
        b, _ = server.accept()
    return a, b


Scenario = Callable[[End], Awaitable[Any]]


async def play(scenario: Scenario, kind: str, protocol: type[Plain]) -> Any:
    loop = asyncio.get_running_loop()
    reported: list[Any] = []
    loop.set_exception_handler(
        lambda _, context: reported.append(
            (context["message"], type(context.get("exception")))
        )
    )
    mine, peer = pair(kind)
    peer.setblocking(False)
    if kind == "unix":
        made = loop.create_unix_connection(protocol, sock=mine)
    else:
        made = loop.create_connection(protocol, sock=mine)
    async with asyncio.timeout(LIMIT):
        transport, heard = await made
        end = End(transport, heard, peer)
        told = await scenario(end)
        if not heard.ended.done():
            transport.abort()
        await heard.ended
    peer.close()
    return told, heard.log, reported


# ---- the scenarios ----


async def answers_and_the_end(end: End) -> Any:
    end.peer.send(b"one")
    await until(lambda: end.protocol.got == b"one")
    end.transport.write(b"two")
    end.transport.write(bytearray(b"three"))
    end.transport.write(memoryview(b"four"))
    end.transport.writelines([b"five", b"six"])
    end.transport.write(b"")
    end.transport.write(data=b"seven")
    got = await end.receive(22)
    end.peer.shutdown(socket.SHUT_WR)
    await end.protocol.ended
    return got, end.transport.is_closing(), end.transport.get_protocol() is None


async def much_at_a_time(end: End) -> Any:
    loop = asyncio.get_running_loop()
    sending = asyncio.create_task(loop.sock_sendall(end.peer, BIG))
    await until(lambda: len(end.protocol.got) == len(BIG))
    await sending
    return end.protocol.got == BIG


async def a_full_socket_pauses_and_resumes(end: End) -> Any:
    n = await end.fill()
    limits = end.transport.get_write_buffer_limits()
    waits = end.transport.get_write_buffer_size()
    assert waits > limits[1], "the protocol was paused"
    # There is room now, but it belongs to what waits.
    got = end.peer.recv(300_000)
    end.transport.write(b"the end")
    assert end.transport.get_write_buffer_size() == waits + 7
    got += await end.receive(n + 7 - len(got))
    assert got == BIG * (n // len(BIG)) + b"the end"
    await until(lambda: "resume" in end.protocol.log)
    return limits, end.transport.get_write_buffer_size()


async def close_sends_what_is_written(end: End) -> Any:
    n = await end.fill()
    end.transport.close()
    assert end.transport.is_closing()
    got = await end.receive(n + 1)
    await end.protocol.ended
    return got == BIG * (n // len(BIG))


async def abort_drops_what_is_written(end: End) -> Any:
    await end.fill()
    end.transport.abort()
    assert "lost" not in end.protocol.log, "only in the next turn"
    await end.protocol.ended
    return end.transport.get_write_buffer_size()


async def nothing_is_sent_after_abort(end: End) -> Any:
    end.transport.write(b"before")
    end.transport.abort()
    end.transport.write(b"after")
    return await end.receive(100)


async def write_eof_and_half_a_connection(end: End) -> Any:
    end.protocol.keep_open = True
    end.peer.shutdown(socket.SHUT_WR)
    await until(lambda: "eof" in end.protocol.log)
    end.transport.write(b"still")
    end.transport.write_eof()
    with pytest.raises(RuntimeError, match="after write_eof"):
        end.transport.write(b"x")
    return await end.receive(100), end.transport.can_write_eof()


async def write_eof_behind_what_is_written(end: End) -> Any:
    n = await end.fill()
    end.transport.write_eof()
    return len(await end.receive(n + 1)) == n


async def reading_pauses_and_resumes(end: End) -> Any:
    end.transport.pause_reading()
    end.transport.pause_reading()
    end.peer.send(b"early")
    for _ in range(5):
        await asyncio.sleep(0.001)
    told = [end.protocol.got, end.transport.is_reading()]
    end.transport.resume_reading()
    end.transport.resume_reading()
    await until(lambda: end.protocol.got)
    return [*told, end.protocol.got, end.transport.is_reading()]


async def pause_in_the_middle_of_hearing(end: End) -> Any:
    hear = end.protocol.hear

    def once(data: bytes) -> None:
        hear(data)
        end.transport.pause_reading()

    end.protocol.hear = once  # type: ignore[method-assign]
    sizes = []
    end.peer.send(b"x" * 3000)
    for n in (1, 1001, 2001):
        await until(lambda n=n: len(end.protocol.got) >= n)
        await asyncio.sleep(0.001)
        sizes.append(len(end.protocol.got))
        end.transport.resume_reading()
        if len(end.protocol.got) == 3000:
            break
    return sizes


async def a_reset_by_the_peer(end: End) -> Any:
    linger = struct.pack("ii", 1, 0)
    end.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    # For a unix socket: what was not read is a reset too.
    end.transport.write(b"unread")
    end.peer.close()
    await end.protocol.ended
    for _ in range(7):
        end.transport.write(b"to nobody")


async def a_peer_that_hears_no_more(end: End) -> Any:
    end.peer.close()
    while not end.protocol.ended.done():
        end.transport.write(b"x")
        await asyncio.sleep(0)


async def an_error_of_the_protocol_ends_the_connection(end: End) -> Any:
    end.protocol.fail = ValueError("from the protocol")
    end.peer.send(b"x")
    await end.protocol.ended


async def a_system_error_of_the_protocol_is_not_reported(end: End) -> Any:
    end.protocol.fail = OSError("from the protocol")
    end.peer.send(b"x")
    await end.protocol.ended


async def a_cancelled_error_of_the_protocol(end: End) -> Any:
    end.protocol.fail = asyncio.CancelledError()
    end.peer.send(b"x")
    await end.protocol.ended


async def the_protocol_changes(end: End) -> Any:
    end.peer.send(b"old")
    await until(lambda: end.protocol.got)
    for kind in (Buffered, Plain):
        protocol = kind()
        protocol.connection_made(end.transport)
        end.transport.set_protocol(protocol)
        assert end.transport.get_protocol() is protocol
        end.peer.send(b"new")
        await until(lambda p=protocol: p.got == b"new")
    end.transport.set_protocol(end.protocol)
    return end.protocol.got


async def a_protocol_that_changes_itself(end: End) -> Any:
    second = Plain()

    def switch(data: bytes) -> None:
        end.transport.set_protocol(second)

    end.protocol.hear = switch  # type: ignore[method-assign]
    end.peer.send(b"first")
    await until(lambda: end.transport.get_protocol() is second)
    end.peer.send(b"second")
    await until(lambda: second.got)
    end.transport.set_protocol(end.protocol)
    return second.got


async def closed_while_it_hears(end: End) -> Any:
    def close(data: bytes) -> None:
        end.protocol.log.append(data)
        end.transport.write(b"bye")
        end.transport.close()
        end.transport.close()

    end.protocol.hear = close  # type: ignore[method-assign]
    end.peer.send(b"x")
    await end.protocol.ended
    end.transport.write(b"late")
    return await end.receive(100)


async def wrong_data_is_refused(end: End) -> Any:
    told = []
    for wrong in ("text", None, 5, [b"list"]):
        with pytest.raises(TypeError) as info:
            end.transport.write(wrong)
        told.append(str(info.value))
    with pytest.raises(TypeError):
        end.transport.write()
    with pytest.raises(TypeError):
        end.transport.write(b"a", b"b")
    return told


async def a_changed_buffer_was_sent_before(end: End) -> Any:
    data = bytearray(b"before")
    end.transport.write(data)
    data[:] = b"after!"
    return await end.receive(6)


async def what_is_known_about_it(end: End) -> Any:
    info = end.transport.get_extra_info
    sock = info("socket")
    assert sock.fileno() >= 0
    assert info("sockname") == sock.getsockname()
    assert info("peername") == sock.getpeername()
    if sock.family == socket.AF_INET:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    return info("nothing", "else")


async def limits_can_be_set(end: End) -> Any:
    end.transport.set_write_buffer_limits(high=3_000_000, low=10)
    told = [end.transport.get_write_buffer_limits()]
    await end.fill()
    told.append(end.transport.get_write_buffer_size() > 3_000_000)
    with pytest.raises(ValueError, match="must be >="):
        end.transport.set_write_buffer_limits(high=1, low=2)
    return told


async def sendfile(end: End) -> Any:
    loop = asyncio.get_running_loop()
    size = len(BIG)
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789" + BIG)
        sending = asyncio.create_task(
            loop.sendfile(end.transport, file, 10, size)
        )
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not sending.done()
        with pytest.raises(RuntimeError, match="sendfile is in"):
            end.transport.write(b"between")
        same = await end.receive(size) == BIG
        n = await sending
    end.transport.write(b"after")
    return n, same, await end.receive(5)


SCENARIOS: list[Scenario] = [
    answers_and_the_end,
    much_at_a_time,
    a_full_socket_pauses_and_resumes,
    close_sends_what_is_written,
    abort_drops_what_is_written,
    nothing_is_sent_after_abort,
    write_eof_and_half_a_connection,
    write_eof_behind_what_is_written,
    reading_pauses_and_resumes,
    pause_in_the_middle_of_hearing,
    a_reset_by_the_peer,
    a_peer_that_hears_no_more,
    an_error_of_the_protocol_ends_the_connection,
    a_system_error_of_the_protocol_is_not_reported,
    a_cancelled_error_of_the_protocol,
    the_protocol_changes,
    a_protocol_that_changes_itself,
    closed_while_it_hears,
    wrong_data_is_refused,
    a_changed_buffer_was_sent_before,
    what_is_known_about_it,
    limits_can_be_set,
    sendfile,
]


def run(
    loop: asyncio.AbstractEventLoop, debug: bool, coro: Awaitable[Any]
) -> Any:
    loop.set_debug(debug)
    loop.slow_callback_duration = LIMIT
    try:
        return loop.run_until_complete(coro)
    finally:
        loop.close()


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("protocol", [Plain, Buffered])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_transports_do_as_asyncios_do(
    scenario: Scenario,
    kind: str,
    protocol: type[Plain],
    debug: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "asyncio")
    stock = asyncio.SelectorEventLoop()
    want = run(stock, debug, play(scenario, kind, protocol))
    warned = caplog.messages[:]
    caplog.clear()
    got = run(EventLoop(), debug, play(scenario, kind, protocol))
    assert got == want
    assert caplog.messages == warned


# ---- and what is only ours ----


def test_the_methods_of_every_message_are_in_c() -> None:
    method = type(str.upper)
    for name in ("write", "_read_ready", "is_closing"):
        assert type(vars(SocketTransport)[name]) is method, name


def test_streams_of_servers_and_clients_use_them(tmp_path: Path) -> None:
    kinds = []

    async def serve(reader: Any, writer: Any) -> None:
        kinds.append(type(writer.transport))
        writer.write(await reader.readline())
        writer.close()

    async def main() -> None:
        path = str(tmp_path / "socket")
        tcp = await asyncio.start_server(serve, "127.0.0.1", 0)
        unix = await asyncio.start_unix_server(serve, path)
        port = tcp.sockets[0].getsockname()[1]
        for opened in (
            asyncio.open_connection("127.0.0.1", port),
            asyncio.open_unix_connection(path),
        ):
            reader, writer = await opened
            kinds.append(type(writer.transport))
            writer.write(b"line\n")
            assert await reader.read() == b"line\n"
            writer.close()
        tcp.close()
        unix.close()

    run(EventLoop(), False, main())
    assert kinds == [SocketTransport] * 4


def test_a_socket_closed_behind_it_sends_nothing_to_the_next_file() -> None:
    async def main() -> Any:
        mine, peer = pair("tcp")
        loop = asyncio.get_running_loop()
        transport, heard = await loop.create_connection(Plain, sock=mine)
        transport.write(b"before")
        number = mine.fileno()
        reader, other = socket.socketpair()
        mine.close()
        os.dup2(other.fileno(), number)  # who opens the next gets the number
        try:
            transport.write(b"a secret")
            await heard.ended
            reader.setblocking(False)
            with pytest.raises(BlockingIOError):
                reader.recv(100)
        finally:
            os.close(number)
            for sock in (reader, other, peer):
                sock.close()
        return heard.log

    assert run(EventLoop(), False, main()) == ["made", ("lost", OSError)]


def test_bytes_are_counted_in_bytes() -> None:
    async def main() -> None:
        mine, peer = pair("tcp")
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        transport, heard = await loop.create_connection(Plain, sock=mine)
        data = memoryview(BIG).cast("I")
        n = 0
        while "pause" not in heard.log:
            transport.write(data)
            n += len(BIG)
        got = await End(transport, heard, peer).receive(n)
        assert got == BIG * (n // len(BIG))
        transport.abort()
        await heard.ended
        peer.close()

    run(EventLoop(), False, main())


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("protocol", [Plain, Buffered])
def test_interrupts_in_protocols_leave_the_loop(
    protocol: type[Plain], error: type[BaseException]
) -> None:
    loop = EventLoop()
    mine, peer = pair("unix")
    ends: list[Plain] = []

    async def main() -> None:
        _, heard = await loop.create_connection(protocol, sock=mine)
        ends.append(heard)
        heard.fail = error()
        peer.send(b"x")
        await heard.ended

    task = loop.create_task(main())
    with pytest.raises(error):
        loop.run_until_complete(task)
    ends[0].transport.abort()
    loop.run_until_complete(task)
    loop.close()
    peer.close()


def test_a_buffer_that_is_empty_or_missing_is_an_error() -> None:
    class Bad(Buffered):
        def get_buffer(self, hint: int) -> Any:
            return self.offers

    async def main(offers: Any) -> Any:
        loop = asyncio.get_running_loop()
        reported: list[str] = []
        loop.set_exception_handler(
            lambda _, c: reported.append(f"{c['message']} {c['exception']}")
        )
        mine, peer = pair("unix")
        _, heard = await loop.create_connection(Bad, sock=mine)
        heard.offers = offers  # type: ignore[attr-defined]
        peer.send(b"x")
        await heard.ended
        peer.close()
        return reported

    for offers in (b"", bytearray(), None, b"read only"):
        want = run(asyncio.SelectorEventLoop(), False, main(offers))
        got = run(EventLoop(), False, main(offers))
        # The words of a wrong type are recv_into()'s there, and ours here.
        assert len(got) == len(want) == 1, (got, want)
        if offers in (b"", bytearray()):
            assert got == want


def test_a_transport_that_nobody_closed_warns_and_closes_its_socket() -> None:
    async def main() -> None:
        mine, peer = pair("unix")
        loop = asyncio.get_running_loop()
        await loop.create_connection(asyncio.Protocol, sock=mine)
        loop._remove_reader(mine.fileno())  # type: ignore[attr-defined]
        peer.close()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(EventLoop(), False, main())
        gc.collect()
    text = [str(w.message) for w in caught]
    assert any(t.startswith("unclosed transport <Sock") for t in text), text


def test_a_class_that_derives_from_it_works() -> None:
    class Counting(SocketTransport):
        __slots__ = ("written",)

        def write(self, data: Any) -> None:
            self.written = getattr(self, "written", 0) + len(data)
            super().write(data)

    async def main() -> None:
        mine, peer = pair("unix")
        mine.setblocking(False)
        loop = asyncio.get_running_loop()
        protocol = Plain()
        transport = Counting(loop, mine, protocol)
        await until(lambda: protocol.log)
        transport.write(b"12345")
        assert peer.recv(10) == b"12345"
        assert transport.written == 5
        peer.send(b"678")
        await until(lambda: protocol.got == b"678")
        transport.abort()
        await protocol.ended
        peer.close()

    run(EventLoop(), False, main())


def test_only_a_class_with_the_slots_is_adopted() -> None:
    class Other:
        __slots__ = ("_sock",)

    for wrong in (Other, int, object):
        with pytest.raises((TypeError, AttributeError)):
            _core._adopt_transport(wrong)
    with pytest.raises(TypeError):
        _core._adopt_transport("SocketTransport")  # type: ignore[arg-type]


def test_messages_leave_no_objects_behind() -> None:
    async def main() -> None:
        mine, peer = pair("unix")
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        ends = []
        for kind in (Plain, Buffered):
            mine, peer = pair("unix")
            peer.setblocking(False)
            transport, heard = await loop.create_connection(kind, sock=mine)
            ends.append(End(transport, heard, peer))

        async def exchange(n: int) -> None:
            for _ in range(n):
                for end in ends:
                    end.protocol.got = b""
                    end.peer.send(b"ping")
                    while not end.protocol.got:
                        await asyncio.sleep(0)
                    end.transport.write(b"pong")
                    await end.receive(4)

        await exchange(100)
        gc.collect()
        before = len(gc.get_objects())
        await exchange(1000)
        gc.collect()
        assert len(gc.get_objects()) - before < 50
        for end in ends:
            end.transport.abort()
            await end.protocol.ended
            end.peer.close()

    run(EventLoop(), False, main())


def test_an_error_that_comes_while_reading_is_told() -> None:
    class Broken(socket.socket):
        def fileno(self) -> int:
            raise OSError(errno.EIO, "from the test")

    async def main() -> Any:
        mine, peer = pair("unix")
        loop = asyncio.get_running_loop()
        transport, heard = await loop.create_connection(Plain, sock=mine)
        good = transport._sock
        transport._sock = Broken(fileno=os.dup(mine.fileno()))
        peer.send(b"x")
        await heard.ended
        good.close()
        peer.close()
        return heard.log

    assert run(EventLoop(), False, main()) == ["made", ("lost", OSError)]
