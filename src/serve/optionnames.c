/* optionnames.c -- finding a row of the table of options by what it is called,
 * or nearly. */
#include "rupy/serve/options.h"

#include <ctype.h>
#include <stdint.h>

static const char *const group_names[RP_N_GROUPS] = {
    [RP_GROUP_APPLICATION] = "application",
    [RP_GROUP_SOCKETS] = "sockets",
    [RP_GROUP_PROCESSES] = "processes",
    [RP_GROUP_HTTP] = "http",
    [RP_GROUP_PROXY] = "proxy",
    [RP_GROUP_WEBSOCKET] = "websocket",
    [RP_GROUP_TLS] = "tls",
    [RP_GROUP_LOGGING] = "logging",
    [RP_GROUP_MODES] = "modes",
};

const char *
rp_option_group_name(enum rp_option_group g)
{
    return group_names[g];
}

int
rp_option_group_find(struct rp_str name)
{
    for (int g = 0; g < RP_N_GROUPS; g++) {
        struct rp_str s = {group_names[g], strlen(group_names[g])};
        if (rp_str_ieq(s, name))
            return g;
    }
    return -1;
}

/* The next word of a text such as "pid-file pidfile"; {NULL, 0} at the end. */
static struct rp_str
next_word(const char **text)
{
    struct rp_str s = {*text, 0};

    if (s.p == NULL || *s.p == '\0')
        return (struct rp_str){NULL, 0};
    s.n = strcspn(s.p, " ");
    *text = s.p + s.n + (s.p[s.n] == ' ');
    return s;
}

static bool
is_named(struct rp_str name, const char *p, size_t n)
{
    if (name.n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (p[i] != (name.p[i] == '_' ? '-' : name.p[i]))
            return false;
    return true;
}

const struct rp_option *
rp_option_find(struct rp_str name)
{
    for (unsigned i = 0; i < rp_option_count(); i++) {
        const struct rp_option *o = rp_option_at(i);
        if (is_named(name, o->name, strlen(o->name)))
            return o;
        const char *rest = o->aliases;
        for (struct rp_str a; (a = next_word(&rest)).n > 0;)
            if (is_named(name, a.p, a.n))
                return o;
    }
    return NULL;
}

const struct rp_option *
rp_option_find_letter(char letter)
{
    for (unsigned i = 0; i < rp_option_count(); i++)
        if (rp_option_at(i)->letter != 0 && rp_option_at(i)->letter == letter)
            return rp_option_at(i);
    return NULL;
}

const struct rp_option *
rp_option_find_other(struct rp_str flag, struct rp_str *value)
{
    static const struct {
        struct rp_str flag, option, value;
    } others[] = {
        {{"proxy-headers", 13}, {"forwarded", 9}, {"for,proto", 9}},
        {{"no-proxy-headers", 16}, {"forwarded", 9}, {"off", 3}},
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (rp_str_eq(flag, others[i].flag)) {
            *value = others[i].value;
            return rp_option_find(others[i].option);
        }
    return NULL;
}

enum { SUGGEST_MAX = 40 }; /* longer names than this are not guessed at */

/* How many letters must be put in, taken out, changed or swapped with their
 * neighbour to make b of a. */
static unsigned
edit_distance(struct rp_str a, const char *b, size_t bn)
{
    unsigned rows[3][SUGGEST_MAX + 1];
    unsigned *two = rows[0], *one = rows[1], *now = rows[2];

    for (size_t j = 0; j <= bn; j++)
        one[j] = (unsigned)j;
    for (size_t i = 1; i <= a.n; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= bn; j++) {
            unsigned best = one[j - 1] + (a.p[i - 1] != b[j - 1]);
            if (one[j] + 1 < best)
                best = one[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a.p[i - 1] == b[j - 2] &&
                a.p[i - 2] == b[j - 1] && two[j - 2] + 1 < best)
                best = two[j - 2] + 1;
            now[j] = best;
        }
        unsigned *spare = two;
        two = one;
        one = now;
        now = spare;
    }
    return one[bn];
}

/* The beginning of a name is near, whatever is missing behind it. */
static unsigned
distance(struct rp_str name, const char *p, size_t n)
{
    if (n > SUGGEST_MAX)
        return UINT32_MAX;
    if (name.n >= 3 && name.n < n && memcmp(p, name.p, name.n) == 0)
        return 1;
    return edit_distance(name, p, n);
}

const char *
rp_option_suggest(struct rp_str name)
{
    char copy[SUGGEST_MAX];
    const char *found = NULL;
    unsigned best = 3;

    if (name.n == 0 || name.n > SUGGEST_MAX)
        return NULL;
    for (size_t i = 0; i < name.n; i++) {
        char ch = (char)tolower((unsigned char)name.p[i]);
        copy[i] = ch == '_' ? '-' : ch;
    }
    name.p = copy;
    if (name.n < 5)
        best = 2;
    for (unsigned i = 0; i < rp_option_count(); i++) {
        const struct rp_option *o = rp_option_at(i);
        unsigned d = distance(name, o->name, strlen(o->name));
        const char *rest = o->aliases;
        for (struct rp_str a; (a = next_word(&rest)).n > 0;) {
            unsigned alias = distance(name, a.p, a.n);
            if (alias < d)
                d = alias;
        }
        if (d < best) {
            best = d;
            found = o->name;
        }
    }
    return found;
}

void
rp_option_env_name(const struct rp_option *o, char *out, size_t n)
{
    snprintf(out, n, "RUPY_SERVE_%s", o->name);
    for (char *p = out; *p != '\0'; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}
