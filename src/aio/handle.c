/* handle.c -- what call_soon() and call_later() return. */
#include "inside.h"

#include <stddef.h>

#define SELF ((struct rp_handle *)self)

struct rp_handle *
rp_handle_new(struct rp_loop *loop, PyTypeObject *tp, PyObject *callback,
              PyObject *const *args, Py_ssize_t nargs, PyObject *ctx)
{
    struct rp_aio_state *state = loop->state;
    PyObject *packed = NULL;
    struct rp_handle *h;

    if (nargs == 1)
        packed = Py_NewRef(args[0]);
    else if (nargs > 1) {
        packed = PyTuple_New(nargs);
        if (!packed)
            return NULL;
        for (Py_ssize_t i = 0; i < nargs; i++)
            PyTuple_SET_ITEM(packed, i, Py_NewRef(args[i]));
    }
    ctx = ctx ? Py_NewRef(ctx) : PyContext_CopyCurrent();
    if (!ctx)
        goto fail;
    if (state->nhandles > 0) {
        h = state->handles[--state->nhandles];
        Py_SET_TYPE((PyObject *)h, (PyTypeObject *)Py_NewRef(tp));
        rp_py_revive((PyObject *)h);
    } else {
        h = PyObject_GC_New(struct rp_handle, tp);
        if (!h)
            goto fail;
    }
    h->loop = (struct rp_loop *)Py_NewRef(loop);
    h->callback = Py_NewRef(callback);
    h->ctx = ctx;
    h->args = packed;
    h->nargs = nargs;
    h->weak = NULL;
    h->when = 0;
    h->pos = -1;
    h->cancelled = false;
    PyObject_GC_Track((PyObject *)h);
    return h;
fail:
    Py_XDECREF(packed);
    Py_XDECREF(ctx);
    return NULL;
}

static int
handle_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(SELF->loop);
    Py_VISIT(SELF->callback);
    Py_VISIT(SELF->ctx);
    Py_VISIT(SELF->args);
    return 0;
}

static int
handle_clear(PyObject *self)
{
    Py_CLEAR(SELF->callback);
    Py_CLEAR(SELF->ctx);
    Py_CLEAR(SELF->args);
    return 0;
}

static void
handle_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    struct rp_loop *loop = SELF->loop;
    struct rp_aio_state *state = loop->state;

    PyObject_GC_UnTrack(self);
    if (SELF->weak)
        PyObject_ClearWeakRefs(self);
    handle_clear(self);
    if (!state->closed && state->nhandles < RP_AIO_HANDLES_MAX)
        state->handles[state->nhandles++] = SELF;
    else
        PyObject_GC_Del(self);
    Py_DECREF(loop); /* the last one may free the state too */
    Py_DECREF(tp);
}

bool
rp_is_handle(PyObject *o)
{
    return Py_TYPE(o)->tp_dealloc == handle_dealloc;
}

void
rp_handles_clear(struct rp_aio_state *state)
{
    while (state->nhandles > 0)
        PyObject_GC_Del(state->handles[--state->nhandles]);
}

int
rp_handle_run(struct rp_handle *h)
{
    /* The callback may cancel its own handle, which drops these. */
    PyObject *callback = Py_NewRef(h->callback), *args = Py_XNewRef(h->args);
    PyObject *ctx = Py_NewRef(h->ctx), *r = NULL;
    Py_ssize_t nargs = h->nargs;
    int rc = 0;

    if (PyContext_Enter(ctx) == 0) {
        if (nargs == 0)
            r = PyObject_CallNoArgs(callback);
        else if (nargs == 1)
            r = PyObject_CallOneArg(callback, args);
        else
            r = PyObject_Call(callback, args, NULL);
        PyContext_Exit(ctx);
    }
    if (!r)
        rc = rp_loop_callback_failed(h->loop, callback, args, nargs,
                                     (PyObject *)h);
    Py_XDECREF(r);
    Py_DECREF(ctx);
    Py_DECREF(callback);
    Py_XDECREF(args);
    return rc;
}

void
rp_handle_cancel(struct rp_handle *h)
{
    if (h->cancelled)
        return;
    h->cancelled = true;
    Py_INCREF(h);
    rp_heap_del(h->loop, h);
    Py_CLEAR(h->callback);
    Py_CLEAR(h->args);
    h->nargs = 0;
    Py_DECREF(h);
}

int
rp_any_handle_cancel(struct rp_loop *loop, PyObject *handle)
{
    PyObject *r;

    if (rp_is_handle(handle)) {
        rp_handle_cancel((struct rp_handle *)handle);
        return 0;
    }
    r = PyObject_CallMethodNoArgs(handle, loop->state->s_cancel);
    Py_XDECREF(r);
    return r ? 0 : -1;
}

static PyObject *
handle_cancel(PyObject *self, PyObject *unused)
{
    (void)unused;
    rp_handle_cancel(SELF);
    Py_RETURN_NONE;
}

static PyObject *
handle_cancelled(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(SELF->cancelled);
}

