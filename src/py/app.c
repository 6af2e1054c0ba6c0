/* app.c -- rupy._core.App: the routes of a native application. */
#include <stddef.h>

#include "rupy/py/files.h"
#include "rupy/py/front.h"
#include "rupy/py/proxy.h"
#include "rupy/py/websocket.h"

enum {
    ERROR_SIZE = 512,
    THREADS_DEFAULT = 4, /* when a route asks for one, and no option does */
};

static void
free_route(struct rp_native_route *route)
{
    Py_CLEAR(route->handler);
    Py_CLEAR(route->pattern);
    Py_CLEAR(route->kwnames);
    PyMem_Free(route);
}

static PyObject *
app_new(PyTypeObject *tp, PyObject *args, PyObject *kwargs)
{
    struct rp_app_object *app = (struct rp_app_object *)tp->tp_alloc(tp, 0);

    (void)args, (void)kwargs;
    if (!app)
        return NULL;
    app->st = rp_py_state_of_type(tp);
    app->router = rp_router_new();
    if (!app->router) {
        Py_DECREF(app);
        return PyErr_NoMemory();
    }
    return (PyObject *)app;
}

static int
app_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    (void)self, (void)args, (void)kwargs;
    return 0;
}

static int
app_traverse(struct rp_app_object *app, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(app));
    Py_VISIT(app->first_state);
    for (unsigned i = 0; i < app->nroutes; i++) {
        Py_VISIT(app->routes[i]->handler);
        Py_VISIT(app->routes[i]->pattern);
        Py_VISIT(app->routes[i]->kwnames);
    }
    return 0;
}

static int
app_clear(struct rp_app_object *app)
{
    Py_CLEAR(app->first_state);
    for (unsigned i = 0; i < app->nroutes; i++) {
        Py_CLEAR(app->routes[i]->handler);
        Py_CLEAR(app->routes[i]->pattern);
        Py_CLEAR(app->routes[i]->kwnames);
    }
    return 0;
}

static void
app_dealloc(struct rp_app_object *app)
{
    PyTypeObject *tp = Py_TYPE(app);

    PyObject_GC_UnTrack(app);
    Py_CLEAR(app->first_state);
    rp_router_free(app->router);
    for (unsigned i = 0; i < app->nroutes; i++)
        free_route(app->routes[i]);
    PyMem_Free(app->routes);
    tp->tp_free(app);
    Py_DECREF(tp);
}

/* The index of a parameter of that name, or -1. */
static int
find_param(const struct rp_pattern *p, PyObject *name)
{
    Py_ssize_t n;
    const char *s = PyUnicode_AsUTF8AndSize(name, &n);

    if (!s) {
        PyErr_Clear();
        return -1;
    }
    for (unsigned i = 0; i < p->nparams; i++)
        if (rp_str_eq(p->params[i].name, (struct rp_str){s, (size_t)n}))
            return (int)i;
    return -1;
}

/* Where each argument of the handler comes from.  0, or -1 with an
 * exception. */
static int
plan_arguments(struct rp_native_route *route, const struct rp_pattern *p,
               PyObject *order, PyObject *kwnames)
{
    Py_ssize_t nargs = PyTuple_GET_SIZE(order);
    Py_ssize_t nkw = PyTuple_GET_SIZE(kwnames);

    if (nargs + nkw > RP_MAX_PARAMS + 1) {
        PyErr_SetString(PyExc_TypeError, "too many parameters");
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs + nkw; i++) {
        PyObject *name = i < nargs ? PyTuple_GET_ITEM(order, i)
                                   : PyTuple_GET_ITEM(kwnames, i - nargs);
        int slot = name == Py_None ? -1 : find_param(p, name);
        if (name != Py_None && slot < 0) {
            PyErr_Format(PyExc_TypeError, "pattern %R has no parameter %R",
                         route->pattern, name);
            return -1;
        }
        route->slots[i] = (int8_t)slot;
    }
    for (unsigned i = 0; i < p->nparams; i++)
        route->conv[i] = p->params[i].conv;
    route->nargs = (unsigned)nargs;
    route->nall = (unsigned)(nargs + nkw);
    route->kwnames = nkw > 0 ? Py_NewRef(kwnames) : NULL;
    return 0;
}

