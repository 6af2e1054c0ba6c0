"""The framework without a server: routes, arguments, paths, hooks."""

from __future__ import annotations

import asyncio
import functools
import importlib
import math
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import rupy
from rupy import (
    HTTPError,
    Request,
    Response,
    Rupy,
    _json,
    _pattern,
    _signature,
    json,
    redirect,
)


@pytest.fixture
def app() -> Rupy:
    return Rupy(__name__)


# ---- which argument is what ----


class Handlers:
    def method(self, request: Any, id: Any) -> None: ...

    def __call__(self, id: Any) -> None: ...

    @classmethod
    def of_class(cls, req: Any, id: Any) -> None: ...

    @staticmethod
    def static(id: Any, r: Any) -> None: ...


def positional_only(r: Any, id: Any, /) -> None: ...


def annotated(id: Any, whatever: Request) -> None: ...


def annotated_by_text(id: Any, whatever: rupy.Request) -> None: ...


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


def hides(*args: Any, **kwargs: Any) -> None: ...


FITS: list[tuple[Callable[..., Any], list[Any], list[str]]] = [
    (lambda request, id: 0, [None, "id"], []),
    (lambda id, request: 0, ["id", None], []),
    (lambda id: 0, ["id"], []),
    (lambda anything, id: 0, [None, "id"], []),
    (lambda req, *, id: 0, [None], ["id"]),
    (lambda *, id: 0, [], ["id"]),
    (lambda **kwargs: 0, [], ["id"]),
    (lambda request, **kwargs: 0, [None], ["id"]),
    (lambda id, page=1: 0, ["id"], []),
    (lambda page=1, id=0: 0, [], ["id"]),
    (lambda request, page=1, id=0: 0, [None], ["id"]),
    (hides, [None], ["id"]),
    (wrapped(positional_only), [None, "id"], []),
    (positional_only, [None, "id"], []),
    (annotated, ["id", None], []),
    (annotated_by_text, ["id", None], []),
    (Handlers().method, [None, "id"], []),
    (Handlers(), ["id"], []),
    (Handlers.of_class, [None, "id"], []),
    (functools.partial(Handlers().method, id=1), [None], ["id"]),
    (functools.partial(lambda a, r, id: 0, 1), [None, "id"], []),
]


@pytest.mark.parametrize(("handler", "order", "kwnames"), FITS)
def test_a_handler_is_called_as_it_wants(
    handler: Callable[..., Any], order: list[Any], kwnames: list[str]
) -> None:
    plan = _signature.plan(handler, ["id"], Request, "/<id>")
    assert plan == (tuple(order), tuple(kwnames))


@pytest.mark.parametrize(
    "handler",
    [
        lambda: 0,
        lambda request: 0,
        lambda a, b, id: 0,
        lambda id, other: 0,
        lambda id, *, other: 0,
        lambda id, *, request: 0,
        lambda page=1, request=None, id=0: 0,
        lambda id, *, r: 0,
        Handlers.static,
        Handlers.method,
    ],
)
def test_a_misfit_is_told_with_pattern_and_handler(
    app: Rupy, handler: Callable[..., Any]
) -> None:
    with pytest.raises(TypeError) as caught:
        app.get("/<id>")(handler)
    assert "'/<id>'" in str(caught.value)
    assert _signature.name_of(handler) in str(caught.value)
    assert app.routes == ()


@pytest.mark.parametrize(
    ("pattern", "methods"),
    [
        ("", ["GET"]),
        ("no-slash", ["GET"]),
        ("/<", ["GET"]),
        ("/<id", ["GET"]),
        ("/<1d>", ["GET"]),
        ("/<id:what>", ["GET"]),
        ("/<id>/<id>", ["GET"]),
        ("/<id:re(>", ["GET"]),
        ("/<id:re([)>", ["GET"]),
        ("/x", []),
        ("/x", ["G T"]),
        ("/x", [""]),
    ],
)
def test_a_bad_route_is_told_with_pattern_and_handler(
    app: Rupy, pattern: str, methods: list[str]
) -> None:
    def some_handler(id: Any = 0) -> None: ...

    with pytest.raises(ValueError) as caught:
        app.route(pattern, methods)(some_handler)
    assert repr(pattern) in str(caught.value)
    assert "some_handler" in str(caught.value)
    assert app.routes == ()


