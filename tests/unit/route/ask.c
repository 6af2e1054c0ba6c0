/* ask.c -- a router, and what it answers in words. */
#include "ask.h"

#include <stdio.h>
#include <stdlib.h>

#include "run.h"

struct rp_router *router;

static char numbers[2048];

void *
route_numbered(int n)
{
    return numbers + n;
}

int
number(const void *route)
{
    return route ? (int)((const char *)route - numbers) : 0;
}

/* "GET /a" to a route of that number. */
void
add(int n, const char *line)
{
    const char *space = strchr(line, ' ');
    char err[400] = "";

    ck_assert_msg(rp_router_add(router, str(space + 1),
                                (struct rp_str){line, (size_t)(space - line)},
                                numbers + n, err, sizeof(err)) == 0,
                  "%s", err);
}

void
compile(void)
{
    char err[400] = "";

    ck_assert_msg(rp_router_compile(router, err, sizeof(err)) == 0, "%s", err);
}

void
add_all(const char *const *lines)
{
    for (int i = 0; lines[i]; i++)
        add(i + 1, lines[i]);
    compile();
}

void
set_up(void)
{
    router = rp_router_new();
    ck_assert_ptr_nonnull(router);
}

void
tear_down(void)
{
    rp_router_free(router);
}

const char *
ask_slice(struct rp_str method, struct rp_str path)
{
    static const char *const results[] = {"FOUND", "NOT_FOUND", "NOT_ALLOWED",
                                          "OPTIONS", "LIMIT"};
    static char answer[512];
    /* As long as it is, so that reading further is seen. */
    char *exact = malloc(path.n ? path.n : 1);
    enum rp_route_result result;
    struct rp_match match;
    struct rp_buf allow;
    int n;

    memcpy(exact, path.p, path.n);
    rp_buf_init(&allow, 0);
    ck_assert_int_eq(rp_buf_add(&allow, "stale", 5), 0);
    result = rp_router_match(router, method, (struct rp_str){exact, path.n},
                             &match, &allow);
    n = snprintf(answer, sizeof(answer), "%s", results[result]);
    if (result == RP_ROUTE_FOUND) {
        n += snprintf(answer + n, sizeof(answer) - (size_t)n, " %d",
                      number(match.route));
        for (unsigned i = 0; i < match.nparams; i++) {
            const struct rp_str p = match.params[i];

            ck_assert(p.p >= exact && p.p + p.n <= exact + path.n);
            n += snprintf(answer + n, sizeof(answer) - (size_t)n, " %.*s",
                          RP_STR_ARG(p));
        }
    } else {
        ck_assert_uint_eq(match.nparams, 0);
    }
    if (result == RP_ROUTE_NOT_ALLOWED || result == RP_ROUTE_OPTIONS)
        snprintf(answer + n, sizeof(answer) - (size_t)n, " %.*s",
                 RP_STR_ARG(allow));
    rp_buf_fini(&allow);
    free(exact);
    return answer;
}

/* "GET /a" */
const char *
ask(const char *line)
{
    const char *space = strchr(line, ' ');

    return ask_slice((struct rp_str){line, (size_t)(space - line)},
                     str(space + 1));
}

void
ask_all(const struct question *q)
{
    for (; q->line; q++) {
        const char *got = ask(q->line);

        ck_assert_msg(strcmp(got, q->want) == 0, "%s: want %s, got %s: %s",
                      q->line, q->want, got, q->why);
    }
}

int
run_suite(const char *name, const TTest *const *tests, size_t n,
          const TTest *thrice)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 30);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(tc, tests[i]);
    if (thrice)
        tcase_add_loop_test(tc, thrice, 0, 3);
    return run_tests(name, tc);
}
