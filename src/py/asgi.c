/* asgi.c -- requests for an ASGI 3 application. */
#include "rupy/py/asgi.h"

PyObject *
rp_asgi_new(struct rp_py_state *st, PyObject *app, struct rp_loop *loop,
            const struct rp_py_worker_config *c, PyObject *lifespan_state)
{
    (void)st, (void)app, (void)loop, (void)c, (void)lifespan_state;
    PyErr_SetString(PyExc_TypeError,
                    "ASGI applications are not served by this version");
    return NULL;
}

struct rp_handler
rp_asgi_handler(PyObject *asgi)
{
    (void)asgi;
    return (struct rp_handler){0};
}

int
rp_py_asgi_exec(PyObject *module, struct rp_py_state *st)
{
    (void)module, (void)st;
    return 0;
}
