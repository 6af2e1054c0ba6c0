"""A few dozen of Autobahn's cases; `make check-autobahn` runs all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "ws" / "autobahn"
# Whatever is quick, of every kind.
CASES = ["1.*", "2.*", "3.*", "4.1.*", "5.*", "6.4.*", "7.*", "9.7.6"]


@pytest.mark.parametrize("app", ["native", "asgi"])
def test_autobahn(rupy_bin: Path, app: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--app", app, *CASES],
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | {"RUPY_SERVE_BIN": str(rupy_bin)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{app}: 1" in done.stdout, "over a hundred cases"
