/* ask.h -- routes and questions, each in a line. */
#ifndef RUPY_TESTS_ROUTE_ASK_H
#define RUPY_TESTS_ROUTE_ASK_H

#include <check.h>

#include "rupy/route/router.h"

/* Asked by everything below; new for each test by the fixture. */
extern struct rp_router *router;

struct question {
    const char *line, *want, *why;
};

static inline struct rp_str
str(const char *s)
{
    return (struct rp_str){s, strlen(s)};
}

void set_up(void);
void tear_down(void);
/* Routes are numbers. */
void *route_numbered(int n);
int number(const void *route);
/* Register "GET /a" as route n. */
void add(int n, const char *line);
void compile(void);
/* Register lines up to a NULL as routes 1, 2, ..., and compile. */
void add_all(const char *const *lines);
/* What became of "GET /a", in a line: "FOUND 3 12 ab" (route, parameters),
 * "NOT_ALLOWED GET, HEAD, OPTIONS".  Good until the next question. */
const char *ask(const char *line);
const char *ask_slice(struct rp_str method, struct rp_str path);
/* Questions up to one without a line. */
void ask_all(const struct question *q);
/* Run tests, each with the fixture, and looped ones three times; return the
 * status to exit with. */
int run_suite(const char *name, const TTest *const *tests, size_t n,
              const TTest *thrice);

#endif
