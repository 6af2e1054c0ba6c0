/* wsgi_environ.c -- what an application is told about a request (PEP 3333,
 * "environ Variables").
 *
 * An environ is a copy of the one before with the same header section, and
 * only what differs is set: the copy keeps the shape of the dict.  Text is
 * latin-1, one character a byte, as the PEP wants it. */
#include <stdio.h>

#include "rupy/app/service.h"
#include "rupy/http/url.h"
#include "rupy/py/wsgi_impl.h"

/* dict[key] = value, which is stolen; NULL is an exception. */
static int
set(PyObject *dict, PyObject *key, PyObject *value)
{
    int bad = value ? PyDict_SetItem(dict, key, value) : -1;

    Py_XDECREF(value);
    return bad;
}

static PyObject *
latin1(struct rp_str s)
{
    return PyUnicode_DecodeLatin1(s.n > 0 ? s.p : "", (Py_ssize_t)s.n, NULL);
}

/* ---- What all requests have ---- */

/* SCRIPT_NAME never ends in a slash: PATH_INFO begins with it. */
static PyObject *
script_name(struct rp_str path)
{
    while (path.n > 0 && path.p[path.n - 1] == '/')
        path.n--;
    return latin1(path);
}

static int
set_wsgi(struct rp_wsgi_object *w, const struct rp_py_worker_config *c)
{
    PyObject *d = w->environ;

    if (set(d, w->s_version, Py_BuildValue("(ii)", 1, 0)) < 0 ||
        set(d, w->s_url_scheme, Py_NewRef(w->st->http)) < 0 ||
        set(d, w->s_input, rp_wsgi_input_new(w->st, NULL)) < 0 ||
        set(d, w->s_errors, rp_wsgi_errors_new(w->st)) < 0 ||
        set(d, w->s_multithread, PyBool_FromLong(c->threads > 1)) < 0 ||
        set(d, w->s_multiprocess, PyBool_FromLong(c->workers > 1)) < 0 ||
        set(d, w->s_run_once, Py_NewRef(Py_False)) < 0 ||
        set(d, w->s_file_wrapper, Py_NewRef(w->st->file_wrapper_type)) < 0 ||
        set(d, w->s_input_terminated, Py_NewRef(Py_True)) < 0)
        return -1;
    return 0;
}

int
rp_wsgi_environ_init(struct rp_wsgi_object *w,
                     const struct rp_py_worker_config *c)
{
    struct rp_str root = {c->root_path, strlen(c->root_path)};
    PyObject *d = w->environ = PyDict_New();

    if (!d ||
        set(d, w->s_method, Py_NewRef(w->st->method_names[RP_METHOD_GET])) <
            0 ||
        set(d, w->s_script_name, script_name(root)) < 0 ||
        set(d, w->s_path_info, Py_NewRef(w->s_v_empty)) < 0 ||
        set(d, w->s_query_string, Py_NewRef(w->s_v_empty)) < 0 ||
        set(d, w->s_request_uri, Py_NewRef(w->s_v_empty)) < 0 ||
        set(d, w->s_raw_uri, Py_NewRef(w->s_v_empty)) < 0 ||
        set(d, w->s_server_name, Py_NewRef(w->s_v_empty)) < 0 ||
        set(d, w->s_server_port, Py_NewRef(w->s_v_empty)) < 0 ||
        set(d, w->s_server_protocol, Py_NewRef(w->s_v_http_1_1)) < 0 ||
        set(d, w->s_server_software,
            PyUnicode_FromString("rupy-serve/" RP_VERSION)) < 0 ||
        set(d, w->s_remote_addr, Py_NewRef(w->s_v_empty)) < 0 ||
        set(d, w->s_remote_port, Py_NewRef(w->s_v_empty)) < 0)
        return -1;
    return set_wsgi(w, c);
}

