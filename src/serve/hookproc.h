/* hookproc.h -- one process that calls hooks, and what it is still to hear. */
#ifndef RUPY_SERVE_HOOKPROC_H
#define RUPY_SERVE_HOOKPROC_H

#include "rupy/base/buf.h"
#include "rupy/serve/pychild.h"

/* Seconds for one hook, and for the file to be run. */
#define RP_HOOK_LIMIT 30.0

struct rp_hookproc {
    const struct rp_config *config; /* lent */
    struct rp_pychild child;        /* fd -1: it is not there */
    struct rp_buf queue;            /* messages, each behind its length */
    char doing[32];                 /* the hook that it is in; "": none */
    double due;                     /* when that must be over */
    bool is_loading;                /* the file is being run */
    bool is_new;                    /* nobody waits for it yet */
    bool is_leaving;                /* it goes when nothing is left to do */
    bool is_broken;                 /* the file cannot be run */
    bool has_failed;                /* some hook of it */
};

void rp_hookproc_init(struct rp_hookproc *p, const struct rp_config *c);
/* Forget it; for forked children as well. */
void rp_hookproc_fini(struct rp_hookproc *p);
/* Say this when what was said before is done.  The process is started when
 * it is not there. */
void rp_hookproc_tell(struct rp_hookproc *p, struct rp_str message);
/* Read its answers; end it when it is overdue. */
void rp_hookproc_turn(struct rp_hookproc *p);
/* Its descriptor is another than when this was asked last. */
bool rp_hookproc_is_new(struct rp_hookproc *p);
/* Nothing more is said to it. */
void rp_hookproc_leave(struct rp_hookproc *p);
/* Wait until all is done, for at most so many seconds.  0, or -1 when that is
 * not so or a hook has failed. */
int rp_hookproc_finish(struct rp_hookproc *p, double limit);
/* Let it go, or kill it, and wait until it is gone. */
void rp_hookproc_end(struct rp_hookproc *p);
void rp_hookproc_kill(struct rp_hookproc *p);

#endif
