/* proxy.h -- requests that other servers answer.
 *
 * A proxy is a handler.  It writes the request anew for a backend, over a
 * connection that the service's links have for it, and hands on what that
 * answers; content streams both ways, and who is slow slows the other down. */
#ifndef RUPY_APP_PROXY_H
#define RUPY_APP_PROXY_H

#include "rupy/app/exchange.h"
#include "rupy/app/link.h"

enum { RP_PROXY_TARGETS = 32 };

struct rp_proxy_target {
    struct rp_backend backend;
    const char *url; /* for the log */
    /* What stands for the prefix in the target; NULL: nothing does, and the
     * target goes on as it was received. */
    const char *path;
};

/* Times in seconds. */
struct rp_proxy_config {
    const char *prefix; /* "/api"; "" for "/" */
    const char *host;   /* the value of Host; NULL: the client's */
    const struct rp_proxy_target *targets;
    unsigned ntargets;
    double answer;    /* from the request's last byte to the answer's head */
    double read;      /* without any progress */
    double tunnel;    /* the same, after an upgrade */
    double fail_time; /* that a target is passed over when it does not take
                       * connections */
};

struct rp_proxy;

/* Everything is copied.  NULL: out of memory. */
struct rp_proxy *rp_proxy_new(const struct rp_proxy_config *c);
/* NULL is fine. */
void rp_proxy_free(struct rp_proxy *p);
/* Lives as long as the proxy.  The first parameter of the match is what stands
 * behind the prefix and its slash. */
const struct rp_handler *rp_proxy_handler(const struct rp_proxy *p);

#endif
