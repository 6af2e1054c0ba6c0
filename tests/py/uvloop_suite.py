#!/usr/bin/env python3
"""Runs uvloop's tests of asyncio loops on rupy.EventLoop.

    tests/py/uvloop_suite.py [--debug] [--jobs N] [-k TEXT] [--sdist FILE]

uvloop's source distribution has tests that are there twice, for uvloop and
for asyncio; those for asyncio get a rupy.EventLoop here.  It is downloaded by
pip, and installed beside for what its tests import, in a folder that goes
away again.  What passes under stock asyncio must pass here, but for what
uvloop_skips.txt gives a reason for.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))
sys.path.append(str(HERE.parents[2]))

import suites  # noqa: E402

# What the tests for asyncio import.
NEEDED = ("aiohttp", "psutil", "pyOpenSSL")


def pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*command, *words], check=True)


def fetch(folder: Path, sdist: Path | None) -> None:
    """Make folder/tests and folder/site."""
    if sdist is None:
        print("downloading uvloop's source distribution", flush=True)
        pip(
            "download",
            "--quiet",
            "--no-binary",
            "uvloop",
            "--no-deps",
            "uvloop",
            "--dest",
            str(folder),
        )
        (sdist,) = folder.glob("uvloop-*.tar.gz")
    version = sdist.name.removeprefix("uvloop-").removesuffix(".tar.gz")
    with tarfile.open(sdist) as tar:
        for member in tar.getmembers():
            _, _, member.name = member.name.partition("/")
            # Not the package: it is not built.
            if member.isreg() and member.name.startswith("tests/"):
                tar.extract(member, folder, set_attrs=False)
    pip(
        "install",
        "--quiet",
        "--only-binary",
        ":all:",
        "--target",
        str(folder / "site"),
        f"uvloop=={version}",
        *NEEDED,
    )


def name_of(test: unittest.TestCase) -> str:
    return test.id().removeprefix("tests.")


def replace_the_loop(base: Any) -> None:
    """Make the tests for asyncio tests of ours."""
    import rupy

    base.AIOTestCase.new_loop = lambda _: rupy.EventLoop()
    if sys.version_info < (3, 14):
        base.AIOTestCase.new_policy = lambda _: rupy.EventLoopPolicy()
    # They allow asyncio what uvloop does better, and nothing else.
    base.AIOTestCase.is_asyncio_loop = lambda _: True


def tests_of(module: str) -> list[unittest.TestCase]:
    import uvloop._testbase as base

    if os.environ[suites.KIND] == "rupy":
        replace_the_loop(base)
    found = unittest.defaultTestLoader.loadTestsFromName(f"tests.{module}")
    return [
        test
        for test in suites.flat(found)
        if isinstance(test, base.AIOTestCase)
        or test.id().startswith(suites.BROKEN)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
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
    parser.add_argument("--sdist", type=Path, help="one that is there already")
    args = parser.parse_args()
    skips = suites.read_skips(HERE.with_name("uvloop_skips.txt"))
    with tempfile.TemporaryDirectory(prefix="rupy-uvloop-") as name:
        folder = Path(name)
        fetch(folder, args.sdist)
        modules = sorted(
            path.stem
            for path in (folder / "tests").glob("test_*.py")
            if "AIOTestCase" in path.read_text()
        )
        env = {
            "PYTHONPATH": os.pathsep.join(
                [name, str(folder / "site"), suites.package_folder()]
            ),
            "PYTHONASYNCIODEBUG": "1" if args.debug else "",
        }
        command = [sys.executable, "-P", str(HERE)]
        suite = suites.Suite(command, env, args.jobs)
        found = suite.compare(modules, lambda n: args.k in n)
        return suites.conclude(found, skips, not args.k)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        suites.be_child(tests_of(sys.argv[2]), name_of)
    sys.exit(main())
