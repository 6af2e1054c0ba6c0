"""Places: the application that is served, and those mounted in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ._around import Around, Mount


class Place(NamedTuple):
    """What the core is told of a prefix (src/py/front.c)."""

    prefix: str
    kind: str
    owner: Around
    """Whose routes they are, or who mounted the application."""
    target: Any
    befores: tuple[Callable[..., Any], ...] | None
    run: Callable[..., Any] | None
    state: dict[str, Any]


def places(app: Around, debug: bool) -> list[Place]:
    """The application first, then the longest prefix; none at all when it has
    neither middleware nor mounts."""
    below = list(_mounted("", (app,), debug))
    below.sort(key=lambda place: len(place.prefix), reverse=True)
    first = _place("", "rupy", (app,), app, {}, debug)
    if not below and first.befores is None and first.run is None:
        return []
    return [first, *below]


def _mounted(prefix: str, apps: tuple[Around, ...], debug: bool) -> list[Place]:
    found: list[Place] = []
    for mount in apps[-1]._mounts:
        where = prefix + mount.prefix
        target = mount.app
        if isinstance(target, Around):
            inner = (*apps, target)
            found.append(_place(where, "rupy", inner, target, {}, debug))
            found += _mounted(where, inner, debug)
        else:
            found.append(
                _place(where, mount.kind, apps, target, mount.state, debug)
            )
    return found


def _place(
    prefix: str,
    kind: str,
    apps: Sequence[Around],
    target: Any,
    state: dict[str, Any],
    debug: bool,
) -> Place:
    if not any(app._has_around() for app in apps):
        return Place(prefix, kind, apps[-1], target, None, None, state)
    from . import _middleware

    befores = _middleware.before_only(apps)
    run = None if befores is not None else _middleware.build(apps, debug)
    return Place(prefix, kind, apps[-1], target, befores or None, run, state)


def lifespans(app: Around) -> list[Mount]:
    """Mounts of this application, each application once."""
    seen: dict[int, Mount] = {}
    for mount in app._mounts:
        seen.setdefault(id(mount.app), mount)
    return list(seen.values())


def has_asgi(app: Around) -> bool:
    """Is an ASGI application mounted somewhere below?"""
    return any(
        mount.kind == "asgi"
        or (isinstance(mount.app, Around) and has_asgi(mount.app))
        for mount in app._mounts
    )
