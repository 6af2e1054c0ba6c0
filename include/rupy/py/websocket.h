/* websocket.h -- rupy.WebSocket from inside, and the routes that take it. */
#ifndef RUPY_PY_WEBSOCKET_H
#define RUPY_PY_WEBSOCKET_H

#include "rupy/py/native.h"
#include "rupy/py/wslink.h"

struct websocket_object {
    PyObject_HEAD
    PyObject *weakrefs;
    struct rp_native_route *route; /* borrowed: request has its app */
    PyObject *request;             /* what the handshake had */
    struct rp_task *task;          /* lent, while the handler waits */
    struct rp_await_queue queue;
    struct rp_wslink link;
};

/* What answers on a route of WebSockets; self: struct rp_native_route. */
extern const struct rp_handler_ops rp_websocket_ops;
/* Start it with this request, which is taken over. */
void rp_websocket_start_with(struct rp_native_route *route,
                             struct rp_exchange *x, PyObject *request);

/* Its methods and attributes. */
extern PyMethodDef rp_websocket_methods[];
extern PyGetSetDef rp_websocket_getset[];
PyObject *rp_websocket_next(PyObject *self);

/* Raise WebSocketDisconnect with how it ended. */
void rp_websocket_raise_disconnect(struct websocket_object *ws);

/* Make the type.  0, or -1 with an exception. */
int rp_py_websocket_exec(PyObject *module, struct rp_py_state *st);

#endif
