/* access_format.c -- what an access line tells: formats, compiled. */
#include "access.h"

#define COMBINED                                                               \
    "%(h)s - - %(t)s \"%(r)s\" %(s)s %(B)s \"%(f)s\" \"%(a)s\" %(L)s"

/* The atoms are gunicorn's, and some more; the names are for JSON. */
static const struct atom {
    const char *atom, *name; /* "": not there */
    enum rp_access_kind kind;
    const char *field; /* of the request; NULL */
    bool of_request;
} atoms[] = {
    {"t", "time", RP_ACCESS_TIME, NULL, false},
    {"h", "remote", RP_ACCESS_PEER, NULL, false},
    {"l", "", RP_ACCESS_DASH, NULL, false},
    {"u", "user", RP_ACCESS_USER, NULL, true},
    {"r", "request", RP_ACCESS_LINE, NULL, true},
    {"m", "method", RP_ACCESS_METHOD, NULL, true},
    {"U", "path", RP_ACCESS_PATH, NULL, true},
    {"q", "query", RP_ACCESS_QUERY, NULL, true},
    {"H", "protocol", RP_ACCESS_PROTOCOL, NULL, true},
    {"", "host", RP_ACCESS_HOST, NULL, true},
    {"f", "referer", RP_ACCESS_FIELD, "referer", true},
    {"a", "user_agent", RP_ACCESS_FIELD, "user-agent", true},
    {"s", "status", RP_ACCESS_STATUS, NULL, false},
    {"B", "bytes", RP_ACCESS_BYTES, NULL, false},
    {"b", "", RP_ACCESS_BYTES_OR_DASH, NULL, false},
    {"rl", "request_bytes", RP_ACCESS_RECEIVED, NULL, false},
    {"T", "", RP_ACCESS_WHOLE_SECONDS, NULL, false},
    {"M", "", RP_ACCESS_MILLISECONDS, NULL, false},
    {"D", "microseconds", RP_ACCESS_MICROSECONDS, NULL, false},
    {"L", "seconds", RP_ACCESS_SECONDS, NULL, false},
    {"ttfb", "ttfb", RP_ACCESS_FIRST, NULL, false},
    {"p", "pid", RP_ACCESS_PID, NULL, false},
    {"wid", "worker", RP_ACCESS_WORKER, NULL, false},
    {"rid", "request_id", RP_ACCESS_ID, NULL, false},
    {"tid", "trace_id", RP_ACCESS_TRACE, NULL, false},
    {"sid", "span_id", RP_ACCESS_SPAN, NULL, false},
};

enum { NATOMS = sizeof(atoms) / sizeof(atoms[0]) };

static const char *const usual[] = {
    "time", "remote",  "method",     "path",   "query", "protocol",
    "host", "referer", "user_agent", "status", "bytes", "seconds",
};

static struct rp_str
as_str(const char *text)
{
    return (struct rp_str){text, strlen(text)};
}

static struct rp_access_piece *
add_piece(struct rp_access_format *f, struct rp_str text)
{
    struct rp_access_piece *p;

    if (f->n == RP_ACCESS_PIECES)
        return NULL;
    p = &f->pieces[f->n++];
    *p = (struct rp_access_piece){.text = text, .kind = RP_ACCESS_NOTHING};
    return p;
}

static const char *
use_atom(struct rp_access_format *f, struct rp_access_piece *p,
         const struct atom *a)
{
    p->kind = a->kind;
    p->of_request = a->of_request;
    if (a->field)
        p->name = as_str(a->field);
    f->first |= a->kind == RP_ACCESS_FIRST;
    return NULL;
}

/* {name}i, {name}o */
static const char *
use_field(struct rp_access_format *f, struct rp_access_piece *p,
          struct rp_str name, char which)
{
    if (name.n == 0)
        return "has a field without a name";
    p->name = name;
    if (which == 'i') {
        p->kind = RP_ACCESS_FIELD;
        p->of_request = true;
        return NULL;
    }
    if (which != 'o')
        return "has an atom in braces that ends neither in }i nor in }o";
    if (f->nsent == RP_ACCESS_SENTS)
        return "names more than 16 fields of the answer";
    p->kind = RP_ACCESS_SENT;
    p->index = f->nsent;
    f->sent[f->nsent++] = name;
    return NULL;
}

