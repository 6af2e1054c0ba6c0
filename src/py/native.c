/* native.c -- calls a handler of a rupy app with what its route found, and
 * waits for it when it waits.  Nothing is built that the handler does not
 * take. */
#include "rupy/py/native.h"

#include "rupy/py/request.h"

int
rp_native_fill_args(struct rp_native_route *route, struct rp_exchange *x,
                    PyObject *request, PyObject **args)
{
    const struct rp_match *m = rp_exchange_match(x);

    for (unsigned i = 0; i < route->nall; i++) {
        int slot = route->slots[i];
        if (slot < 0) {
            args[i] = Py_NewRef(request);
            continue;
        }
        args[i] = rp_param_convert(route->app->st, route->conv[slot],
                                   m->params[slot]);
        if (!args[i]) {
            while (i-- > 0)
                Py_DECREF(args[i]);
            return PyErr_Occurred() ? -1 : 1;
        }
    }
    return 0;
}

/* Call a handler that is not async: variables that it sets are its own, and it
 * finds no running loop, since asyncio.run() and Django refuse to work under
 * one.  Its context is a new reference in *context. */
static PyObject *
call_inline(struct rp_native_route *route, PyObject **args, PyObject **context)
{
    struct rp_loop *loop = route->app->loop;
    PyObject *result = NULL;

    if (rp_loop_hide(loop) < 0)
        return NULL;
    *context = rp_loop_copy_context(loop);
    if (*context && PyContext_Enter(*context) == 0) {
        result = PyObject_Vectorcall(
            route->handler, args, route->nargs | PY_VECTORCALL_ARGUMENTS_OFFSET,
            route->kwnames);
        PyContext_Exit(*context);
    }
    return result;
}

/* *context stays NULL when it was the current one. */
static PyObject *
call_handler(struct rp_native_route *route, PyObject **args, PyObject **context)
{
    PyObject *result;

    if (route->is_async)
        result = PyObject_Vectorcall(
            route->handler, args, route->nargs | PY_VECTORCALL_ARGUMENTS_OFFSET,
            route->kwnames);
    else
        result = call_inline(route, args, context);
    for (unsigned i = 0; i < route->nall; i++)
        Py_DECREF(args[i]);
    return result;
}

/* Answer with what a coroutine gave; context is stolen. */
static void
finish_in(struct rp_native_route *route, struct rp_exchange *x,
          PyObject *request, PyObject *result, PyObject *context)
{
    struct rp_loop *loop = route->app->loop;
    PyObject *before = rp_loop_swap_context(loop, context);

    rp_native_finish(route, x, request, result);
    Py_XDECREF(rp_loop_swap_context(loop, before));
}

static void
on_done(void *arg, PyObject *result)
{
    struct rp_call *call = arg;

    call->task = NULL;
    rp_exchange_set_data(call->x, NULL);
    finish_in(call->route, call->x, call->request, Py_XNewRef(result),
              call->context);
}

/* Drive what the handler returned, stolen. */
static void
await_result(struct rp_native_route *route, struct rp_exchange *x,
             PyObject *request, PyObject *awaitable)
{
    struct rp_loop *loop = route->app->loop;
    struct rp_call *call = rp_arena_alloc(rp_exchange_arena(x), sizeof(*call));
    PyObject *context = rp_loop_copy_context(loop), *result = NULL;

    if (!call || !context) {
        Py_DECREF(awaitable);
        Py_XDECREF(context);
        PyErr_NoMemory();
        rp_native_fail(route, x, request);
        return;
    }
    *call = (struct rp_call){
        .route = route, .x = x, .request = request, .context = context};
    /* An error has no result, and is answered for in the same way. */
    if (rp_drive_start_in(loop, awaitable, context, on_done, call, &result,
                          &call->task) == RP_DRIVE_WAITS)
        rp_exchange_set_data(x, call);
    else
        finish_in(route, x, request, result, context);
}

void
rp_native_result(struct rp_native_route *route, struct rp_exchange *x,
                 PyObject *request, PyObject *result)
{
    if (result && rp_drive_is_awaitable(result))
        await_result(route, x, request, result);
    else
        rp_native_finish(route, x, request, result);
}

void
rp_native_result_in(struct rp_native_route *route, struct rp_exchange *x,
                    PyObject *request, PyObject *result, PyObject *context)
{
    struct rp_loop *loop = route->app->loop;
    PyObject *before = rp_loop_swap_context(loop, context);

    rp_native_result(route, x, request, result);
    Py_XDECREF(rp_loop_swap_context(loop, before));
}

void
rp_native_refuse(struct rp_native_route *route, struct rp_exchange *x,
                 PyObject *request, int bad)
{
    if (bad < 0) {
        rp_native_fail(route, x, request);
        return;
    }
    rp_request_object_end(request);
    rp_exchange_answer_status(x, 404);
}

