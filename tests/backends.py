"""The servers that applications talk to, on free ports, in own folders."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from serving import START_DEADLINE, free_port, wait_for


class Backend(NamedTuple):
    port: int
    """Of 127.0.0.1."""
    folder: Path
    """Where its unix socket is."""


def _program(name: str, *patterns: str) -> str:
    """A path of a program; the calling test is skipped without one."""
    found = shutil.which(name)
    for pattern in patterns:
        paths = sorted(Path("/").glob(pattern))
        found = found or (str(paths[-1]) if paths else None)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def _somebody() -> dict[str, int]:
    """Who runs what refuses to be run by root, as options of Popen."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid}
    pytest.skip("only root is here, and PostgreSQL refuses root")


@contextmanager
def _running(
    command: list[str], folder: Path, port: int, who: dict[str, int]
) -> Iterator[Backend]:
    """The program in the background, from its first answer to its end."""
    log = folder / "log"

    def listens() -> bool:
        if process.poll() is not None:
            raise AssertionError(
                f"{command[0]}: status {process.returncode}\n{log.read_text()}"
            )
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            return False
        return True

    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            **who,  # type: ignore[arg-type]
        )
    try:
        wait_for(listens, f"{command[0]} listens", START_DEADLINE)
        yield Backend(port, folder)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(START_DEADLINE)
        finally:
            process.kill()
            process.wait()


@contextmanager
def _folder(who: dict[str, int]) -> Iterator[Path]:
    """One that somebody else may enter, as pytest's own may not be, and with
    a name that is short enough for unix sockets."""
    with tempfile.TemporaryDirectory(prefix="rupy-") as name:
        if who:
            os.chown(name, who["user"], who["group"])
        yield Path(name)


@contextmanager
def postgresql() -> Iterator[Backend]:
    """A fresh database `postgres` for everybody as user `postgres`."""
    initdb = _program("initdb", "usr/lib/postgresql/*/bin/initdb")
    who = _somebody()
    with _folder(who) as folder:
        data = folder / "data"
        made = subprocess.run(
            [
                *(initdb, "-D", str(data), "-U", "postgres", "-A", "trust"),
                *("--no-sync", "-E", "UTF8", "--locale=C"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
            **who,  # type: ignore[call-overload]
        )
        assert made.returncode == 0, made.stderr
        port = free_port()
        command = [str(Path(initdb).with_name("postgres")), "-D", str(data)]
        for setting in (
            f"port={port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={folder}",
            "fsync=off",
            "shared_buffers=16MB",
            "max_connections=120",
        ):
            command += ["-c", setting]
        with _running(command, folder, port, who) as backend:
            yield backend


@contextmanager
def redis() -> Iterator[Backend]:
    """An empty one that writes nothing; its unix socket is `socket`."""
    program = _program("redis-server", "usr/sbin/redis-server")
    with _folder({}) as folder:
        port = free_port()
        command = [program, "--port", str(port), "--bind", "127.0.0.1"]
        command += ["--unixsocket", str(folder / "socket")]
        command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
        with _running(command, folder, port, {}) as backend:
            yield backend


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of its own for localhost, and its key."""
    openssl = _program("openssl")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-nodes", "-days", "2"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return cert, key
