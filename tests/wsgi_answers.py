"""The application whose answers tests/serve/test_wsgi_answer.py looks at."""

from wsgi_story import FRAME

APP = (
    FRAME
    + r"""
import io
import tempfile
from pathlib import Path

MORE = [TEXT]

def hello(environ, start_response):
    start_response("200 OK", MORE[:])
    return [b"hello"]

raw_hello = hello

def raw_callable(environ, start_response):
    write = start_response("200 OK", MORE[:])
    return [repr(callable(write)).encode()]

def raw_bad(environ, start_response):
    "What start_response() makes of the expression in the query."
    from urllib.parse import unquote
    try:
        start_response(*eval(unquote(environ["QUERY_STRING"])))
        name = "accepted"
    except Exception as error:
        name = type(error).__name__
        start_response("200 OK", MORE[:])
    return [name.encode()]

def raw_reason(environ, start_response):
    start_response("404 Gone Fishing", [])
    return []

def late(environ, start_response):
    start_response("201 Made", MORE[:])
    yield b"late"

def raw_generator(environ, start_response):
    yield b""
    start_response("201 Made", MORE[:])
    yield b"late"

def raw_never(environ, start_response):
    yield b"piece"

def raw_never_list(environ, start_response):
    return [b"piece"]

def raw_never_at_all(environ, start_response):
    return []

def raw_twice(environ, start_response):
    start_response("200 OK", MORE[:])
    try:
        start_response("404 Not Found", MORE[:])
    except AssertionError:
        return [b"refused"]
    return [b"taken"]

def replaced(environ, start_response):
    start_response("200 OK", [TEXT, ("X-Old", "1")])
    try:
        raise LookupError
    except LookupError:
        start_response("500 Replaced", [TEXT, ("X-New", "1")], sys.exc_info())
    return [b"replaced"]

def raw_replaced_late(environ, start_response):
    start_response("200 OK", MORE[:])
    yield b"begun"
    try:
        raise LookupError("too late")
    except LookupError:
        start_response("500 Replaced", MORE[:], sys.exc_info())
    yield b"never"

def raw_by_name(environ, start_response):
    try:
        raise LookupError
    except LookupError:
        start_response("200 OK", MORE[:], exc_info=sys.exc_info())
    return [b"by name"]

def raw_changed(environ, start_response):
    headers = [TEXT, ("X-A", "1")]
    start_response("200 OK", headers)
    headers[1:] = [("X-B", "2")]
    return [b"changed"]

def raw_changed_badly(environ, start_response):
    headers = [TEXT]
    start_response("200 OK", headers)
    headers.append(("X-B", "a\r\nX-C: d"))
    return [b"changed"]

def wait_for_file(name):
    "What the test makes when it has seen what was sent."
    end = time.monotonic() + 20
    while not os.path.exists(name):
        assert time.monotonic() < end, name
        time.sleep(0.01)

def raw_steps(environ, start_response):
    start_response("200 OK", MORE[:])
    for i in range(3):
        yield b"step%d" % i
        wait_for_file(f"{environ['QUERY_STRING']}-{i}")

def raw_text(environ, start_response):
    start_response("200 OK", MORE[:])
    return {"list": ["text"], "str": "text", "gen": iter(["text"]),
            "none": None, "bytes": b"text", "int": 7}[
                environ["QUERY_STRING"]]

def closes(environ, start_response):
    name = environ["QUERY_STRING"]
    if name != "unstarted":
        start_response("200 OK", MORE[:])
    def pieces():
        yield b"a"
        if name == "raises":
            raise LookupError("in the middle")
        yield b"b"
    return Closing(pieces(), name)

raw_closes = closes

def raw_close_raises(environ, start_response):
    class Bad:
        def __iter__(self):
            return iter([b"fine"])
        def close(self):
            raise LookupError("in close()")
    start_response("200 OK", [TEXT, ("Content-Length", "4")])
    return Bad()

def endless(environ, start_response):
    start_response("200 OK", MORE[:])
    def pieces():
        while True:
            yield b"x" * 50_000
    return Closing(pieces(), environ["QUERY_STRING"])

def lengths(environ, start_response):
    start_response("200 OK", MORE[:])
    return {"one": [b"12345"], "none": [], "empty": [b""],
            "some": [b"12", b"", b"345"]}[environ["QUERY_STRING"]]

def raw_tuple(environ, start_response):
    start_response("200 OK", MORE[:])
    return (b"12345",)

raw_lengths = lengths

class Sized:
    def __init__(self, pieces):
        self.pieces = pieces
    def __len__(self):
        return len(self.pieces)
    def __iter__(self):
        return iter(self.pieces)

def raw_sized(environ, start_response):
    start_response("200 OK", MORE[:])
    return Sized([b"12345"])

def raw_long(environ, start_response):
    start_response("200 OK", [TEXT, ("Content-Length", "4")])
    return Closing([b"long", b"SURPLUS"])

def raw_short(environ, start_response):
    start_response("200 OK", [TEXT, ("Content-Length", "10")])
    return [b"short"]

def kept(environ, start_response):
    start_response("200 OK", [TEXT, ("Content-Length", "5")])
    return Closing([b"12", b"345"])

def written(environ, start_response):
    write = start_response("200 OK", MORE[:])
    write(b"written, ")
    write(b"")
    write(b"again, ")
    return [b"returned"]

def raw_write_waits(environ, start_response):
    write = start_response("200 OK", MORE[:])
    write(b"first")
    wait_for_file(environ["QUERY_STRING"])
    return [b"second"]

def raw_write_much(environ, start_response):
    write = start_response("200 OK", MORE[:])
    for i in range(200):
        write(b"%05d" % i * 10_000)
    return [b"end"]

def raw_write_bad(environ, start_response):
    write = start_response("200 OK", MORE[:])
    try:
        write("text")
    except TypeError:
        return [b"refused"]

def streamed(environ, start_response):
    start_response("200 OK", MORE[:])
    return (b"part%d " % i for i in range(3))

def raw_framing(environ, start_response):
    start_response("200 OK", [("Transfer-Encoding", "chunked")])
    return [b""]

def raw_raise(environ, start_response):
    raise ValueError("raised in the application")

def raw_raise_started(environ, start_response):
    start_response("200 OK", MORE[:])
    raise ValueError("raised in the application")

def raw_raise_late(environ, start_response):
    start_response("200 OK", MORE[:])
    yield b"begun"
    raise ValueError("raised in the application")

def raw_exit(environ, start_response):
    raise BaseException("not an Exception")

class Iterable:
    def __init__(self, environ, start_response):
        start_response("200 OK", MORE[:])
    def __iter__(self):
        yield b"instance"

raw_class = Iterable

def headless(environ, start_response):
    start_response("200 OK", [TEXT, ("Content-Length", "4096")])
    return Closing([], "headless") if environ["REQUEST_METHOD"] == "HEAD" \
        else [b"x" * 4096]

def threads(environ, start_response):
    names = [threading.current_thread().name, str(threading.get_ident())]
    start_response("200 OK", MORE[:])
    return Closing((n.encode() + b" " for n in names), "threads")
"""
)
