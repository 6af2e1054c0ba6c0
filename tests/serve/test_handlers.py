"""What handlers may return and raise, and what the client then reads."""

from __future__ import annotations

import time

import pytest
from serving import Client, Server, Servers, head_of, wait_for

APP = """
import asyncio
import functools
import threading
from rupy import HTTPError, Response, Rupy, json, redirect

app = Rupy(__name__)
events = []

# ---- every row of the table of answers ----

@app.get("/str")
def a_str():
    return "h\\u00e9llo \\u2713"

@app.get("/bytes")
def some_bytes():
    return b"\\x00\\xff"

@app.get("/dict")
def a_dict():
    return {"a": [1, 2.5, None, True], "\\u00e9": "\\u2713"}

@app.get("/list")
def a_list():
    return [{"id": 1}, {"id": 2}]

@app.get("/response")
def response():
    answer = Response({"made": True}, status=201, headers={"X-One": "1"})
    answer.headers.add("x-two", "a")
    answer.headers.add("X-Two", "b")
    answer.set_cookie("session", "abc", httponly=True)
    answer.set_cookie("theme", "dark", max_age=60)
    return answer

@app.get("/typed")
def typed():
    return Response("<p>hi</p>", content_type="text/html; charset=utf-8")

@app.get("/pair")
def pair():
    return "accepted", 202

@app.get("/triple")
def triple():
    return {"id": 7}, 201, {"location": "/items/7"}

@app.get("/streamed-triple")
def streamed_triple():
    return (part for part in ("a", "b")), 203, {"x-kind": "stream"}

@app.get("/empty")
def empty():
    return ""

@app.get("/redirect")
def go():
    return redirect("/caf\\u00e9?x=1 2")

@app.get("/json-str")
def json_str():
    return json("text", 202)

@app.get("/status/<code:int>")
def status(code):
    return Response(b"" if code in (204, 304) else b"x", code)

# ---- the same from async def ----

@app.get("/async/<kind>")
async def asynchronous(kind):
    await asyncio.sleep(0)
    if kind == "str":
        return "text"
    if kind == "dict":
        return {"kind": kind}
    if kind == "triple":
        return b"x", 201, {"x-kind": kind}
    if kind == "response":
        return Response("r", 202)
    if kind == "none":
        return None
    if kind == "error":
        raise HTTPError(418, "short and stout")
    return asynchronous

@app.get("/async-at-once")
async def at_once():
    return "at once"

# ---- kinds of callables ----

class Greeter:
    def __init__(self, greeting):
        self.greeting = greeting

    def greet(self, request, name):
        return f"{self.greeting}, {name}!"

    async def __call__(self, name):
        return f"{self.greeting} {name}"

app.get("/method/<name>")(Greeter("Hello").greet)
app.get("/object/<name>")(Greeter("Hi"))

def wish(what, request, name):
    return f"{what} {name}"

app.get("/partial/<name>")(functools.partial(wish, "Good day"))

@app.get("/keyword/<a>/<b:int>")
def keyword(*, b, a):
    return [a, b]

@app.get("/any/<a>/<b>")
def anything(**params):
    return dict(sorted(params.items()))

@app.get("/swapped/<a>/<b>")
def swapped(b, req, a, page=1):
    return [a, b, page, req.path]

@app.get("/typed-params/<i:int>/<x:float>/<u:uuid>/<rest:path>")
def typed_params(i, x, u, rest):
    return [repr(i), repr(x), repr(u), rest]

@app.get("/file-<name>.txt")
def inside(name):
    return name

@app.get("/slug/<slug:re([a-z0-9-]{2,5})>")
def slug(slug):
    return slug

@app.get("/files/<rest:path>")
def below(rest):
    return rest

@app.get("/files/literal")
def literal():
    return "the literal path"

@app.get("/one")
@app.get("/two")
def stacked():
    return "stacked"

# ---- faults ----

@app.get("/none")
def none():
    return None

@app.get("/number")
def number():
    return 7

@app.get("/bad-tuple")
def bad_tuple():
    return "a", "b"

@app.get("/bad-status")
def bad_status():
    return "a", 99

@app.get("/bad-header")
def bad_header():
    return "a", 200, {"x-bad": "a\\r\\nx-injected: b"}

@app.get("/bad-json")
def bad_json():
    return {"a": object()}

@app.get("/surrogate")
def surrogate():
    return "\\ud800"

@app.get("/raise")
def fail():
    raise RuntimeError("secret detail")

@app.get("/raise-async")
async def fail_later():
    await asyncio.sleep(0.001)
    raise KeyError("secret key")

@app.get("/http-error/<code:int>")
def http_error(code):
    raise HTTPError(code, "d\\u00e9tail", {"x-why": "because"})

@app.get("/http-error-plain")
def http_error_plain():
    raise HTTPError(404)

@app.get("/cancelled")
async def cancelled():
    raise asyncio.CancelledError

# ---- streams ----

@app.get("/generator")
def generator():
    yield "text "
    yield b"bytes "
    yield ""
    yield "\\u2713"

@app.get("/async-generator")
async def async_generator():
    for part in ("one ", "two ", "three"):
        yield part
        await asyncio.sleep(0.001)

@app.get("/no-parts")
def no_parts():
    return iter_nothing()

def iter_nothing():
    return
    yield

@app.get("/fails-at-once")
def fails_at_once():
    raise RuntimeError("before anything")
    yield

@app.get("/fails-later")
async def fails_later():
    yield "begun"
    await asyncio.sleep(0.001)
    raise RuntimeError("in the middle")

@app.get("/bad-part")
def bad_part():
    yield "begun"
    yield 7

@app.get("/endless/<name>")
def endless(name):
    sent = 0
    try:
        while True:
            sent += 1
            progress[name] = sent
            yield b"x" * 65536
    finally:
        events.append(f"{name} closed")

@app.get("/endless-async/<name>")
async def endless_async(name):
    sent = 0
    try:
        while True:
            sent += 1
            progress[name] = sent
            yield b"x" * 65536
            await asyncio.sleep(0)
    finally:
        events.append(f"{name} closed")

progress = {}

@app.get("/progress/<name>")
def how_far(name):
    return {"parts": progress.get(name, 0)}

@app.get("/quiet/<name>")
async def quiet(name):
    try:
        yield "hello"
        await asyncio.sleep(3600)
    finally:
        events.append(f"{name} closed")

@app.get("/events")
def what_happened():
    return events

# ---- time ----

@app.get("/sleep/<ms:int>")
async def sleep(ms):
    await asyncio.sleep(ms / 1000)
    return f"slept {ms}"

@app.get("/timeout")
async def timeout():
    try:
        async with asyncio.timeout(0.02):
            await asyncio.sleep(3600)
    except TimeoutError:
        return "timed out"

@app.get("/group")
async def group():
    async def square(n):
        await asyncio.sleep(0.01)
        return n * n
    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(square(n)) for n in range(10)]
    return [task.result() for task in made]

@app.get("/task")
async def task():
    mine = asyncio.current_task()
    await asyncio.sleep(0)
    return {
        "is_task": isinstance(mine, asyncio.Task),
        "same": mine is asyncio.current_task(),
    }

@app.get("/subprocess")
async def subprocess():
    child = await asyncio.create_subprocess_exec(
        "sh", "-c", "echo from a child; exit 3",
        stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate()
    return f"{out.decode().strip()} {child.returncode}"

@app.get("/to-thread")
async def to_thread():
    name = await asyncio.to_thread(threading.get_ident)
    return {"other": name != threading.get_ident()}

@app.get("/runs-a-loop")
def runs_a_loop():
    return str(asyncio.run(asyncio.sleep(0.001, "its own loop")))
"""


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP)


