/* tlsctx.h -- what tlscert.c (one certificate) and tlsctx.c (all of them)
 * share. */
#ifndef RUPY_SRC_NET_TLSCTX_H
#define RUPY_SRC_NET_TLSCTX_H

#include <openssl/ssl.h>

#include "rupy/net/impl.h"

enum {
    NAMES_MAX = 100000, /* certificates in the folder */
    NAME_MAX_N = 255,   /* bytes of a name (RFC 1035 2.3.4) */
    PASSWORD_MAX = 1024,
    TICKET_KEYS = 80, /* bytes that OpenSSL wants */
    PATH_N = 4096,
};

/* A certificate for those who ask for a name. */
struct rp_tls_named {
    char *name; /* in lower case; "*.x" is all below x */
    SSL_CTX *ctx;
};

struct rp_tls_set {
    SSL_CTX *first; /* who asks for no name, or for an unknown one */
    struct rp_tls_named *names;
    size_t n, cap;
};

struct rp_tls {
    struct rp_tls_options o; /* strings are ours */
    unsigned char keys[TICKET_KEYS];
    struct rp_tls_set set;
    uint64_t mark;        /* of the files, when they were read */
    uint64_t authorities; /* the same, of those of clients */
};

struct rp_tls_where {
    char *error;
    size_t n;
};

/* One line of what is wrong, where the caller wants it.  Returns -1. */
int rp_tls_fail(const struct rp_tls_where *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* What OpenSSL says of its last error. */
const char *rp_tls_reason(void);
/* A context with this certificate and key, and all else that t's options
 * say; NULL after rp_tls_fail(). */
SSL_CTX *rp_tls_make_ctx(struct rp_tls *t, const char *cert, const char *key,
                         const struct rp_tls_where *w);
/* Refuse clients that the lists in the file name.  0, or -1 after
 * rp_tls_fail(). */
int rp_tls_load_crl(SSL_CTX *ctx, const char *path,
                    const struct rp_tls_where *w);
/* Sessions of clients are resumed only while the same authorities are trusted,
 * whose mark is given as well, and the same certificates revoked. */
void rp_tls_bind_sessions(SSL_CTX *ctx, uint64_t authorities);
/* In the log, when clients will not take it. */
void rp_tls_warn_of_dates(SSL_CTX *ctx, const char *cert);
/* The client has told the name: choose the certificate.  arg is the rp_tls. */
int rp_tls_on_name(SSL *ssl, int *alert, void *arg);

#endif
