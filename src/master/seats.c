/* seats.c -- how many workers there should be, and of which generation.
 *
 * Nothing here remembers a plan.  Each turn compares the seats with what is
 * wanted and takes the next step: an empty seat gets a worker, one outdated
 * worker gets a successor; when that is ready it takes the seat and the old
 * one is told to go.  Start, respawn, TTIN, reload and recycling are this one
 * rule, and they may happen all at once.
 *
 * At first start all workers start together: imports are slow, and N of them
 * one after the other would be N times as slow.  That a failure is told only
 * once is left to the workers (rp_worker_may_report_boot_failure()). */

#include <stdio.h>

#include "rupy/base/log.h"

#include "state.h"

static struct worker *
worker_at(struct rp_master *m, uint32_t slot)
{
    return slot == NOBODY ? NULL : &m->workers[slot];
}

void
rp_seats_init(struct rp_master *m)
{
    for (uint32_t i = 0; i < m->config.max_workers; i++)
        m->seats[i] = (struct seat){.holder = NOBODY, .successor = NOBODY};
}

static void
back_off(struct rp_master *m, struct seat *s)
{
    const struct rp_master_config *c = &m->config;

    s->not_before = m->now + s->backoff;
    s->backoff = s->backoff > 0 ? s->backoff * 2 : c->backoff_min;
    if (s->backoff > c->backoff_max)
        s->backoff = c->backoff_max;
}

static uint32_t
start(struct rp_master *m, uint32_t seat, bool replaces)
{
    struct seat *s = &m->seats[seat];
    uint32_t slot, template = NOBODY;

    /* All taken by workers that retire: one of them will make room. */
    if (rp_board_count(m->board, RP_WORKER_FREE) == 0)
        return NOBODY;
    if (m->config.preload) {
        template = rp_templates_pick(m, replaces);
        if (template == NOBODY)
            return NOBODY;
    }
    slot = rp_life_start(m, seat, template);
    if (slot == NOBODY) {
        /* Nothing was gained by trying, so not at once again. */
        if (s->backoff <= 0)
            s->backoff = m->config.backoff_min;
        back_off(m, s);
    }
    return slot;
}

static bool
is_outdated(const struct rp_master *m, const struct worker *w)
{
    return w->wants_recycle || (m->rolling && w->generation < m->generation);
}

/* How many more workers may be replaced now.  None while a seat is empty, or
 * one of the newest generation has it and does not serve yet: what the old
 * ones do for us must not be given up before that has ended well. */
static uint32_t
count_tokens(struct rp_master *m)
{
    uint32_t tokens = m->config.recycle_parallel;

    for (uint32_t i = 0; i < m->wanted; i++) {
        const struct seat *s = &m->seats[i];
        const struct worker *w = worker_at(m, s->holder);

        if (!w)
            return 0;
        if (w->generation == m->generation && w->state != RP_WORKER_READY)
            return 0;
        if (s->successor != NOBODY && --tokens == 0)
            return 0;
    }
    return tokens;
}

/* The seat whose worker is to be replaced next, or NOBODY.  The oldest first:
 * were it always the first seat, and its workers soon outdated again, the
 * others would never have their turn. */
static uint32_t
find_outdated(const struct rp_master *m)
{
    uint32_t found = NOBODY;
    double oldest = NEVER;

    for (uint32_t i = 0; i < m->wanted; i++) {
        const struct seat *s = &m->seats[i];
        const struct worker *w = &m->workers[s->holder];

        if (w->state == RP_WORKER_READY && is_outdated(m, w) &&
            s->successor == NOBODY && s->not_before <= m->now &&
            w->started_at < oldest) {
            found = i;
            oldest = w->started_at;
        }
    }
    return found;
}

/* Start successors for outdated workers, when there are any. */
static void
replace_some(struct rp_master *m)
{
    uint32_t tokens = count_tokens(m), seat;
    bool all_new = true;

    if (tokens == 0)
        return;
    for (; tokens > 0 && (seat = find_outdated(m)) != NOBODY; tokens--) {
        m->seats[seat].successor = start(m, seat, true);
        /* No process, no room for one, no template yet: next time. */
        if (m->seats[seat].successor == NOBODY)
            return;
    }
    if (tokens == 0)
        return;
    for (uint32_t i = 0; i < m->wanted; i++)
        if (m->workers[m->seats[i].holder].generation < m->generation)
            all_new = false;
    if (m->rolling && all_new) {
        rp_seats_end_roll(m, NULL);
        rp_info("reload finished: generation %u serves", m->generation);
    }
}

void
rp_seats_fill(struct rp_master *m)
{
    if (m->stopping)
        return;
    for (uint32_t i = 0; i < m->wanted; i++)
        if (m->seats[i].holder == NOBODY && m->seats[i].not_before <= m->now)
            m->seats[i].holder = start(m, i, false);
    replace_some(m);
}

double
rp_seats_next_start(const struct rp_master *m)
{
    double next = NEVER;

    if (m->stopping)
        return next;
    for (uint32_t i = 0; i < m->wanted; i++) {
        const struct seat *s = &m->seats[i];

        if (s->not_before > m->now && s->not_before < next)
            next = s->not_before;
    }
    return next;
}

