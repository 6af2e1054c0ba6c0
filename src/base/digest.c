/* digest.c -- SHA-1 (RFC 3174) and base64 (RFC 4648 4). */
#include "rupy/base/digest.h"

#include "rupy/base/bytes.h"

enum { BLOCK = 64 };

static uint32_t
rotate(uint32_t v, unsigned by)
{
    return v << by | v >> (32 - by);
}

static void
sha1_block(uint32_t h[5], const uint8_t *p)
{
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], w[80];

    for (unsigned i = 0; i < 16; i++)
        w[i] = rp_get_be32(p + i * 4);
    for (unsigned i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (unsigned i = 0; i < 80; i++) {
        uint32_t f, k, t;

        if (i < 20) {
            f = (b & c) | (~b & d);
            k = 0x5a827999;
        } else if (i < 40) {
            f = b ^ c ^ d;
            k = 0x6ed9eba1;
        } else if (i < 60) {
            f = (b & c) | (b & d) | (c & d);
            k = 0x8f1bbcdc;
        } else {
            f = b ^ c ^ d;
            k = 0xca62c1d6;
        }
        t = rotate(a, 5) + f + e + k + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = t;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void
rp_sha1(const void *p, size_t n, uint8_t out[RP_SHA1_SIZE])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                     0xc3d2e1f0};
    uint8_t tail[2 * BLOCK] = {0};
    const uint8_t *at = p;
    size_t left = n, end;

    for (; left >= BLOCK; at += BLOCK, left -= BLOCK)
        sha1_block(h, at);
    if (left > 0)
        memcpy(tail, at, left);
    tail[left] = 0x80;
    /* The length in bits takes the last eight bytes of the last block. */
    end = left + 1 + 8 <= BLOCK ? BLOCK : 2 * BLOCK;
    rp_put_be64(tail + end - 8, (uint64_t)n * 8);
    for (size_t i = 0; i < end; i += BLOCK)
        sha1_block(h, tail + i);
    for (unsigned i = 0; i < 5; i++)
        rp_put_be32(out + i * 4, h[i]);
}

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
rp_base64_encode(const void *p, size_t n, char *out)
{
    const uint8_t *at = p;

    while (n > 0) {
        uint32_t v = (uint32_t)at[0] << 16 | (n > 1 ? at[1] << 8 : 0) |
                     (n > 2 ? at[2] : 0);
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = n > 1 ? alphabet[v >> 6 & 63] : '=';
        *out++ = n > 2 ? alphabet[v & 63] : '=';
        at += n > 3 ? 3 : n;
        n -= n > 3 ? 3 : n;
    }
}

static int
value_of(char c)
{
    const char *at = c != '\0' ? strchr(alphabet, c) : NULL;

    return at != NULL ? (int)(at - alphabet) : -1;
}

ssize_t
rp_base64_decode(struct rp_str s, void *out, size_t cap)
{
    uint8_t *to = out;
    size_t n = s.n, used = 0;
    unsigned bits = 0;
    uint32_t v = 0;

    if (s.n % 4 != 0)
        return -1;
    for (unsigned pad = 0; pad < 2 && n > 0 && s.p[n - 1] == '='; pad++)
        n--;
    for (size_t i = 0; i < n; i++) {
        int k = value_of(s.p[i]);

        if (k < 0)
            return -1;
        v = v << 6 | (uint32_t)k;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        if (used == cap)
            return -1;
        to[used++] = (uint8_t)(v >> bits);
        v &= (1u << bits) - 1;
    }
    return v == 0 ? (ssize_t)used : -1;
}
