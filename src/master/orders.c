/* orders.c -- what others in the master's process may ask of it. */

#include <errno.h>
#include <sys/socket.h>

#include "state.h"

void
rp_master_look(const struct rp_master *m, struct rp_master_view *v)
{
    *v = (struct rp_master_view){
        .board = m->board,
        .wanted = m->wanted,
        .generation = m->generation,
        .reloads = m->reloads,
        .rolling = m->rolling,
        .stopping = m->stopping || m->stop_at < NEVER,
        .other = m->upgrade,
        .template = m->present == NOBODY ? 0 : m->templates[m->present].pid,
        .reload_error = m->reload_error,
    };
}

void
rp_master_signal(struct rp_master *m, int sig)
{
    (void)m;
    rp_signals_raise(sig);
}

void
rp_master_set_workers(struct rp_master *m, uint32_t n)
{
    rp_seats_set_wanted(m, n);
}

static bool
is_meant(const struct worker *w, pid_t pid)
{
    return w->state == RP_WORKER_READY && (pid == 0 || w->pid == pid);
}

uint32_t
rp_master_recycle(struct rp_master *m, pid_t pid)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->board->n; i++) {
        struct worker *w = &m->workers[i];

        if (!is_meant(w, pid))
            continue;
        n++;
        rp_life_ask_recycle(m, w, RP_RECYCLE_ASKED);
    }
    return n;
}

void
rp_master_restart(struct rp_master *m, double grace)
{
    rp_seats_restart(m, grace);
    /* Another turn, without a wait before it: seats are empty. */
    rp_signals_raise(SIGCHLD);
}

uint32_t
rp_master_tell(struct rp_master *m, pid_t pid, int sig)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->board->n; i++)
        if (is_meant(&m->workers[i], pid))
            n += kill(m->workers[i].pid, sig) == 0;
    return n;
}

void
rp_master_say(struct rp_master *m, char c)
{
    /* A worker that is full of words has other troubles than this one. */
    for (uint32_t i = 0; i < m->board->n; i++)
        if (m->workers[i].fd >= 0)
            send(m->workers[i].fd, &c, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    rp_templates_say(m, c);
}
