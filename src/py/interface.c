/* interface.c -- an application being served, whatever it speaks: the only
 * place that knows all three kinds. */
#include "rupy/py/interface.h"

#include "rupy/py/asgi.h"
#include "rupy/py/front.h"
#include "rupy/py/wsgi.h"

#define POOL_LIMIT 5.0 /* seconds that threads have to come to an end */

static const char *const names[] = {
    [RP_PY_RUPY] = "rupy",
    [RP_PY_ASGI] = "asgi",
    [RP_PY_WSGI] = "wsgi",
};

enum { NKINDS = sizeof(names) / sizeof(names[0]) };

const char *
rp_interface_name(enum rp_py_kind kind)
{
    return names[kind];
}

const char *
rp_interface_runner(enum rp_py_kind kind)
{
    return kind == RP_PY_WSGI ? "rupy._plain" : "rupy._worker";
}

int
rp_interface_detect(PyObject *app, const char *wanted)
{
    PyObject *module = PyImport_ImportModule("rupy._interface"), *name = NULL;
    int kind = -1;

    if (module)
        name = PyObject_CallMethod(module, "detect", "Os", app, wanted);
    for (int i = 0; name && i < NKINDS; i++)
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0)
            kind = i;
    Py_XDECREF(module);
    Py_XDECREF(name);
    return kind;
}

static int
open_native(struct rp_interface *i, struct rp_py_state *st,
            struct rp_router **router, struct rp_handler *root)
{
    struct rp_app_object *app = (struct rp_app_object *)i->app;

    if (app->loop) {
        PyErr_SetString(PyExc_RuntimeError, "the app is being served already");
        return -1;
    }
    if (rp_app_object_compile(app) < 0 ||
        rp_fronts_new(st, app, i->loop, i->config, root, &i->fronts) < 0)
        return -1;
    app->loop = i->loop;
    app->debug = i->config->debug;
    app->cancels = i->config->cancel_on_disconnect;
    *router = app->router;
    return 0;
}

int
rp_interface_open(struct rp_interface *i, struct rp_py_state *st,
                  enum rp_py_kind kind, PyObject *app, struct rp_loop *loop,
                  const struct rp_py_worker_config *config, PyObject *state,
                  struct rp_router **router, struct rp_handler *root)
{
    int bad = 0;

    *i = (struct rp_interface){
        .kind = kind, .app = Py_NewRef(app), .loop = loop, .config = config};
    *router = NULL;
    switch (kind) {
    case RP_PY_RUPY:
        bad = open_native(i, st, router, root);
        break;
    case RP_PY_ASGI:
        i->server = rp_asgi_new(st, app, loop, config, state);
        if (i->server)
            *root = rp_asgi_handler(i->server);
        break;
    case RP_PY_WSGI:
        i->server = rp_wsgi_new(st, app, loop, config);
        if (i->server)
            *root = rp_wsgi_handler(i->server);
        break;
    }
    if (bad == 0 && (kind == RP_PY_RUPY || i->server))
        return 0;
    Py_CLEAR(i->app);
    return -1;
}

/* How many threads it needs. */
static unsigned
count_threads(struct rp_interface *i)
{
    switch (i->kind) {
    case RP_PY_RUPY:
        return rp_app_object_threads((struct rp_app_object *)i->app,
                                     i->config->threads);
    case RP_PY_ASGI:
        break;
    case RP_PY_WSGI:
        return i->config->threads;
    }
    return 0;
}

static void
set_pool(struct rp_interface *i, struct rp_pool *pool)
{
    i->pool = pool;
    rp_fronts_set_pool(i->fronts, pool);
    if (i->kind == RP_PY_RUPY)
        ((struct rp_app_object *)i->app)->pool = pool;
    else if (i->kind == RP_PY_WSGI)
        rp_wsgi_set_pool(i->server, pool);
}

int
rp_interface_start(struct rp_interface *i)
{
    unsigned n = count_threads(i);
    unsigned mounted = rp_fronts_threads(i->fronts, i->config->threads);
    struct rp_pool *pool;

    if (mounted > n)
        n = mounted;
    if (n == 0)
        return 0;
    pool = rp_pool_new(i->loop, n, i->config->queue_timeout);
    if (!pool)
        return -1;
    set_pool(i, pool);
    return 0;
}

void
rp_interface_close(struct rp_interface *i)
{
    if (!i->app)
        return;
    rp_pool_free(i->pool, POOL_LIMIT);
    set_pool(i, NULL);
    rp_fronts_free(i->fronts);
    i->fronts = NULL;
    if (i->kind == RP_PY_RUPY)
        ((struct rp_app_object *)i->app)->loop = NULL;
    Py_CLEAR(i->server);
    Py_CLEAR(i->app);
}
