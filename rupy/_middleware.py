"""The chain around a handler: one coroutine for each request.

It is put together once, when the application is served, from functions that
take the request and give a Response: the handler is the innermost, every
middleware one around it.  No function of the chain raises but for what ends
a task: an exception becomes an answer where it was raised, so that whatever
stands further out sees it.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from . import _core, _debug
from ._answer import Upgrade, as_response, for_core, of_tapped
from ._around import Around, Layer
from ._errors import HTTPError
from ._signature import name_of

Request = _core.Request
Response = _core.Response
Step = Callable[[Request], Awaitable[Response]]
Fail = Callable[[Request, Exception], Awaitable[Response]]

_status_of = _core.App._status
_begin = _core.App._begin
_call = _core.App._call

# Of a `def` around function; requests beyond that wait for one.
THREADS = 16

#: Told of every exception that became an answer without a handler of the
#: application's.
on_unhandled: Callable[[BaseException], None] | None = None


def before_only(
    apps: Sequence[Around],
) -> tuple[Callable[..., Any], ...] | None:
    """The functions to be called, when there is nothing else around."""
    functions = []
    for app in apps:
        if app._afters or app._status_handlers or app._class_handlers:
            return None
        if app._outermost:
            return None
        for layer in app._layers:
            if layer.takes != 1 or layer.is_async:
                return None
            functions.append(layer.function)
    return tuple(functions)


def build(apps: Sequence[Around], debug: bool) -> Callable[[Request], Any]:
    """The chain for requests that the last of these answers; each is mounted
    in the one before."""
    fails = [_failure(apps[: i + 1], debug) for i in range(len(apps))]
    step = _innermost(fails[-1])
    for app, fail in zip(reversed(apps), reversed(fails), strict=True):
        for layer in reversed(app._layers):
            step = _wrap(layer, step, fail)
        for layer in app._afters[::-1]:
            step = _after(layer, step, fail)
    if apps[0]._outermost:
        step = apps[0]._outermost(step)

    async def run(request: Request) -> object:
        response = await step(request)
        if isinstance(response, Upgrade):
            # The handler begins with the variables that were set here.
            return contextvars.copy_context()
        return for_core(response)

    return run


# ---- The handler ----


def _innermost(fail: Fail) -> Step:
    async def innermost(request: Request) -> Response:
        try:
            status = _status_of(request)
            if status is None:
                result = _begin(request)
                if inspect.isawaitable(result):
                    result = await result
                if isinstance(result, _core.Tapped):
                    return of_tapped(result)
                return as_response(result, _handler_of(request))
        except Exception as error:
            return await fail(request, error)
        return await _without_handler(request, *status, fail)

    return innermost


def _handler_of(request: Request) -> str:
    for route in getattr(request.app, "routes", ()):
        if route.pattern == request.route and (
            request.method in route.methods
            or "*" in route.methods
            or (request.method == "HEAD" and "GET" in route.methods)
        ):
            return f"handler {name_of(route.handler)}"
    return f"the handler of {request.route}"


async def _without_handler(
    request: Request, status: int, allow: str | None, fail: Fail
) -> Response:
    if status == HTTPStatus.SWITCHING_PROTOCOLS:
        return Upgrade()
    headers = {} if allow is None else {"allow": allow}
    if status < 400:
        return Response(b"", status, headers)
    if status == 503:
        headers["retry-after"] = "1"
    text = f"{status} {HTTPStatus(status).phrase}\n"
    return await fail(request, HTTPError(status, text, headers))


# ---- Middleware ----


def _wrap(layer: Layer, inner: Step, fail: Fail) -> Step:
    if layer.takes == 1:
        return _before(layer, inner, fail)
    if layer.is_async:
        return _around(layer, inner, fail)
    return _threaded_around(layer, inner, fail)


def _before(layer: Layer, inner: Step, fail: Fail) -> Step:
    function, who, is_async = layer.function, _who(layer), layer.is_async

    async def before(request: Request) -> Response:
        try:
            if is_async:
                answer = await function(request)
            else:
                answer = _call(request, function, request)
            if answer is not None:
                return as_response(answer, who)
        except Exception as error:
            return await fail(request, error)
        return await inner(request)

    return before


def _around(layer: Layer, inner: Step, fail: Fail) -> Step:
    function, who = layer.function, _who(layer)

    async def around(request: Request) -> Response:
        try:
            return as_response(await function(request, inner), who)
        except Exception as error:
            return await fail(request, error)

    return around


def _threaded_around(layer: Layer, inner: Step, fail: Fail) -> Step:
    """The function runs in a thread of its own pool, and the rest here, in
    the task of the request: while the one is at work the other waits.

    A pool for each function, since a thread waits for what is further in:
    with one for all, requests that are further out could have all threads.
    """
    function, who = layer.function, _who(layer)
    pool: list[ThreadPoolExecutor] = []

    async def around(request: Request) -> Response:
        if not pool:
            pool.append(ThreadPoolExecutor(THREADS, "rupy-middleware"))
        loop = asyncio.get_running_loop()
        asked = loop.create_future()
        reply: Future[Response] = Future()

        def call_next(request: Request) -> Response:
            loop.call_soon_threadsafe(_settle, asked, request)
            return reply.result()

        context = contextvars.copy_context()
        work = loop.run_in_executor(
            pool[0], context.run, function, request, call_next
        )
        try:
            await asyncio.wait(
                (asked, work), return_when=asyncio.FIRST_COMPLETED
            )
            if asked.done():
                for variable, value in context.items():
                    if variable.get(None) is not value:
                        variable.set(value)
                reply.set_result(await inner(asked.result()))
            return as_response(await work, who)
        except Exception as error:
            return await fail(request, error)
        finally:
            asked.cancel()
            if not reply.done():
                # The task was cancelled: the thread must not wait for ever,
                # and nobody waits for what it gives.
                work.add_done_callback(_drop)
                reply.set_exception(
                    RuntimeError("call_next(): the request was cancelled")
                )

    return around


def _drop(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


def _settle(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)


def _after(layer: Layer, inner: Step, fail: Fail) -> Step:
    function, is_async = layer.function, layer.is_async
    who = f"after_request function {layer.name}"

    async def after(request: Request) -> Response:
        response = await inner(request)
        try:
            if is_async:
                answer = await function(request, response)
            else:
                answer = _call(request, function, request, response)
            return as_response(answer, who)
        except Exception as error:
            return await fail(request, error)

    return after


def _who(layer: Layer) -> str:
    return f"middleware {layer.name}"


# ---- Errors ----


def _failure(apps: Sequence[Around], debug: bool) -> Fail:
    """What makes an answer of an exception: the handlers of the last of the
    applications come first."""
    tables = [
        (app._status_handlers, app._class_handlers) for app in reversed(apps)
    ]

    def find(error: BaseException) -> Layer | None:
        for statuses, classes in tables:
            if isinstance(error, HTTPError) and error.status in statuses:
                return statuses[error.status]
            for cls in type(error).__mro__:
                if cls in classes:
                    return classes[cls]
                if cls is HTTPError:
                    break  # it is no accident: not what Exception is for
        return None

    def find_500() -> Layer | None:
        for statuses, _ in tables:
            if 500 in statuses:
                return statuses[500]
        return None

    async def fail(request: Request, error: Exception) -> Response:
        handler = find(error)
        status = error.status if isinstance(error, HTTPError) else 500
        if handler is None and isinstance(error, HTTPError):
            return Response(error.detail, error.status, error.headers)
        if handler is None:
            log_unhandled(request, error)
            handler = find_500()
        if handler is None:
            return last_answer(request, error, debug)
        try:
            answer = await _call_error_handler(handler, request, error)
            response = as_response(
                answer, f"error handler {handler.name}", status
            )
        except HTTPError as second:
            return Response(second.detail, second.status, second.headers)
        except Exception as second:
            # The first is its context, so both are in the traceback.
            if second.__context__ is None:
                second.__context__ = error
            log_unhandled(request, second, f"error handler {handler.name}")
            return last_answer(request, second, debug)
        if isinstance(error, HTTPError) and error.status == 405:
            _keep_allow(response, error)
        return response

    return fail


def _keep_allow(response: Response, error: HTTPError) -> None:
    # RFC 9110 15.5.6: an answer of 405 has one.
    allow = dict(error.headers or {}).get("allow")
    if response.status == 405 and allow:
        response.headers.setdefault("allow", allow)


async def _call_error_handler(
    handler: Layer, request: Request, error: Exception
) -> object:
    args = (request, error) if handler.takes == 2 else (error,)
    if handler.is_async:
        return await handler.function(*args)
    return _call(request, handler.function, *args)


def log_unhandled(
    request: Request, error: BaseException, where: str = ""
) -> None:
    """One line, and the traceback below it."""
    if on_unhandled:
        on_unhandled(error)
    name = getattr(request.state, "request_id", None)
    name = name or request.headers.get("x-request-id")
    label = f" (request id {name})" if name else ""
    what = str(error).partition("\n")[0]
    text = (
        f"{request.method} {request.path}{label}: unhandled"
        f" {type(error).__name__}{': ' if what else ''}{what}"
        f"{f' in {where}' if where else ''}"
    )
    printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    _core.App._log_exception(printable, error)


def last_answer(
    request: Request, error: BaseException, debug: bool
) -> Response:
    """For an exception that nobody handles."""
    if debug:
        return _debug.page(request, error)
    return Response("500 Internal Server Error\n", 500)
