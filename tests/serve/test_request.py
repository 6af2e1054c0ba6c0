"""Every attribute of a request, through a real server."""

from __future__ import annotations

from typing import Any

import pytest
from serving import Client, Server, Servers, head_of, wait_for

APP = '''
import asyncio
from rupy import Response, Rupy

app = Rupy()

def plain(value):
    """Something that JSON can say."""
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, tuple):
        return list(value)
    if value is None or isinstance(value, (str, int, float, dict, list)):
        return value
    return repr(value)

@app.route("/get/<name>", methods=["GET", "POST", "PUT"])
def get(request, name):
    return {"value": plain(getattr(request, name))}

@app.route("/twice/<name>", methods=["GET", "POST"])
def twice(request, name):
    first = getattr(request, name)
    return {"same": getattr(request, name) is first or first is None}

@app.get("/set/<name>")
def assign(request, name):
    try:
        setattr(request, name, "x")
    except AttributeError:
        return "read-only"
    return "changed"

@app.get("/query")
def query(request):
    q = request.query
    return {
        "items": [list(pair) for pair in q.items()],
        "first": q.get("a"),
        "all": q.get_all("a"),
        "missing": q.get("nope", "default"),
        "none": q.get_all("nope"),
        "has": ["a" in q, "nope" in q],
    }

@app.get("/headers")
def headers(request):
    h = request.headers
    return {
        "items": [list(pair) for pair in h.items()],
        "x": [h["X-A"], h["x-a"], h.get("X-a")],
        "all": h.get_all("x-a"),
        "missing": h.get("nope", "default"),
        "has": ["X-A" in h, "nope" in h],
    }

@app.post("/json")
def json(request):
    return {"value": request.json()}

@app.post("/text")
def text(request):
    return request.text

@app.post("/caught")
def caught(request):
    try:
        request.json()
    except Exception as error:
        return type(error).__name__
    return "no error"

@app.get("/state")
def state(request):
    request.state.user = "ada"
    return request.state.user

@app.get("/state-is-new")
def state_is_new(request):
    return {"has": hasattr(request.state, "user")}

@app.get("/params/<a>/<b:int>")
def params(request, a, b):
    return {"params": request.path_params, "route": request.route}

@app.get("/app")
def the_app(request):
    return {"same": request.app is app}

@app.get("/connected")
async def connected(request):
    await asyncio.sleep(0.001)
    return {"gone": request.is_disconnected()}

gone = []

@app.get("/goes")
async def goes(request):
    for _ in range(1000):
        if request.is_disconnected():
            gone.append(True)
            break
        await asyncio.sleep(0.01)
    return "?"

@app.get("/gone")
def how_many_gone():
    return {"gone": len(gone)}

@app.post("/later")
async def later(request):
    await asyncio.sleep(0.01)
    return {
        "method": request.method,
        "path": request.path,
        "query": request.query.get("q"),
        "header": request.headers["x-a"],
        "body": request.text,
        "host": request.host,
    }

kept = []

@app.post("/keep")
def keep(request):
    kept.append(request)
    return "kept"

@app.get("/kept")
def what_is_kept():
    r = kept.pop()
    return [r.method, r.path, r.headers.get("x-a"), r.query.get("q"),
            list(r.client)[0], r.http_version]
'''


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP)


@pytest.fixture
def client(server: Server) -> Client:
    return server.connect()


def value(client: Client, name: str, target: str = "", **headers: str) -> Any:
    answer = client.get(f"/get/{name}{target}", **headers)
    assert answer.status == 200, answer
    return answer.json()["value"]


def test_the_line(client: Client) -> None:
    assert value(client, "method") == "GET"
    assert value(client, "path") == "/get/path"
    assert value(client, "path", "?x=1") == "/get/path"
    assert value(client, "raw_path", "?x=1") == {"bytes": "/get/raw_path"}
    assert value(client, "http_version") == "1.1"
    answer = client.request("GET", "/get/http_version", version="1.0")
    assert answer.json() == {"value": "1.0"}


def test_the_path_is_decoded_and_the_raw_path_is_not(client: Client) -> None:
    assert value(client, "p%61th") == "/get/path"
    assert value(client, "raw_p%61th") == {"bytes": "/get/raw_p%61th"}


def test_the_query_string_is_as_received(client: Client) -> None:
    got = value(client, "query_string", "?a=%20b&c+d")
    assert got == "a=%20b&c+d"
    assert value(client, "query_string") == ""


def test_the_query(client: Client) -> None:
    answer = client.get("/query?a=1&b=x%20y+z&a=2&flag&e=&%C3%A9=%E2%9C%93")
    assert answer.json() == {
        "items": [
            ["a", "1"],
            ["b", "x y z"],
            ["a", "2"],
            ["flag", ""],
            ["e", ""],
            ["é", "✓"],
        ],
        "first": "1",
        "all": ["1", "2"],
        "missing": "default",
        "none": [],
        "has": [True, False],
    }


def test_headers_are_as_received(client: Client) -> None:
    client.send(
        b"GET /headers HTTP/1.1\r\nHost: localhost\r\nX-A: one\r\n"
        b"x-a:two\r\nX-B: \t caf\xe9 \t\r\nX-Empty:\r\n\r\n"
    )
    answer = client.answer()
    assert answer.status == 200
    got = answer.json()
    assert [[n.lower(), v] for n, v in got["items"]] == [
        ["host", "localhost"],
        ["x-a", "one"],
        ["x-a", "two"],
        ["x-b", "caf\xe9"],
        ["x-empty", ""],
    ]
    assert got["x"] == ["one", "one", "one"]
    assert got["all"] == ["one", "two"]
    assert got["missing"] == "default"
    assert got["has"] == [True, False]


