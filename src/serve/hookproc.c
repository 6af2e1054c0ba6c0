/* hookproc.c -- one thing is said, and then its answer awaited: so it is known
 * which hook it is that does not come back. */
#include "hookproc.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sys/socket.h>

#include "rupy/base/clock.h"
#include "rupy/py/hooks.h"
#include "rupy/serve/title.h"

enum { QUEUE_MAX = 256 * 1024, ANSWER_MAX = 64 * 1024 };

static const double exit_limit = 1;

static int
run_hooks(const struct rp_config *c, int fd)
{
    rp_title_set(c, c->door, "hooks");
    return rp_py_serve_hooks(c->python, fd);
}

void
rp_hookproc_init(struct rp_hookproc *p, const struct rp_config *c)
{
    *p = (struct rp_hookproc){.config = c, .child = {.fd = -1, .pidfd = -1}};
    rp_buf_init(&p->queue, QUEUE_MAX);
}

void
rp_hookproc_fini(struct rp_hookproc *p)
{
    rp_pychild_close(&p->child);
    rp_buf_fini(&p->queue);
}

static void
set_doing(struct rp_hookproc *p, struct rp_str what)
{
    snprintf(p->doing, sizeof(p->doing), "%.*s", RP_STR_ARG(what));
    p->due = rp_clock_mono() + RP_HOOK_LIMIT;
}

static void
start(struct rp_hookproc *p)
{
    struct rp_pychild_config config = {
        .config = p->config,
        .type = SOCK_SEQPACKET,
        .deaf = true,
        .run = run_hooks,
    };

    if (rp_pychild_start(&p->child, &config) < 0) {
        rp_log_errno(RP_LOG_ERROR, "the hooks do not run");
        p->is_broken = true;
        return;
    }
    p->is_new = p->is_loading = true;
    set_doing(p, RP_STR("(start)"));
}

/* The first message of the queue; it stays there. */
static struct rp_str
first(const struct rp_hookproc *p)
{
    uint32_t n = 0;

    if (p->queue.n == 0)
        return (struct rp_str){NULL, 0};
    memcpy(&n, p->queue.p, sizeof(n));
    return (struct rp_str){p->queue.p + sizeof(n), n};
}

static bool
is_idle(const struct rp_hookproc *p)
{
    return p->doing[0] == '\0';
}

/* What is next, if it has nothing to do. */
static void
go_on(struct rp_hookproc *p)
{
    struct rp_str next = first(p);

    if (p->child.fd < 0 || !is_idle(p))
        return;
    if (next.n == 0) {
        if (p->is_leaving)
            rp_pychild_close(&p->child);
        return;
    }
    /* There is room, since nothing else is on its way.  Whatever else is
     * wrong, its end is heard of next. */
    if (send(p->child.fd, next.p, next.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
        errno != EPIPE)
        rp_log_errno(RP_LOG_ERROR, "a hook was not called");
    set_doing(p, (struct rp_str){next.p, strcspn(next.p, "\n")});
    rp_buf_del(&p->queue, sizeof(uint32_t) + next.n);
}

void
rp_hookproc_tell(struct rp_hookproc *p, struct rp_str message)
{
    uint32_t n = (uint32_t)message.n;

    if (p->is_broken)
        return;
    if (rp_buf_reserve(&p->queue, sizeof(n) + n) < 0) {
        rp_error("hook %.*s is not called: %zu bytes wait for hooks already",
                 (int)strcspn(message.p, "\n"), message.p, p->queue.n);
        return;
    }
    rp_buf_add(&p->queue, &n, sizeof(n));
    rp_buf_add(&p->queue, message.p, n);
    if (p->child.fd < 0)
        start(p);
    go_on(p);
}

/* ---- Answers ---- */

static void
log_failure(char *text)
{
    char *end = strchrnul(text, '\n');

    rp_error("%.*s", (int)(end - text), text);
    if (*end != '\0')
        rp_log_text(end + 1);
}

static void
on_answer(struct rp_hookproc *p, char *answer)
{
    if (answer[0] != 'k') {
        log_failure(answer + 1);
        p->has_failed = true;
        p->is_broken |= p->is_loading;
    }
    p->is_loading = false;
    p->doing[0] = '\0';
    go_on(p);
}

static void
complain(const struct rp_hookproc *p, const char *what)
{
    if (p->is_loading)
        rp_error("the hooks do not run: their process, pid %d, %s",
                 (int)p->child.pid, what);
    else
        rp_error("hook %s: its process, pid %d, %s", p->doing,
                 (int)p->child.pid, what);
}

/* It is gone; another one does what is left, but not of an older file. */
static void
on_end(struct rp_hookproc *p)
{
    /* What has not come up once will not the next time. */
    p->is_broken |= p->is_loading;
    p->has_failed |= !is_idle(p);
    p->doing[0] = '\0';
    rp_pychild_close(&p->child);
    if (p->queue.n > 0 && !p->is_broken && !p->is_leaving)
        start(p);
}

static void
hear(struct rp_hookproc *p)
{
    char answer[ANSWER_MAX + 1];

    while (p->child.fd >= 0) {
        ssize_t n = recv(p->child.fd, answer, ANSWER_MAX, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            if (!p->is_broken && !is_idle(p))
                complain(p, "has ended");
            on_end(p);
            return;
        }
        answer[n] = '\0';
        on_answer(p, answer);
    }
}

void
rp_hookproc_turn(struct rp_hookproc *p)
{
    hear(p);
    if (p->child.fd < 0 || is_idle(p) || rp_clock_mono() < p->due)
        return;
    complain(p, "has not come back in time: it is killed");
    rp_pychild_kill(&p->child);
    on_end(p);
}

bool
rp_hookproc_is_new(struct rp_hookproc *p)
{
    bool is_new = p->is_new && p->child.fd >= 0;

    p->is_new = false;
    return is_new;
}

/* ---- The end ---- */

void
rp_hookproc_leave(struct rp_hookproc *p)
{
    p->is_leaving = true;
    go_on(p);
}

int
rp_hookproc_finish(struct rp_hookproc *p, double limit)
{
    double deadline = rp_clock_mono() + limit, left;

    while (p->child.fd >= 0 && (!is_idle(p) || p->queue.n > 0)) {
        struct pollfd answer = {.fd = p->child.fd, .events = POLLIN};
        left = deadline - rp_clock_mono();
        if (left <= 0) {
            rp_error("hook %s has not come back after %g s", p->doing, limit);
            return -1;
        }
        if (poll(&answer, 1, (int)ceil(left * 1e3)) > 0)
            hear(p);
    }
    return p->has_failed || p->is_broken ? -1 : 0;
}

void
rp_hookproc_end(struct rp_hookproc *p)
{
    if (p->child.fd < 0)
        return;
    rp_pychild_end(&p->child, is_idle(p) ? rp_clock_mono() + exit_limit : 0);
}

void
rp_hookproc_kill(struct rp_hookproc *p)
{
    if (p->child.fd >= 0)
        rp_pychild_kill(&p->child);
    rp_hookproc_fini(p);
}
