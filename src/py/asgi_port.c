/* asgi_port.c -- receive and send as the application sees them, and what it
 * awaits.
 *
 *     NEW --------------------------> OVER
 *       \______ WAITING ______________^
 *
 * Nothing happens before the first step, as with a coroutine.  What can be
 * done at once is done in that step, and the application goes on without the
 * loop; what cannot waits for a future of the loop, like anything else that is
 * awaited there, so tasks, timeouts and cancellation work as they do
 * everywhere. */
#include "rupy/py/asgi_impl.h"

struct rp_asgi_port {
    PyObject_HEAD
    vectorcallfunc call_fn;
    struct rp_asgi_call *call;
    bool sends;
};

enum state { NEW, WAITING, OVER };

struct rp_asgi_await {
    PyObject_HEAD
    struct rp_asgi_call *call;
    PyObject *message; /* of send(); NULL: receive() */
    PyObject *future;  /* while WAITING, and its iterator */
    PyObject *iter;
    struct rp_list link; /* in call->waiting, while WAITING */
    enum state state;
    bool sent;
};

/* ---- Memory of the dead ---- */

void *
rp_asgi_take(struct rp_asgi_free *list, PyTypeObject *tp)
{
    if (!tp) {
        PyErr_SetString(PyExc_RuntimeError, "the server is gone");
        return NULL;
    }
    if (list->n == 0)
        return PyObject_GC_New(PyObject, tp);
    return PyObject_Init(list->v[--list->n], tp);
}

void
rp_asgi_give(struct rp_asgi_free *list, void *o)
{
    PyTypeObject *tp = Py_TYPE((PyObject *)o);

    if (list && list->n < RP_ASGI_FREE)
        list->v[list->n++] = o;
    else
        PyObject_GC_Del(o);
    Py_DECREF(tp);
}

void
rp_asgi_free_list(struct rp_asgi_free *list)
{
    while (list->n > 0)
        PyObject_GC_Del(list->v[--list->n]);
}

/* ---- Waiting ---- */

static void
stop_waiting(struct rp_asgi_await *w)
{
    if (w->state != WAITING)
        return;
    rp_list_del(&w->link);
    Py_CLEAR(w->iter);
    Py_CLEAR(w->future);
    w->state = NEW;
}

static int
start_waiting(struct rp_asgi_await *w)
{
    struct rp_asgi_call *call = w->call;

    w->future = rp_loop_create_future(call->asgi->loop);
    if (!w->future)
        return -1;
    w->iter = Py_TYPE(w->future)->tp_as_async->am_await(w->future);
    if (!w->iter) {
        Py_CLEAR(w->future);
        return -1;
    }
    rp_list_add(&call->waiting, &w->link);
    w->state = WAITING;
    return 0;
}

static int
wake_one(struct rp_asgi_object *a, PyObject *future)
{
    PyObject *r = PyObject_CallMethodNoArgs(future, a->s_done);

    if (r == Py_False)
        Py_XSETREF(r,
                   PyObject_CallMethodOneArg(future, a->s_set_result, Py_None));
    Py_XDECREF(r);
    return r ? 0 : -1;
}

void
rp_asgi_wake(struct rp_asgi_call *call)
{
    /* A future only queues what waits for it: the list stays as it is. */
    for (struct rp_list *l = call->waiting.next; l != &call->waiting;
         l = l->next) {
        struct rp_asgi_await *w =
            rp_container_of(l, struct rp_asgi_await, link);
        if (wake_one(call->asgi, w->future) < 0)
            PyErr_WriteUnraisable(w->future);
    }
}

/* ---- What is awaited ---- */

static PySendResult
finish(struct rp_asgi_await *w, PySendResult how)
{
    stop_waiting(w);
    w->state = OVER;
    Py_CLEAR(w->message);
    return how;
}

