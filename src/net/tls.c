/* tls.c -- the part of a connection that speaks TLS, by OpenSSL.
 *
 * It stands where read(2) and write(2) stand on a plain connection.  The
 * handshake happens in the first reads.  OpenSSL's errors are in a queue that
 * all of this thread share, and Python's ssl module is one of them: it is
 * empty before each call and left empty behind it. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rupy/base/log.h"
#include "rupy/net/impl.h"

enum {
    WRITE_MAX = 1024 * 1024, /* bytes of output by one call */
};

static const char plain_text[] =
    "HTTP/1.1 400 Bad Request\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 53\r\n"
    "Connection: close\r\n"
    "\r\n"
    "400 Bad Request: plain HTTP was sent to an HTTPS port";

struct rp_tls_conn *
rp_tls_conn_new(void)
{
    return calloc(1, sizeof(struct rp_tls_conn));
}

void
rp_tls_conn_free(struct rp_tls_conn *t)
{
    if (!t)
        return;
    rp_tls_facts_free(t->facts);
    SSL_free(t->ssl);
    free(t);
}

bool
rp_tls_is_busy(const struct rp_tls_conn *t)
{
    return t->more || (t->ssl && !t->done);
}

/* ---- Reading ---- */

static ssize_t
would_block(void)
{
    errno = EAGAIN;
    return -1;
}

/* Nothing can be read any more.  The client may still be sending, and should
 * learn why: half-close and drain (as RFC 9112 9.6). */
static ssize_t
give_up(struct rp_conn *c)
{
    c->tls->over = true;
    c->tls->more = c->tls->wants_write = false;
    if (rp_sink_queued(&c->sink) > 0) {
        errno = EPROTO;
        return -1;
    }
    c->sink.ops->close(&c->sink, true);
    return would_block();
}

/* The header of a proxy comes in the clear, and no byte behind it may be
 * taken: all that was read before belongs to it, or it would be over. */
static ssize_t
read_preface(struct rp_conn *c, char *p)
{
    char all[RP_PROXYPROTO_V2_MAX];
    struct rp_proxyproto h;
    size_t before = c->in.n;
    ssize_t k;
    int n;

    if (before >= sizeof(all))
        return would_block();
    if (before > 0)
        memcpy(all, c->in.p, before);
    k = recv(c->io.fd, all + before, sizeof(all) - before, MSG_PEEK);
    if (k <= 0)
        return k;
    n = rp_proxyproto_parse(c->server->config.proxy_protocol, all,
                            before + (size_t)k, &h);
    if (n <= 0)
        return read(c->io.fd, p, (size_t)k);
    c->tls->preface = false;
    return read(c->io.fd, p, (size_t)n - before);
}

/* The first byte is there.  1, or as read(2). */
static ssize_t
begin(struct rp_conn *c)
{
    char first;
    ssize_t k = recv(c->io.fd, &first, 1, MSG_PEEK);

    if (k <= 0)
        return k;
    /* A method, where a record of TLS would have its type. */
    if (first >= 'A' && first <= 'Z') {
        rp_debug("%s: 400: plain HTTP on a TLS port", c->peer.host);
        if (send(c->io.fd, plain_text, sizeof(plain_text) - 1, MSG_NOSIGNAL) <
            0)
            return -1;
        return give_up(c);
    }
    c->tls->ssl = rp_tls_accept(c->server->config.tls, c->io.fd);
    if (!c->tls->ssl) {
        rp_warn("%s: connection dropped: no memory for TLS", c->peer.host);
        errno = ENOMEM;
        return -1;
    }
    return 1;
}

static void
finish_handshake(struct rp_conn *c)
{
    c->tls->done = true;
    c->tls->kernel = rp_tls_find_kernel(c->server, c->tls->ssl);
    c->since = c->server->service->now;
    rp_conn_arm(c);
}

/* SSL_read() said k <= 0. */
static ssize_t
explain(struct rp_conn *c, int k)
{
    struct rp_tls_conn *t = c->tls;
    int saved = errno;
    unsigned long err;
    const char *why;

    switch (SSL_get_error(t->ssl, k)) {
    case SSL_ERROR_WANT_READ:
        return would_block();
    case SSL_ERROR_WANT_WRITE:
        t->wants_write = true;
        rp_conn_update_events(c);
        return would_block();
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        t->over = true;
        errno = saved;
        return saved == 0 ? 0 : -1;
    default:
        err = ERR_peek_error();
        why = ERR_reason_error_string(err);
        rp_debug("%s: connection closed: TLS: %s", c->peer.host,
                 why ? why : "unknown error");
        ERR_clear_error();
        return give_up(c);
    }
}

