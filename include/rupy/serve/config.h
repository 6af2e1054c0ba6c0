/* config.h -- everything that was set, parsed, and where it came from.
 *
 * Sources come in any order: a lower one never overrides a higher one.  A
 * list that a higher source sets replaces the list of a lower one; one source
 * may add to its own list many times. */
#ifndef RUPY_SERVE_CONFIG_H
#define RUPY_SERVE_CONFIG_H

#include <stdio.h>

#include "rupy/app/access.h"
#include "rupy/base/arena.h"
#include "rupy/base/log.h"
#include "rupy/http/limits.h"
#include "rupy/net/server.h"
#include "rupy/serve/bind.h"
#include "rupy/serve/options.h"

struct rp_door;    /* serve.h */
struct rp_py_file; /* rupy/py/hooks.h */

/* From the lowest to the highest. */
enum rp_source {
    RP_SOURCE_DEFAULT,
    RP_SOURCE_FILE,       /* of --config, rupy-serve.toml or pyproject.toml */
    RP_SOURCE_COMMON_ENV, /* PORT, WEB_CONCURRENCY */
    RP_SOURCE_ENV,        /* RUPY_SERVE_<NAME> */
    RP_SOURCE_CMD_ARGS,   /* RUPY_SERVE_CMD_ARGS */
    RP_SOURCE_COMMAND_LINE,
    RP_SOURCE_PYTHON, /* keyword arguments of run() */
};

enum rp_action {
    RP_ACTION_SERVE,
    RP_ACTION_HELP,
    RP_ACTION_VERSION,
    RP_ACTION_CHECK,
    RP_ACTION_CHECK_APP,
    RP_ACTION_BASH, /* --completion */
    RP_ACTION_ZSH,
    RP_ACTION_FISH,
    RP_ACTION_PRINT_TOML,
    RP_ACTION_PRINT_JSON,
};

/* Of a field whose name has an underscore. */
enum rp_header_map { RP_HEADER_DROP, RP_HEADER_REFUSE, RP_HEADER_KEEP };

struct rp_strs {
    const char **v;
    size_t n, cap;
};

enum { RP_MAX_OPTIONS = 256, RP_MAX_WORKERS = 1024 };

/* Every string is in the arena. */
struct rp_config {
    struct rp_arena arena;
    enum rp_action action;
    enum rp_option_group help_group; /* RP_N_GROUPS: all */

    const char *app; /* "module:attr"; NULL when Python gives the object */
    int interface;   /* 0: auto; else see rp_config_interface() */
    const char *root_path;
    int lifespan; /* 0: auto; else see rp_config_lifespan() */
    bool factory;
    struct rp_strs app_dirs; /* none: the current folder */
    const char *chdir, *venv;
    const char *folder; /* the one before --chdir; NULL: it has no name */
    struct rp_strs env, env_files;

    struct rp_strs bind; /* as given; binds below is what counts */
    const char *host, *uds;
    int port, fd; /* -1: not given */
    int uds_mode, backlog;
    const char *uds_owner; /* USER, USER:GROUP or :GROUP; NULL */
    double tcp_keepalive;  /* seconds; 0: none */
    int proxy_protocol;    /* enum rp_proxyproto_mode */
    struct rp_strs proxy_protocol_from;

    int workers_wanted; /* 0: auto */
    int max_workers;    /* after finish: never below workers */
    int threads;        /* for blocking handlers; 0: they run on the loop */
    /* Seconds; 0: none. */
    double timeout, startup_timeout, graceful_timeout, respawn_backoff;
    double queue_timeout;
    double shutdown_delay;
    int recycle_parallel;
    int max_requests;        /* 0: no limit, as below */
    int max_requests_jitter; /* after finish: never below 0 */
    double worker_lifetime, worker_lifetime_jitter;
    uint64_t worker_max_rss;
    bool cancel_on_disconnect;
    int boot_failures; /* in a row, before any worker was ready */
    const char *pid, *name;
    const char *user, *group, *chroot; /* NULL: stay as we are */
    bool initgroups, daemon, preload;
    int umask; /* -1: unchanged */
    int nice, oom_score_adj, rlimit_nofile;
    struct rp_strs cpu_affinity; /* numbers, or "auto" */
    const char *metrics;         /* address; NULL: none */
    const char *statsd_host;     /* NULL: none */
    const char *statsd_prefix;
    struct rp_strs statsd_tags;
    double statsd_interval;
    const char *control_socket; /* path; "-": the default one; NULL: none */

    struct rp_deadlines deadlines;
    int keep_alive_requests; /* 0: no limit */
    struct rp_limits limits;
    int limit_connections; /* per worker, as below */
    int limit_concurrency; /* 0: no limit */
    uint64_t body_min_rate;
    uint64_t body_buffer; /* bytes of content in memory, for WSGI */
    bool server_header, date_header, early_hints;
    int header_map;         /* enum rp_header_map */
    struct rp_strs headers; /* "Name: value", checked */
    struct rp_strs statics; /* URL=DIR */
    double static_expires;
    struct rp_strs allowed_hosts;

    bool ws; /* WebSockets are served */
    struct rp_wsock_config wsock;
    int ws_max_queue, ws_max_fragments, ws_window; /* go in there */

    const char *ssl_certfile; /* NULL: no TLS */
    const char *ssl_keyfile, *ssl_keyfile_password, *ssl_ca_certs;
    const char *ssl_crl;
    const char *ssl_ciphers, *ssl_sni;
    int ssl_verify;      /* enum rp_tls_verify */
    int ssl_min_version; /* enum rp_tls_version */
    double ssl_reload_interval;

