/* transport.c -- what a stream transport does for every message, in C.
 *
 * rupy._transport.SocketTransport is asyncio's own transport; all that
 * happens once in a connection is inherited.  It keeps the fields that are
 * needed for every message in __slots__, which Python lays out by name
 * behind its base, as struct transport here; rp_transport_adopt() checks
 * that and puts the methods of this file into the class.  Where one of them
 * finds more to do than to move bytes it calls Python. */
#include "inside.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

/* One read; also the size of the loop's read buffer. */
#define READ_SIZE (64 * 1024)

/* The slots, in alphabetical order; NULL: not set yet. */
struct transport {
    PyObject *buffer;       /* what is to be sent yet: it has a length */
    PyObject *buffered;     /* True: the protocol has get_buffer() */
    PyObject *closing;      /* bool */
    PyObject *conn_lost;    /* int: 0 while the connection is there */
    PyObject *empty_waiter; /* None, or a future: sendfile runs */
    PyObject *eof;          /* True: write_eof() was called */
    PyObject *loop;         /* None when all is over */
    PyObject *protocol;
    PyObject *sock;
};

static const struct slot {
    const char *name;
    size_t offset;
} slots[] = {
    {"_buffer", offsetof(struct transport, buffer)},
    {"_buffered", offsetof(struct transport, buffered)},
    {"_closing", offsetof(struct transport, closing)},
    {"_conn_lost", offsetof(struct transport, conn_lost)},
    {"_empty_waiter", offsetof(struct transport, empty_waiter)},
    {"_eof", offsetof(struct transport, eof)},
    {"_loop", offsetof(struct transport, loop)},
    {"_protocol", offsetof(struct transport, protocol)},
    {"_sock", offsetof(struct transport, sock)},
};

/* cls is the class that the method was put into, not one that derives from
 * it. */
static struct transport *
of(PyObject *self, PyTypeObject *cls)
{
    return (struct transport *)((char *)self + cls->tp_base->tp_basicsize);
}

static bool
is_zero(PyObject *number)
{
    return number && PyLong_CheckExact(number) && PyLong_AsLong(number) == 0;
}

static struct rp_loop *
loop_of(struct transport *t)
{
    struct rp_loop *loop;

    if (!t->loop || t->loop == Py_None)
        return NULL;
    loop = rp_loop_from_object(t->loop);
    if (!loop)
        PyErr_Clear();
    return loop;
}

/* The socket's, which is -1 when somebody closed it: the number may be
 * another file's by now.  -1 with an exception. */
static int
fd_of(struct transport *t, struct rp_aio_state *state)
{
    PyObject *r = PyObject_CallMethodNoArgs(t->sock, state->s_fileno);
    long fd = r ? PyLong_AsLong(r) : -1;

    Py_XDECREF(r);
    if (fd >= 0)
        return (int)fd;
    if (!PyErr_Occurred()) {
        errno = EBADF;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return -1;
}

/* Take the exception that is set, end the connection with it as asyncio
 * does; NULL when that, or a KeyboardInterrupt, must go on upward. */
static PyObject *
fatal(PyObject *self, const char *message)
{
    PyObject *exc, *handled, *r;

    if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) ||
        PyErr_ExceptionMatches(PyExc_SystemExit))
        return NULL;
    exc = rp_py_take_exception();
    /* It is logged with exc_info. */
    handled = PyErr_GetHandledException();
    PyErr_SetHandledException(exc);
    r = PyObject_CallMethod(self, "_fatal_error", "Os", exc, message);
    PyErr_SetHandledException(handled);
    Py_XDECREF(handled);
    Py_DECREF(exc);
    return r;
}

/* One recv() of up to n bytes: their count, 0 at the end of the stream, -1
 * when there is nothing now, -2 with an exception. */
static ssize_t
receive(struct transport *t, struct rp_aio_state *state, void *p, size_t n)
{
    int fd = fd_of(t, state);
    ssize_t got;

    if (fd < 0)
        return -2;
    got = recv(fd, p, n, 0);
    if (got >= 0)
        return got;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return -1;
    PyErr_SetFromErrno(PyExc_OSError);
    return -2;
}

