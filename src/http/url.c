#include "rupy/http/url.h"

#include "rupy/http/chars.h"

/* The byte that %HH at s.p[i] stands for, or -1. */
static int
get_escape(struct rp_str s, size_t i)
{
    int high, low;

    if (s.n - i < 3)
        return -1;
    high = rp_char_hex(s.p[i + 1]);
    low = rp_char_hex(s.p[i + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

enum { PLUS_IS_SPACE = 1, KEEP_SLASH = 2 };

static size_t
decode(char *dst, struct rp_str s, unsigned how)
{
    char *d = dst;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        int v;

        if (c == '+' && (how & PLUS_IS_SPACE)) {
            *d++ = ' ';
            continue;
        }
        v = c == '%' ? get_escape(s, i) : -1;
        if (v < 0) {
            *d++ = c;
            continue;
        }
        i += 2;
        if ((how & KEEP_SLASH) && (v == '/' || v == '%')) {
            memcpy(d, v == '/' ? "%2F" : "%25", 3);
            d += 3;
        } else {
            *d++ = (char)v;
        }
    }
    return (size_t)(d - dst);
}

size_t
rp_url_decode(char *dst, struct rp_str s)
{
    return decode(dst, s, 0);
}

size_t
rp_url_decode_form(char *dst, struct rp_str s)
{
    return decode(dst, s, PLUS_IS_SPACE);
}

size_t
rp_url_decode_route(char *dst, struct rp_str s)
{
    return decode(dst, s, KEEP_SLASH);
}

bool
rp_url_has_dot_segment(struct rp_str path)
{
    size_t start = 0;

    for (size_t i = 0; i <= path.n; i++) {
        if (i < path.n && path.p[i] != '/')
            continue;
        if ((i - start == 1 && path.p[start] == '.') ||
            (i - start == 2 && path.p[start] == '.' &&
             path.p[start + 1] == '.'))
            return true;
        start = i + 1;
    }
    return false;
}

size_t
rp_url_encode(char *dst, struct rp_str s, bool keep_slash)
{
    static const char hex[] = "0123456789ABCDEF";
    char *d = dst;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (rp_char_is(s.p[i], RP_CHAR_UNRESERVED) ||
            (c == '/' && keep_slash)) {
            *d++ = s.p[i];
        } else {
            *d++ = '%';
            *d++ = hex[c >> 4];
            *d++ = hex[c & 15];
        }
    }
    return (size_t)(d - dst);
}

bool
rp_url_next_pair(struct rp_str *rest, struct rp_str *name, struct rp_str *value)
{
    while (rest->n > 0) {
        const char *p = rest->p, *eq;
        const char *amp = memchr(p, '&', rest->n);
        size_t n = amp != NULL ? (size_t)(amp - p) : rest->n;
        size_t used = n + (amp != NULL);

        rest->p += used;
        rest->n -= used;
        if (n == 0)
            continue;
        eq = memchr(p, '=', n);
        *name = (struct rp_str){p, eq != NULL ? (size_t)(eq - p) : n};
        *value = eq != NULL ? (struct rp_str){eq + 1, n - name->n - 1}
                            : (struct rp_str){p + n, 0};
        return true;
    }
    return false;
}
