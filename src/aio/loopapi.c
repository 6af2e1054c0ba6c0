/* loopapi.c -- the methods of LoopBase, as asyncio's loop has them. */
#include "inside.h"

#include <stddef.h>

#include "rupy/base/clock.h"

#define SELF ((struct rp_loop *)self)

static PyObject *
loop_time(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyFloat_FromDouble(rp_clock_mono());
}

static PyObject *
loop_get_debug(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(SELF->debug);
}

static PyObject *
loop_is_closed(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(SELF->closed);
}

static PyObject *
loop_check_closed(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (rp_loop_check_open(SELF) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
loop_create_future(PyObject *self, PyObject *unused)
{
    (void)unused;
    return rp_loop_create_future(SELF);
}

static PyObject *
loop_timer_handle_cancelled(PyObject *self, PyObject *handle)
{
    (void)self;
    (void)handle;
    Py_RETURN_NONE;
}

static PyObject *
loop_purge(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (SELF->closed)
        rp_loop_purge(SELF);
    Py_RETURN_NONE;
}

static PyObject *
loop_capture_context(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (rp_loop_capture_context(SELF) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
loop_cancel_driven(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromSize_t(rp_drive_cancel_all(SELF));
}

static PyObject *
loop_count_driven(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromSize_t(rp_drive_count(SELF));
}

PyMethodDef rp_loop_methods[] = {
    {"call_soon", (PyCFunction)(void (*)(void))rp_loop_py_call_soon,
     METH_FASTCALL | METH_KEYWORDS, "Call a function in the next turn."},
    {"call_soon_threadsafe",
     (PyCFunction)(void (*)(void))rp_loop_py_call_soon_threadsafe,
     METH_FASTCALL | METH_KEYWORDS, "call_soon() from any thread."},
    {"call_later", (PyCFunction)(void (*)(void))rp_loop_py_call_later,
     METH_FASTCALL | METH_KEYWORDS, "Call a function after some seconds."},
    {"call_at", (PyCFunction)(void (*)(void))rp_loop_py_call_at,
     METH_FASTCALL | METH_KEYWORDS, "Call a function at a loop.time()."},
    {"_add_callback", rp_loop_py_add_callback, METH_O, NULL},
    {"_add_reader", (PyCFunction)(void (*)(void))rp_loop_py_add_reader,
     METH_FASTCALL, NULL},
    {"_add_writer", (PyCFunction)(void (*)(void))rp_loop_py_add_writer,
     METH_FASTCALL, NULL},
    {"_remove_reader", rp_loop_py_remove_reader, METH_O, NULL},
    {"_remove_writer", rp_loop_py_remove_writer, METH_O, NULL},
    {"_run_once", rp_loop_run_once, METH_NOARGS, NULL},
    {"_run_plain", rp_loop_run_plain, METH_NOARGS,
     "Run until _stopping is set, and be nobody's running loop."},
    {"_timer_handle_cancelled", loop_timer_handle_cancelled, METH_O, NULL},
    {"_check_closed", loop_check_closed, METH_NOARGS, NULL},
    {"time", loop_time, METH_NOARGS, "Monotonic time in seconds."},
    {"get_debug", loop_get_debug, METH_NOARGS, "Whether debug mode is on."},
    {"is_closed", loop_is_closed, METH_NOARGS, "Whether close() was called."},
    {"create_future", loop_create_future, METH_NOARGS,
     "A new asyncio.Future of this loop."},
    {"_watched", rp_loop_py_watched, METH_NOARGS,
     "{fd: selectors' event mask} of what is watched."},
    {"_purge", loop_purge, METH_NOARGS, "Free what a closed loop still holds."},
    {"_capture_context", loop_capture_context, METH_NOARGS,
     "Driven handlers start in a copy of the context that is current now."},
    {"_cancel_driven", loop_cancel_driven, METH_NOARGS,
     "Cancel the driven handlers that wait; how many."},
    {"_count_driven", loop_count_driven, METH_NOARGS,
     "How many driven handlers wait."},
    {NULL, NULL, 0, NULL},
};

/* asyncio assigns any truth value to its flags. */
static PyObject *
loop_get_flag(PyObject *self, void *offset)
{
    return PyBool_FromLong(*((bool *)self + (size_t)offset));
}

static int
loop_set_flag(PyObject *self, PyObject *value, void *offset)
{
    int v = value ? PyObject_IsTrue(value) : 0;

    if (v < 0)
        return -1;
    *((bool *)self + (size_t)offset) = v;
    return 0;
}

#define FLAG(name, field)                                                      \
    {                                                                          \
        name, loop_get_flag, loop_set_flag, NULL,                              \
            (void *)offsetof(struct rp_loop, field)                            \
    }

PyGetSetDef rp_loop_getset[] = {
    FLAG("_closed", closed),
    FLAG("_stopping", stopping),
    FLAG("_debug", debug),
    {NULL, NULL, NULL, NULL, NULL},
};

PyMemberDef rp_loop_members[] = {
    {"_task_factory", RP_PY_OBJECT, offsetof(struct rp_loop, task_factory), 0,
     NULL},
    {"_gil_given", T_ULONGLONG, offsetof(struct rp_loop, gil_given),
     RP_PY_READONLY, "How often the loop gave the GIL away to wait."},
    {NULL, 0, 0, 0, NULL},
};
