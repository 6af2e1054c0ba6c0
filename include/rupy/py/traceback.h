/* traceback.h -- what Python code has to say in the log, exceptions above
 * all. */
#ifndef RUPY_PY_TRACEBACK_H
#define RUPY_PY_TRACEBACK_H

#include "rupy/py/py.h"

/* "Traceback (most recent call last): ...": new reference to a str, or NULL
 * without an exception. */
PyObject *rp_py_format_traceback(PyObject *exc);

/* A str into the server's log: its first line as an error, the others below.
 * None (new), or NULL with an exception. */
PyObject *rp_py_log_error(PyObject *text);
/* An exception that an application did not handle; line, a str, says where.
 * It goes to the Python logger rupy.error when the application configured
 * logging, and else, or when that fails, to the server's log.  NULL as line is
 * allowed; no exception is left. */
void rp_py_log_exception(PyObject *line, PyObject *exc);
/* core._set_exception_hook(hook, /): also call hook with every such exception;
 * None: do not. */
PyObject *rp_py_set_exception_hook(PyObject *module, PyObject *hook);

#endif