void
rp_native_wake(PyObject **waiter)
{
    PyObject *future = *waiter, *r;

    *waiter = NULL;
    if (!future)
        return;
    r = PyObject_CallMethod(future, "done", NULL);
    if (r == Py_False)
        Py_XSETREF(r, PyObject_CallMethod(future, "set_result", "O", Py_None));
    if (!r)
        PyErr_WriteUnraisable(future);
    Py_XDECREF(r);
    Py_DECREF(future);
}

void
rp_native_start_with(struct rp_native_route *route, struct rp_exchange *x,
                     PyObject *request)
{
    struct rp_app_object *app = route->app;
    PyObject *args[RP_MAX_PARAMS + 2]; /* args[0]: scratch for vectorcall */
    PyObject *context = NULL, *result;
    int bad;

    if (route->route.handler.streams &&
        rp_request_object_open_content(request, x, app->loop) < 0) {
        rp_native_fail(route, x, request);
        return;
    }
    if (route->threaded && app->pool) {
        rp_threaded_start(route, x, request);
        return;
    }
    bad = rp_native_fill_args(route, x, request, args + 1);
    if (bad) {
        rp_native_refuse(route, x, request, bad);
        return;
    }
    result = call_handler(route, args + 1, &context);
    if (context)
        rp_native_result_in(route, x, request, result, context);
    else
        rp_native_result(route, x, request, result);
}

static void
native_start(void *self, struct rp_exchange *x)
{
    struct rp_native_route *route = self;
    PyObject *request =
        rp_request_object_new(route->app->st, x, (PyObject *)route->app);

    if (request)
        rp_native_start_with(route, x, request);
    else
        rp_native_fail(route, x, NULL);
}

static void
cancel(struct rp_call *call)
{
    if ((call->route->app->cancels || rp_exchange_is_overdue(call->x)) &&
        call->task && rp_drive_cancel(call->task) < 0)
        PyErr_WriteUnraisable(call->route->handler);
}

/* The end of a handler whose client is gone.  It may have been told so by an
 * error where it read on; others are news. */
static void
on_orphan_done(void *arg, PyObject *result)
{
    struct rp_app_object *app = arg;
    PyObject *exc;

    if (result)
        return;
    exc = rp_py_take_exception();
    if (rp_py_state_load_http_error(app->st) < 0)
        PyErr_Clear();
    if (!PyErr_GivenExceptionMatches(exc, PyExc_Exception) ||
        (app->st->http_error &&
         PyErr_GivenExceptionMatches(exc, app->st->http_error))) {
        Py_DECREF(exc);
        return;
    }
    rp_py_set_exception(exc);
    rp_loop_report(app->loop, "Exception in a handler whose client is gone",
                   NULL);
}

/* The client is gone.  The handler goes on to its end, as it does under every
 * other server, unless it was asked to be cancelled; its answer has nobody to
 * go to. */
static void
native_stop(void *self, struct rp_exchange *x)
{
    struct rp_call *call = rp_exchange_data(x);

    (void)self;
    if (!call)
        return;
    rp_exchange_set_data(x, NULL);
    if (call->threaded) {
        rp_threaded_stop(call->threaded);
        return;
    }
    if (call->stream) {
        rp_stream_stop(call->stream);
        return;
    }
    rp_request_object_set_disconnected(call->request);
    rp_request_object_end(call->request);
    Py_CLEAR(call->context);
    cancel(call);
    rp_drive_hand_over(call->task, on_orphan_done, call->route->app);
}

static void
native_eof(void *self, struct rp_exchange *x)
{
    struct rp_call *call = rp_exchange_data(x);

    (void)self;
    if (!call)
        return;
    if (call->stream) {
        rp_request_object_wake(rp_stream_request(call->stream));
        rp_stream_eof(call->stream);
        return;
    }
    rp_request_object_set_disconnected(call->request);
    rp_request_object_wake(call->request);
    cancel(call);
}

/* The client sent something, or the end of it. */
static void
native_content(void *self, struct rp_exchange *x)
{
    struct rp_call *call = rp_exchange_data(x);

    (void)self;
    if (call)
        rp_request_object_wake(call->stream ? rp_stream_request(call->stream)
                                            : call->request);
}

static void
native_drained(void *self, struct rp_exchange *x)
{
    struct rp_call *call = rp_exchange_data(x);

    (void)self;
    if (call && call->stream)
        rp_stream_drained(call->stream);
}

const struct rp_handler_ops rp_native_ops = {
    .start = native_start,
    .stop = native_stop,
    .eof = native_eof,
    .content = native_content,
    .drained = native_drained,
};