@pytest.fixture
def client(server: Server) -> Client:
    return server.connect()


TEXT = "text/plain; charset=utf-8"
OCTETS = "application/octet-stream"
JSON = "application/json"


@pytest.mark.parametrize(
    ("path", "status", "content_type", "body"),
    [
        ("/str", 200, TEXT, "héllo ✓".encode()),
        ("/bytes", 200, OCTETS, b"\x00\xff"),
        (
            "/dict",
            200,
            JSON,
            '{"a":[1,2.5,null,true],"é":"✓"}'.encode(),
        ),
        ("/list", 200, JSON, b'[{"id":1},{"id":2}]'),
        ("/response", 201, JSON, b'{"made":true}'),
        ("/typed", 200, "text/html; charset=utf-8", b"<p>hi</p>"),
        ("/pair", 202, TEXT, b"accepted"),
        ("/triple", 201, JSON, b'{"id":7}'),
        ("/empty", 200, TEXT, b""),
        ("/json-str", 202, JSON, b'"text"'),
        ("/async-at-once", 200, TEXT, b"at once"),
        ("/async/str", 200, TEXT, b"text"),
        ("/async/dict", 200, JSON, b'{"kind":"dict"}'),
        ("/async/triple", 201, OCTETS, b"x"),
        ("/async/response", 202, TEXT, b"r"),
        ("/one", 200, TEXT, b"stacked"),
        ("/two", 200, TEXT, b"stacked"),
    ],
)
def test_answers(
    client: Client, path: str, status: int, content_type: str, body: bytes
) -> None:
    answer = client.get(path)
    assert answer.status == status
    assert answer.get("content-type") == content_type
    assert answer.body == body
    assert answer.framing == "length"
    assert client.get("/empty").status == 200


