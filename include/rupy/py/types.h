/* types.h -- Request, Response, Headers and MultiDict, seen from C. */
#ifndef RUPY_PY_TYPES_H
#define RUPY_PY_TYPES_H

#include "rupy/app/exchange.h"
#include "rupy/py/state.h"

/* Make the types and add them to the module.  0, or -1 with an exception. */
int rp_py_types_exec(PyObject *module, struct rp_py_state *st);

/* New reference.  app is kept, x is lent until rp_request_object_end(). */
PyObject *rp_request_object_new(struct rp_py_state *st, struct rp_exchange *x,
                                PyObject *app);
/* The exchange is about to end: whoever keeps the object finds in it what the
 * request had.  Costs nothing when nobody else holds a reference.  Steals
 * request. */
void rp_request_object_end(PyObject *request);
/* From now on it has what the request had in memory of its own, and does not
 * look at the exchange any more: another thread will use it. */
void rp_request_object_leave(PyObject *request);
/* The route streams: content is read from x, which belongs to loop, until
 * the end.  Done once for a request.  0, or -1 with an exception. */
int rp_request_object_open_content(PyObject *request, struct rp_exchange *x,
                                   struct rp_loop *loop);
/* Content came, or its end: whoever waits for it goes on. */
void rp_request_object_wake(PyObject *request);
/* The client is gone: is_disconnected() is true from now on. */
void rp_request_object_set_disconnected(PyObject *request);
/* Keep dict ({name: value}, converted) as path_params: new reference to it.
 * With dict NULL it is made from the match; NULL without an exception is then
 * a value that its converter cannot take (404).  Who never calls this finds
 * path_params made at its first use. */
PyObject *rp_request_object_set_params(PyObject *request, PyObject *dict);
/* One parameter of a match: new reference.  NULL without an exception: its
 * converter cannot take it (404). */
PyObject *rp_param_convert(struct rp_py_state *st, enum rp_converter conv,
                           struct rp_str raw);

/* What a Response holds, lent as long as the Response is not touched. */
struct rp_response_view {
    int status;
    struct rp_field *fields; /* in memory of the Response */
    unsigned nfields;
    struct rp_str content_type; /* empty: none */
    struct rp_str content;
    PyObject *content_owner; /* borrowed: the bytes or str that content lies
                              * in, which never changes; NULL: no content */
    bool is_file; /* the content is a file: rp_file_response_answer() */
};

bool rp_is_response_object(struct rp_py_state *st, PyObject *o);
/* 0, or -1 with an exception. */
int rp_response_object_view(PyObject *response, struct rp_response_view *v);
/* Response(content, status, headers) as if called from Python: new reference.
 * headers may be NULL. */
PyObject *rp_response_object_new(struct rp_py_state *st, PyObject *content,
                                 int status, PyObject *headers);

/* What `dict` and `list` are sent as.  New reference to bytes, or NULL. */
PyObject *rp_json_encode(struct rp_py_state *st, PyObject *o);

#endif
