/* router.h -- method and path to a route and its parameters.
 *
 * Literal paths stand in a hash table; patterns are PCRE2 alternations,
 * JIT-compiled, one for each literal prefix, in which (*MARK) names the one
 * that matched.  A literal path wins over a pattern, and of two patterns the
 * one that was added first with this method.  Matching never runs longer than
 * its match limit, whatever regex a user wrote.
 *
 * A router is used by one thread at a time. */
#ifndef RUPY_ROUTE_ROUTER_H
#define RUPY_ROUTE_ROUTER_H

#include "rupy/base/buf.h"
#include "rupy/http/method.h"
#include "rupy/route/pattern.h"

struct rp_router;

/* A route's "method" that answers handshakes of WebSockets: one that no
 * request can have.  It stands in no Allow, and "*" does not mean it. */
#define RP_ROUTE_WEBSOCKET RP_STR("(websocket)")

struct rp_match {
    void *route;                         /* what was given to rp_router_add() */
    unsigned nparams;                    /* in the order of the pattern */
    struct rp_str params[RP_MAX_PARAMS]; /* slices of the path matched; %2F and
                                          * %25 are still encoded in them */
};

enum rp_route_result {
    RP_ROUTE_FOUND,
    RP_ROUTE_NOT_FOUND,   /* 404 */
    RP_ROUTE_NOT_ALLOWED, /* 405: the path is known, the method is not */
    RP_ROUTE_OPTIONS,     /* OPTIONS that no route of its own answers */
    RP_ROUTE_LIMIT,       /* a match limit was hit: 404, and log it */
};

/* NULL: out of memory. */
struct rp_router *rp_router_new(void);
void rp_router_free(struct rp_router *r);

/* Let `route` answer `method` (a name: methods are open; "*" is every method
 * that no other route on the same path answers) on paths that match
 * pattern.  May be called again after rp_router_compile(); compile again then.
 * Return 0, or -1 with one line in err that names the pattern and, for a
 * duplicate (the same but for names of parameters), the other one; nothing
 * was added then.  pattern and method are copied, route is kept as it is. */
int rp_router_add(struct rp_router *r, struct rp_str pattern,
                  struct rp_str method, void *route, char *err, size_t errn);
/* Make what was added matchable.  Return 0, or -1 with err as above; what was
 * compiled before is still matched then. */
int rp_router_compile(struct rp_router *r, char *err, size_t errn);

/* path is decoded by rp_url_decode_route(), without query.  HEAD is matched
 * by a GET route when it has none of its own.  After RP_ROUTE_NOT_ALLOWED and
 * RP_ROUTE_OPTIONS `allow` (may be NULL) holds the value of Allow: every
 * method of every route that matches the path, in order of registration, HEAD
 * behind GET, OPTIONS always; after other results it holds nothing useful.
 * Paths with dot segments match nothing. */
enum rp_route_result rp_router_match(struct rp_router *r, struct rp_str method,
                                     struct rp_str path, struct rp_match *out,
                                     struct rp_buf *allow);

#endif
