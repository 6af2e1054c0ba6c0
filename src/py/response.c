/* response.c -- rupy.Response: an answer that is known whole.
 *
 * It is made to be read once, by rp_response_object_view(): the content is
 * bytes, or a str whose characters are its UTF-8; there is no storage for
 * headers before one is set. */
#include "rupy/py/response.h"

#include "rupy/http/headers.h"

static struct response_object *
of(PyObject *self)
{
    return (struct response_object *)self;
}

static int
set_status(struct response_object *r, long status)
{
    if (status == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return -1;
        PyErr_Clear();
    }
    if (status < 200 || status > 599) {
        PyErr_Format(PyExc_ValueError, "status %ld is not 200 to 599", status);
        return -1;
    }
    r->status = (int)status;
    return 0;
}

/* str or None as a content type.  0 and *out (new, NULL for None) or -1. */
static int
check_content_type(PyObject *type, PyObject **out)
{
    struct rp_str s;

    *out = NULL;
    if (type == Py_None)
        return 0;
    if (!PyUnicode_Check(type)) {
        PyErr_Format(PyExc_TypeError,
                     "content_type must be str or None, not %.100s",
                     Py_TYPE(type)->tp_name);
        return -1;
    }
    if (!rp_latin1_of_str(type, &s) || s.n == 0 || !rp_is_field_value(s)) {
        PyErr_Format(PyExc_ValueError, "content_type %R is not a field value",
                     type);
        return -1;
    }
    *out = PyUnicode_FromObject(type);
    return *out == NULL ? -1 : 0;
}

/* A str, to be sent as UTF-8.  New reference. */
static PyObject *
content_of_str(PyObject *str)
{
    if (rp_py_str_ready(str) < 0)
        return NULL;
    if (PyUnicode_IS_ASCII(str))
        return PyUnicode_FromObject(str);
    return PyUnicode_AsUTF8String(str);
}

/* What content is sent as: 0, a new reference in *out (NULL: none) and in
 * *type a borrowed one to the media type that goes with it (NULL: none). */
static int
convert(struct rp_py_state *st, PyObject *content, PyObject **out,
        PyObject **type)
{
    *out = *type = NULL;
    if (PyUnicode_Check(content)) {
        *type = st->text_plain;
        *out = content_of_str(content);
    } else if (PyBytes_CheckExact(content)) {
        *type = PyBytes_GET_SIZE(content) > 0 ? st->octet_stream : NULL;
        *out = Py_NewRef(content);
    } else if (PyDict_Check(content) || PyList_Check(content)) {
        *type = st->application_json;
        *out = rp_json_encode(st, content);
    } else if (content == Py_None) {
        return 0;
    } else if (PyObject_CheckBuffer(content)) {
        *type = st->octet_stream;
        *out = PyBytes_FromObject(content);
        /* A bytes subclass may give itself. */
        if (*out != NULL && !PyBytes_CheckExact(*out))
            Py_SETREF(*out, PyBytes_FromStringAndSize(PyBytes_AS_STRING(*out),
                                                      PyBytes_GET_SIZE(*out)));
    } else {
        PyErr_Format(PyExc_TypeError,
                     "content must be str, bytes, dict, list or None, not "
                     "%.100s",
                     Py_TYPE(content)->tp_name);
    }
    return *out == NULL ? -1 : 0;
}

struct headers_object *
rp_response_object_headers(struct response_object *r)
{
    struct rp_py_state *st;

    if (r->headers != NULL)
        return r->headers;
    st = rp_py_state_of_type(Py_TYPE(r));
    if (st == NULL || st->mutable_headers_type == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the module is gone");
        return NULL;
    }
    r->headers = rp_mutable_headers_new(st);
    return r->headers;
}

static bool
has_header(const struct response_object *r, struct rp_str name)
{
    return r->headers != NULL && r->headers->n > 0 &&
           rp_headers_object_find(r->headers, name) >= 0;
}

/* As __init__; an argument that is NULL was not given.  A content_type that
 * was given wins over one among the headers, that one over the content's. */
static int
init(struct rp_py_state *st, struct response_object *r, PyObject *content,
     PyObject *status, PyObject *headers, PyObject *content_type)
{
    PyObject *body = NULL, *type = NULL, *own_type = NULL;

    if (status != NULL && set_status(r, PyLong_AsLong(status)) < 0)
        return -1;
    if (content != NULL && convert(st, content, &body, &type) < 0)
        return -1;
    Py_XINCREF(type);
    if (content_type != NULL && content_type != Py_None) {
        if (check_content_type(content_type, &own_type) < 0)
            goto fail;
        Py_XSETREF(type, own_type);
    }
    if (headers != NULL && headers != Py_None) {
        if (rp_response_object_headers(r) == NULL ||
            rp_headers_object_extend(r->headers, headers) < 0)
            goto fail;
        if (own_type != NULL)
            rp_headers_object_del(r->headers, RP_STR("content-type"));
    }
    Py_XSETREF(r->content, body);
    Py_XSETREF(r->content_type, type);
    return 0;
fail:
    Py_XDECREF(type);
    Py_XDECREF(body);
    return -1;
}

