/* preface.c -- a session for the time before HTTP: it takes the header of the
 * PROXY protocol, corrects who the peer is, and leaves its place to the real
 * session. */
#include <stdlib.h>

#include "rupy/base/log.h"
#include "rupy/net/impl.h"

#define LOG_PAUSE 1.0 /* seconds between two lines about refused ones */

struct preface {
    struct rp_session session; /* first */
    struct rp_conn *conn;
};

static struct rp_conn *
conn_of(const struct rp_session *s)
{
    return ((const struct preface *)s)->conn;
}

static void
refuse(struct rp_conn *c, const char *why)
{
    struct rp_server *s = c->server;
    double now = s->service->now;

    s->refused++;
    if (s->refused_told == 0 || now - s->refused_told >= LOG_PAUSE) {
        rp_debug("%s: connection closed: %s (%u such)",
                 c->peer.is_unix ? "unix:" : c->peer.host, why, s->refused);
        s->refused = 0;
        s->refused_told = now;
    }
    c->sink.ops->close(&c->sink, false);
}

static void
set_peer(struct rp_peer *peer, const struct rp_proxyproto *h)
{
    *peer = (struct rp_peer){.is_tls = peer->is_tls};
    rp_addr_format(&h->client, peer->host);
    rp_addr_format(&h->server, peer->server_host);
    peer->port = h->client_port;
    peer->server_port = h->server_port;
}

static size_t
preface_feed(struct rp_session *s, const char *p, size_t n)
{
    struct rp_conn *c = conn_of(s);
    struct rp_session *next;
    struct rp_proxyproto h;
    int k = rp_proxyproto_parse(c->server->config.proxy_protocol, p, n, &h);

    if (k == 0)
        return 0;
    if (k < 0) {
        refuse(c, rp_proxyproto_err_text(k));
        return n;
    }
    if (h.has_address)
        set_peer(&c->peer, &h);
    next = rp_h1_new(c->server->service, &c->sink, &c->peer);
    if (!next) {
        c->sink.ops->close(&c->sink, false);
        return n;
    }
    c->session = next;
    free(s);
    c->sink.ops->resume(&c->sink);
    return (size_t)k;
}

static bool
preface_wants_input(const struct rp_session *s)
{
    (void)s;
    return true;
}

static void
preface_close(struct rp_session *s)
{
    struct rp_conn *c = conn_of(s);

    c->sink.ops->close(&c->sink, false);
}

static void
preface_drained(struct rp_session *s)
{
    (void)s;
}

static void
preface_timeout(struct rp_session *s, enum rp_wait what)
{
    (void)what;
    refuse(conn_of(s), "no PROXY header came in time");
}

static void
preface_gone(struct rp_session *s)
{
    free(s);
}

static const struct rp_session_ops ops = {
    .feed = preface_feed,
    .wants_input = preface_wants_input,
    .eof = preface_close,
    .drained = preface_drained,
    .timeout = preface_timeout,
    .retire = preface_close,
    .gone = preface_gone,
};

bool
rp_preface_is_due(const struct rp_server_config *config,
                  const struct rp_peer *peer)
{
    struct rp_str host = {peer->host, strlen(peer->host)};
    struct rp_addr addr;

    if (config->proxy_protocol == RP_PROXYPROTO_OFF)
        return false;
    return peer->is_unix || (rp_addr_parse(&addr, host) == 0 &&
                             rp_trust_has(&config->proxy_from, &addr));
}

struct rp_session *
rp_preface_new(struct rp_conn *c)
{
    struct preface *f = calloc(1, sizeof(*f));

    if (!f)
        return NULL;
    f->session.ops = &ops;
    f->conn = c;
    c->sink.ops->wait(&c->sink, RP_WAIT_FIRST);
    return &f->session;
}