def test_headers_of_a_response_go_out(client: Client) -> None:
    answer = client.get("/response")
    assert answer.get("x-one") == "1"
    assert answer.get_all("x-two") == ["a", "b"]
    cookies = answer.get_all("set-cookie")
    assert len(cookies) == 2
    assert cookies[0].startswith("session=abc;")
    assert "httponly" in cookies[0].lower()
    assert "max-age=60" in cookies[1].lower()
    assert client.get("/triple").get("location") == "/items/7"


def test_a_redirect_is_encoded(client: Client) -> None:
    answer = client.get("/redirect")
    assert answer.status == 303
    assert answer.get("location") == "/caf%C3%A9?x=1%202"


@pytest.mark.parametrize("status", [200, 201, 204, 304, 404, 500, 599])
def test_any_status_is_framed(client: Client, status: int) -> None:
    answer = client.get(f"/status/{status}")
    assert answer.status == status
    if status == 204:
        assert answer.get("content-length") is None
    assert client.get("/empty").status == 200


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/method/Ada", "Hello, Ada!"),
        ("/object/Ada", "Hi Ada"),
        ("/partial/Ada", "Good day Ada"),
        ("/keyword/x/3", '["x",3]'),
        ("/any/x/y", '{"a":"x","b":"y"}'),
        ("/swapped/x/y", '["x","y",1,"/swapped/x/y"]'),
        ("/file-abc.txt", "abc"),
        ("/slug/ab-1", "ab-1"),
        ("/files/a/b/c.txt", "a/b/c.txt"),
        ("/files/literal", "the literal path"),
        ("/method/J%C3%BCrgen", "Hello, Jürgen!"),
        ("/method/a%2Fb", "Hello, a/b!"),
        ("/method/100%25", "Hello, 100%!"),
        ("/method/a+b", "Hello, a+b!"),
    ],
)
def test_handlers_take_their_parameters(
    client: Client, path: str, text: str
) -> None:
    answer = client.get(path)
    assert (answer.status, answer.text) == (200, text)


def test_converters_convert(client: Client) -> None:
    u = "12345678-1234-5678-1234-567812345678"
    answer = client.get(f"/typed-params/007/2.50/{u}/a/b")
    assert answer.json() == ["7", "2.5", f"UUID('{u}')", "a/b"]


@pytest.mark.parametrize(
    "path",
    [
        "/typed-params/-1/2.5/12345678-1234-5678-1234-567812345678/a",
        "/typed-params/1/2,5/12345678-1234-5678-1234-567812345678/a",
        "/typed-params/1/2.5/12345678/a",
        "/slug/a",
        "/slug/abcdef",
        "/slug/AB",
        "/file-.txt",
        "/method/",
        "/method/a/b",
    ],
)
def test_what_a_pattern_does_not_match_is_404(
    client: Client, path: str
) -> None:
    assert client.get(path).status == 404


