/* websocket.c -- a handler of @app.websocket: called with a WebSocket, waited
 * for, and answered for when it does not do it itself. */
#include "rupy/py/websocket.h"

#include "rupy/py/traceback.h"

/* ---- The end of a handler ---- */

static bool
is(PyObject *exc, PyObject *type)
{
    return type && PyErr_GivenExceptionMatches(exc, type);
}

/* The code of a WebSocketError. */
static unsigned
code_of(PyObject *exc)
{
    PyObject *value = PyObject_GetAttrString(exc, "code");
    long code = value && PyLong_Check(value) ? PyLong_AsLong(value) : -1;

    Py_XDECREF(value);
    PyErr_Clear();
    return code > 0 && rp_ws_code_is_valid((unsigned)code)
               ? (unsigned)code
               : RP_WS_INTERNAL_ERROR;
}

static void
log_exception(struct websocket_object *ws, PyObject *exc)
{
    PyObject *path = PyObject_GetAttrString(ws->request, "raw_path");
    PyObject *line;

    if (!path)
        PyErr_Clear();
    line = PyUnicode_FromFormat(
        "WebSocket %s: unhandled %s in the handler",
        path && PyBytes_Check(path) ? PyBytes_AS_STRING(path) : "?",
        Py_TYPE(exc)->tp_name);
    rp_py_log_exception(line, exc);
    Py_XDECREF(line);
    Py_XDECREF(path);
    PyErr_Clear();
}

/* What the handler raised after it had accepted, as a code for the client. */
static unsigned
code_of_exception(struct websocket_object *ws, PyObject *exc)
{
    struct rp_py_state *st = ws->link.st;

    if (rp_py_state_load_websocket(st) < 0)
        PyErr_Clear();
    if (is(exc, st->websocket_disconnect))
        return RP_WS_NORMAL;
    if (is(exc, st->websocket_error))
        return code_of(exc);
    if (is(exc, st->aio.cancelled_error))
        return RP_WS_GOING_AWAY;
    log_exception(ws, exc);
    return RP_WS_INTERNAL_ERROR;
}

/* The handler returned without an answer, or raised what is set. */
static void
answer(struct websocket_object *ws, PyObject *exc)
{
    struct rp_exchange *x = ws->link.x;

    rp_wslink_answered(&ws->link);
    rp_exchange_set_data(x, NULL);
    if (exc) {
        rp_py_set_exception(Py_NewRef(exc));
        rp_native_fail(ws->route, x, Py_NewRef(ws->request));
        return;
    }
    rp_request_object_end(Py_NewRef(ws->request));
    rp_exchange_answer_status(x, 403);
}

/* Takes the exception that is set, when failed; it is returned when it must
 * leave the loop. */
static PyObject *
finish(struct websocket_object *ws, bool failed)
{
    PyObject *exc = failed ? rp_py_take_exception() : NULL;
    bool accepted = ws->link.x == NULL;

    ws->task = NULL;
    if (!accepted)
        answer(ws, exc);
    else
        rp_wslink_end(&ws->link,
                      exc ? code_of_exception(ws, exc) : RP_WS_NORMAL);
    Py_DECREF(ws);
    /* rp_native_fail() has handed it on already. */
    if (exc && (!accepted || (!is(exc, PyExc_KeyboardInterrupt) &&
                              !is(exc, PyExc_SystemExit))))
        Py_CLEAR(exc);
    return exc;
}

static void
on_done(void *arg, PyObject *result)
{
    PyObject *exc = finish(arg, result == NULL);

    Py_XDECREF(exc); /* the loop has it already */
}

/* ---- The beginning ---- */

/* handshake_timeout passed, and the exchange is about to be answered. */
static void
on_expired(PyObject *self)
{
    struct websocket_object *ws = (struct websocket_object *)self;

    rp_request_object_set_disconnected(ws->request);
    rp_request_object_end(Py_NewRef(ws->request));
}

/* Steals request, unless it fails. */
static struct websocket_object *
websocket_new(struct rp_native_route *route, PyObject *request)
{
    struct rp_app_object *app = route->app;
    struct rp_py_state *st = app->st;
    struct websocket_object *ws;

    if (!st->websocket_type) {
        PyErr_SetString(PyExc_RuntimeError, "the server is gone");
        return NULL;
    }
    ws = PyObject_GC_New(struct websocket_object, st->websocket_type);
    if (!ws)
        return NULL;
    memset((char *)ws + sizeof(PyObject), 0, sizeof(*ws) - sizeof(PyObject));
    ws->route = route;
    rp_await_queue_init(&ws->queue, app->loop);
    ws->link.st = st;
    ws->link.queue = &ws->queue;
    ws->link.owner = (PyObject *)ws;
    ws->link.expired = on_expired;
    rp_list_init(&ws->link.pending.link);
    ws->request = request;
    PyObject_GC_Track(ws);
    return ws;
}

/* New reference: what the handler returned; NULL with an exception. */
static PyObject *
call_handler(struct rp_native_route *route, PyObject **args)
{
    PyObject *result = PyObject_Vectorcall(
        route->handler, args, route->nargs | PY_VECTORCALL_ARGUMENTS_OFFSET,
        route->kwnames);

    for (unsigned i = 0; i < route->nall; i++)
        Py_DECREF(args[i]);
    if (result && !rp_drive_is_awaitable(result)) {
        PyErr_Format(PyExc_TypeError,
                     "handler %R of WebSockets returned %s, which cannot be "
                     "awaited",
                     route->handler, Py_TYPE(result)->tp_name);
        Py_CLEAR(result);
    }
    return result;
}

