/* preload.c -- a template: the application, imported, and copies of it.
 *
 * Signal dispositions are those of any worker before Python starts in it, and
 * then what the application made of them: a copy does not touch them again. */
#include "rupy/serve/preload.h"

#include <stdio.h>
#include <unistd.h>

#include "rupy/base/buf.h"
#include "rupy/py/preload.h"
#include "rupy/serve/logs.h"
#include "rupy/serve/process.h"
#include "rupy/serve/python.h"
#include "rupy/serve/title.h"

enum { TEXT_MAX = 256 * 1024 };

struct preload {
    const struct rp_config *config;
    const struct rp_listeners *listeners;
    struct rp_door door; /* through which workers find it imported */
};

/* ---- Forking ---- */

static int
run_copy(void *arg, struct rp_worker *w)
{
    struct preload *p = arg;
    struct rp_listeners l = *p->listeners;
    char name[32];

    l.stacks = w->given;
    snprintf(name, sizeof(name), "worker %u", w->seat + 1);
    rp_title_set(p->config, &p->door, name);
    if (rp_process_pin(p->config, w->seat) < 0)
        return RP_EXIT_BOOT;
    return rp_worker_run(p->config, &p->door, &l, w);
}

static void
before_fork(void *arg)
{
    (void)arg;
    rp_py_before_fork();
}

static void
after_fork_parent(void *arg)
{
    (void)arg;
    rp_py_after_fork_parent();
}

static void
after_fork_child(void *arg)
{
    (void)arg;
    rp_py_after_fork_child();
}

static void
wait_readable(void *arg, int fd)
{
    (void)arg;
    rp_py_wait_readable(fd);
}

/* What workers are told as well; those to come have it from here. */
static void
hear(void *arg, char c)
{
    const struct preload *p = arg;

    if (c >= '0' + RP_LOG_TRACE && c <= '0' + RP_LOG_CRITICAL)
        rp_log_set_level((enum rp_log_level)(c - '0'));
    if (c != RP_TEMPLATE_REOPEN)
        return;
    rp_logs_reopen(p->config, true);
    if (p->listeners->access_fd >= 0)
        rp_access_reopen(p->config, p->listeners->access_fd);
}

/* ---- Importing ---- */

static void
on_text(void *arg, const char *text)
{
    struct rp_buf *b = arg;

    rp_buf_reset(b);
    rp_buf_add(b, text, strlen(text));
}

/* The last line of a traceback is the one that says what happened. */
static void
tell_why(struct rp_template *t, struct rp_buf *b)
{
    const char *line;

    if (b->n == 0 || rp_buf_add(b, "", 1) < 0)
        return;
    line = strrchr(b->p, '\n');
    rp_template_fail(t, line ? line + 1 : b->p);
}

/* 0, or the exit status. */
static int
import(struct preload *p, struct rp_template *t)
{
    struct rp_py_worker_config python;
    char error[512];
    struct rp_buf text;

    if (rp_python_start(p->config, &p->door, error, sizeof(error)) < 0) {
        rp_log(RP_LOG_CRITICAL, "%s", error);
        rp_template_fail(t, error);
        return RP_EXIT_BOOT;
    }
    rp_python_config(&python, p->config, &p->door);
    rp_buf_init(&text, TEXT_MAX);
    rp_log_set_listener(on_text, &text);
    p->door.app = rp_py_preload(&python);
    rp_log_set_listener(NULL, NULL);
    if (!p->door.app)
        tell_why(t, &text);
    rp_buf_fini(&text);
    return p->door.app ? 0 : RP_EXIT_APP;
}

int
rp_preload_run(const struct rp_config *c, const struct rp_door *door,
               const struct rp_listeners *l, struct rp_template *t)
{
    static const struct rp_template_ops ops = {
        .child = run_copy,
        .before_fork = before_fork,
        .after_fork_parent = after_fork_parent,
        .after_fork_child = after_fork_child,
        .wait = wait_readable,
        .hear = hear,
    };
    struct preload p = {.config = c, .listeners = l, .door = *door};
    int status;

    rp_logs_capture(c);
    status = import(&p, t);
    /* Nothing is done at its end: what the application has registered for
     * that is done by each worker, and nothing is buffered. */
    return status ? status : rp_template_serve(t, &ops, &p);
}
