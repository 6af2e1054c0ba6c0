"""WSGI: start_response(), the iterable and its end; W12 to W28."""

from __future__ import annotations

import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from serving import Server, Servers, head_of, wait_for
from wsgi_answers import APP
from wsgi_story import MODES, closed


@pytest.fixture(scope="module", params=MODES)
def server(serve_module: Servers, request: pytest.FixtureRequest) -> Server:
    return serve_module(APP, *MODES[request.param])


def test_w12_start_response_is_called_by_position(server: Server) -> None:
    assert server.get("/raw_callable").text == "True"
    assert server.get("/raw_by_name").text == "by name"
    assert server.get("/raw_bad?()").text == "TypeError"
    assert server.get("/raw_bad?('200%20OK',[],None,1)").text == "TypeError"


BAD = [
    ("b'200 OK',[]", "TypeError", "a status is a str"),
    ("200,[]", "TypeError", "a status is a str"),
    ("'200',[]", "ValueError", "a status has a reason"),
    ("'OK',[]", "ValueError", "a status begins with digits"),
    ("'2000 OK',[]", "ValueError", "three digits"),
    ("'100 OK',[]", "ValueError", "not a final status"),
    ("'999 OK',[]", "ValueError", "beyond 599"),
    ("'200 O\\r\\nX: y',[]", "ValueError", "no control bytes"),
    ("'200 \\u20ac',[]", "ValueError", "latin-1"),
    ("'200 OK',()", "TypeError", "headers are a list"),
    ("'200 OK',None", "TypeError", "headers are a list"),
    ("'200 OK',[['a','b']]", "TypeError", "a header is a tuple"),
    ("'200 OK',[('a',)]", "TypeError", "of two"),
    ("'200 OK',[('a',1)]", "TypeError", "of str"),
    ("'200 OK',[(b'a',b'b')]", "TypeError", "of str"),
    ("'200 OK',[('a','\\u20ac')]", "ValueError", "latin-1"),
    ("'200 OK',[('a b','c')]", "ValueError", "a name is a token"),
    ("'200 OK',[('','c')]", "ValueError", "a name is not empty"),
    ("'200 OK',[('a','b\\nc')]", "ValueError", "no line feed"),
    ("'200 OK',[('a','b\\0c')]", "ValueError", "no NUL"),
    ("'200 OK',[('Connection','close')]", "ValueError", "hop-by-hop"),
    ("'200 OK',[('Upgrade','x')]", "ValueError", "hop-by-hop"),
    ("'200 OK',[('Content-Length','-1')]", "ValueError", "a number"),
    ("'200 OK',[('Content-Length','1')]*2", "ValueError", "once"),
    ("'200 OK',[],7", "TypeError", "exc_info is a tuple"),
]


@pytest.mark.parametrize("case", BAD, ids=[f"{c[2]} {c[0]}" for c in BAD])
def test_w13_what_start_response_refuses(
    server: Server, case: tuple[str, str, str]
) -> None:
    assert server.get(f"/raw_bad?({quote(case[0])})").text == case[1]


def test_w13_the_reason_is_the_applications(server: Server) -> None:
    answer = server.get("/raw_reason")
    assert (answer.status, answer.reason) == (404, "Gone Fishing")


def test_w14_start_response_may_come_late(server: Server) -> None:
    answer = server.get("/raw_generator")
    assert (answer.status, answer.text) == (201, "late")


@pytest.mark.parametrize("how", ["", "_list", "_at_all"])
def test_w14_but_not_never(server: Server, how: str) -> None:
    assert server.get(f"/raw_never{how}").status == 500
    assert "did not call start_response()" in server.stderr


def test_w15_a_second_call_needs_exc_info(server: Server) -> None:
    assert server.get("/raw_twice").text == "refused"
    answer = server.get("/replaced")
    assert (answer.status, answer.text) == (500, "replaced")
    assert answer.get("x-new") == "1"
    assert answer.get("x-old") is None


