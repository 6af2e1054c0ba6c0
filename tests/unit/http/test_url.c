/* Dates and URLs: small functions with large tables. */
#include <check.h>
#include <stdio.h>
#include <time.h>

#include "../guard.h"
#include "run.h"
#include "rupy/http/date.h"
#include "rupy/http/url.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static struct rp_str
str(const char *s)
{
    return (struct rp_str){s, strlen(s)};
}

START_TEST(dates_are_written_as_the_c_library_writes_them)
{
    char got[RP_DATE_SIZE], want[64];
    struct tm tm;

    /* Some 60,000 times over 8,030 years, at odd distances. */
    for (int64_t t = 0; t <= 253402300799; t += 4198327) {
        time_t tt = (time_t)t;

        gmtime_r(&tt, &tm);
        strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        rp_date_format(got, t);
        ck_assert_msg(memcmp(got, want, RP_DATE_SIZE) == 0, "%.29s, not %s",
                      got, want);
        ck_assert_int_eq(rp_date_parse((struct rp_str){got, RP_DATE_SIZE}), t);
    }
    rp_date_format(got, -1);
    ck_assert(memcmp(got, "Thu, 01 Jan 1970 00:00:00 GMT", 29) == 0);
    rp_date_format(got, INT64_MAX);
    ck_assert(memcmp(got, "Fri, 31 Dec 9999 23:59:59 GMT", 29) == 0);
}
END_TEST

