/* HTTP/1.1 on one connection: requests in, answers out, whatever the split. */
#include <check.h>
#include <stdio.h>

#include "fake.h"
#include "run.h"
#include "rupy/base/log.h"

#define HEAD "HTTP/1.1 200 OK\r\n"
#define HELLO HEAD "Content-Length: 5\r\n\r\nhello"
#define CLOSE "Connection: close\r\n"
#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST "\r\n"
#define TEXT "Content-Type: text/plain; charset=utf-8\r\n"
#define ERROR(line, text, n)                                                   \
    "HTTP/1.1 " line "\r\n" TEXT "Content-Length: " n "\r\n" CLOSE "\r\n" text

enum end { STAYS, CLOSES, LINGERS, ABORTS };

static const struct {
    const char *in, *want;
    enum end end;
    const char *why;
} cases[] = {
    {GET, HELLO, STAYS, "a connection persists (RFC 9112 9.3)"},
    {GET GET GET, HELLO HELLO HELLO, STAYS, "pipelined, in order"},
    {"\r\n" GET, HELLO, STAYS, "one empty line in front (RFC 9112 2.2)"},
    {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
     HEAD "Content-Length: 5\r\n" CLOSE "\r\nhello", CLOSES,
     "the client wants it closed (RFC 9112 9.6)"},
    {"GET / HTTP/1.0\r\n\r\n", HEAD "Content-Length: 5\r\n" CLOSE "\r\nhello",
     CLOSES, "1.0 does not persist"},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     HEAD "Content-Length: 5\r\nConnection: keep-alive\r\n\r\nhello", STAYS,
     "but when it asks for it"},
    {"HEAD / HTTP/1.1\r\n" HOST "\r\n" GET,
     HEAD "Content-Length: 5\r\n\r\n" HELLO, STAYS,
     "HEAD has the fields and no content (RFC 9110 9.3.2)"},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" GET,
     HEAD "Content-Length: 3\r\n\r\nabc" HELLO, STAYS, "content by length"},
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
     "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n" GET,
     HEAD "Content-Length: 3\r\n\r\nabc" HELLO, STAYS, "content in chunks"},
    {"POST /pieces HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" GET,
     HEAD "Content-Length: 3\r\n\r\nabc" HELLO, STAYS, "content in pieces"},
    {"POST /pieces HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
     "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n" GET,
     HEAD "Content-Length: 3\r\n\r\nabc" HELLO, STAYS,
     "chunks and pieces have nothing to do with each other"},
    {"POST /pieces HTTP/1.1\r\n" HOST "\r\n" GET,
     HEAD "Content-Length: 0\r\n\r\n" HELLO, STAYS, "no piece at all"},
    {"POST /pieces HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
     "2\r\nabX" GET,
     ERROR("400 Bad Request", "400 Bad Request\n", "16"), LINGERS,
     "a bad chunk, when the handler is at work already"},
    {"GET /u/x%2Fy HTTP/1.1\r\n" HOST "\r\n",
     HEAD "Content-Length: 5\r\n\r\nx%2Fy", STAYS,
     "an encoded slash separates nothing"},
    {"GET /nowhere HTTP/1.1\r\n" HOST "\r\n" GET,
     "HTTP/1.1 404 Not Found\r\n" TEXT
     "Content-Length: 14\r\n\r\n404 Not Found\n" HELLO,
     STAYS, "no route"},
    {"POST /nowhere HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" GET,
     "HTTP/1.1 404 Not Found\r\n" TEXT
     "Content-Length: 14\r\n\r\n404 Not Found\n" HELLO,
     STAYS, "content that nobody wants is skipped"},
    {"POST /nowhere HTTP/1.1\r\n" HOST "Content-Length: 70000\r\n\r\nabc",
     "HTTP/1.1 404 Not Found\r\n" TEXT "Content-Length: 14\r\n" CLOSE
     "\r\n404 Not Found\n",
     LINGERS, "unless it is much: then the connection ends"},
    {"PUT / HTTP/1.1\r\n" HOST "\r\n",
     "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD, OPTIONS\r\n" TEXT
     "Content-Length: 23\r\n\r\n405 Method Not Allowed\n",
     STAYS, "405 says what is allowed (RFC 9110 15.5.6)"},
    {"FROB / HTTP/1.1\r\n" HOST "\r\n",
     "HTTP/1.1 501 Not Implemented\r\n" TEXT
     "Content-Length: 20\r\n\r\n501 Not Implemented\n",
     STAYS, "a method that nobody knows (RFC 9110 9.1)"},
    {"OPTIONS / HTTP/1.1\r\n" HOST "\r\n",
     "HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, OPTIONS\r\n\r\n", STAYS,
     "OPTIONS that no route answers"},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
     "HTTP/1.1 204 No Content\r\n"
     "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n\r\n",
     STAYS, "about the server (RFC 9110 9.3.7)"},
    {"GET /stream HTTP/1.1\r\n" HOST "\r\n" GET,
     HEAD "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
          "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n" HELLO,
     STAYS, "length not known: chunked"},
    {"GET /stream HTTP/1.0\r\n\r\n",
     HEAD "Content-Type: text/plain\r\n" CLOSE "\r\nonetwo", CLOSES,
     "and to 1.0 by the end of the connection (RFC 9112 6.1)"},
    {"HEAD /stream HTTP/1.1\r\n" HOST "\r\n" GET,
     HEAD "Content-Type: text/plain\r\n\r\n" HELLO, STAYS, "HEAD of a stream"},
    {"GET /short HTTP/1.1\r\n" HOST "\r\n" GET,
     HEAD "Content-Type: text/plain\r\nContent-Length: 10\r\n\r\nonetwo",
     LINGERS, "shorter than promised: never reused (RFC 9112 8)"},
    {"GET /long HTTP/1.1\r\n" HOST "\r\n" GET,
     HEAD "Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nonet", LINGERS,
     "longer than promised: cut, and never reused"},
    {"GET /split HTTP/1.1\r\n" HOST "\r\n",
     "HTTP/1.1 500 Internal Server Error\r\n" TEXT
     "Content-Length: 26\r\n\r\n500 Internal Server Error\n",
     STAYS, "no response splitting"},
    {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n" GET,
     HEAD "Content-Length: 5\r\n" CLOSE "\r\nhello", LINGERS,
     "what comes behind close is not looked at"},
    {GET "BAD\r\n\r\n" GET,
     HELLO ERROR("400 Bad Request", "400 Bad Request\n", "16"), LINGERS,
     "nor what comes behind an error"},
    {"GET / HTTP/1.1\r\n\r\n",
     ERROR("400 Bad Request", "400 Bad Request\n", "16"), LINGERS,
     "Host is missing (RFC 9112 3.2)"},
    {"GET / HTTP/3.0\r\n" HOST "\r\n",
     ERROR("505 HTTP Version Not Supported", "505 HTTP Version Not Supported\n",
           "31"),
     LINGERS, "another version"},
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
     "2\r\nabX",
     ERROR("400 Bad Request", "400 Bad Request\n", "16"), LINGERS,
     "a chunk that does not end (RFC 9112 7.1)"},
    {"CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n",
     "HTTP/1.1 501 Not Implemented\r\n" TEXT
     "Content-Length: 20\r\n\r\n501 Not Implemented\n",
     STAYS, "not a proxy"},
    {"\x16\x03\x01", "", ABORTS, "TLS gets no text"},
};

