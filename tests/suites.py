"""Runs test suites that others wrote, in children, and compares two loops.

A child runs the tests that it reads from its standard input, and reports each
as it begins and ends; one that hangs or dies costs a test, not the run.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# A test that says nothing for so long hangs.
TEST_SECONDS = 90.0
KIND = "RUPY_SUITE_LOOP"
# The names of what stands for a module that cannot be imported.
BROKEN = "unittest.loader."

# What became of a test: (passed, failed or skipped; why).
Outcome = tuple[str, str]
Outcomes = dict[str, Outcome]


# ---- in the child ----


def flat(suite: Iterable[Any]) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        else:
            yield test


class Report(unittest.TestResult):
    """Tells the parent, a line of JSON each."""

    def __init__(self, fd: int, name: Callable[[unittest.TestCase], str]):
        super().__init__()
        self._fd, self._name = fd, name
        self._bad = self._skipped = ""

    def say(self, *words: str) -> None:
        os.write(self._fd, (json.dumps(words) + "\n").encode())

    def _note(self, test: Any, err: Any) -> None:
        lines = str(err[1]).strip().splitlines() or [""]
        why = f"{err[0].__name__}: {lines[-1]}"[:160]
        if isinstance(test, unittest.TestCase):
            self._bad = self._bad or why
        else:  # setUpClass or setUpModule: the parent misses their tests
            self.say("fixture", f"{test}: {why}")

    def startTest(self, test: Any) -> None:  # noqa: N802
        self._bad = self._skipped = ""
        self.say("start", self._name(test))

    def stopTest(self, test: Any) -> None:  # noqa: N802
        what = "failed" if self._bad else "passed"
        if self._skipped and not self._bad:
            what = "skipped"
        self.say(what, self._name(test), self._bad or self._skipped)

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        self._note(test, err)

    addFailure = addError  # noqa: N815

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        if err:
            self._note(test, err)

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        self._skipped = reason or "skipped"

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        self._bad = "unexpected success"


def be_child(
    tests: list[unittest.TestCase], name: Callable[[unittest.TestCase], str]
) -> None:
    """List the tests, or run those that standard input names."""
    # Shells let what they start in the background ignore it; tests raise it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # What the tests print is theirs; the report has a file of its own.
    fd = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    wanted = json.loads(sys.stdin.read())
    report = Report(fd, name)
    if wanted is None:
        for test in tests:
            report.say("test", name(test))
    else:
        wanted = set(wanted)
        unittest.TestSuite(t for t in tests if name(t) in wanted)(report)
    report.say("end")
    os._exit(0)


# ---- in the parent ----


def package_folder() -> str:
    """Where rupy is; an absolute path, as tests run in folders of theirs."""
    spec = importlib.util.find_spec("rupy")
    if spec is None or spec.origin is None:
        raise SystemExit("there is no package rupy: make")
    return os.path.abspath(Path(spec.origin).parents[1])


class Suite:
    """The tests of one program, `command MODULE`, that is a child of ours."""

    def __init__(
        self, command: list[str], env: dict[str, str], jobs: int
    ) -> None:
        self._command, self._env, self._jobs = command, env, jobs

    def _ask(
        self, kind: str, module: str, wanted: list[str] | None
    ) -> Iterator[list[str]]:
        """The lines of one child, until it ends or says nothing more."""
        with tempfile.TemporaryDirectory(prefix="rupy-suite-") as folder:
            child = subprocess.Popen(
                [*self._command, "--child", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **self._env, KIND: kind},
                cwd=folder,
                start_new_session=True,
            )
            assert child.stdin and child.stdout
            try:
                child.stdin.write(json.dumps(wanted).encode())
                child.stdin.close()
                yield from self._lines(child.stdout.fileno())
            finally:
                # With what its tests have left running.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                child.stdout.close()

    def _lines(self, fd: int) -> Iterator[list[str]]:
        rest = b""
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while poll.poll(TEST_SECONDS * 1000):
            data = os.read(fd, 65536)
            if not data:
                yield ["died"]
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                words = json.loads(line)
                if words == ["end"]:
                    return
                yield words
        yield ["hung"]

    def names(self, kind: str, module: str) -> list[str]:
        found = []
        for words in self._ask(kind, module, None):
            if words[0] != "test":
                raise RuntimeError(f"{module}: cannot be loaded ({words[0]})")
            found.append(words[1])
        return list(dict.fromkeys(found))

    def run(self, kind: str, module: str, wanted: list[str]) -> Outcomes:
        """Run these, with as many children as it takes."""
        outcomes: Outcomes = {}
        left = wanted
        while left:
            now = fixture = ""
            for what, *words in self._ask(kind, module, left):
                if what == "start":
                    now = words[0]
                elif what == "fixture":
                    fixture = words[0]
                elif what in ("died", "hung"):
                    outcomes[now or left[0]] = ("failed", f"the process {what}")
                else:
                    outcomes[words[0]] = (what, words[1])
                    now = ""
            rest = [name for name in left if name not in outcomes]
            if len(rest) == len(left) or fixture:
                for name in rest:
                    outcomes[name] = ("failed", fixture or "did not run")
                break
            left = rest
        return outcomes

    def module(self, module: str, keep: Callable[[str], bool]) -> Compared:
        """What ours does with a module, and stock with what did not pass."""
        names = [n for n in self.names("rupy", module) if keep(n)]
        began = time.monotonic()
        ours = self.run("rupy", module, names)
        # Many tests race with a clock; alone they have it for themselves.
        shaky = [n for n in names if ours[n][0] == "failed"]
        again: Outcomes = {}
        for name in shaky:
            again |= self.run("rupy", module, [name])
        stock = self.run(
            "stock", module, [n for n in names if ours[n][0] != "passed"]
        )
        seconds = time.monotonic() - began
        return Compared(module, names, ours, again, stock, seconds)

    def compare(
        self, modules: list[str], keep: Callable[[str], bool]
    ) -> Iterator[Compared]:
        with ThreadPoolExecutor(self._jobs) as pool:
            yield from pool.map(lambda m: self.module(m, keep), modules)


class Compared:
    """A module's tests under both loops."""

    def __init__(
        self,
        module: str,
        names: list[str],
        ours: Outcomes,
        again: Outcomes,
        stock: Outcomes,
        seconds: float,
    ) -> None:
        self.module, self.names, self.seconds = module, names, seconds
        self.stock = stock
        self.again = again
        self.first = ours
        self.ours = {**ours, **again}

    def tell(self, skips: dict[str, str]) -> tuple[int, int, int]:
        """Print the differences; how many passed, failed, were skipped."""
        passed = failed = skipped = 0
        for name in self.names:
            what, why = self.ours[name]
            if what == "passed":
                if name in skips:
                    failed += 1
                    print(f"FAIL {name} | passes: take it off the list")
                    continue
                passed += 1
                if name in self.again:
                    print(f"     {name} | at the second try")
                    print(f"     first: {self.first[name][1]}")
            elif name.startswith(BROKEN):
                failed += 1
                print(f"FAIL {name} | {why}")
            elif self.stock[name][0] != "passed":
                skipped += 1
                if what == "failed":
                    print(f"     {name} | not with stock asyncio either")
            elif name in skips:
                skipped += 1
            else:
                failed += 1
                print(f"FAIL {name} | {what}: {why}")
        print(
            f"{self.module}: {passed} passed, {failed} failed, "
            f"{skipped} skipped, {self.seconds:.1f} s",
            flush=True,
        )
        return passed, failed, skipped


def read_skips(path: Path) -> dict[str, str]:
    """'NAME | reason' lines; a name that begins with a version only there:
    '3.12 NAME | reason'."""
    here = "{}.{}".format(*sys.version_info)
    skips = {}
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, bar, reason = line.partition(" | ")
        if not bar or not reason.strip():
            raise SystemExit(f"{path}: no reason: {line}")
        version, _, rest = name.strip().rpartition(" ")
        if version in ("", here):
            skips[rest] = reason.strip()
    return skips


def conclude(
    found: Iterable[Compared], skips: dict[str, str], every: bool
) -> int:
    """Print all, and 'N passed, N failed' last; the exit status.

    `every`: all tests ran, so that a name of the list that is none shows."""
    sums = [0, 0, 0]
    names: set[str] = set()
    for compared in found:
        names.update(compared.names)
        for i, n in enumerate(compared.tell(skips)):
            sums[i] += n
    for name in sorted(set(skips) - names) if every else ():
        sums[1] += 1
        print(f"FAIL {name} | is on the list, and no test")
    print(f"{sums[0]} passed, {sums[1]} failed, {sums[2]} skipped")
    return 1 if sums[1] or not sums[0] else 0
