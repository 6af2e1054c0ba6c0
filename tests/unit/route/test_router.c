/* test_router.c -- which route and which parameters. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ask.h"

START_TEST(converters_take_what_they_say)
{
    static const char *const routes[] = {
        "GET /int/<a:int>",       "GET /float/<a:float>",
        "GET /uuid/<a:uuid>",     "GET /path/<a:path>",
        "GET /path/<a:path>/end", "GET /re/<a:re([a-c]+(/x)?)>",
        "GET /file-<id>.txt",     "GET /<year:int>-<month:int>.<ext>",
        "GET /str/<a>",           NULL,
    };
    static const struct question questions[] = {
        {"GET /int/0042", "FOUND 1 0042", "digits"},
        {"GET /int/", "NOT_FOUND", "not empty"},
        {"GET /int/-1", "NOT_FOUND", "no sign"},
        {"GET /int/1a", "NOT_FOUND", "the whole segment"},
        {"GET /int/1/", "NOT_FOUND", "the whole path"},
        {"GET /int/1\n", "NOT_FOUND", "a newline at the end is no end"},
        {"GET /float/3", "FOUND 2 3", "without fraction"},
        {"GET /float/3.14", "FOUND 2 3.14", "with fraction"},
        {"GET /float/3.", "NOT_FOUND", "a dot wants digits"},
        {"GET /float/.5", "NOT_FOUND", "digits first"},
        {"GET /float/1e5", "NOT_FOUND", "no exponent"},
        {"GET /uuid/0188a5eb-2bd4-7DF6-90ea-93c3b8afc4dd",
         "FOUND 3 0188a5eb-2bd4-7DF6-90ea-93c3b8afc4dd", "either case"},
        {"GET /uuid/0188a5eb2bd47df690ea93c3b8afc4dd", "NOT_FOUND",
         "no hyphens"},
        {"GET /uuid/0188a5eg-2bd4-7df6-90ea-93c3b8afc4dd", "NOT_FOUND",
         "not hex"},
        {"GET /path/a/b//c", "FOUND 4 a/b//c", "slashes included"},
        {"GET /path/", "NOT_FOUND", "not empty"},
        {"GET /path/\n/\n", "FOUND 4 \n/\n", "newlines are bytes"},
        {"GET /path/a/end", "FOUND 4 a/end", "the first registered"},
        {"GET /re/abc", "FOUND 6 abc", "a regex"},
        {"GET /re/abc/x", "FOUND 6 abc/x", "'/' because it says so"},
        {"GET /re/abcd", "NOT_FOUND", "all of the parameter"},
        {"GET /file-a.b.txt", "FOUND 7 a.b", "literals after it are right"},
        {"GET /file-.txt", "NOT_FOUND", "not empty inside a segment either"},
        {"GET /file-a/b.txt", "NOT_FOUND", "one segment"},
        {"GET /file-axtxt", "NOT_FOUND", "'.' stands for itself"},
        {"GET /2026-07.tar.gz", "FOUND 8 2026 07 tar.gz", "three in one"},
        {"GET /str/a%2Fb", "FOUND 9 a%2Fb", "an encoded slash stays inside"},
        {"GET /str/a/b", "NOT_FOUND", "a slash does not"},
        {"GET /str/\xff\xfe\x80", "FOUND 9 \xff\xfe\x80", "any bytes"},
        {"GET /str/..x", "FOUND 9 ..x", "dots and more are a name"},
        {"GET /str/..", "NOT_FOUND", "a dot segment matches nothing"},
        {"GET /path/./a", "NOT_FOUND", "in the middle"},
        {"GET /path/a/../b", "NOT_FOUND", "nor '..'"},
        {"GET str/a", "NOT_FOUND", "no slash first"},
        {"GET ", "NOT_FOUND", "the empty path"},
        {NULL, NULL, NULL},
    };

    add_all(routes);
    ask_all(questions);
}
END_TEST

START_TEST(groups_of_users_do_not_move_parameters)
{
    static const char *const routes[] = {
        "GET /<a:re((x)|(y)|z)>/<b>",
        "GET /<a:int>/<b:re((?:(1)(2))+)>/<c>",
        "GET /<a:re((?|(p)|(q)(r)))>/<b>/<c>/<d>",
        "GET /<a:re((?i)up)>/<b:re(low)>/end",
        NULL,
    };
    static const struct question questions[] = {
        {"GET /z/B", "FOUND 1 z B", "groups that take no part"},
        {"GET /7/1212/C", "FOUND 2 7 1212 C", "groups that repeat"},
        {"GET /qr/B/C/D", "FOUND 3 qr B C D", "a branch reset of the user's"},
        {"GET /UP/low/end", "FOUND 4 UP low", "an option"},
        {"GET /up/LOW/end", "NOT_FOUND", "that ends with its parameter"},
        {NULL, NULL, NULL},
    };

    add_all(routes);
    ask_all(questions);
}
END_TEST

START_TEST(literals_win_and_then_the_first_registered)
{
    static const char *const routes[] = {
        "GET /<page>",         "GET /users/<name>",
        "GET /users/<id:int>", "GET /<section>/new",
        "GET /about",          "GET /users/x-<id:int>",
        "GET /<rest:path>",    "GET /users/me",
        "GET /users/<a>/<b>",  NULL,
    };
    static const struct question questions[] = {
        {"GET /about", "FOUND 5", "a literal registered late"},
        {"GET /users/me", "FOUND 8", "a literal below patterns"},
        {"GET /other", "FOUND 1 other", "the first of two"},
        {"GET /users/7", "FOUND 2 7", "of one prefix, the first"},
        {"GET /users/new", "FOUND 2 new",
         "of two prefixes, the first registered"},
        {"GET /posts/new", "FOUND 4 posts", "the shorter prefix"},
        {"GET /users/x-1", "FOUND 2 x-1",
         "a longer prefix does not win by being longer"},
        {"GET /users/1/2", "FOUND 7 users/1/2",
         "nor when all of its parents are registered before"},
        {"GET /users/", "FOUND 7 users/", "the catch-all"},
        {"GET /", "NOT_FOUND", "not for nothing"},
        {NULL, NULL, NULL},
    };

    add_all(routes);
    ask_all(questions);
}
END_TEST

START_TEST(prefixes_inside_each_other_are_all_tried)
{
    static const char *const routes[] = {
        "GET /abc/<x:int>",     "GET /abd/<x:int>", "GET /ab<x:int>",
        "GET /a<x:re([a-z]+)>", "GET /<x>",         NULL,
    };
    static const struct question questions[] = {
        {"GET /abc/1", "FOUND 1 1", "the longest"},
        {"GET /ab1", "FOUND 3 1", "sorted before those that are longer"},
        {"GET /abz", "FOUND 4 bz", "sorted behind longer ones"},
        {"GET /ac", "FOUND 4 c", "sorted behind all of another branch"},
        {"GET /a1", "FOUND 5 a1", "the parent of one that does not match"},
        {"GET /b", "FOUND 5 b", "sorted last"},
        {"GET /!", "FOUND 5 !", "sorted first"},
        {"GET /abc/x", "NOT_FOUND", "none"},
        {NULL, NULL, NULL},
    };

    add_all(routes);
    ask_all(questions);
}
END_TEST

START_TEST(a_duplicate_is_refused_and_both_are_named)
{
    static const struct {
        const char *method, *pattern, *want;
    } bad[] = {
        {"GET", "/<id:int>/x",
         "route \"/<id:int>/x\": GET is answered by route \"/<n:int>/x\" "
         "already"},
        {"GET", "/%61",
         "route \"/%61\": GET is answered by route \"/a\" "
         "already"},
        {"G ET", "/b", "route \"/b\": a method is a word like GET"},
        {"", "/b", "route \"/b\": a method is a word like GET"},
        {"GET", "b", "route \"b\", byte 1: a route begins with '/'"},
    };

    add(1, "GET /<n:int>/x");
    add(2, "GET /a");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char err[400] = "";

        ck_assert_int_eq(rp_router_add(router, str(bad[i].pattern),
                                       str(bad[i].method), route_numbered(9),
                                       err, sizeof(err)),
                         -1);
        ck_assert_str_eq(err, bad[i].want);
    }
    add(3, "POST /<id:int>/x");
    compile();
    ck_assert_str_eq(ask("GET /1/x"), "FOUND 1 1");
    ck_assert_str_eq(ask("POST /1/x"), "FOUND 3 1");
    ck_assert_str_eq(ask("GET /b"), "NOT_FOUND");
}
END_TEST

START_TEST(patterns_may_be_added_after_compiling)
{
    compile();
    ck_assert_str_eq(ask("GET /1"), "NOT_FOUND");
    add(1, "GET /<a:int>");
    ck_assert_str_eq(ask("GET /1"), "NOT_FOUND");
    compile();
    ck_assert_str_eq(ask("GET /1"), "FOUND 1 1");
    add(2, "GET /<a>");
    ck_assert_str_eq(ask("GET /1"), "FOUND 1 1");
    ck_assert_str_eq(ask("PUT /1"), "NOT_ALLOWED GET, HEAD, OPTIONS");
    compile();
    compile();
    ck_assert_str_eq(ask("GET /x"), "FOUND 2 x");
}
END_TEST

START_TEST(what_a_caller_wrote_may_be_overwritten)
{
    char pattern[] = "/x/<a>", literal[] = "/lit", method[] = "BREW";
    char err[400];

    ck_assert_int_eq(rp_router_add(router, str(pattern), str(method),
                                   route_numbered(1), err, sizeof(err)),
                     0);
    ck_assert_int_eq(rp_router_add(router, str(literal), str(method),
                                   route_numbered(2), err, sizeof(err)),
                     0);
    memset(pattern, 'z', sizeof(pattern));
    memset(literal, 'z', sizeof(literal));
    memset(method, 'z', sizeof(method));
    compile();
    ck_assert_str_eq(ask("BREW /x/1"), "FOUND 1 1");
    ck_assert_str_eq(ask("BREW /lit"), "FOUND 2");
}
END_TEST

START_TEST(a_catastrophic_regex_hits_the_limit_at_once)
{
    static const char *const routes[] = {"GET /r/<x:re((a+)+b)>",
                                         "GET /r/<x:int>", "PUT /r/<x>", NULL};
    static char path[8192];
    struct timespec start, end;

    add_all(routes);
    memset(path, 'a', sizeof(path));
    memcpy(path, "/r/", 3);
    for (size_t n = 40; n <= sizeof(path); n += 4076) {
        const struct rp_str slice = {path, n};

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
        ck_assert_str_eq(ask_slice(RP_STR("GET"), slice), "LIMIT");
        ck_assert_str_eq(ask_slice(RP_STR("PUT"), slice), "LIMIT");
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        ck_assert_double_lt((double)(end.tv_sec - start.tv_sec) +
                                (double)(end.tv_nsec - start.tv_nsec) / 1e9,
                            0.1);
    }
    ck_assert_str_eq(ask("GET /r/aab"), "FOUND 1 aab");
}
END_TEST

START_TEST(long_paths_are_matched)
{
    static char path[8192];
    struct rp_match match;

    add(1, "GET /s/<x>");
    add(2, "GET /p/<x:path>");
    add(3, "GET /r/<x:re((?:[a-z]-?)+)>");
    add(4, "GET /t/<x>-<y>.txt");
    compile();
    memset(path, 'a', sizeof(path));
    for (int i = 0; i < 4; i++) {
        memcpy(path, (const char *[]){"/s/", "/p/", "/r/", "/t/"}[i], 3);
        if (i == 3)
            memcpy(path + sizeof(path) - 9, "-aaaa.txt", 9);
        ck_assert_int_eq(rp_router_match(router, RP_STR("GET"),
                                         (struct rp_str){path, sizeof(path)},
                                         &match, NULL),
                         RP_ROUTE_FOUND);
        ck_assert_int_eq(number(match.route), i + 1);
        ck_assert_uint_eq(match.params[0].n,
                          i < 3 ? sizeof(path) - 3 : sizeof(path) - 12);
    }
    ck_assert_str_eq(
        ask_slice(RP_STR("GET"), (struct rp_str){path + 1, sizeof(path) - 1}),
        "NOT_FOUND");
}
END_TEST

START_TEST(nul_and_any_byte_are_ordinary)
{
    char path[] = "/b/xyz";

    add(1, "GET /b/<x>");
    add(2, "GET /<x:path>");
    compile();
    for (int c = 0; c < 256; c++) {
        struct rp_match match;

        path[4] = (char)c;
        ck_assert_int_eq(rp_router_match(router, RP_STR("GET"),
                                         (struct rp_str){path, 6}, &match,
                                         NULL),
                         RP_ROUTE_FOUND);
        ck_assert_int_eq(number(match.route), c == '/' ? 2 : 1);
        ck_assert(match.params[0].p + match.params[0].n == path + 6);
    }
}
END_TEST

START_TEST(regexes_too_large_for_one_are_spread_over_several)
{
    char pattern[3200], path[64], want[64], err[400];

    /* Half a MiB in all, and PCRE2 takes 64 KiB at once. */
    for (int i = 1; i <= 160; i++) {
        int n = snprintf(pattern, sizeof(pattern), "/<x:re(a%d", i);

        for (int j = 0; j < 300; j++)
            n += snprintf(pattern + n, sizeof(pattern) - (size_t)n, "|b%d_%d",
                          i, j);
        snprintf(pattern + n, sizeof(pattern) - (size_t)n, ")>");
        ck_assert_int_eq(rp_router_add(router, str(pattern), RP_STR("GET"),
                                       route_numbered(i), err, sizeof(err)),
                         0);
    }
    add(500, "PUT /<x>");
    compile();
    for (int i = 1; i <= 160; i++) {
        snprintf(path, sizeof(path), "GET /b%d_%d", i, i);
        snprintf(want, sizeof(want), "FOUND %d b%d_%d", i, i, i);
        ck_assert_str_eq(ask(path), want);
    }
    ck_assert_str_eq(ask("PUT /b160_1"), "FOUND 500 b160_1");
    ck_assert_str_eq(ask("POST /b160_1"),
                     "NOT_ALLOWED GET, HEAD, PUT, OPTIONS");
}
END_TEST