int
rp_response_object_init(struct response_object *r, PyObject *status,
                        PyObject *headers, PyObject *content_type)
{
    Py_CLEAR(r->headers); /* __init__ may be called again */
    return init(rp_py_state_of_type(Py_TYPE(r)), r, NULL, status, headers,
                content_type);
}

static PyObject *
alloc(PyTypeObject *tp)
{
    PyObject *self = tp->tp_alloc(tp, 0);

    if (self != NULL)
        of(self)->status = 200;
    return self;
}

static PyObject *
response_new(PyTypeObject *tp, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return alloc(tp);
}

static int
response_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"content", "status", "headers", "content_type",
                            NULL};
    struct rp_py_state *st = rp_py_state_of_type(Py_TYPE(self));
    PyObject *v[4] = {NULL, NULL, NULL, NULL};

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOOO:Response", names,
                                     &v[0], &v[1], &v[2], &v[3]))
        return -1;
    Py_CLEAR(of(self)->headers); /* __init__ may be called again */
    return init(st, of(self), v[0], v[1], v[2], v[3]);
}

/* Where the keyword argument goes, or -1 with an exception. */
static int
keyword_index(PyObject *name)
{
    static const struct rp_str names[] = {
        {"content", 7}, {"status", 6}, {"headers", 7}, {"content_type", 12}};
    struct rp_str s;
    int i;

    for (i = 0; i < 4 && rp_latin1_of_str(name, &s); i++)
        if (rp_str_eq(s, names[i]))
            return i;
    PyErr_Format(PyExc_TypeError,
                 "Response() got an unexpected keyword argument '%U'", name);
    return -1;
}

/* Calls of Response itself; those of subclasses go by __new__ and __init__. */
static PyObject *
response_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf,
                    PyObject *kwnames)
{
    Py_ssize_t i, n = PyVectorcall_NARGS(nargsf);
    struct rp_py_state *st = rp_py_state_of_type((PyTypeObject *)type);
    PyObject *v[4] = {NULL, NULL, NULL, NULL}, *self;
    int at;

    if (n > 4)
        return PyErr_Format(PyExc_TypeError,
                            "Response() takes at most 4 arguments (%zd given)",
                            n);
    for (i = 0; i < n; i++)
        v[i] = args[i];
    for (i = 0; kwnames != NULL && i < PyTuple_GET_SIZE(kwnames); i++) {
        at = keyword_index(PyTuple_GET_ITEM(kwnames, i));
        if (at < 0)
            return NULL;
        if (v[at] != NULL)
            return PyErr_Format(PyExc_TypeError,
                                "Response() got multiple values for argument "
                                "'%U'",
                                PyTuple_GET_ITEM(kwnames, i));
        v[at] = args[n + i];
    }
    self = alloc((PyTypeObject *)type);
    if (self != NULL && init(st, of(self), v[0], v[1], v[2], v[3]) < 0)
        Py_CLEAR(self);
    return self;
}

void
rp_response_object_dealloc(PyObject *self)
{
    struct response_object *r = of(self);
    PyTypeObject *tp = Py_TYPE(self);

    if (r->weakrefs != NULL)
        PyObject_ClearWeakRefs(self);
    Py_CLEAR(r->content);
    Py_CLEAR(r->content_type);
    Py_CLEAR(r->headers);
    tp->tp_free(self);
    Py_DECREF(tp);
}

bool
rp_is_response_object(struct rp_py_state *st, PyObject *o)
{
    return PyObject_TypeCheck(o, st->response_type);
}

PyObject *
rp_response_object_new(struct rp_py_state *st, PyObject *content, int status,
                       PyObject *headers)
{
    PyObject *self = alloc(st->response_type);

    if (self != NULL && (set_status(of(self), status) < 0 ||
                         init(st, of(self), content, NULL, headers, NULL) < 0))
        Py_CLEAR(self);
    return self;
}

static struct rp_str
content_slice(PyObject *content)
{
    struct rp_str s = {NULL, 0};

    if (content == NULL)
        return s;
    if (!PyBytes_Check(content))
        (void)rp_latin1_of_str(content, &s);
    else
        s = rp_slice_of_bytes(content);
    return s;
}

