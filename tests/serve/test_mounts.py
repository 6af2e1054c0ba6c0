"""Applications below a prefix, of every kind, and what is around them."""

from __future__ import annotations

import hashlib

import pytest
from serving import Server, Servers, head_of, wait_for

APP = """
import asyncio
import hashlib
from rupy import HTTPError, Rupy

log = []

def rupy_app(name):
    app = Rupy()

    @app.lifespan
    async def life(app):
        log.append(f"{name} up")
        yield {name: "up"}
        print(f"{name} down", flush=True)

    @app.get("/")
    def index(request):
        return {"app": name, "path": request.path, "route": request.route,
                "own": request.app is app, "state": vars(request.state)}

    @app.get("/users/<id:int>", name="user")
    def user(id):
        return {"app": name, "user": id}

    @app.get("/raise/<kind>")
    def fails(kind):
        raise {"key": KeyError, "value": ValueError}[kind]

    return app

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        log.append("asgi up")
        scope["state"]["asgi"] = "up"
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("asgi down", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    path = scope["path"][len(scope["root_path"]):]
    start = {"type": "http.response.start", "status": 200,
             "headers": [(b"x-root", scope["root_path"].encode()),
                         (b"x-path", scope["path"].encode()),
                         (b"content-type", b"text/plain")]}
    if path == "/upload":
        digest, more = hashlib.sha256(), True
        while more:
            message = await receive()
            digest.update(message["body"])
            more = message["more_body"]
        await send(start)
        await send({"type": "http.response.body",
                    "body": digest.hexdigest().encode()})
    elif path == "/endless":
        await send(start)
        sent = 0
        try:
            while True:
                await send({"type": "http.response.body",
                            "body": b"x" * 65536, "more_body": True})
                sent += 1
                progress["sent"] = sent
        except OSError:
            log.append("asgi: client gone")
            raise
    elif path == "/slow":
        await send(start)
        for piece in (b"one ", b"two"):
            await send({"type": "http.response.body", "body": piece,
                        "more_body": True})
            await gate.wait()
        await send({"type": "http.response.body"})
    elif path == "/raise":
        raise RuntimeError("in the mounted application")
    elif path == "/raise-later":
        await send(start)
        await send({"type": "http.response.body", "body": b"begun",
                    "more_body": True})
        await asyncio.sleep(0.01)
        raise RuntimeError("in the mounted application")
    else:
        await send(start)
        await send({"type": "http.response.body", "body":
                    repr(sorted(scope["state"].items())).encode()})

progress = {}
gate = asyncio.Event()

app = rupy_app("outer")
child = rupy_app("child")
grandchild = rupy_app("grandchild")

@child.error_handler(KeyError)
def lost(error):
    return "the child lost it"

app.mount("/child", child)
app.mount("/child/nearer", rupy_app("nearer"))
child.mount("/grand", grandchild, name="grand")
app.mount("/asgi", asgi)
app.mount("/asgi/again", asgi)

@app.get("/child/users/7")
def own():
    return {"app": "outer's own"}

@app.get("/log")
def told():
    return log

@app.get("/progress")
def how_far():
    return progress

@app.get("/open")
async def open_gate():
    gate.set()
    return "open"

@app.get("/urls")
def urls():
    return [app.url_for("user", id=1), app.url_for("child:user", id=2),
            app.url_for("child:grand:user", id=3)]
"""

AROUND = """
@app.middleware
async def around(request, call_next):
    response = await call_next(request)
    response.headers["x-around"] = str(response.status)
    return response

@app.error_handler(ValueError)
def bad(error):
    return "the outer one helps", 422

@app.error_handler(404)
def missing(error):
    return "nothing there"
"""

BEFORE = """
@app.middleware
def before(request):
    if request.query.get("stop"):
        return "stopped", 403
"""


@pytest.fixture(scope="module", params=["plain", "before", "around"])
def server(serve_module: Servers, request: pytest.FixtureRequest) -> Server:
    more = {"plain": "", "before": BEFORE, "around": AROUND}[request.param]
    server = serve_module(APP + more, "--workers", "1")
    server.kind = request.param  # type: ignore[attr-defined]
    return server


def test_routes_of_the_app_then_the_longest_prefix(server: Server) -> None:
    for path, app in [
        ("/", "outer"),
        ("/child", "child"),
        ("/child/", "child"),
        ("/child/users/6", "child"),
        ("/child/users/7", "outer's own"),
        ("/child/nearer", "nearer"),
        ("/child/nearer/users/7", "nearer"),
        ("/child/grand/", "grandchild"),
        ("/child/grand/users/1", "grandchild"),
    ]:
        answer = server.get(path)
        assert answer.status == 200, path
        assert answer.json()["app"] == app, path
        if server.kind == "around":  # type: ignore[attr-defined]
            assert answer.get("x-around") == "200"
    for path in ("/childx", "/child/x", "/chil", "/child/nearerx", "/asgix"):
        assert server.get(path).status == 404, path


def test_a_child_sees_its_routes_and_its_state(server: Server) -> None:
    answer = server.get("/child/grand/").json()
    assert answer["path"] == "/child/grand/"
    assert answer["route"] == "/"
    assert answer["own"] is True
    up = {"outer": "up", "child": "up", "grandchild": "up"}
    assert answer["state"] == up
    assert server.get("/").json()["state"] == {"outer": "up"}


