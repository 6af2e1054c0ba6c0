"""A description of an application for clients: OpenAPI 3.1.

    app.openapi(title="Notes", version="1.0")

answers ``/openapi.json`` with a document made of the routes, and ``/docs``
with a page that shows it and can send requests.  Parameters are those of the
patterns; docstrings are summary and description.  What a handler returns is
its annotation, and the content that it takes stands beside its request:

    class Note(TypedDict):
        title: str

    @app.post("/notes")
    def create(request: Annotated[Request, Note]) -> tuple[Note, Literal[201]]:
        ...

Classes may be dataclasses, TypedDicts, NamedTuples, msgspec.Structs and
pydantic models.  ``-> Annotated[Response, Note]`` is a Response with a Note in
it.  What annotations cannot say, ``operation`` can.  Nothing of this is
checked when a request comes: that is for the handler.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from . import _core, _pattern
from ._schema import Schema, Schemas, any_of
from ._signature import name_of
from ._streaming import EventStream

if typing.TYPE_CHECKING:
    from .app import Route, Rupy

Handler = TypeVar("Handler", bound=Callable[..., object])

# OpenAPI 3.1.0 4.8.9.1; for any method those that an interface has.
_METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")
_ANY = ("GET", "PUT", "POST", "DELETE", "PATCH")
# RFC 9110 9.3.1: content has no meaning there.
_WITHOUT_CONTENT = ("GET", "HEAD", "OPTIONS", "TRACE")

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_BYTES = "application/octet-stream"

_CONVERTERS: dict[str, Schema] = {
    "str": {"type": "string", "minLength": 1},
    "int": {"type": "integer", "minimum": 0},
    "float": {"type": "number", "minimum": 0},
    "uuid": {"type": "string", "format": "uuid"},
    "path": {"type": "string"},
}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What ``operation`` was told of a handler."""

    summary: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    deprecated: bool = False
    hidden: bool = False
    body: Any = None
    body_type: str = _JSON
    answers: Mapping[int, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)


def operation(
    *,
    summary: str | None = None,
    description: str | None = None,
    tags: Iterable[str] = (),
    deprecated: bool = False,
    hidden: bool = False,
    body: Any = None,
    body_type: str = _JSON,
    answers: Mapping[int, Any] | None = None,
    query: Mapping[str, Any] | None = None,
) -> Callable[[Handler], Handler]:
    """Say of a handler what its annotations do not; it is returned unchanged.

    ``summary`` and ``description`` stand instead of the docstring.  ``tags``
    are groups of operations.  ``hidden`` leaves it out of the document.
    ``body`` is the type of the content that it takes, of ``body_type``.
    ``answers`` are types by status, or texts for answers that are only to be
    described: ``{201: Note, 404: "there is no such note"}``.  ``query`` are
    types by the name of a parameter: ``{"page": int}``.  A text beside a type
    describes it: ``Annotated[int, "the first is 1"]``.  If ``answers`` has a
    status below 400, those of the annotation are left out.

    Raises TypeError and ValueError for what is none of these.
    """
    if isinstance(tags, str):
        raise TypeError(f"operation: tags is {tags!r}, not a list")
    for status in answers or {}:
        if isinstance(status, bool) or not isinstance(status, int):
            raise TypeError(f"operation: answers: {status!r} is no status")
        if not 100 <= status <= 599:
            raise ValueError(f"operation: answers: {status} is no status")
    told = Operation(
        summary=summary,
        description=description,
        tags=tuple(tags),
        deprecated=deprecated,
        hidden=hidden,
        body=body,
        body_type=body_type,
        answers=dict(answers or {}),
        query=dict(query or {}),
    )

    def tell(handler: Handler) -> Handler:
        try:
            handler._rupy_operation = told  # type: ignore[attr-defined]
        except AttributeError:
            raise TypeError(
                f"operation: {name_of(handler)} cannot be told anything:"
                " use it on the function"
            ) from None
        return handler

    return tell


def document(
    app: Rupy,
    *,
    title: str,
    version: str,
    description: str | None = None,
    servers: Iterable[str] = (),
) -> dict[str, Any]:
    """The OpenAPI 3.1 document of an application and the Rupys mounted in it.

    Left out are files, WebSockets, mounted ASGI and WSGI applications, what
    is ``hidden``, and a route whose path differs from an earlier one only by
    its converters: OpenAPI cannot tell them apart (3.1.0 4.8.8).
    """
    made = _Document()
    for prefix, route in _routes(app, ""):
        made.add(prefix, route)
    info = {"title": title, "version": version}
    if description:
        info["description"] = description
    whole: dict[str, Any] = {"openapi": "3.1.0", "info": info}
    urls = list(servers)
    if urls:
        whole["servers"] = [{"url": url} for url in urls]
    whole["paths"] = made.paths
    if made.schemas.components:
        whole["components"] = {"schemas": made.schemas.components}
    if made.tags:
        whole["tags"] = [{"name": tag} for tag in made.tags]
    return whole


