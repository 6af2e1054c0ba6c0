/* task.c -- rupy.Task: an asyncio.Task whose coroutine is driven by step.c.
 *
 * A subtype of _asyncio.Task on which only Future.__init__ was called, once
 * per object; everything that a task has beyond a future is ours and lies
 * behind the base's part, so nothing depends on the base's private layout.
 * Methods that would read the base's part of a task are overridden in
 * taskapi.c.
 *
 * A task that ended goes back to its loop's pool when nobody can tell: no
 * other reference, no weak reference, no attribute, callback or message
 * left on it. */
#include "inside.h"

#include <stddef.h>

static size_t
offset_of(PyTypeObject *tp)
{
    return (size_t)tp->tp_basicsize - sizeof(struct rp_task);
}

struct rp_task *
rp_task_of(PyObject *o)
{
    return (struct rp_task *)(void *)((char *)o + offset_of(Py_TYPE(o)));
}

static bool
has_weakrefs(PyObject *self)
{
    Py_ssize_t at = Py_TYPE(self)->tp_weaklistoffset;

    return at != 0 && *(PyObject **)(void *)((char *)self + at) != NULL;
}

static int
init_future(struct rp_loop *loop, PyObject *self)
{
    struct rp_aio_state *state = loop->state;
    PyObject *args = PyTuple_New(0), *kwargs = PyDict_New();
    int r = -1;

    if (args && kwargs &&
        PyDict_SetItem(kwargs, PyTuple_GET_ITEM(state->kw_loop, 0),
                       (PyObject *)loop) == 0)
        r = ((PyTypeObject *)state->future_type)->tp_init(self, args, kwargs);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return r;
}

struct rp_task *
rp_task_get(struct rp_loop *loop)
{
    PyTypeObject *tp = loop->state->task_type;
    struct rp_task *t;
    PyObject *self;

    if (loop->ntasks > 0)
        return loop->tasks[--loop->ntasks];
    self = tp->tp_alloc(tp, 0);
    if (!self)
        return NULL;
    t = rp_task_of(self);
    rp_list_init(&t->link);
    t->self = self;
    t->loop = (struct rp_loop *)Py_NewRef(loop);
    t->quiet = true;
    if (init_future(loop, self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return t;
}

int
rp_task_link_wakeup(struct rp_task *t)
{
    PyTypeObject *tp = t->loop->state->wakeup_type;

    if (t->wakeup)
        return 0;
    t->wakeup = (struct rp_wakeup *)tp->tp_alloc(tp, 0);
    if (!t->wakeup)
        return -1;
    t->wakeup->task = t;
    return 0;
}

static void
forget_run(struct rp_task *t)
{
    Py_CLEAR(t->waits);
    Py_CLEAR(t->coro);
    Py_CLEAR(t->ctx);
    Py_CLEAR(t->name);
}

/* The future's part of the task takes the outcome, for who kept it. */
static void
finish(struct rp_task *t, PyObject *value, PyObject *err)
{
    struct rp_aio_state *state = t->loop->state;
    PyObject *self = t->self, *r, *msg = NULL, *args;

    if (value && !t->must_cancel) {
        r = PyObject_CallFunctionObjArgs(state->future_set_result, self, value,
                                         NULL);
    } else if (value ||
               PyErr_GivenExceptionMatches(err, state->cancelled_error)) {
        if (value) {
            msg = PyObject_GetAttr(self, state->s_cancel_message);
        } else {
            args = PyObject_GetAttrString(err, "args");
            if (args && PyTuple_Check(args) && PyTuple_GET_SIZE(args) == 1)
                msg = Py_NewRef(PyTuple_GET_ITEM(args, 0));
            Py_XDECREF(args);
        }
        PyErr_Clear();
        r = PyObject_CallFunctionObjArgs(state->future_cancel, self,
                                         msg ? msg : Py_None, NULL);
        Py_XDECREF(msg);
    } else {
        r = PyObject_CallFunctionObjArgs(state->future_set_exception, self, err,
                                         NULL);
        /* the server reports it: no "was never retrieved" */
        if (r &&
            PyObject_GenericSetAttr(self, state->s_log_traceback, Py_False) < 0)
            Py_CLEAR(r);
    }
    if (!r)
        PyErr_WriteUnraisable(self);
    Py_XDECREF(r);
}

void
rp_task_put(struct rp_task *t, PyObject *value, PyObject *err)
{
    struct rp_loop *loop = t->loop;
    PyObject *self = t->self;

    if (t->listed) {
        rp_list_del(&t->link);
        loop->nwaiting--;
        t->listed = false;
    }
    t->done = NULL;
    if (Py_REFCNT(self) > 1 || t->dirty || has_weakrefs(self) || loop->debug) {
        finish(t, value, err);
        t->finished = true;
        Py_CLEAR(t->waits);
        Py_DECREF(self);
        return;
    }
    /* Nobody can see it from here on, but clearing runs code. */
    forget_run(t);
    t->cancels = 0;
    t->must_cancel = false;
    t->quiet = true;
    if (!loop->ev || loop->ntasks == RP_AIO_TASKS_MAX || Py_REFCNT(self) > 1) {
        t->finished = true;
        Py_DECREF(self);
        return;
    }
    loop->tasks[loop->ntasks++] = t;
}

static void
close_coro(struct rp_loop *loop, PyObject *coro)
{
    PyObject *r = PyObject_CallMethod(coro, "close", NULL);

    if (!r)
        PyErr_WriteUnraisable((PyObject *)loop);
    Py_XDECREF(r);
}

void
rp_tasks_clear(struct rp_loop *loop)
{
    struct rp_task *t;
    PyObject *type, *value, *tb;

    PyErr_Fetch(&type, &value, &tb);
    while (loop->ntasks > 0)
        Py_DECREF(loop->tasks[--loop->ntasks]->self);
    while (loop->waiting.next && !rp_list_is_empty(&loop->waiting)) {
        t = rp_container_of(loop->waiting.next, struct rp_task, link);
        rp_list_del(&t->link);
        loop->nwaiting--;
        t->listed = false;
        t->done = NULL;
        t->quiet = true;
        if (t->coro)
            close_coro(loop, t->coro);
        t->finished = true;
        Py_DECREF(t->self);
    }
    PyErr_Restore(type, value, tb);
}

static int
task_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct rp_task *t = rp_task_of(self);

    if (RP_PY_TASK_IS_STATIC)
        Py_VISIT(Py_TYPE(self));
    Py_VISIT(t->loop);
    Py_VISIT(t->coro);
    Py_VISIT(t->ctx);
    Py_VISIT(t->waits);
    Py_VISIT(t->name);
    return Py_TYPE(self)->tp_base->tp_traverse(self, visit, arg);
}

static int
task_clear(PyObject *self)
{
    struct rp_task *t = rp_task_of(self);

    /* loop stays: who clears a task may still put it back */
    forget_run(t);
    return Py_TYPE(self)->tp_base->tp_clear(self);
}

static void
task_finalize(PyObject *self)
{
    struct rp_task *t = rp_task_of(self);
    PyObject *type, *value, *tb, *context, *r = NULL;

    if (t->coro && !t->finished && !t->quiet) {
        PyErr_Fetch(&type, &value, &tb);
        context = Py_BuildValue("{s:O,s:s}", "task", self, "message",
                                "Task was destroyed but it is pending!");
        if (context)
            r = PyObject_CallMethod((PyObject *)t->loop,
                                    "call_exception_handler", "O", context);
        if (!r)
            PyErr_WriteUnraisable(self);
        Py_XDECREF(context);
        Py_XDECREF(r);
        PyErr_Restore(type, value, tb);
    }
    Py_TYPE(self)->tp_base->tp_finalize(self);
}

static void
task_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    struct rp_task *t = rp_task_of(self);

    if (PyObject_CallFinalizerFromDealloc(self) < 0)
        return;
    PyObject_GC_UnTrack(self);
    if (t->wakeup) {
        t->wakeup->task = NULL;
        Py_CLEAR(t->wakeup);
    }
    forget_run(t);
    Py_CLEAR(t->loop);
    tp->tp_base->tp_dealloc(self);
    if (RP_PY_TASK_IS_STATIC)
        Py_DECREF(tp);
}

