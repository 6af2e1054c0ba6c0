/* front_impl.h -- fronts from inside: shared by front.c, chain.c and
 * places.c. */
#ifndef RUPY_PY_FRONT_IMPL_H
#define RUPY_PY_FRONT_IMPL_H

#include "rupy/py/front.h"

struct rp_place {
    struct rp_fronts *fronts;
    struct rp_str prefix; /* in prefix_object; "" or "/x" */
    PyObject *prefix_object;
    struct rp_app_object *app;    /* whose routes, or who mounted it */
    PyObject *server;             /* what answers for an ASGI or WSGI app */
    struct rp_handler handler;    /* the same; ops NULL: the app's routes */
    PyObject *befores;            /* tuple of functions, or NULL */
    PyObject *run;                /* coroutine function of the chain, or NULL */
    struct rp_native_route route; /* whose handler that is */
    struct rp_handler front[2];   /* [1]: for handlers that stream */
};

struct rp_fronts {
    struct rp_loop *loop;
    unsigned n;
    struct rp_place v[]; /* the served app first, then the longest prefix */
};

/* A request on its way; in the arena of its exchange. */
struct rp_front {
    struct rp_exchange_front base; /* first */
    struct rp_place *place;
    const struct rp_handler *inner; /* NULL: status answers */
    int status;
    struct rp_str allow;
    PyObject *tapped; /* owned: the answer of inner, if it is one */
    bool begun;
};

extern const struct rp_handler_ops rp_front_ops;

static inline struct rp_front *
rp_front_of(struct rp_exchange *x)
{
    return (struct rp_front *)rp_exchange_front(x);
}

#endif
