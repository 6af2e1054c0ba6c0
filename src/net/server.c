/* server.c -- listening sockets, and the turn of the loop for all of their
 * connections. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rupy/base/clock.h"
#include "rupy/base/log.h"
#include "rupy/net/impl.h"

#define RETRY_ACCEPT 0.25 /* seconds, when descriptors ran out */
#define FRESH 0.5         /* seconds that a client has to begin, at the end */

enum {
    TURN_ROUNDS = 4,        /* of flushing, in one turn */
    UNSENT_MAX = 64 * 1024, /* answers held back while requests are waiting */
    LAST_ACCEPTS = 65536,   /* when retiring */
};

static void
set_accepting(struct rp_server *s, bool on)
{
    if (s->accepting == on)
        return;
    s->accepting = on;
    for (unsigned i = 0; i < s->naccept; i++) {
        if (on)
            ev_io_start(s->loop, &s->accept[i]);
        else
            ev_io_stop(s->loop, &s->accept[i]);
    }
}

/* The connection that has been idle for longest makes room. */
static bool
reclaim_idle(struct rp_server *s)
{
    struct rp_conn *oldest = NULL;

    for (struct rp_list *l = s->conns.next; l != &s->conns; l = l->next) {
        struct rp_conn *c = rp_container_of(l, struct rp_conn, all);
        if (rp_conn_is_idle(c) && (!oldest || c->since < oldest->since))
            oldest = c;
    }
    if (!oldest || s->service->now - oldest->since < 1.0 ||
        rp_conn_has_input(oldest))
        return false;
    rp_debug("connection of %s closed: idle, and others wait",
             oldest->peer.host);
    rp_conn_drop(oldest);
    return true;
}

/* Accept only while there is room; a full worker leaves the queue to others. */
static void
update_accepting(struct rp_server *s)
{
    bool room = s->nconns < s->config.max_connections;

    set_accepting(s, room && !s->paused && !s->retiring);
}

void
rp_server_on_closed(struct rp_server *s)
{
    rp_count(s->service->counters->connections, (uint32_t)-1);
    if (!s->accepting)
        update_accepting(s);
}

static bool
is_full(const struct rp_server *s)
{
    return s->nconns >= s->config.max_connections;
}

static bool
somebody_waits(const struct rp_server *s)
{
    struct pollfd fds[RP_LISTEN_MAX];

    for (unsigned i = 0; i < s->naccept; i++)
        fds[i] = (struct pollfd){.fd = s->accept[i].fd, .events = POLLIN};
    return poll(fds, s->naccept, 0) > 0;
}

static void
retry_later(struct rp_server *s)
{
    ev_timer_stop(s->loop, &s->retry);
    ev_timer_set(&s->retry, RETRY_ACCEPT, 0);
    ev_timer_start(s->loop, &s->retry);
}

static void
on_retry(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct rp_server *s = w->data;

    (void)loop, (void)revents;
    s->paused = false;
    if (is_full(s) && !s->retiring && !(somebody_waits(s) && reclaim_idle(s)))
        retry_later(s);
    update_accepting(s);
}

/* Out of descriptors or memory: wait, rather than ask again at once. */
static void
pause_accepting(struct rp_server *s)
{
    if (reclaim_idle(s))
        return;
    rp_log_errno(RP_LOG_WARNING,
                 "accepting paused for %.2f s (%u connections open)",
                 RETRY_ACCEPT, s->nconns);
    s->paused = true;
    update_accepting(s);
    retry_later(s);
}

static void
describe_peer(struct rp_peer *p, const struct sockaddr_storage *a)
{
    memset(p, 0, sizeof(*p));
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)a;
        inet_ntop(AF_INET, &in->sin_addr, p->host, sizeof(p->host));
        p->port = ntohs(in->sin_port);
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)a;
        inet_ntop(AF_INET6, &in6->sin6_addr, p->host, sizeof(p->host));
        p->port = ntohs(in6->sin6_port);
    } else {
        p->is_unix = true;
    }
}

