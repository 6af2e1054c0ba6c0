"""rupy.middleware: Compression."""

from __future__ import annotations

import zlib
from typing import Any

import brotli
import pytest
import zstandard
from serving import Answer, Server, Servers, wait_for

from rupy.middleware import Compression
from rupy.middleware._codings import choose

APP = """
import asyncio
from rupy import EventStream, Response, Rupy, StreamingResponse
from rupy.middleware import Compression

app = Rupy()
app.middleware(Compression(minimum_size=100, types=["application/x-mine"]))
TEXT = "All work and no play makes Jack a dull boy. " * 50
closed = []
shared = Response(TEXT)

ANSWERS = {
    "text": Response(TEXT),
    "etag": Response(TEXT, headers={"etag": '"abc"', "accept-ranges": "bytes"}),
    "weak": Response(TEXT, headers={"etag": 'W/"abc"'}),
    "svg": Response(TEXT, content_type="image/svg+xml"),
    "problem": Response(TEXT, 422, content_type="application/problem+json"),
    "mine": Response(TEXT, content_type="application/x-mine; v=1"),
    "header": Response(TEXT, headers={"content-type": "Text/HTML"}),
    "vary": Response(TEXT, headers={"vary": "Accept"}),
    "png": Response(TEXT, content_type="image/png"),
    "zip": Response(TEXT, content_type="application/zip"),
    "bytes": Response(TEXT.encode()),
    "coded": Response(TEXT, headers={"content-encoding": "identity"}),
    "range": Response(TEXT, 206, {"content-range": "bytes 0-2199/9999"}),
    "untouched": Response(TEXT, headers={"cache-control": "No-Transform"}),
    "digest": Response(TEXT, headers={"repr-digest": "sha-256=:x:"}),
    "small": Response(TEXT[:99]),
    "enough": Response(TEXT[:100]),
    "random": Response(bytes(range(33, 134)), content_type="text/x"),
    "empty": Response(b"", content_type="text/plain"),
    "nothing": Response(b"", 204, content_type="text/plain"),
}

@app.get("/<name>")
def answer(name):
    return ANSWERS[name]

@app.get("/json")
def as_json():
    return [{"name": "value"}] * 100

@app.get("/big")
async def big():
    return TEXT * 1000

@app.get("/304")
def not_modified():
    return Response(b"", 304, {"etag": '"abc"'})

@app.get("/stream/def")
def stream():
    try:
        for i in range(3):
            yield f"piece {i} "
            yield ""
    finally:
        closed.append("def")

gate = asyncio.Event()

@app.get("/stream/async")
async def stream_async():
    try:
        yield TEXT
        await gate.wait()
        yield "the end"
    finally:
        closed.append("async")

@app.get("/stream/open")
def open_gate():
    gate.set()
    return "open"

@app.get("/stream/threaded", threaded=True)
def stream_threaded():
    yield TEXT
    yield TEXT

@app.get("/stream/endless")
async def endless():
    try:
        while True:
            yield TEXT
            await asyncio.sleep(0)
    finally:
        closed.append("endless")

@app.get("/stream/length")
def with_length():
    return (piece for piece in [TEXT]), 200, {"content-length": str(len(TEXT))}

@app.get("/stream/bytes")
def binary():
    yield b"x" * 500
    yield b"y" * 500

@app.get("/stream/none")
async def without_a_piece():
    return
    yield ""

@app.get("/stream/raise")
def fails_first():
    raise RuntimeError("on purpose")
    yield ""

lines = StreamingResponse(["one ", "two"])

@app.get("/stream/response")
def response():
    return lines

@app.get("/stream/trailers")
async def trailers():
    async def content():
        yield b"{}"
    return StreamingResponse(content(), 201, {"x-a": "b"},
        "application/json", trailers={"x-sum": "1"})

@app.get("/stream/eventstream")
def event_stream():
    return EventStream(["1"])

@app.get("/stream/short")
def with_short_length():
    return (piece for piece in ["short"]), 200, {"content-length": "5"}

@app.get("/stream/events")
def events():
    def source():
        yield "data: 1\\n\\n"
    return source(), 200, {"content-type": "text/event-stream"}

@app.get("/stream/closed")
def what_is_closed():
    return closed

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"text/plain"),
        (b"content-length", str(len(TEXT)).encode())]})
    await send({"type": "http.response.body", "body": TEXT.encode()})
app.mount("/asgi", asgi)
app.static("/files", ".")
"""

TEXT = b"All work and no play makes Jack a dull boy. " * 50


def gunzip(data: bytes) -> bytes:
    z = zlib.decompressobj(31)
    plain = z.decompress(data) + z.flush()
    assert z.eof, "the content ends too early"
    return plain


def unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


DECODE = {"gzip": gunzip, "br": brotli.decompress, "zstd": unzstd}


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    (serve_module.folder / "a.txt").write_bytes(TEXT)
    return serve_module(APP)


def get(server: Server, path: str, accept: str = "gzip") -> Answer:
    return server.get(path, Accept_Encoding=accept)


@pytest.mark.parametrize("coding", DECODE)
@pytest.mark.parametrize(
    "path",
    ["/text", "/svg", "/problem", "/mine", "/header", "/etag", "/asgi/x"],
)
def test_what_is_worth_it_is_compressed(
    server: Server, path: str, coding: str
) -> None:
    answer = get(server, path, coding)
    assert answer.get_all("content-encoding") == [coding]
    assert answer.get("vary") == "Accept-Encoding"
    assert len(answer.body) < 200
    assert DECODE[coding](answer.body) == TEXT
    if path != "/asgi/x":
        assert answer.framing == "length"
    plain = server.get(path)
    for name in ("content-type", "cache-control"):
        assert answer.get_all(name) == plain.get_all(name)
    assert answer.status == plain.status


@pytest.mark.parametrize(
    "path",
    [
        "/png",
        "/zip",
        "/bytes",
        "/coded",
        "/range",
        "/untouched",
        "/digest",
        "/small",
        "/empty",
        "/nothing",
        "/stream/events",
        "/stream/eventstream",
        "/stream/short",
        "/files/a.txt",
    ],
)
def test_what_is_not_is_left_as_it_is(server: Server, path: str) -> None:
    answer, plain = get(server, path), server.get(path)
    assert answer.get("content-encoding") in (None, "identity")
    assert answer.body == plain.body
    assert answer.get("vary") is None


def test_the_minimum_is_the_smallest_that_is_compressed(
    server: Server,
) -> None:
    assert get(server, "/enough").get("content-encoding") == "gzip"


def test_what_does_not_become_smaller_is_sent_as_it_is(
    server: Server,
) -> None:
    answer = get(server, "/random")
    assert len(answer.body) == 101
    assert answer.get("content-encoding") is None
    assert answer.get("vary") == "Accept-Encoding"


def test_json_and_big_bodies(server: Server) -> None:
    answer = get(server, "/json")
    assert gunzip(answer.body).startswith(b'[{"name":"value"},')
    assert gunzip(get(server, "/big").body) == TEXT * 1000


def test_one_response_object_for_all_requests_is_not_changed(
    server: Server,
) -> None:
    for _ in range(2):
        assert get(server, "/text").get("content-encoding") == "gzip"
        plain = server.get("/text")
        assert plain.body == TEXT
        assert plain.get("content-encoding") is None


def test_a_strong_tag_becomes_weak_and_ranges_go(server: Server) -> None:
    answer = get(server, "/etag")
    assert answer.get("etag") == 'W/"abc"'
    assert answer.get("accept-ranges") is None
    assert get(server, "/weak").get("etag") == 'W/"abc"'
    plain = server.get("/etag")
    assert plain.get("etag") == '"abc"'
    assert plain.get("accept-ranges") == "bytes"


def test_vary_is_there_also_for_those_who_take_nothing(
    server: Server,
) -> None:
    assert server.get("/text").get("vary") == "Accept-Encoding"
    assert server.get("/vary").get("vary") == "Accept, Accept-Encoding"
    answer = get(server, "/304")
    assert (answer.status, answer.get("vary")) == (304, "Accept-Encoding")


@pytest.mark.parametrize(
    "path", ["/text", "/small", "/stream/def", "/asgi/x", "/random"]
)
def test_head_is_the_head_of_get(server: Server, path: str) -> None:
    accept = {"Accept-Encoding": "gzip"}
    with server.connect() as client:
        got = client.request("GET", path, accept)
        head = client.request("HEAD", path, accept)
    assert head.body == b""
    for name in ("content-encoding", "vary", "etag", "content-type"):
        assert head.get(name) == got.get(name), name
    if head.get("content-length") is not None:
        assert head.get("content-length") == got.get("content-length")


@pytest.mark.parametrize("coding", DECODE)
@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/stream/def", b"piece 0 piece 1 piece 2 "),
        ("/stream/threaded", TEXT * 2),
        ("/stream/length", TEXT),
        ("/stream/response", b"one two"),
    ],
)
def test_streams(
    server: Server, path: str, content: bytes, coding: str
) -> None:
    answer = get(server, path, coding)
    assert answer.framing == "chunked"
    assert answer.get("content-encoding") == coding
    assert DECODE[coding](answer.body) == content


