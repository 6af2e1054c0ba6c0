/* multipart_header.c -- the header of one part: what it is called, and what
 * it is. */
#include "rupy/http/chars.h"
#include "rupy/http/multipart.h"

/* What one Content-Disposition says. */
struct names {
    struct rp_str name, filename, filename_ext;
};

static bool
is_ows(char c)
{
    return c == ' ' || c == '\t';
}

static void
skip_ows(struct rp_str *rest)
{
    while (rest->n > 0 && is_ows(rest->p[0])) {
        rest->p++;
        rest->n--;
    }
}

static void
drop(struct rp_str *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

/* Behind a '"' nothing but white space is left. */
static bool
is_last(struct rp_str s)
{
    skip_ows(&s);
    return s.n == 0;
}

/* One byte of a quoted name, at rest->p: browsers write '"', CR and LF as %22,
 * %0D and %0A, and nothing else in another way (HTML 4.10.21.8); others put a
 * backslash in front of '"' and of itself.  Return how much it took. */
static size_t
unquote_byte(struct rp_str rest, char *c)
{
    *c = rest.p[0];
    if (*c == '\\' && rest.n > 1 && (rest.p[1] == '\\' || rest.p[1] == '"')) {
        *c = rest.p[1];
        return 2;
    }
    if (*c == '%' && rest.n > 2 && rp_char_hex(rest.p[1]) >= 0 &&
        rp_char_hex(rest.p[2]) >= 0) {
        int v = rp_char_hex(rest.p[1]) << 4 | rp_char_hex(rest.p[2]);
        if (v == '"' || v == '\r' || v == '\n') {
            *c = (char)v;
            return 3;
        }
    }
    return 1;
}

/* Behind an opening '"': the string, decoded behind what out has.  A '"' that
 * ends the field ends the string, also behind a backslash, which a browser
 * does not escape.  Return 0, or -1. */
static int
unquote(struct rp_str *rest, struct rp_buf *out, struct rp_str *value)
{
    size_t start = out->n;

    while (rest->n > 0) {
        struct rp_str next = {rest->p + 1, rest->n - 1};
        char c;

        if (rest->p[0] == '"') {
            *rest = next;
            *value = (struct rp_str){out->p + start, out->n - start};
            return 0;
        }
        if (rest->p[0] == '\\' && next.n > 0 && next.p[0] == '"' &&
            is_last((struct rp_str){next.p + 1, next.n - 1})) {
            c = '\\';
            *rest = next;
        } else {
            drop(rest, unquote_byte(*rest, &c));
        }
        rp_buf_add(out, &c, 1); /* there is room: it only gets shorter */
    }
    return -1;
}

/* An unquoted value, as it is. */
static int
take_token(struct rp_str *rest, struct rp_str *value)
{
    size_t n = 0;

    while (n < rest->n && !is_ows(rest->p[n]) && rest->p[n] != ';' &&
           rest->p[n] != '"')
        n++;
    *value = (struct rp_str){rest->p, n};
    drop(rest, n);
    return n > 0 ? 0 : -1;
}

/* Behind an opening '"': the string as it is, which has no escapes. */
static int
take_quoted(struct rp_str *rest, struct rp_str *value)
{
    const char *end = rest->n > 0 ? memchr(rest->p, '"', rest->n) : NULL;

    if (end == NULL)
        return -1;
    *value = (struct rp_str){rest->p, (size_t)(end - rest->p)};
    drop(rest, value->n + 1);
    return 0;
}

/* The next ";name=value"; quoted values are decoded into out, or, it being
 * NULL, left as they are.  1, 0: there is none; -1: something else stands
 * there. */
static int
next_param(struct rp_str *rest, struct rp_buf *out, struct rp_str *name,
           struct rp_str *value)
{
    size_t n = 0;

    skip_ows(rest);
    if (rest->n == 0)
        return 0;
    if (rest->p[0] != ';')
        return -1;
    drop(rest, 1);
    skip_ows(rest);
    if (rest->n == 0)
        return 0;
    while (n < rest->n && rp_char_is(rest->p[n], RP_CHAR_TOKEN))
        n++;
    *name = (struct rp_str){rest->p, n};
    drop(rest, n);
    skip_ows(rest);
    if (n == 0 || rest->n == 0 || rest->p[0] != '=')
        return -1;
    drop(rest, 1);
    skip_ows(rest);
    if (rest->n == 0)
        return -1;
    if (rest->p[0] != '"')
        return take_token(rest, value) < 0 ? -1 : 1;
    drop(rest, 1);
    if (out == NULL)
        return take_quoted(rest, value) < 0 ? -1 : 1;
    return unquote(rest, out, value) < 0 ? -1 : 1;
}

static void
add_latin1(struct rp_buf *out, unsigned char c)
{
    char two[2] = {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f))};

    if (c < 0x80)
        rp_buf_add(out, &c, 1);
    else
        rp_buf_add(out, two, 2);
}

