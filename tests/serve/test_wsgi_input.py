"""wsgi.input and wsgi.errors: W8 to W11."""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path

import pytest
from serving import Server, Servers, head_of, wait_for
from wsgi_story import FRAME, MODES, value

APP = (
    FRAME
    + r"""
import hashlib
import time

def reads(environ, start_response):
    "By the steps in the query: r5 read(5), l readline(), L9 readlines(9) ..."
    source, said = environ["wsgi.input"], []
    calls = {"r": source.read, "l": source.readline, "L": source.readlines}
    for step in environ["QUERY_STRING"].split(","):
        said.append(calls[step[0]](*map(int, filter(None, [step[1:]]))))
    return say(start_response, said)

raw_reads = reads

def lines(environ, start_response):
    return say(start_response, list(environ["wsgi.input"]))

def digest(environ, start_response):
    total, n = hashlib.sha256(), 0
    while data := environ["wsgi.input"].read(10007):
        total.update(data)
        n += len(data)
    return say(start_response, (n, total.hexdigest()))

def unread(environ, start_response):
    return say(start_response, "unread")

def length(environ, start_response):
    "As PEP 3333 has it: what CONTENT_LENGTH says and no more."
    said = environ.get("CONTENT_LENGTH")
    data = environ["wsgi.input"].read(int(said or 0))
    return say(start_response, (said, hashlib.sha256(data).hexdigest()))

def raw_disconnect(environ, start_response):
    log.append("started")
    try:
        while environ["wsgi.input"].read(10):
            log.append("read")
        log.append("end")
    except OSError as error:
        log.append(f"OSError {type(error).__name__}")
        raise
    return say(start_response, "complete")

def get_log(environ, start_response):
    return say(start_response, log)

def busy(environ, start_response):
    "Seconds of CPU time that the worker has used."
    return say(start_response, time.process_time())

def switches(environ, start_response):
    "How often this thread has waited."
    with open("/proc/thread-self/status") as status:
        words = status.read().split()
    name = "voluntary_ctxt_switches:"
    return say(start_response, int(words[words.index(name) + 1]))

def errors(environ, start_response):
    out = environ["wsgi.errors"]
    out.write("one line\nanother é\u20ac\n")
    out.writelines(["three\n", "fo", "ur\n"])
    out.write("without an end")
    out.flush()
    print("printed \x1b[31m", file=out)
    return say(start_response, "written")

def spools(environ, start_response):
    "How many unnamed files are open, and what is in memory."
    links = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            pass
    return say(start_response, sum("(deleted)" in x for x in links))
"""
)


@pytest.fixture(scope="module", params=MODES)
def server(serve_module: Servers, request: pytest.FixtureRequest) -> Server:
    return serve_module(APP, *MODES[request.param], "--body-timeout", "30s")


TEXT = b"first\nsecond\n\nfourth without an end"
CALLS = [
    ("r5,r1,r100,r1", [b"first", b"\n", TEXT[6:], b""], "to the end"),
    ("r0,r-1,r-1", [b"", TEXT, b""], "0 is nothing, below it is all"),
    ("l,l,l,l,l", [*TEXT.splitlines(True), b""], "line by line"),
    ("l3,l,r2,l", [b"fir", b"st\n", b"se", b"cond\n"], "mixed"),
    ("L", [TEXT.splitlines(True)], "all lines"),
    ("L1,L8,L", [[b"first\n"], [b"second\n", b"\n"], [TEXT[14:]]], "hints"),
    ("L0", [TEXT.splitlines(True)], "no hint"),
    ("r40,l,L", [TEXT, b"", []], "behind the end"),
]


