/* front.h -- what stands around the handlers of a native application: its
 * middleware, its error handlers, and the applications that are mounted.
 *
 * A place is a prefix of paths with one application behind it; the first one
 * is the application that is served, with the prefix "".  An application that
 * has neither middleware nor mounts has no fronts at all. */
#ifndef RUPY_PY_FRONT_H
#define RUPY_PY_FRONT_H

#include "rupy/py/native.h"
#include "rupy/py/worker.h"

struct rp_fronts;

/* What surrounds app on loop, and *root for the service; *out is NULL when it
 * is nothing.  Mounted applications are made ready to be served.  0, or -1
 * with an exception. */
int rp_fronts_new(struct rp_py_state *st, struct rp_app_object *app,
                  struct rp_loop *loop, const struct rp_py_worker_config *c,
                  struct rp_handler *root, struct rp_fronts **out);
void rp_fronts_free(struct rp_fronts *f);
/* As rp_app_object_threads(), for all mounted applications. */
unsigned rp_fronts_threads(struct rp_fronts *f, unsigned threads);
void rp_fronts_set_pool(struct rp_fronts *f, struct rp_pool *pool);

/* What a chain gave, if it is a Context: the handshake of a WebSocket that it
 * let through, and its handler begins in that.  Then takes over request and
 * context, and the exchange may have ended. */
bool rp_front_go_on(struct rp_exchange *x, PyObject *request,
                    PyObject *context);

/* Static methods of App for rupy/_middleware.py. */
PyObject *rp_front_status(PyObject *unused, PyObject *request);
PyObject *rp_front_begin(PyObject *unused, PyObject *request);
PyObject *rp_front_call(PyObject *unused, PyObject *const *args, Py_ssize_t n);
PyObject *rp_front_log(PyObject *unused, PyObject *text);
PyObject *rp_front_log_exception(PyObject *unused, PyObject *args);

/* ---- tapped.c ---- */

/* Start a handler with its answer going to an object: new reference to it, or
 * to a future that will give it; NULL with an exception.  *tapped is another,
 * for those below.  request, which is lent, is for native handlers. */
PyObject *rp_tapped_start(struct rp_py_state *st, struct rp_loop *loop,
                          struct rp_exchange *x, const struct rp_handler *h,
                          PyObject *request, PyObject **tapped);
/* Its handler's client is gone, or sends no more; there is content. */
void rp_tapped_stop(PyObject *tapped);
void rp_tapped_eof(PyObject *tapped);
void rp_tapped_content(PyObject *tapped);

extern PyType_Spec rp_tapped_spec;

#endif
