/* links.c -- the connections to other servers: who gets one, who waits, and
 * which are kept.
 *
 *     QUEUED --> RESOLVING --> CONNECTING --> OPEN <--> IDLE
 *                                    \--> BROKEN
 *
 * and from each of them to DEAD.  Nothing is freed, and nobody who waits is
 * served, while a call of a user is on the stack: that comes soon. */
#include "rupy/net/links.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "rupy/base/clock.h"
#include "rupy/net/links_impl.h"

#define NAMES_KEPT 30.0 /* seconds */

enum { KEEP_BUF = 64 * 1024 }; /* a larger buffer is not kept */

static struct rp_link_conn *
of_all(struct rp_list *e)
{
    return rp_container_of(e, struct rp_link_conn, all);
}

static struct rp_link_conn *
of_idle(struct rp_list *e)
{
    return rp_container_of(e, struct rp_link_conn, idle);
}

void
rp_links_come_soon(struct rp_link_set *all)
{
    if (ev_is_active(&all->soon))
        return;
    ev_timer_set(&all->soon, 0, 0);
    ev_timer_start(all->loop, &all->soon);
}

/* Those of pool.open in that state, to be told of something.  Nobody may be
 * told while that list is gone through: who is told may close other links, and
 * open some, for which idle ones are closed. */
static void
take_all(struct rp_link_pool *pool, enum rp_link_state state,
         struct rp_list *taken)
{
    struct rp_list *e, *next;

    rp_list_init(taken);
    for (e = pool->open.next; e != &pool->open; e = next) {
        next = e->next;
        if (of_all(e)->state != state)
            continue;
        rp_list_del(e);
        rp_list_add(taken, e);
    }
}

static struct rp_link_conn *
give_back(struct rp_link_pool *pool, struct rp_list *taken)
{
    struct rp_link_conn *l = of_all(taken->next);

    rp_list_del(&l->all);
    rp_list_add(&pool->open, &l->all);
    return l;
}

/* ---- Ends ---- */

void
rp_link_kill(struct rp_link_conn *l)
{
    struct rp_link_set *all = rp_link_set_of(l);

    if (l->state == RP_LINK_DEAD)
        return;
    rp_link_stop(l);
    if (l->state == RP_LINK_QUEUED)
        l->pool->nwaiting--;
    else
        l->pool->nopen--;
    l->state = RP_LINK_DEAD;
    l->base.is_open = false;
    l->base.user = NULL;
    rp_list_del(&l->idle);
    rp_list_del(&l->all);
    rp_list_add(&all->dead, &l->all);
    rp_links_come_soon(all);
}

void
rp_link_fail(struct rp_link_conn *l, enum rp_link_err err, int code)
{
    const struct rp_link_user *user = l->base.user;
    void *self = l->base.self;

    rp_link_kill(l);
    if (user)
        user->fail(self, err, code);
}

static void
free_link(struct rp_link_conn *l)
{
    rp_list_del(&l->all);
    rp_buf_fini(&l->base.out);
    rp_buf_fini(&l->in);
    free(l);
}

/* ---- Beginnings ---- */

static struct rp_link_conn *
new_link(struct rp_link_pool *pool, struct rp_link_set *all)
{
    struct rp_link_conn *l = calloc(1, sizeof(*l));

    if (!l)
        return NULL;
    l->base.links = &all->base;
    l->pool = pool;
    rp_buf_init(&l->base.out, 0);
    rp_buf_init(&l->in, 0);
    rp_list_init(&l->all);
    rp_list_init(&l->idle);
    rp_link_init_watchers(l);
    return l;
}

static bool
has_addresses(const struct rp_link_pool *pool)
{
    return pool->to.port[0] == '\0' ||
           (pool->found && rp_clock_mono() - pool->found_at < NAMES_KEPT);
}

static void
on_found(void *arg, struct addrinfo *found, int code)
{
    struct rp_link_pool *pool = arg;

    pool->lookup = NULL;
    rp_link_pool_on_found(pool, found, code);
}

/* An address needs no thread. */
static bool
look_up_address(struct rp_link_pool *pool)
{
    const struct addrinfo numeric = {.ai_socktype = SOCK_STREAM,
                                     .ai_flags = AI_NUMERICHOST};
    struct addrinfo *found;

    if (getaddrinfo(pool->to.host, pool->to.port, &numeric, &found) != 0)
        return false;
    if (pool->found)
        freeaddrinfo(pool->found);
    pool->found = found;
    pool->found_at = rp_clock_mono();
    return true;
}

/* It has a place: connect. */
static void
begin(struct rp_link_conn *l)
{
    struct rp_link_set *all = rp_link_set_of(l);
    struct rp_link_pool *pool = l->pool;

    rp_list_del(&l->all);
    rp_list_add(&pool->open, &l->all);
    pool->nopen++;
    l->state = RP_LINK_RESOLVING;
    rp_link_set_limit(l, pool->to.connect);
    if (has_addresses(pool) || look_up_address(pool)) {
        rp_link_connect(l);
        return;
    }
    if (!pool->lookup)
        pool->lookup = rp_lookup_new(all->loop, pool->to.host, pool->to.port,
                                     on_found, pool);
    if (!pool->lookup) {
        l->code = ENOMEM;
        l->state = RP_LINK_BROKEN;
        rp_links_come_soon(all);
    }
}

