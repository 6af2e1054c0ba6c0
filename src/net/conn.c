/* conn.c -- one client: bytes in, bytes out, and when it is too late.
 *
 *               close() and all sent        half-closed
 *     OPEN --> CLOSING ----------------------> LINGER ---> DEAD
 *       \________ |________ client gone, error, deadline ___^
 *
 * The session never sees the socket, and the socket nothing of the protocol. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rupy/base/log.h"
#include "rupy/net/impl.h"

enum {
    AHEAD_MAX = 128 * 1024, /* input kept for a session that is busy */
};

static void on_io(struct ev_loop *loop, ev_io *w, int revents);
static void on_readable(struct rp_conn *c);

static void
set_events(struct rp_conn *c, int events)
{
    struct ev_loop *loop = c->server->loop;

    if (c->events == events)
        return;
    if (c->events)
        ev_io_stop(loop, &c->io);
    c->events = events;
    if (!events)
        return;
    ev_io_modify(&c->io, events);
    ev_io_start(loop, &c->io);
}

static bool
may_read(const struct rp_conn *c)
{
    return c->state == RP_CONN_OPEN && !c->eof && c->in.n < AHEAD_MAX &&
           !c->sink.over;
}

void
rp_conn_update_events(struct rp_conn *c)
{
    int events = 0;

    if (c->state == RP_CONN_DEAD)
        return;
    if (c->stuck)
        events |= EV_WRITE;
    if (c->state == RP_CONN_LINGER || may_read(c))
        events |= EV_READ;
    if (c->tls && may_read(c)) {
        if (c->tls->wants_write)
            events |= EV_WRITE;
        if (c->tls->more && c->again.next == &c->again)
            rp_list_add(&c->server->again, &c->again);
    }
    set_events(c, events);
}

/* ---- The timer ---- */

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct rp_conn *c = w->data;
    double send = c->server->config.deadlines.send;

    (void)loop, (void)revents;
    c->armed = 0;
    /* What it waits for may have come while a handler blocked the loop. */
    if (c->state == RP_CONN_OPEN && (c->events & EV_READ) && rp_conn_is_due(c))
        on_readable(c);
    if (c->state == RP_CONN_DEAD)
        return;
    if (!rp_conn_is_due(c)) {
        rp_conn_arm(c);
        return;
    }
    if (c->state != RP_CONN_OPEN || rp_conn_is_shaking(c) ||
        (c->stuck && send > 0 &&
         c->progress + send <= c->server->service->now + 0.001)) {
        rp_conn_drop(c);
        return;
    }
    c->session->ops->timeout(c->session, c->wait);
    rp_conn_arm(c);
}

/* ---- What the session asks for ---- */

static void
sink_wake(struct rp_sink *sink)
{
    struct rp_conn *c = (struct rp_conn *)sink;

    if (c->dirty.next != &c->dirty || c->state == RP_CONN_DEAD)
        return;
    rp_list_add(&c->server->dirty, &c->dirty);
    c->server->ndirty++;
}

static void
sink_flush(struct rp_sink *sink)
{
    struct rp_conn *c = (struct rp_conn *)sink;

    if (c->state == RP_CONN_OPEN && !c->stuck)
        rp_conn_flush(c);
}

/* The clock of a content's rate.  It stands while the handler is at work with
 * what came. */
static void
time_content(struct rp_conn *c, enum rp_wait next)
{
    double now = c->server->service->now;

    if (next != RP_WAIT_CONTENT && next != RP_WAIT_HANDLER) {
        c->asked = 0; /* the next request */
    } else if (c->asked == 0 && next == RP_WAIT_CONTENT) {
        c->asked = now;
        c->content = 0;
    } else if (c->asked > 0 && c->wait == RP_WAIT_HANDLER) {
        c->asked += now - c->since;
    }
}

static void
sink_wait(struct rp_sink *sink, enum rp_wait what)
{
    struct rp_conn *c = (struct rp_conn *)sink;

    /* The clock of a head runs from its first byte, whatever trickles. */
    if (what == RP_WAIT_HEAD && c->wait == RP_WAIT_HEAD)
        return;
    time_content(c, what);
    c->wait = what;
    c->since = c->server->service->now;
    rp_conn_arm(c);
}

