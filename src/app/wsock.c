/* wsock.c -- a WebSocket on one connection (RFC 6455), without any I/O.
 *
 *     OPEN --- we close -------> CLOSING --- the client answers --.
 *       |                           |                             v
 *       |                           '------ deadline, eof ----> CLOSED
 *       '--- the client closes, breaks the rules, is gone ----------^
 *
 * The handler hears of the end when CLOSED is reached from the loop; when its
 * own call got there (`owes_close`), when feed() returns, at the next tick, or
 * in gone(), whichever comes first. */
#include "wsock.h"

#include <errno.h>
#include <stdlib.h>

#include "rupy/base/log.h"

/* ---- The end ---- */

void
rp_wsock_tell_close(struct rp_wsock *w, unsigned code, struct rp_str reason)
{
    const struct rp_wsock_ops *ops = w->ops;

    w->owes_close = false;
    w->ops = NULL;
    if (ops != NULL)
        ops->close(w->self, w, code, reason);
}

void
rp_wsock_tell_owed(struct rp_wsock *w)
{
    if (w->owes_close)
        rp_wsock_tell_close(w, w->code, (struct rp_str){w->reason, w->nreason});
}

void
rp_wsock_finish(struct rp_wsock *w, bool linger)
{
    w->state = CLOSED;
    w->sink->ops->wake(w->sink);
    w->sink->ops->close(w->sink, linger);
}

/* Say why in a close frame, without waiting for an answer (RFC 6455 7.1.7).
 * The handler is told later: this may be a call of its own. */
static void
give_up(struct rp_wsock *w, unsigned code, struct rp_str reason)
{
    if (w->state == OPEN)
        rp_ws_close_write(&w->sink->out, code, reason);
    w->code = (uint16_t)code;
    w->nreason = 0;
    w->owes_close = true;
    rp_wsock_finish(w, true);
}

void
rp_wsock_fail(struct rp_wsock *w, unsigned code, const char *text)
{
    struct rp_str reason = {text, strlen(text)};

    rp_debug("websocket closed: %u: %s", code, text);
    give_up(w, code, reason);
    rp_wsock_tell_close(w, code, reason);
}

/* Gone, or as good as that. */
static void
lose(struct rp_wsock *w)
{
    rp_wsock_finish(w, false);
    rp_wsock_tell_close(w, RP_WS_ABNORMAL, RP_STR(""));
}

/* ---- Input ---- */

static bool
has_enough(const struct rp_wsock *w)
{
    const struct rp_wsock_config *c = &w->v->config;

    if (w->state != OPEN || w->nwaiting == 0)
        return false;
    return (c->queue != 0 && w->nwaiting >= c->queue) ||
           (c->limits.message != 0 && w->waiting >= c->limits.message);
}

/* Every ping gets its pong; but a client that does not read them gets only
 * the last (RFC 6455 5.5.3), or it would fill our memory. */
static void
on_ping(struct rp_wsock *w, struct rp_str data)
{
    if (w->state != OPEN)
        return;
    if (!rp_wsock_is_full(w)) {
        if (rp_ws_frame_write(&w->sink->out, RP_WS_PONG, data.p, data.n) < 0)
            rp_wsock_fail(w, RP_WS_INTERNAL_ERROR, "out of memory");
        else
            w->sink->ops->wake(w->sink);
        return;
    }
    w->sink->over = true; /* so that drained() will follow */
    w->pong_owed = true;
    w->npong = (uint8_t)data.n;
    memcpy(w->pong, data.p, data.n);
}

static void
answer_close(struct rp_wsock *w, unsigned code, struct rp_str reason)
{
    /* RFC 6455 5.5.1: the answer has the same code. */
    if (w->state == OPEN)
        rp_ws_close_write(&w->sink->out, code, RP_STR(""));
    rp_wsock_finish(w, false);
    rp_wsock_tell_close(w, code, reason);
}

void
rp_wsock_heed_close(struct rp_wsock *w)
{
    w->said_close = false;
    answer_close(w, w->code, (struct rp_str){w->reason, w->nreason});
}

/* RFC 6455 5.5.1 lets us finish what we are about to send first, and the
 * client waits: messages that came before are answered before. */
static void
on_close(struct rp_wsock *w, const struct rp_ws_message *m)
{
    if (w->state != OPEN || w->ops == NULL || w->nwaiting == 0) {
        answer_close(w, m->code, m->data);
        return;
    }
    w->said_close = true;
    w->since = rp_wsock_now(w);
    w->code = (uint16_t)m->code;
    w->nreason = (uint8_t)m->data.n;
    memcpy(w->reason, m->data.p, m->data.n);
}

