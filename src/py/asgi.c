/* asgi.c -- an ASGI 3 application being served, and the types that it takes. */
#include "rupy/py/asgi_impl.h"

static int
asgi_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct rp_asgi_object *a = (struct rp_asgi_object *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(a->app);
    Py_VISIT(a->lifespan_state);
    Py_VISIT(a->scope);
    Py_VISIT(a->version);
    Py_VISIT(a->extensions);
    Py_VISIT(a->request);
    Py_VISIT(a->lent_version);
    Py_VISIT(a->lent_extensions);
    Py_VISIT(a->lent_state);
    Py_VISIT(a->client);
    Py_VISIT(a->server);
    return rp_asgi_fields_traverse(a, visit, arg);
}

static int
asgi_clear(PyObject *self)
{
    struct rp_asgi_object *a = (struct rp_asgi_object *)self;

    Py_CLEAR(a->app);
    Py_CLEAR(a->lifespan_state);
    Py_CLEAR(a->scope);
    Py_CLEAR(a->version);
    Py_CLEAR(a->extensions);
    Py_CLEAR(a->lent_version);
    Py_CLEAR(a->lent_extensions);
    Py_CLEAR(a->lent_state);
    return 0;
}

static void
asgi_dealloc(PyObject *self)
{
    struct rp_asgi_object *a = (struct rp_asgi_object *)self;
    PyTypeObject *tp = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    asgi_clear(self);
    rp_asgi_fields_clear(a);
    Py_CLEAR(a->request);
    Py_CLEAR(a->root_path);
    Py_CLEAR(a->mount);
    Py_CLEAR(a->no_bytes);
    Py_CLEAR(a->path);
    Py_CLEAR(a->raw_path);
    Py_CLEAR(a->client);
    Py_CLEAR(a->server);
    PyMem_Free(a->last_path);
    for (unsigned i = 0; i < RP_ASGI_TYPES; i++)
        Py_CLEAR(a->seen_types[i]);
#define X(name, text) Py_CLEAR(a->s_##name);
    RP_ASGI_NAMES(X)
#undef X
    rp_asgi_free_list(&a->calls);
    rp_asgi_free_list(&a->ports);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyType_Slot asgi_slots[] = {
    {Py_tp_dealloc, asgi_dealloc},
    {Py_tp_traverse, asgi_traverse},
    {Py_tp_clear, asgi_clear},
    {0, NULL},
};

static PyType_Spec asgi_spec = {
    .name = "rupy._core.Asgi",
    .basicsize = sizeof(struct rp_asgi_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = asgi_slots,
};

static int
intern_names(struct rp_asgi_object *a)
{
#define X(name, text)                                                          \
    if (!(a->s_##name = PyUnicode_InternFromString(text)))                     \
        return -1;
    RP_ASGI_NAMES(X)
#undef X
    return 0;
}

PyObject *
rp_asgi_new(struct rp_py_state *st, PyObject *app, struct rp_loop *loop,
            const struct rp_py_worker_config *c, PyObject *lifespan_state)
{
    struct rp_asgi_object *a =
        PyObject_GC_New(struct rp_asgi_object, st->asgi_type);

    if (!a)
        return NULL;
    memset((char *)a + sizeof(PyObject), 0, sizeof(*a) - sizeof(PyObject));
    a->st = st;
    a->loop = loop;
    a->app = Py_NewRef(app);
    a->lifespan_state = Py_NewRef(lifespan_state);
    a->early_hints = c->early_hints;
    a->websocket = (struct rp_handler){
        .ops = &rp_asgi_ws_ops, .self = a, .is_websocket = true};
    PyObject_GC_Track(a);
    if (intern_names(a) < 0 || rp_asgi_scope_init(a, c->root_path) < 0)
        Py_CLEAR(a);
    return (PyObject *)a;
}

struct rp_handler
rp_asgi_handler(PyObject *asgi)
{
    return (struct rp_handler){
        .ops = &rp_asgi_ops,
        .self = asgi,
        .streams = true,
        .websocket = &((struct rp_asgi_object *)asgi)->websocket,
    };
}

static int
make_type(PyObject *module, PyTypeObject **slot, PyType_Spec *spec)
{
    *slot = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *slot ? 0 : -1;
}

int
rp_py_asgi_exec(PyObject *module, struct rp_py_state *st)
{
    if (make_type(module, &st->asgi_type, &asgi_spec) < 0 ||
        make_type(module, &st->asgi_call_type, &rp_asgi_call_spec) < 0 ||
        make_type(module, &st->asgi_port_type, &rp_asgi_port_spec) < 0)
        return -1;
    return 0;
}
