"""Folders of files, by app.static() and by --static."""

from __future__ import annotations

import email
import gzip
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Client, Server, Servers, head_of, wait_for

MIB = 1024 * 1024
APP = """
import os
from rupy import Rupy

app = Rupy()
WWW = os.environ["WWW"]
app.static("/static", WWW, types={".wat": "text/x-wat"})
app.static("/cached", WWW, max_age=3600, precompressed=False, name="cached")
app.static("/silent", WWW, max_age=None, index=None, name="silent")
app.static("/dots", WWW, dot_files=True, name="dots")

@app.get("/static/route")
def route():
    return "a route wins"

@app.get("/url")
def url():
    return app.url_for("static", path="sub/a b.txt")

@app.get("/fds")
def fds():
    return str(len(os.listdir("/proc/self/fd")))
"""
BIG = os.urandom(3 * MIB + 17)


@pytest.fixture(scope="module")
def www(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("files")
    (top / "secret").write_text("secret")
    root = top / "www"
    for name in ("", "sub", "sub/deep", "empty", ".git", "a:b"):
        (root / name).mkdir()
    (root / "index.html").write_text("<h1>index</h1>")
    (root / "sub" / "index.html").write_text("sub index")
    (root / "a:b" / "index.html").write_text("colon")
    (root / "sub" / "a b.txt").write_text("blank")
    (root / "hello.txt").write_text("Hello, World!")
    (root / "x.wat").write_text("wat")
    (root / "zero").write_bytes(b"")
    (root / "big.bin").write_bytes(BIG)
    (root / ".env").write_text("password")
    (root / ".git" / "config").write_text("private")
    (root / "in").symlink_to("hello.txt")
    (root / "out").symlink_to("../secret")
    (root / "absolute").symlink_to("/etc/passwd")
    (root / "sub" / "deep" / "up").symlink_to("../../hello.txt")
    (root / "closed").write_text("nobody")
    os.mkfifo(root / "fifo")
    (root / "app.js").write_text("plain" * 100)
    (root / "app.js.gz").write_bytes(gzip.compress(b"plain" * 100))
    (root / "app.js.br").write_bytes(b"brotli")
    return root


@pytest.fixture(scope="module")
def server(serve_module: Servers, www: Path) -> Server:
    return serve_module(
        APP,
        "--static",
        f"/option={www}",
        "--static",
        f"/option/sub/inner={www / 'sub'}",
        "--static-expires",
        "1h",
        env={"WWW": str(www)},
    )


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.connect() as client:
        yield client


@pytest.mark.parametrize("prefix", ["/static", "/option"])
def test_a_file_comes_with_all_that_describes_it(
    client: Client, www: Path, prefix: str
) -> None:
    answer = client.get(prefix + "/hello.txt")
    assert (answer.status, answer.text) == (200, "Hello, World!")
    assert answer.get("content-type") == "text/plain; charset=utf-8"
    assert answer.get("content-length") == "13"
    assert answer.get("accept-ranges") == "bytes"
    assert re.fullmatch(r'"[0-9a-f]+-d"', answer.get("etag") or "")
    modified = email.utils.parsedate_to_datetime(
        answer.get("last-modified") or ""
    )
    assert modified.timestamp() == int((www / "hello.txt").stat().st_mtime)
    head = client.request("HEAD", prefix + "/hello.txt")
    assert [h for h in head.headers if h[0] != "date"] == [
        h for h in answer.headers if h[0] != "date"
    ]


def test_a_large_file_is_sent_whole(client: Client) -> None:
    for _ in range(3):
        assert client.get("/static/big.bin").body == BIG


def test_an_empty_file_is_empty(client: Client) -> None:
    answer = client.get("/static/zero")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.get("content-length") == "0"
    assert client.get("/static/zero", Range="bytes=0-").status == 416


def test_pipelined_requests_for_files_keep_their_order(client: Client) -> None:
    paths = ["/static/big.bin", "/static/hello.txt", "/url"] * 3
    client.send(b"".join(head_of("GET", path) for path in paths))
    for path in paths:
        body = client.answer().body
        want = BIG if "big" in path else None
        assert body == want if want else len(body) < 100


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/static/hello.txt", "no-cache"),
        ("/cached/hello.txt", "public, max-age=3600"),
        ("/option/hello.txt", "public, max-age=3600"),
        ("/silent/hello.txt", None),
    ],
)
def test_cache_control_says_how_long(
    client: Client, path: str, field: str | None
) -> None:
    assert client.get(path).get("cache-control") == field


