"""An interface that describes itself: see http://127.0.0.1:8000/docs.

rupy-serve rupy.examples.openapi:app
(or python -m rupy.examples.openapi)

curl -i http://127.0.0.1:8000/openapi.json
HTTP/1.1 200 OK
Content-Type: application/json

curl -i http://127.0.0.1:8000/docs
HTTP/1.1 200 OK
Content-Type: text/html; charset=utf-8

curl -i -d '{"title": "write it down"}' http://127.0.0.1:8000/notes
HTTP/1.1 201 Created
{"id":1,"title":"write it down"}

curl http://127.0.0.1:8000/notes/1
{"id":1,"title":"write it down"}

curl -i http://127.0.0.1:8000/notes/2
HTTP/1.1 404 Not Found
there is no note 2
"""

from __future__ import annotations

import itertools
from typing import Annotated, Literal, TypedDict

from rupy import HTTPError, Request, Rupy
from rupy.openapi import operation

app = Rupy(__name__)
app.openapi(title="Notes", version="1.0", description="Things to remember.")


class NewNote(TypedDict):
    """A note as clients send it."""

    title: Annotated[str, "in one line"]


class Note(NewNote):
    """A note as it is kept."""

    id: int


notes: dict[int, Note] = {}
ids = itertools.count(1)


@app.get("/notes")
@operation(tags=["notes"], query={"contains": Annotated[str, "in the title"]})
def index(request: Request) -> list[Note]:
    """All notes."""
    text = request.query.get("contains", "")
    return [note for note in notes.values() if text in note["title"]]


@app.post("/notes")
@operation(tags=["notes"], answers={422: "there is no title"})
def create(
    request: Annotated[Request, NewNote],
) -> tuple[Note, Literal[201]]:
    """Keep a note.

    Until the worker ends: it is an example.
    """
    sent = request.json()
    if not isinstance(sent, dict) or not isinstance(sent.get("title"), str):
        raise HTTPError(422, "title is missing, or no text")
    id = next(ids)
    notes[id] = {"id": id, "title": sent["title"]}
    return notes[id], 201


@app.get("/notes/<id:int>")
@operation(tags=["notes"], answers={404: "there is no such note"})
def show(id: int) -> Note:
    """One note."""
    if id not in notes:
        raise HTTPError(404, f"there is no note {id}")
    return notes[id]


if __name__ == "__main__":
    app.run()
