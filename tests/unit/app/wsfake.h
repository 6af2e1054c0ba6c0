/* wsfake.h -- a WebSocket on a connection without a socket. */
#ifndef RUPY_TESTS_WSFAKE_H
#define RUPY_TESTS_WSFAKE_H

#include <check.h>

#include "fake.h"
#include "rupy/app/wsock.h"
#include "wsclient.h"

#define S(lit) lit, sizeof(lit) - 1

enum { CONT = 0, TEXT = 1, BIN = 2, CLOSE = 8, PING = 9, PONG = 10 };

/* A connection with a WebSocket on it, and a handler that echoes. */
struct wsfake {
    struct fake f; /* first: its session is the WebSocket's */
    struct rp_wsocks all;
    struct rp_wsock *w;
    struct rp_buf told; /* T(text) B(binary) C1000(reason) D */
    bool holds;         /* takes messages, and does not say so */
    bool quiet;         /* does not echo */
    int close_on_message;
    size_t got; /* bytes of the last message */
};

extern const struct rp_wsock_ops wsfake_handler;

/* The clock stands at 1000; one WebSocket is open. */
void wsfake_init(struct wsfake *s);
void wsfake_fini(struct wsfake *s);
/* Open the next WebSocket on it; the old connection is gone. */
void wsfake_connect(struct wsfake *s, const struct rp_ws_handshake *h);
/* The connection is gone. */
void wsfake_gone(struct wsfake *s);
/* A frame of the client. */
void wsfake_feed(struct wsfake *s, unsigned first, const char *p, size_t n);
/* So many seconds pass. */
void wsfake_tick(struct wsfake *s, double seconds);
/* Forget what went out, having seen that it was this. */
void wsfake_sent(struct wsfake *s, const char *p, size_t n);
/* The same of what the handler was told. */
void wsfake_told(struct wsfake *s, const char *want);

#endif
