/* links_impl.h -- links from inside, for links.c, link.c and lookup.c. */
#ifndef RUPY_NET_LINKS_IMPL_H
#define RUPY_NET_LINKS_IMPL_H

#include <ev.h>
#include <netdb.h>

#include "rupy/base/list.h"
#include "rupy/net/links.h"

enum { RP_LINK_READ = 64 * 1024 };

enum rp_link_state {
    RP_LINK_QUEUED,     /* for a place */
    RP_LINK_RESOLVING,  /* for the addresses */
    RP_LINK_CONNECTING, /* for the connection */
    RP_LINK_BROKEN,     /* that failed: the user is told soon */
    RP_LINK_OPEN,
    RP_LINK_IDLE, /* it has no user */
    RP_LINK_DEAD, /* freed soon */
};

/* All connections to one backend. */
struct rp_link_pool {
    struct rp_list all; /* of the links */
    struct rp_backend to;
    struct rp_list open;    /* all but those that wait or are dead */
    struct rp_list idle;    /* those used last at the end */
    struct rp_list waiting; /* QUEUED, in order */
    unsigned nopen, nwaiting;
    struct rp_lookup *lookup; /* at work, or NULL */
    struct addrinfo *found;   /* what it found; NULL: nothing yet */
    double found_at;
};

struct rp_link_conn {
    struct rp_link base; /* first */
    struct rp_link_pool *pool;
    enum rp_link_state state;
    struct rp_list all;  /* of pool.open, pool.waiting or links.dead */
    struct rp_list idle; /* of pool.idle */
    ev_io io;
    ev_timer timer; /* lazy: re-arms itself */
    int events;     /* that io watches */
    double since, limit;
    double armed;     /* when the timer fires; 0: it does not */
    unsigned address; /* of those found, that is tried */
    int code;         /* of the last failure */
    bool paused;
    bool eof;
    bool deaf;        /* the other side takes nothing any more */
    bool shut;        /* send no more behind what is in out */
    struct rp_buf in; /* input that the user has not used yet */
};

struct rp_link_set {
    struct rp_links base; /* first */
    struct ev_loop *loop;
    struct rp_list pools;
    struct rp_list dead;
    ev_timer soon; /* frees the dead, serves those who wait */
    bool closing;  /* none is kept any more */
    char buf[RP_LINK_READ];
};

static inline struct rp_link_set *
rp_link_set_of(struct rp_link_conn *l)
{
    return (struct rp_link_set *)l->base.links;
}

/* ---- links.c ---- */

/* Free the dead, serve those who wait, tell those whose connection failed,
 * when no call of a user is on the stack. */
void rp_links_come_soon(struct rp_link_set *all);
/* Off every list and closed; nobody is told.  Freed soon. */
void rp_link_kill(struct rp_link_conn *l);
/* The same, and the user is told. */
void rp_link_fail(struct rp_link_conn *l, enum rp_link_err err, int code);
/* The addresses of the pool are there, or code says why not. */
void rp_link_pool_on_found(struct rp_link_pool *pool, struct addrinfo *found,
                           int code);

/* ---- link.c ---- */

/* Connect to the next address; the deadline runs already. */
void rp_link_connect(struct rp_link_conn *l);
/* Is nothing there to be read, not even the end? */
bool rp_link_is_quiet(const struct rp_link_conn *l);
/* Wait for what there is to wait for. */
void rp_link_update_events(struct rp_link_conn *l);
void rp_link_stop(struct rp_link_conn *l);
/* It has no socket any more: the caller has. */
int rp_link_take_fd(struct rp_link_conn *l);
void rp_link_set_limit(struct rp_link_conn *l, double seconds);
void rp_link_init_watchers(struct rp_link_conn *l);
void rp_link_flush(struct rp_link *base);
void rp_link_wait(struct rp_link *base, double seconds);
void rp_link_pause(struct rp_link *base, bool on);
void rp_link_shut(struct rp_link *base);

/* ---- lookup.c ---- */

/* Look a name up in a thread; done(arg, found, code) is called on the loop,
 * with addresses that are the callee's (freeaddrinfo()), or NULL and an EAI_
 * code.  NULL: no thread, no memory. */
struct rp_lookup *
rp_lookup_new(struct ev_loop *loop, const char *host, const char *port,
              void (*done)(void *arg, struct addrinfo *found, int code),
              void *arg);
/* Do not wait for it.  NULL is fine. */
void rp_lookup_free(struct rp_lookup *k);

#endif
