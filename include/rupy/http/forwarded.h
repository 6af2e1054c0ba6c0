/* forwarded.h -- what proxies say about the client: X-Forwarded-* and
 * Forwarded (RFC 7239), and whom to believe.
 *
 * Every proxy adds behind what it was sent, so lists are read from their end:
 * the last member was written by the peer, the one before it by the address
 * that this names, and so on.  The first address that is not trusted is the
 * client, and what stands in front of it is its own invention. */
#ifndef RUPY_HTTP_FORWARDED_H
#define RUPY_HTTP_FORWARDED_H

#include "rupy/base/trust.h"
#include "rupy/http/headers.h"

/* What is believed; 0: the fields are left alone. */
enum {
    RP_FORWARDED_FOR = 1,
    RP_FORWARDED_PROTO = 2,
    RP_FORWARDED_HOST = 4,
    RP_FORWARDED_PORT = 8,
    RP_FORWARDED_PREFIX = 16,
    RP_FORWARDED_RFC7239 = 32, /* of Forwarded, not of X-Forwarded-* */
};

enum { RP_FORWARDED_MAX = 64 }; /* proxies in a row */

struct rp_forwarded_rules {
    unsigned what;
    unsigned hops; /* so many proxies in front; 0: as many as are trusted */
    bool strip;    /* take the fields out of requests of untrusted peers */
    struct rp_trust trust;
};

/* One word of --forwarded: off, x-forwarded, rfc7239, for, proto, host, port
 * or prefix.  Return 0, or -1 with the reason, a constant, in *why. */
int rp_forwarded_add(unsigned *what, struct rp_str word, const char **why);
/* All words were added: do they go together?  0, or -1 with *why. */
int rp_forwarded_finish(unsigned *what, const char **why);

/* What was found.  Slices point into the fields. */
struct rp_forwarded {
    bool has_client;
    struct rp_addr client; /* is_unix: it has no address */
    uint16_t client_port;  /* 0: not known */
    bool has_scheme, is_https;
    struct rp_str host;   /* valid, perhaps with a port; empty: not said */
    uint16_t port;        /* 0: not said */
    struct rp_str prefix; /* "/a/b"; empty: not said */
};

/* Look through the fields of a request that came from a trusted peer. */
void rp_forwarded_read(const struct rp_forwarded_rules *rules,
                       const struct rp_field *v, unsigned n,
                       struct rp_forwarded *f);

/* Forwarded, X-Forwarded-* and X-Real-IP, also with '_' for '-': a CGI-like
 * interface cannot tell these apart. */
bool rp_forwarded_is_field(struct rp_str name);
/* The same, and it has a '_': no proxy writes that. */
bool rp_forwarded_is_disguised(struct rp_str name);

#endif
