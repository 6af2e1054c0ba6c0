"""The routes of app.openapi(), and its page: with a small DOM, in Node.js."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from serving import CHECKOUT, Server, Servers

APP = """
from collections.abc import AsyncIterator
from typing import Annotated, TypedDict
from rupy import Request, Rupy
from rupy.openapi import operation

class Note(TypedDict):
    '''<img src=x onerror=alert(1)>'''
    title: Annotated[str, "</script><b>"]
    others: "list[Note]"

def handlers(app):
    @app.put("/notes/<id:int>/<rest:path>")
    @operation(tags=["<i>tag"], query={"q": list[str]}, deprecated=True)
    def put(request: Annotated[Request, Note], id: int, rest: str) -> Note:
        "<b>Summary</b>"
        return {"title": f"{id} {rest} {request.query.get_all('q')}",
                "others": [request.json(), request.auth_token]}

    @app.get("/plain")
    def plain() -> str:
        return "text"

    @app.get("/x/<f:float>")
    async def endless(f: float) -> AsyncIterator[str]:
        while True:
            yield "line of an answer without an end\\n" * 100
    return app

TITLE = '</title><script>alert(1)</script>"'
app = handlers(Rupy())
app.openapi(title=TITLE, version="1", docs="/help/docs")
inner = handlers(Rupy())
inner.openapi(title="inner", version="2")
app.mount("/inner", inner)
other = handlers(Rupy())
other.openapi(title="other", version="3", path="/d.json", docs=None,
              servers=["https://api.example.org/v1"])
app.mount("/other", other)
away = handlers(Rupy())
away.openapi(title="away", version="4",
             servers=["https://api.example.org/v1"])
app.mount("/away", away)
"""


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP)


def test_the_document_is_valid_and_complete(server: Server) -> None:
    answer = server.get("/openapi.json")
    assert answer.get("content-type") == "application/json"
    made = answer.json()
    OpenAPIV31SpecValidator(made).validate()
    assert list(made["paths"]) == [
        f"{prefix}{path}"
        for prefix in ("", "/inner", "/other", "/away")
        for path in ("/notes/{id}/{rest}", "/plain", "/x/{f}")
    ]
    assert "servers" not in made


def test_a_mounted_document_says_where_it_is(server: Server) -> None:
    made = server.get("/inner/openapi.json").json()
    OpenAPIV31SpecValidator(made).validate()
    assert made["servers"] == [{"url": "/inner"}]
    assert list(made["paths"]) == ["/notes/{id}/{rest}", "/plain", "/x/{f}"]
    made = server.get("/other/d.json").json()
    assert made["servers"] == [{"url": "https://api.example.org/v1"}]
    assert server.get("/other/docs").status == 404


class Page(HTMLParser):
    """What an HTML parser finds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, str] = {}
        self._in = ""
        self.feed(text)
        self.close()

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self._in = tag
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in:
            self.inside[self._in] = self.inside.get(self._in, "") + data


@pytest.mark.parametrize(
    ("path", "title", "where"),
    [
        (
            "/help/docs",
            '</title><script>alert(1)</script>"',
            "../openapi.json",
        ),
        ("/inner/docs", "inner", "openapi.json"),
    ],
)
def test_the_page_loads_nothing_and_runs_nothing_else(
    server: Server, path: str, title: str, where: str
) -> None:
    answer = server.get(path)
    assert answer.get("content-type") == "text/html; charset=utf-8"
    page = Page(answer.text)
    assert page.inside["title"] == title
    assert [a for t, a in page.found if t == "body"] == [
        {"data-document": where}
    ]
    tags = [tag for tag, _ in page.found]
    assert tags.count("script") == tags.count("style") == 1
    for tag, attributes in page.found:
        for name in ("src", "href", "style", "srcset", "action"):
            assert name not in attributes, tag
        assert not [n for n in attributes if n.startswith("on")], tag
    assert "://" not in answer.text
    policy = answer.get("content-security-policy")
    assert policy is not None
    for tag in ("script", "style"):
        digest = hashlib.sha256(page.inside[tag].encode()).digest()
        hashed = base64.b64encode(digest).decode()
        assert f"{tag}-src 'sha256-{hashed}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "connect-src 'self';" in policy


def test_the_page_may_ask_the_servers_that_are_named(server: Server) -> None:
    policy = server.get("/away/docs").get("content-security-policy")
    assert policy is not None
    assert "connect-src 'self' https://api.example.org;" in policy


