/* handshake.h -- the opening handshake, the server's side (RFC 6455 4.2). */
#ifndef RUPY_WS_HANDSHAKE_H
#define RUPY_WS_HANDSHAKE_H

#include "rupy/base/digest.h"
#include "rupy/http/parser.h"
#include "rupy/http/response.h"
#include "rupy/ws/deflate.h"

/* Why a handshake is refused, the status that says so, and the text for the
 * log.  BAD_FIELD and BAD_SUBPROTOCOL are the application's fault. */
#define RP_WS_HANDSHAKE_ERRS(X)                                                \
    X(NO_UPGRADE, 426, "not a WebSocket handshake")                            \
    X(BAD_VERSION, 426, "Sec-WebSocket-Version is not 13")                     \
    X(BAD_KEY, 400, "Sec-WebSocket-Key missing, repeated or malformed")        \
    X(BAD_OFFER, 400, "malformed Sec-WebSocket-Protocol")                      \
    X(BAD_SUBPROTOCOL, 500, "subprotocol was not offered")                     \
    X(BAD_FIELD, 500, "field may not stand in a handshake")

enum rp_ws_handshake_err {
    RP_WS_HANDSHAKE_ERR_MIN = -300,
#define X(name, status, text) RP_WS_##name,
    RP_WS_HANDSHAKE_ERRS(X)
#undef X
};

int rp_ws_handshake_err_status(int err);
const char *rp_ws_handshake_err_text(int err);
/* Fields that an answer of this status needs beside its own: "Upgrade" and
 * "Sec-WebSocket-Version" for 426 (RFC 6455 4.4, RFC 9110 15.5.22); the first
 * is in every 426 that HTTP/1.1 writes.  Return how many of v[2]. */
unsigned rp_ws_handshake_err_fields(int err, struct rp_field v[2]);

struct rp_ws_handshake {
    char accept[RP_BASE64_SIZE(RP_SHA1_SIZE)]; /* without NUL */
    struct rp_ws_deflate_params deflate;       /* on: was agreed on */
};

/* Is it a handshake that can be accepted?  Everything that *h needs later is
 * in it, and r may go.  o may be NULL: no compression.
 * Return 0 or an enum rp_ws_handshake_err. */
int rp_ws_handshake_check(const struct rp_request *r,
                          const struct rp_ws_deflate_options *o,
                          struct rp_ws_handshake *h);

/* Walk over the subprotocols that the client offers, in its order, over all
 * lines; *at is all zero at first.  false: no more. */
struct rp_ws_offers {
    unsigned line;
    struct rp_str rest;
};
bool rp_ws_subprotocol_next(const struct rp_request *r, struct rp_ws_offers *at,
                            struct rp_str *name);
bool rp_ws_subprotocol_is_offered(const struct rp_request *r,
                                  struct rp_str name);

/* Append the 101.  subprotocol: one that was offered (the caller looked), or
 * empty.  Fields that belong to the server are left out, as in every answer.
 * Return 0, -1 (no memory), or RP_WS_BAD_FIELD and RP_WS_BAD_SUBPROTOCOL for
 * what may not go out; then nothing was appended. */
int rp_ws_handshake_write(struct rp_buf *out, const struct rp_ws_handshake *h,
                          const struct rp_response_consts *c,
                          struct rp_str subprotocol,
                          const struct rp_field *fields, unsigned nfields);

#endif
