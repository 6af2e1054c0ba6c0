#include "rupy/http/forwarded.h"

/* ---- Which fields ---- */

/* name begins with the lower-case `begin`, '_' standing for '-'. */
static bool
begins(struct rp_str name, struct rp_str begin)
{
    if (name.n < begin.n)
        return false;
    for (size_t i = 0; i < begin.n; i++) {
        char c = name.p[i] == '_' ? '-' : name.p[i];
        if (c >= 'A' && c <= 'Z')
            c |= 0x20;
        if (c != begin.p[i])
            return false;
    }
    return true;
}

bool
rp_forwarded_is_field(struct rp_str name)
{
    if (begins(name, RP_STR("x-forwarded-")))
        return true;
    return name.n == 9 && (begins(name, RP_STR("forwarded")) ||
                           begins(name, RP_STR("x-real-ip")));
}

bool
rp_forwarded_is_disguised(struct rp_str name)
{
    return memchr(name.p, '_', name.n) && rp_forwarded_is_field(name);
}

/* ---- The option ---- */

enum {
    SIMPLE = RP_FORWARDED_FOR | RP_FORWARDED_PROTO,
    OFF = 64, /* only while words are added */
};

int
rp_forwarded_add(unsigned *what, struct rp_str word, const char **why)
{
    static const struct {
        struct rp_str word;
        unsigned what;
    } words[] = {
        {{"off", 3}, OFF},
        {{"x-forwarded", 11}, SIMPLE},
        {{"rfc7239", 7}, RP_FORWARDED_RFC7239},
        {{"for", 3}, RP_FORWARDED_FOR},
        {{"proto", 5}, RP_FORWARDED_PROTO},
        {{"host", 4}, RP_FORWARDED_HOST},
        {{"port", 4}, RP_FORWARDED_PORT},
        {{"prefix", 6}, RP_FORWARDED_PREFIX},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (rp_str_ieq(word, words[i].word)) {
            *what |= words[i].what;
            return 0;
        }
    *why = "is none of: off x-forwarded rfc7239 for proto host port prefix";
    return -1;
}

int
rp_forwarded_finish(unsigned *what, const char **why)
{
    if (*what & OFF) {
        *why = "off excludes the other words";
        if (*what != OFF)
            return -1;
        *what = 0;
        return 0;
    }
    if (*what == RP_FORWARDED_RFC7239)
        *what |= SIMPLE;
    if ((*what & RP_FORWARDED_RFC7239) &&
        (*what & (RP_FORWARDED_PORT | RP_FORWARDED_PREFIX))) {
        *why = "rfc7239 has no port and no prefix";
        return -1;
    }
    return 0;
}

/* ---- One member ---- */

static int
parse_port(struct rp_str s, uint16_t *out)
{
    uint64_t v;

    if (rp_str_to_u64(s, &v) < 0 || v == 0 || v > 65535)
        return -1;
    *out = (uint16_t)v;
    return 0;
}

/* 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1], [2001:db8::1]:80, and
 * "unix:", which nginx says of a client on a unix socket. */
static int
parse_node(struct rp_str s, struct rp_addr *a, uint16_t *port)
{
    const char *end = NULL;
    struct rp_str host = s, rest = {"", 0};

    *port = 0;
    if (s.n == 0)
        return -1;
    if (rp_str_has_prefix(s, RP_STR("unix:"))) {
        *a = (struct rp_addr){.is_unix = true};
        return 0;
    }
    if (s.p[0] == '[') {
        end = memchr(s.p, ']', s.n);
        if (!end)
            return -1;
        host = (struct rp_str){s.p + 1, (size_t)(end - s.p) - 1};
        if (!memchr(host.p, ':', host.n))
            return -1;
        rest = (struct rp_str){end + 1, s.n - host.n - 2};
    } else if (memchr(s.p, '.', s.n) && (end = memchr(s.p, ':', s.n)) &&
               !memchr(end + 1, ':', (size_t)(s.p + s.n - end) - 1)) {
        host.n = (size_t)(end - s.p);
        rest = (struct rp_str){end, s.n - host.n};
    }
    if (rest.n > 0 &&
        (rest.p[0] != ':' ||
         parse_port((struct rp_str){rest.p + 1, rest.n - 1}, port) < 0))
        return -1;
    return rp_addr_parse(a, host);
}

/* http, https; a proxy of a WebSocket may say ws, wss. */
static void
take_scheme(struct rp_forwarded *f, struct rp_str s)
{
    bool https = rp_str_ieq(s, RP_STR("https")) || rp_str_ieq(s, RP_STR("wss"));

    if (!https && !rp_str_ieq(s, RP_STR("http")) &&
        !rp_str_ieq(s, RP_STR("ws")))
        return;
    f->has_scheme = true;
    f->is_https = https;
}

static void
take_host(struct rp_forwarded *f, struct rp_str s)
{
    if (rp_is_host(s))
        f->host = s;
}

/* An absolute path without anything that could lead elsewhere. */
static void
take_prefix(struct rp_forwarded *f, struct rp_str s)
{
    while (s.n > 0 && s.p[s.n - 1] == '/')
        s.n--;
    if (s.n < 2 || s.p[0] != '/')
        return;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                        (c >= 'a' && c <= 'z');

        if (!is_alnum && (c == '\0' || !strchr("/-._~!$&'()*+,;=:@", c)))
            return;
        if (c == '/' && (s.p[i + 1] == '/' || s.p[i + 1] == '.'))
            return;
    }
    f->prefix = s;
}

