/* notify.c -- datagrams to the service manager, systemd.exec(5) and
 * sd_notify(3). */
#include "rupy/serve/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rupy/base/clock.h"
#include "rupy/base/log.h"

enum { MESSAGE_MAX = 512 };

/* The master turns once a second at least. */
static const double turn = 1.0;
/* While it starts it asks for so much more time, and again after half. */
static const double extension = 10.0;

static void __attribute__((format(printf, 2, 3)))
tell(const struct rp_notify *n, const char *fmt, ...)
{
    char text[MESSAGE_MAX];
    va_list ap;
    int length;

    if (n->fd < 0)
        return;
    va_start(ap, fmt);
    length = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (length < 0 || (size_t)length >= sizeof(text))
        return;
    /* A manager that does not listen is no reason to wait. */
    if (sendto(n->fd, text, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT,
               (const struct sockaddr *)&n->to, n->to_n) < 0)
        rp_debug("the service manager was not told: %s", strerror(errno));
}

/* 0, or -1: that is no address of ours. */
static int
set_address(struct rp_notify *n, const char *path)
{
    size_t length = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || length < 2 ||
        length >= sizeof(n->to.sun_path))
        return -1;
    n->to.sun_family = AF_UNIX;
    memcpy(n->to.sun_path, path, length + 1);
    n->to_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (path[0] == '@')
        n->to.sun_path[0] = '\0';
    else
        n->to_n++;
    return 0;
}

static double
read_watchdog(bool taken_over)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (!usec)
        return 0;
    if (pid && !taken_over && strtol(pid, NULL, 10) != (long)getpid())
        return 0;
    return (double)strtoull(usec, NULL, 10) / 1e6;
}

void
rp_notify_init(struct rp_notify *n, bool taken_over)
{
    const char *path = getenv("NOTIFY_SOCKET");

    *n = (struct rp_notify){.fd = -1};
    if (path && set_address(n, path) < 0)
        rp_warn("NOTIFY_SOCKET=%s is no path and no abstract name: the "
                "service manager is told nothing",
                path);
    else if (path)
        n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    n->watchdog = n->fd >= 0 ? read_watchdog(taken_over) : 0;
    n->silence = n->watchdog;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void
rp_notify_fini(struct rp_notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}

void
rp_notify_forked(struct rp_notify *n)
{
    rp_notify_fini(n);
}

void
rp_notify_set_timeout(struct rp_notify *n, double timeout)
{
    n->silence = timeout > 0 ? timeout : n->watchdog;
}

void
rp_notify_ready(struct rp_notify *n)
{
    n->is_ready = true;
    n->calmed_at = rp_clock_mono();
    /* Beside an old master this one is the main process from now on. */
    tell(n, "READY=1\nMAINPID=%d", (int)getpid());
}

void
rp_notify_reloading(struct rp_notify *n)
{
    n->reloading = true;
    tell(n, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading",
         (unsigned long long)(rp_clock_mono_ns() / 1000));
    n->status[0] = '\0';
}

void
rp_notify_stopping(struct rp_notify *n, double seconds, pid_t other)
{
    n->stopping = true;
    /* The service does not stop: its main process is another. */
    if (other > 0)
        tell(n, "MAINPID=%d", (int)other);
    else
        tell(n, "STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=%.0f",
             (seconds + extension) * 1e6);
}

static bool
has_healthy(const struct rp_notify *n, const struct rp_board *b, double now)
{
    for (uint32_t i = 0; i < b->n; i++) {
        const struct rp_worker_slot *s = &b->slots[i];
        if (atomic_load(&s->state) == RP_WORKER_READY &&
            now - (double)atomic_load(&s->tick_ns) / 1e9 <= n->silence)
            return true;
    }
    return false;
}

static void
calm_watchdog(struct rp_notify *n, const struct rp_master_view *v, double now)
{
    if (n->watchdog <= 0 || !n->is_ready ||
        now + turn < n->calmed_at + n->watchdog / 2)
        return;
    /* Nobody is wanted, or they are on their way out: that is no fault. */
    if (v->wanted > 0 && !n->stopping && !has_healthy(n, v->board, now))
        return;
    n->calmed_at = now;
    tell(n, "WATCHDOG=1");
}

static void
tell_status(struct rp_notify *n, const struct rp_master_view *v)
{
    char text[sizeof(n->status)];

    snprintf(text, sizeof(text), "%u of %u workers ready, generation %u%s%s",
             (unsigned)rp_board_count(v->board, RP_WORKER_READY),
             (unsigned)v->wanted, (unsigned)v->generation,
             v->reload_error[0] ? "; the last reload was given up" : "",
             v->other > 0 ? "; another master beside this one" : "");
    if (strcmp(text, n->status) == 0)
        return;
    memcpy(n->status, text, sizeof(text));
    tell(n, "STATUS=%s", text);
}

void
rp_notify_turn(struct rp_notify *n, const struct rp_master *m)
{
    double now = rp_clock_mono();
    struct rp_master_view v;

    if (n->fd < 0)
        return;
    rp_master_look(m, &v);
    /* It said that it is the main process, and is no more. */
    if (n->other > 0 && v.other == 0 && !n->stopping)
        tell(n, "MAINPID=%d", (int)getpid());
    n->other = v.other;
    if (n->reloading && !v.rolling && n->is_ready) {
        n->reloading = false;
        tell(n, "READY=1");
    }
    if (!n->is_ready && !n->stopping && now >= n->extended_at + extension / 2) {
        n->extended_at = now;
        tell(n, "EXTEND_TIMEOUT_USEC=%.0f", extension * 1e6);
    }
    calm_watchdog(n, &v, now);
    if (!n->stopping && !n->reloading)
        tell_status(n, &v);
}
