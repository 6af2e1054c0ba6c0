/* answer.c -- what a handler returned, as an answer; and what it raised. */
#include "rupy/base/log.h"
#include "rupy/http/status.h"
#include "rupy/py/files.h"
#include "rupy/py/front.h"
#include "rupy/py/native.h"
#include "rupy/py/traceback.h"

static void
release_object(void *arg)
{
    Py_DECREF((PyObject *)arg);
}

/* Answer with bytes that lie in owner, which is stolen. */
static void
answer_bytes(struct rp_exchange *x, PyObject *owner, struct rp_str content,
             struct rp_str content_type)
{
    struct rp_answer a = {
        .status = 200,
        .content_type = content_type,
        .content = content,
        .release = release_object,
        .arg = owner,
    };

    rp_exchange_answer(x, &a);
}

/* Answer with a Response, stolen. */
static int
answer_response(struct rp_exchange *x, PyObject *response)
{
    struct rp_response_view v;

    if (rp_response_object_view(response, &v) < 0)
        return -1;
    if (v.is_file) {
        rp_file_response_answer(x, response, &v);
        Py_DECREF(response);
        return 0;
    }
    struct rp_answer a = {
        .status = v.status,
        .fields = v.fields,
        .nfields = v.nfields,
        .content_type = v.content_type,
        .content = v.content,
    };
    if (v.content_owner) {
        a.release = release_object;
        a.arg = Py_NewRef(v.content_owner);
    }
    rp_exchange_answer(x, &a);
    Py_DECREF(response);
    return 0;
}

/* (content, status) or (content, status, headers).  New references; *status
 * and *headers may stay as they are.  -1 with an exception: it is neither. */
static int
unpack_tuple(PyObject *tuple, PyObject **content, int *status,
             PyObject **headers)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    long code;

    if (n < 2 || n > 3 || !PyLong_Check(PyTuple_GET_ITEM(tuple, 1))) {
        PyErr_SetString(PyExc_TypeError,
                        "a tuple answer is (content, status) or "
                        "(content, status, headers)");
        return -1;
    }
    code = PyLong_AsLong(PyTuple_GET_ITEM(tuple, 1));
    if (code == -1 && PyErr_Occurred())
        return -1;
    if (code < 200 || code > 599) {
        PyErr_Format(PyExc_ValueError, "status %ld is not 200 to 599", code);
        return -1;
    }
    *status = (int)code;
    *content = Py_NewRef(PyTuple_GET_ITEM(tuple, 0));
    if (n == 3 && PyTuple_GET_ITEM(tuple, 2) != Py_None)
        *headers = Py_NewRef(PyTuple_GET_ITEM(tuple, 2));
    return 0;
}

/* The tuple forms; result is stolen.  0: answered or streaming, request taken;
 * -1 with an exception. */
static int
answer_tuple(struct rp_native_route *route, struct rp_exchange *x,
             PyObject *request, PyObject *result)
{
    struct rp_py_state *st = route->app->st;
    PyObject *content = NULL, *headers = NULL, *response = NULL;
    int status = 200;

    if (unpack_tuple(result, &content, &status, &headers) < 0)
        goto fail;
    if (rp_stream_is_source(st, content)) {
        response = rp_response_object_new(st, Py_None, status, headers);
        if (!response)
            goto fail;
        rp_stream_start(route, x, request, content, response);
    } else {
        if (rp_is_response_object(st, content)) {
            PyErr_SetString(PyExc_TypeError,
                            "a Response has its status and headers itself");
            goto fail;
        }
        response = rp_response_object_new(st, content, status, headers);
        if (!response)
            goto fail;
        rp_request_object_end(request);
        if (answer_response(x, response) < 0) {
            PyErr_Clear();
            Py_DECREF(response);
            rp_exchange_answer_status(x, 500);
        }
        Py_DECREF(content);
    }
    Py_XDECREF(headers);
    Py_DECREF(result);
    return 0;
fail:
    Py_XDECREF(content);
    Py_XDECREF(headers);
    Py_XDECREF(response);
    Py_DECREF(result);
    return -1;
}

