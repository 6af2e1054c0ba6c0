"""Nothing is lost, whatever an operator does: the short form of ops/storm."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from serving import Servers

sys.path.insert(0, str(Path(__file__).parent.parent / "ops"))

import checker
import storms


@pytest.mark.parametrize("app", ["native", "asgi", "wsgi", "wsgi-threads"])
def test_nothing_is_lost_in_a_storm_of_signals(
    serve: Servers, tmp_path: Path, app: str
) -> None:
    field = storms.Field(
        serve, tmp_path, app, "--max-requests", "500", clients=4
    )
    try:
        with field.load():
            field.wait_ok(10)
            storms.hups(field, 1)
            storms.upgrades(field, 1)
            storms.numbers(field, 2)
            storms.reopens(field, 20)
            field.wait_ok(10)
    finally:
        field.end()
    assert storms.judge(field) == []


def test_a_killed_worker_loses_only_what_it_had_begun(
    serve: Servers, tmp_path: Path
) -> None:
    field = storms.Field(serve, tmp_path, "native", clients=6, nginx=False)
    field.server.may_die = True
    try:
        with field.load():
            field.wait_ok(20)
            took = storms.kills(field, 2)
            field.wait_ok(20)
    finally:
        field.end()
    for c in field.checkers.values():
        assert not {"mixed_up", "refused", "silent"} & set(c.bad), c.why
    # Each client has one request at a time, and half of them ask the other
    # worker; a worker is forked in no time, what takes long is the import.
    bad = sum(sum(c.bad.values()) for c in field.checkers.values())
    assert bad <= 2 * 8, [c.why for c in field.checkers.values()]
    assert max(took) < 5


class TestChecker:
    """It sees what it is there to see."""

    @pytest.mark.parametrize(
        ("said", "kind"),
        [
            (b"", "failed"),
            (b"HTTP/1.1 200", "truncated"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "truncated"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "mixed_up"),
            (b"HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n", "failed"),
            (b"junk\r\n\r\n", "mixed_up"),
        ],
    )
    def test_it_tells_what_went_wrong(self, said: bytes, kind: str) -> None:
        with checker.Liar(said) as liar:
            found = checker.Checker(liar.address, clients=1, max_size=100)
            with found:
                checker.run_until(
                    lambda: sum(found.counts[k] for k in checker.BAD) > 0,
                    10,
                    "a fault",
                )
        assert set(found.bad) == {kind}, found.why
        assert found.ok == 0

    def test_nobody_there_is_refused(self) -> None:
        with checker.Liar(b"") as liar:
            address = liar.address
        found = checker.Checker(address, clients=1)
        with found:
            checker.run_until(
                lambda: found.counts["refused"] > 0, 10, "refused"
            )
        assert set(found.bad) == {"refused"}

    def test_what_was_begun_is_no_race(self, tmp_path: Path) -> None:
        found = checker.Checker(("127.0.0.1", 1), seen=tmp_path / "seen")
        found.stale_ids = {"a.1", "b.1"}
        (tmp_path / "seen").write_text("a.1\nc.1\n")
        found.count_lost()
        assert found.bad == {"lost": 1}
