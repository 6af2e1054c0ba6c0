/* process.h -- what the kernel grants a process: open files, CPU, the order of
 * dying for want of memory, the permissions of its files. */
#ifndef RUPY_SERVE_PROCESS_H
#define RUPY_SERVE_PROCESS_H

#include "rupy/serve/config.h"

enum { RP_OOM_UNCHANGED = -1001 };

/* In the master, for all: --rlimit-nofile, by default up to the hard limit.
 * 0, or -1 after a line in the log. */
int rp_process_limits(const struct rp_config *c);
/* In a worker, or whom it is forked from, before it gives up being root:
 * --umask, --nice and --oom-score-adj.  0, or -1 after a line in the log. */
int rp_process_settle(const struct rp_config *c);
/* In a worker: --cpu-affinity for who sits on this seat.  0, or -1 after a
 * line in the log. */
int rp_process_pin(const struct rp_config *c, unsigned seat);

#endif
