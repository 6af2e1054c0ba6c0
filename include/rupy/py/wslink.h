/* wslink.h -- a WebSocket as Python code has it, whatever its interface: from
 * the handshake to the end, with the messages that wait to be received.
 *
 *     CONNECTING --- accepted ---> OPEN --- we close ---> CLOSING --.
 *         |                          |                              v
 *         '--- refused, gone --------'--- closed, lost -----------> OVER
 *
 * It lies in an object, its owner, of whom the connection has a reference
 * while there is one. */
#ifndef RUPY_PY_WSLINK_H
#define RUPY_PY_WSLINK_H

#include "rupy/app/upgrade.h"
#include "rupy/py/await.h"

enum rp_wslink_stage {
    RP_WSLINK_CONNECTING,
    RP_WSLINK_OPEN,
    RP_WSLINK_CLOSING,
    RP_WSLINK_OVER,
};

struct rp_wslink_item {
    PyObject *message; /* str or bytes */
    size_t n;          /* its bytes on the wire, for rp_wsock_taken() */
};

struct rp_wslink {
    struct rp_py_state *st;
    struct rp_await_queue *queue; /* who waits to receive or to send; lent */
    PyObject *owner;              /* borrowed */
    /* handshake_timeout passed, and it is OVER: forget the exchange, which is
     * answered next. */
    void (*expired)(PyObject *owner);

    struct rp_exchange *x;           /* CONNECTING */
    struct rp_wsock_pending pending; /* CONNECTING */
    struct rp_wsock *w; /* OPEN, CLOSING: owner has a reference more */
    struct rp_ws_handshake handshake;
    enum rp_wslink_stage stage;
    uint16_t code;                /* OVER: why; CLOSING: what we said */
    PyObject *reason;             /* str; NULL: none was given */
    struct rp_wslink_item *items; /* a ring */
    uint32_t first, n, cap;
};

/* Take up the handshake *h of x; the other fields of l are set. */
void rp_wslink_init(struct rp_wslink *l, struct rp_exchange *x,
                    const struct rp_ws_handshake *h);
/* What the owner's traverse, clear and dealloc do for it. */
int rp_wslink_traverse(struct rp_wslink *l, visitproc visit, void *arg);
void rp_wslink_clear(struct rp_wslink *l);

/* CONNECTING to OPEN.  subprotocol: a str or None.  0; -1 with an exception,
 * and it still is CONNECTING. */
int rp_wslink_accept(struct rp_wslink *l, PyObject *subprotocol,
                     const struct rp_field *fields, unsigned nfields);
/* CONNECTING to OVER: x is answered otherwise, or gone. */
void rp_wslink_answered(struct rp_wslink *l);

/* The next message, new reference.  DONE with NULL: there is none any more,
 * and code and reason say why. */
enum rp_await_step rp_wslink_receive(struct rp_wslink *l, PyObject **message);
/* Send a str, bytes or what has a buffer.  ERROR without an exception: it is
 * not OPEN. */
enum rp_await_step rp_wslink_send(struct rp_wslink *l, PyObject *message,
                                  bool *sent);
/* OPEN to CLOSING; without effect in other stages.  code is checked; reason
 * may be NULL.  0, or -1 with a ValueError. */
int rp_wslink_close(struct rp_wslink *l, long code, PyObject *reason);
/* The application is done with it: what is OPEN is closed with code. */
void rp_wslink_end(struct rp_wslink *l, unsigned code);

#endif