void
rp_seats_on_ready(struct rp_master *m, struct worker *w)
{
    struct seat *s = &m->seats[w->seat];
    struct worker *old;

    if (s->successor != w->slot)
        return;
    old = worker_at(m, s->holder);
    s->holder = w->slot;
    s->successor = NOBODY;
    if (old)
        rp_life_retire(m, old, m->config.graceful_timeout);
}

bool
rp_seats_on_death(struct rp_master *m, struct worker *w)
{
    struct seat *s = &m->seats[w->seat];

    if (s->successor == w->slot) {
        s->successor = NOBODY;
    } else if (s->holder == w->slot) {
        /* A successor on its way is a replacement already. */
        s->holder = s->successor;
        s->successor = NOBODY;
    } else {
        return false;
    }
    /* However long it took to fail, it never was of use. */
    if (w->ready_at > 0 && m->now - w->started_at >= m->config.healthy_after)
        s->backoff = 0;
    back_off(m, s);
    return true;
}

void
rp_seats_on_boot_failure(struct rp_master *m, const struct worker *w)
{
    char why[128];

    if (!m->rolling || w->generation != m->generation)
        return;
    snprintf(why, sizeof(why), "worker %u of generation %u did not boot",
             w->seat + 1, w->generation);
    rp_seats_end_roll(m, why);
    rp_error("reload given up: %s; the old workers go on", why);
}

static void
count_roll(struct rp_master *m, const char *error)
{
    m->reloads++;
    snprintf(m->reload_error, sizeof(m->reload_error), "%s",
             error ? error : "");
    if (error)
        atomic_fetch_add(&m->board->reload_failures, 1);
}

void
rp_seats_end_roll(struct rp_master *m, const char *error)
{
    m->rolling = false;
    count_roll(m, error);
    if (error && m->config.preload)
        rp_templates_give_up(m);
}

static void
retire_slot(struct rp_master *m, uint32_t *slot, double grace)
{
    struct worker *w = worker_at(m, *slot);

    *slot = NOBODY;
    if (w)
        rp_life_retire(m, w, grace);
}

static void
set_wanted(struct rp_master *m, uint32_t wanted)
{
    for (uint32_t i = wanted; i < m->wanted; i++) {
        retire_slot(m, &m->seats[i].holder, m->config.graceful_timeout);
        retire_slot(m, &m->seats[i].successor, m->config.graceful_timeout);
    }
    for (uint32_t i = m->wanted; i < wanted; i++)
        m->seats[i].not_before = m->seats[i].backoff = 0;
    if (wanted != m->wanted)
        rp_info("workers wanted: %u (were %u)", wanted, m->wanted);
    m->wanted = wanted;
    atomic_store(&m->board->wanted, wanted);
}

void
rp_seats_set_wanted(struct rp_master *m, uint32_t wanted)
{
    if (m->stopping)
        return;
    if (wanted < 1)
        wanted = 1;
    if (wanted > m->config.max_workers)
        wanted = m->config.max_workers;
    set_wanted(m, wanted);
}

void
rp_seats_clear(struct rp_master *m)
{
    if (m->stopping || m->wanted == 0)
        return;
    rp_info("SIGWINCH: every worker leaves; SIGHUP brings them back");
    if (m->rolling)
        rp_seats_end_roll(m, "every worker was sent home");
    set_wanted(m, 0);
}

void
rp_seats_roll(struct rp_master *m)
{
    struct rp_master_config next = m->config;

    if (m->stopping)
        return;
    if (m->ops->on_reload && m->ops->on_reload(m->arg, &next) < 0) {
        /* One that is under way goes on: half of it is not as it was. */
        count_roll(m, "the configuration is not right; the log says why");
        return;
    }
    next.max_workers = m->config.max_workers;
    next.board = m->config.board;
    next.preload = m->config.preload;
    if (next.workers != m->config.workers || m->wanted == 0)
        rp_seats_set_wanted(m, next.workers);
    m->config = next;
    m->generation = ++m->last_generation;
    m->rolling = true;
    if (m->config.preload)
        rp_templates_renew(m);
    atomic_fetch_add(&m->board->reloads, 1);
    /* The operator has changed something: old failures say nothing now. */
    for (uint32_t i = 0; i < m->wanted; i++)
        m->seats[i].not_before = m->seats[i].backoff = 0;
    rp_info("reload: generation %u replaces %u workers, one by one",
            m->generation, m->wanted);
}

void
rp_seats_restart(struct rp_master *m, double grace)
{
    if (m->stopping)
        return;
    m->generation = ++m->last_generation;
    for (uint32_t i = 0; i < m->wanted; i++) {
        retire_slot(m, &m->seats[i].holder, grace);
        retire_slot(m, &m->seats[i].successor, grace);
        m->seats[i].not_before = m->seats[i].backoff = 0;
    }
}

void
rp_seats_stop(struct rp_master *m, int status, double grace)
{
    if (!m->stopping) {
        m->status = status;
        if (m->ops->on_stop && m->ops->on_stop(m->arg, m->upgrade))
            atomic_store(&m->board->handed_over, 1);
    }
    m->stopping = true;
    m->stop_at = NEVER;
    atomic_store(&m->board->stopping, 1);
    rp_templates_stop(m);
    for (uint32_t i = 0; i < m->wanted; i++)
        m->seats[i].holder = m->seats[i].successor = NOBODY;
    for (uint32_t i = 0; i < m->board->n; i++)
        rp_life_retire(m, &m->workers[i], grace);
}
