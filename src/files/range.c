/* range.c -- the Range field (RFC 9110 14). */
#include "rupy/files/select.h"
#include "rupy/http/headers.h"

/* 1*DIGIT at the front of s, taken off; what is too large is the largest.
 * false: there is no digit. */
static bool
take_number(struct rp_str *s, uint64_t *out)
{
    size_t i = 0;
    uint64_t v = 0;

    for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++)
        v = v > INT64_MAX / 10 - 1 ? INT64_MAX
                                   : v * 10 + (uint64_t)(s->p[i] - '0');
    s->p += i;
    s->n -= i;
    *out = v;
    return i > 0;
}

/* One range-spec.  1 and *out; 0: it cannot be satisfied; -1: malformed. */
static int
parse_one(struct rp_str s, uint64_t size, struct rp_range *out)
{
    uint64_t first = 0, last = 0;
    bool has_first = take_number(&s, &first), has_last;

    if (s.n == 0 || s.p[0] != '-')
        return -1;
    s.p++;
    s.n--;
    has_last = take_number(&s, &last);
    if (s.n > 0 || (!has_first && !has_last))
        return -1;
    if (!has_first) { /* the last so many bytes */
        uint64_t n = last < size ? last : size;

        /* Satisfied by nothing, which no Content-Range can say. */
        if (size == 0 && last > 0)
            return -1;
        *out = (struct rp_range){size - n, n};
        return n > 0;
    }
    if (has_last && last < first)
        return -1;
    if (first >= size)
        return 0;
    if (!has_last || last >= size)
        last = size - 1;
    *out = (struct rp_range){first, last - first + 1};
    return 1;
}

static bool
overlaps(const struct rp_range *v, int n)
{
    for (int i = 0; i < n - 1; i++)
        if (v[i].first < v[n - 1].first + v[n - 1].n &&
            v[n - 1].first < v[i].first + v[i].n)
            return true;
    return false;
}

int
rp_ranges_parse(struct rp_str value, uint64_t size,
                struct rp_range ranges[RP_RANGES_MAX])
{
    struct rp_str rest, one;
    int n = 0, found, asked = 0;

    if (value.n < 6 ||
        !rp_str_ieq((struct rp_str){value.p, 6}, RP_STR("bytes=")))
        return 0;
    rest = (struct rp_str){value.p + 6, value.n - 6};
    while (rp_list_next(&rest, &one)) {
        struct rp_range range;

        found = parse_one(one, size, &range);
        if (found < 0 || ++asked > RP_RANGES_MAX)
            return 0;
        if (found == 0)
            continue;
        ranges[n++] = range;
        /* RFC 9110 14.2: who asks for the same bytes twice is up to no
         * good, or does not know what it does. */
        if (overlaps(ranges, n))
            return 0;
    }
    if (asked == 0)
        return 0;
    return n > 0 ? n : -1;
}
