/* The head of an answer: whatever the application says, one framing. */
#include <check.h>

#include "run.h"
#include "rupy/http/response.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

/* What is written for h, as a string of static life. */
static const char *
render(const struct rp_response_head *h, bool date_on, const char *server)
{
    static char text[4096];
    struct rp_response_consts c;
    struct rp_buf out;

    rp_response_consts_init(&c, date_on, server);
    rp_response_consts_set_time(&c, 784111777);
    rp_buf_init(&out, 0);
    ck_assert_int_eq(rp_response_write_head(&out, &c, h), 0);
    ck_assert_uint_lt(out.n, sizeof(text));
    memcpy(text, out.p, out.n);
    text[out.n] = '\0';
    rp_buf_fini(&out);
    return text;
}

START_TEST(a_head_is_written)
{
    const struct rp_field v[] = {{RP_STR("x-A"), RP_STR("b\xe9")},
                                 {RP_STR("Y"), {NULL, 0}}};
    struct rp_response_head h = {
        .status = 200,
        .fields = v,
        .nfields = 2,
        .content_type = RP_STR("text/plain"),
        .framing = RP_FRAMING_LENGTH,
        .length = 18446744073709551615u,
        .connection = RP_STR("close"),
    };

    ck_assert_str_eq(render(&h, true, "rupy"),
                     "HTTP/1.1 200 OK\r\nx-A: b\xe9\r\nY: \r\n"
                     "Content-Type: text/plain\r\n"
                     "Content-Length: 18446744073709551615\r\n"
                     "Connection: close\r\n"
                     "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                     "Server: rupy\r\n\r\n");
    h = (struct rp_response_head){.status = 404, .framing = RP_FRAMING_CHUNKED};
    ck_assert_str_eq(render(&h, false, ""),
                     "HTTP/1.1 404 Not Found\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n");
    h = (struct rp_response_head){.status = 299, .framing = RP_FRAMING_CLOSE};
    ck_assert_str_eq(render(&h, false, NULL), "HTTP/1.1 299 Unknown\r\n\r\n");
    h = (struct rp_response_head){
        .status = 205, .framing = RP_FRAMING_LENGTH, .length = 7};
    ck_assert_str_eq(render(&h, false, NULL),
                     "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n");
}
END_TEST

START_TEST(there_is_one_server_field)
{
    const struct rp_field v[] = {{RP_STR("server"), RP_STR("mine")},
                                 {RP_STR("Server"), RP_STR("again")}};
    struct rp_response_head h = {.status = 204, .fields = v, .nfields = 2};

    ck_assert_str_eq(render(&h, true, "rupy"),
                     "HTTP/1.1 204 No Content\r\nserver: mine\r\n"
                     "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
    ck_assert_str_eq(render(&h, false, "rupy"),
                     "HTTP/1.1 204 No Content\r\nserver: mine\r\n\r\n");
}
END_TEST

START_TEST(fields_are_sent_dropped_or_refused)
{
    static const struct {
        struct rp_field f;
        int want;
    } t[] = {
        {{{"X", 1}, {"y", 1}}, 0},
        {{{"X", 1}, {"", 0}}, 0},
        {{{"Set-Cookie", 10}, {"a\tb", 3}}, 0},
        {{{"Content-Type", 12}, {"\xff", 1}}, 0},
        {{{"content-length", 14}, {"5", 1}}, 1},
        {{{"Date", 4}, {"x", 1}}, 1},
        {{{"Connection", 10}, {"close", 5}}, 1},
        {{{"Transfer-Encoding", 17}, {"chunked", 7}}, 1},
        {{{"Trailer", 7}, {"x", 1}}, 1},
        {{{"Upgrade", 7}, {"x", 1}}, 1},
        {{{"Proxy-Connection", 16}, {"x", 1}}, 1},
        {{{"", 0}, {"x", 1}}, -1},
        {{{"X Y", 3}, {"x", 1}}, -1},
        {{{"X:", 2}, {"x", 1}}, -1},
        {{{"X\r\nY", 4}, {"x", 1}}, -1},
        {{{"X", 1}, {"a\r\nSet-Cookie: b", 16}}, -1},
        {{{"X", 1}, {"a\nb", 3}}, -1},
        {{{"X", 1}, {"a\rb", 3}}, -1},
        {{{"X", 1}, {"a\0b", 3}}, -1},
        {{{"X", 1}, {"\x7f", 1}}, -1},
        {{{"Connection", 10}, {"a\r\nb", 4}}, -1},
    };

    for (size_t i = 0; i < COUNT(t); i++) {
        struct rp_response_head h = {
            .status = 204, .fields = &t[i].f, .nfields = 1};
        const char *text = render(&h, false, NULL);

        ck_assert_msg(rp_response_check_field(&t[i].f) == t[i].want, "%zu", i);
        if (t[i].want != 0)
            ck_assert_str_eq(text, "HTTP/1.1 204 No Content\r\n\r\n");
    }
}
END_TEST

START_TEST(each_answer_has_one_framing)
{
    static const struct {
        int status;
        bool is_head;
        int minor;
        int64_t length;
        enum rp_framing want;
        bool close;
    } t[] = {
        {200, false, 1, 5, RP_FRAMING_LENGTH, false},
        {200, false, 1, 0, RP_FRAMING_LENGTH, false},
        {200, false, 1, -1, RP_FRAMING_CHUNKED, false},
        {200, false, 0, -1, RP_FRAMING_CLOSE, true},
        {200, false, 0, 5, RP_FRAMING_LENGTH, false},
        {200, true, 1, 5, RP_FRAMING_LENGTH, false},
        {200, true, 1, -1, RP_FRAMING_NONE, false},
        {200, true, 0, -1, RP_FRAMING_NONE, false},
        {204, false, 1, 5, RP_FRAMING_NONE, false},
        {304, false, 0, -1, RP_FRAMING_NONE, false},
        {103, false, 1, -1, RP_FRAMING_NONE, false},
        {205, false, 0, -1, RP_FRAMING_LENGTH, false},
        {500, false, 1, -1, RP_FRAMING_CHUNKED, false},
    };

    for (size_t i = 0; i < COUNT(t); i++) {
        bool close = false;

        ck_assert_int_eq(rp_response_framing(t[i].status, t[i].is_head,
                                             t[i].minor, t[i].length, &close),
                         t[i].want);
        ck_assert_int_eq(close, t[i].close);
    }
}
END_TEST

START_TEST(constants_are_rendered_once_a_second)
{
    struct rp_response_consts c;

    rp_response_consts_init(&c, true, "a\r\nb");
    ck_assert_str_eq(c.server, "");
    rp_response_consts_set_time(&c, 784111777);
    c.text[0] = '!';
    rp_response_consts_set_time(&c, 784111777);
    ck_assert_int_eq(c.text[0], '!');
    rp_response_consts_set_time(&c, 784111778);
    ck_assert(rp_str_eq((struct rp_str){c.text, c.text_n},
                        RP_STR("Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n")));
}
END_TEST

START_TEST(memory_that_runs_out_leaves_no_half_head)
{
    const struct rp_response_head h = {.status = 204};
    struct rp_response_consts c;
    struct rp_buf out;

    rp_response_consts_init(&c, true, "");
    rp_buf_init(&out, 16);
    ck_assert_int_eq(rp_response_write_head(&out, &c, &h), -1);
    ck_assert_uint_eq(out.n, 0);
    rp_buf_fini(&out);
}
END_TEST

START_TEST(chunk_heads)
{
    static const struct {
        size_t n;
        const char *want;
    } t[] = {{1, "1\r\n"},
             {26, "1a\r\n"},
             {65536, "10000\r\n"},
             {SIZE_MAX, "ffffffffffffffff\r\n"}};
    struct rp_buf out;

    for (size_t i = 0; i < COUNT(t); i++) {
        rp_buf_init(&out, 0);
        ck_assert_int_eq(rp_response_write_chunk_head(&out, t[i].n), 0);
        ck_assert_uint_eq(out.n, strlen(t[i].want));
        ck_assert_mem_eq(out.p, t[i].want, out.n);
        rp_buf_fini(&out);
    }
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_add_test(t, a_head_is_written);
    tcase_add_test(t, there_is_one_server_field);
    tcase_add_test(t, fields_are_sent_dropped_or_refused);
    tcase_add_test(t, each_answer_has_one_framing);
    tcase_add_test(t, constants_are_rendered_once_a_second);
    tcase_add_test(t, memory_that_runs_out_leaves_no_half_head);
    tcase_add_test(t, chunk_heads);
    return run_tests("http/response", t);
}
