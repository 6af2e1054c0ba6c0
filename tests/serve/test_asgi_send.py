"""What send() takes (ASGI HTTP, "Response Start" and "Response Body").

A test is named by the line of the list of requirements that it is about.
"""

from __future__ import annotations

from asgi_said import said, scope_of, serve_story, wait_event
from serving import Server, Servers, head_of, wait_for


def test_d2_fields_in_order(story: Server) -> None:
    answer = story.get("/order")
    assert answer.headers[:4] == [
        *(("set-cookie", "0"), ("x-a", "1")),
        *(("set-cookie", "2"), ("x-b", "3")),
    ]


def test_d2_lenient(story: Server) -> None:
    answer = story.get("/lenient")
    assert answer.body == b"bytearray"
    assert answer.get("x-upper") == "a"
    assert answer.get("set-cookie") == "a=1"


def test_d1_defaults(story: Server) -> None:
    assert story.get("/default").status == 204


def test_d3_the_start_is_kept_until_the_body(story: Server) -> None:
    """So that what fails in between is still a 500, and a whole answer has
    its length."""
    with story.connect() as client:
        client.send(head_of("GET", "/slow_start"))
        wait_event(story, "slow_start")
        assert client.is_quiet(0.05)
        story.get("/go")
        answer = client.answer()
        assert (answer.text, answer.framing) == ("body", "length")
        answer = client.get("/raise_started")
        assert (answer.status, answer.get("x")) == (500, None)


def test_d4_pieces_are_sent_at_once(serve: Servers) -> None:
    server = serve_story(serve)
    with server.connect() as client:
        client.send(head_of("GET", "/step"))
        assert client.head()[0] == 200
        chunks = client.chunks()
        assert next(chunks) == b"one"
        server.get("/go")
        assert list(chunks) == [b"two"]


def test_d5_send_waits_for_a_slow_client(story: Server) -> None:
    client = story.connect()
    client.send(head_of("GET", "/flood"))
    assert client.head()[0] == 200
    counts: list[int] = []

    def stands() -> bool:
        counts.append(int(story.get("/sent").text))
        return len(counts) > 20 and len(set(counts[-20:])) == 1

    wait_for(stands, "it does not send any more")
    assert 0 < counts[-1] < 32 << 20
    assert sum(len(chunk) for chunk in client.chunks()) == 64 << 20


def test_d5_a_send_that_waits_hears_of_the_end(story: Server) -> None:
    client = story.connect()
    client.send(head_of("GET", "/flood"))
    assert client.head()[0] == 200
    client.reset()
    wait_event(story, "flood over")
    assert "/flood: unhandled" not in story.stderr


def test_d6_framing(story: Server) -> None:
    with story.connect() as client:
        answer = client.get("/stream")
        assert (answer.text, answer.framing) == (
            *("part0 part1 part2 ", "chunked"),
        )
        answer = client.get("/declared")
        assert (answer.text, answer.framing) == ("1234567890", "length")
        answer = client.get("/framing")
        assert (answer.text, answer.framing) == ("framed", "length")
        assert answer.get("upgrade") is None
        assert answer.get("keep-alive") is None
        answer = client.request("GET", "/stream", version="1.0")
        assert (answer.text, answer.framing) == (
            *("part0 part1 part2 ", "close"),
        )


def test_d7_head(story: Server) -> None:
    with story.connect() as client:
        for path in ("/stream", "/declared", "/big", "/order", "/pathsend"):
            answer = client.request("HEAD", path)
            assert answer.status == 200
            assert answer.body == b""
        assert client.request("HEAD", "/declared").get("content-length") == (
            "10"
        )
        assert client.request("HEAD", "/order").get("content-length") is None
        assert client.get("/task").status == 200


def test_d8_server_and_date_once(story: Server) -> None:
    answer = story.get("/framing")
    assert len(answer.get_all("date")) == 1
    assert answer.get("date") != "x"
    assert answer.get_all("server") == ["mine"]


def test_d9_wrong_order_and_types(story: Server) -> None:
    assert said(story, "/wrong_order") == {
        "body before start": "RuntimeError",
        "status of str": "TypeError",
        "no status": "TypeError",
        "headers of str": "TypeError",
        "second start": "RuntimeError",
    }


def test_d10_too_long_is_an_error_of_send(story: Server) -> None:
    with story.connect() as client:
        answer = client.get("/long")
        assert answer.body == b"long"
        assert client.get("/too_long").status == 500
    wait_event(story, "too long")
    story.wait_log("longer than its content-length")


def test_d10_too_short_closes(story: Server) -> None:
    with story.connect() as client:
        client.send(head_of("GET", "/short"))
        assert client.ends().endswith(b"short")


def test_d11_close(story: Server) -> None:
    with story.connect() as client:
        answer = client.get("/close")
        assert answer.get("connection") == "close"
        assert client.ends() == b""


def test_d4_big_answers(story: Server) -> None:
    with story.connect() as client:
        client.send(head_of("GET", "/big") * 5)
        for _ in range(5):
            assert len(client.answer().body) == 1 << 20


def test_d6_an_upgrade_that_is_not_wanted_is_ignored(story: Server) -> None:
    with story.connect() as client:
        answer = client.get("/x", Connection="Upgrade", Upgrade="h2c")
        assert scope_of(answer)["type"] == "http"
