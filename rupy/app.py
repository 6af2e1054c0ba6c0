"""The application: its routes, and running it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from . import _core, _pattern, _proxy, _signature, _static
from ._life import Life

Handler = TypeVar("Handler", bound=Callable[..., object])

# RFC 9110 5.6.2
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# What the core's router calls a handshake of a WebSocket.
_WEBSOCKET = "(websocket)"


class Route(NamedTuple):
    """A route as it was registered."""

    pattern: str
    methods: tuple[str, ...]
    """Upper case; ``("*",)`` is any method, ``("(websocket)",)`` a
    WebSocket."""
    name: str
    handler: Callable[..., object]
    threaded: bool
    stream: bool = False


class Rupy(Life):
    """A web application.

    ``import_name`` is accepted for those who are used to giving
    ``__name__``; nothing is done with it.
    """

    def __init__(self, import_name: str | None = None) -> None:
        super().__init__()
        self._routes: list[Route] = []
        self._paths: dict[str, list[tuple[str | _pattern.Param, ...]]] = {}

    # ---- routes ----

    @property
    def routes(self) -> tuple[Route, ...]:
        """All routes, in the order of registration."""
        return tuple(self._routes)

    def route(
        self,
        path: str,
        methods: Iterable[str] = ("GET",),
        name: str | None = None,
        *,
        threaded: bool = False,
        stream: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Register a handler; it is returned unchanged, so routes stack.

        ``path`` is a literal path or a pattern (rupy(7) has the table).
        ``methods`` are case-insensitive here; ``("*",)`` takes any.
        HEAD is answered from GET, and OPTIONS with Allow, unless they are
        registered (RFC 9110 9.3.2, 9.3.7).  ``name`` is for ``url_for``, by
        default the function's own.  ``threaded`` runs a blocking ``def``
        handler off the loop's thread.  ``stream`` starts the handler at the
        end of the header: it reads the content as it comes
        (``request.stream()``); a ``def`` handler does so in a thread.

        Raises ValueError for a bad pattern, a bad method or a duplicate, and
        TypeError for a handler that cannot take the pattern's parameters;
        both name the pattern and the handler.
        """
        if not isinstance(path, str):
            raise TypeError(
                f"route: the path is {type(path).__name__}, not str: is a"
                ' call missing, as in @app.get("/")?'
            )
        if isinstance(methods, str):
            raise TypeError(
                f"route {path!r}: methods is the str {methods!r}, not a list"
            )
        upper = tuple(dict.fromkeys(m.upper() for m in methods))

        def register(handler: Handler) -> Handler:
            self._register(path, upper, handler, name, threaded, stream)
            return handler

        return register

    def _register(
        self,
        pattern: str,
        methods: tuple[str, ...],
        handler: Callable[..., object],
        name: str | None,
        threaded: bool,
        stream: bool = False,
    ) -> None:
        if stream and not _signature.does_not_block(handler):
            threaded = True
        try:
            for method in methods or ("",):
                if method != _WEBSOCKET and not _TOKEN.fullmatch(method):
                    raise ValueError(f"{method!r} is no method")
            pieces = _pattern.parse(pattern)
            takes = (
                _core.WebSocket if methods == (_WEBSOCKET,) else _core.Request
            )
            order, kwnames = _signature.plan(
                handler, _pattern.names(pieces), takes, pattern
            )
            self._add_route(
                pattern, methods, handler, order, kwnames, threaded, stream
            )
        except ValueError as error:
            raise ValueError(
                f"route {pattern!r}, handler {_signature.name_of(handler)}:"
                f" {error}"
            ) from None
        name = name or _signature.short_name_of(handler)
        self._routes.append(
            Route(pattern, methods, name, handler, threaded, stream)
        )
        self._paths.setdefault(name, []).append(pieces)

    def get(
        self, path: str, name: str | None = None, *, threaded: bool = False
    ) -> Callable[[Handler], Handler]:
        """``route(path, ("GET",))``."""
        return self.route(path, ("GET",), name, threaded=threaded)

    def post(
        self,
        path: str,
        name: str | None = None,
        *,
        threaded: bool = False,
        stream: bool = False,
    ) -> Callable[[Handler], Handler]:
        """``route(path, ("POST",))``."""
        return self.route(
            path, ("POST",), name, threaded=threaded, stream=stream
        )

    def put(
        self,
        path: str,
        name: str | None = None,
        *,
        threaded: bool = False,
        stream: bool = False,
    ) -> Callable[[Handler], Handler]:
        """``route(path, ("PUT",))``."""
        return self.route(
            path, ("PUT",), name, threaded=threaded, stream=stream
        )

    def patch(
        self,
        path: str,
        name: str | None = None,
        *,
        threaded: bool = False,
        stream: bool = False,
    ) -> Callable[[Handler], Handler]:
        """``route(path, ("PATCH",))``."""
        return self.route(
            path, ("PATCH",), name, threaded=threaded, stream=stream
        )

    def delete(
        self,
        path: str,
        name: str | None = None,
        *,
        threaded: bool = False,
        stream: bool = False,
    ) -> Callable[[Handler], Handler]:
        """``route(path, ("DELETE",))``."""
        return self.route(
            path, ("DELETE",), name, threaded=threaded, stream=stream
        )

    def head(
        self, path: str, name: str | None = None, *, threaded: bool = False
    ) -> Callable[[Handler], Handler]:
        """``route(path, ("HEAD",))``."""
        return self.route(path, ("HEAD",), name, threaded=threaded)

    def options(
        self, path: str, name: str | None = None, *, threaded: bool = False
    ) -> Callable[[Handler], Handler]:
        """``route(path, ("OPTIONS",))``."""
        return self.route(path, ("OPTIONS",), name, threaded=threaded)

    def static(
        self,
        prefix: str,
        directory: str | os.PathLike[str],
        *,
        index: str | None = "index.html",
        max_age: int | None = 0,
        precompressed: bool = True,
        dot_files: bool = False,
        types: Mapping[str, str] | None = None,
        name: str = "static",
    ) -> None:
        """Serve the files of a folder below a path.

        The C core answers GET and HEAD, with Range, conditions and entity
        tags (RFC 9110 13, 14), and sends by sendfile(2).  Symbolic links
        are followed as long as they stay below ``directory``, which is
        relative to the current one.

        ``index`` answers for a folder, None: nothing does.  ``max_age`` is
        in seconds, for Cache-Control; 0 lets clients ask each time, None
        says nothing.  ``precompressed`` sends ``a.js.br``, ``a.js.zst`` or
        ``a.js.gz`` for ``a.js`` to clients that take it, unless it is older.
        ``dot_files`` serves names that begin with a dot.  ``types`` are media
        types by the end of the name, ``{".wat": "text/plain"}``, before those
        that are known.  ``url_for(name, path=...)`` builds a path.

        Raises ValueError for a prefix that is no literal path, for what is
        no folder, and for a route that exists.
        """
        below, bare = _pattern.below(prefix, "static", "/static")
        files = _static.folder(
            directory, index, max_age, precompressed, dot_files, types
        )
        get = ("GET",)
        self._add_route(below, get, files, (None, "path"), (), False)
        self._routes.append(Route(below, get, name, files, False))
        self._paths.setdefault(name, []).append(_pattern.parse(below))
        if bare is not None:
            self._add_route(bare, get, files, (None,), (), False)
            self._routes.append(Route(bare, get, name, files, False))

    def websocket(
        self, path: str, name: str | None = None
    ) -> Callable[[Handler], Handler]:
        """Register an ``async def`` handler of WebSockets (RFC 6455).

        It is called with a ``WebSocket`` and the parameters of the path,
        which may be that of a GET route as well.  When it returns, the
        WebSocket is closed with 1000; when it raises, with 1011.  If it
        never accepted, the client is answered 403.

        Raises what ``route`` does, and TypeError for a handler that is no
        coroutine function.
        """

        def register(handler: Handler) -> Handler:
            if not _signature.is_async(handler):
                raise TypeError(
                    f"websocket {path!r}: handler"
                    f" {_signature.name_of(handler)} is not async def"
                )
            self._register(path, (_WEBSOCKET,), handler, name, False)
            return handler

        return register

    def proxy(
        self,
        prefix: str,
        backends: str | Sequence[str],
        *,
        host: str | None = None,
        connections: int = 64,
        queue: int = 1024,
        connect_timeout: float = 5.0,
        queue_timeout: float = 10.0,
        timeout: float = 60.0,
        read_timeout: float = 60.0,
        tunnel_timeout: float = 3600.0,
        keep_alive: float = 4.0,
        fail_timeout: float = 10.0,
    ) -> None:
        """Let other servers answer what is below a path, whatever the method.

        The C core writes each request anew for a backend and passes the
        answer on, content streaming both ways; WebSockets go through.

        ``backends`` is ``http://host:port`` or ``unix:/path``, or several of
        them that take turns.  A backend without a path gets the request's
        target as it came: ``proxy("/api", "http://b:8080")`` asks b for
        ``/api/x``.  With a path, that stands for the prefix:
        ``http://b:8080/`` is asked for ``/x``, ``http://b:8080/v2`` for
        ``/v2/x``; of a unix socket it stands behind a colon,
        ``unix:/run/b.sock:/v2``.

        ``host`` is the value of Host, by default the client's.  Each worker
        has at most ``connections`` to a backend, and ``queue`` requests may
        wait for one.  Times are in seconds: until there is a connection
        (``connect_timeout``, 504), until one is free (``queue_timeout``,
        503), from the request's end to the answer's head (``timeout``, 504),
        without any progress (``read_timeout``; ``tunnel_timeout`` after an
        upgrade), that an idle connection is kept (``keep_alive``: choose
        less than the backend does), and that a backend which takes no
        connections is passed over (``fail_timeout``).

        Raises ValueError for a prefix that is no literal path, for what is
        no backend, for times and numbers that cannot be, and for a route
        that exists.
        """
        below, bare = _pattern.below(prefix, "proxy", "/api")
        handler = _proxy.proxy(
            prefix,
            backends,
            host,
            connections,
            queue,
            {
                "connect_timeout": connect_timeout,
                "queue_timeout": queue_timeout,
                "timeout": timeout,
                "read_timeout": read_timeout,
                "tunnel_timeout": tunnel_timeout,
                "keep_alive": keep_alive,
                "fail_timeout": fail_timeout,
            },
        )
        any_method = ("*",)
        self._add_route(below, any_method, handler, (), (), False)
        if bare is not None:
            self._add_route(bare, any_method, handler, (), (), False)

    def url_for(self, name: str, /, **params: object) -> str:
        """The path of the first route of that name with these parameters.

        Values are percent-encoded (RFC 3986 2.1).  ``"name:route"`` is a
        route of the application that is mounted with that name.

        Raises LookupError when no route of that name takes exactly these
        parameters, and ValueError for a value that its converter would not
        take back.
        """
        mount, _, rest = name.partition(":")
        if rest:
            for mounted in self._mounts:
                if mounted.name == mount and isinstance(mounted.app, Rupy):
                    return mounted.prefix + mounted.app.url_for(rest, **params)
        routes = self._paths.get(name, [])
        for pieces in routes:
            if set(_pattern.names(pieces)) == params.keys():
                return _pattern.build(pieces, params)
        if not routes:
            raise LookupError(f"no route is named {name!r}")
        wanted = " or ".join(
            f"({', '.join(_pattern.names(pieces))})" for pieces in routes
        )
        raise LookupError(
            f"route {name!r} takes {wanted}, not ({', '.join(params)})"
        )

    def openapi(
        self,
        *,
        title: str,
        version: str,
        description: str | None = None,
        path: str = "/openapi.json",
        docs: str | None = "/docs",
        servers: Sequence[str] = (),
    ) -> None:
        """Describe the application to clients, by OpenAPI 3.1.

        ``path`` answers the document, made of the routes and annotations
        (``rupy.openapi`` says how), and ``docs`` a page that shows it and can
        send requests; None: no page.  ``title``, ``version`` and
        ``description`` are those of the interface, ``servers`` URLs that it
        is at, by default where the document is.

        Raises ValueError for empty texts, for what is no literal path or no
        URL, and for routes that exist.
        """
        from . import _docs

        _docs.add_routes(self, path, docs, title, version, description, servers)

    # ---- running ----

    def run(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        workers: int = 1,
        **options: Any,
    ) -> None:
        """Serve until told to stop.

        ``options`` are those of rupy-serve(1), with ``_`` for ``-``; values
        are numbers, bools, or text as on the command line, and lists for
        options that may be repeated.  ``bind``, ``uds`` or ``fd`` stand
        instead of host and port.  One worker serves in this process, and
        may do so in any thread; more are forked.

        Raises ValueError for options that are none, and SystemExit with the
        server's exit status when it is not 0.
        """
        if not options.keys() & {"bind", "uds", "fd"}:
            options = {"host": host, "port": port, **options}
        status = _core.serve(self, {"workers": workers, **options})
        if status != 0:
            sys.exit(status)
