/* headers_store.c -- the lines behind Headers and MutableHeaders.
 *
 * One block of memory holds the slices and behind them the str objects that
 * they point into; most answers have at most four lines of their own. */
#include "rupy/py/headers.h"

#include "rupy/py/request.h"

enum { FIRST_CAP = 4 };

bool
rp_latin1_of_str(PyObject *str, struct rp_str *out)
{
    if (!PyUnicode_Check(str))
        return false;
    if (rp_py_str_ready(str) < 0) {
        PyErr_Clear();
        return false;
    }
    if (PyUnicode_KIND(str) != PyUnicode_1BYTE_KIND)
        return false;
    out->p = (const char *)PyUnicode_1BYTE_DATA(str);
    out->n = (size_t)PyUnicode_GET_LENGTH(str);
    return true;
}

PyObject *
rp_str_of_latin1(struct rp_str s)
{
    return PyUnicode_DecodeLatin1(s.n > 0 ? s.p : "", (Py_ssize_t)s.n, NULL);
}

PyObject *
rp_str_of_field_name(struct rp_py_state *st, struct rp_str s)
{
    struct rp_str known;
    PyObject **slot, *name;
    unsigned hash;

    if (s.n == 0)
        return rp_str_of_latin1(s);
    hash = (unsigned)s.n * 31 + ((unsigned char)s.p[0] | 0x20u) * 7 +
           (unsigned char)s.p[s.n - 1];
    slot = &st->field_names[hash & (RP_PY_FIELD_NAMES - 1)];
    if (*slot != NULL && rp_latin1_of_str(*slot, &known) && rp_str_eq(known, s))
        return Py_NewRef(*slot);
    name = rp_str_of_latin1(s);
    if (name != NULL && s.n <= 64)
        Py_XSETREF(*slot, Py_NewRef(name));
    return name;
}

const struct rp_field *
rp_headers_object_fields(const struct headers_object *h, size_t *n)
{
    const struct rp_request *r;

    if (h->request == NULL) {
        *n = h->n;
        return h->fields;
    }
    r = rp_request_object_head(h->request);
    *n = r == NULL ? 0 : r->nfields;
    return r == NULL ? NULL : r->fields;
}

PyObject *
rp_headers_object_name(struct rp_py_state *st, const struct headers_object *h,
                       size_t i)
{
    size_t n;

    if (h->request == NULL)
        return Py_NewRef(h->owners[2 * i]);
    return rp_str_of_field_name(st, rp_headers_object_fields(h, &n)[i].name);
}

PyObject *
rp_headers_object_value(const struct headers_object *h, size_t i)
{
    size_t n;

    if (h->request == NULL)
        return Py_NewRef(h->owners[2 * i + 1]);
    return rp_str_of_latin1(rp_headers_object_fields(h, &n)[i].value);
}

ptrdiff_t
rp_headers_object_find(const struct headers_object *h, struct rp_str name)
{
    const struct rp_field *fields, *found;
    size_t n;

    fields = rp_headers_object_fields(h, &n);
    if (n == 0)
        return -1;
    found = rp_fields_find(fields, (unsigned)n, name);
    return found == NULL ? -1 : found - fields;
}

void
rp_headers_object_clear(struct headers_object *h)
{
    PyObject **owners = h->owners;
    struct rp_field *fields = h->fields;
    size_t i, n = h->n;

    h->fields = NULL;
    h->owners = NULL;
    h->n = h->cap = 0;
    for (i = 0; i < 2 * n; i++)
        Py_DECREF(owners[i]);
    PyMem_Free(fields);
}

