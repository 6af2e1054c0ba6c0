"""--uds-owner, --tcp-keepalive, --header-map."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from serving import BINARY, Server, Servers, free_port, run_program

RUPY = """
from rupy import Rupy
app = Rupy()

@app.get("/")
def hello(request):
    return str(request.headers.get("a_b"))
"""
WSGI = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [repr(environ.get("HTTP_A_B")).encode()]
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(
    ("owner", "uid", "gid"),
    [
        ("daemon:games", 1, 60),
        ("daemon", 1, 0),
        (":games", 0, 60),
        ("7:8", 7, 8),
    ],
)
def test_a_socket_is_given_to_its_owner(
    serve: Servers, tmp_path: Path, owner: str, uid: int, gid: int
) -> None:
    path = tmp_path / "x.sock"
    serve(
        RUPY, "--uds-owner", owner,
        binds=(f"unix:{path}", f"unix:@rupy-{free_port()}"),
    )  # fmt: skip
    st = path.stat()
    assert stat.S_ISSOCK(st.st_mode)
    assert (st.st_uid, st.st_gid) == (uid, gid)


@pytest.mark.parametrize(
    ("owner", "want"),
    [
        ("no-such-user", "--uds-owner: there is no user no-such-user"),
        (":no-such-group", "--uds-owner: there is no group no-such-group"),
        (":", "--uds-owner: ':' is not USER:GROUP"),
    ],
)
def test_an_owner_that_is_nobody_is_one_line(
    tmp_path: Path, owner: str, want: str
) -> None:
    done = run_program(
        BINARY, "x:app", "--uds", str(tmp_path / "x"), "--uds-owner", owner
    )
    assert done.returncode == 1
    assert want in done.stderr
    assert not (tmp_path / "x").exists()


def timers(server: Server) -> list[str]:
    """Of the server's connections: 02 is keepalive (proc_net_tcp.rst)."""
    here = f"0100007F:{server.port:04X}"
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f]
    return [r[5][:2] for r in rows if r[1] == here and r[3] == "01"]


@pytest.mark.parametrize(
    ("words", "want"), [(["--tcp-keepalive", "30s"], "02"), ([], "00")]
)
def test_the_kernel_asks_silent_clients(
    serve: Servers, words: list[str], want: str
) -> None:
    server = serve(RUPY, *words)
    with server.connect() as c:
        assert c.get("/").status == 200
        assert timers(server) == [want]
    assert "tcp-keepalive" not in server.stderr


@pytest.mark.parametrize(
    ("app", "mode", "status", "text"),
    [
        (WSGI, "drop", 200, "None"),
        (WSGI, "refuse", 400, None),
        (WSGI, "keep", 200, "'disguised'"),
        (RUPY, "drop", 200, "disguised"),
        (RUPY, "refuse", 400, None),
        (RUPY, "keep", 200, "disguised"),
    ],
)
def test_names_with_an_underscore(
    serve: Servers, app: str, mode: str, status: int, text: str | None
) -> None:
    server = serve(app, "--header-map", mode)
    with server.connect() as c:
        c.send("GET / HTTP/1.1\r\nHost: x\r\nA_b: disguised\r\n\r\n")
        answer = c.answer()
        assert answer.status == status
        if text is not None:
            assert answer.text == text
    assert server.get("/").status == 200
