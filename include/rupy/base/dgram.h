/* dgram.h -- where datagrams go: to a daemon's socket or over UDP. */
#ifndef RUPY_BASE_DGRAM_H
#define RUPY_BASE_DGRAM_H

#include <stdbool.h>
#include <sys/socket.h>

#include "rupy/base/str.h"

struct rp_dgram {
    struct sockaddr_storage addr;
    socklen_t addr_n;
    bool is_udp;
};

/* addr: "/PATH", "unix:PATH", "HOST:PORT" or "udp://HOST:PORT".  What is wrong
 * with it, or NULL. */
const char *rp_dgram_check(struct rp_str addr);
/* Names are looked up here and now; of several addresses IPv4 is preferred, as
 * most daemons listen there only.  0, or -1: no such host, or wrong. */
int rp_dgram_resolve(struct rp_dgram *d, struct rp_str addr);
/* A socket to there, which does not block; -1 and errno. */
int rp_dgram_open(const struct rp_dgram *d);

#endif