def test_a_streaming_response_keeps_its_fields_and_trailers(
    server: Server,
) -> None:
    with server.connect() as client:
        client.send(
            "GET /stream/trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n"
            "Connection: close, TE\r\nAccept-Encoding: gzip\r\n\r\n"
        )
        status, headers = client.head()
        assert (status, dict(headers)["x-a"]) == (201, "b")
        assert dict(headers)["content-encoding"] == "gzip"
        got = client.ends()
    _, _, rest = got.partition(b"\r\n")
    assert rest[:2] == b"\x1f\x8b"
    assert got.lower().endswith(b"\r\n0\r\nx-sum: 1\r\n\r\n")


def test_a_piece_can_be_decoded_before_the_next_is_made(
    server: Server,
) -> None:
    with server.connect() as client:
        client.send(
            "GET /stream/async HTTP/1.1\r\nHost: a\r\n"
            "Accept-Encoding: gzip\r\n\r\n"
        )
        status, headers = client.head()
        assert status == 200
        assert ("content-encoding", "gzip") in headers
        chunks = client.chunks()
        z = zlib.decompressobj(31)
        plain = b""
        while len(plain) < len(TEXT):
            plain += z.decompress(next(chunks))
        assert plain == TEXT
        assert server.get("/stream/open").text == "open"
        rest = b"".join(z.decompress(chunk) for chunk in chunks)
        assert (rest, z.eof) == (b"the end", True)


def test_the_handlers_generator_is_closed_when_the_client_goes(
    server: Server,
) -> None:
    with server.connect() as client:
        client.send(
            "GET /stream/endless HTTP/1.1\r\nHost: a\r\n"
            "Accept-Encoding: gzip\r\n\r\n"
        )
        client.head()
        next(client.chunks())
    wait_for(
        lambda: "endless" in server.get("/stream/closed").json(),
        "the generator is closed",
    )


@pytest.mark.parametrize(
    ("path", "content"),
    [("/stream/bytes", b"x" * 500 + b"y" * 500), ("/stream/none", b"")],
)
def test_a_stream_of_bytes_without_a_type_is_left_as_it_is(
    server: Server, path: str, content: bytes
) -> None:
    answer = get(server, path)
    assert answer.body == content
    assert answer.get("content-encoding") is None
    assert answer.get("content-type") == "application/octet-stream"


def test_a_stream_that_fails_at_once_is_a_500(server: Server) -> None:
    answer = get(server, "/stream/raise")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error\n")
    server.wait_log("GET /stream/raise: unhandled RuntimeError: on purpose")


@pytest.mark.parametrize(
    ("accept", "want"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, br", "br"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, br;q=0.5, zstd;q=0.1", "gzip"),
        ("gzip ; q=0.2,br; Q=0.3", "br"),
        ("*", "zstd"),
        ("*;q=0", None),
        ("*, zstd;q=0", "br"),
        ("gzip;q=0", None),
        ("gzip;q=0.000, *;q=0.1", "zstd"),
        ("identity", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0, deflate", None),
        ("gzip;q=2", None),
        ("gzip;q=nan", None),
        ("gzip;q=", None),
        (",,gzip,", "gzip"),
        ("deflate, " * 40 + "gzip", None),
    ],
)
def test_accept_encoding(accept: str, want: str | None) -> None:
    assert choose(accept, ("zstd", "br", "gzip")) == want


def test_several_lines_are_one_list(server: Server) -> None:
    with server.connect() as client:
        client.send(
            "GET /text HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br;q=0.5\r\n"
            "Accept-Encoding: gzip\r\n\r\n"
        )
        assert client.answer().get("content-encoding") == "gzip"


def test_without_libraries_there_is_gzip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(name: str) -> Any:
        raise ImportError(name)

    assert Compression().codings == ("zstd", "br", "gzip")
    monkeypatch.setattr("importlib.import_module", nothing)
    assert Compression().codings == ("gzip",)
    with pytest.raises(ImportError, match="pip install brotli"):
        Compression(codings=["br"])


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"gzip_level": 0}, ValueError, "gzip_level 0 is not 1 to 9"),
        ({"br_quality": 12}, ValueError, "br_quality 12"),
        ({"zstd_level": 20}, ValueError, "zstd_level 20"),
        ({"minimum_size": -1}, ValueError, "minimum_size"),
        ({"codings": ["deflate"]}, ValueError, "'deflate' is not gzip"),
        ({"codings": "gzip"}, TypeError, "not a list"),
        ({"codings": []}, ValueError, "no coding at all"),
        ({"types": ["text/*"]}, ValueError, "no media type"),
    ],
)
def test_what_cannot_be_meant_is_an_error_at_once(
    arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Compression(**arguments)
