/* router.c -- which route answers this method on this path, or why none.
 *
 * A path that people registered is an entry, with a row for each method.
 * Entries of literal paths are found by hash; those of patterns by a set that
 * tells the first that matches, and only when that one does not settle it
 * (another method, precedence) all entries are asked in turn. */
#include "rupy/route/router.h"

#include <stdio.h>
#include <stdlib.h>

#include "rupy/http/headers.h"
#include "rupy/http/url.h"
#include "rupy/route/patternset.h"

enum { SLOTS_MIN = 16 };

struct row {
    struct rp_str method; /* owned */
    void *route;
    unsigned order; /* of registration, over the whole router */
    bool contested; /* a pattern behind this one has a row that was
                           * registered earlier and answers the same method */
};

struct entry {
    struct rp_pattern pattern;
    char *text; /* what pattern.text points to */
    struct row *rows;
    unsigned nrows;
};

struct slot {
    uint64_t hash;
    struct entry *entry; /* NULL: free */
};

struct rp_router {
    struct slot *slots; /* open addressing, at most half full */
    unsigned nslots;    /* a power of two */
    unsigned nliterals;
    struct entry **patterns; /* in order of registration */
    unsigned npatterns;
    unsigned order;
    struct rp_patternset set; /* of patterns[0 .. set.n) */
};

/* ---- literal paths ---- */

/* Eight bytes a step: a hash byte by byte would cost more than all the rest.
 * Clients choose what is looked up, not what is stored, so it needs no key. */
static uint64_t
hash_path(struct rp_str s)
{
    const uint64_t k = 0x9e3779b97f4a7c15u;
    uint64_t h = s.n * k, w = 0;

    for (size_t i = 0; i + 8 < s.n; i += 8) {
        memcpy(&w, s.p + i, 8);
        h = (h ^ w) * k;
        h ^= h >> 32;
    }
    /* The last eight may overlap those before. */
    if (s.n >= 8)
        memcpy(&w, s.p + s.n - 8, 8);
    else if (s.n > 0)
        memcpy(&w, s.p, s.n);
    h = (h ^ w) * k;
    return h ^ h >> 29;
}

/* The slot of path, or the free one where it would stand. */
static struct slot *
find_slot(const struct rp_router *r, struct rp_str path, uint64_t hash)
{
    unsigned i = (unsigned)hash & (r->nslots - 1);

    for (;; i = (i + 1) & (r->nslots - 1)) {
        struct slot *s = &r->slots[i];

        if (!s->entry ||
            (s->hash == hash && s->entry->pattern.prefix.n == path.n &&
             memcmp(s->entry->pattern.prefix.p, path.p, path.n) == 0))
            return s;
    }
}

static struct entry *
find_literal(const struct rp_router *r, struct rp_str path)
{
    return find_slot(r, path, hash_path(path))->entry;
}

static int
grow_slots(struct rp_router *r)
{
    struct slot *old = r->slots;
    const unsigned n = r->nslots;

    r->slots = calloc(n * 2, sizeof(*r->slots));
    if (!r->slots) {
        r->slots = old;
        return -1;
    }
    r->nslots = n * 2;
    for (unsigned i = 0; i < n; i++) {
        const struct rp_buf *b;

        if (!old[i].entry)
            continue;
        b = &old[i].entry->pattern.prefix;
        *find_slot(r, (struct rp_str){b->p, b->n}, old[i].hash) = old[i];
    }
    free(old);
    return 0;
}

/* ---- entries and their rows ---- */

static void
entry_free(struct entry *e)
{
    if (!e)
        return;
    for (unsigned i = 0; i < e->nrows; i++)
        free((char *)e->rows[i].method.p);
    free(e->rows);
    rp_pattern_fini(&e->pattern);
    free(e->text);
    free(e);
}

static const struct row *
find_row(const struct entry *e, struct rp_str method)
{
    for (unsigned i = 0; i < e->nrows; i++) {
        if (rp_str_eq(e->rows[i].method, method))
            return &e->rows[i];
    }
    return NULL;
}

static bool
is_websocket(struct rp_str method)
{
    return rp_str_eq(method, RP_ROUTE_WEBSOCKET);
}

/* The row that answers method: HEAD may be left to GET (RFC 9110 9.3.2), and
 * any to "*". */
static const struct row *
answering_row(const struct entry *e, struct rp_str method)
{
    const struct row *row = find_row(e, method);

    if (!row && rp_str_eq(method, RP_STR("HEAD")))
        row = find_row(e, RP_STR("GET"));
    return row || is_websocket(method) ? row : find_row(e, RP_STR("*"));
}

static int
add_row(struct rp_router *r, struct entry *e, struct rp_str method, void *route)
{
    struct row *rows = realloc(e->rows, (e->nrows + 1) * sizeof(*rows));
    struct row *row;
    char *name;

    if (!rows)
        return -1;
    e->rows = rows;
    row = &rows[e->nrows];
    name = malloc(method.n);
    if (!name)
        return -1;
    memcpy(name, method.p, method.n);
    row->method.p = name;
    row->method.n = method.n;
    row->route = route;
    row->order = r->order++;
    row->contested = false;
    e->nrows++;
    return 0;
}

