/* hooks.c -- what the master tells the process of its hooks. */
#include "rupy/serve/hooks.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rupy/base/clock.h"
#include "rupy/py/hooks.h"

#include "hookproc.h"

/* Of the stacks of a worker that hung. */
enum { STACKS_MAX = 32 * 1024 };

/* Seconds for what is left to do when the service ends. */
static const double end_limit = 5;

struct rp_hooks {
    const struct rp_config *config;
    struct rp_hookproc now, old; /* old: of the configuration before */
    int epoll, other;
    int *stacks; /* by slot; -1: none */
    uint32_t nstacks;
    bool has_begun; /* on_starting has not failed */
};

static bool
has(const struct rp_hooks *h, enum rp_py_hook hook)
{
    return h->config->python->hooks & (1u << hook);
}

/* ---- What is said ---- */

/* name\nkey=value\n...\n\ntext */
static void
tell(struct rp_hooks *h, enum rp_py_hook hook, const struct rp_buf *said,
     struct rp_str text)
{
    struct rp_buf b;

    rp_buf_init(&b, 0);
    if (rp_buf_addf(&b, "%s\n", rp_py_hook_name(hook)) < 0 ||
        rp_buf_add(&b, said->p, said->n) < 0 || rp_buf_add(&b, "\n", 1) < 0 ||
        rp_buf_add_str(&b, text) < 0)
        rp_error("hook %s was not called: out of memory",
                 rp_py_hook_name(hook));
    else
        rp_hookproc_tell(&h->now, (struct rp_str){b.p, b.n});
    rp_buf_fini(&b);
}

static void
tell_master(struct rp_hooks *h, enum rp_py_hook hook)
{
    const struct rp_config *c = h->config;
    struct rp_buf b;

    if (!has(h, hook))
        return;
    rp_buf_init(&b, 0);
    rp_buf_addf(&b, "pid=%d\nworkers=%d\n", (int)getpid(), c->workers);
    for (size_t i = 0; i < c->nbinds; i++)
        rp_buf_addf(&b, "address=%s\n", c->binds[i].text);
    tell(h, hook, &b, RP_STR(""));
    rp_buf_fini(&b);
}

/* ---- Stacks ---- */

static void
drop_stacks(struct rp_hooks *h, uint32_t slot)
{
    if (slot < h->nstacks && h->stacks[slot] >= 0) {
        close(h->stacks[slot]);
        h->stacks[slot] = -1;
    }
}

static int
make_room(struct rp_hooks *h, uint32_t slot)
{
    uint32_t n = slot + 8;
    int *stacks;

    if (slot < h->nstacks)
        return 0;
    stacks = realloc(h->stacks, n * sizeof(*stacks));
    if (!stacks)
        return -1;
    for (uint32_t i = h->nstacks; i < n; i++)
        stacks[i] = -1;
    h->stacks = stacks;
    h->nstacks = n;
    return 0;
}

/* What a worker prints when it gets SIGABRT comes here.  -1: it does not. */
static int
prepare_stacks(struct rp_hooks *h, uint32_t slot)
{
    if (make_room(h, slot) < 0) {
        rp_log_errno(RP_LOG_WARNING, "no stacks for worker_timeout");
        return -1;
    }
    drop_stacks(h, slot);
    h->stacks[slot] = memfd_create("stacks", MFD_CLOEXEC);
    if (h->stacks[slot] < 0)
        rp_log_errno(RP_LOG_WARNING, "no stacks for worker_timeout");
    return h->stacks[slot];
}

/* In the log as well, where they would be without the hook.  Return how many
 * bytes of text there are; out has room for STACKS_MAX + 1. */
static size_t
take_stacks(struct rp_hooks *h, uint32_t slot, char *out)
{
    ssize_t n = 0;

    if (slot < h->nstacks && h->stacks[slot] >= 0)
        n = pread(h->stacks[slot], out, STACKS_MAX, 0);
    drop_stacks(h, slot);
    if (n <= 0)
        return 0;
    out[n] = '\0';
    /* Python writes ASCII; others may write too. */
    for (ssize_t i = 0; i < n; i++)
        if ((unsigned char)out[i] > 0x7f || out[i] == '\0')
            out[i] = '?';
    rp_log_text(out);
    return (size_t)n;
}

/* ---- What happens ---- */

void
rp_hooks_ready(struct rp_hooks *h)
{
    if (h)
        tell_master(h, RP_PY_HOOK_ON_READY);
}

