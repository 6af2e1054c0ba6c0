/* service.c -- what the connections of a worker share, exchanges to be used
 * again among it. */
#include "rupy/app/service.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "rupy/app/impl.h"
#include "rupy/base/clock.h"
#include "rupy/files/files.h"

enum {
    POOL_MAX = 64,            /* spare exchanges kept */
    ARENA_MAX = 1024 * 1024,  /* bytes a request may take beside content */
    CONTENT_KEEP = 64 * 1024, /* a larger content buffer is not kept */
};

struct rp_exchange_pool {
    struct rp_exchange *free;
    unsigned n;
};

struct rp_exchange *
rp_exchange_new(struct rp_service *v)
{
    struct rp_exchange_pool *pool = v->pool;
    struct rp_exchange *x = pool->free;

    if (x) {
        pool->free = x->next_free;
        pool->n--;
    } else {
        /* One more than are taken: X-Request-ID may be added. */
        size_t room = (v->limits.request_fields + 1) * sizeof(struct rp_field);
        x = calloc(1, sizeof(*x) + room);
        if (!x)
            return NULL;
        x->v = v;
        x->root = x;
        x->fields = (struct rp_field *)(void *)(x + 1);
        rp_arena_init(&x->arena, ARENA_MAX);
        rp_buf_init(&x->content_buf, 0);
    }
    x->ops = NULL;
    x->via = NULL;
    x->handler = NULL;
    x->data = NULL;
    x->front = NULL;
    x->content = (struct rp_str){NULL, 0};
    x->match.nparams = 0;
    x->match.route = NULL;
    x->status = 0;
    x->reason = (struct rp_str){NULL, 0};
    x->framing = RP_FRAMING_NONE;
    x->left = -1;
    x->sent = x->received = 0;
    x->told = x->ran = 0;
    x->first = -1;
    x->id = x->trace = x->span = (struct rp_str){NULL, 0};
    x->logged = NULL;
    x->close = x->failed = x->started = x->active = false;
    x->owes_100 = x->wants = x->eof = x->overdue = false;
    x->borrows = true;
    return x;
}

static void
destroy(struct rp_exchange *x)
{
    rp_arena_fini(&x->arena);
    rp_buf_fini(&x->content_buf);
    free(x);
}

void
rp_exchange_free(struct rp_exchange *x)
{
    struct rp_exchange_pool *pool = x->v->pool;

    if (x->front)
        x->front->over(x->front);
    if (x->started)
        x->v->nactive--;
    if (pool->n >= POOL_MAX) {
        destroy(x);
        return;
    }
    rp_arena_reset(&x->arena);
    if (x->content_buf.cap > CONTENT_KEEP)
        rp_buf_fini(&x->content_buf);
    rp_buf_reset(&x->content_buf);
    x->next_free = pool->free;
    pool->free = x;
    pool->n++;
}

void
rp_exchange_pool_free(struct rp_exchange_pool *pool)
{
    while (pool && pool->free) {
        struct rp_exchange *x = pool->free;
        pool->free = x->next_free;
        destroy(x);
    }
    free(pool);
}

/* As many files as may be kept open without taking the descriptors that
 * connections need. */
static unsigned
count_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
        limit.rlim_cur / 4 >= RP_FILES_MAX)
        return RP_FILES_MAX;
    return limit.rlim_cur / 4 > 8 ? (unsigned)limit.rlim_cur / 4 : 8;
}

int
rp_service_init(struct rp_service *v)
{
    memset(v, 0, sizeof(*v));
    v->limits = RP_LIMITS_DEFAULT;
    v->keep_alive = true;
    rp_response_consts_init(&v->consts, true, NULL);
    rp_response_consts_set_time(&v->consts, (int64_t)rp_clock_wall());
    v->now = rp_clock_mono();
    rp_ids_init(&v->ids);
    v->counters = calloc(1, sizeof(*v->counters));
    v->own_counters = v->counters;
    v->memos = rp_memos_new(256);
    rp_wsocks_init(&v->wsocks, &RP_WSOCK_CONFIG_DEFAULT, &v->now);
    v->pool = calloc(1, sizeof(*v->pool));
    v->files = rp_files_new(count_files());
    if (v->counters && v->memos && v->pool && v->files)
        return 0;
    rp_service_fini(v);
    return -1;
}

void
rp_service_fini(struct rp_service *v)
{
    rp_exchange_pool_free(v->pool);
    if (v->memos)
        rp_memos_free(v->memos);
    rp_files_free(v->files);
    free(v->own_counters);
    rp_trust_fini(&v->forwarded.trust);
    memset(v, 0, sizeof(*v));
}
