/* admin.c -- a little HTTP server in the master: its sockets and its loop. */
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rupy/base/clock.h"

#include "admin_impl.h"

enum {
    CONNECTIONS = 64,
    TURNS = 64, /* of the little loop, then the master has its own */
};

/* To the next master, see upgrade.h; no address looks like this. */
static const char *const socket_names[RP_ADMIN_LISTEN] = {"metrics", "control"};

int
rp_admin_default_path(const char *name, char *out, size_t n)
{
    const char *folder = getenv("XDG_RUNTIME_DIR");
    char word[64];
    size_t k = 0;
    int length;

    for (; name && name[k] && k < sizeof(word) - 1; k++) {
        char c = name[k];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     (c >= '0' && c <= '9') || c == '.' || c == '_';
        word[k] = plain && !(k == 0 && c == '.') ? c : '-';
    }
    word[k] = '\0';
    if (k == 0)
        return -1;
    if (folder && folder[0] == '/')
        length = snprintf(out, n, "%s/rupy-serve-%s.sock", folder, word);
    else if (geteuid() == 0)
        length = snprintf(out, n, "/run/rupy-serve/%s.sock", word);
    else
        return -1;
    return length > 0 && (size_t)length < n ? 0 : -1;
}

/* Only its own user may connect (the file is 0600).  0; 1: there is to be none; -1 after a line
 * in the log. */
static int
open_control(struct rp_admin *a, struct rp_upgrade *u)
{
    const struct rp_config *c = a->config;
    struct rp_bind_options o = {.backlog = 16, .uds_mode = 0600};
    bool is_default;
    struct rp_bind b;
    struct rp_arena arena;
    const char *why;
    char error[512];

    if (!c->control_socket)
        return 1;
    is_default = strcmp(c->control_socket, "-") == 0;
    if (!is_default)
        snprintf(a->path, sizeof(a->path), "%s", c->control_socket);
    else if (rp_admin_default_path(c->name ? c->name : c->app, a->path,
                                   sizeof(a->path)) < 0)
        return 1;
    if (is_default && geteuid() == 0)
        mkdir("/run/rupy-serve", 0700);
    rp_arena_init(&arena, 4096);
    if (rp_bind_make_unix(&b, &arena, a->path, &why) < 0)
        snprintf(error, sizeof(error), "%s: %s", a->path, why);
    else if ((a->fds[1] = rp_upgrade_take(u, socket_names[1])) < 0)
        a->fds[1] = rp_bind_open(&b, &o, error, sizeof(error));
    rp_arena_fini(&arena);
    if (a->fds[1] >= 0)
        return 0;
    a->path[0] = '\0';
    if (!is_default) {
        rp_log(RP_LOG_CRITICAL, "--control-socket: %s", error);
        return -1;
    }
    /* Another service of this name has it, or there is no such folder. */
    rp_debug("no control socket: %s", error);
    return 1;
}

static int
open_metrics(struct rp_admin *a, struct rp_upgrade *u)
{
    struct rp_bind_options o = {.backlog = 128, .uds_mode = 0660};
    struct rp_arena arena;
    struct rp_bind b;
    const char *why;
    char error[512];

    if (!a->config->metrics)
        return 1;
    rp_arena_init(&arena, 4096);
    if (rp_bind_parse(
            &b, &arena,
            (struct rp_str){a->config->metrics, strlen(a->config->metrics)},
            &why) < 0)
        snprintf(error, sizeof(error), "%s: %s", a->config->metrics, why);
    else if ((a->fds[0] = rp_upgrade_take(u, socket_names[0])) < 0)
        a->fds[0] = rp_bind_open(&b, &o, error, sizeof(error));
    rp_arena_fini(&arena);
    if (a->fds[0] < 0) {
        rp_log(RP_LOG_CRITICAL, "--metrics: %s", error);
        return -1;
    }
    rp_bind_describe(a->fds[0], error, sizeof(error));
    rp_info("metrics on http://%s/metrics", error);
    return 0;
}

/* A loop, and its epoll descriptor in *fd, which libev does not tell: the
 * lowest that is free, as this process has one thread.  -1: it was not that,
 * and the master looks once a second. */
static struct ev_loop *
make_loop(int *fd)
{
    char path[40], what[40] = "";
    int lowest = dup(STDERR_FILENO);
    struct ev_loop *ev;

    close(lowest);
    ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", lowest);
    if (!ev || readlink(path, what, sizeof(what) - 1) < 0 ||
        !strstr(what, "eventpoll"))
        lowest = -1;
    *fd = lowest;
    return ev;
}

