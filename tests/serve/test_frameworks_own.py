"""FastAPI's and Starlette's own examples and own tests, unchanged, served.

Their sources come from PyPI, in the installed versions.  Their tests run as
they are, but the TestClient that they import asks rupy-serve over a socket
(tests/served_client.py), and so every example of FastAPI's
documentation is served: parameters, models, forms, files, dependencies with
yield, background tasks, streams, server-sent events, WebSockets, security,
databases, templates, sub-applications, WSGI, lifespan.

A good part of them runs here; with RUPY_OWN_TESTS=all all do.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import sdist
from serving import PRELOAD

PLUGIN = Path(sdist.__file__).parent
ALL = os.environ.get("RUPY_OWN_TESTS") == "all"


class Suite(NamedTuple):
    members: tuple[str, ...]
    """What of the sources is needed."""
    part: tuple[str, ...]
    """What runs always."""
    whole: tuple[str, ...]
    at_least: tuple[int, int]
    """So many tests pass: of the part, of the whole."""
    without: tuple[tuple[str, ...], ...]
    """Why, a file, and its tests that do not run; all if none is named."""


TUTORIAL = (
    *(
        "additional_responses",
        "background_tasks",
        "behind_a_proxy",
        "bigger_applications",
        "body",
    ),
    *("cors", "custom_response", "dependencies", "events", "first_steps"),
    *("handling_errors", "middleware", "path_params", "request_body_limits"),
    *("request_files", "request_forms_and_files", "response_cookies"),
    *("response_headers", "server_sent_events", "sql_databases"),
    *("static_files", "stream_data", "stream_json_lines", "sub_applications"),
    *("templates", "testing", "websockets", "wsgi"),
)

STRICT = "a server refuses such a Host or path, with 400"
TRAILERS = "httpx cannot read trailers, so the client does not ask for them"
CLIENT = "the client cannot send such a request"
LENGTH = "its content says it comes in chunks, and does not"
LOCAL = "asks the client for what only one without a socket knows"
TOOLS = "is about a tool that is no application, or not installed"
LATE = "a head goes out with the first content: an error before it is a 500"

FASTAPI = Suite(
    members=("tests", "docs_src", "docs/en/docs/img", "pyproject.toml"),
    part=tuple(f"tests/test_tutorial/test_{name}" for name in TUTORIAL),
    whole=("tests",),
    at_least=(350, 4600),
    without=(
        (TOOLS, "tests/benchmarks"),
        (TOOLS, "tests/memory_benchmarks"),
        (TOOLS, "tests/test_fastapi_cli.py"),
        (TOOLS, "tests/test_multipart_installation.py"),
        (TOOLS, "tests/test_prepare_release.py"),
        (TOOLS, "tests/test_translate.py"),
        (
            TOOLS,
            "tests/test_dependency_concurrency.py",
            "test_app_can_be_reused_across_event_loops",
        ),
        (LOCAL, "tests/test_tutorial/test_using_request_directly"),
        (
            LOCAL,
            "tests/test_router_events.py",
            "test_router_nested_lifespan_state_overriding_by_parent",
            "test_merged_mixed_state_lifespans",
        ),
        (
            CLIENT,
            "tests/test_security_http_base.py",
            "test_security_http_base_with_whitespaces",
        ),
        (
            CLIENT,
            "tests/test_security_oauth2_authorization_code_bearer.py",
            "test_token_with_whitespaces",
        ),
        ("TRACE is not served", "tests/test_extra_routes.py", "test_trace"),
        (
            LATE,
            "tests/test_dependency_after_yield_streaming.py",
            "test_broken_session_stream_no_raise",
        ),
    ),
)

STARLETTE = Suite(
    members=("tests", "pyproject.toml"),
    part=(
        *("tests/test_applications.py", "tests/test_background.py"),
        *("tests/test_endpoints.py", "tests/test_exceptions.py"),
        *("tests/test_formparsers.py", "tests/test_requests.py"),
        *("tests/test_responses.py", "tests/test_routing.py"),
        *("tests/test_staticfiles.py", "tests/test_templates.py"),
        *("tests/test_websockets.py", "tests/middleware/test_base.py"),
        "tests/middleware/test_session.py",
    ),
    whole=("tests",),
    at_least=(400, 620),
    without=(
        (LOCAL, "tests/test_testclient.py"),
        (
            TRAILERS,
            "tests/middleware/test_gzip.py",
            "test_gzip_trailers",
            "test_gzip_excluded_content_type_trailers",
        ),
        (
            STRICT,
            "tests/middleware/test_https_redirect.py",
            "test_https_redirect_middleware",
        ),
        (
            STRICT,
            "tests/middleware/test_trusted_host.py",
            "test_trusted_host_middleware_ipv6",
        ),
        (
            STRICT,
            "tests/test_routing.py",
            "test_host_routing_rejects_invalid_hosts",
            "test_host_routing_ignores_port",
        ),
        (
            STRICT,
            "tests/test_staticfiles.py",
            "test_staticfiles_null_byte_in_path",
        ),
        (
            CLIENT,
            "tests/middleware/test_body_limit.py",
            "test_received_bytes_are_counted_with_unreliable_content_length",
        ),
        (CLIENT, "tests/test_requests.py", "test_cookies_invalid"),
        (
            CLIENT,
            "tests/test_staticfiles.py",
            "test_staticfiles_304_with_if_none_match_wildcard",
        ),
        (
            CLIENT,
            "tests/test_websockets.py",
            "test_receive_wrong_message_type",
        ),
        (
            "there is no push in HTTP/1.1",
            "tests/test_requests.py",
            "test_request_send_push_promise",
        ),
        (
            "123 is no status of an answer",
            "tests/test_responses.py",
            "test_response_phrase",
        ),
        (
            "the server's 500 has a text",
            "tests/test_exceptions.py",
            "test_force_500_response",
        ),
        (
            LENGTH,
            "tests/test_formparsers.py",
            "test_max_part_size_exceeds_limit",
            "test_max_part_size_exceeds_custom_limit",
        ),
        (
            "root may read everything",
            "tests/test_staticfiles.py",
            "test_staticfiles_with_invalid_dir_permissions_returns_401",
        ),
    ),
)

SUITES = {"fastapi": FASTAPI, "starlette": STARLETTE}


def left_out(suite: Suite) -> list[str]:
    options = []
    for _, file, *tests in suite.without:
        options += [f"--deselect={file}::{test}" for test in tests]
        if not tests:
            options.append(f"--ignore={file}")
    return options


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SUITES)
def test_their_own_tests_pass(name: str, tmp_path: Path) -> None:
    if not importlib.util.find_spec(name):
        pytest.skip(f"{name} is not installed")
    suite = SUITES[name]
    try:
        sdist.fetch(name)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no sources of {name}: {error}")
    sdist.unpack(name, suite.members, tmp_path)
    (tmp_path / "static").mkdir()
    # Their settings make errors of warnings, others' too.
    command = [
        *(sys.executable, "-P", "-m", "pytest", "-q", "-p", "served_client"),
        *("-o", "filterwarnings=ignore", "-p", "no:cacheprovider"),
        *("--timeout=60", "--tb=short", "-rfE", "-k", "not trio"),
        *(suite.whole if ALL else suite.part),
        *left_out(suite),
        *(("-n2",) if ALL else ("-n0",)),
    ]
    path = (str(PLUGIN), str(tmp_path), os.environ.get("PYTHONPATH", ""))
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)} | PRELOAD,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) >= suite.at_least[ALL], done.stdout[-500:]
