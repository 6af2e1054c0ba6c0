/* envfile.c -- --chdir, --env and --env-file: what the application finds. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rupy/serve/config.h"

enum { FILE_MAX = 1 << 20, LINE_LENGTH = 64 << 10 };

static bool
is_name(struct rp_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char lower = s.p[i] | 0x20;
        bool is_digit = s.p[i] >= '0' && s.p[i] <= '9';
        if (!(lower >= 'a' && lower <= 'z') && s.p[i] != '_' &&
            !(i > 0 && (is_digit || s.p[i] == '.' || s.p[i] == '-')))
            return false;
    }
    return s.n > 0;
}

/* What stands between quotes; in double quotes \n, \t, \r, \", \\ and \$ are
 * known.  Written over itself.  Return what is behind the quote, or NULL when
 * it is left open. */
static char *
unquote(char *p)
{
    char quote = *p, *to = p++;

    while (*p != quote) {
        if (*p == '\0')
            return NULL;
        if (quote == '"' && *p == '\\' && p[1] != '\0') {
            static const char from[] = "ntr\"\\$", becomes[] = "\n\t\r\"\\$";
            const char *known = strchr(from, p[1]);
            if (known != NULL) {
                *to++ = becomes[known - from];
                p += 2;
                continue;
            }
        }
        *to++ = *p++;
    }
    *to = '\0';
    return p + 1;
}

/* A value without quotes ends before " #" and trailing blanks. */
static void
cut_comment(char *p)
{
    size_t n = strlen(p);

    for (size_t i = 0; i < n; i++)
        if (p[i] == '#' && (i == 0 || p[i - 1] == ' ' || p[i - 1] == '\t'))
            n = i;
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
        n--;
    p[n] = '\0';
}

/* NULL when the line is understood, and then "KEY=VALUE" is in pairs unless
 * it is blank or a comment; else what is wrong with it. */
static const char *
parse_line(struct rp_config *c, char *line, struct rp_strs *pairs)
{
    struct rp_str s = rp_str_trim((struct rp_str){line, strcspn(line, "\r\n")});

    if (s.n == 0 || s.p[0] == '#')
        return NULL;
    if (rp_str_has_prefix(s, RP_STR("export "))) {
        s.p += 7;
        s.n -= 7;
    }
    char *equals = memchr(s.p, '=', s.n);
    if (equals == NULL)
        return "no '=' in it";
    line[s.p + s.n - line] = '\0';
    struct rp_str key =
        rp_str_trim((struct rp_str){s.p, (size_t)(equals - s.p)});
    if (!is_name(key))
        return "the name of the variable is not one";
    char *value = equals + 1 + strspn(equals + 1, " \t");
    if (*value == '\'' || *value == '"') {
        char *rest = unquote(value);
        if (rest == NULL)
            return "a quote is not closed";
        rest += strspn(rest, " \t");
        if (*rest != '\0' && *rest != '#')
            return "something stands behind the closing quote";
    } else {
        cut_comment(value);
    }
    size_t n = key.n + 1 + strlen(value);
    char *pair = rp_arena_alloc(&c->arena, n + 1);
    if (pair == NULL)
        return "out of memory";
    snprintf(pair, n + 1, "%.*s=%s", RP_STR_ARG(key), value);
    return rp_strs_add(pairs, &c->arena, (struct rp_str){pair, n}) < 0
               ? "out of memory"
               : NULL;
}

static int
read_file(struct rp_config *c, const char *path, struct rp_strs *pairs)
{
    FILE *f = fopen(path, "re");
    char *line = malloc(LINE_LENGTH);
    const char *why = NULL;
    int number = 0, r = 0;

    if (f == NULL || line == NULL) {
        r = rp_config_fail(c, "--env-file: %s: %s", path, strerror(errno));
        goto out;
    }
    while (why == NULL && fgets(line, LINE_LENGTH, f) != NULL) {
        number++;
        if (strlen(line) == LINE_LENGTH - 1)
            why = "the line is too long";
        else if (ftell(f) > FILE_MAX)
            why = "the file is too long";
        else
            why = parse_line(c, line, pairs);
    }
    if (why != NULL)
        r = rp_config_fail(c, "--env-file: %s:%d: %s", path, number, why);
    else if (ferror(f))
        r = rp_config_fail(c, "--env-file: %s: %s", path, strerror(errno));

out:
    free(line);
    if (f != NULL)
        fclose(f);
    return r;
}

static int
set_pair(struct rp_config *c, const char *pair, int overwrite)
{
    size_t n = strcspn(pair, "=");
    struct rp_str key = rp_arena_copy(&c->arena, (struct rp_str){pair, n + 1});

    if (key.p == NULL)
        return rp_config_fail(c, "out of memory");
    ((char *)(uintptr_t)key.p)[n] = '\0';
    if (!overwrite && getenv(key.p) != NULL)
        return 0;
    if (setenv(key.p, pair + n + 1, 1) < 0)
        return rp_config_fail(c, "--env: %s: %s", key.p, strerror(errno));
    return rp_strs_add(&c->env_done, &c->arena, (struct rp_str){pair, n}) < 0
               ? rp_config_fail(c, "out of memory")
               : 0;
}

/* What was there before --env and --env-file. */
static void
undo(const struct rp_strs *names, char *const *first)
{
    for (size_t i = 0; i < names->n; i++) {
        size_t n = strlen(names->v[i]);
        char *const *e = first;
        while (*e != NULL &&
               (strncmp(*e, names->v[i], n) != 0 || (*e)[n] != '='))
            e++;
        if (*e == NULL)
            unsetenv(names->v[i]);
        else
            setenv(names->v[i], *e + n + 1, 1);
    }
}

/* The name of the current folder; by PWD it may lead over a symbolic link,
 * which is another folder when the next version is there.  NULL: it has none. */
static const char *
find_folder(char *out, size_t n)
{
    const char *pwd = getenv("PWD");
    struct stat here, there;

    if (pwd != NULL && pwd[0] == '/' && stat(".", &here) == 0 &&
        stat(pwd, &there) == 0 && here.st_dev == there.st_dev &&
        here.st_ino == there.st_ino)
        return pwd;
    return getcwd(out, n);
}

int
rp_config_enter(struct rp_config *c)
{
    char own[PATH_MAX];
    const char *folder = find_folder(own, sizeof(own));

    if (folder != NULL)
        c->folder = rp_arena_copy(&c->arena,
                                  (struct rp_str){folder, strlen(folder) + 1})
                        .p;
    if (c->chdir != NULL && chdir(c->chdir) < 0)
        return rp_config_fail(c, "--chdir: %s: %s", c->chdir, strerror(errno));
    return rp_config_set_env(c, NULL, NULL);
}

int
rp_config_set_env(struct rp_config *c, const struct rp_config *before,
                  char *const *first)
{
    struct rp_strs pairs = {0};

    for (size_t i = 0; i < c->env_files.n; i++)
        if (read_file(c, c->env_files.v[i], &pairs) < 0)
            return -1;
    if (before != NULL)
        undo(&before->env_done, first);
    for (size_t i = 0; i < c->env.n; i++)
        if (set_pair(c, c->env.v[i], 1) < 0)
            return -1;
    /* The last word on a name counts, so it comes first and the others find
     * it set already. */
    for (size_t i = pairs.n; i > 0; i--)
        if (set_pair(c, pairs.v[i - 1], 0) < 0)
            return -1;
    return 0;
}
