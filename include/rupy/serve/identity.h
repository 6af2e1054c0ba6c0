/* identity.h -- whom the workers run as: --user, --group, --initgroups,
 * --chroot.
 *
 * Names are looked up once, at the start, while /etc is there and can be read.
 * The master stays who it was: it opens log files again, removes the pid file,
 * binds low ports after an upgrade. */
#ifndef RUPY_SERVE_IDENTITY_H
#define RUPY_SERVE_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

#include "rupy/serve/config.h"

struct rp_identity {
    bool changes_user, changes_group;
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* supplementary; NULL and 0: none */
    int ngroups;
    uid_t socket_uid; /* of --uds-owner; -1: as the workers */
    gid_t socket_gid;
    int root; /* of --chroot, -1: none */
};

/* 0, or -1 with one line in error.  What only root may do is refused here. */
int rp_identity_init(struct rp_identity *id, const struct rp_config *c,
                     char *error, size_t n);
void rp_identity_fini(struct rp_identity *id);
/* Let who the workers will be own this file, or this open one.  0, or -1 and
 * errno; nothing to do when they stay who we are. */
int rp_identity_own(const struct rp_identity *id, const char *path);
/* The same with a listening socket, which --uds-owner may give to others. */
int rp_identity_own_socket(const struct rp_identity *id, const char *path);
int rp_identity_own_fd(const struct rp_identity *id, int fd);
/* In a worker, before any code of Python: become that, for good, and make sure
 * that there is no way back.  0, or -1 after a line in the log: end then. */
int rp_identity_enter(const struct rp_identity *id);

#endif
