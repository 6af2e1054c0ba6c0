/* test_select.c -- Range, conditions and Accept-Encoding. */
#include <check.h>
#include <stdio.h>

#include "run.h"
#include "rupy/files/select.h"
#include "rupy/http/date.h"

static struct rp_str
str(const char *s)
{
    return (struct rp_str){s, strlen(s)};
}

/* ---- Range ---- */

static const struct {
    const char *value;
    uint64_t size;
    const char *want; /* "first+n ..."; "" the whole; "-" unsatisfiable */
    const char *why;
} ranges[] = {
    {"bytes=0-4", 10, "0+5", "the first five"},
    {"bytes=5-", 10, "5+5", "from there on"},
    {"bytes=-3", 10, "7+3", "the last three"},
    {"bytes=-30", 10, "0+10", "more than there is, from the end"},
    {"bytes=0-99", 10, "0+10", "more than there is"},
    {"bytes=9-9", 10, "9+1", "the last byte"},
    {"bytes=0-", 10, "0+10", "all of it, and in a 206"},
    {"BYTES=0-0", 10, "0+1", "units have no case"},
    {"bytes=0-0,-1", 10, "0+1 9+1", "two"},
    {"bytes=8-9, 0-1", 10, "8+2 0+2", "in the order of the client"},
    {"bytes= 0-1 ,, 3-4", 10, "0+2 3+2", "white space and empty members"},
    {"bytes=0-1,50-60", 10, "0+2", "what cannot be satisfied is left out"},
    {"bytes=10-", 10, "-", "behind the end"},
    {"bytes=10-20,30-", 10, "-", "all behind the end"},
    {"bytes=-0", 10, "-", "no byte at all"},
    {"bytes=0-", 0, "-", "nothing is there"},
    {"bytes=-5", 0, "", "the last five of nothing"},
    {"bytes=4-2", 10, "", "backwards"},
    {"bytes=", 10, "", "nothing asked"},
    {"bytes=,", 10, "", "nothing but a comma"},
    {"bytes=-", 10, "", "no number"},
    {"bytes=a-b", 10, "", "no digits"},
    {"bytes=1-2x", 10, "", "something behind it"},
    {"bytes=1", 10, "", "no hyphen"},
    {"bytes=+1-2", 10, "", "a sign"},
    {"bytes=--1", 10, "", "two hyphens"},
    {"lines=0-1", 10, "", "another unit"},
    {"bytes 0-1", 10, "", "no equals sign"},
    {"bytes=0-5,3-8", 10, "", "overlapping"},
    {"bytes=0-,0-,0-", 10, "", "the whole, three times"},
    {"bytes=99999999999999999999999-", 10, "-", "a number that overflows"},
    {"bytes=0-99999999999999999999999", 10, "0+10", "an end that overflows"},
    {"bytes=-99999999999999999999999", 10, "0+10", "a count that overflows"},
    {"bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,"
     "24-24,26-26,28-28,30-30",
     99,
     "0+1 2+1 4+1 6+1 8+1 10+1 12+1 14+1 16+1 18+1 20+1 22+1 24+1 26+1 28+1 "
     "30+1",
     "sixteen"},
    {"bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,"
     "24-24,26-26,28-28,30-30,32-32",
     99, "", "seventeen"},
};

START_TEST(a_range_is_parsed_or_passed_over)
{
    struct rp_range v[RP_RANGES_MAX];
    char got[512] = "";
    int n = rp_ranges_parse(str(ranges[_i].value), ranges[_i].size, v);

    if (n < 0)
        strcpy(got, "-");
    for (int i = 0; i < n; i++)
        sprintf(got + strlen(got), "%s%llu+%llu", i ? " " : "",
                (unsigned long long)v[i].first, (unsigned long long)v[i].n);
    ck_assert_msg(strcmp(got, ranges[_i].want) == 0, "%s: got '%s': %s",
                  ranges[_i].value, got, ranges[_i].why);
}
END_TEST

/* ---- Conditions ---- */

#define NOW 1000000000 /* Sun, 09 Sep 2001 01:46:40 GMT */
#define BEFORE "Sun, 09 Sep 2001 01:00:00 GMT"
#define MODIFIED "Sun, 09 Sep 2001 01:30:00 GMT"
#define AFTER "Sun, 09 Sep 2001 01:40:00 GMT"

