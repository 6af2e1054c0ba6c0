/* wsgi_input.c -- wsgi.input: the content of a request as a file (PEP 3333,
 * "Input and Error Streams"), and where it is kept.
 *
 * Its end is that of the content, whatever framing it had.  Content that will
 * never be complete is an OSError, never an end. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "rupy/py/wsgi_impl.h"

/* ---- Where it is kept ---- */

void
rp_wsgi_body_init(struct rp_wsgi_body *b)
{
    *b = (struct rp_wsgi_body){.fd = -1};
}

void
rp_wsgi_body_fini(struct rp_wsgi_body *b)
{
    rp_buf_fini(&b->buf);
    if (b->fd >= 0)
        close(b->fd);
    b->fd = -1;
}

static int
open_spool(void)
{
    const char *dir = getenv("TMPDIR");

    if (!dir || !*dir)
        dir = "/tmp";
    return open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
}

int
rp_wsgi_spool(int *fd, const void *p, size_t n, off_t at)
{
    const char *data = p;

    if (*fd < 0 && (*fd = open_spool()) < 0)
        return -1;
    while (n > 0) {
        ssize_t k = pwrite(*fd, data, n, at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -1;
        data += k;
        at += k;
        n -= (size_t)k;
    }
    return 0;
}

static int
take(struct rp_wsgi_body *b, struct rp_str s, size_t max)
{
    int bad;

    if (b->fd < 0 && (max == 0 || b->buf.n + s.n <= max)) {
        bad = rp_buf_add_str(&b->buf, s);
        if (bad < 0)
            errno = ENOMEM;
        return bad;
    }
    if (rp_wsgi_spool(&b->fd, s.p, s.n, b->fd_size) < 0)
        return -1;
    b->fd_size += (off_t)s.n;
    return 0;
}

int
rp_wsgi_body_take(struct rp_wsgi_body *b, struct rp_exchange *x, size_t max)
{
    struct rp_str s = rp_exchange_content(x);

    if (s.n > 0) {
        if (take(b, s, max) < 0)
            return -1;
        rp_exchange_take_content(x, s.n);
    }
    switch (rp_exchange_content_end(x)) {
    case RP_CONTENT_COMES:
        break;
    case RP_CONTENT_COMPLETE:
        b->complete = true;
        break;
    case RP_CONTENT_CUT:
        b->cut = true;
        break;
    }
    return 0;
}

/* ---- Getting more of it into memory ---- */

struct input_object {
    PyObject_HEAD
    struct rp_wsgi_call *call; /* NULL: there is no content */
};

static size_t
available(const struct rp_wsgi_body *b)
{
    return b->buf.n - b->off;
}

static int
read_spool(struct rp_wsgi_body *b)
{
    ssize_t k;

    if (rp_buf_reserve(&b->buf, RP_WSGI_PIECE) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    k = pread(b->fd, b->buf.p + b->buf.n, RP_WSGI_PIECE, b->fd_off);
    if (k <= 0) {
        errno = k < 0 ? errno : EIO;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    b->buf.n += (size_t)k;
    b->fd_off += k;
    return 1;
}

/* 1: there is more of it than there was, 0: that was all, -1: exception */
static int
wait_for_client(struct rp_wsgi_call *call, size_t n)
{
    struct rp_wsgi_body *b = &call->body;
    size_t had = available(b);

    if (call->thread && !b->cut)
        rp_wsgi_thread_need(call, n);
    if (available(b) > had || b->complete)
        return available(b) > had;
    PyErr_SetString(PyExc_ConnectionResetError,
                    "the client is gone before its content was complete");
    return -1;
}

/* Have more in memory than before, and n bytes if there are as many.  1: there
 * is more, 0: there is no more, -1: exception */
static int
fill(struct rp_wsgi_call *call, size_t n)
{
    struct rp_wsgi_body *b = &call->body;

    if (b->off > 0) {
        rp_buf_del(&b->buf, b->off);
        b->off = 0;
    }
    if (b->fd_off < b->fd_size)
        return read_spool(b);
    return b->complete ? 0 : wait_for_client(call, n);
}

/* n bytes from the front. */
static PyObject *
give(struct rp_wsgi_body *b, size_t n)
{
    PyObject *data = PyBytes_FromStringAndSize(n > 0 ? b->buf.p + b->off : NULL,
                                               (Py_ssize_t)n);

    if (!data)
        return NULL;
    b->off += n;
    if (b->off < b->buf.n)
        return data;
    b->off = 0;
    rp_buf_reset(&b->buf);
    return data;
}

/* ---- Methods ---- */

/* The size argument of all of them: None and below 0 is all.  -1 with an
 * exception. */
static int
parse_size(PyObject *const *args, Py_ssize_t nargs, size_t *size)
{
    Py_ssize_t n;

    *size = SIZE_MAX;
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "at most 1 argument, not %zd", nargs);
        return -1;
    }
    if (nargs == 0 || args[0] == Py_None)
        return 0;
    n = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    if (n == -1 && PyErr_Occurred())
        return -1;
    if (n >= 0)
        *size = (size_t)n;
    return 0;
}

static PyObject *
input_read(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct rp_wsgi_call *call = ((struct input_object *)self)->call;
    size_t size;
    int more = 1;

    if (parse_size(args, nargs, &size) < 0)
        return NULL;
    if (!call)
        return PyBytes_FromStringAndSize(NULL, 0);
    while (more > 0 && available(&call->body) < size)
        more = fill(call, size);
    if (more < 0)
        return NULL;
    if (size > available(&call->body))
        size = available(&call->body);
    return give(&call->body, size);
}

static PyObject *
read_line(struct rp_wsgi_call *call, size_t size)
{
    struct rp_wsgi_body *b;
    size_t seen = 0, n;
    int more = 1;

    if (!call)
        return PyBytes_FromStringAndSize(NULL, 0);
    b = &call->body;
    for (;;) {
        const char *from = b->buf.p + b->off, *end;
        n = available(b);
        end = n > seen ? memchr(from + seen, '\n', n - seen) : NULL;
        seen = n;
        if (end)
            n = (size_t)(end - from) + 1;
        if (end || n >= size || more == 0)
            break;
        more = fill(call, n + 1);
        if (more < 0)
            return NULL;
    }
    return give(b, n < size ? n : size);
}

static PyObject *
input_readline(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    size_t size;

    if (parse_size(args, nargs, &size) < 0)
        return NULL;
    return read_line(((struct input_object *)self)->call, size);
}

static PyObject *
input_next(PyObject *self)
{
    PyObject *line = read_line(((struct input_object *)self)->call, SIZE_MAX);

    if (line && PyBytes_GET_SIZE(line) == 0)
        Py_CLEAR(line);
    return line;
}

/* The hint is a number of bytes after which there need be no further line. */
static PyObject *
input_readlines(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *lines = PyList_New(0), *line;
    size_t size, got = 0;

    if (!lines || parse_size(args, nargs, &size) < 0) {
        Py_XDECREF(lines);
        return NULL;
    }
    if (size == 0)
        size = SIZE_MAX;
    while (got < size && (line = input_next(self))) {
        int bad = PyList_Append(lines, line);
        got += (size_t)PyBytes_GET_SIZE(line);
        Py_DECREF(line);
        if (bad)
            break;
    }
    if (PyErr_Occurred())
        Py_CLEAR(lines);
    return lines;
}

static void
input_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);

    Py_XDECREF((PyObject *)((struct input_object *)self)->call);
    PyObject_Free(self);
    Py_DECREF(tp);
}

PyObject *
rp_wsgi_input_new(struct rp_py_state *st, struct rp_wsgi_call *call)
{
    struct input_object *in =
        PyObject_New(struct input_object, st->wsgi_input_type);

    if (in)
        in->call = (struct rp_wsgi_call *)Py_XNewRef((PyObject *)call);
    return (PyObject *)in;
}

static PyMethodDef input_methods[] = {
    {"read", (PyCFunction)(void (*)(void))input_read, METH_FASTCALL,
     PyDoc_STR("read(size=-1): so many bytes, fewer only at the end.")},
    {"readline", (PyCFunction)(void (*)(void))input_readline, METH_FASTCALL,
     PyDoc_STR("readline(size=-1): up to and with the next line feed.")},
    {"readlines", (PyCFunction)(void (*)(void))input_readlines, METH_FASTCALL,
     PyDoc_STR("readlines(hint=-1): a list of lines.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot input_slots[] = {
    {Py_tp_dealloc, input_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, input_next},
    {Py_tp_methods, input_methods},
    {0, NULL},
};

PyType_Spec rp_wsgi_input_spec = {
    .name = "rupy._core.Input",
    .basicsize = sizeof(struct input_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = input_slots,
};
