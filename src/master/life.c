/* life.c -- one worker: fork it, listen to it, tell it to go, kill it.
 *
 *      FREE --fork--> STARTING --it says so--> READY
 *                        |  |                  |  |
 *                        |  +----- told to go -+--|--> RETIRING
 *                        |                        |       |
 *                        +-- no answer in time ---+-------+--> DYING
 *
 * and from everywhere to FREE, when it was reaped. */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rupy/base/clock.h"
#include "rupy/base/log.h"

#include "state.h"

/* From SIGABRT, on which a worker prints its stacks, to SIGKILL. */
static const double abort_grace = 2.0;

static void
enter(struct rp_master *m, struct worker *w, enum rp_worker_state state)
{
#define TO(s) (1u << RP_WORKER_##s)
    static const unsigned may_follow[] = {
        [RP_WORKER_FREE] = TO(STARTING),
        [RP_WORKER_STARTING] = TO(READY) | TO(RETIRING) | TO(DYING) | TO(FREE),
        [RP_WORKER_READY] = TO(RETIRING) | TO(DYING) | TO(FREE),
        [RP_WORKER_RETIRING] = TO(DYING) | TO(FREE),
        [RP_WORKER_DYING] = TO(FREE),
    };
#undef TO
    struct rp_worker_slot *s = &m->board->slots[w->slot];
    const struct rp_master_config *c = &m->config;

    assert(may_follow[w->state] & (1u << state));
    (void)may_follow;
    w->state = state;
    w->deadline = NEVER;
    atomic_store(&s->state, (int32_t)state);
    switch (state) {
    case RP_WORKER_STARTING:
        w->started_at = m->now;
        w->ready_at = 0;
        w->wants_recycle = w->aborted = w->owes_reopen = false;
        if (c->startup_timeout > 0)
            w->deadline = m->now + c->startup_timeout;
        break;
    case RP_WORKER_READY:
        w->ready_at = m->now;
        atomic_store(&s->ready_ns, rp_clock_mono_ns());
        break;
    case RP_WORKER_RETIRING:
        w->deadline = m->now + c->graceful_timeout;
        break;
    case RP_WORKER_DYING:
        w->deadline = m->now + abort_grace;
        break;
    case RP_WORKER_FREE:
        w->pid = 0;
        break;
    }
}

_Noreturn void
rp_life_live(void (*after_fork)(void *arg),
             int (*child)(void *arg, struct rp_worker *w), void *arg,
             struct rp_worker *self)
{
    char name[32];
    int status;

    snprintf(name, sizeof(name), "worker %u", self->seat + 1);
    rp_log_set_name(name);
    if (after_fork)
        after_fork(arg);
    status = child(arg, self);
    fflush(NULL);
    _exit(status);
}

static _Noreturn void
be_worker(struct rp_master *m, struct worker *w, int fd, int given)
{
    struct rp_worker self = {
        .seat = w->seat,
        .generation = w->generation,
        .round = m->round,
        .fd = fd,
        .given = given,
        .slot = &m->board->slots[w->slot],
        .board = m->board,
    };

    rp_signals_reset_in_child();
    /* Were one of these left open here, that worker would not notice the
     * master's death before ours. */
    for (uint32_t i = 0; i < m->board->n; i++)
        if (m->workers[i].fd >= 0)
            close(m->workers[i].fd);
    rp_life_live(m->ops->after_fork_child, m->ops->child, m->arg, &self);
}

pid_t
rp_life_fork(struct rp_master *m)
{
    sigset_t mask;
    pid_t pid;
    int saved;

    if (m->ops->before_fork)
        m->ops->before_fork(m->arg);
    /* What is buffered would be written twice. */
    fflush(NULL);
    /* A signal between the fork and the reset of the handlers would arrive in
     * the child as the master's. */
    rp_signals_block_all(&mask);
    pid = fork();
    if (pid == 0)
        return 0;
    saved = errno;
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (m->ops->after_fork_parent)
        m->ops->after_fork_parent(m->arg);
    errno = saved;
    return pid;
}

pid_t
rp_life_upgrade(struct rp_master *m)
{
    pid_t pid = rp_life_fork(m);

    if (pid == 0) {
        rp_signals_reset_in_child();
        sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        _exit(m->ops->upgrade(m->arg));
    }
    if (pid < 0)
        rp_log_errno(RP_LOG_ERROR, "SIGUSR2: cannot fork another master");
    else
        rp_info("SIGUSR2: master %d started beside this one", (int)pid);
    return pid < 0 ? 0 : pid;
}

