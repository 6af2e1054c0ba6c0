/* wsgi.c -- requests for a WSGI application. */
#include "rupy/py/wsgi.h"

PyObject *
rp_wsgi_new(struct rp_py_state *st, PyObject *app, struct rp_loop *loop,
            const struct rp_py_worker_config *c)
{
    (void)st, (void)app, (void)loop, (void)c;
    PyErr_SetString(PyExc_TypeError,
                    "WSGI applications are not served by this version");
    return NULL;
}

struct rp_handler
rp_wsgi_handler(PyObject *wsgi)
{
    (void)wsgi;
    return (struct rp_handler){0};
}

int
rp_py_wsgi_exec(PyObject *module, struct rp_py_state *st)
{
    (void)module, (void)st;
    return 0;
}

void
rp_wsgi_set_pool(PyObject *wsgi, struct rp_pool *pool)
{
    (void)wsgi, (void)pool;
}
