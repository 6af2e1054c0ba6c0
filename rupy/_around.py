"""What stands around handlers: middleware, error handlers, mounts."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

from . import _core, _interface
from ._signature import name_of

Function = TypeVar("Function", bound=Callable[..., object])


class Layer:
    """A function of the application's, and how it is to be called."""

    def __init__(self, function: Callable[..., Any], takes: int) -> None:
        self.function = function
        self.takes = takes
        self.is_async = _is_async(function)
        self.name = name_of(function)


class Mount:
    """An application below a prefix."""

    def __init__(self, prefix: str, app: Any, kind: str, name: str) -> None:
        self.prefix = prefix
        self.app = app
        self.kind = kind
        self.name = name
        # Of an ASGI application's lifespan: it lives once, wherever it is.
        self.state: dict[str, Any] = {}


class Around(_core.App):
    """The part of an application that is not its routes."""

    def __init__(self) -> None:
        super().__init__()
        self.state: Any = SimpleNamespace()
        """The application's own, for as long as the process lives."""
        self._layers: list[Layer] = []
        self._afters: list[Layer] = []
        self._status_handlers: dict[int, Layer] = {}
        self._class_handlers: dict[type[BaseException], Layer] = {}
        self._mounts: list[Mount] = []
        self._mounted_in: list[tuple[Around, str]] = []
        # Around all of it, in the application that is served: a function of
        # _middleware.Step.
        self._outermost: Callable[[Any], Any] | None = None

    def _has_around(self) -> bool:
        """Is there anything around handlers?"""
        return bool(
            self._outermost
            or self._layers
            or self._afters
            or self._status_handlers
            or self._class_handlers
        )

    def middleware(self, function: Function) -> Function:
        """Call this function for every request, in order of registration.

        One that takes ``(request)`` is called before the handler: it returns
        None to go on, or an answer, and then the handler is not called.  One
        that takes ``(request, call_next)`` is called around the rest: what
        ``call_next(request)`` gives (to be awaited in an ``async def``) is a
        Response, whatever became of the request, also an error; its status,
        headers and body may be changed, or another answer be returned.

        Every request is one that has no route, or another method than its
        route, or belongs to a mounted application, too.  Both kinds may be
        ``def`` or ``async def``.  A ``def`` around function runs in a thread
        (16 for each such function): it may block, but costs more than an
        ``async def``.

        Raises TypeError for a function that takes neither.
        """
        takes = _count(function, "middleware", (1, 2))
        self._layers.append(Layer(function, takes))
        return function

    def after_request(self, function: Function) -> Function:
        """Call this function with (request, response) for every answer.

        Answers of middleware and error handlers among them.  It is ``def`` or
        ``async def`` and returns the response, or another answer.  What was
        registered last is called first.

        Raises TypeError for a function that does not take two arguments.
        """
        _count(function, "after_request", (2,))
        self._afters.append(Layer(function, 2))
        return function

    def error_handler(
        self, what: int | type[BaseException]
    ) -> Callable[[Function], Function]:
        """Answer for a status (400 to 599) or a class of exceptions.

        The function takes ``(request, error)`` or ``(error)`` and returns an
        answer; one that says no status has that of the error, 500 when it has
        none.  For a status that is an HTTPError that was raised, or the
        server's own, as 404 for what has no route; 500 is for exceptions that
        nobody handles.  The status of an HTTPError comes before its class,
        and the most specific class wins.

        Raises ValueError for another status or a duplicate, TypeError for
        what is neither, or for a function that does not take that.
        """
        table: dict[Any, Layer]
        key: Any = what
        if isinstance(what, int) and not isinstance(what, bool):
            if not 400 <= what <= 599:
                raise ValueError(f"error_handler: {what} is not 400 to 599")
            table = self._status_handlers
        elif isinstance(what, type) and issubclass(what, Exception):
            table = self._class_handlers
        else:
            raise TypeError(
                f"error_handler: {what!r} is neither a status nor a class of"
                " exceptions: is an argument missing, as in"
                " @app.error_handler(404)?"
            )
        if key in table:
            raise ValueError(
                f"error_handler: {what} has one already, {table[key].name}"
            )

        def register(function: Function) -> Function:
            takes = _count(function, "error_handler", (2, 1))
            table[key] = Layer(function, takes)
            return function

        return register

    def mount(self, prefix: str, app: Any, name: str | None = None) -> None:
        """Let another application answer prefix and all that is below it.

        Another Rupy, an ASGI 3 or a WSGI application.  Routes of this one
        come first, then the longest prefix.  What stands around handlers
        here stands around the other application too.  A Rupy finds its routes
        without the prefix, an ASGI application the prefix at the end of
        ``root_path``, a WSGI one at the end of ``SCRIPT_NAME``.  ``name`` is
        for ``url_for("name:route")``, by default the prefix without its
        first slash.

        Raises ValueError for a bad prefix or a duplicate, TypeError for what
        is no application.
        """
        if not isinstance(prefix, str) or not prefix.startswith("/"):
            raise ValueError(f"mount: {prefix!r} does not begin with '/'")
        bare = prefix.rstrip("/")
        if not bare or "//" in bare or any(c in bare for c in "<>?#% "):
            raise ValueError(f"mount: {prefix!r} is no prefix of a path")
        if any(mount.prefix == bare for mount in self._mounts):
            raise ValueError(f"mount: {bare!r} is mounted already")
        if app is self or (isinstance(app, Around) and self in _below(app)):
            raise ValueError(f"mount {bare!r}: an application inside itself")
        kind = _interface.detect(app, "auto")
        mounted = Mount(bare, app, kind, name or bare[1:])
        for other in self._mounts:
            if other.app is app:
                mounted.state = other.state
        self._mounts.append(mounted)
        if isinstance(app, Around):
            app._mounted_in.append((self, bare))


def _below(app: Around) -> list[Around]:
    found = []
    for mount in app._mounts:
        if isinstance(mount.app, Around):
            found += [mount.app, *_below(mount.app)]
    return found


def _is_async(function: Any) -> bool:
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    if inspect.iscoroutinefunction(function):
        return True
    return inspect.iscoroutinefunction(type(function).__call__)


def _count(
    function: Callable[..., Any], what: str, choices: tuple[int, ...]
) -> int:
    """With how many arguments it can be called: the last choice that fits."""
    shapes = {
        "middleware": "(request) or (request, call_next)",
        "after_request": "(request, response)",
        "error_handler": "(error) or (request, error)",
    }
    if not callable(function):
        raise TypeError(f"{what}: {function!r} is no function")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{what}: {name_of(function)} has no signature: {error}"
        ) from None
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(
        function
    ):
        raise TypeError(f"{what}: {name_of(function)} is a generator")
    for n in choices:
        try:
            signature.bind(*range(n))
        except TypeError:
            continue
        return n
    raise TypeError(
        f"{what}: {name_of(function)}{signature} does not take {shapes[what]}"
    )
