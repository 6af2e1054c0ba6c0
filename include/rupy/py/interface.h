/* interface.h -- an application being served, whatever it speaks. */
#ifndef RUPY_PY_INTERFACE_H
#define RUPY_PY_INTERFACE_H

#include "rupy/py/native.h"
#include "rupy/py/worker.h"

struct rp_fronts;

enum rp_py_kind { RP_PY_RUPY, RP_PY_ASGI, RP_PY_WSGI };

struct rp_interface {
    enum rp_py_kind kind;
    PyObject *app;            /* owned */
    PyObject *server;         /* owned: what answers for an ASGI or WSGI app */
    struct rp_fronts *fronts; /* owned; NULL: none */
    struct rp_loop *loop;
    struct rp_pool *pool;
    const struct rp_py_worker_config *config;
};

/* What app speaks, config->interface being what was asked for; -1 with an
 * exception: nothing that can be served. */
int rp_interface_detect(PyObject *app, const char *wanted);
const char *rp_interface_name(enum rp_py_kind kind);
/* The Python module whose run(worker) is the life of such a worker. */
const char *rp_interface_runner(enum rp_py_kind kind);

/* Serve app on loop: requests go through *router, and what *root has beside
 * it, or, when that is NULL, to *root.  state is the dict of the lifespan.  0, or -1 with an exception. */
int rp_interface_open(struct rp_interface *i, struct rp_py_state *st,
                      enum rp_py_kind kind, PyObject *app, struct rp_loop *loop,
                      const struct rp_py_worker_config *config, PyObject *state,
                      struct rp_router **router, struct rp_handler *root);
/* The application is up: threads are made, in copies of the context that is
 * current now.  0, or -1 with an exception. */
int rp_interface_start(struct rp_interface *i);
/* No request is left. */
void rp_interface_close(struct rp_interface *i);

#endif