static bool
is_coroutine_function(PyObject *handler)
{
    PyObject *f =
        PyMethod_Check(handler) ? PyMethod_GET_FUNCTION(handler) : handler;

    if (!PyFunction_Check(f))
        return false;
    return ((PyCodeObject *)PyFunction_GET_CODE(f))->co_flags & CO_COROUTINE;
}

static struct rp_native_route *
new_route(struct rp_app_object *app, PyObject *pattern, PyObject *handler,
          PyObject *order, PyObject *kwnames)
{
    struct rp_native_route *route = PyMem_Calloc(1, sizeof(*route));
    struct rp_pattern parsed;
    char err[ERROR_SIZE];
    Py_ssize_t n;

    if (!route) {
        PyErr_NoMemory();
        return NULL;
    }
    route->app = app;
    route->route.handler =
        (struct rp_handler){.ops = &rp_native_ops, .self = route};
    if (rp_static_handler(app->st, handler))
        route->route.handler = *rp_static_handler(app->st, handler);
    else if (rp_proxy_handler_of(app->st, handler))
        route->route.handler = *rp_proxy_handler_of(app->st, handler);
    route->handler = Py_NewRef(handler);
    route->pattern = Py_NewRef(pattern);
    route->is_async = is_coroutine_function(handler);
    route->route.pattern.p = PyUnicode_AsUTF8AndSize(pattern, &n);
    if (!route->route.pattern.p)
        goto fail;
    route->route.pattern.n = (size_t)n;
    if (rp_pattern_init(&parsed, route->route.pattern, err, sizeof(err)) < 0) {
        PyErr_SetString(PyExc_ValueError, err);
        goto fail;
    }
    int bad = plan_arguments(route, &parsed, order, kwnames);
    rp_pattern_fini(&parsed);
    if (!bad)
        return route;
fail:
    free_route(route);
    return NULL;
}

/* Keep route in the app, which owns it from here. */
static int
keep_route(struct rp_app_object *app, struct rp_native_route *route)
{
    size_t size = (app->nroutes + 1) * sizeof(*app->routes);
    struct rp_native_route **routes = PyMem_Realloc(app->routes, size);

    if (!routes) {
        PyErr_NoMemory();
        return -1;
    }
    app->routes = routes;
    routes[app->nroutes++] = route;
    return 0;
}

PyDoc_STRVAR(
    add_route_doc,
    "_add_route(pattern, methods, handler, order, kwnames, threaded,\n"
    "stream=False)\n--\n\n"
    "Let handler answer methods on pattern.  order: what its positional\n"
    "parameters take, None the request, else a parameter of the pattern;\n"
    "kwnames: parameters that it takes by keyword.\n"
    "ValueError: the pattern is wrong, or the route exists.");

