/* pattern.c -- reads what people write as a route, once, at registration. */
#include "rupy/route/pattern.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rupy/http/chars.h"
#include "rupy/http/url.h"
#include "rupy/route/regex.h"

static const struct {
    struct rp_str name;
    enum rp_converter conv;
    const char *regex;
} converters[] = {
    {{"", 0}, RP_CONV_STR, "([^/]+)"},
    {{"int", 3}, RP_CONV_INT, "([0-9]+)"},
    {{"float", 5}, RP_CONV_FLOAT, "([0-9]+(?:\\.[0-9]+)?)"},
    {{"uuid", 4},
     RP_CONV_UUID,
     "([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})"},
    {{"path", 4}, RP_CONV_PATH, "((?s:.+))"},
};

/* Where reading stands, and where complaints go. */
struct reader {
    struct rp_pattern *p;
    struct rp_str text;
    size_t at;
    char *err;
    size_t errn;
};

void
rp_pattern_quote(char dst[RP_PATTERN_QUOTED], struct rp_str text)
{
    /* Room for one escape of four, three dots, the quote and NUL. */
    const size_t room = RP_PATTERN_QUOTED - 9;
    size_t n = 0, i;

    dst[n++] = '"';
    for (i = 0; i < text.n && n < room; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c < 0x20 || c == 0x7f)
            n += (size_t)snprintf(dst + n, 5, "\\x%02x", c);
        else
            dst[n++] = (char)c;
    }
    if (i < text.n) {
        /* Not in the middle of a character. */
        while (n > 1 && ((unsigned char)dst[n - 1] & 0xc0) == 0x80)
            n--;
        if ((unsigned char)dst[n - 1] >= 0xc0)
            n--;
        memcpy(dst + n, "...", 3);
        n += 3;
    }
    dst[n++] = '"';
    dst[n] = '\0';
}

__attribute__((format(printf, 3, 4))) static int
complain(struct reader *r, size_t at, const char *fmt, ...)
{
    char quoted[RP_PATTERN_QUOTED], what[256];
    va_list ap;

    rp_pattern_quote(quoted, r->text);
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    snprintf(r->err, r->errn, "route %s, byte %zu: %s", quoted, at + 1, what);
    return -1;
}

static int
no_memory(struct reader *r)
{
    return complain(r, r->at, "out of memory");
}

static bool
is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Append literal text as rp_url_decode_route() writes it in a path. */
static int
add_decoded(struct rp_buf *dst, struct rp_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '%' && i + 2 < s.n && rp_char_hex(s.p[i + 1]) >= 0 &&
            rp_char_hex(s.p[i + 2]) >= 0) {
            c = (char)(rp_char_hex(s.p[i + 1]) << 4 | rp_char_hex(s.p[i + 2]));
            i += 2;
            if (c == '/' && rp_buf_add(dst, "%2F", 3) < 0)
                return -1;
            if (c == '/')
                continue;
        }
        if (c == '%' ? rp_buf_add(dst, "%25", 3) : rp_buf_add(dst, &c, 1))
            return -1;
    }
    return 0;
}

