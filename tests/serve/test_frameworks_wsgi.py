"""Flask, Django, Bottle and Falcon, unchanged, by their own means."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable

import pytest
from serving import Answer, Client, Server, Servers, head_of

Start = Callable[[str, str], Server]


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        importlib.util.find_spec(name) is None, reason=f"{name} is missing"
    )


@pytest.fixture(scope="module", params=[0, 3], ids=["inline", "threads"])
def start(request: pytest.FixtureRequest, serve_module: Servers) -> Start:
    """Start an app once, whatever asks for it."""
    started: dict[str, Server] = {}

    def get(name: str, source: str) -> Server:
        if name not in started:
            started[name] = serve_module(
                source,
                *("--threads", str(request.param)),
                env={"PYTHONWARNINGS": "error::ResourceWarning"},
            )
        return started[name]

    return get


def multipart(
    fields: dict[str, str], files: dict[str, tuple[str, bytes]]
) -> tuple[bytes, dict[str, str]]:
    mark = b"---------------------------7ea1c5"
    parts = []
    for name, value in fields.items():
        head = f'Content-Disposition: form-data; name="{name}"'
        parts.append(f"{head}\r\n\r\n{value}".encode())
    for name, (filename, data) in files.items():
        head = f'form-data; name="{name}"; filename="{filename}"'
        parts.append(
            f"Content-Disposition: {head}\r\n"
            "Content-Type: application/octet-stream\r\n\r\n".encode() + data
        )
    body = b"".join(b"--" + mark + b"\r\n" + p + b"\r\n" for p in parts)
    kind = f"multipart/form-data; boundary={mark.decode()}"
    return body + b"--" + mark + b"--\r\n", {"Content-Type": kind}


def form(**fields: str) -> tuple[bytes, dict[str, str]]:
    text = "&".join(f"{k}={v}" for k, v in fields.items())
    return text.encode(), {
        "Content-Type": "application/x-www-form-urlencoded"
    }


class Browser:
    """Keeps cookies over one connection."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.cookies: dict[str, str] = {}

    def ask(
        self,
        method: str,
        path: str,
        content: tuple[bytes, dict[str, str]] | None = None,
        **headers: str,
    ) -> Answer:
        body, more = content or (None, {})
        if self.cookies:
            headers["Cookie"] = "; ".join(
                f"{k}={v}" for k, v in self.cookies.items()
            )
        answer = self.client.request(method, path, {**headers, **more}, body)
        for line in answer.get_all("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer


# ---- Flask ----

FLASK = """
from flask import (Flask, Response, abort, jsonify, redirect, request,
                   send_file, session, stream_with_context)
import io

app = Flask(__name__)
app.secret_key = "not secret here"
after = []

@app.route("/")
def hello():
    return "Hello, World!"

@app.route("/user/<name>", methods=["GET", "POST"])
def user(name):
    return jsonify(name=name, args=request.args, form=request.form,
                   method=request.method, url=request.url)

@app.route("/count")
def count():
    session["n"] = session.get("n", 0) + 1
    return str(session["n"])

@app.route("/stream")
def stream():
    @stream_with_context
    def rows():
        for i in range(100):
            yield f"{i} {request.path}\\n"
    return Response(rows(), mimetype="text/plain")

@app.route("/upload", methods=["POST"])
def upload():
    f = request.files["file"]
    data = f.read()
    return jsonify(name=f.filename, size=len(data), sum=sum(data),
                   field=request.form["field"])

@app.route("/json", methods=["POST"])
def json():
    return jsonify(request.get_json())

@app.route("/file")
def file():
    return send_file(io.BytesIO(b"x" * 100_000), mimetype="text/x")

@app.route("/self")
def self_():
    return send_file(__file__)

@app.route("/after")
def later():
    r = Response(str(len(after)))
    r.call_on_close(lambda: after.append(1))
    return r

@app.route("/fault")
def fault():
    raise RuntimeError("a fault of Flask's")

@app.route("/away")
def away():
    return redirect("/")

@app.errorhandler(404)
def missing(e):
    return "nothing here", 404
"""


@needs("flask")
def test_flask(start: Start) -> None:
    server = start("flask", FLASK)
    with server.connect() as client:
        assert client.get("/").text == "Hello, World!"
        got = client.get("/user/caf%C3%A9%2Fx?a=1&a=2").status
        assert got == 404  # Werkzeug decodes %2F before it matches
        got = client.get("/user/caf%C3%A9?a=1").json()
        assert got["name"] == "caf\xe9" and got["args"] == {"a": "1"}
        body, headers = form(x="1", y="2")
        got = client.request("POST", "/user/a", headers, body).json()
        assert got["form"] == {"x": "1", "y": "2"}
        assert client.get("/nowhere").text == "nothing here"
        away = client.get("/away")
        assert (away.status, away.get("location")) == (302, "/")
        assert client.request("HEAD", "/").get("content-length") == "13"
        assert client.request("PUT", "/").status == 405
        assert "GET" in (client.request("OPTIONS", "/").get("allow") or "")
        assert client.get("/fault").status == 500
        assert client.get("/").text == "Hello, World!"
    server.wait_log("a fault of Flask's")


@needs("flask")
def test_flask_sessions(start: Start) -> None:
    with start("flask", FLASK).connect() as client:
        browser = Browser(client)
        got = [browser.ask("GET", "/count").text for _ in range(3)]
        assert got == ["1", "2", "3"]


@needs("flask")
def test_flask_streams(start: Start) -> None:
    server = start("flask", FLASK)
    with server.connect() as client:
        got = client.get("/stream")
        assert got.framing == "chunked"
        assert got.text == "".join(f"{i} /stream\n" for i in range(100))
        assert client.get("/file").body == b"x" * 100_000
        assert client.get("/self").text == FLASK
        part = client.get("/self", Range="bytes=1-4")
        assert (part.status, part.text) == (206, FLASK[1:5])
        assert int(client.get("/after").text) < int(client.get("/after").text)


@needs("flask")
def test_flask_uploads(start: Start) -> None:
    data = bytes(range(256)) * 16_000
    body, headers = multipart({"field": "f"}, {"file": ("a.bin", data)})
    want = {"name": "a.bin", "size": len(data), "sum": sum(data), "field": "f"}
    with start("flask", FLASK).connect() as client:
        got = client.request("POST", "/upload", headers, body)
        assert got.json() == want
        chunked = {**headers, "Transfer-Encoding": "chunked"}
        client.send(head_of("POST", "/upload", chunked))
        for i in range(0, len(body), 70_000):
            block = body[i : i + 70_000]
            client.send(b"%x\r\n%s\r\n" % (len(block), block))
        client.send("0\r\n\r\n")
        assert client.answer().json() == want
        headers = {"Content-Type": "application/json"}
        got = client.request("POST", "/json", headers, b'{"a": [1]}')
        assert got.json() == {"a": [1]}


# ---- Django ----

DJANGO = """
import os
from pathlib import Path

import django
from django.conf import settings

if not settings.configured:
    settings.configure(
        DEBUG=False, SECRET_KEY="not secret here", ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__, USE_TZ=True,
        LOGGING={"version": 1, "disable_existing_loggers": False,
                 "handlers": {"err": {"class": "logging.StreamHandler"}},
                 "loggers": {"django.request": {"handlers": ["err"]}}},
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3",
                               "NAME": Path(__file__).with_suffix(".db")}},
        INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth",
                        "django.contrib.contenttypes",
                        "django.contrib.sessions",
                        "django.contrib.messages"],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware"],
        TEMPLATES=[{"BACKEND":
                    "django.template.backends.django.DjangoTemplates",
                    "APP_DIRS": True, "OPTIONS": {"context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]}}])
    django.setup()

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import (FileResponse, HttpResponse, JsonResponse,
                         StreamingHttpResponse)
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

call_command("migrate", verbosity=0)
User.objects.filter(username="ada").exists() or \\
    User.objects.create_superuser("ada", "a@example.com", "lovelace")


def hello(request):
    return HttpResponse("Hello, World!")


def count(request):
    request.session["n"] = request.session.get("n", 0) + 1
    return JsonResponse({"n": request.session["n"],
                         "users": User.objects.count()})


@csrf_exempt
def upload(request):
    f = request.FILES["file"]
    data = b"".join(f.chunks())
    return JsonResponse({"name": f.name, "sum": sum(data),
                         "field": request.POST["field"]})


def stream(request):
    return StreamingHttpResponse(f"{i}\\n" for i in range(100))


def file(request):
    return FileResponse(open(__file__, "rb"))


async def waits(request):
    import asyncio
    await asyncio.sleep(0)
    return HttpResponse("waited, " + str(await User.objects.acount()))


def fault(request):
    raise RuntimeError("a fault of Django's")


urlpatterns = [path("", hello), path("admin/", admin.site.urls),
               path("count", count), path("upload", upload),
               path("stream", stream), path("file", file),
               path("waits", waits), path("fault", fault)]
app = get_wsgi_application()
"""


@needs("django")
def test_django(start: Start) -> None:
    server = start("django", DJANGO)
    with server.connect() as client:
        assert client.get("/").text == "Hello, World!"
        assert client.get("/nowhere").status == 404
        stream = client.get("/stream").text
        assert stream == "".join(f"{i}\n" for i in range(100))
        assert client.get("/file").text == DJANGO
        assert client.get("/waits").text == "waited, 1"
        assert client.get("/fault").status == 500
        head = client.request("HEAD", "/")
        assert head.get("content-length") == "13"
        data = bytes(range(256)) * 16_000
        body, headers = multipart({"field": "f"}, {"file": ("a.bin", data)})
        got = client.request("POST", "/upload", headers, body)
        assert got.json() == {"name": "a.bin", "sum": sum(data), "field": "f"}
        browser = Browser(client)
        counts = [browser.ask("GET", "/count").json()["n"] for _ in range(3)]
        assert counts == [1, 2, 3]
    server.wait_log("a fault of Django's")


@needs("django")
def test_django_admin_login(start: Start) -> None:
    with start("django", DJANGO).connect() as client:
        browser = Browser(client)
        away = browser.ask("GET", "/admin/")
        assert away.status == 302
        page = browser.ask("GET", away.get("location") or "")
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token
        fields = form(
            csrfmiddlewaretoken=token[1],
            username="ada",
            password="lovelace",
            next="/admin/",
        )
        wrong = form(username="ada", password="lovelace")
        assert browser.ask("POST", "/admin/login/", wrong).status == 403
        answer = browser.ask("POST", "/admin/login/", fields)
        assert (answer.status, answer.get("location")) == (302, "/admin/")
        index = browser.ask("GET", "/admin/")
        assert index.status == 200 and "Log out" in index.text
        users = browser.ask("GET", "/admin/auth/user/")
        assert "ada" in users.text


# ---- Bottle ----

BOTTLE = """
import io
import bottle
from bottle import Bottle, HTTPResponse, request, response

app = Bottle()

@app.get("/")
def hello():
    return "Hello, World!"

@app.route("/user/<name>", method=["GET", "POST"])
def user(name):
    return {"name": name, "q": request.query.q,
            "form": dict(request.forms), "url": request.url}

@app.get("/stream")
def stream():
    response.content_type = "text/plain"
    for i in range(100):
        yield f"{i}\\n"

@app.post("/upload")
def upload():
    f = request.files.get("file")
    return {"name": f.raw_filename, "sum": sum(f.file.read())}

@app.get("/file")
def file():
    return io.BytesIO(b"x" * 100_000)

@app.get("/reason")
def reason():
    return HTTPResponse("teapot", 299)

@app.get("/fault")
def fault():
    raise RuntimeError("a fault of Bottle's")
"""


@needs("bottle")
def test_bottle(start: Start) -> None:
    server = start("bottle", BOTTLE)
    with server.connect() as client:
        assert client.get("/").text == "Hello, World!"
        assert client.get("/user/caf%C3%A9?q=1").json()["name"] == "caf\xe9"
        body, headers = form(x="1")
        got = client.request("POST", "/user/a", headers, body).json()
        assert got["form"] == {"x": "1"}
        stream = client.get("/stream").text
        assert stream == "".join(f"{i}\n" for i in range(100))
        assert client.get("/file").body == b"x" * 100_000
        assert client.get("/reason").status == 299
        assert client.get("/nowhere").status == 404
        data = bytes(range(256)) * 5000
        body, headers = multipart({}, {"file": ("a.bin", data)})
        got = client.request("POST", "/upload", headers, body).json()
        assert got == {"name": "a.bin", "sum": sum(data)}
        assert client.get("/fault").status == 500
    server.wait_log("a fault of Bottle's")


# ---- Falcon ----

FALCON = """
import io
import falcon


class Hello:
    def on_get(self, req, resp):
        resp.media = {"hello": "world", "q": req.get_param("q"),
                      "uri": req.uri, "agent": req.user_agent}

    def on_post(self, req, resp):
        resp.media = req.media
        resp.status = falcon.HTTP_201


class Raw:
    def on_put(self, req, resp):
        resp.text = str(sum(req.bounded_stream.read()))

    def on_get(self, req, resp):
        resp.stream = io.BytesIO(b"x" * 100_000)
        resp.content_length = 100_000


class Upload:
    def on_post(self, req, resp):
        resp.media = {p.name: sum(p.stream.read()) for p in req.media}


class Fault:
    def on_get(self, req, resp):
        raise RuntimeError("a fault of Falcon's")


app = falcon.App()
app.add_route("/", Hello())
app.add_route("/raw", Raw())
app.add_route("/upload", Upload())
app.add_route("/fault", Fault())
"""


@needs("falcon")
def test_falcon(start: Start) -> None:
    server = start("falcon", FALCON)
    with server.connect() as client:
        assert client.get("/?q=1").json()["q"] == "1"
        headers = {"Content-Type": "application/json"}
        got = client.request("POST", "/", headers, b'{"a": 1}')
        assert (got.status, got.json()) == (201, {"a": 1})
        data = bytes(range(256)) * 5000
        assert client.request("PUT", "/raw", None, data).text == str(sum(data))
        assert client.get("/raw").body == b"x" * 100_000
        body, headers = multipart({}, {"file": ("a.bin", data)})
        got = client.request("POST", "/upload", headers, body).json()
        assert got == {"file": sum(data)}
        assert client.get("/nowhere").status == 404
        assert client.get("/fault").status == 500
    server.wait_log("a fault of Falcon's")
