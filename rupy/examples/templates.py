"""Pages made of templates, by Jinja2 (pip install jinja2).

rupy-serve rupy.examples.templates:app
(or python -m rupy.examples.templates)

curl -i http://127.0.0.1:8000/
HTTP/1.1 200 OK
Content-Type: text/html; charset=utf-8
<li><a href="/notes/1">write it down</a></li>
<li><a href="/notes/2">&lt;b&gt; is not bold</a></li>

curl http://127.0.0.1:8000/notes/2
<h1>&lt;b&gt; is not bold</h1>
<p><a href="/">all notes</a></p>

curl -i http://127.0.0.1:8000/notes/3
HTTP/1.1 404 Not Found
<h1>there is no note 3</h1>

curl -I http://127.0.0.1:8000/
HTTP/1.1 200 OK
"""

from __future__ import annotations

from pathlib import Path

from rupy import HTTPError, Request, Response, Rupy
from rupy.templates import Templates

app = Rupy(__name__)
templates = Templates(Path(__file__).with_name("pages"))

notes = {1: "write it down", 2: "<b> is not bold"}


@app.get("/")
def index(request: Request) -> Response:
    return templates.render(request, "index.html", notes=notes)


@app.get("/notes/<id:int>")
def show(request: Request, id: int) -> Response:
    if id not in notes:
        raise HTTPError(404, f"there is no note {id}")
    return templates.render(request, "show.html", text=notes[id])


@app.error_handler(404)
def missing(request: Request, error: HTTPError) -> Response:
    return templates.render(request, "show.html", status=404, text=error.detail)


if __name__ == "__main__":
    app.run()
