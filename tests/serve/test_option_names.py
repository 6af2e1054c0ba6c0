"""What people type who come from gunicorn, uvicorn or granian."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from serving import BINARY, CHECKOUT, print_config, run_program

#: What is typed, the option that it is, its value, and where it is from.
ALIASES: list[tuple[list[str], str, Any, str]] = [
    (["--access-logfile", "-"], "access-log", "-", "gunicorn"),
    (["--access-logfile=x.log"], "access-log", "x.log", "gunicorn"),
    (["--access-logformat", "%(h)s"], "access-log-format", "%(h)s", "gunicorn"),
    (["--no-access-log"], "access-log", None, "uvicorn"),
    (["--certfile", "c", "--keyfile", "k"], "ssl-certfile", "c", "gunicorn"),
    (["--certfile", "c", "--keyfile", "k"], "ssl-keyfile", "k", "gunicorn"),
    (["--ssl-certificate", "c"], "ssl-certfile", "c", "granian"),
    (["--certfile=c", "--ca-certs", "a"], "ssl-ca-certs", "a", "gunicorn"),
    (["--certfile=c", "--ssl-ca", "a"], "ssl-ca-certs", "a", "granian"),
    (["--certfile=c", "--ca-certs=a", "--cert-reqs", "2"], "ssl-verify",
     "require", "gunicorn"),
    (["--certfile=c", "--ca-certs=a", "--ssl-cert-reqs", "1"], "ssl-verify",
     "optional", "uvicorn"),
    (["--certfile=c", "--ciphers", "HIGH"], "ssl-ciphers", "HIGH", "gunicorn"),
    (["--error-logfile", "-"], "log-file", "-", "gunicorn"),
    (["--error-log", "e.log"], "log-file", "e.log", "nginx"),
    (["--pid-file", "p"], "pid", "p", "granian"),
    (["--pidfile", "p"], "pid", "p", "gunicorn"),
    (["--process-name", "n"], "name", "n", "granian"),
    (["--proc-name", "n"], "name", "n", "gunicorn"),
    (["--preload-app"], "preload", True, "gunicorn"),
    (["--otel"], "opentelemetry", True, "others"),
    (["--pythonpath", "d"], "app-dir", ["d"], "gunicorn"),
    (["--working-dir", "/tmp"], "chdir", "/tmp", "granian"),
    (["--home", "v"], "venv", "v", "uwsgi"),
    (["--worker-connections", "9"], "limit-connections", 9, "gunicorn"),
    (["--worker-timeout", "9"], "timeout", "9s", "gunicorn"),
    (["--limit-max-requests", "9"], "max-requests", 9, "uvicorn"),
    (["--limit-max-requests-jitter", "9"], "max-requests-jitter", 9,
     "uvicorn"),
    (["--limit-request-body", "9k"], "limit-body", 9216, "apache"),
    (["--max-body", "9k"], "limit-body", 9216, "others"),
    (["--timeout-graceful-shutdown", "9"], "graceful-timeout", "9s",
     "uvicorn"),
    (["--timeout-keep-alive", "9"], "keep-alive", "9s", "uvicorn"),
    (["--uds-permissions", "0600"], "uds-mode", "0600", "granian"),
    (["--url-path-prefix", "/x"], "root-path", "/x", "granian"),
    (["--metrics-address", ":9"], "metrics", ":9", "granian"),
    (["--reload-extra-file", "*.x"], "reload-include", ["*.x"], "gunicorn"),
    (["--proxy-headers"], "forwarded", ["for", "proto"], "uvicorn"),
    (["--no-proxy-headers"], "forwarded", ["off"], "uvicorn"),
    (["--proxy-allow-from", "192.0.2.1"], "proxy-protocol-from",
     ["192.0.2.1"], "gunicorn"),
    (["--workers-lifetime", "9"], "worker-lifetime", "9s", "granian"),
    (["--workers-max-rss", "9k"], "worker-max-rss", 9216, "granian"),
    (["--statsd-host", "h:1", "--dogstatsd-tags", "a,b"], "statsd-tags",
     ["a", "b"], "gunicorn"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "name", "value", "origin"), ALIASES)
def test_what_others_call_it_is_understood(
    words: list[str], name: str, value: Any, origin: str
) -> None:
    config = print_config(BINARY, *words)["options"]
    assert config[name]["value"] == value, origin
    assert config[name]["source"] == "command line"


def test_every_alias_of_the_table_is_tried_here() -> None:
    source = (CHECKOUT / "src/serve/options.c").read_text()
    table = {
        alias
        for row in re.findall(r'\.aliases = "([^"]+)"', source)
        for alias in row.split()
    }
    tried = {
        word.removeprefix("--").split("=")[0]
        for words, *_ in ALIASES
        for word in words
    }
    assert table <= tried, table - tried


def test_a_group_that_is_not_there_is_told_of_all_that_are() -> None:
    done = run_program(BINARY, "--help=nothing")
    assert done.returncode == 1
    for group in ("application", "websocket", "tls", "modes"):
        assert group in done.stderr


GOOD = "from rupy import Rupy\napp = Rupy()\n"
APPS = [
    (GOOD, 0, "the options and the application are right"),
    ("print('loading')\n" + GOOD, 0, "loading\nthe options and"),
    ("import nowhere\n", 4, "No module named 'nowhere'"),
    ("app = 3\n", 4, "app"),
]


@pytest.mark.parametrize(("source", "status", "want"), APPS)
def test_check_app_loads_it_and_does_not_serve(
    tmp_path: Path, source: str, status: int, want: str
) -> None:
    (tmp_path / "checked.py").write_text(source)
    for words in (["--check-app"], ["--check-app", "--check-config"]):
        done = run_program(
            BINARY, "checked:app", "--app-dir", str(tmp_path),
            "--bind", "127.0.0.1:1", *words,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        assert want in done.stdout + done.stderr
    done = run_program(
        BINARY, "checked:app", "--app-dir", str(tmp_path), "--check-config"
    )
    assert done.returncode == 0, "which does not load it"
