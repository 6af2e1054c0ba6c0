/* asgi_fields.c -- field lines and addresses as ASGI has them: pairs of bytes
 * and (host, port), kept as long as they repeat. */
#include "rupy/app/service.h"
#include "rupy/http/response.h"
#include "rupy/py/asgi_impl.h"

/* ---- What was received ---- */

static PyObject *
bytes_of(struct rp_str s)
{
    return PyBytes_FromStringAndSize(s.p, (Py_ssize_t)s.n);
}

static bool
is_lower_of(PyObject *bytes, struct rp_str name)
{
    const char *p = PyBytes_AS_STRING(bytes);

    if ((size_t)PyBytes_GET_SIZE(bytes) != name.n)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (p[i] != (char)Py_TOLOWER(name.p[i]))
            return false;
    return true;
}

/* New reference: the name in lower case, from those that came lately. */
static PyObject *
lower_name(struct rp_asgi_object *a, struct rp_str name)
{
    PyObject **slot = NULL, *bytes;
    char *p;

    if (name.n > 0 && name.n <= RP_ASGI_NAME_MAX) {
        unsigned h = (unsigned char)Py_TOLOWER(name.p[0]) * 31u +
                     (unsigned char)Py_TOLOWER(name.p[name.n - 1]) * 7u +
                     (unsigned char)Py_TOLOWER(name.p[name.n / 2]) * 3u +
                     (unsigned)name.n;
        slot = &a->fields[h & (RP_ASGI_FIELDS - 1)];
        if (*slot && is_lower_of(*slot, name))
            return Py_NewRef(*slot);
    }
    bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)name.n);
    if (!bytes)
        return NULL;
    p = PyBytes_AS_STRING(bytes);
    for (size_t i = 0; i < name.n; i++)
        p[i] = (char)Py_TOLOWER(name.p[i]);
    if (slot)
        Py_XSETREF(*slot, Py_NewRef(bytes));
    return bytes;
}

static PyObject *
pair_of(struct rp_asgi_object *a, const struct rp_field *f)
{
    PyObject *name = lower_name(a, f->name), *value = bytes_of(f->value);
    PyObject *pair = name && value ? PyTuple_New(2) : NULL;

    if (!pair) {
        Py_XDECREF(name);
        Py_XDECREF(value);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, name);
    PyTuple_SET_ITEM(pair, 1, value);
    return pair;
}

static bool
takes_trailers(const struct rp_request *r)
{
    return r->minor >= 1 &&
           rp_fields_list_has(r->fields, r->nfields, RP_STR("te"),
                              RP_STR("trailers"));
}

static PyObject *
list_of_fields(struct rp_asgi_object *a, const struct rp_request *r)
{
    PyObject *list = PyList_New(r->nfields);

    for (unsigned i = 0; list && i < r->nfields; i++) {
        PyObject *pair = pair_of(a, &r->fields[i]);
        if (!pair)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, pair);
    }
    return list;
}

static PyObject *
list_of_items(PyObject *items)
{
    Py_ssize_t n = PyTuple_GET_SIZE(items);
    PyObject *list = PyList_New(n);

    for (Py_ssize_t i = 0; list && i < n; i++)
        PyList_SET_ITEM(list, i, Py_NewRef(PyTuple_GET_ITEM(items, i)));
    return list;
}

PyObject *
rp_asgi_fields_list(struct rp_asgi_object *a, const struct rp_request *r,
                    bool *te_trailers)
{
    struct rp_asgi_block *b = &a->blocks[r->block_id & (RP_ASGI_BLOCKS - 1)];
    PyObject *list, *items;

    if (r->block_id != 0 && b->id == r->block_id) {
        *te_trailers = b->te_trailers;
        return list_of_items(b->items);
    }
    *te_trailers = takes_trailers(r);
    list = list_of_fields(a, r);
    if (!list || r->block_id == 0)
        return list;
    items = PyList_AsTuple(list);
    if (!items) {
        Py_DECREF(list);
        return NULL;
    }
    b->id = r->block_id;
    b->te_trailers = *te_trailers;
    Py_XSETREF(b->items, items);
    return list;
}