def chunked(data: bytes, size: int = 4) -> bytes:
    parts = [data[i : i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in [*parts, b""])


CODED = {"Transfer-Encoding": "chunked"}


@pytest.mark.parametrize("calls", CALLS, ids=[call[2] for call in CALLS])
def test_w8_reading(server: Server, calls: tuple[str, object, str]) -> None:
    path = f"/reads?{calls[0]}"
    with server.connect() as client:
        answer = client.post(path, TEXT)
        assert value(answer.text) == calls[1]
        client.send(head_of("POST", path, CODED) + chunked(TEXT))
        assert value(client.answer().text) == calls[1]
        # Slowly, byte by byte.
        client.send(head_of("POST", path, body=TEXT))
        client.send_in_bytes(TEXT)
        assert value(client.answer().text) == calls[1]
        # What stands behind the content is the next request.
        client.send(
            head_of("POST", path, body=TEXT) + TEXT + head_of("GET", "/unread")
        )
        assert value(client.answer().text) == calls[1]
        assert client.answer().text == "'unread'"


def test_w8_read_without_a_size(server: Server) -> None:
    answer = server.post("/raw_reads?r,r", TEXT)
    assert value(answer.text) == [TEXT, b""]


def test_w8_iteration(server: Server) -> None:
    assert value(server.post("/lines", TEXT).text) == TEXT.splitlines(True)


def test_w8_no_content(server: Server) -> None:
    with server.connect() as client:
        for body in (None, b""):
            answer = client.request("POST", "/raw_reads?r,l,L,r5", body=body)
            assert value(answer.text) == [b"", b"", [], b""]
        client.send(head_of("POST", "/raw_reads?r", CODED) + chunked(b""))
        assert value(client.answer().text) == [b""]


BIG = os.urandom(3_000_000)


@pytest.mark.parametrize("coded", [False, True], ids=["length", "chunked"])
def test_w8_much_content(server: Server, coded: bool) -> None:
    with server.connect() as client:
        if coded:
            client.send(head_of("POST", "/digest", CODED))
            client.send(chunked(BIG, 50_000))
        else:
            client.send(head_of("POST", "/digest", body=BIG) + BIG)
        n, digest = value(client.answer().text)
        assert (n, digest) == (len(BIG), hashlib.sha256(BIG).hexdigest())
        assert client.get("/spools").text == "0"


@pytest.mark.parametrize("size", [0, 1, 30, 200_000, len(BIG)])
def test_w8_content_in_chunks_has_a_length(server: Server, size: int) -> None:
    body, coded = BIG[:size], chunked(BIG[:size], 20_000)
    want = (str(size), hashlib.sha256(body).hexdigest())
    with server.connect() as client:
        client.send(head_of("POST", "/length", CODED) + coded)
        assert value(client.answer().text) == want
        # Slowly: the length does not depend on the packets.
        client.send(head_of("POST", "/length", CODED))
        client.send_in_bytes(coded[:30])
        client.send(coded[30:])
        assert value(client.answer().text) == want
        assert value(client.get("/length").text)[0] is None


def test_w8_chunks_that_do_not_end_never_reach_it(serve: Servers) -> None:
    for options in MODES.values():
        server = serve(APP, *options, "--body-timeout", "500ms")
        with server.connect() as client:
            client.send(head_of("POST", "/raw_disconnect", CODED))
            client.send(b"2\r\nab\r\n")
            assert client.answer().status == 408
        with server.connect() as client:
            client.send(head_of("POST", "/raw_disconnect", CODED))
            client.send(b"2\r\nab\r\n")
            client.shutdown()
            assert client.answer().status == 400
        client = server.connect()
        client.send(head_of("POST", "/raw_disconnect", CODED))
        client.send(b"2\r\nab\r\n")
        client.reset()
        assert value(server.get("/get_log").text) == []


def test_w8_lines_of_a_spooled_content(server: Server) -> None:
    text = b"".join(b"%d\n" % i for i in range(60_000))
    assert value(server.post("/lines", text).text) == text.splitlines(True)


def test_w8_content_that_nobody_reads(server: Server) -> None:
    with server.connect() as client:
        for body in (b"x", b"x" * 60_000):
            answer = client.post("/unread", body)
            assert answer.text == "'unread'"
        assert client.get("/unread").status == 200


def test_w8_what_the_loop_cannot_wait_for_is_in_a_file(
    serve: Servers, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    server = serve(APP, "--body-buffer", "4k", env={"TMPDIR": str(folder)})
    with server.connect() as client:
        client.send(head_of("POST", "/digest", body=b"x" * 20_000))
        client.send(b"x" * 10_000)
        wait_for(lambda: server.get("/spools").text == "1", "a spool")
        client.send(b"x" * 10_000)
        answer = value(client.answer().text)
        assert answer[1] == hashlib.sha256(b"x" * 20_000).hexdigest()
    assert server.get("/spools").text == "0"
    assert not list(folder.iterdir())


def test_w8_no_room_for_content_is_503(serve: Servers) -> None:
    server = serve(APP, env={"TMPDIR": "/proc"})
    assert server.post("/digest", BIG[:200_000]).status == 503
    assert "no room for content" in server.stderr
    assert server.get("/unread").status == 200


def test_w9_a_client_that_goes_is_an_oserror(serve: Servers) -> None:
    server = serve(APP, "--threads", "2")
    for reset in (True, False):
        client = server.connect()
        client.send(head_of("POST", "/raw_disconnect", body=b"x" * 100))
        client.send(b"x" * 25)
        wait_for(lambda: "'read'" in server.get("/get_log").text, "reading")
        if reset:
            client.reset()
        else:
            client.close()
        what = "OSError ConnectionResetError"
        wait_for(lambda w=what: w in server.get("/get_log").text, what)
    log = value(server.get("/get_log").text)
    assert log.count(what) == 2
    assert "end" not in log
    # Its own fault, not the application's.
    assert "Traceback" not in server.stderr


def test_w9_a_half_closed_client_is_told(serve: Servers) -> None:
    server = serve(APP, "--threads", "2")
    with server.connect() as client:
        client.send(head_of("POST", "/raw_disconnect", body=b"x" * 100))
        client.send(b"x" * 25)
        client.shutdown()
        assert client.answer().status == 400
    assert "OSError" in server.get("/get_log").text


def test_w9_inline_the_application_is_not_called(serve: Servers) -> None:
    server = serve(APP)
    with server.connect() as client:
        client.send(head_of("POST", "/raw_disconnect", body=b"x" * 100))
        client.send(b"x" * 25)
        client.shutdown()
        assert client.answer().status == 400
    assert value(server.get("/get_log").text) == []


@pytest.mark.parametrize("come", [0, 10, 25, 99])
def test_w9_slow_content_is_408(serve: Servers, come: int) -> None:
    """Whatever is there already of what the application wants to read."""
    for options in MODES.values():
        server = serve(APP, *options, "--body-timeout", "500ms")
        before = value(server.get("/busy").text)
        with server.connect() as client:
            client.send(head_of("POST", "/raw_disconnect", body=b"x" * 100))
            client.send(b"x" * come)
            assert client.answer().status == 408
        assert value(server.get("/busy").text) - before < 0.25


def test_w9_a_thread_is_woken_for_what_it_asked(serve: Servers) -> None:
    """Not for each piece of it: that takes the GIL from all others."""
    server = serve(APP, "--threads", "1")
    before = value(server.get("/switches").text)
    with server.connect() as client:
        client.send(head_of("POST", "/raw_reads?r", body=b"x" * 200))
        for _ in range(100):
            client.send(b"xx")
            time.sleep(0.005)
        assert value(client.answer().text) == [b"x" * 200]
    assert value(server.get("/switches").text) - before < 50


def test_w10_errors_go_to_the_log(server: Server) -> None:
    assert server.get("/errors").status == 200
    for line in (
        "one line",
        "another é€",
        "three",
        "four",
        "without an end",
        "printed \\x1b[31m",
    ):
        found = re.search(
            rf"^.* \[error\] .*{re.escape(line)}$", server.stderr, re.M
        )
        assert found, line


def test_w11_100_is_sent_when_content_is_read(server: Server) -> None:
    expects = {"Expect": "100-continue"}
    with server.connect() as client:
        client.send(head_of("POST", "/reads?r5", expects, b"12345"))
        assert client._until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        client.send(b"12345")
        assert value(client.answer().text) == [b"12345"]


def test_w11_and_not_when_it_is_not(serve: Servers) -> None:
    server = serve(APP, "--threads", "1")
    with server.connect() as client:
        client.send(
            head_of("POST", "/unread", {"Expect": "100-continue"}, b"12345")
        )
        answer = client.answer()
        assert (answer.status, answer.interim) == (200, [])
        assert answer.get("connection") == "close"
