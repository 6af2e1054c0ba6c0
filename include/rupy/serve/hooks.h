/* hooks.h -- the hooks of the master, in a process of their own.
 *
 * The master runs no Python and waits for nobody who does.  It says what has
 * happened to a process that has run the configuration file, one thing at a
 * time, and hears when the hook was called.  A hook that does not come back
 * is ended with its process, and the next one gets another process. */
#ifndef RUPY_SERVE_HOOKS_H
#define RUPY_SERVE_HOOKS_H

#include "rupy/master/master.h"
#include "rupy/serve/config.h"

struct rp_hooks;

/* *h is NULL when the configuration is no file in Python.  Its process is
 * started and on_starting called.  0, or -1 after a line in the log: that hook
 * has failed, or there is no process.  c is lent until the next reload. */
int rp_hooks_new(struct rp_hooks **h, const struct rp_config *c);
/* Call on_exit, and wait for it and what is not done yet, but not for long. */
void rp_hooks_free(struct rp_hooks *h);

/* h may be NULL from here on, and nothing waits. */
void rp_hooks_ready(struct rp_hooks *h);
/* Another configuration: the file is run by a new process. */
void rp_hooks_reload(struct rp_hooks *h, const struct rp_config *c);
/* Return what rp_listeners.stacks of that worker is to be; it stays ours. */
int rp_hooks_start(struct rp_hooks *h, uint32_t slot, uint32_t seat,
                   uint32_t generation);
void rp_hooks_death(struct rp_hooks *h, const struct rp_master_death *d);
/* Each turn of the master's loop.  other is a descriptor that somebody else
 * waits for, or -1.  Return the one that stands for both. */
int rp_hooks_turn(struct rp_hooks *h, int other);
/* In a forked child: what is the master's is closed, but not this descriptor
 * of rp_hooks_start(), or -1. */
void rp_hooks_forked(struct rp_hooks *h, int given);

#endif
