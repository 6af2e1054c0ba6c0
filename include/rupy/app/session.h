/* session.h -- one protocol on one connection, without any I/O.
 *
 * The network feeds it and asks nothing else of it.  All calls come from the
 * loop's thread; none comes while another call into the same session is still
 * running. */
#ifndef RUPY_APP_SESSION_H
#define RUPY_APP_SESSION_H

#include "rupy/app/sink.h"

struct rp_session;

struct rp_session_ops {
    /* p..p+n: all input that was not used so far, oldest first, n > 0.
     * Return how many bytes were used.  What is left is kept and comes again
     * with more behind it, or after resume(). */
    size_t (*feed)(struct rp_session *s, const char *p, size_t n);
    /* May more be read for it?  false while a handler is at work and enough
     * is waiting already. */
    bool (*wants_input)(const struct rp_session *s);
    /* The client sends no more (half-close); it may still read.  Called once,
     * after all input was fed. */
    void (*eof)(struct rp_session *s);
    /* The queue fell from RP_SINK_HIGH to RP_SINK_LOW. */
    void (*drained)(struct rp_session *s);
    /* The deadline of what it waits for has passed.  It answers (408) and
     * closes, or only closes. */
    void (*timeout)(struct rp_session *s, enum rp_wait what);
    /* Not wanted for long any more (shutdown): close after the current
     * exchange, or at once when there is none. */
    void (*retire)(struct rp_session *s);
    /* The connection is gone.  Free everything; the last call. */
    void (*gone)(struct rp_session *s);
};

struct rp_session {
    const struct rp_session_ops *ops;
};

#endif
