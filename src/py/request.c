/* request.c -- rupy.Request: its life.
 *
 *   lent      it reads from the exchange; nobody but the exchange's handler
 *             and code that runs for it has a reference; the collector does
 *             not know it: the handler's reference keeps it alive anyway
 *   kept      the exchange ended and somebody still has it: it reads from a
 *             copy of the head, and the collector knows it
 *   free      its memory waits in the module's free list, without a type
 *
 * What was read once is a Python object in v[] and stays. */
#include "rupy/py/request.h"

#include "rupy/py/content.h"
#include "rupy/py/headers.h"

_Static_assert(REQUEST_NFIELDS <= 32, "read has a bit for each field");

static struct request_object *
of(PyObject *self)
{
    return (struct request_object *)self;
}

const struct rp_request *
rp_request_object_head(const struct request_object *r)
{
    if (r->x != NULL)
        return rp_exchange_request(r->x);
    return r->copy == NULL ? NULL : &r->copy->r;
}

const struct rp_peer *
rp_request_object_client(const struct request_object *r)
{
    if (r->x != NULL)
        return rp_exchange_client(r->x);
    return r->copy == NULL ? NULL : &r->copy->client;
}

struct rp_str
rp_request_object_scheme(const struct request_object *r)
{
    if (r->x != NULL)
        return rp_exchange_scheme(r->x);
    return r->copy != NULL && r->copy->is_https ? RP_STR("https")
                                                : RP_STR("http");
}

struct rp_str
rp_request_object_prefix(const struct request_object *r)
{
    if (r->x != NULL)
        return rp_exchange_prefix(r->x);
    return r->copy == NULL ? RP_STR("") : r->copy->prefix;
}

void
rp_request_object_keep(struct request_object *r, enum request_field field,
                       PyObject *value)
{
    r->read |= UINT32_C(1) << field;
    Py_XSETREF(r->v[field], value);
}

PyObject *
rp_request_object_new(struct rp_py_state *st, struct rp_exchange *x,
                      PyObject *app)
{
    struct request_object *r;

    if (st->nfree_requests > 0) {
        r = st->free_requests[--st->nfree_requests];
        PyObject_Init((PyObject *)r, st->request_type);
    } else {
        r = PyObject_GC_New(struct request_object, st->request_type);
        if (r == NULL)
            return NULL;
        memset((char *)r + sizeof(PyObject), 0, sizeof(*r) - sizeof(PyObject));
    }
    r->st = st;
    r->x = x;
    rp_request_object_keep(r, REQUEST_APP, Py_NewRef(app));
    return (PyObject *)r;
}

static char *
copy_str(struct rp_str *dst, struct rp_str src, char *p)
{
    if (src.n > 0)
        memcpy(p, src.p, src.n);
    *dst = (struct rp_str){p, src.n};
    return p + src.n;
}

