"""Which interface an application speaks: rupy, ASGI 3 or WSGI."""

from __future__ import annotations

import sys

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    Kind = Literal["rupy", "asgi", "wsgi"]

_FUNCTION = type(lambda: None)

# Flags of code objects, from inspect.
_VARARGS = 0x04
_COROUTINE = 0x80


def detect(app: object, wanted: str) -> Kind:
    """The interface of `app`, or `wanted` when that is not "auto".

    An ASGI 3 application is a coroutine function, or an object whose
    ``__call__`` is one, that takes scope, receive and send; any other
    callable that can take two arguments is taken for WSGI (PEP 3333).

    Raises TypeError in one line when it is none of them.
    """
    if isinstance(app, _core.App):
        if wanted in ("auto", "rupy"):
            return "rupy"
        raise TypeError(
            f"the application is a rupy.Rupy, which does not speak {wanted}:"
            " leave --interface out"
        )
    if wanted == "rupy":
        raise TypeError(
            f"{type(app).__name__} is no rupy.Rupy application;"
            " leave --interface out to have its interface detected"
        )
    if not callable(app):
        raise TypeError(
            f"the application is {type(app).__name__}, which cannot be called"
        )
    if wanted == "asgi":
        return "asgi"
    if wanted == "wsgi":
        return "wsgi"
    if _is_asgi3(app):
        return "asgi"
    if _takes(app, 2):
        return "wsgi"
    if _takes(app, 3):
        return "asgi"
    raise TypeError(
        f"{app!r} takes neither (scope, receive, send) nor"
        " (environ, start_response): say --factory if it makes the application"
    )


def _is_asgi3(app: Any) -> bool:
    # Without the module there can be no partial.
    functools = sys.modules.get("functools")
    while functools and isinstance(app, functools.partial):
        app = app.func
    if _is_coroutine_function(app):
        return True
    if isinstance(app, (type, _FUNCTION)):
        return False
    return _is_coroutine_function(type(app).__call__)


def _is_plain(function: Any) -> bool:
    """Is it what its code says, without marks and wrappings?"""
    return type(function) is _FUNCTION and not function.__dict__


def _is_coroutine_function(function: Callable[..., object]) -> bool:
    if _is_plain(function):
        return bool(function.__code__.co_flags & _COROUTINE)
    import inspect

    return inspect.iscoroutinefunction(function)


def _takes(app: Any, n: int) -> bool:
    if _is_plain(app) and not app.__code__.co_kwonlyargcount:
        code = app.__code__
        least = code.co_argcount - len(app.__defaults__ or ())
        most = code.co_argcount
        return least <= n and (n <= most or bool(code.co_flags & _VARARGS))
    # It is half a megabyte.
    import inspect

    try:
        inspect.signature(app).bind(*range(n))
    except TypeError:
        return False
    except ValueError:  # no signature: written in C
        return n == 2
    return True
