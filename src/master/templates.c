/* templates.c -- the template processes as the master sees them.
 *
 *      NONE --fork--> STARTING --it says so--> READY
 *                        |  |                    |
 *                        |  +-- no longer needed-+--> ENDING
 *                        |                       |
 *                        +-- no answer in time --+--> ABORTING
 *
 * and from everywhere to NONE, when it was reaped.
 *
 * One is the present one: whoever is missing is forked there.  A reload makes
 * a fresh one beside it.  That becomes the present one with the first of its
 * workers that is ready; until then the reload can be given up, and with it
 * the fresh one goes. */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rupy/base/log.h"

#include "state.h"

/* From SIGABRT, on which it prints its stacks, to SIGKILL. */
static const double abort_grace = 2.0;

void
rp_templates_init(struct rp_master *m)
{
    for (uint32_t i = 0; i < RP_TEMPLATES; i++)
        m->templates[i] = (struct template_process){.fd = -1};
    m->present = m->fresh = NOBODY;
}

static struct template_process *
template_at(struct rp_master *m, uint32_t i)
{
    return i == NOBODY ? NULL : &m->templates[i];
}

static void
enter(struct rp_master *m, struct template_process *t,
      enum template_state state)
{
#define TO(s) (1u << TEMPLATE_##s)
    static const unsigned may_follow[] = {
        [TEMPLATE_NONE] = TO(STARTING),
        [TEMPLATE_STARTING] = TO(READY) | TO(ABORTING) | TO(ENDING) | TO(NONE),
        [TEMPLATE_READY] = TO(ABORTING) | TO(ENDING) | TO(NONE),
        [TEMPLATE_ABORTING] = TO(ENDING) | TO(NONE),
        [TEMPLATE_ENDING] = TO(NONE),
    };
#undef TO

    assert(may_follow[t->state] & (1u << state));
    (void)may_follow;
    t->state = state;
    t->deadline = NEVER;
    switch (state) {
    case TEMPLATE_STARTING:
        t->started_at = m->now;
        t->why[0] = '\0';
        if (m->config.startup_timeout > 0)
            t->deadline = m->now + m->config.startup_timeout;
        break;
    case TEMPLATE_ABORTING:
        t->deadline = m->now + abort_grace;
        kill(t->pid, SIGABRT);
        break;
    case TEMPLATE_ENDING:
        /* It has nothing to put in order, and may be deep in an import. */
        kill(t->pid, SIGKILL);
        break;
    case TEMPLATE_NONE:
        t->pid = 0;
        break;
    case TEMPLATE_READY:
        break;
    }
}

/* ---- Start and end ---- */

static _Noreturn void
be_template(struct rp_master *m, const struct template_process *t, int fd)
{
    struct rp_template self = {
        .generation = t->generation,
        .fd = fd,
        .board = m->board,
    };
    int status;

    rp_signals_reset_in_child();
    /* As in a worker: nobody else may hold the master's ends. */
    for (uint32_t i = 0; i < m->board->n; i++)
        if (m->workers[i].fd >= 0)
            close(m->workers[i].fd);
    for (uint32_t i = 0; i < RP_TEMPLATES; i++)
        if (m->templates[i].fd >= 0)
            close(m->templates[i].fd);
    rp_log_set_name("template");
    if (m->ops->after_fork_child)
        m->ops->after_fork_child(m->arg);
    status = m->ops->preload(m->arg, &self);
    fflush(NULL);
    _exit(status);
}

/* The slot of a new one, or NOBODY. */
static uint32_t
start(struct rp_master *m, uint32_t generation)
{
    struct template_process *t = NULL;
    int fds[2];
    pid_t pid;

    for (uint32_t i = 0; i < RP_TEMPLATES && !t; i++)
        if (m->templates[i].state == TEMPLATE_NONE)
            t = &m->templates[i];
    if (!t)
        return NOBODY;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
        rp_log_errno(RP_LOG_ERROR, "no socket pair for a template");
        return NOBODY;
    }
    t->generation = generation;
    t->fd = fds[0];
    pid = rp_life_fork(m);
    if (pid == 0)
        be_template(m, t, fds[1]);
    close(fds[1]);
    if (pid < 0) {
        rp_log_errno(RP_LOG_ERROR, "cannot fork a template");
        close(fds[0]);
        t->fd = -1;
        return NOBODY;
    }
    t->pid = pid;
    enter(m, t, TEMPLATE_STARTING);
    rp_debug("template (pid %d) started, generation %u", (int)pid, generation);
    return (uint32_t)(t - m->templates);
}

