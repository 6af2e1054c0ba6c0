/* exchange.h -- one request and its answer, from head to last byte.
 *
 * The session that parsed the request makes an exchange and owns it; a
 * handler holds a pointer to it until it ends it (rp_exchange_answer(), _end()
 * or _abort()) or is told stop().  After either, the pointer and every slice
 * read from it are gone. */
#ifndef RUPY_APP_EXCHANGE_H
#define RUPY_APP_EXCHANGE_H

#include <sys/types.h>

#include "rupy/base/arena.h"
#include "rupy/http/parser.h"
#include "rupy/route/router.h"

struct rp_exchange;
struct rp_peer;
struct rp_tls_facts;

struct rp_handler_ops {
    /* Answer now, or keep x and answer later.  Called once per request. */
    void (*start)(void *self, struct rp_exchange *x);
    /* The client is gone: forget x.  Never called after x was ended. */
    void (*stop)(void *self, struct rp_exchange *x);
    /* The client sends no more.  It may be gone, or wait for the answer
     * behind a half-closed connection: only a failed write tells.  NULL:
     * does not care. */
    void (*eof)(void *self, struct rp_exchange *x);
    /* After rp_exchange_want_content(): there is some, or its end. */
    void (*content)(void *self, struct rp_exchange *x);
    /* After rp_exchange_write() said 1: there is room again. */
    void (*drained)(void *self, struct rp_exchange *x);
    /* Of a service's root that stands beside a router: told of every request
     * when the router was asked.  path is what was matched, status 0 (there is
     * a handler) or what the answer would be, with the value of Allow.  It may
     * choose another handler, and returns the status, 0 when there is one.
     * NULL: what the router said holds. */
    int (*found)(void *self, struct rp_exchange *x, struct rp_str path,
                 int status, struct rp_buf *allow);
};

struct rp_handler {
    const struct rp_handler_ops *ops;
    void *self;
    /* start() comes at the end of the head, and content in pieces.  Else it
     * comes when all of the content is there. */
    bool streams;
    /* What answers handshakes of WebSockets instead; NULL: this one does. */
    const struct rp_handler *websocket;
    bool is_websocket; /* handshakes are all that it gets */
};

/* A route: what rp_router_add() is given. */
struct rp_route {
    struct rp_handler handler;
    struct rp_str pattern; /* as registered, for logs and metrics */
};

/* The request.  Slices are good until the exchange ends, but may move when
 * it is detached: read them anew after a suspension. */
const struct rp_request *rp_exchange_request(const struct rp_exchange *x);
const struct rp_match *rp_exchange_match(const struct rp_exchange *x);
/* The content: all of it, or, for a handler that streams, what has come and
 * was not taken.  Good until the next call that concerns content. */
struct rp_str rp_exchange_content(const struct rp_exchange *x);

/* For handlers that stream. */
enum rp_content_end {
    RP_CONTENT_COMES,    /* more will come */
    RP_CONTENT_COMPLETE, /* what is there is the rest */
    RP_CONTENT_CUT,      /* the client is gone: it will never be complete */
};
enum rp_content_end rp_exchange_content_end(const struct rp_exchange *x);
/* Drop n bytes from the front: they were used, more may come in. */
void rp_exchange_take_content(struct rp_exchange *x, size_t n);
/* There is none, and more will come: call content() when it has, or eof().
 * A client that waits for 100 (Continue) gets it. */
void rp_exchange_want_content(struct rp_exchange *x);
/* Its id, for logs; empty: there is none. */
struct rp_str rp_exchange_id(const struct rp_exchange *x);
/* A thread begins with it: what was before, it has waited for one. */
void rp_exchange_set_running(struct rp_exchange *x);
/* Whoever is connected to us. */
const struct rp_peer *rp_exchange_peer(const struct rp_exchange *x);
/* Who asks: the same, or with the host and port that trusted proxies tell;
 * host is "" when there is none, port 0 when it is not known.  The host that
 * was asked for is rp_request.host, through proxies as well. */
const struct rp_peer *rp_exchange_client(const struct rp_exchange *x);
/* "http" or "https", as the client sees it. */
struct rp_str rp_exchange_scheme(const struct rp_exchange *x);
/* Of our own connection, whoever is at its other end; NULL: it is plain. */
const struct rp_tls_facts *rp_exchange_tls(const struct rp_exchange *x);
/* What a proxy took off the front of the path: "/shop", mostly "". */
struct rp_str rp_exchange_prefix(const struct rp_exchange *x);
/* Memory that lives until the exchange ends; NULL when over its cap. */
struct rp_arena *rp_exchange_arena(struct rp_exchange *x);
/* A pointer of the handler's own, NULL at first. */
void rp_exchange_set_data(struct rp_exchange *x, void *data);
void *rp_exchange_data(const struct rp_exchange *x);

/* ---- Handlers that hand a request on ---- */

const struct rp_handler *rp_exchange_handler(const struct rp_exchange *x);
/* From now on this handler, lent, is told what concerns x. */
void rp_exchange_set_handler(struct rp_exchange *x, const struct rp_handler *h);
/* The same, for a request that has just come: a handshake has h->websocket. */
void rp_exchange_choose_handler(struct rp_exchange *x,
                                const struct rp_handler *h);
/* Ask a router, and have its handler, as for a request that has just come.
 * Return 0, or the status that answers instead, with the value of Allow. */
int rp_exchange_route(struct rp_exchange *x, struct rp_router *router,
                      struct rp_str path, struct rp_buf *allow);
/* An answer that no handler gives: 404, 405 and the like. */
void rp_exchange_answer_routing(struct rp_exchange *x, int status,
                                struct rp_str allow);
/* What a handler keeps for a request that it has handed on; over() is called
 * once, when the exchange is about to go, however it ended. */
