/* request_content.c -- content that a handler reads while it comes, and forms:
 * what Request hands on to rupy/_content.py. */
#include "rupy/py/content.h"
#include "rupy/py/request.h"

static struct request_object *
of(PyObject *self)
{
    return (struct request_object *)self;
}

int
rp_request_object_open_content(PyObject *request, struct rp_exchange *x,
                               struct rp_loop *loop)
{
    struct request_object *r = of(request);

    if (r->content != NULL)
        return 0;
    r->content = rp_content_new(r->st, x, loop);
    return r->content == NULL ? -1 : 0;
}

void
rp_request_object_wake(PyObject *request)
{
    if (of(request)->content != NULL)
        rp_content_wake(of(request)->content);
}

/* rupy._content.name(self, ...). */
static PyObject *
hand_on(PyObject *self, const char *name, PyObject *args, PyObject *kwargs)
{
    PyObject *module = NULL, *function = NULL, *all = NULL, *result = NULL;
    Py_ssize_t i, n = args == NULL ? 0 : PyTuple_GET_SIZE(args);

    module = PyImport_ImportModule("rupy._content");
    if (module == NULL)
        goto out;
    function = PyObject_GetAttrString(module, name);
    all = PyTuple_New(n + 1);
    if (function == NULL || all == NULL)
        goto out;
    PyTuple_SET_ITEM(all, 0, Py_NewRef(self));
    for (i = 0; i < n; i++)
        PyTuple_SET_ITEM(all, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
    result = PyObject_Call(function, all, kwargs);
out:
    Py_XDECREF(all);
    Py_XDECREF(function);
    Py_XDECREF(module);
    return result;
}

PyObject *
rp_request_object_read_body(struct request_object *r)
{
    return hand_on((PyObject *)r, "body", NULL, NULL);
}

PyObject *
rp_request_stream(PyObject *self, PyObject *unused)
{
    (void)unused;
    return hand_on(self, "stream", NULL, NULL);
}

PyObject *
rp_request_read(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return hand_on(self, "read", args, kwargs);
}

PyObject *
rp_request_form(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return hand_on(self, "form", args, kwargs);
}

PyObject *
rp_request_read_form(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return hand_on(self, "read_form", args, kwargs);
}

PyObject *
rp_request_keep_body(PyObject *self, PyObject *body)
{
    if (!PyBytes_CheckExact(body)) {
        PyErr_SetString(PyExc_TypeError, "the body is bytes");
        return NULL;
    }
    rp_request_object_keep(of(self), REQUEST_BODY, Py_NewRef(body));
    Py_RETURN_NONE;
}

PyObject *
rp_request_keep_form(PyObject *self, PyObject *form)
{
    rp_request_object_keep(of(self), REQUEST_FORM, Py_NewRef(form));
    Py_RETURN_NONE;
}

PyObject *
rp_request_get_form(PyObject *self, void *unused)
{
    PyObject *form = of(self)->v[REQUEST_FORM];

    (void)unused;
    return Py_NewRef(form == NULL ? Py_None : form);
}

PyObject *
rp_request_get_content(PyObject *self, void *unused)
{
    PyObject *content = of(self)->content;

    (void)unused;
    return Py_NewRef(content == NULL ? Py_None : content);
}

PyObject *
rp_request_has_body(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(of(self)->v[REQUEST_BODY] != NULL);
}
