/* sink.h -- where a session's bytes go, and what it asks of its connection.
 *
 * The network implements it; sessions and exchanges only append.  Nothing is
 * written before the network's turn: what was answered in one turn of the
 * loop leaves in one writev(2). */
#ifndef RUPY_APP_SINK_H
#define RUPY_APP_SINK_H

#include <sys/types.h>

#include "rupy/base/buf.h"

struct rp_sink;

/* What the session waits for; each has a deadline of its own. */
enum rp_wait {
    RP_WAIT_FIRST,   /* the first byte of a new connection */
    RP_WAIT_HEAD,    /* the rest of a head */
    RP_WAIT_CONTENT, /* more content */
    RP_WAIT_IDLE,    /* the next request of a persistent connection */
    RP_WAIT_HANDLER, /* nothing from the client: a handler is at work */
};

/* A stretch of bytes that is sent from where it lies: memory, or a file. */
struct rp_ref {
    size_t at;     /* its place: behind so many bytes of out */
    const char *p; /* NULL: n bytes of fd from off */
    int fd;
    off_t off;
    size_t n;
    void (*release)(void *arg); /* called once, when sent or given up */
    void *arg;
};

enum {
    RP_SINK_HIGH = 256 * 1024,   /* a writer should wait from here ... */
    RP_SINK_LOW = 64 * 1024,     /* ... until drained() says it may go on */
    RP_SINK_REF_MIN = 16 * 1024, /* smaller than this is cheaper to copy */
};

/* What was agreed on with a client that speaks TLS. */
struct rp_tls_facts {
    int version;               /* 0x0304 */
    int cipher;                /* its two bytes (RFC 8446 B.4) */
    const char *server_cert;   /* PEM; NULL */
    const char **client_chain; /* PEM each, the client's own first */
    unsigned nclient_chain;
    const char *client_name;  /* RFC 4514; NULL: it has shown none */
    const char *client_error; /* why it is not believed; NULL */
};

struct rp_sink_ops {
    /* Something was appended: see that it is sent.  Cheap, may be called any
     * number of times. */
    void (*wake)(struct rp_sink *s);
    /* Send now what can be sent without waiting; session->ops->drained() and
     * gone() may come before it returns.  NULL: cannot. */
    void (*flush)(struct rp_sink *s);
    /* The session waits for something else now. */
    void (*wait)(struct rp_sink *s, enum rp_wait what);
    /* The session takes input again, or there may be some left that it did
     * not use: call feed() when the loop comes round. */
    void (*resume)(struct rp_sink *s);
    /* Close when what was appended is sent.  The session gets no more input.
     * linger: the client may still be sending, so half-close and drain first,
     * lest a reset take the answer from it (RFC 9112 9.6). */
    void (*close)(struct rp_sink *s, bool linger);
    /* Close at once, without sending the rest. */
    void (*abort)(struct rp_sink *s);
    /* Lent while the connection lives; NULL: it is plain, or no memory. */
    const struct rp_tls_facts *(*tls)(struct rp_sink *s);
};

struct rp_sink {
    const struct rp_sink_ops *ops;
    struct rp_buf out;   /* append here, then wake() */
    struct rp_ref *refs; /* in order of `at` */
    unsigned nrefs, refs_cap;
    size_t refs_n; /* bytes in refs */
    bool over;     /* was over RP_SINK_HIGH: drained() is owed */
};

/* Bytes that wait to be sent. */
static inline size_t
rp_sink_queued(const struct rp_sink *s)
{
    return s->out.n + s->refs_n;
}

/* Send n bytes from p, which stay until release(arg).  Return 0, or -1 (no
 * memory), and then release was not and will not be called. */
int rp_sink_add_ref(struct rp_sink *s, const char *p, size_t n,
                    void (*release)(void *), void *arg);
/* The same with n bytes of the open file fd from off. */
int rp_sink_add_file(struct rp_sink *s, int fd, off_t off, size_t n,
                     void (*release)(void *), void *arg);
/* What is to be sent next lies in a file: where; NULL: in memory. */
const struct rp_ref *rp_sink_peek_file(const struct rp_sink *s);
/* Is there any stretch of a file to be sent? */
bool rp_sink_has_file(const struct rp_sink *s);
/* The first n queued bytes are gone: release what they covered. */
void rp_sink_sent(struct rp_sink *s, size_t n);
/* Up to max stretches of memory to send next.  Return how many, 0 when a file
 * comes first; the pointers are good until the next change. */
unsigned rp_sink_peek(const struct rp_sink *s, struct rp_str *v, unsigned max);
/* Give up everything that is queued. */
void rp_sink_fini(struct rp_sink *s);

#endif
