/* impl.h -- the exchange from inside, for h1.c, exchange.c and dispatch.c. */
#ifndef RUPY_APP_IMPL_H
#define RUPY_APP_IMPL_H

#include "rupy/app/service.h"
#include "rupy/base/list.h"

/* What an exchange asks of the session that it belongs to. */
struct rp_exchange_ops {
    /* The answer is complete; x is still whole. */
    void (*on_end)(struct rp_exchange *x);
    /* Another protocol has the connection from here; x is still whole. */
    void (*upgrade)(struct rp_exchange *x, struct rp_session *next);
    /* So much of the content was not read that the connection cannot go on
     * after the answer. */
    bool (*must_close)(struct rp_exchange *x);
    /* The handler waits for content; it took some. */
    void (*want)(struct rp_exchange *x);
    void (*taken)(struct rp_exchange *x);
    enum rp_content_end (*content_end)(const struct rp_exchange *x);
};

struct rp_exchange {
    struct rp_service *v;
    struct rp_sink *sink;
    const struct rp_peer *peer;
    const struct rp_via *via; /* what trusted proxies said; NULL: nothing */
    const struct rp_exchange_ops *ops;
    void *session;

    struct rp_request request;
    struct rp_field *fields; /* room for limits.request_fields */
    struct rp_match match;
    const struct rp_handler *handler; /* NULL until it was found */
    void *data;                       /* the handler's */
    struct rp_exchange_front *front;  /* NULL: none */
    struct rp_exchange *root;         /* whose request it is: itself, mostly */
    const struct rp_tap_ops *tap;     /* who gets the answer; NULL: the sink */
    void *tap_self;
    struct rp_str content; /* borrowed, or in content_buf */
    struct rp_buf content_buf;
    struct rp_arena arena;

    double began;
    int status;           /* 0: no head was sent */
    struct rp_str reason; /* empty: the usual one */
    enum rp_framing framing;
    int64_t left;      /* of a promised length; -1: none promised */
    uint64_t sent;     /* bytes of content */
    uint64_t received; /* bytes of the request, head and content */
    double told, ran;  /* when the handler was told, when a thread took it;
                        * 0: not, or service.timed is off */
    double first;      /* seconds from began to the answer's head; -1 */
    struct rp_str id, trace, span; /* in the arena; empty: none */
    const struct rp_str *logged;   /* of rp_access_capture() */
    bool close;                    /* the connection closes after this */
    bool failed;                   /* the answer cannot be completed */
    bool started;                  /* the handler was told */
    bool active;                   /* counted as such */
    bool owes_100;                 /* the client waits for 100 (Continue) */
    bool wants;                    /* the handler waits for content */
    bool eof;                      /* the client sends no more */
    bool overdue;                  /* the handler took too long */
    bool full;                     /* the tap has enough for now */
    bool borrows;                  /* slices point into the read buffer */
    struct rp_exchange *next_free;
};

/* From the pool; NULL: out of memory. */
struct rp_exchange *rp_exchange_new(struct rp_service *v);
/* Back to the pool; whatever it holds is given up. */
void rp_exchange_free(struct rp_exchange *x);
void rp_exchange_pool_free(struct rp_exchange_pool *pool);
/* The read buffer is about to be used again: copy what points into
 * head..head+n, and the content.  Return 0, or -1 (no memory). */
int rp_exchange_detach(struct rp_exchange *x, const char *head, size_t n);
/* Some field is of the kind that proxies write (rp_request.has_forwarded):
 * learn from a trusted peer's who the client is, take others out.  0, or -1
 * (no memory). */
int rp_exchange_forward(struct rp_exchange *x);
/* Fill id, trace and span as the service wants them.  0, or -1 (no memory). */
int rp_exchange_identify(struct rp_exchange *x);
void rp_ids_init(struct rp_ids *ids);
/* A valid traceparent: its two ids.  Else false. */
bool rp_trace_parse(struct rp_str s, struct rp_str *trace, struct rp_str *span);
/* "X-Request-ID: ...\r\n" in out, of RP_ID_LINE_MAX bytes, unless the
 * application's fields have one; else empty. */
enum { RP_ID_LINE_MAX = 160 };
struct rp_str rp_exchange_id_line(const struct rp_exchange *x,
                                  const struct rp_field *fields,
                                  unsigned nfields, char *out);
/* The answer is out, and service.accounts: the access line, a line when it
 * was slow, and whoever else wants to know. */
void rp_exchange_account(const struct rp_exchange *x, int status,
                         uint64_t bytes);
/* The same for a request that had no exchange. */
void rp_service_account(const struct rp_service *v,
                        const struct rp_access_record *r);
bool rp_peer_is_trusted(const struct rp_trust *t, const struct rp_peer *peer);
/* Is the host one of service.hosts? */
bool rp_exchange_is_for_us(const struct rp_exchange *x);
/* The name of some field has an underscore. */
bool rp_exchange_has_underscore(const struct rp_exchange *x);
/* Find the handler.  Return 0, or the status that answers instead; then the
 * value of Allow is in *allow for 405 and for 204 (OPTIONS). */
int rp_dispatch(struct rp_exchange *x, struct rp_buf *allow);
/* rp_exchange_answer_status() with fields. */
void rp_exchange_answer_plain(struct rp_exchange *x, int status,
                              const struct rp_field *fields, unsigned nfields);
/* Tell the handler to start.  When it returns x may be gone. */
void rp_exchange_start(struct rp_exchange *x);

#endif