int
rp_wsgi_set_mount(PyObject *wsgi, PyObject *prefix)
{
    struct rp_wsgi_object *w = (struct rp_wsgi_object *)wsgi;
    PyObject *root = PyDict_GetItemWithError(w->environ, w->s_script_name);
    /* As everything in environ: its bytes. */
    PyObject *bytes = root ? PyUnicode_AsUTF8String(prefix) : NULL, *text;

    if (!bytes)
        return -1;
    text = latin1(rp_slice_of_bytes(bytes));
    Py_DECREF(bytes);
    Py_XSETREF(w->mount, text);
    if (!text)
        return -1;
    return set(w->environ, w->s_script_name, PyUnicode_Concat(root, text));
}

/* Without what the application is mounted below. */
static PyObject *
cut_mount(const struct rp_wsgi_object *w, PyObject *path)
{
    Py_ssize_t n;

    if (!path || !w->mount ||
        PyUnicode_Tailmatch(path, w->mount, 0, PY_SSIZE_T_MAX, -1) != 1)
        return path;
    n = PyUnicode_GET_LENGTH(w->mount);
    Py_SETREF(path, PyUnicode_Substring(path, n, PY_SSIZE_T_MAX));
    return path;
}

/* ---- Addresses ---- */

static PyObject *
number(unsigned n)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", n);
    return PyUnicode_FromString(text);
}

/* Of a Unix socket neither is known, and neither may be empty (RFC 3875
 * 4.1.14, 4.1.15). */
static int
fill_peer(struct rp_wsgi_object *w, struct rp_wsgi_peer *p,
          const struct rp_peer *peer)
{
    bool has_server = !peer->is_unix && peer->server_host[0] != '\0';
    PyObject *addr = PyUnicode_FromString(peer->host);
    PyObject *port = peer->port ? number(peer->port) : Py_NewRef(w->s_v_empty);
    PyObject *server =
        PyUnicode_FromString(has_server ? peer->server_host : "localhost");
    PyObject *server_port = number(has_server ? peer->server_port : 80);

    if (!addr || !port || !server || !server_port) {
        Py_XDECREF(addr);
        Py_XDECREF(port);
        Py_XDECREF(server);
        Py_XDECREF(server_port);
        return -1;
    }
    Py_XSETREF(p->addr, addr);
    Py_XSETREF(p->port, port);
    Py_XSETREF(p->server_name, server);
    Py_XSETREF(p->server_port, server_port);
    return 0;
}

static struct rp_wsgi_peer *
find_peer(struct rp_wsgi_object *w, const struct rp_peer *peer)
{
    size_t slot = ((uintptr_t)peer >> 6) & (RP_WSGI_PEERS - 1);
    struct rp_wsgi_peer *p = &w->peers[slot];

    if (p->peer && rp_peer_has_addresses_of(p->peer, peer))
        return p;
    if (!p->peer && !(p->peer = PyMem_Calloc(1, sizeof(*p->peer)))) {
        PyErr_NoMemory();
        return NULL;
    }
    if (fill_peer(w, p, peer) < 0) {
        /* Equal to no peer: the objects are of another one. */
        p->peer->host[0] = '?';
        p->peer->host[1] = '\0';
        return NULL;
    }
    *p->peer = *peer;
    return p;
}

/* ---- One request ---- */

/* block->environ[key] = value, when it is another object. */
static int
keep(struct rp_wsgi_block *b, PyObject **slot, PyObject *key, PyObject *value)
{
    if (*slot == value)
        return 0;
    if (PyDict_SetItem(b->environ, key, value) < 0)
        return -1;
    Py_XSETREF(*slot, Py_NewRef(value));
    return 0;
}

