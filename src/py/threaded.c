/* threaded.c -- a handler that blocks, called in a thread of the pool. */
#include "rupy/py/native.h"

struct threaded {
    struct rp_job job; /* first */
    struct rp_native_route *route;
    struct rp_exchange *x; /* NULL: the client is gone */
    PyObject *request;     /* owned */
    PyObject *result;      /* of the handler, or NULL and ... */
    PyObject *exception;   /* ... this */
    PyObject *context;     /* it ran in; NULL: nothing goes on in it */
    PyObject *args[RP_MAX_PARAMS + 2];
};

static void
free_threaded(struct threaded *t)
{
    for (unsigned i = 0; i < t->route->nall; i++)
        Py_XDECREF(t->args[i + 1]);
    Py_DECREF(t->route->app);
    PyMem_Free(t);
}

/* Is there still code of the handler's to run? */
static bool
goes_on(struct rp_native_route *route, PyObject *result)
{
    struct rp_py_state *st = route->app->st;

    return rp_drive_is_awaitable(result) || PyTuple_Check(result) ||
           rp_stream_is_source(st, result) ||
           (rp_is_response_object(st, result) &&
            Py_TYPE(result) != st->response_type);
}

/* In a thread. */
static void
run(struct rp_job *job)
{
    struct threaded *t = (struct threaded *)job;
    struct rp_native_route *route = t->route;

    if (t->x)
        rp_exchange_set_running(t->x);
    t->result = PyObject_Vectorcall(
        route->handler, t->args + 1,
        route->nargs | PY_VECTORCALL_ARGUMENTS_OFFSET, route->kwnames);
    if (!t->result)
        t->exception = rp_py_take_exception();
    else if (goes_on(route, t->result))
        t->context = Py_NewRef(job->context);
}

/* Back on the loop's thread. */
static void
done(struct rp_job *job, bool late)
{
    struct threaded *t = (struct threaded *)job;
    struct rp_native_route *route = t->route;
    struct rp_exchange *x = t->x;
    PyObject *request = t->request, *result = t->result;
    PyObject *exception = t->exception, *context = t->context;

    /* A request that nobody holds any more can be used again. */
    for (unsigned i = 0; i < route->nall; i++)
        Py_CLEAR(t->args[i + 1]);
    if (!x || late) {
        Py_XDECREF(result);
        Py_XDECREF(exception);
        Py_XDECREF(context);
    }
    if (!x) {
        /* Nobody is left to answer. */
    } else if (late) {
        rp_exchange_set_data(x, NULL);
        rp_request_object_end(request);
        rp_exchange_answer_busy(x);
    } else {
        rp_exchange_set_data(x, NULL);
        if (!result)
            rp_py_set_exception(exception);
        if (context)
            rp_native_result_in(route, x, request, result, context);
        else
            rp_native_result(route, x, request, result);
    }
    free_threaded(t);
}

void
rp_threaded_start(struct rp_native_route *route, struct rp_exchange *x,
                  PyObject *request)
{
    struct rp_call *call = rp_arena_alloc(rp_exchange_arena(x), sizeof(*call));
    struct threaded *t = PyMem_Calloc(1, sizeof(*t));
    int bad = -1;

    if (!call || !t)
        PyErr_NoMemory();
    else
        bad = rp_native_fill_args(route, x, request, t->args + 1);
    if (bad) {
        PyMem_Free(t);
        rp_native_refuse(route, x, request, bad);
        return;
    }
    rp_request_object_leave(request);
    t->job.run = run;
    t->job.done = done;
    t->route = route;
    Py_INCREF(route->app);
    t->x = x;
    t->request = request;
    if (rp_pool_submit(route->app->pool, &t->job) < 0) {
        free_threaded(t);
        rp_request_object_end(request);
        rp_exchange_answer_busy(x);
        return;
    }
    *call = (struct rp_call){
        .route = route, .x = x, .request = request, .threaded = t};
    rp_exchange_set_data(x, call);
}

void
rp_threaded_stop(struct threaded *t)
{
    if (rp_exchange_is_overdue(t->x))
        rp_exchange_is_stuck(t->x);
    t->x = NULL;
    rp_request_object_set_disconnected(t->request);
    rp_request_object_end(t->request);
    t->request = NULL;
}
