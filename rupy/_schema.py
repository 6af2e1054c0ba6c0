"""JSON Schema (draft 2020-12) of Python types, for OpenAPI 3.1.

What no rule is for says nothing: ``{}`` is a schema that takes everything.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import inspect
import pathlib
import re
import sys
import types
import typing
import uuid
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

from ._forms import UploadFile

Schema = dict[str, Any]
Mode = Literal["validation", "serialization"]

PREFIX = "#/components/schemas/"

_PLAIN: dict[Any, Schema] = {
    type(None): {"type": "null"},
    None: {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bytes: {"type": "string", "contentMediaType": "application/octet-stream"},
    UploadFile: {
        "type": "string",
        "contentMediaType": "application/octet-stream",
    },
    datetime.datetime: {"type": "string", "format": "date-time"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.time: {"type": "string", "format": "time"},
    datetime.timedelta: {"type": "string", "format": "duration"},
    decimal.Decimal: {"type": "string", "format": "decimal"},
    uuid.UUID: {"type": "string", "format": "uuid"},
    pathlib.Path: {"type": "string"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    set: {"type": "array", "uniqueItems": True},
    frozenset: {"type": "array", "uniqueItems": True},
    dict: {"type": "object"},
}

_LISTS = (
    list,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Iterable,
    collections.abc.Collection,
)
_SETS = (
    set,
    frozenset,
    collections.abc.Set,
    collections.abc.MutableSet,
)
_MAPPINGS = (
    dict,
    collections.abc.Mapping,
    collections.abc.MutableMapping,
    collections.OrderedDict,
    collections.defaultdict,
)

# Of annotated_types, msgspec.Meta and pydantic.Field, by the attribute.
_KEYWORDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
    "title": "title",
    "description": "description",
    "documentation": "description",
}
_LENGTHS = {"array": "Items", "object": "Properties"}


class Schemas:
    """Schemas of types, and the named ones that they refer to."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._names: dict[Any, str] = {}
        self._adopted: dict[str, Schema] = {}

    def of(self, kind: Any, mode: Mode = "validation") -> Schema:
        """The schema of a type; classes with fields are referred to.

        ``mode`` is for pydantic, whose models may take something else than
        they give.
        """
        try:
            if kind in _PLAIN:
                return dict(_PLAIN[kind])
        except TypeError:  # Annotated with what has no hash has none itself
            pass
        if isinstance(kind, typing.NewType):
            return self.of(kind.__supertype__, mode)
        if hasattr(kind, "__value__"):  # the type statement of 3.12
            return self.of(kind.__value__, mode)
        if get_origin(kind) is not None:
            return self._of_alias(kind, mode)
        if isinstance(kind, type):
            return self._of_class(kind, mode)
        return {}

    # ---- list[int], int | None, Literal[1, 2] ----

    def _of_alias(self, kind: Any, mode: Mode) -> Schema:
        origin, args = get_origin(kind), get_args(kind)
        if origin is typing.Annotated:
            schema = self.of(args[0], mode)
            for meta in args[1:]:
                _refine(schema, meta)
            return schema
        if origin in (typing.Union, types.UnionType):
            return any_of([self.of(arg, mode) for arg in args])
        if origin is Literal:
            return _enumerated(
                [a.value if isinstance(a, enum.Enum) else a for a in args]
            )
        if origin is tuple:
            return self._of_tuple(args, mode)
        if origin in _LISTS:
            return {"type": "array", "items": self.of(args[0], mode)}
        if origin in _SETS:
            items = self.of(args[0], mode)
            return {"type": "array", "items": items, "uniqueItems": True}
        if origin in _MAPPINGS:
            values = self.of(args[-1], mode)
            return {"type": "object", "additionalProperties": values}
        if _name_of_form(origin) in ("Required", "NotRequired", "ReadOnly"):
            return self.of(args[0], mode)
        if isinstance(origin, type):
            return self._of_class(kind, mode, origin)
        return {}

    def _of_tuple(self, args: tuple[Any, ...], mode: Mode) -> Schema:
        if len(args) == 2 and args[1] is Ellipsis:
            return {"type": "array", "items": self.of(args[0], mode)}
        return {
            "type": "array",
            "prefixItems": [self.of(arg, mode) for arg in args],
            "minItems": len(args),
            "maxItems": len(args),
        }

    # ---- Classes ----

    def _of_class(self, kind: Any, mode: Mode, cls: Any = None) -> Schema:
        cls = cls or kind
        foreign = _foreign(cls)
        if foreign is not None:
            key = (kind, mode)
            if key not in self._names:
                schema, found = foreign(kind, mode)
                self._names[key] = self._adopt(cls, schema, found)
            return {"$ref": PREFIX + self._names[key]}
        if issubclass(cls, enum.Enum):
            return self._named(cls, lambda: _enumerated([m.value for m in cls]))
        if typing.is_typeddict(cls):
            return self._named(cls, lambda: self._of_typed_dict(cls, mode))
        if dataclasses.is_dataclass(cls):
            return self._named(cls, lambda: self._of_dataclass(cls, mode))
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            # A NamedTuple is an array to every encoder.
            hints = _hints(cls)
            args = tuple(hints.get(f, Any) for f in cls._fields)
            return self._named(cls, lambda: self._of_tuple(args, mode))
        for base in (bool, int, float, str):
            if issubclass(cls, base):
                return dict(_PLAIN[base])
        return {}

    def _named(self, cls: Any, make: Callable[[], Schema]) -> Schema:
        name = self._names.get(cls)
        if name is None:
            name = self._names[cls] = self._free_name(cls)
            # It may refer to itself.
            self.components[name] = {}
            schema = make()
            doc = _doc(cls)
            if doc:
                schema = {"description": doc, **schema}
            self.components[name] = schema
        return {"$ref": PREFIX + name}

    def _free_name(self, cls: Any) -> str:
        for name in (cls.__name__, f"{cls.__module__}.{cls.__qualname__}"):
            name = _clean(name)
            if name not in self.components:
                return name
        return self._numbered(name)

    def _numbered(self, name: str) -> str:
        n = 2
        while f"{name}-{n}" in self.components:
            n += 1
        return f"{name}-{n}"

    def _of_dataclass(self, cls: Any, mode: Mode) -> Schema:
        hints = _hints(cls)
        properties: dict[str, Schema] = {}
        required = []
        for field in dataclasses.fields(cls):
            schema = self.of(hints.get(field.name, Any), mode)
            text = field.metadata.get("description")
            if isinstance(text, str):
                schema["description"] = text
            if field.default is not dataclasses.MISSING:
                if _is_json(field.default):
                    schema["default"] = field.default
            elif field.default_factory is dataclasses.MISSING:
                required.append(field.name)
            properties[field.name] = schema
        return _object(properties, required)

    def _of_typed_dict(self, cls: Any, mode: Mode) -> Schema:
        properties: dict[str, Schema] = {}
        required = []
        for name, hint in _hints(cls).items():
            # Where annotations are text __required_keys__ cannot tell.
            mark = _name_of_form(get_origin(hint))
            if mark == "Required" or (
                mark != "NotRequired" and name in cls.__required_keys__
            ):
                required.append(name)
            properties[name] = self.of(hint, mode)
        return _object(properties, required)

    # ---- Schemas that others made ----

    def _adopt(self, cls: Any, schema: Schema, found: dict[str, Schema]) -> str:
        """Take over a schema of cls and those that it refers to; the name."""
        found = dict(found)
        ref = schema.get("$ref", "")
        top = ref.removeprefix(PREFIX) if len(schema) == 1 else ""
        if top not in found:
            top = _clean(cls.__name__)
            found[top] = schema
        names = {}
        for name, raw in found.items():
            new = _clean(name)
            if new in self.components and self._adopted.get(new) != raw:
                new = self._numbered(new)
            names[name] = new
            self._adopted[new] = raw
            self.components[new] = {}
        for name, raw in found.items():
            self.components[names[name]] = _renamed(raw, names)
        return names[top]


