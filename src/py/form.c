/* form.c -- rupy._core.FormParser: bytes of a form in, what they mean out.
 * Where it is kept is for rupy/_forms.py. */
#include "rupy/py/form.h"

#include "rupy/http/multipart.h"
#include "rupy/py/headers.h"

enum kind { URLENCODED, MULTIPART };

struct parser_object {
    PyObject_HEAD
    struct rp_py_state *st;
    enum kind kind;
    bool is_open; /* its parser has memory */
    union {
        struct rp_urlform url;
        struct rp_multipart multi;
    };
};

static struct parser_object *
of(PyObject *self)
{
    return (struct parser_object *)self;
}

static PyObject *
refuse(struct parser_object *o, int err)
{
    rp_py_raise_http_error(o->st, rp_form_err_status(err),
                           rp_form_err_text(err));
    return NULL;
}

/* The media type in front of its parameters. */
static struct rp_str
essence(struct rp_str type)
{
    const char *semicolon = type.n > 0 ? memchr(type.p, ';', type.n) : NULL;

    if (semicolon != NULL)
        type.n = (size_t)(semicolon - type.p);
    return rp_str_trim(type);
}

static int
open_parser(struct parser_object *o, struct rp_str type,
            const struct rp_form_limits *lim)
{
    int err = 0;

    if (rp_str_ieq(essence(type), RP_STR("multipart/form-data"))) {
        o->kind = MULTIPART;
        err = rp_multipart_init(&o->multi, rp_multipart_boundary(type), lim);
    } else if (rp_str_ieq(essence(type),
                          RP_STR("application/x-www-form-urlencoded"))) {
        o->kind = URLENCODED;
        rp_urlform_init(&o->url, lim);
    } else {
        rp_py_raise_http_error(o->st, 415, "the content is no form");
        return -1;
    }
    o->is_open = true;
    if (err < 0)
        refuse(o, err);
    return err;
}

static PyObject *
parser_new(PyTypeObject *tp, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"content_type", "parts",      "header_size",
                            "name_size",    "field_size", NULL};
    struct rp_form_limits lim;
    struct rp_str type;
    PyObject *text, *self;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "UIIII:FormParser", names,
                                     &text, &lim.parts, &lim.header_size,
                                     &lim.name_size, &lim.field_size))
        return NULL;
    if (!rp_latin1_of_str(text, &type))
        type = RP_STR("");
    self = tp->tp_alloc(tp, 0);
    if (self == NULL)
        return NULL;
    of(self)->st = rp_py_state_of_type(tp);
    if (open_parser(of(self), type, &lim) < 0)
        Py_CLEAR(self);
    return self;
}

