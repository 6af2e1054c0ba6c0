/* server.h -- listening sockets and their connections on one ev_loop. */
#ifndef RUPY_NET_SERVER_H
#define RUPY_NET_SERVER_H

#include "rupy/app/service.h"
#include "rupy/net/proxyproto.h"
#include "rupy/net/tls.h"

enum { RP_CONTENT_GRACE = 5, RP_LISTEN_MAX = 32 };

struct ev_loop;
struct rp_server;

/* Seconds; 0 switches a deadline off. */
struct rp_deadlines {
    double first_byte; /* 30, from accept to the first byte */
    double head;       /* 30, from the first byte to the end of the head */
    double content;    /* 30, between two reads of content */
    double keep_alive; /* 75, idle between two requests */
    double send;       /* 60, without any progress */
    double linger;     /* 5, between two reads while draining; 30 in all */
    double handler;    /* 0, until a handler begins to answer */
    double handshake;  /* 10, from accept to the end of the handshake of TLS */
};

#define RP_DEADLINES_DEFAULT                                                   \
    ((struct rp_deadlines){30, 30, 30, 75, 60, 5, 0, 10})

struct rp_server_config {
    struct rp_deadlines deadlines;
    /* Bytes of content a second, 0: any.  A client that sends less, after
     * RP_CONTENT_GRACE seconds, is too slow. */
    uint64_t content_min_rate;
    unsigned max_connections; /* 1000; accepting pauses at this many */
    bool nodelay;             /* TCP_NODELAY, on */
    enum rp_proxyproto_mode proxy_protocol;
    struct rp_trust proxy_from; /* who must send the header, beside unix
                                 * sockets; lent */
    struct rp_tls *tls;         /* of all but unix sockets; lent; NULL: plain */
};

/* The service is lent.  NULL: out of memory. */
struct rp_server *rp_server_new(struct ev_loop *loop, struct rp_service *v,
                                const struct rp_server_config *c);
/* Connections that are left are dropped.  The listening sockets stay open:
 * they are the caller's. */
void rp_server_free(struct rp_server *s);
/* Accept from fd, a listening, non-blocking socket; from RP_LISTEN_MAX at the
 * most.  0, or -1 and errno. */
int rp_server_listen(struct rp_server *s, int fd);
/* Serve a connected, non-blocking socket that did not come from a listening
 * one; takes fd. */
void rp_server_adopt(struct rp_server *s, int fd, const struct rp_peer *peer);
/* Stop accepting, finish what was begun, close idle connections: those that
 * have been idle for a while at once, the others when `idle_grace` seconds
 * have passed.  Connections that come between are taken until the accept
 * queue is empty, if drain_queue.  Again: only the grace may become less. */
void rp_server_retire(struct rp_server *s, double idle_grace, bool drain_queue);
/* Drop all connections: nobody is at their other ends any more. */
void rp_server_drop(struct rp_server *s);
/* In the child of a fork: close the sockets of all connections, and nothing
 * else; the server cannot be used any more. */
void rp_server_forked(struct rp_server *s);
/* Open connections. */
unsigned rp_server_connections(const struct rp_server *s);
/* Once per turn of the loop, after everything that could answer has run:
 * sends what was answered, feeds what was left.  Return 1 when there is more
 * to do at once, so that the loop does not wait. */
int rp_server_turn(void *server);

#endif