/* The address that the client reached. */
static void
describe_server(struct rp_peer *p, int fd)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof(a);

    if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
        return;
    if (a.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)&a;
        inet_ntop(AF_INET, &in->sin_addr, p->server_host,
                  sizeof(p->server_host));
        p->server_port = ntohs(in->sin_port);
    } else if (a.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)&a;
        inet_ntop(AF_INET6, &in6->sin6_addr, p->server_host,
                  sizeof(p->server_host));
        p->server_port = ntohs(in6->sin6_port);
    } else if (a.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const void *)&a;
        size_t path = offsetof(struct sockaddr_un, sun_path);
        /* An abstract name begins with a NUL, shown as '@'. */
        if (n > path && n <= sizeof(*un)) {
            size_t len = n - path;
            if (len >= sizeof(p->server_host))
                len = sizeof(p->server_host) - 1;
            memcpy(p->server_host, un->sun_path, len);
            if (p->server_host[0] == '\0' && len > 1)
                p->server_host[0] = '@';
        }
    }
}

/* Take one connection off the queue.  1, 0 when it is empty, -1 on errors
 * that asking again does not mend. */
static int
accept_one(struct rp_server *s, int listener)
{
    struct sockaddr_storage a = {.ss_family = AF_UNIX};
    socklen_t n = sizeof(a);
    struct rp_peer peer;
    int fd = accept4(listener, (struct sockaddr *)&a, &n,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        switch (errno) {
        case EAGAIN:
            return 0;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            return -1;
        default: /* the client's fault, or its network's (accept(2)) */
            return 1;
        }
    }
    describe_peer(&peer, &a);
    describe_server(&peer, fd);
    rp_count(s->service->counters->accepted, 1);
    rp_conn_open(s, fd, &peer);
    return 1;
}

static void
on_accept(struct ev_loop *loop, ev_io *w, int revents)
{
    struct rp_server *s = w->data;

    (void)loop, (void)revents;
    if (accept_one(s, w->fd) < 0) {
        pause_accepting(s);
        return;
    }
    if (is_full(s) && !reclaim_idle(s)) {
        update_accepting(s);
        retry_later(s);
    }
}

/* ---- The turn ---- */

/* After the poll: what time it is, for everything in this turn. */
static void
on_check(struct ev_loop *loop, ev_check *w, int revents)
{
    struct rp_server *s = w->data;

    (void)revents;
    s->service->now = rp_clock_mono();
    rp_response_consts_set_time(&s->service->consts, (int64_t)ev_now(loop));
}

void
rp_server_flush(struct rp_server *s)
{
    struct rp_list now;

    if (rp_list_is_empty(&s->dirty))
        return;
    /* Answers to flushed ones go to the next round. */
    now = s->dirty;
    now.next->prev = now.prev->next = &now;
    rp_list_init(&s->dirty);
    while (!rp_list_is_empty(&now)) {
        struct rp_conn *c = rp_container_of(now.next, struct rp_conn, dirty);
        /* More of its requests are waiting already: one write for all. */
        if (c->again.next != &c->again &&
            rp_sink_queued(&c->sink) < UNSENT_MAX) {
            rp_list_del(&c->dirty);
            rp_list_add(&s->dirty, &c->dirty);
            continue;
        }
        rp_conn_flush(c);
    }
}

static void
feed_again(struct rp_server *s)
{
    struct rp_list now;

    if (rp_list_is_empty(&s->again))
        return;
    now = s->again;
    now.next->prev = now.prev->next = &now;
    rp_list_init(&s->again);
    while (!rp_list_is_empty(&now)) {
        struct rp_conn *c = rp_container_of(now.next, struct rp_conn, again);
        rp_conn_again(c);
    }
}

int
rp_server_turn(void *server)
{
    struct rp_server *s = server;

    feed_again(s);
    for (int i = 0; i < TURN_ROUNDS && !rp_list_is_empty(&s->dirty); i++)
        rp_server_flush(s);
    while (!rp_list_is_empty(&s->dead))
        rp_conn_free(rp_container_of(s->dead.next, struct rp_conn, all));
    return !rp_list_is_empty(&s->again) || !rp_list_is_empty(&s->dirty);
}

/* ---- Life ---- */

