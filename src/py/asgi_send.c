/* asgi_send.c -- the answer, message by message.
 *
 *     START --> FIRST --> BODY --> OVER
 *                  \________\_____> TRAILERS --> OVER
 *
 * The head is kept until the first piece of the body comes: an application
 * that fails in between is still answered for, and an answer of one piece gets
 * its length. */
#include "rupy/py/asgi_impl.h"

/* ---- What other files need as well ---- */

PyObject *
rp_asgi_get(PyObject *message, PyObject *key)
{
    return PyDict_GetItemWithError(message, key);
}

int
rp_asgi_get_flag(PyObject *message, PyObject *key)
{
    PyObject *value = rp_asgi_get(message, key);

    if (!value)
        return PyErr_Occurred() ? -1 : 0;
    if (value == Py_True || value == Py_False)
        return value == Py_True;
    PyErr_Format(PyExc_TypeError, "%R is a bool, not %s", key,
                 Py_TYPE(value)->tp_name);
    return -1;
}

void
rp_asgi_end(struct rp_asgi_call *call)
{
    call->x = NULL;
    call->stage = RP_ASGI_OVER;
    if (call->ws)
        rp_wslink_answered(&call->ws->link);
    rp_asgi_wake(call);
}

static bool
is_head(const struct rp_asgi_call *call)
{
    return rp_exchange_request(call->x)->method == RP_METHOD_HEAD;
}

int
rp_asgi_check_length(struct rp_asgi_call *call, size_t n)
{
    if (call->length < 0 || is_head(call))
        return 0;
    if (n > (uint64_t)call->left) {
        PyErr_Format(PyExc_RuntimeError,
                     "the body is longer than its content-length, %lld",
                     (long long)call->length);
        return -1;
    }
    call->left -= (int64_t)n;
    return 0;
}

int
rp_asgi_send_head(struct rp_asgi_call *call, size_t n, bool final)
{
    int64_t length = call->length;

    /* Trailers need chunks, and an answer to HEAD without content says nothing
     * about the length that GET would get. */
    if (length < 0 && final && !call->trailers && !(n == 0 && is_head(call)))
        length = (int64_t)n;
    if (rp_exchange_head(call->x, call->status, call->fields, call->nfields,
                         (struct rp_str){NULL, 0}, length) < 0) {
        PyErr_SetString(PyExc_ValueError, "a header must not go out");
        return -1;
    }
    call->stage = RP_ASGI_BODY;
    return 0;
}

void
rp_asgi_send_end(struct rp_asgi_call *call)
{
    struct rp_exchange *x = call->x;

    if (call->trailers) {
        call->stage = RP_ASGI_TRAILERS;
        return;
    }
    rp_asgi_end(call);
    rp_exchange_end(x);
}

/* ---- http.response.start ---- */

static int
parse_status(struct rp_asgi_call *call, PyObject *message)
{
    PyObject *value = rp_asgi_get(message, call->asgi->s_status);
    long status;

    if (!value || !PyLong_Check(value)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError,
                            "http.response.start has no int as status");
        return -1;
    }
    status = PyLong_AsLong(value);
    if (status == -1 && PyErr_Occurred())
        return -1;
    if (status < 200 || status > 599) {
        PyErr_Format(PyExc_ValueError, "status %ld is not 200 to 599", status);
        return -1;
    }
    call->status = (int)status;
    return 0;
}

static enum rp_asgi_step
send_start(struct rp_asgi_call *call, PyObject *message, bool *full)
{
    struct rp_asgi_object *a = call->asgi;
    PyObject *headers = rp_asgi_get(message, a->s_headers);
    int trailers = rp_asgi_get_flag(message, a->s_trailers);
    int64_t length = -1;

    (void)full;
    if (trailers < 0 || PyErr_Occurred() || parse_status(call, message) < 0)
        return RP_ASGI_ERROR;
    if (headers &&
        rp_asgi_fields_head(rp_exchange_arena(call->x), headers, &call->fields,
                            &call->nfields, &length, &call->clean) < 0)
        return RP_ASGI_ERROR;
    call->length = call->left = length;
    call->trailers = trailers && call->te_trailers && length < 0;
    if (call->ws)
        rp_list_del(&call->ws->link.pending.link); /* it is answered in time */
    call->stage = RP_ASGI_FIRST;
    return RP_ASGI_DONE;
}

/* ---- http.response.body ---- */

static void
release(void *arg)
{
    Py_DECREF((PyObject *)arg);
}

/* All of the answer, in one piece. */
static void
answer(struct rp_asgi_call *call, PyObject *owner, struct rp_str body)
{
    struct rp_exchange *x = call->x;
    struct rp_answer a = {
        .status = call->status,
        .fields = call->fields,
        .nfields = call->nfields,
        .clean = call->clean,
        .content = body,
    };

    if (owner) {
        a.release = release;
        a.arg = Py_NewRef(owner);
    }
    rp_asgi_end(call);
    rp_exchange_answer(x, &a);
}