def any_of(schemas: list[Schema]) -> Schema:
    """A schema for what fits one of these."""
    different: list[Schema] = []
    for schema in schemas:
        if schema not in different:
            different.append(schema)
    return different[0] if len(different) == 1 else {"anyOf": different}


def _foreign(
    cls: Any,
) -> Callable[[Any, Mode], tuple[Schema, dict[str, Schema]]] | None:
    """Who knows the schema of cls: only one that is imported can."""
    msgspec = sys.modules.get("msgspec")
    if msgspec is not None and issubclass(cls, msgspec.Struct):
        return _by_msgspec
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and issubclass(cls, pydantic.BaseModel):
        return _by_pydantic
    return None


def _by_msgspec(kind: Any, mode: Mode) -> tuple[Schema, dict[str, Schema]]:
    import msgspec

    (schema,), found = msgspec.json.schema_components(
        [kind], ref_template=PREFIX + "{name}"
    )
    return schema, found


def _by_pydantic(kind: Any, mode: Mode) -> tuple[Schema, dict[str, Schema]]:
    schema: Schema = kind.model_json_schema(
        ref_template=PREFIX + "{model}", mode=mode
    )
    return schema, schema.pop("$defs", {})


def _renamed(schema: Any, names: dict[str, str]) -> Any:
    if isinstance(schema, list):
        return [_renamed(item, names) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _renamed(value, names) for key, value in schema.items()}
    ref = made.get("$ref")
    if isinstance(ref, str) and ref.startswith(PREFIX):
        name = ref.removeprefix(PREFIX)
        made["$ref"] = PREFIX + names.get(name, name)
    return made


