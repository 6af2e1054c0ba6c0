/* websocket_methods.c -- what a handler does with its WebSocket. */
#include "rupy/py/websocket.h"

#include "rupy/py/headers.h"
#include "rupy/py/request.h"

static struct websocket_object *
of(PyObject *self)
{
    return (struct websocket_object *)self;
}

static PyObject *
new_await(PyObject *self, rp_await_fn fn, PyObject *arg)
{
    struct websocket_object *ws = of(self);

    return rp_await_new(ws->link.st, self, &ws->queue, fn, arg);
}

void
rp_websocket_raise_disconnect(struct websocket_object *ws)
{
    struct rp_py_state *st = ws->link.st;
    PyObject *exc;

    if (rp_py_state_load_websocket(st) < 0)
        return;
    exc = ws->link.reason
              ? PyObject_CallFunction(st->websocket_disconnect, "iO",
                                      (int)ws->link.code, ws->link.reason)
              : PyObject_CallFunction(st->websocket_disconnect, "i",
                                      (int)ws->link.code);
    if (exc)
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
    Py_XDECREF(exc);
}

/* A message that is not what was asked for. */
static void
raise_error(struct websocket_object *ws, int code, const char *detail)
{
    struct rp_py_state *st = ws->link.st;
    PyObject *cause = rp_py_take_exception();
    PyObject *exc = NULL;

    if (rp_py_state_load_websocket(st) == 0)
        exc = PyObject_CallFunction(st->websocket_error, "is", code, detail);
    if (exc) {
        PyException_SetCause(exc, Py_XNewRef(cause));
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
    }
    Py_XDECREF(exc);
    Py_XDECREF(cause);
}

static int
check_accepted(struct websocket_object *ws)
{
    if (ws->link.stage != RP_WSLINK_CONNECTING)
        return 0;
    PyErr_SetString(PyExc_RuntimeError,
                    "the WebSocket has not been accepted: await accept()");
    return -1;
}

/* ---- The handshake ---- */

static enum rp_await_step
do_accept(PyObject *self, PyObject *arg, bool *sent, PyObject **result)
{
    struct websocket_object *ws = of(self);
    PyObject *headers = PyTuple_GET_ITEM(arg, 1);
    struct headers_object *h = NULL;
    const struct rp_field *fields = NULL;
    size_t n = 0;
    int bad;

    (void)sent, (void)result;
    if (ws->link.stage == RP_WSLINK_OVER) {
        rp_websocket_raise_disconnect(ws);
        return RP_AWAIT_ERROR;
    }
    if (ws->link.stage != RP_WSLINK_CONNECTING) {
        PyErr_SetString(PyExc_RuntimeError, "accept() was called already");
        return RP_AWAIT_ERROR;
    }
    if (headers != Py_None) {
        h = rp_mutable_headers_new(ws->link.st);
        if (!h || rp_headers_object_extend(h, headers) < 0) {
            Py_XDECREF(h);
            return RP_AWAIT_ERROR;
        }
        fields = rp_headers_object_fields(h, &n);
    }
    /* The exchange ends with it. */
    rp_exchange_set_data(ws->link.x, NULL);
    rp_request_object_leave(ws->request);
    bad = rp_wslink_accept(&ws->link, PyTuple_GET_ITEM(arg, 0), fields,
                           (unsigned)n);
    if (bad)
        rp_exchange_set_data(ws->link.x, ws);
    Py_XDECREF(h);
    return bad ? RP_AWAIT_ERROR : RP_AWAIT_DONE;
}

static PyObject *
websocket_accept(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"subprotocol", "headers", NULL};
    PyObject *subprotocol = Py_None, *headers = Py_None, *both, *await;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:accept", names,
                                     &subprotocol, &headers))
        return NULL;
    both = PyTuple_Pack(2, subprotocol, headers);
    if (!both)
        return NULL;
    await = new_await(self, do_accept, both);
    Py_DECREF(both);
    return await;
}

/* After a denial the exchange is like any other's: whatever streams is told
 * when its client goes. */
static const struct rp_handler denial = {.ops = &rp_native_ops};