# ---- faults ----


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/none", "returned None"),
        ("/number", "returned int"),
        ("/async/none", "returned None"),
        ("/async/other", "returned function"),
        ("/bad-tuple", "(content, status"),
        ("/bad-status", "99"),
        ("/bad-header", "x-bad"),
        ("/bad-json", "TypeError"),
        ("/surrogate", "UnicodeEncodeError"),
        ("/raise", "RuntimeError: secret detail"),
        ("/raise-async", "KeyError: 'secret key'"),
        ("/cancelled", "CancelledError"),
        ("/fails-at-once", "RuntimeError: before anything"),
    ],
)
def test_a_fault_is_500_and_its_reason_is_in_the_log(
    server: Server, client: Client, path: str, logged: str
) -> None:
    before = len(server.stderr)
    answer = client.get(path)
    assert answer.status == 500
    assert answer.text == "500 Internal Server Error\n"
    assert answer.get("content-type") == TEXT
    assert answer.get("x-injected") is None
    wait_for(lambda: logged in server.stderr[before:], logged)
    said = server.stderr[before:]
    assert f"GET {path}" in said
    assert client.get("/empty").status == 200


def test_a_fault_is_told_once_with_its_traceback(server: Server) -> None:
    before = len(server.stderr)
    server.get("/raise")
    wait_for(lambda: "secret detail" in server.stderr[before:], "the log")
    said = server.stderr[before:]
    assert said.count("Traceback (most recent call last)") == 1
    assert said.count("RuntimeError: secret detail") == 1
    assert "in fail" in said


def test_debug_shows_the_traceback(serve: Servers) -> None:
    server = serve(APP, "--debug")
    answer = server.get("/raise")
    assert answer.status == 500
    assert "RuntimeError: secret detail" in answer.text


@pytest.mark.parametrize("status", [400, 401, 418, 451, 503, 599])
def test_an_http_error_is_its_answer(
    server: Server, client: Client, status: int
) -> None:
    before = len(server.stderr)
    answer = client.get(f"/http-error/{status}")
    assert (answer.status, answer.text) == (status, "détail")
    assert answer.get("content-type") == TEXT
    assert answer.get("x-why") == "because"
    assert client.get("/async/error").text == "short and stout"
    assert client.get("/http-error-plain").text == "Not Found"
    assert "Traceback" not in server.stderr[before:]


# ---- streams ----


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/generator", "text bytes ✓"),
        ("/async-generator", "one two three"),
        ("/no-parts", ""),
    ],
)
def test_generators_are_streamed(client: Client, path: str, text: str) -> None:
    answer = client.get(path)
    assert (answer.status, answer.text) == (200, text)
    assert answer.framing == "chunked"
    answer = client.request("HEAD", path)
    assert (answer.status, answer.body) == (200, b"")
    answer = client.request("GET", path, version="1.0")
    assert (answer.text, answer.framing) == (text, "close")


def test_a_stream_may_have_a_status_and_headers(client: Client) -> None:
    answer = client.get("/streamed-triple")
    assert (answer.status, answer.text) == (203, "ab")
    assert answer.get("x-kind") == "stream"
    assert answer.framing == "chunked"


def test_streams_in_a_pipeline_keep_their_order(client: Client) -> None:
    paths = ["/async-generator", "/str", "/generator", "/sleep/5", "/empty"]
    client.send(b"".join(head_of("GET", path) for path in paths * 3))
    for _ in range(3):
        assert client.answer().text == "one two three"
        assert client.answer().text == "héllo ✓"
        assert client.answer().text == "text bytes ✓"
        assert client.answer().text == "slept 5"
        assert client.answer().text == ""