static int
keep_peer(struct rp_wsgi_object *w, struct rp_wsgi_block *b,
          const struct rp_peer *peer)
{
    struct rp_wsgi_peer *p = find_peer(w, peer);

    if (!p || keep(b, &b->addr, w->s_remote_addr, p->addr) < 0 ||
        keep(b, &b->port, w->s_remote_port, p->port) < 0 ||
        keep(b, &b->server_name, w->s_server_name, p->server_name) < 0 ||
        keep(b, &b->server_port, w->s_server_port, p->server_port) < 0)
        return -1;
    return 0;
}

/* New reference: the path, decoded (RFC 3875 4.1.5). */
static PyObject *
path_info(struct rp_arena *arena, struct rp_str raw)
{
    char *p;

    if (!memchr(raw.p, '%', raw.n))
        return latin1(raw);
    p = rp_arena_alloc(arena, raw.n);
    if (!p)
        return PyErr_NoMemory();
    return latin1((struct rp_str){p, rp_url_decode(p, raw)});
}

static int
keep_target(struct rp_wsgi_object *w, struct rp_wsgi_block *b,
            struct rp_exchange *x)
{
    const struct rp_request *r = rp_exchange_request(x);
    struct rp_str target = r->target;
    PyObject *path, *uri, *d = b->environ;
    char *copy;
    int bad;

    if (b->path && b->target_n == target.n &&
        memcmp(b->target, target.p, target.n) == 0)
        return 0;
    Py_CLEAR(b->path);
    copy = PyMem_Realloc(b->target, target.n + 1);
    path = cut_mount(w, path_info(rp_exchange_arena(x), r->path));
    uri = latin1(target);
    if (!copy || !path || !uri) {
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        if (copy)
            b->target = copy;
        Py_XDECREF(path);
        Py_XDECREF(uri);
        return -1;
    }
    b->target = copy;
    b->target_n = target.n;
    memcpy(copy, target.p, target.n);
    bad = PyDict_SetItem(d, w->s_request_uri, uri) < 0 ||
          PyDict_SetItem(d, w->s_raw_uri, uri) < 0 ||
          set(d, w->s_query_string, latin1(r->query)) < 0 ||
          keep(b, &b->path, w->s_path_info, path) < 0;
    Py_DECREF(path);
    Py_DECREF(uri);
    return bad ? -1 : 0;
}

static int
keep_method(struct rp_wsgi_object *w, struct rp_wsgi_block *b,
            const struct rp_request *r)
{
    PyObject *method;
    int bad;

    if (r->method != RP_METHOD_OTHER)
        return keep(b, &b->method, w->s_method, w->st->method_names[r->method]);
    method = latin1(r->method_name);
    bad = method ? keep(b, &b->method, w->s_method, method) : -1;
    Py_XDECREF(method);
    return bad;
}

static void
forget(struct rp_wsgi_block *b)
{
    b->id = 0;
    Py_CLEAR(b->environ);
    Py_CLEAR(b->method);
    Py_CLEAR(b->path);
    Py_CLEAR(b->addr);
    Py_CLEAR(b->port);
    Py_CLEAR(b->server_name);
    Py_CLEAR(b->server_port);
}

/* The environ of that header section, as its last request left it. */
static struct rp_wsgi_block *
find_block(struct rp_wsgi_object *w, const struct rp_request *r)
{
    struct rp_wsgi_block *b = &w->once;

    if (r->block_id != 0)
        b = &w->blocks[r->block_id & (RP_WSGI_BLOCKS - 1)];
    if (r->block_id != 0 && b->id == r->block_id)
        return b;
    forget(b);
    b->environ = PyDict_Copy(w->environ);
    if (!b->environ || rp_wsgi_fields_set(w, r, b->environ) < 0 ||
        (r->minor == 0 &&
         PyDict_SetItem(b->environ, w->s_server_protocol, w->s_v_http_1_0) < 0))
        return NULL;
    b->id = r->block_id;
    return b;
}

/* name is stolen, NULL with an exception. */
static int
set_prefix(struct rp_wsgi_object *w, PyObject *d, PyObject *name)
{
    if (name && w->mount)
        Py_SETREF(name, PyUnicode_Concat(name, w->mount));
    return set(d, w->s_script_name, name);
}

