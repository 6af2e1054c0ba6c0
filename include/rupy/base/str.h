/* str.h -- a slice of bytes that somebody else owns. */
#ifndef RUPY_BASE_STR_H
#define RUPY_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rp_str {
    const char *p;
    size_t n;
};

#define RP_STR(lit) ((struct rp_str){(lit), sizeof(lit) - 1})
/* For printf's "%.*s". */
#define RP_STR_ARG(s) (int)(s).n, (s).p

static inline bool
rp_str_eq(struct rp_str a, struct rp_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Equal but for the case of ASCII letters; never looks at the locale. */
bool rp_str_ieq(struct rp_str a, struct rp_str b);
/* a begins with prefix. */
bool rp_str_has_prefix(struct rp_str a, struct rp_str prefix);
/* Without SP and HTAB at both ends (OWS, RFC 9110 5.6.3), and nothing else. */
struct rp_str rp_str_trim(struct rp_str s);
/* 1 to 19 decimal digits and nothing else, at most INT64_MAX.
 * Return 0, or -1 and leave *out alone. */
int rp_str_to_u64(struct rp_str s, uint64_t *out);
/* Say why in error, of n bytes, as printf() does.  Return -1, for who returns
 * that. */
int __attribute__((format(printf, 3, 4)))
rp_fail(char *error, size_t n, const char *fmt, ...);

#endif
