/* module.c -- rupy._core: its types, its state, and the doors from Python. */
#include "rupy/ext/module.h"

#include <unistd.h>

#include "rupy/py/asgi.h"
#include "rupy/py/await.h"
#include "rupy/py/door.h"
#include "rupy/py/traceback.h"
#include "rupy/py/websocket.h"
#include "rupy/py/wsgi.h"
#include "rupy/serve/command.h"
#include "rupy/serve/serve.h"

/* ---- Doors ---- */

/* argv as C has it: bytes in `words`, pointers in `v`.  0, or -1. */
static int
argv_from_list(PyObject *list, PyObject *words, char **v, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *word = PyUnicode_EncodeFSDefault(PyList_GET_ITEM(list, i));
        if (!word)
            return -1;
        PyTuple_SET_ITEM(words, i, word);
        v[i] = PyBytes_AS_STRING(word);
    }
    v[n] = NULL;
    return 0;
}

PyDoc_STRVAR(
    main_doc,
    "main(argv, /)\n--\n\nDo what the command line says; return the exit status.");

static PyObject *
core_main(PyObject *module, PyObject *list)
{
    PyObject *words = NULL, *result = NULL;
    char **argv = NULL;
    Py_ssize_t n;

    (void)module;
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "argv is a list of str");
        return NULL;
    }
    n = PyList_GET_SIZE(list);
    words = PyTuple_New(n);
    argv = PyMem_Calloc((size_t)n + 1, sizeof(*argv));
    if (words && argv && argv_from_list(list, words, argv, n) == 0) {
        struct rp_door door = {.take_signals = true};
        int status = rp_command_main((int)n, argv, environ, &door);
        if (!PyErr_Occurred())
            result = PyLong_FromLong(status);
    }
    Py_XDECREF(words);
    PyMem_Free(argv);
    return result;
}

/* One option from Python: str(value), None is left at its default, a list is
 * given item by item. */
static int
set_option(struct rp_config *c, PyObject *name, PyObject *value)
{
    PyObject *text;
    Py_ssize_t n, k;
    const char *key, *p;
    int bad;

    if (value == Py_None)
        return 0;
    if (PyList_Check(value) || PyTuple_Check(value)) {
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(value); i++)
            if (set_option(c, name, PySequence_Fast_GET_ITEM(value, i)) < 0)
                return -1;
        return 0;
    }
    text = PyObject_Str(value);
    key = PyUnicode_AsUTF8AndSize(name, &k);
    p = text ? PyUnicode_AsUTF8AndSize(text, &n) : NULL;
    if (!key || !p) {
        Py_XDECREF(text);
        return -1;
    }
    bad = rp_config_set(c, (struct rp_str){key, (size_t)k},
                        (struct rp_str){p, (size_t)n}, RP_SOURCE_PYTHON);
    Py_DECREF(text);
    if (bad < 0)
        PyErr_SetString(PyExc_ValueError, c->error);
    return bad;
}

PyDoc_STRVAR(serve_doc,
             "serve(app, options, run=None, /)\n--\n\n"
             "Serve app until told to stop; return the exit status.\n"
             "run is called with the Worker instead of rupy._worker.run; "
             "then only\noptions that say where to listen make it listen.\n"
             "ValueError: an option is not right.");

/* Does any option say where to listen? */
static bool
says_where(PyObject *options)
{
    static const char *const names[] = {"bind", "host", "port", "uds", "fd"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (PyDict_GetItemString(options, names[i]))
            return true;
    return false;
}

static PyObject *
core_serve(PyObject *module, PyObject *args)
{
    PyObject *app, *options, *run = Py_None, *key, *value, *result = NULL;
    struct rp_config c;
    struct rp_door door = {.alone = true};
    Py_ssize_t at = 0;

    (void)module;
    if (!PyArg_ParseTuple(args, "OO!|O:serve", &app, &PyDict_Type, &options,
                          &run))
        return NULL;
    door.app = app;
    door.take_signals = run == Py_None && rp_py_is_main_thread();
    if (run != Py_None) {
        door.run = run;
        door.inside = !says_where(options);
    }
    rp_config_init(&c);
    while (PyDict_Next(options, &at, &key, &value))
        if (set_option(&c, key, value) < 0)
            goto out;
    if ((c.config && rp_config_from_file(&c) < 0) || rp_config_finish(&c) < 0) {
        PyErr_SetString(PyExc_ValueError, c.error);
        goto out;
    }
    if (rp_command_prepare(&c) < 0) {
        PyErr_SetString(PyExc_ValueError, c.error);
        goto out;
    }
    if (c.workers > 1 && !door.take_signals) {
        PyErr_SetString(PyExc_ValueError,
                        "workers=1 is all that a thread can have: "
                        "only the main thread may fork");
        goto out;
    }
    int status = rp_serve_main(&c, &door);
    if (!PyErr_Occurred())
        result = PyLong_FromLong(status);
out:
    rp_config_fini(&c);
    return result;
}

static PyMethodDef core_methods[] = {
    {"main", core_main, METH_O, main_doc},
    {"serve", core_serve, METH_VARARGS, serve_doc},
    {"_set_exception_hook", rp_py_set_exception_hook, METH_O,
     PyDoc_STR("Call this with every exception that is not handled.")},
    {NULL, NULL, 0, NULL},
};

/* ---- The module ---- */

static int
core_exec(PyObject *module)
{
    struct rp_py_state *st = PyModule_GetState(module);

    if (rp_aio_exec(module) < 0 || rp_py_types_exec(module, st) < 0 ||
        rp_py_await_exec(module, st) < 0 || rp_py_native_exec(module, st) < 0 ||
        rp_py_websocket_exec(module, st) < 0 ||
        rp_py_worker_exec(module, st) < 0 || rp_py_asgi_exec(module, st) < 0 ||
        rp_py_wsgi_exec(module, st) < 0)
        return -1;
    return 0;
}

static int
core_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct rp_py_state *st = PyModule_GetState(module);
    int bad = rp_aio_traverse(&st->aio, visit, arg);

    return bad ? bad : rp_py_state_traverse(st, visit, arg);
}

static int
core_clear(PyObject *module)
{
    struct rp_py_state *st = PyModule_GetState(module);

    rp_aio_clear(&st->aio);
    rp_py_state_clear(st);
    return 0;
}

static void
core_free(void *module)
{
    core_clear(module);
}

static PyModuleDef_Slot core_slots[] = {
    {Py_mod_exec, core_exec},
    {0, NULL},
};

static struct PyModuleDef core_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "rupy._core",
    .m_doc = PyDoc_STR("The C core of rupy."),
    .m_size = sizeof(struct rp_py_state),
    .m_methods = core_methods,
    .m_slots = core_slots,
    .m_traverse = core_traverse,
    .m_clear = core_clear,
    .m_free = core_free,
};

PyObject *
PyInit__core(void)
{
    return PyModuleDef_Init(&core_def);
}
