"""A middleware that stands between a server and an ASGI application and holds
each of them to the rules: types, order, and what send() must take or refuse.

Every breach is a line on stdout that begins with VIOLATION.  The rules are
written down here a second time, from the text of ASGI and not from the
server's code.
"""

import os
import re

SCOPE = {
    "asgi": dict,
    "http_version": str,
    "method": str,
    "scheme": str,
    "path": str,
    "raw_path": bytes,
    "query_string": bytes,
    "root_path": str,
    "headers": list,
    "state": dict,
    "extensions": dict,
}
EXTENSIONS = {
    "http.response.pathsend",
    "http.response.zerocopysend",
    "http.response.trailers",
    "http.response.early_hint",
}
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


class Linter:
    def __init__(self, app, without=()):
        self.app = app
        self.without = without

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            lint = Lifespan(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] not in self.without:
            lint = Http(scope, receive, send)
        else:
            await self.app(scope, receive, send)
            return
        lint.check_scope()
        await self.app(scope, lint.receive, lint.send)


class Lint:
    def __init__(self, scope, receive, send):
        self.scope = scope
        self.where = scope.get("path", "lifespan")
        self._receive = receive
        self._send = send

    def want(self, good, what):
        if not good:
            print(f"VIOLATION {self.where}: {what}", flush=True)


class Lifespan(Lint):
    received = 0

    def check_scope(self):
        scope = self.scope
        self.want(set(scope) == {"type", "asgi", "state"}, list(scope))
        self.want(
            scope["asgi"] == {"version": "3.0", "spec_version": "2.0"},
            scope["asgi"],
        )
        self.want(type(scope["state"]) is dict, "state is a dict")

    async def receive(self):
        message = await self._receive()
        due = ["lifespan.startup", "lifespan.shutdown"][self.received]
        self.received += 1
        self.want(message == {"type": due}, f"{message} where {due} is due")
        return message

    async def send(self, message):
        self.want(await self._send(message) is None, "send() gives None")


