"""Where the server's own log goes: files, JSON, syslog, the journal."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from serving import Servers, clean_env, run_program, wait_for

APP = """
import logging
import sys
from rupy import Rupy

app = Rupy()


@app.get("/")
def index():
    logging.getLogger("shop").info("sold")
    print("printed", file=sys.stderr, flush=True)
    return "ok"


@app.get("/fails")
def fails():
    raise RuntimeError('"no"')
"""


def test_a_log_file_is_written_and_rotated(
    serve: Servers, tmp_path: Path
) -> None:
    log, old = tmp_path / "log", tmp_path / "old"
    server = serve(serve.app(APP), f"--log-file={log}", "--capture-output")
    wait_for(lambda: "ready after" in log.read_text(), "the first lines")
    server.get("/")
    wait_for(lambda: "printed\n" in log.read_text(), "captured output")
    log.rename(old)
    server.tell(signal.SIGUSR1)
    wait_for(log.exists, "the log is there again")

    def fails() -> bool:
        server.get("/fails")
        server.get("/")
        text = log.read_text()
        return "RuntimeError" in text and "printed\n" in text

    wait_for(fails, "lines in the new log")
    server.stop()
    assert "stopped, exit status 0" in log.read_text()
    assert server.stderr == ""


def test_json_lines_are_json_tracebacks_too(serve: Servers) -> None:
    server = serve(serve.app(APP), "--log-format=json")
    server.get("/fails")
    server.stop()
    rows = [json.loads(line) for line in server.stderr.splitlines()]
    assert all(
        set(row) == {"time", "level", "pid", "name", "message"} for row in rows
    )
    assert {row["name"] for row in rows} >= {"master", "worker 1"}
    (trace,) = [r for r in rows if r["message"].startswith("Traceback")]
    assert trace["level"] == "error"
    assert trace["message"].rstrip().endswith('RuntimeError: "no"')
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", rows[0]["time"]
    )


def test_the_journal_gets_priorities_and_no_times(
    rupy_bin: Path, tmp_path: Path
) -> None:
    out = (tmp_path / "journal").open("wb+")
    stat = os.fstat(out.fileno())
    (tmp_path / "bad.py").write_text("1 / 0\n")
    subprocess.run(
        [str(rupy_bin), "--port=0", "bad:app"],
        stderr=out,
        cwd=tmp_path,
        env={
            **clean_env(),
            "JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}",
            "FORCE_COLOR": "1",
        },
        timeout=60,
        check=False,
    )
    out.seek(0)
    lines = out.read().decode().splitlines()
    assert re.match(r"<6>\[\d+\] \[info\] listening on ", lines[0])
    assert [x for x in lines if x.startswith("<2>")]
    assert [x for x in lines if x.startswith("<3>Traceback")]
    assert [x for x in lines if x.startswith("<3>ZeroDivisionError")]
    assert all(re.match("<[2-7]>", x) for x in lines)


def receive(sock: socket.socket, word: str) -> str:
    while True:
        line = sock.recv(65536).decode()
        if word in line:
            return line


def test_syslog_on_a_unix_socket_is_rfc_3164(
    serve: Servers, tmp_path: Path
) -> None:
    path = tmp_path / "dev-log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(path))
        daemon.settimeout(10)
        server = serve(
            serve.app(APP),
            f"--log-syslog={path}",
            "--log-syslog-facility=local3",
            "--log-syslog-prefix=shop",
        )
        line = receive(daemon, "listening")
        assert re.match(
            r"<158>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d "
            rf"shop\[{server.pid}\]: listening on http",
            line,
        )
        assert "listening" in server.stderr  # it goes there as well
        server.get("/fails")
        assert receive(daemon, "unhandled RuntimeError").startswith("<155>")
        assert receive(daemon, "Traceback").startswith("<155>")

    # A daemon that does not read, and then is gone, holds nobody up ...
    for _ in range(40):
        server.get("/fails")
    path.unlink()
    # ... and one that is started anew gets the lines that follow.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(path))
        daemon.settimeout(1)

        def hears() -> bool:
            server.get("/fails")
            try:
                return bool(receive(daemon, "lines to syslog were lost"))
            except TimeoutError:
                return False

        wait_for(hears, "syslog is reached again")


def test_a_log_is_rotated_while_syslog_is_away(
    serve: Servers, tmp_path: Path
) -> None:
    path, log = tmp_path / "dev-log", tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(path))
        server = serve(
            serve.app(APP), f"--log-file={log}", f"--log-syslog={path}"
        )
    path.unlink()
    log.rename(tmp_path / "old")
    server.tell(signal.SIGUSR1)
    wait_for(log.exists, "the log is there again")
    server.tell(signal.SIGTTIN)
    wait_for(lambda: "workers wanted: 2" in log.read_text(), "the new log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(path))
        daemon.settimeout(1)

        def hears() -> bool:
            server.tell(signal.SIGTTOU)
            server.tell(signal.SIGTTIN)
            try:
                return bool(receive(daemon, "workers wanted"))
            except TimeoutError:
                return False

        wait_for(hears, "the master reaches syslog again")


def test_syslog_over_udp_is_rfc_5424(serve: Servers) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(10)
        port = daemon.getsockname()[1]
        server = serve(serve.app(APP), f"--log-syslog=udp://127.0.0.1:{port}")
        assert re.match(
            r"<30>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \S+ rupy-serve "
            rf"{server.pid} - - listening on http",
            receive(daemon, "listening"),
        )


@pytest.mark.parametrize(
    ("options", "status", "want"),
    [
        (["--log-file=/nonexistent/x"], 1, "cannot write the log /nonexist"),
        (["--log-syslog=/nonexistent/x"], 1, "cannot reach syslog at /nonex"),
        (["--log-syslog=host"], 1, "is neither /PATH, unix:/PATH nor HOST"),
        (["--log-syslog=a:0"], 1, "is neither /PATH, unix:/PATH nor HOST"),
        (["--log-syslog-facility=x"], 1, "'x' is no facility"),
        (["--capture-output"], 1, "--capture-output needs --log-file"),
        (["--log-config=none.toml"], 4, "--log-config: none.toml: "),
        (["--log-config=none.ini"], 4, "there is no file none.ini"),
        (["--log-config=bad.json"], 4, "--log-config: bad.json: Unable to"),
    ],
)
def test_a_log_that_cannot_be_is_told(
    rupy_bin: Path, tmp_path: Path, options: list[str], status: int, want: str
) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "bad.json").write_text('{"handlers": {"x": {"class": "y"}}}')
    done = run_program(rupy_bin, "--port=0", *options, "app:app", cwd=tmp_path)
    assert (done.returncode, want in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr


CONFIGS = {
    "log.toml": """
[handlers.file]
class = "logging.FileHandler"
filename = "shop.log"
[loggers.shop]
level = "INFO"
handlers = ["file"]
""",
    "log.json": json.dumps(
        {
            "handlers": {
                "file": {
                    "class": "logging.FileHandler",
                    "filename": "shop.log",
                }
            },
            "loggers": {"shop": {"level": "INFO", "handlers": ["file"]}},
        }
    ),
    "log.ini": """
[loggers]
keys = root,shop
[handlers]
keys = file
[formatters]
keys =
[handler_file]
class = FileHandler
args = ("shop.log",)
[logger_root]
handlers =
[logger_shop]
qualname = shop
level = INFO
handlers = file
""",
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_loggers_of_the_application_are_set_up(
    serve: Servers, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text(CONFIGS[name])
    server = serve(serve.app(APP), f"--log-config={name}")
    server.get("/")
    log = tmp_path / "shop.log"
    wait_for(lambda: log.read_text() == "sold\n", "a line of the application")
