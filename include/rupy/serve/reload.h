/* reload.h -- --reload: a changed file replaces the workers. */
#ifndef RUPY_SERVE_RELOAD_H
#define RUPY_SERVE_RELOAD_H

#include "rupy/master/master.h"
#include "rupy/serve/config.h"

struct rp_reload;

/* *r is NULL when the configuration does not ask for it.  0, or -1 after a
 * line in the log.  c is lent, for as long as r lives. */
int rp_reload_new(struct rp_reload **r, const struct rp_config *c);
void rp_reload_free(struct rp_reload *r);
/* Each turn of the master's loop: look for changes, and when there have been
 * none for --reload-delay, replace the workers.  other is a descriptor that
 * somebody else waits for, or -1.  Return the one that stands for both. */
int rp_reload_turn(struct rp_reload *r, struct rp_master *m, int other);
/* In a forked child. */
void rp_reload_forked(struct rp_reload *r);

#endif
