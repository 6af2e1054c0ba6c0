/* step.c -- one step of a driven coroutine: from where it waited to where it
 * waits next, or its end.
 *
 * What is needed after the coroutine ran is in locals and in the task:
 * greenlets may run other steps of the same loop before this one returns. */
#include "inside.h"

void
rp_task_list(struct rp_task *t)
{
    rp_list_add(&t->loop->waiting, &t->link);
    t->loop->nwaiting++;
    t->listed = true;
    t->quiet = false;
}

/* Make self the current task; *before is who was it (new reference), or
 * NULL.  Current tasks are kept in asyncio's own dict. */
static int
enter(struct rp_loop *loop, PyObject *self, PyObject **before)
{
    PyObject *d = loop->state->current_tasks;

    *before = NULL;
    if (PyDict_GET_SIZE(d) > 0) {
        *before = Py_XNewRef(PyDict_GetItemWithError(d, (PyObject *)loop));
        if (!*before && PyErr_Occurred())
            return -1;
    }
    return PyDict_SetItem(d, (PyObject *)loop, self);
}

static void
leave(struct rp_loop *loop, PyObject *before)
{
    PyObject *d = loop->state->current_tasks;
    int r;

    if (before) {
        r = PyDict_SetItem(d, (PyObject *)loop, before);
        Py_DECREF(before);
    } else {
        r = PyDict_DelItem(d, (PyObject *)loop);
    }
    if (r < 0)
        PyErr_WriteUnraisable((PyObject *)loop);
}

/* Queue the next step, which throws exc (stolen) when it is not NULL. */
static void
queue_step(struct rp_task *t, PyObject *exc)
{
    if (rp_ring_push(t->loop,
                     (struct rp_ready){
                         RP_READY_STEP, {Py_NewRef(t->self)}, {exc}, NULL}) < 0)
        rp_loop_take_exception(t->loop);
}

/* The next step throws a RuntimeError into the coroutine. */
static void
queue_error(struct rp_task *t, const char *format, PyObject *a, PyObject *b)
{
    PyErr_Format(PyExc_RuntimeError, format, a, b);
    queue_step(t, rp_py_take_exception());
}

/* New reference: the loop of future y. */
static PyObject *
loop_of(struct rp_aio_state *state, PyObject *y)
{
    PyObject *r = PyObject_CallMethodNoArgs(y, state->s_get_loop);

    if (!r && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        r = PyObject_GetAttr(y, state->s_loop);
    }
    return r;
}

/* Wait for future y; -1 with an exception. */
static int
wait_for(struct rp_task *t, PyObject *y)
{
    struct rp_aio_state *state = t->loop->state;
    PyObject *stack[3], *r;
    int yes;

    if (PyObject_SetAttr(y, state->s_blocking, Py_False) < 0 ||
        rp_task_link_wakeup(t) < 0)
        return -1;
    stack[0] = y;
    stack[1] = (PyObject *)t->wakeup;
    stack[2] = t->ctx;
    r = PyObject_VectorcallMethod(state->s_add_done_callback, stack, 2,
                                  state->kw_context);
    if (!r)
        return -1;
    Py_DECREF(r);
    Py_XSETREF(t->waits, Py_NewRef(y));
    if (!t->must_cancel)
        return 0;
    stack[0] = y;
    stack[1] = Py_None;
    if (t->dirty)
        stack[1] = PyObject_GetAttr(t->self, state->s_cancel_message);
    if (!stack[1])
        return -1;
    r = PyObject_VectorcallMethod(state->s_cancel, stack, 1, state->kw_msg);
    if (t->dirty)
        Py_DECREF(stack[1]);
    yes = r ? PyObject_IsTrue(r) : -1;
    Py_XDECREF(r);
    if (yes < 0)
        return -1;
    if (yes)
        t->must_cancel = false;
    return 0;
}

/* y has _asyncio_future_blocking; its value is stolen. */
static int
wait_blocking(struct rp_task *t, PyObject *y, PyObject *blocking)
{
    PyObject *loop = loop_of(t->loop->state, y);
    int yes = PyObject_IsTrue(blocking);

    Py_DECREF(blocking);
    Py_XDECREF(loop);
    if (!loop || yes < 0)
        return -1;
    if (loop != (PyObject *)t->loop)
        queue_error(t, "Task %R got Future %R attached to a different loop",
                    t->self, y);
    else if (!yes)
        queue_error(t,
                    "yield was used instead of yield from in task %R "
                    "with %R",
                    t->self, y);
    else
        return wait_for(t, y);
    return 0;
}

/* The coroutine yielded y, which is stolen. */
static void
wait_on(struct rp_task *t, PyObject *y)
{
    struct rp_aio_state *state = t->loop->state;
    PyObject *blocking;

    if (y == Py_None) {
        queue_step(t, NULL);
    } else if (y == t->self) {
        queue_error(t, "Task cannot await on itself: %R", y, NULL);
    } else {
        blocking = PyObject_GetAttr(y, state->s_blocking);
        if (!blocking && PyErr_ExceptionMatches(PyExc_AttributeError))
            PyErr_Clear();
        if (blocking && blocking != Py_None) {
            if (wait_blocking(t, y, blocking) < 0)
                queue_step(t, rp_py_take_exception());
        } else {
            Py_XDECREF(blocking);
            if (PyErr_Occurred())
                queue_step(t, rp_py_take_exception());
            else if (PyGen_CheckExact(y))
                queue_error(t,
                            "yield was used instead of yield from for "
                            "generator in task %R with %R",
                            t->self, y);
            else
                queue_error(t, "Task got bad yield: %R", y, NULL);
        }
    }
    Py_DECREF(y);
}

