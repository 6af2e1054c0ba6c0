/* response_cookie.c -- Set-Cookie lines (RFC 6265 4.1, and of RFC 6265bis
 * SameSite and the name prefixes; Partitioned as CHIPS has it). */
#include "rupy/base/buf.h"
#include "rupy/http/cookie.h"
#include "rupy/http/date.h"
#include "rupy/py/response.h"

/* RFC 6265bis 5.6: what user agents drop. */
enum {
    MAX_PAIR = 4096, /* name and value together */
    MAX_ATTR = 1024, /* the value of one attribute */
    MAX_LINE = 8192, /* more than all together can be */
};

#define LAST_SECOND 253402300799LL /* the end of the year 9999 */

struct cookie {
    PyObject *name, *value;
    PyObject *max_age, *expires; /* Py_None: not given */
    PyObject *path, *domain, *samesite;
    int secure, httponly, partitioned;
};

static int
add_text(struct rp_buf *b, struct rp_str s)
{
    if (rp_buf_add_str(b, s) == 0)
        return 0;
    PyErr_SetString(PyExc_ValueError, "the cookie is too long");
    return -1;
}

/* "; Name=value", nothing for None. */
static int
add_attr(struct rp_buf *b, const char *name, PyObject *value)
{
    struct rp_str s;

    if (value == Py_None)
        return 0;
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be str or None, not %.100s",
                     name, Py_TYPE(value)->tp_name);
        return -1;
    }
    if (!rp_latin1_of_str(value, &s) || !rp_is_cookie_attr(s)) {
        PyErr_Format(PyExc_ValueError, "%s %R may not stand in a cookie", name,
                     value);
        return -1;
    }
    if (s.n > MAX_ATTR) {
        PyErr_Format(PyExc_ValueError, "%s is longer than %d bytes", name,
                     MAX_ATTR);
        return -1;
    }
    if (add_text(b, RP_STR("; ")) < 0 ||
        add_text(b, (struct rp_str){name, strlen(name)}) < 0 ||
        add_text(b, RP_STR("=")) < 0)
        return -1;
    return add_text(b, s);
}

/* cookie-value may stand in quotes (RFC 6265 4.1.1). */
static struct rp_str
without_quotes(struct rp_str s)
{
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        return (struct rp_str){s.p + 1, s.n - 2};
    return s;
}

static int
add_name_value(struct rp_buf *b, const struct cookie *c)
{
    struct rp_str name, value;

    if (!rp_latin1_of_str(c->name, &name) || !rp_is_token(name)) {
        PyErr_Format(PyExc_ValueError, "cookie name %R is not a token",
                     c->name);
        return -1;
    }
    if (!rp_latin1_of_str(c->value, &value) ||
        !rp_is_cookie_value(without_quotes(value))) {
        PyErr_Format(PyExc_ValueError,
                     "cookie %U: value %R has characters that must be encoded "
                     "(urllib.parse.quote)",
                     c->name, c->value);
        return -1;
    }
    if (name.n + value.n > MAX_PAIR) {
        PyErr_Format(PyExc_ValueError,
                     "cookie %U: name and value are %zu bytes, and browsers "
                     "take %d",
                     c->name, name.n + value.n, MAX_PAIR);
        return -1;
    }
    if (add_text(b, name) < 0 || add_text(b, RP_STR("=")) < 0)
        return -1;
    return add_text(b, value);
}

/* Seconds since 1970 of a datetime, which is UTC if naive: *out and 0. */
static int
seconds_of_datetime(PyObject *datetime, long long *out)
{
    PyObject *calendar = NULL, *tuple = NULL, *seconds = NULL;

    *out = -1;
    tuple = PyObject_CallMethod(datetime, "utctimetuple", NULL);
    if (tuple == NULL)
        goto out;
    calendar = PyImport_ImportModule("calendar");
    if (calendar == NULL)
        goto out;
    seconds = PyObject_CallMethod(calendar, "timegm", "(O)", tuple);
    if (seconds != NULL)
        *out = PyLong_AsLongLong(seconds);
out:
    Py_XDECREF(seconds);
    Py_XDECREF(calendar);
    Py_XDECREF(tuple);
    return PyErr_Occurred() ? -1 : 0;
}

