/* config.c -- setting options: one value, from one source. */
#include "rupy/serve/config.h"

#include <assert.h>
#include <stdarg.h>

#include "rupy/base/dgram.h"
#include "rupy/base/syslog.h"
#include "rupy/http/hosts.h"
#include "rupy/serve/statsd.h"
#include "rupy/serve/value.h"

#define fail rp_config_fail

enum { ARENA_MAX = 4 << 20 };

int
rp_config_fail(struct rp_config *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->error, sizeof(c->error), fmt, ap);
    va_end(ap);
    for (char *p = c->error; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return -1;
}

static int
no_memory(struct rp_config *c)
{
    return fail(c, "the configuration is longer than %d bytes", ARENA_MAX);
}

static struct rp_str
as_str(const char *text)
{
    return (struct rp_str){text, strlen(text)};
}

/* With a NUL behind it; NULL: out of memory. */
static char *
copy_text(struct rp_arena *a, struct rp_str s)
{
    char *text = rp_arena_alloc(a, s.n + 1);

    if (text == NULL)
        return NULL;
    if (s.n > 0)
        memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return text;
}

int
rp_strs_add(struct rp_strs *l, struct rp_arena *a, struct rp_str s)
{
    char *text = copy_text(a, s);

    if (text == NULL)
        return -1;
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 4 : 2 * l->cap;
        const char **v = rp_arena_alloc(a, cap * sizeof(*v));
        if (v == NULL)
            return -1;
        if (l->n > 0)
            memcpy(v, l->v, l->n * sizeof(*v));
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = text;
    return 0;
}

/* What is wrong with a field of the user's for every answer, or NULL. */
static const char *
check_header(struct rp_str s)
{
    static const struct rp_str ours[] = {
        {"content-length", 14}, {"transfer-encoding", 17},
        {"connection", 10},     {"date", 4},
        {"keep-alive", 10},     {"upgrade", 7},
    };
    /* token, RFC 9110 5.6.2 */
    static const char extra[] = "!#$%&'*+-.^_`|~";
    size_t n = 0;

    for (; n < s.n && s.p[n] != ':'; n++) {
        char lower = s.p[n] | 0x20;
        if (!(lower >= 'a' && lower <= 'z') &&
            !(s.p[n] >= '0' && s.p[n] <= '9') &&
            (s.p[n] == '\0' || strchr(extra, s.p[n]) == NULL))
            return "is not NAME: VALUE with a token for a name";
    }
    if (n == 0 || n == s.n)
        return "is not NAME: VALUE";
    for (size_t i = n + 1; i < s.n; i++)
        if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
            return "has a control character in it";
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (rp_str_ieq((struct rp_str){s.p, n}, ours[i]))
            return "is set by the server itself";
    return NULL;
}

static const char *
check_env(struct rp_str s)
{
    const char *equals = memchr(s.p, '=', s.n);

    if (equals == NULL || equals == s.p)
        return "is not KEY=VALUE";
    return NULL;
}

/* What is wrong with a URL=DIR, or NULL. */
static const char *
check_static(struct rp_str s)
{
    const char *equals = memchr(s.p, '=', s.n);

    if (equals == NULL || equals == s.p + s.n - 1)
        return "is not URL=DIR";
    if (s.p[0] != '/')
        return "does not begin with a slash, as in /static=public";
    return NULL;
}

static const char *
check_cpu(struct rp_str s)
{
    uint64_t v;

    if (rp_str_eq(s, RP_STR("auto")) || (rp_str_to_u64(s, &v) == 0 && v < 1024))
        return NULL;
    return "is neither auto nor the number of a CPU";
}

/* A member of a list that takes commas. */
static const char *
check_word(struct rp_config *c, const struct rp_strs *l, struct rp_str s)
{
    const char *why = NULL;
    struct rp_trust trust = {.n = 0};
    struct rp_bind bind;
    unsigned what = 0;
    int rc = 0;

    if (l == &c->bind)
        rc = rp_bind_parse(&bind, &c->arena, s, &why);
    else if (l == &c->proxy_protocol_from || l == &c->forwarded_allow_ips)
        rc = rp_trust_add(&trust, s, &why);
    else if (l == &c->forwarded)
        rc = rp_forwarded_add(&what, s, &why);
    else if (l == &c->cpu_affinity)
        return check_cpu(s);
    else if (l == &c->allowed_hosts)
        return rp_hosts_check(s);
    else if (l == &c->access_log_fields)
        return rp_access_check_field(s);
    else if (l == &c->access_log_skip)
        return rp_access_check_skip(s);
    else if (l == &c->statsd_tags)
        return rp_statsd_check_tag(s);
    rp_trust_fini(&trust);
    return rc < 0 ? why : NULL;
}

