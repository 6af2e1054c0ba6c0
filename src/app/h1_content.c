/* h1_content.c -- the content of a request, on its way to a handler: whole,
 * piece by piece, or to nobody. */
#include "rupy/app/h1.h"

bool
rp_h1_content_is_done(const struct rp_exchange *x)
{
    const struct rp_h1 *h = x->session;

    return !rp_request_has_content(&x->request) || rp_content_is_done(&h->body);
}

static void
send_100(struct rp_h1 *h)
{
    h->x->owes_100 = false;
    rp_buf_add_str(&h->sink->out, RP_STR("HTTP/1.1 100 Continue\r\n\r\n"));
    h->sink->ops->wake(h->sink);
}

/* Decode into the exchange, until p is used up, the content ends, or there is
 * `room` in it.  Return how much was used, or an enum rp_http_err. */
static ssize_t
decode(struct rp_h1 *h, const char *p, size_t n, size_t room)
{
    struct rp_exchange *x = h->x;
    size_t used = 0;

    while (used < n && x->content_buf.n < room &&
           !rp_content_is_done(&h->body)) {
        struct rp_str data;
        ssize_t k = rp_content_feed(&h->body, p + used, n - used, &data);
        if (k < 0)
            return k;
        used += (size_t)k;
        x->received += (uint64_t)k;
        if (data.n == 0)
            continue;
        /* All of it in one piece stays where it is. */
        if (x->content.n == 0 && rp_content_is_done(&h->body) && x->borrows &&
            !x->handler->streams) {
            x->content = data;
            return (ssize_t)used;
        }
        if (rp_buf_add_str(&x->content_buf, data) < 0)
            return RP_HTTP_NO_MEMORY;
        x->content = (struct rp_str){x->content_buf.p, x->content_buf.n};
    }
    return (ssize_t)used;
}

ssize_t
rp_h1_feed_ahead(struct rp_h1 *h, const char *p, size_t n)
{
    return decode(h, p, n, RP_H1_AHEAD);
}

size_t
rp_h1_feed_content(struct rp_h1 *h, const char *p, size_t n, bool *more)
{
    ssize_t used = decode(h, p, n, SIZE_MAX);

    *more = false;
    if (used < 0) {
        rp_h1_refuse(h, (int)used);
        return n;
    }
    h->x->owes_100 = false;
    if (!rp_content_is_done(&h->body)) {
        h->sink->ops->wait(h->sink, RP_WAIT_CONTENT);
        return (size_t)used;
    }
    rp_h1_start(h);
    *more = h->state != RP_H1_CLOSED;
    return (size_t)used;
}

/* There is content, or its end: tell a handler that waits for it. */
static void
tell(struct rp_h1 *h)
{
    struct rp_exchange *x = h->x;

    if (!x->wants || (x->content.n == 0 && !rp_content_is_done(&h->body)))
        return;
    x->wants = false;
    h->sink->ops->wait(h->sink, RP_WAIT_HANDLER);
    x->handler->ops->content(x->handler->self, x);
}

size_t
rp_h1_feed_pieces(struct rp_h1 *h, const char *p, size_t n, bool *more)
{
    struct rp_exchange *x = h->x;
    ssize_t used;

    *more = false;
    if (!x->handler || !x->handler->streams || rp_h1_content_is_done(x))
        return 0;
    used = decode(h, p, n, RP_H1_AHEAD);
    if (used < 0) {
        rp_h1_refuse(h, (int)used);
        return n;
    }
    if (used > 0)
        x->owes_100 = false;
    if (x->wants && !rp_content_is_done(&h->body))
        h->sink->ops->wait(h->sink, RP_WAIT_CONTENT);
    tell(h);
    /* It may have answered, or have made room. */
    *more = h->state != RP_H1_BUSY ||
            (h->x == x && used > 0 && x->content_buf.n < RP_H1_AHEAD);
    return (size_t)used;
}

size_t
rp_h1_feed_skip(struct rp_h1 *h, const char *p, size_t n, bool *more)
{
    size_t used = 0;

    while (used < n && !rp_content_is_done(&h->body)) {
        struct rp_str data;
        ssize_t k = rp_content_feed(&h->body, p + used, n - used, &data);
        if (k > 0) {
            used += (size_t)k;
            h->skipped += (uint32_t)k;
        }
        if (k < 0 || h->skipped > RP_H1_SKIP_MAX) {
            rp_h1_close(h, true);
            *more = false;
            return n;
        }
    }
    *more = rp_content_is_done(&h->body);
    if (*more)
        rp_h1_enter(h, RP_H1_HEAD);
    return used;
}

/* ---- What the exchange asks ---- */

bool
rp_h1_must_close(struct rp_exchange *x)
{
    const struct rp_h1 *h = x->session;

    if (rp_h1_content_is_done(x))
        return false;
    /* A client that waits for 100 may send its content or not: only a closed
     * connection is unambiguous (RFC 9110 10.1.1). */
    return x->owes_100 ||
           (!x->request.chunked && h->body.left > RP_H1_SKIP_MAX);
}

void
rp_h1_want(struct rp_exchange *x)
{
    struct rp_h1 *h = x->session;

    x->wants = true;
    if (x->owes_100 && !rp_exchange_has_head(x))
        send_100(h);
    h->sink->ops->wait(h->sink, RP_WAIT_CONTENT);
    if (!h->feeding)
        h->sink->ops->resume(h->sink);
}

void
rp_h1_taken(struct rp_exchange *x)
{
    struct rp_h1 *h = x->session;

    if (!rp_h1_content_is_done(x) && !h->feeding)
        h->sink->ops->resume(h->sink);
}

enum rp_content_end
rp_h1_content_end(const struct rp_exchange *x)
{
    if (rp_h1_content_is_done(x))
        return RP_CONTENT_COMPLETE;
    return x->eof ? RP_CONTENT_CUT : RP_CONTENT_COMES;
}