static const struct {
    const char *method;
    const char *fields; /* "name: value\n..." */
    int want;
    const char *why;
} conditions[] = {
    {"GET", "", 200, "no condition"},
    {"GET", "If-None-Match: \"x\"", 304, "it has it"},
    {"HEAD", "If-None-Match: \"x\"", 304, "HEAD as well"},
    {"GET", "If-None-Match: W/\"x\"", 304, "compared weakly"},
    {"GET", "If-None-Match: \"a\", \"x\", \"b\"", 304, "one of a list"},
    {"GET", "If-None-Match: \"a\"\nIf-None-Match: \"x\"", 304, "of two lines"},
    {"GET", "If-None-Match: \"a,\", \"x\"", 304, "a comma inside a tag"},
    {"GET", "If-None-Match: *", 304, "any"},
    {"GET", "If-None-Match: \"y\"", 200, "it has another"},
    {"GET", "If-None-Match: x", 200, "without quotes it is no tag"},
    {"GET", "If-None-Match: \"x", 200, "a quote left open"},
    {"GET", "If-Modified-Since: " MODIFIED, 304, "not since"},
    {"GET", "If-Modified-Since: " AFTER, 304, "not since, later"},
    {"GET", "If-Modified-Since: " BEFORE, 200, "it was"},
    {"GET", "If-Modified-Since: yesterday", 200, "no date"},
    {"GET", "If-None-Match: \"y\"\nIf-Modified-Since: " AFTER, 200,
     "If-None-Match stands in front of If-Modified-Since"},
    {"GET", "If-Match: \"x\"", 200, "it is that"},
    {"GET", "If-Match: *", 200, "it is there"},
    {"GET", "If-Match: \"y\"", 412, "it is another"},
    {"GET", "If-Match: W/\"x\"", 412, "compared strongly"},
    {"GET", "If-Unmodified-Since: " AFTER, 200, "not since"},
    {"GET", "If-Unmodified-Since: " MODIFIED, 200, "not since, to the second"},
    {"GET", "If-Unmodified-Since: " BEFORE, 412, "it was"},
    {"GET", "If-Unmodified-Since: nonsense", 200, "no date"},
    {"GET", "If-Match: \"x\"\nIf-Unmodified-Since: " BEFORE, 200,
     "If-Match stands in front of If-Unmodified-Since"},
    {"GET", "If-Match: \"y\"\nIf-None-Match: \"x\"", 412,
     "If-Match comes first"},
    {"GET", "If-Match: \"x\"\nIf-None-Match: \"x\"", 304, "both are asked"},
    {"GET", "If-Unmodified-Since: " BEFORE "\nIf-None-Match: \"x\"", 412,
     "If-Unmodified-Since comes before If-None-Match"},
    {"GET", "Range: bytes=0-1", 206, "a part"},
    {"HEAD", "Range: bytes=0-1", 200, "Range is for GET"},
    {"GET", "Range: bytes=500-", 416, "behind the end"},
    {"GET", "Range: bytes=0-1\nRange: bytes=3-4", 200, "two lines"},
    {"GET", "Range: bytes=0-1\nIf-Range: \"x\"", 206, "it has that"},
    {"GET", "Range: bytes=0-1\nIf-Range: \"y\"", 200, "it has another"},
    {"GET", "Range: bytes=500-\nIf-Range: \"y\"", 200,
     "If-Range is asked before the range"},
    {"GET", "Range: bytes=0-1\nIf-Range: W/\"x\"", 200, "a weak one"},
    {"GET", "Range: bytes=0-1\nIf-Range: \"y\", \"x\"", 200, "a list"},
    {"GET", "Range: bytes=0-1\nIf-Range: " MODIFIED, 206, "that date"},
    {"GET", "Range: bytes=0-1\nIf-Range: " AFTER, 200, "another date"},
    {"GET", "Range: bytes=0-1\nIf-Range: junk", 200, "neither"},
    {"GET", "Range: bytes=0-1\nIf-None-Match: \"x\"", 304,
     "the range comes last"},
    {"GET", "Range: bytes=0-1\nIf-Match: \"y\"", 412, "the range comes last"},
};

static unsigned
split(const char *text, struct rp_field *v)
{
    unsigned n = 0;

    while (*text) {
        size_t line = strcspn(text, "\n"), name = strcspn(text, ":");
        v[n].name = (struct rp_str){text, name};
        v[n++].value = (struct rp_str){text + name + 2, line - name - 2};
        text += line + (text[line] == '\n');
    }
    return n;
}

