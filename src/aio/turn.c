/* turn.c -- one turn of the loop after the other, until stop() is called. */
#include "inside.h"

#include "rupy/base/clock.h"

/* Longest wait of one poll; as asyncio. */
#define WAIT_MAX (24 * 3600.0)

/* Turns in a row that only look for what Python code watches. */
#define ALONE_MAX 4

void
rp_loop_pend(struct rp_loop *loop, PyObject *exc)
{
    /* The first one is the one that leaves. */
    if (loop->pending)
        Py_DECREF(exc);
    else
        loop->pending = exc;
    if (loop->ev)
        ev_break(loop->ev, EVBREAK_ONE);
}

static bool
is_fatal(PyObject *type)
{
    return PyErr_GivenExceptionMatches(type, PyExc_KeyboardInterrupt) ||
           PyErr_GivenExceptionMatches(type, PyExc_SystemExit);
}

/* Hand exc, stolen, to loop.call_exception_handler().  0, or -1 with a fatal
 * exception set. */
static int
report(struct rp_loop *loop, const char *message, PyObject *exc,
       PyObject *source)
{
    PyObject *context, *r = NULL;

    context = Py_BuildValue("{s:s,s:O}", "message", message, "exception", exc);
    Py_DECREF(exc);
    if (context &&
        (!source || PyDict_SetItemString(context, "task", source) == 0))
        r = PyObject_CallMethod((PyObject *)loop, "call_exception_handler", "O",
                                context);
    Py_XDECREF(context);
    Py_XDECREF(r);
    if (r)
        return 0;
    if (is_fatal(PyErr_Occurred()))
        return -1;
    PyErr_WriteUnraisable((PyObject *)loop);
    return 0;
}

void
rp_loop_report(struct rp_loop *loop, const char *message, PyObject *source)
{
    PyObject *exc = rp_py_take_exception();

    if (!exc)
        return;
    if (is_fatal((PyObject *)Py_TYPE(exc)))
        rp_loop_pend(loop, exc);
    else if (report(loop, message, exc, source) < 0)
        rp_loop_pend(loop, rp_py_take_exception());
}

void
rp_loop_take_exception(struct rp_loop *loop)
{
    rp_loop_report(loop, "Exception in callback from C", NULL);
}

int
rp_loop_callback_failed(struct rp_loop *loop, PyObject *callback,
                        PyObject *args, Py_ssize_t nargs, PyObject *handle)
{
    PyObject *exc, *tuple, *r = NULL;

    if (is_fatal(PyErr_Occurred()))
        return -1;
    exc = rp_py_take_exception();
    if (nargs == 0)
        tuple = PyTuple_New(0);
    else
        tuple = nargs == 1 ? PyTuple_Pack(1, args) : Py_NewRef(args);
    if (tuple)
        r = PyObject_CallMethod((PyObject *)loop, "_callback_failed", "OOOO",
                                exc, callback, tuple,
                                handle ? handle : Py_None);
    Py_XDECREF(tuple);
    Py_DECREF(exc);
    Py_XDECREF(r);
    if (r)
        return 0;
    if (is_fatal(PyErr_Occurred()))
        return -1;
    PyErr_WriteUnraisable(callback);
    return 0;
}

static int
raise_pending(struct rp_loop *loop)
{
    PyObject *exc = loop->pending;

    if (!exc)
        return 0;
    loop->pending = NULL;
    rp_py_set_exception(exc);
    return -1;
}

/* Set libev's timer to the first of ours; false when that is due. */
static bool
arm(struct rp_loop *loop)
{
    double when = loop->heap.v[0].when, wait = when - rp_clock_mono();

    if (wait <= 0)
        return false;
    if (loop->armed == when && ev_is_active(&loop->timer))
        return true;
    /* ev_timer counts from libev's idea of now, which may be old */
    ev_now_update(loop->ev);
    ev_timer_stop(loop->ev, &loop->timer);
    ev_timer_set(&loop->timer, wait < WAIT_MAX ? wait : WAIT_MAX, 0.);
    ev_timer_start(loop->ev, &loop->timer);
    loop->armed = when;
    return true;
}

static bool
may_skip_poll(struct rp_loop *loop)
{
    uint64_t now;

    if (loop->skip_turns == 0)
        return false;
    now = rp_clock_mono_ns();
    if (loop->skipped < loop->skip_turns &&
        now - loop->polled_ns < loop->skip_ns) {
        loop->skipped++;
        return true;
    }
    loop->skipped = 0;
    loop->polled_ns = now;
    return false;
}

/* While one message follows the other, asking libev first, which only says
 * that there are some, is a system call for nothing.  Its own turn comes
 * after a few of these. */
static bool
may_skip_libev(struct rp_loop *loop)
{
    struct rp_fds *fds = &loop->fds;

    if (fds->busy && fds->alone < ALONE_MAX && rp_fds_poll(loop) > 0) {
        fds->alone++;
        return true;
    }
    fds->alone = 0;
    return false;
}

static void
poll(struct rp_loop *loop)
{
    bool wait;

    if (may_skip_libev(loop))
        return;
    wait = loop->ring.n == 0 && !loop->stopping && !loop->more;
    if (wait && loop->heap.n > 0)
        wait = arm(loop);
    if (!wait && loop->ring.n > 0 && !loop->stopping && may_skip_poll(loop))
        return;
    loop->may_block = wait;
    ev_run(loop->ev, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
    loop->may_block = false;
}

static int
one_turn(struct rp_loop *loop)
{
    poll(loop);
    if (raise_pending(loop) < 0 || PyErr_CheckSignals() < 0)
        return -1;
    if (loop->tick)
        __atomic_store_n(loop->tick, rp_clock_mono_ns(), __ATOMIC_RELAXED);
    if (loop->heap.n > 0 && rp_heap_expire(loop, rp_clock_mono()) < 0)
        return -1;
    if (rp_ring_run(loop) < 0 || raise_pending(loop) < 0)
        return -1;
    if (loop->turn) {
        loop->more = loop->turn(loop->turn_arg) != 0;
        return raise_pending(loop);
    }
    return 0;
}

static int
run_turns(struct rp_loop *loop)
{
    int r;

    if (rp_loop_check_open(loop) < 0)
        return -1;
    do
        r = one_turn(loop);
    while (r == 0 && !loop->stopping);
    return r;
}

PyObject *
rp_loop_run_plain(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (run_turns((struct rp_loop *)self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *
rp_loop_run_once(PyObject *self, PyObject *unused)
{
    struct rp_loop *loop = (struct rp_loop *)self;
    int r;

    (void)unused;
    /* run_forever() made us the running loop, and takes it back */
    loop->running = loop->visible = true;
    r = run_turns(loop);
    loop->running = false;
    loop->visible = true;
    if (r < 0)
        return NULL;
    Py_RETURN_NONE;
}
