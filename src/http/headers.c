#include "rupy/http/headers.h"

#include <arpa/inet.h>

#include "rupy/http/chars.h"

bool
rp_is_token(struct rp_str s)
{
    return s.n > 0 && rp_chars_are(s, RP_CHAR_TOKEN);
}

bool
rp_is_field_value(struct rp_str s)
{
    return rp_chars_are(s, RP_CHAR_VALUE);
}

/* reg-name, which IPv4 addresses look like too.  The comma, though one of the
 * sub-delims, is refused: no host has it, and it is how two Host lines look
 * after somebody joined them. */
static bool
is_reg_name(struct rp_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (rp_char_is(s.p[i], RP_CHAR_UNRESERVED | RP_CHAR_SUB_DELIM))
            continue;
        if (s.p[i] != '%' || s.n - i < 3 || rp_char_hex(s.p[i + 1]) < 0 ||
            rp_char_hex(s.p[i + 2]) < 0)
            return false;
        /* %00 to %1f and %7f: a control byte by another name. */
        if (s.p[i + 1] < '2' || (s.p[i + 1] == '7' && (s.p[i + 2] | 32) == 'f'))
            return false;
        i += 2;
    }
    return s.n > 0;
}

/* "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) */
static bool
is_ip_future(struct rp_str s)
{
    size_t i = 1;

    while (i < s.n && rp_char_is(s.p[i], RP_CHAR_HEX))
        i++;
    if (i < 2 || i >= s.n || s.p[i] != '.' || i + 1 == s.n)
        return false;
    for (i++; i < s.n; i++)
        if (s.p[i] != ':' &&
            !rp_char_is(s.p[i], RP_CHAR_UNRESERVED | RP_CHAR_SUB_DELIM))
            return false;
    return true;
}

/* What stands between '[' and ']', RFC 3986 3.2.2; zones are not for us. */
static bool
is_ip_literal(struct rp_str s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr addr;

    if (s.n > 0 && (s.p[0] | 0x20) == 'v')
        return is_ip_future(s);
    if (s.n >= sizeof(text) || memchr(s.p, '\0', s.n) != NULL)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return inet_pton(AF_INET6, text, &addr) == 1;
}

/* Empty, or ":" and a number that may be missing. */
static bool
is_port(struct rp_str s)
{
    unsigned v = 0;

    if (s.n == 0)
        return true;
    if (s.p[0] != ':')
        return false;
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (unsigned)(s.p[i] - '0');
        if (v > 65535)
            return false;
    }
    return true;
}

bool
rp_is_host(struct rp_str s)
{
    const char *end;
    size_t n;

    if (s.n == 0)
        return false;
    if (s.p[0] == '[') {
        end = memchr(s.p, ']', s.n);
        if (end == NULL)
            return false;
        n = (size_t)(end - s.p);
        return is_ip_literal((struct rp_str){s.p + 1, n - 1}) &&
               is_port((struct rp_str){end + 1, s.n - n - 1});
    }
    end = memchr(s.p, ':', s.n);
    n = end != NULL ? (size_t)(end - s.p) : s.n;
    return is_reg_name((struct rp_str){s.p, n}) &&
           is_port((struct rp_str){s.p + n, s.n - n});
}

const struct rp_field *
rp_fields_find(const struct rp_field *v, unsigned n, struct rp_str name)
{
    for (unsigned i = 0; i < n; i++)
        if (rp_str_ieq(v[i].name, name))
            return &v[i];
    return NULL;
}

bool
rp_list_next(struct rp_str *rest, struct rp_str *member)
{
    while (rest->n > 0) {
        const char *comma = memchr(rest->p, ',', rest->n);
        size_t n = comma != NULL ? (size_t)(comma - rest->p) : rest->n;

        *member = rp_str_trim((struct rp_str){rest->p, n});
        n += comma != NULL;
        rest->p += n;
        rest->n -= n;
        if (member->n > 0)
            return true;
    }
    return false;
}

bool
rp_fields_list_has(const struct rp_field *v, unsigned n, struct rp_str name,
                   struct rp_str token)
{
    for (unsigned i = 0; i < n; i++) {
        struct rp_str rest = v[i].value, member;

        if (!rp_str_ieq(v[i].name, name))
            continue;
        while (rp_list_next(&rest, &member))
            if (rp_str_ieq(member, token))
                return true;
    }
    return false;
}

bool
rp_is_hop_by_hop(struct rp_str name)
{
    switch (name.n) {
    case 2:
        return rp_str_ieq(name, RP_STR("te"));
    case 7:
        if (rp_str_ieq(name, RP_STR("trailer")) ||
            rp_str_ieq(name, RP_STR("upgrade")))
            return true;
        break;
    case 10:
        if (rp_str_ieq(name, RP_STR("connection")) ||
            rp_str_ieq(name, RP_STR("keep-alive")))
            return true;
        break;
    case 17:
        if (rp_str_ieq(name, RP_STR("transfer-encoding")))
            return true;
        break;
    }
    return name.n > 6 &&
           rp_str_ieq((struct rp_str){name.p, 6}, RP_STR("proxy-"));
}
