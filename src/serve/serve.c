/* serve.c -- from a configuration to a running service: listen, then serve in
 * this process, or fork a master's workers. */
#include "rupy/serve/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rupy/py/interp.h"
#include "rupy/py/worker.h"
#include "rupy/serve/admin.h"
#include "rupy/serve/certs.h"
#include "rupy/serve/logs.h"
#include "rupy/serve/renew.h"
#include "rupy/serve/upgrade.h"
#include "rupy/serve/worker.h"

struct service {
    const struct rp_config *config; /* what new workers get */
    struct rp_config *renewed;      /* the same, when it is ours; NULL */
    const struct rp_door *door;
    struct rp_listeners listeners;
    int pid_fd;
    char pid_path[PATH_MAX]; /* "": there is no such file */
    struct rp_upgrade upgrade;
    struct rp_admin *admin; /* NULL: none */
    struct rp_admin_sockets sockets;
    bool handed_over; /* another master goes on with the sockets */
};

/* ---- Sockets ---- */

static void
close_listeners(struct service *s)
{
    for (size_t i = 0; i < s->listeners.n; i++)
        rp_bind_close(&s->config->binds[i], s->listeners.fds[i],
                      !s->handed_over);
    free(s->listeners.fds);
    if (s->listeners.access_fd > STDOUT_FILENO)
        close(s->listeners.access_fd);
}

/* 0, or -1 after a line in the log. */
static int
open_listeners(struct service *s)
{
    const struct rp_config *c = s->config;
    struct rp_bind_options o = {
        .backlog = c->backlog,
        .uds_mode = c->uds_mode,
    };

    s->listeners.fds = calloc(c->nbinds, sizeof(int));
    if (!s->listeners.fds) {
        rp_log_errno(RP_LOG_CRITICAL, "cannot listen");
        return -1;
    }
    for (size_t i = 0; i < c->nbinds; i++) {
        char text[256];
        int fd = rp_upgrade_take(&s->upgrade, c->binds[i].text);
        if (fd < 0)
            fd = rp_bind_open(&c->binds[i], &o, text, sizeof(text));
        if (fd < 0) {
            rp_log(RP_LOG_CRITICAL, "%s", text);
            return -1;
        }
        s->listeners.fds[s->listeners.n++] = fd;
        rp_bind_describe(fd, text, sizeof(text));
        rp_info("listening on %s%s",
                strncmp(text, "unix:", 5) == 0 ? ""
                : s->listeners.tls             ? "https://"
                                               : "http://",
                text);
    }
    return 0;
}

/* No new connection is completed from now on, while those in the queue are
 * still taken: what was accepted by the kernel gets an answer.  Where filters
 * are not to be had, it is as without. */
static void
stop_listening(struct service *s)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &drop};

    for (size_t i = 0; i < s->listeners.n; i++) {
        if (s->config->binds[i].kind == RP_BIND_UNIX)
            unlink(s->config->binds[i].path);
        else if (s->config->binds[i].kind == RP_BIND_TCP)
            setsockopt(s->listeners.fds[i], SOL_SOCKET, SO_ATTACH_FILTER,
                       &program, sizeof(program));
    }
}

/* 0, or -1 after a line in the log. */
static int
load_certs(struct service *s)
{
    char error[512];

    if (rp_certs_load(s->config, &s->listeners.tls, error, sizeof(error)) == 0)
        return 0;
    rp_log(RP_LOG_CRITICAL, "%s", error);
    return -1;
}

/* ---- The pid file ---- */

/* 0, or -1 after a line in the log. */
static int
write_pid(struct service *s)
{
    char *path = s->pid_path;
    char text[16];
    int n;

    if (!s->config->pid)
        return 0;
    /* The old master has the name itself as long as it lives. */
    n = snprintf(path, sizeof(s->pid_path), "%s%s", s->config->pid,
                 rp_upgrade_has_old(&s->upgrade) ? ".2" : "");
    if (n < 0 || (size_t)n >= sizeof(s->pid_path)) {
        rp_log(RP_LOG_CRITICAL, "the path of the pid file is too long");
        return -1;
    }
    s->pid_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (s->pid_fd < 0) {
        rp_log_errno(RP_LOG_CRITICAL, "cannot write the pid file %s", path);
        return -1;
    }
    if (flock(s->pid_fd, LOCK_EX | LOCK_NB) < 0) {
        rp_log(RP_LOG_CRITICAL,
               "the pid file %s is locked: is it running already?", path);
        return -1;
    }
    n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(s->pid_fd, 0) < 0 || write(s->pid_fd, text, (size_t)n) != n) {
        rp_log_errno(RP_LOG_CRITICAL, "cannot write the pid file %s", path);
        return -1;
    }
    return 0;
}

