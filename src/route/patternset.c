/* patternset.c -- sorted prefixes, and behind each an alternation.
 *
 *   "/"           /<page>             parent: none
 *   "/user/"      /user/<id:int>      parent: "/"
 *                 /user/<name>
 *   "/user/a-"    /user/a-<x>         parent: "/user/"
 *
 * A path may match under the longest prefix that it begins with, under that
 * one's parent, and so on.  Longer prefixes are tried first: they were mostly
 * registered first, and then nothing behind a parent can win any more. */
#include "rupy/route/patternset.h"

#include <stdio.h>
#include <stdlib.h>

#define NONE ((unsigned)-1)

struct rp_patternset_bucket {
    struct rp_str prefix;
    unsigned parent;     /* the longest other prefix that this begins with */
    unsigned first, end; /* its chunks */
};

/* Patterns sorted[first .. end) as one regex. */
struct rp_patternset_chunk {
    struct rp_regex regex;
    unsigned first, end;
};

static int
compare(struct rp_str a, struct rp_str b)
{
    const size_t n = a.n < b.n ? a.n : b.n;
    const int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static bool
begins_with(struct rp_str s, struct rp_str prefix)
{
    return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

static struct rp_str
prefix_of(const struct rp_pattern *p)
{
    return (struct rp_str){p->prefix.p, p->prefix.n};
}

/* ---- building ---- */

static int
no_memory(char *err, size_t errn)
{
    snprintf(err, errn, "routes: out of memory");
    return -1;
}

struct sort_key {
    struct rp_str prefix;
    unsigned index;
};

static int
compare_keys(const void *a, const void *b)
{
    const struct sort_key *x = a, *y = b;
    int c = compare(x->prefix, y->prefix);

    return c ? c : (x->index > y->index) - (x->index < y->index);
}

static int
sort_patterns(struct rp_patternset *s)
{
    struct sort_key *keys = calloc(s->n, sizeof(*keys));

    if (!keys)
        return -1;
    for (unsigned i = 0; i < s->n; i++)
        keys[i] = (struct sort_key){prefix_of(s->patterns[i]), i};
    qsort(keys, s->n, sizeof(*keys), compare_keys);
    for (unsigned i = 0; i < s->n; i++)
        s->sorted[i] = keys[i].index;
    free(keys);
    return 0;
}

/* One pattern's regex up to the end of the path. */
static int
add_alone(struct rp_buf *b, const struct rp_pattern *p)
{
    if (rp_buf_add(b, p->regex.p, p->regex.n) < 0)
        return -1;
    return rp_buf_add_str(b, RP_STR("\\z"));
}

/* Compile alternatives sorted[first .. end).  Return 0, or -1 with a reason,
 * which is empty when memory is out. */
static int
compile_range(const struct rp_patternset *s, unsigned first, unsigned end,
              struct rp_regex *re, char why[RP_REGEX_WHY])
{
    struct rp_buf b;
    int rc = -1;

    why[0] = '\0';
    rp_buf_init(&b, 0);
    /* (?| starts the numbers of capture groups anew in each alternative. */
    if (rp_buf_add_str(&b, RP_STR("(?|")) < 0)
        goto out;
    for (unsigned i = first; i < end; i++) {
        if (i > first && rp_buf_add(&b, "|", 1) < 0)
            goto out;
        if (add_alone(&b, s->patterns[s->sorted[i]]) < 0)
            goto out;
        /* Behind \z: the only mark passed is that of the match. */
        if (rp_buf_addf(&b, "(*MARK:%u)", i - first) < 0)
            goto out;
    }
    if (rp_buf_add(&b, ")", 1) < 0)
        goto out;
    rc = rp_regex_init(re, (struct rp_str){b.p, b.n}, why);
out:
    rp_buf_fini(&b);
    return rc;
}

static int
complain(const struct rp_pattern *p, const char *why, char *err, size_t errn)
{
    char quoted[RP_PATTERN_QUOTED];

    if (why[0] == '\0')
        return no_memory(err, errn);
    rp_pattern_quote(quoted, p->text);
    snprintf(err, errn, "route %s: %s", quoted, why);
    return -1;
}

/* Regexes of their own for patterns that share a chunk. */
static int
compile_alone(struct rp_patternset *s, const struct rp_patternset_chunk *c,
              char *err, size_t errn)
{
    char why[RP_REGEX_WHY] = "";
    struct rp_buf b;
    int rc = 0;

    rp_buf_init(&b, 0);
    for (unsigned i = c->first; i < c->end && rc == 0; i++) {
        const unsigned index = s->sorted[i];
        const struct rp_pattern *p = s->patterns[index];

        s->alone[index] = &c->regex;
        if (c->end - c->first == 1)
            break;
        rp_buf_reset(&b);
        if (add_alone(&b, p) < 0 ||
            rp_regex_init(&s->own[index], (struct rp_str){b.p, b.n}, why) < 0)
            rc = complain(p, why, err, errn);
        s->alone[index] = &s->own[index];
    }
    rp_buf_fini(&b);
    return rc;
}

/* Compile sorted[first .. end), all of one prefix, in as many chunks as it
 * takes. */
static int
add_chunks(struct rp_patternset *s, unsigned first, unsigned end, char *err,
           size_t errn)
{
    unsigned last;

    for (; first < end; first = last) {
        struct rp_patternset_chunk *c = &s->chunks[s->nchunks];
        char why[RP_REGEX_WHY];

        last = end - first > RP_PATTERNSET_CHUNK ? first + RP_PATTERNSET_CHUNK
                                                 : end;
        while (compile_range(s, first, last, &c->regex, why) < 0) {
            if (last - first == 1)
                return complain(s->patterns[s->sorted[first]], why, err, errn);
            last = first + (last - first) / 2;
        }
        c->first = first;
        c->end = last;
        s->nchunks++;
        if (compile_alone(s, c, err, errn) < 0)
            return -1;
    }
    return 0;
}

static unsigned
find_parent(const struct rp_patternset *s, unsigned bucket)
{
    const struct rp_str prefix = s->buckets[bucket].prefix;
    unsigned i = bucket - 1; /* NONE for the first */

    while (i != NONE && !begins_with(prefix, s->buckets[i].prefix))
        i = s->buckets[i].parent;
    return i;
}

static int
add_buckets(struct rp_patternset *s, char *err, size_t errn)
{
    unsigned first = 0, end;

    for (; first < s->n; first = end) {
        struct rp_patternset_bucket *b = &s->buckets[s->nbuckets];

        b->prefix = prefix_of(s->patterns[s->sorted[first]]);
        b->parent = find_parent(s, s->nbuckets);
        b->first = s->nchunks;
        for (end = first + 1; end < s->n; end++) {
            if (compare(prefix_of(s->patterns[s->sorted[end]]), b->prefix))
                break;
        }
        if (add_chunks(s, first, end, err, errn) < 0)
            return -1;
        b->end = s->nchunks;
        s->nbuckets++;
    }
    return 0;
}

int
rp_patternset_init(struct rp_patternset *s,
                   const struct rp_pattern *const *patterns, unsigned n,
                   char *err, size_t errn)
{
    unsigned ngroups = 0;

    *s = (struct rp_patternset){0};
    if (n == 0)
        return 0;
    s->patterns = calloc(n, sizeof(*s->patterns));
    s->sorted = calloc(n, sizeof(*s->sorted));
    s->buckets = calloc(n, sizeof(*s->buckets));
    s->chunks = calloc(n, sizeof(*s->chunks));
    s->own = calloc(n, sizeof(*s->own));
    s->alone = calloc(n, sizeof(*s->alone));
    if (!s->patterns || !s->sorted || !s->buckets || !s->chunks || !s->own ||
        !s->alone) {
        no_memory(err, errn);
        goto fail;
    }
    s->n = n;
    for (unsigned i = 0; i < n; i++) {
        s->patterns[i] = patterns[i];
        if (patterns[i]->ngroups > ngroups)
            ngroups = patterns[i]->ngroups;
    }
    if (rp_regex_scratch_init(&s->scratch, ngroups) < 0 ||
        sort_patterns(s) < 0) {
        no_memory(err, errn);
        goto fail;
    }
    if (add_buckets(s, err, errn) < 0)
        goto fail;
    return 0;
fail:
    rp_patternset_fini(s);
    return -1;
}

void
rp_patternset_fini(struct rp_patternset *s)
{
    for (unsigned i = 0; i < s->nchunks; i++)
        rp_regex_fini(&s->chunks[i].regex);
    for (unsigned i = 0; i < s->n; i++)
        rp_regex_fini(&s->own[i]);
    rp_regex_scratch_fini(&s->scratch);
    free(s->alone);
    free(s->own);
    free(s->chunks);
    free(s->buckets);
    free(s->sorted);
    free(s->patterns);
    *s = (struct rp_patternset){0};
}

/* ---- matching ---- */

/* The longest prefix that path begins with. */
static unsigned
find_bucket(const struct rp_patternset *s, struct rp_str path)
{
    unsigned low = 0, high = s->nbuckets, i;

    while (low < high) {
        const unsigned middle = low + (high - low) / 2;

        if (compare(s->buckets[middle].prefix, path) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    /* All that sorts between a prefix of path and path begins with that
     * prefix, so the ones sought are among the parents of the last that does
     * not sort behind path. */
    i = low - 1;
    while (i != NONE && !begins_with(path, s->buckets[i].prefix))
        i = s->buckets[i].parent;
    return i;
}

static void
take_params(const struct rp_patternset *s, struct rp_str path, unsigned index,
            struct rp_str params[RP_MAX_PARAMS])
{
    const struct rp_pattern *p = s->patterns[index];

    for (unsigned i = 0; i < p->nparams; i++)
        params[i] = rp_regex_group(&s->scratch, path, p->params[i].group);
}

enum rp_regex_result
rp_patternset_first(struct rp_patternset *s, struct rp_str path,
                    unsigned *index, struct rp_str params[RP_MAX_PARAMS])
{
    unsigned best = NONE;

    for (unsigned i = find_bucket(s, path); i != NONE;
         i = s->buckets[i].parent) {
        const struct rp_patternset_bucket *b = &s->buckets[i];

        for (unsigned j = b->first; j < b->end; j++) {
            const struct rp_patternset_chunk *c = &s->chunks[j];
            enum rp_regex_result result;
            unsigned found;

            if (s->sorted[c->first] > best)
                break;
            result = rp_regex_match(&c->regex, &s->scratch, path, b->prefix.n);
            if (result == RP_REGEX_LIMIT)
                return result;
            if (result == RP_REGEX_NO_MATCH)
                continue;
            found = s->sorted[c->first + rp_regex_mark(&s->scratch)];
            if (found < best) {
                best = found;
                take_params(s, path, best, params);
            }
            break;
        }
    }
    *index = best;
    return best == NONE ? RP_REGEX_NO_MATCH : RP_REGEX_MATCH;
}

enum rp_regex_result
rp_patternset_one(struct rp_patternset *s, struct rp_str path, unsigned index,
                  struct rp_str params[RP_MAX_PARAMS])
{
    const struct rp_str prefix = prefix_of(s->patterns[index]);
    enum rp_regex_result result;

    if (!begins_with(path, prefix))
        return RP_REGEX_NO_MATCH;
    result = rp_regex_match(s->alone[index], &s->scratch, path, prefix.n);
    if (result == RP_REGEX_MATCH)
        take_params(s, path, index, params);
    return result;
}