/* More is pending than the one watcher that is told of every turn. */
static void
invoke_pending(struct ev_loop *ev)
{
    struct rp_admin *a = ev_userdata(ev);

    a->happened = ev_pending_count(ev) > 1;
    ev_invoke_pending(ev);
}

static int
make_server(struct rp_admin *a)
{
    struct rp_server_config config = {
        .deadlines = {.first_byte = 5,
                      .head = 5,
                      .content = 5,
                      .keep_alive = 75,
                      .send = 10,
                      .linger = 2},
        .max_connections = CONNECTIONS,
        .nodelay = true,
    };

    a->ev = make_loop(&a->epoll);
    if (a->ev) {
        ev_set_userdata(a->ev, a);
        ev_set_invoke_pending_cb(a->ev, invoke_pending);
    }
    if (!a->ev || rp_service_init(&a->service) < 0)
        return -1;
    a->has_service = true;
    a->service.limits.body = 4096;
    a->service.root = (struct rp_handler){.ops = &rp_pages_ops, .self = a};
    a->server = rp_server_new(a->ev, &a->service, &config);
    if (!a->server)
        return -1;
    return 0;
}

int
rp_admin_start(struct rp_admin *a)
{
    for (int i = 0; a && i < RP_ADMIN_LISTEN; i++)
        if (a->fds[i] >= 0 && rp_server_listen(a->server, a->fds[i]) < 0) {
            rp_log_errno(RP_LOG_ERROR, "no metrics, no control socket");
            return -1;
        }
    return 0;
}

size_t
rp_admin_sockets(const struct rp_admin *a, int fds[2], const char *names[2])
{
    size_t n = 0;

    for (int i = 0; a && i < RP_ADMIN_LISTEN; i++)
        if (a->fds[i] >= 0) {
            fds[n] = a->fds[i];
            names[n++] = socket_names[i];
        }
    return n;
}

int
rp_admin_new(struct rp_admin **admin, const struct rp_config *c,
             const struct rp_admin_sockets *sockets, struct rp_upgrade *u)
{
    struct rp_admin *a = calloc(1, sizeof(*a));
    int metrics, control;

    *admin = NULL;
    if (!a) {
        rp_log_errno(RP_LOG_CRITICAL, "no metrics");
        return -1;
    }
    a->config = c;
    a->sockets = sockets;
    a->fds[0] = a->fds[1] = -1;
    rp_list_init(&a->waiters);
    metrics = open_metrics(a, u);
    control = metrics < 0 ? -1 : open_control(a, u);
    if (metrics < 0 || control < 0) {
        rp_admin_free(a, true);
        return -1;
    }
    if (metrics > 0 && control > 0) {
        rp_admin_free(a, false);
        return 0;
    }
    if (make_server(a) < 0) {
        rp_log_errno(RP_LOG_CRITICAL, "no loop for metrics");
        rp_admin_free(a, true);
        return -1;
    }
    *admin = a;
    return 0;
}

void
rp_admin_free(struct rp_admin *a, bool remove)
{
    if (!a)
        return;
    if (a->server)
        rp_server_free(a->server);
    if (a->has_service)
        rp_service_fini(&a->service);
    if (a->ev)
        ev_loop_destroy(a->ev);
    for (int i = 0; i < RP_ADMIN_LISTEN; i++)
        if (a->fds[i] >= 0)
            close(a->fds[i]);
    if (remove && a->path[0])
        unlink(a->path);
    free(a);
}

void
rp_admin_set_config(struct rp_admin *a, const struct rp_config *c)
{
    if (a)
        a->config = c;
}

int
rp_admin_turn(struct rp_admin *a, struct rp_master *m)
{
    int more;

    if (!a)
        return -1;
    a->master = m;
    /* libev tells the kernel of a watcher when it runs the next time: so once
     * more after the last thing that happened, or it would not wake us. */
    for (int i = 0; i < TURNS; i++) {
        a->happened = false;
        ev_run(a->ev, EVRUN_NOWAIT);
        rp_pages_tell_waiters(a);
        more = rp_server_turn(a->server);
        if (!more && !a->happened)
            break;
    }
    a->master = NULL;
    return a->epoll;
}

void
rp_admin_forked(struct rp_admin *a)
{
    if (!a)
        return;
    rp_server_forked(a->server);
    for (int i = 0; i < RP_ADMIN_LISTEN; i++)
        if (a->fds[i] >= 0)
            close(a->fds[i]);
    if (a->epoll >= 0)
        close(a->epoll);
}
