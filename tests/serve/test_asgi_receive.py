"""What receive() gives (ASGI HTTP, "Request" and "Disconnect").

A test is named by the line of the list of requirements that it is about.
"""

from __future__ import annotations

import ast

import pytest
from asgi_said import said, serve_story, wait_event
from serving import Server, Servers, head_of


def test_c1_no_content_is_one_message(story: Server) -> None:
    message = {"type": "http.request", "body": b"", "more_body": False}
    assert said(story, "/messages") == [message]
    assert ast.literal_eval(story.post("/messages", b"").text) == [message]


def test_c1_content(story: Server) -> None:
    with story.connect() as client:
        for _ in range(3):
            assert client.post("/echo", b"content").body == b"content"
            assert client.get("/echo").body == b""


def test_c2_chunks_are_not_seen(story: Server) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    with story.connect() as client:
        client.send(head + b"\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nx: y\r\n\r\n")
        assert client.answer().body == b"abcde"
        client.send_in_bytes(head + b"\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        assert client.answer().body == b"abcde"


def test_c3_after_the_answer_comes_the_disconnect(story: Server) -> None:
    with story.connect() as client:
        assert client.get("/disconnect_after_answer").text == "done"
        gone = {"type": "http.disconnect"}
        wait_event(story, [gone, gone])


def test_c3_after_the_content_it_waits(story: Server) -> None:
    assert said(story, "/timeouts")[:2] == ["http.request", "wait_for"]


def test_c4_a_client_that_goes_before_the_answer(story: Server) -> None:
    client = story.connect()
    client.send(head_of("GET", "/disconnect_before"))
    wait_event(story, "waits")
    client.close()
    gone = {"type": "http.disconnect"}
    wait_event(story, ["before", gone, gone])


@pytest.mark.parametrize("how", ["close", "reset"])
def test_c4_a_client_that_goes_during_the_answer(
    story: Server, how: str
) -> None:
    client = story.connect()
    client.send(head_of("GET", f"/disconnect_during?{how}"))
    assert client.head()[0] == 200
    assert next(client.chunks()) == b"begun"
    getattr(client, how)()
    gone = {"type": "http.disconnect"}
    wait_event(story, ["during", how, gone, gone])


def test_c4_content_that_breaks_off_is_a_disconnect(story: Server) -> None:
    client = story.connect()
    client.send(head_of("POST", "/upload", body=b"x" * 1000) + b"x" * 500)
    client.shutdown()
    assert ast.literal_eval(client.answer().text) == [
        *(500, 500, "http.disconnect")
    ]


@pytest.mark.parametrize("path", ["/cut_upload", "/cut_upload?raise"])
def test_c4_giving_up_with_the_client_is_no_error(
    story: Server, path: str
) -> None:
    client = story.connect()
    client.send(head_of("POST", path, body=b"x" * 1000) + b"x" * 500)
    client.shutdown()
    assert client.answer().status == 400
    assert "/cut_upload" not in story.stderr


def test_c5_content_comes_as_it_is_taken(story: Server) -> None:
    size = 64 << 20
    client = story.connect(timeout=60)
    client.send(head_of("POST", "/slow_upload", {"content-length": str(size)}))
    client.sock.setblocking(False)
    taken = 0
    try:
        while taken < size:
            taken += client.sock.send(b"x" * (1 << 20))
    except BlockingIOError:
        pass
    client.sock.settimeout(60)
    assert taken < size // 2
    assert story.get("/go").status == 200
    client.send(b"x" * (size - taken))
    total, largest = ast.literal_eval(client.answer().text)
    assert total == size
    assert largest <= 1 << 20


def test_c6_100_only_when_content_is_asked_for(story: Server) -> None:
    expect = {"expect": "100-continue"}
    with story.connect() as client:
        client.send(head_of("POST", "/echo", expect, b"abc"))
        got = client._until(b"\r\n\r\n")
        assert got == b"HTTP/1.1 100 Continue"
        client.send(b"abc")
        assert client.answer().body == b"abc"
    with story.connect() as client:
        client.send(head_of("POST", "/ignore_body", expect, b"abc"))
        answer = client.answer()
        assert (answer.text, answer.interim) == ("ignored", [])
        assert answer.get("connection") == "close"


def test_c5_content_nobody_reads(story: Server) -> None:
    with story.connect() as client:
        assert client.post("/ignore_body", b"x" * 9000).text == "ignored"
        assert client.get("/task").status == 200


def test_c3_a_cancelled_receive_loses_nothing(story: Server) -> None:
    path = "/cancelled_receive_loses_nothing"
    assert story.post(path, b"x" * 100).body == b"x" * 100


def test_c2_content_over_the_limit_is_413(serve: Servers) -> None:
    server = serve_story(serve, "--limit-body", "1k")
    assert server.post("/echo", b"x" * 1024).status == 200
    assert server.post("/echo", b"x" * 1025).status == 413
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    with server.connect() as client:
        client.send(head + b"\r\n401\r\n" + b"x" * 1025 + b"\r\n0\r\n\r\n")
        assert client.answer().status == 413
    assert "unhandled" not in server.stderr
