/* door.h -- what the module needs to be put together. */
#ifndef RUPY_PY_DOOR_H
#define RUPY_PY_DOOR_H

#include "rupy/py/native.h"

/* Make Worker.  0, or -1 with an exception. */
int rp_py_worker_exec(PyObject *module, struct rp_py_state *st);
/* This thread may fork and handle signals. */
bool rp_py_is_main_thread(void);

#endif
