/* proxy.c -- a proxy: its targets, and the heads of requests to them. */
#include "rupy/app/proxy_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "rupy/http/outbound.h"
#include "rupy/http/url.h"

enum { CONFIG_MAX = 1024 * 1024 }; /* bytes of names and paths */

/* ---- Life ---- */

static int
copy(struct rp_arena *a, struct rp_str *out, const char *text)
{
    *out = (struct rp_str){"", 0};
    if (text && text[0])
        *out = rp_arena_copy(a, (struct rp_str){text, strlen(text)});
    return out->p ? 0 : -1;
}

static int
copy_targets(struct rp_proxy *p, const struct rp_proxy_config *c)
{
    p->targets = rp_arena_alloc(&p->arena, c->ntargets * sizeof(p->targets[0]));
    if (!p->targets)
        return -1;
    for (; p->ntargets < c->ntargets; p->ntargets++) {
        const struct rp_proxy_target *from = &c->targets[p->ntargets];
        struct rp_target *t = &p->targets[p->ntargets];

        *t = (struct rp_target){.backend = from->backend,
                                .has_path = from->path != NULL};
        if (copy(&p->arena, &t->url, from->url) < 0 ||
            copy(&p->arena, &t->path, from->path) < 0)
            return -1;
    }
    return 0;
}

struct rp_proxy *
rp_proxy_new(const struct rp_proxy_config *c)
{
    struct rp_proxy *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->handler =
        (struct rp_handler){.ops = &rp_passage_ops, .self = p, .streams = true};
    p->answer = c->answer;
    p->read = c->read;
    p->tunnel = c->tunnel;
    p->fail_time = c->fail_time;
    rp_arena_init(&p->arena, CONFIG_MAX);
    if (copy(&p->arena, &p->prefix, c->prefix) < 0 ||
        copy(&p->arena, &p->host, c->host) < 0 || copy_targets(p, c) < 0) {
        rp_proxy_free(p);
        return NULL;
    }
    return p;
}

void
rp_proxy_free(struct rp_proxy *p)
{
    if (!p)
        return;
    rp_arena_fini(&p->arena);
    free(p);
}

const struct rp_handler *
rp_proxy_handler(const struct rp_proxy *p)
{
    return &p->handler;
}

struct rp_target *
rp_proxy_choose(struct rp_proxy *p, double now, const struct rp_target *but)
{
    unsigned first = p->next++ % p->ntargets;

    for (unsigned i = 0; i < p->ntargets; i++) {
        struct rp_target *t = &p->targets[(first + i) % p->ntargets];

        if (t != but && t->down_until <= now)
            return t;
    }
    return &p->targets[first];
}

/* ---- The head of a request ---- */

/* What stands behind the prefix in the path as received.  Only a slash of the
 * sender separates segments, so it has as many of them as the parameter, which
 * is decoded. */
static struct rp_str
raw_rest(struct rp_str path, struct rp_str rest)
{
    size_t slashes = 1, i = path.n;

    for (size_t k = 0; k < rest.n; k++)
        slashes += rest.p[k] == '/';
    while (i > 0 && slashes > 0)
        slashes -= path.p[--i] == '/';
    return (struct rp_str){path.p + i + 1, path.n - i - 1};
}

static struct rp_str
build_target(struct rp_passage *w, const struct rp_request *r)
{
    const struct rp_match *match = rp_exchange_match(w->x);
    struct rp_str path = w->target->path, query = r->query;
    bool has_rest = match->nparams > 0;
    struct rp_str rest = {"", 0};
    struct rp_buf b;

    if (!w->target->has_path && r->target.n > 0 && r->target.p[0] == '/')
        return r->target;
    if (!w->target->has_path)
        path = r->path;
    else if (has_rest)
        rest = raw_rest(r->path, match->params[0]);
    /* In the arena, by a buffer that is never let grow. */
    rp_buf_init(&b, 0);
    b.cap = path.n + rest.n + query.n + 3;
    b.p = rp_arena_alloc(&w->x->root->arena, b.cap);
    if (!b.p)
        return (struct rp_str){NULL, 0};
    rp_buf_add_str(&b, path);
    if (w->target->has_path && (has_rest || path.n == 0)) {
        rp_buf_add(&b, "/", 1);
        rp_buf_add_str(&b, rest);
    }
    if (query.n > 0) {
        rp_buf_add(&b, "?", 1);
        rp_buf_add_str(&b, query);
    }
    return (struct rp_str){b.p, b.n};
}

/* ".." would leave the prefix where the backend resolves it, also behind a
 * separator that only some decode, and in front of parameters, which only some
 * take off first. */
static int
has_dots(struct rp_arena *a, struct rp_str path)
{
    char *p = rp_arena_alloc(a, path.n + 1);
    size_t n;

    if (!p)
        return -1;
    n = rp_url_decode(p, path);
    for (size_t i = 0; i < n; i++)
        if (p[i] == '\\' || p[i] == ';')
            p[i] = '/';
    return rp_url_has_dot_segment((struct rp_str){p, n});
}

int
rp_proxy_write_head(struct rp_passage *w, struct rp_buf *out)
{
    struct rp_exchange *x = w->x;
    const struct rp_request *r = rp_exchange_request(x);
    const char *client = rp_exchange_peer(x)->host;
    struct rp_outbound o = {
        .request = r,
        .target = build_target(w, r),
        .host = w->proxy->host.n > 0 ? w->proxy->host
                : r->host.n > 0      ? r->host
                                     : RP_STR("localhost"), /* HTTP/1.0 */
        .upgrade = w->upgrade,
        .client = {client, strlen(client)},
        .scheme = rp_exchange_scheme(x),
        .trusted = x->via != NULL,
    };
    int dots = has_dots(&x->root->arena, r->path);

    if (dots < 0 || !o.target.p)
        return 503;
    if (dots)
        return 400;
    if (w->target->has_path)
        o.prefix = w->proxy->prefix;
    if (rp_outbound_write_head(out, &o) < 0)
        return errno == EINVAL ? 400 : 503;
    return 0;
}
