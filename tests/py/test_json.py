"""What dict and list are sent as: the encoder of the C core, which works when
neither orjson nor msgspec is installed.

The tests run in a process in which nobody can import them.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ALPHABET = [chr(c) for c in range(0x120)] + list("\u2028\u20ac\ud7ff\U0010ffff")
NUMBERS = [0, -1, 7, 2**63 - 1, -(2**63), 2**63, 10**30]
FLOATS = [0.0, -0.0, 0.1, 1 / 3, 1e16, 1e22, 1e-7, 5e-324, 1.7e308]


class Text(str):
    """A str that is none exactly."""


class Number(int):
    """An int that is none exactly."""


def encode(content: Any) -> bytes:
    from rupy import Response

    return Response(content).body


def by_the_library(content: Any) -> bytes:
    return json.dumps(
        content, ensure_ascii=False, separators=(",", ":")
    ).encode()


def random_text(rng: random.Random) -> str:
    # 1024 characters are a stride of the encoder.
    n = rng.choice([0, 1, 5, 30]) if rng.random() < 0.95 else 1025
    return "".join(rng.choices(ALPHABET, k=n))


def random_value(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(9 if depth else 6)
    if kind == 0:
        return random_text(rng)
    if kind == 1:
        return rng.choice(NUMBERS)
    if kind == 2:
        return rng.choice(FLOATS)
    if kind == 3:
        return rng.uniform(-1, 1) * 10 ** rng.randrange(-30, 30)
    if kind == 4:
        return rng.choice([None, True, False])
    if kind == 5:
        return "x" * rng.randrange(4000)
    n = rng.randrange(5)
    if kind == 6:
        return [random_value(rng, depth - 1) for _ in range(n)]
    if kind == 7:
        return tuple(random_value(rng, depth - 1) for _ in range(n))
    return {random_text(rng): random_value(rng, depth - 1) for _ in range(n)}


def nested(depth: int) -> list[Any]:
    outer: list[Any] = []
    inner = outer
    for _ in range(depth):
        inner.append([])
        inner = inner[0]
    return outer


def random_content_is_as_by_the_library() -> None:
    rng = random.Random(1)
    for _ in range(2000):
        content = [random_value(rng, 4)]
        assert encode(content) == by_the_library(content), content


def each_character_is_as_by_the_library() -> None:
    for c in ALPHABET:
        assert encode([c]) == by_the_library([c])
        assert encode({c: f"a{c}b"}) == by_the_library({c: f"a{c}b"})


def what_is_not_plain_is_as_by_the_library() -> None:
    for content in (
        {"a": Number(3)},
        {1: 2, None: 3, False: 4, 1.5: 5},
        {Text("a"): Text("\xe9")},
        nested(31),
        nested(32),
        nested(33),
        nested(100),
        [(), {}, [], ((),)],
    ):
        assert encode(content) == by_the_library(content), content


def what_json_cannot_say_is_an_error() -> None:
    circle: list[Any] = []
    circle.append(circle)
    for content, error in (
        ([object()], TypeError),
        ([{1, 2}], TypeError),
        ([b""], TypeError),
        ({(): 1}, TypeError),
        ([float("nan")], ValueError),
        ([float("-inf")], ValueError),
        (circle, ValueError),
        (["\ud800"], UnicodeEncodeError),
        ({"\udfff": 1}, UnicodeEncodeError),
    ):
        with pytest.raises(error):
            encode(content)


CHECKS: list[Callable[[], None]] = [
    random_content_is_as_by_the_library,
    each_character_is_as_by_the_library,
    what_is_not_plain_is_as_by_the_library,
    what_json_cannot_say_is_an_error,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_without_orjson_and_msgspec(check: Callable[[], None]) -> None:
    done = subprocess.run(
        [sys.executable, "-P", __file__, check.__name__],
        cwd=Path(__file__).parents[2],
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "json\n"


if __name__ == "__main__":
    # Behind $PYTHONPATH, which has the package of the build under test.
    sys.path.append(str(Path(__file__).parents[2]))
    for blocked in ("orjson", "msgspec", "msgspec.json"):
        sys.modules[blocked] = None  # type: ignore[assignment]
    {check.__name__: check for check in CHECKS}[sys.argv[1]]()
    from rupy import _json

    print(_json.NAME)