static struct worker *
find_free(struct rp_master *m)
{
    for (uint32_t i = 0; i < m->board->n; i++)
        if (m->workers[i].state == RP_WORKER_FREE)
            return &m->workers[i];
    return NULL;
}

/* It is there, and has this pid. */
static void
on_birth(struct rp_master *m, struct worker *w, pid_t pid)
{
    w->pid = pid;
    atomic_store(&m->board->slots[w->slot].pid, (int32_t)pid);
    rp_debug("worker %u (pid %d) started, generation %u", w->seat + 1, (int)pid,
             w->generation);
    /* What was decided before. */
    if (w->state == RP_WORKER_RETIRING)
        kill(pid, SIGTERM);
    else if (w->state == RP_WORKER_DYING)
        kill(pid, SIGKILL);
}

/* The pid; 0: it will be heard; -1 and errno. */
static pid_t
fork_worker(struct rp_master *m, struct worker *w, int fd)
{
    int given = -1;
    pid_t pid;

    if (m->ops->on_start)
        given = m->ops->on_start(m->arg, w->slot, w->seat, w->generation);
    if (w->template != NOBODY)
        return rp_templates_order(m, w, fd, given);
    pid = rp_life_fork(m);
    if (pid == 0)
        be_worker(m, w, fd, given);
    return pid;
}

uint32_t
rp_life_start(struct rp_master *m, uint32_t seat, uint32_t template)
{
    struct worker *w = find_free(m);
    int fds[2];
    pid_t pid;

    if (!w)
        return NOBODY;
    if (rp_ready_pair(fds) < 0) {
        rp_log_errno(RP_LOG_ERROR, "no socket pair for worker %u", seat + 1);
        return NOBODY;
    }
    if (rp_board_count(m->board, RP_WORKER_STARTING) == 0)
        m->round++;
    w->seat = seat;
    w->template = template;
    w->generation =
        template == NOBODY ? m->generation : m->templates[template].generation;
    w->fd = fds[0];
    rp_board_open_slot(m->board, w->slot, seat, w->generation);
    pid = fork_worker(m, w, fds[1]);
    if (pid < 0)
        rp_log_errno(RP_LOG_ERROR, "cannot fork worker %u", seat + 1);
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        w->fd = -1;
        rp_board_close_slot(m->board, w->slot);
        return NOBODY;
    }
    enter(m, w, RP_WORKER_STARTING);
    if (pid > 0)
        on_birth(m, w, pid);
    return w->slot;
}

void
rp_life_ready(struct rp_master *m, struct worker *w)
{
    if (w->state != RP_WORKER_STARTING)
        return;
    enter(m, w, RP_WORKER_READY);
    rp_info("worker %u (pid %d) ready after %.2f s", w->seat + 1, (int)w->pid,
            w->ready_at - w->started_at);
    if (w->owes_reopen)
        kill(w->pid, SIGUSR1);
    rp_templates_on_worker_ready(m, w);
    rp_seats_on_ready(m, w);
    m->failures = 0;
    if (!m->was_ready) {
        m->was_ready = true;
        if (m->ops->on_ready)
            m->ops->on_ready(m->arg);
    }
}

void
rp_life_ask_recycle(struct rp_master *m, struct worker *w,
                    enum rp_recycle_reason why)
{
    if (w->wants_recycle)
        return;
    w->wants_recycle = true;
    atomic_fetch_add(&m->board->recycled[why], 1);
}

/* Whom a template has forked says its pid first.  false: nothing more can be
 * heard now. */
static bool
hear_birth(struct rp_master *m, struct worker *w)
{
    pid_t pid;
    ssize_t n;

    do
        n = recv(w->fd, &pid, sizeof(pid), MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof(pid)) {
        on_birth(m, w, pid);
        return true;
    }
    if (n >= 0 || errno != EAGAIN)
        rp_reap_unborn(m, w);
    return false;
}

void
rp_life_listen(struct rp_master *m, struct worker *w)
{
    while (w->fd >= 0) {
        enum rp_said said;

        if (w->pid == 0 && !hear_birth(m, w))
            return;
        said = rp_ready_hear(w->fd);
        if (said >= RP_SAID_RECYCLE && said <= RP_SAID_RECYCLE_LAST) {
            rp_life_ask_recycle(
                m, w, (enum rp_recycle_reason)(said - RP_SAID_RECYCLE));
            continue;
        }
        switch (said) {
        case RP_SAID_NOTHING:
            return;
        case RP_SAID_READY:
            rp_life_ready(m, w);
            break;
        case RP_SAID_RECYCLE:
        case RP_SAID_RECYCLE_LAST:
            break;
        case RP_SAID_GOODBYE:
            close(w->fd);
            w->fd = -1;
            break;
        }
    }
}

