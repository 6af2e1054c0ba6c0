/* asgi_tls.c -- the extension "tls": what an application may know of a
 * connection that is encrypted (ASGI, TLS Extension 0.2). */
#include "rupy/app/sink.h"
#include "rupy/py/asgi_impl.h"

static PyObject *
client_chain(const struct rp_tls_facts *f)
{
    PyObject *list = PyList_New((Py_ssize_t)f->nclient_chain);

    for (unsigned i = 0; list && i < f->nclient_chain; i++) {
        PyObject *pem = PyUnicode_FromString(f->client_chain[i]);

        if (!pem)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, pem);
    }
    return list;
}

static PyObject *
text_or_none(const char *text)
{
    if (!text)
        Py_RETURN_NONE;
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

int
rp_asgi_tls_declare(struct rp_asgi_call *call, PyObject *extensions)
{
    const struct rp_tls_facts *f = rp_exchange_tls(call->x);
    PyObject *d;
    int bad;

    if (!f)
        return 0;
    /* N steals, NULL with its exception as well. */
    d = Py_BuildValue("{s:N,s:N,s:N,s:N,s:i,s:i}", "server_cert",
                      text_or_none(f->server_cert), "client_cert_chain",
                      client_chain(f), "client_cert_name",
                      text_or_none(f->client_name), "client_cert_error",
                      text_or_none(f->client_error), "tls_version", f->version,
                      "cipher_suite", f->cipher);
    bad = d ? PyDict_SetItemString(extensions, "tls", d) : -1;
    Py_XDECREF(d);
    return bad;
}
