/* request_params.c -- the parameters of a route as Python objects. */
#include "rupy/py/request.h"

#include "rupy/http/url.h"

/* As rp_url_decode() but for %2F: "<rest:path>" is a path, in which only the
 * sender's slashes separate. */
static size_t
decode_but_slash(char *dst, struct rp_str s)
{
    char *out = dst;
    size_t i = 0, n;

    while (i < s.n) {
        for (n = i; n < s.n; n++)
            if (s.n - n >= 3 && s.p[n] == '%' && s.p[n + 1] == '2' &&
                (s.p[n + 2] == 'F' || s.p[n + 2] == 'f'))
                break;
        out += rp_url_decode(out, (struct rp_str){s.p + i, n - i});
        i = n;
        if (i < s.n) {
            memcpy(out, "%2F", 3);
            out += 3;
            i += 3;
        }
    }
    return (size_t)(out - dst);
}

static PyObject *
path_str(struct rp_str raw)
{
    char *p = PyMem_Malloc(raw.n + 1);
    PyObject *str;

    if (p == NULL)
        return PyErr_NoMemory();
    str = PyUnicode_DecodeUTF8(p, (Py_ssize_t)decode_but_slash(p, raw),
                               "replace");
    PyMem_Free(p);
    return str;
}

/* An int, float or UUID out of raw, by calling type with the str. */
static PyObject *
call_with_str(PyObject *type, struct rp_str raw)
{
    PyObject *str, *value;

    str = rp_str_of_url(raw, false);
    if (str == NULL)
        return NULL;
    value = PyObject_CallOneArg(type, str);
    Py_DECREF(str);
    if (value == NULL && PyErr_ExceptionMatches(PyExc_ValueError))
        PyErr_Clear();
    return value;
}

static PyObject *
int_of(struct rp_str raw)
{
    long long v = 0;
    size_t i;

    if (raw.n == 0 || raw.n > 18)
        return call_with_str((PyObject *)&PyLong_Type, raw);
    for (i = 0; i < raw.n; i++) {
        if (raw.p[i] < '0' || raw.p[i] > '9')
            return call_with_str((PyObject *)&PyLong_Type, raw);
        v = 10 * v + (raw.p[i] - '0');
    }
    return PyLong_FromLongLong(v);
}

PyObject *
rp_param_convert(struct rp_py_state *st, enum rp_converter conv,
                 struct rp_str raw)
{
    switch (conv) {
    case RP_CONV_STR:
    case RP_CONV_RE:
        return rp_str_of_url(raw, false);
    case RP_CONV_PATH:
        return path_str(raw);
    case RP_CONV_INT:
        return int_of(raw);
    case RP_CONV_FLOAT:
        return call_with_str((PyObject *)&PyFloat_Type, raw);
    case RP_CONV_UUID:
        if (rp_py_state_load_uuid(st) < 0)
            return NULL;
        return call_with_str(st->uuid_type, raw);
    }
    PyErr_BadInternalCall();
    return NULL;
}

/* {name: value} for a pattern that was taken apart. */
static PyObject *
params_dict(struct rp_py_state *st, const struct rp_pattern *pattern,
            const struct rp_match *match)
{
    PyObject *dict, *name, *value;
    unsigned i;
    int rc = 0;

    dict = PyDict_New();
    for (i = 0; dict != NULL && i < match->nparams && i < pattern->nparams;
         i++) {
        name = PyUnicode_FromStringAndSize(
            pattern->params[i].name.p, (Py_ssize_t)pattern->params[i].name.n);
        value = name == NULL ? NULL
                             : rp_param_convert(st, pattern->params[i].conv,
                                                match->params[i]);
        rc = value == NULL ? -1 : PyDict_SetItem(dict, name, value);
        Py_XDECREF(value);
        Py_XDECREF(name);
        if (rc < 0)
            Py_CLEAR(dict);
    }
    return dict;
}

PyObject *
rp_request_object_match_params(struct rp_py_state *st,
                               const struct rp_match *match)
{
    const struct rp_route *route = match == NULL ? NULL : match->route;
    struct rp_pattern pattern;
    char error[256];
    PyObject *dict;

    if (route == NULL || match->nparams == 0)
        return PyDict_New();
    if (rp_pattern_init(&pattern, route->pattern, error, sizeof(error)) < 0) {
        PyErr_SetString(PyExc_RuntimeError, error);
        return NULL;
    }
    dict = params_dict(st, &pattern, match);
    rp_pattern_fini(&pattern);
    return dict;
}
