#include "rupy/serve/completion.h"

/* What a value is, as far as a shell can tell. */
enum kind { NOTHING, ANYTHING, CHOICE, FILES, FOLDERS };

static enum kind
kind_of(const struct rp_option *o)
{
    if (o->choices != NULL || strcmp(o->name, "completion") == 0)
        return CHOICE;
    if (o->type == RP_OPTION_FLAG || o->arg[0] == '\0' || o->arg[0] == '[')
        return NOTHING;
    if (strcmp(o->arg, "FILE") == 0 || strcmp(o->arg, "PATH") == 0)
        return FILES;
    return strcmp(o->arg, "DIR") == 0 ? FOLDERS : ANYTHING;
}

/* --no-NAME is one too. */
static bool
has_negative(const struct rp_option *o)
{
    return o->type == RP_OPTION_FLAG || o->type == RP_OPTION_LOGFILE;
}

static const char *
choices_of(const struct rp_option *o)
{
    return o->choices != NULL ? o->choices : "bash zsh fish";
}

/* text inside of single quotes, with a backslash before what is special; quote
 * is how the shell has a quote there. */
static void
put_quoted(FILE *out, const char *text, const char *special, const char *quote)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputs(quote, out);
            continue;
        }
        if (strchr(special, *text) != NULL)
            fputc('\\', out);
        fputc(*text, out);
    }
}

/* ---- bash ---- */

/* "--a|--b|-c)" of all that take such a value. */
static void
bash_case(FILE *out, enum kind kind, const char *action)
{
    bool is_first = true;

    for (unsigned i = 0; i < rp_option_count(); i++) {
        const struct rp_option *o = rp_option_at(i);
        if (kind_of(o) != kind)
            continue;
        fprintf(out, "%s--%s", is_first ? "    " : "|", o->name);
        if (o->letter != 0)
            fprintf(out, "|-%c", o->letter);
        is_first = false;
    }
    if (!is_first)
        fprintf(out, ") %s; return;;\n", action);
}

static void
print_bash(FILE *out)
{
    fputs("_rupy_serve() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} "
          "prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    COMPREPLY=()\n"
          "    case $prev in\n",
          out);
    for (unsigned i = 0; i < rp_option_count(); i++) {
        const struct rp_option *o = rp_option_at(i);
        if (kind_of(o) == CHOICE)
            fprintf(out,
                    "    --%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); "
                    "return;;\n",
                    o->name, choices_of(o));
    }
    bash_case(out, FILES, "COMPREPLY=($(compgen -f -- \"$cur\"))");
    bash_case(out, FOLDERS, "COMPREPLY=($(compgen -d -- \"$cur\"))");
    bash_case(out, ANYTHING, ":");
    fputs("    esac\n    if [[ $cur == -* ]]; then\n"
          "        COMPREPLY=($(compgen -W '",
          out);
    for (unsigned i = 0; i < rp_option_count(); i++) {
        const struct rp_option *o = rp_option_at(i);
        fprintf(out, "%s--%s", i > 0 ? " " : "", o->name);
        if (has_negative(o))
            fprintf(out, " --no-%s", o->name);
    }
    fputs("' -- \"$cur\"))\n"
          "    else\n"
          "        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
          "    fi\n"
          "}\n"
          "complete -o filenames -F _rupy_serve rupy-serve\n",
          out);
}

/* ---- zsh ---- */

/* word: "--name", "-n" or "--no-name". */
static void
zsh_option(FILE *out, const struct rp_option *o, const char *word)
{
    static const char *const actions[] = {
        [ANYTHING] = " ", [FILES] = "_files", [FOLDERS] = "_files -/"};
    enum kind kind = kind_of(o);

    fprintf(out, " \\\n  '*%s[", word);
    put_quoted(out, o->help, "[]\\:", "'\\''");
    fputc(']', out);
    if (kind == CHOICE)
        fprintf(out, ":value:(%s)", choices_of(o));
    else if (kind != NOTHING) {
        fputc(':', out);
        put_quoted(out, o->arg, "[]\\:", "'\\''");
        fprintf(out, ":%s", actions[kind]);
    }
    fputc('\'', out);
}

static void
print_zsh(FILE *out)
{
    char word[80];

    fputs("#compdef rupy-serve\n_arguments", out);
    for (unsigned i = 0; i < rp_option_count(); i++) {
        const struct rp_option *o = rp_option_at(i);
        snprintf(word, sizeof(word), "--%s%s", o->name,
                 kind_of(o) == NOTHING ? "" : "=");
        zsh_option(out, o, word);
        if (o->letter != 0) {
            snprintf(word, sizeof(word), "-%c%s", o->letter,
                     kind_of(o) == NOTHING ? "" : "+");
            zsh_option(out, o, word);
        }
        if (has_negative(o)) {
            snprintf(word, sizeof(word), "--no-%s", o->name);
            zsh_option(out, o, word);
        }
    }
    fputs(" \\\n  '*:application:_files'\n", out);
}

/* ---- fish ---- */

static void
print_fish(FILE *out)
{
    for (unsigned i = 0; i < rp_option_count(); i++) {
        const struct rp_option *o = rp_option_at(i);
        enum kind kind = kind_of(o);

        fprintf(out, "complete -c rupy-serve -l %s", o->name);
        if (o->letter != 0)
            fprintf(out, " -s %c", o->letter);
        if (kind == FILES)
            fputs(" -r -F", out);
        else if (kind == FOLDERS)
            fputs(" -x -a '(__fish_complete_directories)'", out);
        else if (kind == CHOICE)
            fprintf(out, " -x -a '%s'", choices_of(o));
        else if (kind == ANYTHING)
            fputs(" -x", out);
        fputs(" -d '", out);
        put_quoted(out, o->help, "\\", "\\'");
        fputs("'\n", out);
        if (has_negative(o))
            fprintf(out, "complete -c rupy-serve -l no-%s\n", o->name);
    }
}

void
rp_completion_print(FILE *out, enum rp_action shell)
{
    if (shell == RP_ACTION_BASH)
        print_bash(out);
    else if (shell == RP_ACTION_ZSH)
        print_zsh(out);
    else
        print_fish(out);
}
