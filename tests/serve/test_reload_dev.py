"""--reload and --dev: what one who develops sees."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
from serving import (
    BINARY,
    PRELOAD,
    Server,
    Servers,
    free_port,
    print_config,
    run_program,
    wait_for,
)

CODE = """
import os
from rupy import Rupy
from part import word

app = Rupy()

@app.get("/")
def index():
    return word

@app.get("/pid")
def pid():
    return str(os.getpid())

@app.get("/fail")
def fail():
    raise LookupError("shown")
"""


class Project:
    """A folder with an application, and a server that watches it."""

    def __init__(self, serve: Servers, folder: Path, *options: str) -> None:
        self.folder = folder
        (folder / "pkg").mkdir(parents=True)
        (folder / ".git").mkdir()
        (folder / "env").mkdir()
        (folder / "env" / "pyvenv.cfg").touch()
        self.write("shop.py", CODE)
        self.say("one")
        self.server: Server = serve("shop:app", *options, cwd=folder)

    def write(self, name: str, text: str) -> None:
        """As editors do it: a file of another name, then renamed."""
        path = self.folder / name
        other = path.with_name(f".{path.name}.tmp")
        other.write_text(text)
        other.replace(path)

    def say(self, word: str) -> None:
        # Python tells versions apart by length and whole seconds.
        padding = "#" * len(word) + "\n"
        self.write("part.py", f"word = {word!r}\n{padding}")

    def index(self) -> str:
        return self.server.get("/").text

    def wait(self, word: str) -> None:
        wait_for(lambda: self.index() == word, f"it says {word}", 20)

    def changes(self) -> int:
        return self.server.stderr.count("replacing the workers")


@pytest.fixture
def project(serve: Servers, tmp_path: Path) -> Project:
    it = Project(serve, tmp_path / "project", "--reload")
    it.server.may_die = True
    return it


def test_a_saved_file_is_served_and_no_request_is_refused(
    project: Project,
) -> None:
    assert project.index() == "one"
    project.say("two words")
    # Each of these requests is answered 200, whatever happens meanwhile.
    project.wait("two words")
    assert "changed: part.py" in project.server.stderr
    project.say("and three")
    project.wait("and three")


def test_a_kept_connection_does_not_keep_the_old_code(
    project: Project,
) -> None:
    with project.server.connect() as client:
        assert client.get("/").text == "one"
        project.say("two words")
        # It is closed, so that whoever used it asks the new worker.
        assert client.ends() == b""
    project.wait("two words")


def test_a_mistake_is_shown_until_it_is_mended(project: Project) -> None:
    project.write("part.py", "word = 1 / 0  # <b>\n")
    wait_for(lambda: project.server.get("/").status == 500, "an error", 20)
    plain = project.server.get("/any/path")
    assert plain.status == 500
    assert "ZeroDivisionError" in plain.text
    assert plain.get("content-type") == "text/plain; charset=utf-8"
    page = project.server.get("/", Accept="text/html,*/*")
    assert page.get("content-type") == "text/html; charset=utf-8"
    assert "ZeroDivisionError" in page.text
    assert "# &lt;b&gt;" in page.text
    assert "ZeroDivisionError" in project.server.stderr
    assert project.server.process.poll() is None
    project.say("mended")
    project.wait("mended")


def test_a_start_up_that_fails_is_shown_too(project: Project) -> None:
    project.write(
        "shop.py",
        CODE + "\n@app.on_startup\ndef nope():\n    raise OSError('no db')\n",
    )
    wait_for(lambda: project.server.get("/").status == 500, "an error", 20)
    assert "no db" in project.server.get("/").text
    project.write("shop.py", CODE)
    project.wait("one")


def test_it_starts_with_a_mistake(serve: Servers, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import no_such_module\n")
    server = serve("bad:app", "--reload", cwd=tmp_path)
    server.may_die = True
    assert "no_such_module" in server.get("/").text
    (tmp_path / "bad.py").write_text(
        "from rupy import Rupy\napp = Rupy()\napp.get('/')(lambda: 'good')\n"
    )
    wait_for(lambda: server.get("/").text == "good", "it is loaded", 20)
    assert server.stop() == 0


def test_a_worker_that_does_not_end_is_killed(
    serve: Servers, tmp_path: Path
) -> None:
    project = Project(serve, tmp_path / "project")
    assert project.server.stop() == 0
    project.write(
        "shop.py",
        CODE
        + """
import time

@app.get("/block")
def block():
    os.write(2, b"blocked\\n")
    time.sleep(600)
