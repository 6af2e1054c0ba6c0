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
    bool is_file; /* a FileResponse, with a file */
};

/* New reference to the type. */
PyTypeObject *rp_response_type_new(PyObject *module);

/* Its headers, made when there are none yet: borrowed, or NULL with an
 * exception. */
struct headers_object *rp_response_object_headers(struct response_object *r);

/* As __init__, without content.  status may be NULL; headers and content_type
 * None.  0, or -1 with an exception. */
int rp_response_object_init(struct response_object *r, PyObject *status,
                            PyObject *headers, PyObject *content_type);
void rp_response_object_dealloc(PyObject *self);
/* The attribute body: new reference; 0, or -1 with an exception. */
PyObject *rp_response_object_body(PyObject *self);
int rp_response_object_set_body(PyObject *self, PyObject *value);

/* set_cookie() and delete_cookie(). */
extern PyMethodDef rp_response_methods[];

#endif