@pytest.mark.parametrize(
    "path",
    [
        "/out",
        "/absolute",
        "/nothing",
        "/.env",
        "/.git/config",
        "/sub/../../secret",
        "/../secret",
        "/..%2fsecret",
        "/%2e%2e/secret",
        "/%2e%2e%2fsecret",
        "/sub/%2e%2e/%2e%2e/secret",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/..%5csecret",
        "/hello.txt/",
        "/hello.txt/x",
        "/sub//a%20b.txt",
        "/fifo",
        "/empty",
        "/empty/",
        "/" + "a" * 300,
        "/" + "a/" * 2000,
        "/%ff",
    ],
)
@pytest.mark.parametrize("prefix", ["/static", "/option"])
def test_what_is_not_to_be_had_is_404(
    client: Client, prefix: str, path: str
) -> None:
    answer = client.get(prefix + path)
    assert (answer.status, answer.text) == (404, "404 Not Found\n")


def test_a_nul_is_no_part_of_a_path(client: Client) -> None:
    assert client.get("/static/hello.txt%00.html").status == 400


@pytest.mark.parametrize("path", ["/in", "/sub/deep/up"])
def test_links_inside_of_the_folder_are_followed(
    client: Client, path: str
) -> None:
    assert client.get("/static" + path).text == "Hello, World!"


def test_dot_files_are_served_where_that_was_asked(client: Client) -> None:
    assert client.get("/dots/.env").text == "password"
    assert client.get("/dots/../secret").status == 404


def test_a_file_that_may_not_be_read_is_403(
    serve: Servers, tmp_path: Path
) -> None:
    """As nobody, since the superuser reads everything."""
    folder = Path("/tmp") / f"rupy-closed-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "closed").write_text("nobody")
        (folder / "closed").chmod(0)
        server = serve(
            "import os\nfrom rupy import Rupy\n"
            "app = Rupy()\n"
            f"app.static('/s', {str(folder)!r})\n"
            "@app.on_startup\n"
            "def leave():\n"
            "    if os.getuid() == 0:\n"
            "        os.seteuid(65534)\n",
        )
        assert server.get("/s/closed").status == 403
    finally:
        (folder / "closed").unlink()
        folder.rmdir()


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/static", "./static/"),
        ("/option", "./option/"),
        ("/static/sub", "./sub/"),
        ("/static/sub?a=b&c", "./sub/?a=b&c"),
        ("/static/a:b", "./a:b/"),
        ("/static/%73ub", "./%73ub/"),
    ],
)
def test_a_folder_without_its_slash_is_sent_to_it(
    client: Client, path: str, location: str
) -> None:
    answer = client.get(path)
    assert (answer.status, answer.get("location")) == (301, location)


def test_no_path_makes_the_redirect_lead_to_another_host(
    serve: Servers, www: Path
) -> None:
    (www / "evil.com").mkdir(exist_ok=True)
    (www / "evil.com" / "index.html").write_text("")
    server = serve(
        "from rupy import Rupy\napp = Rupy()\n", "--static", f"/={www}"
    )
    for path in ("//evil.com", "/evil.com", "/%2fevil.com", "/\\evil.com"):
        answer = server.get(path)
        location = answer.get("location")
        assert answer.status in (301, 400, 404), path
        assert location is None or location == "./evil.com/", path


def test_the_index_answers_for_a_folder(client: Client) -> None:
    assert client.get("/static/").text == "<h1>index</h1>"
    assert client.get("/static/sub/").text == "sub index"
    assert client.get("/option/sub/").text == "sub index"
    assert client.get("/silent/").status == 404
    assert client.get("/silent/sub").status == 404


