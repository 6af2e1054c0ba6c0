/* certs.h -- the options of TLS, and what they make. */
#ifndef RUPY_SERVE_CERTS_H
#define RUPY_SERVE_CERTS_H

#include "rupy/serve/config.h"

/* Do they go together?  0, or -1 with the reason in c. */
int rp_certs_check(struct rp_config *c);
/* Read certificates and keys; *tls is NULL when there are none.  0, or -1 with
 * one line in error. */
int rp_certs_load(const struct rp_config *c, struct rp_tls **tls, char *error,
                  size_t n);

#endif