static void
parser_dealloc(PyObject *self)
{
    struct parser_object *o = of(self);
    PyTypeObject *tp = Py_TYPE(self);

    if (o->is_open && o->kind == MULTIPART)
        rp_multipart_fini(&o->multi);
    else if (o->is_open)
        rp_urlform_fini(&o->url);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyObject *
bytes_of(struct rp_str s)
{
    return PyBytes_FromStringAndSize(s.p, (Py_ssize_t)s.n);
}

static PyObject *
bytes_or_none(struct rp_str s)
{
    return s.p == NULL ? Py_NewRef(Py_None) : bytes_of(s);
}

/* Append value, stolen; NULL is an exception that is set. */
static int
append(PyObject *list, PyObject *value)
{
    int rc = value == NULL ? -1 : PyList_Append(list, value);

    Py_XDECREF(value);
    return rc;
}

static PyObject *
fields_list(const struct rp_multipart *m)
{
    PyObject *list = PyList_New(0);

    for (unsigned i = 0; list != NULL && i < m->nfields; i++)
        if (append(list,
                   Py_BuildValue("(NN)", rp_str_of_latin1(m->fields[i].name),
                                 rp_str_of_latin1(m->fields[i].value))) < 0)
            Py_CLEAR(list);
    return list;
}

/* (name, filename or None, content type or None, [(name, value)]) */
static PyObject *
part_tuple(const struct rp_multipart *m)
{
    return Py_BuildValue(
        "(NNNN)", bytes_of(m->name), bytes_or_none(m->filename),
        m->content_type.n > 0 ? rp_str_of_latin1(m->content_type)
                              : Py_NewRef(Py_None),
        fields_list(m));
}

static int
append_part(PyObject *list, const struct rp_multipart *m,
            enum rp_multipart_event event, struct rp_str data)
{
    switch (event) {
    case RP_MULTIPART_PART:
        return append(list, part_tuple(m));
    case RP_MULTIPART_DATA:
        return append(list, bytes_of(data));
    case RP_MULTIPART_PART_END:
        return append(list, Py_NewRef(Py_None));
    case RP_MULTIPART_MORE:
    case RP_MULTIPART_END:
        break;
    }
    return 0;
}

static int
append_pair(PyObject *list, const struct rp_urlform *f)
{
    if (append(list, Py_BuildValue("(NOO[])", bytes_of(f->name), Py_None,
                                   Py_None)) < 0 ||
        append(list, bytes_of(f->value)) < 0)
        return -1;
    return append(list, Py_NewRef(Py_None));
}

static int
feed_multipart(struct parser_object *o, PyObject *list, const char *p, size_t n)
{
    enum rp_multipart_event event;
    struct rp_str data;
    size_t used = 0;

    do {
        ssize_t k =
            rp_multipart_feed(&o->multi, p + used, n - used, &event, &data);
        if (k < 0) {
            refuse(o, (int)k);
            return -1;
        }
        used += (size_t)k;
        if (append_part(list, &o->multi, event, data) < 0)
            return -1;
    } while (event != RP_MULTIPART_MORE);
    return 0;
}

static int
feed_url(struct parser_object *o, PyObject *list, const char *p, size_t n)
{
    size_t used = 0;
    bool pair;

    while (used < n) {
        ssize_t k = rp_urlform_feed(&o->url, p + used, n - used, &pair);
        if (k < 0) {
            refuse(o, (int)k);
            return -1;
        }
        used += (size_t)k;
        if (pair && append_pair(list, &o->url) < 0)
            return -1;
    }
    return 0;
}

PyDoc_STRVAR(feed_doc,
             "feed(data, /)\n--\n\n"
             "What it brings, in order: a tuple (name, filename or None,\n"
             "content type or None, header fields) begins a part, bytes are\n"
             "a piece of it, None ends it.  HTTPError for what is no form.");

static PyObject *
parser_feed(PyObject *self, PyObject *data)
{
    struct parser_object *o = of(self);
    PyObject *list;
    Py_buffer view;
    int rc;

    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    list = PyList_New(0);
    if (list != NULL) {
        rc = o->kind == MULTIPART
                 ? feed_multipart(o, list, view.buf, (size_t)view.len)
                 : feed_url(o, list, view.buf, (size_t)view.len);
        if (rc < 0)
            Py_CLEAR(list);
    }
    PyBuffer_Release(&view);
    return list;
}

PyDoc_STRVAR(finish_doc, "finish()\n--\n\n"
                         "The content ends: what is left, as feed().");

static PyObject *
parser_finish(PyObject *self, PyObject *unused)
{
    struct parser_object *o = of(self);
    PyObject *list;
    bool pair = false;
    int err;

    (void)unused;
    err = o->kind == MULTIPART ? rp_multipart_finish(&o->multi)
                               : rp_urlform_finish(&o->url, &pair);
    if (err < 0)
        return refuse(o, err);
    list = PyList_New(0);
    if (list != NULL && pair && append_pair(list, &o->url) < 0)
        Py_CLEAR(list);
    return list;
}

static PyMethodDef methods[] = {
    {"feed", parser_feed, METH_O, feed_doc},
    {"finish", parser_finish, METH_NOARGS, finish_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(doc, "FormParser(content_type, parts, header_size, name_size,\n"
                  "field_size)\n--\n\n"
                  "A form of either media type, parsed as it comes.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_new, parser_new},
    {Py_tp_dealloc, parser_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "rupy._core.FormParser",
    .basicsize = sizeof(struct parser_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *
rp_form_type_new(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}