def test_a_duplicate_is_told(app: Rupy) -> None:
    def first(**kwargs: Any) -> None: ...

    def second(**kwargs: Any) -> None: ...

    for pattern in ("/a", "/<id:int>"):
        app.route(pattern, ["GET", "PUT"])(first)
        app.post(pattern)(second)
        with pytest.raises(ValueError, match="second"):
            app.put(pattern)(second)


@pytest.mark.parametrize("wrong", [test_a_duplicate_is_told, None, 7])
def test_a_decorator_without_its_call_is_told(app: Rupy, wrong: Any) -> None:
    with pytest.raises(TypeError, match="path"):
        app.get(wrong)


def test_methods_are_a_list(app: Rupy) -> None:
    with pytest.raises(TypeError, match="GET"):
        app.route("/", "GET")


def test_routes_can_be_looked_at(app: Rupy) -> None:
    @app.route("/x", methods=["get", "POST", "GET"], name="y")
    @app.delete("/z", threaded=True)
    def x() -> None: ...

    assert app.routes == (
        ("/z", ("DELETE",), "x", x, True, False),
        ("/x", ("GET", "POST"), "y", x, False, False),
    )
    for add in (app.get, app.put, app.patch, app.head, app.options):
        assert add(f"/{add.__name__}")(x) is x
    assert [r.methods[0] for r in app.routes[2:]] == [
        "GET",
        "PUT",
        "PATCH",
        "HEAD",
        "OPTIONS",
    ]


# ---- paths ----

U = "12345678-1234-5678-1234-567812345678"


@pytest.mark.parametrize(
    ("pattern", "value", "path"),
    [
        ("/a/<x>", "b", "/a/b"),
        ("/a/<x>", "b/c d\u00e9?#%", "/a/b%2Fc%20d%C3%A9%3F%23%25"),
        ("/a/<x>", "it's:a@b,c;d=e+f", "/a/it's:a@b,c;d=e+f"),
        ("/a/<x>", 7, "/a/7"),
        ("/f-<x>.txt", "n", "/f-n.txt"),
        ("/a/<x:int>", 7, "/a/7"),
        ("/a/<x:int>", "007", "/a/007"),
        ("/a/<x:float>", 2.5, "/a/2.5"),
        ("/a/<x:float>", 2, "/a/2.0"),
        ("/a/<x:float>", 1e-7, "/a/0.0000001"),
        ("/a/<x:float>", 1e20, "/a/100000000000000000000.0"),
        ("/a/<x:uuid>", uuid.UUID(U), f"/a/{U}"),
        ("/a/<x:uuid>", U.replace("-", ""), f"/a/{U}"),
        ("/a/<x:path>", "b/c d", "/a/b/c%20d"),
        ("/a/<x:re([a-z]+(-[a-z]+)*)>", "b-c", "/a/b-c"),
        ("/a/<x:re([)>]+)>/b", ")>", "/a/)%3E/b"),
        ("/caf\u00e9 /<x>", "b", "/caf%C3%A9%20/b"),
    ],
)
def test_url_for_builds_a_path(
    app: Rupy, pattern: str, value: object, path: str
) -> None:
    @app.get(pattern)
    def show(x: Any) -> None: ...

    assert app.url_for("show", x=value) == path


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("/<x>", ""),
        ("/<x>/y", ".."),
        ("/<x>", "."),
        ("/<x:int>", -1),
        ("/<x:int>", "a"),
        ("/<x:int>", True),
        ("/<x:int>", "\u0661"),
        ("/<x:float>", math.nan),
        ("/<x:float>", math.inf),
        ("/<x:float>", -1.5),
        ("/<x:uuid>", "12"),
        ("/<x:path>", "a/../b"),
        ("/<x:re([a-z]+)>", "A"),
    ],
)
def test_url_for_refuses_what_would_not_match_again(
    app: Rupy, pattern: str, value: object
) -> None:
    @app.get(pattern)
    def show(x: Any) -> None: ...

    with pytest.raises(ValueError):
        app.url_for("show", x=value)