def test_w15_after_the_head_it_raises_again(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("GET", "/raw_replaced_late"))
        got = client.ends()
    assert b"begun" in got
    assert b"never" not in got
    assert not got.endswith(b"0\r\n\r\n")
    assert "LookupError: too late" in server.stderr


def test_w16_the_head_waits_for_content(server: Server) -> None:
    assert server.get("/raw_raise_started").status == 500


def test_w17_headers_are_those_of_the_moment_they_are_sent(
    server: Server,
) -> None:
    answer = server.get("/raw_changed")
    assert answer.get("x-a") is None
    assert answer.get("x-b") == "2"
    answer = server.get("/raw_changed_badly")
    assert answer.status == 500
    assert answer.get("x-c") is None


def test_w18_each_piece_is_sent_before_the_next(
    server: Server, tmp_path: Path
) -> None:
    with server.connect() as client:
        client.send(head_of("GET", f"/raw_steps?{tmp_path}/step"))
        assert client.head()[0] == 200
        pieces = client.chunks()
        for i in range(3):
            assert next(pieces) == b"step%d" % i
            assert not client.got
            (tmp_path / f"step-{i}").touch()
        assert not list(pieces)


@pytest.mark.parametrize("what", ["list", "str", "gen", "bytes", "int"])
def test_w18_content_is_bytes(server: Server, what: str) -> None:
    assert server.get(f"/raw_text?{what}").status == 500
    assert "TypeError: the application" in server.stderr


def test_w19_close_is_called_once(server: Server) -> None:
    assert server.get("/closes?whole").text == "ab"
    assert closed(server, "whole") == 1
    with server.connect() as client:
        client.send(head_of("GET", "/raw_closes?raises"))
        assert b"0\r\n\r\n" not in client.ends()
    assert closed(server, "raises") == 1
    assert server.get("/raw_closes?unstarted").status == 500
    assert closed(server, "unstarted") == 1
    with server.connect() as client:
        assert client.request("HEAD", "/raw_closes?head").status == 200
        assert closed(server, "head") == 1


def test_w19_also_when_the_client_goes(server: Server) -> None:
    for name in ("reset", "closed"):
        client = server.connect()
        client.send(head_of("GET", f"/endless?{name}"))
        assert client.head()[0] == 200
        if name == "reset":
            client.reset()
        else:
            client.close()
        wait_for(lambda n=name: closed(server, n) == 1, "close()")


def test_w19_an_exception_in_close_is_logged(server: Server) -> None:
    assert server.get("/raw_close_raises").text == "fine"
    server.wait_log("GET /raw_close_raises: unhandled exception in close()")


ONE_PIECE = ["/raw_lengths?one", "/raw_tuple", "/raw_sized"]


@pytest.mark.parametrize("path", ONE_PIECE)
def test_w20_one_piece_tells_the_length(server: Server, path: str) -> None:
    answer = server.get(path)
    assert answer.framing == "length"
    assert (answer.get("content-length"), answer.text) == ("5", "12345")


def test_w20_a_list_of_any_size_tells_it(server: Server) -> None:
    for name, text in (("none", ""), ("empty", ""), ("some", "12345")):
        answer = server.get(f"/raw_lengths?{name}")
        assert (answer.framing, answer.text) == ("length", text)
    assert server.get("/lengths?some").text == "12345"


def test_w21_never_more_than_content_length(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("GET", "/raw_long"))
        assert client.answer().text == "long"
        assert client.ends() == b""
    assert "longer than its Content-Length" in server.stderr


def test_w21_less_closes_the_connection(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("GET", "/raw_short"))
        assert client.ends().endswith(b"short")
    assert "shorter than its Content-Length" in server.stderr
    answer = server.get("/kept")
    assert (answer.get("content-length"), answer.text) == ("5", "12345")


def test_w22_write_goes_before_the_iterable(server: Server) -> None:
    answer = server.get("/written")
    assert answer.text == "written, again, returned"
    assert server.get("/raw_write_bad").text == "refused"