static PySendResult
await_send(PyObject *self, PyObject *value, PyObject **result)
{
    struct rp_asgi_await *w = (struct rp_asgi_await *)self;
    enum rp_asgi_step step;

    *result = NULL;
    if (w->state == OVER) {
        PyErr_SetString(PyExc_RuntimeError,
                        "cannot reuse already awaited receive() or send()");
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
    if (w->message)
        step = rp_asgi_send(w->call, w->message, &w->sent);
    else
        step = rp_asgi_receive(w->call, result);
    switch (step) {
    case RP_ASGI_ERROR:
        break;
    case RP_ASGI_DONE:
        if (w->message)
            *result = Py_NewRef(Py_None);
        return finish(w, PYGEN_RETURN);
    case RP_ASGI_WAIT:
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
    if (how != PYGEN_RETURN)
        return result;
    if (result == Py_None)
        PyErr_SetNone(PyExc_StopIteration);
    else
        PyErr_SetObject(PyExc_StopIteration, result);
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
    finish((struct rp_asgi_await *)self, PYGEN_ERROR);
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
    finish((struct rp_asgi_await *)self, PYGEN_ERROR);
    Py_RETURN_NONE;
}

static int
await_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct rp_asgi_await *w = (struct rp_asgi_await *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(w->call);
    Py_VISIT(w->message);
    Py_VISIT(w->future);
    Py_VISIT(w->iter);
    return 0;
}

static int
await_clear(PyObject *self)
{
    finish((struct rp_asgi_await *)self, PYGEN_ERROR);
    return 0;
}

static void
await_dealloc(PyObject *self)
{
    struct rp_asgi_await *w = (struct rp_asgi_await *)self;
    struct rp_asgi_call *call = w->call;

    PyObject_GC_UnTrack(self);
    finish(w, PYGEN_ERROR);
    rp_asgi_give(&call->asgi->awaits, self);
    Py_DECREF(call);
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

PyType_Spec rp_asgi_await_spec = {
    .name = "rupy._core.Await",
    .basicsize = sizeof(struct rp_asgi_await),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = await_slots,
};

/* ---- The two functions ---- */

static PyObject *
await_new(struct rp_asgi_call *call, PyObject *message)
{
    struct rp_asgi_object *a = call->asgi;
    struct rp_asgi_await *w = rp_asgi_take(&a->awaits, a->st->asgi_await_type);

    if (!w)
        return NULL;
    w->call = (struct rp_asgi_call *)Py_NewRef((PyObject *)call);
    w->message = Py_XNewRef(message);
    w->future = w->iter = NULL;
    w->state = NEW;
    w->sent = false;
    PyObject_GC_Track(w);
    return (PyObject *)w;
}

static PyObject *
port_call(PyObject *self, PyObject *const *args, size_t nargsf,
          PyObject *kwnames)
{
    struct rp_asgi_port *p = (struct rp_asgi_port *)self;
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);

    if (n != (p->sends ? 1 : 0) || (kwnames && PyTuple_GET_SIZE(kwnames)))
        return PyErr_Format(PyExc_TypeError, "%s takes %s",
                            p->sends ? "send()" : "receive()",
                            p->sends ? "one message" : "no argument");
    return await_new(p->call, p->sends ? args[0] : NULL);
}

PyObject *
rp_asgi_port_new(struct rp_asgi_call *call, bool sends)
{
    struct rp_asgi_object *a = call->asgi;
    struct rp_asgi_port *p = rp_asgi_take(&a->ports, a->st->asgi_port_type);

    if (!p)
        return NULL;
    p->call_fn = port_call;
    p->call = (struct rp_asgi_call *)Py_NewRef((PyObject *)call);
    p->sends = sends;
    PyObject_GC_Track(p);
    return (PyObject *)p;
}

static int
port_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((struct rp_asgi_port *)self)->call);
    return 0;
}

static void
port_dealloc(PyObject *self)
{
    struct rp_asgi_call *call = ((struct rp_asgi_port *)self)->call;

    PyObject_GC_UnTrack(self);
    rp_asgi_give(&call->asgi->ports, self);
    Py_DECREF(call);
}

static PyMemberDef port_members[] = {
    {"__vectorcalloffset__", RP_PY_SSIZE,
     offsetof(struct rp_asgi_port, call_fn), RP_PY_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot port_slots[] = {
    {Py_tp_dealloc, port_dealloc},
    {Py_tp_traverse, port_traverse},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, port_members},
    {0, NULL},
};

PyType_Spec rp_asgi_port_spec = {
    .name = "rupy._core.Port",
    .basicsize = sizeof(struct rp_asgi_port),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = port_slots,
};
