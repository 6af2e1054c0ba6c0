/* asgi_receive.c -- the content of the request, as it comes, and then the end
 * of the client. */
#include "rupy/py/asgi_impl.h"

static PyObject *
disconnect_message(struct rp_asgi_object *a)
{
    PyObject *message = PyDict_New();

    if (message && PyDict_SetItem(message, a->s_type, a->s_http_disconnect) < 0)
        Py_CLEAR(message);
    return message;
}

static PyObject *
request_message(struct rp_asgi_object *a, struct rp_str content, bool more)
{
    PyObject *message = PyDict_Copy(a->request), *body;
    int bad = 0;

    if (!message)
        return NULL;
    if (content.n > 0) {
        body = PyBytes_FromStringAndSize(content.p, (Py_ssize_t)content.n);
        bad = body ? PyDict_SetItem(message, a->s_body, body) : -1;
        Py_XDECREF(body);
    }
    if (bad == 0 && more)
        bad = PyDict_SetItem(message, a->s_more_body, Py_True);
    if (bad < 0)
        Py_CLEAR(message);
    return message;
}

static enum rp_asgi_step
give_disconnect(struct rp_asgi_call *call, PyObject **out)
{
    call->told = true;
    *out = disconnect_message(call->asgi);
    return *out ? RP_ASGI_DONE : RP_ASGI_ERROR;
}

static enum rp_asgi_step
give(PyObject *message, PyObject **out)
{
    *out = message;
    return message ? RP_ASGI_DONE : RP_ASGI_ERROR;
}

enum rp_asgi_step
rp_asgi_receive(struct rp_asgi_call *call, PyObject **out)
{
    struct rp_asgi_object *a = call->asgi;
    struct rp_exchange *x = call->x;
    PyObject *message;
    struct rp_str content;
    bool more;

    if (!x || (call->read && call->eof))
        return give_disconnect(call, out);
    if (call->read)
        return RP_ASGI_WAIT;
    content = rp_exchange_content(x);
    switch (rp_exchange_content_end(x)) {
    case RP_CONTENT_COMES:
        if (content.n == 0) {
            rp_exchange_want_content(x);
            return RP_ASGI_WAIT;
        }
        more = true;
        break;
    case RP_CONTENT_COMPLETE:
        more = false;
        break;
    case RP_CONTENT_CUT:
    default:
        call->cut = true;
        return give_disconnect(call, out);
    }
    message = request_message(a, content, more);
    if (message) {
        call->read = !more;
        if (content.n > 0)
            rp_exchange_take_content(x, content.n);
    }
    return give(message, out);
}
