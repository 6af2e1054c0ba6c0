/* argv.c -- options from the command line and from the environment. */
#include <ctype.h>

#include "rupy/serve/config.h"

static struct rp_str
as_str(const char *text)
{
    return (struct rp_str){text, strlen(text)};
}

/* Words still to be read. */
struct words {
    char *const *v;
    int n, i;
    enum rp_source source;
};

/* The next word when it can be a value: a dash alone may, an option not. */
static const char *
peek_value(const struct words *w)
{
    if (w->i >= w->n || (w->v[w->i][0] == '-' && w->v[w->i][1] != '\0'))
        return NULL;
    return w->v[w->i];
}

/* `--access-log app:app` must not take the application for a file. */
static bool
is_logfile(const char *word)
{
    return word != NULL && (strcmp(word, "-") == 0 || word[0] == '/' ||
                            strncmp(word, "./", 2) == 0);
}

static int
act_print(struct rp_config *c, struct words *w, const struct rp_str *value)
{
    const char *word = peek_value(w);

    c->action = RP_ACTION_PRINT_TOML;
    if (value != NULL && rp_str_eq(*value, RP_STR("json")))
        c->action = RP_ACTION_PRINT_JSON;
    else if (value != NULL && !rp_str_eq(*value, RP_STR("toml")))
        return rp_config_fail(c,
                              "--print-config: '%.*s' is none of: toml "
                              "json",
                              RP_STR_ARG(*value));
    if (value == NULL && word != NULL) {
        bool is_json = strcmp(word, "json") == 0;
        if (is_json)
            c->action = RP_ACTION_PRINT_JSON;
        w->i += is_json || strcmp(word, "toml") == 0;
    }
    return 0;
}

static int
act_help(struct rp_config *c, struct words *w, const struct rp_str *value)
{
    const char *word = peek_value(w);
    int group = -1;

    c->action = RP_ACTION_HELP;
    if (value != NULL) {
        group = rp_option_group_find(*value);
        if (group < 0)
            return rp_config_fail(c,
                                  "--help: '%.*s' is none of: application "
                                  "sockets processes http proxy websocket tls "
                                  "logging modes",
                                  RP_STR_ARG(*value));
    } else if (word != NULL) {
        group = rp_option_group_find(as_str(word));
        w->i += group >= 0;
    }
    if (group >= 0)
        c->help_group = (enum rp_option_group)group;
    return 0;
}

static int
act_completion(struct rp_config *c, struct words *w, const struct rp_str *value)
{
    static const struct {
        struct rp_str shell;
        enum rp_action action;
    } shells[] = {
        {{"bash", 4}, RP_ACTION_BASH},
        {{"zsh", 3}, RP_ACTION_ZSH},
        {{"fish", 4}, RP_ACTION_FISH},
    };
    const char *word = value == NULL ? peek_value(w) : NULL;
    struct rp_str name = value != NULL  ? *value
                         : word != NULL ? as_str(word)
                                        : RP_STR("");

    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
        if (rp_str_eq(name, shells[i].shell)) {
            c->action = shells[i].action;
            w->i += word != NULL;
            return 0;
        }
    return rp_config_fail(c, "--completion: '%.*s' is none of: bash zsh fish",
                          RP_STR_ARG(name));
}

/* value is what stood behind '=', or NULL. */
static int
act(struct rp_config *c, const struct rp_option *o, struct words *w,
    const struct rp_str *value)
{
    if (strcmp(o->name, "help") == 0)
        return act_help(c, w, value);
    if (strcmp(o->name, "print-config") == 0)
        return act_print(c, w, value);
    if (strcmp(o->name, "completion") == 0)
        return act_completion(c, w, value);
    if (value != NULL)
        return rp_config_fail(c, "--%s takes no value", o->name);
    if (strcmp(o->name, "version") == 0)
        c->action = RP_ACTION_VERSION;
    else if (strcmp(o->name, "check-app") == 0)
        c->action = RP_ACTION_CHECK_APP;
    else if (c->action != RP_ACTION_CHECK_APP)
        c->action = RP_ACTION_CHECK;
    return 0;
}

