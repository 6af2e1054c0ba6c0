/* recycle.h -- when a worker should be replaced: too many requests, too old,
 * too much memory. */
#ifndef RUPY_SERVE_RECYCLE_H
#define RUPY_SERVE_RECYCLE_H

#include "rupy/master/worker.h"
#include "rupy/serve/config.h"

struct rp_recycle {
    uint64_t max_requests; /* UINT64_MAX: no limit */
    uint64_t max_rss;      /* 0: no limit */
    double end;            /* of its life, as rp_clock_mono(); 0: none */
    double next_look;      /* at the memory */
    double started;
    bool asked;
};

/* The worker begins.  Each draws its own limits within the jitter. */
void rp_recycle_init(struct rp_recycle *r, const struct rp_config *c);
/* Of its age and memory; cheap, to be called about every second.  Asks once,
 * and says why in the log. */
void rp_recycle_look(struct rp_recycle *r, struct rp_worker *w);
/* The same for its requests, each turn of the loop. */
void rp_recycle_count(struct rp_recycle *r, struct rp_worker *w);
/* A handler in a thread took too long and goes on.  Return whether that is
 * news. */
bool rp_recycle_stuck(struct rp_recycle *r, struct rp_worker *w);

#endif
