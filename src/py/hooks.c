/* hooks.c -- the way to rupy/_conffile.py and rupy/_hooks.py. */
#include "rupy/py/hooks.h"

#include "rupy/base/clock.h"
#include "rupy/base/fd.h"
#include "rupy/base/log.h"
#include "rupy/py/py.h"

struct rp_py_hooks {
    PyObject *object;  /* rupy._hooks.WorkerHooks */
    PyObject *records; /* its list */
    bool wants_records;
};

const char *
rp_py_hook_name(unsigned hook)
{
    static const char *const names[] = {
#define X(name, text) text,
        RP_PY_HOOKS(X)
#undef X
    };

    return hook < RP_N_PY_HOOKS ? names[hook] : NULL;
}

/* New: a list of str, or NULL. */
static PyObject *
list_of_paths(const char *const *v, size_t n)
{
    PyObject *list = PyList_New(0);

    for (size_t i = 0; list && i < n; i++) {
        PyObject *path = PyUnicode_DecodeFSDefault(v[i]);
        if (!path || PyList_Append(list, path) < 0)
            Py_CLEAR(list);
        Py_XDECREF(path);
    }
    return list;
}

/* New: what module.function(*args) gives, or NULL.  Steals args, which may be
 * NULL. */
static PyObject *
call(const char *module_name, const char *function, PyObject *args)
{
    PyObject *module = args ? PyImport_ImportModule(module_name) : NULL;
    PyObject *f = module ? PyObject_GetAttrString(module, function) : NULL;
    PyObject *result = f ? PyObject_Call(f, args, NULL) : NULL;

    Py_XDECREF(f);
    Py_XDECREF(module);
    Py_XDECREF(args);
    return result;
}

/* ---- Processes of their own ---- */

int
rp_py_read_config(const char *spec, const char *const *app_dirs,
                  size_t napp_dirs, int fd)
{
    PyObject *where = PyUnicode_DecodeFSDefault(spec);
    PyObject *text =
        call("rupy._conffile", "read",
             Py_BuildValue("NN", where, list_of_paths(app_dirs, napp_dirs)));
    Py_ssize_t n;
    const char *p = text ? PyUnicode_AsUTF8AndSize(text, &n) : NULL;
    int status = p && rp_fd_write_all(fd, p, (size_t)n) == 0 ? 0 : 1;

    if (PyErr_Occurred())
        PyErr_Print();
    Py_XDECREF(text);
    return status;
}

/* New: (source, name, path, folders), or NULL. */
static PyObject *
describe(const struct rp_py_file *f)
{
    PyObject *path = PyUnicode_DecodeFSDefault(f->path);

    return Py_BuildValue("(s#sNN)", f->source.p, (Py_ssize_t)f->source.n,
                         f->name, path, list_of_paths(f->folders, f->nfolders));
}

int
rp_py_serve_hooks(const struct rp_py_file *f, int fd)
{
    PyObject *file = describe(f), *first = Py_BuildValue("(i)", fd);
    PyObject *args = file && first ? PySequence_Concat(first, file) : NULL;
    PyObject *result = call("rupy._hooks", "serve", args);
    int status = result ? (int)PyLong_AsLong(result) : 1;

    if (PyErr_Occurred()) {
        PyErr_Print();
        status = 1;
    }
    Py_XDECREF(result);
    Py_XDECREF(first);
    Py_XDECREF(file);
    return status;
}

/* ---- A worker ---- */

/* The first line is an error, the others stand below it. */
static void
log_failure(const char *text)
{
    const char *end = strchrnul(text, '\n');

    if (!*text)
        return;
    rp_error("%.*s", (int)(end - text), text);
    if (*end)
        rp_log_text(end + 1);
}

/* Log what a method of ours gave; steals it.  NULL is an exception. */
static void
log_result(PyObject *text)
{
    const char *p = text ? PyUnicode_AsUTF8(text) : NULL;

    if (p)
        log_failure(p);
    else if (PyErr_Occurred())
        PyErr_Print();
    Py_XDECREF(text);
}

