/* select.h -- what a request wants of a file: all, parts, or only to hear
 * that it has it already (RFC 9110 13 and 14); and which coding of it. */
#ifndef RUPY_FILES_SELECT_H
#define RUPY_FILES_SELECT_H

#include "rupy/http/parser.h"

enum { RP_RANGES_MAX = 16 };

struct rp_range {
    uint64_t first, n;
};

/* What is compared with the request's conditions. */
struct rp_validators {
    struct rp_str etag; /* as on the wire; empty: none */
    int64_t modified;   /* seconds; below 0: not known */
    uint64_t size;
};

struct rp_selection {
    int status; /* 200, 206, 304, 412, 416 */
    unsigned n; /* of ranges, with 206 */
    struct rp_range ranges[RP_RANGES_MAX];
};

/* now: seconds since 1970, the answer's Date. */
void rp_select(const struct rp_request *r, const struct rp_validators *v,
               int64_t now, struct rp_selection *s);

/* The value of a Range field against size bytes.  Return the number of
 * ranges; 0: send the whole (another unit, malformed, overlapping, more than
 * RP_RANGES_MAX); -1: none can be satisfied. */
int rp_ranges_parse(struct rp_str value, uint64_t size,
                    struct rp_range ranges[RP_RANGES_MAX]);

/* Codings that may lie beside a file, best first. */
#define RP_CODINGS(X)                                                          \
    X(BR, "br", ".br")                                                         \
    X(ZSTD, "zstd", ".zst")                                                    \
    X(GZIP, "gzip", ".gz")

enum rp_coding {
#define X(name, token, ext) RP_CODING_##name,
    RP_CODINGS(X)
#undef X
        RP_N_CODINGS,
};

struct rp_str rp_coding_token(enum rp_coding c);
struct rp_str rp_coding_ext(enum rp_coding c);
/* The codings that the client prefers to none at all (RFC 9110 12.5.3), the
 * one it likes best first.  Return how many. */
unsigned rp_codings_accepted(const struct rp_request *r,
                             enum rp_coding out[RP_N_CODINGS]);

#endif
