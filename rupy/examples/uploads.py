"""Files that come with forms, of any size, and are kept in a folder.

    rupy-serve rupy.examples.uploads:app
    (or python -m rupy.examples.uploads)

    curl -F 'title=a program' -F file=@/usr/bin/python3 \\
        http://127.0.0.1:8000/files
    curl -d 'name=Ada&name=Grace' http://127.0.0.1:8000/hello

or http://127.0.0.1:8000/ in a browser.  The folder is $UPLOADS, else
"uploads" in that for temporary files.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from rupy import HTTPError, Request, Response, Rupy

app = Rupy(__name__)

FOLDER = Path(
    os.environ.get("UPLOADS", os.path.join(tempfile.gettempdir(), "uploads"))
)
LARGEST = 8 << 30

PAGE = """<!doctype html><title>uploads</title>
<form method=post action=/files enctype=multipart/form-data>
<input name=title> <input type=file name=file multiple> <button>send</button>
</form>
"""


@app.on_startup
def make_folder() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)


@app.get("/")
def index() -> Response:
    return Response(PAGE, content_type="text/html; charset=utf-8")


@app.post("/files", stream=True)
async def upload(request: Request) -> dict[str, Any]:
    """The form is read as it comes: large files go to a nameless file in the
    same folder, so that save_to() only has to name it."""
    form = await request.read_form(
        file_size=LARGEST, files=10, directory=str(FOLDER)
    )
    kept = []
    for file in form.files.getlist("file"):
        try:
            path = await file.asave_to(FOLDER)
        except FileExistsError:
            raise HTTPError(409, f"{file.safe_name} is there") from None
        kept.append({"name": os.path.basename(path), "size": file.size})
    return {"title": form.get("title", ""), "files": kept}


@app.post("/hello")
def hello(request: Request) -> str:
    return f"Hello, {' and '.join(request.form().getlist('name'))}!\n"


if __name__ == "__main__":
    app.run()
