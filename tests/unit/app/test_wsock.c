/* A WebSocket on a connection: messages in, messages out, and every way in
 * which it ends. */
#include <errno.h>
#include <stdio.h>

#include "run.h"
#include "rupy/base/log.h"
#include "wsfake.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static const struct {
    struct cframe frames[5];
    const char *out;
    size_t out_n;
    const char *told;
    bool closed, lingers;
    const char *why;
} rows[] = {
    {{{FIN | TEXT, S("Hi")}}, S("\x81\x02Hi"), "T(Hi)", false, false, "echo"},
    {{{TEXT, S("a")}, {FIN | PING, S("p")}, {FIN | CONT, S("b")}},
     S("\x8a\x01p\x81\x02"
       "ab"),
     "T(ab)",
     false,
     false,
     "a ping inside a message is answered first"},
    {{{FIN | PING, S("1")}, {FIN | PING, S("2")}, {FIN | PONG, S("x")}},
     S("\x8a\x01"
       "1\x8a\x01"
       "2"),
     "",
     false,
     false,
     "every ping its pong"},
    {{{FIN | BIN, S("x")},
      {FIN | CLOSE, S("\x03\xe9"
                      "bye")}},
     S("\x82\x01x\x88\x02\x03\xe9"),
     "B(x)C1001(bye)",
     true,
     false,
     "the client closes, and is answered with its code"},
    {{{FIN | CLOSE, S("")}}, S("\x88\x00"), "C1005()", true, false, "no code"},
    {{{FIN | CLOSE, S("\x03\xe8")}, {FIN | TEXT, S("a")}, {15, S("b")}},
     S("\x88\x02\x03\xe8"),
     "C1000()",
     true,
     true,
     "what follows is not looked at"},
    {{{FIN | TEXT, S("a")}, {FIN | 3, S("")}, {FIN | TEXT, S("b")}},
     S("\x81\x01"
       "a\x88\x11\x03\xeareserved opcode"),
     "T(a)C1002(reserved opcode)",
     true,
     true,
     "the client breaks the rules"},
    {{{FIN | TEXT, S("\xff")}},
     S("\x88\x13\x03\xeftext is not UTF-8"),
     "C1007(text is not UTF-8)",
     true,
     true,
     "no UTF-8"},
    {{{FIN | CLOSE, S("\x03")}},
     S("\x88\x17\x03\xeamalformed close frame"),
     "C1002(malformed close frame)",
     true,
     true,
     "a close that is none"},
};

START_TEST(every_case_gives_the_same_at_any_cut)
{
    struct wsfake s;
    struct rp_buf in;

    wsfake_init(&s);
    rp_buf_init(&in, 0);
    for (size_t i = 0; i < 5 && rows[_i].frames[i].p != NULL; i++)
        client_frame(&in, rows[_i].frames[i].first, rows[_i].frames[i].p,
                     rows[_i].frames[i].n);
    for (size_t cut = 0; cut <= in.n; cut++) {
        wsfake_connect(&s, NULL);
        fake_feed(&s.f, in.p, cut);
        fake_feed(&s.f, in.p + cut, in.n - cut);
        wsfake_sent(&s, rows[_i].out, rows[_i].out_n);
        ck_assert_uint_eq(s.f.closed, rows[_i].closed);
        if (cut == 0)
            ck_assert_msg(s.f.lingers == rows[_i].lingers, "%s: lingers",
                          rows[_i].why);
        wsfake_told(&s, rows[_i].told);
    }
    wsfake_connect(&s, NULL);
    for (size_t i = 0; i < in.n; i++)
        fake_feed(&s.f, in.p + i, 1);
    wsfake_sent(&s, rows[_i].out, rows[_i].out_n);
    wsfake_told(&s, rows[_i].told);
    rp_buf_fini(&in);
    wsfake_fini(&s);
}
END_TEST

