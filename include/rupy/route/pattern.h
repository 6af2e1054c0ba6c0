/* pattern.h -- "/user/<id:int>" to a regular expression and its parameters.
 *
 *   <name>            one segment or a part of it, not empty
 *   <id:int>          digits              <x:float>  "3" or "3.14"
 *   <u:uuid>          8-4-4-4-12 hex      <rest:path>  the rest, not empty
 *   <slug:re([a-z]+)> a regex of the user's
 *
 * Text around parameters stands for itself.  It is compared with paths that
 * rp_url_decode_route() decoded, so "%41" in a pattern is "A", "%2F" is a
 * slash that separates nothing, and '%' alone is the character.
 *
 * A user's regex is PCRE2's, over bytes, and matches its parameter whole; it
 * takes '/' if it says so.  Capture groups are allowed and passed to nobody.
 * What could reach beyond the parameter is refused: back references, named
 * groups, recursion, \K, verbs, callouts. */
#ifndef RUPY_ROUTE_PATTERN_H
#define RUPY_ROUTE_PATTERN_H

#include "rupy/base/buf.h"

enum {
    RP_MAX_PARAMS = 16,
    RP_MAX_PATTERN = 4096, /* bytes of text */
};

enum rp_converter {
    RP_CONV_STR,
    RP_CONV_INT,
    RP_CONV_FLOAT,
    RP_CONV_UUID,
    RP_CONV_PATH,
    RP_CONV_RE,
};

struct rp_pattern_param {
    struct rp_str name; /* slice of the pattern's text */
    enum rp_converter conv;
    unsigned group; /* its capture group, the first is 1 */
};

struct rp_pattern {
    struct rp_str text;   /* lent by the caller */
    struct rp_buf prefix; /* the bytes that a path begins with, up to the
                           * first parameter; of a literal path, all */
    struct rp_buf regex;  /* for what follows, without anchors */
    unsigned ngroups;     /* capture groups in regex */
    unsigned nparams;     /* 0: a literal path */
    struct rp_pattern_param params[RP_MAX_PARAMS];
};

/* text is lent until rp_pattern_fini().  Return 0, or -1 with one line in err
 * that quotes the pattern and says what is wrong with it and where; there is
 * nothing to give up then. */
int rp_pattern_init(struct rp_pattern *p, struct rp_str text, char *err,
                    size_t errn);
void rp_pattern_fini(struct rp_pattern *p);
/* Both match the same paths: they differ in the names of parameters only. */
bool rp_pattern_same(const struct rp_pattern *a, const struct rp_pattern *b);

enum { RP_PATTERN_QUOTED = 128 };

/* text in double quotes for a message: on one line, cut where it is long. */
void rp_pattern_quote(char dst[RP_PATTERN_QUOTED], struct rp_str text);

#endif
