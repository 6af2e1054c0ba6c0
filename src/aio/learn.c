/* learn.c -- what is found out about the interpreter at run time, and the
 * module's functions for it and for the tests. */
#include "inside.h"

/* _learn(step, wakeup): the callables by which asyncio's own tasks are
 * stepped and woken, as a probe has caught them.  When call_soon() meets
 * their like it makes no Handle. */
static PyObject *
aio_learn(PyObject *module, PyObject *args)
{
    struct rp_aio_state *state = PyModule_GetState(module);
    PyObject *step, *wakeup;

    if (!PyArg_ParseTuple(args, "OO:_learn", &step, &wakeup))
        return NULL;
    if (!PyCFunction_CheckExact(wakeup) || PyCFunction_Check(step) ||
        PyType_HasFeature(Py_TYPE(step), Py_TPFLAGS_BASETYPE)) {
        PyErr_SetString(PyExc_TypeError, "not the callbacks of a C task");
        return NULL;
    }
    Py_XSETREF(state->step_type, (PyTypeObject *)Py_NewRef(Py_TYPE(step)));
    state->wakeup_function = PyCFunction_GET_FUNCTION(wakeup);
    Py_RETURN_NONE;
}

/* Whether the call asyncio.NAME(loop) answers (or, with in, holds) o. */
static bool
asyncio_says(struct rp_loop *loop, const char *name, PyObject *o, bool in)
{
    PyObject *r = PyObject_CallMethod(loop->state->tasks, name, "O", loop);
    bool yes = r && (in ? PySequence_Contains(r, o) == 1 : r == o);

    Py_XDECREF(r);
    return yes;
}

static bool
task_works(struct rp_loop *loop, PyObject *self)
{
    PyObject *d = loop->state->current_tasks;
    PyObject *was = Py_XNewRef(PyDict_GetItemWithError(d, (PyObject *)loop));
    bool good;

    if (PyDict_SetItem(d, (PyObject *)loop, self) < 0)
        return false;
    good = asyncio_says(loop, "current_task", self, false) &&
           asyncio_says(loop, "all_tasks", self, true);
    if (was) {
        good = PyDict_SetItem(d, (PyObject *)loop, was) == 0 && good;
        Py_DECREF(was);
        return good;
    }
    return PyDict_DelItem(d, (PyObject *)loop) == 0 && good &&
           asyncio_says(loop, "current_task", Py_None, false);
}

/* Find out whether driven tasks are tasks to asyncio.  When not, say so once
 * and use its own.  0, or -1 with an exception (no memory). */
int
rp_aio_self_test(struct rp_loop *loop)
{
    struct rp_aio_state *state = loop->state;
    struct rp_task *t;

    state->tested = 1;
    if (state->native)
        return 0;
    t = rp_task_get(loop);
    if (!t || rp_all_install(state) < 0 || !task_works(loop, t->self)) {
        PyErr_Clear();
        state->native = 1;
        Py_XDECREF(t ? t->self : NULL);
        return PyErr_WarnEx(PyExc_RuntimeWarning,
                            "this Python's asyncio is unknown: handlers run "
                            "as ordinary tasks",
                            1);
    }
    rp_task_put(t, Py_None, NULL);
    return 0;
}

/* done() of the hook below: calls done(result, exception). */
static void
on_done(void *arg, PyObject *result)
{
    PyObject *done = arg, *err = NULL, *r;

    if (!result)
        err = rp_py_take_exception();
    r = PyObject_CallFunctionObjArgs(done, result ? result : Py_None,
                                     err ? err : Py_None, NULL);
    if (!r)
        PyErr_WriteUnraisable(done);
    Py_XDECREF(r);
    Py_XDECREF(err);
    Py_DECREF(done);
}

/* _drive_for_tests(loop, awaitable, done) -> (how, what): rp_drive_start()
 * as the server calls it.  ("done", result), ("error", exception) or
 * ("waits", task), and then done(result, exception) is called later. */
static PyObject *
aio_drive(PyObject *module, PyObject *args)
{
    PyObject *o, *coro, *done, *result, *err;
    struct rp_loop *loop;
    struct rp_task *t;

    (void)module;
    if (!PyArg_ParseTuple(args, "OOO:_drive_for_tests", &o, &coro, &done))
        return NULL;
    loop = rp_loop_from_object(o);
    if (!loop)
        return NULL;
    switch (rp_drive_start(loop, Py_NewRef(coro), on_done, Py_NewRef(done),
                           &result, &t)) {
    case RP_DRIVE_DONE:
        Py_DECREF(done);
        return Py_BuildValue("sN", "done", result);
    case RP_DRIVE_ERROR:
        Py_DECREF(done);
        err = rp_py_take_exception();
        return Py_BuildValue("sN", "error", err);
    case RP_DRIVE_WAITS:
        break;
    }
    return Py_BuildValue("sN", "waits", rp_drive_object(t));
}

PyMethodDef rp_aio_functions[] = {
    {"_use_asyncio", rp_aio_use_asyncio, METH_NOARGS,
     "Import asyncio, and make the types that derive from its own."},
    {"_learn", aio_learn, METH_VARARGS, NULL},
    {"_adopt_transport", rp_transport_adopt, METH_O,
     "Put the methods of transport.c into a class with their slots."},
    {"_drive_for_tests", aio_drive, METH_VARARGS,
     "rp_drive_start(), for the project's tests."},
    {NULL, NULL, 0, NULL},
};
