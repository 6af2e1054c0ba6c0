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
#include <stdio.h>
#include <stdlib.h>

#include "rupy/app/access.h"
#include "rupy/app/impl.h"
#include "rupy/base/log.h"
#include "rupy/http/content.h"
#include "rupy/http/status.h"

enum {
    TURN_REQUESTS = 16,    /* of one connection, then others come first */
    SKIP_MAX = 64 * 1024,  /* content that is read only to be dropped */
    AHEAD_MAX = 64 * 1024, /* input read while a handler is at work */
};

enum state { HEAD, CONTENT, BUSY, SKIP, CLOSED };

struct rp_h1 {
    struct rp_session session; /* first */
    struct rp_service *v;
    struct rp_sink *sink;
    const struct rp_peer *peer;
    struct rp_exchange *x; /* CONTENT, BUSY */
    struct rp_parser parser;
    struct rp_content body; /* CONTENT, SKIP */
    enum state state;
    uint32_t nrequests;
    uint32_t skipped;
    bool feeding; /* feed() is on the stack */
    bool eof;
    bool skip_first; /* content is left when the answer ends */
};

static void
enter(struct rp_h1 *h, enum state to)
{
    h->state = to;
    switch (to) {
    case HEAD:
        h->sink->ops->wait(h->sink, RP_WAIT_IDLE);
        break;
    case CONTENT:
    case SKIP:
        h->sink->ops->wait(h->sink, RP_WAIT_CONTENT);
        break;
    case BUSY:
    case CLOSED:
        h->sink->ops->wait(h->sink, RP_WAIT_HANDLER);
        break;
    }
}

static void
close_after_output(struct rp_h1 *h, bool linger)
{
    enter(h, CLOSED);
    h->sink->ops->wake(h->sink);
    h->sink->ops->close(h->sink, linger);
}

/* The server's own answer to what is no request: one line, then close. */
static void
refuse(struct rp_h1 *h, int err)
{
    int status = rp_http_err_status(err);
    char text[64];

    if (h->x) {
        rp_exchange_free(h->x);
        h->x = NULL;
    }
    if (status == 0) {
        enter(h, CLOSED);
        h->sink->ops->abort(h->sink);
        return;
    }
    struct rp_str reason = rp_status_reason(status);
    int n =
        snprintf(text, sizeof(text), "%d %.*s\n", status, RP_STR_ARG(reason));
    struct rp_field fields[1];
    unsigned nfields = 0;
    if (status == 503)
        fields[nfields++] =
            (struct rp_field){RP_STR("retry-after"), RP_STR("1")};
    struct rp_response_head head = {
        .status = status,
        .fields = fields,
        .nfields = nfields,
        .content_type = RP_STR("text/plain; charset=utf-8"),
        .framing = RP_FRAMING_LENGTH,
        .length = (uint64_t)n,
        .connection = RP_STR("close"),
    };
    if (rp_response_write_head(&h->sink->out, &h->v->consts, &head) == 0)
        rp_buf_add(&h->sink->out, text, (size_t)n);
    rp_count(h->v->counters->requests, 1);
    rp_count(h->v->counters->responses[status / 100], 1);
    if (h->v->access)
        rp_access_add(h->v->access, &(struct rp_access_record){
                                        .peer = h->peer->host,
                                        .status = status,
                                        .bytes = (uint64_t)n,
                                    });
    rp_debug("%s: %d: %s", h->peer->host, status, rp_http_err_text(err));
    close_after_output(h, true);
}

/* The exchange says that its answer is complete. */
static void
on_end(struct rp_exchange *x)
{
    struct rp_h1 *h = x->session;
    bool close = x->close, failed = x->failed;
    bool reset = failed && x->framing == RP_FRAMING_CLOSE;

    rp_count(h->v->counters->active, (uint32_t)-1);
    rp_exchange_free(x);
    h->x = NULL;
    if (reset) {
        /* Only a reset tells this client that the end is not the end. */
        enter(h, CLOSED);
        h->sink->ops->abort(h->sink);
        return;
    }
    if (close) {
        close_after_output(h, h->skip_first);
        return;
    }
    enter(h, h->skip_first ? SKIP : HEAD);
    if (!h->feeding)
        h->sink->ops->resume(h->sink);
}

