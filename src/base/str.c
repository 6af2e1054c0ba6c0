#include "rupy/base/str.h"

#include <stdarg.h>
#include <stdio.h>

/* ASCII only: tolower() would ask the locale, which the peer may profit of. */
static unsigned char
to_lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

bool
rp_str_ieq(struct rp_str a, struct rp_str b)
{
    if (a.n != b.n)
        return false;
    /* Mostly one side is a name of ours, and the other says it alike. */
    if (a.n == 0 || memcmp(a.p, b.p, a.n) == 0)
        return true;
    for (size_t i = 0; i < a.n; i++)
        if (to_lower((unsigned char)a.p[i]) != to_lower((unsigned char)b.p[i]))
            return false;
    return true;
}

bool
rp_str_has_prefix(struct rp_str a, struct rp_str prefix)
{
    return a.n >= prefix.n &&
           (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}

static bool
is_ows(char c)
{
    return c == ' ' || c == '\t';
}

struct rp_str
rp_str_trim(struct rp_str s)
{
    while (s.n > 0 && is_ows(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_ows(s.p[s.n - 1]))
        s.n--;
    return s;
}

int
rp_str_to_u64(struct rp_str s, uint64_t *out)
{
    uint64_t v = 0;

    if (s.n < 1 || s.n > 19)
        return -1;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        v = v * 10 + (uint64_t)(s.p[i] - '0');
    }
    /* 19 digits stay below 2^64, so nothing has wrapped before this test. */
    if (v > INT64_MAX)
        return -1;
    *out = v;
    return 0;
}

int
rp_fail(char *error, size_t n, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(error, n, fmt, ap);
    va_end(ap);
    return -1;
}
