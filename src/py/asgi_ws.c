/* asgi_ws.c -- a WebSocket of an ASGI application (ASGI, HTTP and WebSocket
 * message format, "WebSocket").
 *
 * It is a call like any other until it is accepted: a handshake that is denied
 * is answered by asgi_send.c. */
#include "rupy/py/asgi_impl.h"

/* ---- What the application receives ---- */

static PyObject *
new_message(struct rp_asgi_object *a, PyObject *type)
{
    PyObject *message = PyDict_New();

    if (message && PyDict_SetItem(message, a->s_type, type) < 0)
        Py_CLEAR(message);
    return message;
}

static enum rp_await_step
give(PyObject *message, PyObject **out)
{
    *out = message;
    return message ? RP_AWAIT_DONE : RP_AWAIT_ERROR;
}

/* As often as it is asked for. */
static PyObject *
disconnect_message(struct rp_asgi_call *call)
{
    const struct rp_wslink *l = &call->ws->link;
    struct rp_asgi_object *a = call->asgi;
    PyObject *message = new_message(a, a->s_websocket_disconnect);
    PyObject *code = PyLong_FromLong(l->code);
    PyObject *reason =
        l->reason ? Py_NewRef(l->reason) : PyUnicode_FromStringAndSize(NULL, 0);

    if (message &&
        (!code || !reason || PyDict_SetItem(message, a->s_code, code) < 0 ||
         PyDict_SetItem(message, a->s_reason, reason) < 0))
        Py_CLEAR(message);
    Py_XDECREF(code);
    Py_XDECREF(reason);
    call->told = true;
    return message;
}

static PyObject *
receive_message(struct rp_asgi_object *a, PyObject *data)
{
    PyObject *message = new_message(a, a->s_websocket_receive);
    PyObject *key = PyUnicode_Check(data) ? a->s_text : a->s_bytes;

    if (message && PyDict_SetItem(message, key, data) < 0)
        Py_CLEAR(message);
    return message;
}

enum rp_await_step
rp_asgi_ws_receive(struct rp_asgi_call *call, PyObject **out)
{
    struct rp_asgi_object *a = call->asgi;
    struct rp_asgi_ws *ws = call->ws;
    PyObject *data;

    if (!ws->connected) {
        ws->connected = true;
        return give(new_message(a, a->s_websocket_connect), out);
    }
    if (rp_wslink_receive(&ws->link, &data) == RP_AWAIT_WAIT)
        return RP_AWAIT_WAIT;
    if (!data)
        return give(disconnect_message(call), out);
    give(receive_message(a, data), out);
    Py_DECREF(data);
    return *out ? RP_AWAIT_DONE : RP_AWAIT_ERROR;
}

/* ---- What it sends ---- */

static enum rp_await_step
send_accept(struct rp_asgi_call *call, PyObject *message, bool *sent)
{
    struct rp_asgi_object *a = call->asgi;
    struct rp_exchange *x = call->x;
    PyObject *name = rp_asgi_get(message, a->s_subprotocol);
    PyObject *headers = rp_asgi_get(message, a->s_headers);
    struct rp_field *fields = NULL;
    unsigned n = 0;

    (void)sent;
    if (PyErr_Occurred())
        return RP_AWAIT_ERROR;
    if (headers &&
        rp_asgi_fields_trailers(rp_exchange_arena(x), headers, &fields, &n) < 0)
        return RP_AWAIT_ERROR;
    /* The exchange ends with it. */
    rp_exchange_set_data(x, NULL);
    if (rp_wslink_accept(&call->ws->link, name ? name : Py_None, fields, n) <
        0) {
        rp_exchange_set_data(x, call);
        return RP_AWAIT_ERROR;
    }
    call->x = NULL;
    call->stage = RP_ASGI_OVER;
    return RP_AWAIT_DONE;
}

/* Exactly one of "text" and "bytes" is not None: borrowed, or NULL with an
 * exception. */
static PyObject *
find_data(struct rp_asgi_object *a, PyObject *message)
{
    PyObject *text = rp_asgi_get(message, a->s_text);
    PyObject *bytes =
        text || !PyErr_Occurred() ? rp_asgi_get(message, a->s_bytes) : NULL;

    if (PyErr_Occurred())
        return NULL;
    if (text == Py_None)
        text = NULL;
    if (bytes == Py_None)
        bytes = NULL;
    if ((text != NULL) == (bytes != NULL)) {
        PyErr_SetString(PyExc_ValueError,
                        "websocket.send has either text or bytes");
        return NULL;
    }
    if (text && !PyUnicode_Check(text))
        PyErr_Format(PyExc_TypeError, "text is a str, not %s",
                     Py_TYPE(text)->tp_name);
    else if (bytes && PyUnicode_Check(bytes))
        PyErr_SetString(PyExc_TypeError, "bytes is bytes, not str");
    else
        return text ? text : bytes;
    return NULL;
}

