/* toml.c -- TOML 1.0, the lines of it: headers, keys, comments.
 *
 * Own, since the master links nothing that it does not need, and since an
 * operator is owed the line that is wrong. */
#include "rupy/serve/toml.h"

#include "rupy/base/utf8.h"

#include "toml_read.h"

int
rp_toml_fail(struct rp_toml_reader *r, const char *why)
{
    if (r->why == NULL)
        r->why = why;
    return -1;
}

struct rp_toml *
rp_toml_node(struct rp_toml_reader *r, enum rp_toml_type type)
{
    struct rp_toml *node = rp_arena_alloc(r->arena, sizeof(*node));

    if (node == NULL) {
        rp_toml_fail(r, "there is too much in this file");
        return NULL;
    }
    *node = (struct rp_toml){.type = type, .line = r->line};
    return node;
}

int
rp_toml_add(struct rp_toml_reader *r, struct rp_toml *to, struct rp_toml *node)
{
    if (to->n == RP_TOML_MEMBERS)
        return rp_toml_fail(r, "there are too many members");
    if (to->last != NULL)
        to->last->next = node;
    else
        to->first = node;
    to->last = node;
    to->n++;
    return 0;
}

struct rp_toml *
rp_toml_get(const struct rp_toml *table, struct rp_str key)
{
    for (struct rp_toml *t = table->first; t != NULL; t = t->next)
        if (rp_str_eq(t->key, key))
            return t;
    return NULL;
}

const char *
rp_toml_type_name(enum rp_toml_type type)
{
    switch (type) {
    case RP_TOML_STRING:
        return "a string";
    case RP_TOML_INTEGER:
        return "an integer";
    case RP_TOML_FLOAT:
        return "a float";
    case RP_TOML_BOOLEAN:
        return "a boolean";
    case RP_TOML_TIME:
        return "a date or time";
    case RP_TOML_ARRAY:
        return "an array";
    case RP_TOML_TABLE:
        return "a table";
    }
    return "";
}

/* ---- Blanks ---- */

void
rp_toml_skip(struct rp_toml_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'))
        r->p++;
}

static int
skip_comment(struct rp_toml_reader *r)
{
    for (; r->p < r->end && *r->p != '\n'; r->p++) {
        unsigned char ch = (unsigned char)*r->p;
        bool is_cr = ch == '\r' && r->p + 1 < r->end && r->p[1] == '\n';
        if ((ch < 0x20 && ch != '\t' && !is_cr) || ch == 0x7f)
            return rp_toml_fail(r, "a control character in a comment");
    }
    return 0;
}

/* 1 when there was an end of line or of the text, else 0; -1. */
static int
end_line(struct rp_toml_reader *r)
{
    rp_toml_skip(r);
    if (r->p < r->end && *r->p == '#' && skip_comment(r) < 0)
        return -1;
    if (r->p == r->end)
        return 1;
    if (*r->p == '\r' && r->p + 1 < r->end && r->p[1] == '\n')
        r->p++;
    if (*r->p != '\n')
        return 0;
    r->p++;
    r->line++;
    return 1;
}

int
rp_toml_skip_lines(struct rp_toml_reader *r)
{
    int got;

    while ((got = end_line(r)) > 0 && r->p < r->end)
        ;
    return got < 0 ? -1 : 0;
}

/* ---- Keys ---- */

static bool
is_bare(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
           (ch >= '0' && ch <= '9') || ch == '_' || ch == '-';
}

int
rp_toml_key(struct rp_toml_reader *r, struct rp_str *key)
{
    if (r->p < r->end && (*r->p == '"' || *r->p == '\''))
        return rp_toml_string(r, false, key);
    key->p = r->p;
    while (r->p < r->end && is_bare(*r->p))
        r->p++;
    key->n = (size_t)(r->p - key->p);
    if (key->n == 0)
        return rp_toml_fail(r, "a key is wanted here");
    /* The text is only lent. */
    *key = rp_arena_copy(r->arena, *key);
    return key->p == NULL ? rp_toml_fail(r, "out of memory") : 0;
}

static bool
skip_char(struct rp_toml_reader *r, char ch)
{
    if (r->p == r->end || *r->p != ch)
        return false;
    r->p++;
    return true;
}

/* The table of that name in another, made when it is not there. */
static struct rp_toml *
step_into(struct rp_toml_reader *r, struct rp_toml *table, struct rp_str key,
          enum rp_toml_how how)
{
    struct rp_toml *t = rp_toml_get(table, key);

    if (t == NULL) {
        t = rp_toml_node(r, RP_TOML_TABLE);
        if (t == NULL)
            return NULL;
        t->key = key;
        t->how = (unsigned char)how;
        return rp_toml_add(r, table, t) < 0 ? NULL : t;
    }
    /* Dotted keys add to what dotted keys have made. */
    if (how == RP_TOML_DOTTED && t->how != RP_TOML_DOTTED) {
        rp_toml_fail(r, "this table was written elsewhere");
        return NULL;
    }
    if (t->how == RP_TOML_REPEATS)
        return t->last;
    if (t->type != RP_TOML_TABLE || t->how == RP_TOML_CLOSED) {
        rp_toml_fail(r, "a part of this key has a value already");
        return NULL;
    }
    return t;
}

