"""The application of test_asgi_*.py: a function for each path.

Between the server and it stands the linter: what either side does against
the rules comes out on stdout.
"""

import asyncio
import os

from asgi_linter import Linter

from asgi_story import calling, failing, receiving, sending  # noqa: F401
from asgi_story.common import kept, routes, text


async def story(scope, receive, send):
    calls = kept.setdefault("calls", {})
    calls[scope["type"]] = calls.get(scope["type"], 0) + 1
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    else:
        await routes.get(scope["path"], say_scope)(scope, receive, send)


async def lifespan(scope, receive, send):
    assert scope["state"] == {}
    scope["state"].update(shared=[], number=1)
    kept["loop"] = asyncio.get_running_loop()
    kept["lifespan"] = {**scope, "state": {"shared": [], "number": 1}}
    kept["startups"] = kept.get("startups", 0) + 1
    await receive()
    await send({"type": "lifespan.startup.complete"})
    message = await receive()
    os.write(1, f"shut down {message}\n".encode())
    await send({"type": "lifespan.shutdown.complete"})


async def say_scope(scope, receive, send):
    await text(send, repr(scope))


# Those that look at the server's own receive() and send().
app = Linter(story, without={"/by_hand", "/timeouts", "/two_receive"})
