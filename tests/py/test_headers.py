"""Headers, MutableHeaders and MultiDict, as Python code sees them."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from rupy import Headers, Response
from rupy._core import MultiDict, MutableHeaders

BAD_VALUES = [
    ("a\rb", "CR"),
    ("a\nb", "LF"),
    ("a\r\nset-cookie: b=c", "another line"),
    ("a\0b", "NUL"),
    ("a\x01b", "a control character"),
    ("a\x7fb", "DEL"),
    ("\u20ac", "beyond latin-1"),
]

BAD_NAMES = [
    ("", "empty"),
    ("a b", "a space"),
    ("a:", "a colon"),
    ("a\n", "LF"),
    ("\xe9", "no ASCII"),
    ("\u20ac", "beyond latin-1"),
]

PAIRS = [("Accept", "a"), ("x", "1"), ("ACCEPT", "b")]


class Text(str):
    """A str that is none exactly."""


@pytest.mark.parametrize("make", [dict, list, tuple, Headers, iter])
def test_anything_that_gives_pairs_makes_headers(
    make: Callable[[Any], Any],
) -> None:
    assert Headers(make([("a", "1"), ("b", "2")])).items() == [
        ("a", "1"),
        ("b", "2"),
    ]


def test_names_are_found_in_any_case() -> None:
    headers = Headers(PAIRS)
    assert headers["accept"] == headers["ACCEPT"] == "a"
    assert headers.get("aCCept") == "a"
    assert "accept" in headers
    assert "nope" not in headers


def test_lines_keep_their_order_and_their_names_as_written() -> None:
    headers = Headers(PAIRS)
    assert headers.items() == PAIRS
    assert headers.keys() == list(headers) == ["Accept", "x", "ACCEPT"]
    assert headers.values() == ["a", "1", "b"]
    assert len(headers) == 3
    assert headers.raw == [(b"Accept", b"a"), (b"x", b"1"), (b"ACCEPT", b"b")]


def test_all_values_of_a_name_are_listed() -> None:
    headers = Headers(PAIRS)
    assert headers.getlist("accept") == headers.get_all("Accept") == ["a", "b"]
    assert headers.getlist("nope") == []


def test_a_missing_name_is_a_key_error_or_the_default() -> None:
    headers = Headers(PAIRS)
    with pytest.raises(KeyError, match="nope"):
        headers["nope"]
    assert headers.get("nope") is None
    assert headers.get("nope", 7) == 7


@pytest.mark.parametrize("name", [5, None, b"accept", "\u20ac", Text("x\0")])
def test_what_is_no_name_is_not_found(name: Any) -> None:
    headers = Headers(PAIRS)
    assert name not in headers
    assert headers.get(name) is None
    with pytest.raises(KeyError):
        headers[name]


def test_headers_cannot_be_changed() -> None:
    headers: Any = Headers(PAIRS)
    with pytest.raises(TypeError):
        headers["a"] = "b"
    with pytest.raises(TypeError):
        del headers["x"]
    assert not hasattr(headers, "add")


def test_equality_is_about_values_of_each_name_in_order() -> None:
    headers = Headers(PAIRS)
    assert headers == Headers([("accept", "a"), ("Accept", "b"), ("X", "1")])
    assert headers == MutableHeaders(PAIRS)
    assert headers != Headers([("accept", "b"), ("accept", "a"), ("x", "1")])
    assert headers != Headers([("accept", "a"), ("x", "1")])
    other: Any = PAIRS
    assert headers != other
    with pytest.raises(TypeError):
        hash(headers)


def test_values_are_latin_1() -> None:
    headers = Headers({"a": "\xe9"})
    assert headers["a"] == "\xe9"
    assert headers.raw == [(b"a", b"\xe9")]


@pytest.mark.parametrize(("value", "why"), BAD_VALUES)
def test_a_value_that_may_not_go_out_is_refused_where_it_is_set(
    value: str, why: str
) -> None:
    headers = MutableHeaders({"a": "1"})
    with pytest.raises(ValueError, match="header a"):
        headers["a"] = value
    with pytest.raises(ValueError, match="header a"):
        headers.add("a", value)
    with pytest.raises(ValueError, match="header b"):
        headers.setdefault("b", value)
    with pytest.raises(ValueError, match="header a"):
        headers.update({"b": "2", "a": value})
    with pytest.raises(ValueError, match="header a"):
        Response("", headers={"a": value})
    assert headers.items() == [("a", "1")], why


@pytest.mark.parametrize(("name", "why"), BAD_NAMES)
def test_a_name_that_is_no_token_is_refused(name: str, why: str) -> None:
    headers = MutableHeaders()
    with pytest.raises(ValueError, match="is not a token"):
        headers[name] = "x"
    with pytest.raises(ValueError, match="is not a token"):
        Headers([(name, "x")])
    assert len(headers) == 0, why


@pytest.mark.parametrize(
    "items",
    [5, ["ab"], [b"ab"], [5], {"a": 1}, {1: "a"}, {b"a": "b"}, {"a": b"b"}],
)
def test_what_are_no_pairs_of_str_is_a_type_error(items: Any) -> None:
    with pytest.raises(TypeError):
        Headers(items)


@pytest.mark.parametrize("items", [[("a",)], [("a", "b", "c")]])
def test_tuples_of_another_size_are_a_value_error(items: Any) -> None:
    with pytest.raises(ValueError, match="pairs"):
        Headers(items)


def test_an_error_of_the_iterable_comes_through() -> None:
    def pairs() -> Any:
        yield ("a", "b")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Headers(pairs())


def test_setting_replaces_all_lines_of_a_name_in_the_place_of_the_first() -> (
    None
):
    headers = MutableHeaders(PAIRS)
    headers["accept"] = "c"
    assert headers.items() == [("accept", "c"), ("x", "1")]


def test_adding_keeps_the_others() -> None:
    headers = MutableHeaders({"a": "1"})
    headers.add("A", "2")
    assert headers.getlist("a") == ["1", "2"]


def test_deleting_takes_out_all_lines_of_a_name() -> None:
    headers = MutableHeaders(PAIRS)
    del headers["accept"]
    assert headers.items() == [("x", "1")]
    with pytest.raises(KeyError):
        del headers["accept"]


def test_pop_gives_the_first_value_and_takes_out_all() -> None:
    headers = MutableHeaders(PAIRS)
    assert headers.pop("accept") == "a"
    assert "accept" not in headers
    assert headers.pop("accept", "default") == "default"
    with pytest.raises(KeyError):
        headers.pop("accept")


def test_setdefault_gives_what_is_there_or_adds() -> None:
    headers = MutableHeaders(PAIRS)
    assert headers.setdefault("ACCEPT", "z") == "a"
    assert headers.setdefault("new", "z") == "z"
    assert headers["new"] == "z"


def test_update_replaces_names_and_may_repeat_them() -> None:
    headers = MutableHeaders(PAIRS)
    headers.update([("accept", "c"), ("accept", "d"), ("y", "2")])
    assert headers.getlist("accept") == ["c", "d"]
    assert headers["x"] == "1"
    itself: Any = headers
    headers.update(itself)
    assert len(headers) == 4


def test_many_lines_come_and_go() -> None:
    headers = MutableHeaders()
    for i in range(200):
        headers.add(f"k{i}", "v" * i)
    for i in range(0, 200, 2):
        del headers[f"K{i}"]
    assert headers.items() == [(f"k{i}", "v" * i) for i in range(1, 200, 2)]
    headers.clear()
    assert headers.items() == []


def test_subclasses_of_str_become_str() -> None:
    headers = MutableHeaders()
    headers[Text("a")] = Text("b")
    [(name, value)] = headers.items()
    assert type(name) is str
    assert type(value) is str


def test_headers_may_be_subclassed_and_are_collected() -> None:
    class Mine(Headers):
        me: object

    mine = Mine({"a": "b"})
    mine.me = mine
    assert mine["A"] == "b"
    del mine
    assert gc.collect() > 0


def test_repr_shows_all_lines() -> None:
    assert repr(Headers([("a", "b")])) == "Headers([('a', 'b')])"
    assert repr(MutableHeaders()) == "MutableHeaders([])"


def test_a_multidict_gives_the_first_value_or_all() -> None:
    pairs = [("a", 1), ("b", 2), ("a", 3)]
    multi = MultiDict(pairs)
    assert multi["a"] == multi.get("a") == 1
    assert multi.getlist("a") == multi.get_all("a") == [1, 3]
    assert multi.items() == pairs
    assert multi.keys() == list(multi) == ["a", "b", "a"]
    assert multi.values() == [1, 2, 3]
    assert len(multi) == 3
    assert multi.to_dict() == dict(multi) == {"a": 1, "b": 2}
    assert multi == MultiDict(pairs) != MultiDict()
    assert "a" in multi
    assert "A" not in multi
    assert multi.get("z", 7) == 7
    assert repr(MultiDict({"a": 1})) == "MultiDict([('a', 1)])"
    with pytest.raises(KeyError, match="z"):
        multi["z"]


@pytest.mark.parametrize("items", [3, ["ab"], [(1, 2)], [5]])
def test_a_multidict_takes_pairs_with_str_names(items: Any) -> None:
    with pytest.raises(TypeError):
        MultiDict(items)


def test_a_multidict_in_a_cycle_is_collected() -> None:
    cycle: list[Any] = []
    cycle.append(MultiDict([("a", cycle)]))
    gc.collect()
    del cycle
    assert gc.collect() > 0
