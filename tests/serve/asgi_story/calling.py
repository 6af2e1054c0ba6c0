"""How the application is called: scopes, loops, contexts, tasks."""

import asyncio
import contextvars

from asgi_story.common import (
    events,
    kept,
    route,
    routes,
    text,
)

variable = contextvars.ContextVar("variable", default="unset")


async def say_events(scope, receive, send):
    await text(send, repr(events))


routes["/events"] = say_events


@route
async def same_loop(scope, receive, send):
    same = asyncio.get_running_loop() is kept["loop"]
    await text(send, repr(same))


@route
async def leak(scope, receive, send):
    """What the last request left in scopes is not seen by the next."""
    seen = [
        "x" in scope,
        "x" in scope["state"],
        "x" in scope["asgi"],
        "x" in scope["extensions"],
        len(scope["headers"]),
        len(scope["state"]["shared"]),
    ]
    scope["x"] = scope["state"]["x"] = scope["asgi"]["x"] = 1
    scope["extensions"]["x"] = {}
    scope["headers"].append((b"x", b"y"))
    scope["state"]["shared"].append(1)
    await text(send, repr(seen))


@route
async def context(scope, receive, send):
    seen = variable.get()
    variable.set("set")
    await asyncio.sleep(0)
    await text(send, repr([seen, variable.get()]))


@route
async def task(scope, receive, send):
    current = asyncio.current_task()
    others = [t.get_name() for t in asyncio.all_tasks() if t is not current]
    is_task = isinstance(current, asyncio.Task)
    await text(send, repr([is_task, current.get_name(), others]))


@route
async def calls(scope, receive, send):
    await text(send, repr(kept["calls"]))


@route
async def state(scope, receive, send):
    """A key of one's own is gone with the request, a list is shared."""
    await text(send, repr(scope["state"]))
    scope["state"]["mine"] = True
    scope["state"]["shared"].append(True)


@route
async def lifespan(scope, receive, send):
    await text(send, repr([kept["lifespan"], kept["startups"]]))