@pytest.mark.parametrize("path", ["/fails-later", "/bad-part"])
def test_a_stream_that_fails_is_cut_off_so_that_it_is_noticed(
    server: Server, path: str
) -> None:
    with server.connect() as client:
        client.send(head_of("GET", path))
        with pytest.raises((EOFError, ConnectionResetError)):
            client.answer()


def parts(server: Server, name: str) -> int:
    return server.get(f"/progress/{name}").json()["parts"]


@pytest.mark.parametrize("kind", ["endless", "endless-async"])
def test_a_stream_waits_for_its_reader_and_ends_with_it(
    server: Server, kind: str
) -> None:
    name = f"{kind}-1"
    client = server.connect()
    client.send(head_of("GET", f"/{kind}/{name}"))
    # It stops when the buffers between us are full...
    steady = [0]

    def is_steady() -> bool:
        steady.append(parts(server, name))
        return steady[-1] > 1 and len(set(steady[-20:])) == 1

    wait_for(is_steady, "the stream waits")
    before = steady[-1]
    assert before * 65536 < 64 << 20
    # ... goes on when we read ...
    chunks = client.chunks()
    client.head()
    got = 0
    while got < (before + 20) * 65536:
        got += len(next(chunks))
    assert parts(server, name) > before
    # ... and is closed when we go.
    client.close()
    wait_for(
        lambda: f"{name} closed" in server.get("/events").json(),
        "the generator is closed",
    )


def test_a_stream_that_waits_is_closed_when_the_client_goes(
    server: Server,
) -> None:
    client = server.connect()
    client.send(head_of("GET", "/quiet/q"))
    client.head()
    assert next(client.chunks()) == b"hello"
    client.reset()
    wait_for(
        lambda: "q closed" in server.get("/events").json(),
        "the generator is closed",
    )


# ---- asyncio in handlers ----


def test_handlers_that_wait_do_so_together(server: Server) -> None:
    clients = [server.connect() for _ in range(50)]
    start = time.monotonic()
    for client in clients:
        client.send(head_of("GET", "/sleep/300"))
    for client in clients:
        assert client.answer().text == "slept 300"
    assert time.monotonic() - start < 3


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/timeout", "timed out"),
        ("/group", "[0,1,4,9,16,25,36,49,64,81]"),
        ("/task", '{"is_task":true,"same":true}'),
        ("/subprocess", "from a child 3"),
        ("/to-thread", '{"other":true}'),
        ("/runs-a-loop", "its own loop"),
    ],
)
def test_asyncio_is_all_there(client: Client, path: str, text: str) -> None:
    for _ in range(3):
        answer = client.get(path)
        assert (answer.status, answer.text) == (200, text)


def test_a_handler_whose_client_goes_runs_to_its_end(
    server: Server,
) -> None:
    for _ in range(20):
        client = server.connect()
        client.send(head_of("GET", "/sleep/20"))
        client.reset()
    assert server.get("/sleep/50").text == "slept 50"


# ---- registration ----

BROKEN = [
    ('@app.get("/<id>")\ndef show(request): ...', ["/<id>", "show", "id"]),
    ('@app.get("/")\ndef show(a, b): ...', ["'/'", "show"]),
    ('@app.get("/<id")\ndef show(id): ...', ["/<id", "show"]),
    ('@app.get("/<id:nope>")\ndef show(id): ...', ["/<id:nope>", "nope"]),
    ('@app.get("/<id:re([)>")\ndef show(id): ...', ["/<id:re([)>", "show"]),
    (
        '@app.get("/a")\ndef show(): ...\n@app.get("/a")\ndef again(): ...',
        ["/a", "again"],
    ),
    ('@app.get("no-slash")\ndef show(): ...', ["no-slash", "show"]),
]


@pytest.mark.parametrize(("source", "named"), BROKEN)
def test_a_route_that_cannot_work_stops_the_server(
    serve: Servers, source: str, named: list[str]
) -> None:
    server = serve(
        f"from rupy import Rupy\napp = Rupy()\n{source}\n", ready=False
    )
    server.may_die = True
    assert server.exit_status() == 4
    for text in named:
        assert text in server.stderr