def test_w22_write_sends_at_once(server: Server, tmp_path: Path) -> None:
    with server.connect() as client:
        client.send(head_of("GET", f"/raw_write_waits?{tmp_path}/written"))
        assert client.head()[0] == 200
        pieces = client.chunks()
        assert next(pieces) == b"first"
        assert not client.got
        (tmp_path / "written").touch()
        assert list(pieces) == [b"second"]


def test_w22_much_is_written_to_a_client_that_is_slow(server: Server) -> None:
    want = b"".join(b"%05d" % i * 10_000 for i in range(200)) + b"end"
    with server.connect() as client:
        client.send(head_of("GET", "/raw_write_much"))
        assert client.head()[0] == 200
        assert client.is_quiet(0) or client.got
        assert b"".join(client.chunks()) == want


@pytest.mark.parametrize("path", ["/headless", "/hello", "/streamed"])
def test_w24_head(server: Server, path: str) -> None:
    with server.connect() as client:
        for _ in range(2):
            answer = client.request("HEAD", path)
            assert (answer.status, answer.body) == (200, b"")
        if path == "/headless":
            assert answer.get("content-length") == "4096"
            assert closed(server, "headless") > 0
        # Nothing stands between that answer and the next.
        assert client.get("/hello").text == "hello"


def test_w25_framing_is_the_servers(server: Server) -> None:
    answer = server.get("/streamed")
    assert (answer.framing, answer.text) == ("chunked", "part0 part1 part2 ")
    with server.connect() as client:
        answer = client.request("GET", "/streamed", version="1.0")
    assert (answer.framing, answer.text) == ("close", "part0 part1 part2 ")
    assert server.get("/raw_framing").status == 500


def test_w26_an_exception_before_the_head_is_500(server: Server) -> None:
    for path in ("/raw_raise", "/raw_raise_started"):
        with server.connect() as client:
            answer = client.get(path)
            assert answer.status == 500
            assert b"Traceback" not in answer.body
            assert client.get("/hello").text == "hello"
        assert f"GET {path}: unhandled exception in the WSGI" in server.stderr
    assert "ValueError: raised in the application" in server.stderr
    assert server.get("/raw_exit").status == 500


def test_w26_one_after_it_cuts_the_answer(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("GET", "/raw_raise_late"))
        got = client.ends()
    assert b"begun" in got
    assert not got.endswith(b"0\r\n\r\n")


def test_w27_kinds_of_applications(server: Server) -> None:
    assert server.get("/raw_class").text == "instance"
    assert server.get("/raw_text?none").status == 500
    assert "the application returned NoneType" in server.stderr


def test_w28_a_request_is_in_one_thread(server: Server) -> None:
    names = set()

    def use() -> None:
        with server.connect() as client:
            for _ in range(10):
                name, ident = client.get("/threads").text.split()
                names.add((name, ident))

    users = [threading.Thread(target=use) for _ in range(8)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert "AssertionError" not in "".join(
        line
        for line in server.stderr.splitlines()
        if "/threads" in line or "get_ident" in line
    )
    assert closed(server, "threads") == 80
    if "--threads" in server.process.args:
        assert {name for name, _ in names} <= {
            f"rupy-pool-{i}" for i in range(3)
        }
        assert len(names) <= 3
    else:
        assert len(names) == 1


def test_write_behind_an_answer_that_is_complete_is_cut_off(
    serve: Servers,
) -> None:
    server = serve(
        "class One:\n"
        "    def __init__(self, write):\n"
        "        self.write = write\n"
        "    def __len__(self):\n"
        "        return 1\n"
        "    def __iter__(self):\n"
        "        yield b'one'\n"
        "        self.write(b'two')\n"
        "def app(environ, start_response):\n"
        "    return One(start_response('200 OK', []))\n"
    )
    with server.connect() as client:
        for _ in range(3):
            assert client.get("/").text == "one"
