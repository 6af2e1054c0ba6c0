/* wsock.h -- a WebSocket on one connection: a session towards the network,
 * messages towards a handler.
 *
 * It begins where HTTP ended: the handler of a handshake calls rp_wsock_new(),
 * which puts the 101 into the sink, and from then on the connection's bytes
 * are fed to rp_wsock_session().
 *
 * A handler is told of messages as they come and says when it is done with
 * them, rp_wsock_taken(); while too much waits, nothing is read from the
 * client.  It waits itself while rp_wsock_send() says that the client is
 * slow.
 *
 * Deadlines (ping, pong, close, idle, lifetime) need rp_wsocks_tick(). */
#ifndef RUPY_APP_WSOCK_H
#define RUPY_APP_WSOCK_H

#include "rupy/app/session.h"
#include "rupy/base/list.h"
#include "rupy/ws/handshake.h"
#include "rupy/ws/message.h"

struct rp_wsock;

struct rp_wsock_config {
    struct rp_ws_limits limits;
    struct rp_ws_deflate_options deflate;
    uint32_t queue;       /* messages that a handler has not taken; 0: none */
    size_t send_buffer;   /* bytes waiting for a slow client, then 1013 */
    double ping_interval; /* seconds; 0 stands for never, here and below */
    double ping_timeout;
    double close_timeout;
    double handshake_timeout; /* for the handler to accept or refuse */
    double idle_timeout;      /* without a message in either direction */
    double max_lifetime;
};

#define RP_WSOCK_CONFIG_DEFAULT                                                \
    ((struct rp_wsock_config){.limits = RP_WS_LIMITS_DEFAULT,                  \
                              .deflate = RP_WS_DEFLATE_DEFAULT,                \
                              .queue = 32,                                     \
                              .send_buffer = 1024 * 1024,                      \
                              .ping_interval = 20,                             \
                              .ping_timeout = 20,                              \
                              .close_timeout = 10,                             \
                              .handshake_timeout = 10})

/* All WebSockets of one worker. */
struct rp_wsocks {
    struct rp_wsock_config config;
    const double *now; /* lent: monotonic seconds, as rp_service.now */
    struct rp_list all;
    unsigned n;
    struct rp_list pending; /* struct rp_wsock_pending */
    bool on;                /* handshakes are told from other requests */
    bool retiring;
};

/* A handshake that its handler has not answered.  The handler takes it off
 * the list when it does. */
struct rp_wsock_pending {
    struct rp_list link;
    double since;
    /* handshake_timeout passed; it is off the list. */
    void (*expired)(struct rp_wsock_pending *p);
};

/* What a handler is told, from the loop's turn and never from inside a call
 * that it makes itself, but that rp_wsock_taken() may be called from
 * message(), and that rp_wsock_idle() may call close(). */
struct rp_wsock_ops {
    /* A message: text is UTF-8.  data is good until this returns.  It counts
     * as waiting until rp_wsock_taken(w, data.n). */
    void (*message)(void *self, struct rp_wsock *w, bool text,
                    struct rp_str data);
    /* The WebSocket is over; w must not be used any more.  Told exactly once,
     * unless rp_wsock_detach() was called.  code: of the client's close frame
     * (RP_WS_NO_CODE: it had none); or ours, when the client broke the rules
     * or a deadline; or RP_WS_ABNORMAL, when it was lost without one. */
    void (*close)(void *self, struct rp_wsock *w, unsigned code,
                  struct rp_str reason);
    /* After rp_wsock_send() said 1: there is room again.  May be NULL. */
    void (*drained)(void *self, struct rp_wsock *w);
};

void rp_wsocks_init(struct rp_wsocks *all, const struct rp_wsock_config *config,
                    const double *now);
/* See to the deadlines of all.  Whoever owns the worker's loop calls it about
 * once a second: deadlines are late by what lies between two calls.  It may
 * close connections, but frees none. */
void rp_wsocks_tick(struct rp_wsocks *all);

/* The worker is to stop: what is open is closed with 1012, now or as soon as
 * it is accepted. */
void rp_wsocks_retire(struct rp_wsocks *all);
/* From now on p has handshake_timeout. */
void rp_wsocks_await(struct rp_wsocks *all, struct rp_wsock_pending *p);

/* Accept a handshake that rp_ws_handshake_check() found good.  The 101 is in
 * the sink when this returns 0, and *w is the WebSocket, which belongs to the
 * connection: it dies in its session's gone().
 * Return 0, -1 (no memory), or what rp_ws_handshake_write() finds wrong with
 * subprotocol and fields; then nothing was sent. */
int rp_wsock_new(struct rp_wsocks *all, struct rp_sink *sink,
                 const struct rp_wsock_ops *ops, void *self,
                 const struct rp_ws_handshake *h,
                 const struct rp_response_consts *c, struct rp_str subprotocol,
                 const struct rp_field *fields, unsigned nfields,
                 struct rp_wsock **w);
struct rp_session *rp_wsock_session(struct rp_wsock *w);

/* The handler is done with a message of n bytes. */
void rp_wsock_taken(struct rp_wsock *w, size_t n);
/* The handler has taken all messages and waits for the next.  A close frame
 * that came behind them counts from now on: then close() is called from in
 * here. */
void rp_wsock_idle(struct rp_wsock *w);
/* Send a message; text must be UTF-8.  Return 0, or 1 when the client is
 * slow: it was taken, but wait for drained() before the next.  -1 and errno:
 * EPIPE it is closing, ENOBUFS the client is so slow that it was given up
 * (1013), ENOMEM (1011); with each of them the message is lost and close()
 * follows, if it did not already. */
int rp_wsock_send(struct rp_wsock *w, bool text, const void *p, size_t n);
/* Send a ping of n <= RP_WS_CONTROL_MAX bytes.  As rp_wsock_send(), and EINVAL
 * when it is too long. */
int rp_wsock_ping(struct rp_wsock *w, const void *p, size_t n);
/* Begin to close: no message comes or goes any more, close() follows when the
 * client answers or close_timeout passed.  code may be RP_WS_NO_CODE.
 * Return 0, or -1 with errno EPIPE (it is closing already) or EINVAL (a code
 * that may not be sent, a reason that is too long or no UTF-8). */
int rp_wsock_close(struct rp_wsock *w, unsigned code, struct rp_str reason);
/* The handler goes away: it is told nothing any more and must not use w.
 * What is open still is closed with RP_WS_INTERNAL_ERROR. */
void rp_wsock_detach(struct rp_wsock *w);
/* Messages can be sent. */
bool rp_wsock_is_open(const struct rp_wsock *w);
/* Should a writer wait for drained()? */
bool rp_wsock_is_full(const struct rp_wsock *w);

#endif
