/* all.c -- driven tasks in asyncio.all_tasks().
 *
 * asyncio keeps its tasks in a WeakSet, whose inner set holds weak
 * references, things that return the task when they are called.  We put a
 * subclass of set there that, when it is walked, also yields such things for
 * the driven tasks.  So none of them needs to be registered, and no weak
 * reference keeps it from being used again. */
#include "inside.h"

static PyObject *
return_self(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(self);
}

static PyMethodDef return_self_def = {"task", return_self, METH_NOARGS, NULL};

/* Tasks in their first step are in no list, but are current. */
static size_t
add_current(struct rp_aio_state *state, PyObject **v, size_t max)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    size_t n = 0;

    while (PyDict_Next(state->current_tasks, &at, &key, &value))
        if (Py_TYPE(value) == state->task_type && !rp_task_of(value)->listed &&
            n < max)
            v[n++] = Py_NewRef(value);
    return n;
}

/* Driven tasks of all loops, new references in a new array of PyMem.
 * Nothing here allocates objects while it walks: a collection could change
 * the lists. */
static PyObject **
snapshot(struct rp_aio_state *state, size_t *n)
{
    size_t max = (size_t)PyDict_GET_SIZE(state->current_tasks);
    struct rp_list *l, *e;
    PyObject **v;

    for (l = state->loops.next; l != &state->loops; l = l->next)
        max += rp_container_of(l, struct rp_loop, link)->nwaiting;
    v = PyMem_New(PyObject *, max + 1);
    *n = 0;
    if (!v)
        return NULL;
    for (l = state->loops.next; l != &state->loops; l = l->next) {
        struct rp_loop *loop = rp_container_of(l, struct rp_loop, link);

        for (e = loop->waiting.next; e != &loop->waiting; e = e->next) {
            struct rp_task *t = rp_container_of(e, struct rp_task, link);

            if (!t->native)
                v[(*n)++] = Py_NewRef(t->self);
        }
    }
    *n += add_current(state, v + *n, max - *n);
    return v;
}

static int
append_driven(struct rp_aio_state *state, PyObject *list)
{
    size_t n, i;
    PyObject **v = snapshot(state, &n);
    int r = 0;

    if (!v) {
        PyErr_NoMemory();
        return -1;
    }
    for (i = 0; i < n; i++) {
        PyObject *f = r == 0 ? PyCFunction_New(&return_self_def, v[i]) : NULL;

        if (!f || PyList_Append(list, f) < 0)
            r = -1;
        Py_XDECREF(f);
        Py_DECREF(v[i]);
    }
    PyMem_Free(v);
    return r;
}

static PyObject *
all_iter(PyObject *self)
{
    struct rp_aio_state *state = rp_aio_state_of_type(Py_TYPE(self));
    PyObject *it = NULL, *list = NULL, *item, *r = NULL;

    if (!state)
        return NULL;
    it = PySet_Type.tp_iter(self);
    list = PyList_New(0);
    if (!it || !list)
        goto out;
    while ((item = PyIter_Next(it)) != NULL) {
        int bad = PyList_Append(list, item);

        Py_DECREF(item);
        if (bad)
            goto out;
    }
    if (PyErr_Occurred() || (!state->closed && append_driven(state, list) < 0))
        goto out;
    r = PyObject_GetIter(list);
out:
    Py_XDECREF(it);
    Py_XDECREF(list);
    return r;
}

static PyType_Slot all_slots[] = {
    {Py_tp_doc, (void *)"The weak references of a WeakSet of tasks, and "
                        "the tasks that the server drives."},
    {Py_tp_iter, all_iter},
    {0, NULL},
};

PyType_Spec rp_all_spec = {"rupy._AllTasks", 0, 0, Py_TPFLAGS_DEFAULT,
                           all_slots};

int
rp_all_install(struct rp_aio_state *state)
{
    PyObject *weak = NULL, *data = NULL, *ours = NULL;
    int r = -1;

    weak = PyObject_GetAttrString(state->tasks, RP_PY_ALL_TASKS);
    if (!weak)
        goto out;
    data = PyObject_GetAttrString(weak, "data");
    if (!data)
        goto out;
    if (!PyAnySet_Check(data)) {
        PyErr_SetString(PyExc_TypeError, "no set in asyncio's WeakSet");
        goto out;
    }
    ours = PyObject_CallOneArg((PyObject *)state->all_type, data);
    if (!ours)
        goto out;
    r = PyObject_SetAttrString(weak, "data", ours);
out:
    Py_XDECREF(weak);
    Py_XDECREF(data);
    Py_XDECREF(ours);
    return r;
}
