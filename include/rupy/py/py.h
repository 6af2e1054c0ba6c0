/* py.h -- Python.h, and a name for what differs between 3.11, 3.12 and 3.13
 * beyond what aio needs as well.  Nothing else in py/ asks for the version.
 * And what all of py/ needs of objects. */
#ifndef RUPY_PY_PY_H
#define RUPY_PY_PY_H

#include "rupy/aio/compat.h"

#include "rupy/base/str.h"

#if PY_VERSION_HEX < 0x030B0000
#error "Python 3.11 or later is needed"
#endif

#if PY_VERSION_HEX >= 0x030C0000
#define RP_PY_SSIZE Py_T_PYSSIZET
#else
#define RP_PY_SSIZE T_PYSSIZET
#endif

/* Raise exc again, which may be NULL: then nothing is raised.  Steals it. */
static inline void
rp_py_restore_exception(PyObject *exc)
{
    if (exc == NULL)
        PyErr_Clear();
    else
        rp_py_set_exception(exc);
}

/* 1, 0, or -1 with an exception that says nothing about the attribute. */
static inline int
rp_py_has_attr(PyObject *o, const char *name)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyObject_HasAttrStringWithError(o, name);
#else
    PyObject *attr = PyObject_GetAttrString(o, name);

    if (attr == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    Py_DECREF(attr);
    return 1;
#endif
}

/* What is in bytes, lent as long as they live. */
static inline struct rp_str
rp_slice_of_bytes(PyObject *bytes)
{
    return (struct rp_str){PyBytes_AS_STRING(bytes),
                           (size_t)PyBytes_GET_SIZE(bytes)};
}

/* A str's characters may be looked at.  0, or -1 with an exception. */
static inline int
rp_py_str_ready(PyObject *str)
{
#if PY_VERSION_HEX >= 0x030C0000
    (void)str;
    return 0;
#else
    return PyUnicode_READY(str);
#endif
}

#endif
