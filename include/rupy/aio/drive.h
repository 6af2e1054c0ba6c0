/* drive.h -- runs handlers' coroutines, from where the request was read.
 *
 * A coroutine is started in place; when it does not wait, its result is there
 * at once and no asyncio machinery ran.  asyncio.current_task() is a true
 * asyncio.Task all the time.  With a task factory, in debug mode, or on an
 * interpreter that the self-test does not know, the same interface runs it by
 * loop.create_task(). */
#ifndef RUPY_AIO_DRIVE_H
#define RUPY_AIO_DRIVE_H

#include "rupy/aio/loop.h"

#include <stddef.h>

/* A driven awaitable that waits. */
struct rp_task;

enum rp_drive {
    RP_DRIVE_DONE,
    RP_DRIVE_ERROR,
    RP_DRIVE_WAITS,
};

/* The awaitable ended.  result is borrowed; when it is NULL an exception is
 * set, and done() takes it (clears or reports it).  A KeyboardInterrupt or
 * SystemExit leaves run_forever() by itself here, done() just takes it.  The
 * struct rp_task is gone when done() is called. */
typedef void (*rp_drive_done)(void *arg, PyObject *result);

/* Whether rp_drive_start() takes o (a coroutine, or anything that can be
 * awaited).  No exception. */
int rp_drive_is_awaitable(PyObject *o);

/* Start coro, which is stolen, in a fresh copy of the loop's base context.
 * DONE: *result is a new reference, done() is not called.
 * ERROR: an exception is set, done() is not called.  When it is not an
 *   Exception (KeyboardInterrupt, SystemExit) hand it on to
 *   rp_loop_take_exception() after answering.
 * WAITS: *task is lent until done() is called (or rp_drive_forget()).
 * May be called inside a step of another task, which is then the current one
 * again. */
enum rp_drive rp_drive_start(struct rp_loop *loop, PyObject *coro,
                             rp_drive_done done, void *arg, PyObject **result,
                             struct rp_task **task);
/* The same in ctx itself, lent, which has the variables as coro left them when
 * it has ended; with a task factory they stay as they were. */
enum rp_drive rp_drive_start_in(struct rp_loop *loop, PyObject *coro,
                                PyObject *ctx, rp_drive_done done, void *arg,
                                PyObject **result, struct rp_task **task);
/* As task.cancel(): CancelledError is raised in the coroutine in a later
 * turn, never from here.  0, or -1 with an exception. */
int rp_drive_cancel(struct rp_task *task);
/* done() will not be called any more.  The coroutine goes on; when it ends
 * with an exception that is no CancelledError the loop's exception handler
 * hears of it. */
void rp_drive_forget(struct rp_task *task);
/* Another one waits for the end from now on. */
void rp_drive_hand_over(struct rp_task *task, rp_drive_done done, void *arg);
/* New reference to the asyncio.Task. */
PyObject *rp_drive_object(struct rp_task *task);

/* How many wait (the forgotten too). */
size_t rp_drive_count(const struct rp_loop *loop);
/* Cancel every one that waits; how many were asked.  To be followed by turns
 * of the loop until rp_drive_count() is 0 or a deadline passed.  Errors are
 * reported to the loop. */
size_t rp_drive_cancel_all(struct rp_loop *loop);

#endif
