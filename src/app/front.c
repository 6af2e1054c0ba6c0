/* front.c -- what stands in front of handlers: the client behind trusted
 * proxies, and the hosts that may be asked for. */
#include <stdio.h>

#include "rupy/app/impl.h"
#include "rupy/http/hosts.h"

/* Field lines that were changed are another block than those received, and
 * of one block always the same. */
#define UNTRUSTED_BLOCK (UINT64_C(1) << 63)
#define TRUSTED_BLOCK (UINT64_C(1) << 62)

struct rp_via {
    struct rp_peer client;
    bool is_https;
    struct rp_str prefix;
};

const struct rp_peer *
rp_exchange_client(const struct rp_exchange *x)
{
    return x->via ? &x->via->client : x->peer;
}

struct rp_str
rp_exchange_scheme(const struct rp_exchange *x)
{
    bool secure = x->via ? x->via->is_https : x->peer->is_tls;

    return secure ? RP_STR("https") : RP_STR("http");
}

const struct rp_tls_facts *
rp_exchange_tls(const struct rp_exchange *x)
{
    return x->peer->is_tls ? x->root->sink->ops->tls(x->root->sink) : NULL;
}

/* A proxy that says nothing of the scheme may speak TLS with us. */
static bool
is_https(const struct rp_exchange *x, const struct rp_forwarded *f)
{
    return f->has_scheme ? f->is_https : x->peer->is_tls;
}

struct rp_str
rp_exchange_prefix(const struct rp_exchange *x)
{
    return x->via ? x->via->prefix : RP_STR("");
}

/* Let the fields be in memory of the exchange's own, the first n of them. */
static void
own_fields(struct rp_exchange *x, unsigned n, uint64_t mark)
{
    struct rp_request *r = &x->request;

    if (r->fields != x->fields)
        memcpy(x->fields, r->fields, n * sizeof(x->fields[0]));
    r->fields = x->fields;
    if (r->block_id != 0)
        r->block_id |= mark;
}

static void
drop_fields(struct rp_exchange *x, bool (*is_bad)(struct rp_str name),
            uint64_t mark)
{
    struct rp_request *r = &x->request;
    const struct rp_field *from = r->fields;
    unsigned i = 0, n;

    while (i < r->nfields && !is_bad(from[i].name))
        i++;
    if (i == r->nfields)
        return;
    own_fields(x, i, mark);
    for (n = i; i < r->nfields; i++)
        if (!is_bad(from[i].name))
            x->fields[n++] = from[i];
    r->nfields = n;
}

bool
rp_peer_is_trusted(const struct rp_trust *t, const struct rp_peer *peer)
{
    struct rp_str host = {peer->host, strlen(peer->host)};
    struct rp_addr addr = {.is_unix = true};

    if (!peer->is_unix && rp_addr_parse(&addr, host) < 0)
        return false;
    return rp_trust_has(t, &addr);
}

/* Of a valid host. */
static bool
has_port(struct rp_str host)
{
    return host.p[host.n - 1] != ']' && memchr(host.p, ':', host.n);
}

/* The host that the client asked for, for everybody who looks at it. */
static int
set_host(struct rp_exchange *x, const struct rp_forwarded *f)
{
    struct rp_request *r = &x->request;
    struct rp_str host = f->host.n > 0 ? f->host : r->host;
    uint16_t standard = is_https(x, f) ? 443 : 80;
    bool add_port = f->port != 0 && f->port != standard;
    char *p;

    if (host.n == 0)
        return 0;
    add_port = add_port && !has_port(host);
    if (f->host.n == 0 && !add_port)
        return 0;
    p = rp_arena_alloc(&x->arena, host.n + sizeof(":65535"));
    if (!p)
        return -1;
    memcpy(p, host.p, host.n);
    r->host = (struct rp_str){p, host.n};
    if (add_port)
        r->host.n += (size_t)snprintf(p + host.n, sizeof(":65535"), ":%u",
                                      (unsigned)f->port);
    own_fields(x, r->nfields, TRUSTED_BLOCK);
    for (unsigned i = 0; i < r->nfields; i++)
        if (rp_str_ieq(x->fields[i].name, RP_STR("host")))
            x->fields[i].value = r->host;
    return 0;
}

static int
set_via(struct rp_exchange *x, const struct rp_forwarded *f)
{
    struct rp_via *via = rp_arena_alloc(&x->arena, sizeof(*via));

    if (!via)
        return -1;
    via->client = *x->peer;
    if (f->has_client) {
        rp_addr_format(&f->client, via->client.host);
        via->client.port = f->client_port;
    }
    via->is_https = is_https(x, f);
    via->prefix = RP_STR("");
    if (f->prefix.n > 0) {
        via->prefix = rp_arena_copy(&x->arena, f->prefix);
        if (!via->prefix.p)
            return -1;
    }
    x->via = via;
    return 0;
}

int
rp_exchange_forward(struct rp_exchange *x)
{
    const struct rp_forwarded_rules *rules = &x->v->forwarded;
    struct rp_request *r = &x->request;
    struct rp_forwarded f;

    if (rules->what == 0)
        return 0;
    if (!rp_peer_is_trusted(&rules->trust, x->peer)) {
        if (rules->strip)
            drop_fields(x, rp_forwarded_is_field, UNTRUSTED_BLOCK);
        return 0;
    }
    drop_fields(x, rp_forwarded_is_disguised, TRUSTED_BLOCK);
    rp_forwarded_read(rules, r->fields, r->nfields, &f);
    return set_host(x, &f) < 0 || set_via(x, &f) < 0 ? -1 : 0;
}

bool
rp_exchange_is_for_us(const struct rp_exchange *x)
{
    const struct rp_service *v = x->v;

    return v->nhosts == 0 ||
           rp_hosts_allow(v->hosts, v->nhosts, x->request.host);
}

bool
rp_exchange_has_underscore(const struct rp_exchange *x)
{
    const struct rp_request *r = &x->request;

    for (unsigned i = 0; i < r->nfields; i++)
        if (memchr(r->fields[i].name.p, '_', r->fields[i].name.n))
            return true;
    return false;
}
