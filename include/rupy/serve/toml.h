/* toml.h -- a strict reader of TOML 1.0: text in, a tree out.
 *
 * All of TOML is understood, since pyproject.toml is written by others; dates
 * and times are left as text.  The tree and its strings are in the arena, and
 * the arena's ceiling is the limit of it. */
#ifndef RUPY_SERVE_TOML_H
#define RUPY_SERVE_TOML_H

#include <stdbool.h>

#include "rupy/base/arena.h"

enum rp_toml_type {
    RP_TOML_STRING,
    RP_TOML_INTEGER,
    RP_TOML_FLOAT,
    RP_TOML_BOOLEAN,
    RP_TOML_TIME,
    RP_TOML_ARRAY,
    RP_TOML_TABLE,
};

struct rp_toml {
    struct rp_str key; /* empty in arrays, and of the root */
    enum rp_toml_type type;
    unsigned line;      /* where it stands, from 1 */
    struct rp_str text; /* of a string, what it says; else as written */
    int64_t integer;
    double number; /* of integers too */
    bool on;
    struct rp_toml *first, *last; /* of an array or table, in order */
    unsigned n;                   /* so many */
    struct rp_toml *next;         /* in what it is a member of */
    unsigned char how;            /* the reader's: how it came to be */
};

enum { RP_TOML_DEPTH = 32, RP_TOML_MEMBERS = 4096 };

/* The root table; or NULL, and then *line (0: of no line) and *why say what
 * is wrong. */
struct rp_toml *rp_toml_read(struct rp_arena *a, struct rp_str text,
                             unsigned *line, const char **why);
/* The member of that name; NULL. */
struct rp_toml *rp_toml_get(const struct rp_toml *table, struct rp_str key);
/* "a string", "an integer", "a table" */
const char *rp_toml_type_name(enum rp_toml_type type);

#endif
