"""WSGI: files, threads, contexts, early hints and detection; W23, W29."""

from __future__ import annotations

import time

import pytest
from serving import CHECKOUT, Client, Server, Servers, head_of, wait_for
from wsgi_story import FRAME, MODES, closed, value

APP = (
    FRAME
    + r"""
import asyncio
import contextvars
import gzip
import io
import tempfile

variable = contextvars.ContextVar("variable", default="unset")
DATA = bytes(range(256)) * 4096

def make(name, data=DATA):
    path = os.path.join(tempfile.gettempdir(), f"{os.getpid()}-{name}")
    with open(path, "wb") as file:
        file.write(data)
    return path

class Noting:
    def __init__(self, file, name):
        self.file, self.name = file, name
    def __getattr__(self, name):
        return getattr(self.file, name)
    def close(self):
        closed.append(self.name)
        self.file.close()

def opened(how):
    if how == "plain":
        return open(make(how), "rb")
    if how == "unbuffered":
        return open(make(how), "rb", buffering=0)
    if how == "moved":
        file = open(make(how), "rb")
        file.read(1000)
        return file
    if how == "memory":
        return io.BytesIO(DATA)
    if how == "temporary":
        file = tempfile.NamedTemporaryFile()
        file.write(DATA)
        file.seek(0)
        return file
    if how == "gzip":
        return gzip.open(zipped(how), "rb")
    if how == "empty":
        return open(make(how, b""), "rb")
    if how == "noted":
        return Noting(open(make(how), "rb"), "noted")

def zipped(name):
    path = make(name)
    with gzip.open(path, "wb") as file:
        file.write(DATA)
    return path

def raw_file(environ, start_response):
    how, _, length = environ["QUERY_STRING"].partition("&")
    headers = [TEXT]
    if length:
        headers.append(("Content-Length", length))
    start_response("200 OK", headers)
    return environ["wsgi.file_wrapper"](opened(how), 8192)

def file(environ, start_response):
    "Through validator(), which iterates over it."
    start_response("200 OK", [TEXT])
    return environ["wsgi.file_wrapper"](opened(environ["QUERY_STRING"]))

def raw_wrapper(environ, start_response):
    wrapper = environ["wsgi.file_wrapper"]
    kept = wrapper(io.BytesIO(b"12345"), blksize=2)
    return say(start_response, (list(kept), kept.filelike.read(),
                                kept.blksize, wrapper(None).blksize))

def raw_context(environ, start_response):
    before = variable.get()
    variable.set(environ["QUERY_STRING"])
    def pieces():
        # In the context that the application was called in.
        yield repr((before, variable.get())).encode()
    start_response("200 OK", [TEXT])
    return pieces()

def raw_loop(environ, start_response):
    try:
        asyncio.get_running_loop()
        seen = "a running loop"
    except RuntimeError:
        seen = "none"
    async def coroutine():
        await asyncio.sleep(0)
        return "ran"
    ran = asyncio.run(coroutine())
    def pieces():
        yield seen.encode()
        yield b" "
        yield asyncio.run(coroutine()).encode()
    start_response("200 OK", [TEXT])
    return pieces()

def raw_hints(environ, start_response):
    hints = environ.get("wsgi.early_hints")
    if not hints:
        return say(start_response, "no hints")
    hints([("Link", "</a.css>; rel=preload"), ("X-Other", "no")])
    hints([("Link", "</b.js>; rel=preload")])
    try:
        hints([("Link", "a\r\nb")])
    except ValueError:
        pass
    return say(start_response, "hinted")

def raw_endless(environ, start_response):
    start_response("200 OK", [TEXT])
    def pieces():
        for i in range(4000):
            log.append(i)
            yield b"x" * 50_000
    return Closing(pieces(), "endless")

def read_beside(environ):
    "Read in a thread of the application's own."
    def read():
        try:
            environ["wsgi.input"].read()
            closed.append("reader")
        except OSError:
            closed.append("reader-failed")
    thread = threading.Thread(target=read)
    thread.start()
    return thread

def raw_leaves(environ, start_response):
    read_beside(environ).join(0.3)
    return say(start_response, "left")

def raw_both(environ, start_response):
    reader = read_beside(environ)
    start_response("200 OK", [TEXT])
    reader.join(0.3)
    yield b"x" * 300_000
    yield b"y" * 300_000
    reader.join()

def produced(environ, start_response):
    return say(start_response, len(log))

def hello(environ, start_response):
    return say(start_response, "hello")

def wait(environ, start_response):
    end = time.monotonic() + 20
    while not os.path.exists("go") and time.monotonic() < end:
        time.sleep(0.01)
    return say(start_response, "waited")
"""
)


