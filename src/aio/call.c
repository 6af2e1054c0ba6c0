/* call.c -- call_soon() and its relatives, as Python calls them. */
#include "inside.h"

#include "rupy/base/clock.h"

#define SELF ((struct rp_loop *)self)

/* The only keyword is context; NULL in *ctx when it is None or missing. */
static int
parse_context(const char *name, PyObject *const *kwargs, PyObject *kwnames,
              PyObject **ctx)
{
    Py_ssize_t n = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;

    *ctx = NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *key = PyTuple_GET_ITEM(kwnames, i);

        if (PyUnicode_CompareWithASCIIString(key, "context") != 0) {
            PyErr_Format(PyExc_TypeError,
                         "%s() got an unexpected keyword argument '%U'", name,
                         key);
            return -1;
        }
        if (kwargs[i] == Py_None)
            continue;
        if (!PyContext_CheckExact(kwargs[i])) {
            PyErr_Format(PyExc_TypeError,
                         "%s(): context must be a contextvars.Context, not "
                         "%.100s",
                         name, Py_TYPE(kwargs[i])->tp_name);
            return -1;
        }
        *ctx = kwargs[i];
    }
    return 0;
}

static int
check_nargs(const char *name, Py_ssize_t nargs, Py_ssize_t min)
{
    if (nargs >= min)
        return 0;
    PyErr_Format(PyExc_TypeError, "%s() needs at least %zd argument%s", name,
                 min, min == 1 ? "" : "s");
    return -1;
}

/* asyncio's checks of debug mode. */
static int
check_debug(PyObject *self, const char *name, PyObject *callback, bool thread)
{
    PyObject *r;

    if (thread) {
        r = PyObject_CallMethod(self, "_check_thread", NULL);
        if (!r)
            return -1;
        Py_DECREF(r);
    }
    r = PyObject_CallMethod(self, "_check_callback", "Os", callback, name);
    Py_XDECREF(r);
    return r ? 0 : -1;
}

PyObject *
rp_python_handle(struct rp_loop *loop, PyObject *when, PyObject *callback,
                 PyObject *const *args, Py_ssize_t nargs, PyObject *ctx)
{
    PyObject *tuple = PyTuple_New(nargs), *h;

    if (!tuple)
        return NULL;
    for (Py_ssize_t i = 0; i < nargs; i++)
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    if (!ctx)
        ctx = Py_None;
    if (when)
        h = PyObject_CallMethod(loop->state->events, "TimerHandle", "OOOOO",
                                when, callback, tuple, loop, ctx);
    else
        h = PyObject_CallMethod(loop->state->events, "Handle", "OOOO", callback,
                                tuple, loop, ctx);
    Py_DECREF(tuple);
    return h;
}

static PyObject *
soon_debug(struct rp_loop *loop, const char *name, bool thread,
           PyObject *const *args, Py_ssize_t nargs, PyObject *ctx)
{
    PyObject *h;

    if (check_debug((PyObject *)loop, name, args[0], thread) < 0)
        return NULL;
    h = rp_python_handle(loop, NULL, args[0], args + 1, nargs - 1, ctx);
    if (!h)
        return NULL;
    if (rp_ring_push(loop,
                     (struct rp_ready){
                         RP_READY_PYTHON, {Py_NewRef(h)}, {NULL}, NULL}) < 0)
        Py_CLEAR(h);
    return h;
}

/* Callbacks of tasks need no handle: their callers, all in C, drop it.
 * 1: queued, 0: is another kind of callback, -1: exception. */
static int
soon_task(struct rp_loop *loop, PyObject *callback, PyObject *const *args,
          Py_ssize_t nargs, PyObject *ctx)
{
    struct rp_aio_state *state = loop->state;
    PyTypeObject *tp = Py_TYPE(callback);

    if (tp == state->wakeup_type && nargs == 1) {
        struct rp_task *t = ((struct rp_wakeup *)callback)->task;

        if (!t)
            return 1;
        if (t->loop != loop)
            return 0;
        return rp_ring_push(loop, (struct rp_ready){RP_READY_WAKE,
                                                    {Py_NewRef(t->self)},
                                                    {Py_NewRef(args[0])},
                                                    NULL}) < 0
                   ? -1
                   : 1;
    }
    if (!ctx || !state->step_type)
        return 0;
    if ((tp == state->step_type && nargs == 0) ||
        (tp == &PyCFunction_Type && nargs == 1 &&
         PyCFunction_GET_FUNCTION(callback) == state->wakeup_function))
        return rp_ring_push(
                   loop, (struct rp_ready){RP_READY_CALL,
                                           {Py_NewRef(callback)},
                                           {nargs ? Py_NewRef(args[0]) : NULL},
                                           Py_NewRef(ctx)}) < 0
                   ? -1
                   : 1;
    return 0;
}

