/* frame.h -- WebSocket frames (RFC 6455 5): heads in, heads out, masks off. */
#ifndef RUPY_WS_FRAME_H
#define RUPY_WS_FRAME_H

#include <sys/types.h>

#include "rupy/base/buf.h"

enum rp_ws_opcode {
    RP_WS_CONTINUATION = 0x0,
    RP_WS_TEXT = 0x1,
    RP_WS_BINARY = 0x2,
    RP_WS_CLOSE = 0x8,
    RP_WS_PING = 0x9,
    RP_WS_PONG = 0xa,
};

enum {
    RP_WS_RSV1 = 0x40, /* compressed (RFC 7692 6) */
    RP_WS_CONTROL_MAX = 125,
    RP_WS_CLOSE_REASON_MAX = 123,
    RP_WS_FRAME_HEAD_MAX = 14,
};

/* Close codes, RFC 6455 7.4.1. */
enum {
    RP_WS_NORMAL = 1000,
    RP_WS_GOING_AWAY = 1001,
    RP_WS_PROTOCOL_ERROR = 1002,
    RP_WS_UNSUPPORTED = 1003, /* a kind of data */
    RP_WS_NO_CODE = 1005,     /* never on the wire: none was given */
    RP_WS_ABNORMAL = 1006, /* never on the wire: lost without a close frame */
    RP_WS_BAD_DATA = 1007,
    RP_WS_POLICY = 1008,
    RP_WS_MESSAGE_TOO_BIG = 1009,
    RP_WS_INTERNAL_ERROR = 1011,
    RP_WS_SERVICE_RESTART = 1012,
    RP_WS_TRY_AGAIN_LATER = 1013,
};

/* Why the connection must fail, the close code that says so on the wire, and
 * the text for the log. */
#define RP_WS_ERRS(X)                                                          \
    X(UNMASKED, 1002, "frame without a mask")                                  \
    X(BAD_RSV, 1002, "reserved bit set")                                       \
    X(BAD_OPCODE, 1002, "reserved opcode")                                     \
    X(BAD_CONTROL, 1002, "control frame fragmented or too long")               \
    X(BAD_LENGTH, 1002, "frame length not in its shortest form")               \
    X(BAD_CONTINUATION, 1002, "continuation of nothing")                       \
    X(UNFINISHED, 1002, "new message inside a fragmented one")                 \
    X(BAD_CLOSE, 1002, "malformed close frame")                                \
    X(BAD_UTF8, 1007, "text is not UTF-8")                                     \
    X(BAD_DEFLATE, 1007, "malformed compressed data")                          \
    X(TOO_MANY_FRAGMENTS, 1008, "too many fragments")                          \
    X(TOO_BIG, 1009, "message too big")                                        \
    X(NO_MEMORY, 1011, "out of memory")

enum rp_ws_err {
    RP_WS_ERR_MIN = -200,
#define X(name, code, text) RP_WS_##name,
    RP_WS_ERRS(X)
#undef X
};

int rp_ws_err_code(int err);
const char *rp_ws_err_text(int err);

/* The head of the frame that is being read. */
struct rp_ws_frame {
    uint8_t raw[RP_WS_FRAME_HEAD_MAX];
    uint8_t have; /* bytes in raw */
    uint8_t rsv;  /* reserved bits that may be set, agreed on beforehand */
    bool whole;   /* the fields below are good */
    bool fin;
    bool rsv1;
    uint8_t opcode;
    uint8_t phase; /* where in the mask the next byte is */
    uint64_t n;    /* of the payload, as announced */
    uint64_t left; /* of it, still to come */
};

static inline void
rp_ws_frame_init(struct rp_ws_frame *f, uint8_t rsv)
{
    *f = (struct rp_ws_frame){.rsv = rsv};
}
static inline bool
rp_ws_opcode_is_control(unsigned opcode)
{
    return opcode & 8;
}

/* Go on with the head.  Return how many of p..p+n were used; all of them
 * unless f->whole.  Or an enum rp_ws_err, as soon as it is certain. */
ssize_t rp_ws_frame_feed(struct rp_ws_frame *f, const char *p, size_t n);
/* The next n <= f->left bytes of payload, without their mask, to `to`, which
 * may be p but not overlap it otherwise. */
void rp_ws_frame_unmask(struct rp_ws_frame *f, char *to, const char *p,
                        size_t n);
/* The payload is complete: the next head. */
static inline void
rp_ws_frame_next(struct rp_ws_frame *f)
{
    f->have = 0;
    f->whole = false;
}

/* Write to `to` the head of a server's frame, FIN and not masked, in its
 * shortest form; first is an opcode, or RP_WS_RSV1.  Return its length. */
unsigned rp_ws_head_write(char to[10], unsigned first, uint64_t n);
/* Append a whole frame.  Return 0, or -1 (no memory) and nothing was. */
int rp_ws_frame_write(struct rp_buf *out, unsigned opcode, const void *p,
                      size_t n);
/* May this code stand in a close frame? (RFC 6455 7.4 and IANA's registry) */
bool rp_ws_code_is_valid(unsigned code);
/* Append a close frame; RP_WS_NO_CODE writes an empty one.  A reason of more
 * than RP_WS_CLOSE_REASON_MAX bytes is cut between characters. */
int rp_ws_close_write(struct rp_buf *out, unsigned code, struct rp_str reason);

#endif