static void
drive(struct websocket_object *ws, PyObject *coro)
{
    struct rp_loop *loop = ws->queue.loop;
    PyObject *result = NULL, *exc;
    enum rp_drive how = RP_DRIVE_ERROR;

    if (coro)
        how = rp_drive_start(loop, coro, on_done, ws, &result, &ws->task);
    switch (how) {
    case RP_DRIVE_DONE:
        Py_DECREF(result);
        finish(ws, false);
        return;
    case RP_DRIVE_ERROR:
        exc = finish(ws, true);
        if (exc) {
            rp_py_set_exception(exc);
            rp_loop_take_exception(loop);
        }
        return;
    case RP_DRIVE_WAITS:
        return;
    }
}

static void
start(struct rp_native_route *route, struct rp_exchange *x, PyObject *request,
      const struct rp_ws_handshake *h)
{
    PyObject *args[RP_MAX_PARAMS + 2];
    struct websocket_object *ws = websocket_new(route, request);
    int bad;

    if (!ws) {
        rp_native_fail(route, x, request);
        return;
    }
    bad = rp_native_fill_args(route, x, (PyObject *)ws, args + 1);
    if (bad) {
        rp_native_refuse(route, x, Py_NewRef(ws->request), bad);
        Py_DECREF(ws);
        return;
    }
    rp_wslink_init(&ws->link, x, h);
    rp_exchange_set_data(x, ws);
    drive(ws, call_handler(route, args + 1));
}

static void
websocket_start(void *self, struct rp_exchange *x)
{
    struct rp_native_route *route = self;
    struct rp_ws_handshake h;
    PyObject *request;

    if (!rp_exchange_begin_websocket(x, &h))
        return;
    request = rp_request_object_new(route->app->st, x, (PyObject *)route->app);
    if (request)
        start(route, x, request, &h);
    else
        rp_native_fail(route, x, NULL);
}

void
rp_websocket_start_with(struct rp_native_route *route, struct rp_exchange *x,
                        PyObject *request)
{
    struct rp_ws_handshake h;

    if (rp_exchange_check_websocket(x, &h) == 0 &&
        !rp_exchange_is_retiring(x)) {
        start(route, x, request, &h);
        return;
    }
    /* Before x is answered. */
    rp_request_object_end(request);
    rp_exchange_begin_websocket(x, &h);
}

/* ---- The client goes before it was answered ---- */

static void
websocket_stop(void *self, struct rp_exchange *x)
{
    struct websocket_object *ws = rp_exchange_data(x);

    (void)self;
    if (!ws)
        return;
    rp_exchange_set_data(x, NULL);
    rp_request_object_set_disconnected(ws->request);
    rp_request_object_end(Py_NewRef(ws->request));
    rp_wslink_answered(&ws->link);
}

/* Whoever closes behind a handshake wants no WebSocket. */
static void
websocket_eof(void *self, struct rp_exchange *x)
{
    if (!rp_exchange_data(x))
        return;
    websocket_stop(self, x);
    rp_exchange_answer_status(x, 400);
}

const struct rp_handler_ops rp_websocket_ops = {
    .start = websocket_start,
    .stop = websocket_stop,
    .eof = websocket_eof,
};

/* ---- The type ---- */

static int
websocket_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct websocket_object *ws = (struct websocket_object *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(ws->request);
    return rp_wslink_traverse(&ws->link, visit, arg);
}

static int
websocket_clear(PyObject *self)
{
    struct websocket_object *ws = (struct websocket_object *)self;

    Py_CLEAR(ws->request);
    rp_wslink_clear(&ws->link);
    return 0;
}

static void
websocket_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    if (((struct websocket_object *)self)->weakrefs)
        PyObject_ClearWeakRefs(self);
    websocket_clear(self);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyObject *
websocket_repr(PyObject *self)
{
    static const char *const stages[] = {
        [RP_WSLINK_CONNECTING] = "connecting",
        [RP_WSLINK_OPEN] = "open",
        [RP_WSLINK_CLOSING] = "closing",
        [RP_WSLINK_OVER] = "closed",
    };
    struct websocket_object *ws = (struct websocket_object *)self;
    PyObject *path = PyObject_GetAttrString(self, "path"), *text;

    if (!path)
        return NULL;
    text =
        PyUnicode_FromFormat("<WebSocket %R %s>", path, stages[ws->link.stage]);
    Py_DECREF(path);
    return text;
}

PyDoc_STRVAR(websocket_doc,
             "A WebSocket (RFC 6455), given to handlers of @app.websocket.\n\n"
             "Its attributes are those of the request that opened it.  It can\n"
             "be iterated over: every message, until the client closes.");

static PyMemberDef members[] = {
    {"__weaklistoffset__", RP_PY_SSIZE,
     offsetof(struct websocket_object, weakrefs), RP_PY_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)websocket_doc},
    {Py_tp_dealloc, websocket_dealloc},
    {Py_tp_traverse, websocket_traverse},
    {Py_tp_clear, websocket_clear},
    {Py_tp_repr, websocket_repr},
    {Py_tp_methods, rp_websocket_methods},
    {Py_tp_getset, rp_websocket_getset},
    {Py_tp_members, members},
    {Py_am_aiter, PyObject_SelfIter},
    {Py_am_anext, rp_websocket_next},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "rupy._core.WebSocket",
    .basicsize = sizeof(struct websocket_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

int
rp_py_websocket_exec(PyObject *module, struct rp_py_state *st)
{
    st->websocket_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    if (!st->websocket_type)
        return -1;
    return PyModule_AddType(module, st->websocket_type);
}
