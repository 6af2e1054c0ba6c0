"""The access log's formats, slow requests, request ids and traces."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from serving import Server, Servers, run_program, wait_for

APP = """
import time
from rupy import Response, Rupy

app = Rupy()


@app.get("/ids")
def ids(request):
    return {
        "id": request.id,
        "trace": request.trace_id,
        "header": request.headers.get("x-request-id"),
    }


@app.get("/own")
def own():
    return Response("own", headers={"X-Request-ID": "mine", "X-Tag": "t"})


@app.get("/slow")
def slow():
    time.sleep(0.3)
    return "slow"


@app.get("/fails")
def fails():
    raise RuntimeError("no")


@app.post("/echo")
def echo(request):
    return request.body
"""
ASGI = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError
    names = [v for k, v in scope["headers"] if k == b"x-request-id"]
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b" ".join(names)})
"""
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def lines(path: Path, n: int) -> list[str]:
    """The lines of the tests' own requests, when there are n."""

    def own() -> list[str]:
        text = path.read_text() if path.exists() else ""
        return [x for x in text.splitlines() if "/-ready" not in x]

    wait_for(lambda: len(own()) >= n, f"{n} lines in {path.name}")
    return own()


@pytest.fixture(scope="module")
def app(serve_module: Servers) -> str:
    return serve_module.app(APP)


