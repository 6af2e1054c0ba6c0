/* tapped.c -- the answer of any handler as an object: what middleware gets
 * from call_next() when the handler is a file, another application, or runs
 * in a thread.
 *
 * It is given away when its head is there.  An answer that was complete by
 * then has its content in it; the content of another is taken piece by piece,
 * and its handler waits while nobody does. */
#include <unistd.h>

#include "rupy/py/front.h"
#include "rupy/py/headers.h"

enum {
    HIGH = 128 * 1024,      /* the handler waits from here */
    FILE_PIECE = 64 * 1024, /* of a file that is read at once */
};

/* Content that was not taken: bytes, or a stretch of a file. */
struct piece {
    struct piece *next;
    PyObject *bytes; /* NULL: a file */
    int fd;
    off_t off;
    size_t n;
    void (*release)(void *arg);
    void *arg;
};

struct tapped_object {
    PyObject_HEAD
    struct rp_py_state *st;
    struct rp_loop *loop;
    struct rp_exchange *sub; /* NULL: the answer has ended, or was given up */
    PyObject *waiter;        /* future: for the head, then for content */
    PyObject *headers;       /* list of (str, str); NULL: there is no head */
    PyObject *content_type;  /* str or None */
    struct piece *first, **last;
    size_t queued;
    int64_t length; /* promised; -1: not */
    int status;
    bool given; /* the head was */
    bool failed;
    bool turn; /* on_turn() comes, and holds a reference */
};

static struct tapped_object *
of(PyObject *o)
{
    return (struct tapped_object *)o;
}

static void
drop_piece(struct tapped_object *t)
{
    struct piece *p = t->first;

    t->first = p->next;
    if (!t->first)
        t->last = &t->first;
    t->queued -= p->n;
    Py_XDECREF(p->bytes);
    if (p->release)
        p->release(p->arg);
    PyMem_Free(p);
}

/* Wake who waits; with an exception set nobody is helped. */
static void
wake(struct tapped_object *t)
{
    PyObject *waiter = t->waiter, *r;

    t->waiter = NULL;
    if (!waiter)
        return;
    r = PyObject_CallMethod(waiter, "done", NULL);
    if (r == Py_False)
        Py_SETREF(
            r, PyObject_CallMethod(waiter, "set_result", "O", (PyObject *)t));
    if (!r)
        PyErr_WriteUnraisable(waiter);
    Py_XDECREF(r);
    Py_DECREF(waiter);
}

/* ---- What the handler does ---- */

static void
on_turn(void *arg)
{
    struct tapped_object *t = arg;

    t->turn = false;
    if (t->sub && t->given && t->queued < HIGH)
        rp_exchange_drain(t->sub);
    if (!t->given) {
        t->given = true;
        wake(t);
    }
    Py_DECREF(t);
}

static void
come_back(struct tapped_object *t)
{
    if (t->turn)
        return;
    if (rp_loop_call_soon(t->loop, on_turn, t) < 0) {
        PyErr_WriteUnraisable((PyObject *)t);
        return;
    }
    t->turn = true;
    Py_INCREF(t);
}

static PyObject *
list_of_fields(const struct rp_field *fields, unsigned n)
{
    PyObject *list = PyList_New(n);

    for (unsigned i = 0; list && i < n; i++) {
        PyObject *name = rp_str_of_latin1(fields[i].name);
        PyObject *value = rp_str_of_latin1(fields[i].value);
        PyObject *pair = name && value ? PyTuple_Pack(2, name, value) : NULL;
        Py_XDECREF(name);
        Py_XDECREF(value);
        if (pair)
            PyList_SET_ITEM(list, i, pair);
        else
            Py_CLEAR(list);
    }
    return list;
}

static void
on_head(void *self, int status, const struct rp_field *fields, unsigned nfields,
        struct rp_str content_type, int64_t length)
{
    struct tapped_object *t = self;

    t->status = status;
    t->length = length;
    t->headers = list_of_fields(fields, nfields);
    t->content_type = content_type.n > 0 ? rp_str_of_latin1(content_type)
                                         : Py_NewRef(Py_None);
    if (!t->headers || !t->content_type) {
        PyErr_WriteUnraisable((PyObject *)t);
        t->failed = true;
    }
    come_back(t);
}