static PyObject *
app_add_route(struct rp_app_object *app, PyObject *args)
{
    PyObject *pattern, *methods, *handler, *order, *kwnames;
    struct rp_native_route *route;
    char err[ERROR_SIZE];
    int threaded, stream = 0;

    if (!PyArg_ParseTuple(args, "UO!OO!O!p|p:_add_route", &pattern,
                          &PyTuple_Type, &methods, &handler, &PyTuple_Type,
                          &order, &PyTuple_Type, &kwnames, &threaded, &stream))
        return NULL;
    route = new_route(app, pattern, handler, order, kwnames);
    if (!route)
        return NULL;
    route->threaded = threaded;
    if (route->route.handler.ops == &rp_native_ops)
        route->route.handler.streams = stream;
    if (keep_route(app, route) < 0) {
        free_route(route);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(methods); i++) {
        Py_ssize_t n;
        const char *p =
            PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(methods, i), &n);
        if (!p)
            return NULL;
        if (rp_str_eq((struct rp_str){p, (size_t)n}, RP_ROUTE_WEBSOCKET))
            route->route.handler = (struct rp_handler){
                .ops = &rp_websocket_ops, .self = route, .is_websocket = true};
        if (rp_router_add(app->router, route->route.pattern,
                          (struct rp_str){p, (size_t)n}, route, err,
                          sizeof(err)) < 0) {
            PyErr_SetString(PyExc_ValueError, err);
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(
    app_doc,
    "The base of rupy.Rupy: routes, matched and called by the C core.");

static PyObject *
app_set_first_state(struct rp_app_object *app, PyObject *state)
{
    if (!PyDict_Check(state)) {
        PyErr_SetString(PyExc_TypeError, "a dict is wanted");
        return NULL;
    }
    Py_XSETREF(app->first_state,
               PyDict_GET_SIZE(state) > 0 ? Py_NewRef(state) : NULL);
    Py_RETURN_NONE;
}

static PyMethodDef app_methods[] = {
    {"_add_route", (PyCFunction)app_add_route, METH_VARARGS, add_route_doc},
    {"_set_first_state", (PyCFunction)app_set_first_state, METH_O,
     PyDoc_STR("What request.state begins with: a dict.")},
    {"_status", rp_front_status, METH_O | METH_STATIC,
     PyDoc_STR("(status, Allow or None) of a request without a handler, or "
               "None.")},
    {"_begin", rp_front_begin, METH_O | METH_STATIC,
     PyDoc_STR("Call the handler: what it returned, a Tapped, or a future of "
               "one.")},
    {"_call", (PyCFunction)(void (*)(void))rp_front_call,
     METH_FASTCALL | METH_STATIC,
     PyDoc_STR("_call(request, function, *args): call what is not async.")},
    {"_log_exception", rp_front_log_exception, METH_VARARGS | METH_STATIC,
     PyDoc_STR("_log_exception(line, exception): nobody handled it.")},
    {"_log", rp_front_log, METH_O | METH_STATIC,
     PyDoc_STR("Log the first line as an error, the others below it.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot app_slots[] = {
    {Py_tp_doc, (void *)app_doc},   {Py_tp_new, app_new},
    {Py_tp_init, app_init},         {Py_tp_dealloc, app_dealloc},
    {Py_tp_traverse, app_traverse}, {Py_tp_clear, app_clear},
    {Py_tp_methods, app_methods},   {0, NULL},
};

static PyType_Spec app_spec = {
    .name = "rupy._core.App",
    .basicsize = sizeof(struct rp_app_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = app_slots,
};

unsigned
rp_app_object_threads(struct rp_app_object *app, unsigned threads)
{
    bool wanted = false;

    for (unsigned i = 0; i < app->nroutes; i++) {
        struct rp_native_route *route = app->routes[i];
        if (threads > 0 && !route->is_async)
            route->threaded = true;
        wanted |= route->threaded;
    }
    return threads > 0 ? threads : wanted ? THREADS_DEFAULT : 0;
}

int
rp_app_object_compile(struct rp_app_object *app)
{
    char err[ERROR_SIZE];

    if (rp_router_compile(app->router, err, sizeof(err)) == 0)
        return 0;
    PyErr_SetString(PyExc_ValueError, err);
    return -1;
}

int
rp_py_native_exec(PyObject *module, struct rp_py_state *st)
{
    st->app_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &app_spec, NULL);
    if (!st->app_type || PyModule_AddType(module, st->app_type) < 0)
        return -1;
    st->stream_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &rp_stream_spec, NULL);
    st->tapped_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &rp_tapped_spec, NULL);
    return st->stream_type && st->tapped_type
               ? PyModule_AddType(module, st->tapped_type)
               : -1;
}
