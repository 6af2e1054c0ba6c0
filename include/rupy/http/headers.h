/* headers.h -- field lines: what a name and a value may consist of, and
 * looking one up. */
#ifndef RUPY_HTTP_HEADERS_H
#define RUPY_HTTP_HEADERS_H

#include "rupy/base/str.h"

struct rp_field {
    struct rp_str name;  /* as received, or as the application wrote it */
    struct rp_str value; /* without OWS at its ends */
};

/* token, RFC 9110 5.6.2; not empty. */
bool rp_is_token(struct rp_str s);
/* field-value, RFC 9110 5.5: HTAB, SP to ~, 0x80 to 0xff. */
bool rp_is_field_value(struct rp_str s);
/* uri-host [ ":" port ], RFC 9110 7.2 and RFC 3986 3.2.2; neither the host is
 * empty nor has it a comma; the port, where there is one, is at most 65535. */
bool rp_is_host(struct rp_str s);

/* The first field of that name (any case), or NULL. */
const struct rp_field *rp_fields_find(const struct rp_field *v, unsigned n,
                                      struct rp_str name);
/* Walk over the members of a comma-separated list (RFC 9110 5.6.1), without
 * OWS; empty ones are passed over.  *rest is what is left, at first the whole
 * value.  Return false at the end. */
bool rp_list_next(struct rp_str *rest, struct rp_str *member);
/* A comma-separated list (RFC 9110 5.6.1) over all lines of that name has
 * this token, in any case. */
bool rp_fields_list_has(const struct rp_field *v, unsigned n,
                        struct rp_str name, struct rp_str token);
/* Connection, Keep-Alive, Proxy-*, TE, Trailer, Transfer-Encoding, Upgrade:
 * fields that belong to one connection (RFC 9110 7.6.1), any case. */
bool rp_is_hop_by_hop(struct rp_str name);

#endif
