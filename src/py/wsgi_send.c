/* wsgi_send.c -- the answer on its way out: on the loop's thread into the
 * exchange, from a thread into the queue.
 *
 * The head is kept until the first content comes: an application that fails
 * before it is still answered for, and an answer of one piece gets its length
 * (PEP 3333, "The start_response() Callable", "Handling the Content-Length
 * Header"). */
#include <errno.h>
#include <unistd.h>

#include "rupy/http/response.h"
#include "rupy/http/status.h"
#include "rupy/py/wsgi_impl.h"

bool
rp_wsgi_is_mute(const struct rp_wsgi_call *call)
{
    return call->is_head || call->code == 205 ||
           !rp_status_has_content(call->code);
}

static void
release(void *arg)
{
    Py_DECREF((PyObject *)arg);
}

static void
close_fd(void *arg)
{
    close((int)(intptr_t)arg);
}

/* ---- The head ---- */

static int
refused(void)
{
    PyErr_SetString(PyExc_ValueError, "a header must not go out");
    return -1;
}

static void
give_up_head(struct rp_wsgi_call *call)
{
    Py_CLEAR(call->status);
    Py_CLEAR(call->headers);
    call->stage = RP_WSGI_BODY;
}

static char *
copy(char *p, struct rp_str s, struct rp_str *to)
{
    *to = (struct rp_str){p, s.n};
    memcpy(p, s.p, s.n);
    return p + s.n;
}

/* In a thread: for the loop's. */
static int
queue_head(struct rp_wsgi_call *call, const struct rp_field *f, unsigned n,
           int64_t length)
{
    struct rp_str reason = rp_wsgi_reason(call->status, call->code);
    size_t bytes = reason.n + 1;
    struct rp_wsgi_head *h;
    char *p;

    for (unsigned i = 0; i < n; i++) {
        if (rp_response_check_field(&f[i]) < 0)
            return refused();
        bytes += f[i].name.n + f[i].value.n;
    }
    h = PyMem_RawMalloc(sizeof(*h) + n * sizeof(h->fields[0]) + bytes);
    if (!h) {
        PyErr_NoMemory();
        return -1;
    }
    h->status = call->code;
    h->length = length;
    h->nfields = n;
    p = (char *)&h->fields[n];
    for (unsigned i = 0; i < n; i++) {
        p = copy(p, f[i].name, &h->fields[i].name);
        p = copy(p, f[i].value, &h->fields[i].value);
    }
    h->reason = (struct rp_str){NULL, 0};
    if (reason.n > 0)
        copy(p, reason, &h->reason);
    rp_wsgi_thread_set_head(call, h);
    return 0;
}

int
rp_wsgi_send_head(struct rp_wsgi_call *call, int64_t length)
{
    struct rp_field f[RP_WSGI_HEADERS];
    unsigned n;

    if (call->gone)
        return 0;
    if (rp_wsgi_fields_get(call->headers, f, RP_WSGI_HEADERS, &n,
                           &call->length) < 0)
        return -1;
    if (call->length >= 0)
        length = call->length;
    /* An answer to HEAD without content says nothing about the length that
     * GET would get. */
    else if (length == 0 && call->is_head)
        length = -1;
    if (call->thread) {
        if (queue_head(call, f, n, length) < 0)
            return -1;
    } else {
        rp_exchange_set_reason(call->x,
                               rp_wsgi_reason(call->status, call->code));
        if (rp_exchange_head(call->x, call->code, f, n,
                             (struct rp_str){NULL, 0}, length) < 0)
            return refused();
    }
    give_up_head(call);
    return 0;
}

/* ---- Content, on the loop's thread ---- */

/* What write() left for a client that was slow goes first. */
static void
unspool(struct rp_wsgi_call *call)
{
    int fd = call->spool;

    if (fd < 0)
        return;
    call->spool = -1;
    if (call->x)
        rp_exchange_send_file(call->x, fd, 0, (size_t)call->spooled, close_fd,
                              (void *)(intptr_t)fd);
    else
        close(fd);
}

/* The whole answer, of at most one piece.  0, or -1 with an exception. */
static int
answer(struct rp_wsgi_call *call, PyObject *owner, struct rp_str content)
{
    struct rp_exchange *x = call->x;
    struct rp_field f[RP_WSGI_HEADERS];
    struct rp_answer a = {
        .status = call->code, .fields = f, .content = content};

    if (rp_wsgi_fields_get(call->headers, f, RP_WSGI_HEADERS, &a.nfields,
                           &call->length) < 0)
        return -1;
    if (call->length >= 0 && (uint64_t)call->length != content.n)
        return 1;
    for (unsigned i = 0; i < a.nfields; i++)
        if (rp_response_check_field(&f[i]) < 0)
            return refused();
    if (owner) {
        a.release = release;
        a.arg = Py_NewRef(owner);
    }
    rp_exchange_set_reason(x, rp_wsgi_reason(call->status, call->code));
    call->sent = content.n;
    call->x = NULL;
    rp_exchange_set_data(x, NULL);
    rp_exchange_answer(x, &a);
    give_up_head(call);
    return 0;
}

/* ---- Content ---- */