static void
complain(struct rp_native_route *route, PyObject *result)
{
    PyErr_Format(PyExc_TypeError,
                 "handler %R returned %s, which is no answer "
                 "(return str, bytes, dict, list, Response, a generator or "
                 "a tuple)",
                 route->handler,
                 result == Py_None ? "None" : Py_TYPE(result)->tp_name);
}

/* ---- By what it returned; all of them take request and result ---- */

static void
drop_and_fail(struct rp_native_route *route, struct rp_exchange *x,
              PyObject *request, PyObject *result)
{
    Py_DECREF(result);
    rp_native_fail(route, x, request);
}

static void
finish_str(struct rp_native_route *route, struct rp_exchange *x,
           PyObject *request, PyObject *result)
{
    Py_ssize_t n;
    const char *p = PyUnicode_AsUTF8AndSize(result, &n);

    if (!p) {
        drop_and_fail(route, x, request, result);
        return;
    }
    rp_request_object_end(request);
    answer_bytes(x, result, (struct rp_str){p, (size_t)n},
                 RP_STR("text/plain; charset=utf-8"));
}

static void
finish_response(struct rp_native_route *route, struct rp_exchange *x,
                PyObject *request, PyObject *result)
{
    if (Py_TYPE(result) != route->app->st->response_type) {
        int streams = rp_stream_start_response(route, x, request, result);

        if (streams < 0)
            drop_and_fail(route, x, request, result);
        if (streams != 0)
            return;
    }
    rp_request_object_end(request);
    if (answer_response(x, result) < 0)
        drop_and_fail(route, x, NULL, result);
}

static void
finish_json(struct rp_native_route *route, struct rp_exchange *x,
            PyObject *request, PyObject *result)
{
    PyObject *json = rp_json_encode(route->app->st, result);

    Py_DECREF(result);
    if (!json) {
        rp_native_fail(route, x, request);
        return;
    }
    rp_request_object_end(request);
    answer_bytes(x, json, rp_slice_of_bytes(json), RP_STR("application/json"));
}

static void
finish_bytes(struct rp_exchange *x, PyObject *request, PyObject *result)
{
    rp_request_object_end(request);
    answer_bytes(x, result, rp_slice_of_bytes(result),
                 RP_STR("application/octet-stream"));
}

void
rp_native_finish(struct rp_native_route *route, struct rp_exchange *x,
                 PyObject *request, PyObject *result)
{
    struct rp_py_state *st = route->app->st;

    if (!result) {
        rp_native_fail(route, x, request);
    } else if (PyUnicode_Check(result)) {
        finish_str(route, x, request, result);
    } else if (rp_is_response_object(st, result)) {
        finish_response(route, x, request, result);
    } else if (PyDict_Check(result) || PyList_Check(result)) {
        finish_json(route, x, request, result);
    } else if (PyBytes_Check(result)) {
        finish_bytes(x, request, result);
    } else if (PyTuple_Check(result)) {
        if (answer_tuple(route, x, request, result) < 0)
            rp_native_fail(route, x, request);
    } else if (rp_stream_is_source(st, result)) {
        rp_stream_start(route, x, request, result, NULL);
    } else if (!rp_front_go_on(x, request, result)) {
        complain(route, result);
        drop_and_fail(route, x, request, result);
    }
}

/* ---- What a handler raised ---- */

/* The answer of an HTTPError: its status, detail as text, its headers.  New
 * reference to a Response, or NULL with an exception. */
static PyObject *
response_of_http_error(struct rp_py_state *st, PyObject *exc)
{
    PyObject *status = PyObject_GetAttrString(exc, "status");
    PyObject *detail = PyObject_GetAttrString(exc, "detail");
    PyObject *headers = PyObject_GetAttrString(exc, "headers");
    PyObject *response = NULL;
    long code = status ? PyLong_AsLong(status) : -1;

    if (status && detail && headers && !(code == -1 && PyErr_Occurred()))
        response = rp_response_object_new(st, detail, (int)code,
                                          headers == Py_None ? NULL : headers);
    Py_XDECREF(status);
    Py_XDECREF(detail);
    Py_XDECREF(headers);
    return response;
}

