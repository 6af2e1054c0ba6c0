/* patternset.h -- many patterns, asked as one: which is the first to match?
 *
 * Patterns with the same literal prefix are one alternation of PCRE2, in
 * which (*MARK) names the one that matched; the prefixes are sorted.  So the
 * cost grows with the logarithm of the prefixes, not with the patterns. */
#ifndef RUPY_ROUTE_PATTERNSET_H
#define RUPY_ROUTE_PATTERNSET_H

#include "rupy/route/pattern.h"
#include "rupy/route/regex.h"

enum {
    /* Alternatives in one regex; fewer where PCRE2 finds it too large. */
    RP_PATTERNSET_CHUNK = 128,
};

struct rp_patternset_bucket;
struct rp_patternset_chunk;

struct rp_patternset {
    const struct rp_pattern **patterns; /* in order of precedence */
    unsigned n;
    unsigned *sorted; /* indexes, by prefix, then by precedence */
    struct rp_patternset_bucket *buckets; /* a prefix each */
    unsigned nbuckets;
    struct rp_patternset_chunk *chunks;
    unsigned nchunks;
    struct rp_regex *own;          /* of patterns that share a chunk */
    const struct rp_regex **alone; /* own, or that of its chunk */
    struct rp_regex_scratch scratch;
};

/* The patterns are lent until rp_patternset_fini().  Return 0, or -1 with one
 * line in err; there is nothing to give up then. */
int rp_patternset_init(struct rp_patternset *s,
                       const struct rp_pattern *const *patterns, unsigned n,
                       char *err, size_t errn);
/* A set of zeros may be given up, too. */
void rp_patternset_fini(struct rp_patternset *s);

/* After RP_REGEX_MATCH *index is the first pattern that matches path, and
 * params has its parameters, as slices of path. */
enum rp_regex_result rp_patternset_first(struct rp_patternset *s,
                                         struct rp_str path, unsigned *index,
                                         struct rp_str params[RP_MAX_PARAMS]);
/* The same question about one pattern. */
enum rp_regex_result rp_patternset_one(struct rp_patternset *s,
                                       struct rp_str path, unsigned index,
                                       struct rp_str params[RP_MAX_PARAMS]);

#endif
