/* worker.c -- one worker as rupy/_worker.py and rupy/_plain.py see it:
 * rupy._core.Worker, and how the service runs it. */
#include "rupy/py/worker.h"

#include <string.h>
#include <unistd.h>

#include "rupy/py/door.h"
#include "rupy/py/hooks.h"
#include "rupy/py/interface.h"
#include "rupy/py/load.h"
#include "rupy/py/spans.h"
#include "rupy/py/traceback.h"

enum { EXIT_BROKEN = 2, EXIT_BOOT = 3, EXIT_APP = 4 };

struct worker_object {
    PyObject_HEAD
    const struct rp_py_worker_config *config;
    const struct rp_py_worker_ops *ops;
    void *arg;
    PyObject *app;
    PyObject *loop;    /* while attached */
    PyObject *stopped; /* callable */
    PyObject *state;   /* dict: what the lifespan leaves for requests */
    enum rp_py_kind kind;
    struct rp_interface interface; /* while attached */
};

static int
worker_traverse(struct worker_object *w, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(w));
    Py_VISIT(w->app);
    Py_VISIT(w->loop);
    Py_VISIT(w->stopped);
    Py_VISIT(w->state);
    return 0;
}

static int
worker_clear(struct worker_object *w)
{
    Py_CLEAR(w->app);
    Py_CLEAR(w->loop);
    Py_CLEAR(w->stopped);
    Py_CLEAR(w->state);
    return 0;
}

static void
worker_dealloc(struct worker_object *w)
{
    PyTypeObject *tp = Py_TYPE(w);

    PyObject_GC_UnTrack(w);
    worker_clear(w);
    tp->tp_free(w);
    Py_DECREF(tp);
}

static int
on_turn(void *arg)
{
    struct worker_object *w = arg;

    rp_pool_expire(w->interface.pool);
    return w->ops->turn(w->arg);
}

static PyObject *
worker_attach(struct worker_object *w, PyObject *loop_object)
{
    struct rp_loop *loop = rp_loop_from_object(loop_object);
    struct rp_handler root = {0};
    struct rp_router *router;

    if (!loop)
        return NULL;
    if (rp_interface_open(&w->interface, rp_py_state_of_type(Py_TYPE(w)),
                          w->kind, w->app, loop, w->config, w->state, &router,
                          &root) < 0)
        return NULL;
    if (w->ops->attach(w->arg, rp_loop_ev(loop), router, &root) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        rp_interface_close(&w->interface);
        return NULL;
    }
    rp_loop_set_turn(loop, on_turn, w);
    rp_loop_set_tick(loop, w->config->tick);
    rp_loop_set_gil_wait(loop, w->config->gil_wait);
    rp_loop_set_forked(loop, w->ops->forked, w->arg);
    w->loop = Py_NewRef(loop_object);
    Py_RETURN_NONE;
}

static PyObject *
worker_detach(struct worker_object *w, PyObject *unused)
{
    (void)unused;
    if (w->loop) {
        struct rp_loop *loop = rp_loop_from_object(w->loop);
        w->ops->detach(w->arg);
        rp_loop_set_turn(loop, NULL, NULL);
        rp_loop_set_tick(loop, NULL);
        rp_loop_set_gil_wait(loop, NULL);
        rp_loop_set_forked(loop, NULL, NULL);
        rp_interface_close(&w->interface);
        Py_CLEAR(w->loop);
    }
    Py_RETURN_NONE;
}

static void
on_stopped(void *arg)
{
    struct worker_object *w = arg;
    PyObject *r = PyObject_CallNoArgs(w->stopped);

    if (!r)
        PyErr_WriteUnraisable(w->stopped);
    Py_XDECREF(r);
}

