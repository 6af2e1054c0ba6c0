/* exchange.c -- one request and its answer: what handlers see of it, and the
 * answer on its way out. */
#include "rupy/app/impl.h"

#include <stdio.h>

#include "rupy/app/access.h"
#include "rupy/base/clock.h"
#include "rupy/base/log.h"
#include "rupy/http/status.h"

/* ---- What a handler reads ---- */

const struct rp_request *
rp_exchange_request(const struct rp_exchange *x)
{
    return &x->root->request;
}

const struct rp_match *
rp_exchange_match(const struct rp_exchange *x)
{
    return &x->root->match;
}

struct rp_str
rp_exchange_content(const struct rp_exchange *x)
{
    return x->root->content;
}

const struct rp_peer *
rp_exchange_peer(const struct rp_exchange *x)
{
    return x->peer;
}

enum rp_content_end
rp_exchange_content_end(const struct rp_exchange *x)
{
    return x->root->ops->content_end(x->root);
}

void
rp_exchange_take_content(struct rp_exchange *x, size_t n)
{
    x = x->root;
    rp_buf_del(&x->content_buf, n);
    x->content = (struct rp_str){x->content_buf.p, x->content_buf.n};
    x->ops->taken(x);
}

void
rp_exchange_want_content(struct rp_exchange *x)
{
    x->root->ops->want(x->root);
}

struct rp_arena *
rp_exchange_arena(struct rp_exchange *x)
{
    return &x->root->arena;
}

void
rp_exchange_set_data(struct rp_exchange *x, void *data)
{
    x->data = data;
}

void *
rp_exchange_data(const struct rp_exchange *x)
{
    return x->data;
}

bool
rp_exchange_has_head(const struct rp_exchange *x)
{
    return x->status != 0;
}

bool
rp_exchange_is_retiring(const struct rp_exchange *x)
{
    return x->v->retiring;
}

bool
rp_exchange_is_half_closed(const struct rp_exchange *x)
{
    return x->root->eof;
}

bool
rp_exchange_is_overdue(const struct rp_exchange *x)
{
    return x->root->overdue;
}

void
rp_exchange_is_stuck(struct rp_exchange *x)
{
    x->v->nstuck++;
}

bool
rp_exchange_is_full(const struct rp_exchange *x)
{
    return x->tap ? x->full : x->sink->over;
}

void
rp_exchange_flush(struct rp_exchange *x)
{
    if (x->sink->ops->flush)
        x->sink->ops->flush(x->sink);
}

int
rp_exchange_detach(struct rp_exchange *x, const char *head, size_t n)
{
    if (!x->borrows)
        return 0;
    struct rp_str copy = rp_arena_copy(&x->arena, (struct rp_str){head, n});
    if (!copy.p)
        return -1;
    rp_request_rebase(&x->request, head, n, copy.p, x->fields);
    for (unsigned i = 0; i < x->match.nparams; i++) {
        struct rp_str *s = &x->match.params[i];
        if (s->p >= head && s->p <= head + n)
            s->p = copy.p + (s->p - head);
    }
    if (x->content.n > 0 && x->content.p != x->content_buf.p) {
        if (rp_buf_add_str(&x->content_buf, x->content) < 0)
            return -1;
        x->content.p = x->content_buf.p;
    }
    x->borrows = false;
    return 0;
}

void
rp_exchange_start(struct rp_exchange *x)
{
    x->started = true;
    x->v->nactive++;
    if (x->v->timed)
        x->told = rp_clock_mono();
    rp_counters_set_current(x->v->counters, x->request.method_name,
                            x->request.path);
    x->handler->ops->start(x->handler->self, x);
}

/* ---- The answer ---- */

static void
finish(struct rp_exchange *x)
{
    struct rp_service *v = x->v;
    int class = x->status / 100;

    if (x->tap) {
        x->tap->end(x->tap_self, x->failed);
        return;
    }

    rp_count(v->counters->responses[class <= 5 ? class : 0], 1);
    if (v->accounts)
        rp_exchange_account(x, x->status, x->sent);
    v->now = rp_clock_mono(); /* what comes next is waited for from here */
    rp_counters_add_latency(v->counters, v->now - x->began);
    x->sink->ops->wake(x->sink);
    x->ops->on_end(x);
}

/* Out of memory, or over a cap, with an answer half written. */
static void
fail(struct rp_exchange *x, const char *why)
{
    if (!x->failed)
        rp_error("%.*s %.*s: connection closed: %s",
                 RP_STR_ARG(x->root->request.method_name),
                 RP_STR_ARG(x->root->request.path), why);
    x->failed = true;
    x->close = true;
}