static const char *
end_name(const struct fake *f)
{
    return f->aborted   ? "ABORTS"
           : !f->closed ? "STAYS"
           : f->lingers ? "LINGERS"
                        : "CLOSES";
}

static void
verify(const struct fake *f, int i, const char *how)
{
    static const char *const names[] = {"STAYS", "CLOSES", "LINGERS", "ABORTS"};
    size_t n = strlen(cases[i].want);

    if (f->out.n != n || (n > 0 && memcmp(f->out.p, cases[i].want, n) != 0))
        ck_abort_msg("%s, %s:\n%.*s\n--- wanted\n%s", cases[i].why, how,
                     (int)f->out.n, f->out.p, cases[i].want);
    /* How much of what follows was there already is up to the split. */
    if (cases[i].end == LINGERS || cases[i].end == CLOSES)
        ck_assert_msg(f->closed && !f->aborted, "%s, %s: open", cases[i].why,
                      how);
    else
        ck_assert_msg(strcmp(end_name(f), names[cases[i].end]) == 0,
                      "%s, %s: %s", cases[i].why, how, end_name(f));
}

START_TEST(every_case_gives_the_same_in_one_piece)
{
    struct fake f;

    fake_init(&f);
    fake_feed(&f, cases[_i].in, strlen(cases[_i].in));
    verify(&f, _i, "whole");
    ck_assert_str_eq(end_name(&f), cases[_i].end == STAYS     ? "STAYS"
                                   : cases[_i].end == CLOSES  ? "CLOSES"
                                   : cases[_i].end == LINGERS ? "LINGERS"
                                                              : "ABORTS");
    fake_fini(&f);
}
END_TEST

