/* wsgi.h -- requests for a WSGI application (PEP 3333). */
#ifndef RUPY_PY_WSGI_H
#define RUPY_PY_WSGI_H

#include "rupy/app/exchange.h"
#include "rupy/py/pool.h"
#include "rupy/py/state.h"
#include "rupy/py/worker.h"

/* An object that answers by calling app, which is kept.  Calls run on the
 * loop's thread until a pool is set.  loop is borrowed, c is lent.  New
 * reference, or NULL with an exception. */
PyObject *rp_wsgi_new(struct rp_py_state *st, PyObject *app,
                      struct rp_loop *loop,
                      const struct rp_py_worker_config *c);
/* From now on calls run there; lent, NULL: none any more. */
void rp_wsgi_set_pool(PyObject *wsgi, struct rp_pool *pool);
/* It is mounted below prefix, a str such as "/shop": that is the end of
 * SCRIPT_NAME, and PATH_INFO what follows.  0, or -1 with an exception. */
int rp_wsgi_set_mount(PyObject *wsgi, PyObject *prefix);
/* Good as long as the object lives. */
struct rp_handler rp_wsgi_handler(PyObject *wsgi);

/* Make its types.  0, or -1 with an exception. */
int rp_py_wsgi_exec(PyObject *module, struct rp_py_state *st);

#endif
