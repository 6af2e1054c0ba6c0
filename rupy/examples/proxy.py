"""Other servers behind paths of ours.

    rupy-serve rupy.examples.proxy:app
    (or python -m rupy.examples.proxy)

    curl -i http://127.0.0.1:8000/
    curl -i http://127.0.0.1:8000/as-is/some/path?q=1
    curl -i http://127.0.0.1:8000/instead/some/path?q=1
    curl -i -d 'some content' http://127.0.0.1:8000/as-is/upload
    curl -i -H 'Transfer-Encoding: chunked' -d 'more' \\
        http://127.0.0.1:8000/named/upload

The backend is a little server of Python's own, so that the example stands
alone; it answers with the request as it came to it.
"""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from rupy import Rupy


class Backend(BaseHTTPRequestHandler):
    """Says what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        text = f"{self.requestline}\n{self.headers}".encode()
        text += self.content()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET  # noqa: N815

    def content(self) -> bytes:
        if not self.headers["Transfer-Encoding"]:
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def log_message(self, format: str, *args: object) -> None:
        pass


backend = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
Thread(target=backend.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{backend.server_port}"

app = Rupy(__name__)
app.proxy("/as-is", url)
app.proxy("/instead", url + "/v2")
app.proxy("/named", [url, url], host="inner.example", timeout=10)


@app.get("/")
def index() -> str:
    return "This one is answered here.\n"


if __name__ == "__main__":
    app.run()
