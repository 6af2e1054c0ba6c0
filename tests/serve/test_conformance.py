"""The raw HTTP cases that lie beside the checkout, if they are there."""

from __future__ import annotations

import subprocess
import sys

import pytest
from serving import CHECKOUT, Server, Servers

RUNNER = CHECKOUT.parent / "shared" / "conformance" / "run_cases.py"

pytestmark = pytest.mark.skipif(
    not RUNNER.exists(), reason="the cases are not beside this checkout"
)


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(
        "rupy.examples.conformance:app",
        *("--workers", "2"),
        *("--graceful-timeout", "2s"),
    )


@pytest.mark.parametrize(
    "options",
    [
        ("--app", "--canary"),
        ("--app", "--canary", "--fragment", "1"),
        ("--app", "--strict"),
    ],
    ids=["whole", "byte by byte", "strict"],
)
def test_every_case_passes(server: Server, options: tuple[str, ...]) -> None:
    done = subprocess.run(
        [
            *(sys.executable, str(RUNNER)),
            *("--port", str(server.port)),
            *("--jobs", "8"),
            *options,
        ],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.stdout.splitlines()[-1].endswith(" 0 failed"), (
        done.stdout + done.stderr
    )
