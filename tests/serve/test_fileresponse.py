"""FileResponse: files that a handler has chosen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Client, Server, Servers, head_of, wait_for

APP = """
import asyncio
import gc
import os
from pathlib import Path
from rupy import FileResponse, HTTPError, Response, Rupy

app = Rupy()
HERE = Path(os.environ["HERE"])

@app.get("/def/<name>")
def sync(name):
    return FileResponse(HERE / name)

@app.get("/async/<name>")
async def coroutine(name):
    return FileResponse(HERE / name)

@app.get("/late/<name>")
async def late(name):
    await asyncio.sleep(0.001)
    return FileResponse(str(HERE / name))

@app.get("/thread/<name>", threaded=True)
def thread(name):
    return FileResponse(os.fsencode(HERE / name))

@app.get("/named")
def named(request):
    return FileResponse(HERE / "a.txt", request.query["as"],
                        inline="inline" in request.query)

@app.get("/caught/<name>")
def caught(name):
    try:
        return FileResponse(HERE / name)
    except OSError as error:
        raise HTTPError(404, type(error).__name__) from error

@app.get("/own")
def own():
    response = FileResponse(HERE / "a.txt", max_age=60, headers={
        "etag": 'W/"mine"', "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT",
        "x-own": "yes"}, content_type="text/x-own")
    response.set_cookie("a", "b")
    return response

@app.get("/status")
def status():
    return FileResponse(HERE / "a.txt", status=404)

@app.get("/field")
def field():
    return FileResponse(HERE / "a.txt", headers={"Content-Type": "text/x-f"})

@app.get("/replaced")
def replaced():
    response = FileResponse(HERE / "a.txt")
    response.body = response.body.upper()
    assert response.size is None, response
    return response

@app.get("/fresh")
def fresh(request):
    (HERE / "fresh").write_text(request.query["text"])
    return FileResponse(HERE / "fresh")

@app.get("/bad/<kind>")
def bad(kind):
    try:
        match kind:
            case "slash": FileResponse(HERE / "a.txt", "a/b")
            case "line": FileResponse(HERE / "a.txt", "a\\r\\nX: y")
            case "empty": FileResponse(HERE / "a.txt", "")
            case "type": FileResponse(HERE / "a.txt", 1)
            case "path": FileResponse(None)
            case "nul": FileResponse("a\\0b")
            case "age": FileResponse(HERE / "a.txt", max_age=-1)
            case "status": FileResponse(HERE / "a.txt", status=99)
            case "none": FileResponse()
            case "new": FileResponse.__new__(FileResponse).size.bit_length()
    except Exception as error:
        return type(error).__name__
    return "fine"

@app.get("/bare")
def bare():
    # Made without __init__, as a subclass may.
    class Mine(FileResponse):
        def __init__(self):
            pass
    assert repr(Mine()) == "<FileResponse 0>" or repr(Mine())
    assert Mine().body == b""
    return Response(b"fine")

@app.get("/subclass")
def subclass():
    class Mine(FileResponse):
        def __init__(self, name):
            super().__init__(HERE / name)
            self.note = "kept"
    response = Mine("a.txt")
    assert response.note and response.size == 5
    return response

@app.get("/count")
def count():
    gc.collect()
    return {"objects": len(gc.get_objects()),
            "fds": len(os.listdir("/proc/self/fd"))}
