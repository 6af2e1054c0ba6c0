"""The life of a worker: what an application does before it serves, and after
its last answer."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from types import SimpleNamespace
from typing import Any, TypeVar

from . import _core, _mount, _signature
from ._around import Around
from ._lifespan import Lifespan as ASGILifespan

Hook = TypeVar("Hook", bound=Callable[[], Awaitable[object] | object])
Lifespan = TypeVar(
    "Lifespan",
    bound=Callable[..., AsyncIterator[Any] | AbstractAsyncContextManager[Any]],
)


class Life(Around):
    """The part of an application that is done once for each worker."""

    def __init__(self) -> None:
        super().__init__()
        self._startups: list[Callable[[], object]] = []
        self._shutdowns: list[Callable[[], object]] = []
        self._lifespan: (
            Callable[[], AbstractAsyncContextManager[Any]] | None
        ) = None
        self._exit: AsyncExitStack | None = None

    def on_startup(self, hook: Hook) -> Hook:
        """Call this function, def or async def, before a worker serves.

        Once per worker, in the order of registration.  An exception stops
        the server, with its traceback in the log.
        """
        self._startups.append(hook)
        return hook

    def on_shutdown(self, hook: Hook) -> Hook:
        """Call this function, def or async def, after a worker's last answer.

        What was registered last is called first, and all are called even if
        one raises.
        """
        self._shutdowns.append(hook)
        return hook

    def lifespan(self, function: Lifespan) -> Lifespan:
        """Live in this async context manager: one for an application.

        An async generator function that yields once, or a function that
        gives an async context manager; it may take the application.  It is
        entered before the first ``on_startup`` function and left after the
        last ``on_shutdown`` one, in the same task.  What it yields, a mapping
        of names, is what ``request.state`` begins with: a shallow copy for
        each request.

        Raises ValueError when there is one already, TypeError when it is
        neither.
        """
        if self._lifespan is not None:
            raise ValueError("lifespan: the application has one already")
        manager: Callable[..., Any] = function
        if inspect.isasyncgenfunction(function):
            manager = asynccontextmanager(function)
        elif inspect.iscoroutinefunction(function):
            raise TypeError(
                f"lifespan: {_signature.name_of(function)} does not yield"
            )
        if inspect.signature(function).parameters:
            self._lifespan = lambda: manager(self)
        else:
            self._lifespan = manager
        return function

    async def _startup(
        self,
        lifespan: str = "auto",
        log: Callable[[str], None] = _core.App._log,
        first: Mapping[str, Any] | None = None,
    ) -> None:
        """What a worker does before it serves; what was begun is undone when
        it fails.

        ``lifespan`` and ``log`` are for mounted ASGI applications, ``first``
        is what the application that this one is mounted in has in
        request.state.
        """
        if self._exit is not None:
            return  # mounted twice
        async with AsyncExitStack() as stack:
            state = dict(first or {})
            if self._lifespan is not None:
                given = await stack.enter_async_context(self._lifespan())
                state.update(_state_of(given))
            self._set_first_state(state)
            for hook in self._startups:
                await _call(hook)
            for hook in self._shutdowns:
                stack.push_async_callback(_call, hook)
            for mount in _mount.lifespans(self):
                if isinstance(mount.app, Life):
                    await mount.app._startup(lifespan, log, state)
                    stack.push_async_callback(mount.app._shutdown)
                elif mount.kind == "asgi":
                    mount.state.update(state)
                    life = ASGILifespan(mount.app, mount.state, lifespan, log)
                    await life.startup()
                    stack.push_async_callback(life.shutdown)
            self._exit = stack.pop_all()

    async def _shutdown(self) -> None:
        """What a worker does after its last answer."""
        stack, self._exit = self._exit, None
        if stack is not None:
            await stack.aclose()


def _state_of(given: object) -> Mapping[str, Any]:
    """What a lifespan yielded, for request.state."""
    if given is None:
        return {}
    if isinstance(given, SimpleNamespace):
        return vars(given)
    if isinstance(given, Mapping) and all(isinstance(k, str) for k in given):
        return given
    raise TypeError(
        f"lifespan: it yielded {type(given).__name__}, not a mapping of names"
        " to what request.state begins with"
    )


async def _call(hook: Callable[[], object]) -> None:
    result = hook()
    if inspect.isawaitable(result):
        await result