static void
on_message(struct rp_wsock *w, const struct rp_ws_message *m)
{
    /* After our close frame nobody wants it (RFC 6455 1.4). */
    if (w->state != OPEN || w->ops == NULL)
        return;
    w->nwaiting++;
    w->waiting += m->data.n;
    w->heard = rp_wsock_now(w);
    w->ops->message(w->self, w, m->opcode == RP_WS_TEXT, m->data);
}

static void
dispatch(struct rp_wsock *w, const struct rp_ws_message *m)
{
    switch (m->opcode) {
    case RP_WS_TEXT:
    case RP_WS_BINARY:
        on_message(w, m);
        break;
    case RP_WS_PING:
        on_ping(w, m->data);
        break;
    case RP_WS_PONG:
        w->ping_open = false;
        break;
    case RP_WS_CLOSE:
        on_close(w, m);
        break;
    }
}

static size_t
wsock_feed(struct rp_session *s, const char *p, size_t n)
{
    struct rp_wsock *w = (struct rp_wsock *)s;
    size_t used = 0;

    w->feeding = true;
    while (used < n && w->state != CLOSED) {
        struct rp_ws_message m;

        /* RFC 6455 5.5.1: nothing that counts follows. */
        if (w->said_close) {
            used = n;
            break;
        }
        ssize_t k;

        w->paused = has_enough(w);
        if (w->paused)
            break;
        k = rp_ws_reader_feed(&w->reader, p + used, n - used, &m);
        if (k < 0) {
            rp_wsock_fail(w, (unsigned)rp_ws_err_code((int)k),
                          rp_ws_err_text((int)k));
            break;
        }
        used += (size_t)k;
        dispatch(w, &m);
    }
    w->feeding = false;
    if (w->state != CLOSED)
        return used;
    /* More came behind the end: it must not meet a closed socket. */
    if (used < n)
        w->sink->ops->close(w->sink, true);
    rp_wsock_tell_owed(w);
    return n;
}

static bool
wsock_wants_input(const struct rp_session *s)
{
    const struct rp_wsock *w = (const struct rp_wsock *)s;

    return w->state != CLOSED && !w->paused;
}

static void
wsock_eof(struct rp_session *s)
{
    struct rp_wsock *w = (struct rp_wsock *)s;

    /* Who said that it closes may do so, and still read. */
    if (w->state != CLOSED && !w->said_close)
        lose(w);
}

static void
wsock_drained(struct rp_session *s)
{
    struct rp_wsock *w = (struct rp_wsock *)s;

    if (w->state != OPEN)
        return;
    if (w->pong_owed) {
        struct rp_str data = {w->pong, w->npong};

        w->pong_owed = false;
        on_ping(w, data);
    }
    if (w->state == OPEN && w->ops != NULL && w->ops->drained != NULL)
        w->ops->drained(w->self, w);
}

static void
wsock_timeout(struct rp_session *s, enum rp_wait what)
{
    /* It waits for nothing that the network knows: see rp_wsocks_tick(). */
    (void)s, (void)what;
}

static void
wsock_retire(struct rp_session *s)
{
    struct rp_wsock *w = (struct rp_wsock *)s;

    if (w->state == OPEN)
        rp_wsock_close(w, RP_WS_SERVICE_RESTART, RP_STR(""));
}

static void
wsock_gone(struct rp_session *s)
{
    struct rp_wsock *w = (struct rp_wsock *)s;
    unsigned code = w->owes_close || w->said_close ? w->code : RP_WS_ABNORMAL;

    w->state = CLOSED;
    rp_wsock_tell_close(w, code, (struct rp_str){w->reason, w->nreason});
    rp_list_del(&w->all);
    w->v->n--;
    rp_ws_reader_fini(&w->reader);
    rp_ws_deflate_fini(&w->deflate);
    free(w);
}

static const struct rp_session_ops wsock_ops = {
    .feed = wsock_feed,
    .wants_input = wsock_wants_input,
    .eof = wsock_eof,
    .drained = wsock_drained,
    .timeout = wsock_timeout,
    .retire = wsock_retire,
    .gone = wsock_gone,
};

/* ---- What the handler asks for ---- */

int
rp_wsock_new(struct rp_wsocks *all, struct rp_sink *sink,
             const struct rp_wsock_ops *ops, void *self,
             const struct rp_ws_handshake *h,
             const struct rp_response_consts *c, struct rp_str subprotocol,
             const struct rp_field *fields, unsigned nfields,
             struct rp_wsock **out)
{
    struct rp_wsock *w = calloc(1, sizeof(*w));
    int err;

