/* wsocks.c -- all WebSockets of one worker, and their deadlines. */
#include "wsock.h"

void
rp_wsocks_init(struct rp_wsocks *all, const struct rp_wsock_config *config,
               const double *clock)
{
    *all = (struct rp_wsocks){.config = *config, .now = clock, .on = true};
    rp_list_init(&all->all);
    rp_list_init(&all->pending);
}

static bool
has_passed(const struct rp_wsock *w, double since, double limit)
{
    return limit > 0 && rp_wsock_now(w) - since >= limit;
}

/* Keep-alive (RFC 6455 5.5.2).  A client that we do not read from cannot be
 * blamed for its silence: its time runs from when we read again. */
static void
tick_ping(struct rp_wsock *w)
{
    const struct rp_wsock_config *c = &w->v->config;
    bool awaits = w->ping_open && c->ping_timeout > 0;

    if (w->paused || rp_wsock_is_full(w)) {
        if (awaits)
            w->pinged = rp_wsock_now(w);
        return;
    }
    if (awaits) {
        if (has_passed(w, w->pinged, c->ping_timeout))
            rp_wsock_fail(w, RP_WS_INTERNAL_ERROR, "no pong");
        return;
    }
    if (has_passed(w, w->pinged, c->ping_interval) &&
        rp_wsock_ping(w, NULL, 0) >= 0) {
        w->ping_open = true;
        w->pinged = rp_wsock_now(w);
    }
}

static void
tick_open(struct rp_wsock *w)
{
    const struct rp_wsock_config *c = &w->v->config;

    if (w->v->retiring)
        rp_wsock_close(w, RP_WS_SERVICE_RESTART, RP_STR(""));
    else if (w->said_close && has_passed(w, w->since, c->close_timeout))
        rp_wsock_heed_close(w);
    else if (w->said_close)
        return;
    else if (has_passed(w, w->born, c->max_lifetime))
        rp_wsock_close(w, RP_WS_GOING_AWAY, RP_STR("end of its lifetime"));
    else if (has_passed(w, w->heard, c->idle_timeout))
        rp_wsock_close(w, RP_WS_GOING_AWAY, RP_STR("idle"));
    else
        tick_ping(w);
}

static void
tick(struct rp_wsock *w)
{
    switch (w->state) {
    case OPEN:
        tick_open(w);
        break;
    case CLOSING:
        if (has_passed(w, w->since, w->v->config.close_timeout)) {
            rp_wsock_finish(w, true);
            rp_wsock_tell_close(w, RP_WS_ABNORMAL, RP_STR(""));
        }
        break;
    case CLOSED:
        break;
    }
    rp_wsock_tell_owed(w);
}

void
rp_wsocks_retire(struct rp_wsocks *all)
{
    all->retiring = true;
    for (struct rp_list *e = all->all.next; e != &all->all; e = e->next) {
        struct rp_wsock *w = rp_container_of(e, struct rp_wsock, all);

        w->session.ops->retire(&w->session);
    }
}

void
rp_wsocks_await(struct rp_wsocks *all, struct rp_wsock_pending *p)
{
    p->since = *all->now;
    rp_list_add(&all->pending, &p->link);
}

/* The oldest comes first. */
static void
tick_pending(struct rp_wsocks *all)
{
    double limit = all->config.handshake_timeout;

    while (limit > 0 && !rp_list_is_empty(&all->pending)) {
        struct rp_wsock_pending *p =
            rp_container_of(all->pending.next, struct rp_wsock_pending, link);

        if (*all->now - p->since < limit)
            break;
        rp_list_del(&p->link);
        p->expired(p);
    }
}

void
rp_wsocks_tick(struct rp_wsocks *all)
{
    struct rp_list *e, *next;

    tick_pending(all);

    for (e = all->all.next; e != &all->all; e = next) {
        next = e->next;
        tick(rp_container_of(e, struct rp_wsock, all));
    }
}
