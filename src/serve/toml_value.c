/* toml_value.c -- TOML 1.0, what stands behind the '='. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "toml_read.h"

enum { TOKEN_MAX = 80 }; /* a number or a time with blanks and zeros */

/* ---- Strings ---- */

static char *
put_utf8(char *to, uint32_t ch)
{
    if (ch < 0x80) {
        *to++ = (char)ch;
        return to;
    }
    int more = ch < 0x800 ? 1 : ch < 0x10000 ? 2 : 3;
    *to++ = (char)(0xf0e0c0 >> (8 * (more - 1)) | ch >> (6 * more));
    while (more-- > 0)
        *to++ = (char)(0x80 | (ch >> (6 * more) & 0x3f));
    return to;
}

/* \uXXXX, \UXXXXXXXX: r->p is behind the letter. */
static char *
unescape_hex(struct rp_toml_reader *r, char *to, int digits)
{
    uint32_t ch = 0;

    for (; digits > 0 && r->p < r->end; digits--, r->p++) {
        char lower = *r->p | 0x20;
        if (*r->p >= '0' && *r->p <= '9')
            ch = ch << 4 | (uint32_t)(*r->p - '0');
        else if (lower >= 'a' && lower <= 'f')
            ch = ch << 4 | (uint32_t)(lower - 'a' + 10);
        else
            break;
    }
    if (digits > 0 || ch > 0x10ffff || (ch >= 0xd800 && ch < 0xe000)) {
        rp_toml_fail(r, "this is no Unicode character");
        return NULL;
    }
    return put_utf8(to, ch);
}

/* A backslash at the end of a line: it and the blanks that follow are not
 * there.  true: that was it. */
static bool
join_lines(struct rp_toml_reader *r)
{
    const char *p = r->p;
    unsigned lines = 0;

    while (p < r->end && (*p == ' ' || *p == '\t' || *p == '\n' ||
                          (*p == '\r' && p + 1 < r->end && p[1] == '\n'))) {
        lines += *p == '\n';
        p++;
    }
    if (lines == 0)
        return false;
    r->p = p;
    r->line += lines;
    return true;
}

/* r->p is behind the backslash.  Where to go on writing; NULL and r->why. */
static char *
unescape(struct rp_toml_reader *r, char *to, bool lines)
{
    static const char from[] = "btnfr\"\\", becomes[] = "\b\t\n\f\r\"\\";
    const char *known;

    if (lines && join_lines(r))
        return to;
    if (r->p == r->end) {
        rp_toml_fail(r, "a quote is not closed");
        return NULL;
    }
    char ch = *r->p++;
    if (ch == 'u' || ch == 'U')
        return unescape_hex(r, to, ch == 'u' ? 4 : 8);
    known = ch == '\0' ? NULL : strchr(from, ch);
    if (known == NULL) {
        rp_toml_fail(r, "there is no such escape; a backslash is \\\\");
        return NULL;
    }
    *to++ = becomes[known - from];
    return to;
}

static size_t
count_quotes(const struct rp_toml_reader *r, char quote, size_t most)
{
    size_t n = 0;

    while (n < most && r->p + n < r->end && r->p[n] == quote)
        n++;
    return n;
}

/* How long it can become: up to the last byte that may be its end. */
static size_t
longest(const struct rp_toml_reader *r, char quote, bool lines)
{
    const char *p = r->p;

    for (; p < r->end && (lines || *p != '\n'); p++) {
        if (*p == '\\' && quote == '"')
            p++;
        else if (*p == quote && (!lines || (r->end - p >= 3 && p[1] == quote &&
                                            p[2] == quote)))
            break;
    }
    return (size_t)((p < r->end ? p : r->end) - r->p) + 3;
}

/* Between the quotes; r->p is behind the first of them. */
static int
read_string(struct rp_toml_reader *r, char quote, bool lines,
            struct rp_str *out)
{
    char *text = rp_arena_alloc(r->arena, longest(r, quote, lines)), *to = text;

    if (text == NULL)
        return rp_toml_fail(r, "out of memory");
    while (r->p < r->end) {
        unsigned char ch = (unsigned char)*r->p;
        size_t quotes = lines ? count_quotes(r, quote, 5) : ch == quote;
        if (quotes >= (lines ? 3 : 1)) {
            /* Two quotes may stand in front of the three that end it. */
            size_t own = lines ? quotes - 3 : 0;
            memcpy(to, r->p, own);
            *out = (struct rp_str){text, (size_t)(to - text) + own};
            r->p += quotes;
            return 0;
        }
        r->p++;
        if (ch == '\\' && quote == '"') {
            to = unescape(r, to, lines);
            if (to == NULL)
                return -1;
            continue;
        }
        if (ch == '\r' && lines && r->p < r->end && *r->p == '\n')
            continue; /* the end of a line is one byte */
        if (ch == '\n' && lines)
            r->line++;
        else if (ch == '\n')
            break;
        else if ((ch < 0x20 && ch != '\t') || ch == 0x7f)
            return rp_toml_fail(r, "a control character in a string");
        *to++ = (char)ch;
    }
    return rp_toml_fail(r, "a quote is not closed");
}

