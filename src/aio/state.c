/* state.c -- what the module keeps: types, names, asyncio's own objects. */
#include "inside.h"

#include <stdlib.h>

/* type was made by rp_aio_exec() (a final type, or LoopBase itself). */
struct rp_aio_state *
rp_aio_state_of_type(PyTypeObject *type)
{
    return PyType_GetModuleState(type);
}

/* In the child of a fork: the epoll files are shared with the parent, and
 * what the child did to them would be done to the parent. */
static PyObject *
after_fork(PyObject *module, PyObject *unused)
{
    struct rp_aio_state *state = PyModule_GetState(module);
    struct rp_list *l;

    (void)unused;
    for (l = state->loops.next; l && l != &state->loops; l = l->next) {
        struct rp_loop *loop = rp_container_of(l, struct rp_loop, link);

        if (!loop->ev)
            continue;
        ev_loop_fork(loop->ev);
        if (rp_fds_rebuild(loop) < 0)
            return PyErr_SetFromErrno(PyExc_OSError);
        if (loop->forked)
            loop->forked(loop->forked_arg);
    }
    Py_RETURN_NONE;
}

static PyMethodDef after_fork_def = {"after_fork", after_fork, METH_NOARGS,
                                     NULL};

static int
watch_forks(PyObject *module)
{
    PyObject *os = PyImport_ImportModule("os"), *f = NULL, *call = NULL;
    PyObject *args = NULL, *kwargs = NULL, *r = NULL;

    f = PyCFunction_New(&after_fork_def, module);
    if (os && f) {
        call = PyObject_GetAttrString(os, "register_at_fork");
        args = PyTuple_New(0);
        kwargs = Py_BuildValue("{s:O}", "after_in_child", f);
    }
    if (call && args && kwargs)
        r = PyObject_Call(call, args, kwargs);
    Py_XDECREF(os);
    Py_XDECREF(f);
    Py_XDECREF(call);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    Py_XDECREF(r);
    return r ? 0 : -1;
}

static int
make_type(PyObject *module, PyType_Spec *spec, PyObject *base,
          PyTypeObject **type)
{
    Py_XSETREF(*type,
               (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, base));
    return *type ? 0 : -1;
}

static int
make_types(PyObject *module, struct rp_aio_state *state)
{
    if (make_type(module, &rp_loop_spec, NULL, &state->loop_type) < 0 ||
        make_type(module, &rp_handle_spec, NULL, &state->handle_type) < 0 ||
        make_type(module, &rp_timer_spec, NULL, &state->timer_type) < 0 ||
        make_type(module, &rp_wakeup_spec, NULL, &state->wakeup_type) < 0 ||
        make_type(module, &rp_native_spec, NULL, &state->native_type) < 0)
        return -1;
    if (PyModule_AddType(module, state->loop_type) < 0 ||
        PyModule_AddType(module, state->handle_type) < 0)
        return -1;
    return PyModule_AddType(module, state->timer_type);
}

/* The types that derive from asyncio's. */
static int
make_task_types(PyObject *module, struct rp_aio_state *state)
{
    PyTypeObject *base = (PyTypeObject *)state->base_task_type;
    PyType_Spec task = rp_task_spec, all = rp_all_spec;

    task.basicsize =
        (int)(base->tp_basicsize + (Py_ssize_t)sizeof(struct rp_task));
    all.basicsize = (int)PySet_Type.tp_basicsize;
    if (make_type(module, &all, (PyObject *)&PySet_Type, &state->all_type) <
            0 ||
        make_type(module, &task, state->base_task_type, &state->task_type) < 0)
        return -1;
    return PyModule_AddType(module, state->task_type);
}

static int
intern(PyObject **s, const char *text)
{
    *s = PyUnicode_InternFromString(text);
    return *s ? 0 : -1;
}

static int
intern_one(PyObject **names, const char *text)
{
    PyObject *s = PyUnicode_InternFromString(text);

    if (!s)
        return -1;
    *names = PyTuple_Pack(1, s);
    Py_DECREF(s);
    return *names ? 0 : -1;
}

static int
make_names(struct rp_aio_state *state)
{
    if (intern_one(&state->kw_loop, "loop") < 0 ||
        intern_one(&state->kw_context, "context") < 0 ||
        intern_one(&state->kw_msg, "msg") < 0 ||
        intern(&state->s_blocking, "_asyncio_future_blocking") < 0 ||
        intern(&state->s_get_loop, "get_loop") < 0 ||
        intern(&state->s_loop, "_loop") < 0 ||
        intern(&state->s_add_done_callback, "add_done_callback") < 0 ||
        intern(&state->s_cancel, "cancel") < 0 ||
        intern(&state->s_result, "result") < 0 ||
        intern(&state->s_throw, "throw") < 0 ||
        intern(&state->s_cancelled, "_cancelled") < 0 ||
        intern(&state->s_run, "_run") < 0 ||
        intern(&state->s_log_traceback, "_log_traceback") < 0 ||
        intern(&state->s_cancel_message, "_cancel_message") < 0 ||
        intern(&state->s_fileno, "fileno") < 0 ||
        intern(&state->s_data_received, "data_received") < 0 ||
        intern(&state->s_get_buffer, "get_buffer") < 0 ||
        intern(&state->s_buffer_updated, "buffer_updated") < 0)
        return -1;
    return intern(&state->s_scheduled, "_scheduled");
}

