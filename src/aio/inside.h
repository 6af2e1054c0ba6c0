/* inside.h -- the insides of the loop, for the files of this folder. */
#ifndef RUPY_AIO_INSIDE_H
#define RUPY_AIO_INSIDE_H

#include "rupy/aio/drive.h"
#include "rupy/aio/loop.h"

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

/* What waits for its turn.  Only HANDLE and PYTHON have an object that the
 * caller of call_soon() may keep. */
enum rp_ready_kind {
    RP_READY_HANDLE, /* o: struct rp_handle */
    RP_READY_PYTHON, /* o: asyncio.Handle (debug mode, signal handlers) */
    RP_READY_CALL,   /* o: callable of a native task, arg: its argument */
    RP_READY_STEP,   /* o: Task, arg: exception to throw, or NULL */
    RP_READY_WAKE,   /* o: Task, arg: the future that it waited for */
    RP_READY_C,      /* fn, p */
};

struct rp_ready {
    enum rp_ready_kind kind;
    union {
        PyObject *o;
        void (*fn)(void *p);
    };
    union {
        PyObject *arg;
        void *p;
    };
    PyObject *ctx;
};

/* A circle of entries; cap is a power of two. */
struct rp_ring {
    struct rp_ready *v;
    size_t head, n, cap;
};

struct rp_timer {
    double when;
    uint64_t seq; /* equal times in the order of their making */
    PyObject *handle;
};

/* A heap with four children a node. */
struct rp_heap {
    struct rp_timer *v;
    size_t n, cap;
    uint64_t seq;
};

/* One watched fd of Python code. */
struct rp_fd {
    PyObject *reader, *writer; /* handles */
    uint32_t gen;              /* tells a reused number from its forerunner */
};

struct rp_fds {
    int epfd;
    uint32_t gen;
    struct rp_fd *v;
    int n;
    bool busy; /* the last look at epfd found something */
    int alone; /* turns since libev was asked last */
};

/* Handle and TimerHandle. */
struct rp_handle {
    PyObject_HEAD
    struct rp_loop *loop; /* owned */
    PyObject *callback, *ctx;
    PyObject *args; /* nargs 1: the argument; more: a tuple */
    PyObject *weak;
    Py_ssize_t nargs;
    double when;
    Py_ssize_t pos; /* in the heap, or -1 */
    bool cancelled;
};

struct rp_loop {
    PyObject_HEAD
    struct rp_aio_state *state;
    PyObject *module;    /* owns state; given up last, not in tp_clear */
    struct rp_list link; /* in state->loops */
    struct ev_loop *ev;  /* NULL: closed */
    ev_async wake;
    ev_timer timer;
    ev_io io;
    double armed; /* what the timer waits for; 0: nothing */

    struct rp_ring ring;
    struct rp_heap heap;
    struct rp_fds fds;

    bool closed, stopping, debug; /* written by asyncio's methods */
    bool may_block;               /* the poll may wait: it gives the GIL up */
    bool more;                    /* what the turn function said */
    bool running;                 /* inside run_forever() */
    bool visible; /* when running, asyncio.get_running_loop() finds us */
    PyObject *task_factory;
    PyThreadState *saved;
    unsigned long long gil_given; /* how often: for tests and who measures */
    PyObject *pending;            /* leaves run_forever() at the next chance */

    int (*turn)(void *arg);
    void *turn_arg;
    void (*forked)(void *arg);
    void *forked_arg;
    uint64_t *tick;
    uint64_t *gil_wait; /* NULL: not measured */
    int skip_turns, skipped;
    uint64_t skip_ns, polled_ns;

    char *read_buf; /* what transports read into; NULL until the first does */

    PyObject *base_ctx;
    struct rp_task *tasks[RP_AIO_TASKS_MAX];
    int ntasks;
    struct rp_list waiting; /* driven and suspended; each owned here */
    size_t nwaiting;
};

/* The part of a driven task that is ours; it lies behind the base's part of
 * the object, or in a NativeDrive. */