static enum rp_await_step
is_gone(struct rp_asgi_call *call)
{
    call->gone = true;
    PyErr_SetString(PyExc_ConnectionResetError, "the client is gone");
    return RP_AWAIT_ERROR;
}

static enum rp_await_step
send_data(struct rp_asgi_call *call, PyObject *message, bool *sent)
{
    PyObject *data = find_data(call->asgi, message);
    enum rp_await_step step;

    if (!data)
        return RP_AWAIT_ERROR;
    step = rp_wslink_send(&call->ws->link, data, sent);
    return step == RP_AWAIT_ERROR && !PyErr_Occurred() ? is_gone(call) : step;
}

static enum rp_await_step
send_close(struct rp_asgi_call *call, PyObject *message, bool *sent)
{
    struct rp_asgi_object *a = call->asgi;
    struct rp_exchange *x = call->x;
    PyObject *code, *reason;
    long number = RP_WS_NORMAL;

    (void)sent;
    /* Neither code nor reason go anywhere, and frameworks that are used to that
     * give what no close frame could hold: FastAPI a list. */
    if (x) {
        rp_asgi_end(call);
        rp_exchange_answer_status(x, 403);
        return RP_AWAIT_DONE;
    }
    code = rp_asgi_get(message, a->s_code);
    reason = rp_asgi_get(message, a->s_reason);
    if (PyErr_Occurred())
        return RP_AWAIT_ERROR;
    if (code && code != Py_None) {
        number = PyLong_AsLong(code);
        if (number == -1 && PyErr_Occurred())
            return RP_AWAIT_ERROR;
    }
    if (reason == Py_None)
        reason = NULL;
    if (reason && !PyUnicode_Check(reason)) {
        PyErr_Format(PyExc_TypeError, "reason is a str, not %s",
                     Py_TYPE(reason)->tp_name);
        return RP_AWAIT_ERROR;
    }
    return rp_wslink_close(&call->ws->link, number, reason) < 0 ? RP_AWAIT_ERROR
                                                                : RP_AWAIT_DONE;
}

#define STAGE(name) (1u << RP_WSLINK_##name)

static const struct message {
    struct rp_str type;
    unsigned stages; /* when it may come */
    enum rp_await_step (*send)(struct rp_asgi_call *call, PyObject *message,
                               bool *sent);
} messages[] = {
    {RP_STR("websocket.send"), STAGE(OPEN), send_data},
    {RP_STR("websocket.accept"), STAGE(CONNECTING), send_accept},
    {RP_STR("websocket.close"), STAGE(CONNECTING) | STAGE(OPEN), send_close},
};

enum { NMESSAGES = sizeof(messages) / sizeof(messages[0]) };

/* NULL without an exception: of no such type. */
static const struct message *
find_message(struct rp_asgi_call *call, PyObject *message)
{
    PyObject *type = NULL;
    struct rp_str s;
    Py_ssize_t n;

    if (PyDict_Check(message))
        type = rp_asgi_get(message, call->asgi->s_type);
    if (!type || !PyUnicode_Check(type))
        return NULL;
    s.p = PyUnicode_AsUTF8AndSize(type, &n);
    if (!s.p)
        return NULL;
    s.n = (size_t)n;
    for (unsigned i = 0; i < NMESSAGES; i++)
        if (rp_str_eq(s, messages[i].type))
            return &messages[i];
    return NULL;
}

static enum rp_await_step
refuse(const struct message *m, enum rp_wslink_stage stage)
{
    static const char *const stages[] = {
        [RP_WSLINK_CONNECTING] = "before websocket.accept",
        [RP_WSLINK_OPEN] = "after websocket.accept",
        [RP_WSLINK_CLOSING] = "after websocket.close",
        [RP_WSLINK_OVER] = "after the end",
    };

    PyErr_Format(PyExc_RuntimeError, "%s %s", m->type.p, stages[stage]);
    return RP_AWAIT_ERROR;
}

