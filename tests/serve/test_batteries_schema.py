"""JSON Schemas of Python types, as OpenAPI 3.1 has them."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

import msgspec
import pydantic
import pytest

from rupy import UploadFile
from rupy._schema import Schemas


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


@pytest.mark.parametrize(
    ("kind", "want"),
    [
        (None, {"type": "null"}),
        (bool, {"type": "boolean"}),
        (Any, {}),
        (object, {}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal[1, "a"], {"enum": [1, "a"]}),
        (Literal[Color.RED], {"type": "string", "enum": ["red"]}),
        (list, {"type": "array"}),
        (set[int], {"type": "array", "items": {"type": "integer"}}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (
            tuple[int, str],
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        (
            dict[str, int],
            {"type": "object", "additionalProperties": {"type": "integer"}},
        ),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (
            Annotated[str, msgspec.Meta(min_length=2, pattern="^a")],
            {"type": "string", "minLength": 2, "pattern": "^a"},
        ),
        (
            Annotated[list[int], pydantic.Field(max_length=3)],
            {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
        ),
        (
            Annotated[int, pydantic.Field(gt=1, description="D")],
            {"type": "integer", "exclusiveMinimum": 1, "description": "D"},
        ),
        (
            Annotated[int, pydantic.Field(ge=1), ["no hash"]],
            {"type": "integer", "minimum": 1},
        ),
        (
            UploadFile,
            {
                "type": "string",
                "contentMediaType": "application/octet-stream",
            },
        ),
        (Callable[[], int], {}),
    ],
)
def test_schemas_of_types(kind: Any, want: dict[str, Any]) -> None:
    got = Schemas().of(kind)
    if got.pop("uniqueItems", None):
        assert kind == set[int]
    assert got == want


def test_schemas_of_dataclasses_that_refer_to_themselves() -> None:
    schemas = Schemas()
    assert schemas.of(Note) == {"$ref": "#/components/schemas/Note"}
    note = schemas.components["Note"]
    assert note["description"] == "A thing to remember."
    assert note["required"] == ["id", "title"]
    assert note["properties"]["title"] == {
        "type": "string",
        "description": "in one line",
    }
    assert note["properties"]["priority"] == {"type": "integer", "default": 3}
    assert note["properties"]["parent"]["anyOf"][0] == {
        "$ref": "#/components/schemas/Note"
    }
    assert schemas.components["Tag"]["required"] == ["name"]
    assert "description" not in schemas.components["Tag"]
    assert schemas.components["Color"] == {
        "type": "string",
        "enum": ["red", "blue"],
    }


def test_schemas_of_typed_dicts_know_what_is_required() -> None:
    schemas = Schemas()
    schemas.of(Page)
    page = schemas.components["Page"]
    assert page["required"] == ["items"]
    assert list(page["properties"]) == ["items", "next", "total"]
    assert page["properties"]["total"] == {"type": "integer"}


def test_two_classes_of_one_name_are_two_schemas() -> None:
    def one() -> Any:
        @dataclasses.dataclass
        class Same:
            a: int

        return Same

    class Same(pydantic.BaseModel):
        b: int

    class Same2(msgspec.Struct):
        inner: int

    Same2.__name__ = "Same"
    schemas = Schemas()
    refs = [schemas.of(kind)["$ref"] for kind in (one(), one(), Same, Same2)]
    assert len(set(refs)) == 4
    for ref in refs:
        assert schemas.components[ref.rpartition("/")[2]]["properties"]
