"""rupy.templates, by Jinja2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from serving import PRELOAD, Server, Servers, clean_env

from rupy.templates import Templates

APP = """
from rupy import HTTPError, Rupy
from rupy.templates import Templates

templates = Templates(["first", "second"], trim_blocks=True)
templates.environment.filters["loud"] = str.upper

def handlers(app):
    @app.get("/page/<name>")
    async def page(request, name):
        return templates.render(request, "page.html", name=name)

    @app.get("/made")
    def made(request):
        return templates.render(
            request, "plain.txt", status=201, headers={"x-a": "b"},
            content_type="text/plain", name="<n>", url_for="mine")

    @app.get("/missing")
    def missing(request):
        return templates.render(request, "no-such.html")

    @app.get("/escape")
    def escape(request):
        return templates.render(request, "../secret.html")
    return app

app = handlers(Rupy())
inner = handlers(Rupy())
deep = handlers(Rupy())
inner.mount("/deep", deep)
app.mount("/one", inner)
app.mount("/two", inner)
"""


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    folder = serve_module.folder
    for name, text in {
        "first/base.html": "<p>{% block b %}{% endblock %}</p>",
        "second/base.html": "not this one",
        "second/page.html": (
            '{% extends "base.html" %}{% block b %}{{ name }} {{ name|loud }}'
            " {{ url_for('page', name='a b') }} {{ request.method }}"
            "{% endblock %}"
        ),
        "second/plain.txt": "{{ name }} {{ url_for }}",
        "secret.html": "secret",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return serve_module(APP)


def test_a_page_is_escaped_and_knows_its_urls(server: Server) -> None:
    answer = server.get("/page/%3Cb%3E")
    assert answer.status == 200
    assert answer.get("content-type") == "text/html; charset=utf-8"
    want = "<p>&lt;b&gt; &lt;B&gt; /page/a%20b GET</p>"
    assert answer.text == want


@pytest.mark.parametrize("prefix", ["/one", "/two", "/one/deep", "/two/deep"])
def test_urls_have_the_prefix_of_the_mount(server: Server, prefix: str) -> None:
    answer = server.get(f"{prefix}/page/x")
    assert answer.text == f"<p>x X {prefix}/page/a%20b GET</p>"


def test_status_fields_and_type_may_be_said(server: Server) -> None:
    answer = server.get("/made")
    assert (answer.status, answer.get("x-a")) == (201, "b")
    assert answer.get("content-type") == "text/plain"
    assert answer.text == "&lt;n&gt; mine"


@pytest.mark.parametrize("path", ["/missing", "/escape"])
def test_what_is_not_in_the_folder_is_a_500_in_the_log(
    server: Server, path: str
) -> None:
    answer = server.get(path)
    assert (answer.status, answer.text) == (500, "500 Internal Server Error\n")
    server.wait_log(f"GET {path}: unhandled TemplateNotFound")


@pytest.mark.parametrize(
    ("directory", "error", "text"),
    [
        ("no/such", ValueError, "is no folder"),
        ([], ValueError, "no folder is given"),
        (__file__, ValueError, "is no folder"),
    ],
)
def test_what_is_no_folder_is_an_error_at_once(
    directory: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Templates(directory)


def test_options_are_those_of_jinja2(tmp_path: Path) -> None:
    made = Templates(tmp_path, variable_start_string="[[")
    assert made.environment.variable_start_string == "[["
    assert made.environment.autoescape is True
    with pytest.raises(TypeError):
        Templates(tmp_path, no_such_option=1)


def test_without_jinja2_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['jinja2'] = None; import rupy.templates"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=clean_env() | PRELOAD,
        capture_output=True,
        text=True,
        timeout=60,
    )
    last = done.stderr.strip().rpartition("\n")[2]
    assert last == (
        "ImportError: rupy.templates wants the package Jinja2:"
        " pip install jinja2"
    )
