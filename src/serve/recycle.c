/* recycle.c -- a worker that has done enough asks to be replaced.
 *
 * It only asks: the master starts a successor, and tells it to go when that
 * is ready.  So nothing is lost, and not all go at once. */
#include "rupy/serve/recycle.h"

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "rupy/base/clock.h"
#include "rupy/base/log.h"

static const double look_interval = 10.0;

/* Between 0 and 1.  Workers are forks of one process, so a generator that was
 * seeded there would give all of them the same. */
static double
draw(void)
{
    uint32_t n = 0;

    if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != (ssize_t)sizeof(n))
        n = (uint32_t)getpid() * 2654435761u;
    return (double)n / UINT32_MAX;
}

void
rp_recycle_init(struct rp_recycle *r, const struct rp_config *c)
{
    double now = rp_clock_mono();

    *r = (struct rp_recycle){
        .max_requests = UINT64_MAX,
        .max_rss = c->worker_max_rss,
        .started = now,
    };
    if (c->max_requests > 0)
        r->max_requests =
            (uint64_t)(c->max_requests + c->max_requests_jitter * draw() + 0.5);
    if (c->worker_lifetime > 0)
        r->end = now + c->worker_lifetime + c->worker_lifetime_jitter * draw();
}

static void
ask(struct rp_recycle *r, struct rp_worker *w, enum rp_recycle_reason why)
{
    r->asked = true;
    rp_worker_ask_recycle(w, why);
}

/* In bytes; 0: not known. */
static uint64_t
resident_memory(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long size, resident = 0;

    if (!f)
        return 0;
    if (fscanf(f, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void
rp_recycle_look(struct rp_recycle *r, struct rp_worker *w)
{
    double now = rp_clock_mono();
    uint64_t rss;

    if (r->asked)
        return;
    if (r->end > 0 && now >= r->end) {
        rp_info("asks to be replaced: it has lived for %.0f s",
                now - r->started);
        ask(r, w, RP_RECYCLE_LIFETIME);
        return;
    }
    if (r->max_rss == 0 || now < r->next_look)
        return;
    r->next_look = now + look_interval;
    rss = resident_memory();
    if (rss <= r->max_rss)
        return;
    rp_info("asks to be replaced: it has %.1f MiB of memory",
            (double)rss / 1048576);
    ask(r, w, RP_RECYCLE_RSS);
}

void
rp_recycle_count(struct rp_recycle *r, struct rp_worker *w)
{
    uint64_t n =
        atomic_load_explicit(&w->slot->counters.requests, memory_order_relaxed);

    if (n < r->max_requests || r->asked)
        return;
    rp_info("asks to be replaced: it has had %llu requests",
            (unsigned long long)n);
    ask(r, w, RP_RECYCLE_REQUESTS);
}

bool
rp_recycle_stuck(struct rp_recycle *r, struct rp_worker *w)
{
    if (r->asked)
        return false;
    rp_warn("asks to be replaced: a thread is stuck in a handler");
    ask(r, w, RP_RECYCLE_STUCK);
    return true;
}
