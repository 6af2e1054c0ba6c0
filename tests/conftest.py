"""Fixtures: real servers that are stopped and checked in the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Tests are imported by path; what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))

import asgi_said
import serving


def pytest_configure(config: pytest.Config) -> None:
    """This process has the sanitizer that it was started with; the tools that
    tests start must not (curl hangs with it).  serving.PRELOAD is for other
    Pythons that load the extension."""
    passes_it_on = config.getoption("numprocesses", None)
    if serving.PRELOAD and not passes_it_on:
        os.environ.pop("LD_PRELOAD", None)


@pytest.fixture(scope="session")
def rupy_bin() -> Path:
    """The program under test: $RUPY_SERVE_BIN, or that of the last build."""
    if not serving.BINARY.exists():
        pytest.fail(f"{serving.BINARY} is not built: make")
    return serving.BINARY


@pytest.fixture
def serve(rupy_bin: Path, tmp_path: Path) -> Iterator[serving.Servers]:
    """serve(app, *options) starts a server; in the end all are stopped."""
    servers = serving.Servers(tmp_path)
    yield servers
    servers.finish()


@pytest.fixture(scope="module")
def serve_module(
    rupy_bin: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[serving.Servers]:
    """The same for servers that all tests of a file share."""
    servers = serving.Servers(tmp_path_factory.mktemp("serve"))
    yield servers
    servers.finish()


@pytest.fixture(scope="module")
def story(serve_module: serving.Servers) -> Iterator[serving.Server]:
    """The application of tests/serve/asgi_story; no rule may be broken."""
    server = asgi_said.serve_story(serve_module)
    yield server
    asgi_said.check_linter(server)