static int
take(struct rp_config *c, const struct rp_option *o, struct words *w,
     const struct rp_str *value, const char *label)
{
    const char *word = peek_value(w);
    struct rp_str v;

    if (o->type == RP_OPTION_ACTION)
        return act(c, o, w, value);
    if (value != NULL) {
        v = *value;
    } else if (o->type == RP_OPTION_FLAG) {
        v = RP_STR("on");
    } else if (o->type == RP_OPTION_LOGFILE && !is_logfile(word)) {
        v = RP_STR("-");
    } else if (word != NULL) {
        v = as_str(word);
        w->i++;
    } else {
        return rp_config_fail(c, "%s needs a value: %s %s%s", label, label,
                              o->arg,
                              w->i < w->n ? " (one that begins with a dash "
                                            "is given with =)"
                                          : "");
    }
    return rp_config_set_option(c, o, v, w->source, label);
}

static int
unknown(struct rp_config *c, struct rp_str name)
{
    bool is_negative = rp_str_has_prefix(name, RP_STR("no-"));
    struct rp_str rest = {name.p + 3 * is_negative, name.n - 3 * is_negative};
    const char *near = rp_option_suggest(name);
    const char *no = "";

    if (near == NULL && is_negative && (near = rp_option_suggest(rest)) != NULL)
        no = "no-";
    if (near != NULL)
        return rp_config_fail(c,
                              "there is no option --%.*s; did you mean "
                              "--%s%s?",
                              RP_STR_ARG(name), no, near);
    return rp_config_fail(c, "there is no option --%.*s; --help lists all",
                          RP_STR_ARG(name));
}

static int
take_long(struct rp_config *c, struct words *w, const char *word)
{
    size_t n = strcspn(word, "=");
    struct rp_str name = {word, n}, value = {NULL, 0}, other;
    const struct rp_option *o = rp_option_find(name);
    char label[64];

    if (word[n] == '=')
        value = as_str(word + n + 1);
    if (o == NULL && (o = rp_option_find_other(name, &other)) != NULL) {
        if (value.p != NULL)
            return rp_config_fail(c, "--%.*s takes no value", RP_STR_ARG(name));
        value = other;
    }
    if (o == NULL && rp_str_has_prefix(name, RP_STR("no-"))) {
        o = rp_option_find((struct rp_str){word + 3, n - 3});
        if (o != NULL && o->type != RP_OPTION_FLAG &&
            o->type != RP_OPTION_LOGFILE)
            return rp_config_fail(c, "--%s has no --no- form", o->name);
        if (o != NULL && value.p != NULL)
            return rp_config_fail(c, "--no-%s takes no value", o->name);
        value = RP_STR("off");
    }
    if (o == NULL)
        return unknown(c, name);
    snprintf(label, sizeof(label), "--%s", o->name);
    return take(c, o, w, value.p != NULL ? &value : NULL, label);
}

static int
take_short(struct rp_config *c, struct words *w, const char *word)
{
    const struct rp_option *o = rp_option_find_letter(word[0]);
    struct rp_str value = as_str(word + 1);
    char label[] = {'-', word[0], '\0'};

    if (o == NULL)
        return rp_config_fail(c, "there is no option -%c; --help lists all",
                              word[0]);
    return take(c, o, w, value.n > 0 ? &value : NULL, label);
}

static int
take_app(struct rp_config *c, const char *word, enum rp_source source)
{
    const struct rp_option *o = rp_option_find(RP_STR("app"));

    if (c->sources[rp_option_index(o)] == source)
        return rp_config_fail(c,
                              "'%s' is one application too many, after "
                              "'%s'",
                              word, c->app);
    return rp_config_set_option(c, o, as_str(word), source, "APP");
}