/* ---- registration ---- */

struct rp_router *
rp_router_new(void)
{
    struct rp_router *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    r->nslots = SLOTS_MIN;
    r->slots = calloc(r->nslots, sizeof(*r->slots));
    if (!r->slots) {
        free(r);
        return NULL;
    }
    return r;
}

void
rp_router_free(struct rp_router *r)
{
    if (!r)
        return;
    rp_patternset_fini(&r->set);
    for (unsigned i = 0; i < r->nslots; i++)
        entry_free(r->slots[i].entry);
    for (unsigned i = 0; i < r->npatterns; i++)
        entry_free(r->patterns[i]);
    free(r->patterns);
    free(r->slots);
    free(r);
}

/* An entry without rows.  Return NULL with err written. */
static struct entry *
entry_new(struct rp_str text, char *err, size_t errn)
{
    struct entry *e = calloc(1, sizeof(*e));
    /* One more, as malloc(0) may be NULL. */
    char *copy = malloc(text.n + 1);

    if (!e || !copy) {
        snprintf(err, errn, "routes: out of memory");
        goto fail;
    }
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    if (rp_pattern_init(&e->pattern, (struct rp_str){copy, text.n}, err, errn) <
        0)
        goto fail;
    e->text = copy;
    return e;
fail:
    free(copy);
    free(e);
    return NULL;
}

/* The entry that matches the same paths as p, or NULL. */
static struct entry *
find_same(const struct rp_router *r, const struct rp_pattern *p)
{
    if (p->nparams == 0)
        return find_literal(r, (struct rp_str){p->prefix.p, p->prefix.n});
    for (unsigned i = 0; i < r->npatterns; i++) {
        if (rp_pattern_same(&r->patterns[i]->pattern, p))
            return r->patterns[i];
    }
    return NULL;
}

/* Take e into the router. */
static int
add_entry(struct rp_router *r, struct entry *e)
{
    const struct rp_str path = {e->pattern.prefix.p, e->pattern.prefix.n};
    struct entry **patterns;

    if (e->pattern.nparams == 0) {
        const uint64_t hash = hash_path(path);

        if (r->nliterals >= r->nslots / 2 && grow_slots(r) < 0)
            return -1;
        *find_slot(r, path, hash) = (struct slot){hash, e};
        r->nliterals++;
        return 0;
    }
    patterns = realloc(r->patterns, (r->npatterns + 1) * sizeof(*patterns));
    if (!patterns)
        return -1;
    r->patterns = patterns;
    r->patterns[r->npatterns++] = e;
    return 0;
}

int
rp_router_add(struct rp_router *r, struct rp_str pattern, struct rp_str method,
              void *route, char *err, size_t errn)
{
    char quoted[RP_PATTERN_QUOTED], other[RP_PATTERN_QUOTED];
    struct entry *e, *same;

    rp_pattern_quote(quoted, pattern);
    /* It goes into the Allow field as it is. */
    if (!rp_is_token(method) && !is_websocket(method)) {
        snprintf(err, errn, "route %s: a method is a word like GET", quoted);
        return -1;
    }
    e = entry_new(pattern, err, errn);
    if (!e)
        return -1;
    same = find_same(r, &e->pattern);
    if (same && find_row(same, method)) {
        rp_pattern_quote(other, same->pattern.text);
        snprintf(err, errn, "route %s: %.*s is answered by route %s already",
                 quoted, method.n < 32 ? (int)method.n : 32, method.p, other);
        entry_free(e);
        return -1;
    }
    if (same ? add_row(r, same, method, route)
             : add_row(r, e, method, route) || add_entry(r, e)) {
        snprintf(err, errn, "route %s: out of memory", quoted);
        entry_free(e);
        return -1;
    }
    if (same)
        entry_free(e);
    return 0;
}

/* A pattern behind patterns[i] answers method by an earlier registration. */
static bool
is_contested(const struct rp_router *r, unsigned i, struct rp_str method,
             unsigned order)
{
    while (++i < r->npatterns) {
        const struct entry *e = r->patterns[i];
        const struct row *row = answering_row(e, method);

        if (row && row->order < order)
            return true;
        if (!rp_str_eq(method, RP_STR("*")))
            continue;
        for (unsigned j = 0; j < e->nrows; j++)
            if (e->rows[j].order < order)
                return true;
    }
    return false;
}

static void
mark_contested(struct rp_router *r)
{
    for (unsigned i = 0; i < r->npatterns; i++) {
        for (unsigned j = 0; j < r->patterns[i]->nrows; j++) {
            struct row *row = &r->patterns[i]->rows[j];

            row->contested = is_contested(r, i, row->method, row->order);
            if (rp_str_eq(row->method, RP_STR("GET")))
                row->contested |=
                    is_contested(r, i, RP_STR("HEAD"), row->order);
        }
    }
}

