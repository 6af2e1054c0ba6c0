/* reply.h -- the head of an answer that another server gave: bytes in, struct
 * rp_reply out.
 *
 * The rules are as strict as those for requests: what two readers could frame
 * differently is refused (RFC 9112 6.3). */
#ifndef RUPY_HTTP_REPLY_H
#define RUPY_HTTP_REPLY_H

#include "rupy/http/parser.h"

/* All zeros is the start of a head. */
struct rp_reply_parser {
    uint32_t at;   /* bytes looked at */
    uint32_t line; /* where the current line begins */
    int err;       /* why the head was refused: stays */
};

struct rp_reply {
    int minor;  /* HTTP/1.minor, 0 or 1 */
    int status; /* 100 to 599 */
    struct rp_str reason;
    const struct rp_field *fields; /* as received, in order */
    unsigned nfields;
    int64_t content_length; /* -1: no such field */
    bool chunked;
    bool keep_alive;        /* the server lets the connection persist */
    bool upgrade_websocket; /* 101 with Connection and Upgrade that say so */
};

/* p..p+n are all bytes that have come so far, from the first of the head; any
 * split gives the same result, in time linear in n.
 *
 * Return the length of the head (> 0), 0 when more bytes are wanted, or an
 * enum rp_http_err, and the same again for every call after it.  On success
 * *r is filled, with slices of p, and its fields stand in `fields`, which has
 * room for RP_MAX_REPLY_FIELDS. */
int rp_reply_head(struct rp_reply_parser *ps, const char *p, size_t n,
                  struct rp_field *fields, struct rp_reply *r);

/* How the end of the content is told, of an answer to that method: whether
 * there is any, and *length as rp_content_init_reply() wants it.  false: there
 * is none. */
bool rp_reply_has_content(const struct rp_reply *r, enum rp_method method,
                          int64_t *length);

#endif
