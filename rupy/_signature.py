"""How a handler is to be called: which argument is what."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple, get_args, get_origin

_ANNOTATED = re.compile(r"(?:\w+\.)*Annotated\[\s*([\w.]+)\s*,")

_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


class Plan(NamedTuple):
    """The arguments of a call, as ``_core.App._add_route`` takes them."""

    order: tuple[str | None, ...]
    """Positional arguments: a parameter of the pattern, None the request."""
    kwnames: tuple[str, ...]
    """Parameters of the pattern that follow as keyword arguments."""


class _MisfitError(Exception):
    pass


def name_of(handler: Callable[..., Any]) -> str:
    """What the handler is called in messages: ``module.qualname``."""
    inner = handler
    while hasattr(inner, "func"):  # functools.partial
        inner = inner.func
    if not hasattr(inner, "__qualname__"):
        inner = type(inner)
    return f"{inner.__module__}.{inner.__qualname__}"


def short_name_of(handler: Callable[..., Any]) -> str:
    """What ``url_for`` calls the handler, if nothing else was said."""
    return name_of(handler).rpartition(".")[2]


def is_async(handler: Callable[..., Any]) -> bool:
    """Does calling it give a coroutine?"""
    inner = inspect.unwrap(handler)
    while hasattr(inner, "func"):  # functools.partial
        inner = inner.func
    if inspect.iscoroutinefunction(inner):
        return True
    call = getattr(type(inner), "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(call)


def does_not_block(handler: Callable[..., Any]) -> bool:
    """Is calling it no work: ``async def``, with yield or without?"""
    inner = inspect.unwrap(handler)
    while hasattr(inner, "func"):  # functools.partial
        inner = inner.func
    call = getattr(type(inner), "__call__", None)  # noqa: B004
    return (
        is_async(handler)
        or inspect.isasyncgenfunction(inner)
        or inspect.isasyncgenfunction(call)
    )


def plan(
    handler: Callable[..., Any],
    params: Sequence[str],
    request_type: type,
    pattern: str,
) -> Plan:
    """How to call the handler with a request and these parameters.

    The request is the parameter annotated with request_type, else the one
    named ``request`` or ``req``, else the first one, if it is the only
    positional one that is no parameter of the pattern.  A handler without any
    is called with the parameters only.

    Raises TypeError, naming pattern and handler, when the handler cannot take
    a parameter, or wants one that nobody gives.
    """
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"route {pattern!r}: handler {name_of(handler)} has no signature:"
            f" {error}"
        ) from None
    try:
        return _fit(list(signature.parameters.values()), params, request_type)
    except _MisfitError as error:
        raise TypeError(
            f"route {pattern!r}: handler {name_of(handler)}{signature} {error}"
        ) from None


def _fit(
    takes: list[inspect.Parameter], params: Sequence[str], request_type: type
) -> Plan:
    request = _find_request(takes, params, request_type)
    order: list[str | None] = []
    kwnames: list[str] = []
    in_order, takes_any = True, False
    for p in takes:
        if p.kind is p.VAR_POSITIONAL:
            # A wrapper that hides what it wraps: def inner(*args, **kwargs).
            if request is None and not order and in_order:
                order.append(None)
        elif p.kind is p.VAR_KEYWORD:
            takes_any = True
        elif p is request or p.name in params:
            if in_order and p.kind in _POSITIONAL:
                order.append(None if p is request else p.name)
            elif p is request:
                raise _MisfitError(
                    "takes the request neither first nor by position"
                )
            elif p.kind is p.POSITIONAL_ONLY:
                raise _MisfitError(
                    f"takes {p.name!r} after one that has a default"
                )
            else:
                kwnames.append(p.name)
        elif p.default is p.empty:
            raise _MisfitError(
                f"wants {p.name!r}, which the pattern does not give"
            )
        elif p.kind in _POSITIONAL:
            in_order = False
    for name in params:
        if name not in order and name not in kwnames:
            if not takes_any:
                raise _MisfitError(f"does not take the parameter {name!r}")
            kwnames.append(name)
    return Plan(tuple(order), tuple(kwnames))


def _find_request(
    takes: list[inspect.Parameter], params: Sequence[str], request_type: type
) -> inspect.Parameter | None:
    plain = [
        p
        for p in takes
        if p.name not in params
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    for p in plain:
        if _is_request(p.annotation, request_type):
            return p
    for p in plain:
        if p.name in ("request", "req"):
            return p
    positional = [p for p in plain if p.kind in _POSITIONAL]
    if (
        len(positional) == 1
        and positional[0] is takes[0]
        and positional[0].default is inspect.Parameter.empty
    ):
        return positional[0]
    return None


def _is_request(annotation: object, request_type: type) -> bool:
    # Annotations may be text: from __future__ import annotations.
    if isinstance(annotation, str):
        text = annotation.strip("\"' ")
        if (match := _ANNOTATED.match(text)) is not None:
            text = match[1]
        return text.rpartition(".")[2] == request_type.__name__
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation is request_type
