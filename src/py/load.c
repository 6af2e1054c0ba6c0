/* load.c -- the C side of rupy/_load.py. */
#include "rupy/py/load.h"

#include "rupy/base/log.h"

void
rp_py_load_explain(bool (*may_report)(void *arg), void *arg)
{
    PyObject *exc = rp_py_take_exception(), *module, *text = NULL;
    const char *p = NULL;

    module = PyImport_ImportModule("rupy._load");
    if (module && exc)
        text = PyObject_CallMethod(module, "report", "O", exc);
    if (text)
        p = PyUnicode_AsUTF8(text);
    if ((p || PyErr_Occurred()) && may_report(arg)) {
        rp_log(RP_LOG_CRITICAL, "the application cannot be loaded");
        if (p)
            rp_log_text(p);
        else
            PyErr_Print();
    }
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(module);
    Py_XDECREF(exc);
}

/* New reference to a list of str, or NULL with an exception. */
static PyObject *
list_dirs(const struct rp_py_worker_config *c)
{
    PyObject *dirs = PyList_New(0);

    for (size_t i = 0; dirs && i < c->napp_dirs; i++) {
        PyObject *dir = PyUnicode_DecodeFSDefault(c->app_dirs[i]);
        if (!dir || PyList_Append(dirs, dir) < 0)
            Py_CLEAR(dirs);
        Py_XDECREF(dir);
    }
    return dirs;
}

PyObject *
rp_py_load(const struct rp_py_worker_config *c, bool (*may_report)(void *arg),
           void *arg)
{
    PyObject *module = PyImport_ImportModule("rupy._load"), *load = NULL;
    PyObject *dirs = list_dirs(c), *args = NULL, *kwargs = NULL, *app = NULL;

    if (module && dirs) {
        load = PyObject_GetAttrString(module, "load");
        args = Py_BuildValue("(s)", c->app);
        kwargs = Py_BuildValue("{s:O,s:O,s:z}", "factory",
                               c->factory ? Py_True : Py_False, "app_dirs",
                               dirs, "log_config", c->log_config);
    }
    if (load && args && kwargs)
        app = PyObject_Call(load, args, kwargs);
    if (!app)
        rp_py_load_explain(may_report, arg);
    Py_XDECREF(module);
    Py_XDECREF(load);
    Py_XDECREF(dirs);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return app;
}