/* *to = module.name; -1 with an exception. */
static int
get(PyObject **to, PyObject *from, const char *name)
{
    Py_XSETREF(*to, PyObject_GetAttrString(from, name));
    return *to ? 0 : -1;
}

static int
import(PyObject **to, const char *name)
{
    Py_XSETREF(*to, PyImport_ImportModule(name));
    return *to ? 0 : -1;
}

static int
get_asyncio(struct rp_aio_state *state)
{
    PyObject *c = NULL, *exceptions = NULL, *format = NULL;
    int r = -1;

    if (import(&state->events, "asyncio.events") < 0 ||
        import(&state->tasks, "asyncio.tasks") < 0 ||
        import(&state->base_tasks, "asyncio.base_tasks") < 0 ||
        import(&c, "_asyncio") < 0 ||
        import(&exceptions, "asyncio.exceptions") < 0 ||
        import(&format, "asyncio.format_helpers") < 0 ||
        get(&state->format_source, format, "_format_callback_source") < 0 ||
        get(&state->cancelled_error, exceptions, "CancelledError") < 0 ||
        get(&state->future_type, c, "Future") < 0 ||
        get(&state->base_task_type, c, "Task") < 0 ||
        get(&state->set_running_loop, c, "_set_running_loop") < 0 ||
        get(&state->future_set_result, state->future_type, "set_result") < 0 ||
        get(&state->future_set_exception, state->future_type, "set_exception") <
            0 ||
        get(&state->future_cancel, state->future_type, "cancel") < 0 ||
        get(&state->future_make_cancelled, state->future_type,
            "_make_cancelled_error") < 0 ||
        get(&state->future_add_callback, state->base_task_type,
            "add_done_callback") < 0)
        goto out;
    Py_XSETREF(state->current_tasks,
               PyObject_GetAttrString(c, "_current_tasks"));
    PyErr_Clear();
    if (!state->current_tasks || !PyDict_CheckExact(state->current_tasks)) {
        Py_CLEAR(state->current_tasks);
        state->native = 1;
    }
    r = 0;
out:
    Py_XDECREF(c);
    Py_XDECREF(exceptions);
    Py_XDECREF(format);
    return r;
}

int
rp_aio_exec(PyObject *module)
{
    struct rp_aio_state *state = PyModule_GetState(module);
    const char *tasks = getenv("RUPY_TASKS");

    rp_list_init(&state->loops);
    if (tasks && strcmp(tasks, "native") == 0)
        state->native = 1;
    if (make_names(state) < 0 || make_types(module, state) < 0 ||
        watch_forks(module) < 0)
        return -1;
    return PyModule_AddFunctions(module, rp_aio_functions);
}

/* A worker that serves WSGI has no use for asyncio, and it is half of what an
 * interpreter keeps in memory. */
PyObject *
rp_aio_use_asyncio(PyObject *module, PyObject *unused)
{
    struct rp_aio_state *state = PyModule_GetState(module);

    (void)unused;
    if (!state->task_type &&
        (get_asyncio(state) < 0 || make_task_types(module, state) < 0))
        return NULL;
    Py_RETURN_NONE;
}

/* Every object that the state owns, in one place. */
/* clang-format off */
#define OBJECTS(X)                                                             \
    X(loop_type) X(handle_type) X(timer_type) X(task_type) X(wakeup_type)      \
    X(native_type) X(all_type) X(future_type) X(base_task_type)                \
    X(cancelled_error) X(current_tasks) X(future_set_result)                   \
    X(future_set_exception) X(future_cancel) X(future_make_cancelled)          \
    X(future_add_callback) X(events) X(tasks) X(base_tasks) X(format_source)   \
    X(set_running_loop) X(step_type) X(kw_loop) X(kw_context) X(kw_msg)        \
    X(s_blocking) X(s_get_loop) X(s_loop) X(s_add_done_callback) X(s_cancel)   \
    X(s_result) X(s_throw) X(s_cancelled) X(s_run) X(s_log_traceback)          \
    X(s_cancel_message) X(s_scheduled) X(s_fileno) X(s_data_received)          \
    X(s_get_buffer) X(s_buffer_updated)
/* clang-format on */

int
rp_aio_traverse(struct rp_aio_state *state, visitproc visit, void *arg)
{
#define VISIT(field) Py_VISIT(state->field);
    OBJECTS(VISIT)
    return 0;
}

void
rp_aio_clear(struct rp_aio_state *state)
{
    state->closed = 1;
    rp_handles_clear(state);
#define CLEAR(field) Py_CLEAR(state->field);
    OBJECTS(CLEAR)
}
