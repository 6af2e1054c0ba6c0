"""Response: what it takes, what it holds, and its cookies."""

from __future__ import annotations

import contextlib
import datetime
import gc
import sys
import weakref
from http import HTTPStatus
from typing import Any

import pytest

import rupy
from rupy import Response

TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
JSON = "application/json"

CONTENTS: list[tuple[Any, bytes, str | None, str]] = [
    ("hello", b"hello", TEXT, "ASCII"),
    ("h\xe9\u20ac\U0001f600", "h\xe9\u20ac\U0001f600".encode(), TEXT, "UTF-8"),
    ("", b"", TEXT, "an empty text is a text"),
    (b"a\0b", b"a\0b", BYTES, "bytes"),
    (bytearray(b"ab"), b"ab", BYTES, "bytearray"),
    (memoryview(b"abc")[::2], b"ac", BYTES, "memoryview with a stride"),
    (b"", b"", None, "nothing"),
    (None, b"", None, "nothing"),
    ({"a": [1]}, b'{"a":[1]}', JSON, "dict"),
    ([], b"[]", JSON, "list"),
]


class Text(str):
    """A str that is none exactly."""


class Data(bytes):
    """bytes that are none exactly."""


@pytest.mark.parametrize(("content", "body", "content_type", "why"), CONTENTS)
def test_the_content_tells_its_type(
    content: Any, body: bytes, content_type: str | None, why: str
) -> None:
    response = Response(content)
    assert response.body == body, why
    assert response.content_type == content_type, why
    assert response.status == 200
    assert len(response.headers) == 0


@pytest.mark.parametrize("content", [5, 1.5, True, {1}, object(), (1, 2)])
def test_other_content_is_a_type_error(content: Any) -> None:
    with pytest.raises(TypeError, match="content must be"):
        Response(content)


def test_nothing_is_an_empty_200() -> None:
    response = Response()
    assert (response.status, response.body) == (200, b"")
    assert response.content_type is None


def test_arguments_by_position_and_by_name_are_the_same() -> None:
    for response in (
        Response("a", 201, {"x": "y"}, "text/html"),
        Response(
            content_type="text/html",
            headers={"x": "y"},
            status=201,
            content="a",
        ),
    ):
        assert response.body == b"a"
        assert response.status == 201
        assert response.headers["X"] == "y"
        assert response.content_type == "text/html"


def test_wrong_calls_are_type_errors() -> None:
    make: Any = Response
    with pytest.raises(TypeError, match="at most 4"):
        make("", 200, None, None, 5)
    with pytest.raises(TypeError, match="unexpected keyword"):
        make(wrong=1)
    with pytest.raises(TypeError, match="multiple values"):
        make("", content="")


@pytest.mark.parametrize("status", [0, 100, 199, 600, -1, 10**30])
def test_a_status_outside_200_to_599_is_a_value_error(status: int) -> None:
    with pytest.raises(ValueError, match="200 to 599"):
        Response("", status)
    response = Response()
    with pytest.raises(ValueError, match="200 to 599"):
        response.status = status
    assert response.status == 200


def test_a_status_is_an_int() -> None:
    assert Response(status=HTTPStatus.CREATED).status == 201
    make: Any = Response
    for wrong in ("200", 2.5, None):
        with pytest.raises(TypeError):
            make("", wrong)


def test_a_content_type_among_the_headers_wins_over_the_contents() -> None:
    response = Response("a", headers={"Content-Type": "text/html"})
    assert response.content_type == "text/html"
    response.content_type = "text/css"
    assert response.content_type == "text/css"
    assert "content-type" not in response.headers


def test_a_content_type_given_wins_over_one_among_the_headers() -> None:
    response = Response(
        "a", headers={"content-type": "a/a"}, content_type="b/b"
    )
    assert response.content_type == "b/b"
    assert len(response.headers) == 0


@pytest.mark.parametrize("content_type", ["", "a\r\nb: c", "\u20ac", "a\0"])
def test_a_bad_content_type_is_a_value_error(content_type: str) -> None:
    with pytest.raises(ValueError, match="content_type"):
        Response("", content_type=content_type)
    response = Response("")
    with pytest.raises(ValueError, match="content_type"):
        response.content_type = content_type
    assert response.content_type == TEXT


def test_the_body_may_be_set_and_its_type_stays() -> None:
    response: Any = Response("a")
    response.body = {"a": 1}
    assert response.body == b'{"a":1}'
    assert response.content_type == TEXT
    response.body = "\xe9"
    assert response.body == "\xe9".encode()
    with pytest.raises(TypeError):
        response.body = 5
    assert response.body == "\xe9".encode()


def test_text_that_utf_8_cannot_say_is_an_error() -> None:
    with pytest.raises(UnicodeEncodeError):
        Response("\ud800")


def test_subclasses_of_str_and_bytes_are_content() -> None:
    assert Response(Text("a")).body == b"a"
    assert type(Response(Data(b"a")).body) is bytes


def test_headers_are_made_once_and_cannot_be_replaced() -> None:
    response: Any = Response()
    assert response.headers is response.headers
    with pytest.raises(AttributeError):
        response.headers = {}
    with pytest.raises(AttributeError):
        response.other = 1


def test_subclasses_call_init_and_have_attributes() -> None:
    class NotFound(Response):
        def __init__(self, what: str) -> None:
            super().__init__(what + "?", status=404, headers={"x": "y"})
            self.what = what

    response = NotFound("a")
    assert (response.status, response.body, response.what) == (404, b"a?", "a")
    assert response.headers["x"] == "y"


