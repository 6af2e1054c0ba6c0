/* state.c -- the module's state: found, visited, cleared, filled lazily. */
#include "rupy/py/state.h"

#include "rupy/http/method.h"

struct rp_py_state *
rp_py_state_of_module(PyObject *module)
{
    return PyModule_GetState(module);
}

/* A type of another module may stand between ours and tp (a C extension that
 * subclasses Response), so the first module met need not be ours: the size of
 * its state tells. */
struct rp_py_state *
rp_py_state_of_type(PyTypeObject *tp)
{
    PyObject *module;

    for (; tp != NULL; tp = tp->tp_base) {
        if (!(tp->tp_flags & Py_TPFLAGS_HEAPTYPE))
            break;
        module = ((PyHeapTypeObject *)tp)->ht_module;
        if (module == NULL)
            continue;
        if (PyModule_GetDef(module)->m_size ==
            (Py_ssize_t)sizeof(struct rp_py_state))
            return PyModule_GetState(module);
    }
    return NULL;
}

int
rp_py_state_traverse(struct rp_py_state *st, visitproc visit, void *arg)
{
#define X(name) Py_VISIT(st->name);
    RP_PY_STATE_TYPES(X)
    RP_PY_STATE_OBJECTS(X)
#undef X
    return 0;
}

/* PyObject_GC_Del() asks the type how much lies before the object, so the
 * list goes before the types do; it takes nothing more without them. */
void
rp_py_state_clear(struct rp_py_state *st)
{
    size_t i;

    while (st->nfree_requests > 0)
        PyObject_GC_Del(st->free_requests[--st->nfree_requests]);
    while (st->nfree_awaits > 0)
        PyObject_GC_Del(st->free_awaits[--st->nfree_awaits]);
#define X(name) Py_CLEAR(st->name);
    RP_PY_STATE_TYPES(X)
    RP_PY_STATE_OBJECTS(X)
#undef X
    for (i = 0; i < Py_ARRAY_LENGTH(st->method_names); i++)
        Py_CLEAR(st->method_names[i]);
    for (i = 0; i < Py_ARRAY_LENGTH(st->field_names); i++)
        Py_CLEAR(st->field_names[i]);
}

/* m_clear is for cycles; a module whose references just went gets m_free
 * alone. */
void
rp_py_state_free(struct rp_py_state *st)
{
    rp_py_state_clear(st);
}

/* *slot = module.attr, unless it is there already. */
static int
load(PyObject **slot, const char *module_name, const char *attr)
{
    PyObject *module;

    if (*slot != NULL)
        return 0;
    module = PyImport_ImportModule(module_name);
    if (module == NULL)
        return -1;
    *slot = PyObject_GetAttrString(module, attr);
    Py_DECREF(module);
    return *slot == NULL ? -1 : 0;
}

int
rp_py_state_load_json(struct rp_py_state *st)
{
    PyObject *name = NULL;

    if (st->json_dumps != NULL && st->json_loads != NULL)
        return 0;
    if (load(&name, "rupy._json", "NAME") < 0)
        return -1;
    st->json_is_ours = PyUnicode_Check(name) &&
                       PyUnicode_CompareWithASCIIString(name, "json") == 0;
    Py_DECREF(name);
    if (load(&st->json_dumps, "rupy._json", "dumps") < 0)
        return -1;
    return load(&st->json_loads, "rupy._json", "loads");
}

int
rp_py_state_load_uuid(struct rp_py_state *st)
{
    return load(&st->uuid_type, "uuid", "UUID");
}

int
rp_py_state_load_http_error(struct rp_py_state *st)
{
    return load(&st->http_error, "rupy._errors", "HTTPError");
}

int
rp_py_state_load_websocket(struct rp_py_state *st)
{
    if (load(&st->websocket_disconnect, "rupy._errors", "WebSocketDisconnect") <
        0)
        return -1;
    return load(&st->websocket_error, "rupy._errors", "WebSocketError");
}

void
rp_py_raise_http_error(struct rp_py_state *st, int status, const char *detail)
{
    PyObject *cause = NULL, *text = NULL, *error = NULL;

    cause = rp_py_take_exception();
    if (rp_py_state_load_http_error(st) < 0)
        goto out;
    text = cause == NULL ? PyUnicode_FromString(detail)
                         : PyUnicode_FromFormat("%s: %S", detail, cause);
    if (text == NULL)
        goto out;
    error = PyObject_CallFunction(st->http_error, "iO", status, text);
    if (error == NULL)
        goto out;
    if (PyExceptionInstance_Check(error)) {
        PyException_SetCause(error, cause); /* steals it */
        cause = NULL;
    }
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
out:
    Py_XDECREF(error);
    Py_XDECREF(text);
    Py_XDECREF(cause);
}