/* ---- X-Forwarded-*: lists, over all lines of that name ---- */

struct members {
    const struct rp_field *v;
    unsigned n; /* lines v[0] to v[n - 1] are left, and `line` */
    struct rp_str name, line;
};

static struct members
members_of(const struct rp_field *v, unsigned n, struct rp_str name)
{
    return (struct members){v, n, name, {"", 0}};
}

/* The next member from the end; empty ones are passed over. */
static bool
previous(struct members *m, struct rp_str *out)
{
    for (;;) {
        while (m->line.n > 0) {
            const char *comma = memrchr(m->line.p, ',', m->line.n);
            size_t at = comma ? (size_t)(comma - m->line.p) + 1 : 0;

            *out = rp_str_trim((struct rp_str){m->line.p + at, m->line.n - at});
            m->line.n = comma ? at - 1 : 0;
            if (out->n > 0)
                return true;
        }
        do {
            if (m->n == 0)
                return false;
            m->n--;
        } while (!rp_str_ieq(m->v[m->n].name, m->name));
        m->line = m->v[m->n].value;
    }
}

/* The member that the proxy `depth` steps away wrote.  Of a shorter list the
 * first: not every proxy adds to it, some overwrite. */
static bool
member_at(const struct rp_field *v, unsigned n, struct rp_str name,
          unsigned depth, struct rp_str *out)
{
    struct members m = members_of(v, n, name);
    struct rp_str s;
    unsigned i = 0;

    for (; i < depth && previous(&m, &s); i++)
        *out = s;
    return i > 0;
}

/* Take s, seen behind `depth` others, for the client.  Return whether what
 * stands in front of it can be believed as well. */
static bool
walk(const struct rp_forwarded_rules *rules, struct rp_forwarded *f,
     struct rp_str s, unsigned depth)
{
    struct rp_addr addr;
    uint16_t port;
    bool ok = parse_node(s, &addr, &port) == 0;

    if (rules->hops > 0 && depth + 1 < rules->hops)
        return true;
    if (!ok)
        return false;
    f->has_client = true;
    f->client = addr;
    f->client_port = port;
    return rules->hops == 0 && rp_trust_has(&rules->trust, &addr);
}

static void
read_x(const struct rp_forwarded_rules *rules, const struct rp_field *v,
       unsigned n, struct rp_forwarded *f)
{
    struct members m = members_of(v, n, RP_STR("x-forwarded-for"));
    unsigned what = rules->what, depth = 0;
    struct rp_str s;

    while (depth < RP_FORWARDED_MAX && previous(&m, &s))
        if (!walk(rules, f, s, depth++))
            break;
    if (rules->hops > 0)
        depth = rules->hops;
    if (depth == 0)
        depth = 1;
    if ((what & RP_FORWARDED_PROTO) &&
        member_at(v, n, RP_STR("x-forwarded-proto"), depth, &s))
        take_scheme(f, s);
    if ((what & RP_FORWARDED_HOST) &&
        member_at(v, n, RP_STR("x-forwarded-host"), depth, &s))
        take_host(f, s);
    if ((what & RP_FORWARDED_PORT) &&
        member_at(v, n, RP_STR("x-forwarded-port"), depth, &s))
        parse_port(s, &f->port);
    if ((what & RP_FORWARDED_PREFIX) &&
        member_at(v, n, RP_STR("x-forwarded-prefix"), depth, &s))
        take_prefix(f, s);
}

/* ---- Forwarded, RFC 7239 4 ---- */

