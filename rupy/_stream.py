"""The coroutine that pulls an async iterator for the C core."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any


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
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()
