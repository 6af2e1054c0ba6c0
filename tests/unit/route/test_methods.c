/* test_methods.c -- methods of a known path: 405, Allow, HEAD, OPTIONS. */
#include "ask.h"

START_TEST(a_known_path_with_another_method_is_not_allowed)
{
    static const char *const routes[] = {
        "GET /a",      "POST /a",         "PUT /<x>",       "DELETE /<y>",
        "GET /<z>",    "PATCH /<p:path>", "OPTIONS /own/o", "GET /own/o",
        "HEAD /own/h", "GET /own/h",      "OPTIONS /<w>/x", "QUERY /q",
        NULL,
    };
    static const struct question questions[] = {
        {"GET /a", "FOUND 1", "a literal"},
        {"POST /a", "FOUND 2", "another method of it"},
        {"HEAD /a", "FOUND 1", "HEAD from GET"},
        {"PUT /a", "FOUND 3 a", "a pattern has what the literal has not"},
        {"PATCH /a", "FOUND 6 a", "a later pattern has"},
        {"PATCH /b", "FOUND 6 b", "when the first that matches has not"},
        {"HEAD /b", "FOUND 5 b", "HEAD from a pattern's GET"},
        {"BREW /a", "NOT_ALLOWED GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS",
         "all that match, each once"},
        {"get /b", "NOT_ALLOWED PUT, DELETE, GET, HEAD, PATCH, OPTIONS",
         "methods are case-sensitive"},
        {"POST /b/c", "NOT_ALLOWED PATCH, OPTIONS", "only those that match"},
        {"OPTIONS /b", "OPTIONS PUT, DELETE, GET, HEAD, PATCH, OPTIONS",
         "nobody's own"},
        {"OPTIONS /own/o", "FOUND 7", "a literal's own"},
        {"OPTIONS /b/x", "FOUND 11 b", "a pattern's own"},
        {"HEAD /own/h", "FOUND 9", "HEAD of its own"},
        {"BREW /own/h", "NOT_ALLOWED HEAD, GET, PATCH, OPTIONS",
         "HEAD is named once"},
        {"BREW /own/o", "NOT_ALLOWED OPTIONS, GET, HEAD, PATCH",
         "OPTIONS is named once"},
        {"BREW /q",
         "NOT_ALLOWED QUERY, PUT, DELETE, GET, HEAD, PATCH, "
         "OPTIONS",
         "methods are open"},
        {"GET /c/d/", "NOT_ALLOWED PATCH, OPTIONS", "the path is known"},
        {"OPTIONS /", "NOT_FOUND", "an unknown path has no options"},
        {"OPTIONS /..", "NOT_FOUND", "nor have dot segments"},
        {NULL, NULL, NULL},
    };

    add_all(routes);
    ask_all(questions);
}
END_TEST

START_TEST(the_first_registered_with_the_method_wins)
{
    /* 4 is merged into 1, which stands before 2 and 3. */
    static const char *const routes[] = {
        "GET /<a>",        "POST /<b:int>",
        "GET /<b:int>",    "POST /<a>",
        "GET /x/<a>",      "HEAD /x/<b:int>",
        "PUT /x/<a>",      "GET /y/<a>",
        "POST /y/<b:int>", "POST /y/<c:re([0-9]{1,9})>",
        "POST /y/<a>",     NULL,
    };
    static const struct question questions[] = {
        {"GET /5", "FOUND 1 5", "the first GET"},
        {"POST /5", "FOUND 2 5", "the first POST, not the first pattern"},
        {"POST /a", "FOUND 4 a", "the only POST that matches"},
        {"HEAD /x/5", "FOUND 5 5", "GET answers HEAD, and was first"},
        {"POST /y/5", "FOUND 9 5", "the first of three that match"},
        {NULL, NULL, NULL},
    };

    add_all(routes);
    ask_all(questions);
}
END_TEST

START_TEST(a_star_answers_what_no_other_route_of_the_path_does)
{
    static const char *const routes[] = {
        "* /a", "PUT /a", "GET /p/<x:int>", "* /p/<x>", "PUT /p/<x:int>", NULL,
    };
    static const struct question questions[] = {
        {"BREW /a", "FOUND 1", "any method"},
        {"OPTIONS /a", "FOUND 1", "OPTIONS, too"},
        {"HEAD /a", "FOUND 1", "and HEAD"},
        {"PUT /a", "FOUND 2", "but not what has a route"},
        {"GET /p/5", "FOUND 3 5", "an earlier route goes first"},
        {"PUT /p/5", "FOUND 4 5", "a later one does not"},
        {"BREW /p/5", "FOUND 4 5", "when the first that matches has not"},
        {NULL, NULL, NULL},
    };

    add_all(routes);
    ask_all(questions);
}
END_TEST

START_TEST(allow_may_be_left_out)
{
    struct rp_match match;

    add(1, "GET /<a>");
    compile();
    ck_assert_int_eq(
        rp_router_match(router, RP_STR("PUT"), RP_STR("/a"), &match, NULL),
        RP_ROUTE_NOT_ALLOWED);
}
END_TEST

START_TEST(allow_never_names_half_a_method)
{
    for (size_t max = 1; max < 40; max++) {
        static const char whole[] = "DELETE, GET, HEAD, PATCH, OPTIONS";
        struct rp_match match;
        struct rp_buf allow;

        rp_router_free(router);
        set_up();
        add(1, "DELETE /a");
        add(2, "GET /a");
        add(3, "PATCH /a");
        rp_buf_init(&allow, max);
        ck_assert_int_eq(rp_router_match(router, RP_STR("PUT"), RP_STR("/a"),
                                         &match, &allow),
                         RP_ROUTE_NOT_ALLOWED);
        ck_assert_uint_le(allow.n, max);
        for (size_t i = 0; i < allow.n;) {
            const char *end = memchr(allow.p + i, ',', allow.n - i);
            const size_t n = end ? (size_t)(end - allow.p) - i : allow.n - i;
            char name[40];

            memcpy(name, allow.p + i, n);
            memcpy(name + n, ",", 2);
            ck_assert_msg(strstr("DELETE,GET,HEAD,PATCH,OPTIONS,", name) !=
                              NULL,
                          "%s", name);
            i += n + 2;
        }
        if (max >= sizeof(whole) + 1)
            ck_assert(rp_str_eq((struct rp_str){allow.p, allow.n}, str(whole)));
        rp_buf_fini(&allow);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        a_known_path_with_another_method_is_not_allowed,
        the_first_registered_with_the_method_wins,
        a_star_answers_what_no_other_route_of_the_path_does,
        allow_may_be_left_out,
        allow_never_names_half_a_method,
    };

    return run_suite("methods", tests, sizeof(tests) / sizeof(tests[0]), NULL);
}
