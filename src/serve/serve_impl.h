/* serve_impl.h -- a service, as the files that make it and change it see it. */
#ifndef RUPY_SRC_SERVE_SERVE_IMPL_H
#define RUPY_SRC_SERVE_SERVE_IMPL_H

#include "rupy/serve/admin.h"
#include "rupy/serve/daemon.h"
#include "rupy/serve/hooks.h"
#include "rupy/serve/identity.h"
#include "rupy/serve/notify.h"
#include "rupy/serve/pidfile.h"
#include "rupy/serve/reload.h"
#include "rupy/serve/sockets.h"
#include "rupy/serve/statsd.h"
#include "rupy/serve/upgrade.h"

struct service {
    const struct rp_config *config; /* what new workers get */
    struct rp_config *renewed;      /* the same, when it is ours; NULL */
    const struct rp_door *door;
    struct rp_sockets sockets;
    struct rp_pidfile pidfile;
    struct rp_upgrade upgrade;
    struct rp_identity identity;
    struct rp_notify notify;
    struct rp_daemon daemon;
    struct rp_reload *reload; /* NULL: none */
    struct rp_hooks *hooks;   /* NULL: none */
    struct rp_admin *admin;   /* NULL: none */
    struct rp_statsd *statsd; /* NULL: none */
    struct rp_admin_sockets asked;
    bool is_second;   /* an old master is there, or its end was not noticed */
    bool handed_over; /* another master goes on with the sockets */
    bool holds;       /* signals, by rp_master_hold_signals() */
    sigset_t mask;    /* before that */
};

/* -- anew.c: what HUP and USR1 change, and what begins the same way --------- */

/* What the master is told of a configuration. */
void rp_serve_fill_master(struct rp_master_config *m,
                          const struct rp_config *c);
/* The access log that workers to come write to.  0, or -1 after a line in the
 * log. */
int rp_serve_open_access(struct service *s, const struct rp_config *c);
/* Log files belong to who opens them again: the workers. */
void rp_serve_own_logs(const struct service *s);
/* Both as rp_master_ops has them; arg is the service. */
int rp_serve_reload(void *arg, struct rp_master_config *m);
void rp_serve_reopen_logs(void *arg);

#endif