def test_methods_below_a_prefix(server: Server) -> None:
    with server.connect() as client:
        wrong = client.request("PUT", "/child/users/1")
        assert (wrong.status, wrong.get("allow")) == (
            405,
            "GET, HEAD, OPTIONS",
        )
        options = client.request("OPTIONS", "/child/users/1")
        assert options.status == 204
        head = client.request("HEAD", "/child/users/1")
        assert (head.status, head.body) == (200, b"")
        assert client.get("/child/users/x").status == 404


def test_urls_of_mounted_routes(server: Server) -> None:
    assert server.get("/urls").json() == [
        "/users/1",
        "/child/users/2",
        "/child/grand/users/3",
    ]


def test_errors_go_from_the_child_outward(server: Server) -> None:
    answer = server.get("/child/raise/key")
    assert (answer.status, answer.text) == (500, "the child lost it")
    answer = server.get("/child/grand/raise/key")
    assert (answer.status, answer.text) == (500, "the child lost it")
    assert server.get("/raise/key").status == 500
    answer = server.get("/child/raise/value")
    if server.kind == "around":  # type: ignore[attr-defined]
        assert (answer.status, answer.text) == (422, "the outer one helps")
        assert server.get("/child/none").text == "nothing there"
        assert answer.get("x-around") == "422"
    else:
        assert answer.status == 500


def test_middleware_stands_in_front_of_every_kind(server: Server) -> None:
    stopped = 403 if server.kind == "before" else 200  # type: ignore[attr-defined]
    for path in ("/", "/child", "/child/grand/", "/asgi/x"):
        assert server.get(path + "?stop=1").status == stopped, path


def test_an_asgi_app_finds_its_prefix_and_its_state(server: Server) -> None:
    for path, root in [
        ("/asgi", "/asgi"),
        ("/asgi/x%20y", "/asgi"),
        ("/asgi/again/z", "/asgi/again"),
    ]:
        answer = server.get(path)
        assert answer.get("x-root") == root
        assert answer.get("x-path") == path.replace("%20", " ")
        assert answer.text == "[('asgi', 'up'), ('outer', 'up')]"
    assert server.get("/log").json().count("asgi up") == 1


def test_an_asgi_app_receives_content_as_it_comes(server: Server) -> None:
    body = bytes(range(256)) * 4000
    with server.connect() as client:
        client.send(head_of("POST", "/asgi/upload", None, body))
        half = len(body) // 2
        client.send(body[:half])
        client.send(body[half:])
        answer = client.answer()
        assert answer.text == hashlib.sha256(body).hexdigest()


def test_a_stream_of_an_asgi_app_is_not_collected(server: Server) -> None:
    with server.connect() as client:
        client.send(head_of("GET", "/asgi/slow"))
        while b"one " not in client.got:
            assert client._more()
        assert server.get("/open").text == "open"
        assert client.answer().text == "one two"


def test_an_asgi_app_waits_for_a_slow_client(server: Server) -> None:
    client = server.connect()
    client.send(head_of("GET", "/asgi/endless"))
    assert client.sock.recv(1000)
    sent = -1

    def stands() -> bool:
        nonlocal sent
        before, sent = sent, server.get("/progress").json()["sent"]
        return before == sent

    wait_for(stands, "it stops sending")
    assert sent < 1000
    client.reset()
    wait_for(
        lambda: "asgi: client gone" in server.get("/log").json(),
        "it learns that its client is gone",
    )


def test_an_asgi_app_that_fails(server: Server) -> None:
    answer = server.get("/asgi/raise")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error\n")
    with server.connect() as client, pytest.raises(EOFError):
        client.get("/asgi/raise-later")
    assert server.get("/asgi").status == 200


def test_lifespans_end_from_the_inside_out(serve: Servers) -> None:
    server = serve(APP, "--workers", "1")
    assert server.get("/log").json() == [
        "outer up",
        "child up",
        "grandchild up",
        "nearer up",
        "asgi up",
    ]
    assert server.stop() == 0
    assert server.stdout.split("\n")[:5] == [
        "asgi down",
        "nearer down",
        "grandchild down",
        "child down",
        "outer down",
    ]


BAD = """
from rupy import Rupy
app = Rupy()
other = Rupy()
app.mount("/a/", other)
said = []
for prefix, what in [("a", other), ("/", other), ("/a", other),
                     ("/<x>", other), ("/b", app), ("/c", 7)]:
    try:
        app.mount(prefix, what)
    except (TypeError, ValueError) as error:
        said.append(str(error))
try:
    other.mount("/d", app)
except ValueError as error:
    said.append(str(error))

@app.get("/")
def index():
    return said
"""


def test_what_cannot_be_mounted_is_refused(serve: Servers) -> None:
    said = serve(BAD).get("/").json()
    assert len(said) == 7, said
    assert "'a' does not begin with '/'" in said[0]
    assert "'/a' is mounted already" in said[2]
    assert "an application inside itself" in said[4]
    assert "an application inside itself" in said[6]
