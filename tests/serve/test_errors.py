"""Errors: who answers for them, what the log says, what --debug shows."""

from __future__ import annotations

import pytest
from serving import Server, Servers

APP = """
import asyncio
from rupy import HTTPError, Response, Rupy

app = Rupy()

class Missing(LookupError):
    pass

class Worse(Missing):
    pass

class Teapot(HTTPError):
    def __init__(self):
        super().__init__(418, "short and stout")

@app.error_handler(404)
def missing(request, error):
    return {"missing": request.path, "detail": error.detail}

@app.error_handler(405)
async def not_allowed(error):
    return "try another"

@app.error_handler(LookupError)
def lookup(error):
    return f"lookup {type(error).__name__}", 410

@app.error_handler(Missing)
async def lost(request, error):
    await asyncio.sleep(0)
    return f"missing {type(error).__name__}"

@app.error_handler(Teapot)
def teapot(error):
    return Response(error.detail, error.status, {"x-by": "teapot"})

@app.error_handler(ZeroDivisionError)
def broken(error):
    raise RuntimeError("the handler of errors is broken")

@app.error_handler(OSError)
def silent(error):
    return None

@app.error_handler(BlockingIOError)
def refuses(error):
    raise HTTPError(503, "later", {"retry-after": "7"})

RAISE = {
    "404": HTTPError(404, "not here"),
    "403": HTTPError(403, "not you", {"x-why": "because"}),
    "key": KeyError("k"),
    "missing": Missing(),
    "worse": Worse(),
    "teapot": Teapot(),
    "value": ValueError("on <purpose>"),
    "zero": ZeroDivisionError(),
    "os": OSError(),
    "blocking": BlockingIOError(),
}

@app.get("/<kind>")
def fails(kind):
    raise RAISE[kind].with_traceback(None)

@app.get("/async/<kind>")
async def fails_later(kind):
    await asyncio.sleep(0)
    raise RAISE[kind].with_traceback(None)

@app.get("/n/<n:int>")
def number(n):
    return str(n)
"""


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP)


@pytest.mark.parametrize("where", ["/", "/async/"])
@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("403", 403, "not you"),
        ("key", 410, "lookup KeyError"),
        ("missing", 500, "missing Missing"),
        ("worse", 500, "missing Worse"),
        ("teapot", 418, "short and stout"),
        ("value", 500, "500 Internal Server Error\n"),
        ("zero", 500, "500 Internal Server Error\n"),
        ("os", 500, "500 Internal Server Error\n"),
        ("blocking", 503, "later"),
    ],
)
def test_the_most_specific_handler_answers(
    server: Server, where: str, kind: str, status: int, text: str
) -> None:
    answer = server.get(where + kind)
    assert (answer.status, answer.text) == (status, text)


def test_headers_of_an_error(server: Server) -> None:
    assert server.get("/403").get("x-why") == "because"
    assert server.get("/teapot").get("x-by") == "teapot"
    assert server.get("/blocking").get("retry-after") == "7"


def test_a_status_is_handled_whoever_found_it(server: Server) -> None:
    raised = server.get("/404")
    assert raised.status == 404
    assert raised.json() == {"missing": "/404", "detail": "not here"}
    for path in ("/no/such/route", "/n/x"):
        routed = server.get(path)
        assert routed.status == 404
        assert routed.json()["missing"] == path
    with server.connect() as client:
        wrong = client.request("DELETE", "/404")
        assert (wrong.status, wrong.text) == (405, "try another")
        assert wrong.get("allow") == "GET, HEAD, OPTIONS"
        options = client.request("OPTIONS", "/404")
        assert (options.status, options.body) == (204, b"")
        head = client.request("HEAD", "/no/such/route")
        assert (head.status, head.body) == (404, b"")


def test_both_tracebacks_of_a_broken_error_handler(server: Server) -> None:
    server.get("/zero")
    server.wait_log("the handler of errors is broken in error handler")
    log = server.stderr
    assert "ZeroDivisionError" in log
    assert "During handling of the above exception" in log


def test_an_error_handler_without_an_answer_is_named(server: Server) -> None:
    server.get("/os")
    server.wait_log(".silent returned NoneType, which is no answer")


@pytest.mark.parametrize("with_middleware", [False, True])
def test_the_log_has_the_request_and_its_id(
    serve: Servers, with_middleware: bool
) -> None:
    app = APP if with_middleware else PLAIN
    server = serve(app)
    server.get("/value", X_Request_ID="abc-123")
    server.wait_log("GET /value (request id abc-123): unhandled ValueError")
    assert "Traceback (most recent call last)" in server.stderr


PLAIN = """
from rupy import Rupy
app = Rupy()

@app.get("/value")
async def value(request):
    raise ValueError("on <purpose>")
"""


@pytest.mark.parametrize("with_middleware", [False, True])
def test_debug_shows_a_page_without_secrets(
    serve: Servers, with_middleware: bool
) -> None:
    server = serve(APP if with_middleware else PLAIN, "--debug")
    secret = "c2VjcmV0"
    headers = {
        "Accept": "text/html,*/*",
        "Authorization": f"Basic {secret}",
        "Cookie": f"session={secret}",
        "X-Other": "<seen>",
    }
    answer = server.get("/value?a=%3Cb%3E", **headers)
    assert answer.status == 500
    assert answer.get("content-type") == "text/html; charset=utf-8"
    assert "on &lt;purpose&gt;" in answer.text
    assert "&lt;seen&gt;" in answer.text
    assert secret not in answer.text
    assert "<purpose>" not in answer.text
    assert "<seen>" not in answer.text
    plain = server.get("/value", Accept="application/json")
    assert plain.get("content-type") == "text/plain; charset=utf-8"
    assert plain.text.startswith("Traceback (most recent call last)")
    assert "ValueError: on <purpose>" in plain.text


FIRST_STATE = """
import contextlib
from rupy import Rupy
app = Rupy()
app.state.name = "for all"

@app.lifespan
async def life():
    yield {"pool": ["shared"], "n": 0}

@app.get("/")
def index(request):
    request.state.n += 1
    request.state.own = True
    request.state.pool.append("x")
    return [request.state.n, len(request.state.pool), request.app.state.name]
"""


def test_the_state_of_a_request_begins_as_the_lifespan_said(
    serve: Servers,
) -> None:
    server = serve(FIRST_STATE, "--workers", "1")
    assert server.get("/").json() == [1, 2, "for all"]
    assert server.get("/").json() == [1, 3, "for all"]


def test_a_lifespan_that_yields_no_mapping_stops_the_server(
    serve: Servers,
) -> None:
    app = FIRST_STATE.replace('yield {"pool": ["shared"], "n": 0}', "yield 7")
    server = serve(app, ready=False)
    server.may_die = True
    assert server.exit_status() != 0
    assert "it yielded int, not a mapping" in server.stderr