/* Any form of expires as seconds since 1970. */
static int
expires_seconds(PyObject *expires, long long *out)
{
    struct rp_str s;
    int is_datetime;
    double d;

    if (PyUnicode_Check(expires)) {
        *out = rp_latin1_of_str(expires, &s) ? rp_date_parse(s) : -1;
        if (*out >= 0)
            return 0;
        PyErr_Format(PyExc_ValueError, "expires %R is not a date", expires);
        return -1;
    }
    if (PyLong_Check(expires)) {
        *out = PyLong_AsLongLong(expires);
        return *out == -1 && PyErr_Occurred() ? -1 : 0;
    }
    if (PyFloat_Check(expires)) {
        d = PyFloat_AS_DOUBLE(expires);
        *out = d >= 0 && d <= LAST_SECOND ? (long long)d : -1;
        return 0;
    }
    is_datetime = rp_py_has_attr(expires, "utctimetuple");
    if (is_datetime > 0)
        return seconds_of_datetime(expires, out);
    if (is_datetime < 0)
        return -1;
    PyErr_Format(
        PyExc_TypeError,
        "expires must be datetime, int, float, str or None, not %.100s",
        Py_TYPE(expires)->tp_name);
    return -1;
}

static int
add_expires(struct rp_buf *b, PyObject *expires)
{
    char date[RP_DATE_SIZE];
    long long seconds;

    if (expires == Py_None)
        return 0;
    if (expires_seconds(expires, &seconds) < 0)
        return -1;
    if (seconds < 0 || seconds > LAST_SECOND) {
        PyErr_Format(PyExc_ValueError, "expires %R is not 1970 to 9999",
                     expires);
        return -1;
    }
    rp_date_format(date, seconds);
    if (add_text(b, RP_STR("; Expires=")) < 0)
        return -1;
    return add_text(b, (struct rp_str){date, RP_DATE_SIZE});
}

static int
add_max_age(struct rp_buf *b, PyObject *max_age)
{
    char text[32];
    long long seconds;
    int n;

    if (max_age == Py_None)
        return 0;
    if (!PyLong_Check(max_age)) {
        PyErr_Format(PyExc_TypeError,
                     "max_age must be int (seconds) or None, not "
                     "%.100s",
                     Py_TYPE(max_age)->tp_name);
        return -1;
    }
    seconds = PyLong_AsLongLong(max_age);
    if (seconds == -1 && PyErr_Occurred())
        return -1;
    n = snprintf(text, sizeof(text), "; Max-Age=%lld", seconds);
    return add_text(b, (struct rp_str){text, (size_t)n});
}

static int
add_samesite(struct rp_buf *b, const struct cookie *c)
{
    struct rp_str s;

    if (c->samesite == Py_None)
        return 0;
    if (rp_latin1_of_str(c->samesite, &s)) {
        if (rp_str_ieq(s, RP_STR("lax")))
            return add_text(b, RP_STR("; SameSite=Lax"));
        if (rp_str_ieq(s, RP_STR("strict")))
            return add_text(b, RP_STR("; SameSite=Strict"));
        if (rp_str_ieq(s, RP_STR("none")) && c->secure)
            return add_text(b, RP_STR("; SameSite=None"));
        if (rp_str_ieq(s, RP_STR("none"))) {
            PyErr_SetString(PyExc_ValueError,
                            "samesite='none' needs secure=True");
            return -1;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "samesite %R is not 'lax', 'strict' or 'none'", c->samesite);
    return -1;
}

static bool
has_prefix(PyObject *name, const char *prefix)
{
    size_t n = strlen(prefix);
    struct rp_str s;

    return rp_latin1_of_str(name, &s) && s.n >= n &&
           rp_str_ieq((struct rp_str){s.p, n}, (struct rp_str){prefix, n});
}

/* Cookies of these names are only taken with what the name promises, also to
 * end them (RFC 6265bis 4.1.3); user agents compare in any case. */
static bool
needs_secure(PyObject *name)
{
    return has_prefix(name, "__Secure-") || has_prefix(name, "__Host-");
}

static int
check_prefix(const struct cookie *c)
{
    if (needs_secure(c->name) && !c->secure) {
        PyErr_Format(PyExc_ValueError, "cookie %U needs secure=True", c->name);
        return -1;
    }
    if (has_prefix(c->name, "__Host-") &&
        (c->domain != Py_None || !PyUnicode_Check(c->path) ||
         PyUnicode_CompareWithASCIIString(c->path, "/") != 0)) {
        PyErr_Format(PyExc_ValueError, "cookie %U needs path='/' and no domain",
                     c->name);
        return -1;
    }
    return 0;
}

static int
add_flags(struct rp_buf *b, const struct cookie *c)
{
    if (c->partitioned && !c->secure) {
        PyErr_SetString(PyExc_ValueError, "partitioned needs secure=True");
        return -1;
    }
    if ((c->secure && add_text(b, RP_STR("; Secure")) < 0) ||
        (c->httponly && add_text(b, RP_STR("; HttpOnly")) < 0) ||
        add_samesite(b, c) < 0)
        return -1;
    return c->partitioned ? add_text(b, RP_STR("; Partitioned")) : 0;
}

/* Add the line.  None, or NULL with an exception. */
static PyObject *
add_cookie(PyObject *self, const struct cookie *c)
{
    struct headers_object *headers;
    PyObject *name = NULL, *line = NULL, *result = NULL;
    struct rp_buf b;

    rp_buf_init(&b, MAX_LINE);
    if (check_prefix(c) < 0 || add_name_value(&b, c) < 0 ||
        add_max_age(&b, c->max_age) < 0 || add_expires(&b, c->expires) < 0 ||
        add_attr(&b, "Path", c->path) < 0 ||
        add_attr(&b, "Domain", c->domain) < 0 || add_flags(&b, c) < 0)
        goto out;
    headers = rp_response_object_headers((struct response_object *)self);
    name = PyUnicode_InternFromString("Set-Cookie");
    line = rp_str_of_latin1((struct rp_str){b.p, b.n});
    if (headers != NULL && name != NULL && line != NULL &&
        rp_headers_object_add(headers, name, line) == 0)
        result = Py_NewRef(Py_None);
out:
    Py_XDECREF(line);
    Py_XDECREF(name);
    rp_buf_fini(&b);
    return result;
}

static PyObject *
set_cookie(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name",     "value",       "max_age", "expires",
                            "path",     "domain",      "secure",  "httponly",
                            "samesite", "partitioned", NULL};
    struct cookie c = {.max_age = Py_None,
                       .expires = Py_None,
                       .domain = Py_None,
                       .samesite = Py_None};
    PyObject *result = NULL, *empty = NULL, *root = NULL;

    empty = PyUnicode_FromStringAndSize(NULL, 0);
    root = PyUnicode_InternFromString("/");
    if (empty == NULL || root == NULL)
        goto out;
    c.value = empty;
    c.path = root;
    if (PyArg_ParseTupleAndKeywords(args, kwargs, "U|U$OOOOppOp:set_cookie",
                                    names, &c.name, &c.value, &c.max_age,
                                    &c.expires, &c.path, &c.domain, &c.secure,
                                    &c.httponly, &c.samesite, &c.partitioned))
        result = add_cookie(self, &c);
out:
    Py_XDECREF(root);
    Py_XDECREF(empty);
    return result;
}

