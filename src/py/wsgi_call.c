/* wsgi_call.c -- one call of a WSGI application, from its request to its end.
 *
 *     its content is collected --> it runs --> over
 *                                   |   ^
 *                                   v   |
 *                         waits: for the next turn, or a slow client
 *
 * On the loop's thread a call cannot wait for its client: its content is
 * there, in memory or in a file, before the application is called, and an
 * iterable that gives faster than the client takes is asked again later.  In a
 * thread of the pool the same code waits where it stands. */
#include <errno.h>

#include "rupy/base/clock.h"
#include "rupy/base/log.h"
#include "rupy/py/wsgi_impl.h"

/* Empty pieces are nothing to send, and no reason to stay. */
#define TURN_NS 10000000u

enum step { STEP_DONE, STEP_WAIT, STEP_FAILED };

/* ---- What goes wrong ---- */

/* Takes the exception that is set.  New reference to it when it must leave the
 * loop. */
static PyObject *
on_exception(struct rp_wsgi_call *call)
{
    PyObject *exc = rp_py_take_exception();

    call->failed = true;
    if (exc && !rp_wsgi_is_disconnect(call, exc))
        rp_wsgi_complain(call,
                         "unhandled exception in the WSGI application: ", exc);
    if (exc && (call->thread ||
                (!PyErr_GivenExceptionMatches(exc, PyExc_KeyboardInterrupt) &&
                 !PyErr_GivenExceptionMatches(exc, PyExc_SystemExit))))
        Py_CLEAR(exc);
    return exc;
}

/* ---- The iterable ---- */

static int
never_started(void)
{
    PyErr_SetString(PyExc_AssertionError,
                    "the application did not call start_response()");
    return -1;
}

/* Nothing more will come. */
static int
send_rest(struct rp_wsgi_call *call)
{
    if (call->gone || call->stage >= RP_WSGI_BODY)
        return 0;
    if (call->stage == RP_WSGI_START)
        return never_started();
    return rp_wsgi_send_head(call, 0);
}

/* The content is complete: what is still asked of the iterable is its end. */
static bool
is_complete(const struct rp_wsgi_call *call)
{
    return call->length >= 0 && call->sent >= (uint64_t)call->length;
}

/* 0, 1: wait, or -1 with an exception. */
static int
send_piece(struct rp_wsgi_call *call, PyObject *piece, bool last)
{
    struct rp_str s;

    if (!PyBytes_Check(piece)) {
        PyErr_Format(PyExc_TypeError,
                     "the application's iterable gives bytes, not %s",
                     Py_TYPE(piece)->tp_name);
        return -1;
    }
    s.p = PyBytes_AS_STRING(piece);
    s.n = (size_t)PyBytes_GET_SIZE(piece);
    if (s.n == 0)
        return 0;
    if (call->stage == RP_WSGI_START)
        return never_started();
    if (rp_wsgi_send(call, piece, s, last) < 0)
        return -1;
    return !call->thread && call->x && !is_complete(call);
}

static enum step
iterate(struct rp_wsgi_call *call, bool last)
{
    uint64_t start = call->thread ? 0 : rp_clock_mono_ns();

    while (!call->gone) {
        PyObject *piece = PyIter_Next(call->iter);
        int r;
        if (!piece) {
            if (PyErr_Occurred() || send_rest(call) < 0)
                return STEP_FAILED;
            return STEP_DONE;
        }
        r = send_piece(call, piece, last);
        Py_DECREF(piece);
        if (r < 0)
            return STEP_FAILED;
        if (call->stage >= RP_WSGI_BODY && rp_wsgi_is_mute(call))
            return STEP_DONE;
        if (r > 0 ||
            (!call->thread && call->x && rp_clock_mono_ns() - start > TURN_NS))
            return STEP_WAIT;
    }
    return STEP_DONE;
}

/* A sequence that tells its length: the first piece of one may be all. */
static Py_ssize_t
length_of(PyObject *result)
{
    Py_ssize_t n = -1;

    if (Py_TYPE(result)->tp_as_sequence &&
        Py_TYPE(result)->tp_as_sequence->sq_length)
        n = PyObject_Size(result);
    PyErr_Clear();
    return n;
}

static enum step
start_iterable(struct rp_wsgi_call *call)
{
    PyObject *result = call->result;
    off_t off;
    size_t n;
    int fd, is_file;

    if (call->stage != RP_WSGI_START) {
        if (PyList_CheckExact(result) || PyTuple_CheckExact(result))
            return rp_wsgi_send_list(call, result) < 0 ? STEP_FAILED
                                                       : STEP_DONE;
        is_file = rp_wsgi_file_of(call->wsgi, result, &fd, &off, &n);
        if (is_file < 0 || (is_file && rp_wsgi_send_file(call, fd, off, n) < 0))
            return STEP_FAILED;
        if (is_file)
            return STEP_DONE;
    }
    call->iter = PyObject_GetIter(result);
    if (!call->iter) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            PyErr_Format(PyExc_TypeError,
                         "the application returned %s, not an iterable of "
                         "bytes",
                         Py_TYPE(result)->tp_name);
        return STEP_FAILED;
    }
    return iterate(call, length_of(result) == 1);
}