@pytest.mark.parametrize("path", ["/static/hello.txt", "/option/hello.txt"])
def test_other_methods_are_405(client: Client, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = client.request(method, path, body=b"")
        assert answer.status == 405
        assert answer.get("allow") == "GET, HEAD, OPTIONS"
    answer = client.request("OPTIONS", path)
    assert (answer.status, answer.get("allow")) == (204, "GET, HEAD, OPTIONS")
    assert client.request("BREW", path).status == 501


def test_routes_and_folders_live_side_by_side(client: Client) -> None:
    assert client.get("/static/route").text == "a route wins"
    assert client.get("/url").text == "/static/sub/a%20b.txt"
    assert client.get("/static/sub/a%20b.txt").text == "blank"
    assert client.get("/optional").status == 404
    # The longest prefix counts.
    assert client.get("/option/sub/inner/").text == "sub index"


def test_an_application_may_add_media_types(client: Client) -> None:
    assert client.get("/static/x.wat").get("content-type") == "text/x-wat"
    assert (
        client.get("/cached/x.wat").get("content-type")
        == "application/octet-stream"
    )


# ---- conditions ----


def test_the_second_load_is_304(client: Client) -> None:
    first = client.get("/static/hello.txt")
    again = {
        "If-None-Match": first.get("etag") or "",
        "If-Modified-Since": first.get("last-modified") or "",
    }
    second = client.request("GET", "/static/hello.txt", again)
    assert (second.status, second.body) == (304, b"")
    for name in ("etag", "last-modified", "cache-control"):
        assert second.get(name) == first.get(name)
    assert second.get("content-length") is None
    assert second.get("content-type") is None
    # The connection goes on.
    assert client.get("/static/hello.txt").status == 200


def test_a_browser_cache_asks_and_gets_304(
    server: Server, tmp_path: Path
) -> None:
    saved, etag = tmp_path / "saved", tmp_path / "etag"
    command = [
        *("curl", "-s", "-o", saved, "-w", "%{http_code}"),
        *("--etag-save", etag, "--etag-compare", etag),
        server.url + "/static/app.js",
    ]
    for want in ("200", "304"):
        run = subprocess.run(command, capture_output=True, timeout=30)
        assert run.stdout.decode() == want


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": '"other"'}, 200),
        ({"If-None-Match": "*"}, 304),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": "*"}, 200),
        ({"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}, 412),
        ({"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}, 200),
    ],
)
def test_conditions_decide(
    client: Client, headers: dict[str, str], status: int
) -> None:
    answer = client.request("GET", "/static/hello.txt", headers)
    assert answer.status == status


# ---- ranges ----


@pytest.mark.parametrize("name", ["hello.txt", "big.bin"])
@pytest.mark.parametrize(
    ("spec", "first", "last"),
    [("0-4", 0, 4), ("5-", 5, None), ("-5", -5, None), ("2-2", 2, 2)],
)
def test_a_range_is_that_part_of_the_file(
    client: Client,
    www: Path,
    name: str,
    spec: str,
    first: int,
    last: int | None,
) -> None:
    whole = (www / name).read_bytes()
    begin = first % len(whole)
    end = len(whole) - 1 if last is None else last
    answer = client.get("/static/" + name, Range=f"bytes={spec}")
    assert answer.status == 206
    assert answer.body == whole[begin : end + 1]
    assert answer.get("content-range") == f"bytes {begin}-{end}/{len(whole)}"


@pytest.mark.parametrize("name", ["hello.txt", "big.bin"])
def test_several_ranges_come_as_parts(
    client: Client, www: Path, name: str
) -> None:
    whole = (www / name).read_bytes()
    answer = client.get("/static/" + name, Range="bytes=0-1,5-6,-2")
    assert answer.status == 206
    kind = answer.get("content-type") or ""
    assert kind.startswith("multipart/byteranges; boundary=")
    assert answer.get("content-range") is None
    mark = b"\r\n--" + kind.partition("=")[2].encode()
    pre, *parts, end = answer.body.split(mark)
    assert (pre, end) == (b"", b"--\r\n")
    for part, (first, last) in zip(
        parts, [(0, 1), (5, 6), (len(whole) - 2, len(whole) - 1)], strict=True
    ):
        head, _, content = part.partition(b"\r\n\r\n")
        assert content == whole[first : last + 1]
        assert (
            f"content-range: bytes {first}-{last}/{len(whole)}".encode()
            in head.lower()
        )
        assert b"content-type: " in head.lower()
    assert client.get("/static/hello.txt").status == 200


def test_a_range_that_is_not_there_is_416(client: Client) -> None:
    answer = client.get("/static/hello.txt", Range="bytes=13-")
    assert answer.status == 416
    assert answer.get("content-range") == "bytes */13"


@pytest.mark.parametrize(
    "value",
    [
        "bytes=0-5,3-7",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 40, 2)),
        "bytes=x",
        "lines=1-2",
    ],
)
def test_ranges_that_make_no_sense_get_the_whole(
    client: Client, value: str
) -> None:
    answer = client.get("/static/big.bin", Range=value)
    assert (answer.status, len(answer.body)) == (200, len(BIG))


def test_a_download_goes_on_only_if_the_file_is_the_same(
    client: Client,
) -> None:
    etag = client.get("/static/hello.txt").get("etag") or ""
    for tag, status in ((etag, 206), ('"other"', 200)):
        answer = client.request(
            "GET", "/static/hello.txt", {"Range": "bytes=5-", "If-Range": tag}
        )
        assert answer.status == status


# ---- precompressed ----


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"),
        ("gzip, br", "br"),
        ("br;q=0.1, gzip;q=0.9", "gzip"),
        ("zstd", None),
        ("gzip;q=0", None),
        (None, None),
    ],
)
def test_a_coded_file_goes_to_who_takes_it(
    client: Client, www: Path, accept: str | None, coding: str | None
) -> None:
    headers = {"Accept-Encoding": accept} if accept else {}
    answer = client.request("GET", "/static/app.js", headers)
    ext = {"gzip": ".gz", "br": ".br", None: ""}[coding]
    assert answer.status == 200
    assert answer.body == (www / ("app.js" + ext)).read_bytes()
    assert answer.get("content-encoding") == coding
    assert answer.get("vary") == "Accept-Encoding"
    assert answer.get("content-type") == "text/javascript; charset=utf-8"
    etag = answer.get("etag") or ""
    assert etag.endswith(f'-{coding}"' if coding else '"')
    # It is this version that the client has, and no other.
    again = client.request(
        "GET", "/static/app.js", headers | {"If-None-Match": etag}
    )
    assert (again.status, again.get("vary")) == (304, "Accept-Encoding")
    other = client.request(
        "GET",
        "/static/app.js",
        {
            "Accept-Encoding": "br" if coding != "br" else "gzip",
            "If-None-Match": etag,
        },
    )
    assert other.status == 200