static int
add_piece(struct tapped_object *t, struct piece piece)
{
    struct piece *p = PyMem_Malloc(sizeof(*p));

    if (!p) {
        t->failed = true;
        return -1;
    }
    *p = piece;
    *t->last = p;
    t->last = &p->next;
    t->queued += p->n;
    if (t->given)
        wake(t);
    return t->queued >= HIGH;
}

static int
on_write(void *self, const void *p, size_t n)
{
    struct tapped_object *t = self;
    PyObject *bytes = PyBytes_FromStringAndSize(p, (Py_ssize_t)n);
    int full = -1;

    if (bytes)
        full = add_piece(t, (struct piece){.bytes = bytes, .n = n});
    if (full >= 0)
        return full;
    t->failed = true;
    PyErr_Clear();
    Py_XDECREF(bytes);
    return 0;
}

static int
on_file(void *self, int fd, off_t off, size_t n, void (*release)(void *),
        void *arg)
{
    struct tapped_object *t = self;
    int full = add_piece(
        t, (struct piece){
               .fd = fd, .off = off, .n = n, .release = release, .arg = arg});

    if (full < 0)
        release(arg);
    return full > 0;
}

static void
on_end(void *self, bool failed)
{
    struct tapped_object *t = self;

    t->sub = NULL;
    t->failed |= failed;
    t->given = true;
    wake(t);
    Py_DECREF(t);
}

static const struct rp_tap_ops tap_ops = {
    .head = on_head,
    .write = on_write,
    .file = on_file,
    .end = on_end,
};

/* ---- What the middleware does ---- */

/* The content as one bytes object, when it is all there. */
static PyObject *
whole_content(struct tapped_object *t)
{
    size_t n = t->queued;
    PyObject *all;
    char *p;

    for (struct piece *q = t->first; q; q = q->next)
        if (!q->bytes)
            Py_RETURN_NONE;
    if (t->sub || t->failed || (t->length >= 0 && (uint64_t)t->length != n))
        Py_RETURN_NONE;
    if (t->first && !t->first->next) {
        all = Py_NewRef(t->first->bytes);
        drop_piece(t);
        return all;
    }
    all = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
    if (!all)
        return NULL;
    p = PyBytes_AS_STRING(all);
    while (t->first) {
        memcpy(p, PyBytes_AS_STRING(t->first->bytes), t->first->n);
        p += t->first->n;
        drop_piece(t);
    }
    return all;
}

static PyObject *
tapped_head(PyObject *self, PyObject *unused)
{
    struct tapped_object *t = of(self);
    PyObject *body;

    (void)unused;
    if (!t->headers || !t->content_type) {
        PyErr_SetString(PyExc_RuntimeError, "the handler gave no answer");
        return NULL;
    }
    body = whole_content(t);
    return body ? Py_BuildValue("(iOOLN)", t->status, t->headers,
                                t->content_type, (long long)t->length, body)
                : NULL;
}

/* Read on in the file that comes next. */
static PyObject *
take_file(struct tapped_object *t)
{
    struct piece *p = t->first;
    size_t n = p->n < FILE_PIECE ? p->n : FILE_PIECE;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
    ssize_t k;

    if (!bytes)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    k = pread(p->fd, PyBytes_AS_STRING(bytes), n, p->off);
    Py_END_ALLOW_THREADS
    if (k <= 0) {
        Py_DECREF(bytes);
        if (k < 0)
            return PyErr_SetFromErrno(PyExc_OSError);
        PyErr_SetString(PyExc_EOFError, "the file became shorter");
        return NULL;
    }
    p->off += k;
    p->n -= (size_t)k;
    t->queued -= (size_t)k;
    if (p->n == 0)
        drop_piece(t);
    if ((size_t)k < n)
        _PyBytes_Resize(&bytes, k);
    return bytes;
}

static PyObject *
tapped_take(PyObject *self, PyObject *unused)
{
    struct tapped_object *t = of(self);
    PyObject *piece;

    (void)unused;
    if (t->first) {
        if (t->first->bytes) {
            piece = Py_NewRef(t->first->bytes);
            drop_piece(t);
        } else {
            piece = take_file(t);
        }
        if (t->sub && t->queued < HIGH / 2)
            come_back(t);
        return piece;
    }
    if (t->failed) {
        PyErr_SetString(PyExc_ConnectionAbortedError,
                        "the handler broke its answer off");
        return NULL;
    }
    if (!t->sub)
        Py_RETURN_NONE;
    if (t->waiter) {
        PyErr_SetString(PyExc_RuntimeError, "somebody takes content already");
        return NULL;
    }
    t->waiter = rp_loop_create_future(t->loop);
    return Py_XNewRef(t->waiter);
}

