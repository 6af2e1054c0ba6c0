"""Frameworks on WSGI, unchanged: sessions, answers in pieces, uploads, and
Django's admin.

A framework that is not installed is passed over; what there is to install
stands in tests/requirements-frameworks.txt.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from serving import Server, Servers
from wsgi_story import MODES

httpx = pytest.importorskip("httpx")

FLASK = """
import hashlib
from flask import (
    Blueprint, Flask, Response, g, redirect, request, send_file, session,
    stream_with_context, url_for)

app = Flask(__name__)
app.secret_key = "secret"

@app.get("/")
def hello():
    return "hello"

@app.before_request
def before():
    g.user = request.headers.get("X-User")

@app.get("/stream")
def stream():
    @stream_with_context
    def parts():
        for i in range(3):
            yield f"{request.path[1:].replace('stream', 'part')}{i} "
    return Response(parts(), mimetype="text/plain")

bp = Blueprint("api", __name__)

@bp.route("/items/<int:number>/<path:rest>")
def item(number, rest):
    return {"number": number, "rest": rest, "user": g.user,
            "q": request.args.getlist("q"), "url": request.url}

@bp.put("/json")
def echo():
    return {"echo": request.get_json()}, 201, {"X-Kind": "echo"}

app.register_blueprint(bp)

@app.get("/old")
def old():
    return redirect(url_for("hello"))

@app.get("/async")
async def asynchronous():
    import asyncio
    return str(sum(await asyncio.gather(*map(twice, range(3)))))

async def twice(n):
    import asyncio
    await asyncio.sleep(0.001)
    return 2 * n

@app.post("/upload")
def upload():
    return hashlib.sha256(request.get_data()).hexdigest()

@app.post("/form")
def form():
    file = request.files["file"]
    data = file.read()
    return {"name": file.filename, "title": request.form["title"],
            "digest": hashlib.sha256(data).hexdigest()}

@app.get("/count")
def count():
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])

@app.get("/file")
def file():
    return send_file(__file__, conditional=True)

@app.get("/fault")
def fault():
    raise LookupError("a fault of the application")
"""

DJANGO = """
import asyncio
import hashlib
import json
import os
from django.conf import settings

settings.configure(
    DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x",
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3",
                           "NAME": os.path.abspath("django.sqlite3")}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth",
                    "django.contrib.contenttypes", "django.contrib.sessions",
                    "django.contrib.messages"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                "django.middleware.csrf.CsrfViewMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django.contrib.messages.middleware.MessageMiddleware"],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True, "OPTIONS": {"context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages"]}}])

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import (
    FileResponse, HttpResponse, HttpResponseRedirect, JsonResponse,
    StreamingHttpResponse)
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

app = get_wsgi_application()

from django.contrib import admin
from django.contrib.auth.models import User

if not os.path.exists("django.sqlite3"):
    call_command("migrate", verbosity=0)
    User.objects.create_superuser("root", "root@example.org", "pass")

def hello(request):
    return HttpResponse("hello")

def stream(request):
    return StreamingHttpResponse(f"part{i} " for i in range(3))

@csrf_exempt
def upload(request):
    return HttpResponse(hashlib.sha256(request.body).hexdigest())

@csrf_exempt
def form(request):
    file = request.FILES["file"]
    return JsonResponse({
        "name": file.name, "title": request.POST["title"],
        "digest": hashlib.sha256(file.read()).hexdigest()})

def count(request):
    # The database refuses when it finds a running event loop.
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse(str(request.session["count"]))

def file(request):
    return FileResponse(open(__file__, "rb"))

def item(request, number, rest):
    return JsonResponse({
        "number": number, "rest": rest, "user": request.headers.get("X-User"),
        "q": request.GET.getlist("q"), "url": request.build_absolute_uri()})

@csrf_exempt
def echo(request):
    return JsonResponse({"echo": json.loads(request.body)}, status=201,
                        headers={"X-Kind": "echo"})

async def asynchronous(request):
    return HttpResponse(str(sum(await asyncio.gather(*map(twice, range(3))))))

async def twice(n):
    await asyncio.sleep(0.001)
    return 2 * n

