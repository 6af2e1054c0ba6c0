/* passage.c -- one request on its way through a proxy, without any I/O.
 *
 *     OPENING ----> HEAD ----> BODY ----> answered
 *        ^           |
 *        '-----------'  the connection was kept, and closed before a byte
 *                       came: once more, if that is safe
 *
 * The request's content flows as soon as there is a connection, and goes on
 * flowing while the answer comes. */
#include <errno.h>

#include "rupy/app/proxy_impl.h"
#include "rupy/base/log.h"
#include "rupy/http/outbound.h"

enum {
    INTERIM_MAX = 16, /* 1xx heads in front of an answer */
    TRIES_MAX = 3,    /* connections for one request */
};

static const struct {
    int status;
    const char *text;
} errs[] = {
#define X(name, status, text) [RP_LINK_##name] = {status, text},
    RP_LINK_ERRS(X)
#undef X
};

static const struct rp_link_user link_user;

/* ---- Ends ---- */

static void
let_go(struct rp_passage *w, bool reuse)
{
    struct rp_link *l = w->link;

    w->link = NULL;
    if (l)
        l->links->ops->close(l, reuse);
}

/* The backend failed: say so, once, and answer what can be answered. */
static void
fail(struct rp_passage *w, int status, const char *why, int code)
{
    struct rp_exchange *x = w->x;
    const struct rp_request *r = rp_exchange_request(x);
    bool has_head = w->state == RP_PASSAGE_BODY;

    rp_warn("%.*s %.*s: %s%.*s: %s%s%s", RP_STR_ARG(r->method_name),
            RP_STR_ARG(r->path),
            has_head        ? "answer broken off: "
            : status == 504 ? "504: "
            : status == 503 ? "503: "
                            : "502: ",
            RP_STR_ARG(w->target->url), why, code ? ": " : "",
            code ? strerror(code) : "");
    let_go(w, false);
    if (has_head)
        rp_exchange_abort(x);
    else if (status == 503)
        rp_exchange_answer_busy(x);
    else
        rp_exchange_answer_status(x, status);
}

/* The client has gone, or sends only a part of its content: no fault of ours
 * or of the backend's.  Who half-closed is told. */
static void
give_up(struct rp_passage *w)
{
    struct rp_exchange *x = w->x;

    let_go(w, false);
    if (w->state == RP_PASSAGE_BODY)
        rp_exchange_abort(x);
    else
        rp_exchange_answer_status(x, 400);
}

static void
finish(struct rp_passage *w, bool clean)
{
    struct rp_exchange *x = w->x;

    let_go(w, clean && w->asked && w->keep_alive && !w->until_eof);
    rp_exchange_end(x);
}

/* ---- Towards the backend ---- */

/* What must happen next, and when. */
static void
set_wait(struct rp_passage *w)
{
    struct rp_link *l = w->link;
    double seconds = 0;

    if (w->state == RP_PASSAGE_BODY)
        seconds = w->paused ? 0 : w->proxy->read;
    else if (w->asked)
        seconds = w->proxy->answer;
    else if (l->out.n > 0)
        seconds = w->proxy->read;
    l->links->ops->wait(l, seconds);
}

static int
put(struct rp_passage *w, struct rp_str s)
{
    struct rp_buf *out = &w->link->out;

    if (!rp_exchange_request(w->x)->chunked)
        return rp_buf_add_str(out, s);
    if (rp_buf_reserve(out, s.n + 24) < 0)
        return -1;
    rp_response_write_chunk_head(out, s.n);
    rp_buf_add_str(out, s);
    return rp_buf_add(out, "\r\n", 2);
}

/* Nothing more will come from the client.  The head and put() reserve more
 * than they use, so there is room. */
static void
end_content(struct rp_passage *w)
{
    w->asked = true;
    if (rp_exchange_request(w->x)->chunked)
        rp_buf_add(&w->link->out, "0\r\n\r\n", 5);
}

/* Send on what the client has sent.  The exchange may have ended when this
 * returns -1. */
static int
pump(struct rp_passage *w)
{
    struct rp_exchange *x = w->x;
    struct rp_link *l = w->link;

    while (!w->asked) {
        struct rp_str content = rp_exchange_content(x);

        if (l->out.n >= RP_LINK_HIGH) {
            l->links->ops->flush(l);
            if (rp_link_is_full(l))
                break;
        }
        if (content.n > 0) {
            if (put(w, content) < 0) {
                fail(w, 503, "no memory for the request", 0);
                return -1;
            }
            w->took = true;
            rp_exchange_take_content(x, content.n);
            continue;
        }
        switch (rp_exchange_content_end(x)) {
        case RP_CONTENT_COMPLETE:
            end_content(w);
            break;
        case RP_CONTENT_COMES:
            l->links->ops->flush(l);
            rp_exchange_want_content(x);
            set_wait(w);
            return 0;
        case RP_CONTENT_CUT:
            give_up(w);
            return -1;
        }
    }
    l->links->ops->flush(l);
    set_wait(w);
    return 0;
}

