/* wsgi_impl.h -- a WSGI application being served, from inside: shared by the
 * wsgi*.c.
 *
 *     wsgi object   the application, and what all its requests have in common
 *     call          one call of the application: one request; as a Python
 *                   object it is start_response, and the write() that it gives
 *     input         wsgi.input
 *
 * A call runs in one thread from its beginning to its end: on the loop's, or
 * in one of the pool's.  The exchange belongs to the loop's thread.  What a
 * thread of the pool has to say goes through a queue, and what it wants to
 * know comes back the same way; all of it is touched only with the GIL. */
#ifndef RUPY_PY_WSGI_IMPL_H
#define RUPY_PY_WSGI_IMPL_H

#include "rupy/base/buf.h"
#include "rupy/py/wsgi.h"

/* Keys and values of environ: interned, made once. */
#define RP_WSGI_NAMES(X)                                                       \
    X(method, "REQUEST_METHOD")                                                \
    X(script_name, "SCRIPT_NAME")                                              \
    X(path_info, "PATH_INFO")                                                  \
    X(query_string, "QUERY_STRING")                                            \
    X(request_uri, "REQUEST_URI")                                              \
    X(raw_uri, "RAW_URI")                                                      \
    X(server_name, "SERVER_NAME")                                              \
    X(server_port, "SERVER_PORT")                                              \
    X(server_protocol, "SERVER_PROTOCOL")                                      \
    X(server_software, "SERVER_SOFTWARE")                                      \
    X(remote_addr, "REMOTE_ADDR")                                              \
    X(remote_port, "REMOTE_PORT")                                              \
    X(https, "HTTPS")                                                          \
    X(http_host, "HTTP_HOST")                                                  \
    X(content_type, "CONTENT_TYPE")                                            \
    X(content_length, "CONTENT_LENGTH")                                        \
    X(version, "wsgi.version")                                                 \
    X(url_scheme, "wsgi.url_scheme")                                           \
    X(input, "wsgi.input")                                                     \
    X(errors, "wsgi.errors")                                                   \
    X(multithread, "wsgi.multithread")                                         \
    X(multiprocess, "wsgi.multiprocess")                                       \
    X(run_once, "wsgi.run_once")                                               \
    X(file_wrapper, "wsgi.file_wrapper")                                       \
    X(input_terminated, "wsgi.input_terminated")                               \
    X(early_hints, "wsgi.early_hints")                                         \
    X(v_https, "https")                                                        \
    X(v_on, "on")                                                              \
    X(v_http_1_0, "HTTP/1.0")                                                  \
    X(v_http_1_1, "HTTP/1.1")                                                  \
    X(v_empty, "")                                                             \
    X(close, "close")                                                          \
    X(read, "read")                                                            \
    X(fileno, "fileno")                                                        \
    X(tell, "tell")                                                            \
    X(raw, "raw")

enum {
    RP_WSGI_FREE = 64,     /* dead calls whose memory is kept */
    RP_WSGI_BLOCKS = 64,   /* a power of two: environs kept */
    RP_WSGI_FIELDS = 128,  /* a power of two: names of fields kept */
    RP_WSGI_PEERS = 64,    /* a power of two: addresses kept */
    RP_WSGI_NAME_MAX = 64, /* longer names are not kept */
    /* Bytes that a thread may have in the queue before it waits. */
    RP_WSGI_QUEUE = 256 * 1024,
    RP_WSGI_PIECE = 64 * 1024, /* read from a spool at once */
    RP_WSGI_HINTS = 32,        /* Link fields of one early hint */
    RP_WSGI_HEADERS = 256,     /* field lines of an answer */
};

struct rp_wsgi_peer {
    struct rp_peer *peer; /* copied; NULL: empty */
    PyObject *addr, *port, *server_name, *server_port;
};

/* The environ of the last request with this header section: the next one with
 * it gets a copy, in which only what differs is set. */
struct rp_wsgi_block {
    uint64_t id; /* 0: empty */
    PyObject *environ;
    PyObject *method, *path;                           /* in there */
    PyObject *addr, *port, *server_name, *server_port; /* in there */
    char *target; /* as received, target_n bytes */
    size_t target_n;
};

struct rp_wsgi_object {
    PyObject_HEAD
    struct rp_py_state *st;
    struct rp_loop *loop; /* borrowed; good as long as there are exchanges */
    struct rp_pool *pool; /* NULL: calls run on the loop's thread */
    PyObject *app;
    PyObject *mount;   /* str; NULL: it is not mounted */
    PyObject *environ; /* what all requests have */
    bool early_hints;
    bool keep_underscores; /* of names of fields; see is_unsafe() */
    size_t body_buffer;
#define X(name, text) PyObject *s_##name;
    RP_WSGI_NAMES(X)
#undef X
    struct rp_wsgi_block blocks[RP_WSGI_BLOCKS];
    struct rp_wsgi_block once; /* for header sections that are not known */
    PyObject *fields[RP_WSGI_FIELDS]; /* "HTTP_..." */
    struct rp_wsgi_peer peers[RP_WSGI_PEERS];
    void *calls[RP_WSGI_FREE];
    unsigned ncalls;
};

