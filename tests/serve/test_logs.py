"""The access log and the server's own log, as operators read them."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest
from serving import Servers, wait_for

APP = "rupy.examples.hello:app"
COMBINED = re.compile(
    r"(\S+) - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "
    r'"([^"]*)" (\d{3}) (\d+) "([^"]*)" "([^"]*)" (\d+\.\d{6})'
)


def lines_of(path: Path, n: int) -> list[str]:
    """The first lines of the tests' own requests, when there are n."""

    def own() -> list[str]:
        if not path.exists():
            return []
        lines = path.read_text().splitlines()
        return [line for line in lines if "/-ready" not in line]

    wait_for(lambda: len(own()) >= n, f"{n} lines in {path.name}", 5)
    return own()


def test_every_request_has_a_combined_line(
    serve: Servers, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    server = serve(APP, f"--access-log={log}")
    with server.connect() as client:
        client.send(
            b"GET /?x=1 HTTP/1.1\r\nHost: a\r\nUser-Agent: t\r\n\r\n"
            b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        )
        for _ in range(3):
            client.answer()
    with server.connect() as client:
        client.send(b"BAD\r\n\r\n")
        client.answer()
    found = [COMBINED.fullmatch(line) for line in lines_of(log, 4)]
    assert all(found)
    rows = [m.groups() for m in found if m]
    assert [r[:4] for r in rows] == [
        ("127.0.0.1", "GET /?x=1 HTTP/1.1", "200", "13"),
        ("127.0.0.1", "GET /nowhere HTTP/1.1", "404", "14"),
        ("127.0.0.1", "POST /echo HTTP/1.1", "200", "3"),
        ("127.0.0.1", "-", "400", "16"),
    ]
    assert rows[0][5] == "t"


def test_a_client_cannot_write_lines_of_its_own(
    serve: Servers, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    server = serve(APP, f"--access-log={log}", "--access-log-format", "json")
    with server.connect() as client:
        client.send(
            b"GET / HTTP/1.1\r\nHost: a\r\n"
            b'User-Agent: "\\ \xff\xc3\xa9 }\r\n\r\n'
        )
        client.answer()
    row = json.loads(lines_of(log, 1)[0])
    assert row["user_agent"] == '"\\ \xff\xc3\xa9 }'
    assert row["status"] == 200
    assert row["seconds"] >= 0


def test_a_bare_flag_logs_to_stdout_and_none_is_the_default(
    serve: Servers,
) -> None:
    server = serve(APP)
    with server.connect() as client:
        client.send(b"GET /default HTTP/1.1\r\nHost: a\r\n\r\n")
        client.answer()
    server.stop()
    assert "/default" not in server.stderr


@pytest.mark.parametrize("alone", [1, 2])
def test_usr1_reopens_the_access_log(
    serve: Servers, tmp_path: Path, alone: int
) -> None:
    log = tmp_path / "access.log"
    server = serve(APP, f"--access-log={log}", "--workers", str(alone))
    with server.connect() as client:
        client.send(b"GET /before HTTP/1.1\r\nHost: a\r\n\r\n")
        client.answer()
    lines_of(log, 1)
    log.rename(tmp_path / "old.log")
    server.tell(signal.SIGUSR1)
    wait_for(log.exists, "the log is there again", 5)

    def logs_to_the_new_one() -> bool:
        with server.connect() as client:
            client.send(b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n")
            client.answer()
        return "/after" in log.read_text()

    wait_for(logs_to_the_new_one, "lines in the new file", 5)
    assert "/before" in (tmp_path / "old.log").read_text()
