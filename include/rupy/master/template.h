/* template.h -- the process that workers are copies of, seen from inside.
 *
 * With rp_master_config.preload the master forks one process that prepares
 * whatever workers have in common, and this process forks the workers.  A
 * reload makes a fresh one beside it, so that nothing is prepared twice in the
 * same process, and the master itself never has anything to undo.
 *
 * Workers are children of the master all the same: they are forked twice, and
 * the master, a "child subreaper" (prctl(2)), is whom the kernel gives an
 * orphan to.  So it is told of each death, and no pid is used again before.
 *
 * Master and template speak over a pair of sockets that keep messages apart.
 * An order to fork has with it the worker's end of its own pair, on which the
 * first thing that a worker says is its pid.  That can be read even when the
 * worker is dead meanwhile; and end of file without it means that there never
 * was one, as the order died with its template, or the fork failed. */
#ifndef RUPY_MASTER_TEMPLATE_H
#define RUPY_MASTER_TEMPLATE_H

#include "rupy/master/master.h"

/* Valid in the process that rp_master_ops.preload runs in. */
struct rp_template {
    uint32_t generation;
    int fd; /* to the master */
    struct rp_board *board;
};

struct rp_template_ops {
    /* Runs in a forked worker; see rp_master_ops.child. */
    int (*child)(void *arg, struct rp_worker *w);
    /* Around fork(2), of which the parent half and the child half are told
     * once, though there are two forks.  May be NULL, as all below. */
    void (*before_fork)(void *arg);
    void (*after_fork_parent)(void *arg);
    void (*after_fork_child)(void *arg);
    /* Return when fd is readable, or earlier; NULL: poll(2). */
    void (*wait)(void *arg, int fd);
    /* What rp_master_say() says; RP_TEMPLATE_REOPEN: open log files anew. */
    void (*hear)(void *arg, char c);
};

enum { RP_TEMPLATE_REOPEN = 'L' };

/* Say that workers can be forked, and fork what the master orders until it
 * lets go, or is dead.  Only from a process without other threads.  Return the
 * exit status. */
int rp_template_serve(struct rp_template *t, const struct rp_template_ops *ops,
                      void *arg);
/* Before the process ends because it cannot prepare: one line that says why,
 * for whoever asked for the reload; it is cut where it is too long. */
void rp_template_fail(struct rp_template *t, const char *why);

#endif
