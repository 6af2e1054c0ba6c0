/* places.c -- the places of an application: itself, and what is mounted in it,
 * as rupy/_mount.py lists them. */
#include <stdlib.h>

#include "rupy/py/asgi.h"
#include "rupy/py/front_impl.h"
#include "rupy/py/wsgi.h"

static int
open_app(struct rp_app_object *app, struct rp_loop *loop,
         const struct rp_py_worker_config *c)
{
    if (app->loop == loop)
        return 0; /* mounted twice */
    if (app->loop) {
        PyErr_SetString(PyExc_RuntimeError,
                        "a mounted app is being served already");
        return -1;
    }
    if (rp_app_object_compile(app) < 0)
        return -1;
    app->loop = loop;
    app->debug = c->debug;
    app->cancels = c->cancel_on_disconnect;
    return 0;
}

/* (prefix, kind, owner, target, befores, run, state), see rupy/_mount.py. */
static int
open_place(struct rp_fronts *fronts, struct rp_place *p, struct rp_py_state *st,
           PyObject *entry, const struct rp_py_worker_config *c)
{
    PyObject *prefix, *owner, *target, *befores, *run, *state;
    const char *kind;
    Py_ssize_t n;

    if (!PyArg_ParseTuple(entry, "UsOOOOO", &prefix, &kind, &owner, &target,
                          &befores, &run, &state))
        return -1;
    p->fronts = fronts;
    p->prefix.p = PyUnicode_AsUTF8AndSize(prefix, &n);
    if (!p->prefix.p)
        return -1;
    p->prefix.n = (size_t)n;
    p->prefix_object = Py_NewRef(prefix);
    p->app = (struct rp_app_object *)Py_NewRef(owner);
    if (befores != Py_None)
        p->befores = Py_NewRef(befores);
    if (run != Py_None)
        p->run = Py_NewRef(run);
    p->route.app = p->app;
    p->route.handler = run != Py_None ? run : owner;
    p->route.is_async = true;
    for (int i = 0; i < 2; i++)
        p->front[i] =
            (struct rp_handler){.ops = &rp_front_ops, .self = p, .streams = i};
    if (strcmp(kind, "rupy") == 0)
        return n == 0
                   ? 0
                   : open_app((struct rp_app_object *)target, fronts->loop, c);
    if (strcmp(kind, "asgi") == 0) {
        p->server = rp_asgi_new(st, target, fronts->loop, c, state);
        if (!p->server || rp_asgi_set_mount(p->server, prefix) < 0)
            return -1;
        p->handler = rp_asgi_handler(p->server);
        return 0;
    }
    p->server = rp_wsgi_new(st, target, fronts->loop, c);
    if (!p->server || rp_wsgi_set_mount(p->server, prefix) < 0)
        return -1;
    p->handler = rp_wsgi_handler(p->server);
    return 0;
}

int
rp_fronts_new(struct rp_py_state *st, struct rp_app_object *app,
              struct rp_loop *loop, const struct rp_py_worker_config *c,
              struct rp_handler *root, struct rp_fronts **out)
{
    PyObject *module = PyImport_ImportModule("rupy._mount"), *list = NULL;
    struct rp_fronts *f = NULL;
    Py_ssize_t n;

    *out = NULL;
    if (module)
        list = PyObject_CallMethod(module, "places", "OO", app,
                                   c->debug ? Py_True : Py_False);
    Py_XDECREF(module);
    if (!list)
        return -1;
    n = PyList_GET_SIZE(list);
    f = n == 0 ? NULL : calloc(1, sizeof(*f) + (size_t)n * sizeof(f->v[0]));
    if (f) {
        f->loop = loop;
        for (Py_ssize_t i = 0; i < n; i++) {
            f->n++;
            if (open_place(f, &f->v[i], st, PyList_GET_ITEM(list, i), c) < 0) {
                rp_fronts_free(f);
                Py_DECREF(list);
                return -1;
            }
        }
        *root = (struct rp_handler){.ops = &rp_front_ops, .self = f};
        *out = f;
    } else if (n > 0) {
        PyErr_NoMemory();
    }
    Py_DECREF(list);
    return n > 0 && !f ? -1 : 0;
}

void
rp_fronts_free(struct rp_fronts *f)
{
    for (unsigned i = 0; f && i < f->n; i++) {
        struct rp_place *p = &f->v[i];
        if (i > 0 && !p->handler.ops && p->app && p->app->loop == f->loop) {
            p->app->loop = NULL;
            p->app->pool = NULL;
        }
        Py_CLEAR(p->server);
        Py_CLEAR(p->befores);
        Py_CLEAR(p->run);
        Py_CLEAR(p->prefix_object);
        Py_CLEAR(p->app);
    }
    free(f);
}

unsigned
rp_fronts_threads(struct rp_fronts *f, unsigned threads)
{
    unsigned n = 0;

    for (unsigned i = 1; f && i < f->n; i++) {
        struct rp_place *p = &f->v[i];
        unsigned k = threads;
        if (!p->handler.ops)
            k = rp_app_object_threads(p->app, threads);
        if (k > n)
            n = k;
    }
    return n;
}

void
rp_fronts_set_pool(struct rp_fronts *f, struct rp_pool *pool)
{
    for (unsigned i = 1; f && i < f->n; i++) {
        struct rp_place *p = &f->v[i];
        if (!p->handler.ops)
            p->app->pool = pool;
        else if (p->handler.ops != &rp_asgi_ops)
            rp_wsgi_set_pool(p->server, pool);
    }
}
