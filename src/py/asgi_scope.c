/* asgi_scope.c -- what an application is told about a request (ASGI, HTTP and
 * WebSocket message format, "connection scope").
 *
 * A scope is a copy of a template that has all its keys: the copy keeps the
 * shape of the dict, and only what is of this request is put in. */
#include "rupy/app/service.h"
#include "rupy/http/url.h"
#include "rupy/py/asgi_impl.h"

/* 2.4: send() raises OSError when the client is gone.  2.5: the disconnect of
 * a WebSocket has its reason. */
static const char spec_version[] = "2.5";

/* dict[key] = value, which is stolen; NULL is an exception. */
static int
set(PyObject *dict, PyObject *key, PyObject *value)
{
    int bad = value ? PyDict_SetItem(dict, key, value) : -1;

    Py_XDECREF(value);
    return bad;
}

static int
declare(PyObject *extensions, const char *name)
{
    PyObject *none = PyDict_New();
    int bad = none ? PyDict_SetItemString(extensions, name, none) : -1;

    Py_XDECREF(none);
    return bad;
}

static int
make_extensions(struct rp_asgi_object *a)
{
    a->extensions = PyDict_New();
    if (!a->extensions ||
        declare(a->extensions, "http.response.pathsend") < 0 ||
        declare(a->extensions, "http.response.zerocopysend") < 0)
        return -1;
    return 0;
}

/* Every key is there from the beginning, so that no copy has to grow. */
static int
make_scope(struct rp_asgi_object *a)
{
    PyObject *d = a->scope = PyDict_New();

    if (!d || set(d, a->s_type, PyUnicode_FromString("http")) < 0 ||
        set(d, a->s_asgi, Py_NewRef(a->version)) < 0 ||
        set(d, a->s_http_version, Py_NewRef(a->st->http_1_1)) < 0 ||
        set(d, a->s_method, Py_NewRef(a->st->method_names[RP_METHOD_GET])) <
            0 ||
        set(d, a->s_scheme, Py_NewRef(a->st->http)) < 0 ||
        set(d, a->s_path, Py_NewRef(Py_None)) < 0 ||
        set(d, a->s_raw_path, Py_NewRef(Py_None)) < 0 ||
        set(d, a->s_query_string, Py_NewRef(a->no_bytes)) < 0 ||
        set(d, a->s_root_path, Py_NewRef(a->root_path)) < 0 ||
        set(d, a->s_headers, Py_NewRef(Py_None)) < 0 ||
        set(d, a->s_client, Py_NewRef(Py_None)) < 0 ||
        set(d, a->s_server, Py_NewRef(Py_None)) < 0 ||
        set(d, a->s_state, Py_NewRef(Py_None)) < 0 ||
        set(d, a->s_extensions, Py_NewRef(Py_None)) < 0)
        return -1;
    return 0;
}

int
rp_asgi_scope_init(struct rp_asgi_object *a, const char *root_path)
{
    size_t n = strlen(root_path);

    while (n > 0 && root_path[n - 1] == '/')
        n--;
    a->root_path = PyUnicode_DecodeUTF8(root_path, (Py_ssize_t)n, "strict");
    a->no_bytes = PyBytes_FromStringAndSize(NULL, 0);
    a->version = Py_BuildValue("{s:s,s:s}", "version", "3.0", "spec_version",
                               spec_version);
    a->request = PyDict_New();
    if (!a->root_path || !a->no_bytes || !a->version || !a->request ||
        make_extensions(a) < 0 || make_scope(a) < 0 ||
        set(a->request, a->s_type, Py_NewRef(a->s_http_request)) < 0 ||
        set(a->request, a->s_body, Py_NewRef(a->no_bytes)) < 0 ||
        set(a->request, a->s_more_body, Py_NewRef(Py_False)) < 0)
        return -1;
    return 0;
}

