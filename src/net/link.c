/* link.c -- one connection to another server: connecting, bytes in, bytes
 * out, deadlines. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rupy/base/clock.h"
#include "rupy/net/links_impl.h"

/* ---- Watchers ---- */

static void
set_events(struct rp_link_conn *l, int events)
{
    struct ev_loop *loop = rp_link_set_of(l)->loop;

    if (l->events == events)
        return;
    if (l->events)
        ev_io_stop(loop, &l->io);
    l->events = events;
    if (!events)
        return;
    ev_io_modify(&l->io, events);
    ev_io_start(loop, &l->io);
}

void
rp_link_update_events(struct rp_link_conn *l)
{
    int events = 0;

    switch (l->state) {
    case RP_LINK_CONNECTING:
        events = EV_WRITE;
        break;
    case RP_LINK_OPEN:
        if (!l->paused && !l->eof)
            events |= EV_READ;
        /* drained() is owed, also when flush() sent all of it. */
        if (l->base.out.n > 0 || l->base.full)
            events |= EV_WRITE;
        break;
    case RP_LINK_IDLE:
        events = EV_READ;
        break;
    case RP_LINK_QUEUED:
    case RP_LINK_RESOLVING:
    case RP_LINK_BROKEN:
    case RP_LINK_DEAD:
        break;
    }
    set_events(l, events);
}

int
rp_link_take_fd(struct rp_link_conn *l)
{
    int fd = l->io.fd;

    set_events(l, 0);
    ev_io_set(&l->io, -1, EV_READ);
    return fd;
}

void
rp_link_stop(struct rp_link_conn *l)
{
    set_events(l, 0);
    ev_timer_stop(rp_link_set_of(l)->loop, &l->timer);
    l->armed = 0;
    if (l->io.fd >= 0)
        close(l->io.fd);
    ev_io_set(&l->io, -1, EV_READ);
}

static void
arm(struct rp_link_conn *l)
{
    struct ev_loop *loop = rp_link_set_of(l)->loop;
    double at = l->since + l->limit, left;

    if (l->limit <= 0 || l->state == RP_LINK_DEAD ||
        (l->armed != 0 && l->armed <= at))
        return;
    left = at - rp_clock_mono();
    ev_timer_stop(loop, &l->timer);
    ev_timer_set(&l->timer, left > 0.001 ? left : 0.001, 0);
    ev_timer_start(loop, &l->timer);
    l->armed = at;
}

void
rp_link_set_limit(struct rp_link_conn *l, double seconds)
{
    l->since = rp_clock_mono();
    l->limit = seconds;
    arm(l);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct rp_link_conn *l = w->data;

    (void)loop, (void)revents;
    l->armed = 0;
    if (l->limit <= 0)
        return;
    if (l->since + l->limit > rp_clock_mono() + 0.001) {
        arm(l);
        return;
    }
    switch (l->state) {
    case RP_LINK_QUEUED:
        rp_link_fail(l, RP_LINK_QUEUE_SLOW, 0);
        break;
    case RP_LINK_RESOLVING:
    case RP_LINK_CONNECTING:
        rp_link_fail(l, RP_LINK_CONNECT_SLOW, 0);
        break;
    case RP_LINK_OPEN:
        rp_link_fail(l, RP_LINK_SLOW, 0);
        break;
    case RP_LINK_IDLE:
        rp_link_kill(l);
        break;
    case RP_LINK_BROKEN:
    case RP_LINK_DEAD:
        break;
    }
}

/* ---- Connecting ---- */

