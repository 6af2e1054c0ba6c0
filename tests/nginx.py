"""A real nginx in front of a server of ours."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from serving import Client, free_port, wait_for

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

# The master of a root gives its workers another user, who may not look into
# folders of ours.
USER = "user root;" if os.geteuid() == 0 else ""

CONFIG = """
{user}
daemon off;
worker_processes 1;
error_log {folder}/error.log warn;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 20m;
    keepalive_requests 100000;
    upstream rupy {{
        server {upstream};
        keepalive 32;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://rupy;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_next_upstream {retry};
        }}
    }}
}}
"""


class Nginx:
    """nginx in front of upstream; what it may ask twice is `retry`."""

    def __init__(self, folder: Path, upstream: str, retry: str = "off") -> None:
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.folder = folder
        config = folder / "nginx.conf"
        config.write_text(
            CONFIG.format(
                user=USER,
                folder=folder,
                upstream=upstream,
                port=self.port,
                retry=retry,
            )
        )
        assert NGINX
        self.process = subprocess.Popen(
            [NGINX, "-c", str(config), "-e", str(folder / "error.log")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(self._answers, "nginx answers")

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.errors
        try:
            Client(self.address, 1.0).close()
        except OSError:
            return False
        return True

    @property
    def errors(self) -> str:
        path = self.folder / "error.log"
        return path.read_text() if path.exists() else ""

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
