/* embed.c -- an interpreter with a loop, for the tests of this folder. */
#include "embed.h"

#include <check.h>

#ifndef RP_PYTHON_EXECUTABLE
#define RP_PYTHON_EXECUTABLE "python3"
#endif

/* What the tests share lives here; each runs in a process of its own. */
struct rp_loop *loop;
struct seen seen;
static PyObject *globals;

static struct PyModuleDef core;

static int
core_exec(PyObject *m)
{
    return rp_aio_exec(m);
}

static int
core_traverse(PyObject *m, visitproc visit, void *arg)
{
    struct rp_aio_state *state = PyModule_GetState(m);

    return state ? rp_aio_traverse(state, visit, arg) : 0;
}

static int
core_clear(PyObject *m)
{
    struct rp_aio_state *state = PyModule_GetState(m);

    if (state)
        rp_aio_clear(state);
    return 0;
}

static PyModuleDef_Slot core_slots[] = {{Py_mod_exec, (void *)core_exec},
                                        {0, NULL}};

static struct PyModuleDef core = {PyModuleDef_HEAD_INIT,
                                  "_rupy",
                                  NULL,
                                  sizeof(struct rp_aio_state),
                                  NULL,
                                  core_slots,
                                  core_traverse,
                                  core_clear,
                                  NULL};

static PyObject *
init_core(void)
{
    return PyModuleDef_Init(&core);
}

/* Run Python code; the test fails when it raises. */
void
python(const char *code)
{
    PyObject *r = PyRun_String(code, Py_file_input, globals, globals);

    if (!r)
        PyErr_Print();
    ck_assert_ptr_nonnull(r);
    Py_DECREF(r);
}

PyObject *
value_of(const char *expression)
{
    PyObject *r = PyRun_String(expression, Py_eval_input, globals, globals);

    if (!r)
        PyErr_Print();
    ck_assert_ptr_nonnull(r);
    return r;
}

bool
is_true(const char *expression)
{
    PyObject *r = value_of(expression);
    bool yes = PyObject_IsTrue(r) == 1;

    Py_DECREF(r);
    return yes;
}

void
note(const char *s)
{
    strncat(seen.text, s, sizeof(seen.text) - strlen(seen.text) - 1);
}

void
embed_setup(void)
{
    PyConfig config;
    PyStatus status;
    PyObject *o;

    ck_assert_int_eq(PyImport_AppendInittab("_rupy", init_core), 0);
    PyConfig_InitPythonConfig(&config);
    config.install_signal_handlers = 0;
    status = PyConfig_SetBytesString(&config, &config.program_name,
                                     RP_PYTHON_EXECUTABLE);
    ck_assert(!PyStatus_Exception(status));
    status = Py_InitializeFromConfig(&config);
    ck_assert(!PyStatus_Exception(status));
    PyConfig_Clear(&config);
    globals = PyDict_New();
    /* the Python half of the loop alone, without the framework around */
    python("import sys, types, asyncio\n"
           "import _rupy\n"
           "package = types.ModuleType('rupy')\n"
           "package.__path__ = ['rupy']\n"
           "sys.modules['rupy'] = package\n"
           "sys.modules['rupy._core'] = package._core = _rupy\n"
           "from rupy._loop import EventLoop\n"
           "loop = EventLoop()\n"
           "reports = []\n"
           "loop.set_exception_handler(lambda _, c: reports.append(c))\n");
    o = PyDict_GetItemString(globals, "loop");
    loop = rp_loop_from_object(o);
    ck_assert_ptr_nonnull(loop);
    ck_assert_ptr_eq(rp_loop_object(loop), o);
    memset(&seen, 0, sizeof(seen));
}

void
embed_teardown(void)
{
    python("loop.close()");
    ck_assert_int_eq(rp_loop_is_closed(loop), 1);
    ck_assert_ptr_null(rp_loop_ev(loop));
    Py_DECREF(globals);
    ck_assert_int_eq(Py_FinalizeEx(), 0);
}

void
stop_loop(void)
{
    python("loop.stop()");
}

static void
on_done(void *arg, PyObject *result)
{
    ck_assert_ptr_eq(arg, &seen);
    if (result) {
        note("=");
        note(PyUnicode_AsUTF8(result));
    } else {
        PyObject *type, *value, *tb;

        PyErr_Fetch(&type, &value, &tb);
        ck_assert_ptr_nonnull(type);
        note("!");
        note(((PyTypeObject *)type)->tp_name);
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(tb);
    }
    ck_assert_ptr_null(PyErr_Occurred());
}

/* Start the coroutine of an expression. */
enum rp_drive
start(const char *expression)
{
    PyObject *result;
    enum rp_drive how;

    how = rp_drive_start(loop, value_of(expression), on_done, &seen, &result,
                         &seen.task);
    if (how == RP_DRIVE_DONE) {
        on_done(&seen, result);
        Py_DECREF(result);
    } else if (how == RP_DRIVE_ERROR) {
        on_done(&seen, NULL);
    }
    return how;
}
