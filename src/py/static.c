/* static.c -- rupy._core.StaticFiles: a folder that is a handler.
 *
 * As the handler of a route it answers without asking Python.  It may be
 * called as well, and gives the answer then: that is for middleware. */
#include "rupy/http/status.h"
#include "rupy/py/files.h"
#include "rupy/py/request.h"

struct static_object {
    PyObject_HEAD
    struct rp_file_mount *mount;
    PyObject *directory; /* str, for repr */
};

enum { TYPES_MAX = 256 };

/* ((ext, type), ...) of str into types, lent.  How many, or -1 with an
 * exception. */
static Py_ssize_t
read_types(PyObject *pairs, struct rp_mime *types)
{
    Py_ssize_t n = PyTuple_GET_SIZE(pairs), len;

    if (n > TYPES_MAX) {
        PyErr_Format(PyExc_ValueError, "types: more than %d", TYPES_MAX);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *ext, *type;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(pairs, i), "UU", &ext, &type))
            return -1;
        types[i].ext.p = PyUnicode_AsUTF8AndSize(ext, &len);
        types[i].ext.n = (size_t)len;
        types[i].type.p = PyUnicode_AsUTF8AndSize(type, &len);
        types[i].type.n = (size_t)len;
        if (!types[i].ext.p || !types[i].type.p)
            return -1;
    }
    return n;
}

static PyObject *
static_new(PyTypeObject *tp, PyObject *args, PyObject *kwargs)
{
    struct rp_mime types[TYPES_MAX];
    struct rp_file_mount_config c = {.prefix = "", .types = types};
    PyObject *directory, *path = NULL, *pairs;
    struct static_object *s = NULL;
    int precompressed, dot_files;
    long long max_age;
    Py_ssize_t n;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "UsLppO!:StaticFiles", &directory, &c.index,
                          &max_age, &precompressed, &dot_files, &PyTuple_Type,
                          &pairs))
        return NULL;
    n = read_types(pairs, types);
    if (n < 0 || !PyUnicode_FSConverter(directory, &path))
        return NULL;
    c.directory = PyBytes_AS_STRING(path);
    c.max_age = max_age;
    c.precompressed = precompressed;
    c.dot_files = dot_files;
    c.ntypes = (size_t)n;
    s = (struct static_object *)tp->tp_alloc(tp, 0);
    if (s) {
        s->directory = Py_NewRef(directory);
        s->mount = rp_file_mount_new(&c);
        if (!s->mount) {
            PyErr_NoMemory();
            Py_CLEAR(s);
        }
    }
    Py_DECREF(path);
    return (PyObject *)s;
}

static void
static_dealloc(struct static_object *s)
{
    PyTypeObject *tp = Py_TYPE(s);

    rp_file_mount_free(s->mount);
    Py_CLEAR(s->directory);
    tp->tp_free(s);
    Py_DECREF(tp);
}

static PyObject *
static_repr(struct static_object *s)
{
    return PyUnicode_FromFormat("<StaticFiles %R>", s->directory);
}

/* What `path`, a decoded parameter, was on its route: with "%" as %25. */
static PyObject *
encode_percent(PyObject *path)
{
    PyObject *bytes = NULL, *percent = PyUnicode_FromString("%");
    PyObject *escape = PyUnicode_FromString("%25"), *text = NULL;

    if (percent && escape)
        text = PyUnicode_Replace(path, percent, escape, -1);
    if (text)
        bytes = PyUnicode_AsUTF8String(text);
    Py_XDECREF(percent);
    Py_XDECREF(escape);
    Py_XDECREF(text);
    return bytes;
}

/* A Response with Location. */
static PyObject *
redirect(struct rp_py_state *st, const struct rp_request *r)
{
    PyObject *headers = NULL, *response = NULL;
    struct rp_arena arena;
    struct rp_str to;

    rp_arena_init(&arena, 0);
    to = rp_file_add_slash(&arena, r);
    if (to.p)
        headers = Py_BuildValue("{s:s#}", "location", to.p, (Py_ssize_t)to.n);
    else
        PyErr_NoMemory();
    rp_arena_fini(&arena);
    if (headers)
        response = rp_response_object_new(st, Py_None, 301, headers);
    Py_XDECREF(headers);
    return response;
}

/* An HTTPError with what the server itself answers. */
static PyObject *
raise_status(struct rp_py_state *st, int status)
{
    struct rp_str reason = rp_status_reason(status);
    char detail[64];

    snprintf(detail, sizeof(detail), "%d %.*s\n", status, RP_STR_ARG(reason));
    rp_py_raise_http_error(st, status, detail);
    return NULL;
}

/* Without an exchange, in a thread, nothing is kept open. */
static int
find(struct static_object *s, struct request_object *request,
     const struct rp_request *r, struct rp_str rest,
     struct rp_file_found *found)
{
    struct rp_files *files;
    int status;

    if (request->x)
        return rp_file_mount_find(s->mount, rp_exchange_files(request->x), r,
                                  rest, rp_exchange_now(request->x), found);
    files = rp_files_new(8);
    if (!files)
        return 503;
    status = rp_file_mount_find(s->mount, files, r, rest, 0, found);
    rp_files_free(files);
    return status;
}

static PyObject *
static_call(struct static_object *s, PyObject *args, PyObject *kwargs)
{
    struct rp_py_state *st = rp_py_state_of_type(Py_TYPE(s));
    PyObject *request, *path = NULL, *bytes;
    const struct rp_request *r;
    struct rp_file_found found;
    int status;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "O!|U:StaticFiles", st->request_type, &request,
                          &path))
        return NULL;
    r = rp_request_object_head((struct request_object *)request);
    if (!r) {
        PyErr_SetString(PyExc_RuntimeError, "the request is over");
        return NULL;
    }
    if (!path)
        return redirect(st, r);
    bytes = encode_percent(path);
    if (!bytes)
        return NULL;
    status = find(s, (struct request_object *)request, r,
                  rp_slice_of_bytes(bytes), &found);
    Py_DECREF(bytes);
    if (status == 200)
        return rp_file_response_new(st, &found);
    if (status == 301)
        return redirect(st, r);
    return raise_status(st, status);
}

PyDoc_STRVAR(doc, "StaticFiles(directory, index, max_age, precompressed,\n"
                  "dot_files, types)\n--\n\n"
                  "A folder as a handler; made by Rupy.static().");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},        {Py_tp_new, static_new},
    {Py_tp_dealloc, static_dealloc}, {Py_tp_repr, static_repr},
    {Py_tp_call, static_call},       {0, NULL},
};

static PyType_Spec spec = {
    .name = "rupy._core.StaticFiles",
    .basicsize = sizeof(struct static_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *
rp_static_type_new(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

const struct rp_handler *
rp_static_handler(struct rp_py_state *st, PyObject *o)
{
    if (Py_TYPE(o) != st->static_type)
        return NULL;
    return rp_file_mount_handler(((struct static_object *)o)->mount);
}