struct rp_task {
    struct rp_list link;  /* in loop->waiting, when listed */
    struct rp_loop *loop; /* owned */
    PyObject *self;       /* the object around this, borrowed */
    PyObject *native;     /* asyncio's task that really runs, or NULL */
    rp_drive_done done;   /* NULL: forgotten */
    void *arg;
    PyObject *coro, *ctx;
    PyObject *waits; /* the future that was yielded */
    PyObject *name;
    struct rp_wakeup *wakeup;
    Py_ssize_t cancels;
    bool must_cancel; /* CancelledError at the next step */
    bool listed;
    bool dirty;    /* somebody left a mark: not to be used again */
    bool finished; /* the coroutine ended */
    bool quiet;    /* no "destroyed but it is pending" */
};

/* What is put on a future as its done callback; one per task, made once.
 * It may outlive the task: task is NULL then. */
struct rp_wakeup {
    PyObject_HEAD
    struct rp_task *task;
};

/* state.c */
struct rp_aio_state *rp_aio_state_of_type(PyTypeObject *final);

/* loop.c */
extern PyType_Spec rp_loop_spec;
int rp_loop_check_open(struct rp_loop *loop);
/* Give up everything that a closed loop holds. */
void rp_loop_purge(struct rp_loop *loop);

/* loopapi.c */
extern PyMethodDef rp_loop_methods[];
extern PyGetSetDef rp_loop_getset[];
extern PyMemberDef rp_loop_members[];

/* turn.c */
PyObject *rp_loop_run_once(PyObject *self, PyObject *unused);
PyObject *rp_loop_run_plain(PyObject *self, PyObject *unused);
/* Keep exc (steals) to leave run_forever() with. */
void rp_loop_pend(struct rp_loop *loop, PyObject *exc);
/* Call loop._callback_failed() with the exception that is set.  0, or -1
 * with KeyboardInterrupt or SystemExit set. */
int rp_loop_callback_failed(struct rp_loop *loop, PyObject *callback,
                            PyObject *args, Py_ssize_t nargs, PyObject *handle);

/* call.c */
PyObject *rp_loop_py_call_soon(PyObject *self, PyObject *const *args,
                               Py_ssize_t nargs, PyObject *kwnames);
PyObject *rp_loop_py_call_soon_threadsafe(PyObject *self, PyObject *const *args,
                                          Py_ssize_t nargs, PyObject *kwnames);
PyObject *rp_loop_py_call_later(PyObject *self, PyObject *const *args,
                                Py_ssize_t nargs, PyObject *kwnames);
PyObject *rp_loop_py_call_at(PyObject *self, PyObject *const *args,
                             Py_ssize_t nargs, PyObject *kwnames);
PyObject *rp_loop_py_add_callback(PyObject *self, PyObject *handle);
/* New asyncio.Handle, or TimerHandle when `when` is not NULL. */
PyObject *rp_python_handle(struct rp_loop *loop, PyObject *when,
                           PyObject *callback, PyObject *const *args,
                           Py_ssize_t nargs, PyObject *ctx);

/* handle.c */
extern PyType_Spec rp_handle_spec, rp_timer_spec;
struct rp_handle *rp_handle_new(struct rp_loop *loop, PyTypeObject *tp,
                                PyObject *callback, PyObject *const *args,
                                Py_ssize_t nargs, PyObject *ctx);
/* 0, or -1 with KeyboardInterrupt or SystemExit. */
int rp_handle_run(struct rp_handle *h);
void rp_handle_cancel(struct rp_handle *h);
bool rp_is_handle(PyObject *o);
/* Either kind of handle; -1 with an exception. */
int rp_any_handle_cancel(struct rp_loop *loop, PyObject *handle);
void rp_handles_clear(struct rp_aio_state *state);

/* ready.c; every push steals its objects, also when it fails */
int rp_ring_push(struct rp_loop *loop, struct rp_ready e);
void rp_ring_clear(struct rp_loop *loop);
int rp_ring_visit(struct rp_ring *r, visitproc visit, void *arg);
/* Run the entries that are there now.  0, or -1 with what must leave
 * run_forever(). */
