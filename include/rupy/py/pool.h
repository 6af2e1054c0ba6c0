/* pool.h -- threads for handlers that block.
 *
 * A fixed number of threads with a Python thread state each, and one queue
 * that has a bound.  All functions are called with the GIL, on the loop's
 * thread. */
#ifndef RUPY_PY_POOL_H
#define RUPY_PY_POOL_H

#include "rupy/aio/loop.h"

struct rp_pool;

struct rp_job {
    /* In a thread of the pool, with the GIL, in the context that it was given,
     * or a copy of the one that driven handlers began with when it was
     * submitted.  Leaves no exception. */
    void (*run)(struct rp_job *job);
    /* Then on the loop's thread.  Called once, also when run() was not: late
     * is true when the job waited longer than the pool allows, or the pool was
     * given up (then in whatever thread, when nobody waits for an answer). */
    void (*done)(struct rp_job *job, bool late);
    struct rp_job *next;
    struct rp_pool *pool;
    PyObject *context; /* taken; NULL: a copy as above is made */
    double queued;     /* monotonic seconds */
    bool late;
};

/* nthreads > 0.
 * max_wait: seconds in the queue, 0: no limit.
 * NULL with an exception. */
struct rp_pool *rp_pool_new(struct rp_loop *loop, unsigned nthreads,
                            double max_wait);
/* After the last request: let the threads end, wait for them at most so many
 * seconds, and free what can be freed.  A job that runs on keeps its thread. */
void rp_pool_free(struct rp_pool *pool, double limit);
/* Give up what has waited longer than the pool allows.  Called once per turn
 * of the loop; pool may be NULL. */
void rp_pool_expire(struct rp_pool *pool);
/* 0, or -1 without an exception: the queue is full, or no memory. */
int rp_pool_submit(struct rp_pool *pool, struct rp_job *job);

#endif
