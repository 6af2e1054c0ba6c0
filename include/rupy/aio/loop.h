/* loop.h -- rupy.EventLoop: asyncio's loop on a libev loop.
 *
 * A struct rp_loop is a Python object (a subclass instance of LoopBase): who
 * keeps the pointer keeps a reference.  Everything here is called with the
 * GIL held, and, but for rp_loop_call_threadsafe(), on the loop's thread.
 *
 * One turn of the loop:
 *   1. the turn function (below) and the ready ring decide whether to wait
 *   2. ev_run: libev's callbacks run, with the GIL held; it is given away
 *      exactly while the poll may block
 *   3. signals; due timers go into the ring
 *   4. the entries that were in the ring at that moment run, in order
 *   5. the turn function runs */
#ifndef RUPY_AIO_LOOP_H
#define RUPY_AIO_LOOP_H

#include "rupy/aio/compat.h"

#include "rupy/base/list.h"

#include <stdint.h>

struct ev_loop;
struct rp_loop;
struct rp_handle;

enum {
    RP_AIO_HANDLES_MAX = 256, /* free handles kept */
    RP_AIO_TASKS_MAX = 256,   /* free tasks kept, a loop */
};

/* What the types and functions of aio/ share in one module.  It must be the
 * first member of the module's state: PyModule_GetState() is cast to it. */
struct rp_aio_state {
    PyTypeObject *loop_type, *handle_type, *timer_type;
    PyTypeObject *task_type, *wakeup_type, *native_type, *all_type;

    /* asyncio's own: borrowed from nobody, all owned */
    PyObject *future_type, *base_task_type;
    PyObject *cancelled_error;
    PyObject *current_tasks; /* dict loop -> task; NULL: tasks are native */
    PyObject *future_set_result, *future_set_exception, *future_cancel;
    PyObject *future_make_cancelled, *future_add_callback;
    PyObject *events, *tasks, *base_tasks, *format_source;
    PyObject *set_running_loop;
    /* How asyncio's own tasks call back; learned by _learn() */
    PyTypeObject *step_type;
    PyCFunction wakeup_function;

    PyObject *kw_loop;    /* ("loop",) */
    PyObject *kw_context; /* ("context",) */
    PyObject *kw_msg;     /* ("msg",) */
    PyObject *s_blocking, *s_get_loop, *s_loop, *s_add_done_callback;
    PyObject *s_cancel, *s_result, *s_throw, *s_cancelled, *s_run;
    PyObject *s_log_traceback, *s_cancel_message, *s_scheduled;
    PyObject *s_fileno, *s_data_received, *s_get_buffer, *s_buffer_updated;

    struct rp_list loops; /* all of this module's, for the fork hook */
    struct rp_handle *handles[RP_AIO_HANDLES_MAX];
    int nhandles;
    int closed;     /* cleared: free lists take nothing more */
    int tested;     /* the self-test of driven tasks ran */
    int native;     /* it failed, or RUPY_TASKS=native: no driven tasks */
    uint64_t names; /* last number given to an unnamed task */
};

/* Part of the module's exec slot: make the types and add LoopBase, Handle,
 * TimerHandle and the functions of aio/ to module.  What needs asyncio (Task,
 * futures, the running loop) comes with rupy._loop, before the first
 * EventLoop.  0, or -1 with an exception. */
int rp_aio_exec(PyObject *module);
int rp_aio_traverse(struct rp_aio_state *state, visitproc visit, void *arg);
void rp_aio_clear(struct rp_aio_state *state);
/* Let malloc keep buffers of transports: a recv() of 64 KiB and more must
 * not map and unmap memory each time.  Process-wide; for workers. */
void rp_aio_tune_malloc(void);

/* Borrowed; TypeError and NULL when it is not one of our loops. */
struct rp_loop *rp_loop_from_object(PyObject *loop);
/* Borrowed. */
PyObject *rp_loop_object(struct rp_loop *loop);
/* The libev loop; NULL after loop.close().  Watchers must be stopped before
 * the loop is closed. */
struct ev_loop *rp_loop_ev(struct rp_loop *loop);
int rp_loop_is_closed(const struct rp_loop *loop);
/* New asyncio.Future of this loop, or NULL with an exception. */
PyObject *rp_loop_create_future(struct rp_loop *loop);

/* Called in every turn, last.  It returns 1 when it has more to do at once:
 * the next poll does not wait. */
void rp_loop_set_turn(struct rp_loop *loop, int (*turn)(void *arg), void *arg);
/* Called in the child when code that runs in this process forks: what the
 * parent serves is not the child's.  NULL: nothing. */
void rp_loop_set_forked(struct rp_loop *loop, void (*forked)(void *arg),
                        void *arg);
/* Call fn(arg) from the ready ring.  What is queued when the loop is closed
 * is forgotten.  0, or -1 with an exception (closed, no memory).  fn leaves
 * no exception set; it hands a KeyboardInterrupt to
 * rp_loop_take_exception(). */
int rp_loop_call_soon(struct rp_loop *loop, void (*fn)(void *arg), void *arg);
/* The same from any thread that holds the GIL; wakes the loop. */
int rp_loop_call_threadsafe(struct rp_loop *loop, void (*fn)(void *arg),
                            void *arg);
/* Take the exception that is set, raised by Python code that was called from
 * C (a libev callback, a ring function): a KeyboardInterrupt or a SystemExit
 * must leave run_forever(), and does so at the end of this step of the turn.
 * Anything else is reported to the loop's exception handler. */
void rp_loop_take_exception(struct rp_loop *loop);
/* Report the exception that is set through loop.call_exception_handler(),
 * with message (and source, when not NULL, under "task"). */
void rp_loop_report(struct rp_loop *loop, const char *message,
                    PyObject *source);

/* Inline synchronous code (def handlers, WSGI) must not see a running loop.
 * Hide it before calling such code; it is shown again before the next ring
 * entry or driven step, so a worker that serves only one kind never
 * toggles.  0, or -1 with an exception. */
int rp_loop_hide(struct rp_loop *loop);
int rp_loop_show(struct rp_loop *loop);

/* *tick becomes the monotonic time in nanoseconds once per turn (relaxed
 * atomic store; it may lie in shared memory).  NULL: none.  An idle loop
 * does not turn: who watches the tick needs a timer that does. */
void rp_loop_set_tick(struct rp_loop *loop, uint64_t *tick);
/* *waited grows by the nanoseconds that it took to get the GIL back after each
 * wait, while threads may want it.  NULL: nobody asks. */
void rp_loop_set_gil_wait(struct rp_loop *loop, uint64_t *waited);
/* While the ring is busy, poll only every max_turns turns, and at least every
 * max_ns nanoseconds.  0: poll in every turn (the default). */
void rp_loop_set_poll_skip(struct rp_loop *loop, int max_turns,
                           uint64_t max_ns);
/* Driven handlers start in a copy of the context that is current now: to be
 * called once, when the application has started. */
int rp_loop_capture_context(struct rp_loop *loop);
/* Such a copy: new reference, or NULL with an exception. */
PyObject *rp_loop_copy_context(struct rp_loop *loop);
/* Copies are of this context (stolen) from now on.  Return the one they were
 * of, to be given back by another call. */
PyObject *rp_loop_swap_context(struct rp_loop *loop, PyObject *context);

#endif
