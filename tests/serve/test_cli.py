"""The command line: options, their sources, mistakes and exit statuses."""

from __future__ import annotations

import re
import socket
import subprocess
import tomllib
from pathlib import Path

import pytest
from serving import print_config as config
from serving import run_program as run

MANUAL = Path(__file__).parents[2] / "man" / "rupy-serve.1"


def help_names(program: Path) -> set[str]:
    text = run(program, "--help").stdout
    found = re.findall(r"^ {2}(?:-\w, | {4})--([a-z0-9-]+)", text, re.M)
    assert len(found) > 40
    return set(found)


@pytest.fixture
def apps(tmp_path: Path) -> Path:
    (tmp_path / "good.py").write_text("from rupy import Rupy\n\napp = Rupy()\n")
    (tmp_path / "raises.py").write_text("1 / 0\n")
    (tmp_path / "no_start.py").write_text(
        "from rupy import Rupy\n\napp = Rupy()\n\n\n"
        "@app.on_startup\ndef start():\n    raise RuntimeError('not today')\n"
    )
    return tmp_path


def test_version_names_what_is_inside(rupy_bin: Path) -> None:
    done = run(rupy_bin, "--version", env={"RUPY_SERVE_NONSENSE": "1"})
    assert done.returncode == 0
    assert re.fullmatch(
        r"rupy-serve \S+ \(CPython 3\.\d+\.\S+, libpython (static|shared), "
        r"libev 4\.\d+, http-parser 2\.\d+\.\d+, PCRE2 10\.\d+\)\n",
        done.stdout,
    )


