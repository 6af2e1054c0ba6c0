/* pages.c -- what the master answers: metrics, probes, status, and orders. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "rupy/base/log.h"
#include "rupy/serve/metrics.h"

#include "admin_impl.h"

enum { ANSWER_MAX = 16 * 1024 * 1024 };

/* Somebody waits for the end of a reload.  In the arena of its exchange. */
struct waiter {
    struct rp_list node;
    struct rp_exchange *x;
    uint32_t reloads; /* before it */
};

/* ---- Answers ---- */

static void
answer(struct rp_exchange *x, int status, const char *type, struct rp_str text)
{
    struct rp_field fresh = {RP_STR("Cache-Control"), RP_STR("no-store")};
    struct rp_answer a = {
        .status = status,
        .fields = &fresh,
        .nfields = 1,
        .content_type = {type, strlen(type)},
        .content = text,
    };

    rp_exchange_answer(x, &a);
}

static void __attribute__((format(printf, 3, 4)))
say(struct rp_exchange *x, int status, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof(text))
        n = sizeof(text) - 1;
    answer(x, status, "text/plain; charset=utf-8",
           (struct rp_str){text, (size_t)n});
}

static void
answer_text(struct rp_admin *a, struct rp_exchange *x, const char *type,
            bool json)
{
    struct rp_master_view v;
    struct rp_buf out;
    int r;

    rp_master_look(a->master, &v);
    rp_buf_init(&out, ANSWER_MAX);
    r = json ? rp_status_write(&out, &v)
             : rp_metrics_write(&out, &v, a->sockets);
    if (r < 0)
        rp_exchange_answer_status(x, 503);
    else
        answer(x, 200, type, (struct rp_str){out.p, out.n});
    rp_buf_fini(&out);
}

static void
get_ready(struct rp_admin *a, struct rp_exchange *x)
{
    struct rp_master_view v;

    rp_master_look(a->master, &v);
    if (v.other > 0 &&
        (v.stopping || rp_board_count(v.board, RP_WORKER_READY) == 0))
        say(x, 200, "ready: master %d goes on\n", (int)v.other);
    else if (v.stopping)
        say(x, 503, "stopping\n");
    else if (rp_board_count(v.board, RP_WORKER_READY) == 0)
        say(x, 503, "no worker is ready\n");
    else
        say(x, 200, "ready\n");
}

static void
get_metrics(struct rp_admin *a, struct rp_exchange *x)
{
    answer_text(a, x, "text/plain; version=0.0.4; charset=utf-8", false);
}

static void
get_status(struct rp_admin *a, struct rp_exchange *x)
{
    answer_text(a, x, "application/json", true);
}

static void
get_live(struct rp_admin *a, struct rp_exchange *x)
{
    (void)a;
    say(x, 200, "live\n");
}

/* ---- Orders ---- */

/* The value of a parameter of the query; p is NULL when it is not there. */
static struct rp_str
parameter(const struct rp_exchange *x, const char *name)
{
    struct rp_str q = rp_exchange_request(x)->query;
    size_t n = strlen(name);

    while (q.n > 0) {
        const char *end = memchr(q.p, '&', q.n);
        struct rp_str pair = {q.p, end ? (size_t)(end - q.p) : q.n};

        if (pair.n >= n && memcmp(pair.p, name, n) == 0) {
            if (pair.n == n)
                return (struct rp_str){pair.p + n, 0};
            if (pair.p[n] == '=')
                return (struct rp_str){pair.p + n + 1, pair.n - n - 1};
        }
        q.n -= pair.n + (end != NULL);
        q.p += pair.n + (end != NULL);
    }
    return (struct rp_str){NULL, 0};
}

/* A number; `missing` when it is not there, -1: it is none. */
static long
number(const struct rp_exchange *x, const char *name, long missing)
{
    struct rp_str s = parameter(x, name);
    long n = 0;

    if (!s.p)
        return missing;
    if (s.n == 0 || s.n > 9)
        return -1;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        n = 10 * n + (s.p[i] - '0');
    }
    return n;
}

static void
post_reload(struct rp_admin *a, struct rp_exchange *x)
{
    struct rp_master_view v;
    struct waiter *w;

    rp_master_look(a->master, &v);
    if (v.stopping) {
        say(x, 409, "the service is stopping\n");
        return;
    }
    rp_master_signal(a->master, SIGHUP);
    if (!parameter(x, "wait").p) {
        say(x, 202, "reload begun\n");
        return;
    }
    w = rp_arena_alloc(rp_exchange_arena(x), sizeof(*w));
    if (!w) {
        rp_exchange_answer_status(x, 503);
        return;
    }
    /* One that is under way begins anew, and ends once. */
    *w = (struct waiter){.x = x, .reloads = v.reloads};
    rp_exchange_set_data(x, w);
    rp_list_add(&a->waiters, &w->node);
}

void
rp_pages_tell_waiters(struct rp_admin *a)
{
    struct rp_master_view v;
    struct rp_list *l = a->waiters.next, *next;

    rp_master_look(a->master, &v);
    for (; l != &a->waiters; l = next) {
        struct waiter *w = rp_container_of(l, struct waiter, node);
        struct rp_exchange *x = w->x;

        next = l->next;
        if (v.reloads == w->reloads && !v.stopping)
            continue;
        rp_list_del(l);
        rp_exchange_set_data(x, NULL);
        if (v.reloads == w->reloads)
            say(x, 409, "the service is stopping\n");
        else if (v.reload_error[0])
            say(x, 500, "reload given up: %s; the old workers go on\n",
                v.reload_error);
        else
            say(x, 200, "reload finished: generation %u serves\n",
                v.generation);
    }
}

