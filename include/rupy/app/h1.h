/* h1.h -- HTTP/1.1 on one connection, from inside: shared by the h1*.c. */
#ifndef RUPY_APP_H1_H
#define RUPY_APP_H1_H

#include "rupy/app/impl.h"
#include "rupy/http/content.h"

enum {
    RP_H1_SKIP_MAX = 64 * 1024, /* content that is read only to be dropped */
    RP_H1_AHEAD = 64 * 1024,    /* content read before a handler asks for it */
};

enum rp_h1_state {
    RP_H1_HEAD,
    RP_H1_CONTENT,
    RP_H1_BUSY,
    RP_H1_SKIP,
    RP_H1_UPGRADED, /* another session has the connection */
    RP_H1_CLOSED,
};

struct rp_h1 {
    struct rp_session session; /* first */
    struct rp_service *v;
    struct rp_sink *sink;
    const struct rp_peer *peer;
    struct rp_exchange *x;   /* CONTENT, BUSY */
    struct rp_session *next; /* UPGRADED; owned */
    struct rp_parser parser;
    struct rp_content body; /* of the request in work */
    enum rp_h1_state state;
    uint32_t nrequests;
    uint32_t skipped;
    bool feeding; /* feed() is on the stack */
};

void rp_h1_enter(struct rp_h1 *h, enum rp_h1_state to);
/* CLOSED, when everything that was written is sent. */
void rp_h1_close(struct rp_h1 *h, bool linger);
/* Start the handler: BUSY from here, or already further. */
void rp_h1_start(struct rp_h1 *h);
/* The exchange ends without an answer: its handler, if it was told of it, is
 * told to forget it. */
void rp_h1_forget(struct rp_h1 *h);

/* The server's own answer to what is no request, or none that can be
 * completed: one line, then CLOSED.  Ends the exchange, if there is one. */
void rp_h1_refuse(struct rp_h1 *h, int err);
/* An answer that no handler gives: 404, 405 and the like. */
void rp_h1_answer_status(struct rp_exchange *x, int status,
                         const struct rp_buf *allow);

/* Has all content of the request been seen (or is there none)? */
bool rp_h1_content_is_done(const struct rp_exchange *x);
/* Content comes: read it for a handler that wants it whole (CONTENT), for one
 * that takes it in pieces (BUSY), or for nobody (SKIP).  Return how much of p
 * was used; *more: call again with the rest, the state may be another now. */
/* Before a handler that takes pieces starts: what is there already.  Return how
 * much was used, or an enum rp_http_err. */
ssize_t rp_h1_feed_ahead(struct rp_h1 *h, const char *p, size_t n);
size_t rp_h1_feed_content(struct rp_h1 *h, const char *p, size_t n, bool *more);
size_t rp_h1_feed_pieces(struct rp_h1 *h, const char *p, size_t n, bool *more);
size_t rp_h1_feed_skip(struct rp_h1 *h, const char *p, size_t n, bool *more);
/* What exchange.c asks of the session, see impl.h. */
bool rp_h1_must_close(struct rp_exchange *x);
void rp_h1_want(struct rp_exchange *x);
void rp_h1_taken(struct rp_exchange *x);
enum rp_content_end rp_h1_content_end(const struct rp_exchange *x);

#endif
