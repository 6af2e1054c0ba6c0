/* fileresponse.c -- rupy.FileResponse: a Response whose content is a file.
 *
 * The file is opened when the object is made, in the handler's own thread:
 * errors are raised where they can be handled, and what is sent is the file
 * that was there. */
#include <errno.h>

#include "rupy/files/disposition.h"
#include "rupy/py/files.h"
#include "rupy/py/response.h"

enum { BODY_MAX = 64 * 1024 * 1024 }; /* that `body` reads into memory */

struct file_response_object {
    struct response_object base; /* first */
    struct rp_file *file;        /* NULL: before __init__, and after its content
                                  * was replaced */
    enum rp_coding coding;
    bool varies;
};

static struct file_response_object *
of(PyObject *self)
{
    return (struct file_response_object *)self;
}

static void
give_up_file(struct file_response_object *f)
{
    struct rp_file *file = f->file;

    f->file = NULL;
    f->base.is_file = false;
    if (file)
        rp_file_unref(file);
}

static void
take_file(struct file_response_object *f, struct rp_file *file)
{
    give_up_file(f);
    f->file = file;
    f->coding = RP_N_CODINGS;
    f->varies = false;
    f->base.is_file = true;
}

/* Set a header.  0, or -1 with an exception. */
static int
set_header(struct file_response_object *f, const char *name, struct rp_str v)
{
    struct headers_object *h = rp_response_object_headers(&f->base);
    PyObject *key = NULL, *value = NULL;
    int bad = -1;

    if (!h)
        return -1;
    key = PyUnicode_FromString(name);
    value = rp_str_of_latin1(v);
    if (key && value)
        bad = rp_headers_object_set(h, key, value);
    Py_XDECREF(key);
    Py_XDECREF(value);
    return bad;
}

/* Content-Disposition, when the download has a name. */
static int
set_filename(struct file_response_object *f, PyObject *filename, int is_inline)
{
    struct rp_str name;
    struct rp_buf buf;
    Py_ssize_t n;
    int bad;

    if (!PyUnicode_Check(filename)) {
        PyErr_Format(PyExc_TypeError,
                     "filename must be str or None, not %.100s",
                     Py_TYPE(filename)->tp_name);
        return -1;
    }
    name.p = PyUnicode_AsUTF8AndSize(filename, &n);
    if (!name.p)
        return -1;
    name.n = (size_t)n;
    if (!rp_disposition_is_name(name)) {
        PyErr_Format(PyExc_ValueError,
                     "filename %R is empty, or has a slash or control "
                     "characters in it",
                     filename);
        return -1;
    }
    rp_buf_init(&buf, 0);
    if (rp_disposition_add(&buf, name, is_inline) < 0) {
        PyErr_NoMemory();
        bad = -1;
    } else {
        bad =
            set_header(f, "content-disposition", (struct rp_str){buf.p, buf.n});
    }
    rp_buf_fini(&buf);
    return bad;
}

static int
set_max_age(struct file_response_object *f, PyObject *max_age)
{
    long long seconds = PyLong_AsLongLong(max_age);
    char text[48];
    int n;

    if (seconds == -1 && PyErr_Occurred())
        return -1;
    if (seconds < 0) {
        PyErr_Format(PyExc_ValueError, "max_age %lld is below 0", seconds);
        return -1;
    }
    if (seconds == 0)
        return set_header(f, "cache-control", RP_STR("no-cache"));
    n = snprintf(text, sizeof(text), "public, max-age=%lld", seconds);
    return set_header(f, "cache-control", (struct rp_str){text, (size_t)n});
}

static int
set_type(struct file_response_object *f, struct rp_str type)
{
    PyObject *str = rp_str_of_latin1(type);

    if (!str)
        return -1;
    Py_XSETREF(f->base.content_type, str);
    return 0;
}

static struct rp_str
name_of(PyObject *filename, PyObject *path)
{
    struct rp_str s = {PyBytes_AS_STRING(path), (size_t)PyBytes_GET_SIZE(path)};
    Py_ssize_t n;
    const char *p;

    if (filename == Py_None)
        return s;
    p = PyUnicode_AsUTF8AndSize(filename, &n);
    return (struct rp_str){p, (size_t)n};
}

/* The rest of __init__, path being bytes. */
static int
init(struct file_response_object *f, PyObject *path, PyObject *filename,
     PyObject *content_type, int is_inline, PyObject *max_age)
{
    struct rp_file *file = rp_file_open(PyBytes_AS_STRING(path));

    if (!file) {
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, PyBytes_AS_STRING(path));
        return -1;
    }
    take_file(f, file);
    if (filename != Py_None && set_filename(f, filename, is_inline) < 0)
        return -1;
    if (max_age != Py_None && set_max_age(f, max_age) < 0)
        return -1;
    if (content_type != Py_None)
        return 0;
    return set_type(f, rp_mime_find(name_of(filename, path), NULL, 0));
}

