/* notify.h -- what the service manager is told: sd_notify(3), without its
 * library.
 *
 * Ready, reloading, stopping, a line of status, who the main process is, and
 * that the watchdog may stay calm.  Without NOTIFY_SOCKET all of it does
 * nothing. */
#ifndef RUPY_SERVE_NOTIFY_H
#define RUPY_SERVE_NOTIFY_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "rupy/master/master.h"

struct rp_notify {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un to;
    socklen_t to_n;
    double watchdog;  /* seconds; 0: none */
    double silence;   /* a loop that is silent for so long is not healthy */
    double calmed_at; /* when it was last told that all is well */
    double extended_at;
    bool is_ready, reloading, stopping;
    pid_t other; /* the master beside this one, when last looked at */
    char status[128];
};

/* Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and take them out of the
 * environment: what the application starts must not speak for the service.
 * taken_over: this process is a new master beside an old one, so that the
 * watchdog was meant for it though it names another process. */
void rp_notify_init(struct rp_notify *n, bool taken_over);
void rp_notify_fini(struct rp_notify *n);
/* In a worker: it has nothing to say. */
void rp_notify_forked(struct rp_notify *n);
/* Of the configuration: after how many seconds a loop is taken for hung, 0:
 * never. */
void rp_notify_set_timeout(struct rp_notify *n, double timeout);

/* The service answers. */
void rp_notify_ready(struct rp_notify *n);
/* A reload begins; rp_notify_turn() tells its end. */
void rp_notify_reloading(struct rp_notify *n);
/* It stops, within so many seconds; other: a master that goes on instead, or
 * 0. */
void rp_notify_stopping(struct rp_notify *n, double seconds, pid_t other);
/* Each turn of the master's loop, at least once a second. */
void rp_notify_turn(struct rp_notify *n, const struct rp_master *m);

#endif
