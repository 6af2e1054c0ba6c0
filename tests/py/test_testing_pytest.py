"""The fixtures of rupy.testing, and servers that listen."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import rupy
from rupy import Rupy
from rupy.testing import Server

CHECKOUT = Path(__file__).resolve().parent.parent.parent

APP = """
from rupy import Rupy
app = Rupy()
app.get("/")(lambda: "here")
"""

TEST = """
import urllib.request
from app import app

def test_client(rupy_client):
    client = rupy_client(app, headers={"x": "y"})
    assert client.get("/").text == "here"

def test_server_in_a_thread(rupy_server):
    server = rupy_server(app)
    with urllib.request.urlopen(server.url, timeout=20) as answer:
        assert answer.read() == b"here"

def test_server_in_a_process(rupy_server):
    server = rupy_server("app:app", workers=2)
    with urllib.request.urlopen(server.url, timeout=20) as answer:
        assert answer.read() == b"here"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "test_it.py").write_text(TEST)
    return tmp_path


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """What an installed wheel leaves for pytest to find."""
    path = CHECKOUT / "scripts" / "wheel_backend.py"
    spec = importlib.util.spec_from_file_location("wheel_backend", path)
    assert spec and spec.loader
    backend = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(backend)
    site = tmp_path / "site"
    info = site / f"{backend.stem()}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(backend.metadata())
    (info / "entry_points.txt").write_text(backend.entry_points())
    return site


def run_pytest(
    folder: Path, *options: str, paths: tuple[Path, ...] = ()
) -> str:
    package = Path(rupy.__file__).parent.parent
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *options,
            str(folder / "test_it.py"),
        ],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(map(str, (*paths, package)))},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_fixtures_of_an_installed_plugin(
    project: Path, installed: Path
) -> None:
    assert "3 passed" in run_pytest(project, paths=(installed,))


def test_the_plugin_is_not_loaded_twice(project: Path, installed: Path) -> None:
    (project / "conftest.py").write_text(
        'pytest_plugins = ["rupy.testing.pytest_plugin"]\n'
    )
    said = run_pytest(
        project,
        "-p",
        "rupy.testing.pytest_plugin",
        "-k",
        "client",
        paths=(installed,),
    )
    assert "1 passed" in said


# ---- servers ----


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode()
        return text


@pytest.fixture
def app() -> Iterator[Rupy]:
    app = Rupy()
    ended = threading.Event()
    app.get("/")(lambda: {"thread": threading.current_thread().name})
    app.on_shutdown(ended.set)
    yield app
    assert ended.wait(20)


def test_a_server_in_this_process(app: Rupy) -> None:
    with Server(app) as server:
        assert server.pid == os.getpid()
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert server.ws_url == f"ws://127.0.0.1:{server.port}"
        assert json.loads(read(server.url)) == {"thread": "rupy.testing"}
        address = (server.host, server.port)
    with pytest.raises(OSError), socket.create_connection(address, 5):
        pass
    server.stop()


def test_a_server_in_processes_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where no other rupy is imported from
    source = "import os\n" + APP + 'app.get("/pid")(lambda: str(os.getppid()))'
    (tmp_path / "served.py").write_text(source)
    with Server("served:app", workers=2, app_dir=[str(tmp_path)]) as server:
        assert int(read(f"{server.url}/pid")) == server.pid != os.getpid()
        assert "listening on" in server.log
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match="no_such_module"):
        Server("no_such_module:app")
    app = Rupy()

    @app.on_startup
    def fail() -> None:
        raise ConnectionRefusedError("no database")

    with pytest.raises(ConnectionRefusedError):
        Server(app)


def test_only_processes_of_its_own_can_be_many(app: Rupy) -> None:
    with pytest.raises(ValueError, match="workers=1"):
        Server(app, workers=2)
    with Server(app):
        pass
