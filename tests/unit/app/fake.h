/* fake.h -- a connection without a socket, and handlers that answer from C. */
#ifndef RUPY_TESTS_FAKE_H
#define RUPY_TESTS_FAKE_H

#include "rupy/app/service.h"

struct fake {
    struct rp_sink sink; /* first */
    struct rp_service service;
    struct rp_session *session;
    struct rp_buf in;  /* fed and not used yet */
    struct rp_buf out; /* what went out, in order */
    bool closed, lingers, aborted, resumed;
    enum rp_wait wait;
    struct rp_exchange *held; /* by the handler "hold" */
    unsigned started, stopped, eofs, drained, pieces;
    bool deaf;         /* /pieces does not ask for content */
    struct rp_buf got; /* by /pieces */
};

/* A service with these routes on its router:
 *   GET  /       "hello"
 *   POST /echo   the content
 *   GET  /u/<x>  the parameter
 *   GET  /hold   does not answer: see fake.held
 *   GET  /stream "one", "two" in pieces, length not known
 *   POST /pieces takes its content in pieces, and answers with all of it when
 *                it ends, "cut" when it is cut; nothing while fake.deaf
 *   GET  /short  promises 10 bytes, sends 5
 *   GET  /long   promises 2 bytes, sends 5
 *   GET  /split  sets a header with a line feed in it */
void fake_init(struct fake *f);
void fake_fini(struct fake *f);
/* Give it a new connection; the old one is gone. */
void fake_connect(struct fake *f);
/* Bytes come, as the network would bring them: what is not used comes again
 * with the next, and after resume(). */
void fake_feed(struct fake *f, const char *p, size_t n);
void fake_eof(struct fake *f);

#endif