"""
BIG = os.urandom(2 * 1024 * 1024 + 3)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("here")
    (folder / "a.txt").write_text("alpha")
    (folder / "big.bin").write_bytes(BIG)
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    return folder


@pytest.fixture(scope="module")
def server(serve_module: Servers, here: Path) -> Server:
    return serve_module(APP, env={"HERE": str(here)})


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.connect() as client:
        yield client


KINDS = pytest.mark.parametrize("kind", ["def", "async", "late", "thread"])


@KINDS
def test_every_kind_of_handler_sends_files(client: Client, kind: str) -> None:
    answer = client.get(f"/{kind}/a.txt")
    assert (answer.status, answer.text) == (200, "alpha")
    assert answer.get("content-type") == "text/plain; charset=utf-8"
    assert answer.get("accept-ranges") == "bytes"
    assert answer.get("cache-control") is None
    assert client.get(f"/{kind}/big.bin").body == BIG
    head = client.request("HEAD", f"/{kind}/big.bin")
    assert head.get("content-length") == str(len(BIG))


@KINDS
def test_every_kind_has_ranges_and_conditions(
    client: Client, kind: str
) -> None:
    path = f"/{kind}/big.bin"
    etag = client.get(path).get("etag") or ""
    part = client.get(path, Range="bytes=100-199")
    assert (part.status, part.body) == (206, BIG[100:200])
    parts = client.get(path, Range="bytes=0-9,-10")
    assert parts.status == 206
    assert BIG[:10] in parts.body
    assert BIG[-10:] in parts.body
    assert client.get(path, Range="bytes=9999999-").status == 416
    assert client.get(path, If_None_Match=etag).status == 304
    assert client.get(path, If_Match='"other"').status == 412
    assert client.get(f"/{kind}/a.txt").text == "alpha"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("as=a.txt", 'attachment; filename="a.txt"'),
        ("as=a.txt&inline", 'inline; filename="a.txt"'),
        (
            "as=%E2%82%AC%20100%25.txt",
            'attachment; filename="_ 100_.txt";'
            " filename*=UTF-8''%E2%82%AC%20100%25.txt",
        ),
        ("as=%22%5C", 'attachment; filename="\\"\\\\"'),
    ],
)
def test_a_download_has_a_name(client: Client, query: str, field: str) -> None:
    answer = client.get(f"/named?{query}")
    assert answer.get("content-disposition") == field
    assert answer.text == "alpha"


def test_the_name_of_a_download_tells_its_type(client: Client) -> None:
    assert client.get("/named?as=x.png").get("content-type") == "image/png"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("nothing", "FileNotFoundError"),
        ("folder", "IsADirectoryError"),
        ("fifo", "OSError"),
    ],
)
def test_what_cannot_be_sent_is_an_error_in_the_handler(
    client: Client, name: str, error: str
) -> None:
    answer = client.get(f"/caught/{name}")
    assert (answer.status, answer.text) == (404, error)
    assert client.get(f"/def/{name}").status == 500


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("slash", "ValueError"),
        ("line", "ValueError"),
        ("empty", "ValueError"),
        ("type", "TypeError"),
        ("path", "TypeError"),
        ("nul", "ValueError"),
        ("age", "ValueError"),
        ("status", "ValueError"),
        ("none", "TypeError"),
        ("new", "AttributeError"),
    ],
)
def test_bad_arguments_are_refused(
    client: Client, kind: str, error: str
) -> None:
    assert client.get(f"/bad/{kind}").text == error


def test_the_applications_own_fields_win(client: Client) -> None:
    answer = client.get("/own")
    assert answer.get_all("etag") == ['W/"mine"']
    assert answer.get_all("last-modified") == ["Sun, 06 Nov 1994 08:49:37 GMT"]
    assert answer.get_all("content-type") == ["text/x-own"]
    assert answer.get("cache-control") == "public, max-age=60"
    assert answer.get("x-own") == "yes"
    assert answer.get("set-cookie") is not None
    assert client.get("/own", If_None_Match='"mine"').status == 304
    since = {"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}
    assert client.request("GET", "/own", since).status == 304


def test_a_type_among_the_headers_is_the_type_of_the_parts(
    client: Client,
) -> None:
    assert client.get("/field").get_all("content-type") == ["text/x-f"]
    answer = client.get("/field", Range="bytes=0-0,2-2")
    [kind] = answer.get_all("content-type")
    assert kind.startswith("multipart/byteranges")
    assert answer.body.count(b"Content-Type: text/x-f\r\n") == 2


def test_another_status_is_sent_whole(client: Client) -> None:
    answer = client.get("/status", Range="bytes=0-1", If_None_Match="*")
    assert (answer.status, answer.text) == (404, "alpha")
    assert answer.get("accept-ranges") is None


def test_content_may_be_replaced(client: Client) -> None:
    answer = client.get("/replaced")
    assert (answer.status, answer.text) == (200, "ALPHA")


def test_what_the_handler_has_just_written_is_sent(client: Client) -> None:
    for n in range(20):
        assert client.get(f"/fresh?text={n}").text == str(n)


def test_subclasses_work(client: Client) -> None:
    assert client.get("/subclass").text == "alpha"
    assert client.get("/bare").text == "fine"


def test_nothing_is_left_behind(server: Server, client: Client) -> None:
    def use() -> dict[str, int]:
        for _ in range(100):
            for path in (
                "/def/a.txt",
                "/def/big.bin",
                "/late/a.txt",
                "/thread/a.txt",
                "/replaced",
                "/caught/nothing",
                "/bad/slash",
                "/subclass",
            ):
                client.get(path)
            client.get("/def/big.bin", Range="bytes=0-1,5-6")
        for _ in range(20):
            with server.connect() as gone:
                gone.send(head_of("GET", "/def/big.bin") * 3)
                gone.head()
                gone.reset()
        counts: dict[str, int] = client.get("/count").json()
        return counts

    use()
    before = use()

    def is_clean() -> bool:
        now = client.get("/count").json()
        return (
            now["objects"] <= before["objects"] + 50
            and now["fds"] <= before["fds"] + 1
        )

    use()
    wait_for(is_clean, "all is given back")
