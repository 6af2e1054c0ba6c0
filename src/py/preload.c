/* preload.c -- import once, freeze, and be forked. */
#include "rupy/py/preload.h"

#include <poll.h>

#include "rupy/base/log.h"
#include "rupy/py/interface.h"
#include "rupy/py/load.h"

static bool
may_report(void *arg)
{
    (void)arg;
    return true;
}

/* Lines of rupy/_preload.py.  0, or -1 with an exception. */
static int
warn(PyObject *lines)
{
    Py_ssize_t n = PySequence_Size(lines);

    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *line = PySequence_GetItem(lines, i);
        const char *p = line ? PyUnicode_AsUTF8(line) : NULL;

        if (p)
            rp_warn("%s", p);
        Py_XDECREF(line);
        if (!p)
            return -1;
    }
    return n < 0 ? -1 : 0;
}

/* What a worker of this kind imports itself would be its own.
 * 0, or -1 with an exception. */
static int
import_runner(const struct rp_py_worker_config *c, PyObject *app)
{
    int kind = rp_interface_detect(app, c->interface);
    PyObject *runner = NULL;

    if (kind >= 0)
        runner =
            PyImport_ImportModule(rp_interface_runner((enum rp_py_kind)kind));
    Py_XDECREF(runner);
    return runner ? 0 : -1;
}

struct _object *
rp_py_preload(const struct rp_py_worker_config *c)
{
    PyObject *module = PyImport_ImportModule("rupy._preload");
    PyObject *before = NULL, *lines = NULL, *app = NULL;

    if (module)
        before = PyObject_CallMethod(module, "open_files", NULL);
    if (!before) {
        rp_py_load_explain(may_report, NULL);
        goto out;
    }
    app = rp_py_load(c, may_report, NULL);
    if (!app)
        goto out;
    if (import_runner(c, app) == 0)
        lines = PyObject_CallMethod(module, "settle", "O", before);
    if (!lines || warn(lines) < 0) {
        rp_py_load_explain(may_report, NULL);
        Py_CLEAR(app);
    }
out:
    Py_XDECREF(module);
    Py_XDECREF(before);
    Py_XDECREF(lines);
    return app;
}

void
rp_py_wait_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    Py_BEGIN_ALLOW_THREADS
    poll(&p, 1, -1);
    Py_END_ALLOW_THREADS
}
