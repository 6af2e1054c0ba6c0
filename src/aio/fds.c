/* fds.c -- fds that belong to Python code, in an epoll fd of their own.
 *
 * libev aborts the process when a watched fd was closed behind its back, and
 * Python code does close them.  So libev watches one fd only, our epoll fd,
 * and what became of the others is found out here:
 *  - closed: the kernel has forgotten it, and EPOLL_CTL_DEL fails unheard
 *  - closed and the number used again: EPOLL_CTL_MOD says ENOENT, add it
 *  - closed, but a duplicate keeps the old file open: events arrive under the
 *    number with an old generation, and cannot be turned off by number any
 *    more; a fresh epoll fd gets rid of them */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { READER = 1, WRITER = 2, EVENTS_MAX = 256 };

#define SELF ((struct rp_loop *)self)

static uint32_t
mask_of(const struct rp_fd *f)
{
    return (f->reader ? EPOLLIN : 0u) | (f->writer ? EPOLLOUT : 0u);
}

static int
ctl(struct rp_fds *fds, int op, int fd)
{
    struct rp_fd *f = &fds->v[fd];
    struct epoll_event e = {.events = mask_of(f)};

    e.data.u64 = (uint64_t)f->gen << 32 | (uint32_t)fd;
    return epoll_ctl(fds->epfd, op, fd, &e);
}

/* Tell the kernel about fd, whose mask was old. */
static int
update(struct rp_fds *fds, int fd, uint32_t old)
{
    struct rp_fd *f = &fds->v[fd];

    if (old && ctl(fds, EPOLL_CTL_MOD, fd) == 0)
        return 0;
    if (old && errno != ENOENT)
        return -1;
    f->gen = ++fds->gen;
    if (ctl(fds, EPOLL_CTL_ADD, fd) == 0)
        return 0;
    /* Left behind by a remove that could not reach it. */
    if (errno == EEXIST)
        return ctl(fds, EPOLL_CTL_MOD, fd);
    return -1;
}

int
rp_fds_rebuild(struct rp_loop *loop)
{
    struct rp_fds *fds = &loop->fds;
    int fresh = epoll_create1(EPOLL_CLOEXEC), fd;

    if (fresh < 0)
        return -1;
    if (dup3(fresh, fds->epfd, O_CLOEXEC) < 0) {
        close(fresh);
        return -1;
    }
    close(fresh);
    for (fd = 0; fd < fds->n; fd++)
        if (mask_of(&fds->v[fd])) {
            fds->v[fd].gen = ++fds->gen;
            /* A closed one has no events any more; that is all. */
            (void)ctl(fds, EPOLL_CTL_ADD, fd);
        }
    /* libev's registration of the number went with the old file. */
    if (ev_is_active(&loop->io)) {
        ev_io_stop(loop->ev, &loop->io);
        ev_io_set(&loop->io, fds->epfd, EV_READ);
        ev_io_start(loop->ev, &loop->io);
    }
    return 0;
}

static void
ready(struct rp_loop *loop, PyObject *handle)
{
    enum rp_ready_kind kind =
        rp_is_handle(handle) ? RP_READY_HANDLE : RP_READY_PYTHON;

    if (rp_ring_push(loop, (struct rp_ready){
                               kind, {Py_NewRef(handle)}, {NULL}, NULL}) < 0)
        rp_loop_take_exception(loop);
}

int
rp_fds_poll(struct rp_loop *loop)
{
    struct rp_fds *fds = &loop->fds;
    struct epoll_event v[EVENTS_MAX];
    bool stale = false;
    int n, i;

    n = epoll_wait(fds->epfd, v, EVENTS_MAX, 0);
    for (i = 0; i < n; i++) {
        int fd = (int)(uint32_t)v[i].data.u64;
        struct rp_fd *f = fd < fds->n ? &fds->v[fd] : NULL;

        if (!f || !mask_of(f) || f->gen != (uint32_t)(v[i].data.u64 >> 32)) {
            stale = true;
            continue;
        }
        /* An error or a hang-up concerns both. */
        if (f->reader && (v[i].events & ~(uint32_t)EPOLLOUT))
            ready(loop, f->reader);
        if (f->writer && (v[i].events & ~(uint32_t)EPOLLIN))
            ready(loop, f->writer);
    }
    if (stale && rp_fds_rebuild(loop) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        rp_loop_take_exception(loop);
    }
    fds->busy = n > 0;
    return n;
}

static void
on_events(struct ev_loop *ev, ev_io *w, int revents)
{
    (void)ev;
    (void)revents;
    rp_fds_poll(rp_container_of(w, struct rp_loop, io));
}

int
rp_fds_init(struct rp_loop *loop)
{
    loop->fds.epfd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->fds.epfd < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    ev_io_init(&loop->io, on_events, loop->fds.epfd, EV_READ);
    ev_io_start(loop->ev, &loop->io);
    return 0;
}

void
rp_fds_fini(struct rp_loop *loop)
{
    struct rp_fds *fds = &loop->fds;
    int fd;

    for (fd = 0; fd < fds->n; fd++) {
        Py_CLEAR(fds->v[fd].reader);
        Py_CLEAR(fds->v[fd].writer);
    }
    PyMem_Free(fds->v);
    fds->v = NULL;
    fds->n = 0;
    if (fds->epfd >= 0)
        close(fds->epfd);
    fds->epfd = -1;
}

