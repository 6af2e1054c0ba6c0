/* print.c -- --print-config: values, and where they come from. */
#include "rupy/serve/config.h"
#include "rupy/serve/value.h"

void
rp_config_source(const struct rp_config *c, const struct rp_option *o,
                 char *out, size_t n)
{
    unsigned i = rp_option_index(o);
    char env[80];

    switch ((enum rp_source)c->sources[i]) {
    case RP_SOURCE_DEFAULT:
        snprintf(out, n, "default");
        return;
    case RP_SOURCE_FILE:
        rp_config_place(c, c->lines[i], out, n);
        return;
    case RP_SOURCE_COMMON_ENV:
        snprintf(out, n, "env %s", o->env);
        return;
    case RP_SOURCE_ENV:
        rp_option_env_name(o, env, sizeof(env));
        snprintf(out, n, "env %s", env);
        return;
    case RP_SOURCE_CMD_ARGS:
        snprintf(out, n, "env RUPY_SERVE_CMD_ARGS");
        return;
    case RP_SOURCE_COMMAND_LINE:
        snprintf(out, n, "command line");
        return;
    case RP_SOURCE_PYTHON:
        snprintf(out, n, "python");
        return;
    }
}

/* A string as both TOML and JSON write it. */
static void
print_string(FILE *out, const char *s)
{
    fputc('"', out);
    for (; *s != '\0'; s++) {
        unsigned char ch = (unsigned char)*s;
        if (ch == '"' || ch == '\\')
            fprintf(out, "\\%c", ch);
        else if (ch < 0x20 || ch == 0x7f)
            fprintf(out, "\\u%04x", ch);
        else
            fputc(ch, out);
    }
    fputc('"', out);
}

static void
print_list(FILE *out, const struct rp_strs *l)
{
    fputc('[', out);
    for (size_t i = 0; i < l->n; i++) {
        fputs(i > 0 ? ", " : "", out);
        print_string(out, l->v[i]);
    }
    fputc(']', out);
}

static void
print_choice(FILE *out, const struct rp_option *o, int index)
{
    const char *p = o->choices;

    for (; index > 0; index--)
        p += strcspn(p, " ") + 1;
    fprintf(out, "\"%.*s\"", (int)strcspn(p, " "), p);
}

/* As text with a unit, in quotes; nothing can fail but memory, and then it is
 * a number. */
static void
print_duration(FILE *out, double seconds)
{
    struct rp_buf b;

    rp_buf_init(&b, 64);
    if (rp_value_add_duration(&b, seconds) == 0)
        fprintf(out, "\"%.*s\"", (int)b.n, b.p);
    else
        fprintf(out, "%g", seconds);
    rp_buf_fini(&b);
}

/* false: the option has no value. */
static bool
has_value(const struct rp_config *c, const struct rp_option *o)
{
    const void *field = (const char *)c + o->offset;

    if (o->type == RP_OPTION_STRING || o->type == RP_OPTION_LOGFILE)
        return *(const char *const *)field != NULL;
    if (o->type == RP_OPTION_INTEGER)
        return *(const int *)field >= (o->min < 0 ? (int)o->min : 0);
    if (o->type == RP_OPTION_MODE)
        return *(const int *)field >= 0;
    return true;
}

static void
print_value(FILE *out, const struct rp_config *c, const struct rp_option *o)
{
    const void *field = (const char *)c + o->offset;

    switch (o->type) {
    case RP_OPTION_FLAG:
        fputs(*(const bool *)field ? "true" : "false", out);
        return;
    case RP_OPTION_STRING:
    case RP_OPTION_LOGFILE:
        if (o->secret) {
            fputs("\"(not shown)\"", out);
            return;
        }
        print_string(out, *(const char *const *)field);
        return;
    case RP_OPTION_LIST:
    case RP_OPTION_ADDRESSES:
        print_list(out, field);
        return;
    case RP_OPTION_WORKERS:
        if (*(const int *)field == 0) {
            fputs("\"auto\"", out);
            return;
        }
        fprintf(out, "%d", *(const int *)field);
        return;
    case RP_OPTION_INTEGER:
        fprintf(out, "%d", *(const int *)field);
        return;
    case RP_OPTION_DURATION:
        print_duration(out, *(const double *)field);
        return;
    case RP_OPTION_FRACTION:
        fprintf(out, "%g", *(const double *)field);
        return;
    case RP_OPTION_SIZE:
        fprintf(out, "%llu",
                o->size == sizeof(uint32_t)
                    ? (unsigned long long)*(const uint32_t *)field
                    : (unsigned long long)*(const uint64_t *)field);
        return;
    case RP_OPTION_ENUM:
        print_choice(out, o, *(const int *)field);
        return;
    case RP_OPTION_MODE:
        fprintf(out, "\"%04o\"", (unsigned)*(const int *)field);
        return;
    case RP_OPTION_ACTION:
        return;
    }
}

static void
print_addresses(FILE *out, const struct rp_config *c)
{
    fputc('[', out);
    for (size_t i = 0; i < c->nbinds; i++) {
        fputs(i > 0 ? ", " : "", out);
        print_string(out, c->binds[i].text);
    }
    fputc(']', out);
}

static void
print_toml(const struct rp_config *c, FILE *out)
{
    char source[512];
    enum rp_option_group group = RP_N_GROUPS;

    for (unsigned i = 0; i < rp_option_count(); i++) {
        const struct rp_option *o = rp_option_at(i);
        if (o->type == RP_OPTION_ACTION)
            continue;
        if (o->group != group) {
            fprintf(out, "%s# %s\n", i > 0 ? "\n" : "",
                    rp_option_group_name(o->group));
            group = o->group;
        }
        rp_config_source(c, o, source, sizeof(source));
        if (!has_value(c, o)) {
            fprintf(out, "# %s is not set  # %s\n", o->name, source);
            continue;
        }
        fprintf(out, "%s = ", o->name);
        print_value(out, c, o);
        fprintf(out, "  # %s\n", source);
    }
    fputs("\n# listens on ", out);
    print_addresses(out, c);
    fprintf(out, " with %d worker%s\n", c->workers, c->workers == 1 ? "" : "s");
}

static void
print_json(const struct rp_config *c, FILE *out)
{
    char source[512];

    fputs("{\n  \"options\": {\n", out);
    for (unsigned i = 0, n = 0; i < rp_option_count(); i++) {
        const struct rp_option *o = rp_option_at(i);
        if (o->type == RP_OPTION_ACTION)
            continue;
        rp_config_source(c, o, source, sizeof(source));
        fprintf(out, "%s    \"%s\": {\"value\": ", n++ > 0 ? ",\n" : "",
                o->name);
        if (has_value(c, o))
            print_value(out, c, o);
        else
            fputs("null", out);
        fputs(", \"source\": ", out);
        print_string(out, source);
        fputc('}', out);
    }
    fputs("\n  },\n  \"addresses\": ", out);
    print_addresses(out, c);
    fprintf(out, ",\n  \"workers\": %d\n}\n", c->workers);
}

void
rp_config_print(const struct rp_config *c, FILE *out, bool json)
{
    if (json)
        print_json(c, out);
    else
        print_toml(c, out);
}
