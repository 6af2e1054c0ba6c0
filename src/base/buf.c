#include "rupy/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MIN_CAP = 256 };

void
rp_buf_init(struct rp_buf *b, size_t max)
{
    *b = (struct rp_buf){.max = max};
}

void
rp_buf_fini(struct rp_buf *b)
{
    free(b->p);
    *b = (struct rp_buf){.max = b->max};
}

int
rp_buf_grow(struct rp_buf *b, size_t more)
{
    size_t need, cap;
    char *p;

    if (more > SIZE_MAX - b->n) {
        errno = ENOMEM;
        return -1;
    }
    need = b->n + more;
    if (b->max != 0 && need > b->max) {
        errno = EFBIG;
        return -1;
    }
    cap = b->cap > SIZE_MAX / 2 ? need : b->cap * 2;
    if (cap < MIN_CAP)
        cap = MIN_CAP;
    if (b->max != 0 && cap > b->max)
        cap = b->max;
    if (cap < need)
        cap = need;
    p = realloc(b->p, cap);
    if (p == NULL)
        return -1;
    b->p = p;
    b->cap = cap;
    return 0;
}

int
rp_buf_add_u64(struct rp_buf *b, uint64_t v)
{
    char digits[20];
    size_t i = sizeof(digits);

    do {
        digits[--i] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    return rp_buf_add(b, digits + i, sizeof(digits) - i);
}

int
rp_buf_addf(struct rp_buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    /* vsnprintf() wants room for a NUL, which is not part of the content. */
    if (n < 0 || rp_buf_reserve(b, (size_t)n + 1) < 0)
        return -1;
    va_start(ap, fmt);
    vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
    return 0;
}

void
rp_buf_del(struct rp_buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    if (n > 0) {
        memmove(b->p, b->p + n, b->n - n);
        b->n -= n;
    }
}