@pytest.fixture(scope="module", params=MODES)
def server(serve_module: Servers, request: pytest.FixtureRequest) -> Server:
    folder = serve_module.folder / f"tmp-{request.param}"
    folder.mkdir()
    return serve_module(
        APP,
        *MODES[request.param],
        "--early-hints",
        env={"TMPDIR": str(folder)},
    )


DATA = bytes(range(256)) * 4096
FILES = [
    ("plain", DATA, "length"),
    ("unbuffered", DATA, "length"),
    ("moved", DATA[1000:], "length"),
    ("temporary", DATA, "length"),
    ("noted", DATA, "length"),
    ("empty", b"", "length"),
    ("memory", DATA, "chunked"),
    ("gzip", DATA, "chunked"),
]


@pytest.mark.parametrize("case", FILES, ids=[case[0] for case in FILES])
def test_w23_a_file_is_sent(
    server: Server, case: tuple[str, bytes, str]
) -> None:
    how, want, framing = case
    with server.connect() as client:
        answer = client.get(f"/raw_file?{how}")
        assert (answer.status, answer.framing) == (200, framing)
        assert answer.body == want
        assert client.get(f"/file?{how}").body == want
        head = client.request("HEAD", f"/raw_file?{how}")
        assert (head.status, head.body) == (200, b"")
        if framing == "length" and want:
            assert head.get("content-length") == str(len(want))
        assert client.get("/hello").text == "'hello'"


def test_w23_content_length_and_close(server: Server) -> None:
    before = closed(server, "noted")
    answer = server.get("/raw_file?noted&1000")
    assert answer.body == DATA[:1000]
    assert closed(server, "noted") == before + 1
    with server.connect() as client:
        client.send(head_of("GET", "/raw_file?plain&2000000"))
        assert client.ends().endswith(DATA)
    assert "shorter than its Content-Length" in server.stderr


def test_w23_the_class_is_one_that_middleware_can_use(server: Server) -> None:
    want = ([b"12", b"34", b"5"], b"", 2, 8192)
    assert value(server.get("/raw_wrapper").text) == want


def test_w29_each_request_has_a_context_of_its_own(server: Server) -> None:
    with server.connect() as client:
        for i in range(6):
            text = client.get(f"/raw_context?{i}").text
            assert value(text) == ("unset", str(i))


def test_no_running_loop_is_seen(server: Server) -> None:
    for _ in range(2):
        assert server.get("/raw_loop").text == "none ran"


def test_early_hints(server: Server) -> None:
    with server.connect() as client:
        answer = client.get("/raw_hints")
        assert (answer.text, answer.interim) == ("'hinted'", [103, 103])
        client.send(head_of("GET", "/raw_hints"))
        head = client._until(b"\r\n\r\n")
        assert b"Link: </a.css>; rel=preload" in head
        assert b"X-Other" not in head
        client.answer()
    with server.connect() as client:
        answer = client.request("GET", "/raw_hints", version="1.0")
        assert (answer.text, answer.interim) == ("'no hints'", [])


def test_early_hints_are_an_option(serve: Servers) -> None:
    assert serve(APP).get("/raw_hints").text == "'no hints'"


def test_a_slow_client_stops_only_its_own_answer(server: Server) -> None:
    with Client(server.address) as slow:
        slow.send(head_of("GET", "/raw_endless"))
        assert slow.head()[0] == 200

        def settled() -> bool:
            """It gives no more, though there is more."""
            before = value(server.get("/produced").text)
            time.sleep(0.2)
            return bool(before == value(server.get("/produced").text))

        wait_for(settled, "the application waits", 20)
        assert value(server.get("/produced").text) < 1000
        assert server.get("/hello").text == "'hello'"
    wait_for(lambda: closed(server, "endless") == 1, "close()")


