/* buf.h -- growable bytes, born with a ceiling. */
#ifndef RUPY_BASE_BUF_H
#define RUPY_BASE_BUF_H

#include "rupy/base/str.h"

struct rp_buf {
    char *p;
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* never grows past this; 0: no ceiling */
};

void rp_buf_init(struct rp_buf *b, size_t max);
void rp_buf_fini(struct rp_buf *b);
/* Forget the content and keep the memory. */
static inline void
rp_buf_reset(struct rp_buf *b)
{
    b->n = 0;
}
/* Slow path of rp_buf_reserve(). */
int rp_buf_grow(struct rp_buf *b, size_t more);

/* Make room for n more bytes behind the content.
 * Return 0, or -1 with errno ENOMEM or EFBIG (over the ceiling). */
static inline int
rp_buf_reserve(struct rp_buf *b, size_t more)
{
    if (b->cap - b->n >= more)
        return 0;
    return rp_buf_grow(b, more);
}

/* Append n bytes.  Return 0, or -1 as rp_buf_reserve() does, and then
 * nothing was appended. */
static inline int
rp_buf_add(struct rp_buf *b, const void *p, size_t n)
{
    if (rp_buf_reserve(b, n) < 0)
        return -1;
    if (n > 0)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    return 0;
}

static inline int
rp_buf_add_str(struct rp_buf *b, struct rp_str s)
{
    return rp_buf_add(b, s.p, s.n);
}

int rp_buf_add_u64(struct rp_buf *b, uint64_t v);
int rp_buf_addf(struct rp_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Drop n bytes from the front. */
void rp_buf_del(struct rp_buf *b, size_t n);

#endif
