"""A real browser, Debian's chromium, with the page of an example and one of
FastAPI."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Server, Servers, wait_for
from websockets.sync.client import connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# It starts and draws as slowly as the machine is busy.
PATIENCE = 60.0

pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="chromium is not installed"
)


class Tab:
    """A page, by the DevTools protocol."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")
        self._target = target["targetId"]
        self._session = browser.call(
            "Target.attachToTarget", targetId=self._target, flatten=True
        )["sessionId"]
        for domain in ("Page", "Network", "DOM"):
            self.call(f"{domain}.enable")
        self.load(url)

    def call(self, method: str, **params: Any) -> Any:
        return self._browser.call(method, self._session, **params)

    def events(self, method: str) -> list[Any]:
        return [
            event["params"]
            for event in self._browser.events
            if event["method"] == method
            and event.get("sessionId") == self._session
        ]

    def load(self, url: str) -> None:
        before = len(self.events("Page.loadEventFired"))
        self.call("Page.navigate", url=url)
        self.until(
            lambda: len(self.events("Page.loadEventFired")) > before, "loaded"
        )

    def js(self, expression: str) -> Any:
        """What it gives; the browser's events are read meanwhile."""
        result = self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        def looked() -> Any:
            self.js("0")
            return condition()

        return wait_for(looked, what, PATIENCE)

    def until_text(self, element: str, wanted: str) -> None:
        said = f"document.getElementById({element!r}).textContent"
        self.until(
            lambda: wanted in (self.js(said) or ""), f"{wanted!r} in {element}"
        )

    def choose_file(self, selector: str, path: Path) -> None:
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)
        self.call(
            "DOM.setFileInputFiles", files=[str(path)], nodeId=node["nodeId"]
        )


class Browser:
    def __init__(self, folder: Path) -> None:
        assert CHROMIUM
        self.events: list[Any] = []
        self._ids = itertools.count(1)
        self._stack = contextlib.ExitStack()
        profile = folder / "profile"
        self._process = subprocess.Popen(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                f"--user-data-dir={profile}",
                "--remote-debugging-port=0",
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"HOME": str(folder)},
        )
        try:
            self._socket = self._stack.enter_context(
                connect(self._debugger(profile), max_size=None, proxy=None)
            )
        except BaseException:
            self.close()
            raise

    def _debugger(self, profile: Path) -> str:
        """Where it listens, as soon as it says so."""
        file = profile / "DevToolsActivePort"

        def port() -> str:
            assert self._process.poll() is None, "chromium ended"
            return file.read_text().partition("\n")[0] if file.exists() else ""

        where = f"http://127.0.0.1:{wait_for(port, 'chromium', PATIENCE)}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{where}/json/version", timeout=PATIENCE) as answer:
            url: str = json.load(answer)["webSocketDebuggerUrl"]
        return url

    def call(
        self, method: str, session: str | None = None, **params: Any
    ) -> Any:
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self._socket.send(json.dumps(message))
        end = time.monotonic() + PATIENCE
        while True:
            left = max(0, end - time.monotonic())
            said = json.loads(self._socket.recv(timeout=left))
            if said.get("id") == number:
                assert "error" not in said, (method, said)
                return said["result"]
            if "method" in said:
                self.events.append(said)

    def close(self) -> None:
        self._stack.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module("rupy.examples.browser:app", "--access-log", "-")


@pytest.fixture(scope="module")
def tab(browser: Browser, server: Server) -> Tab:
    return Tab(browser, f"{server.url}/")


def test_a_form_with_a_file(tab: Tab, tmp_path: Path) -> None:
    file = tmp_path / "größe.bin"
    file.write_bytes(bytes(range(256)) * 1000)
    tab.choose_file("input[type=file]", file)
    tab.js("document.querySelector('#upload button').click()")
    tab.until_text("uploaded", "notes: größe.bin, 256000 bytes")


def test_an_event_stream(tab: Tab) -> None:
    tab.until_text("ticks", "1 2 3 ")


def test_two_tabs_chat(tab: Tab, browser: Browser, server: Server) -> None:
    other = Tab(browser, f"{server.url}/")
    for one in (tab, other):
        one.until_text("state", "open")
    for one, text in ((tab, "hello from one"), (other, "grüße von zwei")):
        one.js(f"document.querySelector('#chat input').value = {text!r}")
        one.js("document.querySelector('#chat button').click()")
        for reader in (tab, other):
            reader.until_text("log", text)


def test_assets_are_not_sent_twice(tab: Tab, server: Server) -> None:
    def lines(status: int) -> int:
        return sum(
            "/assets/" in line and f'" {status} ' in line
            for line in server.stdout.splitlines()
        )

    wait_for(lambda: lines(200) >= 2, "the first load", PATIENCE)
    sent, before = lines(200), lines(304)
    tab.load(f"{server.url}/")
    # What the page has comes from the browser's memory, or by a 304.
    assert tab.js("getComputedStyle(document.body).lineHeight") == "24px"
    tab.until_text("state", "open")
    tab.call("Page.reload")
    wait_for(lambda: lines(304) > before, "an answer 304", PATIENCE)
    assert lines(200) == sent


FASTAPI = """
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse

app = FastAPI()
members = []

PAGE = '''<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<p id="state"></p><pre id="log"></pre><script>
const show = (id, text) => document.getElementById(id).textContent += text
const ws = new WebSocket(`ws://${location.host}/room?grüße`, ["chat"])
ws.onopen = () => show("state", `open ${ws.protocol} ${ws.extensions} `)
ws.onmessage = event => show("log", event.data + ";")
ws.onclose = event => show("state", `closed ${event.code} ${event.reason}`)
</script>'''

@app.get("/", response_class=HTMLResponse)
def page():
    return PAGE

@app.websocket("/room")
async def room(ws: WebSocket):
    await ws.accept("chat")
    members.append(ws)
    try:
        while (text := await ws.receive_text()) != "close":
            for member in members:
                await member.send_text(f"{len(members)} {text}")
        await ws.close(4000, "as you wish")
    except WebSocketDisconnect as gone:
        print("left", gone.code, flush=True)
    finally:
        members.remove(ws)
"""


def test_a_page_with_a_websocket_of_fastapi(
    browser: Browser, serve_module: Servers
) -> None:
    pytest.importorskip("fastapi")
    server = serve_module(
        FASTAPI, "--ws-per-message-deflate", "--venv", sys.prefix
    )
    one, two = (Tab(browser, f"{server.url}/") for _ in range(2))
    for tab in (one, two):
        tab.until_text("state", "open chat permessage-deflate")
    for tab, text in ((one, "hello"), (two, "grüße " * 2000)):
        tab.js(f"ws.send({text!r})")
        for reader in (one, two):
            reader.until_text("log", f"2 {text};")
    one.js("ws.send('close')")
    one.until_text("state", "closed 4000 as you wish")
    two.js("ws.close(3000, 'bye')")
    two.until_text("state", "closed 3000")
    wait_for(lambda: "left 3000" in server.stdout, "it is told", PATIENCE)