START_TEST(every_case_gives_the_same_byte_by_byte)
{
    struct fake f;

    fake_init(&f);
    for (size_t i = 0; i < strlen(cases[_i].in); i++)
        fake_feed(&f, cases[_i].in + i, 1);
    verify(&f, _i, "byte by byte");
    fake_fini(&f);
}
END_TEST

START_TEST(every_case_gives_the_same_cut_anywhere)
{
    size_t n = strlen(cases[_i].in);
    struct fake f;

    fake_init(&f);
    for (size_t cut = 1; cut < n; cut++) {
        char how[32];
        fake_connect(&f);
        fake_feed(&f, cases[_i].in, cut);
        fake_feed(&f, cases[_i].in + cut, n - cut);
        snprintf(how, sizeof(how), "cut at %zu", cut);
        verify(&f, _i, how);
    }
    fake_fini(&f);
}
END_TEST

static void
feed(struct fake *f, const char *s)
{
    fake_feed(f, s, strlen(s));
}

static struct rp_str
out(const struct fake *f)
{
    return (struct rp_str){f->out.p, f->out.n};
}

START_TEST(a_request_waits_while_the_one_before_it_is_handled)
{
    struct fake f;
    struct rp_answer a = {.status = 200, .content = RP_STR("late!")};

    fake_init(&f);
    feed(&f, "GET /hold?q=1 HTTP/1.1\r\n" HOST "\r\n" GET);
    ck_assert_uint_eq(f.out.n, 0);
    ck_assert_uint_eq(f.started, 1);
    ck_assert_int_eq(f.wait, RP_WAIT_HANDLER);
    /* The read buffer is gone by now: the request must have been copied. */
    ck_assert(rp_str_eq(rp_exchange_request(f.held)->query, RP_STR("q=1")));
    ck_assert(rp_str_eq(rp_exchange_request(f.held)->host, RP_STR("a")));
    rp_exchange_answer(f.held, &a);
    ck_assert(f.resumed);
    fake_feed(&f, "", 0);
    ck_assert(rp_str_eq(out(&f),
                        RP_STR(HEAD "Content-Length: 5\r\n\r\nlate!" HELLO)));
    fake_fini(&f);
}
END_TEST

