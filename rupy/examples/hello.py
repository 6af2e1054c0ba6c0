"""Every kind of small handler.

    rupy-serve rupy.examples.hello:app
    (or python -m rupy.examples.hello)

    curl http://127.0.0.1:8000/
    curl http://127.0.0.1:8000/json
    curl http://127.0.0.1:8000/user/Ada
    curl http://127.0.0.1:8000/async
    curl http://127.0.0.1:8000/sleep/250
    curl http://127.0.0.1:8000/items/7
    curl -d 'some text' -H 'content-type: text/plain' \\
        http://127.0.0.1:8000/echo
    curl -i http://127.0.0.1:8000/boom
"""

from __future__ import annotations

import asyncio

from rupy import Request, Response, Rupy

app = Rupy(__name__)


@app.get("/")
def index() -> str:
    return "Hello, World!"


@app.get("/json")
def message() -> dict[str, str]:
    return {"message": "Hello, World!"}


@app.get("/user/<name>")
def user(name: str) -> str:
    return f"Hello, {name}!"


@app.get("/async")
async def index_async() -> str:
    return "Hello, World!"


@app.get("/sleep/<ms:int>")
async def sleep(ms: int) -> dict[str, int]:
    await asyncio.sleep(ms / 1000)
    return {"slept_ms": ms}


@app.post("/echo")
def echo(request: Request) -> Response:
    return Response(request.body, content_type=request.content_type)


@app.get("/items/<id:int>")
def item(id: int) -> dict[str, object]:
    return {"id": id, "name": f"item {id}"}


@app.get("/boom")
def boom() -> str:
    raise RuntimeError("boom: this traceback is in the log, not in the answer")


if __name__ == "__main__":
    app.run()
