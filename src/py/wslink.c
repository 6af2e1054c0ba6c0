/* wslink.c -- a WebSocket as Python code has it. */
#include "rupy/py/wslink.h"

#include <errno.h>

/* ---- Messages that wait ---- */

/* Steals message.  0, or -1 (no memory). */
static int
push(struct rp_wslink *l, PyObject *message, size_t n)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap > 0 ? l->cap * 2 : 2;
        struct rp_wslink_item *items = PyMem_Malloc(cap * sizeof(*items));

        if (!items) {
            Py_DECREF(message);
            PyErr_NoMemory();
            return -1;
        }
        for (uint32_t i = 0; i < l->n; i++)
            items[i] = l->items[(l->first + i) % l->cap];
        PyMem_Free(l->items);
        l->items = items;
        l->cap = cap;
        l->first = 0;
    }
    l->items[(l->first + l->n) % l->cap] = (struct rp_wslink_item){message, n};
    l->n++;
    return 0;
}

static struct rp_wslink_item
pop(struct rp_wslink *l)
{
    struct rp_wslink_item item = l->items[l->first];

    l->first = (l->first + 1) % l->cap;
    l->n--;
    return item;
}

static void
drop_all(struct rp_wslink *l)
{
    while (l->n > 0) {
        struct rp_wslink_item item = pop(l);

        if (l->w)
            rp_wsock_taken(l->w, item.n);
        Py_DECREF(item.message);
    }
    PyMem_Free(l->items);
    l->items = NULL;
    l->cap = l->first = 0;
}

/* ---- What the connection tells ---- */

static void
on_message(void *self, struct rp_wsock *w, bool text, struct rp_str data)
{
    struct rp_wslink *l = self;
    PyObject *o;

    if (text)
        o = PyUnicode_DecodeUTF8(data.p, (Py_ssize_t)data.n, "strict");
    else
        o = PyBytes_FromStringAndSize(data.p, (Py_ssize_t)data.n);
    if (!o || push(l, o, data.n) < 0) {
        PyErr_WriteUnraisable(l->owner);
        rp_wsock_close(w, RP_WS_INTERNAL_ERROR, RP_STR("out of memory"));
        return;
    }
    rp_await_wake(l->st, l->queue);
}

static void
on_close(void *self, struct rp_wsock *w, unsigned code, struct rp_str reason)
{
    struct rp_wslink *l = self;

    (void)w;
    l->w = NULL;
    l->stage = RP_WSLINK_OVER;
    l->code = (uint16_t)code;
    Py_CLEAR(l->reason);
    if (reason.n > 0) {
        l->reason =
            PyUnicode_DecodeUTF8(reason.p, (Py_ssize_t)reason.n, "replace");
        if (!l->reason)
            PyErr_Clear();
    }
    rp_await_wake(l->st, l->queue);
    Py_DECREF(l->owner); /* l may be gone */
}

static void
on_drained(void *self, struct rp_wsock *w)
{
    struct rp_wslink *l = self;

    (void)w;
    rp_await_wake(l->st, l->queue);
}

static const struct rp_wsock_ops wsock_ops = {
    .message = on_message,
    .close = on_close,
    .drained = on_drained,
};

/* ---- Life ---- */

static void
on_expired(struct rp_wsock_pending *p)
{
    struct rp_wslink *l = rp_container_of(p, struct rp_wslink, pending);
    struct rp_exchange *x = l->x;
    PyObject *owner = Py_NewRef(l->owner);

    rp_wslink_answered(l);
    l->expired(owner);
    rp_exchange_answer_busy(x);
    Py_DECREF(owner);
}

void
rp_wslink_init(struct rp_wslink *l, struct rp_exchange *x,
               const struct rp_ws_handshake *h)
{
    l->x = x;
    l->handshake = *h;
    l->code = RP_WS_ABNORMAL;
    rp_list_init(&l->pending.link);
    l->pending.expired = on_expired;
    rp_exchange_await_websocket(x, &l->pending);
}

int
rp_wslink_traverse(struct rp_wslink *l, visitproc visit, void *arg)
{
    for (uint32_t i = 0; i < l->n; i++)
        Py_VISIT(l->items[(l->first + i) % l->cap].message);
    Py_VISIT(l->reason);
    return 0;
}

void
rp_wslink_clear(struct rp_wslink *l)
{
    rp_list_del(&l->pending.link);
    drop_all(l);
    Py_CLEAR(l->reason);
}

/* ---- The handshake ---- */

/* The str as a slice, if the client offers it.  0, or -1 with an exception. */
static int
check_subprotocol(struct rp_wslink *l, PyObject *name, struct rp_str *out)
{
    Py_ssize_t n;

    *out = (struct rp_str){NULL, 0};
    if (name == Py_None)
        return 0;
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "subprotocol is a str or None, not %s",
                     Py_TYPE(name)->tp_name);
        return -1;
    }
    out->p = PyUnicode_AsUTF8AndSize(name, &n);
    if (!out->p)
        return -1;
    out->n = (size_t)n;
    if (rp_ws_subprotocol_is_offered(rp_exchange_request(l->x), *out))
        return 0;
    PyErr_Format(PyExc_ValueError,
                 "the client does not offer the subprotocol %R", name);
    return -1;
}