START_TEST(a_client_that_goes_stops_its_handler)
{
    struct fake f;

    fake_init(&f);
    feed(&f, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    fake_connect(&f);
    ck_assert_uint_eq(f.stopped, 1);
    ck_assert_uint_eq(f.service.nactive, 0);
    ck_assert_uint_eq(f.service.counters->active, 0);
    fake_fini(&f);
}
END_TEST

START_TEST(a_half_closed_client_gets_its_answer_and_then_the_end)
{
    struct fake f;
    struct rp_answer a = {.status = 200, .content = RP_STR("hello")};

    fake_init(&f);
    feed(&f, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    fake_eof(&f);
    ck_assert_uint_eq(f.eofs, 1);
    ck_assert(!f.closed);
    rp_exchange_answer(f.held, &a);
    ck_assert(rp_str_eq(
        out(&f), RP_STR(HEAD "Content-Length: 5\r\n" CLOSE "\r\nhello")));
    ck_assert(f.closed);
    fake_fini(&f);
}
END_TEST

START_TEST(content_that_never_ends_never_reaches_a_handler)
{
    struct fake f;

    fake_init(&f);
    feed(&f, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nabc");
    fake_eof(&f);
    ck_assert_uint_eq(f.started, 0);
    ck_assert_uint_eq(f.out.n, 0);
    ck_assert(f.closed);
    fake_fini(&f);
}
END_TEST

START_TEST(content_in_pieces_that_is_cut_is_told_so)
{
    struct fake f;

    fake_init(&f);
    feed(&f, "POST /pieces HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nabc");
    ck_assert_uint_eq(f.started, 1);
    ck_assert_int_eq(f.wait, RP_WAIT_CONTENT);
    fake_eof(&f);
    ck_assert(rp_str_has_prefix(out(&f), RP_STR("HTTP/1.1 200 ")));
    ck_assert_int_eq(memcmp(f.out.p + f.out.n - 3, "cut", 3), 0);
    ck_assert(f.closed);
    fake_fini(&f);
}
END_TEST

START_TEST(a_handler_that_takes_nothing_slows_the_client_down)
{
    static char block[64 * 1024];
    struct fake f;
    size_t kept;

    fake_init(&f);
    f.deaf = true;
    feed(&f,
         "POST /pieces HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n");
    for (int i = 0; i < 10; i++)
        fake_feed(&f, block, sizeof(block));
    kept = rp_exchange_content(f.held).n;
    ck_assert_uint_le(kept, 2 * sizeof(block));
    ck_assert_uint_eq(f.in.n, 10 * sizeof(block) - kept);
    ck_assert_int_eq(f.wait, RP_WAIT_HANDLER);
    /* What is taken makes room, and the rest comes. */
    rp_exchange_take_content(f.held, kept);
    ck_assert(f.resumed);
    fake_feed(&f, "", 0);
    ck_assert_uint_gt(rp_exchange_content(f.held).n, 0);
    fake_fini(&f);
}
END_TEST

START_TEST(an_answer_before_the_content_was_read_skips_or_closes)
{
    struct rp_answer a = {.status = 200, .content = RP_STR("early")};
    struct fake f;

    fake_init(&f);
    f.deaf = true;
    feed(&f, "POST /pieces HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab");
    rp_exchange_answer(f.held, &a);
    feed(&f, "cde" GET);
    ck_assert(rp_str_eq(out(&f),
                        RP_STR(HEAD "Content-Length: 5\r\n\r\nearly" HELLO)));
    fake_connect(&f);
    feed(&f,
         "POST /pieces HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\nab");
    rp_exchange_answer(f.held, &a);
    ck_assert(rp_str_eq(
        out(&f), RP_STR(HEAD "Content-Length: 5\r\n" CLOSE "\r\nearly")));
    ck_assert(f.closed && f.lingers);
    fake_fini(&f);
}
END_TEST

START_TEST(a_handler_that_streams_decides_about_100)
{
    struct rp_answer a = {.status = 200, .content = RP_STR("early")};
    struct fake f;

    fake_init(&f);
    feed(&f, "POST /pieces HTTP/1.1\r\n" HOST
             "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    ck_assert(rp_str_eq(out(&f), RP_STR("HTTP/1.1 100 Continue\r\n\r\n")));
    feed(&f, "abc");
    ck_assert(rp_str_eq(out(&f), RP_STR("HTTP/1.1 100 Continue\r\n\r\n" HEAD
                                        "Content-Length: 3\r\n\r\nabc")));
    fake_connect(&f);
    f.deaf = true;
    feed(&f, "POST /pieces HTTP/1.1\r\n" HOST
             "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    rp_exchange_answer(f.held, &a);
    ck_assert(rp_str_eq(
        out(&f), RP_STR(HEAD "Content-Length: 5\r\n" CLOSE "\r\nearly")));
    ck_assert(f.closed && f.lingers);
    fake_fini(&f);
}
END_TEST

START_TEST(a_100_is_sent_when_content_is_wanted_and_not_there)
{
    struct fake f;

    fake_init(&f);
    feed(&f, "POST /echo HTTP/1.1\r\n" HOST
             "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    ck_assert(rp_str_eq(out(&f), RP_STR("HTTP/1.1 100 Continue\r\n\r\n")));
    feed(&f, "abc");
    ck_assert(rp_str_eq(out(&f), RP_STR("HTTP/1.1 100 Continue\r\n\r\n" HEAD
                                        "Content-Length: 3\r\n\r\nabc")));
    fake_connect(&f);
    feed(&f, "POST /echo HTTP/1.1\r\n" HOST
             "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc");
    ck_assert(rp_str_eq(out(&f), RP_STR(HEAD "Content-Length: 3\r\n\r\nabc")));
    fake_connect(&f);
    feed(&f, "POST /nowhere HTTP/1.1\r\n" HOST
             "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    ck_assert(rp_str_has_prefix(out(&f), RP_STR("HTTP/1.1 404 ")));
    ck_assert(f.closed && f.lingers);
    fake_fini(&f);
}
END_TEST

START_TEST(content_over_the_limit_is_refused_as_soon_as_it_is_known)
{
    struct fake f;

    fake_init(&f);
    f.service.limits.body = 4;
    feed(&f, "POST /echo HTTP/1.1\r\n" HOST
             "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    ck_assert(rp_str_has_prefix(out(&f), RP_STR("HTTP/1.1 413 ")));
    ck_assert(f.closed && f.lingers);
    fake_connect(&f);
    feed(&f, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
             "\r\n3\r\nabc\r\n2\r\n");
    ck_assert(rp_str_has_prefix(out(&f), RP_STR("HTTP/1.1 413 ")));
    ck_assert_uint_eq(f.started, 0);
    fake_fini(&f);
}
END_TEST

START_TEST(deadlines_answer_408_only_to_who_has_begun)
{
    struct fake f;

    fake_init(&f);
    ck_assert_int_eq(f.wait, RP_WAIT_FIRST);
    f.session->ops->timeout(f.session, f.wait);
    ck_assert_uint_eq(f.out.n, 0);
    ck_assert(f.closed);
    fake_connect(&f);
    feed(&f, GET);
    ck_assert_int_eq(f.wait, RP_WAIT_IDLE);
    rp_buf_reset(&f.out);
    f.session->ops->timeout(f.session, f.wait);
    ck_assert_uint_eq(f.out.n, 0);
    ck_assert(f.closed);
    fake_connect(&f);
    feed(&f, "GET /");
    ck_assert_int_eq(f.wait, RP_WAIT_HEAD);
    f.session->ops->timeout(f.session, f.wait);
    ck_assert(rp_str_has_prefix(out(&f), RP_STR("HTTP/1.1 408 ")));
    fake_connect(&f);
    feed(&f, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\na");
    ck_assert_int_eq(f.wait, RP_WAIT_CONTENT);
    f.session->ops->timeout(f.session, f.wait);
    ck_assert(rp_str_has_prefix(out(&f), RP_STR("HTTP/1.1 408 ")));
    ck_assert(f.closed && f.lingers);
    ck_assert_uint_eq(f.started, 1);
    fake_fini(&f);
}
END_TEST

START_TEST(a_retiring_service_says_close_and_ends_idle_connections)
{
    struct fake f;

    fake_init(&f);
    f.service.retiring = true;
    feed(&f, GET);
    ck_assert(rp_str_eq(
        out(&f), RP_STR(HEAD "Content-Length: 5\r\n" CLOSE "\r\nhello")));
    ck_assert(f.closed);
    fake_connect(&f);
    f.session->ops->retire(f.session);
    ck_assert(f.closed);
    fake_fini(&f);
}
END_TEST

START_TEST(the_last_of_so_many_requests_says_close)
{
    struct fake f;

    fake_init(&f);
    f.service.keep_alive_requests = 2;
    feed(&f, GET GET GET);
    ck_assert(rp_str_eq(
        out(&f), RP_STR(HELLO HEAD "Content-Length: 5\r\n" CLOSE "\r\nhello")));
    ck_assert(f.closed);
    fake_fini(&f);
}
END_TEST

START_TEST(a_slow_client_makes_the_writer_wait)
{
    static char block[64 * 1024];
    struct fake f;
    int full = 0, n = 0;

    fake_init(&f);
    feed(&f, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    rp_exchange_head(f.held, 200, NULL, 0, RP_STR("text/plain"), -1);
    while (!full && n++ < 100) {
        f.sink.refs_n += sizeof(block); /* as if it were not sent */
        full = rp_exchange_write(f.held, block, 1);
    }
    ck_assert_int_eq(full, 1);
    ck_assert_int_eq(n, RP_SINK_HIGH / (int)sizeof(block));
    ck_assert(rp_exchange_is_full(f.held));
    f.sink.refs_n = 0;
    f.sink.over = false;
    f.session->ops->drained(f.session);
    ck_assert_uint_eq(f.drained, 1);
    rp_exchange_end(f.held);
    fake_fini(&f);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");
    int n = sizeof(cases) / sizeof(cases[0]);

    rp_log_set_level(RP_LOG_CRITICAL); /* errors are what is tested */
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_case_gives_the_same_in_one_piece, 0, n);
    tcase_add_loop_test(t, every_case_gives_the_same_byte_by_byte, 0, n);
    tcase_add_loop_test(t, every_case_gives_the_same_cut_anywhere, 0, n);
    tcase_add_test(t, a_request_waits_while_the_one_before_it_is_handled);
    tcase_add_test(t, a_client_that_goes_stops_its_handler);
    tcase_add_test(t, a_half_closed_client_gets_its_answer_and_then_the_end);
    tcase_add_test(t, content_that_never_ends_never_reaches_a_handler);
    tcase_add_test(t, content_in_pieces_that_is_cut_is_told_so);
    tcase_add_test(t, a_handler_that_takes_nothing_slows_the_client_down);
    tcase_add_test(t, an_answer_before_the_content_was_read_skips_or_closes);
    tcase_add_test(t, a_handler_that_streams_decides_about_100);
    tcase_add_test(t, a_100_is_sent_when_content_is_wanted_and_not_there);
    tcase_add_test(t, content_over_the_limit_is_refused_as_soon_as_it_is_known);
    tcase_add_test(t, deadlines_answer_408_only_to_who_has_begun);
    tcase_add_test(t, a_retiring_service_says_close_and_ends_idle_connections);
    tcase_add_test(t, the_last_of_so_many_requests_says_close);
    tcase_add_test(t, a_slow_client_makes_the_writer_wait);
    return run_tests("app/h1", t);
}
