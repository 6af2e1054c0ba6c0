/* stream_answer.c -- what a stream writes: its head, its pieces, a comment
 * when there is nothing else, and the trailers. */
#include "rupy/base/clock.h"
#include "rupy/py/stream_impl.h"

/* An attribute of the head, NULL for None.  New reference in *out; 0, or -1
 * with an exception. */
static int
option(PyObject *head, const char *name, PyObject **out)
{
    PyObject *value = PyObject_GetAttrString(head, name);

    if (!value)
        return -1;
    if (value == Py_None)
        Py_CLEAR(value);
    Py_XSETREF(*out, value);
    return 0;
}

int
rp_stream_read_options(struct stream_object *s)
{
    PyObject *live = NULL, *interval = NULL;
    int bad = -1;

    if (!s->head || Py_TYPE(s->head) == s->route->app->st->response_type)
        return 0;
    if (option(s->head, "_encode", &s->encode) < 0 ||
        option(s->head, "trailers", &s->trailers) < 0 ||
        option(s->head, "_live", &live) < 0 ||
        option(s->head, "keep_alive", &interval) < 0)
        goto out;
    if (interval)
        s->interval = PyFloat_AsDouble(interval);
    s->live = live == Py_True;
    bad = PyErr_Occurred() ? -1 : 0;
out:
    Py_XDECREF(live);
    Py_XDECREF(interval);
    return bad;
}

/* The length that the application promised, -1: none. */
static int64_t
promised_length(const struct rp_response_view *v)
{
    const struct rp_field *f =
        rp_fields_find(v->fields, v->nfields, RP_STR("content-length"));
    uint64_t n;

    if (!f || rp_str_to_u64(f->value, &n) < 0)
        return -1;
    return (int64_t)n;
}

int
rp_stream_send_head(struct stream_object *s, bool is_text)
{
    struct rp_response_view v = {.status = 200};
    struct rp_str type = is_text ? RP_STR("text/plain; charset=utf-8")
                                 : RP_STR("application/octet-stream");

    if (s->head && rp_response_object_view(s->head, &v) < 0)
        return -1;
    if (v.content_type.n > 0)
        type = v.content_type;
    else if (rp_fields_find(v.fields, v.nfields, RP_STR("content-type")))
        type = (struct rp_str){NULL, 0};
    if (rp_exchange_head(s->x, v.status, v.fields, v.nfields, type,
                         promised_length(&v)) == 0)
        return 0;
    PyErr_SetString(PyExc_ValueError, "a header of the answer is not valid");
    return -1;
}

/* A str, bytes or another buffer as bytes that lie in *owner (new reference).
 * 0, or -1 with an exception. */
static int
bytes_of(struct stream_object *s, PyObject *piece, PyObject **owner,
         struct rp_str *out)
{
    Py_ssize_t n;

    *owner = NULL;
    if (PyUnicode_Check(piece)) {
        out->p = PyUnicode_AsUTF8AndSize(piece, &n);
        if (!out->p)
            return -1;
        *owner = Py_NewRef(piece);
        out->n = (size_t)n;
        return 0;
    }
    if (PyBytes_Check(piece))
        *owner = Py_NewRef(piece);
    else if (PyObject_CheckBuffer(piece))
        *owner = PyBytes_FromObject(piece);
    else
        PyErr_Format(PyExc_TypeError, "handler %R yielded %s, not str or bytes",
                     s->route->handler, Py_TYPE(piece)->tp_name);
    if (!*owner)
        return -1;
    *out = rp_slice_of_bytes(*owner);
    return 0;
}

int
rp_stream_send_piece(struct stream_object *s, PyObject *piece)
{
    PyObject *encoded = NULL, *owner = NULL;
    struct rp_str bytes;
    int full = -1;

    if (s->encode) {
        encoded = PyObject_CallOneArg(s->encode, piece);
        if (!encoded)
            return -1;
        piece = encoded;
    }
    if (bytes_of(s, piece, &owner, &bytes) < 0)
        goto out;
    /* Code of the application's ran: is there still somebody? */
    if (!s->x) {
        full = 0;
        goto out;
    }
    if (!rp_exchange_has_head(s->x) &&
        rp_stream_send_head(s, PyUnicode_Check(piece)) < 0)
        goto out;
    full = bytes.n > 0 ? rp_exchange_write(s->x, bytes.p, bytes.n) : 0;
    if (s->interval > 0)
        s->wrote = rp_clock_mono();
out:
    Py_XDECREF(owner);
    Py_XDECREF(encoded);
    return full;
}

struct headers_object *
rp_stream_trailers(struct stream_object *s, struct rp_exchange *x, int *bad)
{
    const struct rp_request *r = rp_exchange_request(x);
    struct headers_object *h = NULL;
    PyObject *pairs;

    *bad = 0;
    /* RFC 9110 6.5.1: to those who said that they keep them. */
    if (!s->trailers || !rp_fields_list_has(r->fields, r->nfields, RP_STR("te"),
                                            RP_STR("trailers")))
        return NULL;
    if (PyCallable_Check(s->trailers))
        pairs = PyObject_CallNoArgs(s->trailers);
    else
        pairs = Py_NewRef(s->trailers);
    if (pairs)
        h = rp_mutable_headers_new(s->route->app->st);
    if (!h || rp_headers_object_extend(h, pairs) < 0) {
        Py_CLEAR(h);
        *bad = -1;
    }
    Py_XDECREF(pairs);
    return h;
}

static int
arm(struct stream_object *s, double seconds)
{
    PyObject *loop = rp_loop_object(s->route->app->loop);

    Py_XSETREF(s->timer,
               PyObject_CallMethod(loop, "call_later", "dO", seconds, s));
    return s->timer ? 0 : -1;
}

int
rp_stream_keep_alive(struct stream_object *s)
{
    double now = rp_clock_mono(), silence;

    if (!s->x || s->interval <= 0)
        return 0;
    if (!s->timer)
        s->wrote = now;
    silence = now - s->wrote;
    if (silence > s->interval - 0.001) {
        /* A client that is slow has enough to read. */
        if (!rp_exchange_is_full(s->x))
            rp_exchange_write(s->x, ":\n\n", 3);
        s->wrote = now;
        silence = 0;
    }
    return arm(s, s->interval - silence);
}

void
rp_stream_stop_timer(struct stream_object *s)
{
    PyObject *timer = s->timer, *pending, *r;

    s->timer = NULL;
    if (!timer)
        return;
    pending = rp_py_take_exception();
    r = PyObject_CallMethod(timer, "cancel", NULL);
    if (!r)
        PyErr_WriteUnraisable(timer);
    Py_XDECREF(r);
    Py_DECREF(timer);
    rp_py_restore_exception(pending);
}

void
rp_stream_drop_exception(struct stream_object *s)
{
    struct rp_app_object *app = s->route->app;

    if (!PyErr_Occurred())
        return;
    if (!app->loop || PyErr_ExceptionMatches(app->st->aio.cancelled_error) ||
        PyErr_ExceptionMatches(PyExc_ConnectionResetError))
        PyErr_Clear();
    else
        rp_loop_report(app->loop, "Exception in a stream whose client is gone",
                       NULL);
}
