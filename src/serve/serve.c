/* serve.c -- from a configuration to a running service: listen, then serve in
 * this process, or fork a master's workers. */
#include "rupy/serve/serve.h"

#include <stdio.h>
#include <unistd.h>

#include "rupy/py/interp.h"
#include "rupy/py/worker.h"
#include "rupy/serve/certs.h"
#include "rupy/serve/errorpage.h"
#include "rupy/serve/logs.h"
#include "rupy/serve/preload.h"
#include "rupy/serve/process.h"
#include "rupy/serve/renew.h"
#include "rupy/serve/title.h"
#include "rupy/serve/worker.h"

#include "serve_impl.h"

/* ---- Certificates ---- */

/* 0, or -1 after a line in the log. */
static int
load_certs(struct service *s)
{
    char error[512];

    if (rp_certs_load(s->config, &s->sockets.listeners.tls, error,
                      sizeof(error)) == 0)
        return 0;
    rp_log(RP_LOG_CRITICAL, "%s", error);
    return -1;
}

/* The old master is gone: what was its own is ours now. */
static void
succeed(struct service *s)
{
    s->is_second = false;
    rp_info("the old master is gone: this one is alone");
    rp_admin_start(s->admin);
    rp_pidfile_succeed(&s->pidfile, s->config->pid);
}

/* ---- With a master ---- */

/* With --reload a mistake is not the end of it: the next change may mend it. */
static int
run_worker(struct service *s, struct rp_worker *w)
{
    const struct rp_listeners *l = &s->sockets.listeners;
    struct rp_buf text;
    int status;

    if (!s->config->reload)
        return rp_worker_run(s->config, s->door, l, w);
    rp_errorpage_listen(&text);
    status = rp_worker_run(s->config, s->door, l, w);
    if (status == RP_EXIT_APP || status == RP_EXIT_BOOT)
        status = rp_errorpage_run(l, w, &text);
    rp_log_set_listener(NULL, NULL);
    rp_buf_fini(&text);
    return status;
}

/* In a child: what is the master's is not ours, but for what it has given, and
 * neither are its rights.  0, or -1 after a line in the log. */
static int
leave_master(struct service *s, const char *role, int given)
{
    rp_title_set(s->config, s->door, role);
    rp_pidfile_forked(&s->pidfile);
    rp_notify_forked(&s->notify);
    rp_daemon_forked(&s->daemon);
    rp_admin_forked(s->admin);
    rp_statsd_forked(s->statsd);
    rp_reload_forked(s->reload);
    rp_hooks_forked(s->hooks, given);
    rp_origin_forked(s->config->origin);
    s->sockets.listeners.stacks = given;
    return rp_process_settle(s->config) < 0 ? -1
                                            : rp_identity_enter(&s->identity);
}

static int
run_child(void *arg, struct rp_worker *w)
{
    struct service *s = arg;
    char name[32];

    snprintf(name, sizeof(name), "worker %u", w->seat + 1);
    if (leave_master(s, name, w->given) < 0 ||
        rp_process_pin(s->config, w->seat) < 0)
        return RP_EXIT_BOOT;
    return run_worker(s, w);
}