/* true: s is {...}x, and *name and *which are set. */
static bool
in_braces(struct rp_str s, struct rp_str *name, char *which)
{
    if (s.n < 3 || s.p[0] != '{' || s.p[s.n - 2] != '}')
        return false;
    *name = (struct rp_str){s.p + 1, s.n - 3};
    *which = s.p[s.n - 1];
    return true;
}

/* ---- Text with atoms ---- */

static const char *
compile_atom(struct rp_access_format *f, struct rp_access_piece *p,
             struct rp_str s)
{
    struct rp_str name;
    char which;

    if (in_braces(s, &name, &which))
        return use_field(f, p, name, which);
    for (size_t i = 0; i < NATOMS; i++)
        if (atoms[i].atom[0] && rp_str_eq(s, as_str(atoms[i].atom)))
            return use_atom(f, p, &atoms[i]);
    return "has an unknown atom; known are h l u t r m U q H s B b f a T M D L "
           "p rl ttfb wid rid tid sid, {name}i and {name}o";
}

static const char *
compile_text(struct rp_access_format *f, struct rp_str s)
{
    static const char too_many[] = "has more than 64 atoms";

    while (s.n > 0) {
        const char *percent = memchr(s.p, '%', s.n);
        size_t n = percent ? (size_t)(percent - s.p) : s.n;
        /* "%%" is text up to its first half. */
        bool is_double = n + 1 < s.n && s.p[n + 1] == '%';
        struct rp_access_piece *p =
            add_piece(f, (struct rp_str){s.p, n + is_double});
        if (!p)
            return too_many;
        if (!percent)
            return NULL;
        s = (struct rp_str){percent, s.n - n};
        if (is_double) {
            s = (struct rp_str){s.p + 2, s.n - 2};
            continue;
        }
        const char *end = memchr(s.p, ')', s.n);
        if (s.n < 4 || s.p[1] != '(' || !end || end + 1 == s.p + s.n ||
            end[1] != 's')
            return "has a '%' that begins neither %(atom)s nor %%";
        const char *why = compile_atom(
            f, p, (struct rp_str){s.p + 2, (size_t)(end - s.p) - 2});
        if (why)
            return why;
        size_t used = (size_t)(end + 2 - s.p);
        s = (struct rp_str){s.p + used, s.n - used};
    }
    return NULL;
}

/* ---- JSON ---- */

static const char *
compile_member(struct rp_access_format *f, struct rp_str s)
{
    struct rp_access_piece *p = add_piece(f, s);
    struct rp_str name;
    char which;

    if (!p)
        return "is the 65th field";
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == '"' || s.p[i] == '\\' ||
            (unsigned char)s.p[i] > 0x7e)
            return "has a character that no field has";
    if (in_braces(s, &name, &which))
        return use_field(f, p, name, which);
    for (size_t i = 0; i < NATOMS; i++)
        if (atoms[i].name[0] && rp_str_eq(s, as_str(atoms[i].name)))
            return use_atom(f, p, &atoms[i]);
    return "is none of: time remote user request method path query protocol "
           "host referer user_agent status bytes request_bytes microseconds "
           "seconds ttfb pid worker request_id trace_id span_id, {name}i, "
           "{name}o";
}

const char *
rp_access_compile(struct rp_access_format *f, struct rp_str text,
                  const char *const *fields, size_t nfields)
{
    const char *why = NULL;

    memset(f, 0, sizeof(*f));
    if (!rp_str_eq(text, RP_STR("json")))
        return compile_text(
            f, rp_str_eq(text, RP_STR("combined")) ? RP_STR(COMBINED) : text);
    f->json = true;
    if (nfields == 0) {
        fields = usual;
        nfields = sizeof(usual) / sizeof(usual[0]);
    }
    for (size_t i = 0; i < nfields && !why; i++)
        why = compile_member(f, as_str(fields[i]));
    return why;
}

const char *
rp_access_check_format(struct rp_str format)
{
    struct rp_access_format f;

    for (size_t i = 0; i < format.n; i++)
        if ((unsigned char)format.p[i] < 0x20 && format.p[i] != '\t')
            return "has a control character in it";
    if (memchr(format.p, '%', format.n) == NULL &&
        !rp_str_eq(format, RP_STR("combined")) &&
        !rp_str_eq(format, RP_STR("json")))
        return "is neither combined nor json, and has no atom such as %(s)s";
    return rp_access_compile(&f, format, NULL, 0);
}

const char *
rp_access_check_field(struct rp_str name)
{
    struct rp_access_format f = {.n = 0};

    return compile_member(&f, name);
}