void
rp_link_pool_on_found(struct rp_link_pool *pool, struct addrinfo *found,
                      int code)
{
    struct rp_list waiting;

    (void)code;
    /* Old addresses are better than none. */
    if (found) {
        if (pool->found)
            freeaddrinfo(pool->found);
        pool->found = found;
    }
    pool->found_at = rp_clock_mono();
    take_all(pool, RP_LINK_RESOLVING, &waiting);
    while (!rp_list_is_empty(&waiting)) {
        struct rp_link_conn *l = give_back(pool, &waiting);

        if (pool->found)
            rp_link_connect(l);
        else
            rp_link_fail(l, RP_LINK_NAME, 0);
    }
}

/* The one used last is the likeliest to live.  One that has something to say
 * has nothing good to say: its end, or an answer that nobody asked for. */
static struct rp_link_conn *
take_idle(struct rp_link_pool *pool)
{
    while (!rp_list_is_empty(&pool->idle)) {
        struct rp_link_conn *l = of_idle(pool->idle.prev);

        if (rp_link_is_quiet(l)) {
            rp_list_del(&l->idle);
            l->state = RP_LINK_OPEN;
            l->base.is_open = l->base.reused = true;
            rp_link_set_limit(l, 0);
            return l;
        }
        rp_link_kill(l);
    }
    return NULL;
}

/* Who waits gets the socket of one that is idle: the descriptor itself, as
 * epoll(7) would go on telling of one that was closed with a copy open, and
 * libev then begins anew with all that it watches. */
static void
take_over(struct rp_link_conn *l, struct rp_link_conn *from)
{
    int fd = rp_link_take_fd(from);

    rp_link_kill(from);
    rp_list_del(&l->all);
    rp_list_add(&l->pool->open, &l->all);
    l->pool->nopen++;
    l->state = RP_LINK_OPEN;
    l->base.is_open = l->base.reused = true;
    ev_io_set(&l->io, fd, EV_READ);
    rp_link_set_limit(l, 0);
    rp_link_update_events(l);
    l->base.user->open(l->base.self);
}

static void
serve_waiting(struct rp_link_pool *pool)
{
    while (!rp_list_is_empty(&pool->waiting)) {
        struct rp_link_conn *l = of_all(pool->waiting.next);
        struct rp_link_conn *idle = take_idle(pool);

        if (!idle && pool->nopen >= pool->to.max)
            break;
        pool->nwaiting--;
        if (idle)
            take_over(l, idle);
        else
            begin(l);
    }
}

static void
tell_broken(struct rp_link_pool *pool)
{
    struct rp_list broken;

    take_all(pool, RP_LINK_BROKEN, &broken);
    while (!rp_list_is_empty(&broken)) {
        struct rp_link_conn *l = give_back(pool, &broken);

        rp_link_fail(l, RP_LINK_CONNECT, l->code);
    }
}

static void
on_soon(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct rp_link_set *all = w->data;

    (void)loop, (void)revents;
    while (!rp_list_is_empty(&all->dead))
        free_link(of_all(all->dead.next));
    for (struct rp_list *e = all->pools.next; e != &all->pools; e = e->next) {
        struct rp_link_pool *pool =
            rp_container_of(e, struct rp_link_pool, all);
        tell_broken(pool);
        serve_waiting(pool);
    }
}

/* ---- What users ask for ---- */

static bool
is_same(const struct rp_backend *a, const struct rp_backend *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(a->port, b->port) == 0 &&
           a->max == b->max && a->queue == b->queue &&
           a->connect == b->connect && a->wait == b->wait && a->idle == b->idle;
}

static struct rp_link_pool *
find_pool(struct rp_link_set *all, const struct rp_backend *to)
{
    struct rp_link_pool *pool;

    for (struct rp_list *e = all->pools.next; e != &all->pools; e = e->next) {
        pool = rp_container_of(e, struct rp_link_pool, all);
        if (is_same(&pool->to, to))
            return pool;
    }
    pool = calloc(1, sizeof(*pool));
    if (!pool)
        return NULL;
    pool->to = *to;
    rp_list_init(&pool->open);
    rp_list_init(&pool->idle);
    rp_list_init(&pool->waiting);
    rp_list_add(&all->pools, &pool->all);
    return pool;
}

