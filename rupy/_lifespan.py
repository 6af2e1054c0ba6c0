"""The lifespan of an ASGI application (ASGI lifespan protocol 2.0)."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
State = dict[str, Any]
App = Callable[
    [
        dict[str, Any],
        Callable[[], Awaitable[Message]],
        Callable[[Message], Awaitable[None]],
    ],
    Awaitable[None],
]


class StartupError(Exception):
    """The application must not be served; the text says why."""


class Lifespan:
    """One call of the application that lasts as long as the worker.

    It is a task of its own from first to last, so that what it enters at
    start-up is left in the same task.  `mode` is "auto", "on" or "off": with
    "auto" an application that raises before it answered to start-up does not
    support lifespans and is served without.
    """

    def __init__(
        self, app: App, state: State, mode: str, log: Callable[[str], None]
    ) -> None:
        self._app = app
        self._state = state
        self._mode = mode
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[str | None] = self._loop.create_future()
        self._stopping: asyncio.Future[None] = self._loop.create_future()
        self._stopped: asyncio.Future[str | None] = self._loop.create_future()
        self._received = 0
        self.error: BaseException | None = None
        """What the application raised, or said, that was no success."""
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Raises StartupError when the application cannot start."""
        if self._mode == "off":
            return
        self._task = self._loop.create_task(self._run(), name="lifespan")
        failure = await self._started
        if failure is not None:
            raise StartupError(failure)

    async def shutdown(self) -> None:
        """Tell it, and wait until it has ended; TimeoutError is the
        caller's to raise."""
        task = self._task
        if task is None or task.done():
            return
        self._stopping.set_result(None)
        try:
            failure = await self._stopped
            if failure is not None:
                self.error = self.error or RuntimeError(failure)
                self._log("shutdown failed\n" + failure)
            # What follows its last message belongs to it as well.
            await asyncio.wait([task])
        finally:
            task.cancel()

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self._state,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except asyncio.CancelledError:
            self._settle(None)
            raise
        except BaseException as error:
            self._settle(error)
        else:
            self._settle(None)

    def _settle(self, error: BaseException | None) -> None:
        """The call is over, whether it answered or not."""
        if error is not None and (self._started.done() or self._mode == "on"):
            self.error = error
        if not self._started.done():
            unsupported = self._mode == "auto" and (
                error is None or isinstance(error, Exception)
            )
            if unsupported:
                self._started.set_result(None)
            elif error is None:
                self._started.set_result(
                    "the application left the lifespan without"
                    " lifespan.startup.complete"
                )
            else:
                self._started.set_result(_format(error))
        elif error is not None and not self._stopped.done():
            self._log("exception in the lifespan\n" + _format(error))
        if not self._stopped.done():
            self._stopped.set_result(None)

    async def _receive(self) -> Message:
        self._received += 1
        if self._received == 1:
            return {"type": "lifespan.startup"}
        await asyncio.shield(self._stopping)
        if self._received > 2:
            # Nothing comes any more.
            await self._loop.create_future()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        phase, _, outcome = kind.removeprefix("lifespan.").partition(".")
        if phase not in ("startup", "shutdown") or outcome not in (
            "complete",
            "failed",
        ):
            raise ValueError(f"no message of a lifespan: {kind!r}")
        answer = self._started if phase == "startup" else self._stopped
        if phase == "shutdown" and not self._stopping.done():
            raise RuntimeError(f"{kind} before lifespan.shutdown")
        if answer.done():
            raise RuntimeError(f"{kind}: {phase} was answered already")
        if outcome == "complete":
            answer.set_result(None)
        else:
            answer.set_result(str(message.get("message", "")) or kind)


def _format(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
