/* proxy.c -- rupy._core.Proxy: other servers as a handler.
 *
 * It is the handler of its routes and answers without asking Python; what it
 * is given was checked by rupy/_proxy.py. */
#include "rupy/py/proxy.h"

struct proxy_object {
    PyObject_HEAD
    struct rp_proxy *proxy;
    PyObject *targets; /* tuple, for repr */
};

/* Copy text, with its NUL, to out.  0, or -1 with an exception. */
static int
copy_text(char *out, size_t room, const char *text)
{
    size_t n = strlen(text);

    if (n >= room) {
        PyErr_Format(PyExc_ValueError, "proxy: %s is too long", text);
        return -1;
    }
    memcpy(out, text, n + 1);
    return 0;
}

/* (url, host, port, path or None), ... into t, lent.  How many, or -1 with an
 * exception. */
static int
read_targets(PyObject *tuple, const struct rp_backend *common,
             struct rp_proxy_target *t)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);

    if (n < 1 || n > RP_PROXY_TARGETS) {
        PyErr_Format(PyExc_ValueError, "proxy: not 1 to %d backends",
                     RP_PROXY_TARGETS);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        const char *host, *port;

        t[i].backend = *common;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(tuple, i), "sssz", &t[i].url,
                              &host, &port, &t[i].path) ||
            copy_text(t[i].backend.host, sizeof(t[i].backend.host), host) < 0 ||
            copy_text(t[i].backend.port, sizeof(t[i].backend.port), port) < 0)
            return -1;
    }
    return (int)n;
}

static PyObject *
proxy_new(PyTypeObject *tp, PyObject *args, PyObject *kwargs)
{
    struct rp_proxy_target targets[RP_PROXY_TARGETS];
    struct rp_proxy_config c = {.targets = targets};
    struct rp_backend common = {.max = 0};
    struct proxy_object *o;
    PyObject *tuple;
    int n;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "szO!IIddddddd:Proxy", &c.prefix, &c.host,
                          &PyTuple_Type, &tuple, &common.max, &common.queue,
                          &common.connect, &common.wait, &common.idle,
                          &c.answer, &c.read, &c.tunnel, &c.fail_time))
        return NULL;
    n = read_targets(tuple, &common, targets);
    if (n < 0)
        return NULL;
    c.ntargets = (unsigned)n;
    o = (struct proxy_object *)tp->tp_alloc(tp, 0);
    if (!o)
        return NULL;
    o->targets = Py_NewRef(tuple);
    o->proxy = rp_proxy_new(&c);
    if (!o->proxy) {
        PyErr_NoMemory();
        Py_CLEAR(o);
    }
    return (PyObject *)o;
}

static void
proxy_dealloc(struct proxy_object *o)
{
    PyTypeObject *tp = Py_TYPE(o);

    rp_proxy_free(o->proxy);
    Py_CLEAR(o->targets);
    tp->tp_free(o);
    Py_DECREF(tp);
}

static PyObject *
proxy_repr(struct proxy_object *o)
{
    PyObject *first = PyTuple_GET_ITEM(o->targets, 0);

    return PyUnicode_FromFormat("<Proxy %U>", PyTuple_GET_ITEM(first, 0));
}

PyDoc_STRVAR(doc, "Proxy(prefix, host, targets, max, queue, connect, wait,\n"
                  "idle, answer, read, tunnel, fail_time)\n--\n\n"
                  "Other servers as a handler; made by Rupy.proxy().");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_new, proxy_new},
    {Py_tp_dealloc, proxy_dealloc},
    {Py_tp_repr, proxy_repr},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "rupy._core.Proxy",
    .basicsize = sizeof(struct proxy_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *
rp_proxy_type_new(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

const struct rp_handler *
rp_proxy_handler_of(struct rp_py_state *st, PyObject *o)
{
    if (Py_TYPE(o) != st->proxy_type)
        return NULL;
    return rp_proxy_handler(((struct proxy_object *)o)->proxy);
}
