"""What ASGI offers beyond the common messages (ASGI extensions).

A test is named by the line of the list of requirements that it is about.
"""

from __future__ import annotations

import pytest
from asgi_said import scope_of, serve_story, wait_event
from serving import Server, Servers, head_of

FILE = b"0123456789" * 10


def test_f1_pathsend(story: Server) -> None:
    with story.connect() as client:
        for _ in range(3):
            answer = client.get("/pathsend")
            assert (answer.body, answer.framing) == (FILE, "length")
            assert answer.get("content-type") == "text/plain"
        assert client.request("HEAD", "/pathsend").get("content-length") == (
            "100"
        )
        answer = client.get("/pathsend_length?100")
        assert answer.body == FILE
        assert client.get("/pathsend_mixed").text == (
            "somehttp.response.pathsend where more of the body is due"
        )


@pytest.mark.parametrize(
    "path", ["/pathsend_missing", "/pathsend_folder", "/pathsend_length?99"]
)
def test_f1_pathsend_that_fails_is_500(story: Server, path: str) -> None:
    with story.connect() as client:
        assert client.get(path).status == 500
        assert client.get("/task").status == 200


def test_f1_pathsend_that_is_short_closes(story: Server) -> None:
    with story.connect() as client:
        client.send(head_of("GET", "/pathsend_length?101"))
        assert client.ends().endswith(FILE)


def test_f2_zerocopysend(story: Server) -> None:
    with story.connect() as client:
        answer = client.get("/zerocopy")
        assert (answer.text, answer.framing) == (
            *("56789-012-12-56789.", "chunked"),
        )
        answer = client.get("/zerocopy_rest")
        assert (answer.body, answer.framing) == (FILE, "length")


def test_f3_trailers(story: Server) -> None:
    with story.connect() as client:
        te = {"TE": "trailers", "Connection": "TE"}
        answer = client.request("GET", "/x", te)
        assert "http.response.trailers" in scope_of(answer)["extensions"]
        client.send(head_of("GET", "/trailers", te))
        client.head()
        got = client._until(b"\r\n\r\n")
        assert got == b"4\r\nsome\r\n5\r\nthing\r\n0\r\nx-sum: 1\r\nx-b: 2"
        # Nobody asked for them: they are dropped.
        answer = client.get("/trailers")
        assert answer.text == "something"
        assert client.get("/task").status == 200
    wait_event(story, "trailers sent")


def test_f4_early_hints(serve: Servers) -> None:
    server = serve_story(serve, "--early-hints")
    with server.connect() as client:
        answer = client.get("/hints")
        assert (answer.text, answer.interim) == ("True", [103, 103])
        answer = client.request("GET", "/hints", version="1.0")
        assert (answer.text, answer.interim) == ("False", [])


def test_f4_early_hints_are_off(story: Server) -> None:
    answer = story.get("/hints")
    assert (answer.text, answer.interim) == ("False", [])


def test_f5_f6_f7_f8_are_for_others(serve: Servers) -> None:
    """Push is HTTP/2's, debug a test client's, a denial a WebSocket's, and
    tls is for connections that have it: behind a proxy it is not ours."""
    server = serve_story(
        serve, "--early-hints", "--forwarded-allow-ips", "127.0.0.1"
    )
    headers = {"TE": "trailers", "X-Forwarded-Proto": "https"}
    scope = scope_of(server.get("/x", **headers))
    assert scope["scheme"] == "https"
    assert set(scope["extensions"]) == {
        "http.response.pathsend",
        "http.response.zerocopysend",
        "http.response.trailers",
        "http.response.early_hint",
    }