int
rp_toml_string(struct rp_toml_reader *r, bool lines, struct rp_str *out)
{
    char quote = *r->p;
    size_t quotes = count_quotes(r, quote, 3);

    if (quotes == 2) {
        r->p += 2;
        *out = RP_STR("");
        return 0;
    }
    if (quotes == 3 && !lines)
        return rp_toml_fail(r, "a key is on one line");
    r->p += quotes;
    if (quotes == 1)
        return read_string(r, quote, false, out);
    /* An end of line right behind the quotes is not part of it. */
    if (r->end - r->p >= 2 && r->p[0] == '\r' && r->p[1] == '\n')
        r->p++;
    if (r->p < r->end && *r->p == '\n') {
        r->p++;
        r->line++;
    }
    return read_string(r, quote, true, out);
}

/* ---- Numbers, booleans, times ---- */

static bool
is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

/* text is like the pattern, in which 0 is any digit. */
static bool
is_like(const char *text, const char *pattern, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (pattern[i] == '0' ? !is_digit(text[i]) : text[i] != pattern[i])
            return false;
    return true;
}

/* The rest is 00:00:00, perhaps with a fraction, and with a zone when there
 * is a date. */
static bool
is_time(const char *p, const char *end, bool has_date)
{
    if (end - p < 8 || !is_like(p, "00:00:00", 8))
        return false;
    p += 8;
    if (p < end && *p == '.') {
        p++;
        if (p == end || !is_digit(*p))
            return false;
        while (p < end && is_digit(*p))
            p++;
    }
    if (p == end || !has_date)
        return p == end;
    if (*p == 'Z' || *p == 'z')
        return p + 1 == end;
    return (*p == '+' || *p == '-') && end - p == 6 &&
           is_like(p + 1, "00:00", 5);
}

static bool
is_moment(struct rp_str s)
{
    const char *end = s.p + s.n;

    if (s.n < 10 || !is_like(s.p, "0000-00-00", 10))
        return is_time(s.p, end, false);
    if (s.n == 10)
        return true;
    return (s.p[10] == 'T' || s.p[10] == 't' || s.p[10] == ' ') &&
           is_time(s.p + 11, end, true);
}

/* Without the underscores, each of which stands between two digits; with a
 * NUL.  Return the length, or 0. */
static size_t
take_underscores(struct rp_str s, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '_') {
            out[n++] = s.p[i];
            continue;
        }
        if (i == 0 || i + 1 == s.n || s.p[i - 1] == '_' || s.p[i + 1] == '_' ||
            s.p[i - 1] == '.' || s.p[i + 1] == '.')
            return 0;
    }
    out[n] = '\0';
    return n;
}

/* 0x1f, 0o17, 0b1 */
static int
read_based(const char *text, int64_t *out)
{
    int base = text[1] == 'x' ? 16 : text[1] == 'o' ? 8 : 2;
    char *end;

    if (text[2] == '\0' ||
        strspn(text + 2, "0123456789abcdefABCDEF") != strlen(text + 2))
        return -1;
    errno = 0;
    *out = strtoll(text + 2, &end, base);
    return *end != '\0' || errno != 0 ? -1 : 0;
}

/* No zero in front, a digit on both sides of the dot, one behind the e. */
static bool
is_decimal(const char *p, bool *is_float)
{
    p += *p == '+' || *p == '-';
    if (!is_digit(*p) || (*p == '0' && is_digit(p[1])))
        return false;
    p += strspn(p, "0123456789");
    *is_float = *p != '\0';
    if (*p == '.') {
        if (!is_digit(*++p))
            return false;
        p += strspn(p, "0123456789");
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '+' || *p == '-';
        if (!is_digit(*p))
            return false;
        p += strspn(p, "0123456789");
    }
    return *p == '\0';
}

static int
read_number(struct rp_toml *node, const char *text)
{
    const char *word = text + (*text == '+' || *text == '-');
    bool is_float;

    node->type = RP_TOML_INTEGER;
    if (text[0] == '0' && text[1] != '\0' && strchr("xob", text[1]) != NULL) {
        if (read_based(text, &node->integer) < 0)
            return -1;
        node->number = (double)node->integer;
        return 0;
    }
    if (strcmp(word, "inf") == 0 || strcmp(word, "nan") == 0) {
        node->type = RP_TOML_FLOAT;
        node->number =
            *word == 'i' ? (*text == '-' ? -INFINITY : INFINITY) : (double)NAN;
        return 0;
    }
    if (!is_decimal(text, &is_float))
        return -1;
    node->number = strtod(text, NULL);
    if (is_float) {
        node->type = RP_TOML_FLOAT;
        return 0;
    }
    errno = 0;
    node->integer = strtoll(text, NULL, 10);
    return errno != 0 ? -1 : 0;
}

