/* preload.h -- the Python half of a template process.
 *
 * Needs no Python.h of its callers. */
#ifndef RUPY_PY_PRELOAD_H
#define RUPY_PY_PRELOAD_H

#include "rupy/py/worker.h"

/* Import the application and what its workers will need beside it, and put
 * all objects where the garbage collector does not touch them, so that their
 * memory stays shared.  What does not survive a fork is warned of.
 * New reference, or NULL after a report in the log.  With the GIL held. */
struct _object *rp_py_preload(const struct rp_py_worker_config *c);
/* Wait until fd is readable, or for a signal; the GIL is given away
 * meanwhile. */
void rp_py_wait_readable(int fd);

#endif
