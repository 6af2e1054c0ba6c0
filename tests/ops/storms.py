"""Storms: what operators do, far more often than they would, under load.

A storm is a function of a Field: a server of one of the echo applications,
with clients that ask it directly and through nginx, over TCP and over a unix
socket, all at once.  It does what its name says and returns; what became of
the requests is judged afterwards, by judge().
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from checker import Checker, alive, run_until
from nginx import NGINX, Nginx
from serving import Servers

HERE = Path(__file__).resolve().parent
READY_SECONDS = 30.0
GRACEFUL = "5s"

APPS: dict[str, tuple[str, ...]] = {
    "native": ("echo_native:app",),
    "native-threads": ("echo_native:app", "--threads", "4"),
    "asgi": ("echoes:asgi", "--interface", "asgi"),
    "wsgi": ("echoes:wsgi", "--interface", "wsgi"),
    "wsgi-threads": ("echoes:wsgi", "--interface", "wsgi", "--threads", "4"),
}


def pid_in(path: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return 0


class Field:
    """One service under load, and what can be done to it."""

    def __init__(
        self,
        servers: Servers,
        folder: Path,
        app: str,
        *options: str,
        clients: int = 6,
        nginx: bool = True,
    ) -> None:
        self.clients = clients
        self.folder = folder
        self.pid_file = folder / "rupy.pid"
        self.seen = folder / "seen"
        self.seen.touch()
        self.socket = str(folder / "rupy.sock")
        module, *more = APPS[app]
        self.server = servers(
            module,
            *("--app-dir", str(HERE), "--workers", "2"),
            *("--pid", str(self.pid_file), "--graceful-timeout", GRACEFUL),
            *("--log-file", str(folder / "log")),
            *("--access-log", str(folder / "access.log")),
            *more,
            *options,
            env={"STORM_SEEN": str(self.seen)},
            binds=(f"unix:{self.socket}",),
        )
        self.master = self.server.pid
        self.masters = [self.master]
        self.workers_ready(self.master, 2)
        self.fronts: list[Nginx] = []
        if nginx and NGINX:
            for name, upstream in (
                ("tcp", f"127.0.0.1:{self.server.port}"),
                ("unix", f"unix:{self.socket}"),
            ):
                (folder / name).mkdir()
                self.fronts.append(
                    Nginx(folder / name, upstream, "error timeout")
                )
        self.checkers: dict[str, Checker] = {}

    @property
    def log(self) -> str:
        with contextlib.suppress(OSError):
            return (self.folder / "log").read_text(errors="backslashreplace")
        return ""

    # ---- load ----

    @contextlib.contextmanager
    def load(self) -> Iterator[None]:
        def checker(address: tuple[str, int] | str, clients: int) -> Checker:
            return Checker(address, clients=clients, seen=self.seen)

        self.checkers = {
            "direct": checker(self.server.address, self.clients),
            "unix": checker(self.socket, max(1, self.clients // 3)),
        }
        for front, name in zip(self.fronts, ("tcp", "unix"), strict=False):
            self.checkers[f"nginx {name}"] = checker(
                front.address, max(1, self.clients // 2)
            )
        with contextlib.ExitStack() as stack:
            for c in self.checkers.values():
                stack.enter_context(c)
            yield

    def wait_ok(self, more: int) -> None:
        for c in self.checkers.values():
            c.wait_ok(more)

    # ---- what is done to it ----

    def count(self, text: str) -> int:
        return self.log.count(text)

    def workers_ready(self, master: int, n: int) -> None:
        ready = re.compile(rf"\[{master}\] .* ready after")
        run_until(
            lambda: len(ready.findall(self.log)) >= n,
            READY_SECONDS,
            f"{n} workers of master {master} are ready",
        )

    def hup(self) -> None:
        before = self.count("reload finished")
        os.kill(self.master, signal.SIGHUP)
        run_until(
            lambda: self.count("reload finished") > before,
            READY_SECONDS,
            "the reload ends",
        )

    def upgrade(self) -> None:
        """USR2; when the next master's workers serve, QUIT to this one."""
        old = self.master
        os.kill(old, signal.SIGUSR2)
        beside = Path(f"{self.pid_file}.2")
        run_until(lambda: pid_in(beside) != 0, READY_SECONDS, "a new master")
        self.master = pid_in(beside)
        self.masters.append(self.master)
        self.workers_ready(self.master, 2)
        os.kill(old, signal.SIGQUIT)
        run_until(lambda: not alive(old), READY_SECONDS, "the old one left")
        run_until(
            lambda: pid_in(self.pid_file) == self.master,
            READY_SECONDS,
            "the pid file is the new master's",
        )

    @property
    def workers(self) -> list[int]:
        path = f"/proc/{self.master}/task/{self.master}/children"
        return [int(pid) for pid in Path(path).read_text().split()]

    def end(self) -> None:
        """The last master is no child of ours."""
        for front in self.fronts:
            front.stop()
        for pid in self.masters:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        run_until(
            lambda: not any(alive(pid) for pid in self.masters),
            READY_SECONDS,
            "all masters have gone",
        )


