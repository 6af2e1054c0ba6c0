/* upgrade.h -- from a request to a WebSocket. */
#ifndef RUPY_APP_UPGRADE_H
#define RUPY_APP_UPGRADE_H

#include "rupy/app/exchange.h"
#include "rupy/app/wsock.h"

/* From now on the handler has handshake_timeout to answer. */
void rp_exchange_await_websocket(struct rp_exchange *x,
                                 struct rp_wsock_pending *p);
/* The request of x is a handshake that can be accepted: 0, and *h says how; or
 * an enum rp_ws_handshake_err. */
int rp_exchange_check_websocket(const struct rp_exchange *x,
                                struct rp_ws_handshake *h);
/* The same, for a handler that begins with x: true, and *h says how; false,
 * and x was answered, because it cannot be accepted, or because the worker is
 * to stop and the client better goes to another. */
bool rp_exchange_begin_websocket(struct rp_exchange *x,
                                 struct rp_ws_handshake *h);
/* Answer it with 101.  On 0 the exchange has ended, and *w is the WebSocket;
 * else the exchange goes on, and what is wrong is told as by
 * rp_wsock_new(). */
int rp_exchange_accept_websocket(struct rp_exchange *x,
                                 const struct rp_ws_handshake *h,
                                 const struct rp_wsock_ops *ops, void *self,
                                 struct rp_str subprotocol,
                                 const struct rp_field *fields,
                                 unsigned nfields, struct rp_wsock **w);

#endif
