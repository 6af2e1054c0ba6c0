/* await.h -- what a function of ours returns to be awaited.
 *
 *     NEW --------------------------> OVER
 *       \______ WAITING ______________^
 *
 * Nothing happens before the first step, as with a coroutine.  What can be
 * done at once is done in that step, and the caller goes on without the loop;
 * what cannot waits for a future of the loop, like anything else that is
 * awaited there, so tasks, timeouts and cancellation work as they do
 * everywhere. */
#ifndef RUPY_PY_AWAIT_H
#define RUPY_PY_AWAIT_H

#include "rupy/base/list.h"
#include "rupy/py/state.h"

enum rp_await_step {
    RP_AWAIT_ERROR, /* an exception is set */
    RP_AWAIT_DONE,
    RP_AWAIT_WAIT, /* the same call again after a wake-up */
};

/* Those who wait for one thing.  It lies in their owner. */
struct rp_await_queue {
    struct rp_loop *loop; /* borrowed */
    struct rp_list waiting;
};

/* Do it, or say that it has to wait.  arg is what rp_await_new() was given;
 * *sent is false at first, and the function's own.  New reference in *result
 * with DONE; NULL there is None. */
typedef enum rp_await_step (*rp_await_fn)(PyObject *owner, PyObject *arg,
                                          bool *sent, PyObject **result);

static inline void
rp_await_queue_init(struct rp_await_queue *q, struct rp_loop *loop)
{
    q->loop = loop;
    rp_list_init(&q->waiting);
}

/* New reference.  owner is kept, and q with it; arg is kept, and may be
 * NULL. */
PyObject *rp_await_new(struct rp_py_state *st, PyObject *owner,
                       struct rp_await_queue *q, rp_await_fn fn, PyObject *arg);
/* Something changed for those who wait. */
void rp_await_wake(struct rp_py_state *st, struct rp_await_queue *q);

/* Make its type.  0, or -1 with an exception. */
int rp_py_await_exec(PyObject *module, struct rp_py_state *st);

#endif
