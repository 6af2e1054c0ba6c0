"""Whom workers run as, what they may use, and the background."""

from __future__ import annotations

import os
import pwd
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from serving import (
    BINARY,
    Client,
    Servers,
    clean_env,
    free_port,
    is_alive,
    run_program,
    wait_for,
)

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can become somebody else"
)

APP = """
import os
import resource
from rupy import Rupy

at_import = os.getresuid()
app = Rupy()

@app.get("/")
def index():
    return "index"

@app.get("/who")
def who():
    try:
        os.setuid(0)
        back = True
    except OSError:
        back = False
    umask = os.umask(0)
    os.umask(umask)
    return {
        "uids": os.getresuid(), "gids": os.getresgid(), "back": back,
        "groups": os.getgroups(), "at_import": at_import, "umask": umask,
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "cpus": sorted(os.sched_getaffinity(0)),
        "oom": int(open("/proc/self/oom_score_adj").read()),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "root": sorted(os.listdir("/")),
    }
"""


def let_look(folder: Path) -> None:
    """Temp folders are for their user only; nobody may look into this one."""
    while folder != folder.parent and folder.stat().st_mode & 0o5 != 0o5:
        folder.chmod(folder.stat().st_mode | 0o5)
        folder = folder.parent


def link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def python_home(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """A Python that everybody may read: root's own may be in its home."""
    version = run_program(BINARY, "--version").stdout
    if f"CPython {sys.version.split()[0]}," not in version:
        pytest.skip("these tests run in another Python than the program")
    home = tmp_path_factory.mktemp("home")
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    shutil.copytree(
        Path(sys.base_prefix, "lib", name),
        home / "lib" / name,
        copy_function=link,
        ignore=shutil.ignore_patterns(
            "test", "site-packages", "__pycache__", "config-*", "idlelib"
        ),
    )
    let_look(home)
    return {"PYTHONHOME": str(home), "VIRTUAL_ENV": ""}


@pytest.fixture(autouse=True)
def open_folder(serve: Servers) -> None:
    if os.geteuid() == 0:
        let_look(serve.folder)


@as_root
@pytest.mark.parametrize("preload", ["--no-preload", "--preload"])
def test_workers_are_nobody_before_the_application_is_imported(
    serve: Servers, python_home: dict[str, str], tmp_path: Path, preload: str
) -> None:
    nobody = pwd.getpwnam("nobody")
    path = serve.folder / "web.sock"
    log = serve.folder / "log"
    log.mkdir()
    log.chmod(0o755)
    server = serve(
        APP,
        preload,
        "--user",
        "nobody",
        "--pid",
        str(tmp_path / "pid"),
        "--log-file",
        str(log / "server.log"),
        "--access-log",
        str(log / "access.log"),
        binds=(f"unix:{path}",),
        env=python_home,
    )
    who = server.get("/who").json()
    assert who["uids"] == [nobody.pw_uid] * 3
    assert who["gids"] == [nobody.pw_gid] * 3
    assert who["at_import"] == [nobody.pw_uid] * 3
    assert who["back"] is False
    assert 0 not in who["groups"]
    # The master is who it was, and the files of the workers are theirs.
    assert os.stat(f"/proc/{server.pid}").st_uid == 0
    assert (tmp_path / "pid").read_text() == f"{server.pid}\n"
    assert path.stat().st_uid == nobody.pw_uid
    for name in ("server.log", "access.log"):
        assert (log / name).stat().st_uid == nobody.pw_uid


@as_root
def test_logs_are_reopened_by_who_gave_up_root(
    serve: Servers, python_home: dict[str, str]
) -> None:
    log = serve.folder / "access.log"
    server = serve(
        APP, "--user", "nobody", "--access-log", str(log), env=python_home
    )
    assert server.get("/").status == 200
    log.rename(serve.folder / "access.log.1")
    server.tell(signal.SIGUSR1)
    wait_for(log.exists, "a new file")

    def written() -> bool:
        assert server.get("/").status == 200
        return bool(log.read_text())

    wait_for(written, "a line in it")
    assert "not reopened" not in server.stderr


@as_root
def test_a_group_alone_may_be_given_up_too(
    serve: Servers, python_home: dict[str, str]
) -> None:
    server = serve(APP, "--group", "65534", env=python_home)
    who = server.get("/who").json()
    assert who["uids"] == [0] * 3
    assert who["gids"] == [65534] * 3
    assert who["groups"] == [65534]


@as_root
def test_a_number_without_a_name_needs_a_group(
    serve: Servers, python_home: dict[str, str]
) -> None:
    server = serve(APP, "--user", "54321", ready=False)
    assert server.exit_status(20) == 1
    assert "say --group" in server.stderr
    server = serve(APP, "--user", "54321", "--group", "54322", env=python_home)
    who = server.get("/who").json()
    assert who["uids"] == [54321] * 3
    assert who["groups"] == [54322]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--user", "no-such-user", "there is no user no-such-user"),
        ("--group", "no-such-group", "there is no group no-such-group"),
        ("--rlimit-nofile", "0x10", "no number"),
        ("--cpu-affinity", "0,first", "'first' is neither auto nor"),
        ("--umask", "99", "no octal mode"),
        ("--oom-score-adj", "2000", "not between"),
    ],
)
def test_what_cannot_be_is_one_line_and_exits_1(
    serve: Servers, option: str, value: str, said: str
) -> None:
    server = serve(APP, option, value, ready=False)
    assert server.exit_status(20) == 1
    assert said in server.stderr
    assert len(server.stderr.splitlines()) == 1