int
rp_toml_pair(struct rp_toml_reader *r, struct rp_toml *table)
{
    struct rp_str key;

    for (unsigned depth = 0;; depth++) {
        if (rp_toml_key(r, &key) < 0)
            return -1;
        rp_toml_skip(r);
        if (!skip_char(r, '.'))
            break;
        if (depth == RP_TOML_DEPTH)
            return rp_toml_fail(r, "this is nested too deeply");
        table = step_into(r, table, key, RP_TOML_DOTTED);
        if (table == NULL)
            return -1;
        rp_toml_skip(r);
    }
    if (!skip_char(r, '='))
        return rp_toml_fail(r, "a '=' is wanted behind the key");
    if (rp_toml_get(table, key) != NULL)
        return rp_toml_fail(r, "this key has a value already");
    rp_toml_skip(r);
    struct rp_toml *value = rp_toml_value(r);
    if (value == NULL)
        return -1;
    value->key = key;
    return rp_toml_add(r, table, value);
}

/* ---- Headers ---- */

/* [key], where the last word on the way is `key`. */
static struct rp_toml *
open_table(struct rp_toml_reader *r, struct rp_toml *in, struct rp_str key)
{
    struct rp_toml *t = rp_toml_get(in, key);

    if (t == NULL)
        return step_into(r, in, key, RP_TOML_HEADER);
    if (t->type != RP_TOML_TABLE || t->how != RP_TOML_PASSED) {
        rp_toml_fail(r, "this table was written already");
        return NULL;
    }
    t->how = RP_TOML_HEADER;
    return t;
}

/* [[key]] */
static struct rp_toml *
open_member(struct rp_toml_reader *r, struct rp_toml *in, struct rp_str key)
{
    struct rp_toml *array = rp_toml_get(in, key), *t;

    if (array == NULL) {
        array = rp_toml_node(r, RP_TOML_ARRAY);
        if (array == NULL)
            return NULL;
        array->key = key;
        array->how = RP_TOML_REPEATS;
        if (rp_toml_add(r, in, array) < 0)
            return NULL;
    } else if (array->how != RP_TOML_REPEATS) {
        rp_toml_fail(r, "this key has a value already");
        return NULL;
    }
    t = rp_toml_node(r, RP_TOML_TABLE);
    if (t == NULL)
        return NULL;
    t->how = RP_TOML_HEADER;
    return rp_toml_add(r, array, t) < 0 ? NULL : t;
}

/* The table that the lines below this header belong to; NULL and r->why. */
static struct rp_toml *
header(struct rp_toml_reader *r, struct rp_toml *table)
{
    bool repeats;
    struct rp_str key;

    r->p++;
    repeats = skip_char(r, '[');
    for (unsigned depth = 0;; depth++) {
        rp_toml_skip(r);
        if (rp_toml_key(r, &key) < 0)
            return NULL;
        rp_toml_skip(r);
        if (!skip_char(r, '.'))
            break;
        if (depth == RP_TOML_DEPTH) {
            rp_toml_fail(r, "this is nested too deeply");
            return NULL;
        }
        table = step_into(r, table, key, RP_TOML_PASSED);
        if (table == NULL)
            return NULL;
    }
    if (!skip_char(r, ']') || (repeats && !skip_char(r, ']'))) {
        rp_toml_fail(r, "a ']' is wanted behind the key");
        return NULL;
    }
    return repeats ? open_member(r, table, key) : open_table(r, table, key);
}

/* ---- The whole ---- */

static int
read_lines(struct rp_toml_reader *r, struct rp_toml *root)
{
    struct rp_toml *table = root;
    int ended;

    for (;;) {
        if (rp_toml_skip_lines(r) < 0)
            return -1;
        if (r->p == r->end)
            return 0;
        if (*r->p == '[')
            table = header(r, root);
        else if (rp_toml_pair(r, table) < 0)
            return -1;
        if (table == NULL || (ended = end_line(r)) < 0)
            return -1;
        if (ended == 0)
            return rp_toml_fail(r, "the line should end here");
    }
}

struct rp_toml *
rp_toml_read(struct rp_arena *a, struct rp_str text, unsigned *line,
             const char **why)
{
    struct rp_toml_reader r = {
        .arena = a, .p = text.p, .end = text.p + text.n, .line = 1};
    struct rp_toml *root = rp_toml_node(&r, RP_TOML_TABLE);

    if (!rp_utf8_is_valid(text)) {
        *line = 0;
        *why = "it is not UTF-8";
        return NULL;
    }
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
        r.p += 3;
    if (root == NULL || read_lines(&r, root) < 0) {
        *line = r.line;
        *why = r.why;
        return NULL;
    }
    return root;
}
