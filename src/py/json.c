/* json.c -- what dict and list are sent as.
 *
 * With the standard library's json, most answers are encoded here: dict, list
 * and tuple of str, int, float, bool and None, all of exactly these types.
 * The bytes are those of json.dumps(o, ensure_ascii=False, separators=(",",
 * ":")).encode(); whatever this encoder does not take as a matter of course
 * (NaN, surrogates, big integers, keys that are no str, subclasses, deep
 * nesting) goes to the library whole, errors included.
 *
 * No Python code runs meanwhile, so nothing changes under it. */
#include "rupy/py/types.h"

enum {
    MAX_DEPTH = 32,
    FIRST_SIZE = 2048, /* on the stack; most answers fit */
    STRIDE = 1024,     /* characters for which room is made at a time */
};

struct out {
    char *p;
    size_t n, cap;
    char small[FIRST_SIZE];
};

enum result { DONE, NOT_OURS, FAILED };

static int
grow(struct out *o, size_t more)
{
    size_t cap = o->cap * 2 > o->n + more ? o->cap * 2 : o->n + more;
    char *p;

    p = PyMem_Realloc(o->p == o->small ? NULL : o->p, cap);
    if (p == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (o->p == o->small)
        memcpy(p, o->small, o->n);
    o->p = p;
    o->cap = cap;
    return 0;
}

static inline int
reserve(struct out *o, size_t more)
{
    return o->cap - o->n >= more ? 0 : grow(o, more);
}

static inline enum result
add(struct out *o, const char *p, size_t n)
{
    if (reserve(o, n) < 0)
        return FAILED;
    memcpy(o->p + o->n, p, n);
    o->n += n;
    return DONE;
}

/* One character that may need an escape; room for 6 bytes is there. */
static inline char *
put_ascii(char *p, unsigned c)
{
    static const char hex[] = "0123456789abcdef";
    static const char escapes[128] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };

    if (escapes[c] != 0) {
        *p++ = '\\';
        *p++ = escapes[c];
    } else if (c < 0x20) {
        memcpy(p, "\\u00", 4);
        p[4] = hex[c >> 4];
        p[5] = hex[c & 15];
        p += 6;
    } else {
        *p++ = (char)c;
    }
    return p;
}

/* Characters from..to of str.  Six bytes each at most: an escape, or UTF-8 of
 * up to four. */
static enum result
add_chars(struct out *o, PyObject *str, Py_ssize_t from, Py_ssize_t to)
{
    const void *data = PyUnicode_DATA(str);
    int kind = (int)PyUnicode_KIND(str);
    Py_ssize_t i;
    Py_UCS4 c;
    char *p;

    if (reserve(o, 6 * (size_t)(to - from)) < 0)
        return FAILED;
    p = o->p + o->n;
    for (i = from; i < to; i++) {
        c = PyUnicode_READ(kind, data, i);
        if (c < 0x80) {
            p = put_ascii(p, c);
        } else if (c < 0x800) {
            *p++ = (char)(0xc0 | c >> 6);
            *p++ = (char)(0x80 | (c & 0x3f));
        } else if (c < 0x10000) {
            if (c >= 0xd800 && c <= 0xdfff)
                return NOT_OURS;
            *p++ = (char)(0xe0 | c >> 12);
            *p++ = (char)(0x80 | (c >> 6 & 0x3f));
            *p++ = (char)(0x80 | (c & 0x3f));
        } else {
            *p++ = (char)(0xf0 | c >> 18);
            *p++ = (char)(0x80 | (c >> 12 & 0x3f));
            *p++ = (char)(0x80 | (c >> 6 & 0x3f));
            *p++ = (char)(0x80 | (c & 0x3f));
        }
    }
    o->n = (size_t)(p - o->p);
    return DONE;
}

static enum result
add_wide_str(struct out *o, PyObject *str)
{
    Py_ssize_t i, n = PyUnicode_GET_LENGTH(str);
    enum result rc = add(o, "\"", 1);

    for (i = 0; rc == DONE && i < n; i += STRIDE)
        rc = add_chars(o, str, i, n - i < STRIDE ? n : i + STRIDE);
    return rc == DONE ? add(o, "\"", 1) : rc;
}

static inline bool
is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

/* Most strings need no escape: copied as they are, and looked at on the way. */
static enum result
add_str(struct out *o, PyObject *str)
{
    const char *s;
    size_t i, n;
    char *p;

    if (rp_py_str_ready(str) < 0)
        return FAILED;
    if (!PyUnicode_IS_ASCII(str))
        return add_wide_str(o, str);
    s = (const char *)PyUnicode_1BYTE_DATA(str);
    n = (size_t)PyUnicode_GET_LENGTH(str);
    if (reserve(o, n + 2) < 0)
        return FAILED;
    p = o->p + o->n;
    *p++ = '"';
    for (i = 0; i < n && is_plain((unsigned char)s[i]); i++)
        p[i] = s[i];
    if (i < n)
        return add_wide_str(o, str);
    p[n] = '"';
    o->n += n + 2;
    return DONE;
}

