/* headers.c -- rupy.Headers: field lines in order, looked up in any case.
 *
 * A name may stand on several lines, and then it comes several times when the
 * names are walked over; [] and get() give the first line's value. */
#include "rupy/py/headers.h"

#include "rupy/py/request.h"

static struct headers_object *
of(PyObject *self)
{
    return (struct headers_object *)self;
}

static void
headers_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);

    rp_headers_object_clear(of(self));
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyObject *
headers_new(PyTypeObject *tp, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"items", NULL};
    PyObject *items = Py_None, *self;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &items))
        return NULL;
    self = tp->tp_alloc(tp, 0);
    if (self == NULL)
        return NULL;
    if (rp_headers_object_extend(of(self), items) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

PyObject *
rp_headers_object_new(struct rp_py_state *st, struct request_object *request)
{
    PyTypeObject *tp = st->headers_type;
    struct headers_object *h = (struct headers_object *)tp->tp_alloc(tp, 0);

    if (h != NULL)
        h->request = request;
    return (PyObject *)h;
}

static Py_ssize_t
headers_length(PyObject *self)
{
    size_t n;

    rp_headers_object_fields(of(self), &n);
    return (Py_ssize_t)n;
}

/* The first line of that name, or -1. */
static ptrdiff_t
find(PyObject *self, PyObject *name)
{
    struct rp_str s;

    return rp_latin1_of_str(name, &s) ? rp_headers_object_find(of(self), s)
                                      : -1;
}

static PyObject *
headers_subscript(PyObject *self, PyObject *name)
{
    ptrdiff_t i = find(self, name);

    if (i >= 0)
        return rp_headers_object_value(of(self), (size_t)i);
    PyErr_SetObject(PyExc_KeyError, name);
    return NULL;
}

static int
headers_contains(PyObject *self, PyObject *name)
{
    return find(self, name) >= 0;
}

static PyObject *
headers_get(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    ptrdiff_t i;

    if (nargs < 1 || nargs > 2)
        return PyErr_Format(PyExc_TypeError,
                            "get() takes a name and a default, not %zd "
                            "arguments",
                            nargs);
    i = find(self, args[0]);
    if (i >= 0)
        return rp_headers_object_value(of(self), (size_t)i);
    return Py_NewRef(nargs == 2 ? args[1] : Py_None);
}

static PyObject *
headers_getlist(PyObject *self, PyObject *name)
{
    const struct rp_field *fields;
    PyObject *list, *value = NULL;
    struct rp_str s;
    size_t i, n;

    list = PyList_New(0);
    if (list == NULL || !rp_latin1_of_str(name, &s))
        return list;
    fields = rp_headers_object_fields(of(self), &n);
    for (i = 0; i < n; i++) {
        if (!rp_str_ieq(fields[i].name, s))
            continue;
        value = rp_headers_object_value(of(self), i);
        if (value == NULL || PyList_Append(list, value) < 0) {
            Py_XDECREF(value);
            Py_DECREF(list);
            return NULL;
        }
        Py_DECREF(value);
    }
    return list;
}

/* A list with what `make` gives for each line. */
static PyObject *
collect(PyObject *self,
        PyObject *(*make)(struct rp_py_state *st,
                          const struct headers_object *h, size_t i))
{
    struct rp_py_state *st = rp_py_state_of_type(Py_TYPE(self));
    PyObject *list, *item;
    size_t i, n;

    rp_headers_object_fields(of(self), &n);
    list = PyList_New((Py_ssize_t)n);
    for (i = 0; list != NULL && i < n; i++) {
        item = make(st, of(self), i);
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
    }
    return list;
}

static PyObject *
make_value(struct rp_py_state *st, const struct headers_object *h, size_t i)
{
    (void)st;
    return rp_headers_object_value(h, i);
}

/* Steals both. */
static PyObject *
make_pair(PyObject *a, PyObject *b)
{
    PyObject *pair = a == NULL || b == NULL ? NULL : PyTuple_New(2);

    if (pair == NULL) {
        Py_XDECREF(a);
        Py_XDECREF(b);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, a);
    PyTuple_SET_ITEM(pair, 1, b);
    return pair;
}

static PyObject *
make_item(struct rp_py_state *st, const struct headers_object *h, size_t i)
{
    PyObject *name = rp_headers_object_name(st, h, i);

    return make_pair(name, name == NULL ? NULL : rp_headers_object_value(h, i));
}

static PyObject *
make_raw(struct rp_py_state *st, const struct headers_object *h, size_t i)
{
    struct rp_field f;
    PyObject *name;
    size_t n;

    (void)st;
    f = rp_headers_object_fields(h, &n)[i];
    name = PyBytes_FromStringAndSize(f.name.p, (Py_ssize_t)f.name.n);
    return make_pair(name, name == NULL
                               ? NULL
                               : PyBytes_FromStringAndSize(
                                     f.value.p, (Py_ssize_t)f.value.n));
}

static PyObject *
headers_keys(PyObject *self, PyObject *unused)
{
    (void)unused;
    return collect(self, rp_headers_object_name);
}

static PyObject *
headers_values(PyObject *self, PyObject *unused)
{
    (void)unused;
    return collect(self, make_value);
}

static PyObject *
headers_items(PyObject *self, PyObject *unused)
{
    (void)unused;
    return collect(self, make_item);
}

static PyObject *
headers_raw(PyObject *self, void *unused)
{
    (void)unused;
    return collect(self, make_raw);
}

static PyObject *
headers_iter(PyObject *self)
{
    PyObject *names = headers_keys(self, NULL), *it = NULL;

    if (names != NULL)
        it = PyObject_GetIter(names);
    Py_XDECREF(names);
    return it;
}

static PyObject *
headers_repr(PyObject *self)
{
    const char *name = strrchr(Py_TYPE(self)->tp_name, '.');
    PyObject *items = headers_items(self, NULL), *repr = NULL;

    if (items != NULL)
        repr = PyUnicode_FromFormat(
            "%s(%R)", name == NULL ? Py_TYPE(self)->tp_name : name + 1, items);
    Py_XDECREF(items);
    return repr;
}

/* The value on the line of that name before which `skip` others stand. */
static const struct rp_field *
nth(const struct rp_field *fields, size_t n, struct rp_str name, size_t skip)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (rp_str_ieq(fields[i].name, name) && skip-- == 0)
            return &fields[i];
    return NULL;
}