/* The head and the client in one block, or NULL with an exception. */
static struct request_copy *
copy_new(const struct rp_exchange *x)
{
    const struct rp_request *r = rp_exchange_request(x);
    struct rp_str prefix = rp_exchange_prefix(x);
    struct request_copy *c;
    size_t size;
    unsigned i;
    char *p;

    size = sizeof(*c) + r->nfields * sizeof(c->fields[0]) + r->method_name.n +
           r->target.n + r->path.n + r->query.n + r->host.n + prefix.n;
    for (i = 0; i < r->nfields; i++)
        size += r->fields[i].name.n + r->fields[i].value.n;
    c = PyMem_Malloc(size);
    if (c == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    c->r = *r;
    c->client = *rp_exchange_client(x);
    c->is_https = rp_exchange_scheme(x).n == sizeof("https") - 1;
    p = (char *)(c->fields + r->nfields);
    p = copy_str(&c->r.method_name, r->method_name, p);
    p = copy_str(&c->r.target, r->target, p);
    p = copy_str(&c->r.path, r->path, p);
    p = copy_str(&c->r.query, r->query, p);
    p = copy_str(&c->r.host, r->host, p);
    p = copy_str(&c->prefix, prefix, p);
    for (i = 0; i < r->nfields; i++) {
        p = copy_str(&c->fields[i].name, r->fields[i].name, p);
        p = copy_str(&c->fields[i].value, r->fields[i].value, p);
    }
    c->r.fields = c->fields;
    return c;
}

/* Read what is only in the exchange, and copy the rest. */
static void
keep(struct request_object *r)
{
    PyObject *pending = rp_py_take_exception();

    if ((r->content == NULL &&
         rp_request_object_get(r, REQUEST_BODY) == NULL) ||
        rp_request_object_get(r, REQUEST_ROUTE) == NULL ||
        rp_request_object_get(r, REQUEST_PATH_PARAMS) == NULL ||
        (r->copy = copy_new(r->x)) == NULL)
        PyErr_WriteUnraisable((PyObject *)r);
    rp_py_restore_exception(pending);
}

void
rp_request_object_leave(PyObject *request)
{
    if (of(request)->x == NULL)
        return;
    keep(of(request));
    of(request)->x = NULL;
    of(request)->tracked = true;
    PyObject_GC_Track(request);
}

void
rp_request_object_end(PyObject *request)
{
    struct request_object *r = of(request);

    if (r->content != NULL)
        rp_content_end(r->content, r->disconnected);
    if (Py_REFCNT(request) > 1)
        rp_request_object_leave(request);
    Py_DECREF(request);
}

void
rp_request_object_set_disconnected(PyObject *request)
{
    of(request)->disconnected = true;
}

PyObject *
rp_request_object_set_params(PyObject *request, PyObject *dict)
{
    struct request_object *r = of(request);
    PyObject *params;

    if (dict != NULL)
        params = Py_NewRef(dict);
    else
        params = rp_request_object_match_params(r->st, rp_exchange_match(r->x));
    if (params != NULL)
        rp_request_object_keep(r, REQUEST_PATH_PARAMS, Py_NewRef(params));
    return params;
}

static int
request_traverse(PyObject *self, visitproc visit, void *arg)
{
    unsigned i;

    for (i = 0; i < REQUEST_NFIELDS; i++)
        Py_VISIT(of(self)->v[i]);
    Py_VISIT(of(self)->content);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static int
request_clear(PyObject *self)
{
    struct request_object *r = of(self);
    PyObject *headers = r->v[REQUEST_HEADERS];
    int i;

    /* Headers that somebody else has too read from this object. */
    if (headers != NULL && Py_REFCNT(headers) > 1)
        rp_headers_object_detach(headers);
    while (r->read != 0) {
        i = __builtin_ctz(r->read);
        r->read &= r->read - 1;
        Py_CLEAR(r->v[i]);
    }
    Py_CLEAR(r->content);
    return 0;
}

static void
request_dealloc(PyObject *self)
{
    struct request_object *r = of(self);
    PyTypeObject *tp = Py_TYPE(self);

    if (r->tracked)
        PyObject_GC_UnTrack(self);
    if (r->weakrefs != NULL)
        PyObject_ClearWeakRefs(self);
    request_clear(self);
    if (r->copy != NULL)
        PyMem_Free(r->copy);
    r->copy = NULL;
    r->x = NULL;
    r->disconnected = r->tracked = false;
    /* A type without its module is itself garbage, and the state is gone. */
    if (((PyHeapTypeObject *)tp)->ht_module != NULL &&
        r->st->request_type == tp &&
        r->st->nfree_requests < RP_PY_FREE_REQUESTS)
        r->st->free_requests[r->st->nfree_requests++] = r;
    else
        PyObject_GC_Del(self);
    Py_DECREF(tp);
}

PyObject *
rp_request_object_get(struct request_object *r, enum request_field field)
{
    PyObject *value = r->v[field];

    if (value != NULL)
        return value;
    value = rp_request_object_compute(r, field);
    /* Code that ran meanwhile may have read the same field. */
    if (value != NULL)
        rp_request_object_keep(r, field, value);
    return value;
}

static PyObject *
request_getter(PyObject *self, void *closure)
{
    enum request_field field = (enum request_field)(uintptr_t)closure;

    return Py_XNewRef(rp_request_object_get(of(self), field));
}

static PyObject *
request_json(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_XNewRef(rp_request_object_get(of(self), REQUEST_JSON));
}

static PyObject *
request_is_disconnected(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(of(self)->disconnected);
}

static PyObject *
request_repr(PyObject *self)
{
    PyObject *method, *path;

    method = rp_request_object_get(of(self), REQUEST_METHOD);
    path =
        method == NULL ? NULL : rp_request_object_get(of(self), REQUEST_PATH);
    if (path == NULL)
        return NULL;
    return PyUnicode_FromFormat("<Request %U %R>", method, path);
}

#define KEYWORDS(f)                                                            \
    (PyCFunction)(void (*)(void))(f), METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"json", request_json, METH_NOARGS,
     PyDoc_STR("json()\n--\n\n"
               "The content as JSON (RFC 8259), parsed once: every call\n"
               "returns the same object.  Raises HTTPError(400) when it is\n"
               "none.")},
    {"is_disconnected", request_is_disconnected, METH_NOARGS,
     PyDoc_STR("is_disconnected()\n--\n\n"
               "True when the client is gone and nobody reads the answer.")},
    {"stream", rp_request_stream, METH_NOARGS,
     PyDoc_STR(
         "stream()\n--\n\n"
         "The content as it comes, on a route with stream=True: an async\n"
         "iterator of bytes, in a threaded handler an ordinary one.\n"
         "Raises ClientDisconnect when the client goes before the end.")},
    {"read", KEYWORDS(rp_request_read),
     PyDoc_STR("read(limit=None)\n--\n\n"
               "A coroutine that gives the whole content, bytes, on a route\n"
               "with stream=True; body, text, json() and form() are there\n"
               "then.  HTTPError(413): more than limit bytes.")},
    {"form", KEYWORDS(rp_request_form),
     PyDoc_STR("form(**limits)\n--\n\n"
               "The content as a form, parsed once: a Form.  Raises\n"
               "HTTPError(400) when it is none, 413 when it is over a limit,\n"
               "415 for another media type.")},
    {"read_form", KEYWORDS(rp_request_read_form),
     PyDoc_STR("read_form(**limits)\n--\n\n"
               "A coroutine that does the same on a route with stream=True,\n"
               "while the content comes: large files never are in memory.")},
    {"_keep_body", rp_request_keep_body, METH_O, NULL},
    {"_keep_form", rp_request_keep_form, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
#define X(NAME, name, doc)                                                     \
    {#name, request_getter, NULL, PyDoc_STR(doc),                              \
     (void *)(uintptr_t)REQUEST_##NAME},
    RP_REQUEST_FIELDS(X)
#undef X
        {"_content", rp_request_get_content, NULL, NULL, NULL},
    {"_form", rp_request_get_form, NULL, NULL, NULL},
    {"_has_body", rp_request_has_body, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", RP_PY_SSIZE,
     offsetof(struct request_object, weakrefs), RP_PY_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(
    doc, "What a client asked for.  Read-only; every attribute is made at its\n"
         "first use and then kept.  It may be kept after the answer was sent.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_dealloc, request_dealloc},
    {Py_tp_traverse, request_traverse},
    {Py_tp_clear, request_clear},
    {Py_tp_repr, request_repr},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "rupy._core.Request",
    .basicsize = sizeof(struct request_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

PyTypeObject *
rp_request_type_new(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}
