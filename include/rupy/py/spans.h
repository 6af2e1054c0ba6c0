/* spans.h -- --opentelemetry: the way to rupy/_otel.py. */
#ifndef RUPY_PY_SPANS_H
#define RUPY_PY_SPANS_H

#include "rupy/py/py.h"
#include "rupy/py/worker.h"

/* New: what is to be served in place of app, or NULL after a report.  Steals
 * app. */
PyObject *rp_py_add_spans(const struct rp_py_worker_config *c, PyObject *app,
                          const struct rp_py_worker_ops *ops, void *arg);
/* What has not been sent yet is sent, with a limit.  An exception that is set
 * stays. */
void rp_py_send_spans(const struct rp_py_worker_ops *ops, void *arg);

#endif