struct element {
    struct rp_str node, proto, host; /* p NULL: not said */
};

/* The elements at the end of all lines; older ones were overwritten. */
struct elements {
    struct element v[RP_FORWARDED_MAX];
    unsigned n;
};

/* token or quoted-string at the begin of *rest; quoted-pairs stay as they
 * are, as nothing that needs one is ever valid here. */
static bool
next_value(struct rp_str *rest, struct rp_str *out)
{
    size_t i = 0;

    if (rest->n > 0 && rest->p[0] == '"') {
        for (i = 1; i < rest->n && rest->p[i] != '"'; i++)
            if (rest->p[i] == '\\')
                i++;
        if (i >= rest->n)
            return false;
        *out = (struct rp_str){rest->p + 1, i - 1};
        i++;
    } else {
        while (i < rest->n && !strchr(";, \t\"=", rest->p[i]))
            i++;
        *out = (struct rp_str){rest->p, i};
        if (!rp_is_token(*out))
            return false;
    }
    rest->p += i;
    rest->n -= i;
    return true;
}

/* Is the next byte c?  Then pass over it. */
static bool
skip(struct rp_str *rest, char c)
{
    if (rest->n == 0 || rest->p[0] != c)
        return false;
    rest->p++;
    rest->n--;
    return true;
}

static void
skip_blanks(struct rp_str *rest)
{
    while (skip(rest, ' ') || skip(rest, '\t'))
        ;
}

/* forwarded-pair: token "=" value.  A name that stands twice is an error. */
static bool
next_pair(struct rp_str *rest, struct element *e)
{
    const char *equals = memchr(rest->p, '=', rest->n);
    struct rp_str name, value, *to = NULL;

    if (!equals)
        return false;
    name = (struct rp_str){rest->p, (size_t)(equals - rest->p)};
    rest->p += name.n + 1;
    rest->n -= name.n + 1;
    if (!rp_is_token(name) || !next_value(rest, &value))
        return false;
    if (rp_str_ieq(name, RP_STR("for")))
        to = &e->node;
    else if (rp_str_ieq(name, RP_STR("proto")))
        to = &e->proto;
    else if (rp_str_ieq(name, RP_STR("host")))
        to = &e->host;
    if (to && to->p)
        return false;
    if (to)
        *to = value;
    return true;
}

/* All elements of a line.  A line that is malformed anywhere says nothing: a
 * quote that the client leaves open would swallow what the proxy adds. */
static bool
add_line(struct elements *all, struct rp_str rest)
{
    for (;;) {
        struct element e = {.node = {NULL, 0}};
        bool is_empty = true;

        skip_blanks(&rest);
        while (rest.n > 0 && rest.p[0] != ',') {
            if (!next_pair(&rest, &e))
                return false;
            is_empty = false;
            skip_blanks(&rest);
            if (skip(&rest, ';'))
                skip_blanks(&rest);
            else if (rest.n > 0 && rest.p[0] != ',')
                return false;
        }
        if (!is_empty)
            all->v[all->n++ % RP_FORWARDED_MAX] = e;
        if (!skip(&rest, ','))
            return true;
    }
}

static void
read_rfc7239(const struct rp_forwarded_rules *rules, const struct rp_field *v,
             unsigned n, struct rp_forwarded *f)
{
    struct elements all = {.n = 0};
    const struct element *e = NULL;
    unsigned depth = 0;

    for (unsigned i = 0; i < n; i++)
        if (rp_str_ieq(v[i].name, RP_STR("forwarded")) &&
            !add_line(&all, v[i].value))
            all.n = 0;
    while (depth < all.n && depth < RP_FORWARDED_MAX) {
        e = &all.v[(all.n - 1 - depth) % RP_FORWARDED_MAX];
        if (!walk(rules, f, e->node, depth++))
            break;
    }
    if (!e || depth < rules->hops)
        return;
    if (rules->what & RP_FORWARDED_PROTO)
        take_scheme(f, e->proto);
    if (rules->what & RP_FORWARDED_HOST)
        take_host(f, e->host);
}

void
rp_forwarded_read(const struct rp_forwarded_rules *rules,
                  const struct rp_field *v, unsigned n, struct rp_forwarded *f)
{
    *f = (struct rp_forwarded){.has_client = false};
    if (rules->what & RP_FORWARDED_RFC7239)
        read_rfc7239(rules, v, n, f);
    else if (rules->what != 0)
        read_x(rules, v, n, f);
    if (!(rules->what & RP_FORWARDED_FOR))
        f->has_client = false;
}