def _routes(app: Rupy, prefix: str) -> Iterator[tuple[str, Route]]:
    for route in app.routes:
        yield prefix, route
    for mount in app._mounts:
        if hasattr(mount.app, "routes") and mount.kind == "rupy":
            yield from _routes(mount.app, prefix + mount.prefix)


class _Document:
    def __init__(self) -> None:
        self.paths: dict[str, dict[str, Any]] = {}
        self.schemas = Schemas()
        self.tags: dict[str, None] = {}
        self._ids: set[str] = set()
        # By the path without names: how it stands in the document.
        self._shapes: dict[str, tuple[str, tuple[str, ...]]] = {}

    def add(self, prefix: str, route: Route) -> None:
        handler = route.handler
        if isinstance(handler, _core.StaticFiles):
            return
        told = _told(handler)
        methods = _ANY if "*" in route.methods else route.methods
        methods = tuple(m for m in methods if m in _METHODS)
        if told.hidden or not methods:
            return
        pieces = _pattern.parse(prefix + route.pattern)
        params = [p for p in pieces if isinstance(p, _pattern.Param)]
        path, names = self._path(pieces)
        item = self.paths.setdefault(path, {})
        hints = _hints_of(handler)
        for method in methods:
            if method.lower() not in item:
                item[method.lower()] = self._operation(
                    route, method, told, hints, params, names
                )
        for tag in told.tags:
            self.tags[tag] = None

    def _path(
        self, pieces: tuple[str | _pattern.Param, ...]
    ) -> tuple[str, tuple[str, ...]]:
        """The path, and what its parameters are called there: as in the route
        of the same path that came first."""
        shape = "".join(
            "{}" if isinstance(p, _pattern.Param) else _literal(p)
            for p in pieces
        )
        if shape not in self._shapes:
            path = "".join(
                f"{{{p.name}}}"
                if isinstance(p, _pattern.Param)
                else _literal(p)
                for p in pieces
            )
            self._shapes[shape] = path, _pattern.names(pieces)
        return self._shapes[shape]

    def _operation(
        self,
        route: Route,
        method: str,
        told: Operation,
        hints: dict[str, Any],
        params: list[_pattern.Param],
        names: tuple[str, ...],
    ) -> dict[str, Any]:
        summary, description = _texts(route.handler)
        made: dict[str, Any] = {
            "operationId": self._id(route, method),
            "summary": told.summary or summary,
            "description": told.description or description,
        }
        made = {key: value for key, value in made.items() if value}
        if told.tags:
            made["tags"] = list(told.tags)
        if told.deprecated:
            made["deprecated"] = True
        parameters = [
            _path_parameter(param, name, hints.get(param.name))
            for param, name in zip(params, names, strict=True)
        ]
        parameters += [
            self._query(name, kind) for name, kind in told.query.items()
        ]
        if parameters:
            made["parameters"] = parameters
        body = told.body if told.body is not None else _body_of(hints)
        if body is not None and method not in _WITHOUT_CONTENT:
            schema = self.schemas.of(body)
            made["requestBody"] = {
                "content": {told.body_type: {"schema": schema}},
                "required": True,
            }
        made["responses"] = self._answers(told, hints.get("return", Any))
        return made

    def _id(self, route: Route, method: str) -> str:
        name = route.name
        if len(route.methods) > 1 or "*" in route.methods:
            name += "_" + method.lower()
        unique, n = name, 2
        while unique in self._ids:
            unique, n = f"{name}_{n}", n + 1
        self._ids.add(unique)
        return unique

    def _query(self, name: str, kind: Any) -> dict[str, Any]:
        schema = self.schemas.of(kind)
        made = {"name": name, "in": "query"}
        if "description" in schema and "$ref" not in schema:
            made["description"] = schema.pop("description")
        return {**made, "schema": schema}

    # ---- Answers ----

    def _answers(self, told: Operation, returns: Any) -> dict[str, Any]:
        found: dict[str, dict[str, list[Schema]]] = {}
        for status, media_type, kind in _returned(returns, "200"):
            content = found.setdefault(status, {})
            if media_type:
                content.setdefault(media_type, []).append(
                    self.schemas.of(kind, "serialization")
                )
        if any(status < 400 for status in told.answers):
            found = {
                status: content
                for status, content in found.items()
                if status >= "400" and status != "default"
            }
        made = {status: _answer(status, found[status]) for status in found}
        for code, what in told.answers.items():
            status = str(code)
            if isinstance(what, str):
                answer = made.get(status) or _answer(status, {})
                made[status] = {**answer, "description": what}
                continue
            content = {}
            for _, media_type, kind in _returned(what, status):
                if media_type:
                    schema = self.schemas.of(kind, "serialization")
                    content.setdefault(media_type, []).append(schema)
            made[status] = _answer(status, content)
        return dict(sorted(made.items()))


