/* request_text.c -- the content of a request as text and as JSON. */
#include "rupy/py/request.h"

/* Python looks a codec up by importing a module of that name, and remembers
 * each name that it did not find: a charset of the client's choice goes there
 * only when it stands here.  Without the codecs that are no charsets, or whose
 * time is not linear (punycode, idna). */
static const char *const charsets[] = {
    "utf-8",        "utf8",         "us-ascii",     "ascii",
    "iso-8859-1",   "latin-1",      "latin1",       "iso-8859-2",
    "iso-8859-3",   "iso-8859-4",   "iso-8859-5",   "iso-8859-6",
    "iso-8859-7",   "iso-8859-8",   "iso-8859-9",   "iso-8859-10",
    "iso-8859-11",  "iso-8859-13",  "iso-8859-14",  "iso-8859-15",
    "iso-8859-16",  "windows-1250", "windows-1251", "windows-1252",
    "windows-1253", "windows-1254", "windows-1255", "windows-1256",
    "windows-1257", "windows-1258", "koi8-r",       "koi8-u",
    "macintosh",    "tis-620",      "utf-16",       "utf-16le",
    "utf-16be",     "utf-32",       "utf-32le",     "utf-32be",
    "shift_jis",    "euc-jp",       "iso-2022-jp",  "euc-kr",
    "gb2312",       "gbk",          "gb18030",      "big5",
    "big5-hkscs",
};

/* The value of the parameter charset of a media type (RFC 9110 8.3.1), without
 * quotes; {NULL, 0} without one. */
static struct rp_str
charset_param(struct rp_str type)
{
    const char *p = type.p, *end = type.p + type.n, *start;
    struct rp_str name, value;

    p = type.n == 0 ? NULL : memchr(p, ';', type.n);
    while (p != NULL && p < end) {
        start = ++p;
        while (p < end && *p != '=' && *p != ';')
            p++;
        name = rp_str_trim((struct rp_str){start, (size_t)(p - start)});
        if (p == end || *p == ';')
            continue;
        start = ++p;
        if (p < end && *p == '"') {
            for (start = ++p; p < end && *p != '"'; p++)
                if (*p == '\\' && p + 1 < end)
                    p++;
            value = (struct rp_str){start, (size_t)(p - start)};
            while (p < end && *p != ';')
                p++;
        } else {
            while (p < end && *p != ';')
                p++;
            value = rp_str_trim((struct rp_str){start, (size_t)(p - start)});
        }
        if (rp_str_ieq(name, RP_STR("charset")))
            return value;
    }
    return (struct rp_str){NULL, 0};
}

/* The codec's name, or NULL when it is none of ours. */
static const char *
charset_of(const struct rp_request *r)
{
    const struct rp_field *f;
    struct rp_str charset = {NULL, 0};
    size_t i;

    f = rp_fields_find(r->fields, r->nfields, RP_STR("content-type"));
    if (f != NULL)
        charset = charset_param(f->value);
    if (charset.p == NULL)
        return charsets[0];
    for (i = 0; i < Py_ARRAY_LENGTH(charsets); i++)
        if (rp_str_ieq(charset,
                       (struct rp_str){charsets[i], strlen(charsets[i])}))
            return charsets[i];
    return NULL;
}

PyObject *
rp_request_object_text(struct request_object *r)
{
    struct rp_py_state *st = r->st;
    PyObject *body = rp_request_object_get(r, REQUEST_BODY), *text;
    const char *charset;

    if (body == NULL)
        return NULL;
    charset = charset_of(rp_request_object_head(r));
    if (charset == NULL) {
        rp_py_raise_http_error(st, 400, "unknown charset");
        return NULL;
    }
    text = PyUnicode_Decode(PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body),
                            charset, "strict");
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeError))
        rp_py_raise_http_error(st, 400, "bad text");
    return text;
}

/* The decoders have no exception in common: all but those that say nothing
 * about the content are the client's fault.  RecursionError is: brackets. */
static bool
is_clients_fault(void)
{
    return PyErr_ExceptionMatches(PyExc_Exception) &&
           !PyErr_ExceptionMatches(PyExc_MemoryError);
}

PyObject *
rp_request_object_json(struct request_object *r)
{
    struct rp_py_state *st = r->st;
    PyObject *body = rp_request_object_get(r, REQUEST_BODY), *value;

    if (body == NULL || rp_py_state_load_json(st) < 0)
        return NULL;
    value = PyObject_CallOneArg(st->json_loads, body);
    if (value == NULL && is_clients_fault())
        rp_py_raise_http_error(st, 400, "bad JSON");
    return value;
}
