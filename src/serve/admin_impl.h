/* admin_impl.h -- what admin.c (sockets, loop) and pages.c (answers) share. */
#ifndef RUPY_SRC_SERVE_ADMIN_IMPL_H
#define RUPY_SRC_SERVE_ADMIN_IMPL_H

#include "rupy/base/list.h"
#include "rupy/net/server.h"
#include "rupy/serve/admin.h"

enum {
    RP_ADMIN_LISTEN = 2, /* metrics, control */
};

struct rp_admin {
    const struct rp_config *config;
    const struct rp_admin_sockets *sockets;
    struct rp_master *master; /* while a turn runs */
    struct ev_loop *ev;
    bool happened; /* something, in this turn of ev */
    int epoll;     /* of ev; -1: not known */
    struct rp_service service;
    bool has_service;
    struct rp_server *server;
    int fds[RP_ADMIN_LISTEN];
    char path[256];         /* of the control socket; "": none */
    struct rp_list waiters; /* for the end of a reload */
};

/* Answers every request; self is the admin. */
extern const struct rp_handler_ops rp_pages_ops;
/* Answer those who wait for a reload that has ended. */
void rp_pages_tell_waiters(struct rp_admin *a);

#endif
