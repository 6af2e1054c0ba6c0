/* asgi_call.c -- one call of an ASGI application: calls it, waits for it, and
 * answers for it when it does not. */
#include "rupy/base/log.h"
#include "rupy/py/asgi_impl.h"
#include "rupy/py/traceback.h"

/* ---- One call of the application ---- */

struct rp_asgi_call *
rp_asgi_call_new(struct rp_asgi_object *a, struct rp_exchange *x)
{
    struct rp_asgi_call *call = rp_asgi_take(&a->calls, a->st->asgi_call_type);

    if (!call)
        return NULL;
    memset((char *)call + sizeof(PyObject), 0,
           sizeof(*call) - sizeof(PyObject));
    call->asgi = (struct rp_asgi_object *)Py_NewRef((PyObject *)a);
    call->x = x;
    call->length = call->left = -1;
    rp_await_queue_init(&call->queue, a->loop);
    PyObject_GC_Track(call);
    return call;
}

static int
call_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((struct rp_asgi_call *)self)->asgi);
    if (((struct rp_asgi_call *)self)->ws)
        return rp_wslink_traverse(&((struct rp_asgi_call *)self)->ws->link,
                                  visit, arg);
    return 0;
}

static void
call_dealloc(PyObject *self)
{
    struct rp_asgi_call *call = (struct rp_asgi_call *)self;
    struct rp_asgi_object *a = call->asgi;

    PyObject_GC_UnTrack(self);
    if (call->ws)
        rp_asgi_ws_free(call);
    Py_CLEAR(call->method);
    Py_CLEAR(call->path);
    rp_asgi_give(&a->calls, self);
    Py_DECREF(a);
}

static PyType_Slot call_slots[] = {
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_traverse, call_traverse},
    {0, NULL},
};

PyType_Spec rp_asgi_call_spec = {
    .name = "rupy._core.Call",
    .basicsize = sizeof(struct rp_asgi_call),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = call_slots,
};

/* ---- The end of a call ---- */

/* New reference: text with nothing in it that would break a line. */
static PyObject *
in_one_line(PyObject *text)
{
    Py_ssize_t n = text ? PyUnicode_GET_LENGTH(text) : 0;

    if (!text)
        return PyUnicode_FromString("?");
    for (Py_ssize_t i = 0; i < n; i++)
        if (!Py_UNICODE_ISPRINTABLE(PyUnicode_READ_CHAR(text, i)))
            return PyObject_ASCII(text);
    return Py_NewRef(text);
}

/* "GET /path: what", and the exception if there is one. */
void
rp_asgi_complain(struct rp_asgi_call *call, const char *what, PyObject *exc)
{
    PyObject *method = in_one_line(call->method), *line = NULL;
    PyObject *path = in_one_line(call->path);
    const char *p;

    if (method && path)
        line = PyUnicode_FromFormat("%U %U: %s%s", method, path, what,
                                    exc ? Py_TYPE(exc)->tp_name : "");
    if (exc) {
        rp_py_log_exception(line, exc);
    } else {
        p = line ? PyUnicode_AsUTF8(line) : NULL;
        rp_error("%s", p ? p : what);
    }
    Py_XDECREF(method);
    Py_XDECREF(path);
    Py_XDECREF(line);
    PyErr_Clear();
}

/* The application gave up because its client had gone: an OSError of send(),
 * or what it made of it. */
static bool
is_disconnect(const struct rp_asgi_call *call, PyObject *exc)
{
    PyObject *e = Py_NewRef(exc), *next;
    bool yes = false;

    if (!call->gone && !call->told) {
        Py_DECREF(e);
        return false;
    }
    for (int depth = 0; e && !yes && depth < 16; depth++) {
        yes = PyErr_GivenExceptionMatches(e, PyExc_OSError);
        next = PyException_GetContext(e);
        Py_SETREF(e, next);
    }
    Py_XDECREF(e);
    return yes;
}

/* The application raised; takes the exception that is set. */
static void
on_exception(struct rp_asgi_call *call, PyObject *exc)
{
    struct rp_aio_state *aio = &call->asgi->st->aio;

    if (PyErr_GivenExceptionMatches(exc, aio->cancelled_error)) {
        if (call->x)
            rp_asgi_complain(call, "the application was cancelled", NULL);
    } else if (!is_disconnect(call, exc)) {
        rp_asgi_complain(call,
                         "unhandled exception in the ASGI application: ", exc);
    }
}

/* Whatever is missing of the answer. */
static void
end_exchange(struct rp_asgi_call *call, bool failed)
{
    struct rp_exchange *x = call->x;

    if (!x)
        return;
    if (!failed && !call->told)
        rp_asgi_complain(
            call,
            call->stage == RP_ASGI_START
                ? "the ASGI application returned without starting a "
                  "response"
                : "the ASGI application returned before the response "
                  "was complete",
            NULL);
    rp_asgi_end(call);
    if (call->cut && !rp_exchange_has_head(x))
        rp_exchange_answer_status(x, 400);
    else
        rp_exchange_abort(x);
}

/* Takes the exception that is set, when result is NULL; new reference to it
 * when it must leave the loop. */