static void
sink_resume(struct rp_sink *sink)
{
    struct rp_conn *c = (struct rp_conn *)sink;

    if (c->again.next == &c->again && c->state == RP_CONN_OPEN)
        rp_list_add(&c->server->again, &c->again);
}

static void
sink_close(struct rp_sink *sink, bool linger)
{
    struct rp_conn *c = (struct rp_conn *)sink;

    if (linger)
        c->linger = true;
    if (c->state != RP_CONN_OPEN)
        return;
    c->state = RP_CONN_CLOSING;
    rp_list_del(&c->again);
    sink_wake(sink);
    rp_conn_update_events(c);
}

static void
sink_abort(struct rp_sink *sink)
{
    struct rp_conn *c = (struct rp_conn *)sink;
    struct linger hard = {1, 0};

    if (c->state == RP_CONN_DEAD)
        return;
    setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    rp_conn_drop(c);
}

static const struct rp_tls_facts *
sink_tls(struct rp_sink *sink)
{
    struct rp_tls_conn *t = ((struct rp_conn *)sink)->tls;

    if (t && t->done && !t->facts)
        t->facts = rp_tls_facts_new(t->ssl);
    return t ? t->facts : NULL;
}

static const struct rp_sink_ops sink_ops = {
    .wake = sink_wake,
    .flush = sink_flush,
    .wait = sink_wait,
    .resume = sink_resume,
    .close = sink_close,
    .abort = sink_abort,
    .tls = sink_tls,
};

/* ---- Life ---- */

void
rp_conn_open(struct rp_server *s, int fd, const struct rp_peer *peer)
{
    struct rp_conn *c = calloc(1, sizeof(*c));

    if (!c) {
        close(fd);
        return;
    }
    if (!peer->is_unix && s->config.nodelay) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    c->server = s;
    c->peer = *peer;
    c->sink.ops = &sink_ops;
    rp_buf_init(&c->sink.out, 0);
    rp_buf_init(&c->in, 0);
    rp_list_init(&c->dirty);
    rp_list_init(&c->again);
    ev_io_init(&c->io, on_io, fd, EV_READ);
    ev_init(&c->timer, on_timer);
    c->io.data = c->timer.data = c;
    rp_list_add(&s->conns, &c->all);
    s->nconns++;
    rp_count(s->service->counters->connections, 1);
    c->peer.is_tls = s->config.tls && !peer->is_unix;
    if (c->peer.is_tls && !(c->tls = rp_tls_conn_new())) {
        rp_conn_drop(c);
        return;
    }
    if (rp_preface_is_due(&s->config, &c->peer)) {
        c->session = rp_preface_new(c);
        if (c->tls)
            c->tls->preface = true;
    } else {
        c->session = rp_h1_new(s->service, &c->sink, &c->peer);
    }
    if (!c->session) {
        rp_conn_drop(c);
        return;
    }
    rp_conn_update_events(c);
}

void
rp_conn_drop(struct rp_conn *c)
{
    struct rp_server *s = c->server;
    struct rp_session *session = c->session;

    if (c->state == RP_CONN_DEAD)
        return;
    c->state = RP_CONN_DEAD;
    if (c->events)
        ev_io_stop(s->loop, &c->io);
    c->events = 0;
    ev_timer_stop(s->loop, &c->timer);
    close(c->io.fd);
    rp_list_del(&c->again);
    if (c->dirty.next != &c->dirty) {
        rp_list_del(&c->dirty);
        s->ndirty--;
    }
    rp_list_del(&c->all);
    rp_list_add(&s->dead, &c->all);
    s->nconns--;
    rp_server_on_closed(s);
    /* A session whose feed() is on the stack is told when that returns. */
    if (session && !c->feeding) {
        c->session = NULL;
        session->ops->gone(session);
    }
}

void
rp_conn_free(struct rp_conn *c)
{
    rp_list_del(&c->all);
    rp_sink_fini(&c->sink);
    rp_tls_conn_free(c->tls);
    rp_buf_fini(&c->in);
    free(c);
}

bool
rp_conn_is_idle(const struct rp_conn *c)
{
    return c->state == RP_CONN_OPEN && c->in.n == 0 &&
           rp_sink_queued(&c->sink) == 0 &&
           !(c->tls && rp_tls_is_busy(c->tls)) &&
           (c->wait == RP_WAIT_IDLE || c->wait == RP_WAIT_FIRST);
}

