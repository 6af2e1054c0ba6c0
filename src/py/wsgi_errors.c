/* wsgi_errors.c -- what goes to the server's log: what the application raises,
 * and what it writes to wsgi.errors, line by line. */
#include "rupy/base/log.h"
#include "rupy/py/traceback.h"
#include "rupy/py/wsgi_impl.h"

/* ---- What it raises ---- */

void
rp_wsgi_complain(struct rp_wsgi_call *call, const char *what, PyObject *exc)
{
    PyObject *line = PyUnicode_FromFormat(
        "%S %S: %s%s", call->method, call->path, what, Py_TYPE(exc)->tp_name);

    rp_py_log_exception(line, exc);
    Py_XDECREF(line);
}

bool
rp_wsgi_is_disconnect(const struct rp_wsgi_call *call, PyObject *exc)
{
    PyObject *e = Py_NewRef(exc);
    bool yes = false;

    for (int depth = 0; e && !yes && depth < 16; depth++) {
        PyObject *next = PyException_GetContext(e);
        yes = PyErr_GivenExceptionMatches(e, PyExc_OSError);
        Py_SETREF(e, next);
    }
    Py_XDECREF(e);
    return yes && (call->gone || call->body.cut);
}

/* ---- What it writes ---- */

enum { LINE_MAX_ = 4096 }; /* a longer one is cut into several */

struct errors_object {
    PyObject_HEAD
    struct rp_buf line; /* what no line feed has ended yet */
};

static void
say(const char *p, size_t n)
{
    rp_log(RP_LOG_ERROR, "%.*s", (int)n, p);
}

static void
put_line(struct errors_object *e)
{
    if (e->line.n > 0)
        say(e->line.p, e->line.n);
    rp_buf_reset(&e->line);
}

/* Whole lines of p..p+n go out; what is left waits for its end. */
static int
put(struct errors_object *e, const char *p, size_t n)
{
    while (n > 0) {
        const char *end = memchr(p, '\n', n);
        size_t part = end ? (size_t)(end - p) : n;

        while (e->line.n + part > LINE_MAX_) {
            size_t some = LINE_MAX_ - e->line.n;
            if (rp_buf_add(&e->line, p, some) < 0)
                return -1;
            p += some;
            n -= some;
            part -= some;
            put_line(e);
        }
        if (rp_buf_add(&e->line, p, part) < 0)
            return -1;
        p += part;
        n -= part;
        if (end) {
            put_line(e);
            p++;
            n--;
        }
    }
    return 0;
}

static PyObject *
errors_write(PyObject *self, PyObject *text)
{
    PyObject *bytes;
    Py_ssize_t n;
    int bad;

    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "wsgi.errors takes str, not %s",
                     Py_TYPE(text)->tp_name);
        return NULL;
    }
    bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    if (!bytes)
        return NULL;
    n = PyBytes_GET_SIZE(bytes);
    bad =
        put((struct errors_object *)self, PyBytes_AS_STRING(bytes), (size_t)n);
    Py_DECREF(bytes);
    if (bad < 0)
        return PyErr_NoMemory();
    return PyLong_FromSsize_t(PyUnicode_GET_LENGTH(text));
}

static PyObject *
errors_writelines(PyObject *self, PyObject *lines)
{
    PyObject *iter = PyObject_GetIter(lines), *line;

    if (!iter)
        return NULL;
    while ((line = PyIter_Next(iter))) {
        PyObject *r = errors_write(self, line);
        Py_DECREF(line);
        if (!r)
            break;
        Py_DECREF(r);
    }
    Py_DECREF(iter);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
errors_flush(PyObject *self, PyObject *unused)
{
    (void)unused;
    put_line((struct errors_object *)self);
    Py_RETURN_NONE;
}

static void
errors_dealloc(PyObject *self)
{
    struct errors_object *e = (struct errors_object *)self;
    PyTypeObject *tp = Py_TYPE(self);

    put_line(e);
    rp_buf_fini(&e->line);
    PyObject_Free(self);
    Py_DECREF(tp);
}

PyObject *
rp_wsgi_errors_new(struct rp_py_state *st)
{
    struct errors_object *e =
        PyObject_New(struct errors_object, st->wsgi_errors_type);

    if (e)
        rp_buf_init(&e->line, 0);
    return (PyObject *)e;
}

static PyMethodDef errors_methods[] = {
    {"write", errors_write, METH_O, PyDoc_STR("Log text, line by line.")},
    {"writelines", errors_writelines, METH_O,
     PyDoc_STR("write() for each of them.")},
    {"flush", errors_flush, METH_NOARGS,
     PyDoc_STR("Log what no line feed has ended yet.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot errors_slots[] = {
    {Py_tp_dealloc, errors_dealloc},
    {Py_tp_methods, errors_methods},
    {0, NULL},
};

PyType_Spec rp_wsgi_errors_spec = {
    .name = "rupy._core.ErrorLog",
    .basicsize = sizeof(struct errors_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = errors_slots,
};
