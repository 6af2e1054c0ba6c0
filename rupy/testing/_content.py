"""The content of a request: JSON, forms, files, bytes."""

from __future__ import annotations

import json as _json
import mimetypes
import os
import secrets
from collections.abc import AsyncIterable, Iterable, Mapping
from pathlib import PurePath
from typing import IO, Any
from urllib.parse import urlencode

Pairs = Mapping[str, Any] | Iterable[tuple[str, Any]]
FileContent = str | bytes | IO[bytes] | IO[str]
File = (
    FileContent | tuple[str, FileContent] | tuple[str, FileContent, str | None]
)
Files = Mapping[str, File] | Iterable[tuple[str, File]]
Content = str | bytes | Iterable[bytes] | AsyncIterable[bytes]
Body = bytes | Iterable[bytes] | AsyncIterable[bytes]


def pairs_of(items: Pairs | None) -> list[tuple[str, str]]:
    """A value that is a list stands for the name several times; None is left
    out, True and False are ``true`` and ``false``."""
    found = []
    for name, value in (
        items.items() if isinstance(items, Mapping) else (items or ())
    ):
        several = isinstance(value, list | tuple | set)
        for one in value if several else (value,):
            if one is not None:
                found.append((name, _text(one)))
    return found


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.decode() if isinstance(value, bytes) else str(value)


def encode(
    content: Content | None,
    data: Pairs | None,
    files: Files | None,
    json: Any,
    has_json: bool,
) -> tuple[Body | None, str | None]:
    """The body and its Content-Type.

    ValueError when two of them are given, but for ``data`` beside ``files``.
    """
    ways = [
        content is not None,
        data is not None or files is not None,
        has_json,
    ]
    if sum(ways) > 1:
        raise ValueError("a request has one of content, data and files, json")
    if has_json:
        text = _json.dumps(json, ensure_ascii=False, separators=(",", ":"))
        return text.encode(), "application/json"
    if files is not None:
        return _multipart(pairs_of(data), files)
    if isinstance(data, str | bytes):
        raise ValueError("data is for the fields of a form: use content")
    if data is not None:
        form = urlencode(pairs_of(data))
        return form.encode(), "application/x-www-form-urlencoded"
    if isinstance(content, str):
        return content.encode(), "text/plain; charset=utf-8"
    if isinstance(content, bytearray | memoryview):
        return bytes(content), None
    return content, None


def _multipart(
    fields: list[tuple[str, str]], files: Files
) -> tuple[bytes, str]:
    """multipart/form-data (RFC 7578)."""
    mark = f"rupy-{secrets.token_hex(16)}"
    out = bytearray()
    for name, value in fields:
        out += _part_head(mark, name, None, None) + value.encode() + b"\r\n"
    for name, file in files.items() if isinstance(files, Mapping) else files:
        filename, data, kind = _file(name, file)
        out += _part_head(mark, name, filename, kind) + data + b"\r\n"
    out += f"--{mark}--\r\n".encode()
    return bytes(out), f"multipart/form-data; boundary={mark}"


def _part_head(
    mark: str, name: str, filename: str | None, kind: str | None
) -> bytes:
    head = f'--{mark}\r\nContent-Disposition: form-data; name="{_quote(name)}"'
    if filename is not None:
        head += f'; filename="{_quote(filename)}"'
    if kind:
        head += f"\r\nContent-Type: {kind}"
    return f"{head}\r\n\r\n".encode()


def _quote(text: str) -> str:
    """As browsers do it (the WHATWG's multipart/form-data encoding)."""
    for char, code in (('"', "%22"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(char, code)
    return text


def _file(name: str, file: File) -> tuple[str, bytes, str]:
    kind: str | None = None
    if isinstance(file, tuple):
        filename, content = file[0], file[1]
        if len(file) == 3:
            kind = file[2]
    else:
        content = file
        path = getattr(file, "name", None)
        filename = PurePath(os.fsdecode(path)).name if path else name
    if not isinstance(content, str | bytes):
        content = content.read()
    data = content.encode() if isinstance(content, str) else content
    guess = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    return filename, data, kind or guess