static enum rp_await_step
do_deny(PyObject *self, PyObject *answer, bool *sent, PyObject **result)
{
    struct websocket_object *ws = of(self);
    struct rp_exchange *x = ws->link.x;

    (void)sent, (void)result;
    if (ws->link.stage == RP_WSLINK_OVER)
        return RP_AWAIT_DONE;
    if (!x) {
        PyErr_SetString(PyExc_RuntimeError, "accept() was called already");
        return RP_AWAIT_ERROR;
    }
    rp_wslink_answered(&ws->link);
    rp_exchange_set_data(x, NULL);
    rp_exchange_set_handler(x, &denial);
    rp_native_finish(ws->route, x, Py_NewRef(ws->request), Py_NewRef(answer));
    return RP_AWAIT_DONE;
}

static PyObject *
websocket_deny(PyObject *self, PyObject *answer)
{
    return new_await(self, do_deny, answer);
}

/* ---- Messages ---- */

/* DONE, and *result is a message; ERROR when there is none any more. */
static enum rp_await_step
do_receive(PyObject *self, PyObject *arg, bool *sent, PyObject **result)
{
    struct websocket_object *ws = of(self);
    enum rp_await_step step;

    (void)arg, (void)sent;
    if (check_accepted(ws) < 0)
        return RP_AWAIT_ERROR;
    step = rp_wslink_receive(&ws->link, result);
    if (step == RP_AWAIT_DONE && !*result) {
        rp_websocket_raise_disconnect(ws);
        return RP_AWAIT_ERROR;
    }
    return step;
}

static enum rp_await_step
do_next(PyObject *self, PyObject *arg, bool *sent, PyObject **result)
{
    struct websocket_object *ws = of(self);
    enum rp_await_step step;

    (void)arg, (void)sent;
    if (check_accepted(ws) < 0)
        return RP_AWAIT_ERROR;
    step = rp_wslink_receive(&ws->link, result);
    if (step == RP_AWAIT_DONE && !*result) {
        PyErr_SetNone(PyExc_StopAsyncIteration);
        return RP_AWAIT_ERROR;
    }
    return step;
}

static enum rp_await_step
receive_kind(PyObject *self, bool text, PyObject **result)
{
    enum rp_await_step step = do_receive(self, NULL, NULL, result);

    if (step != RP_AWAIT_DONE || PyUnicode_Check(*result) == text)
        return step;
    Py_CLEAR(*result);
    raise_error(of(self), RP_WS_UNSUPPORTED,
                text ? "a binary message where text was wanted"
                     : "text where a binary message was wanted");
    return RP_AWAIT_ERROR;
}

static enum rp_await_step
do_receive_text(PyObject *self, PyObject *arg, bool *sent, PyObject **result)
{
    (void)arg, (void)sent;
    return receive_kind(self, true, result);
}

static enum rp_await_step
do_receive_bytes(PyObject *self, PyObject *arg, bool *sent, PyObject **result)
{
    (void)arg, (void)sent;
    return receive_kind(self, false, result);
}

static enum rp_await_step
do_receive_json(PyObject *self, PyObject *arg, bool *sent, PyObject **result)
{
    struct websocket_object *ws = of(self);
    enum rp_await_step step = do_receive(self, arg, sent, result);
    PyObject *message = *result;

    if (step != RP_AWAIT_DONE)
        return step;
    *result = NULL;
    if (rp_py_state_load_json(ws->link.st) == 0) {
        *result = PyObject_CallOneArg(ws->link.st->json_loads, message);
        if (!*result && PyErr_ExceptionMatches(PyExc_Exception) &&
            !PyErr_ExceptionMatches(PyExc_MemoryError))
            raise_error(ws, RP_WS_BAD_DATA, "the message is no JSON");
    }
    Py_DECREF(message);
    return *result ? RP_AWAIT_DONE : RP_AWAIT_ERROR;
}

static enum rp_await_step
do_send(PyObject *self, PyObject *message, bool *sent, PyObject **result)
{
    struct websocket_object *ws = of(self);
    enum rp_await_step step;

    (void)result;
    if (check_accepted(ws) < 0)
        return RP_AWAIT_ERROR;
    step = rp_wslink_send(&ws->link, message, sent);
    if (step == RP_AWAIT_ERROR && !PyErr_Occurred())
        rp_websocket_raise_disconnect(ws);
    return step;
}

static PyObject *
websocket_receive(PyObject *self, PyObject *unused)
{
    (void)unused;
    return new_await(self, do_receive, NULL);
}

static PyObject *
websocket_receive_text(PyObject *self, PyObject *unused)
{
    (void)unused;
    return new_await(self, do_receive_text, NULL);
}

