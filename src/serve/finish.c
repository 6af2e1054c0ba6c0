/* finish.c -- what follows from the options: addresses, number of workers. */
#include "rupy/serve/certs.h"
#include "rupy/serve/config.h"
#include "rupy/serve/cpus.h"

#define fail rp_config_fail

static struct rp_str
as_str(const char *text)
{
    return (struct rp_str){text, strlen(text)};
}

static enum rp_source
source_of(const struct rp_config *c, struct rp_str name)
{
    return c->sources[rp_option_index(rp_option_find(name))];
}

enum way { BY_BIND, BY_UDS, BY_FD, BY_PORT, N_WAYS };

/* One group of options says where to listen: the one that the highest source
 * has used.  Return it, or -1 when that source has used two. */
static int
choose_way(struct rp_config *c)
{
    enum rp_source host = source_of(c, RP_STR("host"));
    enum rp_source port = source_of(c, RP_STR("port"));
    const struct {
        const char *name;
        enum rp_source source;
    } ways[N_WAYS] = {
        [BY_BIND] = {"--bind", source_of(c, RP_STR("bind"))},
        [BY_UDS] = {"--uds", source_of(c, RP_STR("uds"))},
        [BY_FD] = {"--fd", source_of(c, RP_STR("fd"))},
        [BY_PORT] = {host > port ? "--host" : "--port",
                     host > port ? host : port},
    };
    int best = BY_PORT;

    for (int i = BY_BIND; i < BY_PORT; i++) {
        if (ways[i].source == RP_SOURCE_DEFAULT ||
            ways[i].source < ways[best].source)
            continue;
        if (ways[i].source == ways[best].source)
            return fail(c,
                        "%s and %s do not go together; for several addresses "
                        "repeat --bind",
                        ways[best].name, ways[i].name);
        best = i;
    }
    return best;
}

/* A platform that says which port to use wants to be reached there: with
 * PORT and nothing else it is every address. */
static int
bind_host_port(struct rp_config *c)
{
    const char *host = c->host, *why;

    if (host == NULL)
        host = source_of(c, RP_STR("port")) == RP_SOURCE_COMMON_ENV
                   ? "0.0.0.0"
                   : "127.0.0.1";
    if (rp_bind_make_tcp(c->binds, &c->arena, host,
                         c->port >= 0 ? c->port : 8000, &why) < 0)
        return fail(c, "--host: '%s' %s", host, why);
    return 0;
}

static int
resolve_binds(struct rp_config *c)
{
    int way = choose_way(c);
    const char *why;
    char text[32];

    if (way < 0)
        return -1;
    c->nbinds = way == BY_BIND ? c->bind.n : 1;
    c->binds = rp_arena_alloc(&c->arena, c->nbinds * sizeof(*c->binds));
    if (c->binds == NULL)
        return fail(c, "out of memory");
    switch ((enum way)way) {
    case BY_BIND:
        for (size_t i = 0; i < c->bind.n; i++)
            if (rp_bind_parse(&c->binds[i], &c->arena, as_str(c->bind.v[i]),
                              &why) < 0)
                return fail(c, "--bind: '%s' %s", c->bind.v[i], why);
        return 0;
    case BY_UDS:
        if (rp_bind_make_unix(c->binds, &c->arena, c->uds, &why) < 0)
            return fail(c, "--uds: '%s' %s", c->uds, why);
        return 0;
    case BY_FD:
        snprintf(text, sizeof(text), "fd://%d", c->fd);
        if (rp_bind_parse(c->binds, &c->arena, as_str(text), &why) < 0)
            return fail(c, "--fd: '%s' %s", text, why);
        return 0;
    case BY_PORT:
        return bind_host_port(c);
    case N_WAYS:
        break;
    }
    return -1;
}

static int
resolve_forwarded(struct rp_config *c)
{
    const char *why;

    c->forwarded_what = 0;
    for (size_t i = 0; i < c->forwarded.n; i++)
        if (rp_forwarded_add(&c->forwarded_what, as_str(c->forwarded.v[i]),
                             &why) < 0)
            return fail(c, "--forwarded: '%s' %s", c->forwarded.v[i], why);
    if (rp_forwarded_finish(&c->forwarded_what, &why) < 0)
        return fail(c, "--forwarded: %s", why);
    return 0;
}

/* What nobody has set is as `by` wants it, and has its source. */
static int
imply(struct rp_config *c, const char *by, const char *name, const char *value)
{
    unsigned from = rp_option_index(rp_option_find(as_str(by)));
    unsigned to = rp_option_index(rp_option_find(as_str(name)));

    if (c->sources[to] != RP_SOURCE_DEFAULT)
        return 0;
    c->lines[to] = c->lines[from];
    return rp_config_set(c, as_str(name), as_str(value),
                         (enum rp_source)c->sources[from]);
}

static int
resolve_modes(struct rp_config *c)
{
    /* A debugger may stop a worker for as long as it likes. */
    static const char *const of_dev[][2] = {
        {"reload", "on"},         {"debug", "on"},
        {"log-level", "debug"},   {"access-log", "on"},
        {"workers", "1"},         {"timeout", "0"},
        {"request-timeout", "0"}, {"startup-timeout", "0"},
    };

    for (size_t i = 0; c->dev && i < sizeof(of_dev) / sizeof(*of_dev); i++)
        if (imply(c, "dev", of_dev[i][0], of_dev[i][1]) < 0)
            return -1;
    if (c->reload && c->preload)
        return fail(c,
                    "--%s and --preload do not go together: a change is to be "
                    "imported by each new worker; say --no-preload",
                    c->dev ? "dev" : "reload");
    return c->reload ? imply(c, "reload", "graceful-timeout", "1s") : 0;
}

int
rp_config_finish(struct rp_config *c)
{
    if (resolve_modes(c) < 0)
        return -1;
    if (resolve_forwarded(c) < 0)
        return -1;
    if (rp_certs_check(c) < 0)
        return -1;
    if (c->daemon && strcmp(c->log_file, "-") == 0 && c->log_syslog == NULL)
        return fail(c, "--daemon needs --log-file or --log-syslog: there is "
                       "no terminal to write to");
    /* What would have been seen on the terminal. */
    if (c->daemon && strcmp(c->log_file, "-") != 0)
        c->capture_output = true;
    if (c->capture_output && strcmp(c->log_file, "-") == 0)
        return fail(c, "--capture-output needs --log-file");
    if (c->access_log_fields.n > 0 && strcmp(c->access_log_format, "json") != 0)
        return fail(c, "--access-log-fields is for --access-log-format json");
    if (c->statsd_tags.n > 0 && c->statsd_host == NULL)
        return fail(c, "--statsd-tags needs --statsd-host");
    if (c->deadlines.first_byte < 0)
        c->deadlines.first_byte = c->deadlines.head;
    if (c->max_requests_jitter < 0)
        c->max_requests_jitter = c->max_requests / 10;
    if (c->worker_lifetime_jitter < 0)
        c->worker_lifetime_jitter = c->worker_lifetime / 10;
    c->workers =
        c->workers_wanted > 0 ? c->workers_wanted : rp_workers_auto("");
    if (c->workers > RP_MAX_WORKERS)
        c->workers = RP_MAX_WORKERS;
    if (c->max_workers == 0) {
        c->max_workers = 4 * c->workers;
        if (c->max_workers > RP_MAX_WORKERS)
            c->max_workers = RP_MAX_WORKERS;
    }
    if (c->max_workers < c->workers)
        return fail(c, "--max-workers: %d is less than the %d of --workers",
                    c->max_workers, c->workers);
    return resolve_binds(c);
}
