/* asgi_file.c -- answers out of files: the extensions http.response.pathsend
 * and http.response.zerocopysend. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rupy/py/asgi_impl.h"

/* An int is what a void pointer carries here. */
static void
close_fd(void *arg)
{
    close((int)(intptr_t)arg);
}

/* Send n bytes of fd, which is closed in any case. */
static int
send_stretch(struct rp_asgi_call *call, int fd, off_t off, size_t n, bool more,
             bool *full)
{
    if (rp_asgi_check_length(call, n) < 0 ||
        (call->stage == RP_ASGI_FIRST &&
         rp_asgi_send_head(call, n, !more) < 0)) {
        close(fd);
        return -1;
    }
    *full = rp_exchange_send_file(call->x, fd, off, n, close_fd,
                                  (void *)(intptr_t)fd) == 1;
    if (!more)
        rp_asgi_send_end(call);
    return 0;
}

/* ---- http.response.pathsend ---- */

static int
open_path(PyObject *path, struct stat *st)
{
    const char *p = PyBytes_AS_STRING(path);
    /* The extension wants it absolute, but Starlette's FileResponse hands on
     * whatever it was given.  A fifo must not hold up the loop. */
    int fd = open(p, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode))
        return fd;
    if (fd >= 0 && errno == 0)
        errno = EINVAL;
    PyErr_SetFromErrnoWithFilename(PyExc_OSError, p);
    if (fd >= 0)
        close(fd);
    return -1;
}

enum rp_asgi_step
rp_asgi_send_path(struct rp_asgi_call *call, PyObject *message, bool *full)
{
    PyObject *value = rp_asgi_get(message, call->asgi->s_path), *path = NULL;
    struct stat st;
    int fd;

    if (!value || !PyUnicode_Check(value)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError,
                            "http.response.pathsend has no str as path");
        return RP_ASGI_ERROR;
    }
    if (!PyUnicode_FSConverter(value, &path))
        return RP_ASGI_ERROR;
    errno = 0;
    fd = open_path(path, &st);
    Py_DECREF(path);
    if (fd < 0 ||
        send_stretch(call, fd, 0, (size_t)st.st_size, false, full) < 0)
        return RP_ASGI_ERROR;
    return RP_ASGI_DONE;
}

/* ---- http.response.zerocopysend ---- */

/* A number of a message; *n stays when there is none.  1, 0, or -1 with an
 * exception. */
static int
get_number(PyObject *message, PyObject *key, int64_t *n)
{
    PyObject *value = rp_asgi_get(message, key);
    int64_t k;

    if (!value || value == Py_None)
        return PyErr_Occurred() ? -1 : 0;
    k = PyLong_AsLongLong(value);
    if (k == -1 && PyErr_Occurred())
        return -1;
    if (k < 0) {
        PyErr_Format(PyExc_ValueError, "%R is below 0", key);
        return -1;
    }
    *n = k;
    return 1;
}

/* The descriptor of a regular file; -1 with an exception. */
static int
get_fd(struct rp_asgi_call *call, PyObject *message, struct stat *st)
{
    PyObject *file = rp_asgi_get(message, call->asgi->s_file);
    int fd;

    if (!file) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError,
                            "http.response.zerocopysend has no file");
        return -1;
    }
    fd = PyObject_AsFileDescriptor(file);
    if (fd < 0)
        return -1;
    if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode)) {
        PyErr_SetString(PyExc_OSError, "zerocopysend takes a regular file");
        return -1;
    }
    return fd;
}

enum rp_asgi_step
rp_asgi_send_zerocopy(struct rp_asgi_call *call, PyObject *message, bool *full)
{
    struct rp_asgi_object *a = call->asgi;
    int64_t off = 0, count = INT64_MAX;
    int more = rp_asgi_get_flag(message, a->s_more_body), has_off, fd, copy;
    struct stat st;

    if (more < 0 || (fd = get_fd(call, message, &st)) < 0)
        return RP_ASGI_ERROR;
    has_off = get_number(message, a->s_offset, &off);
    if (has_off < 0 || get_number(message, a->s_count, &count) < 0)
        return RP_ASGI_ERROR;
    if (!has_off && (off = lseek(fd, 0, SEEK_CUR)) < 0)
        goto failed;
    if (off > st.st_size)
        off = st.st_size;
    if (count > st.st_size - off)
        count = st.st_size - off;
    /* The application may close its own as soon as it goes on. */
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0 || (!has_off && lseek(fd, off + count, SEEK_SET) < 0)) {
        if (copy >= 0)
            close(copy);
        goto failed;
    }
    if (send_stretch(call, copy, off, (size_t)count, more, full) < 0)
        return RP_ASGI_ERROR;
    return RP_ASGI_DONE;
failed:
    PyErr_SetFromErrno(PyExc_OSError);
    return RP_ASGI_ERROR;
}
