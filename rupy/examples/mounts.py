"""Applications below a prefix: another Rupy, and one that speaks ASGI.

rupy-serve rupy.examples.mounts:app
(or python -m rupy.examples.mounts)

curl http://127.0.0.1:8000/
{"blog":"/blog/posts/1"}

curl http://127.0.0.1:8000/blog/posts/1
{"post":1,"path":"/blog/posts/1"}

curl http://127.0.0.1:8000/blog/posts/0
no such post

curl http://127.0.0.1:8000/asgi/
Hello, World!

curl -i http://127.0.0.1:8000/asgi/none
HTTP/1.1 404 Not Found
x-outer: was here
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from rupy import HTTPError, Request, Response, Rupy

Message = dict[str, Any]

blog = Rupy(__name__)


@blog.error_handler(404)
def no_post(error: HTTPError) -> str:
    """Of the blog only."""
    return "no such post\n"


@blog.get("/posts/<id:int>")
def post(request: Request, id: int) -> dict[str, Any]:
    if id == 0:
        raise HTTPError(404)
    return {"post": id, "path": request.path}


async def hello(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Finds "/asgi" in scope["root_path"]."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    path = scope["path"].removeprefix(scope["root_path"])
    status, text = (200, b"Hello, World!\n") if path == "/" else (404, b"\n")
    await send({"type": "http.response.start", "status": status})
    await send({"type": "http.response.body", "body": text})


app = Rupy(__name__)


@app.middleware
async def outer(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Around what is mounted, too."""
    response = await call_next(request)
    response.headers["x-outer"] = "was here"
    return response


@app.get("/")
def index() -> dict[str, str]:
    return {"blog": app.url_for("blog:post", id=1)}


app.mount("/blog", blog)
app.mount("/asgi", hello)


if __name__ == "__main__":
    app.run()
