"""Large content takes constant memory: the short form of tests/bench/big."""

from __future__ import annotations

import subprocess
import sys

from serving import BINARY, CHECKOUT, NO_QUARANTINE, clean_env


def test_128_mib_each_way_take_constant_memory() -> None:
    done = subprocess.run(
        [sys.executable, CHECKOUT / "tests" / "bench" / "big", "128"],
        env=clean_env() | {"RUPY_SERVE_BIN": str(BINARY)} | NO_QUARANTINE,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("VmHWM") == 4