def test_the_script_makes_no_markup_of_text() -> None:
    text = (CHECKOUT / "rupy" / "_docs.html").read_text()
    script = text.partition("<script>")[2].partition("</script>")[0]
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write"):
        assert word not in script
    assert not re.search(r"\beval\b|new Function|setAttribute\(\"on", script)


# As much of a browser as the page needs.
DOM = """
"use strict";
class Node {
  constructor(name) {
    Object.assign(this, {name, children: [], attributes: {}, listeners: {},
      dataset: {}, value: "", hidden: false});
  }
  setAttribute(key, value) { this.attributes[key] = String(value); }
  addEventListener(name, f) { this.listeners[name] = f; }
  append(...nodes) {
    for (const n of nodes)
      if (n !== "") this.children.push(n instanceof Node ? n : String(n));
  }
  replaceChildren(...nodes) { this.children = []; this.append(...nodes); }
  get textContent() {
    return this.children.map(c => c instanceof Node ? c.textContent : c)
      .join("");
  }
  set textContent(text) { this.children = [text]; }
  all(name) {
    const found = this.name === name ? [this] : [];
    for (const c of this.children)
      if (c instanceof Node) found.push(...c.all(name));
    return found;
  }
}
const main = new Node("main");
globalThis.document = {
  getElementById: () => main,
  createElement: name => new Node(name),
  body: {dataset: {document: process.argv[3]}},
};
const page = process.argv[2];
const realFetch = globalThis.fetch;
globalThis.fetch = (url, options) => realFetch(new URL(url, page), options);
const script = require("fs").readFileSync(0, "utf8");
(async () => {
  new Function(script)();
  for (let i = 0; i < 1000 && !main.children.length; i++)
    await new Promise(done => setTimeout(done, 10));
  const details = main.all("details");
  const operations = details.filter(d => d.all("button").length);
  const put = operations[0];
  const inputs = put.all("input");
  const text = put.all("textarea")[0];
  const result = {
    heading: main.all("h1")[0].textContent,
    groups: main.all("h2").map(h => h.textContent),
    summaries: details.map(d => d.all("summary")[0].textContent),
    first: inputs.map(i => i.value),
    sample: text.value,
    links: put.all("a").map(a => a.attributes.href),
  };
  main.all("input")[0].value = "Bearer me";
  inputs[1].value = "a b/c?d";
  inputs[2].value = "x, y&z";
  text.value = '{"sent": true}';
  await put.all("button")[0].listeners.click();
  result.answer = put.all("pre")[0].textContent;
  const endless = operations[2];
  await endless.all("button")[0].listeners.click();
  result.endless = endless.all("pre")[0].textContent;
  console.log(JSON.stringify(result));
})();
"""


@pytest.mark.skipif(not shutil.which("node"), reason="no Node.js")
def test_the_page_shows_operations_and_sends_requests(
    server: Server, tmp_path: Path
) -> None:
    path = "/inner/docs"
    page = Page(server.get(path).text)
    (tmp_path / "dom.js").write_text(DOM)
    done = subprocess.run(
        ["node", "dom.js", server.url + path, "openapi.json"],
        input=page.inside["script"],
        capture_output=True,
        cwd=tmp_path,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["heading"] == "inner 2"
    assert result["groups"] == ["<i>tag", "Operations", "Schemas"]
    assert result["summaries"] == [
        "PUT/notes/{id}/{rest} <b>Summary</b> deprecated",
        "GET/plain ",
        "GET/x/{f} ",
        "Note",
    ]
    assert result["first"] == ["0", "text", ""]
    # What refers to itself ends there.
    assert json.loads(result["sample"]) == {"title": "text", "others": []}
    assert set(result["links"]) == {"#schema-Note"}
    # One without an end is cut off.
    assert result["endless"].startswith("GET /inner/x/0.0\n\n200 OK")
    assert result["endless"].endswith("\n...")
    assert 100_000 < len(result["endless"]) < 101_000
    head, _, body = result["answer"].rpartition("\n\n")
    assert head.startswith(
        "PUT /inner/notes/0/a%20b/c%3Fd?q=x&q=y%26z\n\n200 OK"
    )
    assert json.loads(body) == {
        "title": "0 a b/c?d ['x', 'y&z']",
        "others": [{"sent": True}, "me"],
    }
