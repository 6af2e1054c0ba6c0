/* options.h -- the one table of options: everything that can be set.
 *
 * Parsing of the command line and of the environment, keyword arguments from
 * Python, --help, --print-config and the test of the manual page all read
 * this table.  A new option is one row here, one field in struct rp_config
 * and one item in rupy-serve.1. */
#ifndef RUPY_SERVE_OPTIONS_H
#define RUPY_SERVE_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "rupy/base/str.h"

enum rp_option_group {
    RP_GROUP_APPLICATION,
    RP_GROUP_SOCKETS,
    RP_GROUP_PROCESSES,
    RP_GROUP_HTTP,
    RP_GROUP_PROXY,
    RP_GROUP_WEBSOCKET,
    RP_GROUP_TLS,
    RP_GROUP_LOGGING,
    RP_GROUP_MODES,
    RP_N_GROUPS,
};

/* What the value is, and what the field in struct rp_config is. */
enum rp_option_type {
    RP_OPTION_FLAG,      /* bool; --x and --no-x */
    RP_OPTION_STRING,    /* const char *; NULL: not set */
    RP_OPTION_LOGFILE,   /* const char *; value optional, "-" is stdout */
    RP_OPTION_LIST,      /* struct rp_strs; repeat the option */
    RP_OPTION_ADDRESSES, /* struct rp_strs; repeat it, or use commas */
    RP_OPTION_INTEGER,   /* int */
    RP_OPTION_WORKERS,   /* int; "auto" is 0 */
    RP_OPTION_DURATION,  /* double, seconds; 0 is off */
    RP_OPTION_SIZE,      /* uint32_t or uint64_t, bytes; 0 is off */
    RP_OPTION_FRACTION,  /* double, from 0 to 1 */
    RP_OPTION_ENUM,      /* int, index into choices */
    RP_OPTION_MODE,      /* int, octal */
    RP_OPTION_ACTION,    /* enum rp_action; command line only */
};

struct rp_option {
    const char *name;    /* canonical, without the dashes */
    const char *aliases; /* separated by spaces; "" */
    char letter;         /* short flag; 0 */
    enum rp_option_group group;
    enum rp_option_type type;
    const char *arg;     /* what --help calls the value; "" for flags */
    const char *value;   /* default, parsed like any other; NULL: field is 0 */
    const char *shown;   /* default as --help and the manual say it; NULL: as
                          * value */
    const char *env;     /* variable that other servers read too; NULL */
    const char *choices; /* of an enum, separated by spaces */
    double min, max;     /* of a number or seconds; max 0: none */
    const char *join;    /* of a list that may be a table in a file: what
                          * stands between name and value; NULL */
    bool secret;         /* not shown by --print-config */
    bool fixed;          /* a reload does not change it, a restart does */
    size_t offset, size; /* of the field */
    const char *help;    /* one sentence, without the full stop */
};

/* Number of options; rp_option_at(i) for 0 <= i < n, in the order of --help. */
unsigned rp_option_count(void);
const struct rp_option *rp_option_at(unsigned i);
unsigned rp_option_index(const struct rp_option *o);

/* By name or alias; '_' stands for '-'.  NULL: there is none. */
const struct rp_option *rp_option_find(struct rp_str name);
const struct rp_option *rp_option_find_letter(char letter);
/* A flag of other servers that is an option of ours with a value:
 * --no-proxy-headers is --forwarded off.  NULL: it is none. */
const struct rp_option *rp_option_find_other(struct rp_str flag,
                                             struct rp_str *value);
/* The name that was probably meant, or NULL when nothing is near. */
const char *rp_option_suggest(struct rp_str name);
/* RUPY_SERVE_KEEP_ALIVE of keep-alive; cut at n bytes. */
void rp_option_env_name(const struct rp_option *o, char *out, size_t n);

/* "sockets"; by index. */
const char *rp_option_group_name(enum rp_option_group g);
/* -1: there is none of that name. */
int rp_option_group_find(struct rp_str name);
/* The text of --help, 80 columns; group RP_N_GROUPS: all of them. */
void rp_option_help(FILE *out, enum rp_option_group group);

#endif
