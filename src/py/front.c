/* front.c -- what a request meets before its handler: mounts, middleware.
 *
 *     router --> found()  the place whose prefix it is, and what is there
 *            --> start()  functions that come before, called from here; or
 *                         the whole chain, one coroutine of rupy/_middleware.py
 *                         that asks for the handler by App._begin()
 *            --> the handler itself
 *
 * Where only functions come before the handler it is handed the exchange, and
 * nothing stands between it and the client.  A chain gets what the handler
 * returned, or, of one that is no plain function, a tapped.c object.  Of a
 * handshake of a WebSocket it gets an answer of 101, and when that is what
 * comes out at its end the handler is handed the exchange. */
#include "rupy/py/front_impl.h"
#include "rupy/py/websocket.h"

static void
on_over(struct rp_exchange_front *base)
{
    struct rp_front *f = (struct rp_front *)base;

    if (f->tapped) {
        rp_tapped_stop(f->tapped);
        Py_CLEAR(f->tapped);
    }
}

/* ---- Finding the place ---- */

/* "/x" and what is below it, but not "/xy". */
static bool
is_below(struct rp_str path, struct rp_str prefix)
{
    return path.n >= prefix.n && memcmp(path.p, prefix.p, prefix.n) == 0 &&
           (path.n == prefix.n || path.p[prefix.n] == '/');
}

static struct rp_place *
find_mount(struct rp_fronts *fronts, struct rp_str path)
{
    for (unsigned i = 1; i < fronts->n; i++)
        if (is_below(path, fronts->v[i].prefix))
            return &fronts->v[i];
    return NULL;
}

static int
enter_mount(struct rp_place *p, struct rp_exchange *x, struct rp_str path,
            struct rp_buf *allow)
{
    size_t n = p->prefix.n;

    if (p->handler.ops) {
        rp_exchange_choose_handler(x, &p->handler);
        return 0;
    }
    path = path.n == n ? RP_STR("/") : (struct rp_str){path.p + n, path.n - n};
    return rp_exchange_route(x, p->app->router, path, allow);
}

static int
front_found(void *self, struct rp_exchange *x, struct rp_str path, int status,
            struct rp_buf *allow)
{
    struct rp_fronts *fronts = self;
    struct rp_place *p = &fronts->v[0], *mount;
    const struct rp_handler *inner;
    struct rp_front *f;

    if (status == 404 && (mount = find_mount(fronts, path)) != NULL) {
        p = mount;
        status = enter_mount(p, x, path, allow);
    }
    inner = status ? NULL : rp_exchange_handler(x);
    if (!p->befores && !p->run)
        return status;
    f = rp_arena_alloc(rp_exchange_arena(x), sizeof(*f));
    if (!f)
        return 503;
    *f = (struct rp_front){.base = {.over = on_over},
                           .place = p,
                           .inner = inner,
                           .status = status};
    if (status && allow->n > 0) {
        f->allow = rp_arena_copy(rp_exchange_arena(x),
                                 (struct rp_str){allow->p, allow->n});
        if (!f->allow.p)
            return 503;
    }
    rp_exchange_set_front(x, &f->base);
    rp_exchange_set_handler(x, &p->front[f->inner && f->inner->streams]);
    return 0;
}

/* ---- Functions before the handler ---- */

static bool
is_answer(struct rp_py_state *st, PyObject *o)
{
    return PyUnicode_Check(o) || PyBytes_Check(o) || PyDict_Check(o) ||
           PyList_Check(o) || PyTuple_Check(o) ||
           rp_is_response_object(st, o) || rp_stream_is_source(st, o);
}

/* New reference: None, or the answer of the first that gave one; NULL with an
 * exception. */
static PyObject *
call_befores(struct rp_place *p, PyObject *context, PyObject *request)
{
    PyObject *r = NULL;
    Py_ssize_t n = PyTuple_GET_SIZE(p->befores), i;

    if (rp_loop_hide(p->fronts->loop) < 0 || PyContext_Enter(context) < 0)
        return NULL;
    for (i = 0; i < n; i++) {
        PyObject *function = PyTuple_GET_ITEM(p->befores, i);
        r = PyObject_CallOneArg(function, request);
        if (r && r != Py_None && !is_answer(p->app->st, r)) {
            PyErr_Format(PyExc_TypeError,
                         "middleware %R returned %s, which is neither None "
                         "nor an answer",
                         function, Py_TYPE(r)->tp_name);
            Py_CLEAR(r);
        }
        if (r != Py_None)
            break;
        if (i + 1 < n)
            Py_DECREF(r);
    }
    PyContext_Exit(context);
    return r;
}

