/* upgrade.c -- from a request to a WebSocket. */
#include "rupy/app/upgrade.h"

#include "rupy/app/impl.h"
#include "rupy/base/clock.h"
#include "rupy/base/log.h"

int
rp_exchange_check_websocket(const struct rp_exchange *x,
                            struct rp_ws_handshake *h)
{
    return rp_ws_handshake_check(&x->request, &x->v->wsocks.config.deflate, h);
}

bool
rp_exchange_begin_websocket(struct rp_exchange *x, struct rp_ws_handshake *h)
{
    struct rp_field fields[2];
    int bad = rp_exchange_check_websocket(x, h);

    if (bad) {
        rp_debug("handshake refused: %s", rp_ws_handshake_err_text(bad));
        rp_exchange_answer_plain(x, rp_ws_handshake_err_status(bad), fields,
                                 rp_ws_handshake_err_fields(bad, fields));
        return false;
    }
    if (x->v->retiring)
        rp_exchange_answer_busy(x);
    return !x->v->retiring;
}

void
rp_exchange_await_websocket(struct rp_exchange *x, struct rp_wsock_pending *p)
{
    rp_wsocks_await(&x->v->wsocks, p);
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
    if (v->accounts)
        rp_exchange_account(x, 101, 0);
    x->sink->ops->wake(x->sink);
    x->ops->upgrade(x, rp_wsock_session(*w));
    return 0;
}
