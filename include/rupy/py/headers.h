/* headers.h -- Headers and MutableHeaders: field lines as Python sees them.
 *
 * Both keep their lines as rp_field slices that point into str objects of one
 * byte a character, so that an answer's lines go out without a copy.  The
 * Headers of a request own nothing at first: they read the lines of the
 * request until it goes or they are detached. */
#ifndef RUPY_PY_HEADERS_H
#define RUPY_PY_HEADERS_H

#include "rupy/http/headers.h"
#include "rupy/py/state.h"

struct request_object;

struct headers_object {
    PyObject_HEAD
    /* Borrowed; the request detaches before it goes.  NULL: own lines. */
    struct request_object *request;
    struct rp_field *fields; /* slices into owners */
    PyObject **owners;       /* behind fields: name and value of each */
    size_t n, cap;
};

/* New references to the types; MutableHeaders is a Headers. */
PyTypeObject *rp_headers_type_new(PyObject *module);
PyTypeObject *rp_mutable_headers_type_new(PyObject *module,
                                          PyTypeObject *headers_type);

/* Headers over the lines of a request, which is lent until
 * rp_headers_object_detach().  New reference. */
PyObject *rp_headers_object_new(struct rp_py_state *st,
                                struct request_object *request);
/* The request goes: copy its lines.  When there is no memory for that, the
 * headers are empty from now on and the error is reported as unraisable. */
void rp_headers_object_detach(PyObject *headers);

/* A new, empty MutableHeaders.  New reference. */
struct headers_object *rp_mutable_headers_new(struct rp_py_state *st);
/* The lines, lent until the headers change. */
const struct rp_field *rp_headers_object_fields(const struct headers_object *h,
                                                size_t *n);
/* 0, or -1 with an exception: TypeError, ValueError, MemoryError. */
int rp_headers_object_add(struct headers_object *h, PyObject *name,
                          PyObject *value);
/* Replace all lines of that name by this one, in the place of the first. */
int rp_headers_object_set(struct headers_object *h, PyObject *name,
                          PyObject *value);
/* A mapping, other headers, or an iterable of pairs: every line is added. */
int rp_headers_object_extend(struct headers_object *h, PyObject *from);
/* Take out all lines of that name.  Return how many there were. */
size_t rp_headers_object_del(struct headers_object *h, struct rp_str name);

/* A str as a slice, as long as it lives.  False: not a str, or one with
 * characters beyond U+00FF. */
bool rp_latin1_of_str(PyObject *str, struct rp_str *out);
/* New reference. */
PyObject *rp_str_of_latin1(struct rp_str s);
/* The same for a field name; names that come again and again are one object. */
PyObject *rp_str_of_field_name(struct rp_py_state *st, struct rp_str s);

/* New references; i is below the number of lines. */
PyObject *rp_headers_object_name(struct rp_py_state *st,
                                 const struct headers_object *h, size_t i);
PyObject *rp_headers_object_value(const struct headers_object *h, size_t i);
/* Give up all own lines. */
void rp_headers_object_clear(struct headers_object *h);
/* The first line of that name, or -1. */
ptrdiff_t rp_headers_object_find(const struct headers_object *h,
                                 struct rp_str name);

#endif
