#include "rupy/http/cookie.h"

#include "rupy/http/chars.h"

static struct rp_str
unquote(struct rp_str s)
{
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        return (struct rp_str){s.p + 1, s.n - 2};
    return s;
}

/* What has no '=' is no pair, and RFC 6265 5.4 never sends it: passed over. */
bool
rp_cookie_next(struct rp_str *rest, struct rp_str *name, struct rp_str *value)
{
    while (rest->n > 0) {
        const char *p = rest->p, *eq;
        const char *end = memchr(p, ';', rest->n);
        size_t n = end != NULL ? (size_t)(end - p) : rest->n;
        size_t used = n + (end != NULL);

        rest->p += used;
        rest->n -= used;
        eq = n > 0 ? memchr(p, '=', n) : NULL;
        if (eq == NULL)
            continue;
        *name = rp_str_trim((struct rp_str){p, (size_t)(eq - p)});
        *value = unquote(
            rp_str_trim((struct rp_str){eq + 1, (size_t)(p + n - eq) - 1}));
        return true;
    }
    return false;
}

bool
rp_is_cookie_value(struct rp_str s)
{
    return rp_chars_are(s, RP_CHAR_COOKIE);
}

bool
rp_is_cookie_attr(struct rp_str s)
{
    return rp_chars_are(s, RP_CHAR_COOKIE_ATTR);
}
