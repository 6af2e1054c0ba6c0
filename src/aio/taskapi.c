/* taskapi.c -- the methods of rupy.Task, as asyncio's Task has them. */
#include "inside.h"

#define TASK rp_task_of(self)

PyObject *
rp_task_cancel(struct rp_task *t, PyObject *msg)
{
    struct rp_aio_state *state = t->loop->state;
    PyObject *stack[2], *r;
    int yes;

    if (t->finished)
        Py_RETURN_FALSE;
    t->cancels++;
    if (t->waits) {
        stack[0] = t->waits;
        stack[1] = msg ? msg : Py_None;
        r = PyObject_VectorcallMethod(state->s_cancel, stack, 1, state->kw_msg);
        yes = r ? PyObject_IsTrue(r) : -1;
        Py_XDECREF(r);
        if (yes < 0)
            return NULL;
        if (yes)
            Py_RETURN_TRUE;
    }
    t->must_cancel = true;
    if (msg && msg != Py_None)
        t->dirty = true; /* the message stays in the future's part */
    if (t->dirty && PyObject_GenericSetAttr(t->self, state->s_cancel_message,
                                            msg ? msg : Py_None) < 0)
        return NULL;
    Py_RETURN_TRUE;
}

static PyObject *
task_cancel(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"msg", NULL};
    PyObject *msg = NULL;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:cancel", names, &msg))
        return NULL;
    return rp_task_cancel(TASK, msg);
}

static PyObject *
task_uncancel(PyObject *self, PyObject *unused)
{
    struct rp_task *t = TASK;

    (void)unused;
    if (t->cancels > 0 && --t->cancels == 0 && RP_PY_UNCANCEL_TAKES_BACK)
        t->must_cancel = false;
    return PyLong_FromSsize_t(t->cancels);
}

static PyObject *
task_cancelling(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromSsize_t(TASK->cancels);
}

static PyObject *
task_get_name(PyObject *self, PyObject *unused)
{
    struct rp_task *t = TASK;

    (void)unused;
    if (!t->name)
        t->name = PyUnicode_FromFormat(
            "Request-%llu", (unsigned long long)++t->loop->state->names);
    return Py_XNewRef(t->name);
}

static PyObject *
task_set_name(PyObject *self, PyObject *name)
{
    PyObject *s = PyObject_Str(name);

    if (!s)
        return NULL;
    Py_XSETREF(TASK->name, s);
    Py_RETURN_NONE;
}

static PyObject *
or_none(PyObject *o)
{
    return Py_NewRef(o ? o : Py_None);
}

static PyObject *
task_get_coro(PyObject *self, PyObject *unused)
{
    (void)unused;
    return or_none(TASK->coro);
}

static PyObject *
task_get_context(PyObject *self, PyObject *unused)
{
    (void)unused;
    return or_none(TASK->ctx);
}

static PyObject *
task_get_stack(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"limit", NULL};
    PyObject *limit = Py_None;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:get_stack", names,
                                     &limit))
        return NULL;
    return PyObject_CallMethod(TASK->loop->state->base_tasks, "_task_get_stack",
                               "OO", self, limit);
}

static PyObject *
task_print_stack(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"limit", (char *)"file", NULL};
    PyObject *limit = Py_None, *file = Py_None;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OO:print_stack", names,
                                     &limit, &file))
        return NULL;
    return PyObject_CallMethod(TASK->loop->state->base_tasks,
                               "_task_print_stack", "OOO", self, limit, file);
}

static PyObject *
task_add_done_callback(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                       PyObject *kwnames)
{
    Py_ssize_t n = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    PyObject *stack[4] = {self};

    TASK->dirty = true;
    if (n > 3) {
        PyErr_SetString(PyExc_TypeError,
                        "add_done_callback() takes a function and a context");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++)
        stack[i + 1] = args[i];
    return PyObject_Vectorcall(TASK->loop->state->future_add_callback, stack,
                               (size_t)nargs + 1, kwnames);
}

PyMethodDef rp_task_methods[] = {
    {"cancel", (PyCFunction)(void (*)(void))task_cancel,
     METH_VARARGS | METH_KEYWORDS,
     "Request that CancelledError is raised in the coroutine."},
    {"uncancel", task_uncancel, METH_NOARGS,
     "Take back one cancel(); how many are left."},
    {"cancelling", task_cancelling, METH_NOARGS,
     "How often cancel() was called and not taken back."},
    {"get_name", task_get_name, METH_NOARGS, NULL},
    {"set_name", task_set_name, METH_O, NULL},
    {"get_coro", task_get_coro, METH_NOARGS, NULL},
    {"get_context", task_get_context, METH_NOARGS, NULL},
    {"get_stack", (PyCFunction)(void (*)(void))task_get_stack,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {"print_stack", (PyCFunction)(void (*)(void))task_print_stack,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {"add_done_callback", (PyCFunction)(void (*)(void))task_add_done_callback,
     METH_FASTCALL | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyObject *
task_get_coro_field(PyObject *self, void *unused)
{
    (void)unused;
    return or_none(TASK->coro);
}

static PyObject *
task_get_waiter(PyObject *self, void *unused)
{
    (void)unused;
    return or_none(TASK->waits);
}

static PyObject *
task_get_must_cancel(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(TASK->must_cancel);
}

static PyObject *
task_get_log_pending(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(!TASK->quiet);
}

static int
task_set_log_pending(PyObject *self, PyObject *value, void *unused)
{
    int yes = value ? PyObject_IsTrue(value) : 0;

    (void)unused;
    if (yes < 0)
        return -1;
    TASK->quiet = !yes;
    return 0;
}

/* Who asks for the dict may write into it. */
static PyObject *
task_get_dict(PyObject *self, void *unused)
{
    TASK->dirty = true;
    return PyObject_GenericGetDict(self, unused);
}

PyGetSetDef rp_task_getset[] = {
    {"_coro", task_get_coro_field, NULL, NULL, NULL},
    {"_fut_waiter", task_get_waiter, NULL, NULL, NULL},
    {"_must_cancel", task_get_must_cancel, NULL, NULL, NULL},
    {"_log_destroy_pending", task_get_log_pending, task_set_log_pending, NULL,
     NULL},
    {"__dict__", task_get_dict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
