/* configfile.c -- options from a file: of TOML, or of Python made TOML. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rupy/base/buf.h"
#include "rupy/serve/config.h"
#include "rupy/serve/pyfile.h"
#include "rupy/serve/toml.h"

enum { FILE_MAX = 1 << 20, TREE_MAX = 8 << 20, PYTHON_MAX = 4 << 20 };

#define FOUND_FILE "rupy-serve.toml"
#define PROJECT_FILE "pyproject.toml"

static struct rp_str
as_str(const char *text)
{
    return (struct rp_str){text, strlen(text)};
}

/* ---- One option ---- */

/* What stands in front of errors about t, and of the value that set o. */
struct place {
    const struct rp_option *o;
    char label[256];
};

void
rp_config_place(const struct rp_config *c, unsigned line, char *out, size_t n)
{
    if (line > 0)
        snprintf(out, n, "%s:%u", c->file, line);
    else
        snprintf(out, n, "%s", c->file);
}

static void
set_label(struct place *at, const struct rp_config *c, unsigned line)
{
    char where[sizeof(at->label) - 64];

    rp_config_place(c, line, where, sizeof(where));
    snprintf(at->label, sizeof(at->label), "%s: %s", where, at->o->name);
}

static int
wrong_type(struct rp_config *c, const struct place *at, const char *wanted,
           const struct rp_toml *t)
{
    return rp_config_fail(c, "%s: %s is wanted, not %s", at->label, wanted,
                          rp_toml_type_name(t->type));
}

static int
set(struct rp_config *c, const struct place *at, struct rp_str value)
{
    return rp_config_set_option(c, at->o, value, RP_SOURCE_FILE, at->label);
}

/* A number, as the command line would have it. */
static int
set_number(struct rp_config *c, const struct place *at, const struct rp_toml *t)
{
    char text[64];
    int n;

    if (t->type == RP_TOML_FLOAT && !(t->number > -1e9 && t->number < 1e9))
        return rp_config_fail(c, "%s: %.*s is out of range", at->label,
                              RP_STR_ARG(t->text));
    n = t->type == RP_TOML_INTEGER
            ? snprintf(text, sizeof(text),
                       at->o->type == RP_OPTION_MODE ? "%llo" : "%lld",
                       (long long)t->integer)
            : snprintf(text, sizeof(text), "%.6f", t->number);
    return set(c, at, (struct rp_str){text, (size_t)n});
}

static int
set_list(struct rp_config *c, const struct place *at, const struct rp_toml *t)
{
    if (t->type == RP_TOML_STRING)
        return set(c, at, t->text);
    if (t->type != RP_TOML_ARRAY)
        return wrong_type(c, at,
                          at->o->join != NULL ? "an array of strings or a table"
                                              : "an array of strings",
                          t);
    if (t->n == 0)
        return rp_config_fail(c, "%s: the array is empty; leave it out",
                              at->label);
    for (const struct rp_toml *m = t->first; m != NULL; m = m->next) {
        if (m->type != RP_TOML_STRING)
            return wrong_type(c, at, "a string", m);
        if (set(c, at, m->text) < 0)
            return -1;
    }
    return 0;
}

/* [env] NAME = "value" */
static int
set_table(struct rp_config *c, const struct place *at, const struct rp_toml *t)
{
    struct rp_buf b;
    int r = 0;

    for (const struct rp_toml *m = t->first; m != NULL && r == 0; m = m->next) {
        struct place in = {.o = at->o};
        set_label(&in, c, m->line);
        if (m->type == RP_TOML_ARRAY || m->type == RP_TOML_TABLE)
            return wrong_type(c, &in, "a string", m);
        rp_buf_init(&b, 0);
        if (rp_buf_add_str(&b, m->key) < 0 ||
            rp_buf_add_str(&b, as_str(at->o->join)) < 0 ||
            rp_buf_add_str(&b, m->text) < 0)
            r = rp_config_fail(c, "out of memory");
        else
            r = set(c, &in, (struct rp_str){b.p, b.n});
        rp_buf_fini(&b);
    }
    return r;
}

/* Bits of the types of TOML. */
enum {
    TEXT = 1 << RP_TOML_STRING,
    INT = 1 << RP_TOML_INTEGER,
    NUMBER = INT | 1 << RP_TOML_FLOAT,
    BOOL = 1 << RP_TOML_BOOLEAN,
};