def fault(request):
    raise LookupError("a fault of the application")

urlpatterns = [
    path("", hello), path("stream", stream), path("upload", upload),
    path("form", form), path("count", count), path("file", file),
    path("items/<int:number>/<path:rest>", item), path("json", echo),
    path("old", lambda request: HttpResponseRedirect("/")),
    path("async", asynchronous),
    path("fault", fault), path("admin/", admin.site.urls)]
"""

FALCON = """
import hashlib
import falcon

class Hello:
    def on_get(self, req, resp):
        resp.text = "hello"

class Stream:
    def on_get(self, req, resp):
        resp.stream = (b"part%d " % i for i in range(3))

class Upload:
    def on_post(self, req, resp):
        resp.text = hashlib.sha256(req.stream.read()).hexdigest()

class Form:
    def on_post(self, req, resp):
        said = {}
        for part in req.get_media():
            if part.name == "file":
                said["name"] = part.filename
                said["digest"] = hashlib.sha256(part.stream.read()).hexdigest()
            else:
                said[part.name] = part.text
        resp.media = said

class File:
    def on_get(self, req, resp):
        resp.stream = open(__file__, "rb")

class Fault:
    def on_get(self, req, resp):
        raise LookupError("a fault of the application")

class Item:
    def on_get(self, req, resp, number, rest):
        resp.media = {
            "number": number, "rest": rest, "user": req.context.user,
            "q": req.get_param_as_list("q"), "url": req.uri}

class Json:
    def on_put(self, req, resp):
        resp.media = {"echo": req.get_media()}
        resp.status = falcon.HTTP_201
        resp.set_header("X-Kind", "echo")

class Old:
    def on_get(self, req, resp):
        raise falcon.HTTPSeeOther("/")

class Users:
    def process_request(self, req, resp):
        req.context.user = req.get_header("X-User")

app = falcon.App(middleware=[Users()])
app.add_route("/items/{number:int}/{rest:path}", Item())
app.add_route("/json", Json())
app.add_route("/old", Old())
for name in ("Stream", "Upload", "Form", "File", "Fault"):
    app.add_route("/" + name.lower(), globals()[name]())
app.add_route("/", Hello())
"""

BOTTLE = """
import hashlib
import bottle
from bottle import Bottle, redirect, request, response, static_file

bottle.BaseRequest.MEMFILE_MAX = 1 << 24
app = Bottle()

@app.get("/")
def hello():
    return "hello"

@app.get("/stream")
def stream():
    for i in range(3):
        yield f"part{i} "

@app.post("/upload")
def upload():
    return hashlib.sha256(request.body.read()).hexdigest()

@app.post("/form")
def form():
    file = request.files["file"]
    return {"name": file.filename, "title": request.forms["title"],
            "digest": hashlib.sha256(file.file.read()).hexdigest()}

@app.get("/count")
def count():
    n = int(request.get_cookie("count", default="0", secret="s")) + 1
    response.set_cookie("count", str(n), secret="s")
    return str(n)

@app.get("/file")
def file():
    import os
    return static_file(os.path.basename(__file__),
                       root=os.path.dirname(__file__))

@app.get("/items/<number:int>/<rest:path>")
def item(number, rest):
    return {"number": number, "rest": rest,
            "user": request.get_header("X-User"),
            "q": request.query.decode().getall("q"), "url": request.url}

@app.put("/json")
def echo():
    response.status = 201
    response.set_header("X-Kind", "echo")
    return {"echo": request.json}

@app.get("/old")
def old():
    redirect("/")

@app.get("/fault")
def fault():
    raise LookupError("a fault of the application")