/* What the head checks let through is ASCII without control bytes, but for
 * bytes of 0x80 and above in a target. */
static PyObject *
decode(struct rp_str s)
{
    return PyUnicode_DecodeASCII(s.p, (Py_ssize_t)s.n, "backslashreplace");
}

static void
log_exception(struct rp_exchange *x, PyObject *exc)
{
    const struct rp_request *r = rp_exchange_request(x);
    const struct rp_field *id =
        rp_fields_find(r->fields, r->nfields, RP_STR("x-request-id"));
    PyObject *method = decode(r->method_name), *path = decode(r->path);
    PyObject *name = id ? decode(id->value) : NULL, *line = NULL;

    if (method && path)
        line = PyUnicode_FromFormat("%U %U%s%V%s: unhandled %s in the handler",
                                    method, path, name ? " (request id " : "",
                                    name, "", name ? ")" : "",
                                    Py_TYPE(exc)->tp_name);
    rp_py_log_exception(line, exc);
    Py_XDECREF(method);
    Py_XDECREF(path);
    Py_XDECREF(name);
    Py_XDECREF(line);
}

/* We did it ourselves, because the client was gone or the worker has no more
 * time: nothing that the application's author must see a traceback of. */
static void
answer_cancelled(struct rp_exchange *x)
{
    const struct rp_request *r = rp_exchange_request(x);

    rp_info("%.*s %.*s: the handler was cancelled", RP_STR_ARG(r->method_name),
            RP_STR_ARG(r->path));
    if (rp_exchange_has_head(x))
        rp_exchange_abort(x);
    else
        rp_exchange_answer_busy(x);
}

/* The page of --debug: false when it could not be made. */
static bool
answer_page(struct rp_exchange *x, PyObject *request, PyObject *exc)
{
    PyObject *module = PyImport_ImportModule("rupy._debug"), *page = NULL;

    if (module)
        page = PyObject_CallMethod(module, "page", "OO", request, exc);
    Py_XDECREF(module);
    if (page && answer_response(x, page) == 0)
        return true;
    PyErr_WriteUnraisable(exc);
    Py_XDECREF(page);
    return false;
}

/* request: not NULL with --debug only. */
static void
answer_exception(struct rp_exchange *x, PyObject *request, PyObject *exc)
{
    log_exception(x, exc);
    if (rp_exchange_has_head(x))
        rp_exchange_abort(x);
    else if (!request || !answer_page(x, request, exc))
        rp_exchange_answer_status(x, 500);
}

void
rp_native_fail(struct rp_native_route *route, struct rp_exchange *x,
               PyObject *request)
{
    struct rp_py_state *st = route->app->st;
    PyObject *exc = rp_py_take_exception();
    bool leaves = !PyErr_GivenExceptionMatches(exc, PyExc_Exception);
    PyObject *shown = route->app->debug ? Py_XNewRef(request) : NULL;

    /* It reads from the exchange, which is gone once that is answered. */
    if (request)
        rp_request_object_end(request);
    if (rp_py_state_load_http_error(st) == 0 &&
        PyErr_GivenExceptionMatches(exc, st->http_error) &&
        !rp_exchange_has_head(x)) {
        PyObject *response = response_of_http_error(st, exc);
        if (response && answer_response(x, response) == 0) {
            Py_XDECREF(shown);
            Py_DECREF(exc);
            return;
        }
        Py_XDECREF(response);
    }
    PyErr_Clear();
    if (PyErr_GivenExceptionMatches(exc, st->aio.cancelled_error) &&
        (rp_exchange_is_half_closed(x) || rp_exchange_is_retiring(x)))
        answer_cancelled(x);
    else
        answer_exception(x, shown, exc);
    Py_XDECREF(shown);
    /* A CancelledError is the request's own; the others end the worker. */
    if (leaves && (PyErr_GivenExceptionMatches(exc, PyExc_SystemExit) ||
                   PyErr_GivenExceptionMatches(exc, PyExc_KeyboardInterrupt))) {
        rp_py_set_exception(exc);
        rp_loop_take_exception(route->app->loop);
        return;
    }
    Py_DECREF(exc);
}
