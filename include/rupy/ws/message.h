/* message.h -- WebSocket messages: bytes of a client in, one event at a time
 * out (RFC 6455 5.4 to 5.6); and a server's messages out. */
#ifndef RUPY_WS_MESSAGE_H
#define RUPY_WS_MESSAGE_H

#include "rupy/base/utf8.h"
#include "rupy/ws/deflate.h"
#include "rupy/ws/frame.h"

/* 0: none. */
struct rp_ws_limits {
    size_t message;     /* bytes, decompressed; over it 1009 */
    uint32_t fragments; /* of one message; over it 1008 */
};

#define RP_WS_LIMITS_DEFAULT ((struct rp_ws_limits){1024 * 1024, 1024})

struct rp_ws_reader {
    struct rp_ws_limits limits;
    struct rp_ws_frame frame;
    struct rp_ws_deflate *deflate; /* lent; NULL: was not agreed on */
    struct rp_buf message;         /* what has come of it, decompressed */
    struct rp_utf8 utf8;
    uint8_t opcode;     /* of the message that has begun, or 0 */
    bool compressed;    /* it is */
    bool delivered;     /* message was handed out: it may go */
    bool closed;        /* a close frame came: nothing follows it */
    int err;            /* stays */
    uint32_t fragments; /* of the message */
    uint64_t wire;      /* its bytes as they came */
    uint8_t ncontrol;
    char control[RP_WS_CONTROL_MAX];
};

/* What came.  opcode 0: nothing yet.  RP_WS_TEXT is UTF-8 and whole. */
struct rp_ws_message {
    uint8_t opcode;
    uint16_t code;      /* RP_WS_CLOSE: its code, or RP_WS_NO_CODE */
    struct rp_str data; /* payload, or the reason of RP_WS_CLOSE */
};

void rp_ws_reader_init(struct rp_ws_reader *r, const struct rp_ws_limits *lim,
                       struct rp_ws_deflate *deflate);
void rp_ws_reader_fini(struct rp_ws_reader *r);

/* Go on with p..p+n up to the next event, *m, whose slice is good until the
 * next call.  Return how much was used; all of it unless there is an event.
 * Or an enum rp_ws_err, and the same for every call after it.  After
 * RP_WS_CLOSE everything is used and nothing comes of it.  Any split gives
 * the same (of a client that keeps to the window it agreed to: zlib may
 * forgive it or not). */
ssize_t rp_ws_reader_feed(struct rp_ws_reader *r, const char *p, size_t n,
                          struct rp_ws_message *m);

/* Append a message as one frame, compressed if d is not NULL and it is worth
 * it.  Return 0, or -1 (no memory) and nothing was appended; the connection
 * must then fail when d is not NULL. */
int rp_ws_message_write(struct rp_buf *out, struct rp_ws_deflate *d,
                        unsigned opcode, const void *p, size_t n);

#endif