int
rp_response_object_view(PyObject *response, struct rp_response_view *v)
{
    struct response_object *r = of(response);

    v->status = r->status;
    v->fields = r->headers == NULL ? NULL : r->headers->fields;
    v->nfields = r->headers == NULL ? 0 : (unsigned)r->headers->n;
    v->content_type = (struct rp_str){NULL, 0};
    if (r->content_type != NULL && !has_header(r, RP_STR("content-type")))
        (void)rp_latin1_of_str(r->content_type, &v->content_type);
    v->content = content_slice(r->content);
    v->content_owner = r->content;
    v->is_file = r->is_file;
    return 0;
}

static PyObject *
get_status(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromLong(of(self)->status);
}

static int
put_status(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "status cannot be deleted");
        return -1;
    }
    return set_status(of(self), PyLong_AsLong(value));
}

static PyObject *
get_headers(PyObject *self, void *unused)
{
    (void)unused;
    return Py_XNewRef((PyObject *)rp_response_object_headers(of(self)));
}

static PyObject *
get_content_type(PyObject *self, void *unused)
{
    struct response_object *r = of(self);
    ptrdiff_t i = -1;

    (void)unused;
    if (r->headers != NULL)
        i = rp_headers_object_find(r->headers, RP_STR("content-type"));
    if (i >= 0)
        return rp_headers_object_value(r->headers, (size_t)i);
    return Py_NewRef(r->content_type == NULL ? Py_None : r->content_type);
}

static int
put_content_type(PyObject *self, PyObject *value, void *unused)
{
    struct response_object *r = of(self);
    PyObject *type;

    (void)unused;
    if (check_content_type(value == NULL ? Py_None : value, &type) < 0)
        return -1;
    if (r->headers != NULL)
        rp_headers_object_del(r->headers, RP_STR("content-type"));
    Py_XSETREF(r->content_type, type);
    return 0;
}

PyObject *
rp_response_object_body(PyObject *self)
{
    struct rp_str s = content_slice(of(self)->content);

    if (of(self)->content != NULL && PyBytes_Check(of(self)->content))
        return Py_NewRef(of(self)->content);
    return PyBytes_FromStringAndSize(s.p, (Py_ssize_t)s.n);
}

static PyObject *
get_body(PyObject *self, void *unused)
{
    (void)unused;
    return rp_response_object_body(self);
}

int
rp_response_object_set_body(PyObject *self, PyObject *value)
{
    struct rp_py_state *st = rp_py_state_of_type(Py_TYPE(self));
    PyObject *content, *type;

    if (convert(st, value == NULL ? Py_None : value, &content, &type) < 0)
        return -1;
    Py_XSETREF(of(self)->content, content);
    return 0;
}

static int
put_body(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    return rp_response_object_set_body(self, value);
}

static PyObject *
response_repr(PyObject *self)
{
    PyObject *type = get_content_type(self, NULL), *repr = NULL;

    if (type != NULL)
        repr = PyUnicode_FromFormat(
            "<Response %d, %S, %zd bytes>", of(self)->status, type,
            (Py_ssize_t)content_slice(of(self)->content).n);
    Py_XDECREF(type);
    return repr;
}

static PyGetSetDef getset[] = {
    {"status", get_status, put_status,
     PyDoc_STR("The status code, 200 to 599."), NULL},
    {"headers", get_headers, NULL,
     PyDoc_STR("The headers of this answer, MutableHeaders."), NULL},
    {"content_type", get_content_type, put_content_type,
     PyDoc_STR("The Content-Type, or None."), NULL},
    {"body", get_body, put_body,
     PyDoc_STR("The content, bytes.  May be set to all that content may be;\n"
               "the content type stays."),
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", RP_PY_SSIZE,
     offsetof(struct response_object, weakrefs), RP_PY_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(doc,
             "Response(content=b'', status=200, headers=None,\n"
             "content_type=None)\n--\n\n"
             "An answer.  content is str (sent as UTF-8, 'text/plain;\n"
             "charset=utf-8'), bytes, bytearray or memoryview\n"
             "('application/octet-stream'), dict or list (JSON), or None;\n"
             "None and b'' have no content type.  headers is a mapping or\n"
             "an iterable of pairs; content_type wins over one among them,\n"
             "that one over the content's own.\n\n"
             "Content-Length, Transfer-Encoding, Connection and Date belong\n"
             "to the server: such headers are left out of what is sent.\n\n"
             "Raises ValueError for a status that is not 200 to 599 and for\n"
             "headers that may not be sent, TypeError for other content.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_new, response_new},
    {Py_tp_init, response_init},
    {Py_tp_dealloc, rp_response_object_dealloc},
    {Py_tp_repr, response_repr},
    {Py_tp_methods, rp_response_methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "rupy._core.Response",
    .basicsize = sizeof(struct response_object),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *
rp_response_type_new(PyObject *module)
{
    PyTypeObject *tp;

    tp = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    if (tp != NULL)
        tp->tp_vectorcall = response_vectorcall;
    return tp;
}
