/* types.c -- Request, Response, Headers and MultiDict enter the module. */
#include "rupy/py/types.h"

#include "rupy/http/method.h"
#include "rupy/py/content.h"
#include "rupy/py/files.h"
#include "rupy/py/form.h"
#include "rupy/py/headers.h"
#include "rupy/py/multidict.h"
#include "rupy/py/proxy.h"
#include "rupy/py/request.h"
#include "rupy/py/response.h"

/* Keep the type in the state and add it to the module.  Steals type; NULL is
 * an exception that is set already. */
static int
add(PyObject *module, PyTypeObject **slot, PyTypeObject *type)
{
    *slot = type;
    return type == NULL ? -1 : PyModule_AddType(module, type);
}

static int
add_types(PyObject *m, struct rp_py_state *st)
{
    if (add(m, &st->headers_type, rp_headers_type_new(m)) < 0 ||
        add(m, &st->mutable_headers_type,
            rp_mutable_headers_type_new(m, st->headers_type)) < 0 ||
        add(m, &st->multidict_type, rp_multidict_type_new(m)) < 0 ||
        add(m, &st->request_type, rp_request_type_new(m)) < 0 ||
        add(m, &st->content_type, rp_content_type_new(m)) < 0 ||
        add(m, &st->form_type, rp_form_type_new(m)) < 0 ||
        add(m, &st->response_type, rp_response_type_new(m)) < 0 ||
        add(m, &st->file_response_type,
            rp_file_response_type_new(m, st->response_type)) < 0 ||
        add(m, &st->static_type, rp_static_type_new(m)) < 0 ||
        add(m, &st->proxy_type, rp_proxy_type_new(m)) < 0)
        return -1;
    return 0;
}

static int
intern(PyObject **slot, const char *text)
{
    *slot = PyUnicode_InternFromString(text);
    return *slot == NULL ? -1 : 0;
}

static int
intern_methods(struct rp_py_state *st)
{
#define X(name)                                                                \
    if (intern(&st->method_names[RP_METHOD_##name], #name) < 0)                \
        return -1;
    RP_METHODS(X)
#undef X
    return 0;
}

int
rp_py_types_exec(PyObject *module, struct rp_py_state *st)
{
    if (intern(&st->text_plain, "text/plain; charset=utf-8") < 0 ||
        intern(&st->octet_stream, "application/octet-stream") < 0 ||
        intern(&st->application_json, "application/json") < 0 ||
        intern(&st->http, "http") < 0 || intern(&st->http_1_0, "1.0") < 0 ||
        intern(&st->http_1_1, "1.1") < 0 || intern_methods(st) < 0)
        return -1;
    return add_types(module, st);
}
