"""A database for the life of a worker, and work that goes on behind answers.

    rupy-serve rupy.examples.database:app
    (or python -m rupy.examples.database)

    curl -i -d 'wash the dishes' http://127.0.0.1:8000/tasks
    HTTP/1.1 202 Accepted

    curl -i http://127.0.0.1:8000/tasks/1
    HTTP/1.1 200 OK

    curl http://127.0.0.1:8000/tasks

    curl -i http://127.0.0.1:8000/tasks/99
    HTTP/1.1 404 Not Found
    there is no task 99

The file is $DATABASE, else one in memory, which each worker has for itself.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

from rupy import HTTPError, Request, Rupy

app = Rupy(__name__)


@app.lifespan
async def database() -> AsyncIterator[dict[str, Any]]:
    """What it yields is in request.state."""
    db = sqlite3.connect(os.environ.get("DATABASE", ":memory:"))
    db.row_factory = sqlite3.Row
    db.execute(
        "create table if not exists tasks"
        " (id integer primary key, title text, done integer)"
    )
    background: set[asyncio.Task[None]] = set()
    try:
        yield {"db": db, "background": background}
        # What was begun is finished, as far as there is time.
        if background:
            await asyncio.wait(background, timeout=5)
    finally:
        db.close()


async def do(db: sqlite3.Connection, number: int) -> None:
    """The work: nobody waits for it."""
    await asyncio.sleep(0.1)
    with db:
        db.execute("update tasks set done = 1 where id = ?", (number,))


@app.post("/tasks")
async def add(request: Request) -> tuple[dict[str, int], int, dict[str, str]]:
    db, background = request.state.db, request.state.background
    with db:
        cursor = db.execute(
            "insert into tasks (title, done) values (?, 0)", (request.text,)
        )
    number = cursor.lastrowid
    task = asyncio.create_task(do(db, number))
    # asyncio keeps no reference to a task of its own.
    background.add(task)
    task.add_done_callback(background.discard)
    where = app.url_for("show", number=number)
    return {"id": number}, 202, {"location": where}


@app.get("/tasks")
async def list_all(request: Request) -> list[dict[str, Any]]:
    rows = request.state.db.execute("select * from tasks order by id")
    return [dict(row) for row in rows]


@app.get("/tasks/<number:int>")
async def show(request: Request, number: int) -> dict[str, Any]:
    row = request.state.db.execute(
        "select * from tasks where id = ?", (number,)
    ).fetchone()
    if row is None:
        raise HTTPError(404, f"there is no task {number}\n")
    return dict(row)


if __name__ == "__main__":
    app.run()
