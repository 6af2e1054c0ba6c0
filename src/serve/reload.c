/* reload.c -- from a change to other workers, after a moment of calm. */
#include "rupy/serve/reload.h"

#include <math.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "rupy/base/clock.h"
#include "rupy/serve/watch.h"

/* Somebody who writes without a pause does not put it off for ever. */
static const double patience = 10; /* delays */
/* What a worker has to end: nobody is hurt but who develops it. */
static const double grace = 1.0;

struct rp_reload {
    double delay;
    struct rp_watch *watch;
    int epoll, timer, other;
    double since; /* the first change that is not answered yet; 0: none */
    char name[256];
};

static int
wait_for(struct rp_reload *r, int fd)
{
    struct epoll_event e = {.events = EPOLLIN};

    return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &e);
}

int
rp_reload_new(struct rp_reload **out, const struct rp_config *c)
{
    struct rp_reload *r;

    *out = NULL;
    if (!c->reload)
        return 0;
    r = calloc(1, sizeof(*r));
    if (!r) {
        rp_log_errno(RP_LOG_CRITICAL, "--reload");
        return -1;
    }
    r->delay = c->reload_delay > 0.001 ? c->reload_delay : 0.001;
    r->other = -1;
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    r->watch = rp_watch_new(c);
    if (r->watch && r->epoll >= 0 && r->timer >= 0 &&
        wait_for(r, r->timer) == 0 && wait_for(r, rp_watch_fd(r->watch)) == 0) {
        *out = r;
        return 0;
    }
    if (r->watch)
        rp_log_errno(RP_LOG_CRITICAL, "--reload");
    rp_reload_free(r);
    return -1;
}

void
rp_reload_free(struct rp_reload *r)
{
    if (!r)
        return;
    rp_watch_free(r->watch);
    if (r->epoll >= 0)
        close(r->epoll);
    if (r->timer >= 0)
        close(r->timer);
    free(r);
}

void
rp_reload_forked(struct rp_reload *r)
{
    rp_reload_free(r);
}

static void
put_off(struct rp_reload *r)
{
    double now = rp_clock_mono(), at = now + r->delay;
    struct itimerspec t = {0};

    if (r->since == 0)
        r->since = now;
    if (at > r->since + patience * r->delay)
        at = r->since + patience * r->delay;
    if (at < now + 0.001)
        at = now + 0.001;
    t.it_value.tv_sec = (time_t)(at - now);
    t.it_value.tv_nsec = (long)(fmod(at - now, 1) * 1e9);
    timerfd_settime(r->timer, 0, &t, NULL);
}

int
rp_reload_turn(struct rp_reload *r, struct rp_master *m, int other)
{
    char name[sizeof(r->name)];
    uint64_t times;

    if (other >= 0 && other != r->other && wait_for(r, other) == 0)
        r->other = other;
    if (rp_watch_read(r->watch, name, sizeof(name))) {
        if (r->since == 0)
            memcpy(r->name, name, sizeof(name));
        put_off(r);
    }
    if (read(r->timer, &times, sizeof(times)) == sizeof(times)) {
        r->since = 0;
        rp_info("changed: %s: replacing the workers", r->name);
        rp_master_restart(m, grace);
    }
    return r->epoll;
}
