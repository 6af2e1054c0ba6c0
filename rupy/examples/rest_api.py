"""A REST interface to a collection that lives in memory.

    rupy-serve rupy.examples.rest_api:app
    (or python -m rupy.examples.rest_api)

    curl -i -d '{"title": "write it down"}' http://127.0.0.1:8000/notes
    curl http://127.0.0.1:8000/notes
    curl 'http://127.0.0.1:8000/notes?contains=down'
    curl http://127.0.0.1:8000/notes/1
    curl -X PUT -d '{"title": "done", "done": true}' \\
        http://127.0.0.1:8000/notes/1
    curl -i -X DELETE http://127.0.0.1:8000/notes/1

Memory belongs to one process: with more than one worker, each would have
notes of its own.
"""

from __future__ import annotations

import itertools
from typing import Any

from rupy import HTTPError, Request, Response, Rupy, json

app = Rupy(__name__)

notes: dict[int, dict[str, Any]] = {}
ids = itertools.count(1)


def read_note(request: Request) -> dict[str, Any]:
    """What the client sent, checked; bad JSON is answered with 400."""
    sent = request.json()
    if not isinstance(sent, dict) or not isinstance(sent.get("title"), str):
        raise HTTPError(422, "title is missing, or no text")
    if not isinstance(sent.get("done", False), bool):
        raise HTTPError(422, "done is neither true nor false")
    return {"title": sent["title"], "done": sent.get("done", False)}


def find(id: int) -> dict[str, Any]:
    if id not in notes:
        raise HTTPError(404, f"there is no note {id}")
    return notes[id]


@app.get("/notes")
def index(request: Request) -> list[dict[str, Any]]:
    text = request.query.get("contains", "")
    return [note for note in notes.values() if text in note["title"]]


@app.post("/notes")
def create(request: Request) -> Response:
    note = read_note(request)
    id = next(ids)
    notes[id] = {"id": id, **note}
    return json(notes[id], 201, {"location": app.url_for("show", id=id)})


@app.get("/notes/<id:int>")
def show(id: int) -> dict[str, Any]:
    return find(id)


@app.put("/notes/<id:int>")
def replace(request: Request, id: int) -> dict[str, Any]:
    find(id)
    notes[id] = {"id": id, **read_note(request)}
    return notes[id]


@app.delete("/notes/<id:int>")
def remove(id: int) -> tuple[str, int]:
    find(id)
    del notes[id]
    return "", 204


if __name__ == "__main__":
    app.run()
