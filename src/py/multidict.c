/* multidict.c -- rupy.MultiDict: what came with a query, and later a form.
 *
 * Pairs in order of receipt.  At most RP_MULTIDICT_MAX of them come from one
 * request, so walking over them is cheap enough. */
#include "rupy/py/multidict.h"

struct multidict_object {
    PyObject_HEAD
    PyObject **v;  /* name, value, name, value ... */
    size_t n, cap; /* pairs */
};

static struct multidict_object *
of(PyObject *self)
{
    return (struct multidict_object *)self;
}

static int
multidict_traverse(PyObject *self, visitproc visit, void *arg)
{
    size_t i;

    for (i = 0; i < 2 * of(self)->n; i++)
        Py_VISIT(of(self)->v[i]);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static int
multidict_clear(PyObject *self)
{
    PyObject **v = of(self)->v;
    size_t i, n = of(self)->n;

    of(self)->v = NULL;
    of(self)->n = of(self)->cap = 0;
    for (i = 0; i < 2 * n; i++)
        Py_DECREF(v[i]);
    PyMem_Free(v);
    return 0;
}

static void
multidict_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    multidict_clear(self);
    tp->tp_free(self);
    Py_DECREF(tp);
}

PyObject *
rp_multidict_new(struct rp_py_state *st)
{
    return st->multidict_type->tp_alloc(st->multidict_type, 0);
}

size_t
rp_multidict_size(PyObject *multidict)
{
    return of(multidict)->n;
}

int
rp_multidict_add(PyObject *multidict, PyObject *name, PyObject *value)
{
    struct multidict_object *m = of(multidict);
    PyObject **v;
    size_t cap;

    if (name == NULL || value == NULL)
        goto fail;
    if (m->n == m->cap) {
        cap = m->cap == 0 ? 4 : 2 * m->cap;
        v = PyMem_Realloc(m->v, 2 * cap * sizeof(*v));
        if (v == NULL) {
            PyErr_NoMemory();
            goto fail;
        }
        m->v = v;
        m->cap = cap;
    }
    m->v[2 * m->n] = name;
    m->v[2 * m->n + 1] = value;
    m->n++;
    return 0;
fail:
    Py_XDECREF(name);
    Py_XDECREF(value);
    return -1;
}

/* One (name, value) given by Python code. */
static int
add_pair(PyObject *self, PyObject *item)
{
    PyObject *pair = NULL;
    int rc = -1;

    if (PyUnicode_Check(item) || PyBytes_Check(item)) {
        PyErr_SetString(PyExc_TypeError, "items must be pairs");
        return -1;
    }
    pair = PySequence_Fast(item, "items must be pairs");
    if (pair == NULL)
        return -1;
    if (PySequence_Fast_GET_SIZE(pair) != 2)
        PyErr_SetString(PyExc_ValueError, "items must be pairs");
    else if (!PyUnicode_Check(PySequence_Fast_GET_ITEM(pair, 0)))
        PyErr_SetString(PyExc_TypeError, "names must be str");
    else
        rc =
            rp_multidict_add(self, Py_NewRef(PySequence_Fast_GET_ITEM(pair, 0)),
                             Py_NewRef(PySequence_Fast_GET_ITEM(pair, 1)));
    Py_DECREF(pair);
    return rc;
}

static int
extend(PyObject *self, PyObject *from)
{
    PyObject *pairs = NULL, *it = NULL, *item = NULL;
    int rc = -1, is_mapping;

    if (from == Py_None)
        return 0;
    is_mapping = rp_py_has_attr(from, "keys");
    if (is_mapping < 0)
        return -1;
    pairs = is_mapping ? PyMapping_Items(from) : Py_NewRef(from);
    if (pairs == NULL)
        goto out;
    it = PyObject_GetIter(pairs);
    if (it == NULL)
        goto out;
    while ((item = PyIter_Next(it)) != NULL) {
        rc = add_pair(self, item);
        Py_CLEAR(item);
        if (rc < 0)
            goto out;
    }
    rc = PyErr_Occurred() ? -1 : 0;
out:
    Py_XDECREF(it);
    Py_XDECREF(pairs);
    return rc;
}

static PyObject *
multidict_new(PyTypeObject *tp, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"items", NULL};
    PyObject *items = Py_None, *self;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &items))
        return NULL;
    self = tp->tp_alloc(tp, 0);
    if (self != NULL && extend(self, items) < 0)
        Py_CLEAR(self);
    return self;
}

static Py_ssize_t
multidict_length(PyObject *self)
{
    return (Py_ssize_t)of(self)->n;
}

/* The first value of that name: borrowed, or NULL without an exception.
 * Names are compared as str: what is equal to a str by a subclass's own
 * opinion is not found. */
static PyObject *
find(PyObject *self, PyObject *name)
{
    struct multidict_object *m = of(self);
    size_t i;

    if (!PyUnicode_Check(name))
        return NULL;
    for (i = 0; i < m->n; i++)
        if (m->v[2 * i] == name || PyUnicode_Compare(m->v[2 * i], name) == 0)
            return m->v[2 * i + 1];
    return NULL;
}

static PyObject *
multidict_subscript(PyObject *self, PyObject *name)
{
    PyObject *value = find(self, name);

    if (value == NULL)
        PyErr_SetObject(PyExc_KeyError, name);
    return Py_XNewRef(value);
}

static int
multidict_contains(PyObject *self, PyObject *name)
{
    return find(self, name) != NULL;
}