def test_a_client_that_takes_nothing_is_given_up(serve: Servers) -> None:
    for options in MODES.values():
        server = serve(APP, *options, "--send-timeout", "500ms")
        with Client(server.address) as slow:
            slow.send(head_of("GET", "/raw_endless"))
            wait_for(lambda s=server: closed(s, "endless") == 1, "close()")


def test_who_reads_in_a_thread_of_its_own_may_be_left(serve: Servers) -> None:
    server = serve(APP, "--threads", "2")
    with server.connect() as client:
        client.send(head_of("POST", "/raw_leaves", body=b"1234") + b"1")
        assert client.answer().text == "'left'"
        wait_for(lambda: closed(server, "reader-failed") == 1, "its error")
    assert server.get("/hello").text == "'hello'"
    assert server.stop() == 0


def test_one_thread_reads_and_another_writes(serve: Servers) -> None:
    server = serve(APP, "--threads", "2")
    with server.connect() as client:
        client.send(head_of("POST", "/raw_both", body=b"1234") + b"1")
        assert client.head()[0] == 200
        chunks = client.chunks()
        assert len(next(chunks)) == 300_000
        assert len(next(chunks)) == 300_000
        client.send(b"234")
        assert list(chunks) == []
    assert closed(server, "reader") == 1


def test_queue_timeout_is_503(serve: Servers) -> None:
    server = serve(APP, "--threads", "1", "--queue-timeout", "300ms")
    with server.connect() as first, server.connect() as second:
        first.send(head_of("GET", "/wait"))
        second.send(head_of("POST", "/wait", body=b"x") + b"x")
        answer = second.answer()
        assert (answer.status, answer.get("retry-after")) == (503, "1")
        (server._stderr.parent.parent / "go").touch()
        assert first.answer().text == "'waited'"
    assert server.get("/hello").status == 200


def test_a_worker_that_stops_ends_its_requests(serve: Servers) -> None:
    for options in MODES.values():
        server = serve(APP, *options, "--graceful-timeout", "1s")
        slow = Client(server.address)
        slow.send(head_of("GET", "/raw_endless"))
        assert slow.head()[0] == 200
        assert server.stop() == 0
        slow.close()
        assert "did not end" not in server.stderr


@pytest.mark.parametrize(
    "source",
    [
        "app = lambda environ, start_response: f(environ, start_response)",
        "class App:\n"
        "    def __call__(self, environ, start_response):\n"
        "        return f(environ, start_response)\n"
        "app = App()",
        "class app:\n"
        "    def __init__(self, environ, start_response):\n"
        "        self.result = f(environ, start_response)\n"
        "    def __iter__(self):\n"
        "        return iter(self.result)",
        "def app(environ, start_response):\n"
        "    yield from f(environ, start_response)",
        "import functools\napp = functools.partial(lambda x, e, s: f(e, s), 1)",
    ],
    ids=["lambda", "instance", "class", "generator", "partial"],
)
def test_it_is_detected(serve: Servers, source: str) -> None:
    server = serve(
        "def f(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        f"    return [b'found']\n{source}\n"
    )
    assert server.get("/").text == "found"


def test_the_validator_beside_the_checkout(serve: Servers) -> None:
    apps = CHECKOUT.parent / "shared" / "conformance" / "apps"
    if not apps.exists():
        pytest.skip("the applications are not beside this checkout")
    for options in MODES.values():
        server = serve("validate_wsgi:app", "--app-dir", str(apps), *options)
        with server.connect() as client:
            for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "QUERY"):
                assert client.request(method, "/a%20b?c").text == "ok 0"
                answer = client.request(method, "/", None, b"x" * 100)
                assert answer.text == "ok 100"
            assert client.request("HEAD", "/").status == 200
        assert "Traceback" not in server.stderr