static PyObject *
websocket_receive_bytes(PyObject *self, PyObject *unused)
{
    (void)unused;
    return new_await(self, do_receive_bytes, NULL);
}

static PyObject *
websocket_receive_json(PyObject *self, PyObject *unused)
{
    (void)unused;
    return new_await(self, do_receive_json, NULL);
}

PyObject *
rp_websocket_next(PyObject *self)
{
    return new_await(self, do_next, NULL);
}

static PyObject *
websocket_send(PyObject *self, PyObject *message)
{
    return new_await(self, do_send, message);
}

static PyObject *
websocket_send_json(PyObject *self, PyObject *o)
{
    struct rp_py_state *st = of(self)->link.st;
    PyObject *bytes, *text, *await = NULL;

    bytes = rp_json_encode(st, o);
    if (!bytes)
        return NULL;
    text = PyUnicode_DecodeUTF8(PyBytes_AS_STRING(bytes),
                                PyBytes_GET_SIZE(bytes), "strict");
    if (text)
        await = new_await(self, do_send, text);
    Py_XDECREF(text);
    Py_DECREF(bytes);
    return await;
}

/* ---- The end ---- */

static enum rp_await_step
do_close(PyObject *self, PyObject *arg, bool *sent, PyObject **result)
{
    struct websocket_object *ws = of(self);
    PyObject *reason = PyTuple_GET_ITEM(arg, 1);
    long code = PyLong_AsLong(PyTuple_GET_ITEM(arg, 0));

    (void)sent, (void)result;
    if ((code == -1 && PyErr_Occurred()) || check_accepted(ws) < 0 ||
        rp_wslink_close(&ws->link, code, reason) < 0)
        return RP_AWAIT_ERROR;
    return RP_AWAIT_DONE;
}

static PyObject *
websocket_close(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"code", "reason", NULL};
    PyObject *both, *await = NULL, *reason = NULL;
    int code = RP_WS_NORMAL;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|iU:close", names, &code,
                                     &reason))
        return NULL;
    both = reason ? Py_BuildValue("(iO)", code, reason)
                  : Py_BuildValue("(is)", code, "");
    if (both)
        await = new_await(self, do_close, both);
    Py_XDECREF(both);
    return await;
}

PyMethodDef rp_websocket_methods[] = {
    {"accept", (PyCFunction)(void (*)(void))websocket_accept,
     METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("accept(subprotocol=None, headers=None)\n--\n\n"
               "Answer the handshake with 101; nothing else may be awaited\n"
               "before.  ValueError: the client does not offer subprotocol,\n"
               "or a header may not go out.")},
    {"deny", websocket_deny, METH_O,
     PyDoc_STR("deny(answer)\n--\n\n"
               "Answer the handshake with what a handler of requests may\n"
               "return, a generator included.")},
    {"receive", websocket_receive, METH_NOARGS,
     PyDoc_STR("receive()\n--\n\nThe next message: str or bytes.\n"
               "WebSocketDisconnect: there is none any more.")},
    {"receive_text", websocket_receive_text, METH_NOARGS,
     PyDoc_STR("receive_text()\n--\n\nThe next message, a str.\n"
               "WebSocketError (1003): it is none.")},
    {"receive_bytes", websocket_receive_bytes, METH_NOARGS,
     PyDoc_STR("receive_bytes()\n--\n\nThe next message, bytes.\n"
               "WebSocketError (1003): it is none.")},
    {"receive_json", websocket_receive_json, METH_NOARGS,
     PyDoc_STR("receive_json()\n--\n\nWhat the next message says in JSON.\n"
               "WebSocketError (1007): it is none.")},
    {"send", websocket_send, METH_O,
     PyDoc_STR("send(message)\n--\n\n"
               "Send a str, or bytes; wait while the client is slow.\n"
               "WebSocketDisconnect: it is closed.")},
    {"send_json", websocket_send_json, METH_O,
     PyDoc_STR("send_json(object)\n--\n\nSend JSON, as text.")},
    {"close", (PyCFunction)(void (*)(void))websocket_close,
     METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("close(code=1000, reason=\"\")\n--\n\n"
               "Begin to close; messages that were not received are\n"
               "dropped.  Without effect when it is closed already.\n"
               "ValueError: a code that may not be sent, or a reason of more\n"
               "than 123 bytes.")},
    {NULL, NULL, 0, NULL},
};

/* ---- Attributes ---- */

