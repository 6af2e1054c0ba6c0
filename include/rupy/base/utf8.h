/* utf8.h -- is it UTF-8 (RFC 3629)?  In pieces, and at the first byte that
 * cannot be right. */
#ifndef RUPY_BASE_UTF8_H
#define RUPY_BASE_UTF8_H

#include "rupy/base/str.h"

/* All zero at the start of a text. */
struct rp_utf8 {
    uint8_t left;   /* bytes that the last character still wants */
    uint8_t lo, hi; /* what the next of them may be */
};

/* The text goes on with p..p+n.  false: it is no UTF-8, whatever follows. */
bool rp_utf8_feed(struct rp_utf8 *u, const void *p, size_t n);
/* The text may end here. */
static inline bool
rp_utf8_is_complete(const struct rp_utf8 *u)
{
    return u->left == 0;
}
bool rp_utf8_is_valid(struct rp_str s);

#endif