static enum rp_asgi_step
send_piece(struct rp_asgi_call *call, PyObject *owner, struct rp_str body,
           bool more, bool *full)
{
    bool first = call->stage == RP_ASGI_FIRST;

    if (first && !more && !call->trailers && !is_head(call) &&
        (call->length < 0 || (uint64_t)call->length == body.n)) {
        answer(call, owner, body);
        return RP_ASGI_DONE;
    }
    if (rp_asgi_check_length(call, body.n) < 0 ||
        (first && rp_asgi_send_head(call, body.n, !more) < 0))
        return RP_ASGI_ERROR;
    if (body.n > 0)
        *full = rp_exchange_write(call->x, body.p, body.n) == 1;
    if (!more)
        rp_asgi_send_end(call);
    return RP_ASGI_DONE;
}

static enum rp_asgi_step
send_body(struct rp_asgi_call *call, PyObject *message, bool *full)
{
    struct rp_asgi_object *a = call->asgi;
    PyObject *body = rp_asgi_get(message, a->s_body);
    int more = rp_asgi_get_flag(message, a->s_more_body);
    enum rp_asgi_step step;
    Py_buffer b;

    if (more < 0 || PyErr_Occurred())
        return RP_ASGI_ERROR;
    if (!body)
        return send_piece(call, NULL, RP_STR(""), more, full);
    if (PyBytes_CheckExact(body))
        return send_piece(call, body, rp_slice_of_bytes(body), more, full);
    if (PyObject_GetBuffer(body, &b, PyBUF_SIMPLE) < 0)
        return RP_ASGI_ERROR;
    /* It may change when we return: nobody keeps it. */
    step = send_piece(call, NULL, (struct rp_str){b.buf, (size_t)b.len}, more,
                      full);
    PyBuffer_Release(&b);
    return step;
}

/* ---- Extensions ---- */

static enum rp_asgi_step
send_trailers(struct rp_asgi_call *call, PyObject *message, bool *full)
{
    struct rp_asgi_object *a = call->asgi;
    PyObject *headers = rp_asgi_get(message, a->s_headers);
    int more = rp_asgi_get_flag(message, a->s_more_trailers);
    struct rp_arena *arena = rp_exchange_arena(call->x);
    struct rp_field *fields = NULL, *all;
    struct rp_exchange *x = call->x;
    unsigned n = 0;

    (void)full;
    if (more < 0 || PyErr_Occurred() ||
        (headers && rp_asgi_fields_trailers(arena, headers, &fields, &n) < 0))
        return RP_ASGI_ERROR;
    if (n > 0) {
        all = rp_arena_alloc(arena, (call->ntrailers + n) * sizeof(*all));
        if (!all) {
            PyErr_SetString(PyExc_ValueError, "the trailers are too many");
            return RP_ASGI_ERROR;
        }
        for (unsigned i = 0; i < call->ntrailers; i++)
            all[i] = call->trailer_fields[i];
        memcpy(all + call->ntrailers, fields, n * sizeof(*fields));
        call->trailer_fields = all;
        call->ntrailers += n;
    }
    if (!more) {
        rp_asgi_end(call);
        rp_exchange_end_trailers(x, call->trailer_fields, call->ntrailers);
    }
    return RP_ASGI_DONE;
}

static enum rp_asgi_step
send_early_hint(struct rp_asgi_call *call, PyObject *message, bool *full)
{
    PyObject *links = rp_asgi_get(message, call->asgi->s_links), *fast;
    struct rp_field *fields;
    Py_ssize_t n;
    int bad = 0;

    (void)full;
    if (!links)
        return PyErr_Occurred() ? RP_ASGI_ERROR : RP_ASGI_DONE;
    fast = PySequence_Fast(links, "links are bytes, in a list");
    if (!fast)
        return RP_ASGI_ERROR;
    n = PySequence_Fast_GET_SIZE(fast);
    fields = rp_arena_alloc(rp_exchange_arena(call->x),
                            (size_t)n * sizeof(*fields) + 1);
    for (Py_ssize_t i = 0; fields && i < n; i++) {
        PyObject *link = PySequence_Fast_GET_ITEM(fast, i);
        if (!PyBytes_Check(link)) {
            PyErr_Format(PyExc_TypeError, "a link is bytes, not %s",
                         Py_TYPE(link)->tp_name);
            bad = -1;
            break;
        }
        fields[i] = (struct rp_field){
            RP_STR("Link"),
            {PyBytes_AS_STRING(link), (size_t)PyBytes_GET_SIZE(link)}};
    }
    if (bad == 0 && fields && n > 0 && call->asgi->early_hints &&
        rp_exchange_early_hints(call->x, fields, (unsigned)n) < 0) {
        PyErr_SetString(PyExc_ValueError, "a link must not go out");
        bad = -1;
    }
    Py_DECREF(fast);
    return bad < 0 ? RP_ASGI_ERROR : RP_ASGI_DONE;
}