/* Room for one line more. */
static int
reserve(struct headers_object *h)
{
    struct rp_field *fields;
    PyObject **owners;
    size_t cap;

    if (h->n < h->cap)
        return 0;
    cap = h->cap == 0 ? FIRST_CAP : 2 * h->cap;
    fields = PyMem_Malloc(cap * (sizeof(*fields) + 2 * sizeof(*owners)));
    if (fields == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    owners = (PyObject **)(void *)(fields + cap);
    if (h->n > 0) {
        memcpy(fields, h->fields, h->n * sizeof(*fields));
        memcpy(owners, h->owners, 2 * h->n * sizeof(*owners));
    }
    PyMem_Free(h->fields);
    h->fields = fields;
    h->owners = owners;
    h->cap = cap;
    return 0;
}

/* Put a line at i.  Steals both, which are latin-1. */
static void
put(struct headers_object *h, size_t i, PyObject *name, PyObject *value)
{
    h->owners[2 * i] = name;
    h->owners[2 * i + 1] = value;
    (void)rp_latin1_of_str(name, &h->fields[i].name);
    (void)rp_latin1_of_str(value, &h->fields[i].value);
}

/* name and value may stand on a line: 0, or -1 with an exception. */
static int
check(PyObject *name, PyObject *value)
{
    struct rp_str s;

    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "header name must be str, not %.100s",
                     Py_TYPE(name)->tp_name);
        return -1;
    }
    if (!rp_latin1_of_str(name, &s) || !rp_is_token(s)) {
        PyErr_Format(PyExc_ValueError, "header name %R is not a token", name);
        return -1;
    }
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError,
                     "header %U: value must be str, not "
                     "%.100s",
                     name, Py_TYPE(value)->tp_name);
        return -1;
    }
    if (!rp_latin1_of_str(value, &s)) {
        PyErr_Format(PyExc_ValueError,
                     "header %U: a character of the value is not latin-1",
                     name);
        return -1;
    }
    if (!rp_is_field_value(s)) {
        PyErr_Format(PyExc_ValueError,
                     "header %U: control character in the value %R", name,
                     value);
        return -1;
    }
    return 0;
}

int
rp_headers_object_add(struct headers_object *h, PyObject *name, PyObject *value)
{
    if (check(name, value) < 0 || reserve(h) < 0)
        return -1;
    /* A str subclass may be anything; what is kept is a str. */
    name = PyUnicode_FromObject(name);
    if (name == NULL)
        return -1;
    value = PyUnicode_FromObject(value);
    if (value == NULL) {
        Py_DECREF(name);
        return -1;
    }
    put(h, h->n++, name, value);
    return 0;
}

/* Take out the lines of that name from `from` on. */
static size_t
del_from(struct headers_object *h, struct rp_str name, size_t from)
{
    size_t i, kept = from, n = h->n;
    PyObject *dead;

    for (i = from; i < n; i++) {
        if (!rp_str_ieq(h->fields[i].name, name)) {
            h->fields[kept] = h->fields[i];
            dead = h->owners[2 * kept];
            h->owners[2 * kept] = h->owners[2 * i];
            h->owners[2 * i] = dead;
            dead = h->owners[2 * kept + 1];
            h->owners[2 * kept + 1] = h->owners[2 * i + 1];
            h->owners[2 * i + 1] = dead;
            kept++;
        }
    }
    h->n = kept;
    for (i = 2 * kept; i < 2 * n; i++)
        Py_DECREF(h->owners[i]);
    return n - kept;
}

size_t
rp_headers_object_del(struct headers_object *h, struct rp_str name)
{
    ptrdiff_t first = rp_headers_object_find(h, name);

    return first < 0 ? 0 : del_from(h, name, (size_t)first);
}

int
rp_headers_object_set(struct headers_object *h, PyObject *name, PyObject *value)
{
    struct rp_str slice;
    PyObject *old_name, *old_value;
    ptrdiff_t first;

    if (!rp_latin1_of_str(name, &slice) ||
        (first = rp_headers_object_find(h, slice)) < 0)
        return rp_headers_object_add(h, name, value);
    /* Added first: when that fails nothing was lost. */
    if (rp_headers_object_add(h, name, value) < 0)
        return -1;
    h->n--;
    old_name = h->owners[2 * first];
    old_value = h->owners[2 * first + 1];
    put(h, (size_t)first, h->owners[2 * h->n], h->owners[2 * h->n + 1]);
    del_from(h, h->fields[first].name, (size_t)first + 1);
    Py_DECREF(old_name);
    Py_DECREF(old_value);
    return 0;
}