static bool
is_of_token(char ch)
{
    char lower = ch | 0x20;

    return (lower >= 'a' && lower <= 'z') || is_digit(ch) || ch == '+' ||
           ch == '-' || ch == '_' || ch == '.' || ch == ':';
}

/* A word without quotes: 1979-05-27 07:32:00 is one too. */
static struct rp_str
take_token(struct rp_toml_reader *r)
{
    const char *begin = r->p;

    while (r->p < r->end && is_of_token(*r->p))
        r->p++;
    if (r->p - begin == 10 && is_like(begin, "0000-00-00", 10) &&
        r->end - r->p >= 3 && r->p[0] == ' ' && is_digit(r->p[1]) &&
        is_digit(r->p[2])) {
        r->p++;
        while (r->p < r->end && is_of_token(*r->p))
            r->p++;
    }
    return (struct rp_str){begin, (size_t)(r->p - begin)};
}

static int
read_word(struct rp_toml_reader *r, struct rp_toml *node)
{
    struct rp_str s = take_token(r);
    char text[TOKEN_MAX + 1];

    if (s.n == 0)
        return rp_toml_fail(r, "a value is wanted here");
    node->text = rp_arena_copy(r->arena, s);
    if (node->text.p == NULL)
        return rp_toml_fail(r, "out of memory");
    if (rp_str_eq(s, RP_STR("true")) || rp_str_eq(s, RP_STR("false"))) {
        node->type = RP_TOML_BOOLEAN;
        node->on = s.n == 4;
        return 0;
    }
    if (is_moment(s)) {
        node->type = RP_TOML_TIME;
        return 0;
    }
    if (s.n > TOKEN_MAX || take_underscores(s, text) == 0 ||
        read_number(node, text) < 0)
        return rp_toml_fail(r, is_digit(*s.p) || *s.p == '-' || *s.p == '+'
                                   ? "this is no number; text has quotes"
                                   : "this is no value; text has quotes");
    return 0;
}

/* ---- Arrays and tables in a line ---- */

static int
read_array(struct rp_toml_reader *r, struct rp_toml *array)
{
    r->p++;
    for (;;) {
        if (rp_toml_skip_lines(r) < 0)
            return -1;
        if (r->p < r->end && *r->p == ']')
            break;
        struct rp_toml *value = rp_toml_value(r);
        if (value == NULL || rp_toml_add(r, array, value) < 0 ||
            rp_toml_skip_lines(r) < 0)
            return -1;
        if (r->p < r->end && *r->p == ',')
            r->p++;
        else if (r->p == r->end || *r->p != ']')
            return rp_toml_fail(r, "a ',' or a ']' is wanted here");
    }
    r->p++;
    return 0;
}

/* Dotted keys add to tables only as long as the braces are open. */
static void
close_tables(struct rp_toml *table)
{
    table->how = RP_TOML_CLOSED;
    for (struct rp_toml *t = table->first; t != NULL; t = t->next)
        if (t->type == RP_TOML_TABLE)
            close_tables(t);
}

static int
read_table(struct rp_toml_reader *r, struct rp_toml *table)
{
    r->p++;
    rp_toml_skip(r);
    if (r->p < r->end && *r->p == '}') {
        r->p++;
        return 0;
    }
    for (;;) {
        if (rp_toml_pair(r, table) < 0)
            return -1;
        rp_toml_skip(r);
        char ch = r->p < r->end ? *r->p : '\0';
        if (ch != ',' && ch != '}')
            return rp_toml_fail(r, "a ',' or a '}' is wanted here");
        r->p++;
        if (ch == '}')
            break;
        rp_toml_skip(r);
    }
    close_tables(table);
    return 0;
}

struct rp_toml *
rp_toml_value(struct rp_toml_reader *r)
{
    struct rp_toml *node = rp_toml_node(r, RP_TOML_STRING);
    char ch = r->p < r->end ? *r->p : '\n';
    int rc;

    if (node == NULL)
        return NULL;
    if (r->depth == RP_TOML_DEPTH) {
        rp_toml_fail(r, "this is nested too deeply");
        return NULL;
    }
    r->depth++;
    if (ch == '"' || ch == '\'') {
        rc = rp_toml_string(r, true, &node->text);
    } else if (ch == '[') {
        node->type = RP_TOML_ARRAY;
        rc = read_array(r, node);
    } else if (ch == '{') {
        node->type = RP_TOML_TABLE;
        rc = read_table(r, node);
    } else {
        rc = read_word(r, node);
    }
    r->depth--;
    return rc < 0 ? NULL : node;
}
