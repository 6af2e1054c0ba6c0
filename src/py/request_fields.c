/* request_fields.c -- what the attributes of a Request are made from. */
#include "rupy/http/cookie.h"
#include "rupy/http/url.h"
#include "rupy/py/headers.h"
#include "rupy/py/multidict.h"
#include "rupy/py/native.h"
#include "rupy/py/request.h"

PyObject *
rp_str_of_url(struct rp_str s, bool form)
{
    char small[512], *p = small;
    PyObject *str;
    size_t n;

    if (s.n == 0)
        return PyUnicode_FromStringAndSize(NULL, 0);
    if (memchr(s.p, '%', s.n) == NULL &&
        (!form || memchr(s.p, '+', s.n) == NULL))
        return PyUnicode_DecodeUTF8(s.p, (Py_ssize_t)s.n, "replace");
    if (s.n > sizeof(small) && (p = PyMem_Malloc(s.n)) == NULL)
        return PyErr_NoMemory();
    n = form ? rp_url_decode_form(p, s) : rp_url_decode(p, s);
    str = PyUnicode_DecodeUTF8(p, (Py_ssize_t)n, "replace");
    if (p != small)
        PyMem_Free(p);
    return str;
}

static PyObject *
method_str(struct rp_py_state *st, const struct rp_request *r)
{
    PyObject *name = NULL;

    if ((size_t)r->method < Py_ARRAY_LENGTH(st->method_names))
        name = st->method_names[r->method];
    return name != NULL ? Py_NewRef(name) : rp_str_of_latin1(r->method_name);
}

static PyObject *
query_multidict(struct rp_py_state *st, const struct rp_request *r)
{
    struct rp_str rest = r->query, name, value;
    PyObject *query = rp_multidict_new(st), *key;

    while (query != NULL && rp_url_next_pair(&rest, &name, &value)) {
        if (rp_multidict_size(query) == RP_MULTIDICT_MAX) {
            rp_py_raise_http_error(st, 400, "too many query parameters");
            Py_CLEAR(query);
            break;
        }
        key = rp_str_of_url(name, true);
        if (rp_multidict_add(query, key,
                             key == NULL ? NULL : rp_str_of_url(value, true)) <
            0)
            Py_CLEAR(query);
    }
    return query;
}

/* One pair into the dict, unless the name is there: RFC 6265 5.4 has user
 * agents send the cookie of the longer path first. */
static int
add_cookie(PyObject *dict, struct rp_str name, struct rp_str value)
{
    PyObject *k = NULL, *v = NULL;
    int rc = -1;

    k = PyUnicode_DecodeUTF8(name.p, (Py_ssize_t)name.n, "replace");
    if (k == NULL)
        goto out;
    v = PyUnicode_DecodeUTF8(value.n > 0 ? value.p : "", (Py_ssize_t)value.n,
                             "replace");
    if (v != NULL && PyDict_SetDefault(dict, k, v) != NULL)
        rc = 0;
out:
    Py_XDECREF(v);
    Py_XDECREF(k);
    return rc;
}

