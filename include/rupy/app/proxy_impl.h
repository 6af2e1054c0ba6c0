/* proxy_impl.h -- the proxy from inside: shared by proxy.c, passage.c and
 * tunnel.c. */
#ifndef RUPY_APP_PROXY_IMPL_H
#define RUPY_APP_PROXY_IMPL_H

#include "rupy/app/impl.h"
#include "rupy/app/proxy.h"
#include "rupy/http/content.h"
#include "rupy/http/reply.h"

struct rp_target {
    struct rp_backend backend;
    struct rp_str url;
    struct rp_str path;
    bool has_path;
    double down_until; /* 0: it takes connections, as far as we know */
};

struct rp_proxy {
    struct rp_handler handler;
    struct rp_arena arena; /* of all that is below */
    struct rp_str prefix, host;
    struct rp_target *targets;
    unsigned ntargets, next;
    double answer, read, tunnel, fail_time;
};

enum rp_passage_state {
    RP_PASSAGE_OPENING, /* for a connection */
    RP_PASSAGE_HEAD,    /* for the head of the answer */
    RP_PASSAGE_BODY,    /* for its content */
};

/* One request on its way; in the arena of its exchange. */
struct rp_passage {
    struct rp_proxy *proxy;
    struct rp_exchange *x;
    struct rp_target *target;
    struct rp_link *link; /* NULL: none, or gone */
    enum rp_passage_state state;
    struct rp_reply_parser parser;
    struct rp_content body; /* of the answer */
    unsigned tries;         /* connections that were asked for */
    unsigned interim;       /* 1xx heads so far */
    bool asked;             /* the request was sent whole */
    bool took;              /* some of its content was */
    bool began;             /* a byte of the answer has come */
    bool retried;
    bool upgrade;    /* the client wants a WebSocket */
    bool keep_alive; /* the backend's connection may be used again */
    bool until_eof;  /* the content ends with the connection */
    bool paused;     /* the client is slow */
};

extern const struct rp_handler_ops rp_passage_ops;

/* The next target but that one that is not known to be down; any, when all
 * are. */
struct rp_target *rp_proxy_choose(struct rp_proxy *p, double now,
                                  const struct rp_target *but);
/* The head of the request, behind what is in out.  0 or the status that
 * answers instead. */
int rp_proxy_write_head(struct rp_passage *w, struct rp_buf *out);

/* The answer is 101, with these fields: the exchange ends, and bytes go
 * through.  p..p+n came behind its head.  0, or -1 (no memory), and then
 * nothing was done. */
int rp_tunnel_start(struct rp_passage *w, const struct rp_field *fields,
                    unsigned nfields, const char *p, size_t n);

#endif