/* ---- Any message ---- */

#define STAGE(name) (1u << RP_ASGI_##name)

static const struct message {
    struct rp_str type;
    unsigned stages; /* when it may come */
    bool denies;     /* of a handshake */
    enum rp_asgi_step (*send)(struct rp_asgi_call *call, PyObject *message,
                              bool *full);
} messages[] = {
    {RP_STR("http.response.start"), STAGE(START), false, send_start},
    {RP_STR("http.response.body"), STAGE(FIRST) | STAGE(BODY), false,
     send_body},
    {RP_STR("http.response.pathsend"), STAGE(FIRST), false, rp_asgi_send_path},
    {RP_STR("http.response.zerocopysend"), STAGE(FIRST) | STAGE(BODY), false,
     rp_asgi_send_zerocopy},
    {RP_STR("http.response.trailers"), STAGE(TRAILERS), false, send_trailers},
    {RP_STR("http.response.early_hint"),
     STAGE(START) | STAGE(FIRST) | STAGE(BODY), false, send_early_hint},
    {RP_STR("websocket.http.response.start"), STAGE(START), true, send_start},
    {RP_STR("websocket.http.response.body"), STAGE(FIRST) | STAGE(BODY), true,
     send_body},
};

_Static_assert(sizeof(messages) / sizeof(messages[0]) == RP_ASGI_TYPES, "");

/* The type is a constant of the application's code, and mostly the same
 * object each time. */
static const struct message *
find_type(struct rp_asgi_object *a, PyObject *type)
{
    struct rp_str s;
    Py_ssize_t n;

    for (unsigned i = 0; i < RP_ASGI_TYPES; i++)
        if (a->seen_types[i] == type)
            return &messages[i];
    s.p = PyUnicode_AsUTF8AndSize(type, &n);
    if (!s.p)
        return NULL;
    s.n = (size_t)n;
    for (unsigned i = 0; i < RP_ASGI_TYPES; i++) {
        if (!rp_str_eq(s, messages[i].type))
            continue;
        if (PyUnicode_CheckExact(type))
            Py_XSETREF(a->seen_types[i], Py_NewRef(type));
        return &messages[i];
    }
    PyErr_Format(PyExc_ValueError, "no message of an HTTP answer: %R", type);
    return NULL;
}

static const struct message *
find_message(struct rp_asgi_call *call, PyObject *message)
{
    const struct message *m;
    PyObject *type;

    if (!PyDict_Check(message)) {
        PyErr_Format(PyExc_TypeError, "a message is a dict, not %s",
                     Py_TYPE(message)->tp_name);
        return NULL;
    }
    type = rp_asgi_get(message, call->asgi->s_type);
    if (!type || !PyUnicode_Check(type)) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_TypeError, "a message has a str as type: %R",
                         message);
        return NULL;
    }
    m = find_type(call->asgi, type);
    if (m && m->denies != (call->ws != NULL)) {
        PyErr_Format(PyExc_ValueError, "no message of this connection: %R",
                     type);
        return NULL;
    }
    return m;
}

enum rp_asgi_step
rp_asgi_send(struct rp_asgi_call *call, PyObject *message, bool *sent)
{
    const struct message *m = NULL;
    enum rp_asgi_step step;
    bool full = false;

    if (!*sent) {
        m = find_message(call, message);
        if (!m)
            return RP_ASGI_ERROR;
    }
    if (call->gone) {
        PyErr_SetString(PyExc_ConnectionResetError, "the client is gone");
        return RP_ASGI_ERROR;
    }
    if (call->stage == RP_ASGI_OVER)
        return RP_ASGI_DONE;
    /* Wait before as well as after: several tasks may send. */
    if (rp_exchange_is_full(call->x))
        return RP_ASGI_WAIT;
    if (*sent)
        return RP_ASGI_DONE;
    if (!(m->stages & 1u << call->stage)) {
        static const char *const due[] = {
            [RP_ASGI_START] = "http.response.start",
            [RP_ASGI_FIRST] = "http.response.body",
            [RP_ASGI_BODY] = "more of the body",
            [RP_ASGI_TRAILERS] = "http.response.trailers",
        };
        PyErr_Format(PyExc_RuntimeError, "%s where %s is due", m->type.p,
                     due[call->stage]);
        return RP_ASGI_ERROR;
    }
    step = m->send(call, message, &full);
    *sent = true;
    /* What ends the answer waits for nobody: the connection does. */
    return step == RP_ASGI_DONE && full && call->x ? RP_ASGI_WAIT : step;
}
