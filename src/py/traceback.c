#include "rupy/py/traceback.h"

#include <stdbool.h>

#include "rupy/base/log.h"
#include "rupy/py/state.h"
#include "rupy/py/worker.h"

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

PyObject *
rp_py_log_error(PyObject *text)
{
    const char *p = PyUnicode_AsUTF8(text), *end;

    if (!p)
        return NULL;
    end = strchrnul(p, '\n');
    rp_error("%.*s", (int)(end - p), p);
    if (*end)
        rp_log_text(end + 1);
    Py_RETURN_NONE;
}

/* New reference to logging.getLogger("rupy.error") when something listens to
 * it; NULL, maybe with an exception, otherwise.  Who has not imported logging
 * has not configured it. */
static PyObject *
find_logger(void)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *logging =
        modules ? PyDict_GetItemString(modules, "logging") : NULL;
    PyObject *logger = NULL, *has = NULL;

    if (logging)
        logger = PyObject_CallMethod(logging, "getLogger", "s", "rupy.error");
    if (logger)
        has = PyObject_CallMethod(logger, "hasHandlers", NULL);
    if (has != Py_True)
        Py_CLEAR(logger);
    Py_XDECREF(has);
    return logger;
}

static bool
tell_logger(PyObject *line, PyObject *exc)
{
    PyObject *logger = find_logger(), *method = NULL, *r = NULL;
    PyObject *args = NULL, *kwargs = NULL;

    if (logger) {
        method = PyObject_GetAttrString(logger, "error");
        args = PyTuple_Pack(1, line);
        kwargs = Py_BuildValue("{s:O}", "exc_info", exc);
        if (method && args && kwargs)
            r = PyObject_Call(method, args, kwargs);
    }
    Py_XDECREF(logger);
    Py_XDECREF(method);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    Py_XDECREF(r);
    PyErr_Clear();
    return r != NULL;
}

PyObject *
rp_py_set_exception_hook(PyObject *module, PyObject *hook)
{
    struct rp_py_state *st = rp_py_state_of_module(module);

    Py_XSETREF(st->exception_hook, hook == Py_None ? NULL : Py_NewRef(hook));
    Py_RETURN_NONE;
}

static void
tell_hook(PyObject *exc)
{
    PyObject *core = PyImport_ImportModule("rupy._core"), *hook = NULL, *r;

    if (core)
        hook = Py_XNewRef(rp_py_state_of_module(core)->exception_hook);
    if (hook) {
        r = PyObject_CallOneArg(hook, exc);
        if (!r)
            PyErr_WriteUnraisable(hook);
        Py_XDECREF(r);
    }
    Py_XDECREF(hook);
    Py_XDECREF(core);
    PyErr_Clear();
}

void
rp_py_log_exception(PyObject *line, PyObject *exc)
{
    const char *p = line ? PyUnicode_AsUTF8(line) : NULL;
    PyObject *text;

    PyErr_Clear();
    tell_hook(exc);
    if (line && tell_logger(line, exc))
        return;
    text = rp_py_format_traceback(exc);
    rp_error("%s", p ? p : "unhandled exception");
    p = text ? PyUnicode_AsUTF8(text) : NULL;
    if (p)
        rp_log_text(p);
    Py_XDECREF(text);
    PyErr_Clear();
}

void
rp_py_dump_stacks(void)
{
    PyObject *module = PyImport_ImportModule("faulthandler");
    PyObject *r = NULL;

    if (module)
        r = PyObject_CallMethod(module, "dump_traceback", "i", 2);
    if (!r)
        PyErr_WriteUnraisable(module);
    Py_XDECREF(module);
    Py_XDECREF(r);
}