int
rp_wslink_accept(struct rp_wslink *l, PyObject *subprotocol,
                 const struct rp_field *fields, unsigned nfields)
{
    struct rp_str name;
    int bad;

    if (check_subprotocol(l, subprotocol, &name) < 0)
        return -1;
    bad = rp_exchange_accept_websocket(l->x, &l->handshake, &wsock_ops, l, name,
                                       fields, nfields, &l->w);
    if (bad == -1) {
        PyErr_NoMemory();
        return -1;
    }
    if (bad) {
        PyErr_Format(PyExc_ValueError, "the handshake cannot be accepted: %s",
                     rp_ws_handshake_err_text(bad));
        return -1;
    }
    rp_list_del(&l->pending.link);
    l->x = NULL;
    l->stage = RP_WSLINK_OPEN;
    Py_INCREF(l->owner);
    return 0;
}

void
rp_wslink_answered(struct rp_wslink *l)
{
    if (l->stage != RP_WSLINK_CONNECTING)
        return;
    rp_list_del(&l->pending.link);
    l->x = NULL;
    l->stage = RP_WSLINK_OVER;
    rp_await_wake(l->st, l->queue);
}

/* ---- Messages ---- */

enum rp_await_step
rp_wslink_receive(struct rp_wslink *l, PyObject **message)
{
    *message = NULL;
    if (l->n > 0) {
        struct rp_wslink_item item = pop(l);

        if (l->w)
            rp_wsock_taken(l->w, item.n);
        *message = item.message;
        return RP_AWAIT_DONE;
    }
    if (l->w)
        rp_wsock_idle(l->w); /* on_close() may be called */
    return l->stage == RP_WSLINK_OVER ? RP_AWAIT_DONE : RP_AWAIT_WAIT;
}

/* 0, 1: wait; -1: with an exception, or without: it is closing. */
static int
send_bytes(struct rp_wslink *l, bool text, const void *p, size_t n)
{
    int k = rp_wsock_send(l->w, text, p, n);

    if (k < 0 && errno == ENOMEM)
        PyErr_NoMemory();
    return k;
}

static int
send_now(struct rp_wslink *l, PyObject *message)
{
    Py_buffer b;
    Py_ssize_t n;
    const char *p;
    int k;

    if (PyUnicode_Check(message)) {
        p = PyUnicode_AsUTF8AndSize(message, &n);
        return p ? send_bytes(l, true, p, (size_t)n) : -1;
    }
    if (PyBytes_Check(message))
        return send_bytes(l, false, PyBytes_AS_STRING(message),
                          (size_t)PyBytes_GET_SIZE(message));
    if (!PyObject_CheckBuffer(message)) {
        PyErr_Format(PyExc_TypeError, "a message is str or bytes, not %s",
                     Py_TYPE(message)->tp_name);
        return -1;
    }
    if (PyObject_GetBuffer(message, &b, PyBUF_SIMPLE) < 0)
        return -1;
    k = send_bytes(l, false, b.buf, (size_t)b.len);
    PyBuffer_Release(&b);
    return k;
}

enum rp_await_step
rp_wslink_send(struct rp_wslink *l, PyObject *message, bool *sent)
{
    int k;

    if (l->stage != RP_WSLINK_OPEN || !rp_wsock_is_open(l->w))
        return *sent ? RP_AWAIT_DONE : RP_AWAIT_ERROR;
    /* Wait before as well as after: several tasks may send. */
    if (rp_wsock_is_full(l->w))
        return RP_AWAIT_WAIT;
    if (*sent)
        return RP_AWAIT_DONE;
    k = send_now(l, message);
    if (k < 0)
        return RP_AWAIT_ERROR;
    *sent = true;
    return k == 1 ? RP_AWAIT_WAIT : RP_AWAIT_DONE;
}

/* ---- The end ---- */

int
rp_wslink_close(struct rp_wslink *l, long code, PyObject *reason)
{
    struct rp_str text = {NULL, 0};
    Py_ssize_t n;

    if (reason) {
        text.p = PyUnicode_AsUTF8AndSize(reason, &n);
        if (!text.p)
            return -1;
        text.n = (size_t)n;
    }
    if (code < 0 || !rp_ws_code_is_valid((unsigned)code)) {
        PyErr_Format(PyExc_ValueError,
                     "%ld is no code of a close frame: 1000 to 1003, 1007 to "
                     "1014, 3000 to 4999",
                     code);
        return -1;
    }
    if (text.n > RP_WS_CLOSE_REASON_MAX) {
        PyErr_Format(PyExc_ValueError, "reason is longer than %d bytes",
                     RP_WS_CLOSE_REASON_MAX);
        return -1;
    }
    if (l->stage != RP_WSLINK_OPEN)
        return 0;
    rp_wsock_close(l->w, (unsigned)code, text);
    l->stage = RP_WSLINK_CLOSING;
    l->code = (uint16_t)code;
    drop_all(l);
    return 0;
}

void
rp_wslink_end(struct rp_wslink *l, unsigned code)
{
    if (l->stage == RP_WSLINK_OPEN) {
        rp_wsock_close(l->w, code, RP_STR(""));
        l->stage = RP_WSLINK_CLOSING;
        l->code = (uint16_t)code;
    }
    drop_all(l);
}