/* What a proxy in front of us tells, and a target that names its host. */
static int
set_forwarded(struct rp_wsgi_object *w, struct rp_exchange *x, PyObject *d)
{
    const struct rp_request *r = rp_exchange_request(x);
    struct rp_str prefix = rp_exchange_prefix(x);

    if (rp_exchange_scheme(x).n == 5 &&
        (PyDict_SetItem(d, w->s_url_scheme, w->s_v_https) < 0 ||
         PyDict_SetItem(d, w->s_https, w->s_v_on) < 0))
        return -1;
    if (prefix.n > 0 && set_prefix(w, d, script_name(prefix)) < 0)
        return -1;
    /* RFC 9112 3.2.2: then the Host field says nothing. */
    if (r->target.p[0] != '/' && r->host.n > 0 &&
        set(d, w->s_http_host, latin1(r->host)) < 0)
        return -1;
    return 0;
}

/* Of content that came in chunks and is all there.  Who is told no length reads
 * nothing, but for those who know wsgi.input_terminated. */
static int
set_length(struct rp_wsgi_object *w, const struct rp_wsgi_body *b, PyObject *d)
{
    unsigned long long n = b->buf.n - b->off + (unsigned long long)b->fd_size;

    return set(d, w->s_content_length, PyUnicode_FromFormat("%llu", n));
}

PyObject *
rp_wsgi_environ_new(struct rp_wsgi_call *call, PyObject *input)
{
    struct rp_wsgi_object *w = call->wsgi;
    const struct rp_request *r = rp_exchange_request(call->x);
    struct rp_wsgi_block *b = find_block(w, r);
    PyObject *environ;

    if (!b || keep_peer(w, b, rp_exchange_client(call->x)) < 0 ||
        keep_target(w, b, call->x) < 0 || keep_method(w, b, r) < 0)
        return NULL;
    call->method = Py_NewRef(b->method);
    call->path = Py_NewRef(b->path);
    environ = PyDict_Copy(b->environ);
    if (!environ)
        return NULL;
    if ((input && PyDict_SetItem(environ, w->s_input, input) < 0) ||
        (r->chunked && set_length(w, &call->body, environ) < 0) ||
        set_forwarded(w, call->x, environ) < 0 ||
        (call->early &&
         set(environ, w->s_early_hints, rp_wsgi_hints_new(call)) < 0))
        Py_CLEAR(environ);
    return environ;
}

/* ---- For the wsgi object ---- */

int
rp_wsgi_environ_traverse(struct rp_wsgi_object *w, visitproc visit, void *arg)
{
    Py_VISIT(w->environ);
    Py_VISIT(w->once.environ);
    for (unsigned i = 0; i < RP_WSGI_BLOCKS; i++)
        Py_VISIT(w->blocks[i].environ);
    return 0;
}

static void
free_block(struct rp_wsgi_block *b)
{
    forget(b);
    PyMem_Free(b->target);
    b->target = NULL;
}

void
rp_wsgi_environ_clear(struct rp_wsgi_object *w)
{
    Py_CLEAR(w->environ);
    Py_CLEAR(w->mount);
    free_block(&w->once);
    for (unsigned i = 0; i < RP_WSGI_BLOCKS; i++)
        free_block(&w->blocks[i]);
    for (unsigned i = 0; i < RP_WSGI_FIELDS; i++)
        Py_CLEAR(w->fields[i]);
    for (unsigned i = 0; i < RP_WSGI_PEERS; i++) {
        struct rp_wsgi_peer *p = &w->peers[i];
        PyMem_Free(p->peer);
        p->peer = NULL;
        Py_CLEAR(p->addr);
        Py_CLEAR(p->port);
        Py_CLEAR(p->server_name);
        Py_CLEAR(p->server_port);
    }
}
