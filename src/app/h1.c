/* h1.c -- HTTP/1.1 on one connection (RFC 9112), without any I/O.
 *
 *            head is whole                content is whole
 *     HEAD ----------------> CONTENT ----------------------> BUSY
 *      ^  \______ no content ___________________________________^ |
 *      |                                                          | answered
 *      |<---------------------------------------------------------|
 *      |         nothing is left to skip                          |
 *      '------------------------- SKIP <--------------------------'
 *                      answered before its content was read
 *
 * and from each of them to CLOSED: after an error, after an answer that ends
 * the connection, when the client is gone.  CLOSED is absorbing: no byte that
 * comes later is looked at (RFC 9112 11.2). */
#include <stdlib.h>

#include "rupy/app/h1.h"
#include "rupy/base/log.h"

enum { TURN_REQUESTS = 16 }; /* of one connection, then others come first */

void
rp_h1_enter(struct rp_h1 *h, enum rp_h1_state to)
{
    h->state = to;
    switch (to) {
    case RP_H1_HEAD:
        h->sink->ops->wait(h->sink, RP_WAIT_IDLE);
        break;
    case RP_H1_CONTENT:
    case RP_H1_SKIP:
        h->sink->ops->wait(h->sink, RP_WAIT_CONTENT);
        break;
    case RP_H1_BUSY:
    case RP_H1_UPGRADED:
    case RP_H1_CLOSED:
        h->sink->ops->wait(h->sink, RP_WAIT_HANDLER);
        break;
    }
}

void
rp_h1_close(struct rp_h1 *h, bool linger)
{
    rp_h1_enter(h, RP_H1_CLOSED);
    h->sink->ops->wake(h->sink);
    h->sink->ops->close(h->sink, linger);
}

void
rp_h1_forget(struct rp_h1 *h)
{
    struct rp_exchange *x = h->x;

    if (!x)
        return;
    h->x = NULL;
    if (x->active)
        rp_count(h->v->counters->active, (uint32_t)-1);
    if (x->started && x->handler->ops->stop)
        x->handler->ops->stop(x->handler->self, x);
    rp_exchange_free(x);
}

/* The exchange says that its answer is complete. */
static void
on_end(struct rp_exchange *x)
{
    struct rp_h1 *h = x->session;
    bool unread = !rp_h1_content_is_done(x);
    bool close = x->close, reset = x->failed && x->framing == RP_FRAMING_CLOSE;

    rp_count(h->v->counters->active, (uint32_t)-1);
    rp_exchange_free(x);
    h->x = NULL;
    if (reset) {
        /* Only a reset tells this client that the end is not the end. */
        rp_h1_enter(h, RP_H1_CLOSED);
        h->sink->ops->abort(h->sink);
        return;
    }
    if (close) {
        rp_h1_close(h, unread);
        return;
    }
    h->skipped = 0;
    rp_h1_enter(h, unread ? RP_H1_SKIP : RP_H1_HEAD);
    if (!h->feeding)
        h->sink->ops->resume(h->sink);
}

static void
on_upgrade(struct rp_exchange *x, struct rp_session *next)
{
    struct rp_h1 *h = x->session;

    rp_count(h->v->counters->active, (uint32_t)-1);
    rp_exchange_free(x);
    h->x = NULL;
    h->next = next;
    rp_h1_enter(h, RP_H1_UPGRADED);
    /* What the client sent behind its handshake is there already. */
    if (!h->feeding)
        h->sink->ops->resume(h->sink);
}

static const struct rp_exchange_ops exchange_ops = {
    .on_end = on_end,
    .upgrade = on_upgrade,
    .must_close = rp_h1_must_close,
    .want = rp_h1_want,
    .taken = rp_h1_taken,
    .content_end = rp_h1_content_end,
};

static bool
says_close(const struct rp_h1 *h, const struct rp_request *r)
{
    const struct rp_service *v = h->v;

    return !r->keep_alive || !v->keep_alive || v->retiring ||
           (v->keep_alive_requests && h->nrequests >= v->keep_alive_requests);
}

static void
enter_busy(struct rp_h1 *h)
{
    rp_h1_enter(h, RP_H1_BUSY);
    h->x->active = true;
    rp_count(h->v->counters->active, 1);
}

void
rp_h1_start(struct rp_h1 *h)
{
    enter_busy(h);
    rp_exchange_start(h->x);
}

/* A handler that streams starts, with the content that came with the head.
 * Return how much of p..p+n that was. */
static size_t
start_with(struct rp_h1 *h, const char *p, size_t n)
{
    ssize_t used = rp_h1_feed_ahead(h, p, n);

    if (used < 0) {
        rp_h1_refuse(h, (int)used);
        return n;
    }
    if (used > 0)
        h->x->owes_100 = false;
    rp_h1_start(h);
    return (size_t)used;
}

