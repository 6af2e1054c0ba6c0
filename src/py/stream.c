/* stream.c -- an answer that a generator makes, piece by piece, as fast as the
 * client takes it.
 *
 * A generator is pulled from the loop, a little in each turn, so that a piece
 * is on its way before the next is asked for; that of a threaded handler from
 * a thread of the pool.  An async generator is pulled
 * by one coroutine (rupy/_stream.py), so that the whole of it has one task and
 * one context; the stream object is what that coroutine calls with each piece. */
#include "rupy/base/clock.h"
#include "rupy/py/request.h"
#include "rupy/py/stream_impl.h"

#define PULL_NS 500000 /* of a turn, then others come first */

static int
stream_traverse(struct stream_object *s, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(s));
    Py_VISIT(s->request);
    Py_VISIT(s->source);
    Py_VISIT(s->head);
    Py_VISIT(s->encode);
    Py_VISIT(s->trailers);
    Py_VISIT(s->context);
    Py_VISIT(s->waiter);
    Py_VISIT(s->timer);
    Py_VISIT(s->piece);
    Py_VISIT(s->exc);
    return 0;
}

static int
stream_clear(struct stream_object *s)
{
    Py_CLEAR(s->request);
    Py_CLEAR(s->source);
    Py_CLEAR(s->head);
    Py_CLEAR(s->encode);
    Py_CLEAR(s->trailers);
    Py_CLEAR(s->context);
    Py_CLEAR(s->waiter);
    Py_CLEAR(s->timer);
    Py_CLEAR(s->piece);
    Py_CLEAR(s->exc);
    return 0;
}

static void
stream_dealloc(struct stream_object *s)
{
    PyTypeObject *tp = Py_TYPE(s);

    PyObject_GC_UnTrack(s);
    stream_clear(s);
    tp->tp_free(s);
    Py_DECREF(tp);
}

/* The source is exhausted, or (failed) has raised what is set now.  Callers
 * hold a reference of their own: the exchange gives up its. */
static void
finish(struct stream_object *s, bool failed)
{
    struct rp_exchange *x = s->x;
    PyObject *request = s->request;
    struct headers_object *trailers = NULL;
    bool kept = s->kept;
    int bad = 0;

    if (!x) {
        rp_stream_drop_exception(s);
        return;
    }
    if (!failed && !rp_exchange_has_head(x) &&
        rp_stream_send_head(s, false) < 0)
        failed = true;
    if (!failed)
        trailers = rp_stream_trailers(s, x, &bad);
    s->x = NULL;
    s->request = NULL;
    s->kept = false;
    rp_stream_stop_timer(s);
    rp_exchange_set_data(x, NULL);
    if (failed || bad) {
        rp_native_fail(s->route, x, request);
    } else {
        rp_request_object_end(request);
        if (trailers)
            rp_exchange_end_trailers(x, trailers->fields,
                                     (unsigned)trailers->n);
        else
            rp_exchange_end(x);
    }
    Py_XDECREF((PyObject *)trailers);
    if (kept)
        Py_DECREF(s);
}

/* ---- Generators ---- */

static void pull(struct stream_object *s);

static void
on_turn(void *arg)
{
    struct stream_object *s = arg;

    s->queued = false;
    pull(s);
    Py_DECREF(s);
}

static void
pull_later(struct stream_object *s)
{
    if (s->queued)
        return;
    if (rp_loop_call_soon(s->route->app->loop, on_turn, s) < 0) {
        finish(s, true);
        return;
    }
    s->queued = true;
    Py_INCREF(s);
}

/* In the context of its pieces, if there is one. */
static void
close_source(struct stream_object *s)
{
    bool entered = s->context && PyContext_Enter(s->context) == 0;
    PyObject *r = NULL;
    int has;

    if (s->context && !entered)
        PyErr_Clear();
    has = rp_py_has_attr(s->source, "close");
    if (has > 0)
        r = PyObject_CallMethod(s->source, "close", NULL);
    if (!r && has != 0)
        PyErr_WriteUnraisable(s->source);
    Py_XDECREF(r);
    if (entered)
        PyContext_Exit(s->context);
}

/* All pieces are made in one context.  0, or -1 with an exception. */
static int
have_context(struct stream_object *s)
{
    if (!s->context)
        s->context = rp_loop_copy_context(s->route->app->loop);
    return s->context ? 0 : -1;
}

/* One piece is there: send it.  True: ask for the next. */
static bool
take_piece(struct stream_object *s, PyObject *piece)
{
    int full = s->x ? rp_stream_send_piece(s, piece) : 0;

    Py_DECREF(piece);
    if (full < 0) {
        finish(s, true);
        return false;
    }
    if (s->x && rp_exchange_is_mute(s->x)) {
        close_source(s);
        finish(s, false);
        return false;
    }
    return !full && s->x;
}

