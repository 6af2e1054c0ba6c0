"""rupy.testing.TestClient: requests, answers, cookies, redirections."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from tested_app import new_app

from rupy.testing import ProtocolError, TestClient, TooManyRedirects


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(new_app()) as client:
        yield client


@pytest.fixture
def fresh(client: TestClient) -> TestClient:
    """Without cookies of other tests."""
    client.cookies.clear()
    return client


# ---- what is sent ----


@pytest.mark.parametrize(
    "method", ["get", "post", "put", "patch", "delete", "options"]
)
def test_every_method_has_a_call(client: TestClient, method: str) -> None:
    answer = getattr(client, method)("/echo")
    assert answer.status == 200
    assert answer.json()["method"] == method.upper()
    assert client.request(method, "/echo").json()["method"] == method.upper()


def test_head_has_no_body(client: TestClient) -> None:
    answer = client.head("/echo")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    ("how", "body", "kind"),
    [
        ({"json": {"ä": [1, None]}}, '{"ä":[1,null]}', "application/json"),
        ({"json": None}, "null", "application/json"),
        (
            {"data": {"a": "1 2", "b": ["x", "y&"], "none": None}},
            "a=1+2&b=x&b=y%26",
            "application/x-www-form-urlencoded",
        ),
        ({"content": b"\x00\xff"}, "\x00\xff", None),
        ({"content": "text"}, "text", "text/plain; charset=utf-8"),
        ({"content": iter([b"a", b"", b"bc"])}, "abc", None),
        ({"content": bytearray(b"array")}, "array", None),
    ],
)
def test_content_is_sent_as_its_argument_says(
    client: TestClient, how: Any, body: str, kind: str | None
) -> None:
    said = client.post("/echo", **how).json()
    assert said["body"].encode("latin-1") == (
        body.encode() if "ä" in body else body.encode("latin-1")
    )
    assert said["headers"].get("content-type") == kind


def test_two_kinds_of_content_are_refused(client: TestClient) -> None:
    with pytest.raises(ValueError, match="one of content"):
        client.post("/echo", json=1, data={"a": "b"})
    with pytest.raises(ValueError, match="use content"):
        client.post("/echo", data=b"bytes")  # type: ignore[arg-type]


def test_files_are_multipart(client: TestClient) -> None:
    said = client.post(
        "/echo",
        data={"title": "Ä"},
        files=[
            ("a", ("a.txt", b"one")),
            ("a", ('"b".bin', io.BytesIO(b"two"), "image/png")),
            ("c", "three"),
        ],
    ).json()
    kind = said["headers"]["content-type"]
    mark = kind.removeprefix("multipart/form-data; boundary=")
    body = said["body"].encode("latin-1").decode()
    parts = body.split(f"--{mark}")
    assert parts[0] == "" and parts[-1] == "--\r\n"
    assert parts[1:-1] == [
        '\r\nContent-Disposition: form-data; name="title"\r\n\r\nÄ\r\n',
        '\r\nContent-Disposition: form-data; name="a"; filename="a.txt"\r\n'
        "Content-Type: text/plain\r\n\r\none\r\n",
        '\r\nContent-Disposition: form-data; name="a";'
        ' filename="%22b%22.bin"\r\n'
        "Content-Type: image/png\r\n\r\ntwo\r\n",
        '\r\nContent-Disposition: form-data; name="c"; filename="c"\r\n'
        "Content-Type: application/octet-stream\r\n\r\nthree\r\n",
    ]


def test_parameters_are_encoded_and_added(client: TestClient) -> None:
    said = client.get("/echo?a=1", params={"b": "ä &", "c": [1, True]}).json()
    assert said["query"] == [
        ["a", "1"],
        ["b", "ä &"],
        ["c", "1"],
        ["c", "true"],
    ]
    assert said["url"].startswith("http://testserver/echo?a=1&")


def test_dot_segments_reach_the_server(client: TestClient) -> None:
    answer = client.get("/x/../echo")
    assert answer.status in (200, 400, 404)
    assert answer.url == "http://testserver/x/../echo"


def test_headers_are_those_of_the_client_and_of_the_call() -> None:
    with TestClient(new_app(), headers={"x-a": "1", "x-b": "1"}) as client:
        said = client.get("/echo", headers={"X-B": "2", "host": "other"}).json()
    assert said["headers"]["x-a"] == "1"
    assert said["headers"]["X-B"] == "2"
    assert said["headers"]["host"] == "other"
    assert "x-b" not in said["headers"]


def test_a_line_break_in_a_header_is_refused(client: TestClient) -> None:
    with pytest.raises(ValueError, match=r"line break|header"):
        client.get("/echo", headers={"x-a": "1\r\nx-b: 2"})


def test_the_client_and_the_scheme_are_those_that_were_said() -> None:
    with TestClient(
        new_app(), base_url="https://example.com", client=("192.0.2.7", 7)
    ) as client:
        said = client.get("/echo").json()
    assert said["client"] == ["192.0.2.7", 7]
    with TestClient(new_app(), base_url="https://example.com") as client:
        assert client.get("/echo").json()["url"] == "https://example.com/echo"


# ---- what comes back ----


def test_an_answer_has_its_parts(client: TestClient) -> None:
    answer = client.get("/latin")
    assert answer.text == "ä"
    assert answer.reason == "OK"
    assert answer.http_version == "1.1"
    assert answer.headers["CONTENT-TYPE"] == answer.content_type
    assert answer.url == "http://testserver/latin"
    assert answer.history == []


def test_a_file_is_sent_whole(client: TestClient) -> None:
    assert client.get("/file").text.startswith('"""An application')
    part = client.get("/file", headers={"range": "bytes=3-4"})
    assert (part.status, part.body) == (206, b"An")


