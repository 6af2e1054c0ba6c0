/* parser.h -- the head of a request: bytes in, struct rp_request out.
 *
 * The strict rules of RFC 9112 are ours: a scan over the bytes of the head
 * refuses what smuggles.  Then http-parser splits them into method, target
 * and field lines, and it stops at the end of the head: content is framed by
 * content.h.
 *
 * Requests of one client repeat their field lines byte for byte.  A block of
 * field lines that was checked and split once is kept (struct rp_memo) and
 * recognised by memcmp; the request line is always parsed. */
#ifndef RUPY_HTTP_PARSER_H
#define RUPY_HTTP_PARSER_H

#include "rupy/http/headers.h"
#include "rupy/http/limits.h"
#include "rupy/http/method.h"
#include "rupy/http/scan.h"

/* Why a head or content was refused, the status that says so on the wire, and
 * the text for the log.  RP_HTTP_TLS wants no answer at all. */
#define RP_HTTP_ERRS(X)                                                        \
    X(BAD_REQUEST, 400, "malformed request")                                   \
    X(BAD_LINE_END, 400, "CR or LF out of place")                              \
    X(BAD_BYTE, 400, "control byte in the head")                               \
    X(BAD_REQUEST_LINE, 400, "malformed request line")                         \
    X(BAD_METHOD, 400, "method is not a token")                                \
    X(BAD_TARGET, 400, "malformed request target")                             \
    X(BAD_FIELD, 400, "malformed field line")                                  \
    X(OBS_FOLD, 400, "folded field line")                                      \
    X(BAD_HOST, 400, "Host missing, repeated or malformed")                    \
    X(BAD_LENGTH, 400, "malformed or repeated Content-Length")                 \
    X(LENGTH_AND_CODING, 400, "Content-Length with Transfer-Encoding")         \
    X(BAD_CODING, 400, "malformed Transfer-Encoding")                          \
    X(UNKNOWN_CODING, 501, "unknown transfer coding")                          \
    X(REPEATED_FIELD, 400, "a field that may stand once stands twice")         \
    X(BAD_CHUNK, 400, "malformed chunk")                                       \
    X(BAD_TRAILER, 400, "malformed trailer section")                           \
    X(CHUNK_OVERHEAD, 400, "chunk framing without content")                    \
    X(SLOW, 408, "the request took too long to come")                          \
    X(OVERDUE, 504, "the handler took too long to answer")                     \
    X(BAD_EXPECT, 417, "unknown expectation")                                  \
    X(LONG_METHOD, 501, "method name too long")                                \
    X(LONG_TARGET, 414, "request line too long")                               \
    X(LARGE_HEAD, 431, "head too large")                                       \
    X(LARGE_CONTENT, 413, "content too large")                                 \
    X(BAD_VERSION, 505, "HTTP version not supported")                          \
    X(BAD_STATUS_LINE, 502, "malformed status line")                           \
    X(NO_MEMORY, 503, "out of memory")                                         \
    X(TLS, 0, "TLS on a plain port")

enum rp_http_err {
    RP_HTTP_ERR_MIN = -100,
#define X(name, status, text) RP_HTTP_##name,
    RP_HTTP_ERRS(X)
#undef X
};

int rp_http_err_status(int err);
const char *rp_http_err_text(int err);

struct rp_request {
    enum rp_method method;
    struct rp_str method_name;
    struct rp_str target; /* as received */
    struct rp_str path;   /* still percent-encoded; "*" for asterisk-form */
    struct rp_str query;  /* behind the '?', may be empty */
    struct rp_str host;   /* the target's authority, else Host, else empty */
    const struct rp_field *fields; /* in order of receipt */
    unsigned nfields;
    uint64_t block_id;      /* same number, same field lines, byte for byte; 0:
                        * not known */
    int minor;              /* HTTP/1.minor, 0 or 1 */
    int64_t content_length; /* -1: no such field */
    bool chunked;
    bool keep_alive;        /* the client lets the connection persist */
    bool expect_continue;   /* RFC 9110 10.1.1 */
    bool upgrade_websocket; /* GET, 1.1, Connection and Upgrade say so */
    bool has_forwarded;     /* rp_forwarded_is_field() is true of some field */
    bool has_id;    /* by the server: its X-Request-ID is one and can be used */
    bool has_trace; /* the same of traceparent */
};

static inline bool
rp_request_has_content(const struct rp_request *r)
{
    return r->chunked || r->content_length > 0;
}

/* Blocks of field lines known to one worker: at most so many, the one that
 * was not used for longest goes first.  A block is kept when it comes for the
 * second time.  NULL: out of memory. */
struct rp_memos;
struct rp_memo;
struct rp_memos *rp_memos_new(unsigned max);
/* After the last parser that used it; NULL is fine. */
void rp_memos_free(struct rp_memos *m);

/* One connection's parser.  Small: it lives as long as the connection. */
struct rp_parser {
    struct rp_memos *memos; /* lent; may be NULL */
    struct rp_memo *memo;   /* the connection's last block, counted */
    int err;                /* why the last head was refused: stays */
    struct rp_scan scan;    /* of the current head */
};

void rp_parser_init(struct rp_parser *p, struct rp_memos *memos);
void rp_parser_fini(struct rp_parser *p);

/* p..p+n are all bytes of the message that have come so far, from its first
 * (an empty line in front is skipped and counts).  Call again with more of
 * the same message behind them: any split gives the same result, in time
 * linear in n.
 *
 * Return the length of the head (> 0), 0 when more bytes are wanted, or an
 * enum rp_http_err, and the same again for every call after it.  On success
 * *r is filled; its slices point into p, but for the fields, which may point
 * into the memo and are good until the next call.  Fields are stored in
 * `fields`, which has room for lim->request_fields. */
int rp_parser_head(struct rp_parser *ps, const struct rp_limits *lim,
                   const char *p, size_t n, struct rp_field *fields,
                   struct rp_request *r);

/* The head was copied from old..old+n to new: let r point there.  Slices that
 * do not point into old stay as they are; fields are moved to `fields`, which
 * has room for r->nfields, when they pointed into old. */
void rp_request_rebase(struct rp_request *r, const char *old, size_t n,
                       const char *new, struct rp_field *fields);

/* Of the http-parser that is linked, such as "2.9.4". */
void rp_parser_version(char *out, size_t n);

#endif