int
rp_asgi_set_mount(PyObject *asgi, PyObject *prefix)
{
    struct rp_asgi_object *a = (struct rp_asgi_object *)asgi;

    Py_XSETREF(a->mount, Py_NewRef(prefix));
    return set(a->scope, a->s_root_path,
               PyUnicode_Concat(a->root_path, prefix));
}

/* New reference: the path, decoded; NULL without an exception: no UTF-8. */
static PyObject *
decode_path(PyObject *root, struct rp_arena *arena, struct rp_str raw)
{
    PyObject *path = NULL;
    char *p;

    if (!memchr(raw.p, '%', raw.n)) {
        path = PyUnicode_DecodeUTF8(raw.p, (Py_ssize_t)raw.n, "strict");
    } else {
        p = rp_arena_alloc(arena, raw.n);
        if (!p)
            return PyErr_NoMemory();
        path = PyUnicode_DecodeUTF8(p, (Py_ssize_t)rp_url_decode(p, raw),
                                    "strict");
    }
    if (!path && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
        PyErr_Clear();
    /* The proxy took the prefix off, the scope has it back: root_path is the
     * beginning of path. */
    if (path && PyUnicode_GET_LENGTH(root) > 0)
        Py_SETREF(path, PyUnicode_Concat(root, path));
    return path;
}

static PyObject *
raw_path(PyObject *root, struct rp_str raw)
{
    PyObject *bytes = PyBytes_FromStringAndSize(raw.p, (Py_ssize_t)raw.n);

    if (bytes && PyUnicode_GET_LENGTH(root) > 0) {
        PyObject *prefix = PyUnicode_AsUTF8String(root);
        if (!prefix)
            Py_CLEAR(bytes);
        else
            PyBytes_ConcatAndDel(&prefix, bytes), bytes = prefix;
    }
    return bytes;
}

/* ---- What the template keeps ---- */

/* The same keys and values, in the same order: nobody changed the copy. */
static bool
is_copy(PyObject *dict, PyObject *like)
{
    Py_ssize_t i = 0, j = 0;
    PyObject *key, *value, *key2, *value2;

    Py_ssize_t n = PyDict_GET_SIZE(like);

    if (PyDict_GET_SIZE(dict) != n)
        return false;
    for (; n > 0; n--)
        if (!PyDict_Next(like, &i, &key, &value) ||
            !PyDict_Next(dict, &j, &key2, &value2) || key2 != key ||
            value2 != value)
            return false;
    return true;
}

/* Have a copy of `like` in the template that no request has seen, or that the
 * last one gave back as it was. */
static int
lend(struct rp_asgi_object *a, PyObject **slot, PyObject *key, PyObject *like)
{
    PyObject *copy;

    /* One reference is ours, the other the template's. */
    if (*slot && Py_REFCNT(*slot) == 2 && is_copy(*slot, like))
        return 0;
    copy = PyDict_Copy(like);
    if (!copy || PyDict_SetItem(a->scope, key, copy) < 0) {
        Py_XDECREF(copy);
        return -1;
    }
    Py_XSETREF(*slot, copy);
    return 0;
}

static int
keep(struct rp_asgi_object *a, PyObject **slot, PyObject *key, PyObject *value)
{
    if (*slot == value)
        return 0;
    if (PyDict_SetItem(a->scope, key, value) < 0)
        return -1;
    Py_XSETREF(*slot, Py_NewRef(value));
    return 0;
}

static int
prepare_path(struct rp_asgi_call *call, struct rp_str raw)
{
    struct rp_asgi_object *a = call->asgi;
    PyObject *path, *bytes;
    char *copy;
    int bad = -1;

    if (a->path && a->last_path_n == raw.n &&
        memcmp(a->last_path, raw.p, raw.n) == 0)
        return 0;
    path = decode_path(a->root_path, rp_exchange_arena(call->x), raw);
    if (!path)
        return -1;
    bytes = raw_path(a->root_path, raw);
    copy = PyMem_Realloc(a->last_path, raw.n + 1);
    if (copy) {
        memcpy(copy, raw.p, raw.n);
        a->last_path = copy;
        a->last_path_n = raw.n;
    } else {
        PyErr_NoMemory();
    }
    if (bytes && copy && keep(a, &a->path, a->s_path, path) == 0 &&
        keep(a, &a->raw_path, a->s_raw_path, bytes) == 0)
        bad = 0;
    else
        Py_CLEAR(a->path);
    Py_DECREF(path);
    Py_XDECREF(bytes);
    return bad;
}

static int
prepare(struct rp_asgi_call *call)
{
    struct rp_asgi_object *a = call->asgi;
    const struct rp_request *r = rp_exchange_request(call->x);
    PyObject *client, *server;

    if (prepare_path(call, r->path) < 0 ||
        rp_asgi_fields_peer(a, rp_exchange_client(call->x), &client, &server) <
            0 ||
        keep(a, &a->client, a->s_client, client) < 0 ||
        keep(a, &a->server, a->s_server, server) < 0 ||
        lend(a, &a->lent_version, a->s_asgi, a->version) < 0 ||
        lend(a, &a->lent_extensions, a->s_extensions, a->extensions) < 0 ||
        lend(a, &a->lent_state, a->s_state, a->lifespan_state) < 0)
        return -1;
    return 0;
}

void
rp_asgi_scope_over(struct rp_asgi_object *a)
{
    if (!a->lent_state ||
        PyDict_GET_SIZE(a->lent_state) == PyDict_GET_SIZE(a->lifespan_state))
        return;
    if (PyDict_SetItem(a->scope, a->s_state, Py_None) < 0)
        PyErr_Clear();
    Py_CLEAR(a->lent_state);
}

/* ---- Scopes ---- */

/* A trusted proxy told what it took off the path: that is the root then. */
static int
set_prefix(struct rp_asgi_call *call, PyObject *scope, struct rp_str prefix)
{
    struct rp_asgi_object *a = call->asgi;
    struct rp_str raw = rp_exchange_request(call->x)->path;
    PyObject *root =
        PyUnicode_DecodeUTF8(prefix.p, (Py_ssize_t)prefix.n, "replace");
    PyObject *path =
        root ? decode_path(root, rp_exchange_arena(call->x), raw) : NULL;
    int bad = -1;

    if (path && PyDict_SetItem(scope, a->s_path, path) == 0 &&
        set(scope, a->s_root_path,
            a->mount ? PyUnicode_Concat(root, a->mount) : Py_NewRef(root)) == 0)
        bad = set(scope, a->s_raw_path, raw_path(root, raw));
    Py_XDECREF(path);
    Py_XDECREF(root);
    return bad;
}

/* What a proxy in front of us changes. */
static int
fill_forwarded(struct rp_asgi_call *call, PyObject *scope)
{
    struct rp_asgi_object *a = call->asgi;
    struct rp_str prefix = rp_exchange_prefix(call->x);
    struct rp_str scheme = rp_exchange_scheme(call->x);

    if (scheme.n == 5 && PyDict_SetItem(scope, a->s_scheme, a->s_https) < 0)
        return -1;
    return prefix.n > 0 ? set_prefix(call, scope, prefix) : 0;
}

PyObject *
rp_asgi_scope_new(struct rp_asgi_call *call)
{
    struct rp_asgi_object *a = call->asgi;
    const struct rp_request *r = rp_exchange_request(call->x);
    PyObject *scope;

    if (prepare(call) < 0)
        return NULL;
    call->path = Py_NewRef(a->path);
    scope = PyDict_Copy(a->scope);
    if (!scope)
        return NULL;
    if (set(scope, a->s_headers,
            rp_asgi_fields_list(a, r, &call->te_trailers)) < 0 ||
        (r->query.n > 0 && set(scope, a->s_query_string,
                               PyBytes_FromStringAndSize(
                                   r->query.p, (Py_ssize_t)r->query.n)) < 0) ||
        (r->minor == 0 &&
         PyDict_SetItem(scope, a->s_http_version, a->st->http_1_0) < 0) ||
        fill_forwarded(call, scope) < 0)
        Py_CLEAR(scope);
    return scope;
}

/* What can be used on this connection. */
static int
add_extensions(struct rp_asgi_call *call, PyObject *scope)
{
    struct rp_asgi_object *a = call->asgi;
    bool hints = a->early_hints && rp_exchange_request(call->x)->minor >= 1;
    bool tls = rp_exchange_peer(call->x)->is_tls;
    PyObject *d;

    if (!call->te_trailers && !hints && !tls)
        return 0;
    d = PyDict_Copy(a->extensions);
    if (d && call->te_trailers && declare(d, "http.response.trailers") < 0)
        Py_CLEAR(d);
    if (d && hints && declare(d, "http.response.early_hint") < 0)
        Py_CLEAR(d);
    if (d && tls && rp_asgi_tls_declare(call, d) < 0)
        Py_CLEAR(d);
    return set(scope, a->s_extensions, d);
}

PyObject *
rp_asgi_scope_http(struct rp_asgi_call *call)
{
    struct rp_asgi_object *a = call->asgi;
    const struct rp_request *r = rp_exchange_request(call->x);
    PyObject *scope;

    if (r->method == RP_METHOD_OTHER)
        call->method = PyUnicode_FromStringAndSize(
            r->method_name.p, (Py_ssize_t)r->method_name.n);
    else
        call->method = Py_NewRef(a->st->method_names[r->method]);
    if (!call->method)
        return NULL;
    scope = rp_asgi_scope_new(call);
    if (!scope)
        return NULL;
    if ((r->method != RP_METHOD_GET &&
         PyDict_SetItem(scope, a->s_method, call->method) < 0) ||
        add_extensions(call, scope) < 0)
        Py_CLEAR(scope);
    return scope;
}

/* ---- WebSockets ---- */

/* New reference: what the client offers, in its order, over all lines. */
static PyObject *
subprotocols(const struct rp_request *r)
{
    PyObject *list = PyList_New(0);
    struct rp_ws_offers at = {0};
    struct rp_str name;

    while (list && rp_ws_subprotocol_next(r, &at, &name)) {
        PyObject *s =
            PyUnicode_DecodeLatin1(name.p, (Py_ssize_t)name.n, "strict");

        if (!s || PyList_Append(list, s) < 0)
            Py_CLEAR(list);
        Py_XDECREF(s);
    }
    return list;
}

static PyObject *
ws_extensions(struct rp_asgi_call *call)
{
    PyObject *d = PyDict_New();

    if (d && (declare(d, "websocket.http.response") < 0 ||
              rp_asgi_tls_declare(call, d) < 0))
        Py_CLEAR(d);
    return d;
}

PyObject *
rp_asgi_scope_websocket(struct rp_asgi_call *call)
{
    struct rp_asgi_object *a = call->asgi;
    bool secure = rp_exchange_scheme(call->x).n == sizeof("https") - 1;
    PyObject *scope = rp_asgi_scope_new(call);

    if (!scope)
        return NULL;
    if (PyDict_SetItem(scope, a->s_type, a->s_websocket) < 0 ||
        PyDict_DelItem(scope, a->s_method) < 0 ||
        set(scope, a->s_asgi, PyDict_Copy(a->version)) < 0 ||
        set(scope, a->s_scheme, PyUnicode_FromString(secure ? "wss" : "ws")) <
            0 ||
        set(scope, a->s_subprotocols,
            subprotocols(rp_exchange_request(call->x))) < 0 ||
        set(scope, a->s_extensions, ws_extensions(call)) < 0)
        Py_CLEAR(scope);
    return scope;
}
