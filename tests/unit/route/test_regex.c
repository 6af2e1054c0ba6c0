/* test_regex.c -- limits hold with the JIT compiler and without. */
#include <check.h>
#include <time.h>

#include "run.h"
#include "rupy/route/regex.h"

static double
cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static enum rp_regex_result
match(const char *regex, struct rp_str s, size_t at, bool jit,
      struct rp_str *group)
{
    char why[RP_REGEX_WHY] = "";
    struct rp_regex_scratch x;
    enum rp_regex_result result;
    struct rp_regex re;

    ck_assert_int_eq(rp_regex_scratch_init(&x, 2), 0);
    ck_assert_msg(
        rp_regex_init(&re, (struct rp_str){regex, strlen(regex)}, why) == 0,
        "%s", why);
    re.jit = re.jit && jit;
    result = rp_regex_match(&re, &x, s, at);
    if (result == RP_REGEX_MATCH)
        *group = rp_regex_group(&x, s, 1);
    rp_regex_fini(&re);
    rp_regex_scratch_fini(&x);
    return result;
}

START_TEST(catastrophic_regexes_are_given_up)
{
    static const char *const regexes[] = {
        "(?|((a+)+b)|(x))",
        "(?|((a|aa)+b)|(x))",
        "(?|(((a*)*)*b)|(x))",
        "(?|((?:.*.*.*.*y|a)+b)|(x))",
    };
    char path[8192];

    memset(path, 'a', sizeof(path));
    for (size_t i = 0; i < sizeof(regexes) / sizeof(regexes[0]); i++) {
        struct rp_str group;
        const double start = cpu_seconds();

        ck_assert_int_eq(match(regexes[i], (struct rp_str){path, sizeof(path)},
                               0, _i, &group),
                         RP_REGEX_LIMIT);
        ck_assert_double_lt(cpu_seconds() - start, 0.5);
    }
}
END_TEST

START_TEST(matching_starts_at_the_offset_or_nowhere)
{
    const struct rp_str s = RP_STR("/ab");
    struct rp_str group = {NULL, 0};

    ck_assert_int_eq(match("([a-z]+)\\z", s, 1, _i, &group), RP_REGEX_MATCH);
    ck_assert_ptr_eq(group.p, s.p + 1);
    ck_assert_uint_eq(group.n, 2);
    ck_assert_int_eq(match("([a-z]+)\\z", s, 0, _i, &group), RP_REGEX_NO_MATCH);
    ck_assert_int_eq(match("(?<=/)(a)", s, 1, _i, &group), RP_REGEX_MATCH);
    ck_assert_int_eq(match("(x)?ab", s, 1, _i, &group), RP_REGEX_MATCH);
    ck_assert_uint_eq(group.n, 0);
}
END_TEST

START_TEST(what_is_no_regex_is_refused_with_a_reason)
{
    char why[RP_REGEX_WHY] = "";
    struct rp_regex re;

    ck_assert_int_eq(rp_regex_init(&re, RP_STR("a("), why), -1);
    ck_assert_str_ne(why, "");
}
END_TEST

int
main(void)
{
    TCase *tc = tcase_create("regex");

    /* Without and with JIT. */
    tcase_add_loop_test(tc, catastrophic_regexes_are_given_up, 0, 2);
    tcase_add_loop_test(tc, matching_starts_at_the_offset_or_nowhere, 0, 2);
    tcase_add_test(tc, what_is_no_regex_is_refused_with_a_reason);
    return run_tests("regex", tc);
}
