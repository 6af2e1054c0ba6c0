/* tunnel.c -- after an upgrade that a backend has accepted: bytes, both ways,
 * as they come.
 *
 * Each side waits for the other when that is slow, and when one ends, both
 * do: the backend's end reaches the client behind what it has sent, and a
 * client's half-close reaches the backend. */
#include <stdlib.h>

#include "rupy/app/proxy_impl.h"

struct tunnel {
    struct rp_session session; /* first */
    struct rp_sink *sink;
    struct rp_link *link; /* NULL: gone */
    double idle;
    bool paused;  /* the client is slow */
    bool starved; /* it has sent what the backend had no room for */
};

static void
let_go(struct tunnel *t)
{
    struct rp_link *l = t->link;

    t->link = NULL;
    if (l)
        l->links->ops->close(l, false);
}

static void
move(struct tunnel *t)
{
    t->link->links->ops->wait(t->link, t->idle);
}

/* ---- The client ---- */

static size_t
tunnel_feed(struct rp_session *s, const char *p, size_t n)
{
    struct tunnel *t = (struct tunnel *)s;

    if (!t->link)
        return n;
    if (rp_link_is_full(t->link)) {
        t->starved = true;
        return 0;
    }
    if (rp_buf_add(&t->link->out, p, n) < 0) {
        let_go(t);
        t->sink->ops->close(t->sink, true);
        return n;
    }
    t->link->links->ops->flush(t->link);
    move(t);
    return n;
}

static bool
tunnel_wants_input(const struct rp_session *s)
{
    const struct tunnel *t = (const struct tunnel *)s;

    return t->link && !t->starved;
}

static void
tunnel_eof(struct rp_session *s)
{
    struct tunnel *t = (struct tunnel *)s;

    if (t->link)
        t->link->links->ops->shut(t->link);
}

static void
tunnel_drained(struct rp_session *s)
{
    struct tunnel *t = (struct tunnel *)s;

    if (!t->paused || !t->link)
        return;
    t->paused = false;
    t->link->links->ops->pause(t->link, false);
    move(t);
}

/* The connection's own deadlines are about HTTP. */
static void
tunnel_timeout(struct rp_session *s, enum rp_wait what)
{
    (void)s, (void)what;
}

/* What was fed has an end of its own: the link tells when it is time. */
static void
tunnel_retire(struct rp_session *s)
{
    (void)s;
}

static void
tunnel_gone(struct rp_session *s)
{
    let_go((struct tunnel *)s);
    free(s);
}

static const struct rp_session_ops session_ops = {
    .feed = tunnel_feed,
    .wants_input = tunnel_wants_input,
    .eof = tunnel_eof,
    .drained = tunnel_drained,
    .timeout = tunnel_timeout,
    .retire = tunnel_retire,
    .gone = tunnel_gone,
};

/* ---- The backend ---- */

static void
end(struct tunnel *t)
{
    t->sink->ops->wake(t->sink);
    t->sink->ops->close(t->sink, true);
}

static size_t
on_feed(void *self, const char *p, size_t n)
{
    struct tunnel *t = self;

    if (rp_buf_add(&t->sink->out, p, n) < 0) {
        let_go(t);
        end(t);
        return n;
    }
    t->sink->ops->wake(t->sink);
    if (rp_sink_queued(t->sink) >= RP_SINK_HIGH) {
        t->sink->over = t->paused = true;
        t->link->links->ops->pause(t->link, true);
    }
    move(t);
    return n;
}

static void
on_eof(void *self)
{
    let_go(self);
    end(self);
}

static void
on_drained(void *self)
{
    struct tunnel *t = self;

    if (!t->starved)
        return;
    t->starved = false;
    t->sink->ops->resume(t->sink);
}

static void
on_fail(void *self, enum rp_link_err err, int code)
{
    struct tunnel *t = self;

    (void)err, (void)code;
    t->link = NULL;
    end(t);
}

/* There is no message that both sides would understand, so they only see the
 * end; what is on its way to the client still goes out. */
static void
on_retire(void *self)
{
    let_go(self);
    end(self);
}

static const struct rp_link_user link_user = {
    .feed = on_feed,
    .eof = on_eof,
    .drained = on_drained,
    .fail = on_fail,
    .retire = on_retire,
};

/* ---- The beginning ---- */

static int
write_head(struct rp_buf *out, const struct rp_field *fields, unsigned n)
{
    size_t room = 256;
    bool ok = true;

    for (unsigned i = 0; i < n; i++)
        room += fields[i].name.n + fields[i].value.n + 4;
    if (rp_buf_reserve(out, room) < 0)
        return -1;
    rp_buf_add_str(out, RP_STR("HTTP/1.1 101 Switching Protocols\r\n"
                               "Connection: Upgrade\r\n"
                               "Upgrade: websocket\r\n"));
    for (unsigned i = 0; i < n; i++) {
        if (rp_response_check_field(&fields[i]) != 0)
            continue;
        rp_buf_add_str(out, fields[i].name);
        rp_buf_add(out, ": ", 2);
        rp_buf_add_str(out, fields[i].value);
        ok = rp_buf_add(out, "\r\n", 2) == 0;
    }
    return ok ? rp_buf_add(out, "\r\n", 2) : -1;
}

int
rp_tunnel_start(struct rp_passage *w, const struct rp_field *fields,
                unsigned nfields, const char *p, size_t n)
{
    struct rp_exchange *x = w->x;
    struct rp_service *v = x->v;
    struct tunnel *t = calloc(1, sizeof(*t));
    size_t before = x->sink->out.n;

    if (!t)
        return -1;
    if (write_head(&x->sink->out, fields, nfields) < 0 ||
        rp_buf_add(&x->sink->out, p, n) < 0) {
        x->sink->out.n = before;
        free(t);
        return -1;
    }
    t->session.ops = &session_ops;
    t->sink = x->sink;
    t->link = w->link;
    t->idle = w->proxy->tunnel;
    t->link->user = &link_user;
    t->link->self = t;
    move(t);
    rp_count(v->counters->responses[1], 1);
    if (v->accounts)
        rp_exchange_account(x, 101, 0);
    x->sink->ops->wake(x->sink);
    x->ops->upgrade(x, &t->session);
    return 0;
}
