"""What the master answers itself: metrics, probes, status, and orders."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from serving import (
    BINARY,
    START_DEADLINE,
    Answer,
    Client,
    Load,
    Server,
    Servers,
    free_port,
    is_alive,
    wait_for,
)

APP = """
import asyncio
import time
from rupy import HTTPError, Rupy

app = Rupy()

@app.get("/")
def index():
    return "index"

@app.get("/missing")
def missing():
    raise HTTPError(404)

@app.get("/block/<ms:int>")
def block(ms):
    time.sleep(ms / 1000)
    return "blocked"

@app.get("/sleep/<ms:int>")
async def sleep(ms):
    await asyncio.sleep(ms / 1000)
    return "slept"
"""


class Service:
    """A server with a metrics address and a control socket of its own."""

    def __init__(self, serve: Servers, app: str, *options: str) -> None:
        self.address = ("127.0.0.1", free_port())
        self.path = str(serve.folder / "control.sock")
        self.server: Server = serve(
            app,
            *("--metrics", f"127.0.0.1:{self.address[1]}"),
            *("--control-socket", self.path),
            *options,
        )
        wait_for(
            lambda: (
                self.value('workers{state="ready"}')
                == self.value("workers_wanted")
            ),
            "every worker is ready",
            START_DEADLINE,
        )

    def get(self, path: str) -> Answer:
        with Client(self.address) as client:
            return client.get(path)

    def value(self, name: str) -> float:
        found = re.search(
            rf"^rupy_serve_{re.escape(name)} (\S+)$",
            self.get("/metrics").text,
            re.M,
        )
        assert found, name
        return float(found[1])

    def ctl(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            [str(BINARY), "ctl", "--socket", self.path, *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def service(serve: Servers) -> Service:
    return Service(serve, APP, "--workers", "2")


def test_metrics_count_what_was_done(service: Service) -> None:
    names = (
        "requests_total",
        'responses_total{code="2xx"}',
        'responses_total{code="4xx"}',
        "request_duration_seconds_count",
        'request_duration_seconds_bucket{le="+Inf"}',
    )
    before = [service.value(name) for name in names]
    for _ in range(3):
        assert service.server.get("/").status == 200
    assert service.server.get("/missing").status == 404
    assert service.server.get("/sleep/30").status == 200

    def more() -> list[float]:
        after = [service.value(name) for name in names]
        return [b - a for a, b in zip(before, after, strict=True)]

    wait_for(lambda: more() == [5, 4, 1, 5, 5], "five requests are counted")
    assert 0.03 <= service.value("request_duration_seconds_sum") < 60
    assert service.value('workers{state="ready"}') == 2
    assert service.value("received_bytes_total") > 100
    assert service.value("backlog_limit") > 0


def test_metrics_are_well_formed(service: Service) -> None:
    answer = service.get("/metrics")
    assert answer.get("content-type") == (
        "text/plain; version=0.0.4; charset=utf-8"
    )
    assert answer.get("cache-control") == "no-store"
    declared: dict[str, str] = {}
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in declared
            declared[name] = kind
        elif not line.startswith("#"):
            found = re.fullmatch(
                r'(\w+)(?:\{(?:\w+="[^"]*",?)+\})? (\S+)', line
            )
            assert found, line
            base = re.sub(r"_(bucket|sum|count)$", "", found[1])
            assert found[1] in declared or declared[base] == "histogram"
            float(found[2])


def test_what_dead_workers_have_done_is_not_forgotten(
    service: Service,
) -> None:
    before = service.value("requests_total") + 5
    for _ in range(5):
        service.server.get("/")
    wait_for(lambda: service.value("requests_total") == before, "five more")
    code, said = service.ctl("reload", "--wait")
    assert (code, said) == (0, "reload finished: generation 2 serves\n")
    wait_for(
        lambda: service.value('workers{state="retiring"}') == 0, "all are new"
    )
    assert service.value("requests_total") == before
    assert service.value("generation") == 2
    assert service.value("reloads_total") == 1


def test_probes_answer_while_every_worker_is_busy(serve: Servers) -> None:
    service = Service(serve, APP)
    with service.server.connect() as client:
        client.send("GET /block/3000 HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: service.value("requests_in_progress") == 1, "busy")
        start = time.monotonic()
        assert service.get("/-/live").status == 200
        assert service.get("/-/ready").status == 200
        status = service.get("/-/status").json()
        # Before the worker has time for anything.
        assert time.monotonic() - start < 2.5
        assert status["workers"][0]["current"] == "GET /block/3000"
        assert client.answer().text == "blocked"


def test_not_ready_while_it_stops(serve: Servers) -> None:
    service = Service(serve, APP, "--shutdown-delay", "2s")
    assert service.get("/-/ready").text == "ready\n"
    service.server.process.terminate()
    wait_for(lambda: service.get("/-/ready").status == 503, "not ready")
    assert service.get("/-/live").status == 200
    # And it serves on.
    assert service.server.get("/").status == 200
    assert service.server.exit_status() == 0


def test_orders_are_for_the_control_socket_only(service: Service) -> None:
    with Client(service.address) as client:
        assert client.request("POST", "/stop").status == 404
        assert "POST" not in client.get("/").text
    with Client(service.path) as client:
        assert "POST /stop" in client.get("/").text
        assert client.request("POST", "/nothing").status == 404
        assert client.request("POST", "/-/live").status == 405
        assert client.request("POST", "/add?n=no").status == 400
    assert Path(service.path).stat().st_mode & 0o777 == 0o600


def test_status_is_json(service: Service) -> None:
    code, said = service.ctl("status")
    assert code == 0
    assert '"state":"serving"' in said
    status = service.get("/-/status").json()
    assert status["pid"] == service.server.pid
    assert [w["worker"] for w in status["workers"]] == [1, 2]
    assert {w["pid"] for w in status["workers"]} == set(service.server.workers)
    assert all(w["rss"] > 1_000_000 for w in status["workers"])


def test_workers_are_added_and_removed(service: Service) -> None:
    assert service.ctl("add", "2") == (0, "workers wanted: 4\n")
    wait_for(
        lambda: service.value('workers{state="ready"}') == 4, "four workers"
    )
    assert service.ctl("remove", "3") == (0, "workers wanted: 1\n")
    wait_for(lambda: len(service.server.workers) == 1, "one worker")
    assert service.server.get("/").status == 200


def test_one_worker_is_recycled(service: Service) -> None:
    first, second = service.server.workers
    code, said = service.ctl("recycle", str(first))
    assert (code, said) == (0, "workers that will be replaced: 1\n")
    wait_for(
        lambda: (
            first not in service.server.workers
            and len(service.server.workers) == 2
        ),
        "another worker",
        20,
    )
    assert second in service.server.workers
    assert service.value('worker_restarts_total{reason="asked"}') == 1
    assert service.ctl("recycle", "1")[0] == 1


def test_stacks_go_to_the_log_and_nobody_dies(service: Service) -> None:
    assert service.ctl("stacks")[0] == 0
    wait_for(
        lambda: service.server.stderr.count("most recent call first") == 2,
        "two stacks",
    )
    assert service.server.get("/").status == 200


def test_the_log_level_changes_everywhere(service: Service) -> None:
    service.server.may_die = True  # this level tells of every end
    assert service.ctl("log-level", "debug")[0] == 0
    assert service.ctl("reopen")[0] == 0  # which is no reload
    service.ctl("recycle")
    service.server.wait_log("] [debug] master: worker", 20)
    # A worker says at this level that it stops.
    service.server.wait_log("] [debug] worker 1: stopping", 20)


def test_a_broken_version_is_told_and_changes_nothing(
    serve: Servers, tmp_path: Path
) -> None:
    source = tmp_path / "fragile.py"
    source.write_text(APP)
    service = Service(serve, "fragile:app", "--workers", "2")
    service.server.may_die = True
    workers = set(service.server.workers)
    source.write_text(APP + "\nraise RuntimeError('broken')\n")
    with Load(service.server.address, "/") as load:
        code, said = service.ctl("reload", "--wait")
        load.wait_ok(50)
    assert code == 1
    assert "did not boot; the old workers go on" in said
    assert load.failed == []
    assert workers <= set(service.server.workers)
    assert "RuntimeError: broken" in service.server.stderr
    assert service.value("reload_failures_total") == 1
    status = service.get("/-/status").json()
    assert "did not boot" in status["reload_error"]
    source.write_text(APP)
    assert service.ctl("reload", "--wait")[0] == 0
    assert service.get("/-/status").json()["reload_error"] == ""


def test_what_waits_for_a_reload_may_go(service: Service) -> None:
    with Client(service.path) as client:
        client.send("POST /reload?wait HTTP/1.1\r\nHost: x\r\n\r\n")
        client.reset()
    service.server.wait_log("generation 2 serves", 20)
    assert service.get("/-/live").status == 200


def test_the_next_master_has_the_same_addresses(
    serve: Servers, tmp_path: Path
) -> None:
    service = Service(serve, APP)
    assert service.ctl("upgrade")[0] == 0
    wait_for(
        lambda: service.get("/-/status").json()["other_master"],
        "the other master",
    )
    new = int(service.get("/-/status").json()["other_master"])
    ready = re.compile(rf"\[{new}\] .* ready after")
    wait_for(lambda: ready.search(service.server.stderr), "it is ready", 20)
    assert service.ctl("stop") == (0, "stopping\n")
    assert service.server.process.wait(10) == 0
    # Whoever connected in between is answered by the new one.
    wait_for(lambda: service.get("/-/status").json()["pid"] == new, "the new")
    assert service.server.get("/").status == 200
    assert service.ctl("stop") == (0, "stopping\n")
    wait_for(lambda: not Path(service.path).exists(), "it has gone")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("frobnicate",), "no command"),
        (("log-level",), "which level"),
        (("log-level", "loud"), "trace, debug"),
        (("status", "now"), "one word too many"),
        (("--socket", "/nowhere/at/all.sock", "status"), "No such file"),
    ],
)
def test_what_ctl_cannot_do_it_says(
    service: Service, words: tuple[str, ...], why: str
) -> None:
    code, said = service.ctl(*words)
    assert code == 1
    assert why in said


def test_without_a_control_socket_there_is_none(serve: Servers) -> None:
    name = "a-service-without"
    folder = {"XDG_RUNTIME_DIR": str(serve.folder)}
    sockets = serve.folder.glob
    server = serve(APP, "--name", name, env=folder)
    assert [p.name for p in sockets("*.sock")] == [f"rupy-serve-{name}.sock"]
    server.stop()
    assert not list(sockets("*.sock"))
    server = serve(APP, "--no-control-socket", "--name", name, env=folder)
    assert server.get("/").status == 200
    assert not list(sockets("*.sock"))


def test_a_taken_address_is_told_at_the_start(serve: Servers) -> None:
    first = Service(serve, APP)
    server = serve(
        APP, "--metrics", f"127.0.0.1:{first.address[1]}", ready=False
    )
    assert server.exit_status() == 5
    assert "--metrics: cannot bind" in server.stderr


def test_none_is_less_than_none(service: Service) -> None:
    service.server.tell(signal.SIGWINCH)
    wait_for(lambda: service.server.workers == [], "every worker left")
    assert service.ctl("remove") == (0, "workers wanted: 0\n")
    assert service.value("workers_wanted") == 0
    assert service.ctl("add") == (0, "workers wanted: 1\n")
    service.server.wait_ready()


def test_a_master_that_hangs_does_not_hang_who_asks(tmp_path: Path) -> None:
    path = str(tmp_path / "control.sock")
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(path)
        hung.listen(0)
        clients = []
        with contextlib.suppress(BlockingIOError):
            while True:
                clients.append(socket.socket(socket.AF_UNIX))
                clients[-1].setblocking(False)
                clients[-1].connect(path)
        done = subprocess.run(
            [str(BINARY), "ctl", "--socket", path, "ready"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        for client in clients:
            client.close()
    assert (done.returncode, done.stderr) == (
        1, f"rupy-serve ctl: {path}: it takes too long\n",
    )  # fmt: skip


def test_probes_do_not_fail_while_another_master_goes_on(
    serve: Servers,
) -> None:
    service = Service(serve, APP)
    # Whom the old one waits for.
    kept = service.server.connect()
    assert kept.get("/").status == 200
    assert service.ctl("upgrade")[0] == 0
    service.server.wait_log("started beside this one")
    new = int(service.get("/-/status").json()["other_master"])
    ready = re.compile(rf"\[{new}\] .* ready after")
    wait_for(lambda: ready.search(service.server.stderr), "it is ready", 20)
    want = f"ready: master {new} goes on\n"
    service.server.tell(signal.SIGWINCH)
    wait_for(lambda: service.get("/-/ready").text == want, "no worker here")
    service.server.tell(signal.SIGQUIT)
    service.server.wait_log("SIGQUIT: stopping")
    status = service.get("/-/status").json()
    assert (status["pid"], status["state"]) == (service.server.pid, "stopping")
    assert service.get("/-/ready").text == want
    assert kept.get("/").get("connection") == "close"
    assert service.server.exit_status() == 0
    assert service.get("/-/ready").text == "ready\n"
    os.kill(new, signal.SIGTERM)
    wait_for(lambda: not is_alive(new), "the other one has gone")
