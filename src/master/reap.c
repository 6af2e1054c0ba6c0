/* reap.c -- who died, of what, and what follows from it. */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>

#include "rupy/base/log.h"

#include "state.h"

static struct worker *
find_pid(struct rp_master *m, pid_t pid)
{
    for (uint32_t i = 0; i < m->board->n; i++)
        if (m->workers[i].pid == pid)
            return &m->workers[i];
    return NULL;
}

/* Why it was killed, as far as it can be told. */
static const char *
explain(struct rp_master *m, int status, bool is_ours)
{
    uint64_t kills;

    if (WCOREDUMP(status))
        return " (core dumped)";
    if (WTERMSIG(status) != SIGKILL || is_ours)
        return "";
    kills = rp_oom_kills();
    if (kills > m->oom_kills) {
        m->oom_kills = kills;
        return " (out of memory: its cgroup is at its limit)";
    }
    return " (not by us: somebody's kill -9, or the kernel for want of memory)";
}

void
rp_reap_describe(struct rp_master *m, int status, bool is_ours, char *out,
                 size_t size)
{
    char name[32];

    if (WIFSIGNALED(status))
        snprintf(out, size, "killed by %s%s",
                 rp_signal_name(WTERMSIG(status), name, sizeof(name)),
                 explain(m, status, is_ours));
    else
        snprintf(out, size, "exited with status %d", WEXITSTATUS(status));
}

static void
log_death(struct rp_master *m, const struct worker *w, int status,
          enum rp_log_level level)
{
    const struct rp_worker_slot *s = &m->board->slots[w->slot];
    char how[128], current[RP_CURRENT_MAX + 1];
    bool busy = rp_slot_get_current(s, current, sizeof(current)) > 0;

    if (level < rp_log_level())
        return;
    rp_reap_describe(m, status, w->state == RP_WORKER_DYING, how, sizeof(how));
    rp_log(level, "worker %u (pid %d) %s after %.1f s, requests: %llu%s%s",
           w->seat + 1, (int)w->pid, how, m->now - w->started_at,
           (unsigned long long)atomic_load(&s->counters.requests),
           busy ? "; in flight: " : "", busy ? current : "");
}

/* Before anybody was ready nobody is served by trying for ever, and what
 * failed to load will fail again: say so with the exit status. */
void
rp_reap_boot_failure(struct rp_master *m, const char *who, int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

    if (m->was_ready || m->stopping)
        return;
    m->failures++;
    if (code == RP_EXIT_APP) {
        rp_error("the application failed to load: giving up");
        rp_seats_stop(m, RP_EXIT_APP, 2.0);
    } else if (code == RP_EXIT_BOOT) {
        rp_error("%s failed to boot: giving up", who);
        rp_seats_stop(m, RP_EXIT_BOOT, 2.0);
    } else if (m->failures >= m->config.boot_failures) {
        rp_error("no worker ever was ready, %u failed to boot: giving up",
                 m->failures);
        rp_seats_stop(m, RP_EXIT_BOOT, 2.0);
    }
}

static void
on_boot_failure(struct rp_master *m, const struct worker *w, int status)
{
    char who[32];

    rp_seats_on_boot_failure(m, w);
    snprintf(who, sizeof(who), "worker %u", w->seat + 1);
    rp_reap_boot_failure(m, who, status);
}

static enum rp_log_level
level_of(const struct rp_master *m, const struct worker *w, int status,
         bool unasked)
{
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    bool told = WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;

    if (unasked)
        return clean ? RP_LOG_WARNING : RP_LOG_ERROR;
    /* One that had not even started may end as it likes: it served nobody, and
     * the reason why it was told to go is in the log already. */
    if (clean || ((m->stopping || told) && w->ready_at <= 0))
        return RP_LOG_DEBUG;
    return RP_LOG_WARNING;
}

static void
on_death(struct rp_master *m, struct worker *w, int status)
{
    bool unasked, booted;

    /* It may have said that it was ready, and then died before we read it;
     * but for such a successor nobody must be sent away. */
    if (m->seats[w->seat].successor != w->slot)
        rp_life_listen(m, w);
    booted = w->ready_at > 0;
    unasked = rp_seats_on_death(m, w);
    log_death(m, w, status, level_of(m, w, status, unasked));
    if (unasked)
        atomic_fetch_add(&m->board->deaths, 1);
    if (unasked && w->aborted)
        atomic_fetch_add(&m->board->aborted, 1);
    if (m->ops->on_death)
        m->ops->on_death(m->arg, &(struct rp_master_death){
                                     .pid = w->pid,
                                     .slot = w->slot,
                                     .seat = w->seat,
                                     .generation = w->generation,
                                     .status = status,
                                     .aborted = w->aborted,
                                 });
    rp_life_end(m, w);
    if (unasked && !booted)
        on_boot_failure(m, w, status);
}

void
rp_reap_unborn(struct rp_master *m, struct worker *w)
{
    bool unasked = rp_seats_on_death(m, w);

    rp_log(unasked ? RP_LOG_WARNING : RP_LOG_DEBUG, "worker %u was not forked",
           w->seat + 1);
    rp_life_end(m, w);
}

static void
on_upgrade_death(struct rp_master *m, int status)
{
    char name[32];

    if (WIFSIGNALED(status))
        rp_error("master %d was killed by %s: this one goes on",
                 (int)m->upgrade,
                 rp_signal_name(WTERMSIG(status), name, sizeof(name)));
    else
        rp_log(WEXITSTATUS(status) == 0 ? RP_LOG_INFO : RP_LOG_ERROR,
               "master %d exited with status %d: this one goes on",
               (int)m->upgrade, WEXITSTATUS(status));
    m->upgrade = 0;
}

/* One that a template has forked says its pid before anything else, so it can
 * be heard even now. */
static struct worker *
find_newborn(struct rp_master *m, pid_t pid)
{
    for (uint32_t i = 0; m->config.preload && i < m->board->n; i++)
        if (m->workers[i].state != RP_WORKER_FREE && m->workers[i].pid == 0)
            rp_life_listen(m, &m->workers[i]);
    return find_pid(m, pid);
}

static struct template_process *
find_template(struct rp_master *m, pid_t pid)
{
    for (uint32_t i = 0; i < RP_TEMPLATES; i++)
        if (m->templates[i].pid == pid)
            return &m->templates[i];
    return NULL;
}

void
rp_reap(struct rp_master *m)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        struct template_process *t;
        struct worker *w;

        if (pid < 0 && errno == EINTR)
            continue;
        if (pid <= 0)
            return;
        w = find_pid(m, pid);
        t = w ? NULL : find_template(m, pid);
        if (!w && !t)
            w = find_newborn(m, pid);
        if (w) {
            on_death(m, w, status);
        } else if (t) {
            rp_templates_on_death(m, t, status);
        } else if (pid == m->upgrade) {
            on_upgrade_death(m, status);
        } else
            /* We may be process 1 of a container, and inherit orphans. */
            rp_debug("reaped pid %d, which is none of ours", (int)pid);
    }
}