def test_a_subclass_without_init_of_the_base_is_an_empty_answer() -> None:
    class Lazy(Response):
        def __init__(self) -> None:
            pass

    assert (Lazy().status, Lazy().body) == (200, b"")


def test_responses_have_weak_references_and_are_collected() -> None:
    response = Response("a")
    ref = weakref.ref(response)
    del response
    assert ref() is None

    class Mine(Response):
        me: object

    mine = Mine("a")
    mine.me = mine
    ref = weakref.ref(mine)
    del mine
    gc.collect()
    assert ref() is None


def cookie(name: str, value: str = "", **options: Any) -> str:
    """The line that set_cookie() adds."""
    response = Response()
    response.set_cookie(name, value, **options)
    [line] = response.headers.getlist("set-cookie")
    return line


EPOCH = "Thu, 01 Jan 1970 00:00:00 GMT"
RFC_DATE = "Sun, 06 Nov 1994 08:49:37 GMT"

COOKIES: list[tuple[dict[str, Any], str, str]] = [
    ({}, "a=b; Path=/", "the default"),
    ({"path": None}, "a=b", "no path"),
    ({"max_age": 5}, "a=b; Max-Age=5; Path=/", ""),
    ({"max_age": -1}, "a=b; Max-Age=-1; Path=/", "it ends at once"),
    ({"expires": 0}, f"a=b; Expires={EPOCH}; Path=/", "seconds"),
    ({"expires": 0.5}, f"a=b; Expires={EPOCH}; Path=/", "time.time()"),
    ({"expires": RFC_DATE}, f"a=b; Expires={RFC_DATE}; Path=/", "a date"),
    (
        {"expires": datetime.datetime(1994, 11, 6, 8, 49, 37)},
        f"a=b; Expires={RFC_DATE}; Path=/",
        "naive is UTC",
    ),
    (
        {
            "expires": datetime.datetime(
                1994,
                11,
                6,
                9,
                49,
                37,
                tzinfo=datetime.timezone(datetime.timedelta(hours=1)),
            )
        },
        f"a=b; Expires={RFC_DATE}; Path=/",
        "with a zone",
    ),
    ({"path": "/x", "domain": "a.b"}, "a=b; Path=/x; Domain=a.b", ""),
    ({"secure": True, "httponly": True}, "a=b; Path=/; Secure; HttpOnly", ""),
    ({"samesite": "lax"}, "a=b; Path=/; SameSite=Lax", ""),
    ({"samesite": "STRICT"}, "a=b; Path=/; SameSite=Strict", "any case"),
    (
        {"samesite": "none", "secure": True, "partitioned": True},
        "a=b; Path=/; Secure; SameSite=None; Partitioned",
        "",
    ),
]


@pytest.mark.parametrize(("options", "want", "why"), COOKIES)
def test_the_parts_of_a_cookie(
    options: dict[str, Any], want: str, why: str
) -> None:
    assert cookie("a", "b", **options) == want, why


def test_each_cookie_is_a_line_of_its_own() -> None:
    response = Response()
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    assert len(response.headers.getlist("set-cookie")) == 2


@pytest.mark.parametrize("name", ["", "a b", "a=", "a;", "\xe9", "a\n"])
def test_a_cookie_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a token"):
        cookie(name)


@pytest.mark.parametrize(
    "value", ["a b", "a;b", "a,b", 'a"b', "a\\b", "\xe9", "a\r\nb", "\u20ac"]
)
def test_a_cookie_value_that_must_be_encoded_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="must be encoded"):
        cookie("a", value)


@pytest.mark.parametrize(
    "options",
    [
        {"samesite": "none"},
        {"samesite": "sometimes"},
        {"samesite": 5},
        {"partitioned": True},
        {"path": "/;x"},
        {"path": "/\n"},
        {"domain": "\u20ac"},
        {"expires": "tomorrow"},
        {"expires": -1},
        {"expires": 10**13},
        {"expires": float("nan")},
        {"path": "/" + "x" * 10000},
    ],
)
def test_what_may_not_stand_in_a_cookie_is_a_value_error(
    options: dict[str, Any],
) -> None:
    response = Response()
    with pytest.raises(ValueError, match=r"\S"):
        response.set_cookie("a", "b", **options)
    assert len(response.headers) == 0


@pytest.mark.parametrize(
    "options",
    [{"max_age": "5"}, {"expires": b""}, {"path": 5}, {"domain": b"a"}],
)
def test_other_types_in_a_cookie_are_type_errors(
    options: dict[str, Any],
) -> None:
    with pytest.raises(TypeError):
        cookie("a", "b", **options)


def test_an_error_of_a_datetime_comes_through() -> None:
    class Broken:
        def utctimetuple(self) -> Any:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cookie("a", expires=Broken())


def test_a_deleted_cookie_has_expired() -> None:
    response = Response()
    response.delete_cookie("a", path="/x", domain="d")
    response.delete_cookie("__Host-b")
    assert response.headers.getlist("set-cookie") == [
        f"a=; Max-Age=0; Expires={EPOCH}; Path=/x; Domain=d",
        f"__Host-b=; Max-Age=0; Expires={EPOCH}; Path=/; Secure",
    ]


def test_twenty_thousand_responses_leave_nothing_behind() -> None:
    def work(n: int) -> None:
        for _ in range(n):
            response = Response({"a": 1}, 201, {"x": "y"})
            response.set_cookie("a", "b", max_age=5)
            response.headers["x"] = "z"
            rupy.redirect("/x")
            with contextlib.suppress(ValueError):
                Response("", headers={"b": "1", "c": "\n"})

    work(500)
    gc.collect()
    before = sys.getallocatedblocks()
    work(20_000)
    gc.collect()
    assert sys.getallocatedblocks() - before < 500
