/* asgi.h -- requests for an ASGI 3 application. */
#ifndef RUPY_PY_ASGI_H
#define RUPY_PY_ASGI_H

#include "rupy/aio/drive.h"
#include "rupy/app/exchange.h"
#include "rupy/py/state.h"
#include "rupy/py/worker.h"

/* An object that answers by calling app, which is kept, on loop, which is
 * borrowed.  lifespan_state is the dict that lifespan start-up fills; every
 * scope gets a shallow copy.  c is lent.  New reference, or NULL with an
 * exception. */
PyObject *rp_asgi_new(struct rp_py_state *st, PyObject *app,
                      struct rp_loop *loop, const struct rp_py_worker_config *c,
                      PyObject *lifespan_state);
/* It is mounted: prefix, str, is the end of root_path, and the beginning of
 * what is left of the path in front of it.  0, or -1 with an exception. */
int rp_asgi_set_mount(PyObject *asgi, PyObject *prefix);
extern const struct rp_handler_ops rp_asgi_ops;
/* Good as long as the object lives. */
struct rp_handler rp_asgi_handler(PyObject *asgi);

/* Make its types.  0, or -1 with an exception. */
int rp_py_asgi_exec(PyObject *module, struct rp_py_state *st);

#endif
