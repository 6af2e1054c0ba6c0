/* content.c -- rupy._core.Content: what a client sends, taken piece by piece
 * while it comes.  The classes that users see are in rupy/_content.py; this is
 * the part that knows the exchange. */
#include "rupy/py/content.h"

#include "rupy/py/native.h"

struct content_object {
    PyObject_HEAD
    PyObject *loop;
    PyObject *waiter;      /* future, while somebody waits */
    struct rp_exchange *x; /* NULL: the exchange is over */
    unsigned long thread;  /* the loop's */
    unsigned long long taken;
    bool gone; /* the client, before the content was complete */
};

static struct content_object *
of(PyObject *self)
{
    return (struct content_object *)self;
}

PyObject *
rp_content_new(struct rp_py_state *st, struct rp_exchange *x,
               struct rp_loop *loop)
{
    struct content_object *c =
        PyObject_GC_New(struct content_object, st->content_type);

    if (!c)
        return NULL;
    c->loop = Py_NewRef(rp_loop_object(loop));
    c->waiter = NULL;
    c->x = x;
    c->thread = PyThread_get_thread_ident();
    c->taken = 0;
    c->gone = false;
    PyObject_GC_Track(c);
    return (PyObject *)c;
}

void
rp_content_wake(PyObject *content)
{
    rp_native_wake(&of(content)->waiter);
}

void
rp_content_end(PyObject *content, bool gone)
{
    of(content)->x = NULL;
    of(content)->gone = gone;
    rp_content_wake(content);
}

static PyObject *
raise_gone(void)
{
    PyObject *module = PyImport_ImportModule("rupy._errors"), *exc = NULL;

    if (module)
        exc = PyObject_CallMethod(module, "ClientDisconnect", NULL);
    if (exc)
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
    Py_XDECREF(exc);
    Py_XDECREF(module);
    return NULL;
}

static PyObject *
raise_over(struct content_object *c)
{
    if (c->gone)
        return raise_gone();
    PyErr_SetString(PyExc_RuntimeError,
                    "the request is over: its content can no more be read");
    return NULL;
}

PyDoc_STRVAR(take_doc, "take()\n--\n\n"
                       "The next bytes, b'' at the end, None: wait() first.");

static PyObject *
content_take(PyObject *self, PyObject *unused)
{
    struct content_object *c = of(self);
    struct rp_str piece;
    PyObject *bytes;

    (void)unused;
    if (!c->x)
        return raise_over(c);
    piece = rp_exchange_content(c->x);
    switch (rp_exchange_content_end(c->x)) {
    case RP_CONTENT_COMES:
        if (piece.n == 0)
            Py_RETURN_NONE;
        break;
    case RP_CONTENT_COMPLETE:
        break;
    case RP_CONTENT_CUT:
        return raise_gone();
    }
    bytes = PyBytes_FromStringAndSize(piece.p, (Py_ssize_t)piece.n);
    if (bytes && piece.n > 0) {
        c->taken += piece.n;
        rp_exchange_take_content(c->x, piece.n);
    }
    return bytes;
}

PyDoc_STRVAR(wait_doc, "wait()\n--\n\n"
                       "A future that is done when take() should be tried.");

static PyObject *
content_wait(PyObject *self, PyObject *unused)
{
    struct content_object *c = of(self);
    PyObject *done;

    (void)unused;
    if (!c->x)
        return raise_over(c);
    if (c->waiter) {
        done = PyObject_CallMethod(c->waiter, "done", NULL);
        if (!done)
            return NULL;
        Py_DECREF(done);
        if (done == Py_False) {
            PyErr_SetString(PyExc_RuntimeError,
                            "the content is read by another task already");
            return NULL;
        }
    }
    Py_XSETREF(c->waiter, rp_loop_create_future(rp_loop_from_object(c->loop)));
    if (!c->waiter)
        return NULL;
    rp_exchange_want_content(c->x);
    return Py_XNewRef(c->waiter);
}

static PyObject *
get_here(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(of(self)->thread == PyThread_get_thread_ident());
}

static PyObject *
get_loop(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef(of(self)->loop);
}

static PyObject *
get_taken(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(of(self)->taken);
}

static int
content_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(of(self)->loop);
    Py_VISIT(of(self)->waiter);
    return 0;
}

static int
content_clear(PyObject *self)
{
    Py_CLEAR(of(self)->loop);
    Py_CLEAR(of(self)->waiter);
    return 0;
}

static void
content_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    content_clear(self);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyMethodDef methods[] = {
    {"take", content_take, METH_NOARGS, take_doc},
    {"wait", content_wait, METH_NOARGS, wait_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"here", get_here, NULL,
     PyDoc_STR("This is the loop's thread: take() and wait() may be called."),
     NULL},
    {"loop", get_loop, NULL, PyDoc_STR("The loop that reads it."), NULL},
    {"taken", get_taken, NULL, PyDoc_STR("Bytes that were taken."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, content_dealloc}, {Py_tp_traverse, content_traverse},
    {Py_tp_clear, content_clear},     {Py_tp_methods, methods},
    {Py_tp_getset, getset},           {0, NULL},
};

static PyType_Spec spec = {
    .name = "rupy._core.Content",
    .basicsize = sizeof(struct content_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

PyTypeObject *
rp_content_type_new(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}