def test_url_for_takes_the_route_that_has_these_parameters(app: Rupy) -> None:
    @app.get("/list")
    @app.get("/list/<page:int>")
    @app.get("/list/<page:int>/<name>")
    def show(page: int = 1, name: str = "") -> None: ...

    assert app.url_for("show") == "/list"
    assert app.url_for("show", page=2) == "/list/2"
    assert app.url_for("show", name="x", page=2) == "/list/2/x"
    with pytest.raises(LookupError, match="show"):
        app.url_for("show", name="x")
    with pytest.raises(LookupError, match="nope"):
        app.url_for("nope")


def test_names_are_those_of_the_functions_unless_given(app: Rupy) -> None:
    app.get("/1", name="given")(lambda: 0)
    app.get("/2/<id>")(Handlers())
    app.get("/3/<id>")(Handlers().method)
    app.get("/4/<id>")(functools.partial(Handlers().method))
    assert [r.name for r in app.routes] == [
        "given",
        "Handlers",
        "method",
        "method",
    ]


def test_a_pattern_is_cut_into_its_pieces() -> None:
    p = _pattern.Param
    assert _pattern.parse("/a-<b>.<c:int>/<d:re(x[)>\\]]\\)(y|z))>") == (
        "/a-",
        p("b", "str", ""),
        ".",
        p("c", "int", ""),
        "/",
        p("d", "re", "x[)>\\]]\\)(y|z)"),
    )


# ---- answers ----


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("/a", "/a"),
        ("https://u@example.org:1/a?b=c&d[]=e#f", None),
        ("/a%20b", "/a%20b"),
        ('/\u00e9 "<>', "/%C3%A9%20%22%3C%3E"),
        ("/a\r\nx-injected: b", "/a%0D%0Ax-injected:%20b"),
    ],
)
def test_redirect(url: str, location: str | None) -> None:
    answer = redirect(url)
    assert answer.status == 303
    assert answer.headers["location"] == (location or url)


def test_redirect_takes_a_status_and_headers() -> None:
    answer = redirect("/", 308, {"x-a": "b"})
    assert (answer.status, answer.headers["x-a"]) == (308, "b")
    for status in (200, 300, 304, 404):
        with pytest.raises(ValueError, match=str(status)):
            redirect("/", status)


@pytest.mark.parametrize("value", [None, True, 7, "text", [1], {"a": None}])
def test_json_says_anything(value: Any) -> None:
    answer = json(value, 201, {"x-a": "b"})
    assert _json.loads(answer.body) == value
    assert answer.content_type == "application/json"
    assert (answer.status, answer.headers["x-a"]) == (201, "b")


def test_http_error() -> None:
    error = HTTPError(404)
    assert (error.status, error.detail, error.headers) == (
        404,
        "Not Found",
        None,
    )
    assert str(HTTPError(422, "no name")) == "422 no name"
    assert HTTPError(499).detail == "Status 499"
    for status in (0, 200, 302, 399, 600):
        with pytest.raises(ValueError, match=str(status)):
            HTTPError(status)


# ---- JSON by each encoder ----

ENCODERS = {
    "orjson": [],
    "msgspec": ["orjson"],
    "json": ["orjson", "msgspec", "msgspec.json"],
}


@pytest.fixture(params=ENCODERS)
def encoder(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    if request.param != "json":
        pytest.importorskip(request.param)
    for name in ENCODERS[request.param]:
        monkeypatch.setitem(sys.modules, name, None)
    module = importlib.reload(_json)
    assert request.param == module.NAME
    yield module
    monkeypatch.undo()
    importlib.reload(_json)


def test_every_encoder_writes_the_same(encoder: Any) -> None:
    value = {"a": [1, -2.5, True, None], "\u00e9": '\u2713\n"', "d": {}}
    assert encoder.dumps(value) == (
        '{"a":[1,-2.5,true,null],"\u00e9":"\u2713\\n\\"","d":{}}'.encode()
    )
    for text in (encoder.dumps(value), encoder.dumps(value).decode()):
        assert encoder.loads(text) == value
    assert encoder.loads(memoryview(b"[1]")) == [1]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[1,]",
        b"nope",
        b"NaN",
        b"[Infinity]",
        b'"\xff"',
        b"[1] 2",
        '"a"'.encode("utf-16"),
    ],
)
def test_every_encoder_refuses_what_is_no_json(
    encoder: Any, text: bytes
) -> None:
    with pytest.raises(ValueError):
        encoder.loads(text)