enum rp_await_step
rp_asgi_ws_send(struct rp_asgi_call *call, PyObject *message, bool *sent)
{
    struct rp_wslink *l = &call->ws->link;
    const struct message *m = find_message(call, message);

    if (!m) {
        if (PyErr_Occurred())
            return RP_AWAIT_ERROR;
        /* A denial, or no message at all, which is told there. */
        if (l->stage == RP_WSLINK_OPEN || l->stage == RP_WSLINK_CLOSING) {
            PyErr_Format(PyExc_RuntimeError,
                         "no message of an accepted WebSocket: %R", message);
            return RP_AWAIT_ERROR;
        }
        return (enum rp_await_step)rp_asgi_send(call, message, sent);
    }
    if (*sent)
        return send_data(call, message, sent);
    if (l->stage == RP_WSLINK_OVER) {
        /* A close comes too late, as it may; all else has nobody to go to. */
        if (m->send == send_close)
            return RP_AWAIT_DONE;
        return is_gone(call);
    }
    if (l->stage == RP_WSLINK_CONNECTING && call->stage != RP_ASGI_START) {
        PyErr_Format(PyExc_RuntimeError,
                     "%s after "
                     "websocket.http.response.start",
                     m->type.p);
        return RP_AWAIT_ERROR;
    }
    if (!(m->stages & 1u << l->stage))
        return refuse(m, l->stage);
    return m->send(call, message, sent);
}

/* ---- The end ---- */

void
rp_asgi_ws_end(struct rp_asgi_call *call, bool failed)
{
    struct rp_exchange *x = call->x;

    if (!x) {
        rp_wslink_end(&call->ws->link,
                      failed ? RP_WS_INTERNAL_ERROR : RP_WS_NORMAL);
        return;
    }
    if (!failed)
        rp_asgi_complain(call,
                         "the ASGI application returned without answering "
                         "the handshake",
                         NULL);
    rp_asgi_end(call);
    rp_exchange_abort(x);
}

void
rp_asgi_ws_free(struct rp_asgi_call *call)
{
    rp_wslink_clear(&call->ws->link);
    PyMem_Free(call->ws);
    call->ws = NULL;
}

/* ---- Handshakes ---- */

static void
on_expired(PyObject *self)
{
    struct rp_asgi_call *call = (struct rp_asgi_call *)self;

    call->gone = true;
    rp_asgi_end(call);
}

/* 0, or -1 with an exception. */
static int
make_ws(struct rp_asgi_call *call, const struct rp_ws_handshake *h)
{
    struct rp_asgi_ws *ws = PyMem_Calloc(1, sizeof(*ws));

    if (!ws) {
        PyErr_NoMemory();
        return -1;
    }
    ws->link.st = call->asgi->st;
    ws->link.queue = &call->queue;
    ws->link.owner = (PyObject *)call;
    ws->link.expired = on_expired;
    rp_wslink_init(&ws->link, call->x, h);
    call->ws = ws;
    return 0;
}

static void
ws_start(void *self, struct rp_exchange *x)
{
    struct rp_asgi_object *a = self;
    struct rp_asgi_call *call;
    struct rp_ws_handshake h;

    if (!rp_exchange_begin_websocket(x, &h))
        return;
    call = rp_asgi_call_new(a, x);
    if (!call || make_ws(call, &h) < 0) {
        Py_XDECREF(call);
        PyErr_WriteUnraisable((PyObject *)a);
        rp_exchange_abort(x);
        return;
    }
    call->method = Py_NewRef(a->s_websocket);
    rp_asgi_call_run(call, rp_asgi_scope_websocket(call));
}

static void
ws_stop(void *self, struct rp_exchange *x)
{
    struct rp_asgi_call *call = rp_exchange_data(x);

    (void)self;
    if (!call)
        return;
    call->gone = true;
    rp_asgi_end(call);
}

/* Whoever closes behind a handshake wants no WebSocket; a denial that began
 * goes on. */
static void
ws_eof(void *self, struct rp_exchange *x)
{
    struct rp_asgi_call *call = rp_exchange_data(x);

    if (!call || call->stage != RP_ASGI_START)
        return;
    ws_stop(self, x);
    rp_exchange_set_data(x, NULL);
    rp_exchange_answer_status(x, 400);
}

static void
ws_drained(void *self, struct rp_exchange *x)
{
    struct rp_asgi_call *call = rp_exchange_data(x);

    (void)self;
    if (call)
        rp_asgi_wake(call);
}

const struct rp_handler_ops rp_asgi_ws_ops = {
    .start = ws_start,
    .stop = ws_stop,
    .eof = ws_eof,
    .drained = ws_drained,
};