/* A head is whole: find the handler, and start it unless it wants the content
 * first.  p..p+n came behind the head; return how much of it was used. */
static size_t
begin(struct rp_h1 *h, const char *p, size_t n)
{
    struct rp_exchange *x = h->x;
    const struct rp_request *r = &x->request;
    bool has_content = rp_request_has_content(r);
    struct rp_buf allow;
    size_t used = 0;
    int status, err;

    h->nrequests++;
    rp_count(h->v->counters->requests, 1);
    x->began = h->v->now;
    x->close = says_close(h, r);
    if (has_content &&
        (err = rp_content_init(&h->body, r, &h->v->limits)) < 0) {
        rp_h1_refuse(h, err);
        return n;
    }
    x->owes_100 = has_content && r->expect_continue && n == 0;

    rp_buf_init(&allow, 1024);
    /* This one is not counted yet. */
    if (h->v->max_active > 0 &&
        atomic_load_explicit(&h->v->counters->active, memory_order_relaxed) >=
            h->v->max_active)
        status = 503;
    else
        status = rp_dispatch(x, &allow);
    if (status != 0) {
        enter_busy(h);
        rp_h1_answer_status(x, status, &allow);
    } else if (!has_content) {
        rp_h1_start(h);
    } else if (x->handler->streams) {
        used = start_with(h, p, n);
    } else {
        rp_h1_enter(h, RP_H1_CONTENT);
        if (x->owes_100)
            rp_h1_want(x);
    }
    rp_buf_fini(&allow);
    return used;
}

/* Parse one head and begin with it. */
static size_t
feed_head(struct rp_h1 *h, const char *p, size_t n, bool *more)
{
    struct rp_exchange *x = rp_exchange_new(h->v);

    *more = false;
    if (!x) {
        rp_h1_refuse(h, RP_HTTP_NO_MEMORY);
        return n;
    }
    int k =
        rp_parser_head(&h->parser, &h->v->limits, p, n, x->fields, &x->request);
    if (k <= 0) {
        rp_exchange_free(x);
        if (k < 0) {
            rp_h1_refuse(h, k);
            return n;
        }
        h->sink->ops->wait(h->sink, RP_WAIT_HEAD);
        return 0;
    }
    x->received = (uint64_t)k;
    x->sink = h->sink;
    x->peer = h->peer;
    x->ops = &exchange_ops;
    x->session = h;
    h->x = x;

    size_t head = (size_t)k, used = head;
    used += begin(h, p + head, n - head);
    *more = h->state != RP_H1_CLOSED;
    if (h->state == RP_H1_CONTENT && head < n)
        used += rp_h1_feed_content(h, p + head, n - head, more);
    /* Still with us, and the buffer goes to somebody else: copy. */
    if (h->x && rp_exchange_detach(h->x, p, head) < 0) {
        rp_h1_refuse(h, RP_HTTP_NO_MEMORY);
        *more = false;
        return n;
    }
    return used;
}

static size_t
h1_feed(struct rp_session *s, const char *p, size_t n)
{
    struct rp_h1 *h = (struct rp_h1 *)s;
    size_t used = 0;
    unsigned begun = 0;
    bool more = true;

    h->feeding = true;
    while (more && used < n) {
        switch (h->state) {
        case RP_H1_HEAD:
            if (begun++ == TURN_REQUESTS) {
                h->sink->ops->resume(h->sink);
                more = false;
                break;
            }
            if (rp_sink_queued(h->sink) >= RP_SINK_HIGH) {
                /* A client that asks and asks and reads nothing: what it is
                 * sent is all that it costs. */
                h->sink->over = true;
                more = false;
                break;
            }
            used += feed_head(h, p + used, n - used, &more);
            break;
        case RP_H1_CONTENT:
            used += rp_h1_feed_content(h, p + used, n - used, &more);
            break;
        case RP_H1_SKIP:
            used += rp_h1_feed_skip(h, p + used, n - used, &more);
            break;
        case RP_H1_BUSY:
            used += rp_h1_feed_pieces(h, p + used, n - used, &more);
            break;
        case RP_H1_UPGRADED:
            used += h->next->ops->feed(h->next, p + used, n - used);
            more = false;
            break;
        case RP_H1_CLOSED:
            more = false;
            break;
        }
    }
    h->feeding = false;
    if (h->state != RP_H1_CLOSED)
        return used;
    /* More came behind a request that ends the connection, and more may be
     * on its way: it must not meet a closed socket. */
    if (used < n)
        h->sink->ops->close(h->sink, true);
    return n;
}

