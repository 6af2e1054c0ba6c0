"""What both clients have in common: from arguments to bytes, from an answer
to the next request."""

from __future__ import annotations

import json as _json
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit, urlunsplit

from rupy import Headers
from rupy._errors import HeaderItems

from . import _content, _frames
from ._cookies import Cookies
from ._server import Worker
from ._wire import AnswerParser, Head, ProtocolError

_REDIRECTS = (301, 302, 303, 307, 308)
_REDIRECTS_MAX = 20
_SAFE = "!#$%&'()*+,/:;=?@[]~"


# What is behind the last chunk (RFC 9112 7.1).
LAST_CHUNK = b"0\r\n\r\n"


class _Common(TypedDict, total=False):
    params: _content.Pairs
    headers: HeaderItems
    cookies: Mapping[str, str]
    timeout: float | None


class How(_Common, total=False):
    """What a request may have beside method and URL.

    One of ``content``, ``data`` (with or without ``files``) and ``json``.
    """

    content: _content.Content
    data: _content.Pairs
    files: _content.Files
    json: Any
    follow_redirects: bool


class HowWebSocket(_Common, total=False):
    subprotocols: Iterable[str]


class TooManyRedirects(Exception):  # noqa: N818
    """More than 20, one after the other."""


class Response:
    """An answer, as it came.

    ``history`` are the redirections before it, ``interim`` the answers of
    status 1xx, ``url`` what was asked for.
    """

    def __init__(
        self, head: Head, url: str, method: str, interim: list[Head]
    ) -> None:
        self.status = head.status
        self.reason = head.reason
        self.http_version = head.version
        self.headers = Headers(head.fields)
        self.url = url
        self.method = method
        self.interim = [(h.status, Headers(h.fields)) for h in interim]
        self.history: list[Response] = []
        self.cookies: dict[str, str] = {}
        """What this answer has set."""
        self.trailers = Headers()
        self._body: bytes | None = None

    def __repr__(self) -> str:
        return f"<Response {self.status} of {self.method} {self.url}>"

    @property
    def body(self) -> bytes:
        """RuntimeError on a stream that was not read."""
        if self._body is None:
            raise RuntimeError("the content is a stream: call read()")
        return self._body

    @property
    def content_type(self) -> str | None:
        return self.headers.get("content-type")

    @property
    def text(self) -> str:
        """By the charset of Content-Type, UTF-8 without one."""
        return self.body.decode(_charset(self.content_type or ""))

    def json(self) -> Any:
        return _json.loads(self.body)


AnyResponse = TypeVar("AnyResponse", bound=Response)


def _charset(content_type: str) -> str:
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip(' \t"')
    return "utf-8"


@dataclass
class Prepared:
    """A request that can be sent."""

    method: str
    url: str
    fields: list[tuple[str, str]]
    body: _content.Body | None = None
    cookies: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_chunked(self) -> bool:
        return self.body is not None and not isinstance(self.body, bytes)


