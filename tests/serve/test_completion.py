"""--completion: what a shell makes of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from serving import BINARY, run_program

SHELLS = ["bash", "zsh", "fish"]


def script(shell: str) -> str:
    done = run_program(BINARY, "--completion", shell)
    assert done.returncode == 0, done.stderr
    return done.stdout


def complete(folder: Path, *words: str) -> list[str]:
    """What bash would offer for the last of these words."""
    path = folder / "completion"
    path.write_text(script("bash"))
    line = " ".join(f"'{word}'" for word in ("rupy-serve", *words))
    done = subprocess.run(
        ["bash", "-c", f"source {path}; COMP_WORDS=({line}); "
         f"COMP_CWORD={len(words)}; _rupy_serve; "
         "printf '%s\\n' \"${COMPREPLY[@]}\""],
        capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


OFFERS = [
    (["--work"], {"--workers", "--worker-lifetime"}, "options by beginning"),
    (["--no-early"], {"--no-early-hints"}, "flags have a negative"),
    (["--interface", ""], {"auto", "rupy", "asgi", "wsgi"}, "all choices"),
    (["--completion", "f"], {"fish"}, "one choice"),
    (["--ssl-certfile", "ce"], {"cert.pem"}, "files"),
    (["-c", "ce"], {"cert.pem"}, "files of a letter"),
    (["--chdir", ""], {"folder"}, "folders only"),
    (["--workers", ""], set(), "a number is not guessed"),
    (["-w", "2", "ce"], {"cert.pem"}, "an application is a file, perhaps"),
]


@pytest.mark.parametrize(("words", "want", "why"), OFFERS)
def test_bash_offers_what_fits(
    tmp_path: Path, words: list[str], want: set[str], why: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "cert.pem").touch()
    got = set(complete(tmp_path, *words))
    if words == ["--work"]:
        assert want <= got
    else:
        assert got == want, why


@pytest.mark.parametrize("shell", SHELLS)
def test_every_option_is_in_it(shell: str) -> None:
    text = script(shell)
    help_text = run_program(BINARY, "--help").stdout
    names = {
        word.rstrip(",").removeprefix("--").split("[")[0].split("=")[0]
        for line in help_text.splitlines()
        if line.lstrip().startswith("-")
        for word in line.split()[:2]
        if word.startswith("--")
    }
    assert len(names) > 100
    for name in names:
        dashes = "-l " if shell == "fish" else "--"
        assert f"{dashes}{name}" in text, name


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_can_read_it(tmp_path: Path, shell: str) -> None:
    program = shutil.which(shell)
    if not program:
        pytest.skip(f"no {shell} here")
    path = tmp_path / "script"
    path.write_text(script(shell))
    done = subprocess.run(
        [program, "-n", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("words", [["--completion"], ["--completion=csh"]])
def test_another_shell_is_refused(words: list[str]) -> None:
    done = run_program(BINARY, *words)
    assert done.returncode == 1
    assert "is none of: bash zsh fish" in done.stderr
