/* digest.h -- SHA-1 and base64, for Sec-WebSocket-Accept.
 *
 * RFC 6455 1.3 wants SHA-1 as a fingerprint, not as protection: it is here
 * for nothing that must stay secret or unforged. */
#ifndef RUPY_BASE_DIGEST_H
#define RUPY_BASE_DIGEST_H

#include <sys/types.h>

#include "rupy/base/str.h"

enum { RP_SHA1_SIZE = 20 };
/* Characters that n bytes become, padding and all. */
#define RP_BASE64_SIZE(n) (((n) + 2) / 3 * 4)

void rp_sha1(const void *p, size_t n, uint8_t out[RP_SHA1_SIZE]);

/* Write RP_BASE64_SIZE(n) characters, without NUL (RFC 4648 4). */
void rp_base64_encode(const void *p, size_t n, char *out);
/* Decode s, padding and all, into at most cap bytes.  Strict (RFC 4648 3):
 * nothing but the alphabet, and unused bits are 0.
 * Return how many bytes, or -1. */
ssize_t rp_base64_decode(struct rp_str s, void *out, size_t cap);

#endif