static PyObject *
cookies_dict(const struct rp_request *r)
{
    PyObject *dict = PyDict_New();
    struct rp_str rest, name, value;
    unsigned i;

    for (i = 0; dict != NULL && i < r->nfields; i++) {
        if (!rp_str_ieq(r->fields[i].name, RP_STR("cookie")))
            continue;
        rest = r->fields[i].value;
        while (dict != NULL && rp_cookie_next(&rest, &name, &value))
            if (name.n > 0 && add_cookie(dict, name, value) < 0)
                Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *
field_or_none(const struct rp_request *r, struct rp_str name)
{
    const struct rp_field *f = rp_fields_find(r->fields, r->nfields, name);

    return f == NULL ? Py_NewRef(Py_None) : rp_str_of_latin1(f->value);
}

/* HTML 9.2.4: UTF-8, whatever other fields are. */
static PyObject *
last_event_id(const struct rp_request *r)
{
    const struct rp_field *f =
        rp_fields_find(r->fields, r->nfields, RP_STR("last-event-id"));

    if (f == NULL)
        Py_RETURN_NONE;
    return PyUnicode_DecodeUTF8(f->value.n > 0 ? f->value.p : "",
                                (Py_ssize_t)f->value.n, "replace");
}

/* RFC 6750 2.1: "Bearer" 1*SP b64token; the scheme in any case (RFC 9110
 * 11.1). */
static PyObject *
bearer_token(const struct rp_request *r)
{
    const struct rp_field *f;
    struct rp_str token;

    f = rp_fields_find(r->fields, r->nfields, RP_STR("authorization"));
    if (f == NULL || f->value.n < 8 ||
        !rp_str_ieq((struct rp_str){f->value.p, 6}, RP_STR("bearer")) ||
        f->value.p[6] != ' ')
        Py_RETURN_NONE;
    token = rp_str_trim((struct rp_str){f->value.p + 7, f->value.n - 7});
    if (token.n == 0)
        Py_RETURN_NONE;
    return rp_str_of_latin1(token);
}

static PyObject *
id_or_none(const struct rp_request *r)
{
    if (!r->has_id)
        Py_RETURN_NONE;
    return field_or_none(r, RP_STR("x-request-id"));
}

/* traceparent was found to be valid: the trace-id stands behind "00-". */
static PyObject *
trace_or_none(const struct rp_request *r)
{
    const struct rp_field *f =
        r->has_trace
            ? rp_fields_find(r->fields, r->nfields, RP_STR("traceparent"))
            : NULL;

    if (f == NULL)
        Py_RETURN_NONE;
    return rp_str_of_latin1((struct rp_str){f->value.p + 3, 32});
}

static PyObject *
client_tuple(const struct rp_peer *peer)
{
    if (peer == NULL || peer->host[0] == '\0')
        Py_RETURN_NONE;
    return Py_BuildValue("(si)", peer->host, (int)peer->port);
}

static void
add_str(char **p, struct rp_str s)
{
    if (s.n > 0)
        memcpy(*p, s.p, s.n);
    *p += s.n;
}

/* As the client sees it.  Without a Host (HTTP/1.0) the address that it
 * connected to stands for it (RFC 9110 7.1). */
static PyObject *
url_str(const struct request_object *o, const struct rp_request *r)
{
    const struct rp_peer *peer = rp_request_object_client(o);
    struct rp_str scheme = rp_request_object_scheme(o);
    struct rp_str prefix = rp_request_object_prefix(o);
    struct rp_str host = r->host, path = r->path;
    char server[sizeof(peer->server_host) + sizeof("[]:65535")], *start, *p;
    PyObject *url;
    int k;

    if (host.n == 0 && peer != NULL && !peer->is_unix) {
        k = snprintf(server, sizeof(server),
                     strchr(peer->server_host, ':') ? "[%s]:%d" : "%s:%d",
                     peer->server_host, peer->server_port);
        host = (struct rp_str){server, (size_t)k};
    }
    if (path.n > 0 && path.p[0] != '/')
        path.n = 0; /* "*" of OPTIONS names the server itself */
    start = p = PyMem_Malloc(scheme.n + 3 + host.n + prefix.n + path.n + 1 +
                             r->query.n);
    if (p == NULL)
        return PyErr_NoMemory();
    add_str(&p, scheme);
    add_str(&p, RP_STR("://"));
    add_str(&p, host);
    add_str(&p, prefix);
    add_str(&p, path);
    if (r->query.n > 0) {
        add_str(&p, RP_STR("?"));
        add_str(&p, r->query);
    }
    url = rp_str_of_latin1((struct rp_str){start, (size_t)(p - start)});
    PyMem_Free(start);
    return url;
}

static PyObject *
state_namespace(struct rp_py_state *st, PyObject *app)
{
    PyObject *types, *first = NULL, *empty, *state;

    if (st->namespace_type == NULL) {
        types = PyImport_ImportModule("types");
        if (types == NULL)
            return NULL;
        st->namespace_type = PyObject_GetAttrString(types, "SimpleNamespace");
        Py_DECREF(types);
        if (st->namespace_type == NULL)
            return NULL;
    }
    if (app != NULL && PyObject_TypeCheck(app, st->app_type))
        first = ((struct rp_app_object *)app)->first_state;
    if (first == NULL)
        return PyObject_CallNoArgs(st->namespace_type);
    empty = PyTuple_New(0);
    state = empty ? PyObject_Call(st->namespace_type, empty, first) : NULL;
    Py_XDECREF(empty);
    return state;
}

static PyObject *
body_bytes(const struct request_object *r)
{
    struct rp_str content = rp_exchange_content(r->x);

    return PyBytes_FromStringAndSize(content.p, (Py_ssize_t)content.n);
}

static PyObject *
route_str(const struct request_object *r)
{
    const struct rp_match *match = rp_exchange_match(r->x);
    const struct rp_route *route = match == NULL ? NULL : match->route;

    if (route == NULL)
        Py_RETURN_NONE;
    return PyUnicode_DecodeUTF8(route->pattern.p, (Py_ssize_t)route->pattern.n,
                                "replace");
}

/* A value that does not convert has been answered by 404 before anybody can
 * ask; who asks without a route's leave gets none of them. */
static PyObject *
path_params(struct rp_py_state *st, const struct request_object *r)
{
    PyObject *params;

    params = rp_request_object_match_params(st, rp_exchange_match(r->x));
    if (params == NULL && !PyErr_Occurred())
        params = PyDict_New();
    return params;
}

static PyObject *
content_length(const struct rp_request *r)
{
    if (r->content_length < 0)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(r->content_length);
}

static PyObject *
raise_over(void)
{
    PyErr_SetString(PyExc_RuntimeError, "the request is over");
    return NULL;
}

/* These are read before the exchange goes, if anybody still can ask. */
static PyObject *
of_exchange(struct request_object *o, enum request_field field)
{
    if (field == REQUEST_BODY && o->content != NULL)
        return rp_request_object_read_body(o);
    if (o->x == NULL)
        return raise_over();
    if (field == REQUEST_BODY)
        return body_bytes(o);
    return field == REQUEST_ROUTE ? route_str(o) : path_params(o->st, o);
}

PyObject *
rp_request_object_compute(struct request_object *o, enum request_field field)
{
    struct rp_py_state *st = o->st;
    const struct rp_request *r = rp_request_object_head(o);

    if (r == NULL || st->request_type == NULL)
        return raise_over();
    switch (field) {
    case REQUEST_METHOD:
        return method_str(st, r);
    case REQUEST_PATH:
        return rp_str_of_url(r->path, false);
    case REQUEST_RAW_PATH:
        return PyBytes_FromStringAndSize(r->path.p, (Py_ssize_t)r->path.n);
    case REQUEST_QUERY_STRING:
        return rp_str_of_latin1(r->query);
    case REQUEST_QUERY:
        return query_multidict(st, r);
    case REQUEST_HEADERS:
        return rp_headers_object_new(st, o);
    case REQUEST_COOKIES:
        return cookies_dict(r);
    case REQUEST_CONTENT_TYPE:
        return field_or_none(r, RP_STR("content-type"));
    case REQUEST_CONTENT_LENGTH:
        return content_length(r);
    case REQUEST_TEXT:
        return rp_request_object_text(o);
    case REQUEST_JSON:
        return rp_request_object_json(o);
    case REQUEST_CLIENT:
        return client_tuple(rp_request_object_client(o));
    case REQUEST_SCHEME:
        return rp_str_of_latin1(rp_request_object_scheme(o));
    case REQUEST_HOST:
        return rp_str_of_latin1(r->host);
    case REQUEST_URL:
        return url_str(o, r);
    case REQUEST_HTTP_VERSION:
        return Py_NewRef(r->minor == 0 ? st->http_1_0 : st->http_1_1);
    case REQUEST_AUTH_TOKEN:
        return bearer_token(r);
    case REQUEST_ID:
        return id_or_none(r);
    case REQUEST_TRACE_ID:
        return trace_or_none(r);
    case REQUEST_FORM:
        break; /* kept by form() and read_form() */
    case REQUEST_LAST_EVENT_ID:
        return last_event_id(r);
    case REQUEST_STATE:
        return state_namespace(st, o->v[REQUEST_APP]);
    case REQUEST_BODY:
    case REQUEST_PATH_PARAMS:
    case REQUEST_ROUTE:
        return of_exchange(o, field);
    case REQUEST_APP:
    case REQUEST_NFIELDS:
        break;
    }
    return raise_over();
}
