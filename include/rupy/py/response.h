/* response.h -- the Response object from inside. */
#ifndef RUPY_PY_RESPONSE_H
#define RUPY_PY_RESPONSE_H

#include "rupy/py/headers.h"
#include "rupy/py/types.h"

struct response_object {
    PyObject_HEAD
    PyObject *weakrefs;
    PyObject *content;      /* bytes or an ASCII str, exactly; NULL: none */
    PyObject *content_type; /* str, a field value; NULL: none */
    struct headers_object *headers; /* NULL before the first is set */
    int status;
};

/* New reference to the type. */
PyTypeObject *rp_response_type_new(PyObject *module);

/* Its headers, made when there are none yet: borrowed, or NULL with an
 * exception. */
struct headers_object *rp_response_object_headers(struct response_object *r);

/* The methods set_cookie() and delete_cookie(). */
PyObject *rp_response_set_cookie(PyObject *self, PyObject *args,
                                 PyObject *kwargs);
PyObject *rp_response_delete_cookie(PyObject *self, PyObject *args,
                                    PyObject *kwargs);

#endif
