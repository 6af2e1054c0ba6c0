/* pool.c -- threads for handlers that block.
 *
 * The queue has a mutex of its own, held for a few instructions and never
 * while the GIL is waited for.  A thread that has the GIL takes the next job
 * before it gives the GIL up: under load the threads pass it on less often. */
#include "rupy/py/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "rupy/base/clock.h"
#include "rupy/base/log.h"
#include "rupy/py/py.h"

enum { QUEUE_MAX = 1024 }; /* jobs that wait */

struct rp_pool {
    struct rp_loop *loop;
    PyInterpreterState *interp;
    double max_wait;
    unsigned nthreads;
    unsigned nrefs; /* GIL: the owner and every thread */

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct rp_job *first, **last; /* under lock */
    unsigned nqueued;
    bool stopping; /* set with the GIL and under lock */
    pthread_t threads[];
};

static void
unref(struct rp_pool *pool)
{
    if (--pool->nrefs > 0)
        return;
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->wake);
    PyMem_RawFree(pool);
}

/* ---- In the threads ---- */

/* The next job, or NULL: there is none, or the pool is stopping. */
static struct rp_job *
take(struct rp_pool *pool, bool wait)
{
    struct rp_job *job = NULL;

    pthread_mutex_lock(&pool->lock);
    while (wait && !pool->first && !pool->stopping)
        pthread_cond_wait(&pool->wake, &pool->lock);
    if (!pool->stopping && pool->first) {
        job = pool->first;
        pool->first = job->next;
        if (!pool->first)
            pool->last = &pool->first;
        pool->nqueued--;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

static void
on_done(void *arg)
{
    struct rp_job *job = arg;

    job->done(job, job->late);
}

static void
run(struct rp_pool *pool, struct rp_job *job)
{
    double waited = rp_clock_mono() - job->queued;

    job->late = pool->max_wait > 0 && waited > pool->max_wait;
    if (!job->late && PyContext_Enter(job->context) == 0) {
        job->run(job);
        PyContext_Exit(job->context);
    } else if (!job->late) {
        PyErr_WriteUnraisable(job->context);
        job->late = true; /* no memory: nothing has run */
    }
    Py_CLEAR(job->context);
    /* Nobody is left to answer, and the loop is about to go. */
    if (pool->stopping) {
        job->done(job, true);
        return;
    }
    if (rp_loop_call_threadsafe(pool->loop, on_done, job) < 0)
        PyErr_Clear();
}

/* What Python's threading shows, and the traceback of a stuck one.  Threads
 * that an application starts here are waited for at the end as those that it
 * starts elsewhere: they would inherit that a foreign thread is a daemon. */
static void
name_thread(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *self = NULL, *name = NULL;
    char text[16];

    pthread_getname_np(pthread_self(), text, sizeof(text));
    if (threading)
        self = PyObject_CallMethod(threading, "current_thread", NULL);
    name = PyUnicode_FromString(text);
    if (!self || !name || PyObject_SetAttrString(self, "name", name) < 0 ||
        PyObject_SetAttrString(self, "_daemonic", Py_False) < 0)
        PyErr_WriteUnraisable(self);
    Py_XDECREF(threading);
    Py_XDECREF(self);
    Py_XDECREF(name);
}

/* Python before 3.12 shows what it has named for ever. */
static void
forget_thread(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *ident = PyLong_FromUnsignedLong(PyThread_get_thread_ident());
    PyObject *active = NULL;

    if (threading && ident)
        active = PyObject_GetAttrString(threading, "_active");
    if (!active || PyObject_DelItem(active, ident) < 0)
        PyErr_Clear();
    Py_XDECREF(active);
    Py_XDECREF(ident);
    Py_XDECREF(threading);
}

static void *
thread_main(void *arg)
{
    struct rp_pool *pool = arg;
    PyThreadState *state = PyThreadState_New(pool->interp);
    struct rp_job *job;

    if (!state) {
        rp_error("a thread has no memory for its state");
        return NULL;
    }
    PyEval_RestoreThread(state);
    name_thread();
    PyEval_SaveThread();
    while ((job = take(pool, true))) {
        PyEval_RestoreThread(state);
        do
            run(pool, job);
        while ((job = take(pool, false)));
        PyEval_SaveThread();
    }
    PyEval_RestoreThread(state);
    forget_thread();
    unref(pool);
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
    return NULL;
}

/* ---- On the loop's thread ---- */

static int
start_threads(struct rp_pool *pool, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char name[32];
        int bad = pthread_create(&pool->threads[i], NULL, thread_main, pool);
        if (bad) {
            errno = bad;
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        snprintf(name, sizeof(name), "rupy-pool-%u", i);
        name[15] = '\0'; /* all that the kernel takes */
        pthread_setname_np(pool->threads[i], name);
        pool->nthreads++;
        pool->nrefs++;
    }
    return 0;
}

struct rp_pool *
rp_pool_new(struct rp_loop *loop, unsigned nthreads, double max_wait)
{
    struct rp_pool *pool =
        PyMem_RawCalloc(1, sizeof(*pool) + nthreads * sizeof(pool->threads[0]));
    /* Python before 3.13 takes the thread that imports it for the main one. */
    PyObject *threading = PyImport_ImportModule("threading");

    Py_XDECREF(threading);
    if (!threading) {
        PyMem_RawFree(pool);
        return NULL;
    }
    if (!pool) {
        PyErr_NoMemory();
        return NULL;
    }
    pool->loop = loop;
    pool->interp = PyInterpreterState_Get();
    pool->max_wait = max_wait;
    pool->last = &pool->first;
    pool->nrefs = 1;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    if (start_threads(pool, nthreads) == 0)
        return pool;
    rp_pool_free(pool, 0);
    return NULL;
}

void
rp_pool_free(struct rp_pool *pool, double limit)
{
    struct rp_job *waiting, *job;
    struct timespec end;
    unsigned left = 0;

    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    waiting = pool->first;
    pool->first = NULL;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    while ((job = waiting)) {
        waiting = job->next;
        Py_CLEAR(job->context);
        job->done(job, true);
    }

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += (time_t)limit;
    Py_BEGIN_ALLOW_THREADS;
    for (unsigned i = 0; i < pool->nthreads; i++) {
        if (pthread_timedjoin_np(pool->threads[i], NULL, &end) != 0) {
            pthread_detach(pool->threads[i]);
            left++;
        }
    }
    Py_END_ALLOW_THREADS;
    if (left > 0)
        rp_warn("%u threads did not end within %g s", left, limit);
    unref(pool);
}

int
rp_pool_submit(struct rp_pool *pool, struct rp_job *job)
{
    int full;

    if (!job->context)
        job->context = rp_loop_copy_context(pool->loop);
    if (!job->context) {
        PyErr_Clear();
        return -1;
    }
    job->pool = pool;
    job->next = NULL;
    job->queued = rp_clock_mono();
    pthread_mutex_lock(&pool->lock);
    full = pool->nqueued >= QUEUE_MAX;
    if (!full) {
        *pool->last = job;
        pool->last = &job->next;
        pool->nqueued++;
        pthread_cond_signal(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    if (full)
        Py_CLEAR(job->context);
    return full ? -1 : 0;
}

/* The oldest job, if it is too old. */
static struct rp_job *
take_late(struct rp_pool *pool, double now)
{
    struct rp_job *job = NULL;

    pthread_mutex_lock(&pool->lock);
    if (pool->first && now - pool->first->queued > pool->max_wait) {
        job = pool->first;
        pool->first = job->next;
        if (!pool->first)
            pool->last = &pool->first;
        pool->nqueued--;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

void
rp_pool_expire(struct rp_pool *pool)
{
    struct rp_job *job;
    double now;

    if (!pool || pool->max_wait <= 0)
        return;
    now = rp_clock_mono();
    while ((job = take_late(pool, now))) {
        job->late = true;
        Py_CLEAR(job->context);
        job->done(job, true);
    }
}
