/* worker.c -- one worker: the service that its connections share, the server
 * on its loop, and the signals and descriptors by which it is told to stop. */
#include "rupy/serve/worker.h"

#include <errno.h>
#include <ev.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "rupy/app/service.h"
#include "rupy/base/clock.h"
#include "rupy/net/links.h"
#include "rupy/net/server.h"
#include "rupy/py/hooks.h"
#include "rupy/py/interp.h"
#include "rupy/py/worker.h"
#include "rupy/serve/logs.h"
#include "rupy/serve/python.h"
#include "rupy/serve/recycle.h"
#include "rupy/serve/setup.h"
#include "rupy/serve/statics.h"

#define TICK 1.0 /* seconds between heartbeats of an idle loop ... */
#define TICKS 4  /* ... or so many in the time it may be silent */
#define TICK_MIN 0.01
#define DRAIN_POLL 0.01 /* between two looks at what is left */
#define IDLE_GRACE 1.0  /* an idle connection may still ask one thing more */
#define END_SHARE 0.2 /* of the graceful time, for the application's end ... */
#define END_MAX 5.0   /* ... but not more: at its end the master kills */
/* Of the time that requests get: for how long idle connections stay, at most.
 * What one asks in the last moment has the rest. */
#define ROLL_GRACE 0.8
#define ROLL_MAX 24.0 /* seconds, where requests have no limit */

enum { NSIGNALS = 3 };

struct serving {
    const struct rp_config *config;
    const struct rp_door *door;
    const struct rp_listeners *listeners;
    struct rp_worker *worker;
    struct ev_loop *ev;
    struct rp_service service;
    bool has_service;
    struct rp_server *server;
    struct rp_links *links; /* to other servers */
    struct rp_buf extra;    /* field lines of --header */
    struct rp_trust proxies;
    struct rp_statics statics;
    struct rp_py_hooks *hooks; /* NULL: none */

    ev_signal signals[NSIGNALS];
    ev_signal reopen;
    ev_io master;
    ev_timer tick, drain, certs;
    double tick_due; /* when the timer should fire */
    struct rp_recycle recycle;
    bool stopping;
    double stop_at; /* the graceful deadline */
    void (*stopped)(void *);
    void *stopped_arg;
};

/* ---- Being told to stop ---- */

static void
on_drain(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct serving *s = w->data;
    unsigned left = rp_server_connections(s->server);
    void (*stopped)(void *) = s->stopped;

    (void)revents;
    /* Told to go by a reload, and then the service was told to stop. */
    if (left > 0 && rp_worker_all_stop(s->worker))
        rp_server_retire(s->server, IDLE_GRACE, false);
    if (left > 0 && rp_clock_mono() < s->stop_at)
        return;
    if (left > 0)
        rp_warn("%u connections dropped at the graceful deadline", left);
    ev_timer_stop(loop, w);
    s->stopped = NULL;
    if (stopped)
        stopped(s->stopped_arg);
}

static void
stop(struct serving *s, const char *why)
{
    double span = s->config->graceful_timeout, grace = IDLE_GRACE, most;
    int fd = rp_worker_alive_fd(s->worker);

    if (s->stopping)
        return;
    span = span > 0 ? span : INFINITY;
    s->stopping = true;
    if (fd >= 0)
        span -= fmin(span * END_SHARE, END_MAX);
    most = span < INFINITY ? span * ROLL_GRACE : ROLL_MAX;
    s->stop_at = rp_clock_mono() + span;
    rp_debug("stopping: %s", why);
    /* A proxy has idle connections to this worker in its pool.  While the
     * service goes on, it may keep them until it uses each once more; then the
     * answer says close, and no request is lost in between. */
    if (fd >= 0 && s->config->reload)
        grace = 0; /* but they would show what the code was */
    else if (fd >= 0 && !rp_worker_all_stop(s->worker))
        grace = most;
    rp_server_retire(s->server, fmin(grace, most), true);
    rp_links_retire(s->links);
    ev_timer_init(&s->drain, on_drain, 0, DRAIN_POLL);
    s->drain.data = s;
    ev_timer_start(s->ev, &s->drain);
}

