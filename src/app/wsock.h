/* wsock.h -- the WebSocket from inside, for wsock.c and wsocks.c. */
#ifndef RUPY_SRC_APP_WSOCK_H
#define RUPY_SRC_APP_WSOCK_H

#include "rupy/app/wsock.h"

enum rp_wsock_state { OPEN, CLOSING, CLOSED };

struct rp_wsock {
    struct rp_session session; /* first */
    struct rp_list all;        /* in rp_wsocks.all, until gone() */
    struct rp_wsocks *v;
    struct rp_sink *sink;
    const struct rp_wsock_ops *ops; /* NULL: told of the end, or detached */
    void *self;
    struct rp_ws_reader reader;
    struct rp_ws_deflate deflate;
    enum rp_wsock_state state;
    bool feeding;    /* feed() is on the stack */
    bool paused;     /* input is left until the handler has taken some */
    bool owes_close; /* close() is to be told */
    bool pong_owed;  /* when there is room: see on_ping() */
    bool ping_open;  /* no pong came since our last ping */
    bool said_close; /* the client, while messages waited: OPEN until they are
                      * answered; code and reason are of its close frame */
    uint16_t code;   /* why it is over */
    uint32_t nwaiting;
    size_t waiting; /* bytes of messages that were not taken */
    double since;   /* the deadline of the state runs from here */
    double pinged, heard, born;
    uint8_t npong, nreason;
    char pong[RP_WS_CONTROL_MAX];
    char reason[RP_WS_CLOSE_REASON_MAX];
};

static inline double
rp_wsock_now(const struct rp_wsock *w)
{
    return *w->v->now;
}

/* The client's close frame, which waited, counts now. */
void rp_wsock_heed_close(struct rp_wsock *w);
/* No more of this client.  linger: it may be sending still. */
void rp_wsock_finish(struct rp_wsock *w, bool linger);
/* Tell the handler of the end, unless it was told. */
void rp_wsock_tell_close(struct rp_wsock *w, unsigned code,
                         struct rp_str reason);
/* The same, if it is owed. */
void rp_wsock_tell_owed(struct rp_wsock *w);
/* Say why in a close frame, without waiting for an answer, and tell the
 * handler. */
void rp_wsock_fail(struct rp_wsock *w, unsigned code, const char *text);

#endif
