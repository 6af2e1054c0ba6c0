/* wsgi_start.c -- start_response(), and the write() that it gives (PEP 3333,
 * "The start_response() Callable").
 *
 * Both are the call itself: with one argument it is write(), with two or three
 * start_response().  So no object is made that hardly any application uses. */
#include "rupy/py/wsgi_impl.h"

/* ---- start_response ---- */

/* Raise what exc_info has, without keeping it: it holds the frame that holds
 * us. */
static PyObject *
raise_again(PyObject *exc_info)
{
    PyObject *value = PyTuple_GET_ITEM(exc_info, 1);
    PyObject *traceback = PyTuple_GET_ITEM(exc_info, 2);

    if (!PyExceptionInstance_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "exc_info has no exception");
        return NULL;
    }
    if (traceback != Py_None && PyException_SetTraceback(value, traceback) < 0)
        return NULL;
    PyErr_SetObject((PyObject *)Py_TYPE(value), value);
    return NULL;
}

static PyObject *
start_response(struct rp_wsgi_call *call, PyObject *status, PyObject *headers,
               PyObject *exc_info)
{
    int code;
    int64_t length;

    if (exc_info == Py_None)
        exc_info = NULL;
    if (exc_info &&
        (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3)) {
        PyErr_SetString(PyExc_TypeError,
                        "exc_info is what sys.exc_info() gives");
        return NULL;
    }
    if (!exc_info && call->stage != RP_WSGI_START) {
        PyErr_SetString(PyExc_AssertionError,
                        call->stage == RP_WSGI_OVER
                            ? "start_response() after the response"
                            : "start_response() was called already");
        return NULL;
    }
    if (exc_info && call->stage >= RP_WSGI_BODY)
        return raise_again(exc_info);
    if (rp_wsgi_fields_check(status, headers, &code, &length) < 0)
        return NULL;
    Py_XSETREF(call->status, Py_NewRef(status));
    Py_XSETREF(call->headers, Py_NewRef(headers));
    call->code = code;
    call->length = length;
    call->stage = RP_WSGI_HEAD;
    return Py_NewRef((PyObject *)call);
}

/* ---- write ---- */

static PyObject *
write_data(struct rp_wsgi_call *call, PyObject *data)
{
    struct rp_str s;

    if (!PyBytes_Check(data)) {
        PyErr_Format(PyExc_TypeError, "write() takes bytes, not %s",
                     Py_TYPE(data)->tp_name);
        return NULL;
    }
    if (call->gone) {
        PyErr_SetString(PyExc_ConnectionResetError, "the client is gone");
        return NULL;
    }
    if (call->stage == RP_WSGI_START || call->stage == RP_WSGI_OVER) {
        PyErr_SetString(PyExc_AssertionError,
                        call->stage == RP_WSGI_START
                            ? "write() before start_response()"
                            : "write() after the response");
        return NULL;
    }
    s.p = PyBytes_AS_STRING(data);
    s.n = (size_t)PyBytes_GET_SIZE(data);
    if (s.n > 0 && rp_wsgi_send_now(call, data, s) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
call_call(PyObject *self, PyObject *const *args, size_t nargsf,
          PyObject *kwnames)
{
    struct rp_wsgi_call *call = (struct rp_wsgi_call *)self;
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    bool named = n == 2 && kwnames && PyTuple_GET_SIZE(kwnames) == 1 &&
                 PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0),
                                                  "exc_info") == 0;

    if (kwnames && PyTuple_GET_SIZE(kwnames) > 0 && !named) {
        PyErr_SetString(PyExc_TypeError,
                        "start_response() takes its arguments by position");
        return NULL;
    }
    switch (n) {
    case 1:
        return write_data(call, args[0]);
    case 2:
        return start_response(call, args[0], args[1], named ? args[2] : NULL);
    case 3:
        return start_response(call, args[0], args[1], args[2]);
    }
    PyErr_Format(PyExc_TypeError,
                 "start_response(status, headers, exc_info=None) was given "
                 "%zd arguments",
                 n);
    return NULL;
}

/* ---- wsgi.early_hints ---- */

/* Takes what start_response() takes as headers; only Link means something in
 * front of an answer (RFC 8297 2). */
static PyObject *
early_hints(PyObject *self, PyObject *headers)
{
    struct rp_wsgi_call *call = (struct rp_wsgi_call *)self;
    struct rp_field f[RP_WSGI_HINTS];
    unsigned n;
    int64_t length;

    if (!PyList_Check(headers)) {
        PyErr_SetString(PyExc_TypeError,
                        "early hints are a list of (name, value)");
        return NULL;
    }
    if (rp_wsgi_fields_get(headers, f, RP_WSGI_HINTS, &n, &length) < 0)
        return NULL;
    for (unsigned i = 0; i < n; i++)
        if (f[i].name.n == 4 && rp_str_ieq(f[i].name, RP_STR("link")) &&
            call->stage < RP_WSGI_BODY && call->x &&
            rp_wsgi_send_hint(call, f[i].value) < 0)
            return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef hints_def = {
    "early_hints", early_hints, METH_O,
    PyDoc_STR("Send 103 (Early Hints) with these Link headers.")};

PyObject *
rp_wsgi_hints_new(struct rp_wsgi_call *call)
{
    return PyCFunction_New(&hints_def, (PyObject *)call);
}

/* ---- The type ---- */

struct rp_wsgi_call *
rp_wsgi_call_new(struct rp_wsgi_object *w, struct rp_exchange *x)
{
    struct rp_wsgi_call *call =
        w->ncalls > 0 ? w->calls[--w->ncalls] : PyObject_Malloc(sizeof(*call));

    if (!call) {
        PyErr_NoMemory();
        return NULL;
    }
    memset(call, 0, sizeof(*call));
    PyObject_Init((PyObject *)call, w->st->wsgi_call_type);
    call->call_fn = call_call;
    call->wsgi = (struct rp_wsgi_object *)Py_NewRef((PyObject *)w);
    call->x = x;
    call->length = -1;
    call->spool = -1;
    call->is_head = rp_exchange_request(x)->method == RP_METHOD_HEAD;
    rp_wsgi_body_init(&call->body);
    return call;
}

static void
call_dealloc(PyObject *self)
{
    struct rp_wsgi_call *call = (struct rp_wsgi_call *)self;
    struct rp_wsgi_object *w = call->wsgi;
    PyTypeObject *tp = Py_TYPE(self);

    Py_CLEAR(call->environ);
    Py_CLEAR(call->method);
    Py_CLEAR(call->path);
    Py_CLEAR(call->status);
    Py_CLEAR(call->headers);
    Py_CLEAR(call->result);
    Py_CLEAR(call->iter);
    Py_CLEAR(call->context);
    rp_wsgi_body_fini(&call->body);
    if (w->ncalls < RP_WSGI_FREE)
        w->calls[w->ncalls++] = call;
    else
        PyObject_Free(call);
    Py_DECREF(w);
    Py_DECREF(tp);
}

static PyMemberDef call_members[] = {
    {"__vectorcalloffset__", RP_PY_SSIZE,
     offsetof(struct rp_wsgi_call, call_fn), RP_PY_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, call_members},
    {0, NULL},
};

/* Without the garbage collector: an application that is over has given up
 * what it made, and so has the call. */
PyType_Spec rp_wsgi_call_spec = {
    .name = "rupy._core.StartResponse",
    .basicsize = sizeof(struct rp_wsgi_call),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = call_slots,
};