static PyObject *
soon(struct rp_loop *loop, const char *name, bool thread, PyObject *const *args,
     Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *ctx;
    struct rp_handle *h;
    int r;

    if (check_nargs(name, nargs, 1) < 0 || rp_loop_check_open(loop) < 0 ||
        parse_context(name, args + nargs, kwnames, &ctx) < 0)
        return NULL;
    if (loop->debug)
        return soon_debug(loop, name, thread, args, nargs, ctx);
    r = soon_task(loop, args[0], args + 1, nargs - 1, ctx);
    if (r < 0)
        return NULL;
    if (r > 0)
        Py_RETURN_NONE;
    h = rp_handle_new(loop, loop->state->handle_type, args[0], args + 1,
                      nargs - 1, ctx);
    if (!h)
        return NULL;
    if (rp_ring_push(loop, (struct rp_ready){RP_READY_HANDLE,
                                             {Py_NewRef((PyObject *)h)},
                                             {NULL},
                                             NULL}) < 0)
        Py_CLEAR(h);
    return (PyObject *)h;
}

PyObject *
rp_loop_py_call_soon(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames)
{
    return soon(SELF, "call_soon", true, args, nargs, kwnames);
}

PyObject *
rp_loop_py_call_soon_threadsafe(PyObject *self, PyObject *const *args,
                                Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *h =
        soon(SELF, "call_soon_threadsafe", false, args, nargs, kwnames);

    /* An application may run code of its own in between (a __del__ that
     * closes the loop). */
    if (h && SELF->ev)
        ev_async_send(SELF->ev, &SELF->wake);
    return h;
}

/* args: callback and its arguments. */
static PyObject *
at(struct rp_loop *loop, double when, PyObject *const *args, Py_ssize_t nargs,
   PyObject *ctx)
{
    PyObject *h, *at;

    if (loop->debug) {
        if (check_debug((PyObject *)loop, "call_at", args[0], true) < 0)
            return NULL;
        at = PyFloat_FromDouble(when);
        h = at ? rp_python_handle(loop, at, args[0], args + 1, nargs - 1, ctx)
               : NULL;
        Py_XDECREF(at);
        if (h && PyObject_SetAttr(h, loop->state->s_scheduled, Py_True) < 0)
            Py_CLEAR(h);
    } else {
        h = (PyObject *)rp_handle_new(loop, loop->state->timer_type, args[0],
                                      args + 1, nargs - 1, ctx);
        if (h)
            ((struct rp_handle *)h)->when = when;
    }
    if (h && rp_heap_push(loop, when, h) < 0)
        Py_CLEAR(h);
    return h;
}

PyObject *
rp_loop_py_call_later(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                      PyObject *kwnames)
{
    PyObject *ctx;
    double delay;

    if (check_nargs("call_later", nargs, 2) < 0 ||
        parse_context("call_later", args + nargs, kwnames, &ctx) < 0)
        return NULL;
    if (args[0] == Py_None) {
        PyErr_SetString(PyExc_TypeError, "delay must not be None");
        return NULL;
    }
    delay = PyFloat_AsDouble(args[0]);
    if ((delay == -1.0 && PyErr_Occurred()) || rp_loop_check_open(SELF) < 0)
        return NULL;
    return at(SELF, rp_clock_mono() + delay, args + 1, nargs - 1, ctx);
}

PyObject *
rp_loop_py_call_at(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    PyObject *ctx;
    double when;

    if (check_nargs("call_at", nargs, 2) < 0 ||
        parse_context("call_at", args + nargs, kwnames, &ctx) < 0)
        return NULL;
    if (args[0] == Py_None) {
        PyErr_SetString(PyExc_TypeError, "when cannot be None");
        return NULL;
    }
    when = PyFloat_AsDouble(args[0]);
    if ((when == -1.0 && PyErr_Occurred()) || rp_loop_check_open(SELF) < 0)
        return NULL;
    return at(SELF, when, args + 1, nargs - 1, ctx);
}

PyObject *
rp_loop_py_add_callback(PyObject *self, PyObject *handle)
{
    enum rp_ready_kind kind =
        rp_is_handle(handle) ? RP_READY_HANDLE : RP_READY_PYTHON;

    if (rp_loop_check_open(SELF) < 0)
        return NULL;
    if (rp_ring_push(SELF, (struct rp_ready){
                               kind, {Py_NewRef(handle)}, {NULL}, NULL}) < 0)
        return NULL;
    /* A signal handler runs in the middle of the poll's EINTR too. */
    ev_async_send(SELF->ev, &SELF->wake);
    Py_RETURN_NONE;
}