/* ---- Addresses ---- */

/* (host, port); a Unix socket has a path and no port, its client nothing. */
static PyObject *
address(const char *host, unsigned port, bool is_path)
{
    if (host[0] == '\0')
        Py_RETURN_NONE;
    if (is_path)
        return Py_BuildValue("(NO)", PyUnicode_DecodeFSDefault(host), Py_None);
    return Py_BuildValue("(sI)", host, port);
}

int
rp_asgi_fields_peer(struct rp_asgi_object *a, const struct rp_peer *peer,
                    PyObject **client, PyObject **server)
{
    size_t slot = ((uintptr_t)peer >> 6) & (RP_ASGI_PEERS - 1);
    struct rp_asgi_peer *p = &a->peers[slot];
    PyObject *c, *s;

    if (!p->peer || !rp_peer_has_addresses_of(p->peer, peer)) {
        if (!p->peer && !(p->peer = PyMem_Malloc(sizeof(*p->peer)))) {
            PyErr_NoMemory();
            return -1;
        }
        *p->peer = *peer;
        c = address(peer->host, peer->port, false);
        s = address(peer->server_host, peer->server_port, peer->is_unix);
        if (!c || !s) {
            Py_XDECREF(c);
            Py_XDECREF(s);
            /* Equal to no peer: the objects are of another one. */
            p->peer->port = p->peer->server_port = 0;
            p->peer->host[0] = '?';
            return -1;
        }
        Py_XSETREF(p->client, c);
        Py_XSETREF(p->server, s);
    }
    *client = p->client;
    *server = p->server;
    return 0;
}

/* ---- What an application sends ---- */

static PyObject *
bad_header(PyObject *item)
{
    return PyErr_Format(PyExc_TypeError,
                        "a header is [name, value], both bytes, not %R", item);
}

/* The two of an item: borrowed, good as long as the item is. */
static int
unpack(PyObject *item, PyObject **name, PyObject **value)
{
    PyObject **v;

    if (!(PyTuple_Check(item) || PyList_Check(item)) ||
        PySequence_Fast_GET_SIZE(item) != 2) {
        bad_header(item);
        return -1;
    }
    v = PySequence_Fast_ITEMS(item);
    if (!PyBytes_Check(v[0]) || !PyBytes_Check(v[1])) {
        bad_header(item);
        return -1;
    }
    *name = v[0];
    *value = v[1];
    return 0;
}

static char *
put(char *p, struct rp_str s, struct rp_str *copy)
{
    memcpy(p, s.p, s.n);
    *copy = (struct rp_str){p, s.n};
    return p + s.n;
}

/* RFC 9112 6.3: one length, of digits only. */
static int
parse_length(struct rp_str value, int64_t *length)
{
    uint64_t n;

    if (*length >= 0 || rp_str_to_u64(value, &n) < 0) {
        PyErr_SetString(PyExc_ValueError,
                        "content-length is one number, given once");
        return -1;
    }
    *length = (int64_t)n;
    return 0;
}

static int
refuse(const struct rp_field *f)
{
    PyObject *name = bytes_of(f->name), *value = bytes_of(f->value);

    if (name && value)
        PyErr_Format(PyExc_ValueError, "header %R: %R must not go out", name,
                     value);
    Py_XDECREF(name);
    Py_XDECREF(value);
    return -1;
}

/* 0: it may go out; 1: it is the server's to send; 2: it is the length, and
 * known now; -1 with an exception. */
static int
check(const struct rp_field *f, int64_t *length)
{
    int how;

    if (length && f->name.n == 14 &&
        rp_str_ieq(f->name, RP_STR("content-length")))
        return parse_length(f->value, length) < 0 ? -1 : 2;
    how = rp_response_check_field(f);
    return how < 0 ? refuse(f) : how;
}

