/* worker.h -- one worker: listening sockets, a server, an application. */
#ifndef RUPY_SERVE_WORKER_H
#define RUPY_SERVE_WORKER_H

#include "rupy/serve/serve.h"

struct rp_listeners {
    int *fds;
    size_t n;
    int access_fd;      /* of the access log, -1: none */
    int stacks;         /* where stacks go when it hangs; -1: to stderr */
    struct rp_tls *tls; /* for those of TCP; NULL: plain */
};

/* Load the application and serve it; return the exit status.  w says how to
 * speak to the master, if there is one. */
int rp_worker_run(const struct rp_config *c, const struct rp_door *door,
                  const struct rp_listeners *l, struct rp_worker *w);
#endif
