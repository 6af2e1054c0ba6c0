"""What stands around handlers: before, around, after.

rupy-serve rupy.examples.middleware:app
(or python -m rupy.examples.middleware)

curl -i http://127.0.0.1:8000/
HTTP/1.1 200 OK
x-handled-by: index
x-frame-options: DENY
Hello, stranger!

curl -H 'Authorization: Bearer ada' http://127.0.0.1:8000/
Hello, ada!

curl -i http://127.0.0.1:8000/admin
HTTP/1.1 401 Unauthorized
www-authenticate: Bearer
who are you?

curl -H 'Authorization: Bearer ada' http://127.0.0.1:8000/admin
secrets of ada

curl http://127.0.0.1:8000/shout
ONE TWO THREE

curl -i http://127.0.0.1:8000/no/such/page
HTTP/1.1 404 Not Found
x-frame-options: DENY
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable

from rupy import Request, Response, Rupy

app = Rupy(__name__)

user: contextvars.ContextVar[str] = contextvars.ContextVar("user")


@app.middleware
def who(request: Request) -> tuple[str, int, dict[str, str]] | None:
    """Before the handler: None goes on, anything else is the answer."""
    user.set(request.auth_token or "stranger")
    if request.path.startswith("/admin") and not request.auth_token:
        return "who are you?\n", 401, {"www-authenticate": "Bearer"}
    return None


@app.middleware
async def tell(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Around the handler: the answer may be changed, or be another."""
    response = await call_next(request)
    response.headers["x-handled-by"] = getattr(request.state, "by", "nobody")
    return response


@app.after_request
def secure(request: Request, response: Response) -> Response:
    """For every answer, those of middleware and errors too."""
    response.headers.setdefault("x-frame-options", "DENY")
    return response


@app.get("/")
async def index(request: Request) -> str:
    request.state.by = "index"
    return f"Hello, {user.get()}!\n"


@app.get("/admin")
def admin() -> str:
    return f"secrets of {user.get()}\n"


@app.get("/shout")
async def shout() -> AsyncIterator[str]:
    for word in ("ONE ", "TWO ", "THREE\n"):
        yield word
        await asyncio.sleep(0)


if __name__ == "__main__":
    app.run()
