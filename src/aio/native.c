/* native.c -- the driver's interface over loop.create_task(): for debug mode,
 * task factories, and interpreters that the self-test does not know. */
#include "inside.h"

/* The done callback of asyncio's task; rp_task_of() finds t in it. */
struct native {
    PyObject_HEAD
    struct rp_task t;
};

static PyObject *
outcome(struct rp_task *t)
{
    return PyObject_CallMethodNoArgs(t->native, t->loop->state->s_result);
}

static PyObject *
native_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct rp_task *t = &((struct native *)self)->t;
    rp_drive_done done = t->done;
    PyObject *value, *err = NULL;

    (void)args;
    (void)kwargs;
    if (!t->listed)
        Py_RETURN_NONE;
    rp_list_del(&t->link);
    t->loop->nwaiting--;
    t->listed = false;
    t->done = NULL;
    value = outcome(t);
    if (!value)
        err = rp_py_take_exception();
    if (done && err) {
        /* A KeyboardInterrupt has left run_forever() by itself. */
        rp_py_set_exception(err);
        done(t->arg, NULL);
    } else {
        rp_task_deliver(t->loop, done, t->arg, value, err);
    }
    Py_DECREF(self);
    Py_RETURN_NONE;
}

static int
native_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct rp_task *t = &((struct native *)self)->t;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(t->loop);
    Py_VISIT(t->native);
    return 0;
}

static int
native_clear(PyObject *self)
{
    Py_CLEAR(((struct native *)self)->t.native);
    return 0;
}

static void
native_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    native_clear(self);
    Py_CLEAR(((struct native *)self)->t.loop);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyType_Slot native_slots[] = {
    {Py_tp_dealloc, native_dealloc},
    {Py_tp_traverse, native_traverse},
    {Py_tp_clear, native_clear},
    {Py_tp_call, native_call},
    {0, NULL},
};

PyType_Spec rp_native_spec = {"rupy._NativeTask", sizeof(struct native), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                  Py_TPFLAGS_DISALLOW_INSTANTIATION,
                              native_slots};

/* asyncio's task for coro, in ctx; a factory need not know `context`, and gets
 * a copy. */
static PyObject *
create(struct rp_loop *loop, PyObject *coro, PyObject *ctx)
{
    PyObject *self = (PyObject *)loop, *create_task, *task = NULL;
    PyObject *args[2] = {coro, ctx};

    create_task = PyObject_GetAttrString(self, "create_task");
    if (!create_task)
        return NULL;
    if (!loop->task_factory || loop->task_factory == Py_None) {
        task =
            PyObject_Vectorcall(create_task, args, 1, loop->state->kw_context);
    } else if (PyContext_Enter(ctx) == 0) {
        task = PyObject_CallOneArg(create_task, coro);
        if (PyContext_Exit(ctx) < 0)
            Py_CLEAR(task);
    }
    Py_DECREF(create_task);
    return task;
}

static int
is_done(PyObject *task)
{
    PyObject *r = PyObject_CallMethod(task, "done", NULL);
    int yes = r ? PyObject_IsTrue(r) : -1;

    Py_XDECREF(r);
    return yes;
}

enum rp_drive
rp_native_start(struct rp_loop *loop, PyObject *coro, PyObject *ctx,
                rp_drive_done done, void *arg, PyObject **result,
                struct rp_task **task)
{
    PyTypeObject *tp = loop->state->native_type;
    struct native *n = (struct native *)tp->tp_alloc(tp, 0);
    PyObject *r = NULL;
    enum rp_drive how = RP_DRIVE_ERROR;
    int yes;

    if (!n)
        goto out;
    rp_list_init(&n->t.link);
    n->t.loop = (struct rp_loop *)Py_NewRef(loop);
    n->t.self = (PyObject *)n;
    n->t.done = done;
    n->t.arg = arg;
    n->t.native = create(loop, coro, ctx);
    yes = n->t.native ? is_done(n->t.native) : -1;
    if (yes < 0)
        goto out;
    if (yes) {
        *result = outcome(&n->t);
        how = *result ? RP_DRIVE_DONE : RP_DRIVE_ERROR;
        goto out;
    }
    r = PyObject_CallMethod(n->t.native, "add_done_callback", "O", n);
    if (!r)
        goto out;
    Py_INCREF(n);
    rp_task_list(&n->t);
    *task = &n->t;
    how = RP_DRIVE_WAITS;
out:
    Py_XDECREF(r);
    Py_DECREF(coro);
    Py_XDECREF(n);
    return how;
}