static int
from_words(struct rp_config *c, struct words *w)
{
    bool is_end = false;

    while (w->i < w->n) {
        const char *word = w->v[w->i++];
        int r = 0;
        if (is_end || word[0] != '-' || word[1] == '\0')
            r = take_app(c, word, w->source);
        else if (strcmp(word, "--") == 0)
            is_end = true;
        else if (word[1] == '-')
            r = take_long(c, w, word + 2);
        else
            r = take_short(c, w, word + 1);
        if (r < 0)
            return -1;
    }
    return 0;
}

static bool
is_blank(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r';
}

int
rp_config_split(struct rp_arena *a, struct rp_str text, struct rp_strs *words)
{
    char *word = rp_arena_alloc(a, text.n + 1);
    size_t i = 0;

    if (word == NULL)
        return -1;
    for (;;) {
        size_t n = 0;
        char quote = 0;
        while (i < text.n && is_blank(text.p[i]))
            i++;
        if (i == text.n)
            return 0;
        for (; i < text.n && (quote != 0 || !is_blank(text.p[i])); i++) {
            char ch = text.p[i];
            if (ch == quote) {
                quote = 0;
            } else if (quote == 0 && (ch == '\'' || ch == '"')) {
                quote = ch;
            } else if (ch == '\\' && quote != '\'' && i + 1 < text.n &&
                       (quote == 0 || text.p[i + 1] == '"' ||
                        text.p[i + 1] == '\\')) {
                word[n++] = text.p[++i];
            } else {
                word[n++] = ch;
            }
        }
        if (quote != 0 || rp_strs_add(words, a, (struct rp_str){word, n}) < 0)
            return -1;
    }
}

static int
from_cmd_args(struct rp_config *c, const char *text)
{
    struct rp_strs words = {0};
    enum rp_action action = c->action;

    if (rp_config_split(&c->arena, as_str(text), &words) < 0)
        return rp_config_fail(c, "RUPY_SERVE_CMD_ARGS: a quote is not closed");
    struct words w = {(char *const *)words.v, (int)words.n, 0,
                      RP_SOURCE_CMD_ARGS};
    if (from_words(c, &w) < 0) {
        char why[sizeof(c->error)];
        memcpy(why, c->error, sizeof(why));
        return rp_config_fail(c, "RUPY_SERVE_CMD_ARGS: %s", why);
    }
    if (action != RP_ACTION_SERVE)
        c->action = action;
    return 0;
}

/* For a service that is called rupy-serve, Kubernetes sets variables such as
 * RUPY_SERVE_PORT=tcp://10.0.0.1:80 and RUPY_SERVE_SERVICE_HOST. */
static bool
is_service_link(struct rp_str name, const char *value)
{
    return strncmp(value, "tcp://", 6) == 0 ||
           rp_str_has_prefix(name, RP_STR("SERVICE_")) ||
           rp_str_has_prefix(name, RP_STR("PORT_"));
}

#define LINK_HINT                                                              \
    "set by Kubernetes for a service of that name? enableServiceLinks: false " \
    "stops it"

/* entry is what stands behind RUPY_SERVE_, up to the value. */
static int
from_variable(struct rp_config *c, struct rp_str name, const char *value)
{
    char lower[64], env[80];
    struct rp_str key = {lower, 0};

    for (; key.n < name.n && key.n < sizeof(lower); key.n++)
        lower[key.n] = (char)tolower((unsigned char)name.p[key.n]);
    const struct rp_option *o = key.n == name.n ? rp_option_find(key) : NULL;
    if (o != NULL && o->type != RP_OPTION_ACTION) {
        rp_option_env_name(o, env, sizeof(env));
        if (strncmp(value, "tcp://", 6) == 0)
            return rp_config_fail(c, "%s=%s: " LINK_HINT, env, value);
        for (const char *p = value;; p++) {
            size_t n = o->type == RP_OPTION_LIST ? strcspn(p, "\n") : strlen(p);
            if (n > 0 && rp_config_set_option(c, o, (struct rp_str){p, n},
                                              RP_SOURCE_ENV, env) < 0)
                return -1;
            p += n;
            if (*p == '\0')
                return 0;
        }
    }
    if (is_service_link(name, value))
        return rp_config_fail(c, "RUPY_SERVE_%.*s is no option: " LINK_HINT,
                              RP_STR_ARG(name));
    const char *near = rp_option_suggest(key);
    if (near == NULL || o != NULL)
        return rp_config_fail(c, "there is no variable RUPY_SERVE_%.*s",
                              RP_STR_ARG(name));
    rp_option_env_name(rp_option_find(as_str(near)), env, sizeof(env));
    return rp_config_fail(c,
                          "there is no variable RUPY_SERVE_%.*s; did you "
                          "mean %s?",
                          RP_STR_ARG(name), env);
}

