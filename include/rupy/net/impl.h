/* impl.h -- server and connection from inside, for conn.c and server.c. */
#ifndef RUPY_NET_IMPL_H
#define RUPY_NET_IMPL_H

#include <ev.h>

#include "rupy/base/list.h"
#include "rupy/net/server.h"

enum {
    RP_READ_SIZE = 64 * 1024,   /* of one connection in one turn */
    RP_FLUSH_GROUP = 8,         /* answered connections, then they are sent */
    RP_RECORD_SIZE = 16 * 1024, /* of TLS (RFC 8446 5.1) */
    RP_FLUSH_PIECES = 64,
};

enum rp_conn_state {
    RP_CONN_OPEN,
    RP_CONN_CLOSING, /* what is queued is sent, then it closes */
    RP_CONN_LINGER,  /* half-closed; input is read and dropped */
    RP_CONN_DEAD,    /* freed when the loop comes round */
};

/* The part of a connection that speaks TLS; tls.c. */
struct rp_tls_conn {
    struct ssl_st *ssl; /* NULL until the first byte has come */
    bool preface;       /* a PROXY header is due before it */
    bool done;          /* with the handshake */
    bool more;          /* decrypted already, but not read: no event tells */
    bool wants_write;   /* to go on reading */
    bool kernel;        /* it encrypts: write as if this were plain */
    bool over;          /* nothing is said any more */
    struct rp_tls_facts *facts; /* NULL until somebody asks */
};

struct rp_conn {
    struct rp_sink sink; /* first */
    struct rp_session *session;
    struct rp_server *server;
    struct rp_list all;      /* of the server: every connection */
    struct rp_list dirty;    /* has output to send */
    struct rp_list again;    /* feed() is owed */
    struct rp_tls_conn *tls; /* NULL: plain */
    ev_io io;
    ev_timer timer; /* lazy: re-arms itself */
    int events;     /* that io watches, 0: stopped */
    enum rp_conn_state state;
    enum rp_wait wait;
    bool linger; /* half-close and drain when the output is sent */
    bool stuck;  /* the socket takes no more: wait for EV_WRITE */
    bool eof;    /* the client has half-closed */
    bool told_eof;
    bool feeding;     /* feed() is on the stack */
    double since;     /* it waits */
    double asked;     /* for content: since then it waits for that */
    uint64_t content; /* bytes that came since then */
    double progress;  /* of sending, while stuck; start of lingering */
    double armed;     /* when the timer fires */
    struct rp_buf in; /* input that the session has not used yet */
    struct rp_peer peer;
};

struct rp_server {
    struct ev_loop *loop;
    struct rp_service *service;
    struct rp_server_config config;
    struct rp_list conns, dirty, again, dead;
    unsigned nconns, ndirty;
    ev_io accept[RP_LISTEN_MAX];
    unsigned naccept;
    bool accepting, paused, retiring;
    double idle_deadline;    /* when retiring: idle connections close */
    ev_timer retry;          /* of accepting, after EMFILE */
    ev_timer idle;           /* when retiring */
    ev_check check;          /* keeps service->now */
    char *read_buf;          /* RP_READ_SIZE, shared by all connections */
    char *record;            /* RP_RECORD_SIZE, to gather output; NULL */
    struct rp_buf spare[64]; /* output buffers between two answers */
    unsigned nspare;
    bool told_kernel;    /* the log says whether it encrypts */
    unsigned refused;    /* without a PROXY header, and not told of */
    double refused_told; /* when; 0: never */
};

/* ---- tls.c ---- */

/* NULL: no memory. */
struct rp_tls_conn *rp_tls_conn_new(void);
void rp_tls_conn_free(struct rp_tls_conn *t);
/* As read(2), after the handshake.  What is not for HTTP at all is answered,
 * and the connection then closes. */
ssize_t rp_tls_read(struct rp_conn *c, char *p, size_t n);
/* Write what comes first in the queue.  As write(2); 0: a file is shorter
 * than it was.  Not when the kernel encrypts. */
ssize_t rp_tls_write(struct rp_conn *c);
/* All was sent: say that nothing more will come. */
void rp_tls_close(struct rp_conn *c);
/* In the middle of a handshake, or with input that was not read. */
bool rp_tls_is_busy(const struct rp_tls_conn *t);
/* ---- tlskernel.c ---- */

/* The handshake is over: does the kernel encrypt what is written to the socket
 * from now on (Linux, "kernel TLS")?  Told in the log once. */
bool rp_tls_find_kernel(struct rp_server *s, struct ssl_st *ssl);

/* ---- tlsfacts.c: NULL: no memory ---- */
struct rp_tls_facts *rp_tls_facts_new(struct ssl_st *ssl);
void rp_tls_facts_free(struct rp_tls_facts *f);
/* ---- tlsctx.c: for a new connection; NULL: no memory ---- */
struct ssl_st *rp_tls_accept(struct rp_tls *t, int fd);

/* ---- deadline.c ---- */

/* Make the timer fire at the deadline or earlier. */
void rp_conn_arm(struct rp_conn *c);
/* The deadline has passed. */
bool rp_conn_is_due(const struct rp_conn *c);
/* In the middle of a handshake of TLS. */
bool rp_conn_is_shaking(const struct rp_conn *c);

/* ---- conn.c ---- */

/* Take a connected socket; closes it on failure. */
void rp_conn_open(struct rp_server *s, int fd, const struct rp_peer *peer);
/* Send what is queued. */
void rp_conn_flush(struct rp_conn *c);
/* Watch what can be used: input while there is room for it, room to write
 * while the socket has none. */
void rp_conn_update_events(struct rp_conn *c);
/* Feed what is left from before. */
void rp_conn_again(struct rp_conn *c);
/* Close without ceremony, and free when the loop comes round. */
void rp_conn_drop(struct rp_conn *c);
void rp_conn_free(struct rp_conn *c);
/* Idle between two requests, and since when. */
bool rp_conn_is_idle(const struct rp_conn *c);
/* Has the client sent what nobody looked at yet? */
bool rp_conn_has_input(const struct rp_conn *c);
/* Must connections of that peer begin with a PROXY header?  Then the session
 * that reads it; NULL: out of memory. */
bool rp_preface_is_due(const struct rp_server_config *config,
                       const struct rp_peer *peer);
struct rp_session *rp_preface_new(struct rp_conn *c);
/* A connection was closed: accepting may go on. */
void rp_server_on_closed(struct rp_server *s);
/* Send what was answered. */
void rp_server_flush(struct rp_server *s);

#endif