def test_cookies(client: Client) -> None:
    got = value(client, "cookies", Cookie='a=1; b="two"; a=3; c=x=y')
    assert got["a"] == "1"
    assert got["b"] in ("two", '"two"')
    assert got["c"] == "x=y"
    assert value(client, "cookies") == {}


def test_content_fields(client: Client) -> None:
    assert value(client, "content_type") is None
    assert value(client, "content_length") is None
    assert value(client, "body") == {"bytes": ""}
    answer = client.post(
        "/get/content_type", b"x", Content_Type="text/plain; charset=latin-1"
    )
    assert answer.json()["value"] == "text/plain; charset=latin-1"
    assert client.post("/get/content_length", b"abc").json()["value"] == 3
    assert client.post("/get/body", b"\x00\xff").json()["value"] == {
        "bytes": "\x00\xff"
    }


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("né ✓".encode(), None, "né ✓"),
        ("né".encode("latin-1"), "text/plain; charset=iso-8859-1", "né"),
        ("né".encode("utf-16"), 'text/plain; charset="utf-16"', "né"),
        (b"\xff", None, None),
        (b"x", "text/plain; charset=no-such-thing", None),
    ],
)
def test_text_is_decoded_by_its_charset(
    client: Client, body: bytes, content_type: str | None, text: str | None
) -> None:
    headers = {"Content_Type": content_type} if content_type else {}
    answer = client.post("/text", body, **headers)
    if text is None:
        assert answer.status == 400
    else:
        assert (answer.status, answer.text) == (200, text)


def test_json_is_parsed(client: Client) -> None:
    body = '{"a": [1, 2.5, null, "✓"]}'.encode()
    assert client.post("/json", body).json() == {
        "value": {"a": [1, 2.5, None, "✓"]}
    }


@pytest.mark.parametrize("body", [b"", b"{", b"nope", b"\xff", b"[1] 2"])
def test_bad_json_is_400_unless_caught(
    server: Server, client: Client, body: bytes
) -> None:
    before = len(server.stderr)
    assert client.post("/json", body).status == 400
    assert client.post("/caught", body).text != "no error"
    assert "Traceback" not in server.stderr[before:]


def test_where_it_came_from(server: Server, client: Client) -> None:
    host, port = value(client, "client")
    assert host == "127.0.0.1"
    assert port == client.sock.getsockname()[1]
    assert value(client, "scheme") == "http"
    assert value(client, "host") == "localhost"
    assert value(client, "url", "?a=%20") == ("http://localhost/get/url?a=%20")
    client.send(
        b"GET http://example.org:81/get/host HTTP/1.1\r\n"
        b"Host: example.org:81\r\n\r\n"
    )
    assert client.answer().json()["value"] == "example.org:81"


def test_the_token(client: Client) -> None:
    assert value(client, "auth_token") is None
    assert value(client, "auth_token", Authorization="Bearer a.b~c") == "a.b~c"
    assert value(client, "auth_token", Authorization="bearer x") == "x"
    assert value(client, "auth_token", Authorization="Basic eDp5") is None


def test_route_and_parameters(client: Client) -> None:
    assert client.get("/params/x%20y/7").json() == {
        "params": {"a": "x y", "b": 7},
        "route": "/params/<a>/<b:int>",
    }
    assert value(client, "route") == "/get/<name>"
    assert client.get("/app").json() == {"same": True}


def test_state_belongs_to_one_request(client: Client) -> None:
    assert client.get("/state").text == "ada"
    assert client.get("/state-is-new").json() == {"has": False}


@pytest.mark.parametrize(
    "name",
    [
        "method",
        "path",
        "query",
        "headers",
        "cookies",
        "body",
        "path_params",
        "client",
        "url",
        "host",
    ],
)
def test_what_was_read_is_kept_and_not_changed(
    client: Client, name: str
) -> None:
    assert client.post(f"/twice/{name}", b"content").json() == {"same": True}
    assert client.get(f"/set/{name}").text == "read-only"


def test_a_request_outlives_its_first_wait(client: Client) -> None:
    body = b"body" * 1000
    packet = head_of("POST", "/later?q=1", {"X-A": "yes"}, body) + body
    client.send(packet + head_of("POST", "/later?q=2", {"X-A": "no"}, b""))
    assert client.answer().json() == {
        "method": "POST",
        "path": "/later",
        "query": "1",
        "header": "yes",
        "body": body.decode(),
        "host": "localhost",
    }
    assert client.answer().json()["header"] == "no"


def test_a_request_outlives_its_answer(client: Client) -> None:
    client.request("POST", "/keep?q=1", {"X-A": "yes"}, b"body")
    for _ in range(20):
        client.get("/state")
    assert client.get("/kept").json() == [
        "POST",
        "/keep",
        "yes",
        "1",
        "127.0.0.1",
        "1.1",
    ]


def test_a_handler_can_tell_that_its_client_is_gone(server: Server) -> None:
    with server.connect() as client:
        assert client.get("/connected").json() == {"gone": False}
    client = server.connect()
    client.send(head_of("GET", "/goes"))
    client.reset()
    wait_for(
        lambda: server.get("/gone").json()["gone"] == 1, "is_disconnected()"
    )