def _answer(status: str, content: dict[str, list[Schema]]) -> dict[str, Any]:
    try:
        text = HTTPStatus(int(status)).phrase
    except ValueError:
        text = "an answer" if status == "default" else f"Status {status}"
    made: dict[str, Any] = {"description": text}
    if content:
        made["content"] = {
            media_type: {"schema": any_of(schemas)}
            for media_type, schemas in content.items()
        }
    return made


def _returned(kind: Any, status: str) -> Iterator[tuple[str, str, Any]]:
    """Status, media type and type of the content of each answer that this
    annotation is for; no media type: nothing is known."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (typing.Union, UnionType):
        for member in args:
            if member is not type(None):  # it is no answer
                yield from _returned(member, status)
    elif origin is Annotated and _is_class(args[0], _core.Response):
        meta = [m for m in args[1:] if not isinstance(m, str)]
        yield (status, _JSON, meta[0]) if meta else ("default", "", None)
    elif origin is tuple and len(args) >= 2 and _is_status(args[1]):
        # (content, status), (content, status, headers)
        statuses = get_args(args[1]) or ("default",)
        for one in statuses:
            yield from _returned(args[0], str(one))
    elif _is_class(kind, EventStream):
        yield status, "text/event-stream", str
    elif kind is Any or _is_class(kind, _core.Response):
        yield "default", "", None
    elif kind is str or kind is bytes:
        yield status, _TEXT if kind is str else _BYTES, kind
    elif _is_stream(origin or kind):
        piece = args[0] if args else Any
        yield status, _BYTES if piece is bytes else _TEXT, str
    else:
        yield status, _JSON, kind


def _is_status(kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return all(type(value) is int for value in get_args(kind))
    return kind is int


def _is_stream(kind: Any) -> bool:
    return (
        isinstance(kind, type)
        and kind.__module__ == "collections.abc"
        and (
            kind.__name__
            in (
                "AsyncGenerator",
                "AsyncIterable",
                "AsyncIterator",
                "Generator",
                "Iterable",
                "Iterator",
            )
        )
    )


def _is_class(kind: Any, cls: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, cls)


# ---- Handlers ----


def _told(handler: Any) -> Operation:
    while True:
        told = getattr(handler, "_rupy_operation", None)
        if isinstance(told, Operation):
            return told
        if not hasattr(handler, "func"):  # functools.partial
            return Operation()
        handler = handler.func


def _function_of(handler: Any) -> Any:
    while hasattr(handler, "func"):
        handler = handler.func
    if not hasattr(handler, "__qualname__"):
        handler = type(handler).__call__
    return inspect.unwrap(handler)


def _hints_of(handler: Any) -> dict[str, Any]:
    """Annotations that can be evaluated; others say nothing."""
    function = _function_of(handler)
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # names that only type checkers see
        pass
    try:
        texts = dict(function.__annotations__)
    except Exception:  # 3.14 evaluates all of them, or none
        return {}
    hints = {}
    for name, text in texts.items():
        try:
            hints[name] = (
                eval(text, getattr(function, "__globals__", {}), {})
                if isinstance(text, str)
                else text
            )
        except Exception:  # as above
            continue
    return hints


def _body_of(hints: dict[str, Any]) -> Any:
    """Note of ``request: Annotated[Request, Note]``."""
    for hint in hints.values():
        args = get_args(hint)
        if get_origin(hint) is Annotated and args[0] is _core.Request:
            for meta in args[1:]:
                if not isinstance(meta, str):
                    return meta
    return None


def _texts(handler: Any) -> tuple[str, str]:
    """The first line of the docstring, and the rest."""
    doc = inspect.getdoc(_function_of(handler)) or ""
    summary, _, rest = doc.partition("\n")
    return summary.strip(), rest.strip()


def _path_parameter(
    param: _pattern.Param, name: str, hint: Any
) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "in": "path", "required": True}
    for meta in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
        if isinstance(meta, str):
            made["description"] = meta
    if param.converter == "re":
        made["schema"] = {"type": "string", "pattern": f"^(?:{param.regex})$"}
    else:
        made["schema"] = dict(_CONVERTERS[param.converter])
    if param.converter == "path":
        # OpenAPI has no word for it; the page sends slashes as they are.
        made["x-slashes"] = True
    return made


def _literal(text: str) -> str:
    # Braces would be taken for parameters.
    return re.sub(r"[{}]", lambda m: f"%{ord(m[0]):02X}", text)
