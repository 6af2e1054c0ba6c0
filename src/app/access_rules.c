/* access_rules.c -- requests that have no access line, and the user's name. */
#include "access.h"

/* The status behind the comma: 404, or 4xx. */
static bool
parse_status(struct rp_access_rule *rule, struct rp_str s)
{
    int v = 0;

    if (s.n != 3 || s.p[0] < '1' || s.p[0] > '5')
        return false;
    if ((s.p[1] | 0x20) == 'x' && (s.p[2] | 0x20) == 'x') {
        rule->low = 100 * (s.p[0] - '0');
        rule->high = rule->low + 99;
        return true;
    }
    for (size_t i = 0; i < 3; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = 10 * v + s.p[i] - '0';
    }
    rule->low = rule->high = v;
    return true;
}

const char *
rp_access_rule_parse(struct rp_access_rule *rule, struct rp_str text)
{
    const char *comma = memchr(text.p, ',', text.n);
    size_t n = comma ? (size_t)(comma - text.p) : text.n;

    *rule = (struct rp_access_rule){{text.p, n}, 0, 999};
    if (n == 0 || (text.p[0] != '/' && text.p[0] != '*'))
        return "is no rule: it begins with a path or a star, as /static/* or "
               "/health,2xx";
    if (comma &&
        !parse_status(rule, (struct rp_str){comma + 1, text.n - n - 1}))
        return "has no status such as 404 or 2xx behind its comma";
    return NULL;
}

const char *
rp_access_check_skip(struct rp_str text)
{
    struct rp_access_rule rule;

    return rp_access_rule_parse(&rule, text);
}

/* '*' is any number of bytes, '?' one.  A star that did not do is made longer
 * by one; only the last needs to be, so the time is at most the product. */
static bool
is_like(struct rp_str glob, struct rp_str s)
{
    size_t g = 0, i = 0, star = SIZE_MAX, from = 0;

    while (i < s.n) {
        if (g < glob.n && glob.p[g] == '*') {
            star = g++;
            from = i;
        } else if (g < glob.n && (glob.p[g] == '?' || glob.p[g] == s.p[i])) {
            g++;
            i++;
        } else if (star != SIZE_MAX) {
            g = star + 1;
            i = ++from;
        } else {
            return false;
        }
    }
    while (g < glob.n && glob.p[g] == '*')
        g++;
    return g == glob.n;
}

bool
rp_access_rule_fits(const struct rp_access_rule *rule, struct rp_str path,
                    int status)
{
    return status >= rule->low && status <= rule->high &&
           is_like(rule->glob, path);
}

/* ---- The user ---- */

static int
base64_digit(char ch)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = ch == '\0' ? NULL : strchr(digits, ch);

    return found ? (int)(found - digits) : -1;
}

size_t
rp_access_user(struct rp_str s, char *out, size_t n)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t at = 0;

    if (s.n < 6 || !rp_str_ieq((struct rp_str){s.p, 6}, RP_STR("basic ")))
        return 0;
    s = rp_str_trim((struct rp_str){s.p + 6, s.n - 6});
    for (size_t i = 0; i < s.n && at < n; i++) {
        int digit = base64_digit(s.p[i]);
        if (digit < 0)
            return 0; /* without a colon it names nobody */
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        char ch = (char)(bits >> have & 0xff);
        if (ch == ':')
            return at;
        out[at++] = ch;
    }
    return at == n ? n : 0;
}
