"""The examples do what their texts say."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys

import pytest
from serving import CHECKOUT, PRELOAD, Servers, clean_env, wait_for

EXAMPLES = CHECKOUT / "rupy" / "examples"


def curl_lines(name: str) -> list[tuple[list[str], list[str]]]:
    """The commands in the docstring, continued lines joined, and what stands
    below each: lines of what it prints."""
    text = (EXAMPLES / f"{name}.py").read_text()
    text = text.split('"""')[1].replace("\\\\\n", " ")
    found: list[tuple[list[str], list[str]]] = []
    shown: list[str] | None = None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("curl "):
            shown = []
            found.append((shlex.split(line), shown))
        elif not line:
            shown = None
        elif shown is not None:
            shown.append(line)
    return found


def missing_line(shown: list[str], output: str) -> str | None:
    """The first shown line that does not follow in the output."""
    lines = iter([line.strip() for line in output.splitlines()])
    for line in shown:
        if line not in lines:
            return line
    return None


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize(
    "name",
    [
        "hello",
        "rest_api",
        "async_clients",
        "conformance",
        "static_files",
        "proxy",
        "middleware",
        "errors",
        "mounts",
        "streaming",
        "cors",
        "openapi",
        "templates",
        "testing",
        "browser",
        "sessions",
        "database",
    ],
)
def test_the_lines_of_an_example_work(serve: Servers, name: str) -> None:
    server = serve(f"rupy.examples.{name}:app")
    lines = curl_lines(name)
    assert len(lines) >= 4
    for line, shown in lines:
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
        assert missing_line(shown, said[0]) is None, (line, said)
        wanted = {"boom": "500", "raise": "500", "hurry": "504"}
        last = line[-1].rpartition("/")[2]
        assert said[2] == wanted.get(last, said[2])
        if last not in wanted and not shown:
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


def test_testing() -> None:
    """The tests of the example pass, and there are some."""
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "pytest"),
            *("-q", "-p", "no:cacheprovider"),
            *("-p", "rupy.testing.pytest_plugin"),
            *("--import-mode=importlib", str(EXAMPLES / "testing.py")),
        ],
        env=clean_env() | PRELOAD,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout


def test_sessions() -> None:
    from rupy.examples.sessions import app
    from rupy.testing import TestClient

    with TestClient(app, follow_redirects=True) as client:
        form = {"name": "ada", "password": "lovelace"}
        assert client.post("/login", data=form).text == "hello, ada\n"
        good = client.cookies["session"]
        client.cookies.clear()
        for bad in ("", "x", good[:-2] + "AA", good[:-8]):
            client.cookies["session"] = bad
            assert client.get("/me").status == 401, bad
        client.cookies["session"] = good
        assert client.get("/me").status == 200
        assert client.post("/logout").status == 401
        assert client.get("/api").headers["www-authenticate"] == "Bearer"


def test_database() -> None:
    from rupy.examples.database import app
    from rupy.testing import TestClient

    with TestClient(app) as client:
        answer = client.post("/tasks", content="dishes")
        where = answer.headers["location"]
        assert (answer.status, where) == (202, "/tasks/1")
        wait_for(lambda: client.get(where).json()["done"], "the work is done")
