/* fuzz_route.c -- lines of routes, an empty line, lines of paths.
 *
 * Whatever is registered and asked: parameters lie inside the path, a route
 * that is found is the one that patterns asked one after the other would give,
 * and nobody hangs. */
#include <stdlib.h>

#include "rupy/http/url.h"
#include "rupy/route/patternset.h"
#include "rupy/route/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { ROUTES_MAX = 32, PATHS_MAX = 64 };

static void
require(bool fact)
{
    if (!fact)
        abort();
}

static bool
next_line(struct rp_str *rest, struct rp_str *line)
{
    const char *end;

    if (rest->n == 0)
        return false;
    end = memchr(rest->p, '\n', rest->n);
    *line = (struct rp_str){rest->p, end ? (size_t)(end - rest->p) : rest->n};
    rest->p += line->n + (end != NULL);
    rest->n -= line->n + (end != NULL);
    return true;
}

static void
require_inside(const struct rp_str *params, unsigned n, struct rp_str path)
{
    for (unsigned i = 0; i < n; i++)
        require(params[i].p == NULL ||
                (params[i].p >= path.p &&
                 params[i].p + params[i].n <= path.p + path.n));
}

/* All at once and one after the other give the same answer. */
static void
compare_ways(struct rp_patternset *set, struct rp_str path)
{
    struct rp_str params[RP_MAX_PARAMS], others[RP_MAX_PARAMS];
    unsigned first;
    const enum rp_regex_result result =
        rp_patternset_first(set, path, &first, params);

    if (result == RP_REGEX_LIMIT)
        return;
    if (result == RP_REGEX_NO_MATCH)
        first = set->n;
    for (unsigned i = 0; i < set->n && i <= first; i++) {
        const enum rp_regex_result one =
            rp_patternset_one(set, path, i, others);

        if (one == RP_REGEX_LIMIT)
            return;
        require(one == (i == first ? RP_REGEX_MATCH : RP_REGEX_NO_MATCH));
    }
    if (first == set->n)
        return;
    require_inside(params, set->patterns[first]->nparams, path);
    for (unsigned i = 0; i < set->patterns[first]->nparams; i++)
        require(rp_str_eq(params[i], others[i]));
}

static void
ask(struct rp_router *router, struct rp_str path)
{
    struct rp_match match;
    struct rp_buf allow;

    rp_buf_init(&allow, 256);
    for (int i = 0; i < 3; i++) {
        const struct rp_str method = (struct rp_str[]){
            RP_STR("GET"), RP_STR("PUT"), RP_STR("OPTIONS")}[i];
        const enum rp_route_result result =
            rp_router_match(router, method, path, &match, &allow);

        require((result == RP_ROUTE_FOUND) == (match.route != NULL));
        require_inside(match.params, match.nparams, path);
        if (rp_url_has_dot_segment(path))
            require(result == RP_ROUTE_NOT_FOUND);
        if (result == RP_ROUTE_NOT_ALLOWED)
            require(allow.n > 0);
    }
    rp_buf_fini(&allow);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct rp_str rest = {(const char *)data, n}, line;
    struct rp_pattern patterns[ROUTES_MAX];
    const struct rp_pattern *lent[ROUTES_MAX];
    struct rp_router *router = rp_router_new();
    struct rp_patternset set;
    unsigned npatterns = 0;
    char err[300];
    bool whole;

    require(router != NULL);
    for (int i = 0; i < ROUTES_MAX && next_line(&rest, &line); i++) {
        if (line.n == 0)
            break;
        rp_router_add(router, line, i % 3 ? RP_STR("GET") : RP_STR("PUT"), err,
                      err, sizeof(err));
        if (rp_pattern_init(&patterns[npatterns], line, err, sizeof(err)) < 0)
            require(memchr(err, '\n', strlen(err)) == NULL);
        else if (patterns[npatterns].nparams == 0)
            rp_pattern_fini(&patterns[npatterns]);
        else
            npatterns++;
    }
    for (unsigned i = 0; i < npatterns; i++)
        lent[i] = &patterns[i];
    whole = rp_patternset_init(&set, lent, npatterns, err, sizeof(err)) == 0;
    require(rp_router_compile(router, err, sizeof(err)) == 0 || !whole);
    for (int i = 0; i < PATHS_MAX && next_line(&rest, &line); i++) {
        ask(router, line);
        if (whole)
            compare_ways(&set, line);
    }
    if (whole)
        rp_patternset_fini(&set);
    for (unsigned i = 0; i < npatterns; i++)
        rp_pattern_fini(&patterns[i]);
    rp_router_free(router);
    return 0;
}
