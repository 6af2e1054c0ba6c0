"""A configuration file in Python: options are its names, hooks its functions.

It is run in several processes: in a short-lived one that hands the options to
the master, which runs no Python itself, in that of the master's hooks, and in
every worker that has a hook.  All of them run the text that the first has
read, so what is on disk may change meanwhile.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

#: Called in the process of the master's hooks, and in workers.
MASTER_HOOKS = (
    "on_starting",
    "on_ready",
    "on_reload",
    "pre_fork",
    "worker_timeout",
    "child_exit",
    "on_exit",
)
WORKER_HOOKS = ("post_fork", "worker_ready", "worker_exit", "log_request")
HOOKS = MASTER_HOOKS + WORKER_HOOKS

#: What a file that is no module is called as one.
MODULE_NAME = "rupy_serve_config"
_MODULE_PREFIX = "python:"
_SOURCE_MAX = 1 << 20
_OWN = "names of your own begin with an underscore"


class ConfigError(Exception):
    """One line, with the place in front."""


class _Code:
    """The text of a file, and where it is from."""

    def __init__(
        self, label: str, name: str, path: str, source: str, folders: list[str]
    ) -> None:
        self.label = label
        self.name = name
        self.path = path
        self.source = source
        self.folders = folders

    def where(self, line: int | None) -> str:
        return f"{self.label}:{line}" if line else self.label


# ---- running it ----


def execute(
    source: str, name: str, path: str, folders: list[str]
) -> ModuleType:
    """Run the text as a module of that name; give the module.

    ``folders`` come first in ``sys.path`` meanwhile, and last afterwards:
    what an application imports is not theirs to hide.
    """
    module = ModuleType(name)
    module.__file__ = path
    module.__package__, _, own_name = name.rpartition(".")
    before = list(sys.path)
    sys.path[:0] = folders
    sys.modules[name] = module
    try:
        if module.__package__:
            importlib.import_module(module.__package__)
        # Without what this file imports from __future__.
        code = compile(source, path, "exec", dont_inherit=True)
        exec(code, module.__dict__)
        if module.__package__:
            # As an import does: the application may use it as well.
            setattr(sys.modules[module.__package__], own_name, module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        added = [d for d in sys.path if d not in before and d not in folders]
        sys.path[:] = [*added, *before]
        sys.path += [d for d in folders if d not in sys.path]
    return module


# ---- reading it ----


def read(spec: str, app_dirs: list[str]) -> str:
    """What stands in the file, as TOML for the one who cannot run it.

    ``error`` alone, or ``path``, ``name``, ``folders``, ``source``, the names
    of ``hooks``, ``lines`` by name, and a table of ``options``.
    """
    try:
        code = (
            _find_module(spec, app_dirs)
            if spec.startswith(_MODULE_PREFIX)
            else _find_file(spec)
        )
        return _describe(code)
    except ConfigError as error:
        return f"error = {_toml(' '.join(str(error).split()))}\n"


def _find_file(spec: str) -> _Code:
    path = os.path.abspath(spec)
    try:
        with open(path, "rb") as file:
            data = file.read(_SOURCE_MAX + 1)
    except OSError as error:
        raise ConfigError(f"--config: {spec}: {error.strerror}") from None
    folders = [os.path.dirname(path)]
    return _Code(spec, MODULE_NAME, path, _decode(spec, data), folders)


def _find_module(spec: str, app_dirs: list[str]) -> _Code:
    name = spec[len(_MODULE_PREFIX) :]
    label = f"--config: {spec}"
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigError(f"{label}: {name!r} is no name of a module")
    folders = [os.path.abspath(d) for d in app_dirs or [os.curdir]]
    sys.path[:0] = folders
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        found = None
    except BaseException as error:
        raise ConfigError(f"{label}: {_say(error)}") from None
    finally:
        del sys.path[: len(folders)]
    if found is None:
        raise ConfigError(
            f"{label}: module {name!r} not found in {', '.join(folders)}"
        )
    if not found.has_location or not found.origin:
        raise ConfigError(f"{label}: it is no file of Python")
    try:
        with open(found.origin, "rb") as file:
            data = file.read(_SOURCE_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{label}: {error.strerror}") from None
    return _Code(spec, name, found.origin, _decode(spec, data), folders)


def _decode(spec: str, data: bytes) -> str:
    if len(data) > _SOURCE_MAX:
        raise ConfigError(f"{spec}: it is longer than {_SOURCE_MAX} bytes")
    try:
        return importlib.util.decode_source(data)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{spec}: {error}") from None


def _describe(code: _Code) -> str:
    try:
        tree = ast.parse(code.source, code.path)
        module = execute(code.source, code.name, code.path, code.folders)
    except BaseException as error:
        line = _line_of(error, code.path)
        raise ConfigError(f"{code.where(line)}: {_say(error)}") from None
    names = _Names(tree)
    hooks: list[str] = []
    options: list[str] = []
    for name, value in list(vars(module).items()):
        if name in HOOKS:
            _check_hook(name, value, code, names)
            hooks.append(name)
        elif _is_option(name, value, code, names):
            try:
                text = _toml(value)
            except ValueError as error:
                raise ConfigError(
                    f"{code.where(names.line(name))}: {name}: {error}; {_OWN}"
                ) from None
            options.append(f"{_toml(name)} = {text}\n")
    lines = [
        f"{_toml(name)} = {line}\n"
        for name in vars(module)
        if (line := names.line(name))
    ]
    return "".join(
        (
            f"path = {_toml(code.path)}\n",
            f"name = {_toml(code.name)}\n",
            f"folders = {_toml(code.folders)}\n",
            f"source = {_toml(code.source if hooks else '')}\n",
            f"hooks = {_toml(hooks)}\n",
            "[lines]\n",
            *lines,
            "[options]\n",
            *options,
        )
    )


def _say(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it ended the program (sys.exit({error.code!r}))"
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    return f"{type(error).__name__}: {error}"


def _line_of(error: BaseException, path: str) -> int | None:
    """The line of the file that it came from, directly or not."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    line = None
    tb = error.__traceback__
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == path:
            line = tb.tb_lineno
        tb = tb.tb_next
    return line


