/* await.c -- what a function of ours returns to be awaited. */
#include "rupy/py/await.h"

enum state { NEW, WAITING, OVER };

struct await_object {
    PyObject_HEAD
    struct rp_py_state *st;
    PyObject *owner;
    struct rp_await_queue *q; /* in owner */
    rp_await_fn fn;
    PyObject *arg;
    PyObject *future; /* while WAITING, and its iterator */
    PyObject *iter;
    struct rp_list link; /* in q, while WAITING */
    enum state state;
    bool sent;
};

/* ---- Waiting ---- */

static void
stop_waiting(struct await_object *w)
{
    if (w->state != WAITING)
        return;
    rp_list_del(&w->link);
    Py_CLEAR(w->iter);
    Py_CLEAR(w->future);
    w->state = NEW;
}

static int
start_waiting(struct await_object *w)
{
    w->future = rp_loop_create_future(w->q->loop);
    if (!w->future)
        return -1;
    w->iter = Py_TYPE(w->future)->tp_as_async->am_await(w->future);
    if (!w->iter) {
        Py_CLEAR(w->future);
        return -1;
    }
    rp_list_add(&w->q->waiting, &w->link);
    w->state = WAITING;
    return 0;
}

static int
wake_one(struct rp_py_state *st, PyObject *future)
{
    PyObject *r = PyObject_CallMethodNoArgs(future, st->s_done);

    if (r == Py_False)
        Py_XSETREF(
            r, PyObject_CallMethodOneArg(future, st->s_set_result, Py_None));
    Py_XDECREF(r);
    return r ? 0 : -1;
}

void
rp_await_wake(struct rp_py_state *st, struct rp_await_queue *q)
{
    /* A future only queues what waits for it: the list stays as it is. */
    struct rp_list *next;

    for (struct rp_list *l = q->waiting.next; l != &q->waiting; l = next) {
        struct await_object *w = rp_container_of(l, struct await_object, link);

        /* But the collector may run, and nobody else may have this one: a
         * task that nobody keeps. */
        Py_INCREF(w);
        if (wake_one(st, w->future) < 0)
            PyErr_WriteUnraisable((PyObject *)w);
        next = w->state == WAITING ? l->next : q->waiting.next;
        Py_DECREF(w);
    }
}

/* ---- Being awaited ---- */

static PySendResult
finish(struct await_object *w, PySendResult how)
{
    stop_waiting(w);
    w->state = OVER;
    Py_CLEAR(w->arg);
    return how;
}

static PySendResult
await_send(PyObject *self, PyObject *value, PyObject **result)
{
    struct await_object *w = (struct await_object *)self;

    *result = NULL;
    if (w->state == OVER) {
        PyErr_SetString(PyExc_RuntimeError,
                        "cannot reuse what was awaited already");
        return PYGEN_ERROR;
    }
    if (w->state == WAITING) {
        PySendResult how = PyIter_Send(w->iter, value, result);

        if (how == PYGEN_NEXT)
            return how;
        if (how == PYGEN_ERROR)
            return finish(w, how);
        Py_CLEAR(*result);
        stop_waiting(w);
    }
    switch (w->fn(w->owner, w->arg, &w->sent, result)) {
    case RP_AWAIT_ERROR:
        break;
    case RP_AWAIT_DONE:
        if (!*result)
            *result = Py_NewRef(Py_None);
        return finish(w, PYGEN_RETURN);
    case RP_AWAIT_WAIT:
        if (start_waiting(w) == 0)
            return PyIter_Send(w->iter, Py_None, result);
        break;
    }
    return finish(w, PYGEN_ERROR);
}

/* As PyIter_Send() says it, for those who call methods. */
static PyObject *
stop_iteration(PySendResult how, PyObject *result)
{
    PyObject *args, *exc;

    if (how != PYGEN_RETURN)
        return result;
    if (result == Py_None) {
        PyErr_SetNone(PyExc_StopIteration);
    } else {
        /* Made by hand: a tuple would be taken for its arguments. */
        args = PyTuple_Pack(1, result);
        exc = args ? PyObject_Call(PyExc_StopIteration, args, NULL) : NULL;
        if (exc)
            PyErr_SetObject(PyExc_StopIteration, exc);
        Py_XDECREF(exc);
        Py_XDECREF(args);
    }
    Py_DECREF(result);
    return NULL;
}