/* Same names with the same values in the same order; how lines of different
 * names are mixed has no meaning (RFC 9110 5.3). */
static bool
are_equal(const struct headers_object *a, const struct headers_object *b)
{
    const struct rp_field *fa, *fb, *f;
    size_t na, nb, i, j, skip;

    fa = rp_headers_object_fields(a, &na);
    fb = rp_headers_object_fields(b, &nb);
    if (na != nb)
        return false;
    for (i = 0; i < na; i++) {
        for (j = 0, skip = 0; j < i; j++)
            skip += rp_str_ieq(fa[j].name, fa[i].name);
        f = nth(fb, nb, fa[i].name, skip);
        if (f == NULL || !rp_str_eq(f->value, fa[i].value))
            return false;
    }
    return true;
}

static PyObject *
headers_compare(PyObject *self, PyObject *other, int op)
{
    struct rp_py_state *st = rp_py_state_of_type(Py_TYPE(self));

    if ((op != Py_EQ && op != Py_NE) || st == NULL ||
        !PyObject_TypeCheck(other, st->headers_type))
        Py_RETURN_NOTIMPLEMENTED;
    return PyBool_FromLong(are_equal(of(self), of(other)) == (op == Py_EQ));
}

PyDoc_STRVAR(
    headers_doc,
    "Headers(items=None)\n--\n\n"
    "Field lines in order, names in any case: a mapping in which a name may\n"
    "come more than once (RFC 9110 5).  items is a mapping or an iterable of\n"
    "pairs of str.\n\n"
    "[] and get() give the first value of a name, getlist() all; keys(),\n"
    "values(), items(), iteration and len() go over all lines.\n\n"
    "Raises ValueError for a name that is no token and a value with control\n"
    "characters or characters beyond latin-1.");

static PyMethodDef headers_methods[] = {
    {"get", (PyCFunction)(void (*)(void))headers_get, METH_FASTCALL,
     PyDoc_STR("get(name, default=None, /)\n--\n\n"
               "The first value of that name, or default.")},
    {"getlist", headers_getlist, METH_O,
     PyDoc_STR("getlist(name, /)\n--\n\nAll values of that name, in order.")},
    {"get_all", headers_getlist, METH_O,
     PyDoc_STR("get_all(name, /)\n--\n\nThe same as getlist().")},
    {"keys", headers_keys, METH_NOARGS,
     PyDoc_STR("keys()\n--\n\nThe names of all lines, as a list.")},
    {"values", headers_values, METH_NOARGS,
     PyDoc_STR("values()\n--\n\nThe values of all lines, as a list.")},
    {"items", headers_items, METH_NOARGS,
     PyDoc_STR("items()\n--\n\nAll lines as a list of (name, value).")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef headers_getset[] = {
    {"raw", headers_raw, NULL,
     PyDoc_STR("All lines as a list of (name, value), both bytes."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot headers_slots[] = {
    {Py_tp_doc, (void *)headers_doc},
    {Py_tp_new, headers_new},
    {Py_tp_dealloc, headers_dealloc},
    {Py_tp_repr, headers_repr},
    {Py_tp_iter, headers_iter},
    {Py_tp_richcompare, headers_compare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_methods, headers_methods},
    {Py_tp_getset, headers_getset},
    {Py_mp_length, headers_length},
    {Py_mp_subscript, headers_subscript},
    {Py_sq_contains, headers_contains},
    {0, NULL},
};

static PyType_Spec headers_spec = {
    .name = "rupy._core.Headers",
    .basicsize = sizeof(struct headers_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_MAPPING,
    .slots = headers_slots,
};

PyTypeObject *
rp_headers_type_new(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &headers_spec,
                                                    NULL);
}
