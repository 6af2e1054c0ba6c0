/* tls.h -- certificates and keys, for all connections of all workers.
 *
 * Made before the fork: what a client resumes with is understood by every
 * worker then. */
#ifndef RUPY_NET_TLS_H
#define RUPY_NET_TLS_H

#include <stddef.h>

enum rp_tls_verify {
    RP_TLS_VERIFY_NONE,
    RP_TLS_VERIFY_OPTIONAL, /* a certificate that is shown must be right */
    RP_TLS_VERIFY_REQUIRE,
};

enum rp_tls_version { RP_TLS_1_2, RP_TLS_1_3 };

struct rp_tls_options {
    const char *certfile; /* PEM: the server's own first, then its issuers */
    const char *keyfile;  /* PEM; NULL: it is in certfile */
    const char *password; /* of the key, or file:PATH or env:NAME; NULL */
    const char *ca_certs; /* file or folder, for those of clients; NULL */
    const char *crl;      /* file: which of those are revoked; NULL */
    const char *ciphers;  /* by OpenSSL's names; NULL: its defaults */
    /* Folder with a certificate for each name that clients ask for: NAME.crt
     * and NAME.key, NAME/fullchain.pem and NAME/privkey.pem, or NAME/tls.crt
     * and NAME/tls.key.  "_.example.org" is for all of them.  NULL. */
    const char *sni;
    enum rp_tls_verify verify;
    enum rp_tls_version min_version;
};

struct rp_tls;

/* Copies the options.  What makes no difference to clients now but will, is
 * warned of.  NULL, and one line in error. */
struct rp_tls *rp_tls_new(const struct rp_tls_options *o, char *error,
                          size_t n);
void rp_tls_free(struct rp_tls *t);
/* Read the files again if they have changed; when they are not right, what
 * was read before stays.  The log says so. */
void rp_tls_look(struct rp_tls *t);

#endif
