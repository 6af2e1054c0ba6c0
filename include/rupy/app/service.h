/* service.h -- what all connections of one worker share. */
#ifndef RUPY_APP_SERVICE_H
#define RUPY_APP_SERVICE_H

#include "rupy/app/exchange.h"
#include "rupy/app/session.h"
#include "rupy/app/wsock.h"
#include "rupy/base/counters.h"
#include "rupy/http/forwarded.h"
#include "rupy/http/response.h"

/* Who the client is, as text, filled by the network when it accepts. */
struct rp_peer {
    char host[46]; /* "" for a unix socket */
    uint16_t port;
    uint16_t server_port;
    char server_host[108]; /* of a unix socket: its path, or "" */
    bool is_unix;
    bool is_tls;
};

/* Both ends are the same. */
static inline bool
rp_peer_has_addresses_of(const struct rp_peer *a, const struct rp_peer *b)
{
    return a->port == b->port && a->server_port == b->server_port &&
           a->is_unix == b->is_unix && strcmp(a->host, b->host) == 0 &&
           strcmp(a->server_host, b->server_host) == 0;
}

struct rp_access; /* access.h */
struct rp_access_record;
struct rp_files; /* files.h */
struct rp_links; /* link.h */
struct rp_file_mount;

/* Where request ids come from. */
struct rp_ids {
    uint64_t state[2];
};

struct rp_exchange_pool;

struct rp_service {
    struct rp_limits limits;
    struct rp_forwarded_rules forwarded; /* its nets are the service's */
    const char *const *hosts;            /* lent; see hosts.h */
    size_t nhosts;                       /* 0: any */
    bool refuse_underscores;             /* in names of fields: 400 */
    uint32_t keep_alive_requests;        /* 0: no end */
    bool keep_alive;                     /* false: close after each answer */
    bool retiring; /* the next answer of each connection says close */
    struct rp_router *router; /* NULL: everything goes to `root` */
    struct rp_handler root;   /* without a router */
    /* Folders that are asked before either, those with the longest prefix
     * first; lent. */
    struct rp_file_mount *const *mounts;
    size_t nmounts;
    struct rp_files *files; /* kept open */
    struct rp_links *links; /* to other servers; lent, NULL: none */
    struct rp_response_consts consts;
    struct rp_memos *memos;
    struct rp_wsocks wsocks;  /* all WebSockets */
    struct rp_access *access; /* NULL: no access log */
    double slow; /* requests that take so many seconds are logged */
    /* Told of every request that is over; NULL: nobody is. */
    void (*on_request)(void *arg, const struct rp_access_record *r);
    void *on_request_arg;
    bool accounts;      /* any of these three is set */
    bool timed;         /* note when phases of a request begin */
    bool request_id;    /* every request has one */
    bool trace_context; /* traceparent is read */
    struct rp_ids ids;
    struct rp_counters *counters; /* never NULL */
    struct rp_counters *own_counters;
    struct rp_exchange_pool *pool;
    unsigned nactive;    /* exchanges whose handler is at work */
    uint32_t max_active; /* requests in work, then 503; 0: no limit */
    unsigned nstuck;     /* handlers that could not be stopped when overdue */
    double now;          /* monotonic seconds, once per turn of the loop */
};

/* Set all but router, root and access to their defaults; own counters are
 * used until others are given.  Return 0 or -1. */
int rp_service_init(struct rp_service *v);
/* After the last session. */
void rp_service_fini(struct rp_service *v);

/* HTTP/1.1 on one connection: a session with its sink and its service, all
 * lent.  NULL: out of memory. */
struct rp_session *rp_h1_new(struct rp_service *v, struct rp_sink *sink,
                             const struct rp_peer *peer);

#endif
