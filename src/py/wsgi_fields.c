/* wsgi_fields.c -- field lines as WSGI has them: received ones as keys of
 * environ, and what start_response() is given. */
#include "rupy/http/response.h"
#include "rupy/http/status.h"
#include "rupy/py/headers.h"
#include "rupy/py/wsgi_impl.h"

/* ---- What was received ---- */

static char
key_char(char c)
{
    return c == '-' ? '_' : (char)Py_TOUPPER((unsigned char)c);
}

/* key is "HTTP_" and the name. */
static bool
is_key_of(PyObject *key, struct rp_str name)
{
    const char *p = (const char *)PyUnicode_1BYTE_DATA(key) + 5;

    if ((size_t)PyUnicode_GET_LENGTH(key) != name.n + 5)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (p[i] != key_char(name.p[i]))
            return false;
    return true;
}

static PyObject *
make_key(struct rp_str name)
{
    PyObject *key = PyUnicode_New((Py_ssize_t)name.n + 5, 127);
    char *p;

    if (!key)
        return NULL;
    p = (char *)PyUnicode_1BYTE_DATA(key);
    memcpy(p, "HTTP_", 5);
    for (size_t i = 0; i < name.n; i++)
        p[i + 5] = key_char(name.p[i]);
    return key;
}

/* New reference: "HTTP_" and the name, from those that came lately. */
static PyObject *
key_of(struct rp_wsgi_object *w, struct rp_str name)
{
    unsigned h = (unsigned char)key_char(name.p[0]) * 31u +
                 (unsigned char)key_char(name.p[name.n - 1]) * 7u +
                 (unsigned char)key_char(name.p[name.n / 2]) * 3u +
                 (unsigned)name.n;
    PyObject **slot = &w->fields[h & (RP_WSGI_FIELDS - 1)], *key;

    if (name.n > RP_WSGI_NAME_MAX)
        return make_key(name);
    if (*slot && is_key_of(*slot, name))
        return Py_NewRef(*slot);
    key = make_key(name);
    if (key)
        Py_XSETREF(*slot, Py_NewRef(key));
    return key;
}

/* Is it one that no application may see?  "a_b" would be the same key as
 * "a-b", which a proxy may have checked (--header-map says so); Proxy would be HTTP_PROXY, which
 * clients of HTTP take for their proxy; and whoever sees Transfer-Encoding may
 * decode again what is decoded (RFC 9112 7.1.3). */
static bool
is_unsafe(const struct rp_wsgi_object *w, struct rp_str name)
{
    return (!w->keep_underscores && memchr(name.p, '_', name.n)) ||
           (name.n == 5 && rp_str_ieq(name, RP_STR("proxy"))) ||
           (name.n == 17 && rp_str_ieq(name, RP_STR("transfer-encoding")));
}

/* Repeated lines are one value, in their order (RFC 9110 5.3); those of Cookie
 * (RFC 9113 8.2.3) have a separator of their own. */
static PyObject *
join(PyObject *first, PyObject *value, struct rp_str name)
{
    bool cookie = name.n == 6 && rp_str_ieq(name, RP_STR("cookie"));

    return PyUnicode_FromFormat(cookie ? "%U; %U" : "%U,%U", first, value);
}

static int
set_field(struct rp_wsgi_object *w, const struct rp_field *f, PyObject *dict)
{
    PyObject *key, *value, *first;
    int bad = -1;

    if (f->name.n == 12 && rp_str_ieq(f->name, RP_STR("content-type")))
        key = Py_NewRef(w->s_content_type);
    else if (f->name.n == 14 && rp_str_ieq(f->name, RP_STR("content-length")))
        key = Py_NewRef(w->s_content_length);
    else
        key = key_of(w, f->name);
    value = rp_str_of_latin1(f->value);
    first = key ? PyDict_GetItemWithError(dict, key) : NULL;
    if (key && value && first)
        Py_SETREF(value, join(first, value, f->name));
    if (key && value && !PyErr_Occurred())
        bad = PyDict_SetItem(dict, key, value);
    Py_XDECREF(key);
    Py_XDECREF(value);
    return bad;
}

int
rp_wsgi_fields_set(struct rp_wsgi_object *w, const struct rp_request *r,
                   PyObject *dict)
{
    for (unsigned i = 0; i < r->nfields; i++)
        if (!is_unsafe(w, r->fields[i].name) &&
            set_field(w, &r->fields[i], dict) < 0)
            return -1;
    return 0;
}

