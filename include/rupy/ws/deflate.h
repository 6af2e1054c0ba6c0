/* deflate.h -- permessage-deflate (RFC 7692): messages in, smaller messages
 * out, and back.
 *
 * The two contexts of a connection are made when the first message needs
 * them; most connections never do. */
#ifndef RUPY_WS_DEFLATE_H
#define RUPY_WS_DEFLATE_H

#include "rupy/base/buf.h"

struct z_stream_s;

/* What the operator wants. */
struct rp_ws_deflate_options {
    bool on;
    bool no_context_takeover; /* neither side keeps a window: less memory */
    uint8_t window_bits;      /* 9 to 15, the most for either side */
    uint8_t level;            /* 1 to 9 */
    uint32_t threshold;       /* shorter messages go as they are */
};

#define RP_WS_DEFLATE_DEFAULT                                                  \
    ((struct rp_ws_deflate_options){                                           \
        .window_bits = 12, .level = 6, .threshold = 512})

/* What was agreed on with one client (RFC 7692 7.1). */
struct rp_ws_deflate_params {
    bool on;
    bool server_no_context_takeover, client_no_context_takeover;
    bool server_bits_said; /* the client asked for it: the answer repeats it */
    uint8_t server_bits, client_bits; /* 8 to 15 */
};

struct rp_ws_deflate {
    struct rp_ws_deflate_params params;
    uint32_t threshold;
    uint8_t level;
    uint8_t ends; /* of streams (BFINAL) in this message */
    struct z_stream_s *in, *out;
    size_t memory; /* bytes that the contexts hold */
};

/* No memory is taken yet. */
void rp_ws_deflate_init(struct rp_ws_deflate *d,
                        const struct rp_ws_deflate_params *params,
                        const struct rp_ws_deflate_options *o);
void rp_ws_deflate_fini(struct rp_ws_deflate *d);

/* Append to out what n more bytes of a compressed message hold; fin: they are
 * the last.  Never more than max bytes in out, and no memory for more.
 * Return 0, or RP_WS_BAD_DEFLATE, RP_WS_TOO_BIG, RP_WS_NO_MEMORY; after an
 * error the connection is of no use. */
int rp_ws_inflate(struct rp_ws_deflate *d, const char *p, size_t n, bool fin,
                  struct rp_buf *out, size_t max);
/* Is a message of n bytes worth it? */
static inline bool
rp_ws_deflate_wants(const struct rp_ws_deflate *d, size_t n)
{
    return d->params.on && n > 0 && n >= d->threshold;
}
/* Append the compressed form of a whole message, n > 0.
 * Return 0, or -1 (no memory): then the connection must fail, as the client's
 * window may be another than ours. */
int rp_ws_deflate(struct rp_ws_deflate *d, const void *p, size_t n,
                  struct rp_buf *out);

#endif
