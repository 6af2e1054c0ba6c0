"""Fixtures for pytest: ``rupy_client`` and ``rupy_server``.

An installed rupy-serve is found by pytest itself (entry point ``pytest11``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ._client import TestClient
from ._serving import Server


@pytest.fixture
def rupy_client() -> Iterator[Callable[..., TestClient]]:
    """``rupy_client(app, **options)`` gives a started ``TestClient``; the
    application ends with the test."""
    with contextlib.ExitStack() as stack:

        def start(app: Any, **options: Any) -> TestClient:
            return stack.enter_context(TestClient(app, **options))

        yield start


@pytest.fixture
def rupy_server() -> Iterator[Callable[..., Server]]:
    """``rupy_server(app, **options)`` serves an application, or
    ``"module:app"``, on a free port: ``.url``, ``.port``.  It ends with the
    test."""
    with contextlib.ExitStack() as stack:

        def start(app: Any, **options: Any) -> Server:
            return stack.enter_context(Server(app, **options))

        yield start
