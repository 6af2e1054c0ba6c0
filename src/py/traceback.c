#include "rupy/py/traceback.h"

PyObject *
rp_py_format_traceback(PyObject *exc)
{
    PyObject *module = PyImport_ImportModule("traceback");
    PyObject *lines = NULL, *empty = NULL, *text = NULL;

    if (module)
        lines = PyObject_CallMethod(module, "format_exception", "O", exc);
    empty = PyUnicode_FromString("");
    if (lines && empty)
        text = PyUnicode_Join(empty, lines);
    Py_XDECREF(module);
    Py_XDECREF(lines);
    Py_XDECREF(empty);
    PyErr_Clear();
    return text;
}