/* A client may be told to close by the application's own Connection field. */
static bool
fields_say_close(const struct rp_field *v, unsigned n)
{
    return n > 0 &&
           rp_fields_list_has(v, n, RP_STR("connection"), RP_STR("close"));
}

void
rp_exchange_set_reason(struct rp_exchange *x, struct rp_str reason)
{
    if (rp_is_field_value(reason))
        x->reason = reason;
}

/* The head of an answer whose content has `length` bytes; -1: not known. */
static int
send_head(struct rp_exchange *x, const struct rp_answer *a, int64_t length)
{
    const struct rp_request *r = &x->root->request;
    int status = a->status;
    bool close = x->close;
    char id_line[RP_ID_LINE_MAX];

    if (status < 200 || status > 599)
        return -1;
    for (unsigned i = 0; i < a->nfields && !a->clean; i++)
        if (rp_response_check_field(&a->fields[i]) < 0)
            return -1;
    if (a->content_type.n > 0 && !rp_is_field_value(a->content_type))
        return -1;
    if (x->tap) {
        x->status = status;
        x->left = length;
        x->tap->head(x->tap_self, status, a->fields, a->nfields,
                     a->content_type, length);
        return 0;
    }
    if ((!a->clean && fields_say_close(a->fields, a->nfields)) ||
        x->v->retiring || x->ops->must_close(x))
        close = true;
    x->framing = rp_response_framing(status, r->method == RP_METHOD_HEAD,
                                     r->minor, length, &close);
    x->close = close;
    x->status = status;
    /* What the application promised; framing says what reaches the wire. */
    x->left = length;

    struct rp_response_head h = {
        .status = status,
        .reason = x->reason,
        .fields = a->fields,
        .nfields = a->nfields,
        .clean = a->clean,
        .content_type = a->content_type,
        .framing = x->framing,
        .length = length > 0 ? (uint64_t)length : 0,
    };
    if (x->v->timed)
        x->first = rp_clock_mono() - x->began;
    if (x->v->access)
        x->logged = rp_access_capture(x->v->access, &x->arena, a->fields,
                                      a->nfields, a->content_type);
    if (x->id.n > 0)
        h.more = rp_exchange_id_line(x, a->fields, a->nfields, id_line);
    if (close)
        h.connection =
            status == 426 ? RP_STR("close, Upgrade") : RP_STR("close");
    else if (r->minor == 0)
        h.connection = RP_STR("keep-alive");
    else if (status == 426)
        h.connection = RP_STR("Upgrade");
    if (rp_response_write_head(&x->sink->out, &x->v->consts, &h) < 0)
        fail(x, "no memory for the head");
    return 0;
}

int
rp_exchange_head(struct rp_exchange *x, int status,
                 const struct rp_field *fields, unsigned nfields,
                 struct rp_str content_type, int64_t length)
{
    struct rp_answer a = {
        .status = status,
        .fields = fields,
        .nfields = nfields,
        .content_type = content_type,
    };

    return send_head(x, &a, length);
}

bool
rp_exchange_is_mute(const struct rp_exchange *x)
{
    return x->root->request.method == RP_METHOD_HEAD || x->status == 205 ||
           !rp_status_has_content(x->status);
}

/* Cut n to what the promised length leaves room for. */
static size_t
clip(struct rp_exchange *x, size_t n)
{
    if (x->left < 0)
        return n;
    if ((uint64_t)x->left < n) {
        rp_warn("%.*s %.*s: the answer is longer than its Content-Length: "
                "%zu bytes cut off",
                RP_STR_ARG(x->root->request.method_name),
                RP_STR_ARG(x->root->request.path), n - (size_t)x->left);
        n = (size_t)x->left;
        x->close = true;
    }
    x->left -= (int64_t)n;
    return n;
}

static int
put(struct rp_exchange *x, const void *p, size_t n)
{
    struct rp_buf *out = &x->sink->out;

    if (x->framing != RP_FRAMING_CHUNKED)
        return rp_buf_add(out, p, n);
    if (rp_buf_reserve(out, n + 24) < 0)
        return -1;
    rp_response_write_chunk_head(out, n);
    rp_buf_add(out, p, n);
    return rp_buf_add(out, "\r\n", 2);
}

int
rp_exchange_write(struct rp_exchange *x, const void *p, size_t n)
{
    struct rp_sink *sink = x->sink;

    if (rp_exchange_is_mute(x) || x->failed)
        return 0;
    n = clip(x, n);
    if (n == 0)
        return 0;
    if (x->tap)
        return x->full = x->tap->write(x->tap_self, p, n);
    if (put(x, p, n) < 0) {
        fail(x, "no memory for content");
        return 0;
    }
    x->sent += n;
    sink->ops->wake(sink);
    if (rp_sink_queued(sink) < RP_SINK_HIGH)
        return 0;
    sink->over = true;
    return 1;
}