/* Append a regex that matches s and nothing else. */
static int
add_escaped(struct rp_buf *dst, struct rp_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        int rc;

        if (c < 0x20 || c == 0x7f)
            rc = rp_buf_addf(dst, "\\x%02x", c);
        else if (is_alpha((char)c) || is_digit((char)c) || c >= 0x80)
            rc = rp_buf_add(dst, &s.p[i], 1);
        else
            rc = rp_buf_addf(dst, "\\%c", c);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* A segment between two slashes of a literal, or between its last slash and
 * the end of the pattern, is "." or "..". */
static bool
has_dot_segment(struct rp_str literal, bool at_end)
{
    const char *first = memchr(literal.p, '/', literal.n);
    size_t n = literal.n;

    if (!first)
        return false;
    while (!at_end && literal.p[n - 1] != '/')
        n--;
    return rp_url_has_dot_segment(
        (struct rp_str){first, (size_t)(literal.p + n - first)});
}

/* Text up to the next parameter or the end. */
static int
read_literal(struct reader *r)
{
    struct rp_pattern *p = r->p;
    const size_t start = r->at;
    struct rp_buf decoded;
    int rc;

    while (r->at < r->text.n && r->text.p[r->at] != '<') {
        if (r->text.p[r->at] == '>')
            return complain(r, r->at,
                            "'>' without '<': write %%3E for the character");
        r->at++;
    }
    rp_buf_init(&decoded, 0);
    rc = add_decoded(&decoded,
                     (struct rp_str){r->text.p + start, r->at - start});
    if (rc == 0 && decoded.n > 0 &&
        has_dot_segment((struct rp_str){decoded.p, decoded.n},
                        r->at == r->text.n)) {
        rp_buf_fini(&decoded);
        return complain(r, start,
                        "\".\" and \"..\" are never segments of a path");
    }
    if (rc == 0 && p->nparams == 0)
        rc = rp_buf_add(&p->prefix, decoded.p, decoded.n);
    else if (rc == 0)
        rc = add_escaped(&p->regex, (struct rp_str){decoded.p, decoded.n});
    rp_buf_fini(&decoded);
    return rc < 0 ? no_memory(r) : 0;
}

static int
read_name(struct reader *r, struct rp_str *name)
{
    const struct rp_pattern *p = r->p;
    const size_t start = r->at;
    size_t n = 0;
    char c;

    while (start + n < r->text.n) {
        c = r->text.p[start + n];
        if (!is_alpha(c) && c != '_' && !(n > 0 && is_digit(c)))
            break;
        n++;
    }
    if (start + n == r->text.n)
        return complain(r, start - 1,
                        "'<' is not closed: write <name> or "
                        "<name:int>, %%3C for the character");
    c = r->text.p[start + n];
    if (c != '>' && c != ':')
        return complain(r, start + n,
                        "the name of a parameter is one of Python's, of "
                        "ASCII letters, digits and '_'");
    if (n == 0)
        return complain(r, start, "a parameter needs a name: <name>");
    *name = (struct rp_str){r->text.p + start, n};
    for (unsigned i = 0; i < p->nparams; i++) {
        if (rp_str_eq(p->params[i].name, *name))
            return complain(r, start, "parameter \"%.*s\" is there already",
                            (int)(n < 64 ? n : 64), name->p);
    }
    r->at = start + n;
    return 0;
}

/* "re(...)>", of which "re(" was read. */
static int
read_user_regex(struct reader *r)
{
    struct rp_pattern *p = r->p;
    struct rp_str body = {r->text.p + r->at, r->text.n - r->at};
    char why[RP_REGEX_WHY];
    const char *refused;
    size_t at;
    int ngroups;

    if (rp_regex_scan(body, &at, &refused) < 0)
        return complain(r, at == body.n ? r->at - 3 : r->at + at, "%s",
                        refused);
    body.n = at;
    if (body.n == 0)
        return complain(r, r->at, "re() is empty: write re([a-z]+)");
    ngroups = rp_regex_check(body, &at, why);
    if (ngroups < 0)
        return complain(r, r->at + at, "regex: %s", why);
    p->ngroups += (unsigned)ngroups;
    if (rp_buf_add(&p->regex, "(", 1) < 0 ||
        rp_buf_add_str(&p->regex, body) < 0 ||
        rp_buf_add(&p->regex, ")", 1) < 0)
        return no_memory(r);
    r->at += body.n + 1;
    return 0;
}

/* What stands between ':' and '>', and the '>'. */
static int
read_converter(struct reader *r, enum rp_converter *conv)
{
    const size_t start = r->at;
    struct rp_str name;

    if (rp_str_has_prefix((struct rp_str){r->text.p + start, r->text.n - start},
                          RP_STR("re("))) {
        *conv = RP_CONV_RE;
        r->at += 3;
        if (read_user_regex(r) < 0)
            return -1;
        if (r->at == r->text.n || r->text.p[r->at] != '>')
            return complain(r, r->at, "'>' must follow re(...)");
        r->at++;
        return 0;
    }
    while (r->at < r->text.n && r->text.p[r->at] != '>')
        r->at++;
    if (r->at == r->text.n)
        return complain(r, start - 1, "'<' is not closed: '>' is missing");
    name = (struct rp_str){r->text.p + start, r->at - start};
    for (size_t i = 1; i < sizeof(converters) / sizeof(converters[0]); i++) {
        if (!rp_str_eq(name, converters[i].name))
            continue;
        *conv = converters[i].conv;
        r->at++;
        return rp_buf_add(&r->p->regex, converters[i].regex,
                          strlen(converters[i].regex)) < 0
                   ? no_memory(r)
                   : 0;
    }
    return complain(r, start,
                    "no such converter: int, float, uuid, path or re(...), or "
                    "<name> for a segment");
}

/* "<name>" or "<name:converter>". */
static int
read_param(struct reader *r)
{
    struct rp_pattern *p = r->p;
    struct rp_pattern_param param = {.conv = RP_CONV_STR};

    if (p->nparams == RP_MAX_PARAMS)
        return complain(r, r->at, "more than %d parameters", RP_MAX_PARAMS);
    r->at++;
    if (read_name(r, &param.name) < 0)
        return -1;
    param.group = ++p->ngroups;
    if (r->text.p[r->at++] == ':') {
        if (read_converter(r, &param.conv) < 0)
            return -1;
    } else if (rp_buf_add(&p->regex, converters[0].regex,
                          strlen(converters[0].regex)) < 0) {
        return no_memory(r);
    }
    p->params[p->nparams++] = param;
    return 0;
}

static int
read_pattern(struct reader *r)
{
    if (r->text.n == 0 || r->text.p[0] != '/')
        return complain(r, 0, "a route begins with '/'");
    if (r->text.n > RP_MAX_PATTERN)
        return complain(r, RP_MAX_PATTERN, "longer than %d bytes",
                        RP_MAX_PATTERN);
    while (r->at < r->text.n) {
        if (read_literal(r) < 0)
            return -1;
        if (r->at < r->text.n && read_param(r) < 0)
            return -1;
    }
    return 0;
}

int
rp_pattern_init(struct rp_pattern *p, struct rp_str text, char *err,
                size_t errn)
{
    struct reader r = {.p = p, .text = text, .err = err, .errn = errn};

    *p = (struct rp_pattern){.text = text};
    rp_buf_init(&p->prefix, 0);
    rp_buf_init(&p->regex, 0);
    if (read_pattern(&r) < 0) {
        rp_pattern_fini(p);
        return -1;
    }
    return 0;
}

void
rp_pattern_fini(struct rp_pattern *p)
{
    rp_buf_fini(&p->prefix);
    rp_buf_fini(&p->regex);
}

bool
rp_pattern_same(const struct rp_pattern *a, const struct rp_pattern *b)
{
    return rp_str_eq((struct rp_str){a->prefix.p, a->prefix.n},
                     (struct rp_str){b->prefix.p, b->prefix.n}) &&
           rp_str_eq((struct rp_str){a->regex.p, a->regex.n},
                     (struct rp_str){b->regex.p, b->regex.n});
}