# ---- the storms ----


def hups(f: Field, times: int) -> None:
    for _ in range(times):
        f.hup()


def upgrades(f: Field, times: int) -> None:
    for _ in range(times):
        f.upgrade()


def recycles(f: Field, times: int) -> None:
    """With --max-requests low."""
    run_until(
        lambda: f.count("asks to be replaced: it has had") >= times,
        30 + times * 2.0,
        f"{times} workers had enough",
        step=0.1,
    )


def numbers(f: Field, times: int) -> None:
    """TTIN and TTOU: three workers, two, one, and two again."""

    def order(number: signal.Signals) -> None:
        # The same signal twice at once is one: each is waited for.
        before = f.count("workers wanted:")
        os.kill(f.master, number)
        run_until(
            lambda: f.count("workers wanted:") > before,
            READY_SECONDS,
            f"{number.name} is heard",
        )

    for n in range(times):
        ready = f.count(" ready after")
        order(signal.SIGTTIN)
        run_until(
            lambda r=ready: f.count(" ready after") > r,  # type: ignore[misc]
            READY_SECONDS,
            "one more worker",
        )
        order(signal.SIGTTOU)
        if n % 2:
            order(signal.SIGTTOU)
            order(signal.SIGTTIN)


def reopens(f: Field, times: int) -> None:
    """USR1, with the logs moved away as logrotate does."""
    for n in range(times):
        if n % 10 == 0:
            with contextlib.suppress(OSError):
                os.rename(f.folder / "access.log", f.folder / "access.log.1")
        os.kill(f.master, signal.SIGUSR1)
        time.sleep(0.01)


def mixed(f: Field, times: int) -> None:
    dice = random.Random(times)
    for _ in range(times):
        what = dice.choice(
            [f.hup, f.hup, f.upgrade]
            + [lambda: numbers(f, 1), lambda: reopens(f, 5)] * 2
        )
        # None of them waits for another's end in an operator's hands.
        for number in (signal.SIGUSR1, signal.SIGHUP):
            if dice.random() < 0.5:
                os.kill(f.master, number)
        what()
        f.wait_ok(3)


def kills(f: Field, times: int) -> list[float]:
    """kill -9; gives how long each time a new worker took to serve."""
    took = []
    for _ in range(times):
        # One that has lived for a while: what dies at once is held back.
        f.wait_ok(5)
        time.sleep(1.2)
        ready = f.count(" ready after")
        started = time.monotonic()
        os.kill(random.choice(f.workers), signal.SIGKILL)
        run_until(
            lambda r=ready: f.count(" ready after") > r,  # type: ignore[misc]
            READY_SECONDS,
            "another worker",
        )
        took.append(time.monotonic() - started)
    return took


# name -> (storm, times, times in the short form, options)
STORMS: dict[
    str, tuple[Callable[[Field, int], object], int, int, tuple[str, ...]]
] = {
    "hup": (hups, 50, 4, ()),
    "usr2": (upgrades, 20, 2, ()),
    "recycle": (recycles, 200, 8, ("--max-requests", "60")),
    "ttin-ttou": (numbers, 40, 3, ()),
    "usr1": (reopens, 500, 60, ()),
    "mixed": (mixed, 30, 4, ("--max-requests", "300")),
}


def judge(f: Field) -> list[str]:
    """What was not as promised; nothing, if all was."""
    wrong = []
    for name, c in f.checkers.items():
        wrong += [f"{name}: {n} {kind}" for kind, n in c.bad.items()]
        if c.ok == 0:
            wrong.append(f"{name}: nothing was answered")
        # nginx keeps its clients; of ours few ask in the very moment in which
        # an idle connection is closed.
        most = 0 if name.startswith("nginx") else c.ok // 100
        if c.counts["stale"] > most:
            wrong.append(f"{name}: {c.counts['stale']} stale")
    deaths = re.findall(r".*(?:killed by|exited with status [1-9]).*", f.log)
    wrong += deaths[:5]
    if wrong:
        wrong += [w for c in f.checkers.values() for w in c.why][:20]
        wrong += [front.errors[-1000:] for front in f.fronts]
    return wrong