# ---- what a name stands for ----


class _Names:
    """Which names of a module are assigned where, and which are imported."""

    def __init__(self, tree: ast.Module) -> None:
        self.assigned: dict[str, set[int]] = {}
        self.imported: set[str] = set()
        self._walk(tree)

    def line(self, name: str) -> int | None:
        """The only line that gives it a value; None: there are several."""
        lines = self.assigned.get(name, ())
        return next(iter(lines)) if len(lines) == 1 else None

    def _walk(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.Import, ast.ImportFrom)):
                for alias in child.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self.imported.add(name)
            elif isinstance(
                child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            ):
                self._assign(child.name, child.lineno)
            elif isinstance(child, ast.Name):
                if isinstance(child.ctx, ast.Store):
                    self._assign(child.id, child.lineno)
            elif not isinstance(
                child,
                (
                    ast.Lambda,
                    ast.ListComp,
                    ast.SetComp,
                    ast.DictComp,
                    ast.GeneratorExp,
                ),
            ):
                self._walk(child)

    def _assign(self, name: str, line: int) -> None:
        self.assigned.setdefault(name, set()).add(line)


def _check_hook(name: str, value: object, code: _Code, names: _Names) -> None:
    where = code.where(names.line(name))
    if not callable(value):
        raise ConfigError(
            f"{where}: {name} is a hook, and must be a function, not "
            f"{_kind(value)}"
        )
    if inspect.iscoroutinefunction(value) or inspect.isgeneratorfunction(value):
        raise ConfigError(
            f"{where}: hook {name} must be a plain function: no loop runs "
            "where it is called"
        )


def _is_option(name: str, value: object, code: _Code, names: _Names) -> bool:
    """What is meant for us: not what was imported, nor a class."""
    if name.startswith("_") or isinstance(value, (ModuleType, type)):
        return False
    if name in names.imported and name not in names.assigned:
        return False
    if isinstance(value, FunctionType):
        if value.__module__ != code.name:
            return False
        import difflib

        near = difflib.get_close_matches(name, HOOKS, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; {_OWN}"
        raise ConfigError(
            f"{code.where(names.line(name))}: there is no hook {name}{hint}"
        )
    return value is not None


# ---- TOML ----

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _toml(value: object) -> str:
    """As a value of TOML, on one line.  ValueError: it has none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"{value} is out of range")
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, os.PathLike):
        return _toml(os.fspath(value))
    if isinstance(value, str):
        return f'"{"".join(_escape(value))}"'
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, dict):
        members = (
            f"{_toml(str(name))} = {_toml(member)}"
            for name, member in value.items()
        )
        return f"{{{', '.join(members)}}}"
    raise ValueError(f"{_kind(value)} is no value of an option")


def _escape(text: str) -> Iterator[str]:
    for char in text:
        if "\ud800" <= char <= "\udfff":
            raise ValueError("a lone surrogate is no text")
        if char in _ESCAPES:
            yield _ESCAPES[char]
        elif char < " " or char == "\x7f":
            yield f"\\u{ord(char):04x}"
        else:
            yield char


def _kind(value: object) -> str:
    """``a list``, ``an int``."""
    name = type(value).__name__
    return f"a{'n' if name[:1].lower() in 'aeiou' else ''} {name}"


def hooks_of(
    module: ModuleType, names: Iterable[str]
) -> dict[str, Callable[..., Any]]:
    """Those of these hooks that the module has."""
    return {n: getattr(module, n) for n in names if hasattr(module, n)}