static void
remove_pid(struct service *s)
{
    if (s->pid_fd < 0)
        return;
    unlink(s->pid_path);
    close(s->pid_fd);
}

/* The old master is gone: what was its own is ours now. */
static void
succeed(struct service *s)
{
    rp_info("the old master is gone: this one is alone");
    rp_admin_start(s->admin);
    if (s->pid_fd < 0)
        return;
    if (rename(s->pid_path, s->config->pid) < 0)
        rp_log_errno(RP_LOG_ERROR, "cannot rename the pid file %s",
                     s->pid_path);
    else
        snprintf(s->pid_path, sizeof(s->pid_path), "%s", s->config->pid);
}

/* ---- What ps and top show ---- */

static void
set_title(const struct service *s, const char *role)
{
    const struct rp_config *c = s->config;
    const struct rp_door *door = s->door;
    const char *name = c->name ? c->name : c->app ? c->app : "python";
    char text[256];

    snprintf(text, sizeof(text), "rupy-serve: %s [%s]", role, name);
    prctl(PR_SET_NAME, "rupy-serve");
    if (!door->title || door->title_n == 0)
        return;
    memset(door->title, 0, door->title_n);
    strncpy(door->title, text, door->title_n - 1);
}

/* ---- With a master ---- */

static int
run_child(void *arg, struct rp_worker *w)
{
    struct service *s = arg;
    char name[32];

    snprintf(name, sizeof(name), "worker %u", w->seat + 1);
    rp_log_set_name(name);
    set_title(s, name);
    if (s->pid_fd >= 0)
        close(s->pid_fd);
    rp_admin_forked(s->admin);
    return rp_worker_run(s->config, s->door, &s->listeners, w);
}

static void
before_fork(void *arg)
{
    (void)arg;
    if (rp_interp_is_running())
        rp_py_before_fork();
}

static void
after_fork_parent(void *arg)
{
    (void)arg;
    if (rp_interp_is_running())
        rp_py_after_fork_parent();
}

static void
after_fork_child(void *arg)
{
    (void)arg;
    if (rp_interp_is_running())
        rp_py_after_fork_child();
}

static bool
on_stop(void *arg, pid_t other)
{
    struct service *s = arg;

    s->handed_over = other > 0 || rp_upgrade_has_old(&s->upgrade);
    if (!s->handed_over)
        stop_listening(s);
    return s->handed_over;
}

static int
upgrade(void *arg)
{
    struct service *s = arg;
    const char *names[2];
    int fds[2];
    size_t n = rp_admin_sockets(s->admin, fds, names);

    for (size_t i = 0; i < s->listeners.n; i++)
        rp_upgrade_give(&s->upgrade, s->listeners.fds[i],
                        s->config->binds[i].text);
    for (size_t i = 0; i < n; i++)
        rp_upgrade_give(&s->upgrade, fds[i], names[i]);
    return rp_upgrade_exec(&s->upgrade);
}

static int
on_turn(void *arg, struct rp_master *m)
{
    struct service *s = arg;

    if (s->upgrade.old > 0 && !rp_upgrade_has_old(&s->upgrade))
        succeed(s);
    return rp_admin_turn(s->admin, m);
}

static void
fill_master(struct rp_master_config *m, const struct rp_config *c)
{
    m->workers = (uint32_t)c->workers;
    m->max_workers = (uint32_t)c->max_workers;
    m->timeout = c->timeout;
    m->startup_timeout = c->startup_timeout;
    m->graceful_timeout = c->graceful_timeout;
    m->shutdown_delay = c->shutdown_delay;
    m->recycle_parallel = (uint32_t)c->recycle_parallel;
    m->boot_failures = (uint32_t)c->boot_failures;
    m->backoff_min = c->respawn_backoff;
}

/* Workers that run keep the files that they have; these are for the next. */
static int
open_access(struct service *s, const struct rp_config *c)
{
    int fd = -1;

    if (c->access_log && (fd = rp_access_open(c)) < 0) {
        rp_log_errno(RP_LOG_CRITICAL, "cannot write the access log %s",
                     c->access_log);
        return -1;
    }
    if (s->listeners.access_fd > STDOUT_FILENO)
        close(s->listeners.access_fd);
    s->listeners.access_fd = fd;
    return 0;
}

