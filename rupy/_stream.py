"""Async iterators: pulled for the C core, and closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any


async def aclose(source: object) -> None:
    """Close an async iterator here, in its own task, if it can be closed:
    the collector would do it later and elsewhere."""
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()


async def pump(
    source: AsyncIterator[Any],
    write: Callable[[Any], asyncio.Future[None] | None],
) -> None:
    """Give every item of `source` to `write`, and wait while it says so.

    `source` is closed when this ends, however it ends: also when the client
    goes away and this is cancelled.
    """
    try:
        async for piece in source:
            waiter = write(piece)
            if waiter is not None:
                await waiter
    finally:
        await aclose(source)
