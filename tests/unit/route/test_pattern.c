/* test_pattern.c -- what may be written as a route, and what it becomes. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "run.h"
#include "rupy/route/pattern.h"

static struct rp_str
str(const char *s)
{
    return (struct rp_str){s, strlen(s)};
}

static const struct {
    const char *text, *prefix, *regex;
    unsigned nparams;
    const char *why;
} good[] = {
    {"/", "/", "", 0, "the root"},
    {"/a/b.txt", "/a/b.txt", "", 0, "a literal is all prefix"},
    {"/<a>", "/", "([^/]+)", 1, "a segment"},
    {"/file-<id>.txt", "/file-", "([^/]+)\\.txt", 1, "inside a segment"},
    {"/<a:int>/x", "/", "([0-9]+)\\/x", 1, "int"},
    {"/<a:float>", "/", "([0-9]+(?:\\.[0-9]+)?)", 1, "float"},
    {"/<a:path>", "/", "((?s:.+))", 1, "path"},
    {"/<a:re([a-z]+)>", "/", "([a-z]+)", 1, "a regex of the user's"},
    {"/<a:re((x|y)[)>]\\))>/b", "/", "((x|y)[)>]\\))\\/b", 1,
     "the ')' that counts is neither nested, nor in a class, nor escaped"},
    {"/<a:re([]>)]+)>", "/", "([]>)]+)", 1, "']' first in a class"},
    {"/<a:re([^]>)]+)>", "/", "([^]>)]+)", 1, "']' first behind '^'"},
    {"/<a:re([[:alpha:])]+)>", "/", "([[:alpha:])]+)", 1, "a POSIX class"},
    {"/<a:re(>{2}<?)>", "/", "(>{2}<?)", 1, "'<' and '>' in a regex"},
    {"/<a:re((?i)abc)>", "/", "((?i)abc)", 1, "options end with the group"},
    {"/<a:re((?=.b)(?!c)(?<=/)(?<!x)(?:a)(?>b)(?i-s:c))>", "/",
     "((?=.b)(?!c)(?<=/)(?<!x)(?:a)(?>b)(?i-s:c))", 1, "groups that stay"},
    {"/<_a1>/<A>", "/", "([^/]+)\\/([^/]+)", 2, "Python's identifiers"},
    {"/%41%2f%25%", "/A%2F%25%25", "", 0, "as a decoded path spells it"},
    {"/<a>%2F\x01", "/", "([^/]+)\\%2F\\x01", 1, "decoded, then escaped"},
    {"/caf\xc3\xa9/<a>", "/caf\xc3\xa9/", "([^/]+)", 1, "UTF-8 is bytes"},
    {"/...", "/...", "", 0, "three dots are a name"},
    {"/..<a>", "/..", "([^/]+)", 1, "dots and more are a name"},
    {"/<a>..", "/", "([^/]+)\\.\\.", 1, "more and dots are a name"},
};

START_TEST(a_pattern_becomes_a_prefix_and_a_regex)
{
    char err[400] = "";
    struct rp_pattern p;

    ck_assert_msg(rp_pattern_init(&p, str(good[_i].text), err, sizeof(err)) ==
                      0,
                  "%s: %s", good[_i].why, err);
    ck_assert_msg(rp_str_eq((struct rp_str){p.prefix.p, p.prefix.n},
                            str(good[_i].prefix)),
                  "%s: prefix %.*s", good[_i].why, (int)p.prefix.n, p.prefix.p);
    ck_assert_msg(
        rp_str_eq((struct rp_str){p.regex.p, p.regex.n}, str(good[_i].regex)),
        "%s: regex %.*s", good[_i].why, (int)p.regex.n, p.regex.p);
    ck_assert_msg(p.nparams == good[_i].nparams, "%s", good[_i].why);
    rp_pattern_fini(&p);
}
END_TEST

static const struct {
    const char *text, *want, *why;
} bad[] = {
    {"", "byte 1: a route begins with '/'", "empty"},
    {"user", "byte 1: a route begins with '/'", "relative"},
    {"<a>", "byte 1: a route begins with '/'", "a parameter first"},
    {"/<a", "byte 2: '<' is not closed", "end in a name"},
    {"/x/<", "byte 4: '<' is not closed", "end behind '<'"},
    {"/<a:int", "byte 4: '<' is not closed", "end in a converter"},
    {"/<>", "byte 3: a parameter needs a name", "no name"},
    {"/<:int>", "byte 3: a parameter needs a name", "no name, a converter"},
    {"/<1a>", "byte 3: the name of a parameter", "a digit first"},
    {"/<a-b>", "byte 4: the name of a parameter", "not an identifier"},
    {"/<\xc3\xa9>", "byte 3: the name of a parameter", "not ASCII"},
    {"/<a<b>>", "byte 4: the name of a parameter", "nested"},
    {"/a>", "byte 3: '>' without '<'", "stray '>'"},
    {"/<a>/<a>", "byte 7: parameter \"a\" is there already", "twice"},
    {"/<a:str>", "byte 5: no such converter", "not one of ours"},
    {"/<a:>", "byte 5: no such converter", "an empty one"},
    {"/<a>/<b>/<c>/<d>/<e>/<f>/<g>/<h>/<i>/<j>/<k>/<l>/<m>/<n>/<o>/<p>/<q>",
     "byte 66: more than 16 parameters", "17 parameters"},
    {"/a/../b", "are never segments", ".. between"},
    {"/a/.", "are never segments", ". at the end"},
    {"/%2E%2e", "are never segments", "encoded dots"},
    {"/<a>/../<b>", "byte 5: \".\" and \"..\" are never segments",
     "between parameters"},
    {"/<a>/..", "byte 5: \".\" and \"..\" are never segments",
     "behind a parameter"},
    {"/<a:re(>", "byte 5: re( is not closed", "no ')'"},
    {"/<a:re(x(y)>", "byte 5: re( is not closed", "one ')' missing"},
    {"/<a:re([)>", "byte 5: re( is not closed", "a class without end"},
    {"/<a:re(x\\", "byte 5: re( is not closed", "end behind a backslash"},
    {"/<a:re(x))>", "byte 10: '>' must follow", "one ')' too many"},
    {"/<a:re()>", "byte 8: re() is empty", "nothing in it"},
    {"/<a:re(*)>", "regex: quantifier does not follow", "PCRE2's verdict"},
    {"/<a:re(^a)>", "byte 8: regex: never matches", "anchored at the start"},
    {"/<a:re(\\Aa|^b)>", "byte 8: regex: never matches", "both ways"},
    {"/<a:re(x(?<n>y))>", "byte 9: named groups", "(?<n>"},
    {"/<a:re((?P<n>y))>", "byte 8: named groups", "(?P<n>"},
    {"/<a:re((?'n'y))>", "byte 8: named groups", "(?'n'"},
    {"/<a:re((*FAIL))>", "byte 8: verbs", "a verb"},
    {"/<a:re((*MARK:0))>", "byte 8: verbs", "a mark would forge a route"},
    {"/<a:re(a\\Kb)>", "byte 9: \\K is not taken", "\\K moves the start"},
    {"/<a:re((a)(?1))>", "byte 11: recursion", "a call of another's group"},
    {"/<a:re((?R))>", "byte 8: recursion", "recursion"},
    {"/<a:re((a)(?-1))>", "byte 11: recursion", "relative recursion"},
    {"/<a:re((a)\\1)>", "byte 11: back references", "numbers have moved"},
    {"/<a:re((a)\\g{1})>", "byte 11: back references", "\\g"},
    {"/<a:re((?C1)a)>", "byte 8: callouts", "a callout"},
    {"/<a:re((a)?(?(1)b))>", "byte 12: conditions", "a condition"},
    {"/<a:re((?#)b)>", "byte 8: comments", "a comment"},
    {"/<a:re((?x)b #)>)>", "byte 8: this group", "extended syntax"},
    {"/<a:re(\\Q)\\E)>", "byte 8: \\Q is not taken", "quoting"},
    {"/<a:re([\\Q]\\E])>", "byte 9: \\Q is not taken", "quoting in a class"},
    {"/<a:re(\\c))>", "byte 8: \\c is not taken", "\\c takes a ')'"},
    {"/<a:re([\xc3\xa9]+)>", "byte 9: in [...] only ASCII", "half characters"},
    {"/a\nb>", "route \"/a\\x0ab>\", byte 5", "one line, whatever is in it"},
};

START_TEST(a_bad_pattern_is_refused_with_the_place_and_the_reason)
{
    char err[400] = "";
    struct rp_pattern p;

    ck_assert_msg(rp_pattern_init(&p, str(bad[_i].text), err, sizeof(err)) < 0,
                  "%s was taken", bad[_i].why);
    ck_assert_msg(strstr(err, bad[_i].want) != NULL, "%s: %s", bad[_i].why,
                  err);
    ck_assert_ptr_null(strchr(err, '\n'));
}
END_TEST

START_TEST(every_prefix_of_a_pattern_is_taken_or_refused_in_one_line)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        for (size_t n = 0; n <= strlen(good[i].text); n++) {
            /* As long as it is, so that reading further is seen. */
            char *exact = malloc(n ? n : 1), err[400] = "";
            struct rp_pattern p;

            memcpy(exact, good[i].text, n);
            if (rp_pattern_init(&p, (struct rp_str){exact, n}, err,
                                sizeof(err)) == 0)
                rp_pattern_fini(&p);
            else
                ck_assert_ptr_eq(strstr(err, "route \""), err);
            ck_assert_ptr_null(strchr(err, '\n'));
            free(exact);
        }
    }
}
END_TEST

