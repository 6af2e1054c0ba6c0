/* multidict.h -- MultiDict: pairs in order, a name may stand more than once.
 */
#ifndef RUPY_PY_MULTIDICT_H
#define RUPY_PY_MULTIDICT_H

#include "rupy/py/state.h"

enum { RP_MULTIDICT_MAX = 1000 }; /* pairs of one query */

/* New reference to the type. */
PyTypeObject *rp_multidict_type_new(PyObject *module);

/* A new, empty one. */
PyObject *rp_multidict_new(struct rp_py_state *st);
/* 0, or -1 with an exception; steals name and value, even then.  NULL for
 * either is an exception that is set already. */
int rp_multidict_add(PyObject *multidict, PyObject *name, PyObject *value);
size_t rp_multidict_size(PyObject *multidict);

#endif
