/* wsgi.c -- a WSGI application being served, and the types that it takes. */
#include "rupy/py/wsgi_impl.h"

static int
wsgi_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct rp_wsgi_object *w = (struct rp_wsgi_object *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(w->app);
    return rp_wsgi_environ_traverse(w, visit, arg);
}

static int
wsgi_clear(PyObject *self)
{
    Py_CLEAR(((struct rp_wsgi_object *)self)->app);
    return 0;
}

static void
wsgi_dealloc(PyObject *self)
{
    struct rp_wsgi_object *w = (struct rp_wsgi_object *)self;
    PyTypeObject *tp = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    wsgi_clear(self);
    rp_wsgi_environ_clear(w);
    while (w->ncalls > 0)
        PyObject_Free(w->calls[--w->ncalls]);
#define X(name, text) Py_CLEAR(w->s_##name);
    RP_WSGI_NAMES(X)
#undef X
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyType_Slot wsgi_slots[] = {
    {Py_tp_dealloc, wsgi_dealloc},
    {Py_tp_traverse, wsgi_traverse},
    {Py_tp_clear, wsgi_clear},
    {0, NULL},
};

static PyType_Spec wsgi_spec = {
    .name = "rupy._core.Wsgi",
    .basicsize = sizeof(struct rp_wsgi_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = wsgi_slots,
};

static int
intern_names(struct rp_wsgi_object *w)
{
#define X(name, text)                                                          \
    if (!(w->s_##name = PyUnicode_InternFromString(text)))                     \
        return -1;
    RP_WSGI_NAMES(X)
#undef X
    return 0;
}

PyObject *
rp_wsgi_new(struct rp_py_state *st, PyObject *app, struct rp_loop *loop,
            const struct rp_py_worker_config *c)
{
    struct rp_wsgi_object *w =
        PyObject_GC_New(struct rp_wsgi_object, st->wsgi_type);

    if (!w)
        return NULL;
    memset((char *)w + sizeof(PyObject), 0, sizeof(*w) - sizeof(PyObject));
    w->st = st;
    w->loop = loop;
    w->app = Py_NewRef(app);
    w->early_hints = c->early_hints;
    w->keep_underscores = c->keep_underscores;
    w->body_buffer = c->body_buffer;
    PyObject_GC_Track(w);
    if (intern_names(w) < 0 || rp_wsgi_environ_init(w, c) < 0)
        Py_CLEAR(w);
    return (PyObject *)w;
}

void
rp_wsgi_set_pool(PyObject *wsgi, struct rp_pool *pool)
{
    ((struct rp_wsgi_object *)wsgi)->pool = pool;
}

struct rp_handler
rp_wsgi_handler(PyObject *wsgi)
{
    return (struct rp_handler){
        .ops = &rp_wsgi_ops, .self = wsgi, .streams = true};
}

static int
make_type(PyObject *module, PyTypeObject **slot, PyType_Spec *spec)
{
    *slot = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *slot ? 0 : -1;
}

int
rp_py_wsgi_exec(PyObject *module, struct rp_py_state *st)
{
    if (make_type(module, &st->wsgi_type, &wsgi_spec) < 0 ||
        make_type(module, &st->wsgi_call_type, &rp_wsgi_call_spec) < 0 ||
        make_type(module, &st->wsgi_input_type, &rp_wsgi_input_spec) < 0 ||
        make_type(module, &st->wsgi_errors_type, &rp_wsgi_errors_spec) < 0 ||
        make_type(module, &st->file_wrapper_type, &rp_wsgi_file_spec) < 0)
        return -1;
    return 0;
}
