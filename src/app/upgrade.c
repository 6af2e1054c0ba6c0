/* upgrade.c -- from a request to a WebSocket. */
#include "rupy/app/upgrade.h"

#include "rupy/app/impl.h"

int
rp_exchange_check_websocket(const struct rp_exchange *x,
                            struct rp_ws_handshake *h)
{
    return rp_ws_handshake_check(&x->request, &x->v->wsocks.config.deflate, h);
}

int
rp_exchange_accept_websocket(struct rp_exchange *x,
                             const struct rp_ws_handshake *h,
                             const struct rp_wsock_ops *ops, void *self,
                             struct rp_str subprotocol,
                             const struct rp_field *fields, unsigned nfields,
                             struct rp_wsock **w)
{
    struct rp_service *v = x->v;
    int bad = rp_wsock_new(&v->wsocks, x->sink, ops, self, h, &v->consts,
                           subprotocol, fields, nfields, w);

    if (bad)
        return bad;
    rp_count(v->counters->responses[1], 1);
    if (v->access || v->slow > 0)
        rp_exchange_account(x, 101, 0);
    x->sink->ops->wake(x->sink);
    x->ops->upgrade(x, rp_wsock_session(*w));
    return 0;
}