""",
    )
    server = serve("shop:app", "--reload", cwd=project.folder)
    server.may_die = True
    client = server.connect(timeout=20)
    client.send("GET /block HTTP/1.1\r\nHost: x\r\n\r\n")
    server.wait_log("blocked")
    project.say("unblocked")
    assert client.ends() in (b"", b"<reset>")
    wait_for(lambda: server.get("/").text == "unblocked", "new code", 20)


def test_new_folders_are_watched_and_others_are_not(
    project: Project,
) -> None:
    for name in (".git/x.py", "env/x.py", "notes.txt", "pkg/x.pyc"):
        project.write(name, "1")
    (project.folder / "new" / "deep").mkdir(parents=True)
    project.write("new/deep/found.py", "1")
    wait_for(lambda: project.changes() == 1, "the new file counts", 20)
    # The file itself, or the folder that had it when it was seen.
    assert re.search(r"changed: (found\.py|new):", project.server.stderr)
    for name in ("x.py", "notes", "x.pyc"):
        assert f"changed: {name}" not in project.server.stderr
    project.write("pkg/x.py", "1")
    wait_for(lambda: project.changes() == 2, "and this one", 20)
    shutil.rmtree(project.folder / "new")
    wait_for(lambda: project.changes() == 3, "deletion counts", 20)


def test_patterns_and_folders_are_chosen(
    serve: Servers, tmp_path: Path
) -> None:
    lib = tmp_path / "lib"
    lib.mkdir()
    extra = tmp_path / "etc" / "shop.conf"
    extra.parent.mkdir()
    project = Project(
        serve,
        tmp_path / "project",
        "--reload",
        "--reload-dir",
        str(lib),
        "--reload-include",
        "*.html",
        "--reload-extra-file",
        str(extra),
        "--reload-exclude",
        "generated*",
        "--reload-delay",
        "10ms",
    )
    project.server.may_die = True
    (project.folder / "generated_one.py").touch()
    for n, path in enumerate(
        (lib / "a.py", project.folder / "a.html", extra), start=1
    ):
        path.touch()
        wait_for(lambda n=n: project.changes() == n, f"{path} counts", 20)
    assert "generated_one" not in project.server.stderr


def test_many_changes_are_one(project: Project) -> None:
    pid = project.server.get("/pid").text
    for n in range(50):
        project.write(f"pkg/m{n}.py", "1")
    wait_for(lambda: project.changes(), "they count", 20)
    wait_for(lambda: project.server.get("/pid").text != pid, "new worker", 20)
    assert project.changes() < 5


def test_with_several_workers_all_are_new(
    serve: Servers, tmp_path: Path
) -> None:
    project = Project(serve, tmp_path / "project", "--reload", "-w", "2")
    project.server.may_die = True
    old = set(project.server.workers)
    project.say("for both")
    project.wait("for both")

    def all_new() -> bool:
        now = set(project.server.workers)
        return len(now) == 2 and not now & old

    wait_for(all_new, "two new workers", 20)
    project.server.tell(signal.SIGHUP)
    project.server.wait_log("reload finished", 20)


def test_dev_is_all_that_one_wants(serve: Servers, tmp_path: Path) -> None:
    project = Project(serve, tmp_path / "project", "--dev")
    project.server.may_die = True
    assert (
        "LookupError: shown"
        in project.server.get("/fail", Accept="text/html").text
    )
    wait_for(lambda: "GET /fail" in project.server.stdout, "the access log")
    project.say("reloaded")
    project.wait("reloaded")
    assert "[debug]" in project.server.stderr
    # And HUP finds that nothing was changed.
    project.server.tell(signal.SIGHUP)
    project.server.wait_log("reload finished")
    assert "by a restart only" not in project.server.stderr


def test_dev_does_not_override_what_was_said(tmp_path: Path) -> None:
    given = print_config(
        BINARY, "x:app", "--dev", "--workers", "3", "--no-access-log"
    )
    options = given["options"]
    assert given["workers"] == 3
    assert options["access-log"]["value"] is None
    for name, value in (
        ("reload", True),
        ("debug", True),
        ("log-level", "debug"),
        ("timeout", "0"),
        ("graceful-timeout", "1s"),
    ):
        assert options[name] == {"value": value, "source": "command line"}
    plain = print_config(BINARY, "x:app")["options"]
    assert plain["reload"]["value"] is False
    assert plain["timeout"]["value"] == "30s"


def test_an_object_cannot_be_reloaded_and_it_says_so(
    serve: Servers, tmp_path: Path
) -> None:
    port = free_port()
    (tmp_path / "main.py").write_text(
        "from rupy import Rupy\napp = Rupy()\n"
        f"app.run(port={port}, reload=True, control_socket='off')\n"
    )
    server = serve.start(
        [sys.executable, "main.py"],
        port,
        env={"PYTHONPATH": os.environ.get("PYTHONPATH", ""), **PRELOAD},
        cwd=tmp_path,
    )
    server.wait_log("serve it as module:app")


def test_check_config_takes_all_of_them(tmp_path: Path) -> None:
    done = run_program(BINARY, "x:app", "--dev", "--check-config", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
