/* ready.c -- the ring of what runs in this turn or the next.
 *
 * It needs no lock: who pushes holds the GIL, and the loop decides to wait
 * while it holds the GIL. */
#include "inside.h"

enum { RING_MIN = 64 };

static void
drop(struct rp_ready *e)
{
    if (e->kind == RP_READY_C)
        return;
    Py_DECREF(e->o);
    Py_XDECREF(e->arg);
    Py_XDECREF(e->ctx);
}

static int
grow(struct rp_ring *r)
{
    size_t cap = r->cap ? r->cap * 2 : RING_MIN;
    struct rp_ready *v = PyMem_New(struct rp_ready, cap);
    size_t i;

    if (!v) {
        PyErr_NoMemory();
        return -1;
    }
    for (i = 0; i < r->n; i++)
        v[i] = r->v[(r->head + i) & (r->cap - 1)];
    PyMem_Free(r->v);
    r->v = v;
    r->head = 0;
    r->cap = cap;
    return 0;
}

int
rp_ring_push(struct rp_loop *loop, struct rp_ready e)
{
    struct rp_ring *r = &loop->ring;

    if (r->n == r->cap && grow(r) < 0) {
        drop(&e);
        return -1;
    }
    r->v[(r->head + r->n++) & (r->cap - 1)] = e;
    return 0;
}

static struct rp_ready
pop(struct rp_ring *r)
{
    struct rp_ready e = r->v[r->head];

    r->head = (r->head + 1) & (r->cap - 1);
    r->n--;
    return e;
}

void
rp_ring_clear(struct rp_loop *loop)
{
    struct rp_ring *r = &loop->ring;
    struct rp_ready e;

    while (r->n > 0) {
        e = pop(r);
        drop(&e);
    }
    PyMem_Free(r->v);
    r->v = NULL;
    r->cap = r->head = 0;
}

int
rp_ring_visit(struct rp_ring *r, visitproc visit, void *arg)
{
    size_t i;

    for (i = 0; i < r->n; i++) {
        struct rp_ready *e = &r->v[(r->head + i) & (r->cap - 1)];

        if (e->kind == RP_READY_C)
            continue;
        Py_VISIT(e->o);
        Py_VISIT(e->arg);
        Py_VISIT(e->ctx);
    }
    return 0;
}

/* A step or a wake-up of one of asyncio's own tasks. */
static int
run_call(struct rp_loop *loop, struct rp_ready *e)
{
    PyObject *r = NULL;

    if (PyContext_Enter(e->ctx) == 0) {
        r = e->arg ? PyObject_CallOneArg(e->o, e->arg)
                   : PyObject_CallNoArgs(e->o);
        PyContext_Exit(e->ctx);
    }
    if (!r)
        return rp_loop_callback_failed(loop, e->o, e->arg, e->arg != NULL,
                                       NULL);
    Py_DECREF(r);
    return 0;
}

/* In debug mode the Python half watches the time that it takes. */
static int
run_python(struct rp_loop *loop, PyObject *handle)
{
    PyObject *r;

    if (loop->debug)
        r = PyObject_CallMethod((PyObject *)loop, "_run_handle", "O", handle);
    else
        r = PyObject_CallMethodNoArgs(handle, loop->state->s_run);
    if (!r)
        return rp_loop_callback_failed(loop, handle, NULL, 0, handle);
    Py_DECREF(r);
    return 0;
}

static int
is_python_cancelled(struct rp_loop *loop, PyObject *handle)
{
    PyObject *v = PyObject_GetAttr(handle, loop->state->s_cancelled);
    int r = v ? PyObject_IsTrue(v) : -1;

    Py_XDECREF(v);
    if (r < 0)
        PyErr_Clear();
    return r > 0;
}

static int
run(struct rp_loop *loop, struct rp_ready *e)
{
    struct rp_handle *h;
    struct rp_task *t;
    int r = 0;

    switch (e->kind) {
    case RP_READY_HANDLE:
        h = (struct rp_handle *)e->o;
        if (!h->cancelled)
            r = rp_handle_run(h);
        break;
    case RP_READY_PYTHON:
        if (!is_python_cancelled(loop, e->o))
            r = run_python(loop, e->o);
        break;
    case RP_READY_CALL:
        r = run_call(loop, e);
        break;
    case RP_READY_STEP:
    case RP_READY_WAKE:
        /* The list holds the task as long as it waits; with our reference
         * gone it can be recycled when it ends. */
        t = rp_task_of(e->o);
        if (!t->listed)
            break;
        Py_DECREF(e->o);
        if (e->kind == RP_READY_STEP)
            rp_task_resume(t, e->arg);
        else {
            rp_task_wake(t, e->arg);
            Py_DECREF(e->arg);
        }
        return 0;
    case RP_READY_C:
        e->fn(e->p);
        return 0;
    }
    drop(e);
    return r;
}

int
rp_ring_run(struct rp_loop *loop)
{
    struct rp_ring *r = &loop->ring;
    size_t n = r->n;

    for (; n > 0 && r->n > 0; n--) {
        struct rp_ready e;

        /* What ran before may have hidden it: a generator, say. */
        if (!loop->visible && rp_loop_show(loop) < 0)
            return -1;
        e = pop(r);
        if (run(loop, &e) < 0)
            return -1;
        if (loop->pending)
            break;
    }
    return 0;
}