bool
rp_conn_has_input(const struct rp_conn *c)
{
    char byte;

    return c->in.n > 0 || recv(c->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* ---- Input ---- */

static void
tell_eof(struct rp_conn *c)
{
    if (!c->eof || c->told_eof || c->state != RP_CONN_OPEN)
        return;
    /* What is left is for later: the handler at work, or a client that does
     * not read, is waited for first. */
    if (c->in.n > 0 && (c->wait == RP_WAIT_HANDLER || c->sink.over))
        return;
    c->told_eof = true;
    c->session->ops->eof(c->session);
}

/* Let the session have p..p+n.  Return how much it used. */
static size_t
feed(struct rp_conn *c, const char *p, size_t n)
{
    struct rp_server *s = c->server;
    struct rp_buf *out = &c->sink.out;
    size_t used;

    if (!out->p && s->nspare > 0)
        *out = s->spare[--s->nspare];
    c->feeding = true;
    used = c->session->ops->feed(c->session, p, n);
    c->feeding = false;
    if (c->state == RP_CONN_DEAD) {
        struct rp_session *session = c->session;
        c->session = NULL;
        session->ops->gone(session);
    }
    return used;
}

/* Keep what the session left of p..p+n. */
static void
keep(struct rp_conn *c, const char *p, size_t n)
{
    if (c->state == RP_CONN_OPEN && rp_buf_add(&c->in, p, n) < 0) {
        rp_warn("%s: connection dropped: no memory for its input",
                c->peer.host);
        rp_conn_drop(c);
    }
}

void
rp_conn_again(struct rp_conn *c)
{
    size_t used;

    rp_list_del(&c->again);
    if (c->tls && c->tls->more && may_read(c))
        on_readable(c);
    if (c->state != RP_CONN_OPEN)
        return;
    if (c->in.n > 0) {
        used = feed(c, c->in.p, c->in.n);
        if (c->state == RP_CONN_DEAD)
            return;
        rp_buf_del(&c->in, used);
    }
    if (c->in.n == 0) {
        rp_buf_fini(&c->in);
        rp_buf_init(&c->in, 0);
    }
    if (c->again.next == &c->again)
        tell_eof(c);
    rp_conn_update_events(c);
}

static void
on_readable(struct rp_conn *c)
{
    struct rp_server *s = c->server;
    size_t n, used;
    ssize_t k;

    if (c->tls && c->state == RP_CONN_OPEN)
        k = rp_tls_read(c, s->read_buf, RP_READ_SIZE);
    else
        k = read(c->io.fd, s->read_buf, RP_READ_SIZE);

    if (k < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            rp_conn_drop(c);
        return;
    }
    if (k == 0) {
        if (c->state == RP_CONN_LINGER) {
            rp_conn_drop(c);
            return;
        }
        c->eof = true;
        if (c->in.n == 0 || c->again.next == &c->again)
            tell_eof(c);
        rp_conn_update_events(c);
        return;
    }
    n = (size_t)k;
    rp_count(s->service->counters->bytes_in, n);
    if (c->state == RP_CONN_LINGER) {
        c->since = s->service->now;
        return;
    }
    if (c->in.n == 0) {
        used = feed(c, s->read_buf, n);
        if (used < n)
            keep(c, s->read_buf + used, n - used);
        /* What came with the head counts as well. */
        c->content += n;
        if (c->state != RP_CONN_OPEN || used == n)
            return;
    } else {
        keep(c, s->read_buf, n);
        c->content += n;
        if (c->state == RP_CONN_OPEN && c->again.next == &c->again)
            rp_conn_again(c);
    }
    if (c->state == RP_CONN_OPEN && c->in.n >= AHEAD_MAX)
        rp_conn_update_events(c);
}

static void
on_io(struct ev_loop *loop, ev_io *w, int revents)
{
    struct rp_conn *c = w->data;
    struct rp_server *s = c->server;

    (void)loop;
    if (revents & EV_WRITE)
        rp_conn_flush(c);
    if (c->tls && c->tls->wants_write)
        revents |= EV_READ;
    if ((revents & EV_READ) && c->state != RP_CONN_DEAD)
        on_readable(c);
    if (s->ndirty >= RP_FLUSH_GROUP)
        rp_server_flush(s);
}