static int
connect_unix(struct rp_link_conn *l)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = strlen(l->pool->to.host);
    int fd;

    if (n >= sizeof(to.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(to.sun_path, l->pool->to.host, n);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    ev_io_set(&l->io, fd, EV_WRITE);
    /* EAGAIN: its queue is full, and nothing tells when it is not. */
    return connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static int
connect_inet(struct rp_link_conn *l, const struct addrinfo *to)
{
    int on = 1;
    int fd =
        socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ev_io_set(&l->io, fd, EV_WRITE);
    return connect(fd, to->ai_addr, to->ai_addrlen);
}

/* As connect(2), to the address whose turn it is. */
static int
connect_next(struct rp_link_conn *l)
{
    const struct addrinfo *a = l->pool->found;
    bool is_unix = l->pool->to.port[0] == '\0';

    if (is_unix && l->address == 0)
        return connect_unix(l);
    for (unsigned i = 0; a && i < l->address; i++)
        a = a->ai_next;
    if (!is_unix && a)
        return connect_inet(l, a);
    errno = 0; /* there are no more */
    return -1;
}

static void
close_fd(struct rp_link_conn *l)
{
    set_events(l, 0);
    if (l->io.fd >= 0)
        close(l->io.fd);
    ev_io_set(&l->io, -1, EV_WRITE);
}

void
rp_link_connect(struct rp_link_conn *l)
{
    for (; connect_next(l) < 0 && errno != EINPROGRESS; l->address++) {
        if (errno != 0) {
            l->code = errno;
            close_fd(l);
            continue;
        }
        /* The user has not got it yet. */
        l->state = RP_LINK_BROKEN;
        rp_links_come_soon(rp_link_set_of(l));
        return;
    }
    l->state = RP_LINK_CONNECTING;
    rp_link_update_events(l);
}

static void
on_connected(struct rp_link_conn *l)
{
    int err = 0;
    socklen_t n = sizeof(err);

    if (getsockopt(l->io.fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0)
        err = errno;
    if (err != 0) {
        l->code = err;
        close_fd(l);
        l->address++;
        rp_link_connect(l);
        return;
    }
    l->state = RP_LINK_OPEN;
    l->base.is_open = true;
    rp_link_set_limit(l, 0);
    rp_link_update_events(l);
    l->base.user->open(l->base.self);
}

/* ---- Bytes ---- */

bool
rp_link_is_quiet(const struct rp_link_conn *l)
{
    char byte;

    return recv(l->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

/* Write what there is.  An other side that takes no more may have given its
 * answer already, and that is read still. */
static void
write_out(struct rp_link_conn *l)
{
    struct rp_buf *out = &l->base.out;
    size_t sent = 0;

    while (sent < out->n && !l->deaf) {
        ssize_t k = send(l->io.fd, out->p + sent, out->n - sent, MSG_NOSIGNAL);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (k < 0)
            l->deaf = true;
        else
            sent += (size_t)k;
    }
    if (sent > 0)
        l->since = rp_clock_mono();
    if (l->deaf)
        rp_buf_reset(out);
    else
        rp_buf_del(out, sent);
    if (l->shut && out->n == 0 && !l->deaf)
        shutdown(l->io.fd, SHUT_WR);
}

void
rp_link_flush(struct rp_link *base)
{
    struct rp_link_conn *l = (struct rp_link_conn *)base;

    if (l->state != RP_LINK_OPEN || base->out.n == 0)
        return;
    write_out(l);
    rp_link_update_events(l);
}

static void
on_writable(struct rp_link_conn *l)
{
    bool has_room;

    write_out(l);
    has_room = l->base.full && l->base.out.n <= RP_LINK_LOW;
    if (has_room)
        l->base.full = false;
    rp_link_update_events(l);
    if (has_room)
        l->base.user->drained(l->base.self);
}

/* Let the user have p..p+n.  How much of it was used. */
static size_t
feed(struct rp_link_conn *l, const char *p, size_t n)
{
    return l->base.user->feed(l->base.self, p, n);
}

static void
on_input(struct rp_link_conn *l, const char *p, size_t n)
{
    size_t used;

    if (l->in.n == 0) {
        used = feed(l, p, n);
        /* Whoever has let it go has no use for the rest, nor has the next. */
        if (l->state != RP_LINK_OPEN)
            return;
        p += used;
        n -= used;
    }
    if (rp_buf_add(&l->in, p, n) < 0) {
        rp_link_fail(l, RP_LINK_LOST, errno);
        return;
    }
    if (l->in.n == n)
        return;
    used = feed(l, l->in.p, l->in.n);
    if (l->state == RP_LINK_OPEN)
        rp_buf_del(&l->in, used);
}

static void
on_readable(struct rp_link_conn *l)
{
    struct rp_link_set *all = rp_link_set_of(l);
    ssize_t k = recv(l->io.fd, all->buf, sizeof(all->buf), 0);

    if (k < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            rp_link_fail(l, RP_LINK_LOST, errno);
        return;
    }
    if (k > 0) {
        on_input(l, all->buf, (size_t)k);
        return;
    }
    l->eof = true;
    rp_link_update_events(l);
    l->base.user->eof(l->base.self);
}

static void
on_io(struct ev_loop *loop, ev_io *w, int revents)
{
    struct rp_link_conn *l = w->data;

    (void)loop;
    if (l->state == RP_LINK_CONNECTING) {
        on_connected(l);
        return;
    }
    if (l->state == RP_LINK_IDLE) {
        if (!rp_link_is_quiet(l))
            rp_link_kill(l);
        return;
    }
    if ((revents & EV_WRITE) && l->state == RP_LINK_OPEN)
        on_writable(l);
    if ((revents & EV_READ) && l->state == RP_LINK_OPEN && !l->paused)
        on_readable(l);
}

/* ---- What users ask for ---- */

void
rp_link_wait(struct rp_link *base, double seconds)
{
    rp_link_set_limit((struct rp_link_conn *)base, seconds);
}

void
rp_link_pause(struct rp_link *base, bool on)
{
    struct rp_link_conn *l = (struct rp_link_conn *)base;

    l->paused = on;
    rp_link_update_events(l);
}

void
rp_link_shut(struct rp_link *base)
{
    struct rp_link_conn *l = (struct rp_link_conn *)base;

    if (l->shut)
        return;
    l->shut = true;
    if (l->state == RP_LINK_OPEN && base->out.n == 0)
        shutdown(l->io.fd, SHUT_WR);
}

void
rp_link_init_watchers(struct rp_link_conn *l)
{
    ev_io_init(&l->io, on_io, -1, EV_READ);
    ev_init(&l->timer, on_timer);
    l->io.data = l->timer.data = l;
}