static int
extend_dict(struct headers_object *h, PyObject *dict)
{
    PyObject *name, *value;
    Py_ssize_t pos = 0;

    while (PyDict_Next(dict, &pos, &name, &value))
        if (rp_headers_object_add(h, name, value) < 0)
            return -1;
    return 0;
}

static int
extend_headers(struct headers_object *h, const struct headers_object *from,
               struct rp_py_state *st)
{
    PyObject *name, *value = NULL;
    size_t i, n;
    int rc = 0;

    rp_headers_object_fields(from, &n);
    for (i = 0; rc == 0 && i < n; i++) {
        name = rp_headers_object_name(st, from, i);
        value = name == NULL ? NULL : rp_headers_object_value(from, i);
        rc = value == NULL ? -1 : rp_headers_object_add(h, name, value);
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return rc;
}

static int
extend_pairs(struct headers_object *h, PyObject *pairs)
{
    PyObject *it = NULL, *item = NULL, *pair = NULL;
    int rc = -1;

    it = PyObject_GetIter(pairs);
    if (it == NULL)
        goto out;
    while ((item = PyIter_Next(it)) != NULL) {
        /* Two characters are a sequence of two as well. */
        if (!PyUnicode_Check(item) && !PyBytes_Check(item))
            pair = PySequence_Fast(item, "headers must be pairs");
        else
            PyErr_SetString(PyExc_TypeError, "headers must be pairs");
        if (pair == NULL)
            goto out;
        if (PySequence_Fast_GET_SIZE(pair) != 2) {
            PyErr_SetString(PyExc_ValueError, "headers must be pairs");
            goto out;
        }
        if (rp_headers_object_add(h, PySequence_Fast_GET_ITEM(pair, 0),
                                  PySequence_Fast_GET_ITEM(pair, 1)) < 0)
            goto out;
        Py_CLEAR(pair);
        Py_CLEAR(item);
    }
    if (!PyErr_Occurred())
        rc = 0;
out:
    Py_XDECREF(pair);
    Py_XDECREF(item);
    Py_XDECREF(it);
    return rc;
}

int
rp_headers_object_extend(struct headers_object *h, PyObject *from)
{
    struct rp_py_state *st;
    PyObject *items;
    int rc, is_mapping;

    if (from == Py_None)
        return 0;
    if (PyDict_CheckExact(from))
        return extend_dict(h, from);
    st = rp_py_state_of_type(Py_TYPE(h));
    if (st != NULL && PyObject_TypeCheck(from, st->headers_type))
        return extend_headers(h, (struct headers_object *)from, st);
    is_mapping = rp_py_has_attr(from, "keys");
    if (is_mapping < 0)
        return -1;
    items = is_mapping ? PyMapping_Items(from) : Py_NewRef(from);
    if (items == NULL)
        return -1;
    rc = extend_pairs(h, items);
    Py_DECREF(items);
    return rc;
}

void
rp_headers_object_detach(PyObject *self)
{
    struct headers_object *h = (struct headers_object *)self;
    struct headers_object own = {0};
    PyObject *pending, *name = NULL, *value = NULL;
    struct rp_py_state *st;
    size_t i, n;

    if (h->request == NULL)
        return;
    st = rp_py_state_of_type(Py_TYPE(h));
    pending = rp_py_take_exception();
    rp_headers_object_fields(h, &n);
    for (i = 0; i < n && st != NULL; i++) {
        if (reserve(&own) < 0)
            break;
        name = rp_headers_object_name(st, h, i);
        value = name == NULL ? NULL : rp_headers_object_value(h, i);
        if (value == NULL) {
            Py_XDECREF(name);
            break;
        }
        put(&own, own.n++, name, value);
    }
    if (PyErr_Occurred()) {
        PyErr_WriteUnraisable(self);
        rp_headers_object_clear(&own);
    }
    h->request = NULL;
    h->fields = own.fields;
    h->owners = own.owners;
    h->n = own.n;
    h->cap = own.cap;
    rp_py_restore_exception(pending);
}
