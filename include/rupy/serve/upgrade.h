/* upgrade.h -- a new master beside the old one, on the same sockets.
 *
 * SIGUSR2 makes the old master fork and execute the program anew, with the
 * words, the environment and the folder that it was started with itself.  The
 * sockets go along: RUPY_SERVE_UPGRADE_FDS names them, a line "FD=ADDRESS"
 * each, RUPY_SERVE_UPGRADE_PPID says whose they are.  From then on both serve,
 * until one of them is told to stop; the one that stays keeps the addresses,
 * and the pid file, which is PATH.2 for the new one while there are two. */
#ifndef RUPY_SERVE_UPGRADE_H
#define RUPY_SERVE_UPGRADE_H

#include <sys/types.h>

#include "rupy/base/buf.h"

struct rp_upgrade {
    /* How this process was started; NULL: not known. */
    char **argv, **environ_;
    const char *folder; /* lent */
    /* What the old master has left us. */
    char *sockets;       /* NULL: there is no old master */
    pid_t old;           /* 0: there is none, or it is gone */
    struct rp_buf gifts; /* for the next master */
};

/* To be called before the title is set, which is written over the words.
 * Takes the two variables out of the environment. */
void rp_upgrade_init(struct rp_upgrade *u, const char *folder);
void rp_upgrade_fini(struct rp_upgrade *u);

/* The old master's socket for this address, now ours; -1: it has none. */
int rp_upgrade_take(struct rp_upgrade *u, const char *address);
/* Close what nobody took. */
void rp_upgrade_close_rest(struct rp_upgrade *u);
/* Does the old master still live?  Once false, false for ever. */
bool rp_upgrade_has_old(struct rp_upgrade *u);

/* In a forked child: give it this socket as well, under this name. */
void rp_upgrade_give(struct rp_upgrade *u, int fd, const char *name);
/* Then become the new master.  Returns an exit status when that cannot be. */
int rp_upgrade_exec(struct rp_upgrade *u);

#endif
