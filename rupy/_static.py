"""Folders of files: what ``Rupy.static`` is told, checked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from . import _core

# RFC 9110 8.3.1, with parameters
_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:;[\x20-\x7e]*)?", re.ASCII)


def folder(
    directory: str | os.PathLike[str],
    index: str | None,
    max_age: int | None,
    precompressed: bool,
    dot_files: bool,
    types: Mapping[str, str] | None,
) -> _core.StaticFiles:
    """Raises ValueError for what cannot be served."""
    path = os.path.abspath(os.fspath(directory))
    if not os.path.isdir(path):
        raise ValueError(f"static: {path!r} is no folder")
    if index is not None and ("/" in index or "\0" in index):
        raise ValueError(f"static: the index {index!r} is no name of a file")
    if max_age is not None and max_age < 0:
        raise ValueError(f"static: max_age {max_age} is below 0")
    pairs = []
    for ext, media_type in (types or {}).items():
        if not ext.startswith(".") or len(ext) < 2:
            raise ValueError(f"static: {ext!r} does not begin with a dot")
        if not _TYPE.fullmatch(media_type):
            raise ValueError(f"static: {media_type!r} is no media type")
        pairs.append((ext[1:], media_type))
    return _core.StaticFiles(
        path,
        index or "",
        -1 if max_age is None else max_age,
        precompressed,
        dot_files,
        tuple(pairs),
    )