int
rp_fds_visit(struct rp_fds *fds, visitproc visit, void *arg)
{
    int fd;

    for (fd = 0; fd < fds->n; fd++) {
        Py_VISIT(fds->v[fd].reader);
        Py_VISIT(fds->v[fd].writer);
    }
    return 0;
}

/* As selectors do: an int, or an object with fileno().  -1: ValueError. */
static int
fd_of(PyObject *o)
{
    PyObject *r = NULL, *v = NULL;
    long fd = -1;

    if (PyLong_Check(o)) {
        fd = PyLong_AsLong(o);
    } else {
        r = PyObject_CallMethod(o, "fileno", NULL);
        v = r ? PyNumber_Long(r) : NULL;
        if (v)
            fd = PyLong_AsLong(v);
    }
    Py_XDECREF(r);
    Py_XDECREF(v);
    if (fd >= 0 && fd <= INT_MAX)
        return (int)fd;
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_AttributeError) &&
        !PyErr_ExceptionMatches(PyExc_TypeError) &&
        !PyErr_ExceptionMatches(PyExc_OverflowError))
        return -1;
    PyErr_Clear();
    PyErr_Format(PyExc_ValueError, "Invalid file object: %R", o);
    return -1;
}

static int
make_room(struct rp_fds *fds, int fd)
{
    struct rp_fd *v = fds->v;
    int n = fds->n ? fds->n : 16;

    if (fd < fds->n)
        return 0;
    while (n <= fd && n < INT_MAX / 2)
        n *= 2;
    /* A number that no limit allows is refused by the kernel; ask first. */
    if (fcntl(fd, F_GETFD) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    PyMem_Resize(v, struct rp_fd, (size_t)n);
    if (!v) {
        PyErr_NoMemory();
        return -1;
    }
    memset(v + fds->n, 0, (size_t)(n - fds->n) * sizeof(*v));
    fds->v = v;
    fds->n = n;
    return 0;
}

static PyObject *
add(struct rp_loop *loop, int side, PyObject *const *args, Py_ssize_t nargs)
{
    struct rp_fds *fds = &loop->fds;
    PyObject *handle, *old, **slot;
    uint32_t mask;
    int fd;

    if (nargs < 2) {
        PyErr_SetString(PyExc_TypeError, "expected an fd and a callback");
        return NULL;
    }
    if (rp_loop_check_open(loop) < 0)
        return NULL;
    if (loop->debug)
        handle =
            rp_python_handle(loop, NULL, args[1], args + 2, nargs - 2, NULL);
    else
        handle = (PyObject *)rp_handle_new(loop, loop->state->handle_type,
                                           args[1], args + 2, nargs - 2, NULL);
    if (!handle)
        return NULL;
    fd = fd_of(args[0]);
    if (fd < 0 || make_room(fds, fd) < 0)
        goto fail;
    slot = side == READER ? &fds->v[fd].reader : &fds->v[fd].writer;
    mask = mask_of(&fds->v[fd]);
    old = *slot;
    *slot = Py_NewRef(handle);
    if (update(fds, fd, mask) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        *slot = old;
        Py_DECREF(handle);
        goto fail;
    }
    if (old) {
        int r = rp_any_handle_cancel(loop, old);

        Py_DECREF(old);
        if (r < 0)
            goto fail;
    }
    return handle;
fail:
    Py_DECREF(handle);
    return NULL;
}

static PyObject *
del(struct rp_loop *loop, int side, PyObject *o)
{
    struct rp_fds *fds = &loop->fds;
    PyObject *old, **slot;
    int fd, r;

    if (loop->closed || !loop->ev)
        Py_RETURN_FALSE;
    fd = fd_of(o);
    if (fd < 0)
        return NULL;
    if (fd >= fds->n)
        Py_RETURN_FALSE;
    slot = side == READER ? &fds->v[fd].reader : &fds->v[fd].writer;
    old = *slot;
    if (!old)
        Py_RETURN_FALSE;
    *slot = NULL;
    (void)ctl(fds, mask_of(&fds->v[fd]) ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, fd);
    r = rp_any_handle_cancel(loop, old);
    Py_DECREF(old);
    if (r < 0)
        return NULL;
    Py_RETURN_TRUE;
}

PyObject *
rp_loop_py_add_reader(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return add(SELF, READER, args, nargs);
}

PyObject *
rp_loop_py_add_writer(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return add(SELF, WRITER, args, nargs);
}

PyObject *
rp_loop_py_remove_reader(PyObject *self, PyObject *fd)
{
    return del(SELF, READER, fd);
}

PyObject *
rp_loop_py_remove_writer(PyObject *self, PyObject *fd)
{
    return del(SELF, WRITER, fd);
}

PyObject *
rp_loop_py_watched(PyObject *self, PyObject *unused)
{
    struct rp_fds *fds = &SELF->fds;
    PyObject *d = PyDict_New(), *key, *value;
    int fd, r;

    (void)unused;
    for (fd = 0; d && fd < fds->n; fd++) {
        struct rp_fd *f = &fds->v[fd];

        if (!mask_of(f))
            continue;
        key = PyLong_FromLong(fd);
        value = PyLong_FromLong((f->reader ? READER : 0) |
                                (f->writer ? WRITER : 0));
        r = key && value ? PyDict_SetItem(d, key, value) : -1;
        Py_XDECREF(key);
        Py_XDECREF(value);
        if (r < 0)
            Py_CLEAR(d);
    }
    return d;
}