int
rp_hooks_start(struct rp_hooks *h, uint32_t slot, uint32_t seat,
               uint32_t generation)
{
    struct rp_buf b;
    int stacks = -1;

    if (!h)
        return -1;
    if (has(h, RP_PY_HOOK_WORKER_TIMEOUT))
        stacks = prepare_stacks(h, slot);
    if (!has(h, RP_PY_HOOK_PRE_FORK))
        return stacks;
    rp_buf_init(&b, 0);
    rp_buf_addf(&b, "number=%u\ngeneration=%u\n", seat + 1, generation);
    tell(h, RP_PY_HOOK_PRE_FORK, &b, RP_STR(""));
    rp_buf_fini(&b);
    return stacks;
}

/* As os.waitstatus_to_exitcode() has it. */
static int
exit_code(int status)
{
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void
rp_hooks_death(struct rp_hooks *h, const struct rp_master_death *d)
{
    char stacks[STACKS_MAX + 1];
    struct rp_buf b;
    size_t n;

    if (!h)
        return;
    n = take_stacks(h, d->slot, stacks);
    rp_buf_init(&b, 0);
    rp_buf_addf(&b, "number=%u\ngeneration=%u\npid=%d\n", d->seat + 1,
                d->generation, (int)d->pid);
    if (d->aborted && has(h, RP_PY_HOOK_WORKER_TIMEOUT))
        tell(h, RP_PY_HOOK_WORKER_TIMEOUT, &b, (struct rp_str){stacks, n});
    rp_buf_addf(&b, "status=%d\n", exit_code(d->status));
    if (has(h, RP_PY_HOOK_CHILD_EXIT))
        tell(h, RP_PY_HOOK_CHILD_EXIT, &b, RP_STR(""));
    rp_buf_fini(&b);
}

void
rp_hooks_reload(struct rp_hooks *h, const struct rp_config *c)
{
    if (!h)
        return;
    rp_hookproc_kill(&h->old);
    h->old = h->now;
    rp_hookproc_leave(&h->old);
    h->config = c;
    rp_hookproc_init(&h->now, c);
    tell_master(h, RP_PY_HOOK_ON_RELOAD);
}

/* ---- Waiting ---- */

static void
wait_for(struct rp_hooks *h, int fd)
{
    struct epoll_event e = {.events = EPOLLIN};

    if (fd >= 0 && epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
        rp_log_errno(RP_LOG_ERROR, "hooks");
}

int
rp_hooks_turn(struct rp_hooks *h, int other)
{
    if (!h)
        return other;
    if (other >= 0 && other != h->other) {
        wait_for(h, other);
        h->other = other;
    }
    rp_hookproc_turn(&h->old);
    rp_hookproc_turn(&h->now);
    /* Closing a descriptor takes it out again. */
    if (rp_hookproc_is_new(&h->now))
        wait_for(h, h->now.child.fd);
    return h->epoll;
}

/* ---- Beginning and end ---- */

int
rp_hooks_new(struct rp_hooks **out, const struct rp_config *c)
{
    struct rp_hooks *h;

    *out = NULL;
    if (!c->python)
        return 0;
    h = calloc(1, sizeof(*h));
    if (!h) {
        rp_log_errno(RP_LOG_CRITICAL, "hooks");
        return -1;
    }
    h->config = c;
    h->other = -1;
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    rp_hookproc_init(&h->now, c);
    rp_hookproc_init(&h->old, c);
    *out = h;
    if (h->epoll < 0) {
        rp_log_errno(RP_LOG_CRITICAL, "hooks");
        return -1;
    }
    tell_master(h, RP_PY_HOOK_ON_STARTING);
    h->has_begun = !has(h, RP_PY_HOOK_ON_STARTING) ||
                   rp_hookproc_finish(&h->now, RP_HOOK_LIMIT) == 0;
    if (h->has_begun)
        return 0;
    rp_log(RP_LOG_CRITICAL, "hook on_starting failed: the service does not "
                            "start");
    return -1;
}

static void
close_all(struct rp_hooks *h)
{
    for (uint32_t i = 0; i < h->nstacks; i++)
        drop_stacks(h, i);
    free(h->stacks);
    rp_hookproc_fini(&h->now);
    rp_hookproc_fini(&h->old);
    if (h->epoll >= 0)
        close(h->epoll);
    free(h);
}

void
rp_hooks_free(struct rp_hooks *h)
{
    double limit;

    if (!h)
        return;
    limit = h->config->graceful_timeout;
    if (limit <= 0 || limit > end_limit)
        limit = end_limit;
    if (h->has_begun) {
        tell_master(h, RP_PY_HOOK_ON_EXIT);
        rp_hookproc_finish(&h->now, limit);
    }
    rp_hookproc_kill(&h->old);
    rp_hookproc_end(&h->now);
    close_all(h);
}

void
rp_hooks_forked(struct rp_hooks *h, int given)
{
    if (!h)
        return;
    for (uint32_t i = 0; i < h->nstacks; i++)
        if (h->stacks[i] == given)
            h->stacks[i] = -1;
    close_all(h);
}