/* How many fields there are in v then; -1 with an exception. */
static Py_ssize_t
parse_fast(struct rp_arena *arena, PyObject *fast, struct rp_field *v,
           int64_t *length, bool *clean)
{
    PyObject **items = PySequence_Fast_ITEMS(fast), *name, *value;
    Py_ssize_t n = PySequence_Fast_GET_SIZE(fast), kept = 0;
    size_t bytes = 0;
    char *p;

    for (Py_ssize_t i = 0; i < n; i++) {
        if (unpack(items[i], &name, &value) < 0)
            return -1;
        bytes += rp_slice_of_bytes(name).n + rp_slice_of_bytes(value).n;
    }
    p = rp_arena_alloc(arena, bytes + 1);
    if (!p) {
        PyErr_SetString(PyExc_ValueError, "the headers are too large");
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        struct rp_field *f = &v[kept];

        unpack(items[i], &name, &value);
        p = put(p, rp_slice_of_bytes(name), &f->name);
        p = put(p, rp_str_trim(rp_slice_of_bytes(value)), &f->value);
        switch (check(f, length)) {
        case 0:
            kept++;
            break;
        case 1:
            kept++;
            *clean = false;
            break;
        case 2:
            break;
        default:
            return -1;
        }
    }
    return kept;
}

int
rp_asgi_fields_head(struct rp_arena *arena, PyObject *headers,
                    struct rp_field **fields, unsigned *n, int64_t *length,
                    bool *clean)
{
    PyObject *fast;
    Py_ssize_t count, kept = -1;

    if (PyBytes_Check(headers) || PyUnicode_Check(headers)) {
        bad_header(headers);
        return -1;
    }
    fast = PySequence_Fast(headers, "headers are pairs of bytes, in a list");
    if (!fast)
        return -1;
    count = PySequence_Fast_GET_SIZE(fast);
    *clean = true;
    *fields = rp_arena_alloc(arena, (size_t)count * sizeof(**fields) + 1);
    if (!*fields || count > UINT16_MAX)
        PyErr_SetString(PyExc_ValueError, "the headers are too many");
    else
        kept = parse_fast(arena, fast, *fields, length, clean);
    Py_DECREF(fast);
    if (kept < 0)
        return -1;
    *n = (unsigned)kept;
    return 0;
}

int
rp_asgi_fields_trailers(struct rp_arena *arena, PyObject *headers,
                        struct rp_field **fields, unsigned *n)
{
    bool clean;

    return rp_asgi_fields_head(arena, headers, fields, n, NULL, &clean);
}

/* ---- For the asgi object ---- */

int
rp_asgi_fields_traverse(struct rp_asgi_object *a, visitproc visit, void *arg)
{
    for (unsigned i = 0; i < RP_ASGI_BLOCKS; i++)
        Py_VISIT(a->blocks[i].items);
    for (unsigned i = 0; i < RP_ASGI_PEERS; i++) {
        Py_VISIT(a->peers[i].client);
        Py_VISIT(a->peers[i].server);
    }
    return 0;
}

void
rp_asgi_fields_clear(struct rp_asgi_object *a)
{
    for (unsigned i = 0; i < RP_ASGI_BLOCKS; i++) {
        a->blocks[i].id = 0;
        Py_CLEAR(a->blocks[i].items);
    }
    for (unsigned i = 0; i < RP_ASGI_FIELDS; i++)
        Py_CLEAR(a->fields[i]);
    for (unsigned i = 0; i < RP_ASGI_PEERS; i++) {
        PyMem_Free(a->peers[i].peer);
        a->peers[i].peer = NULL;
        Py_CLEAR(a->peers[i].client);
        Py_CLEAR(a->peers[i].server);
    }
}
