/* request.h -- the Request object from inside: where it reads from, and what
 * it has read already. */
#ifndef RUPY_PY_REQUEST_H
#define RUPY_PY_REQUEST_H

#include "rupy/app/service.h"
#include "rupy/py/types.h"

/* What is kept once it was read; in the order of the docs. */
#define RP_REQUEST_FIELDS(X)                                                   \
    X(APP, app, "The application that answers.")                               \
    X(METHOD, method, "The method, in upper case as sent: 'GET'.")             \
    X(PATH, path, "The path, percent-decoded, without the query.")             \
    X(RAW_PATH, raw_path, "The path as received, bytes, without the query.")   \
    X(QUERY_STRING, query_string,                                              \
      "What stands behind the '?', as received; '' without one.")              \
    X(QUERY, query, "The query as a MultiDict of str, decoded.")               \
    X(HEADERS, headers, "The field lines as received: a Headers.")             \
    X(COOKIES, cookies,                                                        \
      "The cookies, a dict of str to str; of two of one name the first.")      \
    X(CONTENT_TYPE, content_type, "The Content-Type field, or None.")          \
    X(CONTENT_LENGTH, content_length,                                          \
      "The Content-Length field as an int, or None.")                          \
    X(BODY, body, "The content, bytes.")                                       \
    X(TEXT, text,                                                              \
      "The content as a str, by the charset of Content-Type, else UTF-8.\n"    \
      "Raises HTTPError(400) when it is no text in that charset, or the\n"     \
      "charset is not known.")                                                 \
    X(PATH_PARAMS, path_params,                                                \
      "The parameters of the route, converted: a dict.")                       \
    X(ROUTE, route, "The pattern that matched, as registered, or None.")       \
    X(CLIENT, client,                                                          \
      "(host, port) of the client, port 0 when it is not known; None on a\n"   \
      "unix socket.")                                                          \
    X(SCHEME, scheme, "'http' or 'https', as the client sees it.")             \
    X(HOST, host, "The Host, with its port when it has one.")                  \
    X(URL, url, "scheme://host/path?query, as the client sees it.")            \
    X(HTTP_VERSION, http_version, "'1.1' or '1.0'.")                           \
    X(AUTH_TOKEN, auth_token,                                                  \
      "The token of 'Authorization: Bearer' (RFC 6750 2.1), or None.")         \
    X(ID, id, "What --request-id calls it, or None without that option.")      \
    X(TRACE_ID, trace_id,                                                      \
      "The trace-id of a valid traceparent, with --trace-context; or None.")   \
    X(LAST_EVENT_ID, last_event_id,                                            \
      "The id of the last event that the client of an event stream has\n"      \
      "seen (Last-Event-ID), or None.")                                        \
    X(STATE, state, "A namespace for the application's own, empty at first.")

enum request_field {
#define X(NAME, name, doc) REQUEST_##NAME,
    RP_REQUEST_FIELDS(X) REQUEST_JSON,
    REQUEST_FORM,
#undef X
    REQUEST_NFIELDS
};

/* What a request that outlives its exchange reads from: one block, with the
 * bytes of the head behind it. */
struct request_copy {
    struct rp_request r;
    struct rp_peer client;
    bool is_https;
    struct rp_str prefix;
    struct rp_field fields[];
};

struct request_object {
    PyObject_HEAD
    PyObject *weakrefs;
    struct rp_py_state *st;    /* lives as long as the type has its module */
    struct rp_exchange *x;     /* NULL after its end */
    struct request_copy *copy; /* then this, if anybody still looks */
    PyObject *content;         /* on a route that streams: Content */
    bool disconnected;
    bool tracked;                 /* by the collector */
    uint32_t read;                /* bit n: v[n] is set */
    PyObject *v[REQUEST_NFIELDS]; /* NULL: not read yet */
};

/* New reference to the type. */
PyTypeObject *rp_request_type_new(PyObject *module);

/* The head, from the exchange or the copy; NULL when there is neither any
 * more.  Slices are to be read anew after Python code ran. */
const struct rp_request *rp_request_object_head(const struct request_object *r);
/* rp_exchange_client(), _scheme() and _prefix(), then as well. */
const struct rp_peer *rp_request_object_client(const struct request_object *r);
struct rp_str rp_request_object_scheme(const struct request_object *r);
struct rp_str rp_request_object_prefix(const struct request_object *r);

/* The value of a field that was not read yet: new reference, or NULL with an
 * exception. */
PyObject *rp_request_object_compute(struct request_object *r,
                                    enum request_field field);
/* The same, kept; borrowed. */
PyObject *rp_request_object_get(struct request_object *r,
                                enum request_field field);
/* Keep value, stolen, as that field. */
void rp_request_object_keep(struct request_object *r, enum request_field field,
                            PyObject *value);
/* On a route that streams: the body, if it was read; in a thread that may wait
 * it is read now.  New reference. */
PyObject *rp_request_object_read_body(struct request_object *r);
/* Methods and attributes that have to do with content. */
PyObject *rp_request_stream(PyObject *self, PyObject *unused);
PyObject *rp_request_read(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *rp_request_form(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *rp_request_read_form(PyObject *self, PyObject *args,
                               PyObject *kwargs);
PyObject *rp_request_keep_body(PyObject *self, PyObject *body);
PyObject *rp_request_keep_form(PyObject *self, PyObject *form);
PyObject *rp_request_get_form(PyObject *self, void *unused);
PyObject *rp_request_get_content(PyObject *self, void *unused);
PyObject *rp_request_has_body(PyObject *self, void *unused);
/* The content as text and as JSON; new references, or NULL and an exception,
 * HTTPError(400) when it is neither. */
PyObject *rp_request_object_text(struct request_object *r);
PyObject *rp_request_object_json(struct request_object *r);
/* {name: value} of the match.  New reference; NULL without an exception when
 * a value cannot be converted. */
PyObject *rp_request_object_match_params(struct rp_py_state *st,
                                         const struct rp_match *match);

/* s without its percent-encoding, invalid UTF-8 replaced; '+' is a space in a
 * form.  New reference. */
PyObject *rp_str_of_url(struct rp_str s, bool form);

#endif