/* The content of the request: bytes in memory, behind them what lies in a
 * file, behind that what the client has yet to send. */
struct rp_wsgi_body {
    struct rp_buf buf;
    size_t off; /* bytes of buf that were read */
    int fd;     /* -1: no file */
    off_t fd_off, fd_size;
    bool complete; /* the client has sent all of it */
    bool cut;      /* and this one never will */
};

/* What a thread has to say, in order. */
struct rp_wsgi_piece {
    struct rp_wsgi_piece *next;
    PyObject *owner; /* bytes: the content; NULL: it is in data, or in fd */
    int fd;          /* closed when it was sent */
    off_t off;
    size_t n;
    bool hints; /* data is a Link field's value */
    char data[];
};

/* The head as the application gave it, copied. */
struct rp_wsgi_head {
    int status;
    struct rp_str reason; /* empty: the usual one */
    int64_t length;       /* -1: not known */
    unsigned nfields;
    struct rp_field fields[];
};

enum rp_wsgi_stage {
    RP_WSGI_START, /* start_response() was not called */
    RP_WSGI_HEAD,  /* it was; the head is kept till there is content */
    RP_WSGI_BODY,  /* the head is on its way */
    RP_WSGI_OVER,
};

struct rp_wsgi_thread;

struct rp_wsgi_call {
    PyObject_HEAD
    vectorcallfunc call_fn;
    struct rp_wsgi_object *wsgi;
    struct rp_exchange *x;         /* NULL: answered, or the client is gone */
    struct rp_wsgi_thread *thread; /* NULL: it runs on the loop's thread */
    PyObject *environ;             /* until the application is called */
    PyObject *method, *path;       /* for the log */
    PyObject *status, *headers;    /* of start_response() */
    PyObject *result, *iter;       /* what the application returned */
    PyObject *context;             /* while it waits on the loop's thread */
    enum rp_wsgi_stage stage;
    int code;       /* of status */
    int64_t length; /* the application's Content-Length; -1: none */
    uint64_t sent;  /* bytes of content that it gave */
    bool is_head;   /* the method is HEAD */
    bool early;     /* it may send early hints */
    bool running;   /* its code is on the stack */
    bool queued;    /* will go on in the next turn */
    bool waiting;   /* on the loop's thread: its iterable is to be asked for
                     * more */
    bool gone;      /* the client went before the answer was complete */
    bool failed;
    bool readable; /* not started yet: its content is collected */
    size_t needs;  /* bytes of content that a thread waits for; 0: none */
    int spool;     /* of write() on the loop's thread; -1: none */
    off_t spooled;
    struct rp_wsgi_body body;
};

/* ---- wsgi_environ.c ---- */

/* Make what all requests have.  0, or -1 with an exception. */
int rp_wsgi_environ_init(struct rp_wsgi_object *w,
                         const struct rp_py_worker_config *c);
/* New reference; input is borrowed, NULL: there is no content.  Fills in
 * call->method and call->path. */
PyObject *rp_wsgi_environ_new(struct rp_wsgi_call *call, PyObject *input);
int rp_wsgi_environ_traverse(struct rp_wsgi_object *w, visitproc visit,
                             void *arg);
void rp_wsgi_environ_clear(struct rp_wsgi_object *w);

/* ---- wsgi_fields.c: field lines, in and out ---- */

/* dict["HTTP_..."] for all field lines of r.  0, or -1 with an exception. */
int rp_wsgi_fields_set(struct rp_wsgi_object *w, const struct rp_request *r,
                       PyObject *dict);
/* Check what start_response() was given; *code and *length are of it.  0, or
 * -1 with an exception. */
int rp_wsgi_fields_check(PyObject *status, PyObject *headers, int *code,
                         int64_t *length);
/* Slices of the headers as they are now, good until any code of Python runs,
 * and their Content-Length, or -1; fields has room for max.  0, or -1 with an
 * exception. */
int rp_wsgi_fields_get(PyObject *headers, struct rp_field *fields, unsigned max,
                       unsigned *n, int64_t *length);
/* "Not Found" of "404 Not Found"; empty when it is the usual one. */
struct rp_str rp_wsgi_reason(PyObject *status, int code);

/* ---- wsgi_call.c: the call, from first to last ---- */

extern const struct rp_handler_ops rp_wsgi_ops; /* self: the wsgi object */
/* Run the application until it waits for its client (loop's thread), or to
 * its end. */
void rp_wsgi_run(struct rp_wsgi_call *call);

/* ---- wsgi_start.c: start_response() and write() ---- */

extern PyType_Spec rp_wsgi_call_spec;
/* A new call of x.  NULL with an exception. */
struct rp_wsgi_call *rp_wsgi_call_new(struct rp_wsgi_object *w,
                                      struct rp_exchange *x);