/* What an option that is one value takes in a file. */
static const struct {
    unsigned types;
    const char *wanted;
} takes[] = {
    [RP_OPTION_FLAG] = {BOOL, "true or false"},
    [RP_OPTION_LOGFILE] = {TEXT | BOOL, "a string, true or false"},
    [RP_OPTION_STRING] = {TEXT, "a string"},
    [RP_OPTION_ENUM] = {TEXT, "a string"},
    [RP_OPTION_INTEGER] = {INT, "an integer"},
    [RP_OPTION_WORKERS] = {INT | TEXT, "an integer or \"auto\""},
    [RP_OPTION_DURATION] = {NUMBER | TEXT, "a number of seconds or a string "
                                           "such as \"30s\""},
    [RP_OPTION_FRACTION] = {NUMBER, "a number from 0 to 1"},
    [RP_OPTION_SIZE] = {INT | TEXT, "an integer or a string such as \"64k\""},
    [RP_OPTION_MODE] = {INT | TEXT, "a string such as \"0660\""},
};

static int
set_by_type(struct rp_config *c, const struct place *at,
            const struct rp_toml *t)
{
    enum rp_option_type type = at->o->type;
    unsigned bit = 1u << t->type;

    if (type == RP_OPTION_ACTION)
        return rp_config_fail(c, "%s is for the command line only", at->label);
    if (type == RP_OPTION_LIST || type == RP_OPTION_ADDRESSES)
        return t->type == RP_TOML_TABLE && at->o->join != NULL
                   ? set_table(c, at, t)
                   : set_list(c, at, t);
    if (!(takes[type].types & bit))
        return wrong_type(c, at, takes[type].wanted, t);
    return bit & NUMBER ? set_number(c, at, t) : set(c, at, t->text);
}

static int
unknown(struct rp_config *c, const struct rp_toml *t)
{
    const char *near = rp_option_suggest(t->key);
    char where[256];

    rp_config_place(c, t->line, where, sizeof(where));
    return rp_config_fail(c, "%s: there is no option %.*s%s%s%s", where,
                          RP_STR_ARG(t->key),
                          near != NULL ? "; did you mean " : "",
                          near != NULL ? near : "", near != NULL ? "?" : "");
}

static int
set_key(struct rp_config *c, const struct rp_toml *t, bool *seen)
{
    struct place at = {.o = rp_option_find(t->key)};
    unsigned i;

    if (at.o == NULL)
        return unknown(c, t);
    i = rp_option_index(at.o);
    set_label(&at, c, t->line);
    if (seen[i])
        return rp_config_fail(c, "%s is there under another name already",
                              at.label);
    seen[i] = true;
    if (strcmp(at.o->name, "config") == 0)
        return rp_config_fail(c, "%s cannot name another file", at.label);
    if (set_by_type(c, &at, t) < 0)
        return -1;
    if (c->sources[i] == RP_SOURCE_FILE)
        c->lines[i] = t->line;
    return 0;
}

/* ---- The file ---- */