static PyObject *
handle_run(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (!SELF->cancelled && rp_handle_run(SELF) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
handle_get_context(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef(SELF->ctx ? SELF->ctx : Py_None);
}

static PyObject *
handle_context(PyObject *self, PyObject *unused)
{
    (void)unused;
    return handle_get_context(self, NULL);
}

static PyObject *
handle_get_callback(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef(SELF->callback ? SELF->callback : Py_None);
}

/* New reference: a tuple. */
static PyObject *
args_tuple(struct rp_handle *h)
{
    if (h->nargs == 0)
        return PyTuple_New(0);
    if (h->nargs == 1)
        return PyTuple_Pack(1, h->args);
    return Py_NewRef(h->args);
}

static PyObject *
handle_get_args(PyObject *self, void *unused)
{
    (void)unused;
    if (SELF->cancelled)
        Py_RETURN_NONE;
    return args_tuple(SELF);
}

static PyObject *
handle_get_loop(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef((PyObject *)SELF->loop);
}

static PyObject *
handle_get_none(PyObject *self, void *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_NONE;
}

static PyObject *
handle_get_cancelled(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(SELF->cancelled);
}

/* isinstance(h, asyncio.Handle) holds by it. */
static PyObject *
handle_get_class(PyObject *self, void *name)
{
    return PyObject_GetAttrString(SELF->loop->state->events, name);
}

static PyObject *
handle_repr(PyObject *self)
{
    struct rp_handle *h = SELF;
    bool timer = Py_TYPE(self) == h->loop->state->timer_type;
    PyObject *what = NULL, *when = NULL, *args = NULL, *r = NULL;

    if (h->cancelled) {
        what = PyUnicode_FromString("cancelled");
    } else {
        args = args_tuple(h);
        if (args)
            what = PyObject_CallFunctionObjArgs(h->loop->state->format_source,
                                                h->callback, args, NULL);
    }
    if (timer)
        when = PyFloat_FromDouble(h->when);
    if (what && !timer)
        r = PyUnicode_FromFormat("<Handle %U>", what);
    else if (what && when && h->cancelled)
        r = PyUnicode_FromFormat("<TimerHandle cancelled when=%R>", when);
    else if (what && when)
        r = PyUnicode_FromFormat("<TimerHandle when=%R %U>", when, what);
    Py_XDECREF(what);
    Py_XDECREF(when);
    Py_XDECREF(args);
    return r;
}

static PyObject *
timer_when(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyFloat_FromDouble(SELF->when);
}

static PyObject *
timer_get_when(PyObject *self, void *unused)
{
    (void)unused;
    return PyFloat_FromDouble(SELF->when);
}

static PyObject *
timer_get_scheduled(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(SELF->pos >= 0);
}

static PyObject *
timer_richcompare(PyObject *self, PyObject *other, int op)
{
    struct rp_handle *b = (struct rp_handle *)other;

    if (Py_TYPE(other) != Py_TYPE(self))
        Py_RETURN_NOTIMPLEMENTED;
    if (op == Py_EQ || op == Py_NE)
        return PyBool_FromLong((self == other) == (op == Py_EQ));
    if (self == other)
        return PyBool_FromLong(op == Py_LE || op == Py_GE);
    Py_RETURN_RICHCOMPARE(SELF->when, b->when, op);
}

static Py_hash_t
timer_hash(PyObject *self)
{
    return PyBaseObject_Type.tp_hash(self);
}

static PyMethodDef handle_methods[] = {
    {"cancel", handle_cancel, METH_NOARGS, "Do not call the callback."},
    {"cancelled", handle_cancelled, METH_NOARGS,
     "True when cancel() was called."},
    {"get_context", handle_context, METH_NOARGS,
     "The contextvars.Context of the callback."},
    {"_run", handle_run, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef handle_getset[] = {
    {"__class__", handle_get_class, NULL, NULL, (void *)"Handle"},
    {"_cancelled", handle_get_cancelled, NULL, NULL, NULL},
    {"_callback", handle_get_callback, NULL, NULL, NULL},
    {"_args", handle_get_args, NULL, NULL, NULL},
    {"_context", handle_get_context, NULL, NULL, NULL},
    {"_loop", handle_get_loop, NULL, NULL, NULL},
    {"_source_traceback", handle_get_none, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef handle_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct rp_handle, weak),
     RP_PY_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot handle_slots[] = {
    {Py_tp_dealloc, handle_dealloc}, {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},     {Py_tp_repr, handle_repr},
    {Py_tp_methods, handle_methods}, {Py_tp_getset, handle_getset},
    {Py_tp_members, handle_members}, {0, NULL},
};

PyType_Spec rp_handle_spec = {"rupy.Handle", sizeof(struct rp_handle), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                  Py_TPFLAGS_DISALLOW_INSTANTIATION,
                              handle_slots};

static PyMethodDef timer_methods[] = {
    {"cancel", handle_cancel, METH_NOARGS, "Do not call the callback."},
    {"cancelled", handle_cancelled, METH_NOARGS,
     "True when cancel() was called."},
    {"get_context", handle_context, METH_NOARGS,
     "The contextvars.Context of the callback."},
    {"_run", handle_run, METH_NOARGS, NULL},
    {"when", timer_when, METH_NOARGS,
     "The time it was set for, in seconds of loop.time()."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef timer_getset[] = {
    {"__class__", handle_get_class, NULL, NULL, (void *)"TimerHandle"},
    {"_cancelled", handle_get_cancelled, NULL, NULL, NULL},
    {"_callback", handle_get_callback, NULL, NULL, NULL},
    {"_args", handle_get_args, NULL, NULL, NULL},
    {"_context", handle_get_context, NULL, NULL, NULL},
    {"_loop", handle_get_loop, NULL, NULL, NULL},
    {"_source_traceback", handle_get_none, NULL, NULL, NULL},
    {"_when", timer_get_when, NULL, NULL, NULL},
    {"_scheduled", timer_get_scheduled, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot timer_slots[] = {
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_repr, handle_repr},
    {Py_tp_richcompare, timer_richcompare},
    {Py_tp_hash, timer_hash},
    {Py_tp_methods, timer_methods},
    {Py_tp_getset, timer_getset},
    {Py_tp_members, handle_members},
    {0, NULL},
};

PyType_Spec rp_timer_spec = {"rupy.TimerHandle", sizeof(struct rp_handle), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                 Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             timer_slots};
