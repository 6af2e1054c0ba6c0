"""Django on ASGI: its admin, sessions, uploads, streams, async views."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from asgi_said import check_linter
from framework_story import serve_linted
from serving import Server, Servers, wait_for

pytest.importorskip("django")
requests = pytest.importorskip("requests")

APP = """
import asyncio
import threading

from asgi_linter import Linter
from django.conf import settings

settings.configure(
    DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3",
                           "NAME": "db.sqlite3"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=[
        "django.contrib.admin", "django.contrib.auth",
        "django.contrib.contenttypes", "django.contrib.sessions",
        "django.contrib.messages"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware"],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    STATIC_URL="static/",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True, "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages"]}}])

from django.core.asgi import get_asgi_application

django = get_asgi_application()

def prepare():
    from django.contrib.auth.models import User
    from django.core.management import call_command
    call_command("migrate", verbosity=0)
    User.objects.create_superuser("root", password="secret")

# Not in the thread that may have a running loop.
thread = threading.Thread(target=prepare)
thread.start()
thread.join()

from django.contrib import admin
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

over = []

def count(request):
    n = request.session["n"] = request.session.get("n", 0) + 1
    return HttpResponse(str(n))

async def count_async(request):
    n = await request.session.aget("n", 0)
    await request.session.aset("n", n + 1)
    user = await request.auser()
    return JsonResponse({"n": n + 1, "user": user.username})

@csrf_exempt
def upload(request):
    return JsonResponse({
        "note": request.POST["note"],
        "files": [[f.name, f.size, type(f).__name__]
                  for f in request.FILES.getlist("files")]})

async def stream(request):
    async def parts():
        for i in range(5):
            yield f"{i} "
            await asyncio.sleep(0)
    return StreamingHttpResponse(parts())

def stream_sync(request):
    return StreamingHttpResponse(f"{i} " for i in range(5))

async def endless(request):
    async def parts():
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.001)
        finally:
            over.append("endless")
    return StreamingHttpResponse(parts())

async def gather(request):
    async def one(n):
        await asyncio.sleep(0.001)
        return n
    return JsonResponse(await asyncio.gather(*map(one, range(3))), safe=False)

def seen(request):
    return JsonResponse({
        "over": over, "path": request.path, "scheme": request.scheme,
        "url": request.build_absolute_uri(), "meta": request.META.get("HTTP_X"),
        "length": len(request.body), "remote": request.META["REMOTE_ADDR"]})

def broken(request):
    raise LookupError("broken")

urlpatterns = [
    path("admin/", admin.site.urls), path("count", count),
    path("count-async", count_async), path("upload", upload),
    path("stream", stream), path("stream-sync", stream_sync),
    path("endless", endless), path("gather", gather),
    path("broken", broken), path("seen/<path:rest>", lambda r, rest: seen(r))]
app = Linter(django)
"""


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Iterator[Server]:
    server = serve_linted(serve_module, APP, "--interface", "asgi")
    yield server
    check_linter(server)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def token_of(text: str) -> str:
    match = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text)
    assert match, text
    return match[1]


def test_the_admin(server: Server, session: requests.Session) -> None:
    url = f"{server.url}/admin/"
    page = session.get(url, timeout=20)
    assert page.url.startswith(url + "login/")
    form = {
        "username": "root",
        "password": "secret",
        "csrfmiddlewaretoken": token_of(page.text),
        "next": "/admin/",
    }
    assert (
        session.post(
            page.url, {**form, "csrfmiddlewaretoken": "x"}, timeout=20
        ).status_code
        == 403
    )
    page = session.post(page.url, form, timeout=20)
    assert page.url == url
    assert "Site administration" in page.text
    page = session.get(url + "auth/user/add/", timeout=20)
    form = {
        "username": "ann",
        "password1": "long-and-odd-1",
        "password2": "long-and-odd-1",
        "usable_password": "true",
        "csrfmiddlewaretoken": token_of(page.text),
    }
    page = session.post(page.url, form, timeout=20)
    assert "was added successfully" in page.text
    assert "ann" in session.get(url + "auth/user/", timeout=20).text
    said = session.get(f"{server.url}/count-async", timeout=20).json()
    assert said == {"n": 1, "user": "root"}


def test_sessions(server: Server, session: requests.Session) -> None:
    for n in range(1, 4):
        assert session.get(f"{server.url}/count", timeout=20).text == str(n)
    said = session.get(f"{server.url}/count-async", timeout=20).json()
    assert said == {"n": 4, "user": ""}


@pytest.mark.parametrize(
    ("size", "kind"),
    [(10_000, "InMemoryUploadedFile"), (3_000_000, "TemporaryUploadedFile")],
)
def test_uploads(
    server: Server, session: requests.Session, size: int, kind: str
) -> None:
    files = [
        ("files", ("a.txt", b"x" * 10)),
        ("files", ("b.bin", b"y" * size)),
    ]
    said = session.post(
        f"{server.url}/upload", data={"note": "né"}, files=files, timeout=20
    ).json()
    assert said["note"] == "né"
    assert said["files"] == [["a.txt", 10, kind], ["b.bin", size, kind]]


def test_streams(server: Server, session: requests.Session) -> None:
    for path in ("/stream", "/stream-sync"):
        answer = session.get(server.url + path, timeout=20)
        assert answer.headers["transfer-encoding"] == "chunked"
        assert answer.text == "0 1 2 3 4 "
    with session.get(
        f"{server.url}/endless", stream=True, timeout=20
    ) as answer:
        assert next(answer.iter_content(100))
    wait_for(
        lambda: (
            "endless"
            in session.get(f"{server.url}/seen/x", timeout=20).json()["over"]
        ),
        "the stream is closed",
    )


def test_requests(server: Server, session: requests.Session) -> None:
    assert session.get(f"{server.url}/gather", timeout=20).json() == [0, 1, 2]
    url = f"{server.url}/seen/a%20b"
    said = session.post(url, data=b"x" * 70_000, headers={"X": "1"}, timeout=20)
    assert said.status_code == 403  # no token
    seen = session.get(url + "?q=1", headers={"X": "1"}, timeout=20).json()
    seen.pop("over")
    assert seen == {
        "path": "/seen/a b",
        "scheme": "http",
        "url": url + "?q=1",
        "meta": "1",
        "length": 0,
        "remote": "127.0.0.1",
    }


def test_errors(server: Server, session: requests.Session) -> None:
    assert session.get(f"{server.url}/broken", timeout=20).status_code == 500
    assert session.get(f"{server.url}/nowhere", timeout=20).status_code == 404
    assert session.get(f"{server.url}/gather", timeout=20).status_code == 200
