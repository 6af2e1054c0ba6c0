"""Files: a folder of them, and downloads that a handler chooses.

    rupy-serve rupy.examples.static_files:app
    (or python -m rupy.examples.static_files)

    curl -i http://127.0.0.1:8000/examples/hello.py
    curl -i -H 'If-None-Match: "..."' http://127.0.0.1:8000/examples/hello.py
    curl -i -r 0-99,-20 http://127.0.0.1:8000/examples/hello.py
    curl -i http://127.0.0.1:8000/download/hello
    curl -i http://127.0.0.1:8000/report

The folder is this one; without an application at all it would be

    rupy-serve --static /examples=rupy/examples rupy.examples.hello:app
"""

from __future__ import annotations

from pathlib import Path

from rupy import FileResponse, HTTPError, Response, Rupy

HERE = Path(__file__).parent

app = Rupy(__name__)
app.static("/examples", HERE, max_age=60, types={".py": "text/x-python"})


@app.get("/download/<name>")
def download(name: str) -> Response:
    """A name is looked up in what there is, and never put into a path."""
    known = {path.stem: path for path in HERE.glob("*.py")}
    if name not in known:
        raise HTTPError(404, "there is no such example")
    return FileResponse(known[name], f"Übung {name}.py")


@app.get("/report")
async def report() -> Response:
    """Shown by a browser, under a name to save it by."""
    return FileResponse(
        __file__, "report.txt", content_type="text/plain", inline=True
    )


if __name__ == "__main__":
    app.run()
