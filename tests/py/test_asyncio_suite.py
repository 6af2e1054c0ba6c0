"""CPython's own tests of asyncio, in part; `make check-asyncio` has all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).with_name("asyncio_suite.py")


def test_cpythons_tests_of_asyncio_pass_on_the_loop() -> None:
    done = subprocess.run(
        [sys.executable, str(SUITE), "--short"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    if done.stdout.startswith("skipped: "):
        pytest.skip(done.stdout.removeprefix("skipped: ").strip())
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(done.stdout.splitlines()[-1].split()[0])
    assert passed > 500, done.stdout
