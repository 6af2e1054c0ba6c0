"""Forms as clients send them: fields, files, limits, and what goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import Answer, Server, Servers, head_of, wait_for

APP = """
import os
from rupy import Form, HTTPError, Request, Rupy

app = Rupy()

def show(form: Form):
    return {
        "fields": form.items(),
        "files": [
            [name, f.name, f.filename, f.safe_name, f.content_type, f.size,
             len(f.read()), f.in_memory, f.headers.get("x-a")]
            for name, f in form.files.items()]}

@app.post("/form")
def whole(request: Request):
    form = request.form()
    assert request.form() is form
    return show(form)

@app.post("/stream", stream=True)
async def stream(request: Request):
    form = await request.read_form()
    assert request.form() is form and await request.read_form() is form
    return show(form)

@app.post("/thread", stream=True)
def thread(request: Request):
    return show(request.form())

@app.post("/async")
async def async_whole(request: Request):
    return show(await request.read_form())

@app.post("/limits", stream=True)
async def limits(request: Request):
    given = {k: int(v) for k, v in request.query.items()}
    return show(await request.read_form(**given))

@app.post("/save", stream=True)
async def save(request: Request):
    form = await request.read_form(memory=1000)
    kept = form.files["f"]
    try:
        path = await kept.asave_to(
            form["to"], overwrite="overwrite" in form,
            mode=int(form["mode"], 8) if "mode" in form else None)
    except OSError as error:
        return type(error).__name__
    with open(path, "rb") as file:
        same = file.read() == kept.read()
    return {"path": path, "same": same, "memory": kept.in_memory,
            "again": kept.seek(0) == 0 and len(b"".join(kept)) == kept.size}

@app.post("/caught", stream=True)
async def caught(request: Request):
    try:
        await request.read_form()
    except HTTPError as error:
        return {"status": error.status, "detail": error.detail}

@app.get("/files")
def files():
    return str(sum("deleted" in os.readlink(f"/proc/self/fd/{fd}") or
                   "memfd" in os.readlink(f"/proc/self/fd/{fd}")
                   for fd in os.listdir("/proc/self/fd")
                   if os.path.lexists(f"/proc/self/fd/{fd}")))
