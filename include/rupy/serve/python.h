/* python.h -- the interpreter and the Python half of a worker, by the options.
 */
#ifndef RUPY_SERVE_PYTHON_H
#define RUPY_SERVE_PYTHON_H

#include "rupy/py/worker.h"
#include "rupy/serve/serve.h"

/* Start the interpreter, unless it runs.  0, or -1 with a line in error. */
int rp_python_start(const struct rp_config *c, const struct rp_door *door,
                    char *error, size_t n);
/* What of it all Python is told.  c and door are lent. */
void rp_python_config(struct rp_py_worker_config *p, const struct rp_config *c,
                      const struct rp_door *door);

#endif
