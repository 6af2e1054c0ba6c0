/* master.c -- the loop: signals, deaths, messages, deadlines, seats; wait.
 *
 * A plain poll(2): the descriptors are few, and each turn looks at everything
 * anyway.  What a turn does is idempotent, so a wake-up too many is harmless
 * and a lost one would be made good within a second. */

#include "rupy/master/master.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "rupy/base/clock.h"
#include "rupy/base/log.h"

#include "state.h"

/* Where the poll set has what. */
enum {
    FD_WAKE,
    FD_TURN,
    FD_TEMPLATES,
    FD_WORKERS = FD_TEMPLATES + RP_TEMPLATES
};

static const double longest_wait = 1.0;
static const double interrupt_grace = 1.0;

void
rp_master_config_init(struct rp_master_config *c)
{
    *c = (struct rp_master_config){
        .workers = 1,
        .max_workers = 4,
        .timeout = 30,
        .startup_timeout = 60,
        .graceful_timeout = 30,
        .recycle_parallel = 1,
        .boot_failures = 3,
        .backoff_min = 1,
        .backoff_max = 30,
        .healthy_after = 1,
    };
}

uint32_t
rp_master_slots(const struct rp_master_config *c)
{
    uint32_t most = c->max_workers > c->workers ? c->max_workers : c->workers;

    return 2 * most;
}

static void
on_interrupt(struct rp_master *m)
{
    if (m->interrupted) {
        rp_warn("interrupted again: killing what is left in %.0f s",
                interrupt_grace);
        rp_seats_stop(m, RP_EXIT_OK, interrupt_grace);
        return;
    }
    m->interrupted = true;
    rp_info("SIGINT: stopping");
    rp_seats_stop(m, RP_EXIT_OK, m->config.graceful_timeout);
}

/* Probes fail from now on; what balances the load has the delay to notice,
 * and nothing that it still sends is refused. */
static void
on_terminate(struct rp_master *m, const char *name)
{
    if (m->stopping)
        return;
    if (m->config.shutdown_delay > 0 && m->stop_at == NEVER) {
        m->stop_at = m->now + m->config.shutdown_delay;
        atomic_store(&m->board->stopping, 1);
        rp_info("%s: stopping in %g s", name, m->config.shutdown_delay);
        return;
    }
    rp_info("%s: stopping", name);
    rp_seats_stop(m, RP_EXIT_OK, m->config.graceful_timeout);
}

static void
on_upgrade(struct rp_master *m)
{
    if (m->stopping || !m->ops->upgrade) {
        rp_info("SIGUSR2: ignored");
    } else if (m->upgrade > 0) {
        rp_warn("SIGUSR2: ignored, master %d is there already",
                (int)m->upgrade);
    } else {
        m->upgrade = rp_life_upgrade(m);
    }
}

static void
reopen_logs(struct rp_master *m)
{
    if (m->ops->reopen_logs)
        m->ops->reopen_logs(m->arg);
    for (uint32_t i = 0; i < m->board->n; i++) {
        struct worker *w = &m->workers[i];

        /* One that still starts may not listen to signals yet. */
        if (w->state == RP_WORKER_STARTING)
            w->owes_reopen = true;
        else if (w->ready_at > 0 && w->state != RP_WORKER_FREE)
            kill(w->pid, SIGUSR1);
    }
    rp_templates_say(m, RP_TEMPLATE_REOPEN);
}

static void
on_signal(struct rp_master *m, int sig)
{
    switch (sig) {
    case SIGTERM:
    case SIGQUIT:
        on_terminate(m, sig == SIGTERM ? "SIGTERM" : "SIGQUIT");
        break;
    case SIGINT:
        on_interrupt(m);
        break;
    case SIGHUP:
        rp_seats_roll(m);
        break;
    case SIGTTIN:
        rp_seats_set_wanted(m, m->wanted + 1);
        break;
    case SIGTTOU:
        if (m->wanted > 0)
            rp_seats_set_wanted(m, m->wanted - 1);
        break;
    case SIGUSR1:
        reopen_logs(m);
        break;
    case SIGUSR2:
        on_upgrade(m);
        break;
    case SIGWINCH:
        rp_seats_clear(m);
        break;
    case SIGCHLD:
        break;
    }
}

static uint32_t
count_living(const struct rp_master *m)
{
    return m->board->n - rp_board_count(m->board, RP_WORKER_FREE);
}

/* Read the clock; notice when we did not run for a while. */
static void
look_at_clock(struct rp_master *m)
{
    double now = rp_clock_mono();

    if (now - m->now > 2 * longest_wait)
        m->woke_at = now;
    m->now = now;
}