    if (w == NULL)
        return -1;
    err = rp_ws_handshake_write(&sink->out, h, c, subprotocol, fields, nfields);
    if (err < 0) {
        free(w);
        return err;
    }
    w->session.ops = &wsock_ops;
    w->v = all;
    w->sink = sink;
    w->ops = ops;
    w->self = self;
    rp_ws_deflate_init(&w->deflate, &h->deflate, &all->config.deflate);
    rp_ws_reader_init(&w->reader, &all->config.limits,
                      h->deflate.on ? &w->deflate : NULL);
    w->born = w->heard = w->pinged = rp_wsock_now(w);
    rp_list_add(&all->all, &w->all);
    all->n++;
    sink->ops->wait(sink, RP_WAIT_HANDLER);
    sink->ops->wake(sink);
    *out = w;
    return 0;
}

struct rp_session *
rp_wsock_session(struct rp_wsock *w)
{
    return &w->session;
}

/* Input that was left may be used now. */
static void
unpause(struct rp_wsock *w)
{
    if (!w->paused || has_enough(w))
        return;
    w->paused = false;
    if (!w->feeding)
        w->sink->ops->resume(w->sink);
}

void
rp_wsock_taken(struct rp_wsock *w, size_t n)
{
    if (w->nwaiting > 0)
        w->nwaiting--;
    w->waiting -= n < w->waiting ? n : w->waiting;
    unpause(w);
}

/* May something be appended?  0, or -1 and errno. */
static int
begin_send(struct rp_wsock *w)
{
    size_t max = w->v->config.send_buffer;

    if (w->state != OPEN) {
        errno = EPIPE;
        return -1;
    }
    if (max != 0 && rp_sink_queued(w->sink) >= max) {
        give_up(w, RP_WS_TRY_AGAIN_LATER, RP_STR("too slow"));
        errno = ENOBUFS;
        return -1;
    }
    return 0;
}

static int
end_send(struct rp_wsock *w, int failed)
{
    if (failed) {
        give_up(w, RP_WS_INTERNAL_ERROR, RP_STR("out of memory"));
        errno = ENOMEM;
        return -1;
    }
    w->sink->ops->wake(w->sink);
    if (!rp_wsock_is_full(w))
        return 0;
    w->sink->over = true; /* so that drained() will follow */
    return 1;
}

int
rp_wsock_send(struct rp_wsock *w, bool text, const void *p, size_t n)
{
    if (begin_send(w) < 0)
        return -1;
    w->heard = rp_wsock_now(w);
    return end_send(
        w, rp_ws_message_write(&w->sink->out,
                               w->deflate.params.on ? &w->deflate : NULL,
                               text ? RP_WS_TEXT : RP_WS_BINARY, p, n));
}

int
rp_wsock_ping(struct rp_wsock *w, const void *p, size_t n)
{
    if (n > RP_WS_CONTROL_MAX) {
        errno = EINVAL;
        return -1;
    }
    if (begin_send(w) < 0)
        return -1;
    return end_send(w, rp_ws_frame_write(&w->sink->out, RP_WS_PING, p, n));
}

int
rp_wsock_close(struct rp_wsock *w, unsigned code, struct rp_str reason)
{
    if ((code != RP_WS_NO_CODE && !rp_ws_code_is_valid(code)) ||
        reason.n > RP_WS_CLOSE_REASON_MAX || !rp_utf8_is_valid(reason)) {
        errno = EINVAL;
        return -1;
    }
    if (w->state != OPEN) {
        errno = EPIPE;
        return -1;
    }
    if (w->said_close) {
        /* It closes from both ends; a handler that is done answers. */
        if (code == RP_WS_NORMAL)
            code = w->code;
        rp_ws_close_write(&w->sink->out, code, reason);
        rp_wsock_finish(w, false);
        w->owes_close = true;
        return 0;
    }
    rp_ws_close_write(&w->sink->out, code, reason);
    w->state = CLOSING;
    w->since = rp_wsock_now(w);
    w->sink->ops->wake(w->sink);
    unpause(w);
    return 0;
}

void
rp_wsock_idle(struct rp_wsock *w)
{
    if (w->said_close && w->state == OPEN)
        rp_wsock_heed_close(w);
}

void
rp_wsock_detach(struct rp_wsock *w)
{
    w->ops = NULL;
    w->owes_close = false;
    if (w->state == OPEN)
        rp_wsock_close(w, RP_WS_INTERNAL_ERROR, RP_STR(""));
}

bool
rp_wsock_is_open(const struct rp_wsock *w)
{
    return w->state == OPEN;
}

bool
rp_wsock_is_full(const struct rp_wsock *w)
{
    return w->sink->over || rp_sink_queued(w->sink) >= RP_SINK_HIGH;
}