START_TEST(a_client_that_vanishes_is_1006_and_told_once)
{
    struct wsfake s;

    wsfake_init(&s);
    wsfake_gone(&s);
    wsfake_told(&s, "C1006()");
    wsfake_connect(&s, NULL);
    wsfake_feed(&s, FIN | TEXT, S("a"));
    fake_eof(&s.f);
    wsfake_told(&s, "T(a)C1006()");
    ck_assert(s.f.closed);
    wsfake_gone(&s);
    wsfake_told(&s, "");
    wsfake_connect(&s, NULL);
    wsfake_feed(&s, FIN | CLOSE, S("\x03\xe8"));
    wsfake_told(&s, "C1000()");
    wsfake_gone(&s);
    wsfake_told(&s, "");
    wsfake_fini(&s);
}
END_TEST

START_TEST(the_server_closes_and_waits_for_the_client)
{
    struct wsfake s;

    wsfake_init(&s);
    ck_assert_int_eq(rp_wsock_close(s.w, 1000, RP_STR("done")), 0);
    wsfake_sent(&s, S("\x88\x06\x03\xe8"
                      "done"));
    wsfake_told(&s, "");
    ck_assert(!s.f.closed);
    ck_assert(!rp_wsock_is_open(s.w));
    ck_assert_int_eq(rp_wsock_send(s.w, true, "a", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(rp_wsock_close(s.w, 1000, RP_STR("")), -1);
    ck_assert_int_eq(errno, EPIPE);
    /* What was on its way is dropped, and no pong goes out any more. */
    wsfake_feed(&s, FIN | TEXT, S("late"));
    wsfake_feed(&s, FIN | PING, S(""));
    wsfake_sent(&s, "", 0);
    wsfake_told(&s, "");
    wsfake_feed(&s, FIN | CLOSE,
                S("\x03\xe8"
                  "done"));
    wsfake_sent(&s, "", 0);
    wsfake_told(&s, "C1000(done)");
    ck_assert(s.f.closed && !s.f.lingers);
    /* And a client that does not answer. */
    wsfake_connect(&s, NULL);
    rp_wsock_close(s.w, RP_WS_NO_CODE, RP_STR(""));
    wsfake_sent(&s, S("\x88\x00"));
    wsfake_tick(&s, 9.9);
    ck_assert(!s.f.closed);
    wsfake_tick(&s, 0.2);
    ck_assert(s.f.closed && s.f.lingers);
    wsfake_told(&s, "C1006()");
    wsfake_fini(&s);
}
END_TEST

START_TEST(a_handler_may_close_while_it_is_told_of_a_message)
{
    struct wsfake s;

    wsfake_init(&s);
    s.close_on_message = 4000;
    wsfake_feed(&s, FIN | TEXT, S("a"));
    wsfake_sent(&s, S("\x88\x08\x0f\xa0"
                      "enough"));
    wsfake_feed(&s, FIN | TEXT, S("b"));
    wsfake_told(&s, "T(a)");
    wsfake_feed(&s, FIN | CLOSE, S("\x0f\xa0"));
    wsfake_told(&s, "C4000()");
    ck_assert(s.f.closed);
    wsfake_fini(&s);
}
END_TEST

START_TEST(closes_that_may_not_be_sent_are_refused)
{
    static char longer[RP_WS_CLOSE_REASON_MAX + 1];
    struct wsfake s;

    wsfake_init(&s);
    memset(longer, 'x', sizeof(longer));
    ck_assert_int_eq(rp_wsock_close(s.w, 1006, RP_STR("")), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(rp_wsock_close(s.w, 999, RP_STR("")), -1);
    ck_assert_int_eq(rp_wsock_close(s.w, 1000, RP_STR("\xff")), -1);
    ck_assert_int_eq(
        rp_wsock_close(s.w, 1000, (struct rp_str){longer, sizeof(longer)}), -1);
    ck_assert_int_eq(rp_wsock_ping(s.w, longer, 126), -1);
    ck_assert_int_eq(errno, EINVAL);
    wsfake_sent(&s, "", 0);
    ck_assert(rp_wsock_is_open(s.w));
    ck_assert_int_eq(rp_wsock_ping(s.w, "p", 1), 0);
    wsfake_sent(&s, S("\x89\x01p"));
    wsfake_fini(&s);
}
END_TEST

START_TEST(nothing_is_read_while_too_many_messages_wait)
{
    struct wsfake s;

    wsfake_init(&s);
    s.all.config.queue = 2;
    s.holds = s.quiet = true;
    for (int i = 0; i < 4; i++)
        wsfake_feed(&s, FIN | TEXT, S("a"));
    wsfake_feed(&s, FIN | CLOSE, S("\x03\xe8"));
    wsfake_told(&s, "T(a)T(a)");
    ck_assert(!s.f.session->ops->wants_input(s.f.session));
    ck_assert_uint_gt(s.f.in.n, 0);
    s.f.resumed = false;
    rp_wsock_taken(s.w, 1);
    ck_assert(s.f.resumed);
    fake_feed(&s.f, "", 0);
    wsfake_told(&s, "T(a)");
    rp_wsock_taken(s.w, 1);
    fake_feed(&s.f, "", 0);
    wsfake_told(&s, "T(a)");
    rp_wsock_taken(s.w, 1);
    fake_feed(&s.f, "", 0);
    wsfake_told(&s, "");
    rp_wsock_taken(s.w, 1);
    rp_wsock_idle(s.w);
    wsfake_told(&s, "C1000()");
    wsfake_fini(&s);
}
END_TEST

#define BYE "\017\241bye" /* 4001 */

/* The client says "a", which the handler holds, and closes. */
static void
message_and_close(struct wsfake *s, const char *close, size_t n)
{
    wsfake_init(s);
    s->holds = s->quiet = true;
    wsfake_feed(s, FIN | TEXT, S("a"));
    wsfake_feed(s, FIN | CLOSE, close, n);
}

START_TEST(a_close_frame_counts_when_what_came_before_it_is_answered)
{
    struct wsfake s;

    message_and_close(&s, S(BYE));
    wsfake_feed(&s, FIN | TEXT, S("behind the end"));
    s.f.session->ops->eof(s.f.session);
    wsfake_told(&s, "T(a)");
    wsfake_sent(&s, S(""));
    ck_assert(rp_wsock_is_open(s.w));
    rp_wsock_taken(s.w, 1);
    ck_assert_int_eq(rp_wsock_send(s.w, true, "b", 1), 0);
    wsfake_sent(&s, S("\x81\x01"
                      "b"));
    rp_wsock_idle(s.w);
    wsfake_sent(&s, S("\x88\x02\x0f\xa1"));
    wsfake_told(&s, "C4001(bye)");
    wsfake_fini(&s);
}
END_TEST

START_TEST(a_close_frame_counts_when_the_handler_is_done_or_too_late)
{
    struct wsfake s;

    message_and_close(&s, S(BYE));
    ck_assert_int_eq(rp_wsock_close(s.w, RP_WS_NORMAL, RP_STR("")), 0);
    wsfake_sent(&s, S("\x88\x02\x0f\xa1"));
    wsfake_tick(&s, 1);
    wsfake_told(&s, "T(a)C4001(bye)");
    wsfake_fini(&s);

    message_and_close(&s, S("\x03\xe8"));
    wsfake_tick(&s, s.all.config.close_timeout - 1);
    wsfake_told(&s, "T(a)");
    wsfake_tick(&s, 1);
    wsfake_sent(&s, S("\x88\x02\x03\xe8"));
    wsfake_told(&s, "C1000()");
    wsfake_fini(&s);

    message_and_close(&s, S(BYE));
    wsfake_gone(&s);
    wsfake_told(&s, "T(a)C4001(bye)");
    wsfake_fini(&s);
}
END_TEST

START_TEST(nothing_is_read_while_too_many_bytes_wait)
{
    struct wsfake s;

    wsfake_init(&s);
    s.all.config.limits.message = 10;
    wsfake_connect(&s, NULL); /* limits are taken at the start */
    s.holds = s.quiet = true;
    wsfake_feed(&s, FIN | TEXT, S("1234567890"));
    wsfake_feed(&s, FIN | TEXT, S("a"));
    wsfake_told(&s, "T(1234567890)");
    rp_wsock_taken(s.w, 10);
    ck_assert(s.f.resumed);
    fake_feed(&s.f, "", 0);
    wsfake_told(&s, "T(a)");
    /* A close from here reads on: nobody is owed the messages. */
    wsfake_feed(&s, FIN | TEXT, S("1234567890"));
    wsfake_feed(&s, FIN | CLOSE, S(""));
    wsfake_told(&s, "T(1234567890)");
    s.f.resumed = false;
    rp_wsock_close(s.w, 1000, RP_STR(""));
    ck_assert(s.f.resumed);
    fake_feed(&s.f, "", 0);
    wsfake_told(&s, "C1005()");
    wsfake_fini(&s);
}
END_TEST

START_TEST(a_slow_client_makes_the_writer_wait_and_is_given_up_in_the_end)
{
    struct wsfake s;

    wsfake_init(&s);
    ck_assert_int_eq(rp_wsock_send(s.w, false, "a", 1), 0);
    s.f.sink.refs_n = RP_SINK_HIGH; /* as if it were not sent */
    ck_assert_int_eq(rp_wsock_send(s.w, false, "b", 1), 1);
    ck_assert(s.f.sink.over);
    ck_assert(rp_wsock_is_full(s.w));
    s.f.sink.refs_n = 0;
    s.f.sink.over = false;
    s.f.session->ops->drained(s.f.session);
    wsfake_told(&s, "D");
    ck_assert(!rp_wsock_is_full(s.w));
    wsfake_sent(&s, S("\x82\x01"
                      "a\x82\x01"
                      "b"));
    s.f.sink.refs_n = s.all.config.send_buffer;
    ck_assert_int_eq(rp_wsock_send(s.w, false, "c", 1), -1);
    ck_assert_int_eq(errno, ENOBUFS);
    s.f.sink.refs_n = 0;
    wsfake_sent(&s, S("\x88\x0a\x03\xf5too slow"));
    ck_assert(s.f.closed);
    /* It is told by the loop, not from inside its own call. */
    wsfake_told(&s, "");
    wsfake_tick(&s, 0);
    wsfake_told(&s, "C1013()");
    /* Or when it is gone before that. */
    wsfake_connect(&s, NULL);
    s.f.sink.refs_n = s.all.config.send_buffer;
    ck_assert_int_eq(rp_wsock_send(s.w, false, "c", 1), -1);
    s.f.sink.refs_n = 0;
    wsfake_gone(&s);
    wsfake_told(&s, "C1013()");
    wsfake_fini(&s);
}
END_TEST

START_TEST(a_flood_of_pings_to_a_full_queue_gets_one_pong)
{
    struct wsfake s;

    wsfake_init(&s);
    s.f.sink.refs_n = RP_SINK_HIGH;
    wsfake_feed(&s, FIN | PING, S("1"));
    wsfake_feed(&s, FIN | PING, S("2"));
    wsfake_feed(&s, FIN | PING, S("3"));
    wsfake_sent(&s, "", 0);
    ck_assert(s.f.sink.over);
    s.f.sink.refs_n = 0;
    s.f.sink.over = false;
    s.f.session->ops->drained(s.f.session);
    wsfake_sent(&s, S("\x8a\x01"
                      "3"));
    s.f.session->ops->drained(s.f.session);
    wsfake_sent(&s, "", 0);
    wsfake_fini(&s);
}
END_TEST

START_TEST(a_retiring_service_goes_away)
{
    struct wsfake s;

    wsfake_init(&s);
    s.f.session->ops->retire(s.f.session);
    wsfake_sent(&s, S("\x88\x02\x03\xf4"));
    s.f.session->ops->retire(s.f.session);
    wsfake_sent(&s, "", 0);
    wsfake_feed(&s, FIN | CLOSE, S("\x03\xf4"));
    wsfake_told(&s, "C1012()");
    ck_assert(s.f.closed);
    wsfake_fini(&s);
}
END_TEST

START_TEST(a_handler_that_detached_is_told_nothing)
{
    struct wsfake s;

    wsfake_init(&s);
    rp_wsock_detach(s.w);
    wsfake_sent(&s, S("\x88\x02\x03\xf3"));
    wsfake_feed(&s, FIN | TEXT, S("a"));
    wsfake_feed(&s, FIN | CLOSE, S("\x03\xf3"));
    ck_assert(s.f.closed);
    wsfake_gone(&s);
    wsfake_told(&s, "");
    wsfake_fini(&s);
}
END_TEST

START_TEST(a_bad_answer_to_the_handshake_opens_nothing)
{
    static const struct rp_field bad = {{"x", 1}, {"a\nb", 3}};
    const struct rp_ws_handshake h = {.deflate = {.on = false}};
    struct rp_wsock *w = NULL;
    struct wsfake s;

    wsfake_init(&s);
    ck_assert_int_eq(rp_wsock_new(&s.all, &s.f.sink, &wsfake_handler, &s, &h,
                                  &s.f.service.consts, RP_STR(""), &bad, 1, &w),
                     RP_WS_BAD_FIELD);
    ck_assert_ptr_null(w);
    ck_assert_uint_eq(s.all.n, 1);
    wsfake_sent(&s, "", 0);
    wsfake_fini(&s);
}
END_TEST

START_TEST(messages_are_compressed_when_it_was_agreed_on)
{
    const struct rp_ws_handshake h = {
        .deflate = {.on = true, .server_bits = 12, .client_bits = 15}};
    static char zeros[1000];
    struct wsfake s;

    wsfake_init(&s);
    s.all.config.deflate.threshold = 100;
    wsfake_connect(&s, &h);
    wsfake_feed(&s, FIN | RSV1 | TEXT, S("\xf2\x48\xcd\xc9\xc9\x07\x00"));
    wsfake_told(&s, "T(Hello)");
    wsfake_sent(&s, S("\x81\x05Hello"));
    ck_assert_int_eq(rp_wsock_send(s.w, false, zeros, sizeof(zeros)), 0);
    ck_assert_uint_lt(s.f.out.n, 50);
    ck_assert_int_eq((uint8_t)s.f.out.p[0], FIN | RSV1 | BIN);
    wsfake_fini(&s);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    rp_log_set_level(RP_LOG_CRITICAL);
    tcase_add_loop_test(t, every_case_gives_the_same_at_any_cut, 0,
                        (int)COUNT(rows));
    tcase_add_test(t, a_client_that_vanishes_is_1006_and_told_once);
    tcase_add_test(t,
                   a_close_frame_counts_when_what_came_before_it_is_answered);
    tcase_add_test(t,
                   a_close_frame_counts_when_the_handler_is_done_or_too_late);
    tcase_add_test(t, the_server_closes_and_waits_for_the_client);
    tcase_add_test(t, a_handler_may_close_while_it_is_told_of_a_message);
    tcase_add_test(t, closes_that_may_not_be_sent_are_refused);
    tcase_add_test(t, nothing_is_read_while_too_many_messages_wait);
    tcase_add_test(t, nothing_is_read_while_too_many_bytes_wait);
    tcase_add_test(
        t, a_slow_client_makes_the_writer_wait_and_is_given_up_in_the_end);
    tcase_add_test(t, a_flood_of_pings_to_a_full_queue_gets_one_pong);
    tcase_add_test(t, a_retiring_service_goes_away);
    tcase_add_test(t, a_handler_that_detached_is_told_nothing);
    tcase_add_test(t, a_bad_answer_to_the_handshake_opens_nothing);
    tcase_add_test(t, messages_are_compressed_when_it_was_agreed_on);
    return run_tests("app/wsock", t);
}