static enum result
add_int(struct out *o, PyObject *v)
{
    char text[24], *p = text + sizeof(text);
    unsigned long long u;
    long long i;
    int overflow;

    i = PyLong_AsLongLongAndOverflow(v, &overflow);
    if (overflow != 0)
        return NOT_OURS;
    u = i < 0 ? 0 - (unsigned long long)i : (unsigned long long)i;
    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
    } while (u > 0);
    if (i < 0)
        *--p = '-';
    return add(o, p, (size_t)(text + sizeof(text) - p));
}

static enum result
add_float(struct out *o, PyObject *v)
{
    double d = PyFloat_AS_DOUBLE(v);
    enum result rc;
    char *text;

    if (d - d != 0.0) /* NaN and the infinities */
        return NOT_OURS;
    text = PyOS_double_to_string(d, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (text == NULL)
        return FAILED;
    rc = add(o, text, strlen(text));
    PyMem_Free(text);
    return rc;
}

static enum result add_value(struct out *o, PyObject *v, int depth);

static enum result
add_dict(struct out *o, PyObject *dict, int depth)
{
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    enum result rc = add(o, "{", 1);
    bool first = true;

    while (rc == DONE && PyDict_Next(dict, &pos, &key, &value)) {
        if (!PyUnicode_CheckExact(key))
            return NOT_OURS;
        if (!first && (rc = add(o, ",", 1)) != DONE)
            break;
        first = false;
        rc = add_str(o, key);
        if (rc == DONE)
            rc = add(o, ":", 1);
        if (rc == DONE)
            rc = add_value(o, value, depth);
    }
    return rc == DONE ? add(o, "}", 1) : rc;
}

static enum result
add_array(struct out *o, PyObject *const *v, Py_ssize_t n, int depth)
{
    enum result rc = add(o, "[", 1);
    Py_ssize_t i;

    for (i = 0; rc == DONE && i < n; i++) {
        if (i > 0 && (rc = add(o, ",", 1)) != DONE)
            break;
        rc = add_value(o, v[i], depth);
    }
    return rc == DONE ? add(o, "]", 1) : rc;
}

static enum result
add_value(struct out *o, PyObject *v, int depth)
{
    if (PyUnicode_CheckExact(v))
        return add_str(o, v);
    if (PyLong_CheckExact(v))
        return add_int(o, v);
    if (v == Py_None)
        return add(o, "null", 4);
    if (v == Py_True)
        return add(o, "true", 4);
    if (v == Py_False)
        return add(o, "false", 5);
    if (PyFloat_CheckExact(v))
        return add_float(o, v);
    if (depth == MAX_DEPTH)
        return NOT_OURS;
    if (PyDict_CheckExact(v))
        return add_dict(o, v, depth + 1);
    if (PyList_CheckExact(v) || PyTuple_CheckExact(v))
        return add_array(o, PySequence_Fast_ITEMS(v),
                         PySequence_Fast_GET_SIZE(v), depth + 1);
    return NOT_OURS;
}

/* By the library; new reference to bytes. */
static PyObject *
encode_by_library(struct rp_py_state *st, PyObject *v)
{
    PyObject *bytes = PyObject_CallOneArg(st->json_dumps, v);

    if (bytes != NULL && !PyBytes_CheckExact(bytes)) {
        PyErr_Format(PyExc_TypeError,
                     "the JSON encoder returned %.100s, not "
                     "bytes",
                     Py_TYPE(bytes)->tp_name);
        Py_CLEAR(bytes);
    }
    return bytes;
}

PyObject *
rp_json_encode(struct rp_py_state *st, PyObject *v)
{
    struct out o;
    PyObject *bytes = NULL;
    enum result rc;

    if (rp_py_state_load_json(st) < 0)
        return NULL;
    if (!st->json_is_ours)
        return encode_by_library(st, v);
    /* Not by an initialiser: it would clear all of small. */
    o.p = o.small;
    o.n = 0;
    o.cap = FIRST_SIZE;
    rc = add_value(&o, v, 0);
    if (rc == DONE)
        bytes = PyBytes_FromStringAndSize(o.p, (Py_ssize_t)o.n);
    if (o.p != o.small)
        PyMem_Free(o.p);
    return rc == NOT_OURS ? encode_by_library(st, v) : bytes;
}