def test_a_format_with_atoms_tells_them(
    serve_module: Servers, app: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    server = serve_module(
        app,
        f"--access-log={log}",
        "--access-log-format",
        "%(m)s %(U)s %(q)s %(s)s %(B)s %(rl)s %(wid)s %(ttfb)s %({x-a}i)s "
        "%({x-tag}o)s %({content-type}o)s %(p)s",
    )
    server.get("/own?q=1", x_a="1")
    body = b"x" * 100_000
    with server.connect() as client:
        client.post("/echo", body)
    one, two = lines(log, 2)
    assert re.fullmatch(
        r"GET /own q=1 200 3 \d+ 1 0\.\d{6} 1 t text/plain; charset=utf-8 "
        rf"<{server.workers[0]}>",
        one,
    )
    size = int(two.split()[5])
    assert two.startswith("POST /echo - 200 100000 ")
    assert 100_000 < size < 100_200


def test_json_has_the_fields_that_were_asked_for(
    serve_module: Servers, app: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    server = serve_module(
        app,
        f"--access-log={log}",
        "--access-log-format=json",
        "--access-log-fields=path,status,ttfb,worker,request_id",
        "--access-log-fields={x-a}i",
        "--request-id",
    )
    answer = server.get("/own", x_a='"')
    server.get("/ids")
    rows = [json.loads(line) for line in lines(log, 2)]
    assert answer.get("x-request-id") == "mine"  # the application's own wins
    assert list(rows[0]) == [
        "path",
        "status",
        "ttfb",
        "worker",
        "request_id",
        "{x-a}i",
    ]
    assert rows[0]["{x-a}i"] == '"'
    assert 0 <= rows[0]["ttfb"] < 60
    assert re.fullmatch("[0-9a-f]{32}", rows[0]["request_id"])
    assert rows[0]["request_id"] != rows[1]["request_id"]


def test_requests_that_fit_a_rule_have_no_line(
    serve_module: Servers, app: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    server = serve_module(
        app,
        f"--access-log={log}",
        "--access-log-skip=/own*",
        "--access-log-skip=/ids,2xx",
        "--access-log-sample=0",
    )
    for path in ("/own", "/ids", "/nowhere", "/fails"):
        server.get(path)
    assert [re.findall(r'"GET (\S+)', x) for x in lines(log, 1)] == [
        ["/fails"]  # a failure is in every sample
    ]


@pytest.mark.parametrize(
    ("options", "want"),
    [
        (["--access-log-format", "%(x)s"], "'%(x)s' has an unknown atom"),
        (["--access-log-format", "common"], "is neither combined nor json"),
        (["--access-log-fields=nope"], "'nope' is none of: time remote"),
        (["--access-log-fields=status"], "is for --access-log-format json"),
        (["--access-log-skip=static"], "'static' is no rule"),
        (["--access-log-sample=2"], "'2' is no number from 0 to 1"),
        (["--access-log-sample=.5"], "'.5' is no number from 0 to 1"),
    ],
)
def test_a_mistake_is_told_at_the_start(
    rupy_bin: Path, options: list[str], want: str
) -> None:
    done = run_program(rupy_bin, *options, "--check-config", "a:b")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert want in done.stderr


def test_a_slow_request_is_told_with_its_phases(
    serve_module: Servers, app: str
) -> None:
    server = serve_module(app, "--log-slow=250ms", "--threads=1")
    server.get("/own")
    with server.connect() as one, server.connect() as two:
        one.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        two.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        one.answer()
        two.answer()
    with server.connect() as client:
        client.send(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
        )
        assert client.is_quiet(0.4)
        client.send(b"ab")
        client.answer()
    server.wait_log("slow: POST /echo")
    found = re.findall(
        r"\[warning\].*slow: (\S+ \S+): 200 after ([\d.]+) s: read ([\d.]+), "
        r"queue ([\d.]+), app ([\d.]+), write ([\d.]+)",
        server.stderr,
    )
    rows: list[Any] = [(x[0], *map(float, x[1:])) for x in found]
    assert [row[0] for row in rows] == ["GET /slow"] * 2 + ["POST /echo"]
    for _, total, read, queue, work, write in rows:
        assert total == pytest.approx(read + queue + work + write, abs=0.01)
    assert rows[0][4] >= 0.29
    assert rows[1][3] >= 0.2  # it waited for the only thread
    assert rows[2][2] >= 0.3


@pytest.fixture(scope="module")
def identified(serve_module: Servers, app: str) -> Server:
    return serve_module(
        app,
        "--request-id",
        "--trace-context",
        "--access-log",
        "--access-log-format=%(U)s %(rid)s %(tid)s %(sid)s",
    )


def test_a_request_id_is_the_same_everywhere(identified: Server) -> None:
    answer = identified.get("/ids")
    found = answer.json()
    assert re.fullmatch("[0-9a-f]{32}", found["id"])
    assert found["header"] == found["id"] == answer.get("x-request-id")
    wait_for(
        lambda: f"/ids {found['id']} - -" in identified.stdout, "in the log"
    )
    failed = identified.get("/fails").get("x-request-id")
    identified.wait_log(f"(request id {failed}): unhandled RuntimeError")
    missed = identified.get("/nowhere")
    assert missed.status == 404
    assert missed.get("x-request-id")


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        ("abc-DEF_1.2~3", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("a b", False),
        ("a\\x00b", False),
        ('"', False),
        ("<script>", False),
    ],
)
def test_a_trusted_peers_id_is_taken_when_it_is_one(
    identified: Server, given: str, is_taken: bool
) -> None:
    answer = identified.get("/ids", x_request_id=given)
    assert (answer.json()["id"] == given) is is_taken
    assert answer.get("x-request-id") == answer.json()["header"]


def test_two_ids_are_none(identified: Server) -> None:
    with identified.connect() as client:
        client.send(
            b"GET /ids HTTP/1.1\r\nHost: a\r\nX-Request-ID: a\r\n"
            b"X-Request-Id: b\r\n\r\n"
        )
        assert len(client.answer().json()["header"]) == 32


def test_a_strangers_id_is_replaced(serve_module: Servers, app: str) -> None:
    server = serve_module(
        app, "--request-id", "--forwarded-allow-ips=192.0.2.1"
    )
    found = server.get("/ids", x_request_id="forged").json()
    assert found["id"] == found["header"]
    assert found["id"] != "forged"


def test_asgi_finds_the_id_among_the_headers(serve_module: Servers) -> None:
    server = serve_module(
        serve_module.app(ASGI, "asgi"), "--request-id", "--interface=asgi"
    )
    answer = server.get("/")
    assert answer.body.decode() == answer.get("x-request-id")
    assert server.get("/", x_request_id="abc").body == b"abc"


def test_without_the_options_there_is_neither(
    serve_module: Servers, app: str
) -> None:
    server = serve_module(app)
    trace = f"00-{TRACE}-{SPAN}-01"
    answer = server.get("/ids", x_request_id="abc", traceparent=trace)
    assert answer.json() == {"id": None, "trace": None, "header": "abc"}
    assert answer.get("x-request-id") is None


@pytest.mark.parametrize(
    ("parent", "is_right"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-more", True),
        (f"cc-{TRACE}-{SPAN}-01.more", False),
        (f"ff-{TRACE}-{SPAN}-01", False),
        (f"00-{TRACE}-{SPAN}-01-more", False),
        (f"00-{TRACE}-{SPAN}-1", False),
        (f"00-{TRACE.upper()}-{SPAN}-01", False),
        (f"00-{'0' * 32}-{SPAN}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00_{TRACE}-{SPAN}-01", False),
        (f"00-{TRACE}-{SPAN}-zz", False),
        (f"00-{TRACE[:-1]}g-{SPAN}-01", False),
    ],
)
def test_traceparent_is_read_strictly(
    identified: Server, parent: str, is_right: bool
) -> None:
    answer = identified.get("/ids", traceparent=parent)
    assert answer.json()["trace"] == (TRACE if is_right else None)
    tail = f"{TRACE} {SPAN}" if is_right else "- -"
    line = f"/ids {answer.get('x-request-id')} {tail}"
    wait_for(lambda: line in identified.stdout, line)


def test_a_request_that_is_kept_has_its_ids_still(
    serve_module: Servers,
) -> None:
    server = serve_module(
        """
from rupy import Rupy

app = Rupy()
kept = []


@app.get("/")
def index(request):
    kept.append(request)
    return [[r.id, r.trace_id] for r in kept]
""",
        "--request-id",
        "--trace-context",
    )
    trace = f"00-{TRACE}-{SPAN}-01"
    before = len(server.get("/", x_request_id="a", traceparent=trace).json())
    found = server.get("/", x_request_id="b").json()[before - 1 :]
    assert found == [["a", TRACE], ["b", None]]