const char *
rp_env_find(char *const *environ_, const char *name)
{
    size_t n = strlen(name);

    for (; *environ_ != NULL; environ_++)
        if (strncmp(*environ_, name, n) == 0 && (*environ_)[n] == '=' &&
            (*environ_)[n + 1] != '\0')
            return *environ_ + n + 1;
    return NULL;
}

int
rp_config_from_env(struct rp_config *c, char *const *environ_)
{
    static const struct rp_str prefix = {"RUPY_SERVE_", 11};
    const char *cmd_args = rp_env_find(environ_, "RUPY_SERVE_CMD_ARGS");

    for (unsigned i = 0; i < rp_option_count(); i++) {
        const struct rp_option *o = rp_option_at(i);
        const char *value =
            o->env != NULL ? rp_env_find(environ_, o->env) : NULL;
        if (value != NULL &&
            rp_config_set_option(c, o, as_str(value), RP_SOURCE_COMMON_ENV,
                                 o->env) < 0)
            return -1;
    }
    for (char *const *e = environ_; *e != NULL; e++) {
        struct rp_str name = {*e, strcspn(*e, "=")};
        if (!rp_str_has_prefix(name, prefix) || (*e)[name.n] != '=' ||
            (*e)[name.n + 1] == '\0')
            continue;
        name.p += prefix.n;
        name.n -= prefix.n;
        /* BIN names the program itself to those who start it in tests,
         * UPGRADE_ is what a master says to the next one. */
        if (rp_str_eq(name, RP_STR("CMD_ARGS")) ||
            rp_str_eq(name, RP_STR("BIN")) ||
            rp_str_has_prefix(name, RP_STR("UPGRADE_")))
            continue;
        if (from_variable(c, name, name.p + name.n + 1) < 0)
            return -1;
    }
    return cmd_args != NULL ? from_cmd_args(c, cmd_args) : 0;
}

static bool
is_only_asking(const struct rp_config *c)
{
    return c->action == RP_ACTION_HELP || c->action == RP_ACTION_VERSION ||
           c->action == RP_ACTION_BASH || c->action == RP_ACTION_ZSH ||
           c->action == RP_ACTION_FISH;
}

int
rp_config_read(struct rp_config *c, int argc, char *const *argv,
               char *const *environ_)
{
    struct words w = {argv, argc, 1, RP_SOURCE_COMMAND_LINE};

    if (from_words(c, &w) < 0)
        return -1;
    if (is_only_asking(c))
        return 0;
    return rp_config_from_env(c, environ_) < 0 || rp_config_from_file(c) < 0
               ? -1
               : 0;
}

int
rp_config_from_argv(struct rp_config *c, int argc, char *const *argv,
                    char *const *environ_)
{
    if (rp_config_read(c, argc, argv, environ_) < 0)
        return -1;
    if (is_only_asking(c))
        return 0;
    if (rp_config_finish(c) < 0)
        return -1;
    if (c->app == NULL && c->action != RP_ACTION_PRINT_TOML &&
        c->action != RP_ACTION_PRINT_JSON)
        return rp_config_fail(c, "which application? rupy-serve MODULE:NAME, "
                                 "or --help");
    return 0;
}
