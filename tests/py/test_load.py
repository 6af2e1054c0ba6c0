"""Finding the application: rupy._load."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _load_module() -> ModuleType:
    """By its file: finding applications needs nothing of the C core."""
    spec = importlib.util.spec_from_file_location(
        "rupy_load_under_test", ROOT / "rupy" / "_load.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_load: Any = _load_module()


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(
        "app = 'the app'\n"
        "class holder:\n"
        "    inner = 'inside'\n"
        "def make(name='x', *, k=0):\n"
        "    return (name, k)\n"
        "async def amake():\n"
        "    return 1\n"
        "def none():\n"
        "    pass\n"
        "def broken():\n"
        "    raise RuntimeError('in the factory')\n"
    )
    (tmp_path / "bare.py").write_text("def create_app(): return 1\n")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "my-app.py").write_text("application = 'odd'\n")
    (tmp_path / "needs.py").write_text("import does_not_exist_here\n")
    (tmp_path / "typo.py").write_text("def f(:\n")
    (tmp_path / "quits.py").write_text("raise SystemExit('usage')\n")
    (tmp_path / "several.py").write_text("api = 1\nwsgi = 2\napplication = 3\n")
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "web.py").write_text("from . import near\napp = near.app\n")
    (package / "near.py").write_text("app = 'packed'\n")
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        ("shop", "the app"),
        ("shop:app", "the app"),
        ("shop:holder.inner", "inside"),
        ("shop:make()", ("x", 0)),
        ("shop:make('y', k=1)", ("y", 1)),
        ("shop:make([1, {'a': -2}])", ([1, {"a": -2}], 0)),
        ("several", 3),
        ("pack.web:app", "packed"),
    ],
)
def test_a_spec_finds_its_object(site: Path, spec: str, want: object) -> None:
    assert _load.load(spec, factory=False, app_dirs=[str(site)]) == want


@pytest.mark.parametrize(
    ("file", "want"),
    [
        ("shop.py", "the app"),
        ("shop.py:make('z')", ("z", 0)),
        ("my-app.py", "odd"),
        ("pack/web.py", "packed"),
        ("pack/web.py:app", "packed"),
    ],
)
def test_a_file_finds_its_object(site: Path, file: str, want: object) -> None:
    spec = f"{site}/{file}"
    assert _load.load(spec, factory=False, app_dirs=[]) == want


def test_factory_calls_what_was_found(site: Path) -> None:
    found = _load.load("shop:make", factory=True, app_dirs=[str(site)])
    assert found == ("x", 0)


def test_app_dirs_come_first_in_their_order(site: Path) -> None:
    other = site / "other"
    other.mkdir()
    (other / "shop.py").write_text("app = 'other'\n")
    dirs = [str(other), str(site)]
    assert _load.load("shop", factory=False, app_dirs=dirs) == "other"
    assert sys.path[:2] == dirs


def test_the_current_folder_is_the_default(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(site)
    assert _load.load("shop", factory=False, app_dirs=[]) == "the app"


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("", ["names no module"]),
        (":app", ["names no module"]),
        ("shopp:app", ["'shopp' not found in ", "did you mean 'shop'?"]),
        ("zzz:app", ["'zzz' not found in ", "--app-dir"]),
        ("pack.wep", ["'pack.wep' not found", "did you mean 'pack.web'?"]),
        ("shop:ap", ["module 'shop' has no 'ap'", "did you mean 'app'?"]),
        ("shop:holder.iner", ["shop:holder has no 'iner'", "'inner'"]),
        ("bare", ["'bare' has none of app, ", "'bare:create_app()'"]),
        ("empty", ["'empty' has none of app, ", "empty:NAME"]),
        ("shop:make(open('x'))", ["must be literals"]),
        ("shop:make(**{})", ["must be literals"]),
        ("shop:make(1, 2)", ["shop:make cannot be called so: too many"]),
        ("shop:app()", ["shop:app is a str and cannot be called"]),
        ("shop:amake()", ["shop:amake is async def"]),
        ("shop:none()", ["shop:none returned None"]),
        ("shop:1 + 1", ["cannot be read: want module:attr"]),
        ("shop:(", ["cannot be read: want module:attr"]),
        ("my-app:app", ["'my-app' is no name of a module"]),
        ("./shop", ["'./shop' is no Python file"]),
        ("quits:app", ["ended the program", "'usage'"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    site: Path, spec: str, parts: list[str]
) -> None:
    with pytest.raises(_load.LoadError) as caught:
        _load.load(spec, factory=False, app_dirs=[str(site)])
    text = _load.report(caught.value)
    assert "\n" not in text
    for part in parts:
        assert part in text


def test_a_missing_file_is_named_with_its_neighbour(site: Path) -> None:
    with pytest.raises(_load.LoadError, match=r"not found.*'shop\.py'"):
        _load.load(f"{site}/shp.py", factory=False, app_dirs=[])


def test_a_file_with_the_name_of_a_module_is_refused(site: Path) -> None:
    (site / "json.py").write_text("app = 1\n")
    with pytest.raises(_load.LoadError, match="give it another name"):
        _load.load(f"{site}/json.py", factory=False, app_dirs=[])


def test_a_missing_app_dir_is_named(site: Path) -> None:
    with pytest.raises(_load.LoadError, match="nowhere is no folder"):
        _load.load("shop", factory=False, app_dirs=[f"{site}/nowhere"])


@pytest.mark.parametrize(
    ("spec", "kind", "line"),
    [
        ("needs:app", ModuleNotFoundError, "import does_not_exist_here"),
        ("shop:broken()", RuntimeError, "raise RuntimeError"),
        ("typo:app", SyntaxError, "def f(:"),
    ],
)
def test_the_applications_own_errors_keep_their_traceback(
    site: Path, spec: str, kind: type[Exception], line: str
) -> None:
    with pytest.raises(kind) as caught:
        _load.load(spec, factory=False, app_dirs=[str(site)])
    text = _load.report(caught.value)
    assert line in text
    assert "_load.py" not in text
    assert "importlib" not in text