static PyObject *
worker_start(struct worker_object *w, PyObject *stopped)
{
    struct rp_loop *loop;

    if (!w->loop) {
        PyErr_SetString(PyExc_RuntimeError, "attach a loop first");
        return NULL;
    }
    loop = rp_loop_from_object(w->loop);
    if (rp_loop_capture_context(loop) < 0 ||
        rp_interface_start(&w->interface) < 0)
        return NULL;
    Py_XSETREF(w->stopped, Py_NewRef(stopped));
    if (w->ops->start(w->arg, on_stopped, w) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    rp_py_hooks_ready(w->config->hooks, w->app);
    Py_RETURN_NONE;
}

/* May it be used from outside?  Else an exception is set. */
static bool
is_serving(const struct worker_object *w)
{
    if (w->loop && w->stopped)
        return true;
    PyErr_SetString(PyExc_RuntimeError, "the worker does not serve");
    return false;
}

static PyObject *
worker_adopt(struct worker_object *w, PyObject *args)
{
    unsigned short port;
    const char *host;
    int fd;

    if (!PyArg_ParseTuple(args, "isH:adopt", &fd, &host, &port))
        return NULL;
    if (!is_serving(w)) {
        close(fd);
        return NULL;
    }
    w->ops->adopt(w->arg, fd, host, port);
    Py_RETURN_NONE;
}

static PyObject *
worker_stop(struct worker_object *w, PyObject *unused)
{
    (void)unused;
    if (!is_serving(w))
        return NULL;
    w->ops->stop(w->arg);
    Py_RETURN_NONE;
}

static PyObject *
worker_log(struct worker_object *w, PyObject *text)
{
    (void)w;
    return rp_py_log_error(text);
}

static PyObject *
worker_may_report(struct worker_object *w, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(w->ops->may_report(w->arg));
}

static PyObject *
worker_time_left(struct worker_object *w, PyObject *unused)
{
    double left = w->ops->left(w->arg);

    (void)unused;
    if (left < 0)
        Py_RETURN_NONE;
    return PyFloat_FromDouble(left);
}

static PyObject *
worker_get_app(struct worker_object *w, void *unused)
{
    (void)unused;
    return Py_NewRef(w->app);
}

static PyObject *
worker_get_interface(struct worker_object *w, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(rp_interface_name(w->kind));
}

static PyObject *
worker_get_state(struct worker_object *w, void *unused)
{
    (void)unused;
    return Py_NewRef(w->state);
}

static PyObject *
worker_get_lifespan(struct worker_object *w, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(w->config->lifespan);
}

static PyObject *
worker_get_graceful_timeout(struct worker_object *w, void *unused)
{
    (void)unused;
    return PyFloat_FromDouble(w->config->graceful_timeout);
}

static PyMethodDef worker_methods[] = {
    {"attach", (PyCFunction)worker_attach, METH_O,
     PyDoc_STR("Serve on this loop.")},
    {"detach", (PyCFunction)worker_detach, METH_NOARGS,
     PyDoc_STR("Drop what is left; the loop may be closed then.")},
    {"start", (PyCFunction)worker_start, METH_O,
     PyDoc_STR("Accept connections; call the argument when it is over.")},
    {"adopt", (PyCFunction)worker_adopt, METH_VARARGS,
     PyDoc_STR("Serve a connected socket.")},
    {"stop", (PyCFunction)worker_stop, METH_NOARGS,
     PyDoc_STR("Stop, as if told by a signal.")},
    {"may_report", (PyCFunction)worker_may_report, METH_NOARGS,
     PyDoc_STR("Is a boot failure not reported by another worker already?")},
    {"time_left", (PyCFunction)worker_time_left, METH_NOARGS,
     PyDoc_STR("Seconds until the graceful deadline, or None.")},
    {"log", (PyCFunction)worker_log, METH_O,
     PyDoc_STR("Log the first line as an error, the others below it.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef worker_getset[] = {
    {"app", (getter)worker_get_app, NULL, PyDoc_STR("What is served."), NULL},
    {"interface", (getter)worker_get_interface, NULL,
     PyDoc_STR("\"rupy\", \"asgi\" or \"wsgi\"."), NULL},
    {"state", (getter)worker_get_state, NULL,
     PyDoc_STR("What the lifespan leaves for requests: a dict."), NULL},
    {"lifespan", (getter)worker_get_lifespan, NULL,
     PyDoc_STR("\"auto\", \"on\" or \"off\"."), NULL},
    {"graceful_timeout", (getter)worker_get_graceful_timeout, NULL,
     PyDoc_STR("Seconds; 0: no limit."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot worker_slots[] = {
    {Py_tp_dealloc, worker_dealloc}, {Py_tp_traverse, worker_traverse},
    {Py_tp_clear, worker_clear},     {Py_tp_methods, worker_methods},
    {Py_tp_getset, worker_getset},   {0, NULL},
};

static PyType_Spec worker_spec = {
    .name = "rupy._core.Worker",
    .basicsize = sizeof(struct worker_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = worker_slots,
};

int
rp_py_worker_exec(PyObject *module, struct rp_py_state *st)
{
    st->worker_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &worker_spec, NULL);
    return st->worker_type ? PyModule_AddType(module, st->worker_type) : -1;
}

/* ---- Running one ---- */

/* Print the exception that is set, unless another worker prints the same. */
static void
report(const struct rp_py_worker_ops *ops, void *arg)
{
    if (ops->may_report(arg))
        PyErr_Print();
    else
        PyErr_Clear();
}

/* The exit status that a SystemExit says, which is set.  PyErr_Print() would
 * end the process here and now. */
static int
exit_status(void)
{
    PyObject *exc = rp_py_take_exception(), *text = NULL;
    PyObject *code = PyObject_GetAttrString(exc, "code");
    int status = 1;

    if (code == Py_None)
        status = 0;
    else if (code && PyLong_Check(code))
        status = (int)PyLong_AsLong(code);
    else if (code)
        text = PyObject_Str(code);
    if (text)
        Py_XDECREF(rp_py_log_error(text));
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(code);
    Py_DECREF(exc);
    return status;
}

static PyObject *
new_worker(struct rp_py_state *st, const struct rp_py_worker_config *c,
           PyObject *app, const struct rp_py_worker_ops *ops, void *arg)
{
    struct worker_object *w;

    int kind = rp_interface_detect(app, c->interface);

    if (kind < 0)
        return NULL;
    w = PyObject_GC_New(struct worker_object, st->worker_type);
    if (!w)
        return NULL;
    w->config = c;
    w->ops = ops;
    w->arg = arg;
    w->app = Py_NewRef(app);
    w->loop = w->stopped = w->state = NULL;
    w->kind = (enum rp_py_kind)kind;
    memset(&w->interface, 0, sizeof(w->interface));
    PyObject_GC_Track(w);
    w->state = PyDict_New();
    if (!w->state)
        Py_CLEAR(w);
    return (PyObject *)w;
}

static struct rp_py_state *
core_state(void)
{
    PyObject *core = PyImport_ImportModule("rupy._core");
    struct rp_py_state *st = core ? rp_py_state_of_module(core) : NULL;

    Py_XDECREF(core);
    return st;
}

int
rp_py_worker_run(const struct rp_py_worker_config *c, PyObject *given,
                 const struct rp_py_worker_ops *ops, void *arg)
{
    PyObject *app = NULL, *worker = NULL, *module = NULL, *result = NULL;
    struct rp_py_state *st = core_state();
    int status = EXIT_BROKEN;

    if (!st)
        goto out;
    app = given ? Py_NewRef(given) : rp_py_load(c, ops->may_report, arg);
    if (app && c->opentelemetry)
        app = rp_py_add_spans(c, app, ops, arg);
    if (!app) {
        status = EXIT_APP;
        goto out;
    }
    worker = new_worker(st, c, app, ops, arg);
    if (!worker) {
        status = EXIT_APP;
        goto out;
    }
    if (c->only_load) {
        status = 0;
        goto out;
    }
    if (c->run) {
        result = PyObject_CallOneArg(c->run, worker);
    } else {
        module = PyImport_ImportModule(
            rp_interface_runner(((struct worker_object *)worker)->kind));
        if (module)
            result = PyObject_CallMethod(module, "run", "O", worker);
    }
    if (c->opentelemetry)
        rp_py_send_spans(ops, arg);
    if (result)
        status = (int)PyLong_AsLong(result);
out:
    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_SystemExit)) {
        status = exit_status();
    } else if (PyErr_Occurred()) {
        if (status == 0)
            status = EXIT_BROKEN;
        report(ops, arg);
    }
    Py_XDECREF(result);
    Py_XDECREF(module);
    Py_XDECREF(worker);
    Py_XDECREF(app);
    return status;
}

void
rp_py_before_fork(void)
{
    PyOS_BeforeFork();
}

void
rp_py_after_fork_parent(void)
{
    PyOS_AfterFork_Parent();
}

void
rp_py_after_fork_child(void)
{
    PyOS_AfterFork_Child();
}

bool
rp_py_is_main_thread(void)
{
    return getpid() == gettid();
}
