/* pidfile.h -- --pid: the master's process id, in a file that it has locked.
 *
 * The lock tells whether the process still lives: a file that was left by one
 * that died is written anew, whatever number it has. */
#ifndef RUPY_SERVE_PIDFILE_H
#define RUPY_SERVE_PIDFILE_H

#include <limits.h>
#include <stdbool.h>

struct rp_pidfile {
    int fd;              /* -1: there is none */
    char path[PATH_MAX]; /* with ".2" while an old master lives */
};

/* path NULL: none is wanted.  0, or -1 after a line in the log. */
int rp_pidfile_write(struct rp_pidfile *p, const char *path, bool has_old);
/* The old master is gone: the name is ours. */
void rp_pidfile_succeed(struct rp_pidfile *p, const char *path);
void rp_pidfile_forked(struct rp_pidfile *p);
void rp_pidfile_remove(struct rp_pidfile *p);

#endif
