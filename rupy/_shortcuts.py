"""Answers that are made so often that they have a name."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ._core import Response
from ._errors import HeaderItems
from ._json import dumps as _dumps


def redirect(
    url: str, status: int = 303, headers: HeaderItems | None = None
) -> Response:
    """An answer that sends the client to url (RFC 9110 15.4).

    ``status`` is 301, 302, 303, 307 or 308.  In url, which may be relative,
    whatever a URI cannot have is percent-encoded; what is encoded already
    stays.

    Raises ValueError for another status.
    """
    if status not in (301, 302, 303, 307, 308):
        raise ValueError(f"redirect: status {status} is no redirection")
    response = Response(b"", status, headers)
    # RFC 3986 2.2, 2.3: reserved characters, "%" and what quote() keeps.
    response.headers["location"] = quote(url, safe=":/?#[]@!$&'()*+,;=%")
    return response


def json(
    content: Any, status: int = 200, headers: HeaderItems | None = None
) -> Response:
    """An answer of JSON, whatever the content is: str and None included.

    Raises TypeError or ValueError for what JSON cannot say.
    """
    return Response(_dumps(content), status, headers, "application/json")
