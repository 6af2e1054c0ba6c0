/* drive.c -- starting, cancelling and forgetting driven awaitables. */
#include "inside.h"

static bool
is_old_coroutine(PyObject *o)
{
    PyObject *code;
    bool yes;

    if (!PyGen_CheckExact(o))
        return false;
    code = PyObject_GetAttrString(o, "gi_code");
    yes =
        code && (((PyCodeObject *)code)->co_flags & CO_ITERABLE_COROUTINE) != 0;
    Py_XDECREF(code);
    PyErr_Clear();
    return yes;
}

int
rp_drive_is_awaitable(PyObject *o)
{
    PyAsyncMethods *m = Py_TYPE(o)->tp_as_async;

    return PyCoro_CheckExact(o) || (m && m->am_await) || is_old_coroutine(o);
}

/* What is no coroutine is awaited by one.  Steals o. */
static PyObject *
as_coroutine(PyObject *o)
{
    PyObject *module, *r = NULL;

    if (!rp_drive_is_awaitable(o)) {
        PyErr_Format(PyExc_TypeError,
                     "object %.100s can't be used in 'await' expression",
                     Py_TYPE(o)->tp_name);
    } else {
        module = PyImport_ImportModule("rupy._loop");
        if (module)
            r = PyObject_CallMethod(module, "_await", "O", o);
        Py_XDECREF(module);
    }
    Py_DECREF(o);
    return r;
}

static void
close_quietly(PyObject *coro)
{
    PyObject *type, *value, *tb, *r;

    PyErr_Fetch(&type, &value, &tb);
    r = PyObject_CallMethod(coro, "close", NULL);
    Py_XDECREF(r);
    PyErr_Restore(type, value, tb);
    Py_DECREF(coro);
}

static enum rp_drive
start(struct rp_loop *loop, PyObject *coro, PyObject *ctx, rp_drive_done done,
      void *arg, PyObject **result, struct rp_task **task)
{
    struct rp_task *t = rp_task_get(loop);
    PyObject *err = NULL;
    enum rp_drive how;

    if (!t) {
        close_quietly(coro);
        return RP_DRIVE_ERROR;
    }
    t->coro = coro;
    t->ctx = Py_NewRef(ctx);
    t->done = done;
    t->arg = arg;
    how = rp_task_step(t, NULL, result);
    if (how == RP_DRIVE_WAITS) {
        rp_task_list(t);
        *task = t;
        return how;
    }
    if (how == RP_DRIVE_ERROR)
        err = rp_py_take_exception();
    rp_task_put(t, err ? NULL : *result, err);
    if (err)
        rp_py_set_exception(err);
    return how;
}

enum rp_drive
rp_drive_start(struct rp_loop *loop, PyObject *coro, rp_drive_done done,
               void *arg, PyObject **result, struct rp_task **task)
{
    PyObject *ctx = rp_loop_copy_context(loop);
    enum rp_drive how;

    if (!ctx) {
        close_quietly(coro);
        return RP_DRIVE_ERROR;
    }
    how = rp_drive_start_in(loop, coro, ctx, done, arg, result, task);
    Py_DECREF(ctx);
    return how;
}

enum rp_drive
rp_drive_start_in(struct rp_loop *loop, PyObject *coro, PyObject *ctx,
                  rp_drive_done done, void *arg, PyObject **result,
                  struct rp_task **task)
{
    *result = NULL;
    *task = NULL;
    if (!PyCoro_CheckExact(coro)) {
        coro = as_coroutine(coro);
        if (!coro)
            return RP_DRIVE_ERROR;
    }
    if (rp_loop_check_open(loop) < 0 || rp_loop_show(loop) < 0 ||
        (!loop->state->tested && rp_aio_self_test(loop) < 0)) {
        close_quietly(coro);
        return RP_DRIVE_ERROR;
    }
    if (loop->state->native || loop->debug ||
        (loop->task_factory && loop->task_factory != Py_None))
        return rp_native_start(loop, coro, ctx, done, arg, result, task);
    return start(loop, coro, ctx, done, arg, result, task);
}

int
rp_drive_cancel(struct rp_task *t)
{
    PyObject *r;

    if (t->native)
        r = PyObject_CallMethodNoArgs(t->native, t->loop->state->s_cancel);
    else
        r = rp_task_cancel(t, NULL);
    Py_XDECREF(r);
    return r ? 0 : -1;
}

void
rp_drive_forget(struct rp_task *t)
{
    t->done = NULL;
}

void
rp_drive_hand_over(struct rp_task *t, rp_drive_done done, void *arg)
{
    t->done = done;
    t->arg = arg;
}

PyObject *
rp_drive_object(struct rp_task *t)
{
    return Py_NewRef(t->native ? t->native : t->self);
}

size_t
rp_drive_count(const struct rp_loop *loop)
{
    return loop->nwaiting;
}

size_t
rp_drive_cancel_all(struct rp_loop *loop)
{
    size_t n = 0, max = loop->nwaiting;
    PyObject **v = PyMem_New(PyObject *, max + 1);
    struct rp_list *e;

    if (!v)
        return 0;
    /* cancel() runs code that may take tasks off the list */
    for (e = loop->waiting.next; e != &loop->waiting && n < max; e = e->next)
        v[n++] = Py_NewRef(rp_container_of(e, struct rp_task, link)->self);
    for (size_t i = 0; i < n; i++) {
        struct rp_task *t = rp_task_of(v[i]);

        if (t->listed && rp_drive_cancel(t) < 0)
            rp_loop_take_exception(loop);
        Py_DECREF(v[i]);
    }
    PyMem_Free(v);
    return n;
}
