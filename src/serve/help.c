/* help.c -- the text of --help, made of the table. */
#include <ctype.h>

#include "rupy/serve/options.h"

enum { WIDTH = 79, INDENT = 31 };

/* text in lines that begin at column INDENT; the cursor stands at `column`. */
static void
print_wrapped(FILE *out, const char *text, size_t column)
{
    bool is_first = true;

    while (*text != '\0') {
        size_t n = strcspn(text, " ");
        if (!is_first && column + 1 + n > WIDTH) {
            fprintf(out, "\n%*s", INDENT, "");
            column = INDENT;
            is_first = true;
        }
        fprintf(out, "%s%.*s", is_first ? "" : " ", (int)n, text);
        column += n + !is_first;
        is_first = false;
        text += n + (text[n] == ' ');
    }
    fputc('\n', out);
}

static void
print_option(FILE *out, const struct rp_option *o)
{
    char left[96], right[512];
    const char *value = o->shown != NULL ? o->shown : o->value;
    const char *gap = o->arg[0] == '\0' || o->arg[0] == '[' ? "" : " ";
    bool is_flag = o->type == RP_OPTION_FLAG;
    bool is_on = is_flag && value[0] == 'o' && value[1] == 'n';

    if (strcmp(o->arg, "[GROUP]") == 0 || strcmp(o->arg, "[toml|json]") == 0)
        gap = " ";
    int n = o->letter != 0 ? snprintf(left, sizeof(left), "  -%c, --%s%s%s",
                                      o->letter, o->name, gap, o->arg)
                           : snprintf(left, sizeof(left), "      --%s%s%s%s",
                                      is_on ? "no-" : "", o->name, gap, o->arg);
    if (is_on)
        snprintf(right, sizeof(right), "do not %s", o->help);
    else if (value == NULL || value[0] == '\0' || is_flag)
        snprintf(right, sizeof(right), "%s", o->help);
    else
        snprintf(right, sizeof(right), "%s [%s]", o->help, value);
    fputs(left, out);
    if (n + 2 > INDENT) {
        fputc('\n', out);
        n = 0;
    }
    fprintf(out, "%*s", INDENT - n, "");
    print_wrapped(out, right, INDENT);
}

static void
print_group(FILE *out, enum rp_option_group group)
{
    const char *name = rp_option_group_name(group);

    if (strcmp(name, "http") == 0)
        fputs("\nHTTP:\n", out);
    else
        fprintf(out, "\n%c%s:\n", toupper((unsigned char)name[0]), name + 1);
    for (unsigned i = 0; i < rp_option_count(); i++)
        if (rp_option_at(i)->group == group)
            print_option(out, rp_option_at(i));
}

void
rp_option_help(FILE *out, enum rp_option_group group)
{
    fputs("usage: rupy-serve [option ...] APP\n", out);
    if (group == RP_N_GROUPS)
        fputs("\nAPP is module:attr, module:factory() or "
              "path/to/file.py[:attr].\n",
              out);
    for (int g = 0; g < RP_N_GROUPS; g++)
        if (group == RP_N_GROUPS || group == (enum rp_option_group)g)
            print_group(out, (enum rp_option_group)g);
    fputs("\nDUR is 30, 1.5, 500ms, 30s, 5m, 1h30m; SIZE is 65536, 64k, 10M; "
          "0 or off\nis no limit.  A flag is undone by --no-FLAG.  Options "
          "are also read from\nRUPY_SERVE_<OPTION>, such as "
          "RUPY_SERVE_KEEP_ALIVE=5m.  See rupy-serve(1).\n",
          out);
}
