"""From the words on the command line to the application object."""

from __future__ import annotations

import importlib
import os
import sys
from keyword import iskeyword

# What follows a mistake, and what only some targets need, is imported where
# it is needed: all this stays in the memory of every worker.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import ModuleType, TracebackType

#: What an application is called when nobody says it, in this order.
DEFAULT_NAMES = ("app", "application", "asgi", "wsgi", "api")
#: What functions that make one are called; only for hints.
_FACTORY_NAMES = ("create_app", "make_app", "get_app", "build_app")
_SYNTAX = (
    "want module:attr, module:factory(), module:factory('arg', key=1) "
    "or path/to/file.py[:attr]"
)


class LoadError(Exception):
    """The application cannot be loaded; one line that says what to do."""


class _Target:
    """What stands behind the colon: a name, and perhaps a call of it."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.is_call = False
        self.args: list[object] = []
        self.kwargs: dict[str, object] = {}

    @property
    def name(self) -> str:
        return ".".join(self.path)


def load(
    spec: str,
    *,
    factory: bool = False,
    app_dirs: Sequence[str] = (),
    log_config: str | None = None,
) -> object:
    """Import what ``spec`` names and give the application it stands for.

    ``spec`` is ``module``, ``module:attr``, ``module:a.b``,
    ``module:factory("literal", key=1)``, or a path to a file in place of the
    module.  Without an attribute those of ``DEFAULT_NAMES`` are tried.  With
    ``factory`` what was found is called.  ``app_dirs``, or else the current
    folder, come first in ``sys.path``.  ``log_config`` is a file that sets up
    ``logging`` before anything is imported.

    Raises LoadError when there is no such thing.  What the application's own
    code raises comes through as it is; ``report`` makes text of both.
    """
    where, _, expression = _split(spec)
    target = _parse(spec, expression)
    dirs = _add_dirs(app_dirs)
    if log_config is not None:
        from . import _logconfig

        _logconfig.apply(log_config)
    is_file = _is_file(where)
    module = _import_file(where) if is_file else _import(where, dirs)
    if target.path:
        found = _lookup(module, target.path)
    else:
        name, found = _find_default(module, where)
        target.path = [name]
    if target.is_call or factory:
        return _call(found, f"{where}:{target.name}", target)
    return found


def report(error: BaseException) -> str:
    """Text for the log: a line for LoadError, else the traceback.

    Frames of this module and of the import system are left out, so that the
    first one is the application's.
    """
    if isinstance(error, LoadError):
        return str(error)
    tb = error.__traceback__
    while tb is not None and not _is_ours(tb):  # who called load()
        tb = tb.tb_next
    while tb is not None and _is_ours(tb):
        tb = tb.tb_next
    import traceback

    lines = traceback.format_exception(type(error), error, tb)
    return "".join(lines).rstrip("\n")


def _is_ours(tb: TracebackType) -> bool:
    file = tb.tb_frame.f_code.co_filename
    return file in (__file__, importlib.__file__) or file.startswith(
        "<frozen importlib"
    )


def _is_file(where: str) -> bool:
    return where.endswith(".py") or "/" in where


def _split(spec: str) -> tuple[str, str, str]:
    """At the first colon; in a path, at the one behind its ``.py``."""
    at = spec.find(".py:")
    if at >= 0:
        return spec[: at + 3], ":", spec[at + 4 :]
    where, colon, expression = spec.partition(":")
    if not where:
        raise LoadError(f"{spec!r} names no module: {_SYNTAX}")
    if "/" in where and not where.endswith(".py"):
        raise LoadError(f"{where!r} is no Python file: {_SYNTAX}")
    return where, colon, expression


def _parse(spec: str, expression: str) -> _Target:
    target = _Target()
    if not expression:
        return target
    names = expression.strip().split(".")
    if all(name.isidentifier() and not iskeyword(name) for name in names):
        target.path = names
        return target
    import ast

    try:
        node = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise LoadError(f"{spec!r} cannot be read: {_SYNTAX}") from None
    if isinstance(node, ast.Call):
        target.is_call = True
        try:
            target.args = [ast.literal_eval(a) for a in node.args]
            for keyword in node.keywords:
                if keyword.arg is None:
                    raise ValueError("**")
                target.kwargs[keyword.arg] = ast.literal_eval(keyword.value)
        except ValueError:
            raise LoadError(
                f"{spec!r}: the arguments of a factory must be literals"
            ) from None
        node = node.func
    while isinstance(node, ast.Attribute):
        target.path.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise LoadError(f"{spec!r} cannot be read: {_SYNTAX}")
    target.path.insert(0, node.id)
    return target


def _add_dirs(app_dirs: Sequence[str]) -> list[str]:
    dirs = [os.path.abspath(d) for d in app_dirs or (os.getcwd(),)]
    for d in dirs:
        if not os.path.isdir(d):
            raise LoadError(f"--app-dir: {d} is no folder")
    _put_first(dirs)
    return dirs


def _put_first(dirs: list[str]) -> None:
    sys.path[:] = dirs + [d for d in sys.path if d not in dirs]
    # importlib.invalidate_caches() would import importlib.metadata and with it
    # half of the library.
    for d in dirs:
        finder = sys.path_importer_cache.get(d)
        invalidate = getattr(finder, "invalidate_caches", None)
        if invalidate:
            invalidate()


def _import(name: str, dirs: list[str]) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise LoadError(f"{name!r} is no name of a module: {_SYNTAX}")
    try:
        return _run_import(name)
    except ModuleNotFoundError as error:
        # Of our own import, or of one inside the application?
        tb = error.__traceback__
        while tb is not None and _is_ours(tb):
            tb = tb.tb_next
        if tb is not None:
            raise
        missing = error.name or name
    hint = _near(missing, _modules_in(dirs, missing))
    hint = f"did you mean {hint}?" if hint else "see --app-dir and --venv"
    raise LoadError(
        f"module {missing!r} not found in {', '.join(dirs)}; {hint}"
    )


def _run_import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except SystemExit as error:
        raise LoadError(
            f"module {name!r} ended the program while it was imported "
            f"(sys.exit({error.code!r}))"
        ) from None


def _modules_in(dirs: list[str], missing: str) -> list[str]:
    """Names of modules beside the one that is missing."""
    from pathlib import Path

    parents = missing.split(".")[:-1]
    names: list[str] = []
    for d in dirs:
        folder = Path(d, *parents)
        if not folder.is_dir():
            continue
        for entry in folder.iterdir():
            is_package = (entry / "__init__.py").is_file()
            name = entry.name if is_package else entry.stem
            if (is_package or entry.suffix == ".py") and name.isidentifier():
                names.append(".".join([*parents, name]))
    return names


def _import_file(where: str) -> ModuleType:
    from pathlib import Path

    path = Path(where).absolute()
    if not path.is_file():
        near = _near(
            path.name,
            [p.name for p in path.parent.glob("*.py")]
            if path.parent.is_dir()
            else [],
        )
        hint = f"; did you mean {near}?" if near else ""
        raise LoadError(f"file {path} not found{hint}")
    names = [] if path.stem == "__init__" else [path.stem]
    top = path.parent
    while (top / "__init__.py").is_file():
        names.insert(0, top.name)
        top = top.parent
    _put_first([str(top)])
    if not all(name.isidentifier() for name in names):
        return _import_odd_name(path)
    name = ".".join(names)
    module = _run_import(name)
    other = getattr(module, "__file__", None)
    if other is None or not os.path.samefile(other, path):
        raise LoadError(
            f"file {path} cannot be imported: {name!r} is already "
            f"{other or 'a built-in module'}; give it another name"
        )
    return module


def _import_odd_name(path: Path) -> ModuleType:
    """A file that no import statement could name, such as my-app.py."""
    name = "".join(c if c.isalnum() else "_" for c in path.stem)
    if not name.isidentifier():
        name = f"_{name}"
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LoadError(f"file {path} is no Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _lookup(module: ModuleType, path: list[str]) -> object:
    found: object = module
    for i, name in enumerate(path):
        try:
            found = getattr(found, name)
        except AttributeError:
            owner = (
                f"module {module.__name__!r}"
                if i == 0
                else f"{module.__name__}:{'.'.join(path[:i])}"
            )
            near = _near(name, dir(found))
            hint = f"; did you mean {near}?" if near else ""
            raise LoadError(f"{owner} has no {name!r}{hint}") from None
    return found


def _find_default(module: ModuleType, where: str) -> tuple[str, object]:
    for name in DEFAULT_NAMES:
        if hasattr(module, name):
            return name, getattr(module, name)
    for name in _FACTORY_NAMES:
        if callable(getattr(module, name, None)):
            raise LoadError(
                f"module {module.__name__!r} has none of "
                f"{', '.join(DEFAULT_NAMES)}; did you mean "
                f"'{where}:{name}()'?"
            )
    raise LoadError(
        f"module {module.__name__!r} has none of {', '.join(DEFAULT_NAMES)}; "
        f"say which: {where}:NAME"
    )


def _call(found: object, name: str, target: _Target) -> object:
    if not callable(found):
        raise LoadError(
            f"{name} is a {type(found).__name__} and cannot be called; "
            "leave --factory and () away"
        )
    import inspect

    try:
        inspect.signature(found).bind(*target.args, **target.kwargs)
    except TypeError as error:
        raise LoadError(f"{name} cannot be called so: {error}") from None
    except ValueError:  # built in, without a signature
        pass
    app: object = found(*target.args, **target.kwargs)
    if inspect.iscoroutine(app):
        app.close()
        raise LoadError(f"{name} is async def; a factory must be def")
    if app is None:
        raise LoadError(f"{name} returned None, and no application")
    return app


def _near(name: str, names: Iterable[str]) -> str:
    """The name most like this one, quoted, or ''."""
    import difflib

    public = [n for n in names if not n.startswith("_")]
    close = difflib.get_close_matches(name, public, n=1)
    return repr(close[0]) if close else ""
