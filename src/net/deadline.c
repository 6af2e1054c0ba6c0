/* deadline.c -- until when a connection may wait for what it waits for.
 *
 * One timer a connection: it is not touched when something happens, but looks
 * at the clock when it fires, and goes to sleep again for the rest. */
#include "rupy/net/impl.h"

#define LINGER_TOTAL 30.0 /* seconds, however much still comes */

bool
rp_conn_is_shaking(const struct rp_conn *c)
{
    return c->tls && !c->tls->done;
}

static double
wait_limit(const struct rp_conn *c)
{
    const struct rp_deadlines *d = &c->server->config.deadlines;

    if (rp_conn_is_shaking(c) && d->handshake > 0)
        return d->handshake;
    switch (c->wait) {
    case RP_WAIT_FIRST:
        return d->first_byte;
    case RP_WAIT_HEAD:
        return d->head;
    case RP_WAIT_CONTENT:
        return d->content;
    case RP_WAIT_IDLE:
        return d->keep_alive;
    case RP_WAIT_HANDLER:
        return d->handler;
    }
    return 0;
}

/* Each byte of content buys a little time; 0: as much as it likes. */
static double
content_deadline(const struct rp_conn *c)
{
    uint64_t rate = c->server->config.content_min_rate;

    if (rate == 0 || c->wait != RP_WAIT_CONTENT)
        return 0;
    return c->asked + RP_CONTENT_GRACE + (double)c->content / (double)rate;
}

/* When something must have happened; 0: never. */
static double
deadline(const struct rp_conn *c)
{
    const struct rp_deadlines *d = &c->server->config.deadlines;
    double limit, at = 0;

    if (c->state == RP_CONN_LINGER) {
        double end = c->progress + LINGER_TOTAL;
        at = c->since + d->linger;
        return at < end ? at : end;
    }
    if (c->stuck && d->send > 0)
        at = c->progress + d->send;
    limit = c->state == RP_CONN_OPEN ? wait_limit(c) : 0;
    /* Not idle while it still reads the answer. */
    if (c->stuck && c->wait == RP_WAIT_IDLE)
        limit = 0;
    if (limit > 0 && (at == 0 || c->since + limit < at))
        at = c->since + limit;
    limit = c->state == RP_CONN_OPEN ? content_deadline(c) : 0;
    if (limit > 0 && (at == 0 || limit < at))
        at = limit;
    return at;
}

void
rp_conn_arm(struct rp_conn *c)
{
    struct ev_loop *loop = c->server->loop;
    double at = deadline(c), left;

    if (at == 0 || c->state == RP_CONN_DEAD ||
        (c->armed != 0 && c->armed <= at))
        return;
    left = at - c->server->service->now;
    ev_timer_stop(loop, &c->timer);
    ev_timer_set(&c->timer, left > 0.001 ? left : 0.001, 0);
    ev_timer_start(loop, &c->timer);
    c->armed = at;
}

bool
rp_conn_is_due(const struct rp_conn *c)
{
    double at = deadline(c);

    return at != 0 && at <= c->server->service->now + 0.001;
}