class Base:
    """Arguments are explained in TestClient."""

    def __init__(
        self,
        app: Any,
        *,
        base_url: str = "http://testserver",
        headers: HeaderItems | None = None,
        cookies: Mapping[str, str] | None = None,
        follow_redirects: bool = False,
        raise_server_exceptions: bool = True,
        timeout: float | None = 10.0,
        startup_timeout: float | None = 60.0,
        client: tuple[str, int] = ("127.0.0.1", 50000),
        **options: Any,
    ) -> None:
        if urlsplit(base_url).scheme not in ("http", "https"):
            raise ValueError(f"base_url: {base_url!r} is not http or https")
        listens = options.keys() & {"bind", "host", "port", "uds", "fd"}
        if listens:
            raise ValueError(
                f"{listens.pop()}: a client has its application for itself;"
                " the fixture rupy_server listens"
            )
        if timeout is not None:
            options.setdefault("graceful_timeout", f"{timeout:g}s")
        self.app = app
        self.base_url = base_url
        self.headers = dict(Headers(headers or ()).items())
        self.cookies = Cookies(cookies)
        self.follow_redirects = follow_redirects
        self.raise_server_exceptions = raise_server_exceptions
        self.timeout = timeout
        self._startup_timeout = startup_timeout
        self._options = options
        self._client = client
        self._worker: Worker | None = None

    def _new_worker(self) -> Worker:
        return Worker(self.app, self._options, self._client)

    # ---- requests ----

    def _url(self, url: str, params: _content.Pairs | None = None) -> str:
        if url.startswith("/"):
            # As it is: dot segments are for the server to refuse.
            base = urlsplit(self.base_url)
            url = f"{base.scheme}://{base.netloc}{url}"
        scheme, host, path, query, _ = urlsplit(
            url if "://" in url else urljoin(self.base_url, url)
        )
        pairs = _content.pairs_of(params)
        if pairs:
            query = f"{query}&" * bool(query) + urlencode(pairs)
        path = quote(path or "/", safe=_SAFE)
        return urlunsplit((scheme, host, path, quote(query, safe=_SAFE), ""))

    def _prepared(self, method: str, url: str, how: How) -> Prepared:
        body, kind = _content.encode(
            how.get("content"),
            how.get("data"),
            how.get("files"),
            how.get("json"),
            "json" in how,  # None is JSON too
        )
        return self._prepare(method, url, how, body, kind)

    def _prepare(
        self,
        method: str,
        url: str,
        how: _Common,
        body: _content.Body | None = None,
        kind: str | None = None,
    ) -> Prepared:
        fields = {"user-agent": "rupy.testing", "accept": "*/*"}
        if kind:
            fields["content-type"] = kind
        fields |= {n.lower(): v for n, v in self.headers.items()}
        given = list(Headers(how.get("headers") or ()).items())
        for name, _ in given:
            fields.pop(name.lower(), None)
        return Prepared(
            method.upper(),
            self._url(url, how.get("params")),
            [*fields.items(), *given],
            body,
            dict(how.get("cookies") or {}),
        )

    def _head(self, request: Prepared) -> bytes:
        """The bytes of a header section."""
        scheme, host, path, query, _ = urlsplit(request.url)
        names = {name.lower() for name, _ in request.fields}
        fields = list(request.fields)
        if "host" not in names:
            fields.insert(0, ("host", host))
        if scheme in ("https", "wss") and "x-forwarded-proto" not in names:
            # As behind a proxy that speaks TLS.
            fields.append(("x-forwarded-proto", "https"))
        cookie = self.cookies.header_for(request.url, request.cookies)
        if cookie and "cookie" not in names:
            fields.append(("cookie", cookie))
        if request.is_chunked:
            fields.append(("transfer-encoding", "chunked"))
        elif "content-length" in names:
            pass
        elif isinstance(request.body, bytes):
            fields.append(("content-length", str(len(request.body))))
        elif request.method in ("POST", "PUT", "PATCH"):
            # RFC 9110 8.6
            fields.append(("content-length", "0"))
        target = f"{path}?{query}" if query else path
        lines = [f"{request.method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields]
        for line in lines:
            if "\r" in line or "\n" in line:
                raise ValueError(f"a line break in {line!r}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _handshake(self, url: str, how: HowWebSocket) -> tuple[Prepared, str]:
        """The request of RFC 6455 4.1, and its key."""
        key = _frames.new_key()
        request = self._prepare("GET", url, how)
        request.fields += [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", key),
        ]
        offered = ", ".join(how.get("subprotocols", ()))
        if offered:
            request.fields.append(("sec-websocket-protocol", offered))
        scheme = "wss" if request.url.startswith(("https", "wss")) else "ws"
        request.url = f"{scheme}:{request.url.partition(':')[2]}"
        return request, key

    # ---- answers ----

    def _response(
        self, kind: type[AnyResponse], request: Prepared, parser: AnswerParser
    ) -> AnyResponse:
        assert parser.head is not None
        head = parser.head
        r = kind(head, request.url, request.method, parser.interim)
        self.cookies.take(request.url, head.fields)
        for value in r.headers.getlist("set-cookie"):
            name, _, rest = value.partition("=")
            r.cookies[name.strip()] = rest.partition(";")[0].strip()
        return r

    def _redirected(self, request: Prepared, r: Response) -> Prepared | None:
        """The request that follows a redirection (RFC 9110 15.4)."""
        where = r.headers.get("location")
        if r.status not in _REDIRECTS or where is None:
            return None
        if len(r.history) >= _REDIRECTS_MAX:
            raise TooManyRedirects(f"{_REDIRECTS_MAX}, the last one to {where}")
        url = self._url(urljoin(request.url, where))
        if urlsplit(url).netloc != urlsplit(request.url).netloc:
            raise ProtocolError(f"redirected to another host: {where}")
        method = request.method
        if method != "HEAD" and (
            r.status == 303 or (r.status in (301, 302) and method == "POST")
        ):
            fields = [
                (name, value)
                for name, value in request.fields
                if not name.lower().startswith("content-")
            ]
            return Prepared("GET", url, fields, None, request.cookies)
        if request.is_chunked:
            raise ProtocolError("a stream cannot be sent again")
        return replace(request, url=url)

    def _look(self, failed: bool) -> None:
        """Raise what the application raised since somebody looked.

        ``failed``: and settle with its loop before."""
        worker = self._worker
        if worker is None or not self.raise_server_exceptions:
            return
        if failed:
            worker.settle(self.timeout)
        errors, worker.errors[:] = list(worker.errors), []
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise BaseExceptionGroup("raised by the application", errors)


def chunk_of(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def is_async(body: _content.Body | None) -> bool:
    return isinstance(body, AsyncIterable)


def pieces_of(request: Prepared) -> Iterator[bytes]:
    """What is sent behind the head; not of content that is asynchronous."""
    body: Any = request.body
    if isinstance(body, bytes):
        yield body
    elif body is not None:
        for data in body:
            if data:
                yield chunk_of(data)
        yield LAST_CHUNK


def next_piece(stream: Response, parser: AnswerParser) -> bytes | None:
    """Once parser.has_piece(); None at the end, when trailers are known."""
    if parser.chunks:
        return parser.chunks.popleft()
    stream.trailers = Headers(parser.trailers)
    return None
