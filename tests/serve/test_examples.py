"""The examples do what their texts say."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest
from serving import CHECKOUT, Servers

EXAMPLES = CHECKOUT / "rupy" / "examples"


def curl_lines(name: str) -> list[list[str]]:
    """The commands in the docstring, continued lines joined."""
    text = (EXAMPLES / f"{name}.py").read_text()
    text = text.split('"""')[1].replace("\\\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("curl ")]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize(
    "name",
    ["hello", "rest_api", "async_clients", "conformance", "static_files"],
)
def test_the_lines_of_an_example_work(serve: Servers, name: str) -> None:
    server = serve(f"rupy.examples.{name}:app")
    lines = curl_lines(name)
    assert len(lines) >= 4
    for line in lines:
        line = [
            word.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
            for word in line
        ]
        done = subprocess.run(
            [*line, "-s", "-S", "--max-time", "10", "-w", "\n%{http_code}"],
            capture_output=True,
        )
        said = done.stdout.decode("latin-1").rstrip().rpartition("\n")
        if "/short" in line[-1]:
            # 18: the transfer ended early, which is what is shown.
            assert done.returncode == 18, done
        else:
            assert done.returncode == 0, (line, done.stderr)
        wanted = {"boom": "500", "raise": "500", "hurry": "504"}
        last = line[-1].rpartition("/")[2]
        assert said[2] == wanted.get(last, said[2])
        if last not in wanted:
            assert said[2] in ("200", "201", "204", "206"), (line, said)


def test_hello(serve: Servers) -> None:
    server = serve("rupy.examples.hello:app")
    assert server.get("/").text == server.get("/async").text == "Hello, World!"
    assert server.get("/json").body == b'{"message":"Hello, World!"}'
    assert server.get("/user/Ada").text == "Hello, Ada!"
    assert server.get("/sleep/1").json() == {"slept_ms": 1}
    assert server.get("/items/7").json() == {"id": 7, "name": "item 7"}
    answer = server.post("/echo", b"<p>", Content_Type="text/html")
    assert (answer.body, answer.get("content-type")) == (b"<p>", "text/html")
    assert server.get("/boom").status == 500


def test_rest_api(serve: Servers) -> None:
    server = serve("rupy.examples.rest_api:app")
    with server.connect() as client:
        answer = client.post("/notes", b'{"title": "write it down"}')
        assert answer.status == 201
        where = answer.get("location")
        assert where == "/notes/1"
        note = {"id": 1, "title": "write it down", "done": False}
        assert client.get(where).json() == note
        assert client.get("/notes?contains=it").json() == [note]
        assert client.get("/notes?contains=x").json() == []
        note = {"id": 1, "title": "done", "done": True}
        body = b'{"title": "done", "done": true}'
        assert client.request("PUT", where, None, body).json() == note
        assert client.request("DELETE", where).status == 204
        for method in ("GET", "PUT", "DELETE"):
            answer = client.request(method, where, None, body)
            assert (answer.status, answer.text) == (404, "there is no note 1")
        assert client.post("/notes", b"{").status == 400
        assert client.post("/notes", b"[]").status == 422
        assert client.post("/notes", b'{"title": 1}').status == 422
        assert client.get("/notes").json() == []


def test_async_clients(serve: Servers) -> None:
    server = serve("rupy.examples.async_clients:app")
    # One after the other it would be 5 s.
    assert server.get("/gather/100").json()["seconds"] < 2
    fetched = server.get("/fetch/20").json()
    assert fetched["answers"] == [str(i) for i in range(20)]
    assert fetched["seconds"] < 0.9
    assert server.get("/first/5").text in "01234"
    assert server.get("/first/0").status == 404
    assert server.get("/hurry").status == 504
