/* access_text.h -- a line of the access log, byte by byte, for access.c.
 *
 * It is done for every request: no call for each piece of a line, and nothing
 * is looked at twice. */
#ifndef RUPY_APP_ACCESS_TEXT_H
#define RUPY_APP_ACCESS_TEXT_H

#include "rupy/base/buf.h"

enum { FIELD_MAX = 8 * 1024 }; /* of what a client sent, in one line */

struct rp_access_text {
    struct rp_buf b;
    bool full; /* something did not get into it */
    bool json; /* what is escaped is so for that */
};

static inline void
put(struct rp_access_text *t, const char *p, size_t n)
{
    struct rp_buf *b = &t->b;

    if (n == 0)
        return;
    if (n > b->cap - b->n) {
        if (rp_buf_add(b, p, n) < 0)
            t->full = true;
        return;
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

#define PUT(t, lit) put(t, lit, sizeof(lit) - 1)

static inline bool
is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
#define TOP EACH(0x80)

/* Some byte of w is 0; of those above it may say so too. */
static inline uint64_t
zeros(uint64_t w)
{
    return (w - EACH(1)) & ~w;
}

/* Of eight bytes. */
static inline bool
has_special(const char *p)
{
    uint64_t w;

    memcpy(&w, p, 8);
    /* Below 0x20; quotes, backslashes, DEL; and beyond ASCII. */
    return (((w - EACH(0x20)) & ~w) | zeros(w ^ EACH('"')) |
            zeros(w ^ EACH('\\')) | zeros(w ^ EACH(0x7f)) | w) &
           TOP;
}

/* Copy n bytes, eight at a time, the last ones twice if need be.  false: there
 * is a special one among them. */
static inline bool
copy_plain(char *d, const char *p, size_t n)
{
    size_t i = 0;

    if (n >= 8) {
        for (; i + 8 < n; i += 8) {
            if (has_special(p + i))
                return false;
            memcpy(d + i, p + i, 8);
        }
        i = n - 8;
        memcpy(d + i, p + i, 8);
        return !has_special(p + i);
    }
    for (; i < n; i++) {
        if (!is_plain((unsigned char)p[i]))
            return false;
        d[i] = p[i];
    }
    return true;
}

/* What a peer sent, so that it cannot end the field, the line, or speak to a
 * terminal: \xHH in text, \u00HH in JSON. */
static inline void
put_escaped(struct rp_access_text *t, struct rp_str s)
{
    static const char hex[] = "0123456789abcdef";
    struct rp_buf *b = &t->b;
    size_t n = s.n < FIELD_MAX ? s.n : FIELD_MAX, i = 0, special = 0;
    size_t width = t->json ? 6 : 4;

    if (n == 0)
        return;
    if (n > b->cap - b->n && rp_buf_reserve(b, n) < 0) {
        t->full = true;
        return;
    }
    if (copy_plain(b->p + b->n, s.p, n)) {
        b->n += n;
        return;
    }
    for (size_t k = 0; k < n; k++)
        special += !is_plain((unsigned char)s.p[k]);
    if (rp_buf_reserve(b, n + special * (width - 1)) < 0) {
        t->full = true;
        return;
    }
    char *d = b->p + b->n;
    for (; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (is_plain(c)) {
            *d++ = (char)c;
            continue;
        }
        memcpy(d, t->json ? "\\u00" : "\\x", width - 2);
        d += width - 2;
        *d++ = hex[c >> 4];
        *d++ = hex[c & 15];
    }
    b->n = (size_t)(d - b->p);
}

static inline void
put_u64(struct rp_access_text *t, uint64_t v)
{
    char text[20];
    size_t i = sizeof(text);

    do
        text[--i] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    put(t, text + i, sizeof(text) - i);
}

static inline uint64_t
microseconds(double seconds)
{
    return seconds > 0 ? (uint64_t)(seconds * 1e6 + 0.5) : 0;
}

/* printf() would cost more than the rest of the line. */
static inline void
put_seconds(struct rp_access_text *t, double seconds)
{
    uint64_t us = microseconds(seconds), rest = us % 1000000;
    char text[7] = ".";

    put_u64(t, us / 1000000);
    for (int i = 6; i > 0; i--, rest /= 10)
        text[i] = (char)('0' + rest % 10);
    put(t, text, sizeof(text));
}

#endif
