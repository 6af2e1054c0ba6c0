/* trust.h -- addresses, and a list of those that are trusted. */
#ifndef RUPY_BASE_TRUST_H
#define RUPY_BASE_TRUST_H

#include "rupy/base/str.h"

enum { RP_ADDR_TEXT = 46 }; /* bytes of an address as text, with the NUL */

/* Without a port.  ::ffff:192.0.2.1 is 192.0.2.1, which it stands for. */
struct rp_addr {
    unsigned char bytes[16]; /* IPv4: mapped, in the last four */
    bool is_v4;
    bool is_unix; /* no address at all: a unix socket */
};

/* 192.0.2.1 or 2001:db8::1, without brackets, port, zone.  0 or -1. */
int rp_addr_parse(struct rp_addr *a, struct rp_str text);
/* In its shortest form; "" for a unix socket. */
void rp_addr_format(const struct rp_addr *a, char out[RP_ADDR_TEXT]);

struct rp_net {
    struct rp_addr addr;
    unsigned bits; /* of the 128 that must be equal */
};

struct rp_trust {
    struct rp_net *nets;
    unsigned n, cap;
    bool all, unix_sockets;
};

/* One entry more: an address, a network (192.0.2.0/24), "unix:", "*" for
 * everybody, or "none" for nothing at all.
 * Return 0, or -1 with the reason, a constant, in *why. */
int rp_trust_add(struct rp_trust *t, struct rp_str text, const char **why);
bool rp_trust_has(const struct rp_trust *t, const struct rp_addr *a);
/* All zeros is an empty list, and what this leaves. */
void rp_trust_fini(struct rp_trust *t);

#endif