ssize_t
rp_tls_read(struct rp_conn *c, char *p, size_t n)
{
    struct rp_tls_conn *t = c->tls;
    size_t got = 0;
    int k;

    if (t->over)
        return 0;
    if (!t->ssl) {
        ssize_t r = t->preface ? read_preface(c, p) : begin(c);
        if (t->ssl == NULL)
            return r;
    }
    if (t->wants_write) {
        t->wants_write = false;
        rp_conn_update_events(c);
    }
    t->more = false;
    do {
        ERR_clear_error();
        errno = 0;
        k = SSL_read(t->ssl, p + got, (int)(n - got));
        if (!t->done && SSL_is_init_finished(t->ssl))
            finish_handshake(c);
        if (k > 0)
            got += (size_t)k;
    } while (k > 0 && got < n && SSL_has_pending(t->ssl));
    if (got == 0)
        return explain(c, k);
    /* Whatever else it is, no event will tell of it: look again soon. */
    if (k > 0 ? SSL_has_pending(t->ssl) != 0
              : SSL_get_error(t->ssl, k) != SSL_ERROR_WANT_READ)
        t->more = true;
    if (k <= 0)
        ERR_clear_error();
    if (t->more)
        c->sink.ops->resume(&c->sink);
    return (ssize_t)got;
}

/* ---- Writing ---- */

/* As write(2). */
static ssize_t
write_bytes(struct rp_conn *c, const char *p, size_t n)
{
    SSL *ssl = c->tls->ssl;
    size_t sent = 0;
    int k, error;

    if (n > WRITE_MAX)
        n = WRITE_MAX;
    while (sent < n) {
        ERR_clear_error();
        errno = 0;
        k = SSL_write(ssl, p + sent, (int)(n - sent));
        if (k > 0) {
            sent += (size_t)k;
            continue;
        }
        error = SSL_get_error(ssl, k);
        if (sent > 0)
            break;
        if (error == SSL_ERROR_WANT_WRITE)
            return would_block();
        c->tls->over = true;
        ERR_clear_error();
        errno = error == SSL_ERROR_SYSCALL && errno != 0 ? errno : EPROTO;
        return -1;
    }
    return (ssize_t)sent;
}

static const struct rp_ref *
first_file(const struct rp_sink *sink)
{
    for (unsigned i = 0; i < sink->nrefs; i++)
        if (!sink->refs[i].p)
            return &sink->refs[i];
    return NULL;
}

static ssize_t
read_file(const struct rp_ref *file, char *p, size_t room)
{
    return pread(file->fd, p, file->n < room ? file->n : room, file->off);
}

/* Small stretches share a record, and with it a packet.  When the socket is
 * full OpenSSL wants the same bytes again, from wherever, and as many or more:
 * they are gathered anew then, from the same place in the queue. */
ssize_t
rp_tls_write(struct rp_conn *c)
{
    const struct rp_ref *file = rp_sink_peek_file(&c->sink);
    char *record = c->server->record;
    struct rp_str v[RP_FLUSH_PIECES];
    size_t n = 0;
    ssize_t k;
    unsigned nv, i;

    if (c->tls->over || !c->tls->done) {
        errno = EPIPE;
        return -1;
    }
    if (file) {
        k = read_file(file, record, RP_RECORD_SIZE);
        return k > 0 ? write_bytes(c, record, (size_t)k) : k;
    }
    nv = rp_sink_peek(&c->sink, v, RP_FLUSH_PIECES);
    file = first_file(&c->sink);
    if (v[0].n >= RP_RECORD_SIZE || (nv == 1 && !file))
        return write_bytes(c, v[0].p, v[0].n);
    for (i = 0; i < nv && n < RP_RECORD_SIZE; i++) {
        size_t room = RP_RECORD_SIZE - n;
        size_t most = v[i].n < room ? v[i].n : room;
        memcpy(record + n, v[i].p, most);
        n += most;
    }
    if (file && i == nv && nv < RP_FLUSH_PIECES && n < RP_RECORD_SIZE) {
        k = read_file(file, record + n, RP_RECORD_SIZE - n);
        n += k > 0 ? (size_t)k : 0;
    }
    return write_bytes(c, record, n);
}

void
rp_tls_close(struct rp_conn *c)
{
    struct rp_tls_conn *t = c->tls;

    if (!t->over && t->done) {
        ERR_clear_error();
        SSL_shutdown(t->ssl);
        ERR_clear_error();
    }
    t->over = true;
}