static PyObject *
get_of_request(PyObject *self, void *closure)
{
    PyObject *request = of(self)->request;
    enum request_field field = (enum request_field)(uintptr_t)closure;

    if (!request) {
        PyErr_SetString(PyExc_RuntimeError, "the WebSocket is gone");
        return NULL;
    }
    return Py_XNewRef(
        rp_request_object_get((struct request_object *)request, field));
}

/* "http..." to "ws...". */
static PyObject *
get_as_ws(PyObject *self, void *closure)
{
    PyObject *text = get_of_request(self, closure), *rest, *result;

    if (!text)
        return NULL;
    rest = PyUnicode_Substring(text, 4, PY_SSIZE_T_MAX);
    Py_DECREF(text);
    if (!rest)
        return NULL;
    result = PyUnicode_FromFormat("ws%U", rest);
    Py_DECREF(rest);
    return result;
}

static PyObject *
get_subprotocols(PyObject *self, void *closure)
{
    struct request_object *request = (struct request_object *)of(self)->request;
    const struct rp_request *r =
        request ? rp_request_object_head(request) : NULL;
    PyObject *list = PyList_New(0), *tuple;
    struct rp_ws_offers at = {0};
    struct rp_str name;

    (void)closure;
    while (list && r && rp_ws_subprotocol_next(r, &at, &name)) {
        PyObject *s = rp_str_of_latin1(name);

        if (!s || PyList_Append(list, s) < 0)
            Py_CLEAR(list);
        Py_XDECREF(s);
    }
    tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

static PyObject *
get_close_code(PyObject *self, void *closure)
{
    const struct rp_wslink *l = &of(self)->link;

    (void)closure;
    if (l->stage != RP_WSLINK_OVER)
        Py_RETURN_NONE;
    return PyLong_FromLong(l->code);
}

static PyObject *
get_close_reason(PyObject *self, void *closure)
{
    const struct rp_wslink *l = &of(self)->link;

    (void)closure;
    if (l->stage != RP_WSLINK_OVER)
        Py_RETURN_NONE;
    return l->reason ? Py_NewRef(l->reason) : PyUnicode_FromString("");
}

#define OF_REQUEST(NAME, name, get, doc)                                       \
    {                                                                          \
#name, get, NULL, PyDoc_STR(doc), (void *)(uintptr_t)REQUEST_##NAME    \
    }

PyGetSetDef rp_websocket_getset[] = {
    OF_REQUEST(APP, app, get_of_request, "The application."),
    OF_REQUEST(PATH, path, get_of_request, "The path, percent-decoded."),
    OF_REQUEST(RAW_PATH, raw_path, get_of_request, "The path as received."),
    OF_REQUEST(QUERY_STRING, query_string, get_of_request,
               "What stands behind the '?', as received."),
    OF_REQUEST(QUERY, query, get_of_request, "The query as a MultiDict."),
    OF_REQUEST(HEADERS, headers, get_of_request,
               "The field lines of the handshake: a Headers."),
    OF_REQUEST(COOKIES, cookies, get_of_request, "The cookies, a dict."),
    OF_REQUEST(PATH_PARAMS, path_params, get_of_request,
               "The parameters of the route, converted: a dict."),
    OF_REQUEST(ROUTE, route, get_of_request, "The pattern that matched."),
    OF_REQUEST(CLIENT, client, get_of_request,
               "(host, port) of the client, or None."),
    OF_REQUEST(HOST, host, get_of_request, "The Host."),
    OF_REQUEST(HTTP_VERSION, http_version, get_of_request, "'1.1'."),
    OF_REQUEST(AUTH_TOKEN, auth_token, get_of_request,
               "The token of 'Authorization: Bearer', or None."),
    OF_REQUEST(STATE, state, get_of_request,
               "A namespace for the application's own, empty at first."),
    OF_REQUEST(SCHEME, scheme, get_as_ws, "'ws' or 'wss'."),
    OF_REQUEST(URL, url, get_as_ws, "ws://host/path?query."),
    {"subprotocols", get_subprotocols, NULL,
     PyDoc_STR("What the client offers, in its order: a tuple."), NULL},
    {"close_code", get_close_code, NULL,
     PyDoc_STR("Why it is closed (RFC 6455 7.4), or None while it is not."),
     NULL},
    {"close_reason", get_close_reason, NULL,
     PyDoc_STR("The text beside the code, or None while it is not closed."),
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
