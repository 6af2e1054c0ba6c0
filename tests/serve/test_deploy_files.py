"""The files of scripts/deploy: they say what the programs understand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import BINARY, CHECKOUT, Client, Servers, free_port, wait_for

FILES = CHECKOUT / "scripts" / "deploy"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
# The workers of a root's nginx may not look into folders of ours.
USER = "user root;" if os.geteuid() == 0 else ""
RELEASE = Path("/etc/os-release")
BOOKWORM = RELEASE.exists() and "bookworm" in RELEASE.read_text()
ANALYZE = shutil.which("systemd-analyze")

APP = """
from rupy import Rupy

app = Rupy()

@app.get("/")
def index(request):
    return {
        "scheme": request.scheme, "client": request.client,
        "host": request.headers["host"], "id": request.headers["x-request-id"],
        "connection": request.headers.get("connection", ""),
    }

@app.websocket("/echo")
async def echo(ws):
    await ws.accept()
    async for message in ws:
        await ws.send(message)
"""

OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]+)")


def known_options() -> set[str]:
    text = subprocess.run(
        [BINARY, "--help"], capture_output=True, text=True, check=True
    ).stdout
    return set(OPTION.findall(text))


@pytest.mark.parametrize("name", ["rupy-serve.service", "nginx-site.conf"])
def test_options_that_are_named_exist(name: str) -> None:
    named = set(OPTION.findall((FILES / name).read_text())) - {"now"}
    assert named
    assert named <= known_options()


def test_the_command_of_the_container_is_right(tmp_path: Path) -> None:
    text = (FILES / "Containerfile").read_text()
    found = re.search(r"^CMD (\[.*\])$", text, re.M)
    assert found
    words = json.loads(found[1])
    done = subprocess.run(
        [BINARY, "--check-config", *words], cwd=tmp_path, check=False
    )
    assert done.returncode == 0
    assert re.search(r'^ENTRYPOINT \["rupy-serve"\]$', text, re.M)
    assert re.search(r"^USER [1-9]\d*$", text, re.M)
    assert '["rupy-serve", "ctl", "ready"]' in text


def libraries(path: str) -> dict[str, str]:
    """Names and paths of what a program or a library is linked with."""
    said = subprocess.run(
        ["ldd", path], capture_output=True, text=True, check=True
    ).stdout
    return dict(re.findall(r"^\s*(lib\S+\.so\S*) => (\S+)", said, re.M))


@pytest.mark.skipif(not BOOKWORM, reason="not Debian's bookworm")
def test_the_image_has_the_libraries_of_the_program() -> None:
    text = (FILES / "Containerfile").read_text()
    image = set(text.split("FROM")[-1].split("&&")[1].split())
    # What every image has: the C library and its loader.
    image |= {"libc6"}
    linked = libraries(str(BINARY))
    for name, path in list(linked.items()):
        if re.match(r"lib\w+san\.so", name):  # no image has a sanitizer
            for brought in (name, *libraries(path)):
                linked.pop(brought, None)
    for name in linked:
        said = subprocess.run(
            ["dpkg", "-S", f"*/{name}"], capture_output=True, text=True,
            check=False,
        ).stdout  # fmt: skip
        owners = {line.split(":")[0] for line in said.splitlines()}
        # An interpreter's that is not Debian's.
        assert not owners or owners & image, f"{name} of {owners}"


def test_options_of_the_manual_exist() -> None:
    text = (CHECKOUT / "man" / "rupy-deploy.7").read_text()
    named = set(re.findall(r"Fl Fl ([a-z][a-z0-9-]+)", text))
    assert named
    assert named <= known_options()


@pytest.mark.skipif(not ANALYZE, reason="systemd is not installed")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for name in ("rupy-serve.service", "rupy-serve.socket"):
        text = (FILES / name).read_text()
        (tmp_path / name).write_text(
            text.replace("/usr/local/bin/rupy-serve", str(BINARY))
        )
    assert ANALYZE
    done = subprocess.run(
        [
            ANALYZE,
            "verify",
            "--man=no",
            str(tmp_path / "rupy-serve.service"),
            str(tmp_path / "rupy-serve.socket"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stderr + done.stdout
    assert "rupy-serve" not in said, said


@pytest.fixture
def site(serve: Servers, tmp_path: Path) -> Iterator[tuple[str, int]]:
    """The site as it is shipped, with our addresses, in a running nginx."""
    if not NGINX:
        pytest.skip("nginx is not installed")
    port, path = free_port(), tmp_path / "web.sock"
    serve(APP, binds=(f"unix:{path}",))
    text = (FILES / "nginx-site.conf").read_text()
    text = text.replace("/run/rupy-serve.sock", str(path))
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
    text = text.replace("    listen [::]:80;\n", "")
    places = "".join(
        f"    {kind}_temp_path {tmp_path}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"{USER}\ndaemon off;\npid {tmp_path}/nginx.pid;\n"
        f"error_log {tmp_path}/error.log warn;\n"
        "events { worker_connections 64; }\n"
        f"http {{\n    access_log off;\n{places}{text}}}\n"
    )
    command = [NGINX, "-c", str(config), "-e", str(tmp_path / "error.log")]
    checked = subprocess.run(
        [*command, "-t"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr, checked.stderr
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    address = ("127.0.0.1", port)

    def answers() -> bool:
        assert process.poll() is None
        try:
            Client(address, 1.0).close()
        except OSError:
            return False
        return True

    try:
        wait_for(answers, "nginx answers")
        yield address
        assert (tmp_path / "error.log").read_text() == ""
    finally:
        process.terminate()
        process.wait(20)


def test_the_site_passes_on_who_asks_and_how(site: tuple[str, int]) -> None:
    with Client(site) as client:
        said = client.get("/", X_Forwarded_For="6.6.6.6").json()
        assert said["scheme"] == "http"
        assert said["client"][0] == "127.0.0.1"
        assert said["host"] == "localhost"
        assert len(said["id"]) == 32
        # Kept: no word about closing.
        assert said["connection"] in ("", "keep-alive")
        assert client.get("/").status == 200


def test_the_site_passes_on_websockets(site: tuple[str, int]) -> None:
    with Client(site) as client:
        client.send(
            "GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        status, headers = client.head()
        assert status == 101
        accept = dict(headers)["sec-websocket-accept"]
        assert accept == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        # "hi", masked with zeros (RFC 6455 5.2), comes back without a mask.
        client.send(b"\x81\x82\0\0\0\0hi")
        wait_for(lambda: client._more() and len(client.got) >= 4, "an echo")
        assert client.got == b"\x81\x02hi"


def test_nothing_of_the_machine_is_in_them() -> None:
    for path in FILES.iterdir():
        text = path.read_text()
        assert os.path.expanduser("~") not in text, path
        assert str(CHECKOUT) not in text, path
