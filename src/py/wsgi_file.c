/* wsgi_file.c -- wsgi.file_wrapper (PEP 3333, "Optional Platform-Specific File
 * Handling"): an iterable over a file, which the kernel sends when it can. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rupy/py/wsgi_impl.h"

enum { BLOCK = 8192 };

struct file_object {
    PyObject_HEAD
    PyObject *filelike;
    Py_ssize_t blksize;
};

static PyObject *
file_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"filelike", "blksize", NULL};
    PyObject *filelike;
    Py_ssize_t blksize = BLOCK;
    struct file_object *f;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|n:FileWrapper", names,
                                     &filelike, &blksize))
        return NULL;
    if (blksize <= 0)
        blksize = BLOCK;
    f = (struct file_object *)type->tp_alloc(type, 0);
    if (!f)
        return NULL;
    f->filelike = Py_NewRef(filelike);
    f->blksize = blksize;
    return (PyObject *)f;
}

static int
file_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((struct file_object *)self)->filelike);
    return 0;
}

static int
file_clear(PyObject *self)
{
    Py_CLEAR(((struct file_object *)self)->filelike);
    return 0;
}

static void
file_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    file_clear(self);
    tp->tp_free(self);
    Py_DECREF(tp);
}

/* bytes until the file gives none. */
static PyObject *
file_next(PyObject *self)
{
    struct file_object *f = (struct file_object *)self;
    PyObject *data = PyObject_CallMethod(f->filelike, "read", "n", f->blksize);
    int more;

    if (!data)
        return NULL;
    more = PyObject_IsTrue(data);
    if (more <= 0)
        Py_CLEAR(data);
    return data;
}

static PyObject *
file_close(PyObject *self, PyObject *unused)
{
    struct file_object *f = (struct file_object *)self;
    int has = rp_py_has_attr(f->filelike, "close");

    (void)unused;
    if (has < 0)
        return NULL;
    if (has)
        return PyObject_CallMethod(f->filelike, "close", NULL);
    Py_RETURN_NONE;
}

static PyMethodDef file_methods[] = {
    {"close", file_close, METH_NOARGS, PyDoc_STR("Close the file.")},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef file_members[] = {
    {"filelike", RP_PY_OBJECT, offsetof(struct file_object, filelike),
     RP_PY_READONLY, PyDoc_STR("The file.")},
    {"blksize", RP_PY_SSIZE, offsetof(struct file_object, blksize),
     RP_PY_READONLY, PyDoc_STR("Bytes of one piece.")},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot file_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR(
                    "FileWrapper(filelike, blksize=8192)\n--\n\n"
                    "An iterable over a file; wsgi.file_wrapper of PEP 3333.")},
    {Py_tp_new, file_new},
    {Py_tp_dealloc, file_dealloc},
    {Py_tp_traverse, file_traverse},
    {Py_tp_clear, file_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, file_next},
    {Py_tp_methods, file_methods},
    {Py_tp_members, file_members},
    {0, NULL},
};

PyType_Spec rp_wsgi_file_spec = {
    .name = "rupy._core.FileWrapper",
    .basicsize = sizeof(struct file_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = file_slots,
};

/* ---- The kernel sends it ---- */

static bool
is_named(PyObject *o, const char *name)
{
    return strcmp(Py_TYPE(o)->tp_name, name) == 0;
}

/* What read() gives are the bytes of the descriptor: so it is with the plain
 * files of io, and with objects that are not of io but have a fileno().
 * Others of io may unpack what they read (gzip). */
static bool
is_plain(struct rp_wsgi_object *w, PyObject *file)
{
    PyObject *io = PyImport_ImportModule("_io"), *base = NULL, *raw = NULL;
    int of_io = 0;
    bool yes = false;

    if (io)
        base = PyObject_GetAttrString(io, "_IOBase");
    if (base)
        of_io = PyObject_IsInstance(file, base);
    if (base && of_io == 0)
        yes = true;
    else if (is_named(file, "_io.FileIO"))
        yes = true;
    else if (is_named(file, "_io.BufferedReader") ||
             is_named(file, "_io.BufferedRandom")) {
        raw = PyObject_GetAttr(file, w->s_raw);
        yes = raw && is_named(raw, "_io.FileIO");
    }
    PyErr_Clear();
    Py_XDECREF(raw);
    Py_XDECREF(base);
    Py_XDECREF(io);
    return yes;
}

/* Where it stands; -1 without an exception: it cannot tell. */
static off_t
position(struct rp_wsgi_object *w, PyObject *file)
{
    PyObject *at = PyObject_CallMethodNoArgs(file, w->s_tell);
    long long off = at ? PyLong_AsLongLong(at) : -1;

    Py_XDECREF(at);
    PyErr_Clear();
    return off < 0 ? -1 : (off_t)off;
}

/* Its descriptor; -1 without an exception: none. */
static int
descriptor(struct rp_wsgi_object *w, PyObject *file)
{
    PyObject *value = PyObject_CallMethodNoArgs(file, w->s_fileno);
    int fd = value && PyLong_Check(value) ? (int)PyLong_AsLong(value) : -1;

    Py_XDECREF(value);
    PyErr_Clear();
    return fd;
}

int
rp_wsgi_file_of(struct rp_wsgi_object *w, PyObject *result, int *fd, off_t *off,
                size_t *n)
{
    PyObject *file;
    struct stat st;

    if (!Py_IS_TYPE(result, w->st->file_wrapper_type))
        return 0;
    file = ((struct file_object *)result)->filelike;
    *fd = is_plain(w, file) ? descriptor(w, file) : -1;
    if (*fd < 0 || fstat(*fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    *off = position(w, file);
    if (*off < 0)
        return 0;
    /* The application's own is closed before ours is sent. */
    *fd = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
    if (*fd < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    *n = *off < st.st_size ? (size_t)(st.st_size - *off) : 0;
    return 1;
}