/* ---- What an application sends ---- */

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int
check_status(PyObject *status, int *code)
{
    struct rp_str s;

    if (!PyUnicode_Check(status)) {
        PyErr_Format(PyExc_TypeError, "a status is a str, not %s",
                     Py_TYPE(status)->tp_name);
        return -1;
    }
    if (!rp_latin1_of_str(status, &s) || s.n < 4 || !is_digit(s.p[0]) ||
        !is_digit(s.p[1]) || !is_digit(s.p[2]) || s.p[3] != ' ' ||
        !rp_is_field_value(s)) {
        PyErr_Format(PyExc_ValueError,
                     "a status is three digits, a space and a reason, not %R",
                     status);
        return -1;
    }
    *code = (s.p[0] - '0') * 100 + (s.p[1] - '0') * 10 + s.p[2] - '0';
    if (*code >= 200 && *code <= 599)
        return 0;
    PyErr_Format(PyExc_ValueError, "status %d is not 200 to 599", *code);
    return -1;
}

/* 0, or -1 with an exception. */
static int
slice(PyObject *item, struct rp_field *f)
{
    if (!PyTuple_CheckExact(item) || PyTuple_GET_SIZE(item) != 2 ||
        !PyUnicode_Check(PyTuple_GET_ITEM(item, 0)) ||
        !PyUnicode_Check(PyTuple_GET_ITEM(item, 1))) {
        PyErr_Format(PyExc_TypeError, "a header is a tuple of two str, not %R",
                     item);
        return -1;
    }
    if (!rp_latin1_of_str(PyTuple_GET_ITEM(item, 0), &f->name) ||
        !rp_latin1_of_str(PyTuple_GET_ITEM(item, 1), &f->value)) {
        PyErr_Format(PyExc_ValueError, "a header is latin-1, not %R", item);
        return -1;
    }
    f->value = rp_str_trim(f->value);
    return 0;
}

static int
check_length(struct rp_str value, int64_t *length)
{
    uint64_t n;

    if (*length >= 0 || rp_str_to_u64(value, &n) < 0) {
        PyErr_SetString(PyExc_ValueError,
                        "Content-Length is one number, given once");
        return -1;
    }
    *length = (int64_t)n;
    return 0;
}

static int
check_field(PyObject *item, int64_t *length)
{
    struct rp_field f;
    int how;

    if (slice(item, &f) < 0)
        return -1;
    how = rp_response_check_field(&f);
    if (how == 0)
        return 0;
    if (how > 0 && f.name.n == 14 &&
        rp_str_ieq(f.name, RP_STR("content-length")))
        return check_length(f.value, length);
    if (how > 0 && !rp_is_hop_by_hop(f.name))
        return 0;
    PyErr_Format(PyExc_ValueError,
                 how < 0 ? "header %R must not go out"
                         : "header %R is the server's alone",
                 item);
    return -1;
}

int
rp_wsgi_fields_check(PyObject *status, PyObject *headers, int *code,
                     int64_t *length)
{
    if (check_status(status, code) < 0)
        return -1;
    if (!PyList_CheckExact(headers)) {
        PyErr_Format(PyExc_TypeError, "headers are a list, not %s",
                     Py_TYPE(headers)->tp_name);
        return -1;
    }
    *length = -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++)
        if (check_field(PyList_GET_ITEM(headers, i), length) < 0)
            return -1;
    return 0;
}

int
rp_wsgi_fields_get(PyObject *headers, struct rp_field *fields, unsigned max,
                   unsigned *n, int64_t *length)
{
    *length = -1;
    *n = (unsigned)PyList_GET_SIZE(headers);
    if (*n > max) {
        PyErr_SetString(PyExc_ValueError, "the headers are too many");
        return -1;
    }
    for (unsigned i = 0; i < *n; i++) {
        struct rp_field *f = &fields[i];
        if (slice(PyList_GET_ITEM(headers, i), f) < 0)
            return -1;
        if (f->name.n == 14 && rp_str_ieq(f->name, RP_STR("content-length")) &&
            check_length(f->value, length) < 0)
            return -1;
    }
    return 0;
}

struct rp_str
rp_wsgi_reason(PyObject *status, int code)
{
    struct rp_str s, usual = rp_status_reason(code);

    if (!rp_latin1_of_str(status, &s) || s.n <= 4)
        return (struct rp_str){NULL, 0};
    s.p += 4;
    s.n -= 4;
    return rp_str_eq(s, usual) ? (struct rp_str){NULL, 0} : s;
}
