/* traceback.h -- what an exception looks like in the log. */
#ifndef RUPY_PY_TRACEBACK_H
#define RUPY_PY_TRACEBACK_H

#include "rupy/py/py.h"

/* "Traceback (most recent call last): ...": new reference to a str, or NULL
 * without an exception. */
PyObject *rp_py_format_traceback(PyObject *exc);

#endif
