/* The access line: what a client sent never ends a field or a line. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "run.h"
#include "rupy/app/access.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { READ_MAX = 64 * 1024 };

static char text[READ_MAX + 1];
static int nread;

/* What n requests like this one leave in a log. */
static const char *
lines_of(struct rp_access_options o, const struct rp_access_record *r, int n)
{
    int fds[2];
    ssize_t k;
    struct rp_access *a;

    ck_assert_int_eq(pipe(fds), 0);
    o.fd = fds[1];
    a = rp_access_new(&o);
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

static const char *
lines(const char *format, const struct rp_access_record *r, int n)
{
    return lines_of((struct rp_access_options){.format = format, .sample = 1},
                    r, n);
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
    const char *s = lines("combined", &record, 1);

    ck_assert_int_eq(strncmp(s, "192.0.2.1 - - [", 15), 0);
    ck_assert_ptr_nonnull(
        strstr(s, " +0000] \"GET /a?b=c HTTP/1.1\" 200 13 "
                  "\"http://b/\\xc3\\xa9\" "
                  "\"curl \\x228\\x22\\x1b[31m\\x5c\" 0.012500\n"));
    ck_assert_ptr_eq(strchr(s, '\n'), s + strlen(s) - 1);
}
END_TEST

/* Fields are looked at in steps of eight bytes. */
START_TEST(each_byte_is_escaped_wherever_it_stands)
{
    static const size_t lengths[] = {1, 7, 8, 9, 16, 17};
    struct rp_request q = request;
    struct rp_access_record r = record;
    char path[17], want[64], special[8];

    r.request = &q;
    for (size_t i = 0; i < COUNT(lengths); i++)
        for (size_t at = 0; at < lengths[i]; at++)
            for (int c = 0; c < 256; c++) {
                bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
                int n = (int)lengths[i];
                memset(path, 'x', sizeof(path));
                path[at] = (char)c;
                q.path = (struct rp_str){path, lengths[i]};
                snprintf(special, sizeof(special), plain ? "%c" : "\\x%02x", c);
                snprintf(want, sizeof(want), "%.*s%s%.*s\n", (int)at,
                         "xxxxxxxxxxxxxxxxx", special, n - 1 - (int)at,
                         "xxxxxxxxxxxxxxxxx");
                ck_assert_str_eq(lines("%(U)s", &r, 1), want);
            }
}
END_TEST

START_TEST(a_json_line_is_json)
{
    const char *s = lines("json", &record, 1);

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

    ck_assert_ptr_nonnull(strstr(lines("combined", &r, 1),
                                 "] \"-\" 400 16 \"-\" \"-\" 0.000000\n"));
    ck_assert_int_eq(strncmp(text, "unix: - - [", 11), 0);
    ck_assert_ptr_nonnull(
        strstr(lines("json", &r, 1), "\"remote\":\"\",\"status\":400,"));
}
END_TEST

START_TEST(lines_are_written_whole_and_none_is_lost)
{
    const char *s = lines("combined", &record, 300);
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
    ck_assert_uint_lt(strlen(lines("combined", &r, 1)), 9000);
    ck_assert_uint_gt(strlen(text), 8000);
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
}
END_TEST

static const struct {
    const char *format, *want;
} texts[] = {
    {"%(h)s %(l)s %(m)s %(U)s %(q)s %(H)s", "192.0.2.1 - GET /a b=c HTTP/1.1"},
    {"%(r)s|%(s)s|%(B)s|%(b)s|%(rl)s", "GET /a?b=c HTTP/1.1|200|13|13|99"},
    {"%(T)s %(M)s %(D)s %(L)s %(ttfb)s", "0 12 12500 0.012500 0.002000"},
    {"100%% %%(h)s %(s)s", "100% %(h)s 200"},
    {"%({Host}i)s %({HOST}i)s %({x-none}i)s", "a a -"},
    {"%({etag}o)s %({x-none}o)s", "W/x5c\\x22y -"},
    {"%(u)s %(wid)s %(rid)s %(tid)s %(sid)s", "- 3 id-7 0af7 b7ad"},
};

START_TEST(an_atom_tells_what_gunicorn_has_it_tell)
{
    static const struct rp_str logged[] = {RP_STR("W/x5c\"y"), RP_STR("")};
    struct rp_access_record r = record;
    struct rp_access_options o = {
        .format = texts[_i].format, .sample = 1, .worker = 3};

    r.received = 99;
    r.first = 0.002;
    r.id = RP_STR("id-7");
    r.trace = RP_STR("0af7");
    r.span = RP_STR("b7ad");
    r.logged = logged;
    ck_assert_ptr_null(
        rp_access_check_format((struct rp_str){o.format, strlen(o.format)}));
    lines_of(o, &r, 1);
    text[strcspn(text, "\n")] = '\0';
    ck_assert_str_eq(text, texts[_i].want);
}
END_TEST

static const struct {
    const char *format, *why;
} wrong[] = {
    {"", "neither"},
    {"Combined", "neither"},
    {"%(h)s %(x)s", "unknown atom"},
    {"%(h)d", "begins neither"},
    {"%(h", "begins neither"},
    {"50%", "begins neither"},
    {"%h", "begins neither"},
    {"%()s", "unknown atom"},
    {"%({a}e)s", "ends neither in"},
    {"%({}i)s", "without a name"},
    {"%(h)s\n", "control"},
};

START_TEST(a_format_that_is_wrong_is_refused)
{
    struct rp_str s = {wrong[_i].format, strlen(wrong[_i].format)};
    const char *why = rp_access_check_format(s);

    ck_assert_ptr_nonnull(why);
    ck_assert_msg(strstr(why, wrong[_i].why) != NULL, "%s: %s", s.p, why);
}
END_TEST

START_TEST(a_format_has_so_many_atoms)
{
    char format[65 * 5 + 1] = "";

    for (int i = 0; i < 64; i++)
        memcpy(format + 5 * i, "%(s)s", 6);
    ck_assert_ptr_null(rp_access_check_format((struct rp_str){format, 320}));
    memcpy(format + 320, "%(s)s", 6);
    ck_assert_ptr_nonnull(rp_access_check_format((struct rp_str){format, 325}));
}
END_TEST

START_TEST(json_has_the_members_that_were_asked_for)
{
    const char *names[] = {"status",  "ttfb", "{Host}i",
                           "{etag}o", "user", "worker"};
    struct rp_access_options o = {
        .format = "json", .fields = names, .nfields = 6, .sample = 1};
    struct rp_access_record r = record;

    r.first = -1;
    ck_assert_str_eq(lines_of(o, &r, 1),
                     "{\"status\":200,\"ttfb\":null,\"{Host}i\":\"a\","
                     "\"{etag}o\":\"\",\"user\":\"\",\"worker\":0}\n");
    o.fields = names + 2;
    o.nfields = 1;
    r.request = NULL;
    ck_assert_str_eq(lines_of(o, &r, 1), "{}\n");
    ck_assert_ptr_nonnull(rp_access_check_field(RP_STR("nonsense")));
    ck_assert_ptr_nonnull(rp_access_check_field(RP_STR("{a\"}i")));
}
END_TEST

static const struct {
    const char *rule;
    int status;
    bool fits; /* /a */
} rules[] = {
    {"/a", 200, true},      {"/", 200, false},      {"/a/", 200, false},
    {"/*", 200, true},      {"*", 404, true},       {"*a", 200, true},
    {"*b", 200, false},     {"/?", 200, true},      {"/??", 200, false},
    {"**/*a*", 200, true},  {"/a,200", 200, true},  {"/a,2xx", 204, true},
    {"/a,2XX", 199, false}, {"/a,404", 200, false}, {"*,3xx", 301, true},
};

START_TEST(a_rule_leaves_out_what_fits_it)
{
    struct rp_access_record r = record;
    struct rp_access_options o = {
        .format = "combined", .skip = &rules[_i].rule, .nskip = 1, .sample = 1};

    r.status = rules[_i].status;
    ck_assert_ptr_null(rp_access_check_skip(
        (struct rp_str){rules[_i].rule, strlen(rules[_i].rule)}));
    ck_assert_msg((lines_of(o, &r, 1)[0] == '\0') == rules[_i].fits, "%s",
                  rules[_i].rule);
}
END_TEST

START_TEST(a_rule_that_is_wrong_is_refused)
{
    static const char *const bad[] = {"",     ",200",   "a",     "/a,",
                                      "/,20", "/,2000", "/,6xx", "/,2x0"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(rp_access_check_skip(
                          (struct rp_str){bad[i], strlen(bad[i])}) != NULL,
                      "%s", bad[i]);
}
END_TEST

START_TEST(a_sample_has_its_share_and_every_failure)
{
    struct rp_access_options o = {.format = "%(s)s", .sample = 0.25};
    struct rp_access_record r = record;

    ck_assert_uint_eq(strlen(lines_of(o, &r, 100)), 25 * 4);
    o.sample = 0;
    ck_assert_uint_eq(strlen(lines_of(o, &r, 100)), 0);
    r.status = 500;
    ck_assert_uint_eq(strlen(lines_of(o, &r, 100)), 100 * 4);
}
END_TEST

static const struct {
    const char *authorization, *user;
} users[] = {
    {"Basic YWxpY2U6c2VjcmV0", "alice"}, /* alice:secret */
    {"basic  YToi", "a"},                /* a:" */
    {"Basic YSI6eA==", "a\\x22"},        /* a":x */
    {"Basic OnNlY3JldA==", "-"},         /* :secret */
    {"Basic YWxpY2U=", "-"},             /* alice, no colon */
    {"Basic !", "-"},
    {"Bearer YWxpY2U6", "-"},
};

START_TEST(the_user_is_that_of_basic_authorization)
{
    struct rp_field f = {
        RP_STR("authorization"),
        {users[_i].authorization, strlen(users[_i].authorization)}};
    struct rp_request q = request;
    struct rp_access_record r = record;

    q.fields = &f;
    q.nfields = 1;
    r.request = &q;
    lines("%(u)s", &r, 1);
    text[strcspn(text, "\n")] = '\0';
    ck_assert_str_eq(text, users[_i].user);
}
END_TEST

/* Count the lines that are there now. */
static void
read_on(int fd)
{
    static char piece[READ_MAX];
    ssize_t k;

    while ((k = read(fd, piece, sizeof(piece))) > 0)
        for (ssize_t i = 0; i < k; i++)
            nread += piece[i] == '\n';
}

START_TEST(a_pipe_that_nobody_reads_holds_nobody_up)
{
    enum { N = 20 * 1000 }; /* lines of 100 bytes, and more */
    struct rp_access_options o = {.format = "combined", .sample = 1};
    struct rp_access *a;
    int fds[2], before;

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    o.fd = fds[1];
    a = rp_access_new(&o);
    ck_assert_ptr_nonnull(a);
    for (int i = 0; i < N; i++) {
        rp_access_add(a, &record);
        if (i % 100 == 0)
            rp_access_flush(a);
    }
    ck_assert_int_eq(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
    nread = 0;
    read_on(fds[0]);
    ck_assert_int_gt(nread, 300); /* 64 KiB */
    while (before = nread, rp_access_flush(a), read_on(fds[0]), nread > before)
        continue;
    ck_assert_int_gt(nread, 1500); /* and 256 more */
    ck_assert_int_lt(nread, N / 2);
    before = nread;
    rp_access_add(a, &record);
    rp_access_free(a);
    read_on(fds[0]);
    ck_assert_int_eq(nread, before + 1);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(the_end_does_not_wait_for_who_does_not_read)
{
    struct rp_access_options o = {.format = "combined", .sample = 1};
    struct rp_access *a;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    o.fd = fds[1];
    a = rp_access_new(&o);
    ck_assert_ptr_nonnull(a);
    for (int i = 0; i < 5000; i++)
        rp_access_add(a, &record);
    rp_access_free(a);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_add_test(t, a_combined_line_has_its_nine_fields);
    tcase_add_test(t, each_byte_is_escaped_wherever_it_stands);
    tcase_add_test(t, a_json_line_is_json);
    tcase_add_test(t, what_could_not_be_parsed_has_a_line_too);
    tcase_add_test(t, lines_are_written_whole_and_none_is_lost);
    tcase_add_test(t, a_pipe_that_nobody_reads_holds_nobody_up);
    tcase_add_test(t, the_end_does_not_wait_for_who_does_not_read);
    tcase_add_test(t, a_long_field_is_cut);
    tcase_add_loop_test(t, an_atom_tells_what_gunicorn_has_it_tell, 0,
                        COUNT(texts));
    tcase_add_loop_test(t, a_format_that_is_wrong_is_refused, 0, COUNT(wrong));
    tcase_add_test(t, a_format_has_so_many_atoms);
    tcase_add_test(t, json_has_the_members_that_were_asked_for);
    tcase_add_loop_test(t, a_rule_leaves_out_what_fits_it, 0, COUNT(rules));
    tcase_add_test(t, a_rule_that_is_wrong_is_refused);
    tcase_add_test(t, a_sample_has_its_share_and_every_failure);
    tcase_add_loop_test(t, the_user_is_that_of_basic_authorization, 0,
                        COUNT(users));
    return run_tests("app/access", t);
}
