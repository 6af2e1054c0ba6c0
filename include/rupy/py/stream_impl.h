/* stream_impl.h -- an answer that comes in pieces, from inside: stream.c pulls
 * its source, stream_answer.c writes what was pulled. */
#ifndef RUPY_PY_STREAM_IMPL_H
#define RUPY_PY_STREAM_IMPL_H

#include "rupy/py/headers.h"
#include "rupy/py/native.h"

struct stream_object {
    PyObject_HEAD
    struct rp_native_route *route;
    struct rp_exchange *x; /* NULL: over, or the client is gone */
    PyObject *request;
    PyObject *source;
    PyObject *head;     /* Response with status and fields, or NULL */
    PyObject *encode;   /* makes str or bytes of a piece, or NULL */
    PyObject *trailers; /* pairs, or a callable that gives them, or NULL */
    PyObject *context;  /* of a generator, from its first piece on */
    PyObject *waiter;   /* future, while the client is slow */
    PyObject *timer;    /* TimerHandle of the next comment, or NULL */
    struct rp_task *task;
    struct rp_job job; /* the next piece is asked for in a thread */
    PyObject *piece;   /* what it gave, or NULL and ... */
    PyObject *exc;     /* ... what it raised; NULL: the end */
    double interval;   /* seconds of silence before a comment; 0: none */
    double wrote;      /* when the last piece was written */
    bool live;    /* events: the head goes at once, and a client that sends no
                    * more is gone */
    bool pulling; /* the job is under way, and holds a reference */
    bool is_async;
    bool queued; /* a pull is in the ready ring, and holds a reference */
    bool kept;   /* the exchange holds a reference */
};

/* What a StreamingResponse wants beyond status and fields.  0, or -1 with an
 * exception. */
int rp_stream_read_options(struct stream_object *s);
/* Send the head.  0, or -1 with an exception. */
int rp_stream_send_head(struct stream_object *s, bool is_text);
/* Send one piece, lent.  1: the client is slow; 0; -1 with an exception. */
int rp_stream_send_piece(struct stream_object *s, PyObject *piece);
/* The trailers that x gets, NULL without an exception for none.  New
 * reference. */
struct headers_object *rp_stream_trailers(struct stream_object *s,
                                          struct rp_exchange *x, int *bad);
/* A comment when nothing else was sent for s->interval, again and again.  0,
 * or -1 with an exception. */
int rp_stream_keep_alive(struct stream_object *s);
/* The stream is over: no more of them. */
void rp_stream_stop_timer(struct stream_object *s);
/* What the source raises when nobody listens any more: that we ended it is no
 * news, anything else is logged.  Takes the exception that is set, if any. */
void rp_stream_drop_exception(struct stream_object *s);

#endif
