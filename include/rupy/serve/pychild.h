/* pychild.h -- a process of the master's that runs Python, and has nothing of
 * the service but what is told to it. */
#ifndef RUPY_SERVE_PYCHILD_H
#define RUPY_SERVE_PYCHILD_H

#include <sys/types.h>

#include "rupy/serve/config.h"

struct rp_pychild {
    pid_t pid;
    int pidfd; /* -1: none; signals go to pid */
    int fd;    /* the master's end of a pair of sockets; -1: closed */
};

struct rp_pychild_config {
    const struct rp_config *config; /* with a door */
    int type;                       /* of the sockets: SOCK_STREAM, ... */
    char **environ_; /* what the child begins with; NULL: what we have */
    bool deaf;       /* what is sent to the whole process group does nothing */
    /* In the child, with the GIL held.  The exit status. */
    int (*run)(const struct rp_config *c, int fd);
};

/* Fork, start an interpreter (or go on with the one that is running), run.
 * Its log is stderr.  The child dies with us.  0, or -1 and errno. */
int rp_pychild_start(struct rp_pychild *p, const struct rp_pychild_config *c);
/* SIGKILL, if it is there. */
void rp_pychild_kill(struct rp_pychild *p);
/* Close our end, and wait until it is gone and reaped; at the deadline of
 * rp_clock_mono() it is killed.  Return its waitpid(2) status; 0 when somebody
 * else has reaped it. */
int rp_pychild_end(struct rp_pychild *p, double deadline);
/* Close what we have of it; it notices that by itself.  Also for other forked
 * children. */
void rp_pychild_close(struct rp_pychild *p);

#endif