static void
on_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
    struct serving *s = w->data;

    (void)loop, (void)revents;
    if (s->stopping && w->signum == SIGINT)
        s->stop_at = 0; /* the second time: at once */
    stop(s, strsignal(w->signum));
}

static void
on_reopen(struct ev_loop *loop, ev_signal *w, int revents)
{
    struct serving *s = w->data;

    (void)loop, (void)revents;
    rp_logs_reopen(s->config, true);
    if (s->service.access &&
        rp_access_reopen(s->config, s->listeners->access_fd) == 0)
        rp_access_set_fd(s->service.access, s->listeners->access_fd);
}

static void
on_master(struct ev_loop *loop, ev_io *w, int revents)
{
    struct serving *s = w->data;
    char said;

    (void)revents;
    while ((said = rp_worker_hear(s->worker)) != 0)
        if (said >= '0' + RP_LOG_TRACE && said <= '0' + RP_LOG_CRITICAL)
            rp_log_set_level((enum rp_log_level)(said - '0'));
    if (!rp_worker_is_orphan(s->worker))
        return;
    ev_io_stop(loop, w);
    rp_warn("the master is gone: stopping");
    stop(s, "orphan");
}

static void
on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct serving *s = w->data;
    double now = rp_clock_mono(), late = now - s->tick_due;

    (void)loop, (void)revents;
    s->tick_due = now + w->repeat;
    atomic_store_explicit(&s->worker->slot->counters.loop_lag_us,
                          late > 0 ? (uint32_t)(fmin(late, 3600) * 1e6) : 0,
                          memory_order_relaxed);
    /* The turn that this timer makes is the heartbeat. */
    rp_wsocks_tick(&s->service.wsocks);
    rp_recycle_look(&s->recycle, s->worker);
}

static void
on_certs(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct serving *s = w->data;

    (void)loop, (void)revents;
    rp_tls_look(s->listeners->tls);
}

/* ---- What the Python half asks for ---- */

/* Deadlines of WebSockets are seen to by the tick. */
static double
tick_of_websockets(const struct rp_config *c, double tick)
{
    const double limits[] = {
        c->wsock.ping_interval,     c->wsock.ping_timeout,
        c->wsock.close_timeout,     c->wsock.idle_timeout,
        c->wsock.handshake_timeout, c->wsock.max_lifetime,
    };

    for (size_t i = 0; c->ws && i < sizeof(limits) / sizeof(*limits); i++)
        if (limits[i] > 0 && limits[i] < tick * TICKS)
            tick = limits[i] / TICKS;
    return tick > TICK_MIN ? tick : TICK_MIN;
}

static int
make_service(struct serving *s)
{
    const struct rp_config *c = s->config;
    struct rp_service *v = &s->service;

    if (rp_service_init(v) < 0) {
        errno = ENOMEM;
        return -1;
    }
    s->has_service = true;
    if (rp_statics_init(&s->statics, c, v) < 0)
        return -1;
    if (s->hooks && c->python->hooks & (1u << RP_PY_HOOK_LOG_REQUEST)) {
        v->on_request = rp_py_hooks_record;
        v->on_request_arg = s->hooks;
    }
    return rp_setup_service(v, c, s->listeners->access_fd, s->worker,
                            &s->extra);
}

static int
on_attach(void *arg, struct ev_loop *ev, struct rp_router *router,
          const struct rp_handler *root)
{
    struct serving *s = arg;
    struct rp_server_config config = {
        .deadlines = s->config->deadlines,
        .content_min_rate = s->config->body_min_rate,
        .max_connections = (unsigned)s->config->limit_connections,
        .nodelay = true,
        .proxy_protocol = (enum rp_proxyproto_mode)s->config->proxy_protocol,
    };

    s->ev = ev;
    if (make_service(s) < 0)
        return -1;
    if (rp_setup_trust(&s->proxies, &s->config->proxy_protocol_from) < 0) {
        errno = ENOMEM;
        return -1;
    }
    config.proxy_from = s->proxies;
    config.tls = s->listeners->tls;
    s->service.router = router;
    if (root)
        s->service.root = *root;
    s->server = rp_server_new(ev, &s->service, &config);
    s->links = s->service.links = rp_links_new(ev);
    if (!s->server || !s->links) {
        errno = ENOMEM;
        return -1;
    }
    return 0;
}