static int
add_to_list(struct rp_config *c, struct rp_strs *l, struct rp_str value,
            const char *label)
{
    const char *why = NULL;

    if (l == &c->headers)
        why = check_header(value);
    else if (l == &c->env)
        why = check_env(value);
    else if (l == &c->statics)
        why = check_static(value);
    else if (value.n == 0)
        why = "is empty";
    else
        why = check_word(c, l, value);
    if (why != NULL)
        return fail(c, "%s: '%.*s' %s", label, RP_STR_ARG(value), why);
    if (rp_strs_add(l, &c->arena, value) < 0)
        return no_memory(c);
    return 0;
}

static int
add_addresses(struct rp_config *c, struct rp_strs *l, struct rp_str value,
              const char *label)
{
    for (;;) {
        const char *comma = memchr(value.p, ',', value.n);
        struct rp_str one = value;
        if (comma != NULL)
            one.n = (size_t)(comma - value.p);
        if (add_to_list(c, l, rp_str_trim(one), label) < 0)
            return -1;
        if (comma == NULL)
            return 0;
        value.p += one.n + 1;
        value.n -= one.n + 1;
    }
}

static int
choose(struct rp_config *c, const struct rp_option *o, struct rp_str value,
       int *out, const char *label)
{
    int i = 0;

    /* As gunicorn and Python's ssl.CERT_* count them. */
    if (out == &c->ssl_verify && value.n == 1 && value.p[0] >= '0' &&
        value.p[0] <= '2') {
        *out = value.p[0] - '0';
        return 0;
    }
    for (const char *p = o->choices; *p != '\0'; i++) {
        size_t n = strcspn(p, " ");
        if (rp_str_ieq(value, (struct rp_str){p, n})) {
            *out = i;
            return 0;
        }
        p += n + (p[n] == ' ');
    }
    return fail(c, "%s: '%.*s' is none of: %s", label, RP_STR_ARG(value),
                o->choices);
}

static int
out_of_range(struct rp_config *c, const struct rp_option *o,
             struct rp_str value, const char *label)
{
    if (o->max == 0)
        return fail(c, "%s: %.*s is less than %.0f", label, RP_STR_ARG(value),
                    o->min);
    return fail(c, "%s: %.*s is not between %.0f and %.0f", label,
                RP_STR_ARG(value), o->min, o->max);
}

static bool
is_in_range(const struct rp_option *o, double v)
{
    return v >= o->min && (o->max == 0 || v <= o->max);
}

/* Sizes are of 4 or 8 bytes, as their users want them. */
static int
set_size(struct rp_config *c, const struct rp_option *o, struct rp_str value,
         void *field, const char *label)
{
    uint64_t v;

    if (rp_value_size(value, &v) < 0)
        return fail(c, "%s: '%.*s' is no size such as 65536, 64k or 10M", label,
                    RP_STR_ARG(value));
    if (!is_in_range(o, (double)v))
        return out_of_range(c, o, value, label);
    if (o->size == sizeof(uint32_t)) {
        assert(o->max > 0 && o->max <= UINT32_MAX);
        *(uint32_t *)field = (uint32_t)v;
    } else {
        *(uint64_t *)field = v;
    }
    return 0;
}

static const char *
check_facility(struct rp_str s)
{
    char name[16];

    snprintf(name, sizeof(name), "%.*s", RP_STR_ARG(s));
    return rp_syslog_facility(name) < 0
               ? "is no facility such as daemon, user or local0"
               : NULL;
}

static int
set_string(struct rp_config *c, struct rp_str value, const char **field,
           const char *label)
{
    const char *why = NULL;

    if (value.n == 0)
        return fail(c, "%s is empty", label);
    if (field == &c->access_log_format)
        why = rp_access_check_format(value);
    else if (field == &c->log_syslog && !rp_str_eq(value, RP_STR("-")))
        why = rp_syslog_check(value);
    else if (field == &c->log_syslog_facility)
        why = check_facility(value);
    else if (field == &c->statsd_host)
        why = rp_dgram_check(value);
    else if (field == &c->statsd_prefix)
        why = rp_statsd_check_prefix(value);
    if (why != NULL)
        return fail(c, "%s: '%.*s' %s", label, RP_STR_ARG(value), why);
    *field = copy_text(&c->arena, value);
    return *field == NULL ? no_memory(c) : 0;
}

static int
set_logfile(struct rp_config *c, struct rp_str value, const char **field,
            const char *label)
{
    bool on;

    if (rp_value_flag(value, &on) < 0)
        return set_string(c, value, field, label);
    *field = on ? "-" : NULL;
    return 0;
}

static int
set_int(struct rp_config *c, const struct rp_option *o, struct rp_str value,
        enum rp_source source, int *field, const char *label)
{
    int v;

