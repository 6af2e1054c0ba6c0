/* chars.h -- what each byte may be part of, one lookup. */
#ifndef RUPY_HTTP_CHARS_H
#define RUPY_HTTP_CHARS_H

#include "rupy/base/str.h"

enum {
    RP_CHAR_TOKEN = 1,         /* tchar, RFC 9110 5.6.2 */
    RP_CHAR_TARGET = 2,        /* ! to ~ without "<>\^`{|} and # */
    RP_CHAR_VALUE = 4,         /* HTAB, SP to ~, 0x80 to 0xff: RFC 9110 5.5 */
    RP_CHAR_UNRESERVED = 8,    /* RFC 3986 2.3 */
    RP_CHAR_HEX = 16,          /* HEXDIG, both cases */
    RP_CHAR_COOKIE = 32,       /* cookie-octet, RFC 6265 4.1.1 */
    RP_CHAR_SUB_DELIM = 64,    /* RFC 3986 2.2, without the comma */
    RP_CHAR_COOKIE_ATTR = 128, /* av-octet, RFC 6265 4.1.1 with errata 3444 */
};

extern const unsigned char rp_chars[256];

static inline bool
rp_char_is(char c, unsigned what)
{
    return (rp_chars[(unsigned char)c] & what) != 0;
}

/* All of them; true of none. */
static inline bool
rp_chars_are(struct rp_str s, unsigned what)
{
    for (size_t i = 0; i < s.n; i++)
        if (!rp_char_is(s.p[i], what))
            return false;
    return true;
}

/* The value of a hex digit, or -1. */
static inline int
rp_char_hex(char c)
{
    if (!rp_char_is(c, RP_CHAR_HEX))
        return -1;
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

#endif