/* An answer that no handler gives. */
static void
answer_status(struct rp_exchange *x, int status, struct rp_buf *allow)
{
    struct rp_field f[2];
    unsigned n = 0;

    if ((status == 405 || status == 204) && allow->n > 0)
        f[n++] = (struct rp_field){RP_STR("allow"), {allow->p, allow->n}};
    if (status == 503)
        f[n++] = (struct rp_field){RP_STR("retry-after"), RP_STR("1")};
    rp_exchange_answer_plain(x, status, f, n);
}

static bool
says_close(const struct rp_h1 *h, const struct rp_request *r)
{
    const struct rp_service *v = h->v;

    return !r->keep_alive || !v->keep_alive || v->retiring ||
           (v->keep_alive_requests && h->nrequests >= v->keep_alive_requests);
}

/* A head is whole: find the handler, and say whether content comes first.
 * p..p+n is what follows the head.  Return false when h is CLOSED. */
static bool
begin(struct rp_h1 *h, size_t n)
{
    struct rp_exchange *x = h->x;
    const struct rp_request *r = &x->request;
    struct rp_buf allow;
    int status, err;

    h->nrequests++;
    rp_count(h->v->counters->requests, 1);
    x->began = h->v->now;
    x->close = says_close(h, r);
    h->skip_first = false;
    if (rp_request_has_content(r) &&
        (err = rp_content_init(&h->body, r, &h->v->limits)) < 0) {
        refuse(h, err);
        return false;
    }

    rp_buf_init(&allow, 1024);
    status = rp_dispatch(x, &allow);
    if (status == 0) {
        if (!rp_request_has_content(r)) {
            enter(h, BUSY);
            rp_count(h->v->counters->active, 1);
            rp_exchange_start(x);
            return h->state != CLOSED;
        }
        enter(h, CONTENT);
        if (r->expect_continue && n == 0) {
            rp_buf_add_str(&h->sink->out,
                           RP_STR("HTTP/1.1 100 Continue\r\n\r\n"));
            h->sink->ops->wake(h->sink);
        }
        return true;
    }
    if (rp_request_has_content(r)) {
        h->skip_first = true;
        h->skipped = 0;
        /* A client that waits for 100 may send its content or not: only a
         * closed connection is unambiguous (RFC 9110 10.1.1). */
        if (r->expect_continue || r->content_length > SKIP_MAX)
            x->close = true;
    }
    enter(h, BUSY);
    rp_count(h->v->counters->active, 1);
    answer_status(x, status, &allow);
    rp_buf_fini(&allow);
    return h->state != CLOSED;
}

/* Read content for the handler.  Return how much of p was used; *more is
 * false when all was looked at or h is CLOSED. */
static size_t
feed_content(struct rp_h1 *h, const char *p, size_t n, bool *more)
{
    struct rp_exchange *x = h->x;
    size_t used = 0;

    while (used < n && !rp_content_is_done(&h->body)) {
        struct rp_str data;
        ssize_t k = rp_content_feed(&h->body, p + used, n - used, &data);
        if (k < 0) {
            refuse(h, (int)k);
            *more = false;
            return n;
        }
        used += (size_t)k;
        if (data.n == 0)
            continue;
        /* All of it in one piece stays where it is. */
        if (x->content.n == 0 && rp_content_is_done(&h->body) && x->borrows) {
            x->content = data;
            break;
        }
        if (rp_buf_add_str(&x->content_buf, data) < 0) {
            refuse(h, RP_HTTP_NO_MEMORY);
            *more = false;
            return n;
        }
        x->content = (struct rp_str){x->content_buf.p, x->content_buf.n};
    }
    if (!rp_content_is_done(&h->body)) {
        h->sink->ops->wait(h->sink, RP_WAIT_CONTENT);
        *more = false;
        return used;
    }
    enter(h, BUSY);
    rp_count(h->v->counters->active, 1);
    rp_exchange_start(x);
    *more = h->state != CLOSED;
    return used;
}

/* Drop content that nobody wants, up to a limit. */
static size_t
feed_skip(struct rp_h1 *h, const char *p, size_t n, bool *more)
{
    size_t used = 0;

    while (used < n && !rp_content_is_done(&h->body)) {
        struct rp_str data;
        ssize_t k = rp_content_feed(&h->body, p + used, n - used, &data);
        if (k > 0) {
            used += (size_t)k;
            h->skipped += (uint32_t)k;
        }
        if (k < 0 || h->skipped > SKIP_MAX) {
            close_after_output(h, true);
            *more = false;
            return n;
        }
    }
    *more = rp_content_is_done(&h->body);
    if (*more)
        enter(h, HEAD);
    return used;
}