static int
run_template(void *arg, struct rp_template *t)
{
    struct service *s = arg;

    if (leave_master(s, "template", -1) < 0)
        return RP_EXIT_BOOT;
    return rp_preload_run(s->config, s->door, &s->sockets.listeners, t);
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

static void
on_ready(void *arg)
{
    struct service *s = arg;

    rp_notify_ready(&s->notify);
    rp_daemon_tell(&s->daemon, RP_EXIT_OK);
    rp_hooks_ready(s->hooks);
}

static int
on_start(void *arg, uint32_t slot, uint32_t seat, uint32_t generation)
{
    struct service *s = arg;

    return rp_hooks_start(s->hooks, slot, seat, generation);
}

static void
on_death(void *arg, const struct rp_master_death *d)
{
    struct service *s = arg;

    rp_hooks_death(s->hooks, d);
}

static bool
on_stop(void *arg, pid_t other)
{
    struct service *s = arg;

    s->handed_over = other > 0 || rp_upgrade_has_old(&s->upgrade);
    rp_notify_stopping(&s->notify, s->config->graceful_timeout, other);
    if (!s->handed_over)
        rp_sockets_stop(&s->sockets, s->config);
    return s->handed_over;
}

static int
upgrade(void *arg)
{
    struct service *s = arg;
    const char *names[2];
    int fds[2];
    size_t n = rp_admin_sockets(s->admin, fds, names);

    rp_sockets_give(&s->sockets, s->config, &s->upgrade);
    for (size_t i = 0; i < n; i++)
        rp_upgrade_give(&s->upgrade, fds[i], names[i]);
    return rp_upgrade_exec(&s->upgrade);
}

static int
on_turn(void *arg, struct rp_master *m)
{
    struct service *s = arg;
    int fd;

    if (s->is_second && !rp_upgrade_has_old(&s->upgrade))
        succeed(s);
    rp_notify_turn(&s->notify, m);
    rp_statsd_turn(s->statsd);
    fd = rp_admin_turn(s->admin, m);
    if (s->reload)
        fd = rp_reload_turn(s->reload, m, fd);
    return rp_hooks_turn(s->hooks, fd);
}

static int
run_master(struct service *s)
{
    static const struct rp_master_ops ops = {
        .child = run_child,
        .preload = run_template,
        .before_fork = before_fork,
        .after_fork_parent = after_fork_parent,
        .after_fork_child = after_fork_child,
        .on_start = on_start,
        .on_death = on_death,
        .on_ready = on_ready,
        .on_reload = rp_serve_reload,
        .on_stop = on_stop,
        .reopen_logs = rp_serve_reopen_logs,
        .upgrade = upgrade,
        .on_turn = on_turn,
    };
    struct rp_master_config m;
    int status = RP_EXIT_BIND;

    rp_master_config_init(&m);
    rp_serve_fill_master(&m, s->config);
    rp_log_set_name("master");
    rp_title_set(s->config, s->door, "master");
    s->asked = (struct rp_admin_sockets){s->sockets.listeners.fds,
                                         s->sockets.listeners.n};
    rp_notify_set_timeout(&s->notify, s->config->timeout);
    if (rp_reload_new(&s->reload, s->config) < 0)
        return RP_EXIT_INTERNAL;
    if (rp_admin_new(&s->admin, s->config, &s->asked, &s->upgrade) < 0)
        return RP_EXIT_BIND;
    rp_upgrade_close_rest(&s->upgrade);
    if (rp_statsd_new(&s->statsd, s->config, &s->asked, &m) < 0)
        status = RP_EXIT_USAGE;
    else if (s->is_second || rp_admin_start(s->admin) == 0) {
        /* Who stops it twice does not end it before its files are gone. */
        rp_master_hold_signals(true, NULL);
        status = rp_master_run(&m, &ops, s);
    }
    rp_statsd_end(s->statsd);
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
    status = RP_EXIT_BOOT;
    if (rp_process_settle(s->config) == 0 && rp_process_pin(s->config, 0) == 0)
        status = rp_worker_run(s->config, s->door, &s->sockets.listeners, &w);
    rp_board_free(board);
    return status;
}

/* What only a process that is nothing but a worker can do. */
static bool
needs_master(const struct service *s)
{
    const struct rp_config *c = s->config;

    return !s->door->alone || c->workers > 1 || c->daemon || c->chroot ||
           c->reload || c->preload || c->statsd_host ||
           s->identity.changes_user || s->identity.changes_group;
}

/* All that may be refused, in this process's own words on stderr or in the
 * log; then serve. */
static int
start(struct service *s)
{
    const struct rp_config *c = s->config;
    char error[256];

    if (rp_identity_init(&s->identity, c, error, sizeof(error)) < 0) {
        rp_log(RP_LOG_CRITICAL, "%s", error);
        return RP_EXIT_USAGE;
    }
    /* The kernel drops what process 1 has no handler for. */
    if (needs_master(s)) {
        rp_master_hold_signals(getpid() == 1, &s->mask);
        s->holds = true;
    }
    rp_serve_own_logs(s);
    if (load_certs(s) < 0)
        return RP_EXIT_USAGE;
    if (rp_hooks_new(&s->hooks, c) < 0)
        return RP_EXIT_USAGE;
    if ((!s->door->inside && rp_process_limits(c) < 0) ||
        rp_pidfile_write(&s->pidfile, c->pid, s->is_second) < 0)
        return RP_EXIT_USAGE;
    if (!s->door->inside &&
        rp_sockets_open(&s->sockets, c, &s->upgrade, &s->identity) < 0)
        return RP_EXIT_BIND;
    if (c->daemon)
        rp_daemon_detach(c);
    return needs_master(s) ? run_master(s) : run_alone(s);
}

/* -1 in the process that goes on; else the exit status of this one. */
static int
go_to_background(struct service *s)
{
    int status;

    /* A new master beside an old one is there already. */
    if (!s->config->daemon || rp_upgrade_has_old(&s->upgrade))
        return -1;
    status = rp_daemon_start(&s->daemon);
    if (status > 0)
        fprintf(stderr,
                "rupy-serve: the daemon did not start, exit status %d; the "
                "log says why\n",
                status);
    return status;
}

/* What was for this process only is not for what the application starts. */
static void
read_manager(struct service *s)
{
    if (s->door->inside)
        return;
    rp_notify_init(&s->notify, rp_upgrade_has_old(&s->upgrade));
    rp_sockets_init(&s->sockets);
    if (rp_interp_is_running() && rp_interp_sync_environ() < 0)
        rp_warn("os.environ is not up to date");
}

int
rp_serve_main(struct rp_config *config, const struct rp_door *door)
{
    struct service s = {
        .config = config,
        .door = door,
        .sockets = {.listeners = {.access_fd = -1, .stacks = -1}},
        .identity = {.root = -1},
        .pidfile = {.fd = -1},
        .notify = {.fd = -1},
        .daemon = {.fd = -1},
    };
    int status;

    rp_log_init(STDERR_FILENO, (enum rp_log_level)config->log_level, -1);
    if (config->reload && door->app) {
        rp_warn("no --reload: the application was given as an object; serve "
                "it as module:app");
        config->reload = false;
    }
    /* It was imported already, and its workers share it. */
    if (door->app)
        config->preload = false;
    rp_upgrade_init(&s.upgrade, config->folder);
    /* One that ends before it has served leaves the old one its files. */
    s.is_second = s.handed_over = rp_upgrade_has_old(&s.upgrade);
    read_manager(&s);
    if (rp_logs_open(config) < 0 || rp_serve_open_access(&s, config) < 0)
        status = RP_EXIT_USAGE;
    else if ((status = go_to_background(&s)) < 0)
        status = start(&s);
    rp_hooks_free(s.hooks);
    rp_tls_free(s.sockets.listeners.tls);
    rp_reload_free(s.reload);
    rp_sockets_close(&s.sockets, s.config, !s.handed_over);
    rp_pidfile_remove(&s.pidfile);
    /* Whoever hears it finds nothing of ours any more. */
    rp_daemon_tell(&s.daemon, status);
    rp_identity_fini(&s.identity);
    rp_notify_fini(&s.notify);
    rp_config_free(s.renewed);
    rp_upgrade_fini(&s.upgrade);
    if (s.holds)
        rp_master_release_signals(&s.mask);
    return status;
}