START_TEST(capture_groups_of_a_user_are_counted)
{
    char err[400] = "";
    struct rp_pattern p;

    ck_assert_int_eq(
        rp_pattern_init(&p, RP_STR("/<a:re((x)(?:y)(z(w)))>/<b>/<u:uuid>"), err,
                        sizeof(err)),
        0);
    ck_assert_uint_eq(p.ngroups, 6);
    ck_assert_uint_eq(p.params[0].group, 1);
    ck_assert_uint_eq(p.params[1].group, 5);
    ck_assert_uint_eq(p.params[2].group, 6);
    ck_assert(p.params[0].conv == RP_CONV_RE);
    ck_assert(p.params[1].conv == RP_CONV_STR);
    ck_assert(p.params[2].conv == RP_CONV_UUID);
    ck_assert(rp_str_eq(p.params[2].name, RP_STR("u")));
    rp_pattern_fini(&p);
}
END_TEST

START_TEST(a_pattern_longer_than_the_limit_is_refused)
{
    static char text[RP_MAX_PATTERN + 1];
    char err[400] = "";
    struct rp_pattern p;

    memset(text, '/', sizeof(text));
    ck_assert_int_eq(rp_pattern_init(&p, (struct rp_str){text, RP_MAX_PATTERN},
                                     err, sizeof(err)),
                     0);
    rp_pattern_fini(&p);
    ck_assert_int_eq(rp_pattern_init(&p, (struct rp_str){text, sizeof(text)},
                                     err, sizeof(err)),
                     -1);
    ck_assert_ptr_nonnull(strstr(err, "...\", byte 4097: longer than 4096"));
}
END_TEST

