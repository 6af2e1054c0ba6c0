/* outbound.h -- a request that goes on to another server: its head, written
 * anew.
 *
 * Framing is ours: whatever framing fields the client sent, the bytes towards
 * the other server have one framing, that of the content as it was read. */
#ifndef RUPY_HTTP_OUTBOUND_H
#define RUPY_HTTP_OUTBOUND_H

#include "rupy/base/buf.h"
#include "rupy/http/parser.h"

struct rp_outbound {
    const struct rp_request *request;
    struct rp_str target; /* origin-form */
    struct rp_str host;   /* the value of Host */
    bool upgrade;         /* pass the client's Upgrade: websocket on */
    /* For X-Forwarded-*; what proxies before us said is left out, but for
     * the list of those who are trusted, which is continued. */
    struct rp_str client; /* address; empty: a unix socket */
    struct rp_str scheme;
    struct rp_str prefix; /* that was taken off the path; empty: none */
    bool trusted;         /* the peer is a proxy that is believed */
};

/* Does every hop after us get this field, or is it one that belongs to the
 * connection, or is named by Connection (RFC 9110 7.6.1)?  The fields that do
 * are copied to `out`, which has room for n, but for Content-Length, which is
 * framing.  Return how many, or -1: Connection names more than
 * RP_MAX_CONNECTION_OPTIONS. */
int rp_fields_pass_on(const struct rp_field *fields, unsigned n,
                      struct rp_field *out);

/* Append the head.  Return 0, or -1: no memory, or as rp_fields_pass_on(),
 * with errno EINVAL. */
int rp_outbound_write_head(struct rp_buf *out, const struct rp_outbound *o);

/* May it be sent once more without asking (RFC 9110 9.2.2)? */
bool rp_method_is_idempotent(enum rp_method m);

#endif
