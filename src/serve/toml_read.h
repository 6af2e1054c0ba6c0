/* toml_read.h -- what the files of the TOML reader share. */
#ifndef RUPY_SERVE_TOML_READ_H
#define RUPY_SERVE_TOML_READ_H

#include "rupy/serve/toml.h"

struct rp_toml_reader {
    struct rp_arena *arena;
    const char *p, *end;
    unsigned line, depth;
    const char *why; /* NULL: nothing is wrong yet */
};

/* Remember what is wrong here; returns -1. */
int rp_toml_fail(struct rp_toml_reader *r, const char *why);
/* A new node of this line, or NULL and r->why. */
struct rp_toml *rp_toml_node(struct rp_toml_reader *r, enum rp_toml_type type);
/* Put node, under key in a table, behind the others.  0 or -1. */
int rp_toml_add(struct rp_toml_reader *r, struct rp_toml *to,
                struct rp_toml *node);
/* Blanks and tabs. */
void rp_toml_skip(struct rp_toml_reader *r);
/* Blanks, ends of line and comments.  0 or -1. */
int rp_toml_skip_lines(struct rp_toml_reader *r);
/* KEY = VALUE, the key perhaps with dots, into a table.  0 or -1. */
int rp_toml_pair(struct rp_toml_reader *r, struct rp_toml *table);
/* One key of a dotted one: a bare word, or a string on one line.  0 or -1. */
int rp_toml_key(struct rp_toml_reader *r, struct rp_str *key);

/* -- toml_value.c ---------------------------------------------------------- */

/* What stands here; NULL and r->why. */
struct rp_toml *rp_toml_value(struct rp_toml_reader *r);
/* The string that begins here, with its quotes.  0 or -1. */
int rp_toml_string(struct rp_toml_reader *r, bool lines, struct rp_str *out);

/* How a table or an array came to be: who may add to it. */
enum rp_toml_how {
    RP_TOML_CLOSED,  /* a value: complete where it stands */
    RP_TOML_PASSED,  /* [a.b] made a: [a] may follow, once */
    RP_TOML_HEADER,  /* [a] */
    RP_TOML_DOTTED,  /* a.b = 1 made a */
    RP_TOML_REPEATS, /* [[a]] made the array */
};

#endif