def test_a_big_body_goes_both_ways(client: TestClient) -> None:
    big = b"x" * (3 << 20)
    with TestClient(new_app(), limit_request_body="10m") as client:
        assert len(client.post("/echo", content=big).json()["body"]) == len(big)
    with TestClient(new_app(), limit_request_body="1m") as client:
        assert client.post("/echo", content=big).status == 413


# ---- cookies ----


def test_cookies_are_kept_and_sent(fresh: TestClient) -> None:
    answer = fresh.get("/set/a/1")
    assert answer.cookies == {"a": "1"}
    assert dict(fresh.cookies) == {"a": "1"}
    assert fresh.get("/echo").json()["cookies"] == {"a": "1"}
    said = fresh.get("/echo", cookies={"b": "2"}).json()
    assert said["cookies"] == {"a": "1", "b": "2"}
    assert fresh.get("/echo").json()["cookies"] == {"a": "1"}
    fresh.get("/delete/a")
    assert fresh.get("/echo").json()["cookies"] == {}


def test_cookies_are_set_by_the_test(fresh: TestClient) -> None:
    fresh.cookies["a"] = "mine"
    assert fresh.get("/echo").json()["cookies"] == {"a": "mine"}
    fresh.get("/set/a/theirs")
    assert fresh.get("/echo").json()["cookies"] == {"a": "theirs"}
    del fresh.cookies["a"]
    assert fresh.get("/echo").json()["cookies"] == {}
    with pytest.raises(KeyError):
        del fresh.cookies["a"]


def test_secure_cookies_go_over_https_only(fresh: TestClient) -> None:
    fresh.get("/secure")
    assert fresh.get("/echo").json()["cookies"] == {}
    with TestClient(new_app(), base_url="https://testserver") as client:
        client.get("/secure")
        assert client.get("/echo").json()["cookies"] == {"s": "1"}


# ---- redirections ----


def test_redirections_are_followed_when_asked_for(client: TestClient) -> None:
    assert client.get("/to/2").status == 303
    answer = client.get("/to/2", follow_redirects=True)
    assert answer.status == 200
    assert answer.url == "http://testserver/echo"
    assert [r.status for r in answer.history] == [303, 303, 303]
    assert [r.url[-5:] for r in answer.history] == ["/to/2", "/to/1", "/to/0"]


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [
        (301, "GET", ""),
        (303, "GET", ""),
        (307, "POST", "x"),
        (308, "POST", "x"),
    ],
)
def test_the_method_after_a_redirection(
    client: TestClient, status: int, method: str, body: str
) -> None:
    said = client.post(
        f"/moved/{status}", content="x", follow_redirects=True
    ).json()
    assert (said["method"], said["body"]) == (method, body)
    assert ("content-type" in said["headers"]) == bool(body)


def test_redirections_end(client: TestClient) -> None:
    with pytest.raises(TooManyRedirects, match="/forever"):
        client.get("/forever", follow_redirects=True)
    with pytest.raises(ProtocolError, match="another host"):
        client.get("/away", follow_redirects=True)