/* For the workers to come; those that run look after theirs themselves. */
static int
renew_certs(const struct rp_config *c, struct rp_tls **tls)
{
    char error[512];

    if (rp_certs_load(c, tls, error, sizeof(error)) == 0)
        return 0;
    rp_error("reload given up, the old certificates stay: %s", error);
    return -1;
}

static void
set_certs(struct service *s, struct rp_tls *tls)
{
    rp_tls_free(s->listeners.tls);
    s->listeners.tls = tls;
}

static int
on_reload(void *arg, struct rp_master_config *m)
{
    struct service *s = arg;
    const struct rp_config *now = s->config;
    struct rp_config *next;
    struct rp_tls *tls;

    if (!now->origin) {
        if (renew_certs(now, &tls) < 0)
            return -1;
        set_certs(s, tls);
        return 0;
    }
    next = rp_config_renew(now);
    if (!next)
        return -1;
    if (renew_certs(next, &tls) < 0) {
        rp_config_free(next);
        return -1;
    }
    if (rp_config_set_env(next, now, now->origin->environ_) < 0 ||
        (rp_interp_is_running() && rp_interp_sync_environ() < 0)) {
        rp_error("reload given up: %s", next->error);
        goto fail;
    }
    if (rp_logs_open(next) < 0 || open_access(s, next) < 0)
        goto fail;
    set_certs(s, tls);
    fill_master(m, next);
    rp_config_free(s->renewed);
    s->config = s->renewed = next;
    rp_admin_set_config(s->admin, next);
    return 0;

fail:
    rp_tls_free(tls);
    rp_config_free(next);
    return -1;
}

static void
reopen_logs(void *arg)
{
    struct service *s = arg;

    rp_logs_open(s->config);
    open_access(s, s->config);
}

static int
run_master(struct service *s)
{
    static const struct rp_master_ops ops = {
        .child = run_child,
        .before_fork = before_fork,
        .after_fork_parent = after_fork_parent,
        .after_fork_child = after_fork_child,
        .on_reload = on_reload,
        .on_stop = on_stop,
        .reopen_logs = reopen_logs,
        .upgrade = upgrade,
        .on_turn = on_turn,
    };
    struct rp_master_config m;
    int status = RP_EXIT_BIND;

    rp_master_config_init(&m);
    fill_master(&m, s->config);
    rp_log_set_name("master");
    set_title(s, "master");
    s->sockets = (struct rp_admin_sockets){s->listeners.fds, s->listeners.n};
    if (rp_admin_new(&s->admin, s->config, &s->sockets, &s->upgrade) < 0)
        return RP_EXIT_BIND;
    rp_upgrade_close_rest(&s->upgrade);
    if (rp_upgrade_has_old(&s->upgrade) || rp_admin_start(s->admin) == 0)
        status = rp_master_run(&m, &ops, s);
    rp_admin_free(s->admin, !s->handed_over);
    return status;
}

/* ---- Without ---- */

static int
run_alone(struct service *s)
{
    struct rp_board *board = rp_board_new(1);
    struct rp_worker w;
    int status;

    if (!board) {
        rp_log_errno(RP_LOG_CRITICAL, "no shared memory");
        return RP_EXIT_INTERNAL;
    }
    rp_worker_init_alone(&w, board);
    status = rp_worker_run(s->config, s->door, &s->listeners, &w);
    rp_board_free(board);
    return status;
}

int
rp_serve_main(struct rp_config *config, const struct rp_door *door)
{
    struct service s = {
        .config = config,
        .door = door,
        .listeners = {.access_fd = -1},
        .pid_fd = -1,
    };
    int status = RP_EXIT_BIND;

    rp_log_init(STDERR_FILENO, (enum rp_log_level)config->log_level, -1);
    if (rp_logs_open(config) < 0 || open_access(&s, config) < 0)
        return RP_EXIT_USAGE;
    rp_upgrade_init(&s.upgrade, config->folder);
    if (load_certs(&s) < 0 || write_pid(&s) < 0)
        status = RP_EXIT_USAGE;
    else if (door->inside || open_listeners(&s) == 0)
        status = door->alone && config->workers == 1 ? run_alone(&s)
                                                     : run_master(&s);
    close_listeners(&s);
    remove_pid(&s);
    rp_tls_free(s.listeners.tls);
    rp_config_free(s.renewed);
    rp_upgrade_fini(&s.upgrade);
    return status;
}