/* ---- Running ---- */

static enum step
start_app(struct rp_wsgi_call *call)
{
    PyObject *args[3] = {NULL, call->environ, (PyObject *)call};

    /* Lent to the application, and given up as soon as it returns: whoever
     * keeps it keeps wsgi.input, and with that us. */
    call->environ = NULL;
    call->result = PyObject_Vectorcall(
        call->wsgi->app, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_DECREF(args[1]);
    if (!call->result)
        return STEP_FAILED;
    return start_iterable(call);
}

/* Exactly once, whatever happened. */
static void
close_result(struct rp_wsgi_call *call)
{
    PyObject *result = call->result, *iter = call->iter, *close, *r = NULL;

    call->result = call->iter = NULL;
    Py_XDECREF(iter);
    if (!result || PyList_CheckExact(result) || PyTuple_CheckExact(result)) {
        Py_XDECREF(result);
        return;
    }
    close = PyObject_GetAttr(result, call->wsgi->s_close);
    if (close)
        r = PyObject_CallNoArgs(close);
    if (!close && PyErr_ExceptionMatches(PyExc_AttributeError))
        PyErr_Clear();
    if (PyErr_Occurred()) {
        PyObject *exc = rp_py_take_exception();
        rp_wsgi_complain(call, "unhandled exception in close(): ", exc);
        Py_DECREF(exc);
    }
    Py_XDECREF(r);
    Py_XDECREF(close);
    Py_DECREF(result);
}

/* The next step, in the context that the call has.  Takes its exception; *exc
 * is a new reference to one that must leave the loop. */
static enum step
one_step(struct rp_wsgi_call *call, PyObject **exc)
{
    enum step step;

    call->running = true;
    call->waiting = false;
    if (call->gone)
        step = STEP_DONE;
    else if (call->iter)
        step = iterate(call, false);
    else
        step = start_app(call);
    if (step == STEP_FAILED)
        *exc = on_exception(call);
    /* What was sent does not wait for what the iterable gives next. */
    if (step == STEP_WAIT)
        rp_exchange_flush(call->x);
    if (step != STEP_WAIT || call->gone) {
        step = STEP_DONE;
        close_result(call);
    }
    call->running = false;
    return step;
}

static void
on_turn(void *arg)
{
    struct rp_wsgi_call *call = arg;

    call->queued = false;
    if (call->waiting && call->x)
        rp_wsgi_run(call);
    Py_DECREF((PyObject *)call);
}

/* Go on when the client has taken something, or else in the next turn. */
static void
wait(struct rp_wsgi_call *call)
{
    call->waiting = true;
    if (rp_exchange_is_full(call->x) || call->queued)
        return;
    if (rp_loop_call_soon(call->wsgi->loop, on_turn, call) < 0) {
        PyErr_WriteUnraisable((PyObject *)call);
        return;
    }
    call->queued = true;
    Py_INCREF((PyObject *)call);
}

/* On the loop's thread.  Takes the call's own reference when it is over. */
static void
run_inline(struct rp_wsgi_call *call)
{
    struct rp_loop *loop = call->wsgi->loop;
    PyObject *context = call->context, *exc = NULL;
    enum step step = STEP_DONE;

    call->context = NULL;
    if (!context)
        context = rp_loop_copy_context(loop);
    if (context && rp_loop_hide(loop) == 0 && PyContext_Enter(context) == 0) {
        step = one_step(call, &exc);
        PyContext_Exit(context);
    } else {
        exc = on_exception(call);
    }
    if (step == STEP_WAIT) {
        call->context = context;
        wait(call);
        return;
    }
    Py_XDECREF(context);
    rp_wsgi_end(call);
    Py_DECREF((PyObject *)call);
    if (exc) {
        rp_py_set_exception(exc);
        rp_loop_take_exception(loop);
    }
}

void
rp_wsgi_run(struct rp_wsgi_call *call)
{
    PyObject *exc = NULL;

    if (!call->thread)
        run_inline(call);
    else
        one_step(call, &exc);
}

/* ---- Requests ---- */

/* There is no call of the application, and there will be none. */
static void
give_up(struct rp_wsgi_call *call, int status)
{
    struct rp_exchange *x = call->x;

    call->x = NULL;
    call->stage = RP_WSGI_OVER;
    if (x) {
        rp_exchange_set_data(x, NULL);
        if (status == 503)
            rp_exchange_answer_busy(x);
        else
            rp_exchange_answer_status(x, status);
    }
    Py_DECREF((PyObject *)call);
}

/* Call the application, in a thread if there are any. */
static void
begin(struct rp_wsgi_call *call, bool has_content)
{
    struct rp_wsgi_object *w = call->wsgi;
    PyObject *input = NULL;

    if (has_content)
        input = rp_wsgi_input_new(w->st, call);
    if (input || !has_content)
        call->environ = rp_wsgi_environ_new(call, input);
    Py_XDECREF(input);
    if (!call->environ) {
        PyErr_WriteUnraisable((PyObject *)w);
        give_up(call, 500);
        return;
    }
    if (!w->pool) {
        rp_wsgi_run(call);
    } else if (rp_wsgi_thread_start(call) < 0) {
        /* It has wsgi.input, which has the call. */
        Py_CLEAR(call->environ);
        give_up(call, 503);
    }
}

/* Loop's thread: until all of the content is there.  The loop cannot wait for
 * it later, and of chunks nobody knows the length before. */
static void
collect(struct rp_wsgi_call *call)
{
    struct rp_exchange *x = call->x;

    if (rp_wsgi_body_take(&call->body, x, call->wsgi->body_buffer) < 0) {
        rp_log_errno(RP_LOG_ERROR, "503: no room for content");
        give_up(call, 503);
        return;
    }
    if (call->body.cut) {
        give_up(call, 400);
        return;
    }
    if (!call->body.complete) {
        rp_exchange_want_content(x);
        return;
    }
    call->readable = false;
    begin(call, true);
}

static void
wsgi_start(void *self, struct rp_exchange *x)
{
    struct rp_wsgi_object *w = self;
    const struct rp_request *r = rp_exchange_request(x);
    struct rp_wsgi_call *call = rp_wsgi_call_new(w, x);
    bool has_content = rp_request_has_content(r);

    if (!call) {
        PyErr_WriteUnraisable((PyObject *)w);
        rp_exchange_abort(x);
        return;
    }
    call->early = w->early_hints && r->minor >= 1;
    rp_exchange_set_data(x, call);
    if (!has_content) {
        begin(call, false);
    } else if (w->pool && !r->chunked) {
        rp_wsgi_body_take(&call->body, x, 0);
        begin(call, true);
    } else {
        call->readable = true;
        /* That of now: who stands in front may have set variables. */
        call->context = rp_loop_copy_context(w->loop);
        if (!call->context)
            PyErr_Clear();
        collect(call);
    }
}

static void
wsgi_stop(void *self, struct rp_exchange *x)
{
    struct rp_wsgi_call *call = rp_exchange_data(x);

    (void)self;
    if (!call)
        return;
    /* A thread cannot be stopped, only seen. */
    if (call->thread && rp_exchange_is_overdue(x))
        rp_exchange_is_stuck(x);
    call->x = NULL;
    call->gone = true;
    if (call->thread && call->needs > 0)
        rp_wsgi_thread_fetch(call);
    else if (call->thread)
        rp_wsgi_thread_wake(call);
    else if (call->readable)
        Py_DECREF((PyObject *)call);
    else if (!call->running)
        rp_wsgi_run(call); /* its iterable wants to be closed */
}

/* It may only have ended its content, or be gone in the middle of it. */
static void
wsgi_eof(void *self, struct rp_exchange *x)
{
    struct rp_wsgi_call *call = rp_exchange_data(x);

    (void)self;
    if (!call || rp_exchange_content_end(x) != RP_CONTENT_CUT)
        return;
    if (call->thread)
        rp_wsgi_thread_fetch(call);
    else if (call->readable)
        give_up(call, 400);
}

static void
wsgi_content(void *self, struct rp_exchange *x)
{
    struct rp_wsgi_call *call = rp_exchange_data(x);

    (void)self;
    if (!call)
        return;
    if (call->thread)
        rp_wsgi_thread_fetch(call);
    else if (call->readable)
        collect(call);
}

static void
wsgi_drained(void *self, struct rp_exchange *x)
{
    struct rp_wsgi_call *call = rp_exchange_data(x);

    (void)self;
    if (!call)
        return;
    if (call->thread)
        rp_wsgi_thread_wake(call);
    else if (call->waiting && !call->queued)
        rp_wsgi_run(call);
}

const struct rp_handler_ops rp_wsgi_ops = {
    .start = wsgi_start,
    .stop = wsgi_stop,
    .eof = wsgi_eof,
    .content = wsgi_content,
    .drained = wsgi_drained,
};