    if (rp_value_int(value, &v) < 0)
        return fail(c, "%s: '%.*s' is no number%s", label, RP_STR_ARG(value),
                    o->type == RP_OPTION_WORKERS ? ", nor auto" : "");
    if (source != RP_SOURCE_DEFAULT && !is_in_range(o, v))
        return out_of_range(c, o, value, label);
    *field = v;
    return 0;
}

static int
store(struct rp_config *c, const struct rp_option *o, struct rp_str value,
      enum rp_source source, const char *label)
{
    void *field = (char *)c + o->offset;

    switch (o->type) {
    case RP_OPTION_FLAG:
        if (rp_value_flag(value, field) < 0)
            return fail(c, "%s: '%.*s' is neither on nor off", label,
                        RP_STR_ARG(value));
        return 0;
    case RP_OPTION_STRING:
        return set_string(c, value, field, label);
    case RP_OPTION_LOGFILE:
        return set_logfile(c, value, field, label);
    case RP_OPTION_LIST:
        return add_to_list(c, field, value, label);
    case RP_OPTION_ADDRESSES:
        return add_addresses(c, field, value, label);
    case RP_OPTION_WORKERS:
        if (rp_str_ieq(value, RP_STR("auto"))) {
            *(int *)field = 0;
            return 0;
        }
        return set_int(c, o, value, source, field, label);
    case RP_OPTION_INTEGER:
        return set_int(c, o, value, source, field, label);
    case RP_OPTION_DURATION:
        if (rp_value_duration(value, field) < 0)
            return fail(c,
                        "%s: '%.*s' is no duration such as 30s, 500ms or "
                        "1h30m",
                        label, RP_STR_ARG(value));
        return is_in_range(o, *(double *)field)
                   ? 0
                   : out_of_range(c, o, value, label);
    case RP_OPTION_SIZE:
        return set_size(c, o, value, field, label);
    case RP_OPTION_FRACTION:
        if (rp_value_fraction(value, field) < 0)
            return fail(c, "%s: '%.*s' is no number from 0 to 1", label,
                        RP_STR_ARG(value));
        return 0;
    case RP_OPTION_ENUM:
        return choose(c, o, value, field, label);
    case RP_OPTION_MODE:
        if (rp_value_mode(value, field) < 0)
            return fail(c, "%s: '%.*s' is no octal mode such as 0660", label,
                        RP_STR_ARG(value));
        return 0;
    case RP_OPTION_ACTION:
        break;
    }
    return fail(c, "%s is for the command line only", label);
}

int
rp_config_set_option(struct rp_config *c, const struct rp_option *o,
                     struct rp_str value, enum rp_source source,
                     const char *label)
{
    unsigned i = rp_option_index(o);

    if (source < c->sources[i])
        return 0;
    if (memchr(value.p, '\0', value.n) != NULL)
        return fail(c, "%s has a NUL in it", label);
    if (source > c->sources[i] &&
        (o->type == RP_OPTION_LIST || o->type == RP_OPTION_ADDRESSES))
        *(struct rp_strs *)((char *)c + o->offset) = (struct rp_strs){0};
    if (store(c, o, value, source, label) < 0)
        return -1;
    c->sources[i] = (unsigned char)source;
    return 0;
}

const char *
rp_config_interface(const struct rp_config *c)
{
    static const char *const names[] = {"auto", "rupy", "asgi", "wsgi"};

    return names[c->interface];
}

const char *
rp_config_lifespan(const struct rp_config *c)
{
    static const char *const names[] = {"auto", "on", "off"};

    return names[c->lifespan];
}

int
rp_config_set(struct rp_config *c, struct rp_str name, struct rp_str value,
              enum rp_source source)
{
    const struct rp_option *o = rp_option_find(name);

    if (o != NULL)
        return rp_config_set_option(c, o, value, source, o->name);
    const char *near = rp_option_suggest(name);
    if (near == NULL)
        return fail(c, "there is no option %.*s", RP_STR_ARG(name));
    return fail(c, "there is no option %.*s; did you mean %s?",
                RP_STR_ARG(name), near);
}

void
rp_config_init(struct rp_config *c)
{
    memset(c, 0, sizeof(*c));
    rp_arena_init(&c->arena, ARENA_MAX);
    c->help_group = RP_N_GROUPS;
    c->deadlines.first_byte = -1;
    c->worker_lifetime_jitter = -1;
    c->umask = -1;
    for (unsigned i = 0; i < rp_option_count(); i++) {
        const struct rp_option *o = rp_option_at(i);
        if (o->value == NULL)
            continue;
        int r = rp_config_set_option(c, o, as_str(o->value), RP_SOURCE_DEFAULT,
                                     o->name);
        assert(r == 0);
        (void)r;
    }
}

void
rp_config_fini(struct rp_config *c)
{
    rp_arena_fini(&c->arena);
}
