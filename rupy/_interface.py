"""Which interface an application speaks: rupy, ASGI 3 or WSGI."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Literal

from . import _core

Kind = Literal["rupy", "asgi", "wsgi"]


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
    while isinstance(app, functools.partial):
        app = app.func
    if inspect.iscoroutinefunction(app):
        return True
    if inspect.isclass(app) or inspect.isroutine(app):
        return False
    return inspect.iscoroutinefunction(type(app).__call__)


def _takes(app: Any, n: int) -> bool:
    try:
        inspect.signature(app).bind(*range(n))
    except TypeError:
        return False
    except ValueError:  # no signature: written in C
        return n == 2
    return True
