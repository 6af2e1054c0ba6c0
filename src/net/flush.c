/* flush.c -- what a connection has to say, on its way to the socket. */
#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "rupy/base/log.h"
#include "rupy/net/impl.h"

enum {
    TURN_MAX = 4 * 1024 * 1024, /* bytes to one client, then others come */
    FILE_PIECE = 1024 * 1024,   /* bytes of a file, by one call */
    SPARE_MAX = 64 * 1024,      /* a larger output buffer is not kept */
};

/* All was sent: a buffer that nobody needs goes to the next who answers. */
static void
spare_out(struct rp_conn *c)
{
    struct rp_server *s = c->server;
    struct rp_buf *out = &c->sink.out;

    rp_buf_reset(out);
    if (s->nspare < sizeof(s->spare) / sizeof(s->spare[0]) &&
        out->cap <= SPARE_MAX && out->cap > 0) {
        s->spare[s->nspare++] = *out;
        rp_buf_init(out, 0);
    } else {
        rp_buf_fini(out);
        rp_buf_init(out, 0);
    }
}

/* Everything that was asked for is sent, and close() was asked for too. */
static void
finish_closing(struct rp_conn *c)
{
    if (c->tls)
        rp_tls_close(c);
    /* A close with input unread is a reset (RFC 9112 9.6). */
    if ((!c->linger && !rp_conn_has_input(c)) || c->eof ||
        shutdown(c->io.fd, SHUT_WR) < 0) {
        rp_conn_drop(c);
        return;
    }
    c->state = RP_CONN_LINGER;
    c->since = c->progress = c->server->service->now;
    rp_buf_fini(&c->in);
    rp_conn_update_events(c);
    rp_conn_arm(c);
}

/* Write what comes first.  As write(2); 0: a file is shorter than it was. */
static ssize_t
write_some(struct rp_conn *c)
{
    const struct rp_ref *file = rp_sink_peek_file(&c->sink);
    struct rp_str v[RP_FLUSH_PIECES];
    struct iovec iov[RP_FLUSH_PIECES];
    unsigned n;

    if (c->tls && (!c->tls->kernel || c->tls->over))
        return rp_tls_write(c);
    if (file) {
        off_t off = file->off;
        size_t most = file->n < FILE_PIECE ? file->n : FILE_PIECE;
        return sendfile(c->io.fd, file->fd, &off, most);
    }
    n = rp_sink_peek(&c->sink, v, RP_FLUSH_PIECES);
    if (n == 1 && c->sink.nrefs == 0)
        return write(c->io.fd, v[0].p, v[0].n);
    for (unsigned i = 0; i < n; i++)
        iov[i] = (struct iovec){(void *)(uintptr_t)v[i].p, v[i].n};
    if (!rp_sink_has_file(&c->sink))
        return writev(c->io.fd, iov, (int)n);
    /* A head, and a file behind it: its first bytes share a packet. */
    return sendmsg(c->io.fd, &(struct msghdr){.msg_iov = iov, .msg_iovlen = n},
                   MSG_MORE | MSG_NOSIGNAL);
}

/* Write until all is gone or the socket is full.  0, or -1: it is broken. */
static int
write_queue(struct rp_conn *c)
{
    struct rp_sink *sink = &c->sink;

    size_t sent = 0;

    c->stuck = false;
    while (rp_sink_queued(sink) > 0) {
        ssize_t k;

        /* A client that takes as fast as we give must not have us alone. */
        if (sent >= TURN_MAX) {
            c->stuck = true;
            return 0;
        }
        k = write_some(c);

        if (k == 0) {
            rp_error("%s: connection dropped: a file got shorter while it "
                     "was sent",
                     c->peer.host);
            return -1;
        }
        if (k < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                return -1;
            c->stuck = true;
            return 0;
        }
        sent += (size_t)k;
        c->progress = c->server->service->now;
        rp_count(c->server->service->counters->bytes_out, (uint64_t)k);
        if (sink->nrefs == 0 && (size_t)k == sink->out.n)
            rp_buf_reset(&sink->out);
        else
            rp_sink_sent(sink, (size_t)k);
    }
    return 0;
}

void
rp_conn_flush(struct rp_conn *c)
{
    struct rp_sink *sink = &c->sink;

    if (c->dirty.next != &c->dirty) {
        rp_list_del(&c->dirty);
        c->server->ndirty--;
    }
    if (c->state == RP_CONN_DEAD || c->state == RP_CONN_LINGER)
        return;
    bool was_stuck = c->stuck;
    if (write_queue(c) < 0) {
        rp_conn_drop(c);
        return;
    }
    if (c->stuck) {
        if (!was_stuck)
            c->progress = c->server->service->now;
        rp_conn_arm(c);
    } else {
        spare_out(c);
        if (was_stuck && c->wait == RP_WAIT_IDLE) {
            c->since = c->server->service->now;
            rp_conn_arm(c);
        }
    }
    if (sink->over && rp_sink_queued(sink) <= RP_SINK_LOW) {
        sink->over = false;
        c->session->ops->drained(c->session);
        if (c->state == RP_CONN_DEAD)
            return;
    }
    if (c->state == RP_CONN_CLOSING && rp_sink_queued(sink) == 0)
        finish_closing(c);
    else if (c->stuck || c->events != EV_READ)
        rp_conn_update_events(c);
}
