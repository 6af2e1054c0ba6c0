#!/usr/bin/env python3
"""Runs the interpreter's own test.test_asyncio on rupy.EventLoop.

    tests/py/asyncio_suite.py [--short] [--debug] [--jobs N] [-k TEXT]

Every selector loop that the tests make becomes a rupy.EventLoop.  What does
not pass then is run under stock asyncio; a test that passes there and not
here is a failure, but for those that asyncio_skips.txt gives a reason for.  A
test that fails is tried once more, alone.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import sys
import unittest
from asyncio import unix_events
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))
sys.path.append(str(HERE.parents[2]))

import suites  # noqa: E402

PACKAGE = "test.test_asyncio"
# Each does in seconds what others do in more of them.  The tests of events
# and sockets are there once for each selector: here all are the same loop.
SHORT = {
    "test_base_events": "",
    "test_buffered_proto": "",
    "test_context": "",
    "test_eager_task_factory": "",
    "test_events": "EPollEventLoopTests",
    "test_futures": "",
    "test_pep492": "",
    "test_runners": "",
    "test_sendfile": "EPollEventLoopTests",
    "test_server": "",
    "test_sock_lowlevel": "EPollEventLoopTests",
    "test_streams": "",
    "test_taskgroups": "",
    "test_threads": "",
    "test_timeouts": "",
    "test_unix_events": "",
    "test_waitfor": "",
}
# They are slow and test the machine more than the loop.
NOT_SHORT = ("huge", "_large", "stress")


def replace_the_loop() -> None:
    """Make every loop of a Unix asyncio one of ours."""
    from rupy import EventLoop

    module: Any = asyncio
    module.SelectorEventLoop = EventLoop
    if hasattr(asyncio, "EventLoop"):
        module.EventLoop = EventLoop
    module = unix_events
    module.SelectorEventLoop = EventLoop
    for name in ("_UnixDefaultEventLoopPolicy", "_DefaultEventLoopPolicy"):
        policy = getattr(unix_events, name, None)
        if policy is not None:
            policy._loop_factory = EventLoop


# Not in main(): processes that tests spawn import this file.
if os.environ.get(suites.KIND) == "rupy":
    replace_the_loop()


def name_of(test: unittest.TestCase) -> str:
    return test.id().removeprefix(f"{PACKAGE}.")


def modules() -> list[str]:
    spec = importlib.util.find_spec(PACKAGE)
    assert spec and spec.submodule_search_locations
    (folder,) = spec.submodule_search_locations
    return sorted(
        path.stem
        for path in Path(folder).glob("test_*.py")
        if "windows" not in path.stem and "proactor" not in path.stem
    )


def are_there() -> bool:
    try:
        return importlib.util.find_spec(PACKAGE) is not None
    except ModuleNotFoundError:
        return False


def why_not() -> str:
    """How to get the tests."""
    version = "{}.{}".format(*sys.version_info)
    return (
        f"this python{version} comes without its tests; "
        f"on Debian: apt-get install libpython{version}-testsuite"
    )


def is_kept(name: str, short: bool, text: str) -> bool:
    if text not in name:
        return False
    if not short:
        return True
    module, _, rest = name.partition(".")
    only = SHORT[module]
    if any(word in rest for word in NOT_SHORT):
        return False
    # The other classes of such a module are no copies.
    copies = ("Select", "Poll", "EPoll")
    cls = rest.partition(".")[0]
    return not only or cls == only or not cls.startswith(copies)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument(
        "--debug", action="store_true", help="with PYTHONASYNCIODEBUG=1"
    )
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 4))
    parser.add_argument(
        "-k",
        default="",
        metavar="TEXT",
        help="only tests with it in their name",
    )
    args = parser.parse_args()
    if not are_there():
        print(f"skipped: {why_not()}")
        return 0
    skips = suites.read_skips(HERE.with_name("asyncio_skips.txt"))
    chosen = [m for m in modules() if not args.short or m in SHORT]
    env = {
        "PYTHONPATH": suites.package_folder(),
        "PYTHONASYNCIODEBUG": "1" if args.debug else "",
    }
    command = [sys.executable, "-P", str(HERE)]
    suite = suites.Suite(command, env, args.jobs)
    found = suite.compare(chosen, lambda n: is_kept(n, args.short, args.k))
    return suites.conclude(found, skips, not (args.short or args.k))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        loader = unittest.defaultTestLoader
        found = loader.loadTestsFromName(f"{PACKAGE}.{sys.argv[2]}")
        suites.be_child(list(suites.flat(found)), name_of)
    sys.exit(main())
