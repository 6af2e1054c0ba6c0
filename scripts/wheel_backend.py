"""Build wheels with make: the backend that pyproject.toml names (PEP 517).

The wheel holds the package with its extension; `rupy-serve` becomes a console
script on it, as a program with libpython inside belongs to one interpreter.
"""

import base64
import hashlib
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
Settings = dict[str, Any] | None


def project() -> dict[str, Any]:
    text = (ROOT / "pyproject.toml").read_text()
    return tomllib.loads(text)["project"]


def stem() -> str:
    p = project()
    return f"{p['name'].replace('-', '_')}-{p['version']}"


def metadata() -> str:
    p = project()
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {p['name']}",
        f"Version: {p['version']}",
        f"Summary: {p['description']}",
        f"Requires-Python: {p['requires-python']}",
        "License: MIT",
    ]
    readme = ROOT / p["readme"]
    if readme.is_file():
        lines += [
            "Description-Content-Type: text/markdown",
            "",
            readme.read_text(),
        ]
    return "\n".join(lines) + "\n"


def entry_points() -> str:
    p = project()
    groups = {"console_scripts": p["scripts"], **p["entry-points"]}
    return "\n".join(
        f"[{group}]\n"
        + "".join(f"{name} = {target}\n" for name, target in names.items())
        for group, names in groups.items()
    )


def build_wheel(
    directory: str,
    config_settings: Settings = None,
    metadata_directory: str | None = None,
) -> str:
    build = ROOT / "build/wheel"
    subprocess.run(
        [
            "make",
            "-C",
            str(ROOT),
            "extension",
            f"-j{os.cpu_count()}",
            f"BUILD={build}",
            f"PYTHON={sys.executable}",
        ],
        check=True,
        stdout=sys.stderr,
    )
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    tag = f"{tag}-{tag}-{platform}"
    info = f"{stem()}.dist-info"
    site = build / "lib/rupy-serve"
    files = {
        str(p.relative_to(site)): p.read_bytes()
        for p in sorted(site.rglob("*"))
        if p.is_file()
        and "__pycache__" not in p.parts
        and (
            p.suffix != ".so"
            or p.name.endswith(str(sysconfig.get_config_var("EXT_SUFFIX")))
        )
    }
    files |= {
        f"{info}/METADATA": metadata().encode(),
        f"{info}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: rupy-serve\n"
            f"Root-Is-Purelib: false\nTag: {tag}\n"
        ).encode(),
        f"{info}/entry_points.txt": entry_points().encode(),
        f"{info}/LICENSE": (ROOT / "LICENSE").read_bytes(),
    }
    record = ""
    name = f"{stem()}-{tag}.whl"
    path = Path(directory, name)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file, data in files.items():
            raw = hashlib.sha256(data).digest()
            digest = base64.urlsafe_b64encode(raw).decode().rstrip("=")
            record += f"{file},sha256={digest},{len(data)}\n"
            wheel.writestr(file, data)
        wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
    return name


def build_sdist(directory: str, config_settings: Settings = None) -> str:
    name = f"{stem()}.tar.gz"
    listed = subprocess.run(
        ["git", "ls-files"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    info = Path(directory, "PKG-INFO")
    info.write_text(metadata())
    with tarfile.open(Path(directory, name), "w:gz") as tar:
        for file in filter(None, listed):
            tar.add(ROOT / file, f"{stem()}/{file}")
        tar.add(info, f"{stem()}/PKG-INFO")
    info.unlink()
    return name
