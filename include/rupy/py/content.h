/* content.h -- the content of a request on a route that streams. */
#ifndef RUPY_PY_CONTENT_H
#define RUPY_PY_CONTENT_H

#include "rupy/app/exchange.h"
#include "rupy/py/state.h"

/* New reference to the type. */
PyTypeObject *rp_content_type_new(PyObject *module);

/* The content of x, which is lent until rp_content_end().  New reference. */
PyObject *rp_content_new(struct rp_py_state *st, struct rp_exchange *x,
                         struct rp_loop *loop);
/* There is some, or its end: whoever waits goes on. */
void rp_content_wake(PyObject *content);
/* The exchange is over.  gone: the client went first. */
void rp_content_end(PyObject *content, bool gone);

#endif
