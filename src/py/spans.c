/* spans.c -- a span around each request, and their end. */
#include "rupy/py/spans.h"

#include "rupy/base/log.h"
#include "rupy/py/interface.h"
#include "rupy/py/load.h"

PyObject *
rp_py_add_spans(const struct rp_py_worker_config *c, PyObject *app,
                const struct rp_py_worker_ops *ops, void *arg)
{
    int kind = rp_interface_detect(app, c->interface);
    PyObject *otel = kind < 0 ? NULL : PyImport_ImportModule("rupy._otel");
    PyObject *traced = NULL;

    if (otel)
        traced = PyObject_CallMethod(otel, "install", "Oss", app,
                                     rp_interface_name((enum rp_py_kind)kind),
                                     c->service);
    if (!traced)
        rp_py_load_explain(ops->may_report, arg);
    Py_XDECREF(otel);
    Py_DECREF(app);
    return traced;
}

void
rp_py_send_spans(const struct rp_py_worker_ops *ops, void *arg)
{
    PyObject *before = rp_py_take_exception();
    PyObject *otel = PyImport_ImportModule("rupy._otel"), *text = NULL;
    double left = ops->left(arg);
    const char *p = NULL;

    if (otel)
        text = left < 0 ? PyObject_CallMethod(otel, "finish", "O", Py_None)
                        : PyObject_CallMethod(otel, "finish", "d", left);
    if (text)
        p = PyUnicode_AsUTF8(text);
    if (p && *p)
        rp_warn("%s", p);
    if (PyErr_Occurred())
        PyErr_Print();
    Py_XDECREF(text);
    Py_XDECREF(otel);
    rp_py_restore_exception(before);
}
