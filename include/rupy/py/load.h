/* load.h -- the application, from its name; and why there is none. */
#ifndef RUPY_PY_LOAD_H
#define RUPY_PY_LOAD_H

#include "rupy/py/py.h"
#include "rupy/py/worker.h"

/* New reference to the application, or NULL after a report; no exception is
 * left.  may_report says whether the report may be printed. */
PyObject *rp_py_load(const struct rp_py_worker_config *c,
                     bool (*may_report)(void *arg), void *arg);
/* Log why it cannot be loaded: one line, or the traceback of what it raised
 * itself.  Takes the exception that is set. */
void rp_py_load_explain(bool (*may_report)(void *arg), void *arg);

#endif
