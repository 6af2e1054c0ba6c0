/* asgi_impl.h -- an ASGI application being served, from inside: shared by the
 * asgi*.c.
 *
 *     asgi object   the application, and what all its requests have in common
 *     call          one call of the application: one request
 *     port          what the application was given as receive or send
 *
 * What calling a port returns is in await.h.
 *
 * A call lives as long as the application runs, or keeps a port: longer than
 * its exchange, which it loses when the answer is complete or the client is
 * gone. */
#ifndef RUPY_PY_ASGI_IMPL_H
#define RUPY_PY_ASGI_IMPL_H

#include "rupy/py/asgi.h"
#include "rupy/py/await.h"
#include "rupy/py/wslink.h"

/* Keys and values of scopes and messages: interned, made once. */
#define RP_ASGI_NAMES(X)                                                       \
    X(type, "type")                                                            \
    X(asgi, "asgi")                                                            \
    X(http_version, "http_version")                                            \
    X(method, "method")                                                        \
    X(scheme, "scheme")                                                        \
    X(path, "path")                                                            \
    X(raw_path, "raw_path")                                                    \
    X(query_string, "query_string")                                            \
    X(root_path, "root_path")                                                  \
    X(headers, "headers")                                                      \
    X(client, "client")                                                        \
    X(server, "server")                                                        \
    X(state, "state")                                                          \
    X(extensions, "extensions")                                                \
    X(body, "body")                                                            \
    X(more_body, "more_body")                                                  \
    X(status, "status")                                                        \
    X(trailers, "trailers")                                                    \
    X(more_trailers, "more_trailers")                                          \
    X(file, "file")                                                            \
    X(offset, "offset")                                                        \
    X(count, "count")                                                          \
    X(links, "links")                                                          \
    X(http_request, "http.request")                                            \
    X(http_disconnect, "http.disconnect")                                      \
    X(ext_trailers, "http.response.trailers")                                  \
    X(ext_early_hint, "http.response.early_hint")                              \
    X(https, "https")                                                          \
    X(subprotocol, "subprotocol")                                              \
    X(subprotocols, "subprotocols")                                            \
    X(text, "text")                                                            \
    X(bytes, "bytes")                                                          \
    X(code, "code")                                                            \
    X(reason, "reason")                                                        \
    X(websocket, "websocket")                                                  \
    X(websocket_connect, "websocket.connect")                                  \
    X(websocket_receive, "websocket.receive")                                  \
    X(websocket_disconnect, "websocket.disconnect")                            \
    X(ext_websocket_response, "websocket.http.response")

enum {
    RP_ASGI_FREE = 64,     /* dead objects of each type whose memory is kept */
    RP_ASGI_BLOCKS = 64,   /* a power of two: header sections kept */
    RP_ASGI_FIELDS = 128,  /* a power of two: names of fields kept */
    RP_ASGI_PEERS = 64,    /* a power of two: addresses kept */
    RP_ASGI_NAME_MAX = 40, /* longer names are not kept */
    RP_ASGI_TYPES = 8,     /* of the messages that send() takes */
};

/* The header section of a block that the parser knows: a tuple of (name,
 * value), shared by the lists of all requests that repeat it. */
struct rp_asgi_block {
    uint64_t id;
    PyObject *items;
    bool te_trailers; /* the client wants trailers (RFC 9110 10.1.4) */
};

struct rp_asgi_peer {
    struct rp_peer *peer; /* copied; NULL: empty */
    PyObject *client, *server;
};

struct rp_asgi_free {
    void *v[RP_ASGI_FREE];
    unsigned n;
};

