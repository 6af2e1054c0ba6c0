/* proxy.h -- rupy._core.Proxy: other servers as a handler. */
#ifndef RUPY_PY_PROXY_H
#define RUPY_PY_PROXY_H

#include "rupy/app/proxy.h"
#include "rupy/py/types.h"

/* New reference to the type. */
PyTypeObject *rp_proxy_type_new(PyObject *module);

/* What answers for a Proxy without asking Python; NULL: o is none. */
const struct rp_handler *rp_proxy_handler_of(struct rp_py_state *st,
                                             PyObject *o);

#endif
