"""rupy.middleware: CORS by the Fetch standard."""

from __future__ import annotations

from typing import Any

import pytest
from serving import Answer, Server, Servers

from rupy.middleware import CORS

APP = """
from rupy import HTTPError, Response, Rupy
from rupy.middleware import CORS

def handlers(app):
    @app.get("/")
    def index():
        return "index"

    @app.get("/vary")
    def varies():
        return Response("x", headers={"vary": "Accept, origin"})

    shared = Response("shared")

    @app.get("/shared")
    def same():
        return shared

    @app.get("/raise")
    def fails():
        raise RuntimeError("on purpose")

    @app.get("/403")
    def refuses():
        raise HTTPError(403)

    @app.route("/own", methods=["OPTIONS"])
    def own():
        return "own options"

    return app

KINDS = {
    "list": CORS(
        allow_origins=["https://app.example.org", "http://localhost:3000"],
        allow_credentials=True,
        allow_headers=["X-Token", "Content-Type"],
        expose_headers=["X-Total", "X-Page"],
        max_age=60,
    ),
    "any": CORS(allow_origins=["*"], allow_headers=["*"], allow_methods=["*"]),
    "regex": CORS(allow_origin_regex=r"https://[a-z]+\\.example\\.org"),
}
app = Rupy()
for name, cors in KINDS.items():
    other = Rupy()
    other.middleware(cors)
    app.mount(f"/{name}", handlers(other))
"""

GOOD = "https://app.example.org"
BAD = "https://evil.example"
ALLOW = "access-control-allow-"


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(APP)


def preflight(
    server: Server, path: str, origin: str, method: str = "PUT", **more: str
) -> Answer:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    with server.connect() as client:
        return client.request("OPTIONS", path, headers | more)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/list/", 200),
        ("/list/no-such-route", 404),
        ("/list/raise", 500),
        ("/list/403", 403),
    ],
)
def test_an_allowed_origin_gets_the_fields_whatever_the_answer(
    server: Server, path: str, status: int
) -> None:
    answer = server.get(path, Origin=GOOD)
    assert answer.status == status
    assert answer.get_all(ALLOW + "origin") == [GOOD]
    assert answer.get(ALLOW + "credentials") == "true"
    assert answer.get("access-control-expose-headers") == "X-Total, X-Page"
    assert answer.get("vary") == "Origin"


@pytest.mark.parametrize(
    "origin", [BAD, GOOD + ".evil.example", "http://app.example.org", "null"]
)
def test_another_origin_gets_the_answer_but_no_fields(
    server: Server, origin: str
) -> None:
    answer = server.get("/list/", Origin=origin)
    assert (answer.status, answer.text) == (200, "index")
    assert not [n for n, _ in answer.headers if n.startswith("access-control")]
    # A cache must not give this answer to those who are allowed.
    assert answer.get("vary") == "Origin"


def test_without_an_origin_only_vary_is_there(server: Server) -> None:
    answer = server.get("/list/")
    assert answer.get("vary") == "Origin"
    assert answer.get(ALLOW + "origin") is None


def test_vary_is_joined_and_never_said_twice(server: Server) -> None:
    assert server.get("/list/vary").get_all("vary") == ["Accept, origin"]


def test_one_response_object_for_all_keeps_nothing_of_an_origin(
    server: Server,
) -> None:
    for _ in range(2):
        answer = server.get("/list/shared", Origin=GOOD)
        assert answer.get_all(ALLOW + "origin") == [GOOD]
        answer = server.get("/list/shared", Origin=BAD)
        assert answer.get(ALLOW + "origin") is None
        assert answer.get(ALLOW + "credentials") is None
        assert answer.get_all("vary") == ["Origin"]


def test_any_origin_is_a_star_without_vary(server: Server) -> None:
    for headers in ({}, {"Origin": BAD}):
        answer = server.get("/any/", **headers)
        assert answer.get(ALLOW + "origin") == "*"
        assert answer.get(ALLOW + "credentials") is None
        assert answer.get("vary") is None


def test_a_regex_must_match_the_whole_origin(server: Server) -> None:
    answer = server.get("/regex/", Origin="https://x.example.org")
    assert answer.get(ALLOW + "origin") == "https://x.example.org"
    for origin in ("https://x.example.org.evil.example", "https://x1.example"):
        answer = server.get("/regex/", Origin=origin)
        assert answer.get(ALLOW + "origin") is None