/* In a thread. */
static void
run_job(struct rp_job *job)
{
    struct stream_object *s = rp_container_of(job, struct stream_object, job);

    s->piece = PyIter_Next(s->source);
    s->exc = s->piece ? NULL : rp_py_take_exception();
}

/* Back on the loop's thread. */
static void
job_done(struct rp_job *job, bool late)
{
    struct stream_object *s = rp_container_of(job, struct stream_object, job);
    PyObject *piece = s->piece, *exc = s->exc;

    s->pulling = false;
    s->piece = s->exc = NULL;
    if (!s->x) {
        Py_XDECREF(piece);
        Py_XDECREF(exc);
        close_source(s);
    } else if (late) {
        pull(s); /* it has its answer half sent: it may wait */
    } else if (piece) {
        if (take_piece(s, piece))
            pull(s);
    } else {
        if (exc)
            rp_py_set_exception(exc);
        finish(s, exc != NULL);
    }
    Py_DECREF(s);
}

static void
pull_in_thread(struct stream_object *s)
{
    if (s->pulling)
        return;
    if (have_context(s) < 0) {
        finish(s, true);
        return;
    }
    s->job.context = Py_NewRef(s->context);
    s->job.run = run_job;
    s->job.done = job_done;
    if (rp_pool_submit(s->route->app->pool, &s->job) < 0) {
        pull_later(s); /* the queue is full */
        return;
    }
    s->pulling = true;
    Py_INCREF(s);
}

/* The next piece, in the context of the generator; as PyIter_Next(). */
static PyObject *
next_piece(struct stream_object *s)
{
    struct rp_loop *loop = s->route->app->loop;
    PyObject *piece = NULL;

    if (rp_loop_hide(loop) < 0 || have_context(s) < 0)
        return NULL;
    if (PyContext_Enter(s->context) == 0) {
        piece = PyIter_Next(s->source);
        PyContext_Exit(s->context);
    }
    return piece;
}

static void
pull(struct stream_object *s)
{
    uint64_t start = rp_clock_mono_ns();

    if (s->x && s->route->threaded && s->route->app->pool) {
        pull_in_thread(s);
        return;
    }
    while (s->x) {
        PyObject *piece = next_piece(s);
        if (!piece) {
            finish(s, PyErr_Occurred() != NULL);
            return;
        }
        if (!take_piece(s, piece))
            return;
        if (rp_clock_mono_ns() - start > PULL_NS) {
            pull_later(s);
            return;
        }
    }
}

/* ---- Async generators ---- */

/* What the coroutine calls with each piece: None, or a future to wait for.
 * Without one it is the timer. */
static PyObject *
stream_call(struct stream_object *s, PyObject *args, PyObject *kwargs)
{
    PyObject *piece = NULL;
    int full;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "|O", &piece))
        return NULL;
    if (!piece) {
        if (rp_stream_keep_alive(s) < 0)
            return NULL;
        Py_RETURN_NONE;
    }
    if (!s->x) {
        PyErr_SetString(PyExc_ConnectionResetError, "the client is gone");
        return NULL;
    }
    full = rp_stream_send_piece(s, piece);
    if (full < 0)
        return NULL;
    if (s->x && rp_exchange_is_mute(s->x)) {
        finish(s, false);
        PyErr_SetString(PyExc_ConnectionResetError, "nobody wants content");
        return NULL;
    }
    if (!full)
        Py_RETURN_NONE;
    Py_XSETREF(s->waiter, rp_loop_create_future(s->route->app->loop));
    return Py_XNewRef(s->waiter);
}

static void
on_pumped(void *arg, PyObject *result)
{
    struct stream_object *s = arg;

    s->task = NULL;
    finish(s, result == NULL);
    Py_DECREF(s);
}

static void
start_pump(struct stream_object *s)
{
    PyObject *module = PyImport_ImportModule("rupy._stream");
    PyObject *coro = NULL, *result = NULL;

    if (module)
        coro = PyObject_CallMethod(module, "pump", "OO", s->source, s);
    Py_XDECREF(module);
    if (!coro) {
        finish(s, true);
        return;
    }
    Py_INCREF(s);
    switch (rp_drive_start(s->route->app->loop, coro, on_pumped, s, &result,
                           &s->task)) {
    case RP_DRIVE_DONE:
        Py_DECREF(result);
        on_pumped(s, Py_None);
        return;
    case RP_DRIVE_ERROR:
        on_pumped(s, NULL);
        return;
    case RP_DRIVE_WAITS:
        return;
    }
}