static void
wait_for_something(struct rp_master *m)
{
    double until = fmin(fmin(m->stop_at, rp_templates_next_deadline(m)),
                        fmin(rp_life_next_deadline(m), rp_seats_next_start(m)));
    double wait = fmax(0, fmin(longest_wait, until - rp_clock_mono()));

    m->fds[FD_TURN].fd = m->ops->on_turn ? m->ops->on_turn(m->arg, m) : -1;
    for (uint32_t i = 0; i < RP_TEMPLATES; i++)
        m->fds[FD_TEMPLATES + i].fd = m->templates[i].fd;
    for (uint32_t i = 0; i < m->board->n; i++)
        m->fds[FD_WORKERS + i].fd = m->workers[i].fd;
    /* Rounded up: a deadline must have passed when we come back. */
    if (poll(m->fds, FD_WORKERS + m->board->n, (int)ceil(wait * 1e3)) < 0)
        for (uint32_t i = 0; i < FD_WORKERS + m->board->n; i++)
            m->fds[i].revents = 0;
}

static void
loop(struct rp_master *m)
{
    for (;;) {
        int sig;

        look_at_clock(m);
        rp_signals_drain();
        while ((sig = rp_signals_take()) != 0)
            on_signal(m, sig);
        rp_reap(m);
        for (uint32_t i = 0; i < RP_TEMPLATES; i++)
            if (m->fds[FD_TEMPLATES + i].revents)
                rp_templates_listen(m, i);
        for (uint32_t i = 0; i < m->board->n; i++)
            if (m->fds[FD_WORKERS + i].revents)
                rp_life_listen(m, &m->workers[i]);
        rp_life_watch(m);
        rp_templates_watch(m);
        if (m->stop_at <= m->now)
            rp_seats_stop(m, RP_EXIT_OK, m->config.graceful_timeout);
        rp_templates_fill(m);
        rp_seats_fill(m);
        if (m->stopping && count_living(m) == 0 && rp_templates_are_gone(m))
            return;
        wait_for_something(m);
    }
}

static int
master_init(struct rp_master *m, const struct rp_master_config *config)
{
    m->config = *config;
    if (m->config.workers < 1)
        m->config.workers = 1;
    if (m->config.recycle_parallel < 1)
        m->config.recycle_parallel = 1;
    if (m->config.max_workers < m->config.workers)
        m->config.max_workers = m->config.workers;
    m->board = config->board ? config->board
                             : rp_board_new(rp_master_slots(&m->config));
    if (!m->board)
        return -1;
    if (m->board->n < rp_master_slots(&m->config)) {
        errno = EINVAL;
        return -1;
    }
    m->workers = calloc(m->board->n, sizeof(*m->workers));
    m->seats = calloc(m->config.max_workers, sizeof(*m->seats));
    m->fds = calloc(FD_WORKERS + m->board->n, sizeof(*m->fds));
    if (!m->workers || !m->seats || !m->fds)
        return -1;
    for (uint32_t i = 0; i < m->board->n; i++) {
        m->workers[i].slot = i;
        m->workers[i].fd = -1;
    }
    for (uint32_t i = 0; i < FD_WORKERS + m->board->n; i++)
        m->fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    m->wanted = m->config.workers;
    atomic_store(&m->board->wanted, m->wanted);
    m->generation = m->last_generation = m->present_generation = 1;
    m->stop_at = NEVER;
    m->oom_kills = rp_oom_kills();
    m->now = m->woke_at = rp_clock_mono();
    rp_seats_init(m);
    rp_templates_init(m);
    return 0;
}

static void
master_fini(struct rp_master *m)
{
    free(m->fds);
    free(m->seats);
    free(m->workers);
    if (m->board != m->config.board)
        rp_board_free(m->board);
}

/* Workers that a template has forked become our children. */
static int
adopt_orphans(int on, int *before)
{
    if (before && prctl(PR_GET_CHILD_SUBREAPER, before) < 0)
        return -1;
    return prctl(PR_SET_CHILD_SUBREAPER, on);
}

int
rp_master_run(const struct rp_master_config *config,
              const struct rp_master_ops *ops, void *arg)
{
    struct rp_master m = {.ops = ops, .arg = arg, .status = RP_EXIT_INTERNAL};
    struct rp_signals signals;
    int adopted = 0;

    if (master_init(&m, config) < 0 ||
        (config->preload && adopt_orphans(1, &adopted) < 0)) {
        rp_log_errno(RP_LOG_CRITICAL, "the master cannot start");
        goto out;
    }
    m.fds[FD_WAKE].fd = rp_signals_init(&signals);
    if (m.fds[FD_WAKE].fd < 0) {
        rp_log_errno(RP_LOG_CRITICAL, "no pipe for the master's signals");
        goto out;
    }
    rp_log_set_name("master");
    loop(&m);
    rp_signals_fini(&signals);
    if (config->preload)
        adopt_orphans(adopted, NULL);
    rp_info("stopped, exit status %d", m.status);
out:
    master_fini(&m);
    return m.status;
}