def test_a_preflight_says_what_is_allowed(server: Server) -> None:
    answer = preflight(server, "/list/", GOOD)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.get(ALLOW + "origin") == GOOD
    assert answer.get(ALLOW + "credentials") == "true"
    methods = "GET, HEAD, POST, PUT, PATCH, DELETE"
    assert answer.get(ALLOW + "methods") == methods
    assert answer.get(ALLOW + "headers") == "X-Token, Content-Type"
    assert answer.get("access-control-max-age") == "60"
    assert answer.get("vary") == "Origin"


def test_a_preflight_is_answered_for_every_path(server: Server) -> None:
    for path in ("/list/own", "/list/nowhere", "/list/raise"):
        assert preflight(server, path, GOOD).status == 204


def test_a_preflight_of_another_origin_is_refused(server: Server) -> None:
    answer = preflight(server, "/list/", BAD)
    assert answer.status == 403
    assert answer.get("vary") == "Origin"
    assert not [n for n, _ in answer.headers if n.startswith("access-control")]


def test_a_star_allows_what_is_asked_for(server: Server) -> None:
    wanted = {"Access-Control-Request-Headers": "x-a, Authorization"}
    answer = preflight(server, "/any/", BAD, "PURGE", **wanted)
    assert answer.status == 204
    assert answer.get(ALLOW + "methods") == "PURGE"
    assert answer.get(ALLOW + "headers") == "x-a, Authorization"
    vary = "Access-Control-Request-Method, Access-Control-Request-Headers"
    assert answer.get("vary") == vary


def test_what_is_no_name_of_a_field_is_not_sent_back(server: Server) -> None:
    wanted = {"Access-Control-Request-Headers": 'x-a, "b\tc", x d'}
    answer = preflight(server, "/any/", BAD, **wanted)
    assert answer.get(ALLOW + "headers") == "x-a"


def test_options_that_are_no_preflight_reach_the_application(
    server: Server,
) -> None:
    with server.connect() as client:
        answer = client.request("OPTIONS", "/list/own", {"Origin": GOOD})
        assert (answer.status, answer.text) == (200, "own options")
        assert answer.get(ALLOW + "origin") == GOOD
        answer = client.request("OPTIONS", "/list/")
        assert (answer.status, answer.get("allow")) == (
            204,
            "GET, HEAD, OPTIONS",
        )


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({}, ValueError, "no origin is allowed"),
        ({"allow_origins": "https://a.example"}, TypeError, "not a list"),
        ({"allow_origins": ["a.example"]}, ValueError, "is no origin"),
        ({"allow_origins": ["https://*.example"]}, ValueError, "no origin"),
        (
            {"allow_origins": ["https://a.example/"]},
            ValueError,
            "browsers write the origin 'https://a.example/' as"
            " 'https://a.example'",
        ),
        ({"allow_origins": ["https://A.example"]}, ValueError, "browsers"),
        ({"allow_origins": ["https://a.example:443"]}, ValueError, "browsers"),
        ({"allow_origins": ["https://ä.example"]}, ValueError, "not ASCII"),
        ({"allow_origins": ["https://a:x"]}, ValueError, "Port"),
        (
            {"allow_origins": ["*"], "allow_credentials": True},
            ValueError,
            "every page act as the user",
        ),
        (
            {"allow_origins": ["null"], "allow_credentials": True},
            ValueError,
            "any page can have",
        ),
        (
            {"allow_origin_regex": "https://.*", "allow_credentials": True},
            ValueError,
            "takes any origin",
        ),
        (
            {
                "allow_origins": [GOOD],
                "allow_credentials": True,
                "expose_headers": ["*"],
            },
            ValueError,
            "name the fields",
        ),
        ({"allow_origin_regex": "("}, ValueError, "allow_origin_regex"),
        (
            {"allow_origins": ["*"], "allow_methods": ["A B"]},
            ValueError,
            "no token",
        ),
        (
            {"allow_origins": ["*"], "allow_headers": ["x\r\ny"]},
            ValueError,
            "no token",
        ),
        ({"allow_origins": ["*"], "max_age": -1}, ValueError, "max_age"),
        ({"allow_origins": ["*"], "max_age": "5"}, TypeError, "max_age"),
    ],
)
def test_what_cannot_be_meant_is_an_error_at_once(
    arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        CORS(**arguments)


def test_origins_as_browsers_write_them_are_taken() -> None:
    CORS(
        allow_origins=[
            "http://localhost:3000",
            "https://[::1]:8443",
            "https://xn--4ca.example",
            "capacitor://localhost",
            "null",
        ]
    )