"""

FRAMEWORKS = {
    "flask": FLASK,
    "django": DJANGO,
    "falcon": FALCON,
    "bottle": BOTTLE,
}
UPLOAD = bytes(range(256)) * 8192
DIGEST = hashlib.sha256(UPLOAD).hexdigest()


@pytest.fixture(scope="module")
def servers(serve_module: Servers) -> dict[tuple[str, str], Server]:
    return {}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=FRAMEWORKS)
def name(request: pytest.FixtureRequest) -> str:
    if not importlib.util.find_spec(request.param):
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


@pytest.fixture
def server(
    serve_module: Servers,
    servers: dict[tuple[str, str], Server],
    name: str,
    mode: str,
) -> Server:
    found = servers.get((name, mode))
    if not found:
        found = servers[name, mode] = serve_module(
            FRAMEWORKS[name], *MODES[mode], "--venv", sys.prefix
        )
    return found


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def test_hello_stream_file(client: httpx.Client, name: str) -> None:
    for _ in range(3):
        assert client.get("/").text == "hello"
        answer = client.get("/stream")
        assert answer.text == "part0 part1 part2 "
        assert answer.headers["transfer-encoding"] == "chunked"
        assert client.head("/").status_code in (200, 405)
        assert client.get("/nowhere").status_code == 404
    assert client.get("/file").text == FRAMEWORKS[name]


def test_routes(client: httpx.Client, server: Server) -> None:
    path = "/items/7/a/b%20c?q=1&q=%C3%A9"
    said = client.get(path, headers={"X-User": "ann"}).json()
    # Some show it to people, decoded.
    assert unquote(said.pop("url")) == server.url + unquote(path)
    assert said == {
        "number": 7,
        "rest": "a/b c",
        "user": "ann",
        "q": ["1", "é"],
    }
    answer = client.put("/json", json={"a": ["é", None]})
    assert (answer.status_code, answer.json()) == (
        *(201, {"echo": {"a": ["é", None]}}),
    )
    assert answer.headers["x-kind"] == "echo"
    assert client.get("/old", follow_redirects=True).text == "hello"


# The others have none on WSGI.
@pytest.mark.parametrize("name", ["flask", "django"], indirect=True)
def test_an_async_view(client: httpx.Client) -> None:
    for _ in range(3):
        assert client.get("/async").text == "6"
        assert client.get("/").text == "hello"


def test_upload(client: httpx.Client) -> None:
    kind = {"Content-Type": "application/octet-stream"}
    answer = client.post("/upload", content=UPLOAD, headers=kind)
    assert answer.text == DIGEST
    answer = client.post(
        "/form",
        data={"title": "a title"},
        files={"file": ("a.bin", UPLOAD, "application/octet-stream")},
    )
    want = {"name": "a.bin", "title": "a title", "digest": DIGEST}
    assert answer.json() == want


# PEP 3333: nobody has to read more than CONTENT_LENGTH says, and some do not.
def test_upload_in_chunks(client: httpx.Client) -> None:
    pieces = (UPLOAD[i : i + 50_000] for i in range(0, len(UPLOAD), 50_000))
    answer = client.post(
        "/upload",
        content=pieces,
        headers={"Content-Type": "application/octet-stream"},
    )
    assert answer.text == DIGEST


# Falcon has no sessions.
@pytest.mark.parametrize("name", ["flask", "django", "bottle"], indirect=True)
def test_sessions(client: httpx.Client) -> None:
    assert [client.get("/count").text for _ in range(4)] == list("1234")


def test_a_fault_is_500(
    client: httpx.Client, server: Server, name: str
) -> None:
    assert client.get("/fault").status_code == 500
    assert client.get("/").text == "hello"
    if name != "django":  # which mails it to its admins
        server.wait_log("a fault of the application")


def test_django_admin(
    serve_module: Servers,
    servers: dict[tuple[str, str], Server],
    mode: str,
) -> None:
    if not importlib.util.find_spec("django"):
        pytest.skip("django is not installed")
    server = servers.get(("django", mode)) or serve_module(
        DJANGO, *MODES[mode], "--venv", sys.prefix
    )
    with httpx.Client(base_url=server.url, follow_redirects=True) as client:
        form = client.get("/admin/")
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', form.text)
        assert token
        fields = {"username": "root", "csrfmiddlewaretoken": token[1]}
        bad = client.post("/admin/login/", data=fields | {"password": "no"})
        assert "Please enter the correct" in bad.text
        good = client.post(
            "/admin/login/?next=/admin/", data=fields | {"password": "pass"}
        )
        assert "Site administration" in good.text
        users = client.get("/admin/auth/user/")
        assert "root@example.org" in users.text