/* One that has no pid yet is told at its birth. */
static void
tell(const struct worker *w, int sig)
{
    if (w->pid > 0)
        kill(w->pid, sig);
}

void
rp_life_retire(struct rp_master *m, struct worker *w, double grace)
{
    if (w->state == RP_WORKER_STARTING || w->state == RP_WORKER_READY) {
        enter(m, w, RP_WORKER_RETIRING);
        tell(w, SIGTERM);
    }
    if (w->state == RP_WORKER_RETIRING && w->deadline > m->now + grace)
        w->deadline = m->now + grace;
}

/* "; in flight: GET /path", or nothing. */
static const char *
in_flight(const struct rp_master *m, const struct worker *w, char *out,
          size_t size)
{
    static const char intro[] = "; in flight: ";
    size_t n = sizeof(intro) - 1;

    assert(size > n + 1);
    memcpy(out, intro, n);
    if (rp_slot_get_current(&m->board->slots[w->slot], out + n, size - n) == 0)
        out[0] = '\0';
    return out;
}

static void
abort_worker(struct rp_master *m, struct worker *w)
{
    enter(m, w, RP_WORKER_DYING);
    w->aborted = true;
    tell(w, SIGABRT);
}

static void
on_deadline(struct rp_master *m, struct worker *w)
{
    unsigned number = w->seat + 1;
    char text[RP_CURRENT_MAX + 32];

    switch (w->state) {
    case RP_WORKER_STARTING:
        if (w->pid == 0)
            rp_templates_abort(m, w->template);
        rp_error("worker %u (pid %d) not ready after %.1f s: aborting it",
                 number, (int)w->pid, m->now - w->started_at);
        abort_worker(m, w);
        break;
    case RP_WORKER_RETIRING:
        rp_warn("worker %u (pid %d) still there at the graceful deadline: "
                "killing it%s",
                number, (int)w->pid, in_flight(m, w, text, sizeof(text)));
        enter(m, w, RP_WORKER_DYING);
        tell(w, SIGKILL);
        break;
    case RP_WORKER_DYING:
        tell(w, SIGKILL);
        w->deadline = NEVER;
        break;
    case RP_WORKER_READY:
    case RP_WORKER_FREE:
        break;
    }
}

/* How long its loop has been silent.  Time in which the master itself did not
 * run (stopped, suspended, no CPU) is not held against the worker. */
static double
silence(const struct rp_master *m, const struct worker *w)
{
    const struct rp_worker_slot *s = &m->board->slots[w->slot];
    double tick = (double)atomic_load(&s->tick_ns) / 1e9;

    return m->now - (tick > m->woke_at ? tick : m->woke_at);
}

void
rp_life_watch(struct rp_master *m)
{
    char text[RP_CURRENT_MAX + 32];

    for (uint32_t i = 0; i < m->board->n; i++) {
        struct worker *w = &m->workers[i];

        if (w->state == RP_WORKER_FREE)
            continue;
        if (w->deadline <= m->now)
            on_deadline(m, w);
        if (w->state == RP_WORKER_READY && m->config.timeout > 0 &&
            silence(m, w) > m->config.timeout) {
            rp_error("worker %u (pid %d) silent for %.1f s: aborting it%s",
                     w->seat + 1, (int)w->pid, silence(m, w),
                     in_flight(m, w, text, sizeof(text)));
            abort_worker(m, w);
        }
    }
}

double
rp_life_next_deadline(const struct rp_master *m)
{
    double next = NEVER;

    for (uint32_t i = 0; i < m->board->n; i++) {
        const struct worker *w = &m->workers[i];
        double t = w->deadline;

        if (w->state == RP_WORKER_FREE)
            continue;
        if (w->state == RP_WORKER_READY && m->config.timeout > 0)
            t = m->now + m->config.timeout - silence(m, w);
        if (t < next)
            next = t;
    }
    return next;
}

void
rp_life_end(struct rp_master *m, struct worker *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    enter(m, w, RP_WORKER_FREE);
    rp_board_close_slot(m->board, w->slot);
}