@as_root
def test_who_is_no_root_cannot_become_another(serve: Servers) -> None:
    done = subprocess.run(
        [BINARY, "x:app", "-u", "root", "-b", f"127.0.0.1:{free_port()}"],
        user="nobody",
        cwd="/",
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    if done.returncode == 126 or "Permission denied" in done.stderr:
        pytest.skip("nobody may not execute this build")
    assert done.returncode == 1
    assert "only root can become somebody else" in done.stderr


def test_workers_have_the_limits_that_were_asked_for(serve: Servers) -> None:
    cpu = sorted(os.sched_getaffinity(0))[-1]
    server = serve(
        APP,
        "--umask",
        "027",
        "--nice",
        "3",
        "--oom-score-adj",
        "700",
        "--rlimit-nofile",
        "777",
        "--cpu-affinity",
        str(cpu),
    )
    who = server.get("/who").json()
    assert who["umask"] == 0o027
    assert who["nice"] == os.getpriority(os.PRIO_PROCESS, 0) + 3
    assert who["oom"] == 700
    assert who["files"][0] == 777
    assert who["cpus"] == [cpu]
    # The master is to survive its workers.
    oom = Path(f"/proc/{server.pid}/oom_score_adj").read_text()
    assert oom == Path("/proc/self/oom_score_adj").read_text()


def test_open_files_go_up_to_the_hard_limit(serve: Servers) -> None:
    def soft() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 500))

    server = serve(APP, limits=soft)
    assert server.get("/who").json()["files"] == [500, 500]


@pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="there is one CPU only"
)
def test_each_worker_has_a_cpu_of_its_own(serve: Servers) -> None:
    server = serve(APP, "-w", "2", "--cpu-affinity", "auto")
    workers = wait_for(
        lambda: (
            server.workers if server.stderr.count(") ready after") == 2 else []
        ),
        "two workers",
    )
    cpus = [os.sched_getaffinity(pid) for pid in workers]
    assert all(len(c) == 1 for c in cpus)
    assert cpus[0] != cpus[1]


@as_root
@pytest.mark.parametrize("preload", ["--no-preload", "--preload"])
def test_workers_see_only_the_folder_of_chroot(
    serve: Servers, python_home: dict[str, str], preload: str
) -> None:
    root = Path(python_home["PYTHONHOME"])
    lib = next((root / "lib").iterdir())
    if not (lib / "site-packages" / "rupy").exists():
        shutil.copytree(
            BINARY.parent / "lib" / "rupy-serve" / "rupy",
            lib / "site-packages" / "rupy",
        )
    way_out = """
@app.get("/ways-out")
def ways_out():
    root = os.stat("/")
    found = []
    for fd in range(3, 200):
        try:
            folder = os.stat(".", dir_fd=fd)
        except OSError:
            continue
        if not os.path.samestat(folder, root):
            found.append(fd)
    return found
"""
    source = APP.replace("/proc/self/oom", "/x/oom") + way_out
    (root / "caged.py").write_text(source)
    server = serve(
        "caged:app",
        preload,
        "--chroot",
        str(root),
        "--user",
        "nobody",
        "--app-dir",
        "/",
        env={"PYTHONHOME": "/", "VIRTUAL_ENV": ""},
    )
    assert server.get("/").text == "index"
    # A folder of outside that is open would be the way there.
    assert server.get("/ways-out").json() == []
    # And so does whom they are forked from; who is in between goes soon.
    n = 2 if preload == "--preload" else 1
    wait_for(lambda: len(server.workers) == n, f"{n} children")
    for pid in server.workers:
        assert os.readlink(f"/proc/{pid}/root") == str(root)
        assert os.readlink(f"/proc/{pid}/cwd") == str(root)
    assert os.readlink(f"/proc/{server.pid}/root") == "/"


