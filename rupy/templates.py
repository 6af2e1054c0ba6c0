"""Pages made of templates, by Jinja2.

from rupy.templates import Templates

templates = Templates("templates")

@app.get("/hello/<name>")
def hello(request: Request, name: str) -> Response:
    return templates.render(request, "hello.html", name=name)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from . import _core
from ._around import Around
from ._errors import HeaderItems

try:
    import jinja2
except ImportError as error:
    raise ImportError(
        "rupy.templates wants the package Jinja2: pip install jinja2"
    ) from error


class Templates:
    """The templates of a folder, or of several: the first that has it.

    Whatever is put into a template is escaped for HTML, unless it is
    ``markupsafe.Markup``.  ``options`` are those of ``jinja2.Environment``,
    as ``undefined=jinja2.StrictUndefined``; ``environment`` is where filters
    and globals are added.

    Raises ValueError for what is no folder, TypeError for options that there
    are not.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        **options: Any,
    ) -> None:
        if isinstance(directory, (str, os.PathLike)):
            directory = [directory]
        folders = [os.path.abspath(os.fspath(folder)) for folder in directory]
        if not folders:
            raise ValueError("Templates: no folder is given")
        for folder in folders:
            if not os.path.isdir(folder):
                raise ValueError(f"Templates: {folder!r} is no folder")
        options.setdefault("loader", jinja2.FileSystemLoader(folders))
        options.setdefault("autoescape", True)
        self.environment = jinja2.Environment(**options)

    def render(
        self,
        request: _core.Request,
        name: str,
        /,
        *,
        status: int = 200,
        headers: HeaderItems | None = None,
        content_type: str = "text/html; charset=utf-8",
        **context: Any,
    ) -> _core.Response:
        """An answer made of the template of that name.

        Beside ``context`` it sees ``request``, and ``url_for(name,
        **params)``: the path of a route of the application that answers,
        with the prefix that it is mounted at.

        Raises jinja2.TemplateNotFound, and whatever the template raises.
        """
        values = {
            "request": request,
            "url_for": _URLs(request),
            **context,
        }
        template = self.environment.get_template(name)
        return _core.Response(
            template.render(values), status, headers, content_type
        )


class _URLs:
    def __init__(self, request: _core.Request) -> None:
        self._request = request

    def __call__(self, name: str, /, **params: object) -> str:
        app: Any = self._request.app
        path: str = app.url_for(name, **params)
        return _prefix(app, self._request.path) + path


def _prefix(app: Around, path: str) -> str:
    """Where the application is mounted: of several places that of path."""
    for outer, prefix in app._mounted_in:
        whole = _prefix(outer, path) + prefix
        if path == whole or path.startswith(whole + "/"):
            return whole
    return ""