struct rp_asgi_object {
    PyObject_HEAD
    struct rp_py_state *st;
    struct rp_loop *loop; /* borrowed; good as long as there are exchanges */
    PyObject *app;
    PyObject *lifespan_state;
    PyObject *scope; /* of http, with all keys: what is copied.  It keeps
                           * what the last request had, for the next */
    PyObject *lent_version, *lent_extensions, *lent_state; /* in there */
    PyObject *seen_types[RP_ASGI_TYPES]; /* of messages that came lately */
    PyObject *path, *raw_path;           /* in there */
    PyObject *client, *server;           /* in there */
    char *last_path; /* as received, that path is of; last_path_n bytes */
    size_t last_path_n;
    PyObject *version;    /* its "asgi" */
    PyObject *extensions; /* what every client gets */
    PyObject *request;    /* {"type": "http.request", ...} without content */
    PyObject *root_path;  /* str: what is missing in front of paths */
    PyObject *mount;      /* str: what follows it in the scope's; or NULL */
    PyObject *no_bytes;
#define X(name, text) PyObject *s_##name;
    RP_ASGI_NAMES(X)
#undef X
    bool early_hints;
    struct rp_asgi_block blocks[RP_ASGI_BLOCKS];
    PyObject *fields[RP_ASGI_FIELDS]; /* bytes */
    struct rp_asgi_peer peers[RP_ASGI_PEERS];
    struct rp_asgi_free calls, ports;
    struct rp_handler websocket; /* of what is a handshake */
};

/* What the next message of an answer may be. */
enum rp_asgi_stage {
    RP_ASGI_START,    /* http.response.start */
    RP_ASGI_FIRST,    /* the first of the body: the head is kept till then */
    RP_ASGI_BODY,     /* more of the body */
    RP_ASGI_TRAILERS, /* trailers */
    RP_ASGI_OVER,     /* nothing any more: what comes is ignored */
};

struct rp_asgi_call {
    PyObject_HEAD
    struct rp_asgi_object *asgi;
    struct rp_exchange *x; /* NULL: answered, or the client is gone */
    struct rp_task *task;  /* lent, while the application waits */
    PyObject *method, *path;
    struct rp_await_queue queue; /* who waits in receive() or send() */
    struct rp_asgi_ws *ws;       /* of a WebSocket; owned */
    enum rp_asgi_stage stage;
    bool gone;        /* the client went before the answer was complete */
    bool eof;         /* it sends no more, and may be gone */
    bool told;        /* and the application was told so */
    bool cut;         /* before its content was complete */
    bool read;        /* the last of the content was received */
    bool te_trailers; /* it takes trailers */
    bool trailers;    /* and the application has some */

    /* Of http.response.start, in the exchange's arena. */
    int status;
    struct rp_field *fields; /* without Content-Length */
    unsigned nfields;
    bool clean;     /* none of them is the server's */
    int64_t length; /* the application's Content-Length; -1: none */
    int64_t left;   /* of it */
    struct rp_field *trailer_fields;
    unsigned ntrailers;
};

/* As enum rp_await_step. */
enum rp_asgi_step {
    RP_ASGI_ERROR = RP_AWAIT_ERROR,
    RP_ASGI_DONE = RP_AWAIT_DONE,
    RP_ASGI_WAIT = RP_AWAIT_WAIT,
};

/* What a call that is a WebSocket has beside it. */
struct rp_asgi_ws {
    struct rp_wslink link;
    bool connected; /* websocket.connect was received */
};

/* ---- asgi_call.c ---- */

extern PyType_Spec rp_asgi_call_spec;

/* New reference. */
struct rp_asgi_call *rp_asgi_call_new(struct rp_asgi_object *a,
                                      struct rp_exchange *x);
/* Call the application with scope, stolen; NULL: an exception is set, or the
 * path is no text, which is answered with 400.  The reference to call is
 * stolen too. */
void rp_asgi_call_run(struct rp_asgi_call *call, PyObject *scope);
/* "GET /path: what": one line, whatever is in the path; and the traceback of
 * exc, which may be NULL. */
void rp_asgi_complain(struct rp_asgi_call *call, const char *what,
                      PyObject *exc);

/* ---- asgi_ws.c: the same for WebSockets ---- */

extern const struct rp_handler_ops rp_asgi_ws_ops; /* self: the asgi object */

enum rp_await_step rp_asgi_ws_receive(struct rp_asgi_call *call,
                                      PyObject **message);
enum rp_await_step rp_asgi_ws_send(struct rp_asgi_call *call, PyObject *message,
                                   bool *sent);
/* The application returned, or raised. */
void rp_asgi_ws_end(struct rp_asgi_call *call, bool failed);
/* When the call goes. */
void rp_asgi_ws_free(struct rp_asgi_call *call);

/* ---- asgi_scope.c ---- */