static PyObject *
multidict_get(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *value;

    if (nargs < 1 || nargs > 2)
        return PyErr_Format(PyExc_TypeError,
                            "get() takes a name and a default, not %zd "
                            "arguments",
                            nargs);
    value = find(self, args[0]);
    if (value == NULL)
        value = nargs == 2 ? args[1] : Py_None;
    return Py_NewRef(value);
}

static PyObject *
multidict_getlist(PyObject *self, PyObject *name)
{
    struct multidict_object *m = of(self);
    PyObject *list = PyList_New(0);
    size_t i;

    if (list == NULL || !PyUnicode_Check(name))
        return list;
    for (i = 0; i < m->n; i++) {
        if (PyUnicode_Compare(m->v[2 * i], name) != 0)
            continue;
        if (PyList_Append(list, m->v[2 * i + 1]) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

/* A list of every second object, from `first` on. */
static PyObject *
halves(PyObject *self, size_t first)
{
    struct multidict_object *m = of(self);
    PyObject *list = PyList_New((Py_ssize_t)m->n);
    size_t i;

    for (i = 0; list != NULL && i < m->n; i++)
        PyList_SET_ITEM(list, (Py_ssize_t)i, Py_NewRef(m->v[2 * i + first]));
    return list;
}

static PyObject *
multidict_keys(PyObject *self, PyObject *unused)
{
    (void)unused;
    return halves(self, 0);
}

static PyObject *
multidict_values(PyObject *self, PyObject *unused)
{
    (void)unused;
    return halves(self, 1);
}

static PyObject *
multidict_items(PyObject *self, PyObject *unused)
{
    struct multidict_object *m = of(self);
    PyObject *list = PyList_New((Py_ssize_t)m->n), *pair;
    size_t i;

    (void)unused;
    for (i = 0; list != NULL && i < m->n; i++) {
        pair = PyTuple_Pack(2, m->v[2 * i], m->v[2 * i + 1]);
        if (pair == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    }
    return list;
}

static PyObject *
multidict_to_dict(PyObject *self, PyObject *unused)
{
    struct multidict_object *m = of(self);
    PyObject *dict = PyDict_New();
    size_t i;

    (void)unused;
    for (i = 0; dict != NULL && i < m->n; i++)
        if (PyDict_SetDefault(dict, m->v[2 * i], m->v[2 * i + 1]) == NULL)
            Py_CLEAR(dict);
    return dict;
}

static PyObject *
multidict_iter(PyObject *self)
{
    PyObject *names = multidict_keys(self, NULL), *it = NULL;

    if (names != NULL)
        it = PyObject_GetIter(names);
    Py_XDECREF(names);
    return it;
}

static PyObject *
multidict_repr(PyObject *self)
{
    PyObject *items = multidict_items(self, NULL), *repr = NULL;

    if (items != NULL)
        repr = PyUnicode_FromFormat("MultiDict(%R)", items);
    Py_XDECREF(items);
    return repr;
}

static PyObject *
multidict_compare(PyObject *self, PyObject *other, int op)
{
    PyObject *a = NULL, *b = NULL, *result = NULL;

    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(other) != Py_TYPE(self))
        Py_RETURN_NOTIMPLEMENTED;
    a = multidict_items(self, NULL);
    b = a == NULL ? NULL : multidict_items(other, NULL);
    if (b != NULL)
        result = PyObject_RichCompare(a, b, op);
    Py_XDECREF(b);
    Py_XDECREF(a);
    return result;
}

#define FASTCALL(f) (PyCFunction)(void (*)(void))(f)

static PyMethodDef methods[] = {
    {"get", FASTCALL(multidict_get), METH_FASTCALL,
     PyDoc_STR("get(name, default=None, /)\n--\n\n"
               "The first value of that name, or default.")},
    {"getlist", multidict_getlist, METH_O,
     PyDoc_STR("getlist(name, /)\n--\n\nAll values of that name, in order.")},
    {"get_all", multidict_getlist, METH_O,
     PyDoc_STR("get_all(name, /)\n--\n\nThe same as getlist().")},
    {"keys", multidict_keys, METH_NOARGS,
     PyDoc_STR("keys()\n--\n\nThe names of all pairs, as a list.")},
    {"values", multidict_values, METH_NOARGS,
     PyDoc_STR("values()\n--\n\nThe values of all pairs, as a list.")},
    {"items", multidict_items, METH_NOARGS,
     PyDoc_STR("items()\n--\n\nAll pairs as a list of (name, value).")},
    {"to_dict", multidict_to_dict, METH_NOARGS,
     PyDoc_STR("to_dict()\n--\n\nA dict of each name to its first value.")},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("MultiDict[str]: values are str.")},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(
    doc,
    "MultiDict(items=None)\n--\n\n"
    "Pairs in order, not changed by anybody: a mapping in which a name may\n"
    "come more than once.  items is a mapping or an iterable of pairs.\n\n"
    "[] and get() give the first value of a name, getlist() all; keys(),\n"
    "values(), items(), iteration and len() go over all pairs.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_new, multidict_new},
    {Py_tp_dealloc, multidict_dealloc},
    {Py_tp_traverse, multidict_traverse},
    {Py_tp_clear, multidict_clear},
    {Py_tp_repr, multidict_repr},
    {Py_tp_iter, multidict_iter},
    {Py_tp_richcompare, multidict_compare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_methods, methods},
    {Py_mp_length, multidict_length},
    {Py_mp_subscript, multidict_subscript},
    {Py_sq_contains, multidict_contains},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "rupy._core.MultiDict",
    .basicsize = sizeof(struct multidict_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_MAPPING,
    .slots = slots,
};

PyTypeObject *
rp_multidict_type_new(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}
