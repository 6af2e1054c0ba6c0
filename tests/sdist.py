"""The sources of frameworks as PyPI has them: their tests and examples, which
are not installed with them.

They lie in the virtual environment, in versions that are installed there;
scripts/bootstrap fetches them by running this file.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import subprocess
import sys
from pathlib import Path

NAMES = ("fastapi", "starlette")
FOLDER = Path(sys.prefix, "sdists")
SECONDS = 100


def fetch(name: str) -> Path:
    """The archive.  OSError, CalledProcessError or TimeoutExpired when there
    is none."""
    version = importlib.metadata.version(name)
    archive = FOLDER / f"{name}-{version}.tar.gz"
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "download", "--quiet"),
                    *("--disable-pip-version-check", "--no-deps"),
                    *("--no-binary", ":all:", "--dest", str(FOLDER)),
                    f"{name}=={version}",
                ],
                stdin=subprocess.DEVNULL,
                timeout=SECONDS,
                check=True,
            )
    return archive


def unpack(name: str, members: tuple[str, ...], folder: Path) -> None:
    """Files and folders of the archive, without what needs OpenTelemetry."""
    top = f"{name}-{importlib.metadata.version(name)}"
    subprocess.run(
        [
            *("tar", "-xzf", str(fetch(name)), "-C", str(folder)),
            *("--strip-components=1", "--exclude=test_opentelemetry*"),
            "--exclude=test_telemetry",
            *(f"{top}/{member}" for member in members),
        ],
        timeout=SECONDS,
        check=True,
    )


if __name__ == "__main__":
    for each in NAMES:
        fetch(each)
