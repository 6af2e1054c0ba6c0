/* loop.c -- LoopBase: the C half of rupy.EventLoop.
 *
 * asyncio's selector loop stands behind it in the method order; what is
 * here wins, everything else is inherited. */
#include "inside.h"

#include "rupy/base/clock.h"

#include <malloc.h>

#define SELF ((struct rp_loop *)self)

static void loop_dealloc(PyObject *self);

static void
on_nothing(struct ev_loop *ev, void *w, int revents)
{
    (void)ev;
    (void)w;
    (void)revents;
}

static void
on_wake(struct ev_loop *ev, ev_async *w, int revents)
{
    on_nothing(ev, w, revents);
}

static void
on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
    on_nothing(ev, w, revents);
}

static void
release_gil(struct ev_loop *ev)
{
    struct rp_loop *loop = ev_userdata(ev);

    if (!loop->may_block)
        return;
    loop->gil_given++;
    loop->saved = PyEval_SaveThread();
}

static void
acquire_gil(struct ev_loop *ev)
{
    struct rp_loop *loop = ev_userdata(ev);
    PyThreadState *saved = loop->saved;

    uint64_t start;

    loop->saved = NULL;
    if (!saved)
        return;
    if (!loop->gil_wait) {
        PyEval_RestoreThread(saved);
        return;
    }
    start = rp_clock_mono_ns();
    PyEval_RestoreThread(saved);
    __atomic_store_n(loop->gil_wait,
                     *loop->gil_wait + rp_clock_mono_ns() - start,
                     __ATOMIC_RELAXED);
}

/* The LoopBase that type derives from, or NULL. */
static PyTypeObject *
base_of(PyTypeObject *type)
{
    while (type && type->tp_dealloc != loop_dealloc)
        type = type->tp_base;
    return type;
}

static PyObject *
loop_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyTypeObject *base = base_of(type);
    struct rp_aio_state *state = rp_aio_state_of_type(base);
    struct rp_loop *loop;

    (void)args;
    (void)kwargs;
    if (!state)
        return NULL;
    loop = (struct rp_loop *)type->tp_alloc(type, 0);
    if (!loop)
        return NULL;
    loop->state = state;
    loop->module = Py_NewRef(PyType_GetModule(base));
    loop->fds.epfd = -1;
    loop->visible = true;
    rp_list_init(&loop->waiting);
    rp_list_init(&loop->link);
    loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (!loop->ev) {
        PyErr_SetString(PyExc_OSError, "no libev loop: too many open files?");
        Py_DECREF(loop);
        return NULL;
    }
    ev_set_userdata(loop->ev, loop);
    ev_set_loop_release_cb(loop->ev, release_gil, acquire_gil);
    ev_async_init(&loop->wake, on_wake);
    ev_async_start(loop->ev, &loop->wake);
    ev_timer_init(&loop->timer, on_timer, 0., 0.);
    if (rp_fds_init(loop) < 0) {
        Py_DECREF(loop);
        return NULL;
    }
    rp_list_add(&state->loops, &loop->link);
    return (PyObject *)loop;
}

void
rp_loop_purge(struct rp_loop *loop)
{
    struct ev_loop *ev = loop->ev;

    rp_tasks_clear(loop);
    rp_ring_clear(loop);
    rp_heap_clear(loop);
    Py_CLEAR(loop->base_ctx);
    Py_CLEAR(loop->pending);
    PyMem_Free(loop->read_buf);
    loop->read_buf = NULL;
    loop->turn = NULL;
    loop->tick = NULL;
    loop->ev = NULL;
    if (ev) {
        ev_io_stop(ev, &loop->io);
        ev_timer_stop(ev, &loop->timer);
        ev_async_stop(ev, &loop->wake);
        ev_loop_destroy(ev);
    }
    rp_fds_fini(loop);
}

static int
loop_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct rp_list *e;
    int r;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(SELF->module);
    Py_VISIT(SELF->task_factory);
    Py_VISIT(SELF->pending);
    Py_VISIT(SELF->base_ctx);
    for (int i = 0; i < SELF->ntasks; i++)
        Py_VISIT(SELF->tasks[i]->self);
    for (e = SELF->waiting.next; e && e != &SELF->waiting; e = e->next)
        Py_VISIT(rp_container_of(e, struct rp_task, link)->self);
    r = rp_ring_visit(&SELF->ring, visit, arg);
    if (r == 0)
        r = rp_heap_visit(&SELF->heap, visit, arg);
    if (r == 0)
        r = rp_fds_visit(&SELF->fds, visit, arg);
    return r;
}

static int
loop_clear(PyObject *self)
{
    Py_CLEAR(SELF->task_factory);
    SELF->closed = true;
    rp_loop_purge(SELF);
    return 0;
}

