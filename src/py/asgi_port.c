/* asgi_port.c -- receive and send as the application sees them. */
#include "rupy/py/asgi_impl.h"

struct rp_asgi_port {
    PyObject_HEAD
    vectorcallfunc call_fn;
    struct rp_asgi_call *call;
    bool sends;
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

void
rp_asgi_wake(struct rp_asgi_call *call)
{
    rp_await_wake(call->asgi->st, &call->queue);
}

/* ---- The two functions ---- */

static enum rp_await_step
do_send(PyObject *self, PyObject *message, bool *sent, PyObject **result)
{
    struct rp_asgi_call *call = (struct rp_asgi_call *)self;

    (void)result;
    if (call->ws)
        return rp_asgi_ws_send(call, message, sent);
    return (enum rp_await_step)rp_asgi_send(call, message, sent);
}

static enum rp_await_step
do_receive(PyObject *self, PyObject *unused, bool *sent, PyObject **result)
{
    struct rp_asgi_call *call = (struct rp_asgi_call *)self;

    (void)unused, (void)sent;
    if (call->ws)
        return rp_asgi_ws_receive(call, result);
    return (enum rp_await_step)rp_asgi_receive(call, result);
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
    return rp_await_new(p->call->asgi->st, (PyObject *)p->call, &p->call->queue,
                        p->sends ? do_send : do_receive,
                        p->sends ? args[0] : NULL);
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
