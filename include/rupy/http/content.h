/* content.h -- where the content of a request ends (RFC 9112 6 and 7).
 *
 * Length-delimited and chunked, by a state machine that knows no leniency.
 * Trailer fields are checked and dropped: nothing downstream may take them
 * for header fields (RFC 9110 6.5.1). */
#ifndef RUPY_HTTP_CONTENT_H
#define RUPY_HTTP_CONTENT_H

#include <sys/types.h>

#include "rupy/http/parser.h"

struct rp_content {
    int state;        /* enum, in content.c */
    int err;          /* why it was refused: stays */
    uint64_t left;    /* of the chunk, or of the whole content */
    uint64_t total;   /* bytes of content so far */
    uint64_t max;     /* limits.body; 0: none */
    uint64_t framing; /* bytes that were not content */
    uint32_t line;    /* bytes of extensions in the current line */
    uint32_t ext;     /* bytes of extensions so far */
    uint32_t trailer; /* bytes of the trailer section so far */
    uint16_t ntrailers;
    uint8_t digits; /* of the chunk size */
    uint8_t name_n;
    char name[18]; /* beginning of a trailer's name, to know the forbidden */
};

/* Return 0, or RP_HTTP_LARGE_CONTENT when the length already says so. */
int rp_content_init(struct rp_content *c, const struct rp_request *r,
                    const struct rp_limits *lim);
/* The content of an answer that is read: chunked, or of so many bytes; < 0:
 * until the connection ends, and then it is never done. */
void rp_content_init_reply(struct rp_content *c, bool chunked, int64_t length);
/* All of the content, and of its framing, was seen. */
bool rp_content_is_done(const struct rp_content *c);

/* Look at n > 0 bytes.  Return how many were used up (> 0), *data being the
 * content among them, a slice of p that may be empty, or an enum rp_http_err,
 * and the same again for every call after it.
 * Call again with the rest until done or out of bytes; when done, the rest
 * belongs to the next request. */
ssize_t rp_content_feed(struct rp_content *c, const char *p, size_t n,
                        struct rp_str *data);

#endif