/* A thread that does not come back is lost until this process ends. */
static void
on_stuck(struct serving *s)
{
    s->service.nstuck = 0;
    if (!rp_recycle_stuck(&s->recycle, s->worker))
        return;
    rp_py_dump_stacks();
}

static int
on_turn(void *arg)
{
    struct serving *s = arg;
    int more = rp_server_turn(s->server);

    if (s->service.access)
        rp_access_flush(s->service.access);
    if (s->hooks)
        rp_py_hooks_turn(s->hooks);
    rp_recycle_count(&s->recycle, s->worker);
    if (s->service.nstuck > 0)
        on_stuck(s);
    return more;
}

/* Watch without keeping the loop alive for it. */
static void
watch_signals(struct serving *s)
{
    static const int numbers[NSIGNALS] = {SIGTERM, SIGINT, SIGQUIT};
    bool has_master = rp_worker_alive_fd(s->worker) >= 0;

    for (int i = 0; i < NSIGNALS; i++) {
        ev_signal_init(&s->signals[i], on_signal, numbers[i]);
        s->signals[i].data = s;
        /* A terminal sends INT and QUIT to everybody; under a master it is
         * the master who decides what they mean. */
        if ((i == 0 || !has_master) && s->door->take_signals)
            ev_signal_start(s->ev, &s->signals[i]);
    }
    ev_signal_init(&s->reopen, on_reopen, SIGUSR1);
    s->reopen.data = s;
    if (s->door->take_signals &&
        (s->listeners->access_fd >= 0 || strcmp(s->config->log_file, "-") != 0))
        ev_signal_start(s->ev, &s->reopen);
}

static int
on_start(void *arg, void (*stopped)(void *), void *stopped_arg)
{
    struct serving *s = arg;
    int fd = rp_worker_alive_fd(s->worker);
    double tick = TICK;

    s->stopped = stopped;
    s->stopped_arg = stopped_arg;
    watch_signals(s);
    ev_io_init(&s->master, on_master, fd, EV_READ);
    s->master.data = s;
    if (fd >= 0)
        ev_io_start(s->ev, &s->master);
    if (s->config->timeout > 0 && s->config->timeout < TICK * TICKS)
        tick = s->config->timeout / TICKS;
    if (s->config->queue_timeout > 0 && s->config->queue_timeout < tick * TICKS)
        tick = s->config->queue_timeout / TICKS;
    tick = tick_of_websockets(s->config, tick);
    ev_timer_init(&s->tick, on_tick, tick, tick);
    s->tick.data = s;
    ev_timer_start(s->ev, &s->tick);
    s->tick_due = rp_clock_mono() + tick;
    tick = s->config->ssl_reload_interval;
    ev_timer_init(&s->certs, on_certs, tick, tick);
    s->certs.data = s;
    if (s->listeners->tls && tick > 0) {
        /* The master has read them once, and that may be months ago. */
        rp_tls_look(s->listeners->tls);
        ev_timer_start(s->ev, &s->certs);
    }
    for (size_t i = 0; i < s->listeners->n; i++)
        if (rp_server_listen(s->server, s->listeners->fds[i]) < 0)
            return -1;
    if (rp_worker_say_ready(s->worker) < 0)
        stop(s, "the master is gone");
    return 0;
}

/* libev leaves a signal that it watches no more with its default action,
 * which is death.  What the application does at exit is still to come, and
 * whoever reopens logs or stops a group of processes tells us too. */
static void
ignore_signals(const struct serving *s)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    if (rp_worker_alive_fd(s->worker) < 0 || !s->door->take_signals)
        return;
    sigaction(SIGUSR1, &ignore, NULL);
    sigaction(SIGTERM, &ignore, NULL);
}

