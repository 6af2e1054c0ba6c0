"""JSON (RFC 8259) by the fastest encoder that is installed.

``dumps`` gives compact UTF-8 ``bytes`` with any of them, ``loads`` takes
``bytes`` or ``str`` and raises ValueError on anything that is no JSON.
``NAME`` says which one is at work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

NAME: str
dumps: Callable[[Any], bytes]
loads: Callable[[bytes | bytearray | memoryview | str], Any]


def _standard_dumps(value: Any) -> bytes:
    # NaN and the infinities are no JSON (RFC 8259 6).
    return _json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


def _standard_loads(text: bytes | bytearray | memoryview | str) -> Any:
    if isinstance(text, memoryview):
        text = text.tobytes()
    # RFC 8259 8.1: UTF-8 and nothing else; json.loads would guess UTF-16.
    if not isinstance(text, str):
        text = text.decode()
    return _json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


try:
    import orjson

    NAME, dumps, loads = "orjson", orjson.dumps, orjson.loads
except ImportError:
    try:
        import msgspec.json

        NAME, dumps, loads = "msgspec", msgspec.json.encode, msgspec.json.decode
    except ImportError:
        import json as _json

        NAME, dumps, loads = "json", _standard_dumps, _standard_loads
