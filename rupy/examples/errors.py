"""Who answers when something goes wrong.

rupy-serve rupy.examples.errors:app
(or python -m rupy.examples.errors)

curl -i http://127.0.0.1:8000/stock/pears
HTTP/1.1 404 Not Found
{"error":"there are no pears"}

curl -i http://127.0.0.1:8000/no/such/page
HTTP/1.1 404 Not Found
{"error":"/no/such/page is not here"}

curl -i -X POST http://127.0.0.1:8000/take/apples/9
HTTP/1.1 409 Conflict
only 3 apples left

curl -i http://127.0.0.1:8000/teapot
HTTP/1.1 418 I'm a teapot
x-kind: teapot
short and stout

curl -i http://127.0.0.1:8000/broken
HTTP/1.1 500 Internal Server Error
{"error":"our fault"}
"""

from __future__ import annotations

from rupy import HTTPError, Request, Rupy

app = Rupy(__name__)

stock = {"apples": 3, "plums": 0}


class OutOfStockError(Exception):
    pass


@app.error_handler(404)
def missing(request: Request, error: HTTPError) -> dict[str, str]:
    """For handlers that raise it and for what has no route.  The status is
    that of the error."""
    if request.route is None:
        return {"error": f"{request.path} is not here"}
    return {"error": error.detail}


@app.error_handler(OutOfStockError)
def sold_out(error: OutOfStockError) -> tuple[str, int]:
    return f"{error}\n", 409


@app.error_handler(500)
async def our_fault(error: Exception) -> dict[str, str]:
    """What nobody else handles; the traceback is in the log already."""
    return {"error": "our fault"}


@app.get("/stock/<name>")
def look(name: str) -> dict[str, int]:
    if name not in stock:
        raise HTTPError(404, f"there are no {name}")
    return {name: stock[name]}


@app.post("/take/<name>/<n:int>")
def take(name: str, n: int) -> dict[str, int]:
    if stock[name] < n:
        raise OutOfStockError(f"only {stock[name]} {name} left")
    stock[name] -= n
    return {name: stock[name]}


@app.get("/teapot")
async def teapot() -> str:
    raise HTTPError(418, "short and stout\n", {"x-kind": "teapot"})


@app.get("/broken")
def broken() -> str:
    return str(1 / 0)


if __name__ == "__main__":
    app.run()