/* 0 and its bytes, 1 when it is not there, or -1 with c->error. */
static int
read_file(struct rp_config *c, const char *path, struct rp_buf *b)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    ssize_t n = 0;
    int r = 0;

    if (fd < 0 && errno == ENOENT)
        return 1;
    if (fd < 0 || fstat(fd, &st) < 0)
        r = rp_config_fail(c, "%s: %s", path, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        r = rp_config_fail(c, "%s: it is a folder", path);
    while (r == 0 && (r = rp_buf_reserve(b, 4096)) == 0 &&
           (n = read(fd, b->p + b->n, 4096)) > 0)
        b->n += (size_t)n;
    if (r < 0 && c->error[0] == '\0')
        rp_config_fail(c, "%s: it is longer than %d bytes", path, FILE_MAX);
    else if (r == 0 && n < 0)
        r = rp_config_fail(c, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return r;
}

static bool
has_text(const struct rp_buf *b, const char *text)
{
    return b->n > 0 && memmem(b->p, b->n, text, strlen(text)) != NULL;
}

static const struct rp_toml *
get_table(const struct rp_toml *in, struct rp_str key)
{
    const struct rp_toml *t = in != NULL ? rp_toml_get(in, key) : NULL;

    return t != NULL && t->type == RP_TOML_TABLE ? t : NULL;
}

static int
apply(struct rp_config *c, struct rp_str text, bool is_project)
{
    bool seen[RP_MAX_OPTIONS] = {false};
    const struct rp_toml *table;
    struct rp_arena tree;
    const char *why;
    unsigned line;
    int r = 0;

    rp_arena_init(&tree, TREE_MAX);
    table = rp_toml_read(&tree, text, &line, &why);
    if (table == NULL && line == 0)
        r = rp_config_fail(c, "%s: %s", c->file, why);
    else if (table == NULL)
        r = rp_config_fail(c, "%s:%u: %s", c->file, line, why);
    else if (is_project)
        table =
            get_table(get_table(table, RP_STR("tool")), RP_STR("rupy-serve"));
    if (r == 0 && table == NULL)
        c->file = NULL; /* a project that says nothing to us */
    if (r == 0 && table != NULL)
        for (const struct rp_toml *t = table->first; t && r == 0; t = t->next)
            r = set_key(c, t, seen);
    rp_arena_fini(&tree);
    return r;
}

static bool
is_project(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strcmp(slash != NULL ? slash + 1 : path, PROJECT_FILE) == 0;
}

/* ---- A file in Python ---- */

/* Lines are those of the file, not of what was made of it. */
static void
put_lines(struct rp_toml *options, const struct rp_toml *lines)
{
    for (struct rp_toml *t = options->first; t != NULL; t = t->next) {
        const struct rp_toml *line = lines ? rp_toml_get(lines, t->key) : NULL;
        t->line = line != NULL ? (unsigned)line->integer : 0;
        for (struct rp_toml *m = t->first; m != NULL; m = m->next)
            m->line = t->line;
    }
}

static int
apply_python(struct rp_config *c, struct rp_toml *root)
{
    const struct rp_toml *error = rp_toml_get(root, RP_STR("error"));
    const struct rp_toml *lines = get_table(root, RP_STR("lines"));
    bool seen[RP_MAX_OPTIONS] = {false};
    struct rp_toml *options = NULL;

    if (error != NULL)
        return rp_config_fail(c, "%.*s", RP_STR_ARG(error->text));
    for (struct rp_toml *t = root->first; t != NULL; t = t->next)
        if (rp_str_eq(t->key, RP_STR("options")))
            options = t;
    if (options == NULL)
        return rp_config_fail(c, "%s: nothing was said of it", c->file);
    put_lines(options, lines);
    for (const struct rp_toml *t = options->first; t != NULL; t = t->next)
        if (set_key(c, t, seen) < 0)
            return -1;
    return rp_pyfile_keep(c, root);
}

static int
from_python(struct rp_config *c)
{
    struct rp_arena tree;
    struct rp_toml *root;
    struct rp_buf text;
    const char *why = "";
    unsigned line;
    int r;

    rp_buf_init(&text, PYTHON_MAX);
    rp_arena_init(&tree, TREE_MAX);
    r = rp_pyfile_read(c, &text);
    if (r == 0) {
        root =
            rp_toml_read(&tree, (struct rp_str){text.p, text.n}, &line, &why);
        r = root != NULL ? apply_python(c, root)
                         : rp_config_fail(c, "%s: %s", c->file, why);
    }
    rp_arena_fini(&tree);
    rp_buf_fini(&text);
    return r;
}

/* ---- Which file ---- */

int
rp_config_from_file(struct rp_config *c)
{
    struct rp_buf b;
    int r;

    rp_buf_init(&b, FILE_MAX);
    c->error[0] = '\0';
    c->file = c->config != NULL ? c->config : FOUND_FILE;
    if (rp_pyfile_is(c->file))
        return from_python(c);
    r = read_file(c, c->file, &b);
    if (r == 1 && c->config != NULL) {
        r = rp_config_fail(c, "--config: %s: %s", c->config, strerror(ENOENT));
    } else if (r == 1) {
        c->file = PROJECT_FILE;
        r = read_file(c, c->file, &b);
        /* What others write there may be unfinished; it concerns us only
         * when we are mentioned. */
        if (r == 0 && !has_text(&b, "rupy-serve"))
            r = 1;
    }
    if (r == 0)
        r = apply(c, (struct rp_str){b.p, b.n}, is_project(c->file));
    else if (r == 1)
        c->file = NULL;
    rp_buf_fini(&b);
    return r < 0 ? -1 : 0;
}
