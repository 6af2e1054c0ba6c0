#include "rupy/base/utf8.h"

/* The first byte of a character of several bytes.  Its second byte's range
 * keeps out overlong forms, surrogates, and what is above U+10FFFF. */
static bool
begin(struct rp_utf8 *u, uint8_t c)
{
    u->lo = 0x80;
    u->hi = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) {
        u->left = 1;
    } else if (c >= 0xe0 && c <= 0xef) {
        u->left = 2;
        if (c == 0xe0)
            u->lo = 0xa0;
        else if (c == 0xed)
            u->hi = 0x9f;
    } else if (c >= 0xf0 && c <= 0xf4) {
        u->left = 3;
        if (c == 0xf0)
            u->lo = 0x90;
        else if (c == 0xf4)
            u->hi = 0x8f;
    } else {
        return false;
    }
    return true;
}

bool
rp_utf8_feed(struct rp_utf8 *u, const void *p, size_t n)
{
    const uint8_t *at = p, *end = n > 0 ? at + n : at;

    while (at < end) {
        if (u->left > 0) {
            if (*at < u->lo || *at > u->hi)
                return false;
            u->lo = 0x80;
            u->hi = 0xbf;
            u->left--;
            at++;
            continue;
        }
        while (end - at >= 8) {
            uint64_t v;

            memcpy(&v, at, sizeof(v));
            if (v & 0x8080808080808080)
                break;
            at += 8;
        }
        while (at < end && *at < 0x80)
            at++;
        if (at < end && !begin(u, *at++))
            return false;
    }
    return true;
}

bool
rp_utf8_is_valid(struct rp_str s)
{
    struct rp_utf8 u = {0};

    return rp_utf8_feed(&u, s.p, s.n) && rp_utf8_is_complete(&u);
}