    struct rp_strs forwarded_allow_ips, forwarded; /* lists of words */
    int forwarded_hops;                            /* 0: by trust */
    bool strip_untrusted;

    int log_level;          /* enum rp_log_level */
    int log_format;         /* enum rp_log_format */
    const char *log_file;   /* "-": stderr */
    const char *log_syslog; /* NULL: none; "-": /dev/log */
    const char *log_syslog_facility, *log_syslog_prefix;
    const char *log_config; /* of Python's logging; NULL */
    bool capture_output;
    const char *access_log;        /* NULL: none; "-": stdout */
    const char *access_log_format; /* checked */
    struct rp_strs access_log_fields, access_log_skip;
    double access_log_sample;
    double log_slow;
    bool request_id, trace_context, opentelemetry;
    bool debug; /* tracebacks in answers */
    bool dev;   /* what it implies was set by rp_config_finish() */
    bool reload;
    struct rp_strs reload_dirs, reload_include, reload_exclude;
    double reload_delay;

    const char *config;             /* as given; file below is what was read */
    const struct rp_origin *origin; /* renew.h; lent; NULL: none */
    const struct rp_door *door;     /* to run a file in Python; lent; NULL */
    bool is_running;                /* the service, while this is read */

    /* Made by rp_config_finish(). */
    int workers;
    unsigned forwarded_what; /* RP_FORWARDED_* */
    struct rp_bind *binds;
    size_t nbinds;

    const char *file;          /* NULL: there was none */
    struct rp_py_file *python; /* when it is one in Python; NULL */
    struct rp_strs env_done;   /* names that --env and --env-file have set */

    unsigned char sources[RP_MAX_OPTIONS]; /* enum rp_source by option */
    unsigned lines[RP_MAX_OPTIONS];        /* in the file, by option; 0:
                                            * not known */
    char error[512];                       /* one line, after a -1 */
};

/* Every option at its default. */
void rp_config_init(struct rp_config *c);
void rp_config_fini(struct rp_config *c);

/* "auto", "rupy", "asgi" or "wsgi". */
const char *rp_config_interface(const struct rp_config *c);
/* "auto", "on" or "off". */
const char *rp_config_lifespan(const struct rp_config *c);

/* One line into c->error, whatever bytes it was made of; returns -1. */
int rp_config_fail(struct rp_config *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Set one option, or add to its list.  name may be an alias; '_' is '-'.
 * Return 0 (also when a higher source has set it already), or -1 with
 * c->error. */
int rp_config_set(struct rp_config *c, struct rp_str name, struct rp_str value,
                  enum rp_source source);
/* The same for an option in hand, named `label` in errors ("--workers"). */
int rp_config_set_option(struct rp_config *c, const struct rp_option *o,
                         struct rp_str value, enum rp_source source,
                         const char *label);
/* PORT and WEB_CONCURRENCY, RUPY_SERVE_*, RUPY_SERVE_CMD_ARGS.  A variable
 * that is empty counts as not set.  0, or -1 with c->error. */
int rp_config_from_env(struct rp_config *c, char *const *environ_);
/* "FILE:LINE", or "FILE" for line 0. */
void rp_config_place(const struct rp_config *c, unsigned line, char *out,
                     size_t n);
/* The options of --config; without it of rupy-serve.toml, or of
 * [tool.rupy-serve] in pyproject.toml, where these are in the folder.  Called
 * when all higher sources were, which may name the file.  0, or -1 with
 * c->error. */
int rp_config_from_file(struct rp_config *c);
/* What was not set follows from what was: addresses, number of workers.
 * 0, or -1 with c->error. */
int rp_config_finish(struct rp_config *c);
/* All of the above, as the program does it; for --help and --version the
 * environment is not looked at.  0, or -1 with c->error. */
int rp_config_from_argv(struct rp_config *c, int argc, char *const *argv,
                        char *const *environ_);
/* The same but for the last step, rp_config_finish() and its checks. */
int rp_config_read(struct rp_config *c, int argc, char *const *argv,
                   char *const *environ_);
/* Enter --chdir and put --env and --env-file into the environment: before
 * sockets are made and Python is started.  Every relative path but those of
 * --chdir itself and of --config is looked up after this.  0, or -1 with
 * c->error. */
int rp_config_enter(struct rp_config *c);
/* Only the environment.  With `before` and its first environment, what that
 * has set is undone first.  0, or -1 with c->error and nothing changed. */
int rp_config_set_env(struct rp_config *c, const struct rp_config *before,
                      char *const *first);
/* Let an option have the value that it has in `from`, memory and all.  0, or
 * -1 with c->error. */
int rp_config_copy(struct rp_config *c, const struct rp_config *from,
                   const struct rp_option *o);
/* Both have the same value of it. */
bool rp_config_is_same(const struct rp_config *a, const struct rp_config *b,
                       const struct rp_option *o);
/* The value of name in an environment that need not be ours; NULL when it is
 * not there or empty. */
const char *rp_env_find(char *const *environ_, const char *name);

/* "default", "env PORT", "env RUPY_SERVE_PORT", "command line", ... */
void rp_config_source(const struct rp_config *c, const struct rp_option *o,
                      char *out, size_t n);
/* --print-config: every option, its value and its source. */
void rp_config_print(const struct rp_config *c, FILE *out, bool json);

/* One command line per line of text, as a shell would split it: blanks,
 * quotes, backslashes; nothing is expanded.  Words are made in the arena.
 * 0, or -1 when a quote is left open. */
int rp_config_split(struct rp_arena *a, struct rp_str text,
                    struct rp_strs *words);
/* 0, or -1: out of memory. */
int rp_strs_add(struct rp_strs *l, struct rp_arena *a, struct rp_str s);

#endif