# ---- the pid file ----


def test_a_pid_file_that_was_left_is_written_anew(
    serve: Servers, tmp_path: Path
) -> None:
    path = tmp_path / "pid"
    # The number lives, and is another's: only the lock says who has it.
    path.write_text("1\n")
    server = serve(APP, "--pid", str(path))
    assert path.read_text() == f"{server.pid}\n"
    second = serve(APP, "--pid", str(path), ready=False)
    assert second.exit_status(20) == 1
    assert "is it running already" in second.stderr
    assert path.read_text() == f"{server.pid}\n"
    assert server.stop() == 0
    assert not path.exists()


# ---- the background ----


def start_daemon(
    serve: Servers, source: str, port: int, *options: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            str(BINARY),
            serve.app(source, "daemon"),
            "--daemon",
            "--bind",
            f"127.0.0.1:{port}",
            "--pid",
            str(serve.folder / "pid"),
            "--log-file",
            str(serve.folder / "log"),
            *options,
        ],
        cwd=serve.folder,
        env=clean_env(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_daemon_is_ready_when_its_parent_ends(serve: Servers) -> None:
    port = free_port()
    source = APP + "\nprint('printed at import', flush=True)\n"
    done = start_daemon(serve, source, port)
    try:
        assert done.returncode == 0, done.stderr
        pid = int((serve.folder / "pid").read_text())
        with Client(("127.0.0.1", port)) as client:
            assert client.get("/").text == "index"
        assert os.getsid(pid) != os.getsid(0)
        assert os.getsid(pid) != pid, "it could get a terminal"
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
        for fd in (1, 2):
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
            assert target == str(serve.folder / "log")
        assert "printed at import" in (serve.folder / "log").read_text()
    finally:
        pid = int((serve.folder / "pid").read_text())
        os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not is_alive(pid), "the daemon has stopped")
    assert not (serve.folder / "pid").exists()


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("import no_such_module\napp = 1\n", 4),
        (APP + "\n@app.on_startup\ndef nope():\n    1 / 0\n", 3),
    ],
)
def test_a_daemon_that_does_not_start_gives_its_status(
    serve: Servers, source: str, status: int
) -> None:
    done = start_daemon(serve, source, free_port())
    assert done.returncode == status
    assert f"exit status {status}" in done.stderr
    assert "Error" in (serve.folder / "log").read_text()
    assert not (serve.folder / "pid").exists()


def test_a_daemon_whose_address_is_taken_exits_5(serve: Servers) -> None:
    server = serve(APP)
    done = start_daemon(serve, APP, server.port)
    assert done.returncode == 5
    assert "Address already in use" in (serve.folder / "log").read_text()


def test_a_daemon_needs_a_log(tmp_path: Path) -> None:
    done = run_program(BINARY, "x:app", "-D", cwd=tmp_path)
    assert done.returncode == 1
    assert "--daemon needs --log-file" in done.stderr


# ---- process 1 ----


def test_orphans_are_reaped(serve: Servers) -> None:
    """In a container the master is process 1, whose children all become."""
    import ctypes

    def be_reaper() -> None:
        # PR_SET_CHILD_SUBREAPER: what process 1 is to all, it is to its own.
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)

    source = (
        APP
        + """
@app.get("/orphan")
def orphan():
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        os._exit(0 if grandchild else 7)
    os.waitpid(child, 0)
    return "gone"
"""
    )
    server = serve(source, "--log-level", "debug", limits=be_reaper)
    server.may_die = True  # at this level every end of a worker is told
    assert server.get("/orphan").text == "gone"
    server.wait_log("which is none of ours")
    start = time.monotonic()
    wait_for(lambda: len(server.workers) == 1, "no zombie is left")
    assert time.monotonic() - start < 10
    assert server.get("/").text == "index"
