"""Who is asking: a login, a signed cookie, a bearer token.

    rupy-serve rupy.examples.sessions:app
    (or python -m rupy.examples.sessions)

    curl -i http://127.0.0.1:8000/me
    HTTP/1.1 401 Unauthorized

    curl -i -d 'name=ada&password=wrong' http://127.0.0.1:8000/login
    HTTP/1.1 403 Forbidden

    curl -i -d 'name=ada&password=lovelace' http://127.0.0.1:8000/login
    HTTP/1.1 303 See Other
    location: /me

    curl -H 'Authorization: Bearer sesame' http://127.0.0.1:8000/api
    {"hello":"ada"}

    curl -i -X POST http://127.0.0.1:8000/logout
    HTTP/1.1 303 See Other

The cookie is signed with $SECRET; without one it is made up, and everybody is
logged out when the server starts again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import time

from rupy import HTTPError, Request, Response, Rupy, redirect

app = Rupy(__name__)

SECRET = os.environ.get("SECRET", secrets.token_hex(32)).encode()
LIFETIME = 12 * 3600  # seconds
SALT = b"of this example"


def digest(password: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=SALT, n=1 << 12, r=8, p=1)


# Of a program that is more than an example: in a database, salted one by one.
passwords = {"ada": digest("lovelace")}
tokens = {"sesame": "ada"}


def sign(name: str) -> str:
    """name, when it ends, and what only this server can have written."""
    text = f"{name}|{int(time.time()) + LIFETIME}".encode()
    seal = hmac.digest(SECRET, text, "sha256")
    return base64.urlsafe_b64encode(seal + text).decode().rstrip("=")


def read(cookie: str) -> str | None:
    """The name, or None when it is not ours or too old."""
    try:
        raw = base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))
        name, _, end = raw[32:].decode().rpartition("|")
        expired = int(end) < time.time()
    except ValueError:
        return None
    seal = hmac.digest(SECRET, raw[32:], "sha256")
    if not hmac.compare_digest(seal, raw[:32]) or expired:
        return None
    return name


def user_of(request: Request) -> str:
    name = read(request.cookies.get("session", ""))
    if name is None:
        raise HTTPError(401, "please log in\n")
    return name


# In a thread: it takes a while on purpose, and others shall not wait.
@app.post("/login", threaded=True)
def login(request: Request) -> Response:
    form = request.form()
    name, password = form.get("name", ""), form.get("password", "")
    wanted = passwords.get(name, b"")
    if not hmac.compare_digest(digest(password), wanted):
        raise HTTPError(403, "name or password is wrong\n")
    response = redirect("/me")
    response.set_cookie(
        "session",
        sign(name),
        max_age=LIFETIME,
        httponly=True,
        samesite="lax",
        secure=request.scheme == "https",
    )
    return response


@app.post("/logout")
def logout() -> Response:
    response = redirect("/me")
    response.delete_cookie("session")
    return response


@app.get("/me")
def me(request: Request) -> str:
    return f"hello, {user_of(request)}\n"


@app.get("/api")
def api(request: Request) -> dict[str, str]:
    """For programs: RFC 6750."""
    name = tokens.get(request.auth_token or "")
    if name is None:
        raise HTTPError(401, headers={"www-authenticate": "Bearer"})
    return {"hello": name}


if __name__ == "__main__":
    app.run()
