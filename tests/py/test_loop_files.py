"""Files that Python code watches, also closed and used again, and streams."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator

import pytest
from driven import new_loop, run_until, turn

from rupy import EventLoop


@pytest.fixture(params=["plain", "debug"])
def loop(request: pytest.FixtureRequest) -> Iterator[EventLoop]:
    loop = new_loop(request.param)
    yield loop
    loop.close()


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

    waited = time.monotonic()
    for d in range(10):
        loop.call_later(d / 25, count)
        loop.call_later(d / 25, lambda: turns == 10 and loop.stop())
    loop.run_forever()
    waited = time.monotonic() - waited
    os.close(duplicate)
    b.close()
    assert time.process_time() - began < waited / 2


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


def test_a_writer_hears_of_a_reader_that_is_gone(loop: EventLoop) -> None:
    r, w = os.pipe()
    os.set_blocking(w, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(w, b"x" * 65536)
    seen: list[int] = []
    loop.add_writer(w, seen.append, 1)
    turn(loop)
    assert seen == []
    os.close(r)
    run_until(loop, lambda: seen)
    loop.remove_writer(w)
    os.close(w)


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