/* What remains to be done after receive() did not bring data. */
static PyObject *
no_data(PyObject *self, ssize_t got)
{
    if (got == 0)
        return PyObject_CallMethod(self, "_read_ready__on_eof", NULL);
    if (got == -1)
        Py_RETURN_NONE;
    return fatal(self, "Fatal read error on socket transport");
}

static PyObject *
read_data(PyObject *self, struct transport *t, struct rp_loop *loop)
{
    struct rp_aio_state *state = loop->state;
    PyObject *protocol, *data, *r;
    ssize_t got;

    if (!loop->read_buf) {
        loop->read_buf = PyMem_Malloc(READ_SIZE);
        if (!loop->read_buf)
            return PyErr_NoMemory();
    }
    got = receive(t, state, loop->read_buf, READ_SIZE);
    if (got <= 0)
        return no_data(self, got);
    data = PyBytes_FromStringAndSize(loop->read_buf, got);
    if (!data)
        return fatal(self, "Fatal read error on socket transport");
    protocol = Py_NewRef(t->protocol);
    r = PyObject_CallMethodOneArg(protocol, state->s_data_received, data);
    Py_DECREF(protocol);
    Py_DECREF(data);
    if (r)
        return r;
    return fatal(self, "Fatal error: protocol.data_received() call failed.");
}

/* The buffer that the protocol has for us, for n bytes that we do not know
 * yet.  0, or -1 with an exception. */
static int
get_buffer(PyObject *protocol, struct rp_aio_state *state, Py_buffer *b)
{
    PyObject *hint = PyLong_FromLong(-1), *o = NULL;
    int r = -1;

    if (hint)
        o = PyObject_CallMethodOneArg(protocol, state->s_get_buffer, hint);
    Py_XDECREF(hint);
    if (o && PyObject_Size(o) == 0)
        PyErr_SetString(PyExc_RuntimeError,
                        "get_buffer() returned an empty buffer");
    else if (o && !PyErr_Occurred())
        r = PyObject_GetBuffer(o, b, PyBUF_WRITABLE);
    Py_XDECREF(o);
    return r;
}

static PyObject *
read_into_buffer(PyObject *self, struct transport *t, struct rp_loop *loop)
{
    struct rp_aio_state *state = loop->state;
    PyObject *protocol = Py_NewRef(t->protocol), *count, *r = NULL;
    Py_buffer b;
    ssize_t got;

    if (get_buffer(protocol, state, &b) < 0) {
        Py_DECREF(protocol);
        return fatal(self, "Fatal error: protocol.get_buffer() call failed.");
    }
    /* get_buffer() may have closed the transport. */
    got = is_zero(t->conn_lost) ? receive(t, state, b.buf, (size_t)b.len) : -1;
    PyBuffer_Release(&b);
    if (got <= 0) {
        Py_DECREF(protocol);
        return no_data(self, got);
    }
    count = PyLong_FromSsize_t(got);
    if (count)
        r = PyObject_CallMethodOneArg(protocol, state->s_buffer_updated, count);
    Py_XDECREF(count);
    Py_DECREF(protocol);
    if (r)
        return r;
    return fatal(self, "Fatal error: protocol.buffer_updated() call failed.");
}

static PyObject *
transport_read_ready(PyObject *self, PyTypeObject *cls, PyObject *const *args,
                     size_t nargs, PyObject *kwnames)
{
    struct transport *t = of(self, cls);
    struct rp_loop *loop = loop_of(t);

    (void)args;
    (void)kwnames;
    if (nargs != 0) {
        PyErr_SetString(PyExc_TypeError, "_read_ready() takes no arguments");
        return NULL;
    }
    if (!loop || !t->protocol || !t->sock || !is_zero(t->conn_lost))
        Py_RETURN_NONE;
    if (t->buffered == Py_True)
        return read_into_buffer(self, t, loop);
    return read_data(self, t, loop);
}

/* Whether write() has nothing else to mind than its data. */
static bool
is_free(struct transport *t)
{
    return t->eof == Py_False && t->empty_waiter == Py_None &&
           is_zero(t->conn_lost) && t->sock && t->buffer &&
           PyObject_Size(t->buffer) == 0;
}