/* ext-value (RFC 8187 3.2.1) as UTF-8.  0, or -1. */
static int
decode_ext(struct rp_str s, struct rp_buf *out, struct rp_str *value)
{
    const char *charset_end = memchr(s.p, '\'', s.n), *lang_end;
    struct rp_str charset;
    size_t start = out->n;
    bool latin1;

    if (charset_end == NULL)
        return -1;
    charset = (struct rp_str){s.p, (size_t)(charset_end - s.p)};
    latin1 = rp_str_ieq(charset, RP_STR("iso-8859-1"));
    if (!latin1 && !rp_str_ieq(charset, RP_STR("utf-8")))
        return -1;
    drop(&s, charset.n + 1);
    lang_end = s.n > 0 ? memchr(s.p, '\'', s.n) : NULL;
    if (lang_end == NULL)
        return -1;
    drop(&s, (size_t)(lang_end - s.p) + 1);
    while (s.n > 0) {
        unsigned char c = (unsigned char)s.p[0];
        size_t n = 1;
        if (c == '%') {
            if (s.n < 3 || rp_char_hex(s.p[1]) < 0 || rp_char_hex(s.p[2]) < 0)
                return -1;
            c = (unsigned char)(rp_char_hex(s.p[1]) << 4 | rp_char_hex(s.p[2]));
            n = 3;
        } else if (c >= 0x80) {
            return -1;
        }
        if (latin1)
            add_latin1(out, c);
        else
            rp_buf_add(out, &c, 1);
        drop(&s, n);
    }
    *value = (struct rp_str){out->p + start, out->n - start};
    return 0;
}

/* Where a parameter of that name goes, or NULL: it is of no interest. */
static struct rp_str *
slot_of(struct names *names, struct rp_str name)
{
    if (rp_str_ieq(name, RP_STR("name")))
        return &names->name;
    if (rp_str_ieq(name, RP_STR("filename")))
        return &names->filename;
    if (rp_str_ieq(name, RP_STR("filename*")))
        return &names->filename_ext;
    return NULL;
}

static int
parse_disposition(struct rp_multipart *m, struct rp_str rest)
{
    struct names names = {0};
    struct rp_str type = {NULL, 0}, name, value, *slot;
    int more;

    if (rest.n == 0 || take_token(&rest, &type) < 0 ||
        !rp_str_ieq(type, RP_STR("form-data")))
        return RP_FORM_BAD_DISPOSITION;
    while ((more = next_param(&rest, &m->decoded, &name, &value)) > 0) {
        slot = slot_of(&names, name);
        if (slot == NULL)
            continue;
        if (slot->p != NULL)
            return RP_FORM_BAD_DISPOSITION;
        *slot = value;
    }
    if (more < 0 || names.name.p == NULL)
        return RP_FORM_BAD_DISPOSITION;
    m->name = names.name;
    m->filename = names.filename;
    if (names.filename_ext.p != NULL &&
        decode_ext(names.filename_ext, &m->decoded, &m->filename) < 0)
        return RP_FORM_BAD_DISPOSITION;
    if (m->name.n > m->lim.name_size || m->filename.n > m->lim.name_size)
        return RP_FORM_LONG_NAME;
    return 0;
}

/* One field line. */
static int
add_field(struct rp_multipart *m, struct rp_str line)
{
    const char *colon = memchr(line.p, ':', line.n);
    struct rp_field *f;

    if (colon == NULL)
        return RP_FORM_BAD_HEADER;
    if (m->nfields == RP_MULTIPART_FIELDS)
        return RP_FORM_LARGE_HEADER;
    f = &m->fields[m->nfields++];
    f->name = (struct rp_str){line.p, (size_t)(colon - line.p)};
    f->value = rp_str_trim(
        (struct rp_str){colon + 1, line.n - (size_t)(colon - line.p) - 1});
    /* A folded line begins with a space, which is no token. */
    if (!rp_is_token(f->name) ||
        rp_fields_find(m->fields, m->nfields, f->name) != f)
        return RP_FORM_BAD_HEADER;
    return 0;
}

/* RFC 7578 4.7: nobody sends one, and one that is not decoded must not be
 * taken for content. */
static bool
is_plain(struct rp_str coding)
{
    return rp_str_ieq(coding, RP_STR("7bit")) ||
           rp_str_ieq(coding, RP_STR("8bit")) ||
           rp_str_ieq(coding, RP_STR("binary"));
}

int
rp_multipart_parse_header(struct rp_multipart *m)
{
    struct rp_str rest = {m->header.p, m->header.n - 2};
    const struct rp_field *disposition, *type, *coding;
    int err;

    m->nfields = 0;
    m->name = m->filename = m->content_type = (struct rp_str){NULL, 0};
    while (rest.n > 0) {
        /* Every line was seen to end with CRLF. */
        const char *end = memchr(rest.p, '\r', rest.n);
        size_t n = (size_t)(end - rest.p);
        err = add_field(m, (struct rp_str){rest.p, n});
        if (err < 0)
            return err;
        drop(&rest, n + 2);
    }
    disposition =
        rp_fields_find(m->fields, m->nfields, RP_STR("content-disposition"));
    type = rp_fields_find(m->fields, m->nfields, RP_STR("content-type"));
    coding = rp_fields_find(m->fields, m->nfields,
                            RP_STR("content-transfer-encoding"));
    if (coding != NULL && !is_plain(coding->value))
        return RP_FORM_BAD_CODING;
    if (disposition == NULL)
        return RP_FORM_BAD_DISPOSITION;
    if (type != NULL)
        m->content_type = type->value;
    /* Names only get shorter: slices into it stay. */
    rp_buf_reset(&m->decoded);
    if (rp_buf_reserve(&m->decoded, m->header.n) < 0)
        return RP_FORM_NO_MEMORY;
    return parse_disposition(m, disposition->value);
}

struct rp_str
rp_multipart_boundary(struct rp_str type)
{
    const char *semicolon = type.n > 0 ? memchr(type.p, ';', type.n) : NULL;
    struct rp_str rest, name, value;

    if (semicolon == NULL)
        return (struct rp_str){NULL, 0};
    rest = (struct rp_str){semicolon, type.n - (size_t)(semicolon - type.p)};
    while (next_param(&rest, NULL, &name, &value) > 0)
        if (rp_str_ieq(name, RP_STR("boundary")))
            return value;
    return (struct rp_str){NULL, 0};
}