struct rp_server *
rp_server_new(struct ev_loop *loop, struct rp_service *v,
              const struct rp_server_config *config)
{
    struct rp_server *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->read_buf = malloc(RP_READ_SIZE);
    if (config->tls)
        s->record = malloc(RP_RECORD_SIZE);
    if (!s->read_buf || (config->tls && !s->record)) {
        free(s->read_buf);
        free(s->record);
        free(s);
        return NULL;
    }
    s->loop = loop;
    s->service = v;
    s->config = *config;
    rp_list_init(&s->conns);
    rp_list_init(&s->dirty);
    rp_list_init(&s->again);
    rp_list_init(&s->dead);
    s->accepting = true;
    ev_init(&s->retry, on_retry);
    ev_check_init(&s->check, on_check);
    ev_set_priority(&s->check, EV_MAXPRI);
    s->retry.data = s->check.data = s->idle.data = s;
    ev_check_start(loop, &s->check);
    ev_unref(loop);
    return s;
}

int
rp_server_listen(struct rp_server *s, int fd)
{
    ev_io *w;

    if (s->naccept == RP_LISTEN_MAX) {
        errno = ENOSPC;
        return -1;
    }
    w = &s->accept[s->naccept++];
    ev_io_init(w, on_accept, fd, EV_READ);
    w->data = s;
    if (s->accepting)
        ev_io_start(s->loop, w);
    return 0;
}

void
rp_server_adopt(struct rp_server *s, int fd, const struct rp_peer *peer)
{
    rp_count(s->service->counters->accepted, 1);
    rp_conn_open(s, fd, peer);
}

/* It has just come, and nobody else will hear what it asks. */
static bool
is_fresh(const struct rp_conn *c)
{
    return c->wait == RP_WAIT_FIRST && rp_clock_mono() - c->since < FRESH;
}

static void
close_idle(struct rp_server *s)
{
    struct rp_list *l = s->conns.next;

    while (l != &s->conns) {
        struct rp_conn *c = rp_container_of(l, struct rp_conn, all);
        l = l->next;
        if (rp_conn_is_idle(c) && !is_fresh(c) && !rp_conn_has_input(c))
            c->session->ops->retire(c->session);
    }
}

static void
on_idle_grace(struct ev_loop *loop, ev_timer *w, int revents)
{
    (void)loop, (void)revents;
    close_idle(w->data);
}

void
rp_server_retire(struct rp_server *s, double idle_grace, bool drain_queue)
{
    if (s->retiring) {
        if (ev_timer_remaining(s->loop, &s->idle) <= idle_grace)
            return;
        ev_timer_stop(s->loop, &s->idle);
        ev_timer_set(&s->idle, idle_grace, 1.0);
        ev_timer_start(s->loop, &s->idle);
        return;
    }
    s->retiring = true;
    s->service->retiring = true;
    s->service->now = rp_clock_mono();
    for (unsigned i = 0; drain_queue && i < s->naccept; i++)
        for (int n = 0; n < LAST_ACCEPTS; n++)
            if (accept_one(s, s->accept[i].fd) != 1)
                break;
    update_accepting(s);
    rp_wsocks_retire(&s->service->wsocks);
    ev_timer_init(&s->idle, on_idle_grace, idle_grace, 1.0);
    ev_timer_start(s->loop, &s->idle);
}

void
rp_server_drop(struct rp_server *s)
{
    while (!rp_list_is_empty(&s->conns))
        rp_conn_drop(rp_container_of(s->conns.next, struct rp_conn, all));
}

void
rp_server_forked(struct rp_server *s)
{
    for (struct rp_list *l = s->conns.next; l != &s->conns; l = l->next)
        close(rp_container_of(l, struct rp_conn, all)->io.fd);
}

unsigned
rp_server_connections(const struct rp_server *s)
{
    return s->nconns;
}

void
rp_server_free(struct rp_server *s)
{
    if (!s)
        return;
    rp_server_drop(s);
    while (!rp_list_is_empty(&s->dead))
        rp_conn_free(rp_container_of(s->dead.next, struct rp_conn, all));
    s->retiring = true;
    set_accepting(s, false);
    ev_timer_stop(s->loop, &s->retry);
    ev_timer_stop(s->loop, &s->idle);
    ev_ref(s->loop);
    ev_check_stop(s->loop, &s->check);
    for (unsigned i = 0; i < s->nspare; i++)
        rp_buf_fini(&s->spare[i]);
    free(s->read_buf);
    free(s->record);
    free(s);
}
