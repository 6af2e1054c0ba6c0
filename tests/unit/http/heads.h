/* heads.h -- a head through the parser in one way or another, and what came
 * out of it as one line of text, so that two ways can be compared. */
#ifndef RUPY_TESTS_HEADS_H
#define RUPY_TESTS_HEADS_H

#include <stdio.h>

#include "../guard.h"
#include "rupy/http/parser.h"

struct outcome {
    int rc; /* of rp_parser_head() */
    char text[8192];
};

static inline void
outcome_add(struct outcome *o, const char *what, struct rp_str s)
{
    size_t n = strlen(o->text);

    snprintf(o->text + n, sizeof(o->text) - n, "%s%.*s", what, RP_STR_ARG(s));
}

static inline void
outcome_render(struct outcome *o, const struct rp_request *r)
{
    char rest[64];

    o->text[0] = '\0';
    outcome_add(o, "", r->method_name);
    outcome_add(o, " ", r->target);
    outcome_add(o, " ", r->path);
    outcome_add(o, " ?", r->query);
    outcome_add(o, " @", r->host);
    snprintf(rest, sizeof(rest), " 1.%d %lld%s%s%s%s", r->minor,
             (long long)r->content_length, r->chunked ? " chunked" : "",
             r->keep_alive ? " keep" : "", r->expect_continue ? " 100" : "",
             r->upgrade_websocket ? " ws" : "");
    outcome_add(o, rest, (struct rp_str){"", 0});
    for (unsigned i = 0; i < r->nfields; i++) {
        outcome_add(o, " [", r->fields[i].name);
        outcome_add(o, "=", r->fields[i].value);
        outcome_add(o, "]", (struct rp_str){"", 0});
    }
}

/* Show the parser p..p+n in pieces that end at the given offsets, each time
 * at another address and before a guard page. */
static inline void
parse_pieces(struct rp_parser *ps, const struct rp_limits *lim, struct guard *g,
             const char *p, const size_t *ends, size_t nends, struct outcome *o)
{
    static struct rp_field fields[RP_MAX_FIELDS];
    struct rp_request r;

    o->rc = 0;
    o->text[0] = '\0';
    for (size_t i = 0; i < nends && o->rc == 0; i++)
        o->rc = rp_parser_head(ps, lim, guard_set(g, p, ends[i]), ends[i],
                               fields, &r);
    if (o->rc > 0)
        outcome_render(o, &r);
}

static inline void
parse_whole(const struct rp_limits *lim, struct guard *g, const char *p,
            size_t n, struct outcome *o)
{
    struct rp_parser ps;

    rp_parser_init(&ps, NULL);
    parse_pieces(&ps, lim, g, p, &n, 1, o);
    rp_parser_fini(&ps);
}

static inline void
parse_bytewise(const struct rp_limits *lim, struct guard *g, const char *p,
               size_t n, struct outcome *o)
{
    struct rp_parser ps;
    size_t *ends = malloc((n + 1) * sizeof(*ends));

    for (size_t i = 0; i < n; i++)
        ends[i] = i + 1;
    rp_parser_init(&ps, NULL);
    parse_pieces(&ps, lim, g, p, ends, n, o);
    rp_parser_fini(&ps);
    free(ends);
}

static inline void
parse_cut(const struct rp_limits *lim, struct guard *g, const char *p, size_t n,
          size_t cut, struct outcome *o)
{
    struct rp_parser ps;
    size_t ends[2] = {cut, n};

    rp_parser_init(&ps, NULL);
    parse_pieces(&ps, lim, g, p, ends, 2, o);
    rp_parser_fini(&ps);
}

#endif
