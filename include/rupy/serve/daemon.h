/* daemon.h -- --daemon: in the background, while whoever started it waits for
 * the outcome. */
#ifndef RUPY_SERVE_DAEMON_H
#define RUPY_SERVE_DAEMON_H

#include "rupy/serve/config.h"

struct rp_daemon {
    int fd; /* to who waits; -1: nobody */
};

/* Fork twice.  Return -1 in the daemon; in the parent, when the service is
 * ready or has failed, its exit status. */
int rp_daemon_start(struct rp_daemon *d);
/* From now on stdin is empty, and stdout and stderr go to the log file, or
 * nowhere without one. */
void rp_daemon_detach(const struct rp_config *c);
/* The outcome, once: 0 when the service is ready, else its exit status. */
void rp_daemon_tell(struct rp_daemon *d, int status);
/* In a worker. */
void rp_daemon_forked(struct rp_daemon *d);

#endif
