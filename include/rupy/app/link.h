/* link.h -- connections to other servers, as whoever speaks over one sees
 * them.
 *
 * The network implements it: it resolves names, connects, keeps idle
 * connections for the next who asks, and has the deadlines.  A link belongs to
 * its user from open() until close() or until fail() was called. */
#ifndef RUPY_APP_LINK_H
#define RUPY_APP_LINK_H

#include "rupy/base/buf.h"

struct rp_links;
struct rp_link;

#define RP_LINK_ERRS(X)                                                        \
    X(NAME, 502, "its name is not known")                                      \
    X(CONNECT, 502, "no connection")                                           \
    X(CONNECT_SLOW, 504, "no connection in time")                              \
    X(LOST, 502, "the connection was lost")                                    \
    X(SLOW, 504, "it took too long")                                           \
    X(QUEUE_SLOW, 503, "all connections to it are busy")

enum rp_link_err {
#define X(name, status, text) RP_LINK_##name,
    RP_LINK_ERRS(X)
#undef X
};

/* Where to, and what is kept for it.  Times in seconds. */
struct rp_backend {
    char host[256]; /* name, address without brackets, or a path: "/x" */
    char port[6];   /* "" for a unix socket */
    unsigned max;   /* connections at once */
    unsigned queue; /* that may wait for one */
    double connect; /* name and all */
    double wait;    /* for one to become free */
    double idle;    /* that it is kept; 0: it is not */
};

/* What a user is told, from the loop's turn and never from inside a call that
 * it makes itself. */
struct rp_link_user {
    /* It is connected. */
    void (*open)(void *self);
    /* Input, all that was not used so far.  Return how many bytes were used;
     * what is left comes again with more behind it. */
    size_t (*feed)(void *self, const char *p, size_t n);
    /* The other side sends no more. */
    void (*eof)(void *self);
    /* It was full, and has room again. */
    void (*drained)(void *self);
    /* It is gone, and must not be used any more.  code: an errno, or 0. */
    void (*fail)(void *self, enum rp_link_err err, int code);
    /* The worker is to stop: what has no end of its own should end.  NULL:
     * it has one. */
    void (*retire)(void *self);
};

struct rp_link {
    struct rp_links *links;
    const struct rp_link_user *user; /* may be changed by the user */
    void *self;
    struct rp_buf out; /* append here, then flush() */
    bool is_open;
    bool reused; /* it was idle: the other side may just be closing it */
    bool full;   /* set by rp_link_is_full(): drained() is owed */
};

enum { RP_LINK_HIGH = 128 * 1024, RP_LINK_LOW = 32 * 1024 };

struct rp_links_ops {
    /* A link that is open already, or will be: then open() or fail() follow.
     * fresh: not one that was used before.  NULL and errno: ENOMEM, EAGAIN
     * when the queue is full. */
    struct rp_link *(*open)(struct rp_links *all, const struct rp_backend *to,
                            bool fresh, const struct rp_link_user *user,
                            void *self);
    /* Send what was appended. */
    void (*flush)(struct rp_link *l);
    /* fail(SLOW) when so many seconds pass without another call of this, and
     * without progress of sending; 0: as long as it likes. */
    void (*wait)(struct rp_link *l, double seconds);
    /* Take no input, or again. */
    void (*pause)(struct rp_link *l, bool on);
    /* Send no more behind what was appended. */
    void (*shut)(struct rp_link *l);
    /* The user is done with it.  reuse: nothing is on its way, in either
     * direction. */
    void (*close)(struct rp_link *l, bool reuse);
};

struct rp_links {
    const struct rp_links_ops *ops;
};

/* After appending: should the user wait for drained()? */
static inline bool
rp_link_is_full(struct rp_link *l)
{
    if (l->out.n < RP_LINK_HIGH)
        return false;
    l->full = true;
    return true;
}

#endif