/* Copy text, with n for each '#'. */
static const char *
fill_in(char dst[64], const char *text, int n)
{
    size_t at = 0;

    for (; *text; text++) {
        if (*text == '#')
            at += (size_t)snprintf(dst + at, 64 - at, "%d", n);
        else
            dst[at++] = *text;
        ck_assert_uint_lt(at, 60);
    }
    dst[at] = '\0';
    return dst;
}

START_TEST(a_thousand_routes_find_each_their_own)
{
    static const struct {
        const char *route, *line, *want, *why;
    } kinds[] = {
        {"GET /p#/<id:int>/<x>", "GET /p#/#/z", "FOUND # # z",
         "each with a prefix of its own"},
        {"GET /<x>/s#/<id:int>", "GET /z/s#/#", "FOUND # z #",
         "all with the same prefix"},
        {"GET /lit/#", "GET /lit/#", "FOUND #", "literal paths"},
    };
    char line[64], want[64];

    for (int i = 1; i <= 1000; i++)
        add(i, fill_in(line, kinds[_i].route, i));
    compile();
    for (int i = 1; i <= 1000; i++) {
        const char *got = ask(fill_in(line, kinds[_i].line, i));

        ck_assert_msg(strcmp(got, fill_in(want, kinds[_i].want, i)) == 0,
                      "%s: want %s, got %s: %s", line, want, got,
                      kinds[_i].why);
    }
    ck_assert_str_eq(ask(fill_in(line, kinds[_i].line, 1001)), "NOT_FOUND");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        converters_take_what_they_say,
        groups_of_users_do_not_move_parameters,
        literals_win_and_then_the_first_registered,
        prefixes_inside_each_other_are_all_tried,
        a_duplicate_is_refused_and_both_are_named,
        patterns_may_be_added_after_compiling,
        what_a_caller_wrote_may_be_overwritten,
        a_catastrophic_regex_hits_the_limit_at_once,
        long_paths_are_matched,
        nul_and_any_byte_are_ordinary,
        regexes_too_large_for_one_are_spread_over_several,
    };

    return run_suite("router", tests, sizeof(tests) / sizeof(tests[0]),
                     a_thousand_routes_find_each_their_own);
}