static struct rp_selection
select_for(const char *method, const char *text, const char *etag)
{
    struct rp_field fields[4];
    struct rp_request r = {
        .method = strcmp(method, "GET") == 0 ? RP_METHOD_GET : RP_METHOD_HEAD,
        .fields = fields};
    struct rp_validators v = {str(etag), rp_date_parse(RP_STR(MODIFIED)), 100};
    struct rp_selection s;

    r.nfields = split(text, fields);
    rp_select(&r, &v, NOW, &s);
    return s;
}

START_TEST(conditions_are_asked_in_the_order_of_the_rfc)
{
    struct rp_selection s =
        select_for(conditions[_i].method, conditions[_i].fields, "\"x\"");

    ck_assert_msg(s.status == conditions[_i].want, "%s: got %d: %s",
                  conditions[_i].fields, s.status, conditions[_i].why);
    ck_assert_int_eq(s.n > 0, s.status == 206);
}
END_TEST

START_TEST(a_weak_tag_of_an_application_never_serves_a_part)
{
    ck_assert_int_eq(
        select_for("GET", "Range: bytes=0-1\nIf-Range: W/\"x\"", "W/\"x\"")
            .status,
        200);
    ck_assert_int_eq(
        select_for("GET", "If-None-Match: \"x\"", "W/\"x\"").status, 304);
    ck_assert_int_eq(select_for("GET", "If-Match: \"x\"", "W/\"x\"").status,
                     412);
}
END_TEST

/* ---- Accept-Encoding ---- */

static const struct {
    const char *value;
    const char *want;
    const char *why;
} encodings[] = {
    {"gzip, deflate, br, zstd", "br zstd gzip", "as browsers say it"},
    {"gzip", "gzip", "one"},
    {"GZIP", "gzip", "in any case"},
    {"x-gzip", "gzip", "an old name"},
    {"", "", "none"},
    {"identity", "", "not coded"},
    {"gzip;q=0", "", "forbidden"},
    {"br;q=0.1, gzip;q=0.9", "gzip br", "by weight"},
    {"br;q=0.5, zstd;q=0.501, gzip;q=0.5", "zstd br gzip", "thousandths"},
    {"*", "br zstd gzip", "anything"},
    {"*;q=0.5, br;q=0", "zstd gzip", "anything else"},
    {"gzip;q=0.5, identity", "", "rather not coded"},
    {"gzip, identity;q=0.5", "gzip", "rather coded"},
    {"gzip;q=2", "", "no weight"},
    {"gzip;q=0.1234", "", "a weight with too many digits"},
    {"gzip;level=9", "", "no weight, but something else"},
    {"gzip ; q=0.5", "gzip", "white space"},
    {"gzipped, brr", "", "names that only begin like ours"},
};

START_TEST(codings_come_in_the_order_of_the_client)
{
    struct rp_field f = {RP_STR("Accept-Encoding"), str(encodings[_i].value)};
    struct rp_request r = {.fields = &f, .nfields = 1};
    enum rp_coding v[RP_N_CODINGS];
    unsigned n = rp_codings_accepted(&r, v);
    char got[64] = "";

    for (unsigned i = 0; i < n; i++)
        sprintf(got + strlen(got), "%s%.*s", i ? " " : "",
                RP_STR_ARG(rp_coding_token(v[i])));
    ck_assert_msg(strcmp(got, encodings[_i].want) == 0, "%s: got '%s': %s",
                  encodings[_i].value, got, encodings[_i].why);
}
END_TEST

int
main(void)
{
    TCase *tc = tcase_create("select");

    tcase_add_loop_test(tc, a_range_is_parsed_or_passed_over, 0,
                        (int)(sizeof(ranges) / sizeof(ranges[0])));
    tcase_add_loop_test(tc, conditions_are_asked_in_the_order_of_the_rfc, 0,
                        (int)(sizeof(conditions) / sizeof(conditions[0])));
    tcase_add_test(tc, a_weak_tag_of_an_application_never_serves_a_part);
    tcase_add_loop_test(tc, codings_come_in_the_order_of_the_client, 0,
                        (int)(sizeof(encodings) / sizeof(encodings[0])));
    return run_tests("select", tc);
}
