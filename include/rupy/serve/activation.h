/* activation.h -- sockets that systemd has opened for us, sd_listen_fds(3). */
#ifndef RUPY_SERVE_ACTIVATION_H
#define RUPY_SERVE_ACTIVATION_H

#include <stddef.h>

enum { RP_ACTIVATION_FIRST = 3, RP_ACTIVATION_MAX = 256 };

struct rp_activation {
    int n;       /* descriptors from RP_ACTIVATION_FIRST on */
    char *names; /* of LISTEN_FDNAMES, one behind the other; NULL: none */
    size_t names_n;
    unsigned char taken[RP_ACTIVATION_MAX];
};

/* Read LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES, and take them out of the
 * environment.  The descriptors are close-on-exec from now on. */
void rp_activation_init(struct rp_activation *a);
void rp_activation_fini(struct rp_activation *a);
/* The next descriptor that has this name, NULL: any, and that nobody has taken
 * yet; -1: there is none. */
int rp_activation_take(struct rp_activation *a, const char *name);
/* Close what nobody took; return how many that were. */
int rp_activation_close_rest(struct rp_activation *a);

#endif
