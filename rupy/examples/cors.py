"""Middleware that is there already: CORS, compression and more.

rupy-serve rupy.examples.cors:app
(or python -m rupy.examples.cors)

curl -i -H 'Origin: http://localhost:3000' http://127.0.0.1:8000/notes
HTTP/1.1 200 OK
access-control-allow-origin: http://localhost:3000
access-control-allow-credentials: true

curl -i -X OPTIONS -H 'Origin: http://localhost:3000' \\
    -H 'Access-Control-Request-Method: DELETE' http://127.0.0.1:8000/notes
HTTP/1.1 204 No Content
access-control-allow-methods: GET, DELETE

curl -i -X OPTIONS -H 'Origin: https://evil.example' \\
    -H 'Access-Control-Request-Method: DELETE' http://127.0.0.1:8000/notes
HTTP/1.1 403 Forbidden

curl -i --compressed -H 'Accept-Encoding: gzip' http://127.0.0.1:8000/notes
vary: Origin, Accept-Encoding
content-encoding: gzip

curl -i http://127.0.0.1:8000/notes
ratelimit-policy: "default";q=100;w=60
x-content-type-options: nosniff

curl -i -H 'Host: evil.example' http://127.0.0.1:8000/notes
HTTP/1.1 421 Misdirected Request
"""

from __future__ import annotations

from rupy import Rupy
from rupy.middleware import (
    CORS,
    Compression,
    RateLimit,
    RequestID,
    SecurityHeaders,
    TrustedHosts,
)

app = Rupy(__name__)

# The first stands outermost: answers of the others get its fields too.
app.middleware(RequestID())
app.middleware(SecurityHeaders())
app.middleware(TrustedHosts(["localhost", "127.0.0.1"]))
app.middleware(Compression())
app.middleware(
    CORS(
        allow_origins=["http://localhost:3000"],
        allow_methods=["GET", "DELETE"],
        allow_credentials=True,
    )
)
app.middleware(RateLimit(100, 60.0))


@app.get("/notes")
def notes() -> list[dict[str, object]]:
    return [{"id": i, "title": f"note {i}"} for i in range(100)]


if __name__ == "__main__":
    app.run()
