/* scan.h -- the strict rules of RFC 9112 over the bytes of a head.
 *
 * Every byte is looked at once, in order, and refused as soon as it breaks a
 * rule; what a field line means for the framing is decided at its end, by
 * rp_scan_field().  The scan keeps offsets, not pointers: between two calls
 * the bytes may move. */
#ifndef RUPY_HTTP_SCAN_H
#define RUPY_HTTP_SCAN_H

#include "rupy/http/headers.h"
#include "rupy/http/limits.h"

/* What the field lines so far have said. */
enum {
    RP_SEEN_HOST = 1,
    RP_SEEN_LENGTH = 2,
    RP_SEEN_CODING = 4,
    RP_SEEN_TYPE = 8,
    RP_SEEN_EXPECT = 16,
    RP_SEEN_UPGRADE = 32,   /* an Upgrade field, whatever it offers */
    RP_SEEN_WEBSOCKET = 64, /* it offers websocket */
    RP_SAID_CLOSE = 128,    /* Connection: close */
    RP_SAID_KEEP_ALIVE = 256,
    RP_SAID_UPGRADE = 512,
    RP_SEEN_FORWARDED = 1024, /* rp_forwarded_is_field() */
};

/* All zeros is the start of a head. */
struct rp_scan {
    uint32_t i;     /* bytes looked at */
    uint32_t start; /* of the request line, behind an empty line */
    uint32_t method_n;
    uint32_t target, target_n;
    uint32_t block; /* where the field lines begin */
    uint32_t line;  /* the current line begins here */
    uint32_t mark;  /* the version, or a field's value, begins here */
    uint32_t host, host_n;
    uint32_t longest;    /* field line */
    uint32_t sum;        /* over the places and lengths of names and values */
    uint32_t ows, ows_n; /* behind the value of the field that frames */
    int64_t length;      /* with RP_SEEN_LENGTH */
    uint16_t nfields;
    uint16_t seen;
    uint8_t state;
    uint8_t major, minor;
};

/* Both look at p[s->i] to p[n - 1] and return 1 when their part is complete,
 * 0 when more bytes are wanted, or an enum rp_http_err. */

/* The request line: bytes, lengths and version; its target's form is for
 * rp_target_parse().  Returns 1 at once when that was complete before. */
int rp_scan_request_line(struct rp_scan *s, const struct rp_limits *lim,
                         const char *p, size_t n);
/* The field lines and the empty line behind them; to be called when the
 * request line is complete.  s->i is then the length of the head. */
int rp_scan_fields(struct rp_scan *s, const struct rp_limits *lim,
                   const char *p, size_t n);

/* One field line, split: what does it mean for Host, framing, connection?
 * Return 0 or an enum rp_http_err. */
int rp_scan_field(struct rp_scan *s, struct rp_str name, struct rp_str value,
                  const char *p);
/* All lines together. */
int rp_scan_end(const struct rp_scan *s);

/* Take note of one field in a sum that a second reader of the same bytes must
 * come to as well. */
static inline uint32_t
rp_scan_mix(uint32_t sum, size_t name, size_t name_n, size_t value_n)
{
    return (sum ^ (uint32_t)(name + (name_n << 20) + (value_n << 9))) *
           2654435761u;
}

#endif
