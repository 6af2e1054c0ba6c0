#include "rupy/http/target.h"

/* %00 is no character of any name, and cuts strings further down. */
static bool
has_nul_escape(struct rp_str s)
{
    const char *p = s.p, *end = s.p + s.n;

    while ((p = memchr(p, '%', (size_t)(end - p))) != NULL) {
        if (end - p >= 3 && p[1] == '0' && p[2] == '0')
            return true;
        p++;
    }
    return false;
}

static void
split_query(struct rp_request *r, struct rp_str s)
{
    const char *mark = s.n > 0 ? memchr(s.p, '?', s.n) : NULL;

    r->path = s;
    r->query = (struct rp_str){s.p + s.n, 0};
    if (mark != NULL) {
        r->path.n = (size_t)(mark - s.p);
        r->query = (struct rp_str){mark + 1, s.n - r->path.n - 1};
    }
}

/* "http://" authority path-abempty [ "?" query ].  RFC 9110 4.2.1 and 4.2.4:
 * neither may the host be empty, nor is userinfo to be trusted. */
static int
parse_absolute(struct rp_request *r)
{
    struct rp_str s = r->target, host;
    size_t scheme = 0, n = 0;

    if (s.n > 7 && rp_str_ieq((struct rp_str){s.p, 7}, RP_STR("http://")))
        scheme = 7;
    else if (s.n > 8 && rp_str_ieq((struct rp_str){s.p, 8}, RP_STR("https://")))
        scheme = 8;
    else
        return RP_HTTP_BAD_TARGET;
    s.p += scheme;
    s.n -= scheme;
    while (n < s.n && s.p[n] != '/' && s.p[n] != '?')
        n++;
    host = (struct rp_str){s.p, n};
    if (!rp_is_host(host))
        return RP_HTTP_BAD_TARGET;
    r->host = host;
    split_query(r, (struct rp_str){s.p + n, s.n - n});
    if (r->path.n > 0)
        return 0;
    /* RFC 9112 3.2.4: without path and query, OPTIONS asks the server. */
    if (r->method == RP_METHOD_OPTIONS && n == s.n)
        r->path = RP_STR("*");
    else
        r->path = RP_STR("/");
    return 0;
}

/* RFC 9110 9.3.6: host and port, neither of which may be missing. */
static int
parse_authority(struct rp_request *r)
{
    struct rp_str s = r->target;

    if (!rp_is_host(s) || s.p[s.n - 1] < '0' || s.p[s.n - 1] > '9' ||
        memrchr(s.p, ':', s.n) == NULL)
        return RP_HTTP_BAD_TARGET;
    if (s.p[0] == '[' && s.p[s.n - 1] == ']')
        return RP_HTTP_BAD_TARGET;
    r->host = s;
    r->path = (struct rp_str){s.p + s.n, 0};
    r->query = r->path;
    return 0;
}

int
rp_target_parse(struct rp_request *r)
{
    struct rp_str s = r->target;

    r->host = (struct rp_str){NULL, 0};
    if (r->method == RP_METHOD_CONNECT)
        return parse_authority(r);
    if (has_nul_escape(s))
        return RP_HTTP_BAD_TARGET;
    if (s.p[0] == '/') {
        split_query(r, s);
        return 0;
    }
    if (s.n == 1 && s.p[0] == '*' && r->method == RP_METHOD_OPTIONS) {
        split_query(r, s);
        return 0;
    }
    return parse_absolute(r);
}
