/* anew.c -- a running service takes another configuration, other certificates,
 * other log files. */
#include <math.h>
#include <unistd.h>

#include "rupy/py/interp.h"
#include "rupy/serve/certs.h"
#include "rupy/serve/logs.h"
#include "rupy/serve/renew.h"

#include "serve_impl.h"

void
rp_serve_fill_master(struct rp_master_config *m, const struct rp_config *c)
{
    m->workers = (uint32_t)c->workers;
    m->max_workers = (uint32_t)c->max_workers;
    m->timeout = c->timeout;
    m->startup_timeout = c->startup_timeout;
    m->graceful_timeout =
        c->graceful_timeout > 0 ? c->graceful_timeout : INFINITY;
    m->shutdown_delay = c->shutdown_delay;
    m->recycle_parallel = (uint32_t)c->recycle_parallel;
    m->boot_failures = (uint32_t)c->boot_failures;
    m->backoff_min = c->respawn_backoff;
    m->preload = c->preload;
    if (c->reload)
        m->boot_failures = UINT32_MAX;
}

/* Workers that run keep the files that they have; these are for the next. */
int
rp_serve_open_access(struct service *s, const struct rp_config *c)
{
    int fd = -1;

    if (c->access_log && (fd = rp_access_open(c)) < 0) {
        rp_log_errno(RP_LOG_CRITICAL, "cannot write the access log %s",
                     c->access_log);
        return -1;
    }
    if (s->sockets.listeners.access_fd > STDOUT_FILENO)
        close(s->sockets.listeners.access_fd);
    s->sockets.listeners.access_fd = fd;
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
    rp_tls_free(s->sockets.listeners.tls);
    s->sockets.listeners.tls = tls;
}

/* Workers open the files again themselves when they were rotated. */
void
rp_serve_own_logs(const struct service *s)
{
    if (rp_identity_own_fd(&s->identity, rp_log_fd()) < 0 ||
        rp_identity_own_fd(&s->identity, s->sockets.listeners.access_fd) < 0)
        rp_log_errno(RP_LOG_WARNING, "log files stay with another user");
}

int
rp_serve_reload(void *arg, struct rp_master_config *m)
{
    struct service *s = arg;
    const struct rp_config *now = s->config;
    struct rp_config *next;
    struct rp_tls *tls;

    rp_notify_reloading(&s->notify);
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
    /* The environment comes last: what is in it is not put back. */
    if (rp_serve_open_access(s, next) < 0 || rp_logs_open(next) < 0 ||
        rp_config_set_env(next, now, now->origin->environ_) < 0 ||
        (rp_interp_is_running() && rp_interp_sync_environ() < 0))
        goto fail;
    set_certs(s, tls);
    rp_serve_own_logs(s);
    rp_serve_fill_master(m, next);
    rp_notify_set_timeout(&s->notify, next->timeout);
    rp_config_free(s->renewed);
    s->config = s->renewed = next;
    rp_admin_set_config(s->admin, next);
    rp_hooks_reload(s->hooks, next);
    return 0;

fail:
    rp_logs_open(now);
    rp_serve_open_access(s, now);
    rp_serve_own_logs(s);
    rp_error("reload given up, all stays as it is%s%s",
             next->error[0] ? ": " : "", next->error);
    rp_tls_free(tls);
    rp_config_free(next);
    return -1;
}

void
rp_serve_reopen_logs(void *arg)
{
    struct service *s = arg;

    rp_logs_reopen(s->config, s->config->daemon);
    rp_serve_open_access(s, s->config);
    rp_serve_own_logs(s);
}
