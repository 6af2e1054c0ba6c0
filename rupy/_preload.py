"""What a template process does around the import: see ``--preload``.

Workers are forks of it.  Threads do not survive a fork, and sockets and event
loops that were open before are the same ones in all of them.
"""

from __future__ import annotations

import contextlib
import gc
import os
import stat
import sys

_FILES = "/proc/self/fd"
_TASKS = "/proc/self/task"
_MAX_NAMED = 8


def open_files() -> frozenset[int]:
    """The descriptors that are open now."""
    try:
        fds = [int(name) for name in os.listdir(_FILES)]
    except OSError:  # without /proc, as in a chroot
        return frozenset()
    # Not that of the listing itself: the next file has its number.
    return frozenset(fd for fd in fds if _is_open(fd))


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def settle(before: frozenset[int]) -> list[str]:
    """After the import: make ready to be forked.

    Gives a line for each thing that the import has left and that workers
    cannot have, or have in common.
    """
    lines = []
    threads = _threads()
    if threads:
        lines.append(
            f"the application started {_count(threads, 'thread')} when it was "
            f"imported, which no worker has: {_join(threads)}; start them in "
            "each worker, at start-up"
        )
    sockets, loops = _opened(before)
    for names, what in (sockets, "socket"), (loops, "event loop"):
        if names:
            lines.append(
                f"the application opened {_count(names, what)} when it was "
                f"imported, which all workers share: {_join(names)}; open "
                "them in each worker, at start-up"
            )
    for stream in (sys.stdout, sys.stderr):
        # What is buffered would be written by every worker.  Who reads it may
        # be gone, and an application may put anything there.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    gc.collect()
    gc.freeze()
    return lines


def _count(things: list[str], what: str) -> str:
    return f"{len(things)} {what}{'s' if len(things) > 1 else ''}"


def _join(names: list[str]) -> str:
    more = len(names) - _MAX_NAMED
    if more > 0:
        names = [*names[:_MAX_NAMED], f"{more} more"]
    return ", ".join(names)


def _threads() -> list[str]:
    """Names of all threads but this one: Python's, then others."""
    names = []
    known: set[int | None] = {os.getpid()}
    threading = sys.modules.get("threading")
    if threading is not None:
        for thread in threading.enumerate():
            if thread is threading.main_thread():
                continue
            known.add(thread.native_id)
            names.append(thread.name)
    try:
        tasks = sorted(int(name) for name in os.listdir(_TASKS))
    except OSError:
        tasks = []
    for task in tasks:
        if task in known:
            continue
        try:
            with open(f"{_TASKS}/{task}/comm") as file:
                names.append(f"{file.read().strip()} (not of Python)")
        except OSError:  # it has just ended
            pass
    return names


def _opened(before: frozenset[int]) -> tuple[list[str], list[str]]:
    """Sockets and event loops that are new."""
    sockets, loops = [], []
    for fd in sorted(open_files() - before):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                sockets.append(_describe(fd))
            elif os.readlink(f"{_FILES}/{fd}") == "anon_inode:[eventpoll]":
                loops.append(f"descriptor {fd}")
        except OSError:  # a thread has closed it
            pass
    return sockets, loops


def _describe(fd: int) -> str:
    """Where it leads, as far as it can be said."""
    import socket

    with socket.socket(fileno=os.dup(fd)) as copy:
        name = _address(copy.getsockname())
        try:
            return f"{name} -> {_address(copy.getpeername())}"
        except OSError:  # it listens, or is not connected
            return f"{name} (descriptor {fd})"


def _address(address: object) -> str:
    if isinstance(address, tuple) and len(address) >= 2:
        host, port = address[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    if isinstance(address, bytes):  # abstract
        address = "@" + address[1:].decode(errors="replace")
    return f"unix:{address}" if address else "unnamed"
