"""Configuration files: what is read from them, and a reload of one."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from serving import (
    DEADLINE,
    Server,
    Servers,
    print_config,
    run_program,
    wait_for,
)

MANUAL = Path(__file__).parents[2] / "man" / "rupy-serve.conf.5"
APP = """
import os
from rupy import Rupy

app = Rupy()


@app.get("/env")
def env():
    return {"colour": os.environ.get("COLOUR"), "pid": os.getpid()}
"""


def options(program: Path, *args: str, cwd: Path, **env: str) -> Any:
    return print_config(program, *args, cwd=cwd, **env)["options"]


def write(folder: Path, text: str, name: str = "rupy-serve.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_every_type_of_option_is_read_from_a_file(
    rupy_bin: Path, tmp_path: Path
) -> None:
    write(
        tmp_path,
        """
        app = "shop:app"
        bind = [":81", "unix:/x"]
        workers = "auto"
        keep_alive = 1.5       # an underscore is a dash
        timeout = "1m"
        limit-body = "1M"
        limit-header-size = 65_536
        factory = true
        lifespan = "on"
        uds-mode = 0o600
        access-log = true
        allowed-host = "a.example"
        max-workers = 512

        [env]
        COLOUR = "red"
        "A.B" = 1

        [header]
        X-One = "1"

        [static]
        "/assets" = "build"
        """,
    )
    found = options(rupy_bin, cwd=tmp_path)
    values = {
        "app": "shop:app",
        "bind": [":81", "unix:/x"],
        "workers": "auto",
        "keep-alive": "1500ms",
        "timeout": "1m",
        "limit-body": 1 << 20,
        "limit-header-size": 65536,
        "factory": True,
        "lifespan": "on",
        "uds-mode": "0600",
        "access-log": "-",
        "allowed-host": ["a.example"],
        "max-workers": 512,
        "env": ["COLOUR=red", "A.B=1"],
        "header": ["X-One: 1"],
        "static": ["/assets=build"],
    }
    read = {name: found[name]["value"] for name in values}
    assert read == values
    assert found["app"]["source"] == "rupy-serve.toml:2"
    assert found["keep-alive"]["source"] == "rupy-serve.toml:5"
    assert found["log-level"]["source"] == "default"


def test_the_file_is_below_the_environment_and_the_command_line(
    rupy_bin: Path, tmp_path: Path
) -> None:
    write(tmp_path, "port = 1\nworkers = 1\nbacklog = 1\nthreads = 1\n")
    found = options(
        rupy_bin,
        "--threads=5",
        cwd=tmp_path,
        PORT="2",
        WEB_CONCURRENCY="2",
        RUPY_SERVE_WORKERS="3",
        RUPY_SERVE_CMD_ARGS="--backlog 4",
    )
    assert [
        (found[name]["value"], found[name]["source"])
        for name in ("port", "workers", "backlog", "threads")
    ] == [
        (2, "env PORT"),
        (3, "env RUPY_SERVE_WORKERS"),
        (4, "env RUPY_SERVE_CMD_ARGS"),
        (5, "command line"),
    ]


def test_the_file_is_found_or_named(rupy_bin: Path, tmp_path: Path) -> None:
    def workers(*args: str, **env: str) -> tuple[int, str]:
        entry = options(rupy_bin, *args, cwd=tmp_path, **env)["workers"]
        return entry["value"], entry["source"]

    project = '[project]\nname = "x"\n'
    write(tmp_path, project + "x = [1,\n", "pyproject.toml")
    assert workers() == (1, "default")  # not about us, so not our concern
    write(
        tmp_path,
        project + "[tool.rupy-serve]\nworkers = 2\n",
        "pyproject.toml",
    )
    assert workers() == (2, "pyproject.toml:4")
    write(tmp_path, "workers = 3")
    assert workers() == (3, "rupy-serve.toml:1")
    other = write(tmp_path, "\nworkers = 4", "other.toml")
    assert workers("-c", "other.toml") == (4, "other.toml:2")
    assert workers("--config", str(other)) == (4, f"{other}:2")
    assert workers(RUPY_SERVE_CONFIG="other.toml") == (4, "other.toml:2")
    assert workers("-c", "pyproject.toml") == (2, "pyproject.toml:4")
    assert workers("-c", "/dev/null") == (1, "default")


def test_the_manual_names_what_a_reload_does_not_change(
    rupy_bin: Path, tmp_path: Path
) -> None:
    """Those of the table that are fixed, by the warning of each."""
    text = MANUAL.read_text()
    said = text.partition("needs a restart:")[2].partition(".Sh")[0]
    names = set(re.findall(r"^\.Ic ([a-z-]+)", said, re.M))
    known = set(options(rupy_bin, cwd=tmp_path))
    assert names <= known
    source = (MANUAL.parents[1] / "src/serve/options.c").read_text()
    rows = re.split(r"\{GROUP, ", source)[1:]
    fixed = {
        match[1]
        for row in rows
        if ".fixed = true" in row
        and (match := re.search(r'\.name = "([a-z-]+)"', row))
    }
    assert names == fixed


def test_the_example_of_the_manual_is_right(
    rupy_bin: Path, tmp_path: Path
) -> None:
    text = MANUAL.read_text().partition(".Sh EXAMPLES")[2]
    example = re.findall(r"\.Bd -literal\n(.*?)\.Ed", text, re.S)
    assert len(example) == 3
    write(tmp_path, example[2].replace("\\e", "\\"), "conf.py")
    found = options(rupy_bin, "-c", "conf.py", cwd=tmp_path)
    assert found["env"]["value"] == ["SHOP_MODE=production"]
    write(tmp_path, example[1], "pyproject.toml")
    assert options(rupy_bin, cwd=tmp_path)["workers"]["value"] == "auto"
    write(tmp_path, example[0])
    found = options(rupy_bin, cwd=tmp_path)
    assert found["limit-body"]["value"] == 10 << 20


MISTAKES = [
    ("workers = ", "rupy-serve.toml:1: a value is wanted here"),
    ("\nwokers = 1", ":2: there is no option wokers; did you mean workers?"),
    ("zzzzzzzzzz = 1", ":1: there is no option zzzzzzzzzz"),
    ("workers = true", ':1: workers: an integer or "auto" is wanted, not a b'),
    ("workers = 'two'", ":1: workers: 'two' is no number, nor auto"),
    ("workers = 0", ":1: workers: 0 is not between 1 and"),
    ("port = '80'", ":1: port: an integer is wanted, not a string"),
    ("port = 80.0", ":1: port: an integer is wanted, not a float"),
    ("factory = 'on'", ":1: factory: true or false is wanted, not a string"),
    ("app = 1", ":1: app: a string is wanted, not an integer"),
    ("lifespan = 'no'", ":1: lifespan: 'no' is none of: auto on off"),
    ("timeout = true", ":1: timeout: a number of seconds or a string"),
    ("timeout = inf", ":1: timeout: inf is out of range"),
    ("timeout = 1979-05-27", ":1: timeout: a number of seconds or a string"),
    ("limit-body = 1.5", ":1: limit-body: an integer or a string"),
    ("bind = [1]", ":1: bind: a string is wanted, not an integer"),
    ("bind = []", ":1: bind: the array is empty"),
    ("bind = ['8000']", ":1: bind: '8000'"),
    ("[bind]\na = ':1'", ":1: bind: an array of strings is wanted, not a"),
    ("[env]\nA = [1]", ":2: env: a string is wanted, not an array"),
    ("header = 1", ":1: header: an array of strings or a table is wanted"),
    ("[header]\n'X Y' = '1'", ":2: header: 'X Y: 1' is not NAME: VALUE"),
    ("keep-alive = 1\nkeep_alive = 2", ":2: keep-alive is there under"),
    ("t = 1\nt = 2", ":2: this key has a value already"),
    ("help = true", ":1: help is for the command line only"),
    ("config = 'x'", ":1: config cannot name another file"),
    ("x = '\\xff'", "rupy-serve.toml: it is not UTF-8"),
]


@pytest.mark.parametrize(("text", "want"), MISTAKES)
def test_a_mistake_in_a_file_is_one_line_that_says_where(
    rupy_bin: Path, tmp_path: Path, text: str, want: str
) -> None:
    path = tmp_path / "rupy-serve.toml"
    path.write_bytes(text.replace("\\xff", "\xff").encode("latin-1"))
    done = run_program(rupy_bin, "--check-config", "a:b", cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert want in done.stderr


def test_a_file_that_cannot_be_read_is_told(
    rupy_bin: Path, tmp_path: Path
) -> None:
    for name, why in (
        ("none.toml", "--config: none.toml: No such file"),
        (".", ".: it is a folder"),
        ("x.py", "--config: x.py: No such file or directory"),
        ("/dev/zero", "/dev/zero: it is longer than 1048576 bytes"),
    ):
        done = run_program(
            rupy_bin, "--check-config", "-c", name, "a:b", cwd=tmp_path
        )
        assert (done.returncode, why in done.stderr) == (1, True), done.stderr


# ---- reload ----


def answers(server: Server) -> Any:
    return server.get("/env").json()


def reload(server: Server, word: str) -> None:
    """HUP, until the log has one such line more."""
    before = server.stderr.count(word)
    server.tell(signal.SIGHUP)
    wait_for(lambda: server.stderr.count(word) > before, f"{word!r}", DEADLINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    path.mkdir()
    return path


def test_a_reload_reads_the_file_again(serve: Servers, folder: Path) -> None:
    app = serve.app(APP)
    text = 'workers = 1\nmax-workers = 4\n[env]\nCOLOUR = "red"\n'
    write(folder, text)
    server = serve(app, "--app-dir", str(serve.folder), cwd=folder)
    assert answers(server)["colour"] == "red"

    write(
        folder,
        'workers = 2\nmax-workers = 9\nbind = [":1"]\nserver-header = true\n'
        'access-log = "log"\n[env]\nCOLOUR = "blue"\n',
    )
    reload(server, "reload finished")
    wait_for(lambda: answers(server)["colour"] == "blue", "new workers answer")
    wait_for(lambda: len(server.workers) == 2, "there are two workers")
    assert "--max-workers is changed by a restart only" in server.stderr
    changed = "changed: --env --workers --server-header --access-log"
    assert changed in server.stderr
    log = folder / "log"
    wait_for(lambda: "/env" in log.read_text(), "a line of the new log")

    # What is not right changes nothing, and the workers go on.
    pids = set(server.workers)
    write(folder, "workers = 3\nnonsense = 1\n")
    reload(server, "reload given up")
    assert ":2: there is no option nonsense" in server.stderr
    (folder / "rupy-serve.toml").unlink()
    reload(server, "rupy-serve.toml is gone")
    assert set(server.workers) == pids
    assert answers(server)["colour"] == "blue"

    # Without [env] the variable is as it was before: not there.
    write(folder, "workers = 1\naccess-log = false\n")
    reload(server, "reload finished")
    wait_for(lambda: answers(server)["colour"] is None, "new workers answer")
    wait_for(lambda: len(server.workers) == 1, "one worker is left")


def test_an_env_file_is_read_again(serve: Servers, folder: Path) -> None:
    write(folder, "COLOUR=red\n", "env")
    app = serve.app(APP)
    server = serve(
        app,
        "--chdir",
        "run",
        "--app-dir",
        str(serve.folder),
        "--env-file=env",
    )
    assert answers(server)["colour"] == "red"
    write(folder, "COLOUR=green\n", "env")
    reload(server, "reload finished")
    assert answers(server)["colour"] == "green"
    write(folder, "nonsense\n", "env")
    reload(server, "reload given up")
    assert answers(server)["colour"] == "green"


def test_a_rotated_log_is_the_old_one_for_no_new_worker(
    serve: Servers, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    server = serve(serve.app(APP), f"--access-log={log}")
    log.rename(tmp_path / "old.log")
    server.tell(signal.SIGUSR1)
    wait_for(log.exists, "the log is made anew")
    server.may_die = True
    os.kill(server.workers[0], signal.SIGKILL)
    server.wait_ready()
    answers(server)
    wait_for(lambda: "/env" in log.read_text(), "a line of the new worker")


def test_a_reload_that_is_given_up_leaves_the_environment_and_the_logs(
    serve: Servers, folder: Path
) -> None:
    app = serve.app(APP)
    text = 'respawn-backoff = "10ms"\naccess-log = "{}"\nlog-file = "{}"\n'
    text += '[env]\nCOLOUR = "{}"\n'
    write(folder, text.format("access", "log", "red"))
    server = serve(app, "--app-dir", str(serve.folder), cwd=folder)
    server.may_die = True
    log, access = folder / "log", folder / "access"
    for i, (one, other) in enumerate(
        [("no/folder", "log"), ("access", "no/folder"), ("new", "no/folder")]
    ):
        write(folder, text.format(one, other, "blue"))
        server.tell(signal.SIGHUP)
        wait_for(
            lambda i=i: log.read_text().count("reload given up") == i + 1,
            "it is given up",
        )
        os.kill(answers(server)["pid"], signal.SIGKILL)
        server.wait_ready()
        before = access.read_text().count("/env")
        assert answers(server)["colour"] == "red"
        wait_for(
            lambda b=before: access.read_text().count("/env") > b, "a line"
        )