static PyObject *
await_next(PyObject *self)
{
    PyObject *result;
    PySendResult how = await_send(self, Py_None, &result);

    /* tp_iternext may end without an exception, which is None. */
    if (how == PYGEN_RETURN && result == Py_None) {
        Py_DECREF(result);
        return NULL;
    }
    return stop_iteration(how, result);
}

static PyObject *
await_send_method(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult how = await_send(self, value, &result);

    return stop_iteration(how, result);
}

static PyObject *
await_throw(PyObject *self, PyObject *args)
{
    PyObject *type, *value = NULL, *tb = NULL;

    if (!PyArg_ParseTuple(args, "O|OO:throw", &type, &value, &tb))
        return NULL;
    finish((struct await_object *)self, PYGEN_ERROR);
    if (value == Py_None)
        value = NULL;
    if (PyExceptionInstance_Check(type)) {
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
    } else if (PyExceptionClass_Check(type)) {
        PyErr_SetObject(type, value);
    } else {
        PyErr_Format(PyExc_TypeError,
                     "exceptions must be classes or instances, not %s",
                     Py_TYPE(type)->tp_name);
    }
    return NULL;
}

static PyObject *
await_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    finish((struct await_object *)self, PYGEN_ERROR);
    Py_RETURN_NONE;
}

/* ---- The type ---- */

static int
await_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct await_object *w = (struct await_object *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(w->owner);
    Py_VISIT(w->arg);
    Py_VISIT(w->future);
    Py_VISIT(w->iter);
    return 0;
}

static int
await_clear(PyObject *self)
{
    /* owner stays: q lies in it. */
    finish((struct await_object *)self, PYGEN_ERROR);
    return 0;
}

static void
await_dealloc(PyObject *self)
{
    struct await_object *w = (struct await_object *)self;
    PyTypeObject *tp = Py_TYPE(self);
    struct rp_py_state *st = w->st;
    PyObject *owner = w->owner;

    PyObject_GC_UnTrack(self);
    finish(w, PYGEN_ERROR);
    /* A type without its module is itself garbage, and the state is gone. */
    if (((PyHeapTypeObject *)tp)->ht_module && st->await_type == tp &&
        st->nfree_awaits < RP_PY_FREE_AWAITS)
        st->free_awaits[st->nfree_awaits++] = w;
    else
        PyObject_GC_Del(self);
    Py_DECREF(owner);
    Py_DECREF(tp);
}

static PyMethodDef await_methods[] = {
    {"send", await_send_method, METH_O, NULL},
    {"throw", await_throw, METH_VARARGS, NULL},
    {"close", await_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot await_slots[] = {
    {Py_tp_dealloc, await_dealloc},
    {Py_tp_traverse, await_traverse},
    {Py_tp_clear, await_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, await_next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, await_send},
    {Py_tp_methods, await_methods},
    {0, NULL},
};

static PyType_Spec await_spec = {
    .name = "rupy._core.Await",
    .basicsize = sizeof(struct await_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = await_slots,
};

PyObject *
rp_await_new(struct rp_py_state *st, PyObject *owner, struct rp_await_queue *q,
             rp_await_fn fn, PyObject *arg)
{
    struct await_object *w;

    if (!st->await_type) {
        PyErr_SetString(PyExc_RuntimeError, "the server is gone");
        return NULL;
    }
    if (st->nfree_awaits > 0)
        w = (struct await_object *)PyObject_Init(
            st->free_awaits[--st->nfree_awaits], st->await_type);
    else
        w = PyObject_GC_New(struct await_object, st->await_type);
    if (!w)
        return NULL;
    w->st = st;
    w->owner = Py_NewRef(owner);
    w->q = q;
    w->fn = fn;
    w->arg = Py_XNewRef(arg);
    w->future = w->iter = NULL;
    w->state = NEW;
    w->sent = false;
    PyObject_GC_Track(w);
    return (PyObject *)w;
}

int
rp_py_await_exec(PyObject *module, struct rp_py_state *st)
{
    st->await_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &await_spec, NULL);
    st->s_done = PyUnicode_InternFromString("done");
    st->s_set_result = PyUnicode_InternFromString("set_result");
    return st->await_type && st->s_done && st->s_set_result ? 0 : -1;
}
