"""Each line of the list of requirements has a test that is named by it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from serving import CHECKOUT

LIST = CHECKOUT.parent / "shared" / "reference" / "compliance.md"
TESTS = Path(__file__).resolve().parents[1]
# A line begins with its number, or follows another after a dot.
LINE = re.compile(r"(?:^- |^|· )([A-HRW]\d+)(?= )", re.MULTILINE)


def lines_of(letter: str) -> set[str]:
    found = LINE.findall(LIST.read_text())
    return {line for line in found if line.startswith(letter)}


def names_of_tests() -> set[str]:
    names: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        for run in re.findall(r"def test((?:_[a-z]\d+)+)_", path.read_text()):
            names.update(run.upper().strip("_").split("_"))
    return names


# How many lines each letter has: a list that was not understood is no list.
LETTERS = {
    "A": 11,
    "B": 7,
    "C": 6,
    "D": 11,
    "E": 8,
    "F": 8,
    "G": 12,
    "H": 20,
    "R": 17,
    "W": 30,
}


@pytest.mark.skipif(not LIST.exists(), reason="is not there")
@pytest.mark.parametrize("letter", LETTERS)
def test_every_line_has_its_test(letter: str) -> None:
    lines = lines_of(letter)
    assert len(lines) == LETTERS[letter], sorted(lines)
    assert lines - names_of_tests() == set()