struct rp_exchange_front {
    void (*over)(struct rp_exchange_front *f);
};
void rp_exchange_set_front(struct rp_exchange *x, struct rp_exchange_front *f);
struct rp_exchange_front *rp_exchange_front(const struct rp_exchange *x);

/* Who gets an answer that is not meant for the client. */
struct rp_tap_ops {
    /* As rp_exchange_head(); all was checked. */
    void (*head)(void *self, int status, const struct rp_field *fields,
                 unsigned nfields, struct rp_str content_type, int64_t length);
    /* Content, to be copied.  Return 1: rp_exchange_drain() will follow. */
    int (*write)(void *self, const void *p, size_t n);
    /* n bytes of fd from off; release(arg) is to be called once. */
    int (*file)(void *self, int fd, off_t off, size_t n,
                void (*release)(void *), void *arg);
    /* The answer has ended, broken off when failed; the last call. */
    void (*end)(void *self, bool failed);
};

/* An exchange with the request of x whose answer goes to a tap.  It lives as
 * long as x, and must not be used after ops->end().  h is told of it at once
 * (start), and then by rp_exchange_tell_*() of what x is told.  NULL: no
 * memory. */
struct rp_exchange *rp_exchange_tap(struct rp_exchange *x,
                                    const struct rp_handler *h,
                                    const struct rp_tap_ops *ops, void *self);
void rp_exchange_start_tapped(struct rp_exchange *sub);
void rp_exchange_tell_stop(struct rp_exchange *sub);
void rp_exchange_tell_eof(struct rp_exchange *sub);
void rp_exchange_tell_content(struct rp_exchange *sub);
/* The tap has room again. */
void rp_exchange_drain(struct rp_exchange *sub);

/* An answer that is known whole. */
struct rp_answer {
    int status;
    const struct rp_field *fields; /* may be NULL */
    unsigned nfields;
    bool clean; /* rp_response_check_field() said 0 for each of them */
    struct rp_str content_type; /* may be empty */
    struct rp_str content;
    /* Not NULL: content stays where it is until release(arg), which is called
     * exactly once, whatever happens.  NULL: it is copied. */
    void (*release)(void *arg);
    void *arg;
};

/* Send it and end the exchange.  Fields that belong to the server are left
 * out; one that may not go out makes it a 500. */
void rp_exchange_answer(struct rp_exchange *x, const struct rp_answer *a);
/* A plain text answer of the server's own: "404 Not Found\n". */
void rp_exchange_answer_status(struct rp_exchange *x, int status);
/* 503 with Retry-After: too much to do. */
void rp_exchange_answer_busy(struct rp_exchange *x);

/* Put this reason phrase, lent until the head is sent, into the status line.
 * Only few clients look at it (RFC 9112 4).  One that may not go out is left
 * out. */
void rp_exchange_set_reason(struct rp_exchange *x, struct rp_str reason);

/* Or in pieces.  length < 0: not known.  Return 0, or -1 when a field may not
 * go out, and then nothing was sent. */
int rp_exchange_head(struct rp_exchange *x, int status,
                     const struct rp_field *fields, unsigned nfields,
                     struct rp_str content_type, int64_t length);
/* Send n bytes of content, copied.  Return 0, or 1 when the client is slow:
 * it was taken, but wait for drained() before the next.  What goes beyond the
 * length that was given is cut off and logged. */
int rp_exchange_write(struct rp_exchange *x, const void *p, size_t n);
/* The same with n bytes of a file from off, sent by the kernel where it can;
 * fd stays open until release(arg), which is called exactly once. */
int rp_exchange_send_file(struct rp_exchange *x, int fd, off_t off, size_t n,
                          void (*release)(void *), void *arg);
/* The answer is complete.  Shorter than its length: the connection closes. */
void rp_exchange_end(struct rp_exchange *x);
/* The same, with trailers behind content that is chunked (RFC 9112 7.1.2);
 * else they are left out. */
void rp_exchange_end_trailers(struct rp_exchange *x,
                              const struct rp_field *fields, unsigned nfields);
/* 103 (Early Hints, RFC 8297), to a client that may get it, while there is no
 * head.  Return 0, or -1 when a field may not go out. */
int rp_exchange_early_hints(struct rp_exchange *x,
                            const struct rp_field *fields, unsigned nfields);
/* The handler failed: 500 if nothing was sent yet, else the connection is
 * closed so that the client notices.  Ends the exchange. */
void rp_exchange_abort(struct rp_exchange *x);
/* After the head: content goes nowhere (HEAD, 204, 205, 304), so there is no
 * need to make any. */
bool rp_exchange_is_mute(const struct rp_exchange *x);
/* Was rp_exchange_head() called? */
bool rp_exchange_has_head(const struct rp_exchange *x);
/* The worker is to stop. */
bool rp_exchange_is_retiring(const struct rp_exchange *x);
/* The client has said that it sends no more; ops->eof was called. */
bool rp_exchange_is_half_closed(const struct rp_exchange *x);
/* In stop(): not the client is gone, but the handler took too long, and the
 * client was told so: it should be cancelled. */
bool rp_exchange_is_overdue(const struct rp_exchange *x);
/* It cannot be: a thread is at work.  Counted; the service decides. */
void rp_exchange_is_stuck(struct rp_exchange *x);
/* Send at once what the client takes, for a handler that stays on the stack:
 * what is written else leaves when the loop's turn ends.  The client may be
 * found gone: stop() comes before it returns. */
void rp_exchange_flush(struct rp_exchange *x);
/* More than RP_SINK_HIGH wait to be sent; drained() will follow. */
bool rp_exchange_is_full(const struct rp_exchange *x);

#endif
