/* state.h -- the state of the module rupy._core: types and cached objects.
 *
 * One per interpreter, in the module object; nothing here is global.  The
 * first member is aio's, who visits and clears it. */
#ifndef RUPY_PY_STATE_H
#define RUPY_PY_STATE_H

#include "rupy/py/py.h"

#include "rupy/aio/loop.h"

/* Every reference that the state holds stands in one of these two lists: the
 * struct, traverse and clear are made from them. */
#define RP_PY_STATE_TYPES(X)                                                   \
    X(request_type)                                                            \
    X(response_type)                                                           \
    X(file_response_type)                                                      \
    X(static_type)                                                             \
    X(proxy_type)                                                              \
    X(headers_type) /* as received; not changed by anybody */                  \
    X(mutable_headers_type)                                                    \
    X(multidict_type) /* query, form */                                        \
    X(app_type)                                                                \
    X(worker_type)                                                             \
    X(content_type)                                                            \
    X(form_type)                                                               \
    X(stream_type)                                                             \
    X(tapped_type)                                                             \
    X(await_type)                                                              \
    X(websocket_type)                                                          \
    X(asgi_type)                                                               \
    X(asgi_call_type)                                                          \
    X(asgi_port_type)                                                          \
    X(wsgi_type)                                                               \
    X(wsgi_call_type)                                                          \
    X(wsgi_input_type)                                                         \
    X(wsgi_errors_type)                                                        \
    X(file_wrapper_type)

#define RP_PY_STATE_OBJECTS(X)                                                 \
    X(json_dumps) /* object -> bytes; NULL before rp_py_state_load_json() */   \
    X(json_loads) /* bytes -> object; the same */                              \
    X(http_error) /* rupy.HTTPError; NULL before the first */                  \
    X(exception_hook)       /* told of what is not handled; NULL: nobody */    \
    X(websocket_disconnect) /* rupy.WebSocketDisconnect, and ... */            \
    X(websocket_error)      /* ... WebSocketError; NULL before the first */    \
    X(namespace_type)       /* types.SimpleNamespace; NULL before the first */ \
    X(uuid_type)     /* uuid.UUID; NULL before rp_py_state_load_uuid() */      \
    X(generator_abc) /* collections.abc.Generator, AsyncGenerator */           \
    X(async_generator_abc)                                                     \
    X(s_done)           /* "done" */                                           \
    X(s_set_result)     /* "set_result" */                                     \
    X(text_plain)       /* "text/plain; charset=utf-8" */                      \
    X(octet_stream)     /* "application/octet-stream" */                       \
    X(application_json) /* "application/json" */                               \
    X(http)             /* "http" */                                           \
    X(http_1_0)         /* "1.0" */                                            \
    X(http_1_1)         /* "1.1" */

enum {
    RP_PY_FREE_REQUESTS = 64,
    RP_PY_FREE_AWAITS = 64,
    RP_PY_FIELD_NAMES = 64, /* a power of two */
};

struct rp_py_state {
    struct rp_aio_state aio; /* first: aio casts the module's state to it */

#define X(name) PyTypeObject *name;
    RP_PY_STATE_TYPES(X)
#undef X
#define X(name) PyObject *name;
    RP_PY_STATE_OBJECTS(X)
#undef X

    bool json_is_ours; /* json_dumps is the standard library's: our encoder
                        * may take the job when it agrees with it */
    PyObject *method_names[16];               /* interned, by enum rp_method */
    PyObject *field_names[RP_PY_FIELD_NAMES]; /* names received lately */
    void *free_requests[RP_PY_FREE_REQUESTS]; /* memory of dead Requests */
    unsigned nfree_requests;
    void *free_awaits[RP_PY_FREE_AWAITS];
    unsigned nfree_awaits;
};

/* Every type of ours is made from the module, so that its state is found from
 * an object of it, subclasses included.  NULL, without an exception, only
 * when the module is being torn down. */
struct rp_py_state *rp_py_state_of_type(PyTypeObject *tp);
struct rp_py_state *rp_py_state_of_module(PyObject *module);

/* For the module's m_traverse, m_clear and m_free.  An object of a type of
 * ours may be used and freed after clear, not after free. */
int rp_py_state_traverse(struct rp_py_state *st, visitproc visit, void *arg);
void rp_py_state_clear(struct rp_py_state *st);
void rp_py_state_free(struct rp_py_state *st);

/* What is imported at its first use.  0, or -1 with an exception. */
int rp_py_state_load_json(struct rp_py_state *st);
int rp_py_state_load_uuid(struct rp_py_state *st);
int rp_py_state_load_http_error(struct rp_py_state *st);
int rp_py_state_load_websocket(struct rp_py_state *st);
/* Raise rupy.HTTPError(status, detail).  An exception that is set becomes its
 * cause and a part of its detail. */
void rp_py_raise_http_error(struct rp_py_state *st, int status,
                            const char *detail);

#endif