static void
post_upgrade(struct rp_admin *a, struct rp_exchange *x)
{
    struct rp_master_view v;

    rp_master_look(a->master, &v);
    if (v.other > 0) {
        say(x, 409, "master %d is there already\n", (int)v.other);
        return;
    }
    rp_master_signal(a->master, SIGUSR2);
    say(x, 202, "another master is started\n");
}

static void
post_reopen(struct rp_admin *a, struct rp_exchange *x)
{
    rp_master_signal(a->master, SIGUSR1);
    say(x, 202, "log files are opened anew\n");
}

static void
post_stop(struct rp_admin *a, struct rp_exchange *x)
{
    rp_master_signal(a->master, SIGTERM);
    say(x, 202, "stopping\n");
}

static void
post_recycle(struct rp_admin *a, struct rp_exchange *x)
{
    long pid = number(x, "pid", 0);
    uint32_t n = pid < 0 ? 0 : rp_master_recycle(a->master, (pid_t)pid);

    if (n == 0)
        say(x, 404, "there is no such worker that is ready\n");
    else
        say(x, 202, "workers that will be replaced: %u\n", n);
}

static void
post_stacks(struct rp_admin *a, struct rp_exchange *x)
{
    long pid = number(x, "pid", 0);
    uint32_t n = pid < 0 ? 0 : rp_master_tell(a->master, (pid_t)pid, SIGUSR2);

    if (n == 0)
        say(x, 404, "there is no such worker that is ready\n");
    else
        say(x, 202, "workers whose stacks go to the log: %u\n", n);
}

static void
change_workers(struct rp_admin *a, struct rp_exchange *x, long sign)
{
    struct rp_master_view v;
    long n = number(x, "n", 1), wanted;

    if (n < 1) {
        say(x, 400, "n is a number of workers\n");
        return;
    }
    rp_master_look(a->master, &v);
    wanted = (long)v.wanted + sign * n;
    /* After WINCH there is none to take away. */
    if (v.wanted > 0 || sign > 0)
        rp_master_set_workers(a->master, wanted > 1 ? (uint32_t)wanted : 1);
    rp_master_look(a->master, &v);
    say(x, 200, "workers wanted: %u\n", v.wanted);
}

static void
post_add(struct rp_admin *a, struct rp_exchange *x)
{
    change_workers(a, x, 1);
}

static void
post_remove(struct rp_admin *a, struct rp_exchange *x)
{
    change_workers(a, x, -1);
}

static void
post_log_level(struct rp_admin *a, struct rp_exchange *x)
{
    struct rp_str s = parameter(x, "level");
    char name[16] = "";
    int level;

    if (s.p && s.n < sizeof(name))
        memcpy(name, s.p, s.n);
    level = rp_log_level_from_name(name);
    if (level < 0) {
        say(x, 400, "trace, debug, info, warning, error or critical\n");
        return;
    }
    rp_log_set_level((enum rp_log_level)level);
    rp_master_say(a->master, (char)('0' + level));
    say(x, 200, "log level: %s, until the next reload\n", name);
}

/* ---- Which is which ---- */

static const struct page {
    const char *path;
    void (*get)(struct rp_admin *a, struct rp_exchange *x);
    void (*post)(struct rp_admin *a, struct rp_exchange *x);
} pages[] = {
    {"/metrics", get_metrics, NULL},
    {"/-/live", get_live, NULL},
    {"/-/ready", get_ready, NULL},
    {"/-/status", get_status, NULL},
    {"/reload", NULL, post_reload},
    {"/upgrade", NULL, post_upgrade},
    {"/reopen", NULL, post_reopen},
    {"/stop", NULL, post_stop},
    {"/recycle", NULL, post_recycle},
    {"/stacks", NULL, post_stacks},
    {"/add", NULL, post_add},
    {"/remove", NULL, post_remove},
    {"/log-level", NULL, post_log_level},
};

enum { N_PAGES = sizeof(pages) / sizeof(pages[0]) };

/* Orders are taken from who could get at the control socket's file. */
static bool
may_order(const struct rp_admin *a, const struct rp_exchange *x)
{
    const struct rp_peer *peer = rp_exchange_peer(x);

    return a->path[0] && peer->is_unix &&
           strcmp(peer->server_host, a->path) == 0;
}

static void
list_pages(struct rp_admin *a, struct rp_exchange *x)
{
    char text[512];
    size_t n = 0;

    for (unsigned i = 0; i < N_PAGES; i++)
        if (pages[i].get || may_order(a, x))
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s\n",
                                  pages[i].get ? "GET" : "POST", pages[i].path);
    answer(x, 200, "text/plain; charset=utf-8", (struct rp_str){text, n});
}

static void
start(void *self, struct rp_exchange *x)
{
    struct rp_admin *a = self;
    const struct rp_request *r = rp_exchange_request(x);
    bool get = r->method == RP_METHOD_GET || r->method == RP_METHOD_HEAD;
    const struct page *page = NULL;

    for (unsigned i = 0; i < N_PAGES; i++) {
        struct rp_str path = {pages[i].path, strlen(pages[i].path)};
        if (rp_str_eq(r->path, path))
            page = &pages[i];
    }
    if (rp_str_eq(r->path, RP_STR("/")) && get)
        list_pages(a, x);
    else if (!page || (!page->get && !may_order(a, x)))
        rp_exchange_answer_status(x, 404);
    else if (get && page->get)
        page->get(a, x);
    else if (r->method == RP_METHOD_POST && page->post)
        page->post(a, x);
    else
        rp_exchange_answer_status(x, 405);
}

static void
stop(void *self, struct rp_exchange *x)
{
    struct waiter *w = rp_exchange_data(x);

    (void)self;
    if (w)
        rp_list_del(&w->node);
}

const struct rp_handler_ops rp_pages_ops = {.start = start, .stop = stop};