/* The handler has the exchange from here; variables that were set in context,
 * stolen, are there for it.  Takes over request. */
static void
hand_on(struct rp_front *f, struct rp_exchange *x, PyObject *request,
        PyObject *context)
{
    struct rp_loop *loop = f->place->fronts->loop;
    const struct rp_handler *inner = f->inner;
    PyObject *before;

    rp_exchange_set_front(x, NULL);
    if (!inner) {
        rp_request_object_end(request);
        rp_exchange_answer_routing(x, f->status, f->allow);
        Py_DECREF(context);
        return;
    }
    rp_exchange_set_handler(x, inner);
    if (inner->is_websocket && rp_exchange_is_half_closed(x)) {
        /* It waited for middleware, and wants no WebSocket any more. */
        rp_request_object_end(request);
        rp_exchange_answer_status(x, 400);
        Py_DECREF(context);
        return;
    }
    before = rp_loop_swap_context(loop, context);
    if (inner->ops == &rp_native_ops) {
        rp_native_start_with(inner->self, x, request);
    } else if (inner->ops == &rp_websocket_ops) {
        rp_websocket_start_with(inner->self, x, request);
    } else {
        rp_request_object_end(request);
        inner->ops->start(inner->self, x);
    }
    context = rp_loop_swap_context(loop, before);
    Py_XDECREF(context);
}

bool
rp_front_go_on(struct rp_exchange *x, PyObject *request, PyObject *context)
{
    struct rp_front *f = rp_front_of(x);

    if (!f || !f->begun || !f->inner || !f->inner->is_websocket ||
        !PyContext_CheckExact(context))
        return false;
    hand_on(f, x, request, context);
    return true;
}

static void
front_start(void *self, struct rp_exchange *x)
{
    struct rp_place *p = self;
    struct rp_front *f = rp_front_of(x);
    PyObject *context, *answer;
    PyObject *request =
        rp_request_object_new(p->app->st, x, (PyObject *)p->app);

    if (!request) {
        rp_native_fail(&p->route, x, NULL);
        return;
    }
    if (f->inner && f->inner->streams && f->inner->ops == &rp_native_ops &&
        rp_request_object_open_content(request, x, p->fronts->loop) < 0) {
        rp_native_fail(&p->route, x, request);
        return;
    }
    if (p->run) {
        rp_native_result(&p->route, x, request,
                         PyObject_CallOneArg(p->run, request));
        return;
    }
    context = rp_loop_copy_context(p->fronts->loop);
    answer = context ? call_befores(p, context, request) : NULL;
    if (answer == Py_None) {
        Py_DECREF(answer);
        hand_on(f, x, request, context);
        return;
    }
    Py_XDECREF(context);
    rp_native_finish(&p->route, x, request, answer);
}

static void
front_stop(void *self, struct rp_exchange *x)
{
    on_over(rp_exchange_front(x));
    rp_native_ops.stop(self, x);
}

static void
front_eof(void *self, struct rp_exchange *x)
{
    struct rp_front *f = rp_front_of(x);

    if (f->tapped)
        rp_tapped_eof(f->tapped);
    /* The last: it may end the exchange. */
    rp_native_ops.eof(self, x);
}

static void
front_content(void *self, struct rp_exchange *x)
{
    struct rp_front *f = rp_front_of(x);

    rp_native_ops.content(self, x);
    if (f->tapped)
        rp_tapped_content(f->tapped);
}

static void
front_drained(void *self, struct rp_exchange *x)
{
    rp_native_ops.drained(self, x);
}

const struct rp_handler_ops rp_front_ops = {
    .start = front_start,
    .stop = front_stop,
    .eof = front_eof,
    .content = front_content,
    .drained = front_drained,
    .found = front_found,
};