int
rp_router_compile(struct rp_router *r, char *err, size_t errn)
{
    const struct rp_pattern **patterns;
    struct rp_patternset set;
    int rc;

    patterns = calloc(r->npatterns + 1, sizeof(*patterns));
    if (!patterns) {
        snprintf(err, errn, "routes: out of memory");
        return -1;
    }
    for (unsigned i = 0; i < r->npatterns; i++)
        patterns[i] = &r->patterns[i]->pattern;
    rc = rp_patternset_init(&set, patterns, r->npatterns, err, errn);
    free(patterns);
    if (rc < 0)
        return -1;
    rp_patternset_fini(&r->set);
    r->set = set;
    mark_contested(r);
    return 0;
}

/* ---- matching ---- */

/* Append a method to the value of Allow, once.  What does not fit is left
 * out: an Allow that says less is better than none. */
static void
allow_add(struct rp_buf *allow, struct rp_str method)
{
    struct rp_str rest = {allow->p, allow->n};

    while (rest.n > 0) {
        const char *comma = memchr(rest.p, ',', rest.n);
        const size_t n = comma ? (size_t)(comma - rest.p) : rest.n;

        if (rp_str_eq((struct rp_str){rest.p, n}, method))
            return;
        if (!comma)
            break;
        rest = (struct rp_str){rest.p + n + 2, rest.n - n - 2};
    }
    if (rp_buf_reserve(allow, method.n + 2) < 0)
        return;
    if (allow->n > 0)
        rp_buf_add(allow, ", ", 2);
    rp_buf_add_str(allow, method);
}

static void
allow_add_entry(struct rp_buf *allow, const struct entry *e)
{
    if (!allow)
        return;
    for (unsigned i = 0; i < e->nrows; i++) {
        if (is_websocket(e->rows[i].method))
            continue;
        allow_add(allow, e->rows[i].method);
        if (rp_str_eq(e->rows[i].method, RP_STR("GET")))
            allow_add(allow, RP_STR("HEAD"));
    }
}

/* Ask every pattern from `first` on, which is the first that matches at all;
 * literal (may be NULL) matches, but has not the method. */
static enum rp_route_result
match_in_turn(struct rp_router *r, struct rp_str method, struct rp_str path,
              const struct entry *literal, unsigned first, struct rp_match *out,
              struct rp_buf *allow)
{
    const struct row *best = NULL;

    if (allow)
        rp_buf_reset(allow);
    if (allow && literal)
        allow_add_entry(allow, literal);
    for (unsigned i = first; i < r->set.n; i++) {
        const struct entry *e = r->patterns[i];
        const struct row *row = answering_row(e, method);
        struct rp_str params[RP_MAX_PARAMS];
        enum rp_regex_result result;

        /* Once a route is found only an earlier one matters. */
        if (best && !(row && row->order < best->order))
            continue;
        result = rp_patternset_one(&r->set, path, i, params);
        if (result == RP_REGEX_LIMIT)
            return RP_ROUTE_LIMIT;
        if (result == RP_REGEX_NO_MATCH)
            continue;
        allow_add_entry(allow, e);
        if (!row)
            continue;
        best = row;
        out->route = row->route;
        out->nparams = e->pattern.nparams;
        memcpy(out->params, params, out->nparams * sizeof(params[0]));
    }
    if (best)
        return RP_ROUTE_FOUND;
    if (allow)
        allow_add(allow, RP_STR("OPTIONS"));
    return rp_str_eq(method, RP_STR("OPTIONS")) ? RP_ROUTE_OPTIONS
                                                : RP_ROUTE_NOT_ALLOWED;
}

enum rp_route_result
rp_router_match(struct rp_router *r, struct rp_str method, struct rp_str path,
                struct rp_match *out, struct rp_buf *allow)
{
    const struct entry *literal;
    const struct row *row;
    unsigned first;

    out->nparams = 0;
    out->route = NULL;
    if (path.n == 0)
        return RP_ROUTE_NOT_FOUND;
    literal = find_literal(r, path);
    row = literal ? answering_row(literal, method) : NULL;
    if (row) {
        out->route = row->route;
        return RP_ROUTE_FOUND;
    }
    if (memchr(path.p, '.', path.n) && rp_url_has_dot_segment(path))
        return RP_ROUTE_NOT_FOUND;
    switch (rp_patternset_first(&r->set, path, &first, out->params)) {
    case RP_REGEX_LIMIT:
        return RP_ROUTE_LIMIT;
    case RP_REGEX_NO_MATCH:
        if (!literal)
            return RP_ROUTE_NOT_FOUND;
        first = r->set.n;
        break;
    case RP_REGEX_MATCH:
        row = answering_row(r->patterns[first], method);
        if (!row || row->contested)
            break;
        out->route = row->route;
        out->nparams = r->patterns[first]->pattern.nparams;
        return RP_ROUTE_FOUND;
    }
    return match_in_turn(r, method, path, literal, first, out, allow);
}