/* Queue a stretch of a file with the framing around it. */
static int
put_file(struct rp_exchange *x, int fd, off_t off, size_t n,
         void (*release)(void *), void *arg)
{
    struct rp_buf *out = &x->sink->out;

    if (rp_buf_reserve(out, 24) < 0)
        return -1;
    if (x->framing == RP_FRAMING_CHUNKED)
        rp_response_write_chunk_head(out, n);
    if (rp_sink_add_file(x->sink, fd, off, n, release, arg) < 0)
        return -1;
    if (x->framing == RP_FRAMING_CHUNKED)
        rp_buf_add(out, "\r\n", 2);
    return 0;
}

int
rp_exchange_send_file(struct rp_exchange *x, int fd, off_t off, size_t n,
                      void (*release)(void *), void *arg)
{
    bool send = !rp_exchange_is_mute(x) && !x->failed;

    if (send)
        n = clip(x, n);
    if (x->tap && send && n > 0)
        return x->full = x->tap->file(x->tap_self, fd, off, n, release, arg);
    if (!send || n == 0 || put_file(x, fd, off, n, release, arg) < 0) {
        if (send && n > 0)
            fail(x, "no memory for content");
        release(arg);
        return 0;
    }
    x->sent += n;
    x->sink->ops->wake(x->sink);
    if (rp_sink_queued(x->sink) < RP_SINK_HIGH)
        return 0;
    x->sink->over = true;
    return 1;
}

void
rp_exchange_end(struct rp_exchange *x)
{
    if (!rp_exchange_is_mute(x) && !x->failed) {
        if (x->left > 0)
            fail(x, "the answer is shorter than its Content-Length");
        else if (x->framing == RP_FRAMING_CHUNKED &&
                 rp_buf_add(&x->sink->out, "0\r\n\r\n", 5) < 0)
            fail(x, "no memory for content");
    }
    finish(x);
}

void
rp_exchange_answer(struct rp_exchange *x, const struct rp_answer *a)
{
    struct rp_str content = a->content;

    if (send_head(x, a, (int64_t)content.n) < 0) {
        if (a->release)
            a->release(a->arg);
        rp_error("%.*s %.*s: 500: the answer has a status or a field that "
                 "must not go out",
                 RP_STR_ARG(x->root->request.method_name),
                 RP_STR_ARG(x->root->request.path));
        rp_exchange_answer_status(x, 500);
        return;
    }
    if (x->tap && content.n > 0 && !rp_exchange_is_mute(x)) {
        x->tap->write(x->tap_self, content.p, content.n);
    } else if (content.n > 0 && !rp_exchange_is_mute(x) && !x->failed) {
        if (a->release && content.n >= RP_SINK_REF_MIN &&
            rp_sink_add_ref(x->sink, content.p, content.n, a->release,
                            a->arg) == 0) {
            x->sent = content.n;
            finish(x);
            return;
        }
        if (rp_buf_add_str(&x->sink->out, content) < 0)
            fail(x, "no memory for content");
        x->sent = content.n;
    }
    if (a->release)
        a->release(a->arg);
    finish(x);
}

void
rp_exchange_answer_plain(struct rp_exchange *x, int status,
                         const struct rp_field *fields, unsigned nfields)
{
    char text[64];
    struct rp_str reason = rp_status_reason(status);
    struct rp_answer a = {
        .status = status, .fields = fields, .nfields = nfields};

    if (rp_status_has_content(status)) {
        int n = snprintf(text, sizeof(text), "%d %.*s\n", status,
                         RP_STR_ARG(reason));
        a.content_type = RP_STR("text/plain; charset=utf-8");
        a.content = (struct rp_str){text, (size_t)n};
    }
    rp_exchange_answer(x, &a);
}

void
rp_exchange_answer_status(struct rp_exchange *x, int status)
{
    rp_exchange_answer_plain(x, status, NULL, 0);
}

void
rp_exchange_answer_busy(struct rp_exchange *x)
{
    struct rp_field f = {RP_STR("Retry-After"), RP_STR("1")};

    rp_exchange_answer_plain(x, 503, &f, 1);
}

void
rp_exchange_abort(struct rp_exchange *x)
{
    if (x->status == 0) {
        rp_exchange_answer_status(x, 500);
        return;
    }
    x->failed = true;
    x->close = true;
    finish(x);
}