"""

ROUTES = ["/form", "/stream", "/thread", "/async"]
CD = "Content-Disposition: form-data; "


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP)


def multipart(*parts: str | bytes, boundary: str = "xx") -> bytes:
    """Parts are header and content, with an empty line between."""
    lines = []
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        lines.append(f"--{boundary}\r\n".encode() + data + b"\r\n")
    return b"".join(lines) + f"--{boundary}--\r\n".encode()


def post(server: Server, path: str, body: bytes) -> Answer:
    return server.post(
        path, body, content_type="multipart/form-data; boundary=xx"
    )


def field(name: str, value: str = "1") -> str:
    return f'{CD}name="{name}"\r\n\r\n{value}'


def file(filename: str, content: bytes = b"content", name: str = "f") -> bytes:
    head = f'{CD}name="{name}"; filename="{filename}"\r\nX-A: b\r\n'
    return (head + "Content-Type: text/x\r\n\r\n").encode() + content


@pytest.mark.parametrize("path", ROUTES)
def test_fields_and_files_on_every_kind_of_route(
    server: Server, path: str
) -> None:
    large = b"x" * 1_000_000
    body = multipart(
        field("a"), file("n.txt"), field("a", "2\r\n"), file("l", large, "g")
    )
    assert post(server, path, body).json() == {
        "fields": [["a", "1"], ["a", "2\r\n"]],
        "files": [
            ["f", "f", "n.txt", "n.txt", "text/x", 7, 7, True, "b"],
            ["g", "g", "l", "l", "text/x", 1000000, 1000000, False, "b"],
        ],
    }


@pytest.mark.parametrize("path", ROUTES)
def test_url_encoded_forms(server: Server, path: str) -> None:
    answer = server.post(
        path,
        b"a=b+c&%C3%A4=%E2%82%AC&a=",
        content_type="application/x-www-form-urlencoded; charset=utf-8",
    )
    fields = [["a", "b c"], ["\u00e4", "\u20ac"], ["a", ""]]
    assert answer.json() == {"fields": fields, "files": []}


@pytest.mark.parametrize("path", ["/form", "/stream"])
def test_a_form_may_come_byte_by_byte(server: Server, path: str) -> None:
    body = multipart(field("a", "\r\n--x"), file("b", b"\r\n--xx"[:-1]))
    head = head_of(
        "POST",
        path,
        {"content-type": "multipart/form-data; boundary=xx"},
        body,
    )
    with server.connect() as client:
        client.send(head)
        client.send_in_bytes(body)
        answer = client.answer().json()
    assert answer["fields"] == [["a", "\r\n--x"]]
    assert answer["files"][0][5] == 5


# What browsers send as filename, its text, and what it is on a disk.
FILENAMES = [
    ("a.txt", "a.txt", "a.txt", "Chrome, Firefox, Safari"),
    ("\u00e4\u20ac.txt", "\u00e4\u20ac.txt", "\u00e4\u20ac.txt", "UTF-8"),
    ("a%22b.txt", 'a"b.txt', 'a"b.txt', "a quote, HTML 4.10.21.8"),
    ("a%0D%0Ab", "a\r\nb", "ab", "a line end"),
    ("100%25.txt", "100%25.txt", "100%25.txt", "no other escapes"),
    ("C:\\Users\\me\\a.txt", "C:\\Users\\me\\a.txt", "a.txt", "old Edge"),
    ('a\\"b', 'a"b', 'a"b', "curl before 7.81"),
    ("a\\", "a\\", "upload", "a backslash at the end"),
    ("dir/sub/a.txt", "dir/sub/a.txt", "a.txt", "a folder's upload"),
    ("../../etc/passwd", "../../etc/passwd", "passwd", "an attack"),
    ("..", "..", "upload", "an attack"),
    (".bashrc", ".bashrc", "bashrc", "a hidden file"),
    ("a\tb", "a\tb", "ab", "a control character"),
]


@pytest.mark.parametrize(("sent", "name", "safe", "who"), FILENAMES)
def test_filenames_as_browsers_send_them(
    server: Server, sent: str, name: str, safe: str, who: str
) -> None:
    found = post(server, "/form", multipart(file(sent))).json()["files"][0]
    assert found[2:4] == [name, safe], who


def test_filename_star_and_charsets(server: Server) -> None:
    body = multipart(
        CD + "name=f; filename=a; filename*=UTF-8''%e2%82%ac\r\n\r\n1",
        CD.encode() + b'name="a"\r\nContent-Type: text/plain; '
        b"charset=iso-8859-1\r\n\r\n\xe4",
    )
    answer = post(server, "/stream", body).json()
    assert answer["files"][0][2] == "\u20ac"
    assert answer["fields"] == [["a", "\u00e4"]]


def test_a_file_input_that_was_left_empty_is_no_file(server: Server) -> None:
    answer = post(server, "/form", multipart(file("", b"")))
    assert answer.json() == {"fields": [], "files": []}
    assert post(server, "/form", multipart(file("", b"x"))).json()["files"]
    assert post(server, "/form", multipart(file("e", b""))).json()["files"]


BAD: list[tuple[bytes, int, str]] = [
    (b"", 400, "nothing"),
    (b"nothing", 400, "no boundary"),
    (b"--xx\r\n", 400, "cut off"),
    (multipart(field("a"))[:-6], 400, "cut in the end"),
    (multipart("X: y\r\n\r\n1"), 400, "no name"),
    (multipart(CD.encode() + b'name="a"\r\n\r\n\xff'), 400, "no UTF-8"),
    (multipart(CD.encode() + b'name="\xff"\r\n\r\n1'), 400, "nor its name"),
    (
        multipart(
            CD + 'name="a"\r\nContent-Type: a/b; charset=punycode\r\n\r\n1'
        ),
        400,
        "a charset that is none",
    ),
    (multipart(field("a")) + b"more", 400, "bytes behind the end"),
    (multipart(*[field("a")] * 1001), 413, "too many parts"),
    (multipart(*[file("a")] * 101), 413, "too many files"),
    (multipart(field("a", "x" * ((1 << 20) + 1))), 413, "a large field"),
    (multipart(*[field("a", "x" * (1 << 20))] * 9), 413, "large fields"),
    (multipart(field("x" * 1025)), 413, "a long name"),
    (multipart(f"X: {'y' * 8192}\r\n{field('a')}"), 413, "a large header"),
]


@pytest.mark.parametrize(("body", "status", "why"), BAD)
@pytest.mark.parametrize("path", ["/form", "/stream", "/thread"])
def test_bad_forms_are_answered_with_their_status(
    server: Server, path: str, body: bytes, status: int, why: str
) -> None:
    assert post(server, path, body).status == status, why
    assert server.get("/files").text == "0"


LIMITS: list[tuple[str, bytes, int]] = [
    ("parts=2", multipart(*[field("a")] * 2), 200),
    ("parts=1", multipart(*[field("a")] * 2), 413),
    ("files=1", multipart(file("a"), field("b")), 200),
    ("files=0", multipart(file("a")), 413),
    ("field_size=2", multipart(field("a", "12")), 200),
    ("field_size=1", multipart(field("a", "12")), 413),
    ("fields_size=3", multipart(*[field("a", "12")] * 2), 413),
    ("file_size=7", multipart(file("a")), 200),
    ("file_size=6", multipart(file("a")), 413),
    ("header_size=40", multipart(file("a")), 413),
    ("name_size=3", multipart(field("abc"), file("abc")), 200),
    ("name_size=2", multipart(field("ab"), file("abc")), 413),
    ("total_size=100", multipart(field("a", "x" * 100)), 413),
]


@pytest.mark.parametrize(("limit", "body", "status"), LIMITS)
def test_each_limit_of_a_form_holds(
    server: Server, limit: str, body: bytes, status: int
) -> None:
    assert post(server, f"/limits?{limit}", body).status == status
    head = head_of(
        "POST",
        f"/limits?{limit}",
        {
            "content-type": "multipart/form-data; boundary=xx",
            "transfer-encoding": "chunked",
        },
    )
    with server.connect() as client:
        client.send(head + f"{len(body):x}\r\n".encode() + body)
        client.send("\r\n0\r\n\r\n")
        assert client.answer().status == status


def test_the_limits_of_url_encoded_forms(server: Server) -> None:
    for limit, status in [
        ("parts=2", 200),
        ("parts=1", 413),
        ("field_size=3", 200),
        ("field_size=2", 413),
        ("fields_size=3", 413),
        ("name_size=1", 413),
        ("total_size=5", 413),
    ]:
        answer = server.post(
            f"/limits?{limit}",
            b"aa=123&b=4",
            content_type="application/x-www-form-urlencoded",
        )
        assert answer.status == status, limit


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "", "multipart/mixed; boundary=xx", "application/json"],
)
def test_what_is_no_form_is_answered_415(
    server: Server, content_type: str
) -> None:
    for path in ("/form", "/stream"):
        answer = server.post(path, b"a=b", content_type=content_type)
        assert answer.status == 415


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=a@b"],
)
def test_a_boundary_that_may_not_be_is_400(
    server: Server, content_type: str
) -> None:
    assert server.post("/form", b"", content_type=content_type).status == 400


def test_an_error_can_be_caught(server: Server) -> None:
    answer = post(server, "/caught", b"nothing").json()
    detail = "the form does not begin with its boundary"
    assert answer == {"status": 400, "detail": detail}


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_goes_leaves_no_file(server: Server, how: str) -> None:
    body = multipart(file("a", b"x" * 2_000_000))
    headers = {
        "content-type": "multipart/form-data; boundary=xx",
        "content-length": str(len(body)),
    }
    client = server.connect()
    client.send(head_of("POST", "/stream", headers))
    client.send(body[:1_000_000])
    wait_for(lambda: server.get("/files").text == "1", "the file")
    getattr(client, how)()
    wait_for(lambda: server.get("/files").text == "0", "its end")


# ---- saving ----


def save(server: Server, content: bytes, **fields: str) -> Any:
    body = multipart(
        *(field(name, value) for name, value in fields.items()),
        file("../a b.txt", content),
    )
    answer = post(server, "/save", body)
    assert answer.status == 200, server.stderr[-2000:]
    text = answer.text
    return json.loads(text) if text.startswith("{") else text


@pytest.fixture(params=[10, 100_000], ids=["memory", "file"])
def content(request: pytest.FixtureRequest) -> bytes:
    return os.urandom(request.param)


@pytest.mark.parametrize("where", ["near", "far"])
def test_a_file_is_saved(
    server: Server, tmp_path: Path, content: bytes, where: str
) -> None:
    folder = tmp_path
    if where == "far":
        # A file system of its own, where there is one.
        folder = Path("/dev/shm", f"rupy-forms-{os.getpid()}-{len(content)}")
        folder.mkdir()
    try:
        answer = save(server, content, to=str(folder))
        path = folder / "a b.txt"
        assert answer["path"] == str(path)
        assert answer["same"] and answer["again"]
        assert answer["memory"] == (len(content) == 10)
        assert path.read_bytes() == content
        umask = os.umask(0)
        os.umask(umask)
        assert path.stat().st_mode & 0o777 == 0o666 & ~umask
        assert os.listdir(folder) == ["a b.txt"]
    finally:
        if where == "far":
            shutil.rmtree(folder)


def test_a_name_that_is_taken_is_an_error_unless_it_is_not(
    server: Server, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "here"
    path.write_text("mine")
    assert save(server, content, to=str(path)) == "FileExistsError"
    assert path.read_text() == "mine"
    assert save(server, content, to=str(path), overwrite="", mode="600")["same"]
    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["here"]


def test_a_folder_that_is_not_there_is_an_error(
    server: Server, tmp_path: Path, content: bytes
) -> None:
    missing = str(tmp_path / "none" / "a")
    assert save(server, content, to=missing) == "FileNotFoundError"


def test_a_file_system_without_nameless_files(
    serve: Servers, tmp_path: Path, content: bytes
) -> None:
    server = serve(
        APP.replace("import os\n", "import os\nos.O_TMPFILE = 1 << 30\n", 1)
    )
    answer = save(server, content, to=str(tmp_path / "x"))
    assert answer["same"]
    assert (tmp_path / "x").read_bytes() == content
    assert sorted(os.listdir(tmp_path))[-1] == "x"


# ---- real clients ----


def test_httpx(server: Server) -> None:
    answer = httpx.post(
        server.url + "/stream",
        data={"a": ["1", "2"], "b": "\u20ac"},
        files={"f": ('x"\u00e4.txt', b"12", "text/x"), "g": b"3"},
    ).json()
    assert answer["fields"] == [["a", "1"], ["a", "2"], ["b", "\u20ac"]]
    assert [f[2] for f in answer["files"]] == ['x"\u00e4.txt', "upload"]
    answer = httpx.post(server.url + "/form", data={"a": "b c&"}).json()
    assert answer["fields"] == [["a", "b c&"]]


def test_requests(server: Server) -> None:
    requests = pytest.importorskip("requests")
    for name in ("x.txt", "\u00e4\u20ac.txt", 'q"uote.txt'):
        answer = requests.post(
            server.url + "/stream",
            data={"a": "\u20ac"},
            files={"f": (name, b"12")},
            timeout=10,
        ).json()
        assert answer["fields"] == [["a", "\u20ac"]]
        assert answer["files"][0][2] == name


def test_curl(server: Server, tmp_path: Path) -> None:
    path = tmp_path / 'a "quoted" \u00e4.txt'
    path.write_bytes(b"x" * 300_000)
    curl = ["curl", "-s", "-S", "-m", "20"]
    command = [*curl, "-F", "a=1 2", "-F", f"f=@{path};type=text/x"]
    if '"' in str(path):  # -F reads names that have quotes only in quotes
        quoted = str(path).replace("\\", "\\\\").replace('"', '\\"')
        command[-1] = f'f=@"{quoted}";type=text/x'
    for more in ([], ["-H", "Expect: 100-continue"], ["-H", "Expect:"]):
        text = subprocess.run(
            [*command, *more, server.url + "/stream"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        answer = json.loads(text)
        assert answer["fields"] == [["a", "1 2"]]
        assert answer["files"][0][2:6:3] == [path.name, 300000]


def test_the_example(serve: Servers, tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    server = serve("rupy.examples.uploads:app", env={"UPLOADS": str(folder)})
    body = multipart(field("title", "T"), file("a", name="file"))
    answer = post(server, "/files", body).json()
    assert answer == {"title": "T", "files": [{"name": "a", "size": 7}]}
    assert post(server, "/files", body).status == 409
    assert os.listdir(folder) == ["a"]
    assert (folder / "a").read_bytes() == b"content"
    answer = server.post(
        "/hello",
        b"name=Ada&name=Grace",
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.text == "Hello, Ada and Grace!\n"