/* ---- What native.c asks for ---- */

static bool
is_async_iterator(PyObject *o)
{
    return Py_TYPE(o)->tp_as_async && Py_TYPE(o)->tp_as_async->am_anext;
}

bool
rp_stream_is_source(struct rp_py_state *st, PyObject *o)
{
    (void)st;
    return PyGen_CheckExact(o) || PyAsyncGen_CheckExact(o);
}

static struct stream_object *
new_stream(struct rp_native_route *route, struct rp_exchange *x,
           PyObject *request, PyObject *source, PyObject *head)
{
    struct stream_object *s =
        PyObject_GC_New(struct stream_object, route->app->st->stream_type);

    if (!s)
        return NULL;
    memset((char *)s + sizeof(PyObject), 0, sizeof(*s) - sizeof(PyObject));
    s->route = route;
    s->x = x;
    s->request = request;
    s->source = source;
    s->head = head;
    s->is_async = is_async_iterator(source);
    PyObject_GC_Track(s);
    return s;
}

/* Events: the client learns at once that they will come. */
static int
send_live_head(struct stream_object *s)
{
    if (rp_stream_send_head(s, true) < 0)
        return -1;
    rp_exchange_flush(s->x);
    return rp_stream_keep_alive(s);
}

void
rp_stream_start(struct rp_native_route *route, struct rp_exchange *x,
                PyObject *request, PyObject *source, PyObject *head)
{
    struct rp_call *call = rp_arena_alloc(rp_exchange_arena(x), sizeof(*call));
    struct stream_object *s = NULL;

    if (call)
        s = new_stream(route, x, request, source, head);
    else
        PyErr_NoMemory();
    if (!s) {
        Py_DECREF(source);
        Py_XDECREF(head);
        rp_native_fail(route, x, request);
        return;
    }
    *call = (struct rp_call){.route = route, .x = x, .stream = (PyObject *)s};
    rp_exchange_set_data(x, call);
    s->kept = true;
    Py_INCREF(s);
    /* The client may be found gone when the head is sent. */
    if (rp_stream_read_options(s) < 0 || (s->live && send_live_head(s) < 0))
        finish(s, true);
    else if (s->live && (!s->x || rp_exchange_is_mute(s->x)))
        finish(s, false);
    else if (s->is_async)
        start_pump(s);
    else
        pull(s);
    Py_DECREF(s);
}

int
rp_stream_start_response(struct rp_native_route *route, struct rp_exchange *x,
                         PyObject *request, PyObject *response)
{
    int has = rp_py_has_attr(response, "_source");
    PyObject *source;

    if (has <= 0)
        return has;
    source = PyObject_CallMethod(response, "_source", NULL);
    if (!source)
        return -1;
    rp_stream_start(route, x, request, source, response);
    return 1;
}

PyObject *
rp_stream_request(PyObject *stream)
{
    return ((struct stream_object *)stream)->request;
}

void
rp_stream_stop(PyObject *stream)
{
    struct stream_object *s = (struct stream_object *)stream;
    PyObject *request = s->request;

    s->x = NULL;
    s->request = NULL;
    s->kept = false;
    rp_stream_stop_timer(s);
    rp_request_object_set_disconnected(request);
    rp_request_object_end(request);
    if (s->is_async) {
        if (s->task && rp_drive_cancel(s->task) < 0)
            PyErr_Clear();
    } else if (!s->pulling) {
        close_source(s);
    }
    Py_DECREF(s);
}

void
rp_stream_eof(PyObject *stream)
{
    struct stream_object *s = (struct stream_object *)stream;
    struct rp_exchange *x = s->x;

    rp_request_object_set_disconnected(s->request);
    if (!s->live)
        return;
    /* Nobody half-closes and goes on to read events. */
    rp_exchange_set_data(x, NULL);
    rp_stream_stop(stream);
    rp_exchange_end(x);
}

void
rp_stream_drained(PyObject *stream)
{
    struct stream_object *s = (struct stream_object *)stream;

    if (s->is_async) {
        rp_native_wake(&s->waiter);
        return;
    }
    Py_INCREF(s);
    pull(s);
    Py_DECREF(s);
}

static PyType_Slot stream_slots[] = {
    {Py_tp_dealloc, stream_dealloc},
    {Py_tp_traverse, stream_traverse},
    {Py_tp_clear, stream_clear},
    {Py_tp_call, stream_call},
    {0, NULL},
};

PyType_Spec rp_stream_spec = {
    .name = "rupy._core.Stream",
    .basicsize = sizeof(struct stream_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = stream_slots,
};