/* Make the templates.  0, or -1 with an exception. */
int rp_asgi_scope_init(struct rp_asgi_object *a, const char *root_path);
/* A scope with all that HTTP requests and WebSockets have in common; the rest
 * is as for a GET.  It fills in call->path and call->te_trailers.  New
 * reference; NULL with an exception, or without one: the path is no UTF-8. */
PyObject *rp_asgi_scope_new(struct rp_asgi_call *call);
/* The scope of type "http".  As above; fills in call->method too. */
PyObject *rp_asgi_scope_http(struct rp_asgi_call *call);
/* The same for type "websocket". */
PyObject *rp_asgi_scope_websocket(struct rp_asgi_call *call);
/* The call is over: what its application left in the state goes now. */
void rp_asgi_scope_over(struct rp_asgi_object *a);

/* ---- asgi_tls.c ---- */

/* On a connection that is encrypted, put "tls" among the extensions.  0, or -1
 * with an exception. */
int rp_asgi_tls_declare(struct rp_asgi_call *call, PyObject *extensions);

/* ---- asgi_fields.c ---- */

/* New reference to a list of (name, value). */
PyObject *rp_asgi_fields_list(struct rp_asgi_object *a,
                              const struct rp_request *r, bool *te_trailers);
/* Borrowed: "client" and "server" of a connection.  0, or -1 with an
 * exception. */
int rp_asgi_fields_peer(struct rp_asgi_object *a, const struct rp_peer *peer,
                        PyObject **client, PyObject **server);
/* What an application gave as headers, copied into the arena and checked;
 * *length is its Content-Length, which is not among the fields, or -1; *clean:
 * none of them belongs to the server.  0, or -1 with an exception. */
int rp_asgi_fields_head(struct rp_arena *arena, PyObject *headers,
                        struct rp_field **fields, unsigned *n, int64_t *length,
                        bool *clean);
/* The same for trailers. */
int rp_asgi_fields_trailers(struct rp_arena *arena, PyObject *headers,
                            struct rp_field **fields, unsigned *n);
int rp_asgi_fields_traverse(struct rp_asgi_object *a, visitproc visit,
                            void *arg);
void rp_asgi_fields_clear(struct rp_asgi_object *a);

/* ---- asgi_receive.c, asgi_send.c, asgi_file.c: what a port does ---- */

/* New reference in *message with RP_ASGI_DONE. */
enum rp_asgi_step rp_asgi_receive(struct rp_asgi_call *call,
                                  PyObject **message);
/* *sent is false at first, and the function's own. */
enum rp_asgi_step rp_asgi_send(struct rp_asgi_call *call, PyObject *message,
                               bool *sent);
/* The exchange ended: it is forgotten, and whoever waits is told. */
void rp_asgi_end(struct rp_asgi_call *call);
/* Send the head that was kept; n: bytes of the first piece, final: there is
 * no other.  0, or -1 with an exception and nothing was sent. */
int rp_asgi_send_head(struct rp_asgi_call *call, size_t n, bool final);
/* n bytes are about to be sent: are they too many?  -1 with an exception. */
int rp_asgi_check_length(struct rp_asgi_call *call, size_t n);
/* The body is complete. */
void rp_asgi_send_end(struct rp_asgi_call *call);
/* Borrowed, NULL without an exception when there is none. */
PyObject *rp_asgi_get(PyObject *message, PyObject *key);
/* A bool of a message, false by default; -1 with an exception. */
int rp_asgi_get_flag(PyObject *message, PyObject *key);
enum rp_asgi_step rp_asgi_send_path(struct rp_asgi_call *call,
                                    PyObject *message, bool *full);
enum rp_asgi_step rp_asgi_send_zerocopy(struct rp_asgi_call *call,
                                        PyObject *message, bool *full);

/* ---- asgi_port.c ---- */

/* New reference. */
PyObject *rp_asgi_port_new(struct rp_asgi_call *call, bool sends);
/* Something changed for those who wait. */
void rp_asgi_wake(struct rp_asgi_call *call);
/* Memory for an object of that type, from the list or new; it is not tracked
 * yet.  NULL with an exception. */
void *rp_asgi_take(struct rp_asgi_free *list, PyTypeObject *tp);
/* Give it back. */
void rp_asgi_give(struct rp_asgi_free *list, void *o);
void rp_asgi_free_list(struct rp_asgi_free *list);
extern PyType_Spec rp_asgi_port_spec;

#endif
