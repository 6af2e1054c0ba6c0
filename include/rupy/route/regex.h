/* regex.h -- the part of PCRE2 that routes need, with limits on everything.
 *
 * Regexes are over bytes and match where matching starts or nowhere. */
#ifndef RUPY_ROUTE_REGEX_H
#define RUPY_ROUTE_REGEX_H

#include "rupy/base/str.h"

enum {
    /* Steps of backtracking.  10^5 take some milliseconds; an honest path of
     * 8 KiB needs a few dozen. */
    RP_REGEX_MATCH_LIMIT = 25000,
    RP_REGEX_DEPTH_LIMIT = 20000, /* these two without JIT only */
    RP_REGEX_HEAP_LIMIT = 4096,   /* KiB */
    RP_REGEX_STACK_MIN = 32 * 1024,
    RP_REGEX_STACK_MAX = 512 * 1024,
    RP_REGEX_WHY = 160, /* room for a reason */
};

struct rp_regex {
    struct pcre2_real_code_8 *code;
    bool jit;
};

/* What matching needs beside the regex; serves any number of regexes, one at
 * a time. */
struct rp_regex_scratch {
    struct pcre2_real_match_data_8 *data;
    struct pcre2_real_match_context_8 *limits;
    struct pcre2_real_jit_stack_8 *stack;
};

enum rp_regex_result {
    RP_REGEX_NO_MATCH,
    RP_REGEX_MATCH,
    RP_REGEX_LIMIT, /* gave up */
};

/* Find the ')' that closes a user's regex, which s begins with.  Return 0 and
 * its offset in *end, or -1 with a reason in *why and in *end the offset of
 * what is refused, or s.n when nothing closes it. */
int rp_regex_scan(struct rp_str s, size_t *end, const char **why);
/* Compile a user's regex to see whether it is one.  Return its capture groups,
 * or -1 with the reason and the offset of the fault. */
int rp_regex_check(struct rp_str s, size_t *at, char why[RP_REGEX_WHY]);

/* Return 0, or -1 with the reason; there is nothing to give up then. */
int rp_regex_init(struct rp_regex *re, struct rp_str s, char why[RP_REGEX_WHY]);
void rp_regex_fini(struct rp_regex *re);

/* Make room for ngroups capture groups.  Return 0 or -1: out of memory; to be
 * given up in both cases. */
int rp_regex_scratch_init(struct rp_regex_scratch *x, unsigned ngroups);
void rp_regex_scratch_fini(struct rp_regex_scratch *x);

/* Match what stands in s from `at` on; lookbehind sees all of s. */
enum rp_regex_result rp_regex_match(const struct rp_regex *re,
                                    struct rp_regex_scratch *x, struct rp_str s,
                                    size_t at);
/* After RP_REGEX_MATCH: what a capture group took, as a slice of s; {NULL, 0}
 * when it took no part. */
struct rp_str rp_regex_group(const struct rp_regex_scratch *x, struct rp_str s,
                             unsigned group);
/* After RP_REGEX_MATCH: the number in the last (*MARK:number) on the way. */
unsigned rp_regex_mark(const struct rp_regex_scratch *x);

/* Of the PCRE2 that is linked, such as "10.42". */
void rp_regex_version(char *out, size_t n);

#endif