/* What is set on a task stays on it: the next request must not see it. */
static int
task_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    rp_task_of(self)->dirty = true;
    return PyObject_GenericSetAttr(self, name, value);
}

static PyObject *
task_iter(PyObject *self)
{
    rp_task_of(self)->dirty = true;
    return Py_TYPE(self)->tp_base->tp_as_async->am_await(self);
}

static PyType_Slot task_slots[] = {
    {Py_tp_doc,
     (void *)"The asyncio.Task of a handler that the server drives."},
    {Py_tp_dealloc, task_dealloc},
    {Py_tp_traverse, task_traverse},
    {Py_tp_clear, task_clear},
    {Py_tp_finalize, task_finalize},
    {Py_tp_setattro, task_setattro},
    {Py_tp_iter, task_iter},
    {Py_am_await, task_iter},
    {Py_tp_methods, rp_task_methods},
    {Py_tp_getset, rp_task_getset},
    {0, NULL},
};

/* basicsize is the base's and ours; state.c fills it in */
PyType_Spec rp_task_spec = {"rupy.Task", 0, 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                Py_TPFLAGS_DISALLOW_INSTANTIATION,
                            task_slots};

/* A future calls it by loop.call_soon(), which knows it and queues the
 * task; somebody else's loop or future may call it as a function. */
static PyObject *
wakeup_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct rp_task *t = ((struct rp_wakeup *)self)->task;
    PyObject *fut;

    if (!PyArg_ParseTuple(args, "O", &fut) ||
        (kwargs && PyDict_GET_SIZE(kwargs)))
        return PyErr_Occurred() ? NULL
                                : PyErr_Format(PyExc_TypeError,
                                               "takes no keyword arguments");
    if (t && t->loop->ev &&
        rp_ring_push(t->loop, (struct rp_ready){RP_READY_WAKE,
                                                {Py_NewRef(t->self)},
                                                {Py_NewRef(fut)},
                                                NULL}) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static void
wakeup_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);

    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyObject *
wakeup_repr(PyObject *self)
{
    struct rp_task *t = ((struct rp_wakeup *)self)->task;

    if (!t)
        return PyUnicode_FromString("<rupy.Task wake-up>");
    /* only the name: the task's own repr shows what it waits for */
    return PyUnicode_FromFormat("<rupy.Task wake-up at %p>", (void *)t->self);
}

static PyType_Slot wakeup_slots[] = {
    {Py_tp_dealloc, wakeup_dealloc},
    {Py_tp_call, wakeup_call},
    {Py_tp_repr, wakeup_repr},
    {0, NULL},
};

PyType_Spec rp_wakeup_spec = {
    "rupy._TaskWakeup", sizeof(struct rp_wakeup), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, wakeup_slots};