/* coro.throw(exc); the same three outcomes as PyIter_Send(). */
static PySendResult throw(struct rp_task * t, PyObject *exc, PyObject **result)
{
    PyObject *stop;

    *result = PyObject_CallMethodOneArg(t->coro, t->loop->state->s_throw, exc);
    if (*result)
        return PYGEN_NEXT;
    if (!PyErr_ExceptionMatches(PyExc_StopIteration))
        return PYGEN_ERROR;
    stop = rp_py_take_exception();
    *result = PyObject_GetAttrString(stop, "value");
    Py_DECREF(stop);
    return *result ? PYGEN_RETURN : PYGEN_ERROR;
}

/* A cancellation that waits replaces exc (stolen); new reference. */
static PyObject *
cancelled_instead(struct rp_task *t, PyObject *exc)
{
    struct rp_aio_state *state = t->loop->state;

    t->must_cancel = false;
    if (exc && PyErr_GivenExceptionMatches(exc, state->cancelled_error))
        return exc;
    Py_XDECREF(exc);
    if (t->dirty)
        exc = PyObject_CallOneArg(state->future_make_cancelled, t->self);
    else
        exc = PyObject_CallNoArgs(state->cancelled_error);
    return exc ? exc : rp_py_take_exception();
}

enum rp_drive
rp_task_step(struct rp_task *t, PyObject *exc, PyObject **result)
{
    struct rp_loop *loop = t->loop;
    PyObject *self = t->self, *ctx = t->ctx, *before, *r = NULL;
    PySendResult sent = PYGEN_ERROR;

    if (t->must_cancel)
        exc = cancelled_instead(t, exc);
    Py_CLEAR(t->waits);
    if (PyContext_Enter(ctx) < 0) {
        Py_XDECREF(exc);
        return RP_DRIVE_ERROR;
    }
    Py_INCREF(self);
    if (enter(loop, self, &before) == 0) {
        if (exc)
            sent = throw(t, exc, &r);
        else
            sent = PyIter_Send(t->coro, Py_None, &r);
        if (sent == PYGEN_NEXT) {
            wait_on(t, r);
            leave(loop, before);
        } else if (sent == PYGEN_RETURN) {
            leave(loop, before);
        } else {
            PyObject *err = rp_py_take_exception();

            leave(loop, before);
            rp_py_set_exception(err);
        }
    }
    if (PyContext_Exit(ctx) < 0 && sent != PYGEN_ERROR)
        PyErr_WriteUnraisable(self);
    Py_XDECREF(exc);
    Py_DECREF(self);
    if (sent == PYGEN_NEXT)
        return RP_DRIVE_WAITS;
    *result = r;
    return sent == PYGEN_RETURN ? RP_DRIVE_DONE : RP_DRIVE_ERROR;
}

void
rp_task_deliver(struct rp_loop *loop, rp_drive_done done, void *arg,
                PyObject *value, PyObject *err)
{
    PyObject *fatal = NULL;

    if (value) {
        if (done)
            done(arg, value);
        Py_DECREF(value);
        return;
    }
    if (PyErr_GivenExceptionMatches(err, PyExc_KeyboardInterrupt) ||
        PyErr_GivenExceptionMatches(err, PyExc_SystemExit))
        fatal = Py_NewRef(err);
    if (done) {
        rp_py_set_exception(err);
        done(arg, NULL);
    } else if (fatal ||
               PyErr_GivenExceptionMatches(err, loop->state->cancelled_error)) {
        Py_DECREF(err);
    } else {
        rp_py_set_exception(err);
        rp_loop_report(loop, "Exception in a handler that nobody waits for",
                       NULL);
    }
    if (fatal)
        rp_loop_pend(loop, fatal);
}

void
rp_task_resume(struct rp_task *t, PyObject *exc)
{
    struct rp_loop *loop = t->loop;
    PyObject *value = NULL, *err = NULL;
    rp_drive_done done;
    void *arg;

    switch (rp_task_step(t, exc, &value)) {
    case RP_DRIVE_WAITS:
        return;
    case RP_DRIVE_DONE:
        break;
    case RP_DRIVE_ERROR:
        err = rp_py_take_exception();
        break;
    }
    done = t->done;
    arg = t->arg;
    rp_task_put(t, value, err);
    rp_task_deliver(loop, done, arg, value, err);
}

void
rp_task_wake(struct rp_task *t, PyObject *fut)
{
    PyObject *r;

    /* A future that calls its callbacks twice, or late, wakes nobody. */
    if (t->waits != fut)
        return;
    r = PyObject_CallMethodNoArgs(fut, t->loop->state->s_result);
    if (r) {
        Py_DECREF(r);
        rp_task_resume(t, NULL);
    } else {
        rp_task_resume(t, rp_py_take_exception());
    }
}