def test_coded_files_are_left_alone_when_that_was_asked(
    client: Client,
) -> None:
    answer = client.get("/cached/app.js", Accept_Encoding="gzip")
    assert answer.get("content-encoding") is None
    assert answer.get("vary") is None


# ---- files that change ----


def test_a_file_replaced_by_rename_is_seen_soon(
    server: Server, www: Path
) -> None:
    target = www / "changes.txt"
    target.write_text("old")
    assert server.get("/static/changes.txt").text == "old"
    new = www / "new.txt"
    new.write_text("new version")
    new.rename(target)
    replaced = time.monotonic()
    wait_for(
        lambda: server.get("/static/changes.txt").text == "new version",
        "the new file",
    )
    # It must not take for ever; the machine may be slow.
    assert time.monotonic() - replaced < 5


def test_a_file_cut_while_it_is_sent_ends_the_connection(
    server: Server, www: Path
) -> None:
    target = www / "cut.bin"
    target.write_bytes(bytes(64 * MIB))
    with server.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(head_of("GET", "/static/cut.bin"))
        status, headers = client.head()
        assert (status, dict(headers)["content-length"]) == (
            200,
            str(64 * MIB),
        )
        os.truncate(target, MIB)
        assert len(client.ends()) < 64 * MIB
    assert server.get("/static/hello.txt").status == 200
    server.wait_log("a file got shorter")


def test_a_client_that_reads_slowly_does_not_hold_up_others(
    server: Server, www: Path
) -> None:
    """Ten of them want 10 MiB each, and a small one comes in between."""
    (www / "ten.bin").write_bytes(bytes(10 * MIB))
    with server.connect() as other:
        other.get("/static/hello.txt")
        clients = [server.connect() for _ in range(10)]
        for c in clients:
            c.send(head_of("GET", "/static/ten.bin"))
        assert other.get("/static/hello.txt").status == 200
        for c in clients:
            assert len(c.answer().body) == 10 * MIB


def test_files_leave_no_descriptors_behind(server: Server) -> None:
    def ask() -> int:
        for _ in range(20):
            assert server.get("/static/big.bin").status == 200
            assert server.get("/static/nothing").status == 404
            assert server.get("/static/sub").status == 301
        return int(server.get("/fds").text)

    before = ask()
    assert ask() <= before + 2


