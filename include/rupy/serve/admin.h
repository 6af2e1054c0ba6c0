/* admin.h -- what the master answers itself: metrics, probes, status, and
 * orders over the control socket.
 *
 *   GET  /metrics /-/live /-/ready /-/status      everywhere
 *   GET  /                                        the names of all of these
 *   POST /reload[?wait] /upgrade /reopen /stop    control socket only
 *   POST /recycle[?pid=N] /stacks[?pid=N]
 *   POST /add?n=N /remove?n=N /log-level?level=L
 *
 * It is HTTP over the same stack that workers use, on a loop of its own that
 * the master's poll(2) watches: so it answers when every worker is busy. */
#ifndef RUPY_SERVE_ADMIN_H
#define RUPY_SERVE_ADMIN_H

#include "rupy/master/master.h"
#include "rupy/serve/config.h"
#include "rupy/serve/upgrade.h"

struct rp_admin;

/* What the listening sockets of the service are asked for. */
struct rp_admin_sockets {
    const int *fds;
    size_t n;
};

/* Open what the configuration says, or take it from the old master.  *admin is
 * NULL when that is nothing.  0, or -1 after a line in the log.  c and sockets
 * are lent. */
int rp_admin_new(struct rp_admin **admin, const struct rp_config *c,
                 const struct rp_admin_sockets *sockets, struct rp_upgrade *u);
/* Answer there from now on: as soon as there is no other master that does.
 * 0, or -1 after a line in the log. */
int rp_admin_start(struct rp_admin *a);
/* What is open, for the next master, with names.  Return how many. */
size_t rp_admin_sockets(const struct rp_admin *a, int fds[2],
                        const char *names[2]);
/* With remove the control socket's file goes as well. */
void rp_admin_free(struct rp_admin *a, bool remove);
/* Another configuration: the old one may go. */
void rp_admin_set_config(struct rp_admin *a, const struct rp_config *c);
/* Answer what has come.  Return the descriptor to wait for. */
int rp_admin_turn(struct rp_admin *a, struct rp_master *m);
/* In a forked child: close what is the master's. */
void rp_admin_forked(struct rp_admin *a);

/* Where the control socket is by default for a service of this name: below
 * $XDG_RUNTIME_DIR, else, for root, /run/rupy-serve.  0; -1: nowhere. */
int rp_admin_default_path(const char *name, char *out, size_t n);

#endif
