/* native.h -- handlers of a rupy.Rupy app: functions called straight from C.
 */
#ifndef RUPY_PY_NATIVE_H
#define RUPY_PY_NATIVE_H

#include "rupy/aio/drive.h"
#include "rupy/py/pool.h"
#include "rupy/py/types.h"

struct rp_native_route;
struct threaded;

/* rupy._core.App, the base of Rupy: routes and the loop they are served on. */
struct rp_app_object {
    PyObject_HEAD
    struct rp_py_state *st;
    struct rp_router *router;
    struct rp_native_route **routes;
    unsigned nroutes;
    struct rp_loop *loop;  /* borrowed while it is served; else NULL */
    struct rp_pool *pool;  /* while it is served, if it needs one */
    bool debug;            /* tracebacks in answers */
    bool cancels;          /* handlers whose client is gone */
    PyObject *first_state; /* dict: what request.state begins with, or NULL */
};

struct rp_native_route {
    struct rp_route route;     /* first: what the router knows */
    struct rp_app_object *app; /* borrowed: it owns the route */
    PyObject *handler;
    PyObject *pattern;
    PyObject *kwnames;               /* tuple, or NULL */
    unsigned nargs;                  /* positional ones, the request included */
    unsigned nall;                   /* and those by keyword */
    bool threaded;                   /* runs in the pool */
    bool is_async;                   /* `async def`: may see the running loop */
    int8_t slots[RP_MAX_PARAMS + 1]; /* parameter's index; -1: the request */
    enum rp_converter conv[RP_MAX_PARAMS];
};

extern const struct rp_handler_ops rp_native_ops;

/* A call of a handler that is not over: it waits, or its answer streams.
 * Lives in the arena of its exchange. */
struct rp_call {
    struct rp_native_route *route;
    struct rp_exchange *x;
    PyObject *request;         /* owned */
    struct rp_task *task;      /* lent, while it waits */
    PyObject *context;         /* owned: that of task */
    PyObject *stream;          /* owned, while the answer streams */
    struct threaded *threaded; /* while a thread is at work */
};

/* Call the handler with this request, which is taken over. */
void rp_native_start_with(struct rp_native_route *route, struct rp_exchange *x,
                          PyObject *request);
/* Fill args with what the handler takes, in its order: new references.
 * Return 0; 1: a value cannot be converted (404); -1 with an exception. */
int rp_native_fill_args(struct rp_native_route *route, struct rp_exchange *x,
                        PyObject *request, PyObject **args);
/* Answer for such a failure.  Takes over request. */
void rp_native_refuse(struct rp_native_route *route, struct rp_exchange *x,
                      PyObject *request, int bad);
/* What the handler's call gave (stolen; NULL: the exception that is set):
 * await it, or answer with it.  Takes over request. */
void rp_native_result(struct rp_native_route *route, struct rp_exchange *x,
                      PyObject *request, PyObject *result);
/* The same for a handler that ran in context, stolen: a coroutine or a stream
 * that it gave begins with its variables. */
void rp_native_result_in(struct rp_native_route *route, struct rp_exchange *x,
                         PyObject *request, PyObject *result,
                         PyObject *context);

/* Call the handler in the pool.  Takes over request. */
void rp_threaded_start(struct rp_native_route *route, struct rp_exchange *x,
                       PyObject *request);
void rp_threaded_stop(struct threaded *t);

/* Answer x with what the handler returned (stolen), or, result being NULL,
 * with the exception that is set.  Ends the exchange, or makes it a stream.
 * Takes over request. */
void rp_native_finish(struct rp_native_route *route, struct rp_exchange *x,
                      PyObject *request, PyObject *result);
/* 500, or what an HTTPError says; the traceback goes to the log.  Takes the
 * exception that is set.  The exchange has ended when it returns. */
void rp_native_fail(struct rp_native_route *route, struct rp_exchange *x,
                    PyObject *request);

/* The answer comes from a generator: see stream.c.  head: a Response with
 * status and fields, or NULL.  Takes over request and source. */
void rp_stream_start(struct rp_native_route *route, struct rp_exchange *x,
                     PyObject *request, PyObject *source, PyObject *head);
/* The same with a Response that is a stream: 1, and both were taken; 0: it is
 * none; -1 with an exception. */
int rp_stream_start_response(struct rp_native_route *route,
                             struct rp_exchange *x, PyObject *request,
                             PyObject *response);
void rp_stream_stop(PyObject *stream);
/* Borrowed. */
PyObject *rp_stream_request(PyObject *stream);
void rp_stream_eof(PyObject *stream);
void rp_stream_drained(PyObject *stream);
bool rp_stream_is_source(struct rp_py_state *st, PyObject *o);

/* Set the result of the future in *waiter, if there is one, which then waits
 * no more. */
void rp_native_wake(PyObject **waiter);

extern PyType_Spec rp_stream_spec;

/* How many threads the pool must have, `threads` being what the option says:
 * with any, every handler that is not async runs in one. */
unsigned rp_app_object_threads(struct rp_app_object *app, unsigned threads);
/* Make what was registered matchable.  0, or -1 with an exception. */
int rp_app_object_compile(struct rp_app_object *app);
/* Make App and the stream type.  0, or -1 with an exception. */
int rp_py_native_exec(PyObject *module, struct rp_py_state *st);

#endif