class Http(Lint):
    def __init__(self, scope, receive, send):
        super().__init__(scope, receive, send)
        self.content_over = False
        self.disconnected = False
        self.stage = "start"
        self.left = None  # of the declared length
        self.trailers = False

    # ---- the server's side ----

    def check_scope(self):
        want, scope = self.want, self.scope
        want(type(scope) is dict, "the scope is a dict")
        want(
            set(scope) == {*SCOPE, "type", "client", "server"},
            f"keys: {sorted(scope)}",
        )
        for key, kind in SCOPE.items():
            want(type(scope[key]) is kind, f"{key}: {scope[key]!r}")
        version = scope["asgi"].get("spec_version")
        want(scope["asgi"].get("version") == "3.0", scope["asgi"])
        want(version in ("2.3", "2.4", "2.5"), f"spec_version: {version}")
        want(scope["http_version"] in ("1.0", "1.1"), scope["http_version"])
        want(scope["method"] == scope["method"].upper(), scope["method"])
        want(scope["scheme"] in ("http", "https"), scope["scheme"])
        want(scope["path"][:1] in ("/", "*"), scope["path"])
        want(b"?" not in scope["raw_path"], scope["raw_path"])
        want(scope["query_string"][:1] != b"?", scope["query_string"])
        want(scope["path"].startswith(scope["root_path"]), "root_path")
        want(not scope["root_path"].endswith("/"), "root_path")
        for item in scope["headers"]:
            self.check_header(item)
        for key in ("client", "server"):
            self.check_address(key, scope[key])
        want(set(scope["extensions"]) <= EXTENSIONS, scope["extensions"])
        for value in scope["extensions"].values():
            want(value == {}, f"extensions: {value!r}")

    def check_header(self, item):
        name, value = item
        self.want(type(name) is bytes and type(value) is bytes, item)
        self.want(name == name.lower() and TOKEN.fullmatch(name), item)
        self.want(value == value.strip(b" \t"), item)
        self.want(VALUE.fullmatch(value), item)

    def check_address(self, key, value):
        if value is None:
            return
        host, port = value
        self.want(type(host) is str, value)
        self.want(
            type(port) is int or (port is None and key == "server"), value
        )

    async def receive(self):
        message = await self._receive()
        kind = message["type"]
        self.want(type(message) is dict, f"{message!r} is a dict")
        if kind == "http.disconnect":
            self.want(message == {"type": kind}, message)
            self.disconnected = True
            return message
        self.want(kind == "http.request", message)
        self.want(set(message) == {"type", "body", "more_body"}, message)
        self.want(type(message["body"]) is bytes, "body is bytes")
        self.want(type(message["more_body"]) is bool, "more_body is a bool")
        self.want(not self.content_over, "content after its end")
        self.want(not self.disconnected, "content after http.disconnect")
        self.want(
            message["body"] or not message["more_body"], "a piece of nothing"
        )
        self.content_over = not message["more_body"]
        return message

    # ---- both sides: what is right is taken, what is wrong refused ----

    async def send(self, message):
        before = self.stage, self.left, self.trailers
        wrong = self.fault(message)
        try:
            result = await self._send(message)
        except OSError as error:
            # The client is gone, or a file cannot be opened.
            self.stage, self.left, self.trailers = before
            is_file = "file" in message or "path" in message
            self.want(
                isinstance(error, ConnectionError) or is_file,
                f"{error!r} for {message!r:.200}",
            )
            raise
        except (TypeError, ValueError, RuntimeError) as error:
            self.stage, self.left, self.trailers = before
            self.want(wrong, f"{error!r} for {message!r:.200}")
            raise
        self.want(result is None, f"send() gives {result!r}")
        self.want(not wrong, f"taken, but {wrong}: {message!r:.200}")

    def fault(self, message):
        """What is wrong with it; nothing: it is taken, and the stage is the
        next."""
        if type(message) is not dict or type(message.get("type")) is not str:
            return "no message"
        kind = message["type"].removeprefix("http.response.")
        check = getattr(self, "on_" + kind, None)
        if check is None or kind == message["type"]:
            return "an unknown type"
        if self.stage == "over":
            return None  # ignored
        try:
            return check(message)
        except (TypeError, ValueError) as error:
            return f"a wrong value, {error}"

    def on_start(self, message):
        if self.stage != "start":
            return "the second start"
        status = message.get("status")
        if type(status) is not int or not 200 <= status <= 599:
            return "a wrong status"
        if type(message.get("trailers", False)) is not bool:
            return "trailers is no bool"
        headers = message.get("headers", ())
        if hasattr(headers, "__next__"):
            headers = ()  # an iterator is the server's to go through
        elif not isinstance(headers, (list, tuple)):
            return "headers are no list"
        lengths = []
        for name, value in headers:
            if not TOKEN.fullmatch(name) or not VALUE.fullmatch(value):
                return f"a wrong header, {name}"
            if name.lower() == b"content-length":
                lengths.append(value)
        if len(lengths) > 1 or any(not v.isdigit() for v in lengths):
            return "a wrong length"
        if any(len(item) != 2 for item in headers):
            return "a header of another size"
        if self.scope["method"] != "HEAD":
            self.left = int(lengths[0]) if lengths else None
        self.trailers = (
            message.get("trailers", False)
            and not lengths
            and "http.response.trailers" in self.scope["extensions"]
        )
        self.stage = "body"
        self.begun = False
        return None

    def on_body(self, message):
        data = memoryview(message.get("body", b""))
        return self.piece(message, data.nbytes, message.get("more_body", False))

    def on_zerocopysend(self, message):
        size = os.fstat(message["file"].fileno()).st_size
        offset, count = message.get("offset"), message.get("count")
        if offset is None:
            offset = message["file"].tell()
        n = max(0, size - offset)
        n = n if count is None else min(n, count)
        return self.piece(message, n, message.get("more_body", False))

    def on_pathsend(self, message):
        if self.stage == "body" and self.begun:
            return "a path after a body"
        try:
            n = os.path.getsize(message["path"])
        except OSError:
            n = 0
        return self.piece(message, n, False)

    def piece(self, message, n, more):
        if self.stage != "body":
            return "no body is due"
        if type(more) is not bool:
            return "more_body is no bool"
        if self.left is not None:
            if n > self.left:
                return "too long"
            self.left -= n
        self.begun = True
        if not more:
            self.stage = "trailers" if self.trailers else "over"
        return None

    def on_trailers(self, message):
        if self.stage != "trailers":
            return "no trailers are due"
        for name, value in message.get("headers", ()):
            if not TOKEN.fullmatch(name) or not VALUE.fullmatch(value):
                return f"a wrong trailer, {name}"
        if not message.get("more_trailers", False):
            self.stage = "over"
        return None

    def on_early_hint(self, message):
        """Before the start too: some servers want it there."""
        if self.stage not in ("start", "body"):
            return "too late"
        if any(not VALUE.fullmatch(link) for link in message.get("links", ())):
            return "a wrong link"
        return None