def test_version_notices_that_it_cannot_be_written(rupy_bin: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [str(rupy_bin), "--version"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert "No space left" in done.stderr


def test_help_fits_80_columns(rupy_bin: Path) -> None:
    done = run(rupy_bin, "--help")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_of_a_group_has_that_group_only(rupy_bin: Path) -> None:
    text = run(rupy_bin, "--help", "http").stdout
    assert "--keep-alive" in text
    assert "--workers" not in text


def test_the_manual_has_every_option_and_no_other(rupy_bin: Path) -> None:
    items = [
        line
        for line in MANUAL.read_text().splitlines()
        if line.startswith(".It Fl")
    ]
    documented = re.findall(r"Fl Fl ([a-z0-9-]+)", "\n".join(items))
    assert set(documented) == help_names(rupy_bin)


def test_every_name_in_the_manual_is_known(rupy_bin: Path) -> None:
    names = set(re.findall(r"Fl Fl ([a-z0-9-]+)", MANUAL.read_text()))
    for name in names - help_names(rupy_bin):
        done = run(rupy_bin, "--check-config", f"--{name}=", "a:b")
        assert "there is no option" not in done.stderr, name


def test_every_option_can_be_set_by_its_variable(rupy_bin: Path) -> None:
    for name, entry in config(rupy_bin)["options"].items():
        variable = "RUPY_SERVE_" + name.upper().replace("-", "_")
        text = {
            "env": "A=b",
            "header": "A: b",
            "bind": ":1",
            "port": "1",
            "fd": "3",
            "max-workers": "9",
            "config": "/dev/null",
            "static": "/x=.",
            "log-syslog": "/x",
            "statsd-host": "/x",
            "access-log-fields": "status",
            "access-log-skip": "/x",
            "user": "root",
            "group": "root",
            "chroot": "/",
            "cpu-affinity": "0",
            "umask": "022",
            "nice": "1",
            "oom-score-adj": "1",
            "rlimit-nofile": "1024",
        }.get(name)
        # What is right only together with another option.
        others = {
            "access-log-fields": {"RUPY_SERVE_ACCESS_LOG_FORMAT": "json"},
            "capture-output": {"RUPY_SERVE_LOG_FILE": "/x"},
            "daemon": {"RUPY_SERVE_LOG_FILE": "/x"},
            "statsd-tags": {"RUPY_SERVE_STATSD_HOST": "/x"},
        }.get(name, {})
        if name.startswith("ssl-") and name != "ssl-certfile":
            others = {"RUPY_SERVE_SSL_CERTFILE": "/x"}
        if name == "ssl-crl":
            others |= {
                "RUPY_SERVE_SSL_VERIFY": "require",
                "RUPY_SERVE_SSL_CA_CERTS": "/x",
            }
        value = entry["value"]
        if text is None and isinstance(value, bool):
            text = "off" if value else "on"
        elif text is None and isinstance(value, list) and value:
            text = value[0]
        elif text is None:
            text = str(value) if value not in (None, []) else "x"
        after = config(rupy_bin, **others, **{variable: text})["options"][name]
        assert after["source"] == f"env {variable}"


def test_print_config_tells_values_and_sources(rupy_bin: Path) -> None:
    found = config(
        rupy_bin,
        "-w",
        "3",
        "m:app",
        "--header",
        'x: "q"',
        PORT="81",
        WEB_CONCURRENCY="2",
        RUPY_SERVE_KEEP_ALIVE="1m30s",
        RUPY_SERVE_CMD_ARGS="--limit-body '1M'",
    )
    options = found["options"]
    assert options["workers"] == {"value": 3, "source": "command line"}
    assert options["port"] == {"value": 81, "source": "env PORT"}
    assert options["keep-alive"] == {
        "value": "90s",
        "source": "env RUPY_SERVE_KEEP_ALIVE",
    }
    assert options["limit-body"] == {
        "value": 1 << 20,
        "source": "env RUPY_SERVE_CMD_ARGS",
    }
    assert options["header"]["value"] == ['x: "q"']
    assert options["uds"] == {"value": None, "source": "default"}
    assert found["addresses"] == ["0.0.0.0:81"]


def test_print_config_is_toml(rupy_bin: Path) -> None:
    done = run(rupy_bin, "--print-config", "-b", ":1,unix:/x", "m:app")
    found = tomllib.loads(done.stdout)
    assert found["bind"] == [":1", "unix:/x"]
    assert found["app"] == "m:app"
    assert "uds" not in found
    assert 'app = "m:app"  # command line' in done.stdout.splitlines()


def test_check_config_does_not_load_the_application(rupy_bin: Path) -> None:
    assert run(rupy_bin, "--check-config", "no.such:app").returncode == 0


@pytest.mark.parametrize(
    ("args", "env", "want"),
    [
        (["--worker", "2", "a"], {}, "did you mean --workers?"),
        (["--workers", "two", "a"], {}, "--workers: 'two' is no number"),
        ([], {}, "which application?"),
        (["a"], {"RUPY_SERVE_WORKER": "2"}, "did you mean RUPY_SERVE_WORKERS?"),
        (["--bind", "8000", "a"], {}, "want HOST:PORT"),
        (["--uds", "/x", "--port", "1", "a"], {}, "do not go together"),
        (["--chdir", "/nonexistent", "a"], {}, "No such file"),
        (["--env-file", "/nonexistent", "a"], {}, "No such file"),
    ],
)
def test_a_mistake_is_one_line_and_status_1(
    rupy_bin: Path, args: list[str], env: dict[str, str], want: str
) -> None:
    done = run(rupy_bin, *args, env=env)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert want in done.stderr
    assert done.stdout == ""


def test_an_address_in_use_is_status_5(rupy_bin: Path, apps: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(rupy_bin, "--port", str(port), "good:app", cwd=apps)
    assert done.returncode == 5
    assert f"cannot bind 127.0.0.1:{port}: Address already" in done.stderr


def test_a_file_in_place_of_a_socket_is_status_5(
    rupy_bin: Path, apps: Path
) -> None:
    path = apps / "sock"
    path.write_text("precious")
    done = run(rupy_bin, "--uds", str(path), "good:app", cwd=apps)
    assert done.returncode == 5
    assert "is no socket; remove it" in done.stderr
    assert path.read_text() == "precious"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_application_that_is_not_there_is_status_4(
    rupy_bin: Path, apps: Path, workers: str
) -> None:
    done = run(rupy_bin, "--port=0", "-w", workers, "goood:app", cwd=apps)
    assert done.returncode == 4
    assert "module 'goood' not found in " in done.stderr
    assert "did you mean 'good'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_application_that_raises_is_status_4_with_its_traceback(
    rupy_bin: Path, apps: Path
) -> None:
    done = run(rupy_bin, "--port=0", "raises:app", cwd=apps)
    assert done.returncode == 4
    assert 'raises.py", line 1' in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "_load.py" not in done.stderr


def test_an_application_that_does_not_start_is_status_3(
    rupy_bin: Path, apps: Path
) -> None:
    done = run(
        rupy_bin,
        "--port=0",
        "--boot-failures=1",
        "no_start:app",
        cwd=apps,
    )
    assert done.returncode == 3
    assert "not today" in done.stderr


def test_a_virtual_environment_that_is_none_is_told(
    rupy_bin: Path, apps: Path
) -> None:
    done = run(rupy_bin, "--port=0", "--venv", ".", "good:app", cwd=apps)
    assert done.returncode != 0
    assert "is no virtual environment: it has no pyvenv.cfg" in done.stderr