/* There is a connection. */
static void
ask(struct rp_passage *w)
{
    int bad = rp_proxy_write_head(w, &w->link->out);

    w->target->down_until = 0;
    if (bad) {
        let_go(w, false);
        rp_exchange_answer_status(w->x, bad);
        return;
    }
    w->state = RP_PASSAGE_HEAD;
    pump(w);
}

static void
open_link(struct rp_passage *w, bool fresh)
{
    struct rp_links *links = w->x->v->links;

    w->state = RP_PASSAGE_OPENING;
    w->asked = false;
    w->tries++;
    w->parser = (struct rp_reply_parser){.at = 0};
    w->link =
        links->ops->open(links, &w->target->backend, fresh, &link_user, w);
    if (!w->link)
        fail(w, 503,
             errno == EAGAIN ? "too many requests wait for it" : "no memory",
             0);
    else if (w->link->is_open)
        ask(w);
}

/* The other side closed a connection that we had kept just when we used it.
 * Whether it saw the request is not known, so only what may be done twice is
 * done again (RFC 9112 9.3.1). */
static bool
may_retry(const struct rp_passage *w)
{
    return w->state == RP_PASSAGE_HEAD && w->link && w->link->reused &&
           !w->began && !w->retried && !w->took &&
           rp_method_is_idempotent(rp_exchange_request(w->x)->method);
}

/* ---- From the backend ---- */

/* The head of the answer, as it goes on to the client.  0, or -1: it is
 * answered otherwise. */
static int
send_head(struct rp_passage *w, const struct rp_reply *r)
{
    struct rp_field fields[RP_MAX_REPLY_FIELDS];
    int n = rp_fields_pass_on(r->fields, r->nfields, fields);
    int64_t length = r->content_length;

    if (r->reason.n > 0)
        rp_exchange_set_reason(w->x, r->reason);
    /* Two framings: the length of what is chunked is not known. */
    if (n < 0 || rp_exchange_head(w->x, r->status, fields, (unsigned)n,
                                  (struct rp_str){NULL, 0}, length) < 0) {
        rp_exchange_set_reason(w->x, RP_STR(""));
        fail(w, 502, "an answer with a field that must not go on", 0);
        return -1;
    }
    rp_exchange_set_reason(w->x, RP_STR(""));
    return 0;
}

/* 0: go on; 1: the exchange has ended. */
static int
on_reply(struct rp_passage *w, const struct rp_reply *r, bool more)
{
    int64_t length;

    if (send_head(w, r) < 0)
        return 1;
    w->state = RP_PASSAGE_BODY;
    w->keep_alive = r->keep_alive;
    if (!rp_reply_has_content(r, rp_exchange_request(w->x)->method, &length)) {
        finish(w, !more);
        return 1;
    }
    w->until_eof = !r->chunked && length < 0;
    rp_content_init_reply(&w->body, r->chunked, length);
    set_wait(w);
    return 0;
}

/* A head is whole.  0: go on; 1: the passage is over.  *used may grow. */
static int
on_head(struct rp_passage *w, const struct rp_reply *r, const char *p, size_t n,
        size_t *used)
{
    if (r->status >= 200)
        return on_reply(w, r, n > *used);
    if (r->status == 101) {
        if (w->upgrade && r->upgrade_websocket &&
            rp_tunnel_start(w, r->fields, r->nfields, p + *used, n - *used) ==
                0) {
            *used = n;
            return 1;
        }
        fail(w, 502, "it changed to a protocol that was not asked for", 0);
        return 1;
    }
    if (++w->interim > INTERIM_MAX) {
        fail(w, 502, "interim answers without an end", 0);
        return 1;
    }
    return 0;
}

/* Content of the answer: how much of p..p+n was used; *over: the passage is. */
static size_t
feed_body(struct rp_passage *w, const char *p, size_t n, bool *over)
{
    size_t used = 0;

    while (used < n && !rp_content_is_done(&w->body)) {
        struct rp_str data;
        ssize_t k = rp_content_feed(&w->body, p + used, n - used, &data);

        if (k < 0) {
            *over = true;
            fail(w, 502, rp_http_err_text((int)k), 0);
            return n;
        }
        used += (size_t)k;
        if (data.n > 0 && rp_exchange_write(w->x, data.p, data.n) > 0 &&
            !w->paused) {
            w->paused = true;
            w->link->links->ops->pause(w->link, true);
        }
    }
    *over = rp_content_is_done(&w->body);
    if (*over)
        finish(w, used == n);
    else
        set_wait(w);
    return used;
}