static PyObject *
delete_cookie(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name",     "path",     "domain",      "secure",
                            "httponly", "samesite", "partitioned", NULL};
    struct cookie c = {.domain = Py_None, .samesite = Py_None};
    PyObject *result = NULL, *empty = NULL, *root = NULL, *zero = NULL;

    empty = PyUnicode_FromStringAndSize(NULL, 0);
    root = PyUnicode_InternFromString("/");
    zero = PyLong_FromLong(0);
    if (empty == NULL || root == NULL || zero == NULL)
        goto out;
    c.value = empty;
    c.path = root;
    c.max_age = c.expires = zero;
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "U|$OOppOp:delete_cookie", names, &c.name, &c.path,
            &c.domain, &c.secure, &c.httponly, &c.samesite, &c.partitioned))
        goto out;
    c.secure |= needs_secure(c.name);
    result = add_cookie(self, &c);
out:
    Py_XDECREF(zero);
    Py_XDECREF(root);
    Py_XDECREF(empty);
    return result;
}

#define KEYWORDS(f) (PyCFunction)(void (*)(void))(f)

PyDoc_STRVAR(set_cookie_doc,
             "set_cookie(name, value='', *, max_age=None, expires=None,\n"
             "path='/', domain=None, secure=False, httponly=False,\n"
             "samesite=None, partitioned=False)\n--\n\n"
             "Add a Set-Cookie line (RFC 6265 4.1).  max_age is in seconds;\n"
             "expires is a datetime (UTC if naive), seconds since 1970, or\n"
             "a date as in RFC 9110 5.6.7; samesite is 'lax', 'strict' or\n"
             "'none'.\n\n"
             "Raises ValueError for a name that is no token, for characters\n"
             "that may not stand in a value, path or domain, and for what\n"
             "browsers refuse (RFC 6265bis): more than 4096 bytes of name\n"
             "and value, samesite='none' or partitioned without secure, a\n"
             "name that begins with __Secure- without secure, or with\n"
             "__Host- without secure, with a domain or another path.");

PyDoc_STRVAR(delete_cookie_doc,
             "delete_cookie(name, *, path='/', domain=None, secure=False,\n"
             "httponly=False, samesite=None, partitioned=False)\n--\n\n"
             "Have the client forget a cookie that was set with this path\n"
             "and domain, and, where it is partitioned, with that.");

PyMethodDef rp_response_methods[] = {
    {"set_cookie", KEYWORDS(set_cookie), METH_VARARGS | METH_KEYWORDS,
     set_cookie_doc},
    {"delete_cookie", KEYWORDS(delete_cookie), METH_VARARGS | METH_KEYWORDS,
     delete_cookie_doc},
    {NULL, NULL, 0, NULL},
};
