/* files.h -- FileResponse and StaticFiles: answers out of files, for Python. */
#ifndef RUPY_PY_FILES_H
#define RUPY_PY_FILES_H

#include "rupy/app/filehandler.h"
#include "rupy/py/types.h"

/* New references to the types; FileResponse is a Response. */
PyTypeObject *rp_file_response_type_new(PyObject *module,
                                        PyTypeObject *response_type);
PyTypeObject *rp_static_type_new(PyObject *module);

/* A FileResponse with what was found, whose reference is taken over.  New
 * reference, or NULL with an exception. */
PyObject *rp_file_response_new(struct rp_py_state *st,
                               const struct rp_file_found *found);
/* Answer with a FileResponse, whose view is v (and v->is_file); both are
 * lent. */
void rp_file_response_answer(struct rp_exchange *x, PyObject *response,
                             const struct rp_response_view *v);

/* What answers for a StaticFiles without asking Python; NULL: o is none. */
const struct rp_handler *rp_static_handler(struct rp_py_state *st, PyObject *o);

#endif