/* New reference: wsgi.early_hints of a request. */
PyObject *rp_wsgi_hints_new(struct rp_wsgi_call *call);

/* ---- wsgi_send.c: the answer, to the exchange or into the queue ---- */

/* n bytes of content that lie in owner; the first send the head.  last: no
 * more will come.  In a thread it waits where the client is slow.  0, or -1
 * with an exception. */
int rp_wsgi_send(struct rp_wsgi_call *call, PyObject *owner, struct rp_str s,
                 bool last);
/* All of the answer, in pieces of a list or tuple: bytes only. */
int rp_wsgi_send_list(struct rp_wsgi_call *call, PyObject *list);
/* The same with n bytes of fd, which is closed in any case. */
int rp_wsgi_send_file(struct rp_wsgi_call *call, int fd, off_t off, size_t n);
/* The head, when no content came: length is that of the answer, -1: not
 * known. */
int rp_wsgi_send_head(struct rp_wsgi_call *call, int64_t length);
/* What write() was given: it does not wait for a client on the loop's
 * thread.  0, or -1 with an exception. */
int rp_wsgi_send_now(struct rp_wsgi_call *call, PyObject *owner,
                     struct rp_str s);
/* One Link field of early hints. */
int rp_wsgi_send_hint(struct rp_wsgi_call *call, struct rp_str value);
/* Content goes nowhere: HEAD, 204, 205, 304. */
bool rp_wsgi_is_mute(const struct rp_wsgi_call *call);
/* On the loop's thread: the answer is over, or (failed) broke off. */
void rp_wsgi_end(struct rp_wsgi_call *call);

/* ---- wsgi_thread.c ---- */

/* Run the call in the pool.  0, or -1: there is no room, or no memory. */
int rp_wsgi_thread_start(struct rp_wsgi_call *call);
/* Give the loop's thread something to do for the call: what is queued is sent
 * on, and content fetched when the call needs it. */
void rp_wsgi_thread_poke(struct rp_wsgi_call *call);
/* Wait, without the GIL, until body.buf has n bytes (1 and more) that were not
 * read, or no more will come: body.complete, body.cut, or x is NULL. */
void rp_wsgi_thread_need(struct rp_wsgi_call *call, size_t n);
/* Loop's thread: there may be content, its end, or nobody who sends it. */
void rp_wsgi_thread_fetch(struct rp_wsgi_call *call);
/* Loop's thread: there is room for more of the answer, or nobody who reads
 * it. */
void rp_wsgi_thread_wake(struct rp_wsgi_call *call);
/* Queue a piece: the bytes of owner, which is kept, or, owner being NULL, n
 * bytes that the caller puts into its data.  NULL with an exception. */
struct rp_wsgi_piece *rp_wsgi_thread_add(struct rp_wsgi_call *call,
                                         PyObject *owner, size_t n);
/* The head: taken, freed by PyMem_RawFree(). */
void rp_wsgi_thread_set_head(struct rp_wsgi_call *call,
                             struct rp_wsgi_head *head);
/* Have what is queued sent on, and wait while the client is slow. */
void rp_wsgi_thread_flow(struct rp_wsgi_call *call);

/* ---- wsgi_input.c ---- */

extern PyType_Spec rp_wsgi_input_spec;
/* wsgi.input of a call; call NULL: without content.  New reference. */
PyObject *rp_wsgi_input_new(struct rp_py_state *st, struct rp_wsgi_call *call);
void rp_wsgi_body_init(struct rp_wsgi_body *b);
void rp_wsgi_body_fini(struct rp_wsgi_body *b);
/* Loop's thread: take what came from the exchange; more than max bytes go
 * into a file, 0: never.  0, or -1 and errno. */
int rp_wsgi_body_take(struct rp_wsgi_body *b, struct rp_exchange *x,
                      size_t max);
/* Append to a file that is made when *fd is -1.  0, or -1 and errno. */
int rp_wsgi_spool(int *fd, const void *p, size_t n, off_t at);

/* ---- wsgi_errors.c, wsgi_file.c ---- */

extern PyType_Spec rp_wsgi_errors_spec, rp_wsgi_file_spec;
/* "GET /path: what" and the name of the exception, with its traceback below. */
void rp_wsgi_complain(struct rp_wsgi_call *call, const char *what,
                      PyObject *exc);
/* The application gave up because its client had gone: an OSError of read() or
 * write(), or what it made of it. */
bool rp_wsgi_is_disconnect(const struct rp_wsgi_call *call, PyObject *exc);
PyObject *rp_wsgi_errors_new(struct rp_py_state *st);
/* result is a file wrapper over a file that the kernel can send: 1, and fd (a
 * copy), off and n of it; else 0; -1 with an exception. */
int rp_wsgi_file_of(struct rp_wsgi_object *w, PyObject *result, int *fd,
                    off_t *off, size_t *n);

#endif