def _refine(schema: Schema, meta: Any) -> None:
    """What stands beside a type in Annotated."""
    if isinstance(meta, str):
        schema["description"] = meta
        return
    for attribute, keyword in _KEYWORDS.items():
        value = getattr(meta, attribute, None)
        if isinstance(value, (str, int, float)):
            schema[keyword] = value
    ends = _LENGTHS.get(schema.get("type", ""), "Length")
    for attribute, start in (("min_length", "min"), ("max_length", "max")):
        value = getattr(meta, attribute, None)
        if isinstance(value, int):
            schema[start + ends] = value
    for inner in getattr(meta, "metadata", ()) or ():  # pydantic.Field
        _refine(schema, inner)


def _enumerated(values: list[Any]) -> Schema:
    kinds = {type(v) for v in values}
    schema: Schema = {}
    if len(kinds) == 1:
        schema = dict(_PLAIN.get(kinds.pop(), {}))
    schema["enum"] = [v if _is_json(v) else str(v) for v in values]
    return schema


def _object(properties: dict[str, Schema], required: list[str]) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return schema


def _hints(cls: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception:  # a name that only type checkers see: nothing is known
        return dict.fromkeys(getattr(cls, "__annotations__", {}), Any)


def _doc(cls: Any) -> str:
    doc = cls.__dict__.get("__doc__") or ""
    # A dataclass without one has its signature there, an Enum a fixed text.
    if doc.startswith(f"{cls.__name__}(") or doc == enum.Enum.__doc__:
        return ""
    if doc == "An enumeration.":  # 3.11
        return ""
    return inspect.cleandoc(doc)


def _is_json(value: object) -> bool:
    return value is None or type(value) in (bool, int, str, float)


def _clean(name: str) -> str:
    """OpenAPI 3.1.0 4.8.7: what a component may be called."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)


def _name_of_form(origin: Any) -> str:
    # typing and typing_extensions have their own of each.
    return str(
        getattr(origin, "_name", None) or getattr(origin, "__name__", "")
    )