int rp_ring_run(struct rp_loop *loop);

/* timer.c */
int rp_heap_push(struct rp_loop *loop, double when, PyObject *handle);
void rp_heap_del(struct rp_loop *loop, struct rp_handle *h);
/* Put what is due into the ring. */
int rp_heap_expire(struct rp_loop *loop, double now);
void rp_heap_clear(struct rp_loop *loop);
int rp_heap_visit(struct rp_heap *heap, visitproc visit, void *arg);

/* fds.c */
/* Look for what happened to Python's fds, and put their handles into the ring;
 * how many did, or -1. */
int rp_fds_poll(struct rp_loop *loop);
int rp_fds_init(struct rp_loop *loop);
void rp_fds_fini(struct rp_loop *loop);
int rp_fds_visit(struct rp_fds *fds, visitproc visit, void *arg);
/* A fresh epoll fd under the same number, with all that is watched. */
int rp_fds_rebuild(struct rp_loop *loop);
PyObject *rp_loop_py_add_reader(PyObject *self, PyObject *const *args,
                                Py_ssize_t nargs);
PyObject *rp_loop_py_add_writer(PyObject *self, PyObject *const *args,
                                Py_ssize_t nargs);
PyObject *rp_loop_py_remove_reader(PyObject *self, PyObject *fd);
PyObject *rp_loop_py_remove_writer(PyObject *self, PyObject *fd);
/* {fd: 1 for reader | 2 for writer} */
PyObject *rp_loop_py_watched(PyObject *self, PyObject *unused);

/* task.c */
extern PyType_Spec rp_task_spec, rp_wakeup_spec;
struct rp_task *rp_task_of(PyObject *o);
/* A task from the pool or a new one; its object is owned by the caller. */
struct rp_task *rp_task_get(struct rp_loop *loop);
/* The coroutine ended with value or err (both lent): recycle the object or
 * finish it.  Steals the reference to the object. */
void rp_task_put(struct rp_task *t, PyObject *value, PyObject *err);
int rp_task_link_wakeup(struct rp_task *t);
void rp_tasks_clear(struct rp_loop *loop);

/* taskapi.c */
extern PyMethodDef rp_task_methods[];
extern PyGetSetDef rp_task_getset[];
PyObject *rp_task_cancel(struct rp_task *t, PyObject *msg);

/* step.c */
enum rp_drive rp_task_step(struct rp_task *t, PyObject *exc, PyObject **result);
/* From the ring: go on with exc (stolen) or without; call done(). */
void rp_task_resume(struct rp_task *t, PyObject *exc);
void rp_task_wake(struct rp_task *t, PyObject *fut);
void rp_task_list(struct rp_task *t);
/* Call done with value or err (both stolen), or report err when forgotten. */
void rp_task_deliver(struct rp_loop *loop, rp_drive_done done, void *arg,
                     PyObject *value, PyObject *err);

/* native.c */
extern PyType_Spec rp_native_spec;
enum rp_drive rp_native_start(struct rp_loop *loop, PyObject *coro,
                              PyObject *ctx, rp_drive_done done, void *arg,
                              PyObject **result, struct rp_task **task);

/* all.c */
extern PyType_Spec rp_all_spec;
/* Show driven tasks to asyncio.all_tasks(). */
int rp_all_install(struct rp_aio_state *state);

/* transport.c: _adopt_transport(cls) */
PyObject *rp_transport_adopt(PyObject *module, PyObject *cls);

/* learn.c */
extern PyMethodDef rp_aio_functions[];
/* rupy._core._use_asyncio(): Task and all that needs asyncio is there from
 * then on.  rupy/_loop.py calls it before there is an EventLoop. */
PyObject *rp_aio_use_asyncio(PyObject *module, PyObject *unused);
int rp_aio_self_test(struct rp_loop *loop);

#endif
