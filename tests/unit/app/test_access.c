/* The access line: what a client sent never ends a field or a line. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rupy/app/access.h"

enum { READ_MAX = 64 * 1024 };

static char text[READ_MAX + 1];

/* The lines of these records, as they were written. */
static const char *
lines(enum rp_access_format format, const struct rp_access_record *r, int n)
{
    int fds[2];
    ssize_t k;
    struct rp_access *a;

    ck_assert_int_eq(pipe(fds), 0);
    a = rp_access_new(fds[1], format);
    ck_assert_ptr_nonnull(a);
    for (int i = 0; i < n; i++)
        rp_access_add(a, r);
    rp_access_free(a);
    close(fds[1]);
    k = read(fds[0], text, READ_MAX);
    ck_assert_int_ge(k, 0);
    close(fds[0]);
    text[k] = '\0';
    return text;
}

static const struct rp_field fields[] = {
    {RP_STR("Host"), RP_STR("a")},
    {RP_STR("user-agent"), RP_STR("curl \"8\"\x1b[31m\\")},
    {RP_STR("Referer"), RP_STR("http://b/\xc3\xa9")},
};

static const struct rp_request request = {
    .method = RP_METHOD_GET,
    .method_name = RP_STR("GET"),
    .target = RP_STR("/a?b=c"),
    .path = RP_STR("/a"),
    .query = RP_STR("b=c"),
    .host = RP_STR("a"),
    .fields = fields,
    .nfields = 3,
    .minor = 1,
};

static const struct rp_access_record record = {
    .peer = "192.0.2.1",
    .request = &request,
    .status = 200,
    .bytes = 13,
    .seconds = 0.0125,
};

START_TEST(a_combined_line_has_its_nine_fields)
{
    const char *s = lines(RP_ACCESS_COMBINED, &record, 1);

    ck_assert_int_eq(strncmp(s, "192.0.2.1 - - [", 15), 0);
    ck_assert_ptr_nonnull(
        strstr(s, " +0000] \"GET /a?b=c HTTP/1.1\" 200 13 "
                  "\"http://b/\\xc3\\xa9\" "
                  "\"curl \\x228\\x22\\x1b[31m\\x5c\" 0.012500\n"));
    ck_assert_ptr_eq(strchr(s, '\n'), s + strlen(s) - 1);
}
END_TEST

START_TEST(a_json_line_is_json)
{
    const char *s = lines(RP_ACCESS_JSON, &record, 1);

    ck_assert_int_eq(strncmp(s, "{\"time\":\"2", 10), 0);
    ck_assert_ptr_nonnull(
        strstr(s, "Z\",\"remote\":\"192.0.2.1\",\"method\":\"GET\","
                  "\"path\":\"/a\",\"query\":\"b=c\",\"protocol\":"
                  "\"HTTP/1.1\",\"host\":\"a\",\"referer\":\"http://b/"
                  "\\u00c3\\u00a9\",\"user_agent\":\"curl \\u00228\\u0022"
                  "\\u001b[31m\\u005c\",\"status\":200,\"bytes\":13,"
                  "\"seconds\":0.012500}\n"));
}
END_TEST

START_TEST(what_could_not_be_parsed_has_a_line_too)
{
    struct rp_access_record r = {.peer = "", .status = 400, .bytes = 16};

    ck_assert_ptr_nonnull(strstr(lines(RP_ACCESS_COMBINED, &r, 1),
                                 "] \"-\" 400 16 \"-\" \"-\" 0.000000\n"));
    ck_assert_int_eq(strncmp(text, "unix: - - [", 11), 0);
    ck_assert_ptr_nonnull(strstr(lines(RP_ACCESS_JSON, &r, 1),
                                 "\"remote\":\"\",\"status\":400,"));
}
END_TEST

START_TEST(lines_are_written_whole_and_none_is_lost)
{
    const char *s = lines(RP_ACCESS_COMBINED, &record, 300);
    int n = 0;

    for (; (s = strchr(s, '\n')); s++)
        n++;
    ck_assert_int_eq(n, 300);
}
END_TEST

START_TEST(a_long_field_is_cut)
{
    static char agent[64 * 1024];
    struct rp_field f = {RP_STR("user-agent"), {agent, sizeof(agent)}};
    struct rp_request q = request;
    struct rp_access_record r = record;

    memset(agent, 'x', sizeof(agent));
    q.fields = &f;
    q.nfields = 1;
    r.request = &q;
    ck_assert_uint_lt(strlen(lines(RP_ACCESS_COMBINED, &r, 1)), 9000);
    ck_assert_uint_gt(strlen(text), 8000);
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("app/access");
    TCase *t = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_test(t, a_combined_line_has_its_nine_fields);
    tcase_add_test(t, a_json_line_is_json);
    tcase_add_test(t, what_could_not_be_parsed_has_a_line_too);
    tcase_add_test(t, lines_are_written_whole_and_none_is_lost);
    tcase_add_test(t, a_long_field_is_cut);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