static size_t
on_feed(void *self, const char *p, size_t n)
{
    struct rp_passage *w = self;
    struct rp_field fields[RP_MAX_REPLY_FIELDS];
    struct rp_reply r;
    size_t used = 0;
    bool over = false;

    w->began = true;
    while (used < n && !over) {
        int k;

        if (w->state == RP_PASSAGE_BODY) {
            used += feed_body(w, p + used, n - used, &over);
            continue;
        }
        k = rp_reply_head(&w->parser, p + used, n - used, fields, &r);
        if (k == 0)
            break;
        if (k < 0) {
            fail(w, 502, rp_http_err_text(k), 0);
            return n;
        }
        used += (size_t)k;
        over = on_head(w, &r, p, n, &used);
    }
    return used;
}

static void
on_eof(void *self)
{
    struct rp_passage *w = self;

    if (w->state == RP_PASSAGE_BODY && w->until_eof) {
        finish(w, false);
        return;
    }
    if (may_retry(w)) {
        w->retried = true;
        let_go(w, false);
        open_link(w, true);
        return;
    }
    fail(w, 502, "it closed before its answer was complete", 0);
}

static void
on_open(void *self)
{
    ask(self);
}

static void
on_drained(void *self)
{
    pump(self);
}

/* The target takes no connections: another may, and has seen nothing yet. */
static bool
try_another(struct rp_passage *w, enum rp_link_err err)
{
    struct rp_proxy *p = w->proxy;
    double now = w->x->v->now;
    struct rp_target *t;

    if (w->state != RP_PASSAGE_OPENING || err == RP_LINK_QUEUE_SLOW)
        return false;
    w->target->down_until = now + p->fail_time;
    if (p->ntargets == 1 || w->tries >= TRIES_MAX)
        return false;
    t = rp_proxy_choose(p, now, w->target);
    if (t == w->target)
        return false;
    rp_warn("%.*s: %s: asking another", RP_STR_ARG(w->target->url),
            errs[err].text);
    w->target = t;
    return true;
}

static void
on_fail(void *self, enum rp_link_err err, int code)
{
    struct rp_passage *w = self;
    bool again = err == RP_LINK_LOST && may_retry(w);

    w->link = NULL;
    if (again) {
        w->retried = true;
        open_link(w, true);
    } else if (try_another(w, err)) {
        open_link(w, false);
    } else {
        fail(w, errs[err].status, errs[err].text, code);
    }
}

static const struct rp_link_user link_user = {
    .open = on_open,
    .feed = on_feed,
    .eof = on_eof,
    .drained = on_drained,
    .fail = on_fail,
};

/* ---- From the exchange ---- */

static void
passage_start(void *self, struct rp_exchange *x)
{
    struct rp_proxy *p = self;
    struct rp_passage *w;

    if (!x->v->links) {
        rp_error("a proxy needs a worker's loop: 500");
        rp_exchange_answer_status(x, 500);
        return;
    }
    w = rp_arena_alloc(rp_exchange_arena(x), sizeof(*w));
    if (!w) {
        rp_exchange_answer_busy(x);
        return;
    }
    *w = (struct rp_passage){
        .proxy = p,
        .x = x,
        .target = rp_proxy_choose(p, x->v->now, NULL),
        /* The answer of a request that middleware looks at is no stream of
         * bytes. */
        .upgrade = rp_exchange_request(x)->upgrade_websocket && !x->tap,
    };
    rp_exchange_set_data(x, w);
    open_link(w, false);
}

static void
passage_stop(void *self, struct rp_exchange *x)
{
    (void)self;
    let_go(rp_exchange_data(x), false);
}

/* A client that closed looks like one that half-closed.  Before there is an
 * answer it is taken to be gone, so that the backend need not work for
 * nobody. */
static void
passage_eof(void *self, struct rp_exchange *x)
{
    struct rp_passage *w = rp_exchange_data(x);

    (void)self;
    if (w->state != RP_PASSAGE_BODY || !w->asked)
        give_up(w);
}

static void
passage_content(void *self, struct rp_exchange *x)
{
    struct rp_passage *w = rp_exchange_data(x);

    (void)self;
    /* The head goes first: ask() comes back to it when there is a connection,
     * which is the second one after a retry. */
    if (w->state != RP_PASSAGE_OPENING)
        pump(w);
}

static void
passage_drained(void *self, struct rp_exchange *x)
{
    struct rp_passage *w = rp_exchange_data(x);

    (void)self;
    if (!w->paused)
        return;
    w->paused = false;
    w->link->links->ops->pause(w->link, false);
    set_wait(w);
}

const struct rp_handler_ops rp_passage_ops = {
    .start = passage_start,
    .stop = passage_stop,
    .eof = passage_eof,
    .content = passage_content,
    .drained = passage_drained,
};