static PyObject *
finish(struct rp_asgi_call *call, PyObject *result)
{
    PyObject *exc = result ? NULL : rp_py_take_exception();

    call->task = NULL;
    if (exc)
        on_exception(call, exc);
    if (call->ws)
        rp_asgi_ws_end(call, exc != NULL);
    else
        end_exchange(call, exc != NULL);
    rp_asgi_scope_over(call->asgi);
    Py_DECREF(call);
    if (exc && !PyErr_GivenExceptionMatches(exc, PyExc_KeyboardInterrupt) &&
        !PyErr_GivenExceptionMatches(exc, PyExc_SystemExit))
        Py_CLEAR(exc);
    return exc;
}

static void
on_done(void *arg, PyObject *result)
{
    PyObject *exc = finish(arg, result);

    Py_XDECREF(exc); /* the loop has it already */
}

/* ---- Requests ---- */

/* New reference: what the application returned. */
static PyObject *
call_app(struct rp_asgi_object *a, struct rp_asgi_call *call, PyObject *scope)
{
    PyObject *args[4] = {NULL, scope, NULL, NULL}, *result = NULL;

    args[2] = rp_asgi_port_new(call, false);
    args[3] = args[2] ? rp_asgi_port_new(call, true) : NULL;
    if (args[3])
        result = PyObject_Vectorcall(a->app, args + 1,
                                     3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_XDECREF(args[2]);
    Py_XDECREF(args[3]);
    if (result && !rp_drive_is_awaitable(result)) {
        PyErr_Format(PyExc_TypeError,
                     "the ASGI application returned %s, which cannot be "
                     "awaited",
                     Py_TYPE(result)->tp_name);
        Py_CLEAR(result);
    }
    return result;
}

static void
drive(struct rp_asgi_object *a, struct rp_asgi_call *call, PyObject *coro)
{
    PyObject *result = NULL, *exc;

    switch (
        rp_drive_start(a->loop, coro, on_done, call, &result, &call->task)) {
    case RP_DRIVE_DONE:
        finish(call, result);
        Py_DECREF(result);
        return;
    case RP_DRIVE_ERROR:
        exc = finish(call, NULL);
        if (exc) {
            rp_py_set_exception(exc);
            rp_loop_take_exception(a->loop);
        }
        return;
    case RP_DRIVE_WAITS:
        return;
    }
}

/* The scope's method is upper case, and "get" is not GET (RFC 9110 9.1): who
 * sends that means something that nobody implements. */
static bool
is_lower_method(const struct rp_request *r)
{
    if (r->method != RP_METHOD_OTHER)
        return false;
    for (size_t i = 0; i < r->method_name.n; i++)
        if (Py_ISLOWER(r->method_name.p[i]))
            return true;
    return false;
}

void
rp_asgi_call_run(struct rp_asgi_call *call, PyObject *scope)
{
    struct rp_asgi_object *a = call->asgi;
    struct rp_exchange *x = call->x;
    PyObject *coro, *exc;

    if (!scope && !PyErr_Occurred()) {
        /* The scope's path is text, and this one is none. */
        rp_asgi_end(call);
        Py_DECREF(call);
        rp_exchange_answer_status(x, 400);
        return;
    }
    rp_exchange_set_data(x, call);
    coro = scope ? call_app(a, call, scope) : NULL;
    Py_XDECREF(scope);
    if (coro) {
        drive(a, call, coro);
        return;
    }
    exc = finish(call, NULL);
    if (exc) {
        rp_py_set_exception(exc);
        rp_loop_take_exception(a->loop);
    }
}

static void
asgi_start(void *self, struct rp_exchange *x)
{
    struct rp_asgi_object *a = self;
    struct rp_asgi_call *call;

    if (is_lower_method(rp_exchange_request(x))) {
        rp_exchange_answer_status(x, 501);
        return;
    }
    call = rp_asgi_call_new(a, x);
    if (!call) {
        PyErr_WriteUnraisable((PyObject *)a);
        rp_exchange_abort(x);
        return;
    }
    rp_asgi_call_run(call, rp_asgi_scope_http(call));
}

/* The application goes on: it is told when it asks. */
static void
asgi_stop(void *self, struct rp_exchange *x)
{
    struct rp_asgi_call *call = rp_exchange_data(x);

    (void)self;
    if (!call)
        return;
    call->gone = true;
    if (rp_exchange_is_overdue(x) && call->task &&
        rp_drive_cancel(call->task) < 0)
        PyErr_WriteUnraisable((PyObject *)call->asgi);
    rp_asgi_end(call);
}

static void
asgi_eof(void *self, struct rp_exchange *x)
{
    struct rp_asgi_call *call = rp_exchange_data(x);

    (void)self;
    if (!call)
        return;
    call->eof = true;
    rp_asgi_wake(call);
}

static void
asgi_wake(void *self, struct rp_exchange *x)
{
    struct rp_asgi_call *call = rp_exchange_data(x);

    (void)self;
    if (call)
        rp_asgi_wake(call);
}

const struct rp_handler_ops rp_asgi_ops = {
    .start = asgi_start,
    .stop = asgi_stop,
    .eof = asgi_eof,
    .content = asgi_wake,
    .drained = asgi_wake,
};