static void
loop_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject *module = SELF->module;

    PyObject_GC_UnTrack(self);
    rp_list_del(&SELF->link);
    loop_clear(self);
    tp->tp_free(self);
    Py_DECREF(tp);
    Py_DECREF(module);
}

/* Contracts of loop.h */

struct rp_loop *
rp_loop_from_object(PyObject *loop)
{
    if (base_of(Py_TYPE(loop)))
        return (struct rp_loop *)loop;
    PyErr_Format(PyExc_TypeError, "expected a rupy.EventLoop, not %.100s",
                 Py_TYPE(loop)->tp_name);
    return NULL;
}

PyObject *
rp_loop_object(struct rp_loop *loop)
{
    return (PyObject *)loop;
}

struct ev_loop *
rp_loop_ev(struct rp_loop *loop)
{
    return loop->ev;
}

int
rp_loop_is_closed(const struct rp_loop *loop)
{
    return loop->closed;
}

int
rp_loop_check_open(struct rp_loop *loop)
{
    if (!loop->closed && loop->ev && !loop->state->closed)
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
    return -1;
}

PyObject *
rp_loop_create_future(struct rp_loop *loop)
{
    PyObject *self = (PyObject *)loop;

    return PyObject_Vectorcall(loop->state->future_type, &self, 0,
                               loop->state->kw_loop);
}

void
rp_loop_set_turn(struct rp_loop *loop, int (*turn)(void *arg), void *arg)
{
    loop->turn = turn;
    loop->turn_arg = arg;
    loop->more = false;
}

void
rp_loop_set_forked(struct rp_loop *loop, void (*forked)(void *arg), void *arg)
{
    loop->forked = forked;
    loop->forked_arg = arg;
}

PyObject *
rp_loop_copy_context(struct rp_loop *loop)
{
    return loop->base_ctx ? PyContext_Copy(loop->base_ctx) : PyContext_New();
}

PyObject *
rp_loop_swap_context(struct rp_loop *loop, PyObject *context)
{
    PyObject *before = loop->base_ctx;

    loop->base_ctx = context;
    return before;
}

int
rp_loop_call_soon(struct rp_loop *loop, void (*fn)(void *arg), void *arg)
{
    struct rp_ready e = {.kind = RP_READY_C};

    if (rp_loop_check_open(loop) < 0)
        return -1;
    e.fn = fn;
    e.p = arg;
    return rp_ring_push(loop, e);
}

int
rp_loop_call_threadsafe(struct rp_loop *loop, void (*fn)(void *arg), void *arg)
{
    if (rp_loop_call_soon(loop, fn, arg) < 0)
        return -1;
    ev_async_send(loop->ev, &loop->wake);
    return 0;
}

static int
set_running(struct rp_loop *loop, PyObject *o)
{
    PyObject *r = PyObject_CallOneArg(loop->state->set_running_loop, o);

    Py_XDECREF(r);
    return r ? 0 : -1;
}

int
rp_loop_hide(struct rp_loop *loop)
{
    if (!loop->running || !loop->visible)
        return 0;
    loop->visible = false;
    return set_running(loop, Py_None);
}

int
rp_loop_show(struct rp_loop *loop)
{
    if (loop->visible)
        return 0;
    loop->visible = true;
    return set_running(loop, (PyObject *)loop);
}

void
rp_loop_set_tick(struct rp_loop *loop, uint64_t *tick)
{
    loop->tick = tick;
}

void
rp_loop_set_gil_wait(struct rp_loop *loop, uint64_t *waited)
{
    loop->gil_wait = waited;
}

void
rp_loop_set_poll_skip(struct rp_loop *loop, int max_turns, uint64_t max_ns)
{
    loop->skip_turns = max_turns;
    loop->skip_ns = max_ns;
}

int
rp_loop_capture_context(struct rp_loop *loop)
{
    PyObject *ctx = PyContext_CopyCurrent();

    if (!ctx)
        return -1;
    Py_XSETREF(loop->base_ctx, ctx);
    return 0;
}

void
rp_aio_tune_malloc(void)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 8 << 20);
}

static PyType_Slot loop_slots[] = {
    {Py_tp_doc, (void *)"The C half of rupy.EventLoop: callbacks, "
                        "timers, watched files and the run itself, on a "
                        "libev loop."},
    {Py_tp_new, loop_new},
    {Py_tp_dealloc, loop_dealloc},
    {Py_tp_traverse, loop_traverse},
    {Py_tp_clear, loop_clear},
    {Py_tp_methods, rp_loop_methods},
    {Py_tp_getset, rp_loop_getset},
    {Py_tp_members, rp_loop_members},
    {0, NULL},
};

PyType_Spec rp_loop_spec = {
    "rupy._core.LoopBase", sizeof(struct rp_loop), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, loop_slots};
