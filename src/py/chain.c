/* chain.c -- what the chain of a request, a coroutine of rupy/_middleware.py,
 * asks of the core. */
#include "rupy/app/filehandler.h"
#include "rupy/py/front_impl.h"
#include "rupy/py/request.h"
#include "rupy/py/traceback.h"

/* Borrowed, or NULL with an exception. */
static struct rp_front *
front_of_request(PyObject *o, struct rp_exchange **x)
{
    struct request_object *r = (struct request_object *)o;

    if (strcmp(Py_TYPE(o)->tp_name, "rupy._core.Request") != 0) {
        PyErr_Format(PyExc_TypeError, "call_next() takes the request, not %s",
                     Py_TYPE(o)->tp_name);
        return NULL;
    }
    if (!r->x && r->disconnected) {
        /* Nobody waits for an answer, and nothing went wrong here. */
        PyErr_SetString(r->st->aio.cancelled_error, "the client is gone");
        return NULL;
    }
    if (!r->x || !rp_exchange_front(r->x)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "call_next(): the request is over, or was handed on "
                        "already");
        return NULL;
    }
    *x = r->x;
    return rp_front_of(r->x);
}

PyObject *
rp_front_status(PyObject *unused, PyObject *request)
{
    struct rp_exchange *x;
    struct rp_front *f = front_of_request(request, &x);

    (void)unused;
    if (!f)
        return NULL;
    if (f->inner && !f->inner->is_websocket)
        Py_RETURN_NONE;
    if (f->inner) {
        f->begun = true;
        return Py_BuildValue("(iO)", 101, Py_None);
    }
    if (f->allow.n == 0)
        return Py_BuildValue("(iO)", f->status, Py_None);
    return Py_BuildValue("(is#)", f->status, f->allow.p,
                         (Py_ssize_t)f->allow.n);
}

/* Coroutines go on, and see the loop again.  result is stolen, NULL is the
 * exception that is set. */
static PyObject *
show_again(struct rp_loop *loop, PyObject *result)
{
    PyObject *exc = result ? NULL : rp_py_take_exception();

    if (rp_loop_show(loop) < 0) {
        Py_CLEAR(result);
        Py_XDECREF(exc);
    } else if (exc) {
        rp_py_set_exception(exc);
    }
    return result;
}

/* As rp_native_start_with(), but what the handler returned is returned. */
static PyObject *
call_native(struct rp_loop *loop, struct rp_native_route *route,
            struct rp_exchange *x, PyObject *request)
{
    PyObject *args[RP_MAX_PARAMS + 2], *result;
    int bad = rp_native_fill_args(route, x, request, args + 1);

    if (bad < 0)
        return NULL;
    if (bad > 0) {
        rp_py_raise_http_error(route->app->st, 404, "Not Found");
        return NULL;
    }
    result =
        route->is_async || rp_loop_hide(loop) == 0
            ? PyObject_Vectorcall(route->handler, args + 1,
                                  route->nargs | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                  route->kwnames)
            : NULL;
    for (unsigned i = 0; i < route->nall; i++)
        Py_DECREF(args[i + 1]);
    return route->is_async ? result : show_again(loop, result);
}

PyObject *
rp_front_begin(PyObject *unused, PyObject *request)
{
    struct rp_exchange *x;
    struct rp_front *f = front_of_request(request, &x);

    (void)unused;
    if (!f)
        return NULL;
    if (f->begun || !f->inner || f->inner->is_websocket) {
        PyErr_SetString(PyExc_RuntimeError,
                        "call_next() was called twice for one request");
        return NULL;
    }
    f->begun = true;
    if (f->inner->ops == &rp_native_ops) {
        struct rp_native_route *route = f->inner->self;
        if (!route->threaded || !route->app->pool)
            return call_native(f->place->fronts->loop, route, x, request);
    }
    /* A folder of files is called like any function, and gives a Response. */
    if (rp_file_mount_is_handler(f->inner) && rp_exchange_match(x)->route)
        return call_native(f->place->fronts->loop, rp_exchange_match(x)->route,
                           x, request);
    return rp_tapped_start(f->place->app->st, f->place->fronts->loop, x,
                           f->inner, request, &f->tapped);
}

PyObject *
rp_front_call(PyObject *unused, PyObject *const *args, Py_ssize_t n)
{
    struct request_object *request = (struct request_object *)args[0];
    struct rp_app_object *app = (struct rp_app_object *)request->v[REQUEST_APP];
    PyObject *result;

    (void)unused;
    if (!app->loop || rp_loop_hide(app->loop) < 0)
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    result = PyObject_Vectorcall(args[1], args + 2, (size_t)(n - 2), NULL);
    return show_again(app->loop, result);
}

PyObject *
rp_front_log(PyObject *unused, PyObject *text)
{
    (void)unused;
    return rp_py_log_error(text);
}

PyObject *
rp_front_log_exception(PyObject *unused, PyObject *args)
{
    PyObject *line, *exc;

    (void)unused;
    if (!PyArg_ParseTuple(args, "UO:_log_exception", &line, &exc))
        return NULL;
    rp_py_log_exception(line, exc);
    Py_RETURN_NONE;
}