static PyObject *
send_now(PyObject *self, struct transport *t, struct rp_loop *loop,
         PyObject *data)
{
    Py_buffer b;
    ssize_t sent = 0;
    Py_ssize_t n;
    int fd;

    if (PyObject_GetBuffer(data, &b, PyBUF_SIMPLE) < 0)
        return NULL;
    n = b.len;
    fd = n > 0 ? fd_of(t, loop->state) : 0;
    if (n > 0 && fd >= 0) {
        sent = send(fd, b.buf, (size_t)n, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK &&
            errno != EINTR)
            PyErr_SetFromErrno(PyExc_OSError);
    }
    PyBuffer_Release(&b);
    if (sent == n)
        Py_RETURN_NONE;
    if (PyErr_Occurred())
        return fatal(self, "Fatal write error on socket transport");
    return PyObject_CallMethod(self, "_keep", "On", data,
                               sent > 0 ? (Py_ssize_t)sent : (Py_ssize_t)0);
}

static PyObject *
transport_write(PyObject *self, PyTypeObject *cls, PyObject *const *args,
                size_t nargs, PyObject *kwnames)
{
    struct transport *t = of(self, cls);
    struct rp_loop *loop;

    /* By keyword, and the wrong way: Python knows what to say. */
    if (nargs != 1 || kwnames) {
        PyObject *slow = PyObject_GetAttrString(self, "_write"), *r;

        r = slow ? PyObject_Vectorcall(slow, args, nargs, kwnames) : NULL;
        Py_XDECREF(slow);
        return r;
    }
    loop = loop_of(t);
    if (loop && is_free(t) &&
        (PyBytes_Check(args[0]) || PyByteArray_Check(args[0]) ||
         PyMemoryView_Check(args[0])))
        return send_now(self, t, loop, args[0]);
    if (PyErr_Occurred())
        return NULL;
    return PyObject_CallMethod(self, "_write", "O", args[0]);
}

static PyObject *
transport_is_closing(PyObject *self, PyTypeObject *cls, PyObject *const *args,
                     size_t nargs, PyObject *kwnames)
{
    PyObject *closing = of(self, cls)->closing;

    (void)args;
    (void)kwnames;
    if (nargs != 0) {
        PyErr_SetString(PyExc_TypeError, "is_closing() takes no arguments");
        return NULL;
    }
    return Py_NewRef(closing ? closing : Py_False);
}

#define METHOD(name, f, doc)                                                   \
    {                                                                          \
        name, (PyCFunction)(void (*)(void))f,                                  \
            METH_METHOD | METH_FASTCALL | METH_KEYWORDS, doc                   \
    }

static PyMethodDef methods[] = {
    METHOD("_read_ready", transport_read_ready, NULL),
    METHOD("write", transport_write, "Send data, or keep it to be sent."),
    METHOD("is_closing", transport_is_closing,
           "Whether it is closed, or going to be."),
};

/* Whether the slots of cls lie as struct transport has them. */
static int
check_slots(PyTypeObject *cls)
{
    size_t base = (size_t)cls->tp_base->tp_basicsize;

    for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
        PyObject *d = PyObject_GetAttrString((PyObject *)cls, slots[i].name);
        bool good = d && Py_TYPE(d) == &PyMemberDescr_Type &&
                    (size_t)((PyMemberDescrObject *)d)->d_member->offset ==
                        base + slots[i].offset;

        Py_XDECREF(d);
        if (good)
            continue;
        PyErr_Format(PyExc_TypeError, "%.100s.%s is not where it should be",
                     cls->tp_name, slots[i].name);
        return -1;
    }
    return 0;
}

PyObject *
rp_transport_adopt(PyObject *module, PyObject *o)
{
    PyTypeObject *cls = (PyTypeObject *)o;

    (void)module;
    if (!PyType_Check(o) || !cls->tp_base) {
        PyErr_SetString(PyExc_TypeError, "expected a class");
        return NULL;
    }
    if (check_slots(cls) < 0)
        return NULL;
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        PyObject *d = PyDescr_NewMethod(cls, &methods[i]);
        int r = d ? PyObject_SetAttrString(o, methods[i].ml_name, d) : -1;

        Py_XDECREF(d);
        if (r < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}