static void
drop_fd(struct template_process *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

/* It is needed no more.  What it was ordered and has not begun dies with it. */
static void
end(struct rp_master *m, uint32_t *slot)
{
    struct template_process *t = template_at(m, *slot);

    *slot = NOBODY;
    if (!t)
        return;
    rp_debug("template (pid %d) is not needed any more", (int)t->pid);
    drop_fd(t);
    enter(m, t, TEMPLATE_ENDING);
}

static void
back_off(struct rp_master *m)
{
    const struct rp_master_config *c = &m->config;
    double wait = m->template_backoff;

    m->template_not_before = m->now + wait;
    m->template_backoff = wait > 0 ? wait * 2 : c->backoff_min;
    if (m->template_backoff > c->backoff_max)
        m->template_backoff = c->backoff_max;
}

void
rp_templates_fill(struct rp_master *m)
{
    if (!m->config.preload || m->stopping)
        return;
    if (m->renew) {
        m->fresh = start(m, m->generation);
        m->renew = m->fresh == NOBODY;
    }
    /* A fresh one that is on its way will do. */
    if (m->present != NOBODY || m->fresh != NOBODY || m->renew ||
        m->template_not_before > m->now)
        return;
    m->present = start(m, m->present_generation);
    if (m->present == NOBODY)
        back_off(m);
}

void
rp_templates_renew(struct rp_master *m)
{
    const struct template_process *t = template_at(m, m->present);

    end(m, &m->fresh);
    m->renew = t && t->state == TEMPLATE_READY;
    if (m->renew)
        return;
    /* The one that is there has served nobody yet. */
    end(m, &m->present);
    m->present_generation = m->generation;
    m->template_not_before = m->template_backoff = 0;
}

void
rp_templates_give_up(struct rp_master *m)
{
    m->renew = false;
    end(m, &m->fresh);
    m->generation = m->present_generation;
}

void
rp_templates_stop(struct rp_master *m)
{
    m->renew = false;
    end(m, &m->fresh);
    end(m, &m->present);
}

bool
rp_templates_are_gone(const struct rp_master *m)
{
    for (uint32_t i = 0; i < RP_TEMPLATES; i++)
        if (m->templates[i].state != TEMPLATE_NONE)
            return false;
    return true;
}

static void
promote(struct rp_master *m)
{
    end(m, &m->present);
    m->present = m->fresh;
    m->fresh = NOBODY;
    m->present_generation = m->templates[m->present].generation;
    m->template_backoff = 0;
}

void
rp_templates_on_worker_ready(struct rp_master *m, const struct worker *w)
{
    const struct template_process *t = template_at(m, m->fresh);

    if (t && t->generation == w->generation)
        promote(m);
}

/* ---- Orders ---- */

static bool
is_ready(const struct rp_master *m, uint32_t slot)
{
    return slot != NOBODY && m->templates[slot].state == TEMPLATE_READY;
}

uint32_t
rp_templates_pick(const struct rp_master *m, bool replaces)
{
    const uint32_t slots[] = {m->fresh, m->present};

    if (!replaces || !m->rolling)
        return is_ready(m, m->present) ? m->present : NOBODY;
    for (int i = 0; i < 2; i++)
        if (is_ready(m, slots[i]) &&
            m->templates[slots[i]].generation == m->generation)
            return slots[i];
    return NOBODY;
}

int
rp_templates_order(struct rp_master *m, const struct worker *w, int fd,
                   int given)
{
    struct rp_order o = {.slot = w->slot, .seat = w->seat, .round = m->round};
    const int fds[RP_ORDER_FDS] = {fd, given};
    size_t size = (given < 0 ? 1 : RP_ORDER_FDS) * sizeof(int);
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(fds))];
    } control = {0};
    struct iovec v = {.iov_base = &o, .iov_len = sizeof(o)};
    struct msghdr msg = {
        .msg_iov = &v,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = CMSG_SPACE(size),
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), fds, size);
    if (sendmsg(m->templates[w->template].fd, &msg,
                MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return -1;
    return 0;
}

void
rp_templates_say(struct rp_master *m, char c)
{
    for (uint32_t i = 0; i < RP_TEMPLATES; i++)
        if (m->templates[i].fd >= 0)
            send(m->templates[i].fd, &c, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void
rp_templates_abort(struct rp_master *m, uint32_t slot)
{
    struct template_process *t = &m->templates[slot];

    if (t->state != TEMPLATE_READY)
        return;
    rp_error("template (pid %d) does not fork: aborting it", (int)t->pid);
    enter(m, t, TEMPLATE_ABORTING);
}

/* ---- What happens to it ---- */

static void
on_ready(struct rp_master *m, struct template_process *t)
{
    if (t->state != TEMPLATE_STARTING)
        return;
    enter(m, t, TEMPLATE_READY);
    rp_info("template (pid %d) ready after %.2f s, generation %u", (int)t->pid,
            m->now - t->started_at, t->generation);
    /* There is nobody whose place it would have to earn. */
    if (m->present == NOBODY)
        promote(m);
}

void
rp_templates_listen(struct rp_master *m, uint32_t slot)
{
    struct template_process *t = &m->templates[slot];

    while (t->fd >= 0) {
        char said[RP_TEMPLATE_WHY + 1];
        ssize_t n = recv(t->fd, said, sizeof(said) - 1, MSG_DONTWAIT);

        /* It died with orders unread; what it said before comes after. */
        if (n < 0 && (errno == EINTR || errno == ECONNRESET))
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        said[n > 0 ? n : 0] = '\0';
        if (n <= 0)
            drop_fd(t);
        else if (said[0] == RP_TEMPLATE_READY)
            on_ready(m, t);
        else if (said[0] == RP_TEMPLATE_FAILED)
            snprintf(t->why, sizeof(t->why), "%s", said + 1);
    }
}

static void
give_up_reload(struct rp_master *m, const struct template_process *t,
               const char *how)
{
    const char *why = t->why[0] ? t->why : how;

    rp_error("reload given up: %s; the old workers go on", why);
    rp_seats_end_roll(m, why);
}

static void
on_present_death(struct rp_master *m, const struct template_process *t,
                 int status, const char *how)
{
    m->present = NOBODY;
    /* Who waits for an empty seat to be filled waits for this. */
    if (is_ready(m, m->fresh))
        promote(m);
    if (m->now - t->started_at >= m->config.healthy_after &&
        t->state == TEMPLATE_READY)
        m->template_backoff = 0;
    back_off(m);
    if (t->state == TEMPLATE_READY)
        return;
    if (m->rolling && t->generation == m->generation)
        give_up_reload(m, t, how);
    rp_reap_boot_failure(m, "the template", status);
}

void
rp_templates_on_death(struct rp_master *m, struct template_process *t,
                      int status)
{
    uint32_t slot = (uint32_t)(t - m->templates);
    char how[160], text[128];

    rp_templates_listen(m, slot);
    drop_fd(t);
    rp_reap_describe(m, status, t->state >= TEMPLATE_ABORTING, text,
                     sizeof(text));
    snprintf(how, sizeof(how), "template (pid %d) %s", (int)t->pid, text);
    if (t->state == TEMPLATE_ENDING)
        rp_debug("%s", how);
    else
        rp_error("%s after %.1f s%s", how, m->now - t->started_at,
                 slot == m->present && m->was_ready
                     ? ": another takes its place; workers go on"
                     : "");
    if (slot == m->present)
        on_present_death(m, t, status, how);
    else if (slot == m->fresh) {
        m->fresh = NOBODY;
        give_up_reload(m, t, how);
    }
    enter(m, t, TEMPLATE_NONE);
}

void
rp_templates_watch(struct rp_master *m)
{
    for (uint32_t i = 0; i < RP_TEMPLATES; i++) {
        struct template_process *t = &m->templates[i];

        if (t->state == TEMPLATE_NONE || t->deadline > m->now)
            continue;
        if (t->state == TEMPLATE_STARTING) {
            rp_error("template (pid %d) not ready after %.1f s: aborting it",
                     (int)t->pid, m->now - t->started_at);
            enter(m, t, TEMPLATE_ABORTING);
        } else {
            t->deadline = NEVER;
            kill(t->pid, SIGKILL);
        }
    }
}

double
rp_templates_next_deadline(const struct rp_master *m)
{
    double next = NEVER;

    if (m->present == NOBODY && m->template_not_before > m->now)
        next = m->template_not_before;
    for (uint32_t i = 0; i < RP_TEMPLATES; i++)
        if (m->templates[i].state != TEMPLATE_NONE &&
            m->templates[i].deadline < next)
            next = m->templates[i].deadline;
    return next;
}
