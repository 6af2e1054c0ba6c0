/* pyfile.c -- the process that reads a configuration file in Python. */
#include "rupy/serve/pyfile.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rupy/base/clock.h"
#include "rupy/master/master.h"
#include "rupy/py/hooks.h"
#include "rupy/serve/pychild.h"
#include "rupy/serve/renew.h"
#include "rupy/serve/serve.h"

#define PREFIX "python:"

/* Seconds.  While the service runs, the master does nothing else. */
static const double start_limit = 60, reload_limit = 10;

bool
rp_pyfile_is(const char *name)
{
    size_t n = strlen(name);

    return strncmp(name, PREFIX, sizeof(PREFIX) - 1) == 0 ||
           (n > 3 && strcmp(name + n - 3, ".py") == 0);
}

/* ---- In the child ---- */

static int
read_file(const struct rp_config *c, int fd)
{
    /* What it prints is not what --print-config says. */
    if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return 1;
    return rp_py_read_config(c->file, c->app_dirs.v, c->app_dirs.n, fd);
}

/* ---- In the master ---- */

/* 1: there is something to read; 0: the time is over; -1: we are to stop. */
static int
wait_for(int fd, double deadline)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    for (;;) {
        double left = fmax(0, deadline - rp_clock_mono());
        int n = poll(&p, 1, (int)ceil(left * 1e3));
        if (n >= 0)
            return n;
        if (rp_master_is_told_to_stop())
            return -1;
    }
}

/* Until its end.  0, or -1 with c->error. */
static int
hear(struct rp_config *c, int fd, double limit, struct rp_buf *text)
{
    double deadline = rp_clock_mono() + limit;
    ssize_t n = 0;
    int ready;

    while ((ready = wait_for(fd, deadline)) > 0) {
        if (rp_buf_reserve(text, 65536) < 0)
            return rp_config_fail(c, "%s: it says too much", c->file);
        n = read(fd, text->p + text->n, 65536);
        if (n <= 0)
            break;
        text->n += (size_t)n;
    }
    if (ready < 0)
        return rp_config_fail(c, "%s: it was not read to its end", c->file);
    if (ready == 0)
        return rp_config_fail(c, "%s: it has not ended after %g s", c->file,
                              limit);
    return 0;
}

int
rp_pyfile_read(struct rp_config *c, struct rp_buf *text)
{
    struct rp_pychild_config config = {
        .config = c,
        .type = SOCK_STREAM,
        .environ_ = c->origin ? c->origin->environ_ : NULL,
        .run = read_file,
    };
    struct rp_pychild child;
    int r, status;

    if (!c->door)
        return rp_config_fail(c,
                              "--config: %s: a file in Python is for "
                              "rupy-serve and python -m rupy; here options "
                              "are given as they are",
                              c->file);
    if (rp_pychild_start(&child, &config) < 0)
        return rp_config_fail(c, "%s: %s", c->file, strerror(errno));
    r = hear(c, child.fd, c->is_running ? reload_limit : start_limit, text);
    status = rp_pychild_end(&child, r < 0 ? 0 : rp_clock_mono() + 1);
    if (r == 0 && text->n == 0 && WIFSIGNALED(status))
        return rp_config_fail(c,
                              "%s: the process that ran it was killed by "
                              "signal %d",
                              c->file, WTERMSIG(status));
    if (r == 0 && text->n == 0)
        return rp_config_fail(c,
                              "%s: it ended the process that ran it, with "
                              "status %d",
                              c->file, WEXITSTATUS(status));
    return r;
}

/* ---- What hooks need ---- */

static const char *
copy_text(struct rp_arena *a, const struct rp_toml *t)
{
    char *p = t ? rp_arena_alloc(a, t->text.n + 1) : NULL;

    if (!p)
        return NULL;
    memcpy(p, t->text.p, t->text.n);
    p[t->text.n] = '\0';
    return p;
}

static unsigned
find_hooks(const struct rp_toml *list)
{
    unsigned hooks = 0;

    for (const struct rp_toml *t = list ? list->first : NULL; t; t = t->next)
        for (unsigned i = 0; i < RP_N_PY_HOOKS; i++) {
            const char *name = rp_py_hook_name(i);
            if (rp_str_eq(t->text, (struct rp_str){name, strlen(name)}))
                hooks |= 1u << i;
        }
    return hooks;
}

int
rp_pyfile_keep(struct rp_config *c, const struct rp_toml *root)
{
    const struct rp_toml *folders = rp_toml_get(root, RP_STR("folders"));
    const struct rp_toml *source = rp_toml_get(root, RP_STR("source"));
    struct rp_py_file *f = rp_arena_alloc(&c->arena, sizeof(*f));
    struct rp_strs paths = {0};

    if (!f || !source || !folders)
        return rp_config_fail(c, "%s: out of memory", c->file);
    for (const struct rp_toml *t = folders->first; t; t = t->next)
        if (rp_strs_add(&paths, &c->arena, t->text) < 0)
            return rp_config_fail(c, "%s: out of memory", c->file);
    *f = (struct rp_py_file){
        .path = copy_text(&c->arena, rp_toml_get(root, RP_STR("path"))),
        .name = copy_text(&c->arena, rp_toml_get(root, RP_STR("name"))),
        .folders = paths.v,
        .nfolders = paths.n,
        .source = rp_arena_copy(&c->arena, source->text),
        .hooks = find_hooks(rp_toml_get(root, RP_STR("hooks"))),
    };
    if (!f->path || !f->name || (source->text.n > 0 && !f->source.p))
        return rp_config_fail(c, "%s: out of memory", c->file);
    c->python = f;
    return 0;
}