static int
file_response_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"path",         "filename", "status",  "headers",
                            "content_type", "inline",   "max_age", NULL};
    PyObject *path = NULL, *filename = Py_None, *headers = Py_None;
    PyObject *content_type = Py_None, *max_age = Py_None, *status = NULL;
    int is_inline = 0, bad;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&|O$OOOpO:FileResponse",
                                     names, PyUnicode_FSConverter, &path,
                                     &filename, &status, &headers,
                                     &content_type, &is_inline, &max_age))
        return -1;
    bad =
        rp_response_object_init(&of(self)->base, status, headers, content_type);
    if (!bad)
        bad = init(of(self), path, filename, content_type, is_inline, max_age);
    Py_DECREF(path);
    return bad;
}

static void
file_response_dealloc(PyObject *self)
{
    give_up_file(of(self));
    rp_response_object_dealloc(self);
}

PyObject *
rp_file_response_new(struct rp_py_state *st, const struct rp_file_found *found)
{
    PyTypeObject *tp = st->file_response_type;
    PyObject *self = tp->tp_alloc(tp, 0);
    struct file_response_object *f = of(self);

    if (!self) {
        rp_file_unref(found->file);
        return NULL;
    }
    f->base.status = 200;
    take_file(f, found->file);
    f->coding = found->coding;
    f->varies = found->varies;
    if (set_type(f, found->content_type) < 0 ||
        (found->cache_control.n > 0 &&
         set_header(f, "cache-control", found->cache_control) < 0) ||
        (f->coding != RP_N_CODINGS &&
         set_header(f, "content-encoding", rp_coding_token(f->coding)) < 0))
        Py_CLEAR(self);
    return self;
}

void
rp_file_response_answer(struct rp_exchange *x, PyObject *response,
                        const struct rp_response_view *v)
{
    struct file_response_object *f = of(response);
    struct rp_file_answer a = {
        .file = f->file,
        .status = v->status,
        .fields = v->fields,
        .nfields = v->nfields,
        .content_type = v->content_type,
        .coding = f->coding,
        .varies = f->varies,
    };

    rp_exchange_answer_file(x, &a);
}

/* ---- Attributes ---- */

static PyObject *
get_size(PyObject *self, void *unused)
{
    (void)unused;
    if (!of(self)->file)
        Py_RETURN_NONE;
    return PyLong_FromUnsignedLongLong(of(self)->file->size);
}

/* The whole file, for whoever asks for it by name. */
static PyObject *
read_file(struct rp_file *file)
{
    PyObject *bytes;
    ssize_t k, n = 0, size = (ssize_t)file->size;

    if (file->content)
        return PyBytes_FromStringAndSize(file->content, size);
    if (size > BODY_MAX) {
        PyErr_Format(PyExc_ValueError,
                     "a file of %zd bytes is not read into memory", size);
        return NULL;
    }
    bytes = PyBytes_FromStringAndSize(NULL, size);
    while (bytes && n < size) {
        k = rp_file_read(file, PyBytes_AS_STRING(bytes) + n, (size_t)(size - n),
                         (uint64_t)n);
        if (k <= 0) {
            if (k == 0)
                errno = EIO; /* it has become shorter */
            PyErr_SetFromErrno(PyExc_OSError);
            Py_CLEAR(bytes);
            break;
        }
        n += k;
    }
    return bytes;
}

static PyObject *
get_body(PyObject *self, void *unused)
{
    (void)unused;
    if (of(self)->file)
        return read_file(of(self)->file);
    return rp_response_object_body(self);
}

static int
put_body(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    if (rp_response_object_set_body(self, value) < 0)
        return -1;
    give_up_file(of(self));
    return 0;
}

static PyObject *
file_response_repr(PyObject *self)
{
    struct file_response_object *f = of(self);

    if (!f->file)
        return PyUnicode_FromFormat("<FileResponse %d>", f->base.status);
    return PyUnicode_FromFormat("<FileResponse %d, %llu bytes>", f->base.status,
                                (unsigned long long)f->file->size);
}

static PyGetSetDef getset[] = {
    {"size", get_size, NULL,
     PyDoc_STR("Bytes of the file; None when its content was replaced."), NULL},
    {"body", get_body, put_body,
     PyDoc_STR("The content, bytes: reads all of the file, up to 64 MiB.\n"
               "Setting it makes this an ordinary Response."),
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(
    doc,
    "FileResponse(path, filename=None, *, status=200, headers=None,\n"
    "content_type=None, inline=False, max_age=None)\n--\n\n"
    "The answer is a file, which the kernel sends.  It is opened here: one\n"
    "object for each answer.  A request's Range and conditions count when\n"
    "the status is 200: the client may get 206, 304, 412 or 416.\n\n"
    "filename is what a browser saves it as (Content-Disposition, RFC 6266);\n"
    "inline: but shows it, if it can.  content_type is by default what the\n"
    "end of filename or path says.  max_age is in seconds, for\n"
    "Cache-Control; 0 lets clients ask each time.\n\n"
    "Raises OSError when it cannot be opened or is no regular file, ValueError\n"
    "for a filename with a slash or control characters.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_init, file_response_init},
    {Py_tp_dealloc, file_response_dealloc},
    {Py_tp_repr, file_response_repr},
    {Py_tp_getset, getset},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "rupy._core.FileResponse",
    .basicsize = sizeof(struct file_response_object),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *
rp_file_response_type_new(PyObject *module, PyTypeObject *response_type)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec,
                                                    (PyObject *)response_type);
}
