/* compat.h -- what differs between CPython 3.11, 3.12 and 3.13, by name. */
#ifndef RUPY_AIO_COMPAT_H
#define RUPY_AIO_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#ifdef Py_GIL_DISABLED
#error "ring, heap and pool of the loop are protected by the GIL"
#endif

/* Member kinds: the public spelling is new in 3.12. */
#if PY_VERSION_HEX >= 0x030C0000
#define RP_PY_BOOL Py_T_BOOL
#define RP_PY_OBJECT _Py_T_OBJECT
#define RP_PY_READONLY Py_READONLY
#else
#define RP_PY_BOOL T_BOOL
#define RP_PY_OBJECT T_OBJECT
#define RP_PY_READONLY READONLY
#endif

/* The WeakSet of asyncio.tasks that all_tasks() reads. */
#if PY_VERSION_HEX >= 0x030C0000
#define RP_PY_ALL_TASKS "_scheduled_tasks"
#else
#define RP_PY_ALL_TASKS "_all_tasks"
#endif

/* Up to 3.11 _asyncio.Task is a static type: it neither visits nor gives up
 * the reference that an instance of a heap subtype holds on its type. */
#if PY_VERSION_HEX >= 0x030C0000
#define RP_PY_TASK_IS_STATIC 0
#else
#define RP_PY_TASK_IS_STATIC 1
#endif

/* From 3.13 uncancel() down to zero takes back a cancellation that was not
 * delivered yet. */
#if PY_VERSION_HEX >= 0x030D0000
#define RP_PY_UNCANCEL_TAKES_BACK 1
#else
#define RP_PY_UNCANCEL_TAKES_BACK 0
#endif

/* Take the exception that is set, normalized and with its traceback; a new
 * reference, NULL when none is set. */
static inline PyObject *
rp_py_take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *tb;

    PyErr_Fetch(&type, &value, &tb);
    if (!type)
        return NULL;
    PyErr_NormalizeException(&type, &value, &tb);
    if (tb) {
        PyException_SetTraceback(value, tb);
        Py_DECREF(tb);
    }
    Py_DECREF(type);
    return value;
#endif
}

/* Raise exc; steals it. */
static inline void
rp_py_set_exception(PyObject *exc)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(exc);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(exc)), exc,
                  PyException_GetTraceback(exc));
#endif
}

/* An object from a free list lives again, with one reference. */
static inline void
rp_py_revive(PyObject *o)
{
    _Py_NewReference(o);
}

#endif
