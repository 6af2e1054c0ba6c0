/* headers_mutable.c -- rupy.MutableHeaders: the headers of an answer. */
#include "rupy/py/headers.h"

static struct headers_object *
of(PyObject *self)
{
    return (struct headers_object *)self;
}

struct headers_object *
rp_mutable_headers_new(struct rp_py_state *st)
{
    PyTypeObject *tp = st->mutable_headers_type;

    return (struct headers_object *)tp->tp_alloc(tp, 0);
}

/* Take out all lines of that name; 0, or -1 with a KeyError. */
static int
del(PyObject *self, PyObject *name)
{
    struct rp_str s;

    if (rp_latin1_of_str(name, &s) && rp_headers_object_del(of(self), s) > 0)
        return 0;
    PyErr_SetObject(PyExc_KeyError, name);
    return -1;
}

static int
headers_ass_subscript(PyObject *self, PyObject *name, PyObject *value)
{
    return value == NULL ? del(self, name)
                         : rp_headers_object_set(of(self), name, value);
}

static int
check_nargs(const char *method, Py_ssize_t nargs, Py_ssize_t min,
            Py_ssize_t max)
{
    if (nargs >= min && nargs <= max)
        return 0;
    PyErr_Format(PyExc_TypeError, "%s() takes %zd to %zd arguments, not %zd",
                 method, min, max, nargs);
    return -1;
}

static PyObject *
headers_add(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (check_nargs("add", nargs, 2, 2) < 0 ||
        rp_headers_object_add(of(self), args[0], args[1]) < 0)
        return NULL;
    return Py_NewRef(Py_None);
}

/* The first value of that name, or NULL without an exception. */
static PyObject *
get(PyObject *self, PyObject *name, bool *found)
{
    struct rp_str s;
    ptrdiff_t i = -1;

    if (rp_latin1_of_str(name, &s))
        i = rp_headers_object_find(of(self), s);
    *found = i >= 0;
    return i < 0 ? NULL : rp_headers_object_value(of(self), (size_t)i);
}

static PyObject *
headers_setdefault(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *value;
    bool found;

    if (check_nargs("setdefault", nargs, 2, 2) < 0)
        return NULL;
    value = get(self, args[0], &found);
    if (found)
        return value;
    if (rp_headers_object_add(of(self), args[0], args[1]) < 0)
        return NULL;
    return Py_NewRef(args[1]);
}

static PyObject *
headers_pop(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *value;
    bool found;

    if (check_nargs("pop", nargs, 1, 2) < 0)
        return NULL;
    value = get(self, args[0], &found);
    if (!found && nargs == 2)
        return Py_NewRef(args[1]);
    if (value != NULL && del(self, args[0]) < 0)
        Py_CLEAR(value);
    if (!found)
        PyErr_SetObject(PyExc_KeyError, args[0]);
    return value;
}

/* All of `from` is checked before a line is touched. */
static PyObject *
headers_update(PyObject *self, PyObject *from)
{
    struct rp_py_state *st = rp_py_state_of_type(Py_TYPE(self));
    struct headers_object *new;
    PyObject *result = NULL;
    size_t i;

    new = st == NULL ? NULL : rp_mutable_headers_new(st);
    if (new == NULL)
        return NULL;
    if (rp_headers_object_extend(new, from) < 0)
        goto out;
    for (i = 0; i < new->n; i++)
        rp_headers_object_del(of(self), new->fields[i].name);
    if (rp_headers_object_extend(of(self), (PyObject *)new) < 0)
        goto out;
    result = Py_NewRef(Py_None);
out:
    Py_DECREF(new);
    return result;
}

static PyObject *
headers_clear(PyObject *self, PyObject *unused)
{
    (void)unused;
    rp_headers_object_clear(of(self));
    return Py_NewRef(Py_None);
}

#define FASTCALL(f) (PyCFunction)(void (*)(void))(f)

static PyMethodDef methods[] = {
    {"add", FASTCALL(headers_add), METH_FASTCALL,
     PyDoc_STR("add(name, value, /)\n--\n\n"
               "Add a line behind the others, of that name too.")},
    {"setdefault", FASTCALL(headers_setdefault), METH_FASTCALL,
     PyDoc_STR("setdefault(name, value, /)\n--\n\n"
               "The first value of that name; without one, add this.")},
    {"pop", FASTCALL(headers_pop), METH_FASTCALL,
     PyDoc_STR("pop(name, default=..., /)\n--\n\n"
               "Take out all lines of that name and return the first value.\n"
               "Without one: default, or KeyError when none is given.")},
    {"update", headers_update, METH_O,
     PyDoc_STR("update(items, /)\n--\n\n"
               "Set the lines of a mapping or an iterable of pairs; lines\n"
               "of the same names that were there go.")},
    {"clear", headers_clear, METH_NOARGS,
     PyDoc_STR("clear()\n--\n\nTake out all lines.")},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(
    doc,
    "MutableHeaders(items=None)\n--\n\n"
    "Headers that can be changed: those of a Response.\n\n"
    "[name] = value replaces all lines of that name, add() adds one, del\n"
    "takes all out.  Content-Length, Transfer-Encoding, Connection and Date\n"
    "belong to the server: they may be set here, and are left out of what is\n"
    "sent.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_methods, methods},
    {Py_mp_ass_subscript, headers_ass_subscript},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "rupy._core.MutableHeaders",
    .basicsize = sizeof(struct headers_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_MAPPING,
    .slots = slots,
};

PyTypeObject *
rp_mutable_headers_type_new(PyObject *module, PyTypeObject *headers_type)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec,
                                                    (PyObject *)headers_type);
}
