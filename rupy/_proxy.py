"""Other servers behind a path: what ``Rupy.proxy`` is told, checked."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from . import _core

# RFC 9112 3.2.1, as the core takes it
_PATH = re.compile(r"/[!$-;=?-Z_a-z~@%]*", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\]", re.ASCII)


def target(url: str) -> tuple[str, str, str, str | None]:
    """(URL, host or path of a socket, port or "", path or None)."""
    if url.startswith("unix:"):
        socket, colon, path = url[5:].partition(":")
        if not socket.startswith("/") or len(socket.encode()) > 107:
            raise ValueError(
                f"proxy: {url!r} does not name a socket, as in unix:/run/a.sock"
            )
        return url, socket, "", _path(url, path) if colon else None
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError as error:
        raise ValueError(f"proxy: {url!r}: {error}") from None
    if parts.scheme == "https":
        raise ValueError(f"proxy: {url!r}: TLS to a backend is not offered")
    if parts.scheme != "http" or parts.query or parts.fragment or "?" in url:
        raise ValueError(
            f"proxy: {url!r} is not like http://host:port, with or without a"
            " path, or unix:/path"
        )
    host = parts.netloc.partition(":")[0]
    if parts.netloc.startswith("["):
        host = parts.netloc.partition("]")[0] + "]"
    if "@" in parts.netloc or not _HOST.fullmatch(host) or len(host) > 255:
        raise ValueError(f"proxy: {url!r} has no valid host")
    below = _path(url, parts.path) if parts.path else None
    return url, host.strip("[]"), str(port), below


def _path(url: str, path: str) -> str:
    if not _PATH.fullmatch(path):
        raise ValueError(f"proxy: {url!r} has no valid path")
    return path.rstrip("/")


def proxy(
    prefix: str,
    backends: str | Sequence[str],
    host: str | None,
    connections: int,
    queue: int,
    times: dict[str, float],
) -> _core.Proxy:
    """Raises ValueError for what cannot be meant."""
    urls = [backends] if isinstance(backends, str) else list(backends)
    if not urls:
        raise ValueError("proxy: no backend")
    if host is not None and not re.fullmatch(r"[!-~]+", host, re.ASCII):
        raise ValueError(f"proxy: {host!r} is no host")
    if not 1 <= connections <= 65536:
        raise ValueError(f"proxy: connections={connections} is not 1 to 65536")
    if not 0 <= queue <= 1_000_000:
        raise ValueError(f"proxy: queue={queue} is not 0 to 1000000")
    for name, seconds in times.items():
        may_be_0 = name in ("keep_alive", "fail_timeout")
        if not math.isfinite(seconds) or seconds < 0:
            raise ValueError(f"proxy: {name}={seconds} is no time in seconds")
        if seconds == 0 and not may_be_0:
            raise ValueError(f"proxy: {name}=0 would be no time at all")
    return _core.Proxy(
        prefix.rstrip("/"),
        host,
        tuple(target(url) for url in urls),
        connections,
        queue,
        times["connect_timeout"],
        times["queue_timeout"],
        times["keep_alive"],
        times["timeout"],
        times["read_timeout"],
        times["tunnel_timeout"],
        times["fail_timeout"],
    )