static void
on_detach(void *arg)
{
    struct serving *s = arg;

    rp_server_free(s->server);
    s->server = NULL;
    rp_links_free(s->links);
    s->links = s->service.links = NULL;
    for (int i = 0; i < NSIGNALS; i++)
        ev_signal_stop(s->ev, &s->signals[i]);
    ev_signal_stop(s->ev, &s->reopen);
    ignore_signals(s);
    ev_io_stop(s->ev, &s->master);
    ev_timer_stop(s->ev, &s->tick);
    ev_timer_stop(s->ev, &s->drain);
    ev_timer_stop(s->ev, &s->certs);
    s->ev = NULL;
}

/* Without a server it is an ordinary process: it keeps neither clients nor the
 * port, and a signal ends it. */
static void
on_forked(void *arg)
{
    struct serving *s = arg;
    int fd = rp_worker_alive_fd(s->worker);

    if (s->server)
        rp_server_forked(s->server);
    if (s->links)
        rp_links_forked(s->links);
    for (size_t i = 0; i < s->listeners->n; i++)
        close(s->listeners->fds[i]);
    if (fd >= 0)
        close(fd);
    if (!s->door->take_signals)
        return;
    for (int i = 0; i < NSIGNALS; i++)
        if (ev_is_active(&s->signals[i]))
            sigaction(s->signals[i].signum,
                      &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    if (ev_is_active(&s->reopen))
        sigaction(SIGUSR1, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
}

static bool
on_may_report(void *arg)
{
    struct serving *s = arg;

    /* Each shows it to who asks, see errorpage.h. */
    return rp_worker_may_report_boot_failure(s->worker) || s->config->reload;
}

static double
on_left(void *arg)
{
    struct serving *s = arg;
    double left = s->stop_at - rp_clock_mono();

    if (s->config->graceful_timeout <= 0)
        return -1;
    return left > 0 ? left : 0;
}

static void
on_adopt(void *arg, int fd, const char *host, uint16_t port)
{
    struct serving *s = arg;
    struct rp_peer peer = {.port = port};

    snprintf(peer.host, sizeof(peer.host), "%s", host);
    snprintf(peer.server_host, sizeof(peer.server_host), "%s", host);
    peer.server_port = 80;
    rp_server_adopt(s->server, fd, &peer);
}

static void
on_stop(void *arg)
{
    struct serving *s = arg;

    stop(s, "its owner says so");
    /* The owner was the client as well. */
    if (s->door->inside)
        rp_server_drop(s->server);
}

static const struct rp_py_worker_ops ops = {
    .attach = on_attach,
    .turn = on_turn,
    .start = on_start,
    .detach = on_detach,
    .forked = on_forked,
    .may_report = on_may_report,
    .left = on_left,
    .adopt = on_adopt,
    .stop = on_stop,
};

/* ---- Life ---- */

int
rp_worker_run(const struct rp_config *c, const struct rp_door *door,
              const struct rp_listeners *l, struct rp_worker *w)
{
    struct serving s = {.config = c, .door = door, .listeners = l, .worker = w};
    struct rp_py_worker_config python;
    char error[512];
    int status;

    rp_recycle_init(&s.recycle, c);
    rp_logs_capture(c);
    if (rp_python_start(c, door, error, sizeof(error)) < 0) {
        rp_log(RP_LOG_CRITICAL, "%s", error);
        return RP_EXIT_BOOT;
    }
    rp_python_config(&python, c, door);
    python.tick = (uint64_t *)&w->slot->tick_ns;
    python.gil_wait = (uint64_t *)&w->slot->counters.gil_wait_ns;
    python.hooks = s.hooks = rp_py_hooks_new(&(struct rp_py_hooks_config){
        .file = door->check ? NULL : c->python,
        .number = w->seat + 1,
        .generation = w->generation,
        .stacks = l->stacks,
    });
    status = rp_py_worker_run(&python, door->app, &ops, &s);
    if (s.server)
        on_detach(&s);
    if (s.has_service) {
        rp_access_free(s.service.access);
        rp_service_fini(&s.service);
        rp_buf_fini(&s.extra);
        rp_statics_fini(&s.statics);
    }
    rp_trust_fini(&s.proxies);
    rp_py_hooks_ended(s.hooks, status);
    rp_py_hooks_free(s.hooks);
    if (door->init_core)
        rp_interp_fini(false);
    return status;
}