struct rp_py_hooks *
rp_py_hooks_new(const struct rp_py_hooks_config *c)
{
    PyObject *file = NULL, *rest = NULL, *args = NULL, *object = NULL;
    struct rp_py_hooks *h = NULL;

    if (!c || !c->file || !(c->file->hooks & RP_PY_WORKER_HOOKS))
        return NULL;
    file = describe(c->file);
    rest = Py_BuildValue("(IIi)", c->number, c->generation, c->stacks);
    args = file && rest ? PySequence_Concat(file, rest) : NULL;
    object = call("rupy._hooks", "open_worker", args);
    Py_XDECREF(file);
    Py_XDECREF(rest);
    if (!object || PyUnicode_Check(object)) {
        log_result(object);
        return NULL;
    }
    h = PyMem_Calloc(1, sizeof(*h));
    if (h) {
        h->object = object;
        h->wants_records = c->file->hooks & (1u << RP_PY_HOOK_LOG_REQUEST);
        h->records = PyObject_GetAttrString(object, "records");
    }
    if (!h || !h->records) {
        PyErr_Print();
        Py_DECREF(object);
        PyMem_Free(h);
        return NULL;
    }
    log_result(PyObject_CallMethod(object, "forked", NULL));
    return h;
}

void
rp_py_hooks_free(struct rp_py_hooks *h)
{
    if (!h)
        return;
    Py_XDECREF(h->records);
    Py_XDECREF(h->object);
    PyMem_Free(h);
}

void
rp_py_hooks_ready(struct rp_py_hooks *h, PyObject *app)
{
    if (h)
        log_result(PyObject_CallMethod(h->object, "ready", "O", app));
}

void
rp_py_hooks_ended(struct rp_py_hooks *h, int status)
{
    if (h)
        log_result(PyObject_CallMethod(h->object, "ended", "i", status));
}

/* ---- Requests ---- */

/* New: bytes as the client sent them, or NULL. */
static PyObject *
latin1(struct rp_str s)
{
    return PyUnicode_DecodeLatin1(s.p ? s.p : "", (Py_ssize_t)s.n, NULL);
}

static PyObject *
field(const struct rp_request *q, struct rp_str name)
{
    const struct rp_field *f = rp_fields_find(q->fields, q->nfields, name);

    return latin1(f ? f->value : RP_STR(""));
}

/* New: the members of rupy.hooks.Record in their order, or NULL. */
static PyObject *
make_record(const struct rp_access_record *r)
{
    static const struct rp_request none = {.minor = -1};
    const struct rp_request *q = r->request ? r->request : &none;
    PyObject *first =
        r->first >= 0 ? PyFloat_FromDouble(r->first) : Py_NewRef(Py_None);

    return Py_BuildValue(
        "(dNNNsNiKKdNsNNNNN)", rp_clock_wall(), latin1(q->method_name),
        latin1(q->path), latin1(q->query),
        q->minor < 0   ? ""
        : q->minor > 0 ? "HTTP/1.1"
                       : "HTTP/1.0",
        latin1(q->host), r->status, (unsigned long long)r->bytes,
        (unsigned long long)r->received, r->seconds, first, r->peer,
        field(q, RP_STR("user-agent")), field(q, RP_STR("referer")),
        latin1(r->id), latin1(r->trace), latin1(r->span));
}

/* Somebody's exception may be on its way; it goes on. */
void
rp_py_hooks_record(void *arg, const struct rp_access_record *r)
{
    struct rp_py_hooks *h = arg;
    PyObject *before = rp_py_take_exception(), *record = make_record(r);

    if (!record || PyList_Append(h->records, record) < 0)
        PyErr_Print();
    Py_XDECREF(record);
    rp_py_restore_exception(before);
}

void
rp_py_hooks_turn(struct rp_py_hooks *h)
{
    if (h && PyList_GET_SIZE(h->records) > 0)
        log_result(PyObject_CallMethod(h->object, "log", NULL));
}