START_TEST(a_short_room_for_the_message_is_kept_to)
{
    char err[12];
    struct rp_pattern p;

    memset(err, 'x', sizeof(err));
    ck_assert_int_eq(rp_pattern_init(&p, RP_STR("/<"), err, 8), -1);
    ck_assert_str_eq(err, "route \"");
    ck_assert_int_eq(err[8], 'x');
}
END_TEST

START_TEST(a_quote_is_cut_between_characters)
{
    char quoted[RP_PATTERN_QUOTED], text[400];

    for (size_t shift = 0; shift < 3; shift++) {
        size_t n;

        memset(text, 'a', shift);
        for (n = shift; n + 3 <= sizeof(text); n += 3)
            memcpy(text + n, "\xe2\x82\xac", 3);
        rp_pattern_quote(quoted, (struct rp_str){text, n});
        n = strlen(quoted);
        ck_assert_str_eq(quoted + n - 4, "...\"");
        ck_assert_int_eq((unsigned char)quoted[n - 5], 0xac);
    }
    memset(text, 1, sizeof(text));
    rp_pattern_quote(quoted, (struct rp_str){text, sizeof(text)});
    ck_assert_uint_lt(strlen(quoted), RP_PATTERN_QUOTED);
}
END_TEST

START_TEST(patterns_are_the_same_but_for_names)
{
    static const struct {
        const char *a, *b;
        bool same;
    } pairs[] = {
        {"/<a>/x", "/<b>/x", true},  {"/<a>/x", "/<b>/y", false},
        {"/<a>", "/<a:int>", false}, {"/a", "/%61", true},
        {"/a", "/a/", false},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char err[400];
        struct rp_pattern a, b;

        ck_assert_int_eq(rp_pattern_init(&a, str(pairs[i].a), err, 400), 0);
        ck_assert_int_eq(rp_pattern_init(&b, str(pairs[i].b), err, 400), 0);
        ck_assert_msg(rp_pattern_same(&a, &b) == pairs[i].same, "%s %s",
                      pairs[i].a, pairs[i].b);
        rp_pattern_fini(&a);
        rp_pattern_fini(&b);
    }
}
END_TEST

int
main(void)
{
    TCase *tc = tcase_create("pattern");

    tcase_add_loop_test(tc, a_pattern_becomes_a_prefix_and_a_regex, 0,
                        (int)(sizeof(good) / sizeof(good[0])));
    tcase_add_loop_test(tc,
                        a_bad_pattern_is_refused_with_the_place_and_the_reason,
                        0, (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_test(tc,
                   every_prefix_of_a_pattern_is_taken_or_refused_in_one_line);
    tcase_add_test(tc, capture_groups_of_a_user_are_counted);
    tcase_add_test(tc, a_pattern_longer_than_the_limit_is_refused);
    tcase_add_test(tc, a_short_room_for_the_message_is_kept_to);
    tcase_add_test(tc, a_quote_is_cut_between_characters);
    tcase_add_test(tc, patterns_are_the_same_but_for_names);
    return run_tests("pattern", tc);
}