static struct rp_link *
links_open(struct rp_links *links, const struct rp_backend *to, bool fresh,
           const struct rp_link_user *user, void *self)
{
    struct rp_link_set *all = (struct rp_link_set *)links;
    struct rp_link_pool *pool = find_pool(all, to);
    struct rp_link_conn *l = NULL;

    if (!pool)
        return NULL;
    if (fresh && pool->nopen >= to->max && !rp_list_is_empty(&pool->idle))
        rp_link_kill(of_idle(pool->idle.next));
    /* Those who wait come first. */
    else if (!fresh && pool->nwaiting == 0)
        l = take_idle(pool);
    if (!l) {
        bool full = pool->nopen >= to->max || pool->nwaiting > 0;

        if (full && pool->nwaiting >= to->queue) {
            errno = EAGAIN;
            return NULL;
        }
        l = new_link(pool, all);
        if (!l)
            return NULL;
        if (full) {
            l->state = RP_LINK_QUEUED;
            rp_list_add(&pool->waiting, &l->all);
            pool->nwaiting++;
            rp_link_set_limit(l, to->wait);
            rp_links_come_soon(all);
        } else {
            begin(l);
        }
    }
    l->base.user = user;
    l->base.self = self;
    return &l->base;
}

static void
shrink(struct rp_buf *b)
{
    if (b->cap <= KEEP_BUF)
        return;
    rp_buf_fini(b);
    rp_buf_init(b, 0);
}

static void
links_close(struct rp_link *base, bool reuse)
{
    struct rp_link_conn *l = (struct rp_link_conn *)base;
    struct rp_link_pool *pool = l->pool;

    if (!reuse || l->state != RP_LINK_OPEN || l->eof || l->deaf || l->shut ||
        base->out.n > 0 || pool->to.idle <= 0 || rp_link_set_of(l)->closing) {
        rp_link_kill(l);
        return;
    }
    l->state = RP_LINK_IDLE;
    base->user = NULL;
    base->is_open = base->full = l->paused = false;
    rp_buf_reset(&l->in); /* all of it was used */
    shrink(&l->in);
    shrink(&base->out);
    rp_list_add(&pool->idle, &l->idle);
    rp_link_set_limit(l, pool->to.idle);
    rp_link_update_events(l);
    if (pool->nwaiting > 0)
        rp_links_come_soon(rp_link_set_of(l));
}

static const struct rp_links_ops ops = {
    .open = links_open,
    .flush = rp_link_flush,
    .wait = rp_link_wait,
    .pause = rp_link_pause,
    .shut = rp_link_shut,
    .close = links_close,
};

/* ---- Life ---- */

struct rp_links *
rp_links_new(struct ev_loop *loop)
{
    struct rp_link_set *all = calloc(1, sizeof(*all));

    if (!all)
        return NULL;
    all->base.ops = &ops;
    all->loop = loop;
    rp_list_init(&all->pools);
    rp_list_init(&all->dead);
    ev_timer_init(&all->soon, on_soon, 0, 0);
    all->soon.data = all;
    return &all->base;
}

static void
retire_pool(struct rp_link_pool *pool)
{
    struct rp_list open;

    while (!rp_list_is_empty(&pool->idle))
        rp_link_kill(of_idle(pool->idle.next));
    take_all(pool, RP_LINK_OPEN, &open);
    while (!rp_list_is_empty(&open)) {
        struct rp_link_conn *l = give_back(pool, &open);

        if (l->base.user->retire)
            l->base.user->retire(l->base.self);
    }
}

void
rp_links_retire(struct rp_links *links)
{
    struct rp_link_set *all = (struct rp_link_set *)links;

    all->closing = true;
    for (struct rp_list *e = all->pools.next; e != &all->pools; e = e->next)
        retire_pool(rp_container_of(e, struct rp_link_pool, all));
}

static void
free_pool(struct rp_link_pool *pool)
{
    while (!rp_list_is_empty(&pool->open))
        rp_link_fail(of_all(pool->open.next), RP_LINK_LOST, ECANCELED);
    while (!rp_list_is_empty(&pool->waiting))
        rp_link_fail(of_all(pool->waiting.next), RP_LINK_LOST, ECANCELED);
    rp_lookup_free(pool->lookup); /* who was told may have asked for one */
    if (pool->found)
        freeaddrinfo(pool->found);
    rp_list_del(&pool->all);
    free(pool);
}

void
rp_links_free(struct rp_links *links)
{
    struct rp_link_set *all = (struct rp_link_set *)links;

    if (!all)
        return;
    all->closing = true;
    while (!rp_list_is_empty(&all->pools))
        free_pool(rp_container_of(all->pools.next, struct rp_link_pool, all));
    while (!rp_list_is_empty(&all->dead))
        free_link(of_all(all->dead.next));
    ev_timer_stop(all->loop, &all->soon);
    free(all);
}

void
rp_links_forked(struct rp_links *links)
{
    struct rp_link_set *all = (struct rp_link_set *)links;

    for (struct rp_list *e = all->pools.next; e != &all->pools; e = e->next) {
        struct rp_link_pool *pool =
            rp_container_of(e, struct rp_link_pool, all);

        for (struct rp_list *k = pool->open.next; k != &pool->open; k = k->next)
            if (of_all(k)->io.fd >= 0)
                close(of_all(k)->io.fd);
    }
}
