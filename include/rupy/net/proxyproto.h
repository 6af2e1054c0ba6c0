/* proxyproto.h -- the header of the PROXY protocol, versions 1 and 2: who the
 * client of a proxy is, in front of everything that the client sends. */
#ifndef RUPY_NET_PROXYPROTO_H
#define RUPY_NET_PROXYPROTO_H

#include "rupy/base/trust.h"

enum rp_proxyproto_mode {
    RP_PROXYPROTO_OFF,
    RP_PROXYPROTO_V1,
    RP_PROXYPROTO_V2,
    RP_PROXYPROTO_AUTO, /* either */
};

enum {
    RP_PROXYPROTO_V1_MAX = 107, /* bytes of a header */
    RP_PROXYPROTO_V2_MAX = 536,
};

#define RP_PROXYPROTO_ERRS(X)                                                  \
    X(NONE, "it does not begin with a PROXY header")                           \
    X(BAD_LINE, "malformed PROXY line")                                        \
    X(BAD_ADDRESS, "a PROXY header with a bad address or port")                \
    X(BAD_VERSION, "a PROXY header of an unknown version or command")          \
    X(BAD_FAMILY, "a PROXY header of an unknown address family")               \
    X(TOO_LONG, "a PROXY header that is too long")

enum rp_proxyproto_err {
    RP_PROXYPROTO_ERR_MIN = -100,
#define X(name, text) RP_PROXYPROTO_##name,
    RP_PROXYPROTO_ERRS(X)
#undef X
};

const char *rp_proxyproto_err_text(int err);

struct rp_proxyproto {
    /* false: the proxy speaks for itself (LOCAL), or does not know, or means
     * something else than TCP: the socket's addresses count. */
    bool has_address;
    struct rp_addr client, server;
    uint16_t client_port, server_port;
};

/* p..p+n are all bytes of the connection so far; any split gives the same
 * result.  Return the length of the header (> 0) with *h filled, 0 when more
 * bytes are wanted, or an enum rp_proxyproto_err, as soon as it is sure. */
int rp_proxyproto_parse(enum rp_proxyproto_mode mode, const char *p, size_t n,
                        struct rp_proxyproto *h);

#endif