def test_every_encoder_refuses_what_json_cannot_say(encoder: Any) -> None:
    for value in ({"a": object()}, {"a": "\ud800"}):
        with pytest.raises((TypeError, ValueError)):
            encoder.dumps(value)


# ---- the life of a worker ----


def record(app: Rupy, log: list[str], fail: str = "") -> None:
    def note(what: str) -> None:
        log.append(what)
        if what == fail:
            raise RuntimeError(what)

    @app.lifespan
    async def life(given: Rupy) -> AsyncIterator[None]:
        assert given is app
        note("enter")
        try:
            yield
        finally:
            note("leave")

    @app.on_startup
    def first() -> None:
        note("start 1")

    @app.on_startup
    async def second() -> None:
        await asyncio.sleep(0)
        note("start 2")

    @app.on_shutdown
    async def third() -> None:
        await asyncio.sleep(0)
        note("stop 1")

    @app.on_shutdown
    def fourth() -> None:
        note("stop 2")


async def live(app: Rupy) -> None:
    await app._startup()
    await app._shutdown()


def test_hooks_run_in_order_and_end_in_reverse(app: Rupy) -> None:
    log: list[str] = []
    record(app, log)
    for _ in range(2):
        asyncio.run(live(app))
        assert log == [
            "enter",
            "start 1",
            "start 2",
            "stop 2",
            "stop 1",
            "leave",
        ]
        log.clear()


@pytest.mark.parametrize(
    ("fail", "done"),
    [
        ("enter", "enter"),
        ("start 1", "enter, start 1, leave"),
        ("start 2", "enter, start 1, start 2, leave"),
        ("stop 2", "enter, start 1, start 2, stop 2, stop 1, leave"),
        ("stop 1", "enter, start 1, start 2, stop 2, stop 1, leave"),
    ],
)
def test_what_was_begun_is_undone_when_a_hook_fails(
    app: Rupy, fail: str, done: str
) -> None:
    log: list[str] = []
    record(app, log, fail)
    with pytest.raises(RuntimeError, match=fail):
        asyncio.run(live(app))
    assert ", ".join(log) == done
    # A second shutdown has nothing left to do.
    asyncio.run(app._shutdown())
    assert ", ".join(log) == done


def test_a_lifespan_may_be_any_async_context_manager(app: Rupy) -> None:
    log: list[str] = []

    @app.lifespan
    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        log.append("enter")
        yield
        log.append("leave")

    asyncio.run(live(app))
    assert log == ["enter", "leave"]
    with pytest.raises(ValueError, match="already"):
        app.lifespan(life)


def test_a_lifespan_that_does_not_yield_is_told(app: Rupy) -> None:
    async def no_lifespan() -> None: ...

    with pytest.raises(TypeError, match="no_lifespan"):
        app.lifespan(no_lifespan)  # type: ignore[type-var]


# ---- the package ----


def test_all_that_is_promised_is_there() -> None:
    for name in rupy.__all__:
        assert getattr(rupy, name) is not None
    assert isinstance(Response("x").headers, rupy.Headers)
    assert issubclass(Rupy, rupy._core.App)


def test_the_stubs_name_what_the_core_has() -> None:
    import ast
    from pathlib import Path

    assert rupy.__file__
    tree = ast.parse((Path(rupy.__file__).parent / "_core.pyi").read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            assert hasattr(rupy._core, node.name), node.name
        elif isinstance(node, ast.ClassDef):
            there = getattr(rupy._core, node.name)
            for item in node.body:
                if isinstance(item, ast.FunctionDef):
                    assert hasattr(there, item.name), (node.name, item.name)
                elif isinstance(item, ast.AnnAssign):
                    assert isinstance(item.target, ast.Name)
                    assert hasattr(there, item.target.id), item.target.id


def test_a_version_is_told_once() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "rupy", "--version"],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.stdout.split()[:2] == ["rupy-serve", rupy.__version__]