def test_clients_that_go_leave_no_descriptors_behind(server: Server) -> None:
    server.get("/static/big.bin")
    before = int(server.get("/fds").text)
    for _ in range(30):
        with server.connect() as client:
            client.send(head_of("GET", "/static/big.bin") * 4)
            client.head()
            client.reset()
    wait_for(
        lambda: int(server.get("/fds").text) <= before + 2,
        "descriptors are closed",
    )


# ---- options ----


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("/static", "is not URL=DIR"),
        ("static=.", "does not begin with a slash"),
        ("/static=/nowhere/at/all", "No such file or directory"),
        ("/static=/etc/passwd", "is no folder"),
    ],
)
def test_a_bad_option_is_one_line_that_says_why(
    rupy_bin: Path, value: str, message: str
) -> None:
    run = subprocess.run(
        [rupy_bin, "--static", value, "app:app"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.returncode == 1
    assert message in run.stderr
    assert run.stderr.count("\n") == 1


def test_static_stands_before_an_asgi_application(
    serve: Servers, www: Path
) -> None:
    server = serve(
        "async def app(scope, receive, send):\n"
        "    assert scope['type'] == 'http'\n"
        "    await send({'type': 'http.response.start', 'status': 200})\n"
        "    await send({'type': 'http.response.body', 'body': b'app'})\n",
        *("--interface", "asgi", "--lifespan", "off"),
        *("--static", f"/static={www}"),
    )
    assert server.get("/static/hello.txt").text == "Hello, World!"
    assert server.get("/static/nothing").status == 404
    assert server.get("/other").text == "app"


@pytest.mark.parametrize("options", [(), ("--threads", "2")])
def test_middleware_sees_a_file_as_a_response(
    serve: Servers, www: Path, options: tuple[str, ...]
) -> None:
    server = serve(
        "from rupy import Rupy\n"
        "app = Rupy()\n"
        f"app.static('/static', {str(www)!r})\n"
        "@app.middleware\n"
        "async def around(request, call_next):\n"
        "    answer = await call_next(request)\n"
        "    answer.headers['x-around'] = type(answer).__name__\n"
        "    return answer\n",
        *options,
    )
    answer = server.get("/static/big.bin")
    assert (answer.status, answer.body) == (200, BIG)
    assert answer.get("x-around") == "FileResponse"
    etag = answer.get("etag") or ""
    assert server.get("/static/big.bin", If_None_Match=etag).status == 304
    part = server.get("/static/big.bin", Range="bytes=1-5")
    assert (part.status, part.body) == (206, BIG[1:6])
    coded = server.get("/static/app.js", Accept_Encoding="br")
    assert coded.get_all("content-encoding") == ["br"]
    assert coded.get("vary") == "Accept-Encoding"
    assert server.get("/static/sub").get("location") == "./sub/"
    assert server.get("/static").get("location") == "./static/"
    assert server.get("/static/per%25cent").status == 404
    missing = server.get("/static/nothing")
    assert (missing.status, missing.get("x-around")) == (404, "Response")
    assert server.get("/static/..%2fsecret").status == 404


# ---- memory ----


def peak_of(pid: int) -> int:
    """VmHWM in bytes."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert found
    return int(found[1]) * 1024


def test_a_huge_file_takes_no_memory(server: Server, www: Path) -> None:
    """256 MiB; 4 GiB and more, beyond what 32 bits count, when
    RUPY_TEST_HUGE=1 asks for it."""
    size = 256 * MIB + 1
    if os.environ.get("RUPY_TEST_HUGE"):
        size = 4096 * MIB + 1
    with (www / "huge").open("wb") as f:
        f.truncate(size)
    [worker] = server.workers
    before = peak_of(worker)
    got = 0
    with server.connect() as client:
        client.send(head_of("GET", "/static/huge"))
        status, headers = client.head()
        assert status == 200
        assert int(dict(headers)["content-length"]) == size
        got = len(client.got)
        buffer = bytearray(MIB)
        while got < size:
            n = client.sock.recv_into(buffer)
            assert n > 0
            got += n
        client.got = b""
        answer = client.get("/static/huge", Range=f"bytes={size - 3}-")
        assert answer.body == b"\0\0\0"
    assert peak_of(worker) - before < 4 * MIB