START_TEST(dates_are_read_in_three_formats)
{
    static const struct {
        const char *p;
        int64_t want;
    } t[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Sun Nov 16 08:49:37 1994", 784975777},
        {"Wednesday, 09-Nov-94 08:49:37 GMT", 784370977},
        {"Thu, 29 Feb 2024 23:59:60 GMT", 1709251200},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
        {"Wed, 29 Feb 2023 00:00:00 GMT", -1},
        {"Sun, 31 Apr 2023 00:00:00 GMT", -1},
        {"Sun, 00 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:60:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:61 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37 UTC", -1},
        {"Sun, 06 Nov 1994 08:49:37 gmt", -1},
        {"Sun, 06 Nov 1994 08-49-37 GMT", -1},
        {"Sun, 06 nov 1994 08:49:37 GMT", -1},
        {"Son, 06 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
        {"Sun, +6 Nov 1994 08:49:37 GMT", -1},
        {"Sunday, 06-Nov-1994 08:49:37 GMT", -1},
        {"Sunday, 06 Nov 94 08:49:37 GMT", -1},
        {"Sun Nov 06 08:49:37 94", -1},
        {"0", -1},
        {"", -1},
    };
    struct guard g;

    guard_init(&g, 64);
    for (size_t i = 0; i < COUNT(t); i++) {
        struct rp_str s = str(t[i].p);

        s.p = guard_set(&g, s.p, s.n);
        ck_assert_msg(rp_date_parse(s) == t[i].want, "%s", t[i].p);
        for (size_t n = 0; n < s.n; n++) {
            struct rp_str cut = {guard_set(&g, t[i].p, n), n};

            if (strcmp(t[i].p, "Sun, 06 Nov 1994 08:49:37 GMT ") != 0)
                ck_assert_msg(rp_date_parse(cut) == -1, "%zu: %s", n, t[i].p);
        }
    }
    guard_fini(&g);
}
END_TEST

START_TEST(two_digits_of_a_year_are_at_most_50_years_ahead)
{
    time_t now = time(NULL);
    struct tm tm;
    char text[64];

    gmtime_r(&now, &tm);
    for (int ahead = -49; ahead <= 50; ahead++) {
        int year = tm.tm_year + 1900 + ahead;
        char full[64];
        int64_t want;

        snprintf(text, sizeof(text), "Monday, 01-Jan-%02d 00:00:00 GMT",
                 year % 100);
        snprintf(full, sizeof(full), "Mon, 01 Jan %04d 00:00:00 GMT", year);
        want = rp_date_parse(str(full));
        ck_assert_msg(rp_date_parse(str(text)) == want, "%s", text);
    }
}
END_TEST

START_TEST(percent_encoding_is_decoded_once)
{
    static const struct {
        const char *in, *plain, *form, *route;
    } t[] = {
        {"", "", "", ""},
        {"/a+b", "/a+b", "/a b", "/a+b"},
        {"%41%62c", "Abc", "Abc", "Abc"},
        {"caf%C3%a9", "caf\xc3\xa9", "caf\xc3\xa9", "caf\xc3\xa9"},
        {"%", "%", "%", "%"},
        {"%4", "%4", "%4", "%4"},
        {"%4g%g4", "%4g%g4", "%4g%g4", "%4g%g4"},
        {"%%41", "%A", "%A", "%A"},
        {"%u0041", "%u0041", "%u0041", "%u0041"},
        {"a%2fb%2Fc", "a/b/c", "a/b/c", "a%2Fb%2Fc"},
        {"%252f%25", "%2f%", "%2f%", "%252f%25"},
        {"%2b%20", "+ ", "+ ", "+ "},
    };
    char dst[64];
    struct guard g;

    guard_init(&g, 64);
    for (size_t i = 0; i < COUNT(t); i++) {
        struct rp_str s = str(t[i].in);
        size_t n;

        s.p = guard_set(&g, s.p, s.n);
        n = rp_url_decode(dst, s);
        ck_assert(rp_str_eq((struct rp_str){dst, n}, str(t[i].plain)));
        n = rp_url_decode_form(dst, s);
        ck_assert(rp_str_eq((struct rp_str){dst, n}, str(t[i].form)));
        n = rp_url_decode_route(dst, s);
        ck_assert(rp_str_eq((struct rp_str){dst, n}, str(t[i].route)));
        memcpy(dst, s.p, s.n);
        n = rp_url_decode(dst, (struct rp_str){dst, s.n});
        ck_assert(rp_str_eq((struct rp_str){dst, n}, str(t[i].plain)));
    }
    guard_fini(&g);
}
END_TEST

START_TEST(encoding_and_decoding_are_inverse)
{
    char all[256], code[768], back[768];
    size_t n;

    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    n = rp_url_encode(code, (struct rp_str){all, 256}, false);
    n = rp_url_decode(back, (struct rp_str){code, n});
    ck_assert(rp_str_eq((struct rp_str){back, n}, (struct rp_str){all, 256}));
    n = rp_url_encode(code, RP_STR("/a b~\xff%"), true);
    ck_assert(rp_str_eq((struct rp_str){code, n}, RP_STR("/a%20b~%FF%25")));
    n = rp_url_encode(code, RP_STR("/a"), false);
    ck_assert(rp_str_eq((struct rp_str){code, n}, RP_STR("%2Fa")));
}
END_TEST

START_TEST(dot_segments)
{
    static const char *const yes[] = {"/..", "/a/../b", "/.",   "/./a",
                                      "..",  "/a/..",   "a/./b"};
    static const char *const no[] = {"",     "/",      "/...",     "/..a",
                                     "/a..", "/.a/b.", "/a/.../b", "//"};

    for (size_t i = 0; i < COUNT(yes); i++)
        ck_assert_msg(rp_url_has_dot_segment(str(yes[i])), "%s", yes[i]);
    for (size_t i = 0; i < COUNT(no); i++)
        ck_assert_msg(!rp_url_has_dot_segment(str(no[i])), "%s", no[i]);
}
END_TEST

START_TEST(pairs_of_a_query)
{
    struct rp_str rest = RP_STR("&a=1&b&&c=d=e&=f&g=&"), name, value;
    static const char *const want[] = {"a",   "1", "b", "",  "c",
                                       "d=e", "",  "f", "g", ""};
    size_t i;

    for (i = 0; rp_url_next_pair(&rest, &name, &value); i += 2) {
        ck_assert_uint_lt(i, COUNT(want));
        ck_assert(rp_str_eq(name, str(want[i])));
        ck_assert(rp_str_eq(value, str(want[i + 1])));
    }
    ck_assert_uint_eq(i, COUNT(want));
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_add_test(t, dates_are_written_as_the_c_library_writes_them);
    tcase_add_test(t, dates_are_read_in_three_formats);
    tcase_add_test(t, two_digits_of_a_year_are_at_most_50_years_ahead);
    tcase_add_test(t, percent_encoding_is_decoded_once);
    tcase_add_test(t, encoding_and_decoding_are_inverse);
    tcase_add_test(t, dot_segments);
    tcase_add_test(t, pairs_of_a_query);
    return run_tests("http/url", t);
}