static bool
h1_wants_input(const struct rp_session *s)
{
    const struct rp_h1 *h = (const struct rp_h1 *)s;

    if (h->state == RP_H1_UPGRADED)
        return h->next->ops->wants_input(h->next);
    return h->state != RP_H1_CLOSED;
}

static void
h1_eof(struct rp_session *s)
{
    struct rp_h1 *h = (struct rp_h1 *)s;

    switch (h->state) {
    case RP_H1_BUSY: /* it may still read: answer, then close */
        h->x->close = h->x->eof = true;
        if (h->x->handler && h->x->handler->ops->eof)
            h->x->handler->ops->eof(h->x->handler->self, h->x);
        break;
    case RP_H1_CONTENT: /* never complete: the handler is not told of it */
        rp_h1_forget(h);
        rp_h1_close(h, false);
        break;
    case RP_H1_HEAD:
    case RP_H1_SKIP:
        rp_h1_close(h, false);
        break;
    case RP_H1_UPGRADED:
        h->next->ops->eof(h->next);
        break;
    case RP_H1_CLOSED:
        break;
    }
}

static void
h1_drained(struct rp_session *s)
{
    struct rp_h1 *h = (struct rp_h1 *)s;
    struct rp_exchange *x = h->x;

    if (h->state == RP_H1_BUSY && x->handler && x->handler->ops->drained)
        x->handler->ops->drained(x->handler->self, x);
    else if (h->state == RP_H1_HEAD)
        h->sink->ops->resume(h->sink);
    else if (h->state == RP_H1_UPGRADED)
        h->next->ops->drained(h->next);
}

/* One that has begun to answer may go on: a download takes its time, and a
 * client that does not read has a deadline of its own. */
static void
on_overdue(struct rp_h1 *h)
{
    struct rp_exchange *x = h->x;

    h->sink->ops->wait(h->sink, RP_WAIT_HANDLER);
    if (h->state != RP_H1_BUSY || rp_exchange_has_head(x))
        return;
    x->overdue = true;
    rp_warn("%.*s %.*s: 504: no answer after %.1f s",
            RP_STR_ARG(x->request.method_name), RP_STR_ARG(x->request.path),
            h->v->now - x->began);
    rp_h1_refuse(h, RP_HTTP_OVERDUE);
}

static void
h1_timeout(struct rp_session *s, enum rp_wait what)
{
    struct rp_h1 *h = (struct rp_h1 *)s;

    if (h->state == RP_H1_UPGRADED && what != RP_WAIT_HANDLER) {
        h->next->ops->timeout(h->next, what);
        return;
    }
    switch (what) {
    case RP_WAIT_FIRST:
    case RP_WAIT_IDLE:
        /* Nobody asked anything, so nobody gets a 408: a proxy would take it
         * for the answer to its next request. */
        rp_h1_close(h, false);
        break;
    case RP_WAIT_HEAD:
    case RP_WAIT_CONTENT:
        if (h->state == RP_H1_SKIP)
            rp_h1_close(h, true);
        else
            rp_h1_refuse(h, RP_HTTP_SLOW);
        break;
    case RP_WAIT_HANDLER:
        on_overdue(h);
        break;
    }
}

static void
h1_retire(struct rp_session *s)
{
    struct rp_h1 *h = (struct rp_h1 *)s;

    if (h->state == RP_H1_HEAD)
        rp_h1_close(h, false);
    else if (h->state == RP_H1_UPGRADED)
        h->next->ops->retire(h->next);
}

static void
h1_gone(struct rp_session *s)
{
    struct rp_h1 *h = (struct rp_h1 *)s;

    rp_h1_forget(h);
    if (h->next)
        h->next->ops->gone(h->next);
    rp_parser_fini(&h->parser);
    free(h);
}

static const struct rp_session_ops h1_ops = {
    .feed = h1_feed,
    .wants_input = h1_wants_input,
    .eof = h1_eof,
    .drained = h1_drained,
    .timeout = h1_timeout,
    .retire = h1_retire,
    .gone = h1_gone,
};

struct rp_session *
rp_h1_new(struct rp_service *v, struct rp_sink *sink,
          const struct rp_peer *peer)
{
    struct rp_h1 *h = calloc(1, sizeof(*h));

    if (!h)
        return NULL;
    h->session.ops = &h1_ops;
    h->v = v;
    h->sink = sink;
    h->peer = peer;
    rp_parser_init(&h->parser, v->memos);
    h->state = RP_H1_HEAD;
    sink->ops->wait(sink, RP_WAIT_FIRST);
    return &h->session;
}