/* Parse one head and begin with it. */
static size_t
feed_head(struct rp_h1 *h, const char *p, size_t n, bool *more)
{
    struct rp_exchange *x = rp_exchange_new(h->v);

    *more = false;
    if (!x) {
        refuse(h, RP_HTTP_NO_MEMORY);
        return n;
    }
    int k =
        rp_parser_head(&h->parser, &h->v->limits, p, n, x->fields, &x->request);
    if (k <= 0) {
        rp_exchange_free(x);
        if (k < 0) {
            refuse(h, k);
            return n;
        }
        h->sink->ops->wait(h->sink, RP_WAIT_HEAD);
        return 0;
    }
    x->sink = h->sink;
    x->peer = h->peer;
    x->on_end = on_end;
    x->session = h;
    h->x = x;

    size_t head = (size_t)k;
    *more = begin(h, n - head);
    if (h->state == CONTENT && *more && head < n)
        head += feed_content(h, p + head, n - head, more);
    /* Still with us, and the buffer goes to somebody else: copy. */
    if (h->x && rp_exchange_detach(h->x, p, (size_t)k) < 0) {
        struct rp_exchange *gone = h->x;
        if (gone->started && gone->handler->ops->stop)
            gone->handler->ops->stop(gone->handler->self, gone);
        refuse(h, RP_HTTP_NO_MEMORY);
        *more = false;
        return n;
    }
    return head;
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
        case HEAD:
            if (begun++ == TURN_REQUESTS) {
                h->sink->ops->resume(h->sink);
                more = false;
                break;
            }
            used += feed_head(h, p + used, n - used, &more);
            break;
        case CONTENT:
            used += feed_content(h, p + used, n - used, &more);
            break;
        case SKIP:
            used += feed_skip(h, p + used, n - used, &more);
            break;
        case BUSY:
            more = false;
            break;
        case CLOSED:
            more = false;
            break;
        }
    }
    h->feeding = false;
    if (h->state != CLOSED)
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
    return ((const struct rp_h1 *)s)->state != CLOSED;
}

static void
h1_eof(struct rp_session *s)
{
    struct rp_h1 *h = (struct rp_h1 *)s;

    h->eof = true;
    switch (h->state) {
    case BUSY: /* it may still read: answer, then close */
        h->x->close = true;
        if (h->x->handler && h->x->handler->ops->eof)
            h->x->handler->ops->eof(h->x->handler->self, h->x);
        break;
    case CONTENT: /* never complete: the handler is not told of it */
        rp_exchange_free(h->x);
        h->x = NULL;
        close_after_output(h, false);
        break;
    case HEAD:
    case SKIP:
        close_after_output(h, false);
        break;
    case CLOSED:
        break;
    }
}

static void
h1_drained(struct rp_session *s)
{
    struct rp_h1 *h = (struct rp_h1 *)s;
    struct rp_exchange *x = h->x;

    if (h->state == BUSY && x->handler && x->handler->ops->drained)
        x->handler->ops->drained(x->handler->self, x);
}

static void
h1_timeout(struct rp_session *s, enum rp_wait what)
{
    struct rp_h1 *h = (struct rp_h1 *)s;

    switch (what) {
    case RP_WAIT_FIRST:
    case RP_WAIT_IDLE:
        /* Nobody asked anything, so nobody gets a 408: a proxy would take it
         * for the answer to its next request. */
        close_after_output(h, false);
        break;
    case RP_WAIT_HEAD:
    case RP_WAIT_CONTENT:
        if (h->state == SKIP)
            close_after_output(h, true);
        else
            refuse(h, RP_HTTP_SLOW);
        break;
    case RP_WAIT_HANDLER:
        break;
    }
}

static void
h1_retire(struct rp_session *s)
{
    struct rp_h1 *h = (struct rp_h1 *)s;

    if (h->state == HEAD)
        close_after_output(h, false);
}

static void
h1_gone(struct rp_session *s)
{
    struct rp_h1 *h = (struct rp_h1 *)s;
    struct rp_exchange *x = h->x;

    if (x) {
        h->x = NULL;
        if (x->started) {
            rp_count(h->v->counters->active, (uint32_t)-1);
            if (x->handler->ops->stop)
                x->handler->ops->stop(x->handler->self, x);
        }
        rp_exchange_free(x);
    }
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
    h->state = HEAD;
    sink->ops->wait(sink, RP_WAIT_FIRST);
    return &h->session;
}
