"""--log-config: the application's own loggers, set up before it is imported."""

from __future__ import annotations

import json
import logging.config
import tomllib
from pathlib import Path
from typing import Any

from ._load import LoadError


def apply(path: str) -> None:
    """Configure ``logging`` by a file.

    ``.json`` and ``.toml`` hold what ``logging.config.dictConfig()`` takes;
    ``version`` may be left out, and loggers that exist are kept unless
    ``disable_existing_loggers`` says otherwise.  Anything else is read by
    ``logging.config.fileConfig()``.  Raises LoadError.
    """
    try:
        if path.endswith((".json", ".toml")):
            logging.config.dictConfig(_read(Path(path)))
        elif not Path(path).is_file():
            raise FileNotFoundError(f"there is no file {path}")
        else:
            logging.config.fileConfig(path, disable_existing_loggers=False)
    except Exception as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        raise LoadError(f"--log-config: {path}: {error}{cause}") from error


def _read(path: Path) -> dict[str, Any]:
    text = path.read_text()
    data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    if not isinstance(data, dict):
        raise ValueError("it holds no object")
    return {"version": 1, "disable_existing_loggers": False, **data}
