"""app.openapi(): the document, by the meta-schema of OpenAPI 3.1."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    Required,
    TypedDict,
)

import msgspec
import pydantic
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from rupy import EventStream, FileResponse, Request, Response, Rupy
from rupy._signature import plan
from rupy.openapi import document, operation


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Tag:
    name: str
    color: Color = Color.RED


@dataclasses.dataclass
class Note:
    """A thing to remember."""

    id: int
    title: Annotated[str, "in one line"]
    tags: list[Tag] = dataclasses.field(default_factory=list)
    parent: Note | None = None
    priority: int = 3
    due: datetime.date | None = None


class Page(TypedDict, total=False):
    items: Required[list[Note]]
    next: str
    total: NotRequired[int]


class Point(NamedTuple):
    x: float
    y: float


class Struct(msgspec.Struct):
    a: Annotated[int, msgspec.Meta(ge=1, description="one or more")]
    others: list[Struct] = []


class Inner(pydantic.BaseModel):
    at: datetime.datetime


class Model(pydantic.BaseModel):
    """By pydantic."""

    name: str = pydantic.Field(min_length=1)
    inner: Inner
    children: list[Model] = []


def make(add: Callable[[Rupy], None]) -> dict[str, Any]:
    """The document of an application, valid."""
    app = Rupy()
    add(app)
    made = document(app, title="Test", version="1")
    OpenAPIV31SpecValidator(made).validate()
    return made


def schema(made: dict[str, Any], *path: str) -> Any:
    value: Any = made
    for key in path:
        value = value[key]
    return value


def test_an_application_without_routes() -> None:
    made = make(lambda app: None)
    assert made == {
        "openapi": "3.1.0",
        "info": {"title": "Test", "version": "1"},
        "paths": {},
    }


def test_parameters_are_those_of_the_pattern() -> None:
    def add(app: Rupy) -> None:
        @app.get("/<s>/<i:int>/<f:float>/<u:uuid>/x-<r:re([a-z]{2})>/<p:path>")
        def handler(
            s: Annotated[str, "a text"],
            i: int,
            f: float,
            u: uuid.UUID,
            r: str,
            p: str,
        ) -> str:
            return ""

    made = make(add)
    (path,) = made["paths"]
    assert path == "/{s}/{i}/{f}/{u}/x-{r}/{p}"
    got = {
        p["name"]: p["schema"] for p in made["paths"][path]["get"]["parameters"]
    }
    assert got == {
        "s": {"type": "string", "minLength": 1},
        "i": {"type": "integer", "minimum": 0},
        "f": {"type": "number", "minimum": 0},
        "u": {"type": "string", "format": "uuid"},
        "r": {"type": "string", "pattern": "^(?:[a-z]{2})$"},
        "p": {"type": "string"},
    }
    first = made["paths"][path]["get"]["parameters"][0]
    assert (first["in"], first["required"]) == ("path", True)
    assert first["description"] == "a text"


def test_docstrings_names_and_methods() -> None:
    def add(app: Rupy) -> None:
        @app.route("/a", methods=["GET", "POST", "PURGE"])
        def both() -> str:
            """Do it.

            At length,
            and well.
            """
            return ""

        @app.get("/b", name="both_get")
        def other() -> str:
            return ""

        @app.route("/c", methods=["*"])
        def everything() -> str:
            return ""

        @app.websocket("/ws")
        async def socket(ws: object) -> None: ...

    made = make(add)
    assert list(made["paths"]) == ["/a", "/b", "/c"]
    assert list(made["paths"]["/a"]) == ["get", "post"]
    get = made["paths"]["/a"]["get"]
    assert get["summary"] == "Do it."
    assert get["description"] == "At length,\nand well."
    assert get["operationId"] == "both_get"
    assert made["paths"]["/b"]["get"]["operationId"] == "both_get_2"
    assert "summary" not in made["paths"]["/b"]["get"]
    assert len(made["paths"]["/c"]) == 5


@pytest.mark.parametrize(
    ("returns", "want"),
    [
        (str, {"200": "text/plain; charset=utf-8"}),
        (bytes, {"200": "application/octet-stream"}),
        (dict[str, int], {"200": "application/json"}),
        (list[Note], {"200": "application/json"}),
        (tuple[Page, Literal[201]], {"201": "application/json"}),
        (
            Page | tuple[str, Literal[404, 410]],
            {
                "200": "application/json",
                "404": "text/plain; charset=utf-8",
                "410": "text/plain; charset=utf-8",
            },
        ),
        (tuple[Page, int], {"default": "application/json"}),
        (
            tuple[str, int, dict[str, str]] | None,
            {"default": "text/plain; charset=utf-8"},
        ),
        (Response, {"default": None}),
        (FileResponse, {"default": None}),
        (EventStream, {"200": "text/event-stream"}),
        (Any, {"default": None}),
        (Annotated[Response, Note], {"200": "application/json"}),
        (Iterator[bytes], {"200": "application/octet-stream"}),
        (AsyncIterator[str], {"200": "text/plain; charset=utf-8"}),
    ],
)
def test_answers_are_what_is_returned(
    returns: Any, want: dict[str, str | None]
) -> None:
    def handler(request):  # type: ignore[no-untyped-def]
        return ""

    handler.__annotations__["return"] = returns
    made = make(lambda app: app.get("/")(handler) and None)
    got = made["paths"]["/"]["get"]["responses"]
    assert {
        status: next(iter(answer.get("content", {})), None)
        for status, answer in got.items()
    } == want
    assert all(answer["description"] for answer in got.values())


def test_content_stands_beside_the_request() -> None:
    def add(app: Rupy) -> None:
        @app.route("/", methods=["GET", "POST"])
        def create(request: Annotated[Request, Note], /) -> Page:
            return {"items": []}

    made = make(add)
    assert "requestBody" not in made["paths"]["/"]["get"]
    assert made["paths"]["/"]["post"]["requestBody"] == {
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Note"}
            }
        },
        "required": True,
    }


def test_an_annotated_request_is_the_request() -> None:
    def real(name: str, x: Annotated[Request, Note], y: int = 0) -> None: ...
    def text(name: str, x: Any, y: int = 0) -> None: ...

    text.__annotations__["x"] = "t.Annotated[rupy.Request, Note]"
    for handler in (real, text):
        assert plan(handler, ["name"], Request, "/").order == ("name", None)


def test_what_operation_says() -> None:
    def add(app: Rupy) -> None:
        @app.post("/")
        @operation(
            summary="S",
            description="D",
            tags=["one", "two"],
            deprecated=True,
            body=Tag,
            body_type="application/x-www-form-urlencoded",
            answers={201: Note, 404: "none there", 410: Tag | str},
            query={"page": Annotated[int, "from 1"], "tags": list[str]},
        )
        def create(request: Request) -> Response | tuple[str, Literal[409]]:
            """Not this."""
            return Response("")

        @app.get("/hidden")
        @operation(hidden=True)
        def secret() -> str:
            return ""

        @app.get("/partial")
        @functools.partial
        @operation(tags=["two"])
        def partial() -> str:
            return ""

    made = make(add)
    assert list(made["paths"]) == ["/", "/partial"]
    post = made["paths"]["/"]["post"]
    assert (post["summary"], post["description"]) == ("S", "D")
    assert (post["tags"], post["deprecated"]) == (["one", "two"], True)
    assert made["tags"] == [{"name": "one"}, {"name": "two"}]
    assert made["paths"]["/partial"]["get"]["tags"] == ["two"]
    assert list(post["requestBody"]["content"]) == [
        "application/x-www-form-urlencoded"
    ]
    assert post["parameters"] == [
        {
            "name": "page",
            "in": "query",
            "description": "from 1",
            "schema": {"type": "integer"},
        },
        {
            "name": "tags",
            "in": "query",
            "schema": {"type": "array", "items": {"type": "string"}},
        },
    ]
    assert list(post["responses"]) == ["201", "404", "409", "410"]
    assert post["responses"]["404"] == {"description": "none there"}
    assert list(post["responses"]["410"]["content"]) == [
        "application/json",
        "text/plain; charset=utf-8",
    ]


def test_a_path_that_differs_by_converters_only_is_there_once() -> None:
    def add(app: Rupy) -> None:
        app.get("/x/<id:int>", name="first")(lambda id: "")
        app.get("/x/<name>", name="second")(lambda name: "")
        app.put("/x/<other:int>", name="third")(lambda other: "")

    made = make(add)
    assert list(made["paths"]) == ["/x/{id}"]
    item = made["paths"]["/x/{id}"]
    assert item["get"]["operationId"] == "first"
    # Parameters are called as in the path, whatever the route calls them.
    assert item["put"]["parameters"][0]["name"] == "id"


def test_mounted_applications_and_files() -> None:
    inner = Rupy()
    inner.get("/{braces}/<id:int>")(lambda id: "")

    async def asgi(scope: Any, receive: Any, send: Any) -> None: ...

    def add(app: Rupy) -> None:
        app.mount("/asgi", asgi)
        app.mount("/inner", inner)
        app.static("/static", ".")

    assert list(make(add)["paths"]) == ["/inner/%7Bbraces%7D/{id}"]


def test_annotations_that_only_type_checkers_see_say_nothing() -> None:
    def handler(request, id):  # type: ignore[no-untyped-def]
        return ""

    handler.__annotations__.update({"id": "Unknown", "return": "Page"})
    made = make(lambda app: app.get("/<id:int>")(handler) and None)
    answers = made["paths"]["/{id}"]["get"]["responses"]
    assert answers["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Page"
    }


def test_schemas_of_msgspec_pydantic_and_named_tuples() -> None:
    def add(app: Rupy) -> None:
        @app.post("/")
        def create(
            request: Annotated[Request, Struct],
        ) -> Annotated[Response, Model]:
            return Response("")

        @app.get("/")
        def index() -> Annotated[Response, list[Point]]:
            return Response("")

    made = make(add)
    found = made["components"]["schemas"]
    assert sorted(found) == ["Inner", "Model", "Point", "Struct"]
    assert found["Struct"]["properties"]["a"]["minimum"] == 1
    assert found["Struct"]["properties"]["others"]["items"] == {
        "$ref": "#/components/schemas/Struct"
    }
    assert found["Model"]["properties"]["inner"] == {
        "$ref": "#/components/schemas/Inner"
    }
    assert found["Model"]["description"] == "By pydantic."
    assert found["Point"]["prefixItems"] == [{"type": "number"}] * 2


# ---- Mistakes ----


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"tags": "one"}, TypeError, "not a list"),
        ({"answers": {"200": str}}, TypeError, "is no status"),
        ({"answers": {99: str}}, ValueError, "is no status"),
    ],
)
def test_operation_refuses(
    arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        operation(**arguments)


def test_operation_wants_something_that_takes_attributes() -> None:
    with pytest.raises(TypeError, match="use it on the function"):
        operation(hidden=True)(len)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"title": ""}, "title '' is no text"),
        ({"path": "openapi.json"}, "no literal path"),
        ({"docs": "/<name>"}, "no literal path"),
        ({"servers": ["https://a b"]}, "is no URL"),
    ],
)
def test_openapi_refuses(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Rupy().openapi(**{"title": "T", "version": "1", **arguments})
