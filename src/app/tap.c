/* tap.c -- an exchange inside another: the same request, and an answer that
 * goes to whoever handed the request on. */
#include "rupy/app/impl.h"

struct rp_exchange *
rp_exchange_tap(struct rp_exchange *x, const struct rp_handler *h,
                const struct rp_tap_ops *ops, void *self)
{
    struct rp_exchange *sub = rp_arena_alloc(&x->root->arena, sizeof(*sub));

    if (!sub)
        return NULL;
    memset(sub, 0, sizeof(*sub));
    sub->v = x->v;
    sub->sink = x->sink;
    sub->peer = x->peer;
    sub->via = x->via;
    sub->root = x->root;
    sub->handler = h;
    sub->tap = ops;
    sub->tap_self = self;
    sub->left = -1;
    sub->began = x->began;
    return sub;
}

void
rp_exchange_start_tapped(struct rp_exchange *sub)
{
    sub->handler->ops->start(sub->handler->self, sub);
}

void
rp_exchange_tell_stop(struct rp_exchange *sub)
{
    if (sub->handler->ops->stop)
        sub->handler->ops->stop(sub->handler->self, sub);
}

void
rp_exchange_tell_eof(struct rp_exchange *sub)
{
    if (sub->handler->ops->eof)
        sub->handler->ops->eof(sub->handler->self, sub);
}

void
rp_exchange_tell_content(struct rp_exchange *sub)
{
    if (sub->handler->ops->content)
        sub->handler->ops->content(sub->handler->self, sub);
}

void
rp_exchange_drain(struct rp_exchange *sub)
{
    if (!sub->full)
        return;
    sub->full = false;
    if (sub->handler->ops->drained)
        sub->handler->ops->drained(sub->handler->self, sub);
}

/* ---- Handing on without one ---- */

const struct rp_handler *
rp_exchange_handler(const struct rp_exchange *x)
{
    return x->handler;
}

void
rp_exchange_set_handler(struct rp_exchange *x, const struct rp_handler *h)
{
    x->handler = h;
}

void
rp_exchange_set_front(struct rp_exchange *x, struct rp_exchange_front *f)
{
    x->front = f;
}

struct rp_exchange_front *
rp_exchange_front(const struct rp_exchange *x)
{
    return x->front;
}

void
rp_exchange_answer_routing(struct rp_exchange *x, int status,
                           struct rp_str allow)
{
    struct rp_field f = {RP_STR("Allow"), allow};

    if (status == 503)
        rp_exchange_answer_busy(x);
    else if ((status == 405 || status == 204) && allow.n > 0)
        rp_exchange_answer_plain(x, status, &f, 1);
    else
        rp_exchange_answer_status(x, status);
}
