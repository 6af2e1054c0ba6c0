"""The raw HTTP cases that lie beside the checkout, if they are there."""

from __future__ import annotations

import subprocess
import sys

import pytest
from asgi_said import LINTED, check_linter
from serving import CHECKOUT, Server, Servers

RUNNER = CHECKOUT.parent / "shared" / "conformance" / "run_cases.py"

pytestmark = pytest.mark.skipif(
    not RUNNER.exists(), reason="the cases are not beside this checkout"
)


# Every interface gives the same answers.
APPS = [
    "rupy.examples.conformance:app",
    "rupy.examples.conformance_asgi:app",
    "rupy.examples.conformance_wsgi:app",
]


@pytest.fixture(scope="module", params=APPS)
def server(serve_module: Servers, request: pytest.FixtureRequest) -> Server:
    return serve_module(
        request.param,
        *("--workers", "2"),
        *("--graceful-timeout", "2s"),
    )


@pytest.mark.parametrize(
    "options",
    [
        ("--app", "--canary"),
        ("--app", "--canary", "--fragment", "1"),
    ],
    ids=["whole", "byte by byte"],
)
def test_every_case_passes(server: Server, options: tuple[str, ...]) -> None:
    run_cases(server, options)


@pytest.mark.parametrize("app", APPS)
def test_every_case_gets_the_answer_it_prefers(
    serve: Servers, app: str
) -> None:
    # One of them wants a length beyond 32 bits refused, which needs a limit.
    server = serve(app, "--limit-body", "1G")
    run_cases(server, ("--app", "--strict"))


def test_no_case_makes_asgi_break_a_rule(serve: Servers) -> None:
    server = serve(
        """
from asgi_linter import Linter
from rupy.examples import conformance_asgi

app = Linter(conformance_asgi.app)
""",
        *LINTED,
    )
    run_cases(server, ("--app",))
    check_linter(server)


def run_cases(server: Server, options: tuple[str, ...]) -> None:
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
    last = done.stdout.splitlines()[-1:]
    assert last and last[0].endswith(" 0 failed"), (
        done.stdout[-8000:] + done.stderr[-2000:]
    )