int
rp_wsgi_send(struct rp_wsgi_call *call, PyObject *owner, struct rp_str s,
             bool last)
{
    int rest;

    if (call->gone)
        return 0;
    if (call->stage == RP_WSGI_HEAD) {
        if (last && !call->thread && !call->is_head) {
            rest = answer(call, owner, s);
            if (rest <= 0)
                return rest;
        }
        if (rp_wsgi_send_head(call, last ? (int64_t)s.n : -1) < 0)
            return -1;
    }
    call->sent += s.n;
    if (call->thread) {
        if (!rp_wsgi_thread_add(call, owner, 0))
            return -1;
        if (!last)
            rp_wsgi_thread_flow(call);
        return 0;
    }
    /* After an answer that is complete what comes is cut off. */
    unspool(call);
    if (call->x)
        rp_exchange_write(call->x, s.p, s.n);
    return 0;
}

static int
check_list(PyObject *list, int64_t *total)
{
    Py_ssize_t n = PySequence_Fast_GET_SIZE(list);
    PyObject **items = PySequence_Fast_ITEMS(list);

    *total = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!PyBytes_Check(items[i])) {
            PyErr_Format(PyExc_TypeError,
                         "the application's iterable gives bytes, not %s",
                         Py_TYPE(items[i])->tp_name);
            return -1;
        }
        *total += PyBytes_GET_SIZE(items[i]);
    }
    return 0;
}

int
rp_wsgi_send_list(struct rp_wsgi_call *call, PyObject *list)
{
    Py_ssize_t n = PySequence_Fast_GET_SIZE(list);
    PyObject *one;
    int64_t total;

    if (check_list(list, &total) < 0)
        return -1;
    if (n == 1) {
        one = PySequence_Fast_GET_ITEM(list, 0);
        if (total > 0)
            return rp_wsgi_send(call, one, rp_slice_of_bytes(one), true);
    }
    if (call->stage == RP_WSGI_HEAD && !call->gone &&
        rp_wsgi_send_head(call, total) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list); i++) {
        one = PySequence_Fast_GET_ITEM(list, i);
        if (PyBytes_GET_SIZE(one) > 0 &&
            rp_wsgi_send(call, one, rp_slice_of_bytes(one), true) < 0)
            return -1;
    }
    return 0;
}

int
rp_wsgi_send_file(struct rp_wsgi_call *call, int fd, off_t off, size_t n)
{
    struct rp_wsgi_piece *p;

    if (call->stage == RP_WSGI_HEAD && !call->gone) {
        if (rp_wsgi_send_head(call, (int64_t)n) < 0) {
            close(fd);
            return -1;
        }
    }
    if (call->length >= 0 && (uint64_t)call->length < n)
        n = (size_t)call->length;
    call->sent += n;
    if (call->thread) {
        p = rp_wsgi_thread_add(call, NULL, 0);
        if (!p) {
            close(fd);
            return -1;
        }
        p->fd = fd;
        p->off = off;
        p->n = n; /* of the queue's memory it takes nothing */
        return 0;
    }
    unspool(call);
    if (call->x)
        rp_exchange_send_file(call->x, fd, off, n, close_fd,
                              (void *)(intptr_t)fd);
    else
        close(fd);
    return 0;
}

int
rp_wsgi_send_now(struct rp_wsgi_call *call, PyObject *owner, struct rp_str s)
{
    if (call->thread)
        return rp_wsgi_send(call, owner, s, false);
    if (!call->x)
        return 0; /* the answer is complete: cut off */
    if (call->stage == RP_WSGI_HEAD && rp_wsgi_send_head(call, -1) < 0)
        return -1;
    call->sent += s.n;
    if (call->spool < 0 && !rp_exchange_is_full(call->x)) {
        rp_exchange_write(call->x, s.p, s.n);
        rp_exchange_flush(call->x); /* the client may go: call->gone */
        return 0;
    }
    if (rp_wsgi_spool(&call->spool, s.p, s.n, call->spooled) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    call->spooled += (off_t)s.n;
    return 0;
}

int
rp_wsgi_send_hint(struct rp_wsgi_call *call, struct rp_str value)
{
    struct rp_field link = {RP_STR("Link"), value};
    struct rp_wsgi_piece *p;

    if (rp_response_check_field(&link) < 0)
        return refused();
    if (!call->thread) {
        rp_exchange_early_hints(call->x, &link, 1);
        rp_exchange_flush(call->x);
        return 0;
    }
    p = rp_wsgi_thread_add(call, NULL, value.n);
    if (!p)
        return -1;
    p->hints = true;
    memcpy(p->data, value.p, value.n);
    rp_wsgi_thread_poke(call);
    return 0;
}

void
rp_wsgi_end(struct rp_wsgi_call *call)
{
    struct rp_exchange *x;

    unspool(call);
    x = call->x;
    call->stage = RP_WSGI_OVER;
    call->x = NULL;
    if (!x)
        return;
    rp_exchange_set_data(x, NULL);
    if (!call->failed)
        rp_exchange_end(x);
    else if (call->body.cut && !rp_exchange_has_head(x))
        rp_exchange_answer_status(x, 400);
    else
        rp_exchange_abort(x);
}