/* Nobody wants the rest. */
static void
give_up(struct tapped_object *t)
{
    struct rp_exchange *sub = t->sub;

    t->sub = NULL;
    while (t->first)
        drop_piece(t);
    if (!sub)
        return;
    t->failed = true;
    rp_exchange_tell_stop(sub);
    Py_DECREF(t);
}

static PyObject *
tapped_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    Py_INCREF(self);
    give_up(of(self));
    Py_DECREF(self);
    Py_RETURN_NONE;
}

/* ---- What the front does ---- */

PyObject *
rp_tapped_start(struct rp_py_state *st, struct rp_loop *loop,
                struct rp_exchange *x, const struct rp_handler *h,
                PyObject *request, PyObject **tapped)
{
    struct tapped_object *t =
        PyObject_GC_New(struct tapped_object, st->tapped_type);
    /* Variables that middleware has set are there for what it calls. */
    PyObject *context = PyContext_CopyCurrent(), *before;

    if (!t || !context) {
        Py_XDECREF(context);
        if (t)
            PyObject_GC_Del(t);
        return NULL;
    }
    memset((char *)t + sizeof(PyObject), 0, sizeof(*t) - sizeof(PyObject));
    t->st = st;
    t->loop = loop;
    t->last = &t->first;
    t->length = -1;
    PyObject_GC_Track(t);
    t->sub = rp_exchange_tap(x, h, &tap_ops, t);
    if (!t->sub) {
        Py_DECREF(t);
        Py_DECREF(context);
        return PyErr_NoMemory();
    }
    Py_INCREF(t); /* for the handler, until the end */
    *tapped = Py_NewRef((PyObject *)t);
    before = rp_loop_swap_context(loop, context);
    if (h->ops == &rp_native_ops)
        rp_native_start_with(h->self, t->sub, Py_NewRef(request));
    else
        rp_exchange_start_tapped(t->sub);
    Py_DECREF(rp_loop_swap_context(loop, before));
    if (t->given)
        return (PyObject *)t;
    t->waiter = rp_loop_create_future(loop);
    PyObject *future = Py_XNewRef(t->waiter);
    Py_DECREF(t);
    return future;
}

void
rp_tapped_stop(PyObject *tapped)
{
    struct tapped_object *t = of(tapped);
    PyObject *waiter = t->waiter, *r;

    t->waiter = NULL;
    give_up(t);
    if (!waiter)
        return;
    r = PyObject_CallMethod(waiter, "cancel", NULL);
    if (!r)
        PyErr_WriteUnraisable(waiter);
    Py_XDECREF(r);
    Py_DECREF(waiter);
}

void
rp_tapped_eof(PyObject *tapped)
{
    if (of(tapped)->sub)
        rp_exchange_tell_eof(of(tapped)->sub);
}

void
rp_tapped_content(PyObject *tapped)
{
    if (of(tapped)->sub)
        rp_exchange_tell_content(of(tapped)->sub);
}

/* ---- The type ---- */

static int
tapped_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(of(self)->waiter);
    Py_VISIT(of(self)->headers);
    return 0;
}

static int
tapped_clear(PyObject *self)
{
    Py_CLEAR(of(self)->waiter);
    Py_CLEAR(of(self)->headers);
    return 0;
}

static void
tapped_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    tapped_clear(self);
    Py_CLEAR(of(self)->content_type);
    while (of(self)->first)
        drop_piece(of(self));
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyMethodDef methods[] = {
    {"head", tapped_head, METH_NOARGS,
     PyDoc_STR("(status, headers, content type or None, promised length or\n"
               "-1, content or None: it comes in pieces).")},
    {"take", tapped_take, METH_NOARGS,
     PyDoc_STR("The next piece, bytes; None at the end; or a future to wait\n"
               "for.")},
    {"close", tapped_close, METH_NOARGS, PyDoc_STR("Nobody wants the rest.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, tapped_dealloc},
    {Py_tp_traverse, tapped_traverse},
    {Py_tp_clear, tapped_clear},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec rp_tapped_spec = {
    .name = "rupy._core.Tapped",
    .basicsize = sizeof(struct tapped_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
